/* The timeline page: one HTML file, without any other, that shows a plan as a map of time and addresses. The page itself is
 * report/timeline/page.html, .css and .js, embedded at build time; the plan goes into it as JSON. */
#ifndef SA_REPORT_TIMELINE_H
#define SA_REPORT_TIMELINE_H

#include "core/status.h"

#include <stddef.h>

/* plan_json: {"nets": [...]}; of each net the documents of sa_plan_json as `plans`; facts that they have in common (`net`, `path`,
 * `caffe_total_bytes`, `layers`, `blobs`) may stand beside them instead. A story has besides `ladder` [{name, help, made_of,
 * lossless, plan}] and `frontier` [{strategy, total_bytes, predicted_ms, plan}], where plan is a number in `plans`. *page is
 * malloc'd, '\0' terminated. SA_NOMEM. */
SA_CHECKED sa_status sa_timeline_page(const char *plan_json, char **page, size_t *page_bytes);

#endif
