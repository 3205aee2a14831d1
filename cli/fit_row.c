/* Fills a row by three searches. */
#include "cli/fit_row.h"

#include "report/caffe_memory.h"

#include <stdio.h>

void sa_fit_row_fill(sa_fit_subject *subject, const sa_strategy *strategy, size_t capacity_bytes, const sa_fit_row *like,
                     sa_fit_row *row)
{
    const size_t beside = capacity_bytes > SA_CUDA_CONTEXT_HIGH_BYTES ? capacity_bytes - SA_CUDA_CONTEXT_HIGH_BYTES : 0;
    const size_t capacities[] = {capacity_bytes, beside};
    const int64_t guesses[] = {like ? like->batch.largest : 0, like ? like->batch_beside_context.largest : 0};
    sa_fit_answer answers[2];
    sa_fit_batches(subject, strategy, 2, capacities, guesses, answers);
    *row = (sa_fit_row){.batch = answers[0], .batch_beside_context = answers[1]};
    snprintf(row->strategy, sizeof row->strategy, "%s", strategy ? strategy->name : "Caffe");
    if (row->batch.why_not[0]) return;
    sa_fit_images(subject, strategy, capacity_bytes, like ? like->images.largest : 0, &row->images);
    if (row->images.largest > 0) sa_fit_image(subject, row->images.largest, &row->height, &row->width);
}

static void images_json(cJSON *row, const sa_fit_row *r)
{
    if (r->images.why_not[0]) {
        cJSON_AddNullToObject(row, "largest_image");
        cJSON_AddStringToObject(row, "image_error", r->images.why_not);
        return;
    }
    if (r->images.largest > 0) {
        cJSON *image = cJSON_AddObjectToObject(row, "largest_image");
        cJSON_AddNumberToObject(image, "height", r->height);
        cJSON_AddNumberToObject(image, "width", r->width);
    } else {
        cJSON_AddNullToObject(row, "largest_image");
    }
    cJSON_AddNumberToObject(row, "image_total_bytes", (double)r->images.total_bytes);
}

cJSON *sa_fit_row_json(const sa_fit_row *r)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "strategy", r->strategy);
    cJSON_AddBoolToObject(row, "found_by_search", r->is_found);
    if (r->batch.why_not[0]) {
        cJSON_AddStringToObject(row, "error", r->batch.why_not);
        return row;
    }
    cJSON_AddNumberToObject(row, "largest_batch", (double)r->batch.largest);
    cJSON_AddNumberToObject(row, "total_bytes", (double)r->batch.total_bytes);
    cJSON_AddNumberToObject(row, "largest_batch_beside_context", (double)r->batch_beside_context.largest);
    images_json(row, r);
    return row;
}
