/* What `segarena plan` prints and writes. */
#ifndef SA_CLI_PLAN_OUTPUT_H
#define SA_CLI_PLAN_OUTPUT_H

#include "report/plan_json.h"

#include <stdio.h>

/* The tables. */
SA_CHECKED sa_status sa_plan_print(FILE *out, const sa_plan_report *report);
/* The timeline page, to a file that appears whole or not at all. SA_IO. */
SA_CHECKED sa_status sa_plan_write_html(const char *path, const sa_plan_report *report, const sa_op_times *times);
/* The map as a picture. SA_IO. */
SA_CHECKED sa_status sa_plan_write_svg(const char *path, const sa_plan_report *report);
/* A page of nets, each as report/timeline.h describes it; the array is deleted. */
SA_CHECKED sa_status sa_pages_write_html(const char *path, cJSON *nets);

#endif
