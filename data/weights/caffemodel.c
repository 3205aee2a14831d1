/* Caffe's binary NetParameter, read and written with protobuf-c. Rules of reading: as Caffe's CopyTrainedLayersFrom, where the net
 * is not concerned; see docs/formats.md. */
#include "data/weights/weights_formats.h"

#include "core/checked.h"
#include "core/output_file.h"

#include <caffe_weights.pb-c.h> /* made of caffe_weights.proto */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups, which protobuf-c does not know ---- */

enum { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_GROUP, WIRE_END_GROUP, WIRE_32 };

typedef struct scanner {
    const uint8_t *at, *end;
} scanner;

static bool take_varint(scanner *s, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && s->at < s->end; shift += 7) {
        uint8_t byte = *s->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool skip(scanner *s, uint64_t byte_count)
{
    if (byte_count > (uint64_t)(s->end - s->at)) return false;
    s->at += byte_count;
    return true;
}

/* Moves behind the value of a field; a group is gone through with its own depth, so that it needs no recursion. */
static bool skip_value(scanner *s, unsigned wire)
{
    uint64_t value, tag;
    for (int depth = 0;;) {
        bool ok = wire == WIRE_VARINT  ? take_varint(s, &value)
                  : wire == WIRE_64    ? skip(s, 8)
                  : wire == WIRE_32    ? skip(s, 4)
                  : wire == WIRE_BYTES ? take_varint(s, &value) && skip(s, value)
                                       : wire == WIRE_GROUP || wire == WIRE_END_GROUP;
        if (!ok) return false;
        if (wire == WIRE_GROUP) depth++;
        if (wire == WIRE_END_GROUP) depth--;
        if (depth <= 0) return depth == 0;
        if (!take_varint(s, &tag)) return false;
        wire = (unsigned)(tag & 7);
    }
}

/* Which message a field of a message holds; the numbers of caffe_weights.proto. */
typedef enum message_kind { NET, LAYER, V1_LAYER, V0_LAYER, BLOB, NO_MESSAGE } message_kind;

static message_kind kind_of_field(message_kind parent, uint64_t field)
{
    if (parent == NET) return field == 100 ? LAYER : field == 2 ? V1_LAYER : NO_MESSAGE;
    if (parent == LAYER) return field == 7 ? BLOB : NO_MESSAGE;
    if (parent == V1_LAYER) return field == 1 ? V0_LAYER : field == 6 ? BLOB : NO_MESSAGE;
    return parent == V0_LAYER && field == 50 ? BLOB : NO_MESSAGE;
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t length = 0;
    for (; value >= 0x80; value >>= 7) out[length++] = (uint8_t)(value | 0x80);
    out[length++] = (uint8_t)value;
    return length;
}

/* Copies a message without its groups to out, which has room for all of it; *length is what it takes. Depth is that of the kinds.
 */
static bool copy_without_groups(scanner s, message_kind kind, uint8_t *out, size_t *length)
{
    size_t used = 0;
    while (s.at < s.end) {
        const uint8_t *begin = s.at;
        uint64_t tag, bytes;
        if (!take_varint(&s, &tag)) return false;
        unsigned wire = (unsigned)(tag & 7);
        message_kind child = wire == WIRE_BYTES ? kind_of_field(kind, tag >> 3) : NO_MESSAGE;
        if (child == NO_MESSAGE) {
            if (!skip_value(&s, wire)) return false;
            if (wire == WIRE_GROUP) continue;
            memmove(out + used, begin, (size_t)(s.at - begin));
            used += (size_t)(s.at - begin);
            continue;
        }
        if (!take_varint(&s, &bytes) || bytes > (uint64_t)(s.end - s.at)) return false;
        /* The child shrinks or stays, and so does its length: it is copied behind room for the longest length, then moved up. */
        size_t inner = 0, head = put_varint(out + used, tag);
        uint8_t *room = malloc((size_t)bytes + 1);
        bool ok = room && copy_without_groups((scanner){s.at, s.at + bytes}, child, room, &inner);
        if (ok) {
            head += put_varint(out + used + head, inner);
            memcpy(out + used + head, room, inner);
            used += head + inner;
        }
        free(room);
        if (!ok) return false;
        s.at += bytes;
    }
    *length = used;
    return true;
}

/* NULL: not a message of this kind, or no memory. */
static SaPb__Net *unpack(const char *bytes, size_t byte_count)
{
    SaPb__Net *net = sa_pb__net__unpack(NULL, byte_count, (const uint8_t *)bytes);
    if (net) return net;
    size_t length = 0;
    uint8_t *copy = malloc(byte_count + 1);
    scanner s = {(const uint8_t *)bytes, (const uint8_t *)bytes + byte_count};
    if (copy && copy_without_groups(s, NET, copy, &length) && length < byte_count) net = sa_pb__net__unpack(NULL, length, copy);
    free(copy);
    return net;
}

/* ---- reading ---- */

/* V1LayerParameter.LayerType */
static const char *const V1_TYPES[] = {"",
                                       "Accuracy",
                                       "BNLL",
                                       "Concat",
                                       "Convolution",
                                       "Data",
                                       "Dropout",
                                       "EuclideanLoss",
                                       "Flatten",
                                       "HDF5Data",
                                       "HDF5Output",
                                       "Im2col",
                                       "ImageData",
                                       "InfogainLoss",
                                       "InnerProduct",
                                       "LRN",
                                       "MultinomialLogisticLoss",
                                       "Pooling",
                                       "ReLU",
                                       "Sigmoid",
                                       "Softmax",
                                       "SoftmaxWithLoss",
                                       "Split",
                                       "TanH",
                                       "WindowData",
                                       "Eltwise",
                                       "Power",
                                       "SigmoidCrossEntropyLoss",
                                       "HingeLoss",
                                       "MemoryData",
                                       "ArgMax",
                                       "Threshold",
                                       "DummyData",
                                       "Slice",
                                       "MVN",
                                       "AbsVal",
                                       "Silence",
                                       "ContrastiveLoss",
                                       "Exp",
                                       "Deconvolution"};

typedef struct model {
    const char *path;
    sa_weights *weights;
} model;

static void legacy_shape(const SaPb__Blob *from, sa_weight_blob *shape)
{
    const int64_t dim[4] = {from->num, from->channels, from->height, from->width};
    shape->legacy = true;
    shape->axes = 4;
    memcpy(shape->dim, dim, sizeof dim);
}

/* Any of num, channels, height, width beats `shape`; neither means one value. */
static sa_status take_shape(const model *m, const char *layer, const SaPb__Blob *from, sa_weight_blob *shape)
{
    size_t axes = from->shape ? from->shape->n_dim : 0;
    if (from->has_num || from->has_channels || from->has_height || from->has_width) {
        legacy_shape(from, shape);
        return SA_OK;
    }
    if (axes > SA_WEIGHT_AXES_MAX) SA_FAIL(SA_PARSE, "%s: layer '%.200s': a blob of %zu axes", m->path, layer, axes);
    shape->axes = (int32_t)axes;
    if (axes > 0) memcpy(shape->dim, from->shape->dim, axes * sizeof *shape->dim);
    return SA_OK;
}

static sa_status take_blob(const model *m, sa_weight_layer *layer, const SaPb__Blob *from)
{
    sa_weight_blob shape = {0}, *blob;
    size_t count = from->n_double_data ? from->n_double_data : from->n_data;
    SA_TRY(take_shape(m, layer->name, from, &shape));
    SA_TRY(sa_weights_add_blob(layer, shape.axes, shape.dim, count, &blob));
    blob->legacy = shape.legacy;
    if (!from->n_double_data && count > 0) memcpy(blob->values, from->data, count * sizeof(float));
    for (size_t i = 0; i < from->n_double_data; i++) blob->values[i] = (float)from->double_data[i];
    return SA_OK;
}

static sa_status take_layer(const model *m, const char *name, const char *type, size_t count, SaPb__Blob *const *blobs)
{
    sa_weight_layer *layer;
    SA_TRY(sa_weights_add_layer(m->weights, name ? name : "", type ? type : "", &layer));
    for (size_t i = 0; i < count; i++) SA_TRY(take_blob(m, layer, blobs[i]));
    return SA_OK;
}

/* V0: every bottom must be made by an earlier layer or be an input, or Caffe's padding upgrade stops. */
static bool is_known(const SaPb__Net *net, size_t end, const char *bottom)
{
    for (size_t i = 0; i < net->n_input; i++)
        if (!strcmp(net->input[i], bottom)) return true;
    for (size_t l = 0; l < end; l++)
        for (size_t i = 0; i < net->layers[l]->n_top; i++)
            if (!strcmp(net->layers[l]->top[i], bottom)) return true;
    return false;
}

static sa_status check_v0_bottoms(const model *m, const SaPb__Net *net, size_t l)
{
    const SaPb__V1Layer *layer = net->layers[l];
    for (size_t i = 0; i < layer->n_bottom; i++)
        if (!is_known(net, l, layer->bottom[i]))
            SA_FAIL(SA_PARSE, "%s: V0 layer '%.200s' reads '%.200s', which no earlier layer makes", m->path,
                    layer->layer->name ? layer->layer->name : "", layer->bottom[i]);
    return SA_OK;
}

static sa_status take_old_layers(const model *m, const SaPb__Net *net)
{
    bool v0 = false;
    for (size_t l = 0; l < net->n_layers; l++) v0 |= net->layers[l]->layer != NULL;
    for (size_t l = 0; l < net->n_layers; l++) {
        const SaPb__V1Layer *layer = net->layers[l];
        const SaPb__V0Layer *inner = layer->layer;
        bool known = layer->type > 0 && layer->type < (int32_t)(sizeof V1_TYPES / sizeof V1_TYPES[0]);
        if (v0 && inner) SA_TRY(check_v0_bottoms(m, net, l));
        if (inner) SA_TRY(take_layer(m, inner->name, inner->type, inner->n_blobs, inner->blobs));
        else SA_TRY(take_layer(m, layer->name, known ? V1_TYPES[layer->type] : "", layer->n_blobs, layer->blobs));
    }
    return SA_OK;
}

static sa_status take_net(const model *m, const SaPb__Net *net)
{
    if (net->n_layers && net->n_layer) SA_FAIL(SA_PARSE, "%s: it has layers in both the old and the new format", m->path);
    char *name = strdup(net->name ? net->name : "");
    if (!name) SA_FAIL(SA_NOMEM, "no memory for the name of a net");
    free(m->weights->net_name);
    m->weights->net_name = name;
    SA_TRY(take_old_layers(m, net));
    for (size_t l = 0; l < net->n_layer; l++) {
        const SaPb__Layer *layer = net->layer[l];
        SA_TRY(take_layer(m, layer->name, layer->type, layer->n_blobs, layer->blobs));
    }
    return SA_OK;
}

sa_status sa_weights_parse_caffemodel(const char *path, const char *bytes, size_t byte_count, sa_weights *weights)
{
    if (byte_count > INT32_MAX) SA_FAIL(SA_PARSE, "%s: %zu bytes; Caffe's files end at 2 GiB", path, byte_count);
    SaPb__Net *net = unpack(bytes, byte_count);
    if (!net)
        SA_FAIL(SA_PARSE,
                "%s: not a weights file: neither .sasnap nor .safetensors nor Caffe's binary .caffemodel (or a damaged one)", path);
    const model m = {path, weights};
    sa_status status = take_net(&m, net);
    sa_pb__net__free_unpacked(net, NULL);
    return status;
}

/* ---- writing ---- */

/* What protobuf-c packs goes straight into the file. */
typedef struct file_buffer {
    ProtobufCBuffer base;
    sa_output_file *file;
    sa_status status;
} file_buffer;

static void append(ProtobufCBuffer *base, size_t length, const uint8_t *bytes)
{
    file_buffer *buffer = (file_buffer *)base;
    if (buffer->status == SA_OK) buffer->status = sa_output_file_write(buffer->file, bytes, length);
}

/* The messages point into the weights; only the lists of messages are made. */
typedef struct packed_layer {
    SaPb__Layer layer;
    SaPb__Blob *blob;
    SaPb__BlobShape *shape;
    SaPb__Blob **blob_list;
} packed_layer;

static bool pack_layer(const sa_weight_layer *from, packed_layer *to)
{
    sa_pb__layer__init(&to->layer);
    to->blob = calloc(from->blob_count + 1, sizeof *to->blob);
    to->shape = calloc(from->blob_count + 1, sizeof *to->shape);
    to->blob_list = calloc(from->blob_count + 1, sizeof(SaPb__Blob *));
    if (!to->blob || !to->shape || !to->blob_list) return false;
    to->layer.name = from->name;
    to->layer.type = from->type;
    to->layer.has_phase = true; /* Caffe always writes it: TRAIN */
    to->layer.n_blobs = from->blob_count;
    to->layer.blobs = to->blob_list;
    for (size_t i = 0; i < from->blob_count; i++) {
        sa_weight_blob *source = &from->blob[i];
        SaPb__Blob *blob = to->blob_list[i] = &to->blob[i];
        sa_pb__blob__init(blob);
        sa_pb__blob_shape__init(&to->shape[i]);
        blob->n_data = source->count;
        blob->data = source->values;
        if (source->legacy) {
            blob->has_num = blob->has_channels = blob->has_height = blob->has_width = true;
            blob->num = (int32_t)source->dim[0];
            blob->channels = (int32_t)source->dim[1];
            blob->height = (int32_t)source->dim[2];
            blob->width = (int32_t)source->dim[3];
            continue;
        }
        blob->shape = &to->shape[i];
        blob->shape->n_dim = (size_t)source->axes;
        blob->shape->dim = source->dim;
    }
    return true;
}

static sa_status write_net(const char *path, const SaPb__Net *net)
{
    file_buffer buffer = {.base = {.append = append}};
    if (sa_pb__net__get_packed_size(net) > INT32_MAX) SA_FAIL(SA_INVALID, "%s: more than 2 GiB, the limit of Caffe's files", path);
    SA_TRY(sa_output_file_open(path, &buffer.file));
    sa_pb__net__pack_to_buffer(net, &buffer.base);
    if (buffer.status == SA_OK) return sa_output_file_commit(buffer.file);
    sa_output_file_abandon(buffer.file);
    return buffer.status;
}

sa_status sa_weights_write_caffemodel(const char *path, const sa_weights *weights)
{
    SaPb__Net net = SA_PB__NET__INIT;
    size_t count = weights->layer_count;
    packed_layer *packed = calloc(count + 1, sizeof *packed);
    SaPb__Layer **list = calloc(count + 1, sizeof *list);
    bool ok = packed && list;
    for (size_t l = 0; l < count && ok; l++) {
        ok = pack_layer(&weights->layer[l], &packed[l]);
        list[l] = &packed[l].layer;
    }
    net.name = weights->net_name;
    net.n_layer = count;
    net.layer = list;
    sa_status status = ok ? write_net(path, &net) : sa_error_set(SA_NOMEM, "no memory to write %s", path);
    for (size_t l = 0; packed && l < count; l++) {
        free(packed[l].blob);
        free(packed[l].shape);
        free(packed[l].blob_list);
    }
    free(packed);
    free(list);
    return status;
}
