/* The timeline page: one HTML file, without any other, that shows a plan as a map of time and addresses. The page itself is
 * report/timeline/page.html, .css and .js, embedded at build time; the plan goes into it as JSON. */
#ifndef SA_REPORT_TIMELINE_H
#define SA_REPORT_TIMELINE_H

#include "core/status.h"

#include <stddef.h>

/* plan_json: the document of sa_plan_report_json. *page is malloc'd, '\0' terminated. SA_NOMEM. */
SA_CHECKED sa_status sa_timeline_page(const char *plan_json, char **page, size_t *page_bytes);

#endif
