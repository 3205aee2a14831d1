/* Caffe's solver states: see train_caffe_state.h. */
#include "cli/train_caffe_state.h"

#include "cli/train_state_parts.h"
#include "data/weights/caffe_blobs.h"
#include "net/net_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* Where the caffemodel is: as it is named, else beside the state. */
static sa_status find_model(const char *path, const char *learned_net, char model[PATH_BYTES])
{
    const char *slash = strrchr(path, '/'), *name = strrchr(learned_net, '/');
    if (!learned_net[0]) SA_FAIL(SA_INVALID, "%s: it names no caffemodel to take the parameters from", path);
    snprintf(model, PATH_BYTES, "%s", learned_net);
    if (access(model, R_OK) == 0) return SA_OK;
    int length = snprintf(model, PATH_BYTES, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, name ? name + 1 : learned_net);
    if (length > 0 && length < PATH_BYTES && access(model, R_OK) == 0) return SA_OK;
    SA_FAIL(SA_IO, "%s: its parameters are in '%s', which is neither there nor beside it", path, learned_net);
}

static sa_status take_parameters(sa_train_state *state, const sa_net_weights *match, const char *model)
{
    for (size_t i = 0; i < state->count; i++) {
        const sa_state_place *p = &state->place[i];
        const sa_weight_blob *blob = match->blob[p->layer][p->param];
        if (!blob) SA_FAIL(SA_INVALID, "%s: it lacks the parameters of layer '%s'", model, state->net->layer[p->layer].name);
        memcpy(state->array[i].param, blob->values, state->array[i].count * sizeof(float));
    }
    return SA_OK;
}

static sa_status read_model(sa_train_state *state, const char *model)
{
    sa_weights *weights = NULL;
    sa_net_weights match;
    SA_TRY(sa_weights_read(model, &weights));
    sa_status status = sa_net_weights_match(state->net, weights, model, &match);
    if (status == SA_OK) {
        status = take_parameters(state, &match, model);
        sa_net_weights_free(&match);
    }
    sa_weights_free(weights);
    return status;
}

static bool same_shape(const sa_weight_blob *blob, const sa_snapshot_array *array)
{
    bool same = blob->axes == array->axes && blob->count == array->count;
    for (int32_t i = 0; same && i < blob->axes; i++) same = blob->dim[i] == array->shape[i];
    return same;
}

/* As many blobs per history as parameters are stored, in order of the net; those of a second history come behind the first's. */
static sa_status take_history(sa_train_state *state, const sa_solverstate *from, const char *path)
{
    const size_t histories = (size_t)sa_update_histories(state->solver);
    if (from->history_count != histories * state->count)
        SA_FAIL(SA_INVALID, "%s: it has %zu histories, %zu parameters with %zu each have %zu%s", path, from->history_count,
                state->count, histories, histories * state->count,
                from->history_count == 2 * state->count ? ": it is of a solver with two histories (Adam, AdaDelta)" : "");
    for (size_t i = 0; i < from->history_count; i++) {
        const sa_snapshot_array *array = &state->array[i % state->count];
        const sa_state_place *p = &state->place[i % state->count];
        const sa_weight_blob *blob = &from->history[i];
        char theirs[SA_WEIGHT_SHAPE_TEXT_BYTES], ours[SA_SHAPE_TEXT_BYTES];
        if (!same_shape(blob, array))
            SA_FAIL(SA_INVALID, "%s: history %zu is %s, parameter '%s' of the net is %s", path, i,
                    sa_weight_shape_text(blob, theirs), array->name,
                    sa_shape_text(&state->net->layer[p->layer].param[p->param].shape, ours));
        memcpy(i < state->count ? array->history : array->history2, blob->values, array->count * sizeof(float));
    }
    return SA_OK;
}

sa_status sa_train_state_load_caffe(sa_train_state *state, const char *path, uint64_t *steps)
{
    char model[PATH_BYTES];
    sa_solverstate read;
    SA_TRY(sa_solverstate_read(path, &read));
    sa_status status = find_model(path, read.learned_net, model);
    if (status == SA_OK) status = read_model(state, model);
    if (status == SA_OK) status = take_history(state, &read, path);
    if (status == SA_OK) *steps = (uint64_t)read.iter;
    sa_solverstate_free(&read);
    return status;
}
