/* The source programs that CUDA compiles into kernels (kernels/cuda/eval_forms.cuh), against the CPU: each tree by name, in the ops
 * that have it, at random sizes. Random trees (parity_data.c) meet few of them. */
#include "tests/support/parity_internal.h"

#include <assert.h>
#include <string.h>

/* Where a tree is being built: its nodes' size, and how many images. */
typedef struct place {
    int n, c, h, w;
} place;

static int add_node(sa_source *source, sa_node_kind kind, place at)
{
    sa_node *node = &source->node[source->count];
    memset(node, 0, sizeof *node);
    node->kind = kind;
    node->channels = at.c, node->height = at.h, node->width = at.w;
    for (int k = 0; k < SA_NODE_CHILDREN; k++) node->child[k] = -1;
    for (int k = 0; k < SA_NODE_VECTORS; k++) node->vector[k] = SA_REF_NONE;
    node->slab.at = SA_REF_NONE;
    node->spread = SA_SPREAD_CHANNELS;
    return source->count++;
}

static int build(sa_parity *p, sa_source *source, const char **tree, place at);

static int build_dense(sa_parity *p, sa_source *source, place at)
{
    int node = add_node(source, SA_NODE_DENSE, at);
    source->node[node].slab = sa_parity_slab(p, SA_F32, at.n, at.c, at.h, at.w, true);
    return node;
}

static int build_here(sa_parity *p, sa_source *source, const char **tree, place at, sa_node_kind kind, int children, int vectors)
{
    int child[2] = {-1, -1};
    for (int k = 0; k < children; k++) child[k] = build(p, source, tree, at);
    int node = add_node(source, kind, at);
    for (int k = 0; k < children; k++) source->node[node].child[k] = (int8_t)child[k];
    for (int k = 0; k < vectors; k++) source->node[node].vector[k] = sa_parity_vector(p, at.c, k == 1 ? 0.2f : -1.0f, 1.5f);
    if (kind == SA_NODE_BN_GRAD) source->node[node].number.bn_grad.count = (float)(at.n * at.h * at.w);
    return node;
}

static int build_window(sa_parity *p, sa_source *source, const char **tree, place at, sa_node_kind kind, int kernel,
                        sa_encoding encoding)
{
    const sa_window window = {kernel, kernel, 2, 2, 0, 0};
    const place pooled = {at.n, at.c, sa_parity_pooled(at.h, kernel, 2, 0), sa_parity_pooled(at.w, kernel, 2, 0)};
    int child = build(p, source, tree, pooled), node = add_node(source, kind, at);
    source->node[node].child[0] = (int8_t)child;
    source->node[node].window = window;
    source->node[node].slab = sa_parity_mask_encoded(p, encoding, &window, at.n, at.c, at.h, at.w);
    return node;
}

static int build_mix(sa_parity *p, sa_source *source, const char **tree, place at)
{
    const place scores = {at.n, 3, at.h, at.w};
    int child = build(p, source, tree, scores), node = add_node(source, SA_NODE_CHANNEL_MIX, at);
    source->node[node].child[0] = (int8_t)child;
    source->node[node].channels_read = scores.c;
    source->node[node].vector[0] = sa_parity_vector(p, scores.c * at.c, -1.0f, 1.0f);
    return node;
}

/* LRN of a value and of its own scale. */
static int build_lrn(sa_parity *p, sa_source *source, const char **tree, place at)
{
    int x = build(p, source, tree, at), scale = add_node(source, SA_NODE_LRN_SCALE, at), node = add_node(source, SA_NODE_LRN, at);
    const int made[2] = {scale, node};
    for (int k = 0; k < 2; k++) {
        sa_node *lrn = &source->node[made[k]];
        lrn->child[0] = (int8_t)x;
        lrn->channels_read = 5;
        lrn->number.lrn.alpha = 0.3f, lrn->number.lrn.beta = 0.75f, lrn->number.lrn.k = 1.0f;
    }
    source->node[node].child[1] = (int8_t)scale;
    return node;
}

/* A tree in prefix form: D stored, x XHAT, a AFFINE, r RELU, g RELU_GRAD, b BN_GRAD, m CHANNEL_MIX, l LRN of a value and its scale,
 * u UNPOOL, p POOL_GRAD (2x2, 2 bits), q POOL_GRAD (3x3, 4 bits). */
static int build(sa_parity *p, sa_source *source, const char **tree, place at)
{
    switch (*(*tree)++) {
    case 'x': return build_here(p, source, tree, at, SA_NODE_XHAT, 1, 2);
    case 'a': return build_here(p, source, tree, at, SA_NODE_AFFINE, 1, 2);
    case 'r': return build_here(p, source, tree, at, SA_NODE_RELU, 1, 0);
    case 'g': return build_here(p, source, tree, at, SA_NODE_RELU_GRAD, 2, 0);
    case 'b': return build_here(p, source, tree, at, SA_NODE_BN_GRAD, 2, 4);
    case 'u': return build_window(p, source, tree, at, SA_NODE_UNPOOL, 2, SA_MASK2);
    case 'p': return build_window(p, source, tree, at, SA_NODE_POOL_GRAD, 2, SA_MASK2);
    case 'q': return build_window(p, source, tree, at, SA_NODE_POOL_GRAD, 3, SA_MASK4);
    case 'm': return build_mix(p, source, tree, at);
    case 'l': return build_lrn(p, source, tree, at);
    default: return build_dense(p, source, at);
    }
}

static void make(sa_parity *p, sa_source *source, const char *tree, place at)
{
    source->count = 0;
    build(p, source, &tree, at);
    assert(*tree == '\0');
}

static place random_place(sa_parity *p)
{
    static const int widths[] = {3, 4, 7, 16, 17, 32, 64, 70, 129};
    return (place){sa_parity_int(p, 1, 3), sa_parity_int(p, 1, 7), sa_parity_int(p, 3, 19), widths[sa_parity_int(p, 0, 8)]};
}

static sa_range whole(place at)
{
    return (sa_range){0, at.n, 0, at.c};
}

static void materialize_case(sa_parity *p, const char *tree, uint64_t seed)
{
    sa_parity_begin(p, "materialize, compiled", seed);
    const place at = random_place(p);
    sa_op_args args = {.materialize = {.range = whole(at)}};
    make(p, &args.materialize.source, tree, at);
    args.materialize.out = sa_parity_slab(p, sa_parity_chance(p, 80) ? SA_F32 : SA_BF16, at.n, at.c, at.h, at.w, false);
    sa_parity_output_slab(p, &args.materialize.out);
    sa_parity_run(p, SA_OP_MATERIALIZE, &args, &args, &(sa_parity_bounds){0});
}

static void pool_case(sa_parity *p, const char *tree, uint64_t seed)
{
    sa_parity_begin(p, "pool_forward, compiled", seed);
    const place at = random_place(p);
    const int kernel = sa_parity_int(p, 2, 3), h = sa_parity_pooled(at.h, kernel, 2, 0), w = sa_parity_pooled(at.w, kernel, 2, 0);
    sa_op_args args = {.pool_forward = {.range = whole(at), .window = {kernel, kernel, 2, 2, 0, 0}}};
    make(p, &args.pool_forward.x, tree, at);
    args.pool_forward.out = sa_parity_slab(p, SA_F32, at.n, at.c, h, w, false);
    const sa_encoding packed = kernel == 2 ? SA_MASK2 : SA_MASK4;
    args.pool_forward.mask = sa_parity_slab(p, sa_parity_chance(p, 70) ? packed : SA_F32, at.n, at.c, h, w, false);
    sa_parity_output_slab(p, &args.pool_forward.out);
    sa_parity_output_slab(p, &args.pool_forward.mask);
    sa_parity_run(p, SA_OP_POOL_FORWARD, &args, &args, &(sa_parity_bounds){0});
}

static void reduce_case(sa_parity *p, const char *gradient, uint64_t seed)
{
    sa_parity_begin(p, "bn_reduce, compiled", seed);
    const place at = random_place(p);
    sa_device *cuda = sa_parity_cuda(p);
    sa_op_args args = {.bn_reduce = {.range = whole(at), .spread = SA_SPREAD_CHANNELS}};
    make(p, &args.bn_reduce.dy, gradient, at);
    make(p, &args.bn_reduce.xhat, "xD", at);
    args.bn_reduce.dgamma = sa_parity_take(p, (size_t)at.c * 4);
    args.bn_reduce.dbeta = sa_parity_take(p, (size_t)at.c * 4);
    sa_parity_output(p, args.bn_reduce.dgamma, (size_t)at.c);
    sa_parity_output(p, args.bn_reduce.dbeta, (size_t)at.c);
    sa_op_args on_cuda = args;
    const sa_parity_bounds bounds = {0, cuda->kernels->reduce_workspace_bytes(cuda, at.n, at.c, at.h), 0};
    on_cuda.bn_reduce.workspace = sa_parity_workspace();
    on_cuda.bn_reduce.workspace_bytes = bounds.cuda_workspace_bytes;
    sa_parity_run(p, SA_OP_BN_REDUCE, &args, &on_cuda, &bounds);
}

void sa_parity_forms(sa_parity *p, int count)
{
    static const char *const stored[] = {"D", "axD", "uD", "uaxD", "lD", "mD", "bxDD", "bxDmD", "bxDgaxDpD", "bxDgaxDqD"};
    static const char *const pooled[] = {"D", "raxD"}, *const reduced[] = {"D", "mD", "gaxDpD", "gaxDqD"};
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof stored / sizeof *stored; k++) materialize_case(p, stored[k], (uint64_t)i);
        for (size_t k = 0; k < sizeof pooled / sizeof *pooled; k++) pool_case(p, pooled[k], (uint64_t)i);
        for (size_t k = 0; k < sizeof reduced / sizeof *reduced; k++) reduce_case(p, reduced[k], (uint64_t)i);
    }
}
