/* The JSON document of a planned step: what `segarena plan --json` prints and the pages draw (docs/formats.md lists its keys). */
#ifndef SA_REPORT_PLAN_JSON_H
#define SA_REPORT_PLAN_JSON_H

#include "report/plan_report.h"

#include <cjson/cJSON.h>

enum { SA_TIMES_FROM_BYTES = 96 };

/* What each op of a program takes. */
typedef struct sa_op_times {
    double *ms;                     /* (op_count), owned: free() */
    char from[SA_TIMES_FROM_BYTES]; /* where they come from: "guesses of the built-in cost model" */
} sa_op_times;

/* times: NULL: without times. On success *document is the caller's (cJSON_Delete). SA_NOMEM. */
SA_CHECKED sa_status sa_plan_json(const sa_plan_report *report, const sa_op_times *times, cJSON **document);
/* The same as text in one line; *text is malloc'd. */
SA_CHECKED sa_status sa_plan_json_text(const sa_plan_report *report, const sa_op_times *times, char **text);

#endif
