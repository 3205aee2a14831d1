/* Weights out of and into segarena's own snapshots. Momentum is not weights: it is left out, and 0 in a snapshot made of weights.
 */
#include "data/snapshot.h"
#include "data/weights/weights_formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct target {
    const char *path;
    sa_weights *weights;
} target;

static sa_status take_array(void *context, const char *name, int32_t axes, const int32_t shape[4], const void *param, size_t count)
{
    const target *t = context;
    int64_t dim[4];
    sa_weight_blob *blob;
    for (int32_t i = 0; i < axes; i++) dim[i] = shape[i];
    SA_TRY(sa_weights_add_array(t->path, t->weights, name, axes, dim, count, &blob));
    memcpy(blob->values, param, count * sizeof(float));
    return SA_OK;
}

sa_status sa_weights_parse_snapshot(const char *path, const char *bytes, size_t byte_count, sa_weights *weights)
{
    target t = {path, weights};
    sa_snapshot_state state;
    SA_TRY(sa_snapshot_visit(path, bytes, byte_count, take_array, &t, &state));
    char *name = strdup(state.net_name);
    if (!name) SA_FAIL(SA_NOMEM, "no memory for the name of a net");
    free(weights->net_name);
    weights->net_name = name;
    return SA_OK;
}

/* names: room for each array's name; zeros: as many as the largest array has. */
static sa_status fill(const char *path, const sa_weights *weights, sa_snapshot_array *array, char (*names)[SA_SNAPSHOT_NAME_BYTES],
                      float *zeros)
{
    size_t next = 0;
    for (size_t l = 0; l < weights->layer_count; l++)
        for (size_t i = 0; i < weights->layer[l].blob_count; i++, next++) {
            sa_weight_blob *blob = &weights->layer[l].blob[i];
            sa_snapshot_array *a = &array[next];
            snprintf(names[next], SA_SNAPSHOT_NAME_BYTES, "%.200s.%zu", weights->layer[l].name, i);
            if (blob->axes < 0 || blob->axes > 4)
                SA_FAIL(SA_INVALID, "%s: '%s' has %d axes; a snapshot holds 0 to 4", path, names[next], blob->axes);
            *a = (sa_snapshot_array){
                .name = names[next], .axes = blob->axes, .count = blob->count, .param = blob->values, .history = zeros};
            for (int32_t k = 0; k < blob->axes; k++) a->shape[k] = blob->dim[k] <= INT32_MAX ? (int32_t)blob->dim[k] : -1;
        }
    return SA_OK;
}

sa_status sa_weights_write_snapshot(const char *path, const sa_weights *weights)
{
    size_t count = 0, largest = 0;
    for (size_t l = 0; l < weights->layer_count; l++)
        for (size_t i = 0; i < weights->layer[l].blob_count; i++, count++)
            if (weights->layer[l].blob[i].count > largest) largest = weights->layer[l].blob[i].count;
    sa_snapshot_array *array = calloc(count + 1, sizeof *array);
    char(*names)[SA_SNAPSHOT_NAME_BYTES] = calloc(count + 1, sizeof *names);
    float *zeros = calloc(largest + 1, sizeof *zeros);
    sa_snapshot_state state = {.seed = 1};
    snprintf(state.net_name, sizeof state.net_name, "%.200s", weights->net_name);
    sa_status status = array && names && zeros ? SA_OK : sa_error_set(SA_NOMEM, "no memory to write %s", path);
    if (status == SA_OK) status = fill(path, weights, array, names, zeros);
    if (status == SA_OK) status = sa_snapshot_save(path, &state, array, count);
    free(array);
    free(names);
    free(zeros);
    return status;
}
