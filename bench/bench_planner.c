/* A table of static-allocation instances: what the greedy and the exact planner make of each, against the max load.
 *
 *     build/bench_planner [--timeout SECONDS] [FILE.csv | FOLDER]...
 *
 * An instance called NAME.CAPACITY.csv is also solved at that capacity, as `segarena place` does. */
#include "cli/process_frame.h"
#include "memory/plan.h"
#include "memory/plan_csv.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char default_folder[] = "../shared/data/minimalloc";

typedef struct bench_totals {
    double capacity_seconds, exact_seconds;
    int instances, failures;
} bench_totals;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* 1048576 for A.1048576.csv, 0 if the name has no capacity. */
static size_t capacity_of(const char *path)
{
    const char *dot = strchr(base_name(path), '.');
    char *end;
    size_t capacity = dot ? strtoull(dot + 1, &end, 10) : 0;
    return capacity && strcmp(end, ".csv") == 0 ? capacity : 0;
}

static void complain(const char *path, bench_totals *totals)
{
    fprintf(stderr, "%s: %s\n", path, sa_error_message());
    totals->failures++;
}

static void bench_instance(const char *path, double timeout, bench_totals *totals)
{
    sa_buffer *buffers = NULL;
    size_t count;
    if (sa_plan_csv_read(path, &buffers, &count, NULL) != SA_OK) {
        complain(path, totals);
        return;
    }
    sa_plan greedy = {0}, exact = {0}, fitted = {0};
    const sa_plan_options by_greed = {.planner = SA_PLANNER_GREEDY};
    const sa_plan_options by_search = {.planner = SA_PLANNER_EXACT, .timeout_seconds = timeout};
    const sa_plan_options to_fit = {.planner = SA_PLANNER_EXACT, .timeout_seconds = timeout, .capacity_bytes = capacity_of(path)};
    bool ok =
        sa_plan_make(buffers, count, &by_greed, &greedy) == SA_OK && sa_plan_make(buffers, count, &by_search, &exact) == SA_OK;
    if (!ok) complain(path, totals);
    if (ok) {
        printf("%-24s %7zu %12zu %12zu %12zu %-7s %9.3f", base_name(path), count, exact.lower_bound_bytes, greedy.peak_bytes,
               exact.peak_bytes, exact.optimal ? "yes" : "no", exact.seconds);
        totals->exact_seconds += exact.seconds;
        totals->instances++;
    }
    if (ok && to_fit.capacity_bytes == 0) printf(" %12s %9s\n", "-", "-");
    if (ok && to_fit.capacity_bytes != 0) {
        bool fits = sa_plan_make(buffers, count, &to_fit, &fitted) == SA_OK;
        if (fits) printf(" %12zu %9.3f\n", to_fit.capacity_bytes, fitted.seconds);
        else printf(" %12zu %9s\n", to_fit.capacity_bytes, "not found");
        if (!fits) complain(path, totals);
        totals->capacity_seconds += fits ? fitted.seconds : timeout;
    }
    fflush(stdout);
    sa_plan_free(&greedy);
    sa_plan_free(&exact);
    sa_plan_free(&fitted);
    free(buffers);
}

static int is_csv(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".csv") == 0;
}

static void bench_path(const char *path, double timeout, bench_totals *totals)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        bench_instance(path, timeout, totals);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, is_csv, alphasort);
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        bench_instance(file, timeout, totals);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

int main(int argc, char **argv)
{
    sa_process_begin();
    double timeout = 10.0;
    int first = 1;
    bench_totals totals = {0};
    if (argc > 2 && strcmp(argv[1], "--timeout") == 0) {
        timeout = atof(argv[2]);
        first = 3;
    }
    if ((argc > 1 && argv[1][0] == '-' && first == 1) || timeout <= 0) {
        fprintf(stderr, "usage: %s [--timeout SECONDS] [FILE.csv | FOLDER]...\n", argv[0]);
        return 2;
    }
    struct stat status;
    if (first == argc && stat(default_folder, &status) != 0) {
        fprintf(stderr, "%s: no instances given, and the default folder %s is not there\n", argv[0], default_folder);
        return 1;
    }
    printf("%-24s %7s %12s %12s %12s %-7s %9s %12s %9s\n", "instance", "buffers", "max load", "greedy", "exact", "optimal",
           "seconds", "capacity", "seconds");
    if (first == argc) bench_path(default_folder, timeout, &totals);
    for (int i = first; i < argc; i++) bench_path(argv[i], timeout, &totals);
    printf("%d instances, %d failures; %.3f s to minimise, %.3f s at the capacities\n", totals.instances, totals.failures,
           totals.exact_seconds, totals.capacity_seconds);
    return totals.failures ? 1 : 0;
}
