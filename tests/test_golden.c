/* Runs golden cases (data of a real Caffe-SegNet) and checks every quantity that a strategy stores against both bounds.
 *
 *   test_golden [--device D] [--strategy S] [--conv C] [--verbose] DIR...
 *
 * A DIR is a case or a folder of cases. Without --strategy and --conv each case runs under several of both. The strategy `caffe`
 * stores everything, so under it every line of tolerance.tsv has to be checked; others keep fewer values. */
#include "support/golden_case.h"

#include "net/solver_config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct runner {
    const char *strategy, *conv; /* NULL: several */
    const char *device_kind;
    bool verbose;
    sa_device *device;
    int passed, failed;
} runner;

/* One run of one case. */
typedef struct run {
    sa_golden_case *golden;
    sa_session *session;
    int solver_step; /* -1: no solver */
} run;

/* ------------------------------------------------------------------ fetching after each op -------------------------- */

static void file_name(const run *r, const char *kind, const char *name, const char *suffix, char file[SA_GOLDEN_FILE_MAX])
{
    char step[16] = "";
    if (r->solver_step >= 0) snprintf(step, sizeof step, "step%d/", r->solver_step);
    snprintf(file, SA_GOLDEN_FILE_MAX, "%.12s%.8s/%.80s%.10s.npy", step, kind, name, suffix);
}

static sa_status compare_buffer(run *r, int buffer, const char *file, bool inverse)
{
    const sa_program *p = sa_session_layout(r->session)->program;
    size_t count = p->buffer[buffer].size_bytes / 4;
    float *host = malloc(count * 4);
    if (!host) SA_FAIL(SA_NOMEM, "no memory for %zu values", count);
    sa_status status = sa_session_get_buffer(r->session, buffer, host);
    for (size_t i = 0; inverse && i < count; i++) host[i] = 1.0f / host[i];
    if (status == SA_OK) status = sa_golden_compare(r->golden, file, host, count);
    free(host);
    return status;
}

typedef struct fetch {
    run *run;
    sa_status status;
} fetch;

/* A value was written: out/ is the last version of a name, diff/ the gradient of the first. Bands and compact masks are no whole
 * floats. */
static void fetch_value(void *context, sa_ref *ref, sa_access_mode mode)
{
    fetch *f = context;
    if (!(mode & SA_ACCESS_WRITE) || ref->value == 0 || f->status != SA_OK) return;
    const sa_program *p = sa_session_layout(f->run->session)->program;
    const sa_blob *blob = &p->net->blob[(ref->value - 1) / 2];
    bool grad = ref->value % 2 == 0;
    if (grad ? blob->previous >= 0 : !blob->last_version) return;
    if (p->buffer[ref->buffer].size_bytes != sa_shape_elements(&blob->shape) * 4) return;
    char file[SA_GOLDEN_FILE_MAX];
    file_name(f->run, grad ? "diff" : "out", blob->name, "", file);
    f->status = compare_buffer(f->run, ref->buffer, file, false);
}

static sa_status fetch_statistics(run *r, const sa_op *op)
{
    char file[SA_GOLDEN_FILE_MAX];
    const char *layer = sa_session_net(r->session)->layer[op->layer].name;
    file_name(r, "bn", layer, ".mean", file);
    SA_TRY(compare_buffer(r, op->args.bn_statistics.mean.buffer, file, false));
    file_name(r, "bn", layer, ".std", file);
    return compare_buffer(r, op->args.bn_statistics.inv_std.buffer, file, true);
}

static sa_status fetch_param_grads(run *r, int layer)
{
    const sa_program *p = sa_session_layout(r->session)->program;
    for (int i = 0; i < p->net->layer[layer].param_count; i++) {
        char file[SA_GOLDEN_FILE_MAX], suffix[16];
        if (p->param[layer][i].grad < 0) continue;
        snprintf(suffix, sizeof suffix, ".%d", i);
        file_name(r, "grad", p->net->layer[layer].name, suffix, file);
        SA_TRY(compare_buffer(r, p->param[layer][i].grad, file, false));
    }
    return SA_OK;
}

static sa_status probe(void *context, sa_session *session, size_t i)
{
    run *r = context;
    sa_op *op = &sa_session_layout(session)->program->op[i];
    fetch f = {r, SA_OK};
    sa_op_visit_refs(op->kind, &op->args, fetch_value, &f);
    SA_TRY(f.status);
    if (op->kind == SA_OP_BN_STATISTICS) return fetch_statistics(r, op);
    bool makes_grads = op->kind == SA_OP_CONV_BACKWARD || op->kind == SA_OP_BN_REDUCE;
    return makes_grads ? fetch_param_grads(r, op->layer) : SA_OK;
}

/* ------------------------------------------------------------------ feeding ---------------------------------------- */

static sa_status feed_inputs(run *r, const char *folder)
{
    const sa_net *net = sa_session_net(r->session);
    for (int b = 0; b < net->blob_count; b++) {
        char file[SA_GOLDEN_FILE_MAX];
        sa_npy array;
        if (!net->layer[net->blob[b].producer].type->is_input) continue;
        snprintf(file, sizeof file, "%.30s/%.80s.npy", folder, net->blob[b].name);
        SA_TRY(sa_golden_read(r->golden, file, &array));
        sa_status status =
            array.count == sa_shape_elements(&net->blob[b].shape) ? sa_session_set_input(r->session, b, array.data) : SA_INVALID;
        sa_npy_free(&array);
        SA_TRY(status);
    }
    if (net->seed_blob >= 0) {
        char file[SA_GOLDEN_FILE_MAX];
        sa_npy array;
        snprintf(file, sizeof file, "topdiff/%.80s.npy", net->blob[net->seed_blob].name);
        SA_TRY(sa_golden_read(r->golden, file, &array));
        sa_status status = sa_session_set_seed_gradient(r->session, array.data);
        sa_npy_free(&array);
        SA_TRY(status);
    }
    return SA_OK;
}

static sa_status feed_params(run *r)
{
    const sa_net *net = sa_session_net(r->session);
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++) {
            char file[SA_GOLDEN_FILE_MAX];
            sa_npy array;
            snprintf(file, sizeof file, "param/%.80s.%d.npy", net->layer[l].name, i);
            SA_TRY(sa_golden_read(r->golden, file, &array));
            sa_status status = sa_session_set_param(r->session, l, i, array.data);
            sa_npy_free(&array);
            SA_TRY(status);
        }
    return SA_OK;
}

static sa_status compare_state(run *r)
{
    const sa_program *p = sa_session_layout(r->session)->program;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++) {
            char file[SA_GOLDEN_FILE_MAX], suffix[16];
            snprintf(suffix, sizeof suffix, ".%d", i);
            file_name(r, "param", p->net->layer[l].name, suffix, file);
            SA_TRY(compare_buffer(r, p->param[l][i].param, file, false));
            if (p->param[l][i].history < 0) continue;
            file_name(r, "history", p->net->layer[l].name, suffix, file);
            SA_TRY(compare_buffer(r, p->param[l][i].history, file, false));
        }
    return SA_OK;
}

static sa_status run_solver(run *r, const sa_solver_config *solver)
{
    sa_npy lr;
    SA_TRY(sa_golden_read(r->golden, "lr.npy", &lr));
    size_t steps = lr.count;
    sa_npy_free(&lr);
    float *losses = calloc(2 * steps, sizeof *losses);
    if (!losses) SA_FAIL(SA_NOMEM, "no memory for %zu losses", steps);
    float *rates = losses + steps;
    sa_status status = SA_OK;
    int loss = sa_net_blob_index(sa_session_net(r->session), "loss");
    for (size_t k = 0; k < steps && status == SA_OK; k++) {
        char folder[32];
        snprintf(folder, sizeof folder, "in/iter%zu", k);
        r->solver_step = (int)k;
        rates[k] = sa_solver_rate(solver, (uint32_t)k);
        status = feed_inputs(r, folder);
        if (status == SA_OK) status = sa_session_run(r->session, rates[k], (uint32_t)k, NULL);
        if (status == SA_OK) status = sa_session_get_output(r->session, loss, &losses[k]);
        if (status == SA_OK) status = compare_state(r);
    }
    if (status == SA_OK) status = sa_golden_compare(r->golden, "loss.npy", losses, steps);
    if (status == SA_OK) status = sa_golden_compare(r->golden, "lr.npy", rates, steps);
    free(losses);
    return status;
}

/* ------------------------------------------------------------------ one case under one strategy -------------------- */

static sa_status run_on_net(runner *u, run *r, const sa_net *net, const sa_strategy *strategy)
{
    sa_solver_config solver;
    sa_session_options options = {.program = {.training = true}, .debug = true};
    char path[2048];
    if (r->golden->has_solver) {
        snprintf(path, sizeof path, "%s/solver.prototxt", r->golden->folder);
        SA_TRY(sa_solver_config_load(path, &solver));
        options.program.momentum = solver.momentum;
        options.program.weight_decay = solver.weight_decay;
    }
    SA_TRY(sa_session_create(net, strategy, u->device, &options, &r->session));
    sa_session_set_probe(r->session, probe, r);
    sa_status status = feed_params(r);
    if (status == SA_OK && r->golden->has_solver) status = run_solver(r, &solver);
    else if (status == SA_OK) {
        status = feed_inputs(r, "in");
        if (status == SA_OK) status = sa_session_run(r->session, 0.0f, 0, NULL);
    }
    sa_session_destroy(r->session);
    return status;
}

static sa_status run_case(runner *u, sa_golden_case *golden, const sa_strategy *strategy)
{
    char path[2048];
    sa_net *net;
    sa_net_options options = {.grad_for_inputs = golden->wants_input_gradients};
    snprintf(path, sizeof path, "%s/net.prototxt", golden->folder);
    for (size_t i = 0; i < golden->row_count; i++) golden->row[i].checked = false;
    SA_TRY(sa_net_load(path, &options, &net));
    run r = {.golden = golden, .solver_step = -1};
    sa_status status = run_on_net(u, &r, net, strategy);
    sa_net_free(net);
    return status;
}

static bool judge(const runner *u, const sa_golden_case *golden, const sa_strategy *strategy, sa_status status)
{
    const sa_golden_row *worst = NULL;
    size_t checked = 0;
    bool all = !strcmp(strategy->name, "caffe"), good = status == SA_OK;
    for (size_t i = 0; i < golden->row_count; i++) {
        checked += golden->row[i].checked;
        if (u->verbose && golden->row[i].checked)
            printf("    %-40s max %.3g of %.3g, rms %.3g of %.3g\n", golden->row[i].file, golden->row[i].max_error,
                   golden->row[i].atol, golden->row[i].rms_error, golden->row[i].rms_atol);
        if (all && !golden->row[i].checked && status == SA_OK) {
            printf("    %s was never compared\n", golden->row[i].file);
            good = false;
        }
    }
    double share = sa_golden_worst_share(golden, &worst);
    good = good && share <= 1.0 && checked > 0;
    printf("%s %-44s %-24s %3zu/%-3zu quantities, worst %.3f of its bound (%s)%s%s\n", good ? "ok  " : "FAIL", golden->folder,
           strategy->name, checked, golden->row_count, share, worst ? worst->file : "-", status == SA_OK ? "" : ": ",
           status == SA_OK ? "" : sa_error_message());
    return good;
}

static void run_one(runner *u, const char *folder, const char *strategy_name, const char *conv)
{
    sa_golden_case golden;
    sa_strategy strategy = {.switches = 0};
    sa_status status = sa_golden_case_load(folder, &golden);
    if (status == SA_OK) status = sa_strategy_parse(strategy_name, &strategy);
    if (status == SA_OK) status = sa_conv_option_parse(conv, &strategy.conv);
    if (status == SA_OK) status = run_case(u, &golden, &strategy);
    bool good = judge(u, &golden, &strategy, status);
    u->passed += good;
    u->failed += !good;
    sa_golden_case_free(&golden);
}

/* ------------------------------------------------------------------ many cases ------------------------------------- */

static void run_folder(runner *u, const char *folder)
{
    static const char *const RUNS[][2] = {{"caffe", "im2col"}, {"caffe", "direct"},    {"caffe", "fft"},  {"shared", "im2col"},
                                          {"fastest", "auto"}, {"smallest", "direct"}, {"extreme", "fft"}};
    if (sa_golden_is_case(folder)) {
        if (u->strategy || u->conv) {
            run_one(u, folder, u->strategy ? u->strategy : "caffe", u->conv ? u->conv : "auto");
            return;
        }
        for (size_t i = 0; i < sizeof RUNS / sizeof RUNS[0]; i++) run_one(u, folder, RUNS[i][0], RUNS[i][1]);
        return;
    }
    struct dirent **entry;
    int count = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[2048];
        snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.' && entry[i]->d_type == DT_DIR) run_folder(u, path);
        free(entry[i]);
    }
    if (count >= 0) free(entry);
}

int main(int argc, char **argv)
{
    runner u = {.device_kind = "cpu"};
    int i = 1;
    for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
        if (!strcmp(argv[i], "--verbose")) u.verbose = true;
        else if (!strcmp(argv[i], "--device") && i + 1 < argc) u.device_kind = argv[++i];
        else if (!strcmp(argv[i], "--strategy") && i + 1 < argc) u.strategy = argv[++i];
        else if (!strcmp(argv[i], "--conv") && i + 1 < argc) u.conv = argv[++i];
        else {
            fprintf(stderr, "usage: test_golden [--device D] [--strategy S] [--conv C] [--verbose] DIR...\n");
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
    printf("[  PASSED  ] %d test(s).\n", u.passed);
    if (u.failed || u.passed == 0) printf("[  FAILED  ] %d test(s).\n", u.failed ? u.failed : 1);
    return u.failed || u.passed == 0;
}
