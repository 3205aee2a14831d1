/* What a benchmark prints: a table, JSON, the ops' times. */
#ifndef SA_CLI_BENCH_REPORT_H
#define SA_CLI_BENCH_REPORT_H

#include "cli/bench_run.h"

#include <stdio.h>

void sa_bench_print_table(FILE *out, const sa_net *net, const sa_device *device, const sa_bench_result *const *results, int count);
void sa_bench_print_json(FILE *out, const sa_bench_options *options, const sa_net *net, const sa_bench_result *const *results,
                         int count);
/* Mean time of each op over `steps` steps, in order of the program. */
void sa_bench_print_ops(FILE *out, const sa_session *session, const sa_bench_result *result, int steps);
/* The same as [{name, kind, ms}]; owned by the caller. */
struct cJSON *sa_bench_ops_json(const sa_session *session, int steps);

#endif
