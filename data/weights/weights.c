/* Sets of weights in memory, and which file is what. */
#include "data/weights/weights.h"

#include "core/checked.h"
#include "core/growing_array.h"
#include "data/weights/weights_formats.h"
#include "data/whole_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    sa_status (*parse)(const char *path, const char *bytes, size_t byte_count, sa_weights *weights);
    sa_status (*write)(const char *path, const sa_weights *weights);
} FORMATS[] = {
    [SA_WEIGHTS_CAFFEMODEL] = {"caffemodel", sa_weights_parse_caffemodel, sa_weights_write_caffemodel},
    [SA_WEIGHTS_SAFETENSORS] = {"safetensors", sa_weights_parse_safetensors, sa_weights_write_safetensors},
    [SA_WEIGHTS_SNAPSHOT] = {"sasnap", sa_weights_parse_snapshot, sa_weights_write_snapshot},
    [SA_WEIGHTS_HDF5] = {"caffemodel.h5", sa_weights_parse_hdf5, NULL},
};
enum { FORMAT_COUNT = sizeof FORMATS / sizeof FORMATS[0] };

const char *sa_weights_format_name(sa_weights_format format)
{
    return FORMATS[format].name;
}

sa_status sa_weights_format_of(const char *path, sa_weights_format *format)
{
    const char *dot = strrchr(path, '.');
    for (int i = 0; dot && i < FORMAT_COUNT; i++)
        if (FORMATS[i].write && !strcmp(dot + 1, FORMATS[i].name)) {
            *format = (sa_weights_format)i;
            return SA_OK;
        }
    SA_FAIL(SA_INVALID, "%s: the name must end in .caffemodel, .safetensors or .sasnap, which tells the format", path);
}

/* ---- building ---- */

sa_status sa_weights_create(const char *net_name, sa_weights **weights)
{
    sa_weights *made = calloc(1, sizeof *made);
    if (made) made->net_name = strdup(net_name);
    if (!made || !made->net_name) {
        free(made);
        SA_FAIL(SA_NOMEM, "no memory for weights");
    }
    *weights = made;
    return SA_OK;
}

void sa_weights_free(sa_weights *weights)
{
    if (!weights) return;
    for (size_t l = 0; l < weights->layer_count; l++) {
        sa_weight_layer *layer = &weights->layer[l];
        for (size_t i = 0; i < layer->blob_count; i++) free(layer->blob[i].values);
        free(layer->blob);
        free(layer->name);
        free(layer->type);
    }
    free(weights->layer);
    free(weights->net_name);
    free(weights);
}

sa_status sa_weights_add_layer(sa_weights *weights, const char *name, const char *type, sa_weight_layer **layer)
{
    sa_weight_layer *list = sa_array_room(weights->layer, weights->layer_count, sizeof *list);
    if (!list) SA_FAIL(SA_NOMEM, "no memory for %zu layers of weights", weights->layer_count + 1);
    weights->layer = list;
    sa_weight_layer *made = &list[weights->layer_count];
    *made = (sa_weight_layer){.name = strdup(name), .type = strdup(type)};
    if (!made->name || !made->type) {
        free(made->name);
        free(made->type);
        SA_FAIL(SA_NOMEM, "no memory for the name of a layer");
    }
    weights->layer_count++;
    *layer = made;
    return SA_OK;
}

sa_status sa_weights_add_blob(sa_weight_layer *layer, int32_t axes, const int64_t *dim, size_t count, sa_weight_blob **blob)
{
    size_t bytes;
    sa_weight_blob *list = sa_array_room(layer->blob, layer->blob_count, sizeof *list);
    if (!list) SA_FAIL(SA_NOMEM, "no memory for the blobs of '%s'", layer->name);
    layer->blob = list;
    if (!sa_size_mul(count, sizeof(float), &bytes)) SA_FAIL(SA_INVALID, "'%s': %zu values", layer->name, count);
    sa_weight_blob *made = &list[layer->blob_count];
    *made = (sa_weight_blob){.axes = axes, .count = count, .values = malloc(bytes ? bytes : 1)};
    if (!made->values) SA_FAIL(SA_NOMEM, "no memory for %zu values of '%s'", count, layer->name);
    memcpy(made->dim, dim, (size_t)axes * sizeof *dim);
    layer->blob_count++;
    *blob = made;
    return SA_OK;
}

sa_weight_layer *sa_weights_find(const sa_weights *weights, const char *name)
{
    for (size_t l = weights->layer_count; l-- > 0;)
        if (!strcmp(weights->layer[l].name, name)) return &weights->layer[l];
    return NULL;
}

/* PyTorch's names for the first two. */
static bool index_of(const char *text, size_t *index)
{
    char *end;
    if (!strcmp(text, "weight") || !strcmp(text, "bias")) {
        *index = text[0] == 'b';
        return true;
    }
    if (*text < '0' || *text > '9') return false;
    *index = strtoul(text, &end, 10);
    return *end == '\0';
}

sa_status sa_weights_add_array(const char *path, sa_weights *weights, const char *name, int32_t axes, const int64_t *dim,
                               size_t count, sa_weight_blob **blob)
{
    char layer_name[512];
    size_t index = 0;
    const char *dot = strrchr(name, '.');
    if (!dot || (size_t)(dot - name) >= sizeof layer_name || !index_of(dot + 1, &index))
        SA_FAIL(SA_PARSE, "%s: '%.200s' is not the name of a parameter: LAYER.0, LAYER.1, ... (or LAYER.weight, LAYER.bias)", path,
                name);
    snprintf(layer_name, sizeof layer_name, "%.*s", (int)(dot - name), name);
    sa_weight_layer *layer = sa_weights_find(weights, layer_name);
    if (!layer) SA_TRY(sa_weights_add_layer(weights, layer_name, "", &layer));
    if (index != layer->blob_count)
        SA_FAIL(SA_PARSE, "%s: '%.200s' follows %zu parameters of that layer; they must come in order, without gaps", path, name,
                layer->blob_count);
    return sa_weights_add_blob(layer, axes, dim, count, blob);
}

const char *sa_weight_shape_text(const sa_weight_blob *blob, char text[SA_WEIGHT_SHAPE_TEXT_BYTES])
{
    int length = snprintf(text, SA_WEIGHT_SHAPE_TEXT_BYTES, "%s%s", blob->legacy ? "legacy " : "", blob->axes ? "" : "one value");
    for (int32_t i = 0; i < blob->axes && length < SA_WEIGHT_SHAPE_TEXT_BYTES - 24; i++)
        length +=
            snprintf(text + length, (size_t)(SA_WEIGHT_SHAPE_TEXT_BYTES - length), "%s%lld", i ? "x" : "", (long long)blob->dim[i]);
    return text;
}

/* ---- files ---- */

/* What stands at the beginning of files that people take for weights. */
static const char *foreign(const char *bytes, size_t byte_count)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *what;
    } KINDS[] = {{"\x89PNG\r\n\x1a\n", 8, "a PNG image"},
                 {"\xff\xd8\xff", 3, "a JPEG image"},
                 {"PK\x03\x04", 4, "a ZIP archive, as PyTorch writes: save its state_dict as .safetensors"},
                 {"\x1f\x8b", 2, "a gzip file: unpack it first"}};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (byte_count >= KINDS[i].length && !memcmp(bytes, KINDS[i].magic, KINDS[i].length)) return KINDS[i].what;
    return NULL;
}

static sa_weights_format format_of_content(const char *bytes, size_t byte_count)
{
    uint64_t header;
    if (byte_count >= 8 && !memcmp(bytes, "SAsnap\r\n", 8)) return SA_WEIGHTS_SNAPSHOT;
    if (byte_count >= 8 && !memcmp(bytes, "\x89HDF\r\n\x1a\n", 8)) return SA_WEIGHTS_HDF5;
    if (byte_count < 9) return SA_WEIGHTS_CAFFEMODEL;
    memcpy(&header, bytes, sizeof header);
    return header <= byte_count - 8 && bytes[8] == '{' ? SA_WEIGHTS_SAFETENSORS : SA_WEIGHTS_CAFFEMODEL;
}

sa_status sa_weights_read(const char *path, sa_weights **weights)
{
    char *bytes = NULL;
    size_t byte_count = 0;
    sa_weights *read = NULL;
    SA_TRY(sa_whole_file_read(path, &bytes, &byte_count));
    const char *what = foreign(bytes, byte_count);
    sa_status status = what ? sa_error_set(SA_PARSE, "%s: not a weights file but %s", path, what) : sa_weights_create("", &read);
    if (status == SA_OK) {
        read->format = format_of_content(bytes, byte_count);
        status = FORMATS[read->format].parse(path, bytes, byte_count, read);
    }
    free(bytes);
    if (status != SA_OK) {
        sa_weights_free(read);
        return status;
    }
    *weights = read;
    return SA_OK;
}

sa_status sa_weights_write(const char *path, const sa_weights *weights)
{
    sa_weights_format format;
    SA_TRY(sa_weights_format_of(path, &format));
    return FORMATS[format].write(path, weights);
}
