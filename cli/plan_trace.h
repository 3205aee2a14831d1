/* `segarena plan --trace FILE`. */
#ifndef SA_CLI_PLAN_TRACE_H
#define SA_CLI_PLAN_TRACE_H

#include "report/plan_json.h"

/* Writes the step as a trace (report/trace.h), which says where its times come from. SA_IO. */
SA_CHECKED sa_status sa_plan_write_trace(const char *path, const sa_plan_report *report, const sa_op_times *times);

#endif
