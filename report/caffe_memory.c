/* Caffe's allocations from the shapes of a net. The rows of this accounting were checked against a walk over every blob of a
 * running Caffe-SegNet; tests/test_explain.c holds the numbers. */
#include "report/caffe_memory.h"

#include "core/checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sa_caffe_row ROWS[SA_CAFFE_CATEGORY_COUNT] = {
    {SA_CAFFE_INPUT, "the input and the labels", true, 0, 0},
    {SA_CAFFE_TOPS_DATA, "the layers' outputs", true, 0, 0},
    {SA_CAFFE_TOPS_DIFF, "the gradients of the layers' outputs", false, 0, 0},
    {SA_CAFFE_MASKS, "pooling masks, a float for each pooled value", true, 0, 0},
    {SA_CAFFE_COLUMNS, "column buffers, one a convolution layer", false, 0, 0},
    {SA_CAFFE_BIAS_MULTIPLIERS, "vectors of ones, one a convolution layer", false, 0, 0},
    {SA_CAFFE_BN_BUFFER, "scratch copies, one a BN layer", false, 0, 0},
    {SA_CAFFE_BN_XNORM, "normalised copies, one a BN layer", false, 0, 0},
    {SA_CAFFE_BN_SMALL, "statistics and vectors of ones of the BN layers", false, 0, 0},
    {SA_CAFFE_LRN_SCALE, "the divisors of LRN", false, 0, 0},
    {SA_CAFFE_SPLIT_DIFFS, "gradients of blobs with several readers, one a reader", false, 0, 0},
    {SA_CAFFE_SOFTMAX_PROB, "the softmax and a gradient of it", false, 0, 0},
    {SA_CAFFE_SOFTMAX_SCALE, "scratch planes of the softmax", false, 0, 0},
    {SA_CAFFE_PARAMETERS, "parameters and their gradients", false, 0, 0},
    {SA_CAFFE_HISTORY, "the solver's momentum", false, 0, 0},
    {SA_CAFFE_SCALARS, "losses and accuracies", true, 0, 0},
    {SA_CAFFE_OTHER, "other private buffers of layers", false, 0, 0},
};

static bool is_type(const sa_layer *layer, const char *type)
{
    return !strcmp(layer->type->name, type);
}

/* ------------------------------------------------------------------ items ------------------------------------------ */

typedef struct walk {
    const sa_net *net;
    sa_caffe_memory *memory;
} walk;

static sa_status add_to(size_t *sum, size_t bytes)
{
    if (!sa_size_add(*sum, bytes, sum)) SA_FAIL(SA_INVALID, "the net needs more bytes than a size can hold");
    return SA_OK;
}

static sa_status add_bytes(sa_caffe_memory *m, const char *category, size_t gpu_bytes, size_t cpu_bytes)
{
    for (int i = 0; i < SA_CAFFE_CATEGORY_COUNT; i++) {
        if (strcmp(m->row[i].name, category)) continue;
        SA_TRY(add_to(&m->row[i].gpu_bytes, gpu_bytes));
        SA_TRY(add_to(&m->row[i].cpu_bytes, cpu_bytes));
        SA_TRY(add_to(&m->gpu_total_bytes, gpu_bytes));
        return add_to(&m->cpu_total_bytes, cpu_bytes);
    }
    SA_FAIL(SA_INVALID, "unknown category '%s' of Caffe's memory", category);
}

static sa_status add_item(walk *w, const sa_layer *layer, const char *category, size_t gpu_bytes, size_t cpu_bytes,
                          const char *name, const char *suffix)
{
    sa_caffe_memory *m = w->memory;
    if (m->item_count == m->item_capacity) {
        size_t capacity = m->item_capacity ? 2 * m->item_capacity : 128;
        sa_caffe_item *grown = realloc(m->item, capacity * sizeof *grown);
        if (!grown) SA_FAIL(SA_NOMEM, "no memory for a list of %zu buffers", capacity);
        m->item = grown;
        m->item_capacity = capacity;
    }
    SA_TRY(add_bytes(m, category, gpu_bytes, cpu_bytes));
    sa_caffe_item *item = &m->item[m->item_count++];
    *item = (sa_caffe_item){.layer = layer->name, .category = category, .gpu_bytes = gpu_bytes, .cpu_bytes = cpu_bytes};
    snprintf(item->name, sizeof item->name, "%s%s%s", name, suffix[0] ? "." : "", suffix);
    return SA_OK;
}

/* ------------------------------------------------------------------ blobs ------------------------------------------ */

static const char *data_category(const sa_layer *maker, const sa_blob *blob)
{
    if (maker->type->is_input) return SA_CAFFE_INPUT;
    if (blob->shape.axes == 0 || is_type(maker, "Accuracy")) return SA_CAFFE_SCALARS;
    if (is_type(maker, "Pooling") && blob->producer_top == 1) return SA_CAFFE_MASKS;
    return SA_CAFFE_TOPS_DATA;
}

/* A name whose layers work in place is one blob: its gradient exists if any version of it has one. */
static bool any_version_needs_grad(const sa_net *net, int first)
{
    int version = first;
    bool needed = net->blob[first].needs_grad;
    for (int b = first + 1; b < net->blob_count; b++)
        if (net->blob[b].previous == version) {
            version = b;
            needed |= net->blob[b].needs_grad;
        }
    return needed;
}

static sa_status add_blob(walk *w, int index)
{
    const sa_blob *blob = &w->net->blob[index];
    const sa_layer *maker = &w->net->layer[blob->producer];
    size_t bytes = sa_shape_elements(&blob->shape) * 4;
    bool split = is_type(maker, "Split");
    if (blob->previous >= 0) return SA_OK;
    if (!split)
        SA_TRY(add_item(w, maker, data_category(maker, blob), bytes, bytes, blob->name, "")); /* a Split's tops share its bottom */
    if (!any_version_needs_grad(w->net, index)) return SA_OK;
    return add_item(w, maker, split ? SA_CAFFE_SPLIT_DIFFS : SA_CAFFE_TOPS_DIFF, bytes, bytes, blob->name, "grad");
}

/* ------------------------------------------------------------------ layers ----------------------------------------- */

static sa_status add_private_buffers(walk *w, const sa_layer *layer)
{
    sa_caffe_buffer list[SA_CAFFE_BUFFERS_MAX];
    int count = layer->type->caffe_buffers ? layer->type->caffe_buffers(layer, w->net->blob, list) : 0;
    for (int i = 0; i < count; i++)
        SA_TRY(add_item(w, layer, list[i].category, list[i].gpu_bytes, list[i].cpu_bytes, layer->name, list[i].suffix));
    return SA_OK;
}

/* The solver updates every parameter of a net it trains, those with a learning rate of 0 as well. */
static sa_status add_parameters(walk *w, const sa_layer *layer, bool trains)
{
    for (int i = 0; i < layer->param_count; i++) {
        char name[SA_NAME_MAX + 16];
        size_t bytes = sa_shape_elements(&layer->param[i].shape) * 4;
        snprintf(name, sizeof name, "%s.%d", layer->name, i);
        SA_TRY(add_item(w, layer, SA_CAFFE_PARAMETERS, bytes, bytes, name, ""));
        if (!trains) continue;
        SA_TRY(add_item(w, layer, SA_CAFFE_PARAMETERS, bytes, bytes, name, "grad"));
        SA_TRY(add_item(w, layer, SA_CAFFE_HISTORY, bytes, bytes, name, "history"));
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ the whole net ---------------------------------- */

static int larger_first(const void *a, const void *b)
{
    const sa_caffe_item *x = a, *y = b;
    if (x->gpu_bytes != y->gpu_bytes) return x->gpu_bytes < y->gpu_bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

static sa_status add_all(walk *w)
{
    const sa_net *net = w->net;
    bool trains = false;
    for (int l = 0; l < net->layer_count; l++) trains |= net->layer[l].needs_backward;
    for (int b = 0; b < net->blob_count; b++) SA_TRY(add_blob(w, b));
    for (int l = 0; l < net->layer_count; l++) {
        SA_TRY(add_private_buffers(w, &net->layer[l]));
        SA_TRY(add_parameters(w, &net->layer[l], trains));
    }
    return SA_OK;
}

sa_status sa_caffe_memory_create(const sa_net *net, sa_caffe_memory *memory)
{
    sa_caffe_memory made = {.memory_required_for_data_bytes = sa_net_memory_required_for_data(net),
                            .first_blob_parameter_count = sa_net_first_parameter_count(net),
                            .parameter_count = sa_net_parameter_count(net)};
    memcpy(made.row, ROWS, sizeof ROWS);
    walk w = {net, &made};
    sa_status status = add_all(&w);
    if (status != SA_OK) {
        sa_caffe_memory_free(&made);
        return status;
    }
    if (made.item_count > 0) qsort(made.item, made.item_count, sizeof *made.item, larger_first);
    *memory = made;
    return SA_OK;
}

void sa_caffe_memory_free(sa_caffe_memory *memory)
{
    free(memory->item);
    memset(memory, 0, sizeof *memory);
}

const sa_caffe_row *sa_caffe_memory_largest_row(const sa_caffe_memory *memory)
{
    const sa_caffe_row *largest = &memory->row[0];
    for (int i = 1; i < SA_CAFFE_CATEGORY_COUNT; i++)
        if (memory->row[i].gpu_bytes > largest->gpu_bytes) largest = &memory->row[i];
    return largest;
}

/* ------------------------------------------------------------------ sentences -------------------------------------- */

const char *sa_decimal_size(size_t bytes, char text[SA_DECIMAL_TEXT_BYTES])
{
    if (bytes < 1000) snprintf(text, SA_DECIMAL_TEXT_BYTES, "%zu bytes", bytes);
    else if (bytes < 1000000) snprintf(text, SA_DECIMAL_TEXT_BYTES, "%.1f kB", (double)bytes * 1e-3);
    else if (bytes < 1000000000) snprintf(text, SA_DECIMAL_TEXT_BYTES, "%.1f MB", (double)bytes * 1e-6);
    else snprintf(text, SA_DECIMAL_TEXT_BYTES, "%.2f GB", (double)bytes * 1e-9);
    return text;
}

void sa_caffe_memory_verdict(const sa_caffe_memory *memory, size_t capacity_bytes, bool *fits, char *text, size_t text_bytes)
{
    char need[SA_DECIMAL_TEXT_BYTES], have[SA_DECIMAL_TEXT_BYTES], part[SA_DECIMAL_TEXT_BYTES];
    const sa_caffe_row *row = sa_caffe_memory_largest_row(memory);
    size_t total = memory->gpu_total_bytes;
    sa_decimal_size(total, need);
    sa_decimal_size(capacity_bytes, have);
    *fits = total <= capacity_bytes;
    if (!*fits)
        snprintf(text, text_bytes, "does not fit: Caffe needs %s of %s (and 0.3-0.5 GB of CUDA context besides); %s of it are %s%s",
                 need, have, sa_decimal_size(row->gpu_bytes, part), row->plain,
                 row->in_caffes_line ? "" : ", which Caffe's own \"Memory required for data\" line does not count");
    else if (capacity_bytes - total < SA_CUDA_CONTEXT_HIGH_BYTES)
        snprintf(text, text_bytes,
                 "fits only just: Caffe needs %s of %s, and the 0.3-0.5 GB of CUDA context may not find room besides", need, have);
    else snprintf(text, text_bytes, "fits: Caffe needs %s of %s, which leaves room for the 0.3-0.5 GB of CUDA context", need, have);
}
