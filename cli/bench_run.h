/* Benchmarking a net under several strategies: shared by `segarena bench`, bench_old and bench_new. */
#ifndef SA_CLI_BENCH_RUN_H
#define SA_CLI_BENCH_RUN_H

#include "cli/net_options.h"
#include "cli/output_series.h"
#include "net/session.h"

#include <limits.h>

enum { SA_BENCH_STRATEGIES_MAX = 32, SA_BENCH_STEPS_MAX = 1000 };

typedef struct sa_bench_options {
    const char *net;         /* path of the prototxt */
    char net_path[PATH_MAX]; /* of a shipped net, which `net` points to */
    const char *strategies;  /* "caffe,shared"; NULL: none beside those of budget and frontier */
    size_t budget_bytes;     /* > 0: the fastest strategy within it runs too */
    int frontier;            /* > 0: so many points of the frontier run too */
    const char *costs;       /* what predicted times come from, see cli/budget_option.h */
    const char *conv;
    sa_cli_net_options net_options;
    int warmup, steps;
    uint64_t seed;
    bool json, ops, no_graph, workspace_limited;
    size_t workspace_limit_bytes; /* workspace_limited: of every strategy */
} sa_bench_options;

typedef struct sa_bench_result {
    sa_strategy strategy;
    bool skipped;
    char why[512]; /* skipped: the reason */
    size_t predicted_bytes, measured_bytes, rss_over_base_bytes, device_allocations, free_bytes;
    size_t driver_bytes; /* device memory of its own: how much less was free after the first step than before the session; else 0 */
    int warmup;          /* steps that were not timed */
    int threads;
    char device[128];
    double expected_ms, expected_cpu_ms;                             /* of a step, by the cost model; 0: not asked */
    double forward_ms, backward_ms, update_ms, step_ms, step_cpu_ms; /* medians */
    int steps;
    float loss[SA_BENCH_STEPS_MAX]; /* all losses by their weights; warm-up steps first */
    sa_output_series series;        /* every loss and accuracy, owned */
    uint64_t state_hash;
    struct cJSON *ops; /* --ops with --json: [{name, kind, ms}], mean over all steps; owned; else NULL */
} sa_bench_result;

/* The whole command: runs the strategies, one after the other (rounds of steps are interleaved if they fit together), prints a
 * table or JSON. Returns the exit status. */
int sa_bench_command(const sa_bench_options *options);
/* Parses argv for `bench`; fixed_net: the net of bench_old / bench_new, else NULL. Returns -1 to go on, else the exit status. */
int sa_bench_parse(int argc, char **argv, const char *fixed_net, sa_bench_options *options);

#endif
