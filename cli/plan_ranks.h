/* `segarena plan --ranks`: what each of several ranks needs, what travels in a step, and how long that takes on a link. */
#ifndef SA_CLI_PLAN_RANKS_H
#define SA_CLI_PLAN_RANKS_H

#include "cost/link.h"
#include "report/plan_json.h"

#include <stdio.h>

/* Lines behind the plan's tables. times and link: NULL where no link was given. */
void sa_plan_ranks_print(FILE *out, const sa_plan_report *report, const sa_op_times *times, const char *link_text,
                         const sa_link *link);
/* The key "ranks" of the plan's document. */
void sa_plan_ranks_json(cJSON *document, const sa_plan_report *report, const sa_op_times *times, const sa_link *link);

#endif
