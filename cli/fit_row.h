/* What fits of a net under one strategy, as a row of the tables of `fit` and `explain`. */
#ifndef SA_CLI_FIT_ROW_H
#define SA_CLI_FIT_ROW_H

#include "cli/fit_search.h"

#include <cjson/cJSON.h>

typedef struct sa_fit_row {
    char strategy[256]; /* "Caffe", or as --strategy takes it */
    bool is_found;      /* by a search, not a preset */
    sa_fit_answer batch, batch_beside_context, images;
    int32_t height, width; /* of the largest images */
} sa_fit_row;

/* strategy NULL: Caffe. like: a row whose answers may be near, NULL: none; it saves time only. */
void sa_fit_row_fill(sa_fit_subject *subject, const sa_strategy *strategy, size_t capacity_bytes, const sa_fit_row *like,
                     sa_fit_row *row);
/* The row as an object, the caller's. */
cJSON *sa_fit_row_json(const sa_fit_row *row);

#endif
