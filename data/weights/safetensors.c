/* .safetensors: 64-bit header length, a JSON object {name: {dtype, shape, data_offsets}}, the arrays. Names are "<layer>.<index>",
 * or PyTorch's "<layer>.weight" and "<layer>.bias". Shapes that Caffe's old files gave as four numbers are listed in the metadata,
 * so that they come back as such. */
#include "data/weights/weights_formats.h"

#include "core/checked.h"
#include "core/output_file.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are copied as they lie in the file");

enum { PREFIX_BYTES = 8, HEADER_BYTES_MAX = 100 * 1000 * 1000, ENTRIES_MAX = 16384, INDEX_MAX = 63, ALIGNMENT = 8 };
static const char LEGACY_KEY[] = "caffe.legacy_shapes", TYPE_KEY[] = "caffe.types", NET_KEY[] = "caffe.net";

/* ---- reading ---- */

typedef struct tensors {
    const char *path, *data;
    size_t data_bytes;
} tensors;

static const struct {
    const char *name;
    size_t bytes;
} TYPES[] = {{"F32", 4}, {"F64", 8}, {"F16", 2}, {"BF16", 2}};
enum { F32, F64, F16, BF16, TYPE_COUNT };

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exact: every half is a float. */
static float from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) return from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent > 0) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
}

static void convert(int type, const char *from, size_t count, float *to)
{
    if (type == F32) memcpy(to, from, count * sizeof *to);
    for (size_t i = 0; i < count && type != F32; i++) {
        double wide;
        uint16_t narrow;
        memcpy(type == F64 ? (void *)&wide : (void *)&narrow, from + i * TYPES[type].bytes, TYPES[type].bytes);
        to[i] = type == F64 ? (float)wide : type == BF16 ? from_bits((uint32_t)narrow << 16) : from_half(narrow);
    }
}

static bool whole_number(const cJSON *item, double most, double *value)
{
    *value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    return *value >= 0 && *value <= most && *value == (double)(int64_t)*value;
}

static sa_status type_of(const tensors *f, const cJSON *entry, int *type)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    for (*type = 0; cJSON_IsString(dtype) && *type < TYPE_COUNT; (*type)++)
        if (!strcmp(dtype->valuestring, TYPES[*type].name)) return SA_OK;
    SA_FAIL(SA_UNSUPPORTED, "%s: '%.200s' has dtype %.20s; F32, F64, F16 and BF16 are read", f->path, entry->string,
            cJSON_IsString(dtype) ? dtype->valuestring : "?");
}

static sa_status shape_of(const tensors *f, const cJSON *entry, int32_t *axes, int64_t dim[SA_WEIGHT_AXES_MAX], size_t *count)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *item;
    *axes = 0;
    *count = 1;
    cJSON_ArrayForEach(item, list)
    {
        double size;
        if (*axes == SA_WEIGHT_AXES_MAX || !whole_number(item, 1e15, &size) || !sa_size_mul(*count, (size_t)size, count))
            SA_FAIL(SA_PARSE, "%s: '%.200s' has a shape that cannot be", f->path, entry->string);
        dim[(*axes)++] = (int64_t)size;
    }
    if (!cJSON_IsArray(list)) SA_FAIL(SA_PARSE, "%s: '%.200s' has no shape", f->path, entry->string);
    return SA_OK;
}

static sa_status take_array(const tensors *f, const cJSON *entry, sa_weights *weights)
{
    int64_t dim[SA_WEIGHT_AXES_MAX];
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    sa_weight_blob *blob;
    size_t count, bytes;
    double begin, end;
    int32_t axes;
    int type;
    SA_TRY(type_of(f, entry, &type));
    SA_TRY(shape_of(f, entry, &axes, dim, &count));
    if (cJSON_GetArraySize(offsets) != 2 || !whole_number(cJSON_GetArrayItem(offsets, 0), (double)f->data_bytes, &begin) ||
        !whole_number(cJSON_GetArrayItem(offsets, 1), (double)f->data_bytes, &end) || end < begin)
        SA_FAIL(SA_PARSE, "%s: '%.200s' lies outside of the file (damaged or truncated)", f->path, entry->string);
    if (!sa_size_mul(count, TYPES[type].bytes, &bytes) || (double)bytes != end - begin)
        SA_FAIL(SA_PARSE, "%s: '%.200s' has %zu values of %zu bytes, but %.0f bytes in the file", f->path, entry->string, count,
                TYPES[type].bytes, end - begin);
    SA_TRY(sa_weights_add_array(f->path, weights, entry->string, axes, dim, count, &blob));
    convert(type, f->data + (size_t)begin, count, blob->values);
    return SA_OK;
}

/* The parameter's number within its layer, as sa_weights_add_array reads it; above INDEX_MAX: no name of a parameter. */
static unsigned long index_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (dot && !strcmp(dot, ".weight")) return 0;
    if (dot && !strcmp(dot, ".bias")) return 1;
    return dot ? strtoul(dot + 1, NULL, 10) : 0;
}

/* Does the comma-separated list hold this name? */
static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, name, length) && (at[length] == ',' || at[length] == '\0')) return true;
    }
    return false;
}

/* Old shapes, the types of layers and the net's name, if we wrote the file. */
static sa_status take_metadata(const cJSON *metadata, sa_weights *weights)
{
    const cJSON *legacy = cJSON_GetObjectItemCaseSensitive(metadata, LEGACY_KEY);
    const cJSON *net = cJSON_GetObjectItemCaseSensitive(metadata, NET_KEY),
                *types = cJSON_GetObjectItemCaseSensitive(metadata, TYPE_KEY);
    cJSON *type_of_layer = cJSON_IsString(types) ? cJSON_Parse(types->valuestring) : NULL;
    bool ok = true;
    for (size_t l = 0; l < weights->layer_count && ok; l++) {
        sa_weight_layer *layer = &weights->layer[l];
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(type_of_layer, layer->name);
        char *copy = cJSON_IsString(type) ? strdup(type->valuestring) : NULL;
        ok = copy || !cJSON_IsString(type);
        if (copy) {
            free(layer->type);
            layer->type = copy;
        }
        for (size_t i = 0; i < layer->blob_count && cJSON_IsString(legacy); i++) {
            char name[600];
            snprintf(name, sizeof name, "%.511s.%zu", layer->name, i);
            layer->blob[i].legacy = layer->blob[i].axes == 4 && list_has(legacy->valuestring, name);
        }
    }
    char *net_name = cJSON_IsString(net) ? strdup(net->valuestring) : NULL;
    ok = ok && (net_name || !cJSON_IsString(net));
    if (net_name) {
        free(weights->net_name);
        weights->net_name = net_name;
    }
    cJSON_Delete(type_of_layer);
    if (!ok) SA_FAIL(SA_NOMEM, "no memory for the names of layers");
    return SA_OK;
}

/* Writers sort the names as they like: first all parameters 0, then 1, ... */
static sa_status take_entries(const tensors *f, const cJSON *root, sa_weights *weights)
{
    const cJSON *entry;
    if (!cJSON_IsObject(root)) SA_FAIL(SA_PARSE, "%s: the header is not a JSON object", f->path);
    if (cJSON_GetArraySize(root) > ENTRIES_MAX) SA_FAIL(SA_PARSE, "%s: more than %d arrays", f->path, ENTRIES_MAX);
    cJSON_ArrayForEach(entry, root)
    {
        if (index_of(entry->string) > INDEX_MAX)
            SA_FAIL(SA_PARSE, "%s: '%.200s': a layer of more than %d parameters", f->path, entry->string, INDEX_MAX + 1);
    }
    for (unsigned long index = 0; index <= INDEX_MAX; index++) cJSON_ArrayForEach(entry, root)
        {
            if (index_of(entry->string) == index && strcmp(entry->string, "__metadata__") != 0)
                SA_TRY(take_array(f, entry, weights));
        }
    return take_metadata(cJSON_GetObjectItemCaseSensitive(root, "__metadata__"), weights);
}

sa_status sa_weights_parse_safetensors(const char *path, const char *bytes, size_t byte_count, sa_weights *weights)
{
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    if (header > HEADER_BYTES_MAX) SA_FAIL(SA_PARSE, "%s: a header of %llu bytes", path, (unsigned long long)header);
    const tensors f = {path, bytes + PREFIX_BYTES + header, byte_count - PREFIX_BYTES - (size_t)header};
    cJSON *root = cJSON_ParseWithLength(bytes + PREFIX_BYTES, (size_t)header);
    if (!root) SA_FAIL(SA_PARSE, "%s: the header is not JSON (damaged .safetensors?)", path);
    sa_status status = take_entries(&f, root, weights);
    cJSON_Delete(root);
    return status;
}

/* ---- writing ---- */

static void add_entry(cJSON *root, const char *name, const sa_weight_blob *blob, size_t begin)
{
    cJSON *entry = cJSON_AddObjectToObject(root, name);
    cJSON_AddStringToObject(entry, "dtype", "F32");
    cJSON *shape = cJSON_AddArrayToObject(entry, "shape"), *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
    for (int32_t i = 0; i < blob->axes; i++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)blob->dim[i]));
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin));
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(begin + blob->count * sizeof(float))));
}

/* A format of named arrays needs each name once and shapes that hold. */
static sa_status check_blob(const char *path, const sa_weights *weights, const sa_weight_layer *layer, size_t i)
{
    const sa_weight_blob *blob = &layer->blob[i];
    size_t count = 1;
    bool ok = true;
    for (int32_t k = 0; k < blob->axes && ok; k++) ok = blob->dim[k] >= 0 && sa_size_mul(count, (size_t)blob->dim[k], &count);
    char text[SA_WEIGHT_SHAPE_TEXT_BYTES];
    if (!ok || count != blob->count)
        SA_FAIL(SA_INVALID, "%s: '%.200s.%zu' is %s but has %zu values", path, layer->name, i, sa_weight_shape_text(blob, text),
                blob->count);
    if (sa_weights_find(weights, layer->name) != layer)
        SA_FAIL(SA_INVALID, "%s: two layers are called '%.200s', which this format cannot hold", path, layer->name);
    return SA_OK;
}

static cJSON *make_header(const sa_weights *weights)
{
    cJSON *root = cJSON_CreateObject(), *metadata = cJSON_AddObjectToObject(root, "__metadata__"), *types = cJSON_CreateObject();
    size_t begin = 0, legacy_bytes = 1;
    for (size_t l = 0; l < weights->layer_count; l++)
        legacy_bytes += weights->layer[l].blob_count * (strlen(weights->layer[l].name) + 24);
    char *legacy = calloc(1, legacy_bytes);
    size_t used = 0;
    for (size_t l = 0; l < weights->layer_count && legacy; l++) {
        const sa_weight_layer *layer = &weights->layer[l];
        if (layer->blob_count && layer->type[0]) cJSON_AddStringToObject(types, layer->name, layer->type);
        for (size_t i = 0; i < layer->blob_count; i++) {
            char name[600];
            snprintf(name, sizeof name, "%.511s.%zu", layer->name, i);
            add_entry(root, name, &layer->blob[i], begin);
            begin += layer->blob[i].count * sizeof(float);
            if (layer->blob[i].legacy) used += (size_t)snprintf(legacy + used, legacy_bytes - used, "%s%s", used ? "," : "", name);
        }
    }
    char *type_text = cJSON_PrintUnformatted(types);
    cJSON_AddStringToObject(metadata, NET_KEY, weights->net_name);
    if (type_text) cJSON_AddStringToObject(metadata, TYPE_KEY, type_text);
    if (used) cJSON_AddStringToObject(metadata, LEGACY_KEY, legacy);
    free(type_text);
    cJSON_Delete(types);
    if (!legacy) {
        cJSON_Delete(root);
        root = NULL;
    }
    free(legacy);
    return root;
}

static sa_status put_all(sa_output_file *file, const char *header, const sa_weights *weights)
{
    static const char SPACES[ALIGNMENT + 1] = "        ";
    size_t length = strlen(header), padding = (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
    uint64_t whole = length + padding;
    SA_TRY(sa_output_file_write(file, &whole, sizeof whole));
    SA_TRY(sa_output_file_write(file, header, length));
    SA_TRY(sa_output_file_write(file, SPACES, padding));
    for (size_t l = 0; l < weights->layer_count; l++)
        for (size_t i = 0; i < weights->layer[l].blob_count; i++)
            SA_TRY(sa_output_file_write(file, weights->layer[l].blob[i].values, weights->layer[l].blob[i].count * sizeof(float)));
    return SA_OK;
}

sa_status sa_weights_write_safetensors(const char *path, const sa_weights *weights)
{
    sa_output_file *file;
    for (size_t l = 0; l < weights->layer_count; l++)
        for (size_t i = 0; i < weights->layer[l].blob_count; i++) SA_TRY(check_blob(path, weights, &weights->layer[l], i));
    cJSON *root = make_header(weights);
    char *header = root ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!header) SA_FAIL(SA_NOMEM, "no memory for the header of %s", path);
    sa_status status = sa_output_file_open(path, &file);
    if (status == SA_OK) {
        status = put_all(file, header, weights);
        if (status == SA_OK) status = sa_output_file_commit(file);
        else sa_output_file_abandon(file);
    }
    free(header);
    return status;
}
