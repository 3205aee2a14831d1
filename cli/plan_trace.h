/* `segarena plan --trace FILE`. */
#ifndef SA_CLI_PLAN_TRACE_H
#define SA_CLI_PLAN_TRACE_H

#include "cli/budget_option.h"
#include "report/plan_report.h"

/* Writes the step as a trace (report/trace.h). The times of its ops are those measured on this machine where its table has them
 * (`costs`: BUILTIN looks at no table), else guesses, and the trace says how much of them was measured. device: borrowed. SA_IO. */
SA_CHECKED sa_status sa_plan_write_trace(const char *path, const sa_plan_report *report, const sa_device *device,
                                         sa_costs_option costs);

#endif
