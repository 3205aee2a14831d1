/* Building a net: layers and blob versions from the file, Splits where a version has several readers, shapes. */
#include "net/net.h"
#include "layers/layer_registry.h"

#include "core/closest.h"
#include "core/growing_array.h"
#include "net/input_shapes.h"
#include "net/net_parts.h"
#include "net/net_scores.h"
#include "net/net_spec.h"
#include "net/treated_types.h"
#include "net/unknown_types.h"
#include "net/unsupported.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ growing ---------------------------------------- */

/* NULL: out of memory, with the message set */
static sa_layer *add_layer(sa_net *net)
{
    sa_layer *grown = sa_array_room(net->layer, (size_t)net->layer_count, sizeof *grown);
    if (!grown) {
        (void)sa_error_set(SA_NOMEM, "no memory for %d layers", net->layer_count + 1);
        return NULL;
    }
    net->layer = grown;
    sa_layer *layer = &net->layer[net->layer_count++];
    memset(layer, 0, sizeof *layer);
    return layer;
}

static sa_status add_blob(sa_net *net, const char *name, int top, int *index)
{
    sa_blob *grown = sa_array_room(net->blob, (size_t)net->blob_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %d blobs", net->blob_count + 1);
    net->blob = grown;
    sa_blob *blob = &net->blob[net->blob_count];
    memset(blob, 0, sizeof *blob);
    snprintf(blob->name, sizeof blob->name, "%s", name);
    blob->producer = net->layer_count - 1;
    blob->producer_top = top;
    blob->consumer = blob->consumer_bottom = blob->previous = -1;
    blob->last_version = true;
    SA_TRY(sa_name_map_set(&net->blob_names, blob->name, net->blob_count));
    *index = net->blob_count++;
    return SA_OK;
}

int sa_net_blob_index(const sa_net *net, const char *name)
{
    return sa_name_map_get(&net->blob_names, name);
}

int sa_net_layer_index(const sa_net *net, const char *name)
{
    return sa_name_map_get(&net->layer_names, name);
}

/* ------------------------------------------------------------------ one layer of the file -------------------------- */

static const sa_layer_type *find_type(const sa_net *net, const sa_layer_spec *spec)
{
    const sa_layer_type *treated = sa_net_treated_type(net, spec->type);
    return treated ? treated : sa_layer_type_find(spec->type); /* known: sa_check_layer_types looked */
}

/* "has 1 bottoms, needs 2 to 4" */
static sa_status check_count(const char *what, int count, int least, int most)
{
    if (count >= least && count <= most) return SA_OK;
    if (least == most) SA_FAIL(SA_INVALID, "has %d %ss, needs %d", count, what, least);
    SA_FAIL(SA_INVALID, "has %d %ss, needs %d to %d", count, what, least, most);
}

static sa_status check_counts(const sa_layer_spec *spec, const sa_layer_type *type)
{
    SA_TRY(check_count("bottom", spec->bottom_count, type->min_bottoms, type->max_bottoms));
    SA_TRY(check_count("top", spec->top_count, type->min_tops, type->max_tops));
    if (spec->loss_weight_count > spec->top_count)
        SA_FAIL(SA_INVALID, "'loss_weight' is given %d times for %d tops", (int)spec->loss_weight_count, (int)spec->top_count);
    return SA_OK;
}

static sa_status decode_config(const sa_proto_document *document, const sa_layer_spec *spec, sa_layer *layer)
{
    const sa_layer_type *type = layer->type;
    char where[SA_LAYER_WHERE_BYTES];
    sa_layer_where(spec->name, spec->type, where);
    layer->config = calloc(1, type->config_bytes ? type->config_bytes : 1);
    if (!layer->config) SA_FAIL(SA_NOMEM, "no memory for the parameters of a layer");
    if (type->config_init) type->config_init(layer->config);
    return sa_net_decode_layer_messages(document, spec, type, where, layer->config);
}

/* A loss without a top gets one. Caffe: AutoTopBlobs. */
static sa_status add_loss_top(sa_net *net, sa_layer *layer)
{
    SA_TRY(add_blob(net, layer->name, 0, &layer->top[0]));
    layer->top_count = 1;
    return SA_OK;
}

/* Caffe refuses it too. */
static sa_status fail_made_twice(const sa_net *net, int blob)
{
    const sa_layer *maker = &net->layer[net->blob[blob].producer];
    sa_status status = sa_error_set(SA_INVALID, "top '%s' is made by layer '%s' already", net->blob[blob].name, maker->name);
    return maker->line > 0
               ? sa_error_append(status, " (line %d); only a layer that has it as its bottom may write it again", maker->line)
               : status;
}

static sa_status connect(sa_net *net, const sa_layer_spec *spec, sa_layer *layer)
{
    int self = (int)(layer - net->layer);
    for (int i = 0; i < spec->bottom_count; i++) {
        int blob = sa_net_blob_index(net, spec->bottom[i]);
        if (blob < 0) SA_FAIL(SA_INVALID, "unknown bottom '%s': no earlier layer has it as a top", spec->bottom[i]);
        layer->bottom[layer->bottom_count++] = blob;
    }
    for (int i = 0; i < spec->top_count; i++) {
        int old = sa_net_blob_index(net, spec->top[i]), index;
        bool in_place = i < spec->bottom_count && !strcmp(spec->top[i], spec->bottom[i]);
        if (old >= 0 && !in_place) return fail_made_twice(net, old);
        if (in_place && !layer->type->in_place) SA_FAIL(SA_INVALID, "cannot work in place: top '%s' is its bottom", spec->top[i]);
        SA_TRY(add_blob(net, spec->top[i], i, &index));
        net->blob[index].producer = self;
        if (in_place) {
            net->blob[index].previous = old;
            net->blob[old].last_version = false;
        }
        layer->top[layer->top_count++] = index;
    }
    return spec->top_count == 0 && layer->type->is_loss ? add_loss_top(net, layer) : SA_OK;
}

static sa_status take_params(sa_net *net, const sa_net_spec *net_spec, const sa_layer_spec *spec, sa_layer *layer)
{
    for (int i = 0; i < SA_LAYER_PARAMS_MAX; i++) {
        layer->param[i].lr_mult = spec->param[i].lr_mult;
        layer->param[i].decay_mult = spec->param[i].decay_mult;
        layer->param[i].given = i < spec->param_count;
        layer->param[i].lr_given = spec->param[i].lr_given;
        layer->param[i].decay_given = spec->param[i].decay_given;
        layer->param[i].permissive = spec->param[i].permissive;
        SA_TRY(sa_net_share_param(net, net_spec, spec, i));
    }
    layer->loss_weight_given = spec->loss_weight_count > 0;
    layer->loss_weight = spec->loss_weight_count ? spec->loss_weight[0] : layer->type->is_loss ? 1.0f : 0.0f;
    for (int i = 1; i < spec->loss_weight_count; i++)
        if (spec->loss_weight[i] != 0.0f) layer->not_computed = "loss_weight of a second top";
    for (int i = 0; i < spec->propagate_down_count; i++)
        if (!spec->propagate_down[i]) layer->cut_bottoms |= 1u << i;
    if (layer->type->accounted_only) layer->not_computed = layer->type->treated ? layer->type->treated : "the type";
    return SA_OK;
}

/* Caffe takes layers of one name, and such without; here the second of a name gets "#2" behind it, so that each can be told. */
static sa_status name_layer(sa_net *net, const char *wanted, sa_layer *layer)
{
    snprintf(layer->name, sizeof layer->name, "%s", wanted);
    for (unsigned n = 2; sa_name_map_get(&net->layer_names, layer->name) >= 0; n++)
        snprintf(layer->name, sizeof layer->name, "%.80s#%u", wanted, n);
    return sa_name_map_set(&net->layer_names, layer->name, (int)(layer - net->layer));
}

static sa_status build_layer(sa_net *net, const sa_proto_document *document, const sa_net_spec *net_spec, const sa_layer_spec *spec,
                             const sa_net_options *options)
{
    const sa_layer_type *type = find_type(net, spec);
    SA_TRY(check_counts(spec, type));
    sa_layer *layer = add_layer(net);
    if (!layer) return SA_NOMEM;
    layer->type = type;
    layer->line = spec->line;
    SA_TRY(name_layer(net, spec->name[0] ? spec->name : spec->type, layer));
    layer->test_phase = net->test_phase;
    SA_TRY(decode_config(document, spec, layer));
    if (options->bn != SA_BN_AS_FILE && type->choose_statistics)
        type->choose_statistics(layer->config, options->bn == SA_BN_STORED);
    SA_TRY(connect(net, spec, layer));
    return take_params(net, net_spec, spec, layer);
}

/* "path:line: layer 'x' (Type): " in front of a message that lacks it */
static sa_status with_place(const sa_proto_document *document, const sa_layer_spec *spec, sa_status status)
{
    size_t length = strlen(document->path);
    if (status == SA_OK || (!strncmp(sa_error_message(), document->path, length) && sa_error_message()[length] == ':'))
        return status;
    char where[SA_LAYER_WHERE_BYTES], cause[1024];
    sa_layer_where(spec->name, spec->type, where);
    snprintf(cause, sizeof cause, "%s", sa_error_message());
    return sa_proto_error(document, spec->line, status, where, "%s", cause);
}

/* ------------------------------------------------------------------ Splits ----------------------------------------- */

/* A layer that works in place on a blob that others read too has a copy of its own. */
static void leave_alone(sa_net *net, int blob)
{
    for (int b = 0; b < net->blob_count; b++)
        if (net->blob[b].previous == blob) net->blob[b].previous = -1;
}

/* Puts a Split behind each version with several readers: "<blob>_<layer>_<top>_split" with tops "..._split_0", ... Caffe:
 * InsertSplits. */
static sa_status insert_split(sa_net *net, int blob, int readers)
{
    char name[SA_NAME_MAX], top[SA_NAME_MAX + 16];
    if (readers > SA_LAYER_TOPS_MAX)
        SA_FAIL(SA_UNSUPPORTED, "blob '%s' has %d readers, at most %d", net->blob[blob].name, readers, SA_LAYER_TOPS_MAX);
    snprintf(name, sizeof name, "%.30s_%.30s_%d_split", net->blob[blob].name, net->layer[net->blob[blob].producer].name,
             net->blob[blob].producer_top);
    sa_layer *split = add_layer(net);
    if (!split) return SA_NOMEM;
    int self = net->layer_count - 1, taken = 0, first = net->blob_count;
    snprintf(split->name, sizeof split->name, "%s", name);
    split->type = &sa_layer_split;
    split->config = calloc(1, 1);
    if (!split->config) SA_FAIL(SA_NOMEM, "no memory for a Split layer");
    split->bottom[split->bottom_count++] = blob;
    split->test_phase = net->test_phase;
    for (int i = 0; i < readers; i++) {
        int index;
        snprintf(top, sizeof top, "%s_%d", name, i);
        SA_TRY(add_blob(net, top, i, &index));
        split->top[split->top_count++] = index;
    }
    for (int l = 0; l < self; l++)
        for (int i = 0; i < net->layer[l].bottom_count; i++)
            if (net->layer[l].bottom[i] == blob) net->layer[l].bottom[i] = first + taken++;
    SA_TRY(net->layer[self].type->setup(&net->layer[self], net->blob));
    if (net->scores_blob == blob) net->scores_blob = first + readers - 1;
    leave_alone(net, blob);
    return SA_OK;
}

/* The same for the Splits of the file. */
static void leave_tops_alone(sa_net *net)
{
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; net->layer[l].type == &sa_layer_split && i < net->layer[l].top_count; i++)
            leave_alone(net, net->layer[l].top[i]);
}

static sa_status insert_splits(sa_net *net)
{
    int blobs = net->blob_count, layers = net->layer_count;
    int *readers = calloc((size_t)blobs + 1, sizeof *readers);
    if (!readers) SA_FAIL(SA_NOMEM, "no memory to count the readers of %d blobs", blobs);
    for (int l = 0; l < layers; l++)
        for (int i = 0; i < net->layer[l].bottom_count; i++) readers[net->layer[l].bottom[i]]++;
    if (net->scores_blob >= 0 && readers[net->scores_blob] > 0) readers[net->scores_blob]++; /* whoever fetches them */
    sa_status status = SA_OK;
    leave_tops_alone(net);
    for (int b = 0; b < blobs && status == SA_OK; b++)
        if (readers[b] > 1) status = insert_split(net, b, readers[b]);
    free(readers);
    return status == SA_OK ? sa_net_sort_splits(net, layers) : status;
}

/* ------------------------------------------------------------------ shapes ----------------------------------------- */

static sa_status set_up_layer(sa_net *net, sa_layer *layer, const sa_net_options *options, sa_input_lead *lead)
{
    size_t count;
    SA_TRY(sa_net_complete_data_layer(net, layer, options));
    SA_TRY(layer->type->setup(layer, net->blob));
    SA_TRY(sa_net_reshape_inputs(net, layer, options, lead));
    if (layer->type->check) SA_TRY(layer->type->check(layer, net->layer, net->blob));
    for (int i = 0; i < layer->top_count; i++) SA_TRY(sa_shape_count(&net->blob[layer->top[i]].shape, &count));
    for (int i = 0; i < layer->param_count; i++) SA_TRY(sa_shape_count(&layer->param[i].shape, &count));
    return sa_net_check_shared(net, layer);
}

/* The shape of an input is not known, which is the error that is set: of the others that follow too, so that all are asked for at
 * once. */
static sa_status ask_for_shapes(sa_net *net, int first, const sa_proto_document *document, const sa_net_spec *spec,
                                const sa_net_options *options)
{
    sa_input_lead lead = {0};
    sa_unsupported_list *list = calloc(1, sizeof *list);
    if (!list) SA_FAIL(SA_NOMEM, "no memory for a list");
    sa_unsupported_add_error(list, document, &spec->layer[first]);
    for (int l = first + 1; l < net->layer_count; l++) {
        if (!net->layer[l].type->is_input) continue;
        if (set_up_layer(net, &net->layer[l], options, &lead) == SA_UNSUPPORTED)
            sa_unsupported_add_error(list, document, &spec->layer[l]);
        else sa_error_clear();
    }
    sa_status status = sa_unsupported_fail(list, document->path, options->unsupported);
    free(list);
    return status;
}

/* Splits are not in yet: the net's layers are those of the file. */
static sa_status set_up(sa_net *net, const sa_proto_document *document, const sa_net_spec *spec, const sa_net_options *options)
{
    sa_input_lead lead = {0};
    SA_TRY(sa_net_check_input_names(net, options));
    for (int l = 0; l < net->layer_count; l++) {
        sa_layer *layer = &net->layer[l];
        sa_status status = set_up_layer(net, layer, options, &lead);
        if (status == SA_OK) continue;
        if (status == SA_UNSUPPORTED && layer->type->is_input) return ask_for_shapes(net, l, document, spec, options);
        return with_place(document, &spec->layer[l], status);
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ the whole net ---------------------------------- */

/* Where types of layers are not supported, the shapes of inputs that are not known either are told with them. */
static void add_unknown_shapes(sa_net *net, const sa_proto_document *document, const sa_net_spec *spec,
                               const sa_net_options *options, sa_unsupported_list *list)
{
    sa_input_lead lead = {0};
    for (int i = 0; i < spec->layer_count; i++) {
        const sa_layer_type *type = sa_layer_type_find(spec->layer[i].type);
        if (!type || !type->is_input || sa_unsupported_has(list, &spec->layer[i])) continue;
        sa_status status = build_layer(net, document, spec, &spec->layer[i], options);
        if (status == SA_OK) status = set_up_layer(net, &net->layer[net->layer_count - 1], options, &lead);
        if (status == SA_UNSUPPORTED) sa_unsupported_add_error(list, document, &spec->layer[i]);
        else sa_error_clear();
    }
}

static sa_status check_types(sa_net *net, const sa_proto_document *document, const sa_net_spec *spec, const sa_net_options *options)
{
    sa_unsupported_list *list = calloc(1, sizeof *list);
    if (!list) SA_FAIL(SA_NOMEM, "no memory for a list");
    sa_status status = sa_check_layer_types(document, spec, options, list);
    if (status == SA_OK && list->count > 0) add_unknown_shapes(net, document, spec, options, list);
    if (status == SA_OK) status = sa_unsupported_fail(list, document->path, options->unsupported);
    free(list);
    return status;
}

static sa_status build(sa_net *net, const sa_proto_document *document, const sa_net_spec *spec, const sa_net_options *options)
{
    bool segnet = options->fork == SA_CAFFE_SEGNET;
    SA_TRY(check_types(net, document, spec, options));
    SA_TRY(sa_net_treat_types(net, options));
    for (int i = 0; i < spec->layer_count; i++) {
        sa_status status = build_layer(net, document, spec, &spec->layer[i], options);
        if (status != SA_OK) return with_place(document, &spec->layer[i], status);
    }
    sa_net_settle_shared(net);
    net->force_backward = spec->force_backward;
    for (int i = 0; i < net->layer_count; i++) segnet |= options->fork == SA_CAFFE_BY_LAYERS && net->layer[i].type->segnet_fork;
    for (int i = 0; i < net->layer_count; i++) net->layer[i].caffe_segnet = segnet;
    if (net->layer_count == 0) SA_FAIL(SA_INVALID, "%s: the net has no layers in this phase", document->path);
    if (options->scores != SA_SCORES_INSIDE) SA_TRY(sa_net_find_scores(net));
    SA_TRY(set_up(net, document, spec, options)); /* before the Splits, so that messages have the names of the file */
    sa_status status = insert_splits(net);
    if (status != SA_OK) return sa_error_prefix(status, "%s", document->path);
    return sa_net_decide_gradients(net, options);
}

/* A net without a name is called as its file is, without folder and ending. */
static void set_name(sa_net *net, const char *name, const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path, *dot = strrchr(file, '.');
    if (name[0]) snprintf(net->name, sizeof net->name, "%s", name);
    else snprintf(net->name, sizeof net->name, "%.*s", dot && dot > file ? (int)(dot - file) : (int)strlen(file), file);
}

sa_status sa_net_from_document(sa_proto_document *document, const sa_net_options *options, sa_net **net)
{
    static const sa_net_options DEFAULTS = {0};
    if (!options) options = &DEFAULTS;
    sa_net_spec *spec;
    sa_state_spec state = options->state ? *options->state : (sa_state_spec){0};
    if (options->test_phase) state = (sa_state_spec){.phase = SA_PHASE_TEST, .phase_given = true};
    state.data = options->train_data                   ? SA_DATA_OF_TRAIN
                 : options->scores != SA_SCORES_INSIDE ? SA_DATA_OF_EITHER
                                                       : SA_DATA_OF_PHASE;
    SA_TRY(sa_net_spec_read(document, &state, &spec));
    if (options->scores == SA_SCORES_ALONE) sa_net_spec_keep_scores(spec);
    sa_net *made = calloc(1, sizeof *made);
    sa_status status = SA_OK;
    if (made) {
        made->scores_blob = -1;
        made->test_phase = spec->state.phase == SA_PHASE_TEST;
        made->path = strdup(document->path);
        set_name(made, spec->name, document->path);
        status = made->path ? build(made, document, spec, options) : sa_error_set(SA_NOMEM, "no memory for a net's path");
    } else {
        status = sa_error_set(SA_NOMEM, "no memory for a net");
    }
    sa_net_spec_free(spec);
    if (options->shapes_assumed) *options->shapes_assumed = made && made->shapes_assumed;
    if (status != SA_OK) {
        if (made && made->shapes_assumed) status = sa_error_append(status, "; sizes were assumed: %s", made->note);
        sa_net_free(made);
        return status;
    }
    *net = made;
    return SA_OK;
}

sa_status sa_net_load(const char *path, const sa_net_options *options, sa_net **net)
{
    sa_proto_document *document;
    SA_TRY(sa_proto_parse_file(path, &document));
    sa_status status = sa_net_from_document(document, options, net);
    sa_proto_free(document);
    return status;
}

void sa_net_free(sa_net *net)
{
    if (!net) return;
    for (int i = 0; i < net->layer_count; i++) free(net->layer[i].config);
    free(net->layer);
    free(net->blob);
    sa_name_map_free(&net->layer_names);
    sa_name_map_free(&net->blob_names);
    free(net->path);
    free(net->data_root);
    free(net->treated);
    free(net);
}
