/* Mean files and solver states, through protobuf-c: see caffe_blobs.h. */
#include "data/weights/caffe_blobs.h"

#include "core/checked.h"
#include "data/whole_file.h"

#include <caffe_weights.pb-c.h> /* made of caffe_weights.proto */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_BLOBS_MAX = 1 << 20 };

/* Any of num, channels, height, width beats `shape`. */
static sa_status take_blob(const char *path, const SaPb__Blob *from, sa_weight_blob *blob)
{
    size_t axes = from->shape ? from->shape->n_dim : 0, elements = 1;
    blob->legacy = from->has_num || from->has_channels || from->has_height || from->has_width;
    const int64_t legacy[4] = {from->num, from->channels, from->height, from->width};
    if (!blob->legacy && axes > SA_WEIGHT_AXES_MAX) SA_FAIL(SA_PARSE, "%s: a blob of %zu axes", path, axes);
    blob->axes = blob->legacy ? 4 : (int32_t)axes;
    if (blob->axes > 0) memcpy(blob->dim, blob->legacy ? legacy : from->shape->dim, (size_t)blob->axes * sizeof *blob->dim);
    blob->count = from->n_double_data ? from->n_double_data : from->n_data;
    for (int32_t i = 0; i < blob->axes; i++)
        if (blob->dim[i] < 0 || !sa_size_mul(elements, (size_t)blob->dim[i], &elements))
            SA_FAIL(SA_PARSE, "%s: a blob of an impossible shape", path);
    if (elements != blob->count) SA_FAIL(SA_PARSE, "%s: a blob of %zu values, its shape has %zu", path, blob->count, elements);
    blob->values = malloc((blob->count + 1) * sizeof *blob->values);
    if (!blob->values) SA_FAIL(SA_NOMEM, "%s: no memory for %zu values", path, blob->count);
    if (!from->n_double_data && blob->count > 0) memcpy(blob->values, from->data, blob->count * sizeof(float));
    for (size_t i = 0; i < from->n_double_data; i++) blob->values[i] = (float)from->double_data[i];
    return SA_OK;
}

/* ---- means ---- */

static sa_status mean_shape(const char *path, const sa_weight_blob *blob, int32_t shape[3])
{
    bool fits = blob->axes >= 3;
    for (int32_t i = 0; i + 3 < blob->axes; i++) fits &= blob->dim[i] == 1;
    for (int32_t i = 0; i < 3 && fits; i++) {
        int64_t dim = blob->dim[blob->axes - 3 + i];
        fits &= dim > 0 && dim <= INT32_MAX;
        shape[i] = (int32_t)dim;
    }
    if (fits) return SA_OK;
    char text[SA_WEIGHT_SHAPE_TEXT_BYTES];
    SA_FAIL(SA_PARSE, "%s: a mean is channels x height x width, with ones in front; this blob is %s", path,
            sa_weight_shape_text(blob, text));
}

sa_status sa_mean_file_read(const char *path, int32_t shape[3], float **mean)
{
    char *bytes;
    size_t count;
    SA_TRY(sa_whole_file_read(path, &bytes, &count));
    SaPb__Blob *blob = sa_pb__blob__unpack(NULL, count, (const uint8_t *)bytes);
    free(bytes);
    if (!blob) SA_FAIL(SA_PARSE, "%s: not a mean file (Caffe's binary BlobProto), or a damaged one", path);
    sa_weight_blob taken = {0};
    sa_status status = take_blob(path, blob, &taken);
    sa_pb__blob__free_unpacked(blob, NULL);
    if (status == SA_OK) status = mean_shape(path, &taken, shape);
    if (status == SA_OK) *mean = taken.values;
    else free(taken.values);
    return status;
}

/* ---- solver states ---- */

void sa_solverstate_free(sa_solverstate *state)
{
    for (size_t i = 0; i < state->history_count; i++) free(state->history[i].values);
    free(state->history);
    free(state->learned_net);
    memset(state, 0, sizeof *state);
}

static sa_status take_state(const char *path, const SaPb__SolverState *from, sa_solverstate *state)
{
    state->iter = from->iter;
    state->current_step = from->current_step;
    if (from->iter < 0) SA_FAIL(SA_PARSE, "%s: %d steps done", path, from->iter);
    state->learned_net = strdup(from->learned_net ? from->learned_net : "");
    if (from->n_history > STATE_BLOBS_MAX) SA_FAIL(SA_PARSE, "%s: %zu blobs", path, from->n_history);
    state->history = calloc(from->n_history + 1, sizeof *state->history);
    if (!state->learned_net || !state->history) SA_FAIL(SA_NOMEM, "%s: no memory for a state of %zu blobs", path, from->n_history);
    for (; state->history_count < from->n_history; state->history_count++)
        SA_TRY(take_blob(path, from->history[state->history_count], &state->history[state->history_count]));
    return SA_OK;
}

sa_status sa_solverstate_read(const char *path, sa_solverstate *state)
{
    char *bytes;
    size_t count;
    SA_TRY(sa_whole_file_read(path, &bytes, &count));
    SaPb__SolverState *read = sa_pb__solver_state__unpack(NULL, count, (const uint8_t *)bytes);
    free(bytes);
    if (!read || count == 0) {
        if (read) sa_pb__solver_state__free_unpacked(read, NULL);
        SA_FAIL(SA_PARSE, "%s: not a solver state of Caffe's (.solverstate), or a damaged one", path);
    }
    *state = (sa_solverstate){0};
    sa_status status = take_state(path, read, state);
    sa_pb__solver_state__free_unpacked(read, NULL);
    if (status != SA_OK) sa_solverstate_free(state);
    return status;
}
