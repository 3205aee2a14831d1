/* Where the times of a plan's ops come from: the cost model, or what `bench --ops --json` measured. */
#ifndef SA_CLI_OP_TIMES_H
#define SA_CLI_OP_TIMES_H

#include "cli/budget_option.h"
#include "report/plan_json.h"

typedef struct sa_time_source {
    sa_cost_model *model; /* owned */
    cJSON *bench;         /* owned; NULL: no file was given */
    const char *bench_path;
} sa_time_source;

/* The cost model for the device (borrowed), with what was measured on this machine unless costs is BUILTIN; and, if bench_path is
 * not NULL, the document in that file. command: "plan", for notes. SA_IO, SA_INVALID. */
SA_CHECKED sa_status sa_time_source_open(const char *command, const sa_device *device, sa_costs_option costs,
                                         const char *bench_path, sa_time_source *source);
void sa_time_source_close(sa_time_source *source); /* zeroed ones are allowed */

/* Times of the report's ops; *times is the caller's. Those of the file, if it has a run of this net and strategy with these ops;
 * else the model's. is_required: SA_INVALID if a file was given that has none. */
SA_CHECKED sa_status sa_time_source_ops(const sa_time_source *source, const sa_plan_report *report, bool is_required,
                                        sa_op_times *times);

#endif
