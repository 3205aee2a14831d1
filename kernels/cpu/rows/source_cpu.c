/* The row puller: dispatch, dense slabs and the nodes that read only their own place.
 *
 * Loops are written so that an output may be the very row of an input: every element is read before it is written. */
#include "kernels/cpu/rows/source_cpu.h"

#include "kernels/cpu/rows/operand_cpu.h"
#include "kernels/vector_math.h"

#include <assert.h>

/* The element of the node's k-th vector for the piece, 1 if it has none. */
static float vector_element(const sa_node *node, int k, const sa_cpu_piece *piece)
{
    const float *vector = node->vector[k].ptr;
    return vector ? vector[sa_spread_index(&node->spread, piece->n, piece->c)] : 1.0f;
}

void sa_cpu_node_dense(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const char *row = sa_slab_row(&node->slab, piece->n, piece->c, piece->y);
    int count = piece->count;
    if (node->slab.encoding == SA_BF16) {
        const uint16_t *upper = (const uint16_t *)row + piece->x;
        for (int i = 0; i < count; i++) out[i] = sa_float_from_bits((uint32_t)upper[i] << 16);
    } else {
        assert(node->slab.encoding == SA_U8);
        const uint8_t *byte = (const uint8_t *)row + piece->x;
        for (int i = 0; i < count; i++) out[i] = (float)byte[i];
    }
}

sa_operand sa_cpu_pull_operand(const sa_cpu_piece *piece, int number)
{
    const sa_node *nodes = piece->source->node;
    sa_operand result = {.steps = SA_STEPS_NONE};
    if (nodes[number].kind == SA_NODE_AFFINE) {
        result.gamma = vector_element(&nodes[number], 0, piece);
        result.beta = vector_element(&nodes[number], 1, piece);
        result.steps = SA_STEPS_AFFINE;
        number = nodes[number].child[0];
    }
    if (nodes[number].kind == SA_NODE_XHAT) {
        result.mean = vector_element(&nodes[number], 0, piece);
        result.inv_std = vector_element(&nodes[number], 1, piece);
        result.steps = result.steps == SA_STEPS_AFFINE ? SA_STEPS_BOTH : SA_STEPS_XHAT;
        number = nodes[number].child[0];
    }
    result.value = sa_cpu_pull(piece->source, number, piece->n, piece->c, piece->y, piece->x, piece->count, piece->scratch);
    return result;
}

sa_gradient sa_cpu_pull_gradient(const sa_cpu_piece *piece, int number)
{
    const sa_node *node = &piece->source->node[number];
    sa_gradient result = {.gate = {.steps = SA_STEPS_OPEN}};
    if (node->kind == SA_NODE_RELU_GRAD) {
        result.gate = sa_cpu_pull_operand(piece, node->child[0]);
        number = node->child[1];
    }
    result.value = sa_cpu_pull(piece->source, number, piece->n, piece->c, piece->y, piece->x, piece->count, piece->scratch);
    return result;
}

SA_INLINE void copy_loop(const sa_operand *a, sa_steps steps, int count, float *out)
{
    for (int i = 0; i < count; i += SA_LANES) sa_f32x16_store_part(out + i, count - i, sa_operand_load(a, steps, i, count - i));
}

/* XHAT, AFFINE, and one of the other */
static void normalised(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const sa_operand a = sa_cpu_pull_operand(piece, (int)(node - piece->source->node));
    SA_FOR_STEPS(copy_loop, &a, piece->count, out)
}

void sa_cpu_node_xhat(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    normalised(piece, node, out);
}

void sa_cpu_node_affine(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    normalised(piece, node, out);
}

SA_INLINE void relu_loop(const sa_operand *a, sa_steps steps, int count, float *out)
{
    for (int i = 0; i < count; i += SA_LANES) {
        sa_f32x16 value = sa_operand_load(a, steps, i, count - i);
        sa_f32x16_store_part(out + i, count - i, sa_f32x16_max(value, sa_f32x16_splat(0.0f)));
    }
}

void sa_cpu_node_relu(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const sa_operand a = sa_cpu_pull_operand(piece, node->child[0]);
    SA_FOR_STEPS(relu_loop, &a, piece->count, out)
}

SA_INLINE void relu_grad_loop(const sa_gradient *g, sa_steps steps, int count, float *out)
{
    for (int i = 0; i < count; i += SA_LANES)
        sa_f32x16_store_part(out + i, count - i, sa_gradient_load(g, steps, i, count - i, sa_f32x16_splat(0.0f)));
}

void sa_cpu_node_relu_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const sa_gradient g = sa_cpu_pull_gradient(piece, (int)(node - piece->source->node));
    SA_FOR_GATE(relu_grad_loop, &g, piece->count, out)
}

void sa_cpu_node_scale(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    const float scale = vector_element(node, 0, piece);
#pragma omp simd
    for (int i = 0; i < piece->count; i++) out[i] = scale * a[i];
}

typedef struct bn_grad_factors {
    float scale, mean_dy, mean_product;
} bn_grad_factors;

SA_INLINE void bn_grad_loop(const sa_gradient *dy, sa_steps gate_steps, const sa_operand *xhat, sa_steps steps,
                            const bn_grad_factors *f, int count, float *out)
{
    const float scale = f->scale, mean_dy = f->mean_dy, mean_product = f->mean_product;
    for (int i = 0; i < count; i += SA_LANES) {
        sa_f32x16 a = sa_operand_load(xhat, steps, i, count - i), gradient = sa_gradient_load(dy, gate_steps, i, count - i, a);
        sa_f32x16_store_part(out + i, count - i, scale * ((gradient - mean_dy) - a * mean_product));
    }
}

SA_INLINE void bn_grad_of_gate(const sa_operand *xhat, sa_steps steps, const sa_gradient *dy, const bn_grad_factors *f, int count,
                               float *out)
{
    SA_FOR_GATE(bn_grad_loop, dy, xhat, steps, f, count, out)
}

void sa_cpu_node_bn_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    sa_gradient dy = sa_cpu_pull_gradient(piece, node->child[1]);
    const sa_operand xhat = sa_cpu_pull_operand(piece, node->child[0]);
    sa_gradient_share(&dy, &xhat);
    const bn_grad_factors factors = {
        .scale = vector_element(node, 0, piece) * vector_element(node, 1, piece),
        .mean_dy = vector_element(node, 3, piece) / node->number.bn_grad.count,
        .mean_product = vector_element(node, 2, piece) / node->number.bn_grad.count,
    };
    SA_FOR_STEPS(bn_grad_of_gate, &xhat, &dy, &factors, piece->count, out)
}

void sa_cpu_node_add(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    const float *b = sa_cpu_pull_child(piece, node, 1, piece->c);
#pragma omp simd
    for (int i = 0; i < piece->count; i++) out[i] = a[i] + b[i];
}

void sa_cpu_node_dropout(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    const uint32_t step = ((const sa_step_state *)node->vector[0].ptr)->step;
    const uint64_t seed = node->number.dropout.seed;
    const float ratio = node->number.dropout.ratio, factor = node->number.dropout.factor;
    const uint64_t plane = (uint64_t)piece->n * (uint64_t)node->channels + (uint64_t)piece->c;
    const uint64_t first = (plane * (uint64_t)node->height + (uint64_t)piece->y) * (uint64_t)node->width + (uint64_t)piece->x;
#pragma omp simd
    for (int i = 0; i < piece->count; i++) {
        float kept = a[i] * factor;
        out[i] = sa_dropout_keep(seed, step, first + (uint64_t)i, ratio) ? kept : 0.0f;
    }
}

void sa_cpu_node_spread(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const size_t row = (size_t)piece->y * (size_t)node->spread.row, step = (size_t)node->spread.column;
    const float *from = (const float *)node->vector[0].ptr + sa_spread_index(&node->spread, piece->n, piece->c) + row;
    for (int i = 0; i < piece->count; i++) out[i] = from[(size_t)(piece->x + i) * step];
}

/* The loops over the maps, whose functions are compiled into them. */
static void map_loop(const sa_cpu_piece *piece, const sa_node *node, const float *a, const float *b, float *out)
{
    const float p = node->vector[0].ptr ? vector_element(node, 0, piece) : node->number.map.p;
    const float q = node->number.map.q, r = node->number.map.r;
    switch ((sa_map_kind)node->number.map.kind) {
#define MAP_CASE(kind, name, value)                                                                             \
    case SA_MAP_##kind:                                                                                         \
        _Pragma("omp simd") for (int i = 0; i < piece->count; i++) out[i] = sa_map_##name(a[i], b[i], p, q, r); \
        break;
        SA_MAPS(MAP_CASE)
#undef MAP_CASE
    case SA_MAP_KINDS: break;
    }
}

void sa_cpu_node_map(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    map_loop(piece, node, a, a, out);
}

void sa_cpu_node_map2(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    map_loop(piece, node, a, sa_cpu_pull_child(piece, node, 1, piece->c), out);
}

static sa_cpu_node_function *const node_functions[] = {
#define NODE_FUNCTION(kind, field, ...) sa_cpu_node_##field,
    SA_NODES(NODE_FUNCTION)
#undef NODE_FUNCTION
};

const float *sa_cpu_compute(const sa_source *source, int node, int n, int c, int y, int x, int count, float *scratch)
{
    const sa_cpu_piece piece = {source, n, c, y, x, count, scratch};
    float *out = scratch + (size_t)node * SA_CPU_SEGMENT;
    node_functions[source->node[node].kind](&piece, &source->node[node], out);
    return out;
}

const float *sa_cpu_pull_into(const sa_source *source, int n, int c, int y, int x, int count, float *scratch, float *target)
{
    const sa_node *root = sa_source_root(source);
    assert(count > 0 && count <= SA_CPU_SEGMENT);
    if (sa_node_is_dense_f32(root)) return sa_cpu_pull(source, source->count - 1, n, c, y, x, count, scratch);
    const sa_cpu_piece piece = {source, n, c, y, x, count, scratch};
    node_functions[root->kind](&piece, root, target);
    return target;
}
