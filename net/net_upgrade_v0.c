/* V0 net files: `layers { layer { name: "conv1" type: "conv" kernelsize: 5 } bottom: "data" top: "conv1" }`, with layers of their
 * own for padding. Becomes V1, which net_upgrade.c takes further. */
#include "net/net_spec.h"
#include "net/net_upgrade.h"
#include "proto/tree.h"

#include <stdlib.h>
#include <string.h>

/* ---- tables ---- */

static const struct {
    const char *v0, *v1;
} TYPES[] = {
    {"accuracy", "ACCURACY"},
    {"bnll", "BNLL"},
    {"concat", "CONCAT"},
    {"conv", "CONVOLUTION"},
    {"data", "DATA"},
    {"dropout", "DROPOUT"},
    {"euclidean_loss", "EUCLIDEAN_LOSS"},
    {"flatten", "FLATTEN"},
    {"hdf5_data", "HDF5_DATA"},
    {"hdf5_output", "HDF5_OUTPUT"},
    {"im2col", "IM2COL"},
    {"images", "IMAGE_DATA"},
    {"infogain_loss", "INFOGAIN_LOSS"},
    {"innerproduct", "INNER_PRODUCT"},
    {"lrn", "LRN"},
    {"multinomial_logistic_loss", "MULTINOMIAL_LOGISTIC_LOSS"},
    {"pool", "POOLING"},
    {"relu", "RELU"},
    {"sigmoid", "SIGMOID"},
    {"softmax", "SOFTMAX"},
    {"softmax_loss", "SOFTMAX_LOSS"},
    {"split", "SPLIT"},
    {"tanh", "TANH"},
    {"window_data", "WINDOW_DATA"},
};

/* Where a field of V0LayerParameter goes, for a V0 type (NULL: for all): into a message (NULL: the layer itself), by a new name
 * (NULL: its own). */
static const struct {
    const char *field, *type, *message, *now;
} FIELDS[] = {
    {"name", NULL, NULL, NULL},
    {"blobs", NULL, NULL, NULL},
    {"blobs_lr", NULL, NULL, NULL},
    {"weight_decay", NULL, NULL, NULL},
    {"num_output", "conv", "convolution_param", NULL},
    {"num_output", "innerproduct", "inner_product_param", NULL},
    {"biasterm", "conv", "convolution_param", "bias_term"},
    {"biasterm", "innerproduct", "inner_product_param", "bias_term"},
    {"weight_filler", "conv", "convolution_param", NULL},
    {"weight_filler", "innerproduct", "inner_product_param", NULL},
    {"bias_filler", "conv", "convolution_param", NULL},
    {"bias_filler", "innerproduct", "inner_product_param", NULL},
    {"pad", "conv", "convolution_param", NULL},
    {"pad", "pool", "pooling_param", NULL},
    {"kernelsize", "conv", "convolution_param", "kernel_size"},
    {"kernelsize", "pool", "pooling_param", "kernel_size"},
    {"group", "conv", "convolution_param", NULL},
    {"stride", "conv", "convolution_param", NULL},
    {"stride", "pool", "pooling_param", NULL},
    {"pool", "pool", "pooling_param", NULL},
    {"dropout_ratio", "dropout", "dropout_param", NULL},
    {"local_size", "lrn", "lrn_param", NULL},
    {"alpha", "lrn", "lrn_param", NULL},
    {"beta", "lrn", "lrn_param", NULL},
    {"k", "lrn", "lrn_param", NULL},
    {"source", "data", "data_param", NULL},
    {"source", "hdf5_data", "hdf5_data_param", NULL},
    {"source", "images", "image_data_param", NULL},
    {"source", "window_data", "window_data_param", NULL},
    {"source", "infogain_loss", "infogain_loss_param", NULL},
    {"scale", NULL, "transform_param", NULL},
    {"meanfile", NULL, "transform_param", "mean_file"},
    {"cropsize", NULL, "transform_param", "crop_size"},
    {"mirror", NULL, "transform_param", NULL},
    {"batchsize", "data", "data_param", "batch_size"},
    {"batchsize", "hdf5_data", "hdf5_data_param", "batch_size"},
    {"batchsize", "images", "image_data_param", "batch_size"},
    {"batchsize", "window_data", "window_data_param", "batch_size"},
    {"rand_skip", "data", "data_param", NULL},
    {"rand_skip", "images", "image_data_param", NULL},
    {"shuffle_images", "images", "image_data_param", "shuffle"},
    {"new_height", "images", "image_data_param", NULL},
    {"new_width", "images", "image_data_param", NULL},
    {"concat_dim", "concat", "concat_param", NULL},
    {"det_fg_threshold", "window_data", "window_data_param", "fg_threshold"},
    {"det_bg_threshold", "window_data", "window_data_param", "bg_threshold"},
    {"det_fg_fraction", "window_data", "window_data_param", "fg_fraction"},
    {"det_context_pad", "window_data", "window_data_param", "context_pad"},
    {"det_crop_mode", "window_data", "window_data_param", "crop_mode"},
    {"hdf5_output_param", "hdf5_output", NULL, NULL},
};
enum { TYPE_COUNT = sizeof TYPES / sizeof TYPES[0], FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

static sa_status no_memory(const sa_proto_document *document, int line, sa_status status)
{
    return status == SA_OK ? SA_OK : sa_proto_error(document, line, status, NULL, "out of memory while upgrading an old net");
}

static const char *text_of(const sa_proto_message *message, const char *name)
{
    const sa_proto_field *field = message ? sa_proto_find(message, name) : NULL;
    return field && field->text ? field->text : "";
}

/* The `layer` inside a `layers`; NULL: none. */
static sa_proto_message *inner_of(const sa_proto_field *layers)
{
    if (strcmp(layers->name, "layers") != 0 || !layers->message) return NULL;
    const sa_proto_field *inner = sa_proto_find(layers->message, "layer");
    return inner ? inner->message : NULL;
}

/* ---- padding layers ---- */

/* The `layers` before `end` that made the blob last; NULL: none did. */
static sa_proto_field *maker_of(const sa_proto_document *document, size_t end, const char *blob)
{
    for (size_t i = end; i-- > 0;) {
        sa_proto_field *layers = &document->root.field[i];
        if (!layers->message || strcmp(layers->name, "layers") != 0) continue;
        for (size_t k = 0; k < layers->message->count; k++) {
            const sa_proto_field *top = &layers->message->field[k];
            if (!strcmp(top->name, "top") && top->text && !strcmp(top->text, blob)) return layers;
        }
    }
    return NULL;
}

static bool is_input(const sa_proto_message *root, const char *blob)
{
    for (size_t i = 0; i < root->count; i++)
        if (!strcmp(root->field[i].name, "input") && root->field[i].text && !strcmp(root->field[i].text, blob)) return true;
    return false;
}

/* `reader` reads what the padding layer `maker` made: it pads by itself and reads the padding's bottom. */
static sa_status take_padding(const sa_proto_document *document, sa_proto_message *reader, sa_proto_field *bottom,
                              const sa_proto_field *maker)
{
    sa_proto_message *layer = sa_proto_find(reader, "layer")->message;
    const char *type = text_of(layer, "type"), *pad = text_of(inner_of(maker), "pad");
    size_t bottoms = 0;
    for (size_t i = 0; i < reader->count; i++) bottoms += !strcmp(reader->field[i].name, "bottom");
    if (strcmp(type, "conv") != 0 && strcmp(type, "pool") != 0)
        return sa_proto_error(document, bottom->line, SA_PARSE, NULL,
                              "'%.64s' is made by a padding layer (line %d), which only conv and pool may read; this is '%.64s'",
                              bottom->text, maker->line, type);
    const char *source = text_of(maker->message, "bottom");
    if (bottoms != 1 || !source[0])
        return sa_proto_error(document, bottom->line, SA_PARSE, NULL, "a padding layer and its reader need one bottom each");
    char *copy = strdup(source);
    if (!copy) return no_memory(document, bottom->line, SA_NOMEM);
    free(bottom->text);
    bottom->text = copy;
    for (size_t i = 0; i < layer->count; i++)
        if (!strcmp(layer->field[i].name, "pad")) sa_proto_drop(&layer->field[i]);
    sa_proto_sweep(layer);
    return no_memory(document, bottom->line, sa_proto_append_text(layer, "pad", bottom->line, SA_PROTO_TOKEN, pad[0] ? pad : "0"));
}

/* Caffe: UpgradeV0PaddingLayers. */
static sa_status resolve_padding(sa_proto_document *document)
{
    sa_proto_message *root = &document->root;
    for (size_t i = 0; i < root->count; i++) {
        sa_proto_message *reader = inner_of(&root->field[i]) ? root->field[i].message : NULL;
        for (size_t k = 0; reader && k < reader->count; k++) {
            sa_proto_field *bottom = &reader->field[k];
            if (strcmp(bottom->name, "bottom") != 0 || !bottom->text) continue;
            const sa_proto_field *maker = maker_of(document, i, bottom->text);
            if (!maker && !is_input(root, bottom->text))
                return sa_proto_error(document, bottom->line, SA_PARSE, NULL,
                                      "unknown bottom '%.64s': no earlier layer has it as a top", bottom->text);
            if (maker && !strcmp(text_of(inner_of(maker), "type"), "padding"))
                SA_TRY(take_padding(document, reader, bottom, maker));
        }
    }
    for (size_t i = 0; i < root->count; i++)
        if (!strcmp(text_of(inner_of(&root->field[i]), "type"), "padding")) sa_proto_drop(&root->field[i]);
    sa_proto_sweep(root);
    return SA_OK;
}

/* ---- one layer ---- */

static sa_status append_type(const sa_proto_document *document, const sa_proto_field *type, sa_proto_message *to)
{
    if (type->kind != SA_PROTO_STRING)
        return sa_proto_error(document, type->line, SA_PARSE, NULL, "the type of a V0 layer is text in quotes");
    for (int i = 0; i < TYPE_COUNT; i++)
        if (!strcmp(TYPES[i].v0, type->text))
            return no_memory(document, type->line, sa_proto_append_text(to, "type", type->line, SA_PROTO_TOKEN, TYPES[i].v1));
    return sa_proto_error(document, type->line, SA_PARSE, NULL, "unknown V0 layer type '%.64s'", type->text);
}

/* A field that does not belong to the type stays where it is, and goes with it. */
static sa_status place_field(sa_proto_field *field, const char *type, sa_proto_message *to)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        sa_proto_message *target = to;
        if (strcmp(FIELDS[i].field, field->name) != 0 || (FIELDS[i].type && strcmp(FIELDS[i].type, type) != 0)) continue;
        if (FIELDS[i].message) SA_TRY(sa_proto_child(to, FIELDS[i].message, field->line, &target));
        return sa_proto_move(field, target, FIELDS[i].now);
    }
    return SA_OK;
}

/* Caffe: UpgradeV0LayerParameter. */
static sa_status spread(const sa_proto_document *document, sa_proto_message *inner, sa_proto_message *layers)
{
    char *type = strdup(text_of(inner, "type"));
    sa_status status = type ? SA_OK : no_memory(document, inner->line, SA_NOMEM);
    for (size_t i = 0; i < inner->count && status == SA_OK; i++) {
        sa_proto_field *field = &inner->field[i];
        if (!strcmp(field->name, "type")) status = append_type(document, field, layers);
        else status = no_memory(document, field->line, place_field(field, type, layers));
    }
    free(type);
    return status;
}

static sa_status upgrade_layer(const sa_proto_document *document, sa_proto_field *field)
{
    sa_proto_message *inner = inner_of(field), made = {.line = field->line};
    if (!inner)
        return sa_proto_error(
            document, field->line, SA_PARSE, NULL,
            "this `layers` has no `layer` inside, others of the file do (Caffe's V0 format): use one of the forms");
    sa_status status = spread(document, inner, &made);
    for (size_t i = 0; i < field->message->count && status == SA_OK; i++) {
        sa_proto_field *outer = &field->message->field[i];
        if (!strcmp(outer->name, "bottom") || !strcmp(outer->name, "top"))
            status = no_memory(document, outer->line, sa_proto_move(outer, &made, NULL));
    }
    sa_proto_free_fields(field->message);
    *field->message = made;
    return status;
}

/* A file with more layers than a net may have is left to the reader of nets, which refuses it. */
static bool is_v0(const sa_proto_document *document)
{
    size_t count = 0, v0 = 0;
    for (size_t i = 0; i < document->root.count; i++) {
        count += !strcmp(document->root.field[i].name, "layers");
        v0 += inner_of(&document->root.field[i]) != NULL;
    }
    return v0 > 0 && count <= SA_SPEC_LAYERS_MAX;
}

/* What a V0 net may say besides its layers; the rest is dropped, as in Caffe. */
static bool survives(const char *name)
{
    return !strcmp(name, "name") || !strcmp(name, "input") || !strcmp(name, "input_dim") || !strcmp(name, "force_backward") ||
           !strcmp(name, "layer");
}

sa_status sa_net_upgrade_v0(sa_proto_document *document)
{
    if (!is_v0(document)) return SA_OK;
    SA_TRY(resolve_padding(document));
    for (size_t i = 0; i < document->root.count; i++) {
        sa_proto_field *field = &document->root.field[i];
        if (!strcmp(field->name, "layers")) SA_TRY(upgrade_layer(document, field));
        else if (!survives(field->name)) sa_proto_drop(field);
    }
    sa_proto_sweep(&document->root);
    return SA_OK;
}
