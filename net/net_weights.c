/* Weights by layer names. */
#include "net/net_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Legacy dims are compared with the net's shape padded in front with ones to four axes. */
static bool same_shape(const sa_weight_blob *blob, const sa_shape *shape)
{
    int pad = blob->legacy ? 4 - shape->axes : 0;
    if (blob->axes != shape->axes + pad) return false;
    for (int32_t i = 0; i < blob->axes; i++)
        if (blob->dim[i] != (i < pad ? 1 : shape->dim[i - pad])) return false;
    return true;
}

static sa_status check_blob(const sa_layer *layer, int i, const sa_weight_blob *blob, const char *path)
{
    const sa_shape *shape = &layer->param[i].shape;
    char theirs[SA_WEIGHT_SHAPE_TEXT_BYTES], ours[SA_SHAPE_TEXT_BYTES];
    if (!same_shape(blob, shape))
        SA_FAIL(SA_INVALID, "%s: '%s.%d' is %s in the file and %s in the net", path, layer->name, i,
                sa_weight_shape_text(blob, theirs), sa_shape_text(shape, ours));
    if (blob->count != sa_shape_elements(shape))
        SA_FAIL(SA_INVALID, "%s: '%s.%d' has %zu values in the file; its shape %s needs %zu", path, layer->name, i, blob->count,
                sa_weight_shape_text(blob, theirs), sa_shape_elements(shape));
    return SA_OK;
}

static void add_name(char *list, size_t list_bytes, size_t *count, const char *name)
{
    size_t used = strlen(list);
    if (used + strlen(name) + 8 < list_bytes) snprintf(list + used, list_bytes - used, "%s%s", used ? ", " : "", name);
    else if (used >= 3 && strcmp(list + used - 3, "...") != 0) snprintf(list + used, list_bytes - used, ", ...");
    ++*count;
}

/* Caffe: a layer of the net that the file has must have as many blobs, 0 included. */
static sa_status match_layer(const sa_layer *layer, const sa_weight_layer *source, const char *path, sa_net_weights *m, int index)
{
    if (source->blob_count != (size_t)layer->param_count)
        SA_FAIL(SA_INVALID, "%s: layer '%s' has %zu parameters in the file and %d in the net", path, layer->name,
                source->blob_count, layer->param_count);
    for (int i = 0; i < layer->param_count; i++) {
        SA_TRY(check_blob(layer, i, &source->blob[i], path));
        const sa_param *param = &layer->param[i];
        const sa_weight_blob **slot =
            &m->blob[param->is_shared ? param->owner_layer : index][param->is_shared ? param->owner_param : i];
        if (!*slot) m->given_count++;
        *slot = &source->blob[i]; /* a later copy wins */
    }
    return SA_OK;
}

static sa_status match_all(const sa_net *net, const sa_weights *weights, const char *path, sa_net_weights *m)
{
    for (size_t s = 0; s < weights->layer_count; s++) {
        const sa_weight_layer *source = &weights->layer[s];
        int index = sa_net_layer_index(net, source->name);
        if (index >= 0) SA_TRY(match_layer(&net->layer[index], source, path, m, index));
        else if (source->blob_count) add_name(m->only_in_file, sizeof m->only_in_file, &m->only_in_file_count, source->name);
    }
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].param_count && !net->layer[l].param[0].is_shared && !m->blob[l][0])
            add_name(m->only_in_net, sizeof m->only_in_net, &m->only_in_net_count, net->layer[l].name);
    return SA_OK;
}

sa_status sa_net_weights_match(const sa_net *net, const sa_weights *weights, const char *path, sa_net_weights *match)
{
    sa_net_weights made = {.layer_count = net->layer_count};
    made.blob = calloc((size_t)net->layer_count + 1, sizeof *made.blob);
    if (!made.blob) SA_FAIL(SA_NOMEM, "no memory for the parameters of %d layers", net->layer_count);
    sa_status status = match_all(net, weights, path, &made);
    if (status != SA_OK) {
        sa_net_weights_free(&made);
        return status;
    }
    *match = made;
    return SA_OK;
}

void sa_net_weights_free(sa_net_weights *match)
{
    free(match->blob);
    memset(match, 0, sizeof *match);
}

static sa_status add_layers(const sa_net *net, sa_weights *weights)
{
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *from = &net->layer[l];
        sa_weight_layer *layer;
        SA_TRY(sa_weights_add_layer(weights, from->name, from->type->name, &layer));
        for (int i = 0; i < from->param_count; i++) {
            const sa_shape *shape = &from->param[i].shape;
            int64_t dim[SA_AXES_MAX];
            sa_weight_blob *blob;
            for (int k = 0; k < shape->axes; k++) dim[k] = shape->dim[k];
            SA_TRY(sa_weights_add_blob(layer, shape->axes, dim, sa_shape_elements(shape), &blob));
        }
    }
    return SA_OK;
}

sa_status sa_net_weights_create(const sa_net *net, sa_weights **weights)
{
    sa_weights *made = NULL;
    SA_TRY(sa_weights_create(net->name, &made));
    sa_status status = add_layers(net, made);
    if (status != SA_OK) {
        sa_weights_free(made);
        return status;
    }
    *weights = made;
    return SA_OK;
}
