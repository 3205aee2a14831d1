/* Caffe's allocations from the shapes of a net. The rules of SegNet's fork were checked against a walk over every blob of a running
 * Caffe-SegNet, those of BVLC Caffe likewise; tests/cli/test_explain.c and tests/report/test_caffe_memory.c hold the numbers. */
#include "report/caffe_memory.h"

#include "core/checked.h"
#include "core/growing_array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sa_caffe_row ROWS[SA_CAFFE_CATEGORY_COUNT] = {
    {SA_CAFFE_INPUT, "the input and the labels", true, 0, 0},
    {SA_CAFFE_TOPS_DATA, "the layers' outputs", true, 0, 0},
    {SA_CAFFE_TOPS_DIFF, "the gradients of the layers' outputs", false, 0, 0},
    {SA_CAFFE_MASKS, "pooling masks, one float per pooled value", true, 0, 0},
    {SA_CAFFE_COLUMNS, "column buffers, one per convolution layer", false, 0, 0},
    {SA_CAFFE_BIAS_MULTIPLIERS, "vectors of ones, one per convolution layer", false, 0, 0},
    {SA_CAFFE_BN_BUFFER, "scratch copies, one per BN layer", false, 0, 0},
    {SA_CAFFE_BN_XNORM, "normalised copies, one per BN layer", false, 0, 0},
    {SA_CAFFE_BN_SMALL, "statistics and vectors of ones of the BN layers", false, 0, 0},
    {SA_CAFFE_LRN_SCALE, "the divisors of LRN", false, 0, 0},
    {SA_CAFFE_SPLIT_DIFFS, "gradients of blobs with several readers, one per reader", false, 0, 0},
    {SA_CAFFE_SOFTMAX_PROB, "the softmax and a gradient of it", false, 0, 0},
    {SA_CAFFE_SOFTMAX_SCALE, "scratch planes of the softmax", false, 0, 0},
    {SA_CAFFE_BATCH_NORM, "copies that BatchNorm layers keep", false, 0, 0},
    {SA_CAFFE_POOL_INDICES, "positions of pooled maxima", false, 0, 0},
    {SA_CAFFE_DROPOUT, "dropout masks", false, 0, 0},
    {SA_CAFFE_LRN_WITHIN, "buffers of LRN within channels", false, 0, 0},
    {SA_CAFFE_PREFETCH, "batches read ahead", false, 0, 0},
    {SA_CAFFE_PARAMETERS, "parameters and their gradients", false, 0, 0},
    {SA_CAFFE_HISTORY, "the solver's momentum", false, 0, 0},
    {SA_CAFFE_SCALARS, "losses and accuracies", true, 0, 0},
    {SA_CAFFE_OTHER, "other private buffers of layers", false, 0, 0},
};

const char *const SA_CAFFE_KIND_NAMES[SA_CAFFE_KIND_COUNT] = {"input_data",     "input_diff",    "top_data",   "top_diff",
                                                              "split_diff",     "private",       "param_data", "param_diff",
                                                              "solver_history", "solver_update", "solver_temp"};

/* ------------------------------------------------------------------ items ------------------------------------------ */

/* What a walk over the net knows of each blob version: which versions are one buffer in Caffe, and whether its gradient exists. */
typedef struct blob_state {
    int data_root, diff_root;      /* the first version that shares the buffer */
    bool diff_on_cpu, diff_on_gpu; /* of diff_root: some layer touches it */
} blob_state;

typedef struct walk {
    const sa_net *net;
    const sa_caffe_options *options;
    sa_caffe_memory *memory;
    blob_state *blob; /* (blob_count) */
    bool trains;
    size_t not_in_cudnn_bytes, cudnn_workspaces_bytes;
} walk;

static sa_status add_to(size_t *sum, size_t bytes)
{
    if (!sa_size_add(*sum, bytes, sum)) SA_FAIL(SA_INVALID, "the net needs more bytes than a size can hold");
    return SA_OK;
}

static sa_status add_bytes(sa_caffe_memory *m, const sa_caffe_item *item)
{
    SA_TRY(add_to(&m->kind[item->kind].gpu_bytes, item->gpu_bytes));
    SA_TRY(add_to(&m->kind[item->kind].cpu_bytes, item->cpu_bytes));
    for (int i = 0; i < SA_CAFFE_CATEGORY_COUNT; i++) {
        if (strcmp(m->row[i].name, item->category)) continue;
        SA_TRY(add_to(&m->row[i].gpu_bytes, item->gpu_bytes));
        SA_TRY(add_to(&m->row[i].cpu_bytes, item->cpu_bytes));
        SA_TRY(add_to(&m->gpu_total_bytes, item->gpu_bytes));
        return add_to(&m->cpu_total_bytes, item->cpu_bytes);
    }
    SA_FAIL(SA_INVALID, "unknown category '%s' of Caffe's memory", item->category);
}

static sa_status add_item(walk *w, const sa_caffe_item *new_item, const char *name, const char *suffix)
{
    sa_caffe_memory *m = w->memory;
    if (new_item->gpu_bytes == 0 && new_item->cpu_bytes == 0) return SA_OK;
    sa_caffe_item *grown = sa_array_room(m->item, m->item_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for a list of %zu buffers", m->item_count + 1);
    m->item = grown;
    SA_TRY(add_bytes(m, new_item));
    sa_caffe_item *item = &m->item[m->item_count++];
    *item = *new_item;
    snprintf(item->name, sizeof item->name, "%s%s%s", name, suffix[0] ? "." : "", suffix);
    return SA_OK;
}

/* ------------------------------------------------------------------ who shares, who touches ------------------------ */

static bool shares_single(const sa_layer *layer)
{
    return layer->type->caffe_shares_single && layer->bottom_count == 1 && layer->top_count == 1;
}

static void find_roots(walk *w)
{
    for (int b = 0; b < w->net->blob_count; b++) {
        const sa_blob *blob = &w->net->blob[b];
        const sa_layer *maker = &w->net->layer[blob->producer];
        blob_state *state = &w->blob[b];
        *state = (blob_state){.data_root = b, .diff_root = b};
        bool single = shares_single(maker);
        int bottom = maker->bottom_count > 0 ? maker->bottom[0] : -1;
        if (blob->previous >= 0) {
            state->data_root = w->blob[blob->previous].data_root;
            state->diff_root = w->blob[blob->previous].diff_root;
        }
        if (bottom >= 0 && (single || maker->type->caffe_shares_data)) state->data_root = w->blob[bottom].data_root;
        if (bottom >= 0 && (single || maker->type->caffe_shares_diff)) state->diff_root = w->blob[bottom].diff_root;
    }
}

static void touch(walk *w, int blob, bool cpu, bool gpu)
{
    blob_state *root = &w->blob[w->blob[blob].diff_root];
    root->diff_on_cpu |= cpu;
    root->diff_on_gpu |= gpu;
}

/* Caffe makes a gradient when somebody first touches it. */
static void find_diffs(walk *w)
{
    for (int l = 0; l < w->net->layer_count; l++) {
        const sa_layer *layer = &w->net->layer[l];
        const sa_layer_type *type = layer->type;
        uint32_t touched = type->caffe_touched_diffs ? type->caffe_touched_diffs(layer, w->net->blob) : 0;
        uint32_t scratch = layer->caffe_segnet ? 0 : type->caffe_gpu_scratch_diffs[layer->top_count > 1];
        for (int i = 0; i < layer->bottom_count; i++) {
            bool wanted = layer->needs_backward && w->net->blob[layer->bottom[i]].needs_grad;
            bool always = wanted || (touched >> i & 1);
            touch(w, layer->bottom[i], always, always || (scratch >> i & 1));
        }
        if (layer->loss_weight != 0.0f && layer->top_count > 0) touch(w, layer->top[0], true, !type->caffe_tops_on_host);
        for (int i = 0; i < layer->top_count && layer->needs_backward; i++)
            if (i == 0 || type->caffe_all_top_diffs) touch(w, layer->top[i], true, !type->caffe_tops_on_host);
    }
}

/* ------------------------------------------------------------------ blobs ------------------------------------------ */

static sa_status add_blob(walk *w, int index)
{
    const sa_blob *blob = &w->net->blob[index];
    const sa_layer *maker = &w->net->layer[blob->producer];
    const blob_state *state = &w->blob[index];
    size_t bytes = sa_shape_elements(&blob->shape) * 4;
    bool input = maker->type->is_input, on_host = maker->type->caffe_tops_on_host, segnet = maker->caffe_segnet;
    bool split = maker->type->caffe_shares_data && !maker->type->caffe_shares_diff;
    sa_caffe_item data = {.layer = maker,
                          .category = sa_caffe_blob_category(maker, blob, false),
                          .kind = input ? SA_CAFFE_KIND_INPUT_DATA : SA_CAFFE_KIND_TOP_DATA};
    data.cpu_bytes = bytes;
    data.gpu_bytes = on_host && !segnet ? 0 : bytes;
    if (state->data_root == index && !maker->type->caffe_tops_point_elsewhere) SA_TRY(add_item(w, &data, blob->name, ""));
    if (state->diff_root != index) return SA_OK;
    sa_caffe_item diff = {.layer = maker, .category = sa_caffe_blob_category(maker, blob, true)};
    diff.kind = split ? SA_CAFFE_KIND_SPLIT_DIFF : input ? SA_CAFFE_KIND_INPUT_DIFF : SA_CAFFE_KIND_TOP_DIFF;
    diff.cpu_bytes = state->diff_on_cpu ? bytes : 0;
    diff.gpu_bytes = state->diff_on_gpu ? bytes : 0;
    return add_item(w, &diff, blob->name, "grad");
}

/* ------------------------------------------------------------------ layers ----------------------------------------- */

static sa_status add_private_buffers(walk *w, const sa_layer *layer)
{
    sa_caffe_buffer list[SA_CAFFE_BUFFERS_MAX];
    int count = layer->type->caffe_buffers ? layer->type->caffe_buffers(layer, w->net->blob, list) : 0;
    for (int i = 0; i < count; i++) {
        if (!list[i].member) continue; /* a gradient of a blob: find_diffs has it */
        if (list[i].not_in_cudnn) SA_TRY(add_to(&w->not_in_cudnn_bytes, list[i].gpu_bytes));
        SA_TRY(add_to(&w->cudnn_workspaces_bytes, list[i].cudnn_most_bytes));
        sa_caffe_item item = {
            .layer = layer, .category = list[i].category, .kind = SA_CAFFE_KIND_PRIVATE, .member = list[i].member};
        item.gpu_bytes = list[i].gpu_bytes;
        item.cpu_bytes = list[i].cpu_bytes;
        SA_TRY(add_item(w, &item, layer->name, list[i].suffix));
    }
    return SA_OK;
}

/* Buffers of a solver, each of the size of the parameter: histories, and in CPU mode scratch for the update; GPU mode computes it
 * in one kernel. Weight decay by absolute values (L1) takes scratch too, for parameters that decay. */
static const struct {
    size_t histories, updates, temps;
} SOLVERS[] = {[SA_SOLVER_SGD] = {1, 0, 0},     [SA_SOLVER_NESTEROV] = {1, 1, 0}, [SA_SOLVER_ADAGRAD] = {1, 1, 0},
               [SA_SOLVER_RMSPROP] = {1, 1, 0}, [SA_SOLVER_ADADELTA] = {2, 1, 1}, [SA_SOLVER_ADAM] = {2, 0, 1}};

static sa_status add_solver_buffers(walk *w, const sa_layer *layer, const sa_param *param, const char *name)
{
    size_t bytes = sa_shape_elements(&param->shape) * 4;
    sa_solver_type solver = w->options->solver;
    bool l1 = w->options->l1_decay && param->decay_mult != 0.0f && SOLVERS[solver].temps == 0;
    sa_caffe_item item = {.layer = layer, .category = SA_CAFFE_HISTORY, .kind = SA_CAFFE_KIND_HISTORY};
    item.gpu_bytes = item.cpu_bytes = bytes * SOLVERS[solver].histories;
    SA_TRY(add_item(w, &item, name, "history"));
    item.kind = SA_CAFFE_KIND_SOLVER_UPDATE;
    item.gpu_bytes = 0;
    item.cpu_bytes = bytes * SOLVERS[solver].updates;
    SA_TRY(add_item(w, &item, name, "update"));
    item.kind = SA_CAFFE_KIND_SOLVER_TEMP;
    item.gpu_bytes = l1 ? bytes : 0;
    item.cpu_bytes = bytes * (SOLVERS[solver].temps + l1);
    return add_item(w, &item, name, "temp");
}

/* The solver updates every parameter of a net it trains, those with a learning rate of 0 as well. */
static sa_status add_parameters(walk *w, const sa_layer *layer)
{
    for (int i = 0; i < layer->param_count; i++) {
        const sa_param *param = &layer->param[i];
        size_t bytes = sa_shape_elements(&param->shape) * 4;
        char name[SA_NAME_MAX + 16];
        if (param->is_shared) continue; /* another layer owns it */
        snprintf(name, sizeof name, "%s.%d", layer->name, i);
        sa_caffe_item item = {.layer = layer, .category = SA_CAFFE_PARAMETERS, .kind = SA_CAFFE_KIND_PARAM_DATA};
        item.gpu_bytes = item.cpu_bytes = bytes;
        SA_TRY(add_item(w, &item, name, ""));
        if (!w->trains) continue;
        item.kind = SA_CAFFE_KIND_PARAM_DIFF;
        SA_TRY(add_item(w, &item, name, "grad"));
        SA_TRY(add_solver_buffers(w, layer, param, name));
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
    for (int l = 0; l < net->layer_count; l++) w->trains |= net->layer[l].needs_backward;
    find_roots(w);
    find_diffs(w);
    for (int b = 0; b < net->blob_count; b++) SA_TRY(add_blob(w, b));
    for (int l = 0; l < net->layer_count; l++) {
        SA_TRY(add_private_buffers(w, &net->layer[l]));
        SA_TRY(add_parameters(w, &net->layer[l]));
    }
    return SA_OK;
}

sa_status sa_caffe_memory_create(const sa_net *net, const sa_caffe_options *options, sa_caffe_memory *memory)
{
    static const sa_caffe_options DEFAULTS = {0};
    sa_caffe_memory made = {.memory_required_for_data_bytes = sa_net_memory_required_for_data(net),
                            .first_blob_parameter_count = sa_net_first_parameter_count(net),
                            .parameter_count = sa_net_parameter_count(net)};
    memcpy(made.row, ROWS, sizeof ROWS);
    walk w = {.net = net, .options = options ? options : &DEFAULTS, .memory = &made};
    w.blob = calloc((size_t)net->blob_count + 1, sizeof *w.blob);
    sa_status status = w.blob ? add_all(&w) : sa_error_set(SA_NOMEM, "no memory for %d blobs", net->blob_count);
    free(w.blob);
    if (status != SA_OK) {
        sa_caffe_memory_free(&made);
        return status;
    }
    /* Gradients of inputs are there for convolutions that touch them unasked; those of cuDNN do not. */
    const size_t most_bytes = made.gpu_total_bytes - w.not_in_cudnn_bytes;
    made.cudnn_least_bytes = most_bytes - made.kind[SA_CAFFE_KIND_INPUT_DIFF].gpu_bytes;
    made.cudnn_most_bytes = most_bytes + w.cudnn_workspaces_bytes;
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

sa_capacity_fit sa_fit_of(size_t total_bytes, size_t capacity_bytes)
{
    if (total_bytes > capacity_bytes) return SA_FITS_NOT;
    return capacity_bytes - total_bytes < SA_CUDA_CONTEXT_HIGH_BYTES ? SA_FITS_ONLY_JUST : SA_FITS;
}

void sa_caffe_test_net_bytes(const sa_caffe_memory *memory, const sa_net *trained, size_t *gpu_bytes, size_t *cpu_bytes)
{
    *gpu_bytes = memory->gpu_total_bytes;
    *cpu_bytes = memory->cpu_total_bytes;
    for (size_t i = 0; i < memory->item_count; i++) {
        const sa_caffe_item *item = &memory->item[i];
        if (item->kind != SA_CAFFE_KIND_PARAM_DATA || sa_net_layer_index(trained, item->layer->name) < 0) continue;
        *gpu_bytes -= item->gpu_bytes;
        *cpu_bytes -= item->cpu_bytes;
    }
}

void sa_caffe_memory_verdict(const sa_caffe_memory *memory, size_t capacity_bytes, bool *fits, char *text, size_t text_bytes)
{
    char need[SA_DECIMAL_TEXT_BYTES], have[SA_DECIMAL_TEXT_BYTES], part[SA_DECIMAL_TEXT_BYTES];
    const sa_caffe_row *row = sa_caffe_memory_largest_row(memory);
    size_t total = memory->gpu_total_bytes;
    sa_decimal_size(total, need);
    sa_decimal_size(capacity_bytes, have);
    sa_capacity_fit fit = sa_fit_of(total, capacity_bytes);
    *fits = fit != SA_FITS_NOT;
    if (fit == SA_FITS_NOT)
        snprintf(text, text_bytes, "does not fit: Caffe needs %s of %s (and 0.3-0.5 GB of CUDA context besides); %s of it are %s%s",
                 need, have, sa_decimal_size(row->gpu_bytes, part), row->plain,
                 row->in_caffes_line ? "" : ", which Caffe's own \"Memory required for data\" line does not count");
    else if (fit == SA_FITS_ONLY_JUST)
        snprintf(text, text_bytes,
                 "fits only just: Caffe needs %s of %s, and the 0.3-0.5 GB of CUDA context may not find room besides", need, have);
    else snprintf(text, text_bytes, "fits: Caffe needs %s of %s, which leaves room for the 0.3-0.5 GB of CUDA context", need, have);
}
