/* V1 and other outdated forms of a net file, rewritten to the form of today. */
#include "net/net_upgrade.h"

#include "core/closest.h"
#include "proto/tree.h"

#include <stdlib.h>
#include <string.h>

typedef struct type_name {
    const char *old, *now;
} type_name;

/* V1LayerParameter.LayerType, then what public forks (SegNet, DeepLab, FCN) added to it. */
static const type_name V1_TYPES[] = {
    {"ABSVAL", "AbsVal"},
    {"ACCURACY", "Accuracy"},
    {"ARGMAX", "ArgMax"},
    {"BNLL", "BNLL"},
    {"CONCAT", "Concat"},
    {"CONTRASTIVE_LOSS", "ContrastiveLoss"},
    {"CONVOLUTION", "Convolution"},
    {"DATA", "Data"},
    {"DECONVOLUTION", "Deconvolution"},
    {"DROPOUT", "Dropout"},
    {"DUMMY_DATA", "DummyData"},
    {"EUCLIDEAN_LOSS", "EuclideanLoss"},
    {"ELTWISE", "Eltwise"},
    {"EXP", "Exp"},
    {"FLATTEN", "Flatten"},
    {"HDF5_DATA", "HDF5Data"},
    {"HDF5_OUTPUT", "HDF5Output"},
    {"HINGE_LOSS", "HingeLoss"},
    {"IM2COL", "Im2col"},
    {"IMAGE_DATA", "ImageData"},
    {"INFOGAIN_LOSS", "InfogainLoss"},
    {"INNER_PRODUCT", "InnerProduct"},
    {"LRN", "LRN"},
    {"MEMORY_DATA", "MemoryData"},
    {"MULTINOMIAL_LOGISTIC_LOSS", "MultinomialLogisticLoss"},
    {"MVN", "MVN"},
    {"POOLING", "Pooling"},
    {"POWER", "Power"},
    {"RELU", "ReLU"},
    {"SIGMOID", "Sigmoid"},
    {"SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"},
    {"SILENCE", "Silence"},
    {"SLICE", "Slice"},
    {"SOFTMAX", "Softmax"},
    {"SOFTMAX_LOSS", "SoftmaxWithLoss"},
    {"SPLIT", "Split"},
    {"TANH", "TanH"},
    {"THRESHOLD", "Threshold"},
    {"WINDOW_DATA", "WindowData"},
    {"BN", "BN"},
    {"CROP", "Crop"},
    {"DENSE_CRF", "DenseCRF"},
    {"DENSE_IMAGE_DATA", "DenseImageData"},
    {"IMAGE_SEG_DATA", "ImageSegData"},
    {"INTERP", "Interp"},
    {"MAT_READ", "MatRead"},
    {"MAT_WRITE", "MatWrite"},
    {"PRELU", "PReLU"},
    {"RESHAPE", "Reshape"},
    {"SEG_ACCURACY", "SegAccuracy"},
    {"UNPOOLING", "Unpooling"},
    {"UPSAMPLE", "Upsample"},
};
enum { V1_TYPE_COUNT = sizeof V1_TYPES / sizeof V1_TYPES[0] };

const char *sa_net_upgrade_v1_type(const char *v1_type)
{
    for (int i = 0; i < V1_TYPE_COUNT; i++)
        if (!strcmp(V1_TYPES[i].old, v1_type)) return V1_TYPES[i].now;
    return NULL;
}

/* An allocation that failed has no place of its own. */
static sa_status no_memory(const sa_proto_document *document, int line, sa_status status)
{
    return status == SA_OK ? SA_OK : sa_proto_error(document, line, status, NULL, "out of memory while upgrading an old net");
}

/* ---- transformations inside data parameters ---- */

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(*list, name)) return true;
    return false;
}

/* Caffe: UpgradeNetDataTransformation. */
static sa_status move_transformations(sa_proto_message *layer)
{
    static const char *const holders[] = {"data_param", "image_data_param", "window_data_param", NULL};
    static const char *const moved[] = {"scale", "mean_file", "crop_size", "mirror", NULL};
    for (size_t i = 0; i < layer->count; i++) {
        sa_proto_message *holder = layer->field[i].message, *transform;
        if (!holder || !is_one_of(layer->field[i].name, holders)) continue;
        for (size_t k = 0; k < holder->count; k++) {
            if (!is_one_of(holder->field[k].name, moved)) continue;
            SA_TRY(sa_proto_child(layer, "transform_param", holder->field[k].line, &transform)); /* may move layer's fields */
            SA_TRY(sa_proto_move(&holder->field[k], transform, NULL));
        }
        sa_proto_sweep(holder);
    }
    return SA_OK;
}

/* ---- V1 ---- */

static sa_status v1_type(const sa_proto_document *document, sa_proto_field *field)
{
    const char *names[V1_TYPE_COUNT];
    if (field->kind == SA_PROTO_STRING)
        return sa_proto_error(document, field->line, SA_PARSE, NULL,
                              "in `layers` (Caffe's V1 format) the type is an enum without quotes, as in type: CONVOLUTION; "
                              "\"%.64s\" belongs in `layer`",
                              field->text);
    if (field->kind != SA_PROTO_TOKEN) return sa_proto_error(document, field->line, SA_PARSE, NULL, "'type' needs a name");
    const char *now = sa_net_upgrade_v1_type(field->text);
    for (int i = 0; i < V1_TYPE_COUNT; i++) names[i] = V1_TYPES[i].old;
    const char *closest = now ? NULL : sa_closest_name(field->text, names, V1_TYPE_COUNT);
    if (!now)
        return sa_proto_error(document, field->line, SA_PARSE, NULL, "unknown V1 layer type %.64s%s%s%s", field->text,
                              closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
    char *copy = strdup(now);
    if (!copy) return no_memory(document, field->line, SA_NOMEM);
    free(field->text);
    field->text = copy;
    field->kind = SA_PROTO_STRING;
    return SA_OK;
}

/* The next field called `name` at or behind *at; NULL: none. */
static sa_proto_field *next_of(sa_proto_message *message, const char *name, size_t *at)
{
    for (; *at < message->count; (*at)++) {
        sa_proto_field *field = &message->field[*at];
        if (!sa_proto_is_gone(field) && !strcmp(field->name, name)) return field;
    }
    return NULL;
}

/* The i-th of the parallel lists `param`, `blob_share_mode`, `blobs_lr` and `weight_decay` go into the i-th param block. */
static sa_status move_param_lists(sa_proto_message *from, sa_proto_message *to)
{
    static const type_name lists[] = {
        {"param", "name"}, {"blob_share_mode", "share_mode"}, {"blobs_lr", "lr_mult"}, {"weight_decay", "decay_mult"}};
    enum { LISTS = sizeof lists / sizeof lists[0] };
    size_t at[LISTS] = {0};
    for (bool any = true; any;) {
        sa_proto_message *block = NULL;
        any = false;
        for (int list = 0; list < LISTS; list++) {
            sa_proto_field *field = next_of(from, lists[list].old, &at[list]);
            if (!field) continue;
            if (!block) SA_TRY(sa_proto_append_message(to, "param", field->line, &block));
            SA_TRY(sa_proto_move(field, block, lists[list].now));
            any = true;
        }
    }
    return SA_OK;
}

/* Caffe: UpgradeV1LayerParameter. */
static sa_status upgrade_v1_layer(const sa_proto_document *document, sa_proto_field *layers)
{
    sa_proto_message *layer = layers->message, made = {.line = layer->line};
    for (size_t i = 0; i < layer->count; i++)
        if (!strcmp(layer->field[i].name, "type")) SA_TRY(v1_type(document, &layer->field[i]));
    SA_TRY(no_memory(document, layers->line, move_transformations(layer)));
    sa_status status = move_param_lists(layer, &made);
    for (size_t i = 0; i < layer->count && status == SA_OK; i++)
        if (!sa_proto_is_gone(&layer->field[i])) status = sa_proto_move(&layer->field[i], &made, NULL);
    sa_proto_free_fields(layer);
    *layer = made;
    return no_memory(document, layers->line, status);
}

static sa_status upgrade_v1(sa_proto_document *document)
{
    const sa_proto_field *old = sa_proto_find(&document->root, "layers"), *now = sa_proto_find(&document->root, "layer");
    if (!old) return SA_OK;
    if (now)
        return sa_proto_error(document, now->line, SA_PARSE, NULL,
                              "the file has both `layer` (here) and `layers` (line %d, Caffe's V1 format): use one of them",
                              old->line);
    for (size_t i = 0; i < document->root.count; i++) {
        sa_proto_field *field = &document->root.field[i];
        if (strcmp(field->name, "layers") != 0) continue;
        if (field->kind != SA_PROTO_MESSAGE)
            return sa_proto_error(document, field->line, SA_PARSE, NULL, "'layers' needs a message in braces");
        SA_TRY(upgrade_v1_layer(document, field));
        field->name[strlen("layer")] = '\0';
    }
    return SA_OK;
}

/* ---- inputs ---- */

static size_t count_of(const sa_proto_message *message, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < message->count; i++) count += !strcmp(message->field[i].name, name);
    return count;
}

static sa_status check_inputs(const sa_proto_document *document, size_t inputs, size_t shapes, size_t dims)
{
    int line = sa_proto_find(&document->root, "input")->line;
    if (shapes && dims) return sa_proto_error(document, line, SA_PARSE, NULL, "give either input_shape or input_dim, not both");
    if (dims && dims != 4 * inputs)
        return sa_proto_error(document, line, SA_PARSE, NULL, "input_dim is given %zu times for %zu inputs; each input needs 4",
                              dims, inputs);
    if (shapes && shapes != inputs)
        return sa_proto_error(document, line, SA_PARSE, NULL, "input_shape is given %zu times for %zu inputs", shapes, inputs);
    return SA_OK;
}

/* Every input_shape, and every four input_dim, becomes a `shape` of param. */
static sa_status move_shapes(sa_proto_message *root, sa_proto_message *param)
{
    sa_proto_message *shape = NULL;
    size_t dims = 0;
    for (size_t i = 0; i < root->count; i++) {
        sa_proto_field *field = &root->field[i];
        if (sa_proto_is_gone(field)) continue;
        if (!strcmp(field->name, "input_shape")) SA_TRY(sa_proto_move(field, param, "shape"));
        else if (!strcmp(field->name, "input_dim")) {
            if (dims++ % 4 == 0) SA_TRY(sa_proto_append_message(param, "shape", field->line, &shape));
            SA_TRY(sa_proto_move(field, shape, "dim"));
        }
    }
    return SA_OK;
}

/* A message field in front of all others; root owns `made` then. */
static sa_status put_first(sa_proto_message *root, const char *name, sa_proto_message *made)
{
    sa_proto_field *field;
    SA_TRY(sa_proto_append(root, name, strlen(name), made->line, &field));
    sa_proto_field first = *field;
    first.kind = SA_PROTO_MESSAGE;
    first.message = made;
    memmove(&root->field[1], &root->field[0], (root->count - 1) * sizeof *root->field);
    root->field[0] = first;
    return SA_OK;
}

static sa_status fill_input_layer(sa_proto_message *root, sa_proto_message *layer)
{
    sa_proto_message *param;
    SA_TRY(sa_proto_append_text(layer, "name", layer->line, SA_PROTO_STRING, "input"));
    SA_TRY(sa_proto_append_text(layer, "type", layer->line, SA_PROTO_STRING, "Input"));
    for (size_t i = 0; i < root->count; i++)
        if (!strcmp(root->field[i].name, "input")) SA_TRY(sa_proto_move(&root->field[i], layer, "top"));
    SA_TRY(sa_proto_append_message(layer, "input_param", layer->line, &param));
    SA_TRY(move_shapes(root, param));
    sa_proto_sweep(root);
    return SA_OK;
}

/* Caffe: UpgradeNetInput. */
static sa_status upgrade_inputs(sa_proto_document *document)
{
    sa_proto_message *root = &document->root;
    size_t inputs = count_of(root, "input"), shapes = count_of(root, "input_shape"), dims = count_of(root, "input_dim");
    if (!inputs) return SA_OK;
    SA_TRY(check_inputs(document, inputs, shapes, dims));
    int line = sa_proto_find(root, "input")->line;
    sa_proto_message *layer = calloc(1, sizeof *layer);
    if (!layer) return no_memory(document, line, SA_NOMEM);
    layer->line = line;
    sa_status status = fill_input_layer(root, layer);
    if (status == SA_OK) status = put_first(root, "layer", layer);
    if (status != SA_OK) {
        sa_proto_free_fields(layer);
        free(layer);
    }
    return no_memory(document, line, status);
}

/* ---- BatchNorm ---- */

static sa_status set_zero(sa_proto_message *param, const char *name)
{
    for (size_t i = 0; i < param->count; i++)
        if (!strcmp(param->field[i].name, name)) sa_proto_drop(&param->field[i]);
    sa_proto_sweep(param);
    return sa_proto_append_text(param, name, param->line, SA_PROTO_TOKEN, "0");
}

/* The statistics are no weights: three param blocks get the rates 0, whatever the file says. Caffe: UpgradeNetBatchNorm. */
static sa_status upgrade_batch_norm(sa_proto_document *document)
{
    for (size_t l = 0; l < document->root.count; l++) {
        sa_proto_message *layer = document->root.field[l].message;
        if (!layer || strcmp(document->root.field[l].name, "layer") != 0) continue;
        const sa_proto_field *type = sa_proto_find(layer, "type");
        if (!type || type->kind != SA_PROTO_STRING || strcmp(type->text, "BatchNorm") != 0 || count_of(layer, "param") != 3)
            continue;
        for (size_t i = 0; i < layer->count; i++) {
            if (strcmp(layer->field[i].name, "param") != 0 || !layer->field[i].message) continue;
            SA_TRY(no_memory(document, layer->line, set_zero(layer->field[i].message, "lr_mult")));
            SA_TRY(no_memory(document, layer->line, set_zero(layer->field[i].message, "decay_mult")));
        }
    }
    return SA_OK;
}

sa_status sa_net_upgrade(sa_proto_document *document)
{
    SA_TRY(sa_net_upgrade_v0(document));
    SA_TRY(upgrade_v1(document));
    SA_TRY(upgrade_inputs(document));
    return upgrade_batch_norm(document);
}
