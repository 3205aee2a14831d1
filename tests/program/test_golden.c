/* Runs golden cases (data of a real Caffe) and checks every quantity that a strategy stores against both bounds.
 *
 *   test_golden [--device D] [--strategy S] [--conv C] [--verbose] [--no-skips] DIR...
 *
 * A DIR is a case or a folder of cases. Without --strategy and --conv each case runs under several of both. The strategy `caffe`
 * stores everything, so under it every line of tolerance.tsv has to be checked; others keep fewer values. A case of a layer or a
 * solver that is not computed yet is skipped, and with --no-skips fails. At the end a table says, per kind of case, what passed and
 * the worst share of a bound. */
#include "net/net.h"
#include "tests/support/golden_run.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 64, KIND_NAME_MAX = 48 };

typedef enum verdict { PASSED, FAILED, SKIPPED, VERDICTS } verdict;

/* All runs of the cases in one folder. */
typedef struct kind {
    char name[KIND_NAME_MAX];
    int count[VERDICTS];
    double worst;
    char where[160]; /* the case, strategy and file of the worst share */
} kind;

typedef struct runner {
    const char *strategy, *conv; /* NULL: several */
    const char *device_kind;
    bool verbose, no_skips;
    sa_device *device;
    kind kinds[KINDS_MAX];
    int kind_count;
} runner;

/* ------------------------------------------------------------------ the table --------------------------------------- */

/* "layer_conv" of ".../layer_conv/dil2"; a case that lies in no folder of its kind is a kind of its own. */
static void kind_name(const char *folder, char name[KIND_NAME_MAX])
{
    const char *last = strrchr(folder, '/'), *from = last;
    while (from && from > folder && from[-1] != '/') from--;
    bool typed = from && (!strncmp(from, "layer_", 6) || !strncmp(from, "net_", 4) || !strncmp(from, "solver/", 7));
    if (typed) snprintf(name, KIND_NAME_MAX, "%.*s", (int)(last - from), from);
    else snprintf(name, KIND_NAME_MAX, "%s", last ? last + 1 : folder);
}

static kind *find_kind(runner *u, const char *folder)
{
    char name[KIND_NAME_MAX];
    kind_name(folder, name);
    for (int i = 0; i < u->kind_count; i++)
        if (!strcmp(u->kinds[i].name, name)) return &u->kinds[i];
    kind *k = &u->kinds[u->kind_count < KINDS_MAX ? u->kind_count++ : KINDS_MAX - 1];
    snprintf(k->name, sizeof k->name, "%s", name);
    return k;
}

static void print_table(const runner *u)
{
    printf("\n%-20s %6s %6s %7s  %s\n", "kind", "passed", "failed", "skipped", "worst share of a bound");
    for (int i = 0; i < u->kind_count; i++) {
        const kind *k = &u->kinds[i];
        printf("%-20s %6d %6d %7d  ", k->name, k->count[PASSED], k->count[FAILED], k->count[SKIPPED]);
        if (k->where[0]) printf("%.3f  %s\n", k->worst, k->where);
        else printf("-\n");
    }
}

/* ------------------------------------------------------------------ one case under one strategy -------------------- */

/* Whether everything that was compared is within its bounds, and under `caffe` everything was compared. */
static bool judge(const runner *u, const sa_golden_case *golden, const sa_strategy *strategy, size_t *checked)
{
    bool all = !strcmp(strategy->name, "caffe"), good = true;
    *checked = 0;
    for (size_t i = 0; i < golden->row_count; i++) {
        const sa_golden_row *row = &golden->row[i];
        *checked += row->checked;
        if (u->verbose && row->checked)
            printf("    %-40s max %.3g of %.3g, rms %.3g of %.3g\n", row->file, row->max_error, row->atol, row->rms_error,
                   row->rms_atol);
        if (all && !row->checked) printf("    %s was never compared\n", row->file);
        good &= !all || row->checked;
    }
    return good && *checked > 0;
}

static void count_skip(const runner *u, kind *k, const char *folder)
{
    const char *reason = sa_error_message();
    size_t length = strlen(folder);
    if (!strncmp(reason, folder, length) && reason[length] == '/') reason += length + 1;
    k->count[u->no_skips ? FAILED : SKIPPED]++;
    printf("%s: %s: %s\n", u->no_skips ? "FAIL" : "SKIP", folder, reason);
    sa_error_clear();
}

/* False: it was skipped. */
static bool run_strategy(runner *u, sa_golden_case *golden, const sa_net *net, const char *strategy_name, const char *conv)
{
    kind *k = find_kind(u, golden->folder);
    char run[64];
    const sa_golden_row *worst = NULL;
    sa_strategy strategy = {.switches = 0};
    size_t checked = 0;
    snprintf(run, sizeof run, "%.40s %.12s", strategy_name, conv);
    sa_status status = sa_strategy_parse(strategy_name, &strategy);
    if (status == SA_OK) status = sa_conv_option_parse(conv, &strategy.conv);
    if (status == SA_OK) status = sa_golden_run(golden, net, &strategy, u->device);
    if (status == SA_UNSUPPORTED) {
        count_skip(u, k, golden->folder);
        return false;
    }
    bool good = status == SA_OK && judge(u, golden, &strategy, &checked);
    double share = sa_golden_worst_share(golden, &worst);
    good = good && share <= 1.0;
    if (worst && (share > k->worst || !k->where[0])) {
        k->worst = share;
        snprintf(k->where, sizeof k->where, "%.40s %.60s %.50s",
                 strrchr(golden->folder, '/') ? strrchr(golden->folder, '/') + 1 : "", run, worst->file);
    }
    k->count[good ? PASSED : FAILED]++;
    printf("%s %-44s %-24s %3zu/%-3zu quantities, worst %.3f of its bound (%s)%s%s\n", good ? "ok  " : "FAIL", golden->folder, run,
           checked, golden->row_count, share, worst ? worst->file : "-", status == SA_OK ? "" : ": ",
           status == SA_OK ? "" : sa_error_message());
    return true;
}

/* ------------------------------------------------------------------ many cases ------------------------------------- */

/* Without a convolution the algorithm does not matter, so each strategy runs once. What the first cannot compute none can. */
static void run_several(runner *u, sa_golden_case *golden, const sa_net *net)
{
    static const char *const RUNS[][2] = {{"caffe", "im2col"}, {"fastest", "auto"},   {"smallest", "direct"},
                                          {"caffe", "direct"}, {"caffe", "fft"},      {"fastest", "direct"},
                                          {"fastest", "fft"},  {"smallest", "fft"},   {"shared", "im2col"},
                                          {"extreme", "fft"},  {"caffe", "winograd"}, {"smallest", "winograd"}};
    enum { ANY_NET = 3, ALL = sizeof RUNS / sizeof RUNS[0] };
    bool convolves = false;
    for (int l = 0; l < net->layer_count; l++) convolves |= net->layer[l].type->convolves;
    for (size_t i = 0; i < (convolves ? ALL : ANY_NET); i++)
        if (!run_strategy(u, golden, net, RUNS[i][0], RUNS[i][1]) && i == 0) return;
}

static void run_case(runner *u, const char *folder)
{
    sa_golden_case golden = {.row = NULL};
    sa_net *net = NULL;
    sa_status status = sa_golden_case_load(folder, &golden);
    if (status == SA_OK) status = sa_golden_load_net(&golden, &net);
    if (status == SA_UNSUPPORTED) {
        count_skip(u, find_kind(u, folder), folder);
    } else if (status != SA_OK) {
        find_kind(u, folder)->count[FAILED]++;
        printf("FAIL %s: %s\n", folder, sa_error_message());
    } else if (u->strategy || u->conv) {
        run_strategy(u, &golden, net, u->strategy ? u->strategy : "caffe", u->conv ? u->conv : "auto");
    } else {
        run_several(u, &golden, net);
    }
    sa_net_free(net);
    sa_golden_case_free(&golden);
}

static void run_folder(runner *u, const char *folder)
{
    struct dirent **entry;
    if (sa_golden_is_case(folder)) {
        run_case(u, folder);
        return;
    }
    int count = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[2048];
        snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.' && entry[i]->d_type == DT_DIR) run_folder(u, path);
        free(entry[i]);
    }
    if (count >= 0) free(entry);
}

static int finish(const runner *u)
{
    static const char *const LINES[VERDICTS] = {"  PASSED  ", "  FAILED  ", "  SKIPPED "};
    int total[VERDICTS] = {0};
    print_table(u);
    for (int i = 0; i < u->kind_count; i++)
        for (int v = 0; v < VERDICTS; v++) total[v] += u->kinds[i].count[v];
    if (total[PASSED] + total[SKIPPED] == 0) total[FAILED] += total[FAILED] == 0;
    for (int v = 0; v < VERDICTS; v++)
        if (total[v] || v == PASSED) printf("[%s] %d test(s).\n", LINES[v], total[v]);
    return total[FAILED] != 0;
}

int main(int argc, char **argv)
{
    static runner u = {.device_kind = "cpu"};
    int i = 1;
    for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
        if (!strcmp(argv[i], "--verbose")) u.verbose = true;
        else if (!strcmp(argv[i], "--no-skips")) u.no_skips = true;
        else if (!strcmp(argv[i], "--device") && i + 1 < argc) u.device_kind = argv[++i];
        else if (!strcmp(argv[i], "--strategy") && i + 1 < argc) u.strategy = argv[++i];
        else if (!strcmp(argv[i], "--conv") && i + 1 < argc) u.conv = argv[++i];
        else {
            fprintf(stderr, "usage: test_golden [--device D] [--strategy S] [--conv C] [--verbose] [--no-skips] DIR...\n");
            return 2;
        }
    }
    sa_status status = sa_device_open(u.device_kind, 0, &u.device);
    if (status != SA_OK) {
        fprintf(stderr, "device %s: %s\n", u.device_kind, sa_error_message());
        return 1;
    }
    if (i == argc) run_folder(&u, "tests/golden");
    for (; i < argc; i++) {
        size_t length = strlen(argv[i]);
        while (length > 1 && argv[i][length - 1] == '/') argv[i][--length] = '\0';
        run_folder(&u, argv[i]);
    }
    sa_device_close(u.device);
    return finish(&u);
}
