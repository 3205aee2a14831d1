/* The row puller: dispatch, dense slabs and the nodes that read only their own place.
 *
 * Loops are written so that an output may be the very row of an input: every element is read before it is written. */
#include "kernels/cpu/source_cpu.h"

#include "kernels/cpu/vector.h"
#include "kernels/vector_math.h"

#include <assert.h>

static float vector_element(const sa_node *node, int k, int c)
{
    return ((const float *)node->vector[k].ptr)[c];
}

static void node_dense(const sa_cpu_piece *piece, const sa_node *node, float *out)
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

/* XHAT and AFFINE nodes right below a node are computed in that node's own loop, with the same operations in the same order: a pass
 * less each. STEPS_NONE: the child's value as it is; the others name what is applied to the value of the node further down. */
typedef enum operand_steps { STEPS_NONE, STEPS_XHAT, STEPS_AFFINE, STEPS_BOTH } operand_steps;

typedef struct operand {
    const float *value;
    operand_steps steps;
    float mean, inv_std, gamma, beta;
} operand;

static operand pull_operand(const sa_cpu_piece *piece, const sa_node *node, int k)
{
    const sa_node *nodes = piece->source->node;
    operand result = {.steps = STEPS_NONE};
    int number = node->child[k];
    if (nodes[number].kind == SA_NODE_AFFINE) {
        result.gamma = vector_element(&nodes[number], 0, piece->c);
        result.beta = vector_element(&nodes[number], 1, piece->c);
        result.steps = STEPS_AFFINE;
        number = nodes[number].child[0];
    }
    if (nodes[number].kind == SA_NODE_XHAT) {
        result.mean = vector_element(&nodes[number], 0, piece->c);
        result.inv_std = vector_element(&nodes[number], 1, piece->c);
        result.steps = result.steps == STEPS_AFFINE ? STEPS_BOTH : STEPS_XHAT;
        number = nodes[number].child[0];
    }
    result.value = sa_cpu_pull(piece->source, number, piece->n, piece->c, piece->y, piece->x, piece->count, piece->scratch);
    return result;
}

SA_INLINE float operand_at(const operand *a, operand_steps steps, int i)
{
    float value = a->value[i];
    if (steps == STEPS_XHAT || steps == STEPS_BOTH) value = (value - a->mean) * a->inv_std;
    if (steps == STEPS_AFFINE || steps == STEPS_BOTH) value = a->gamma * value + a->beta;
    return value;
}

/* Runs the loop `name(..., steps, ...)`, always inlined, with steps a constant. */
#define FOR_STEPS(name, operand, ...)                                   \
    switch ((operand)->steps) {                                         \
    case STEPS_NONE: name(operand, STEPS_NONE, __VA_ARGS__); break;     \
    case STEPS_XHAT: name(operand, STEPS_XHAT, __VA_ARGS__); break;     \
    case STEPS_AFFINE: name(operand, STEPS_AFFINE, __VA_ARGS__); break; \
    case STEPS_BOTH: name(operand, STEPS_BOTH, __VA_ARGS__); break;     \
    }

static void node_xhat(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    const float mean = vector_element(node, 0, piece->c), inv_std = vector_element(node, 1, piece->c);
#pragma omp simd
    for (int i = 0; i < piece->count; i++) out[i] = (a[i] - mean) * inv_std;
}

SA_INLINE void affine_loop(const operand *a, operand_steps steps, float gamma, float beta, int count, float *out)
{
#pragma omp simd
    for (int i = 0; i < count; i++) out[i] = gamma * operand_at(a, steps, i) + beta;
}

static void node_affine(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const operand a = pull_operand(piece, node, 0);
    FOR_STEPS(affine_loop, &a, vector_element(node, 0, piece->c), vector_element(node, 1, piece->c), piece->count, out)
}

SA_INLINE void relu_loop(const operand *a, operand_steps steps, int count, float *out)
{
#pragma omp simd
    for (int i = 0; i < count; i++) {
        float value = operand_at(a, steps, i);
        out[i] = value > 0.0f ? value : 0.0f;
    }
}

static void node_relu(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const operand a = pull_operand(piece, node, 0);
    FOR_STEPS(relu_loop, &a, piece->count, out)
}

SA_INLINE void relu_grad_loop(const operand *a, operand_steps steps, const float *b, int count, float *out)
{
#pragma omp simd
    for (int i = 0; i < count; i++) {
        float gradient = b[i];
        out[i] = operand_at(a, steps, i) > 0.0f ? gradient : 0.0f;
    }
}

static void node_relu_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const operand a = pull_operand(piece, node, 0);
    FOR_STEPS(relu_grad_loop, &a, sa_cpu_pull_child(piece, node, 1, piece->c), piece->count, out)
}

static void node_scale(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    const float scale = vector_element(node, 0, piece->c);
#pragma omp simd
    for (int i = 0; i < piece->count; i++) out[i] = scale * a[i];
}

typedef struct bn_grad_factors {
    float scale, mean_dy, mean_product;
} bn_grad_factors;

SA_INLINE void bn_grad_loop(const operand *xhat, operand_steps steps, const float *dy, const bn_grad_factors *f, int count,
                            float *out)
{
    const float scale = f->scale, mean_dy = f->mean_dy, mean_product = f->mean_product;
#pragma omp simd
    for (int i = 0; i < count; i++) out[i] = scale * ((dy[i] - mean_dy) - operand_at(xhat, steps, i) * mean_product);
}

static void node_bn_grad(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *dy = sa_cpu_pull_child(piece, node, 1, piece->c);
    const operand xhat = pull_operand(piece, node, 0);
    const bn_grad_factors factors = {
        .scale = vector_element(node, 0, piece->c) * vector_element(node, 1, piece->c),
        .mean_dy = vector_element(node, 3, piece->c) / node->f[0],
        .mean_product = vector_element(node, 2, piece->c) / node->f[0],
    };
    FOR_STEPS(bn_grad_loop, &xhat, dy, &factors, piece->count, out)
}

static void node_add(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    const float *b = sa_cpu_pull_child(piece, node, 1, piece->c);
#pragma omp simd
    for (int i = 0; i < piece->count; i++) out[i] = a[i] + b[i];
}

static void node_dropout(const sa_cpu_piece *piece, const sa_node *node, float *out)
{
    const float *a = sa_cpu_pull_child(piece, node, 0, piece->c);
    const uint32_t step = ((const sa_step_state *)node->vector[0].ptr)->step;
    const uint64_t seed = node->seed;
    const float ratio = node->f[0], factor = node->f[1];
    const uint64_t plane = (uint64_t)piece->n * (uint64_t)node->channels + (uint64_t)piece->c;
    const uint64_t first = (plane * (uint64_t)node->height + (uint64_t)piece->y) * (uint64_t)node->width + (uint64_t)piece->x;
#pragma omp simd
    for (int i = 0; i < piece->count; i++) {
        float kept = a[i] * factor;
        out[i] = sa_dropout_keep(seed, step, first + (uint64_t)i, ratio) ? kept : 0.0f;
    }
}

static sa_cpu_node_function *const node_functions[SA_NODE_KINDS] = {
    [SA_NODE_DENSE] = node_dense,
    [SA_NODE_XHAT] = node_xhat,
    [SA_NODE_AFFINE] = node_affine,
    [SA_NODE_RELU] = node_relu,
    [SA_NODE_RELU_GRAD] = node_relu_grad,
    [SA_NODE_SCALE] = node_scale,
    [SA_NODE_BN_GRAD] = node_bn_grad,
    [SA_NODE_ADD] = node_add,
    [SA_NODE_UNPOOL] = sa_cpu_node_unpool,
    [SA_NODE_POOL_GRAD] = sa_cpu_node_pool_grad,
    [SA_NODE_LRN_SCALE] = sa_cpu_node_lrn_scale,
    [SA_NODE_LRN] = sa_cpu_node_lrn,
    [SA_NODE_LRN_GRAD] = sa_cpu_node_lrn_grad,
    [SA_NODE_CHANNEL_MIX] = sa_cpu_node_channel_mix,
    [SA_NODE_DROPOUT] = node_dropout,
};

static const float *evaluate(const sa_cpu_piece *piece, const sa_node *node, float *target)
{
    assert(piece->count > 0 && piece->count <= SA_CPU_SEGMENT);
    assert(piece->x >= 0 && piece->x + piece->count <= node->width && piece->y >= 0 && piece->y < node->height);
    if (node->kind == SA_NODE_DENSE && node->slab.encoding == SA_F32)
        return (const float *)sa_slab_row(&node->slab, piece->n, piece->c, piece->y) + piece->x;
    node_functions[node->kind](piece, node, target);
    return target;
}

const float *sa_cpu_pull(const sa_source *source, int node, int n, int c, int y, int x, int count, float *scratch)
{
    sa_cpu_piece piece = {source, n, c, y, x, count, scratch};
    return evaluate(&piece, &source->node[node], scratch + (size_t)node * SA_CPU_SEGMENT);
}

const float *sa_cpu_pull_into(const sa_source *source, int n, int c, int y, int x, int count, float *scratch, float *target)
{
    sa_cpu_piece piece = {source, n, c, y, x, count, scratch};
    return evaluate(&piece, sa_source_root(source), target);
}
