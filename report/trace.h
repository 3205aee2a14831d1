/* A planned step as a trace in the Trace Event Format, which Perfetto's UI and chrome://tracing open. */
#ifndef SA_REPORT_TRACE_H
#define SA_REPORT_TRACE_H

#include "report/plan_report.h"

/* One JSON object. Process 1 is the step: thread 1 has the phases and thread 2 the ops as slices (ph "X"), one after the other; the
 * counter "arena" has the bytes alive of each kind at each op, and each buffer is an async slice (ph "b" and "e", id: its number)
 * from its first op to its last, with its kind, bytes, offset and ops. op_ms: (op_count) what each op takes; times_from says in the
 * trace where they come from. *text is malloc'd. SA_NOMEM. */
SA_CHECKED sa_status sa_plan_trace_json(const sa_plan_report *report, const double *op_ms, const char *times_from, char **text);

#endif
