/* Sources: how an op reads a value that may not be stored anywhere.
 *
 * A source is a small expression tree over slabs. Its root is the last node; a child comes before its parent. Two parents may
 * share a child if both read it at the same place. Kernels pull pieces of rows (CPU) or single elements (CUDA) out of it, so a
 * "virtual" value costs arithmetic but no memory. Stored values are the one-node tree SA_NODE_DENSE. Each node's formula is the
 * one and only definition of that value: whether a value is stored, or recomputed by its reader, its bits are the same.
 * Formulas: Caffe-SegNet's layers. */
#ifndef SA_KERNELS_SOURCE_H
#define SA_KERNELS_SOURCE_H

#include "kernels/maps.h"
#include "kernels/slab.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/* All arithmetic is float32 in the order written, without contraction to fused multiply-add. a, b, c: children at the
 * same (n, c, y, x) unless stated; v0..v3: the node's vectors, one element per channel, or as node.spread says (but of CHANNEL_MIX
 * and DROPOUT). A factor whose vector is absent is 1. Other names are members of sa_node_numbers.
 *
 *     DENSE        slab (any encoding but masks; SA_F32 masks are plain floats)
 *     XHAT         (a - v0) * v1            v0 mean, v1 inv_std (C)
 *     AFFINE       v0 * a + v1              v0 gamma, v1 beta (C)
 *     RELU         a > 0 ? a : 0
 *     RELU_GRAD    a > 0 ? b : 0            a: the ReLU's output or input, b: gradient of its output
 *     SCALE        v0 * a                   v0 (C): BN in INFERENCE mode, backward
 *     BN_GRAD      (v0 * v1) * ((b - v3 / M) - a * (v2 / M))
 *                  a xhat, b gradient of the output; v0 gamma, v1 inv_std, v2 dgamma = sum b*a, v3 dbeta = sum b; M = bn_grad.count.
 *                  Products and quotients of vectors are formed first, in float32.
 *     ADD          a + b
 *     UNPOOL       Upsample of a: 0 where no window's mask points here, else the value of the LAST such window in row-major order.
 *                  slab: mask of a's shape, window: the pooling's. Plane is the node's own.
 *     POOL_GRAD    sum, in row-major window order, of a over the windows whose mask points here; slab, window, plane as UNPOOL
 *     AVE_POOL     (sum over the pixels of the node's window at this place, row by row, of a) / the window's pixels
 *                  (sa_window_pixels in a's plane). Plane is the pooled one.
 *     AVE_GRAD     sum, in row-major window order, of a / its window's pixels over the windows that the place lies in; plane is the
 *                  unpooled one
 *     LRN_SCALE    lrn.k + (lrn.alpha / n) * sum over |c'-c| <= (n-1)/2, c' ascending, of a[c']^2; n = channels_read
 *     LRN          a * b^-lrn.beta          a: x, b: LRN_SCALE (beta 0.75 as 1/(sqrt(b)*sqrt(sqrt(b))))
 *     LRN_GRAD     c*b^-beta - (2*alpha*beta/n) * a * sum over |c'-c| <= (n-1)/2 of c[c']*a[c']*b[c']^-beta/b[c']
 *                  a x, b LRN_SCALE, c gradient of the output; n = channels_read
 *     PLANE_LRN_SCALE, PLANE_LRN_GRAD
 *                  as LRN_SCALE and LRN_GRAD, but summed over the pixels of the node's window at this place, row by row; n its pixels
 *     CHANNEL_MIX  sum over k < n, k ascending, of v0[k*C + ch] * a[k]: the gradient that a 1x1 convolution with weight v0 (n, C)
 *                  sends to its input; a has n = channels_read channels
 *     DROPOUT      keep(n,c,y,x) ? a * dropout.factor : 0; see sa_dropout_keep; v0: step state
 *     SPREAD       v0, as node.spread says, rows and columns too
 *     MAP          the function map.kind (kernels/maps.h) of a and map.p, q, r; v0, if there is one, stands for p
 *     MAP2         the same of a and b
 *
 * X(KIND, field, "name", operands, here, vectors, slab, reach, cost, cost_per_channel): everything else that must be known of a
 * node kind. Order is that of sa_node_kind.
 *     field      a device's function for it ends so (sa_cpu_node_relu)
 *     name       in the keys of measured costs
 *     operands   children; here: so many of them are read at the node's own place
 *     vectors    of them v0.. are used
 *     slab       it has one: the data of DENSE, else a mask
 *     reach      where it reads children besides: an output must not be the slab of a DENSE below such a node
 *     cost       arithmetic per element relative to a multiply and add, and as much more per channel read */
#define SA_NODES(X)                                                                              \
    X(DENSE,       dense,       "dense",  0, 0, 0, true,  SA_REACH_NONE,     0.0, 0.0)           \
    X(XHAT,        xhat,        "xhat",   1, 1, 2, false, SA_REACH_NONE,     0.3, 0.0)           \
    X(AFFINE,      affine,      "affine", 1, 1, 2, false, SA_REACH_NONE,     0.3, 0.0)           \
    X(RELU,        relu,        "relu",   1, 1, 0, false, SA_REACH_NONE,     0.3, 0.0)           \
    X(RELU_GRAD,   relu_grad,   "drelu",  2, 2, 0, false, SA_REACH_NONE,     0.3, 0.0)           \
    X(SCALE,       scale,       "scale",  1, 1, 1, false, SA_REACH_NONE,     0.3, 0.0)           \
    X(BN_GRAD,     bn_grad,     "dbn",    2, 2, 4, false, SA_REACH_NONE,     0.3, 0.0)           \
    X(ADD,         add,         "add",    2, 2, 0, false, SA_REACH_NONE,     0.3, 0.0)           \
    X(UNPOOL,      unpool,      "unpool", 1, 0, 0, true,  SA_REACH_WINDOWS,  1.0, 0.0)           \
    X(POOL_GRAD,   pool_grad,   "dpool",  1, 0, 0, true,  SA_REACH_WINDOWS,  1.5, 0.0)           \
    X(AVE_POOL,    ave_pool,    "ave",    1, 0, 0, false, SA_REACH_AREA,     2.0, 0.0)           \
    X(AVE_GRAD,    ave_grad,    "dave",   1, 0, 0, false, SA_REACH_WINDOWS,  1.5, 0.0)           \
    X(LRN_SCALE,   lrn_scale,   "lrns",   1, 0, 0, false, SA_REACH_CHANNELS, 1.0, 0.5)           \
    X(LRN,         lrn,         "lrn",    2, 2, 0, false, SA_REACH_NONE,     3.0, 0.0)           \
    X(LRN_GRAD,    lrn_grad,    "dlrn",   3, 3, 0, false, SA_REACH_CHANNELS, 5.0, 3.0)           \
    X(PLANE_LRN_SCALE, plane_lrn_scale, "plrns", 1, 0, 0, false, SA_REACH_AREA, 8.0, 0.0)        \
    X(PLANE_LRN_GRAD,  plane_lrn_grad,  "dplrn", 3, 3, 0, false, SA_REACH_AREA, 40.0, 0.0)       \
    X(CHANNEL_MIX, channel_mix, "mix",    1, 0, 1, false, SA_REACH_CHANNELS, 0.0, 0.3)           \
    X(DROPOUT,     dropout,     "drop",   1, 1, 1, false, SA_REACH_NONE,     2.0, 0.0)           \
    X(SPREAD,      spread,      "spread", 0, 0, 1, false, SA_REACH_NONE,     0.2, 0.0)           \
    X(MAP,         map,         "map",    1, 1, 1, false, SA_REACH_NONE,     1.5, 0.0)           \
    X(MAP2,        map2,        "map2",   2, 2, 1, false, SA_REACH_NONE,     1.0, 0.0)
/* clang-format on */

typedef enum sa_node_kind {
#define SA_NODE_ENUM(kind, ...) SA_NODE_##kind,
    SA_NODES(SA_NODE_ENUM)
#undef SA_NODE_ENUM
        SA_NODE_KINDS
} sa_node_kind;

typedef enum sa_node_reach {
    SA_REACH_NONE,
    SA_REACH_CHANNELS, /* channels_read channels at the same place */
    SA_REACH_WINDOWS,  /* the pooling windows that a place lies in */
    SA_REACH_AREA,     /* the pixels of a window */
} sa_node_reach;

typedef struct sa_node_traits {
    const char *name;
    int operands, here, vectors;
    bool slab;
    sa_node_reach reach;
    double cost, cost_per_channel;
} sa_node_traits;

static inline const sa_node_traits *sa_node_traits_of(sa_node_kind kind)
{
    static const sa_node_traits TRAITS[] = {
#define SA_NODE_ROW(kind, field, name, operands, here, vectors, slab, reach, cost, cost_per_channel) \
    {name, operands, here, vectors, slab, reach, cost, cost_per_channel},
        SA_NODES(SA_NODE_ROW)
#undef SA_NODE_ROW
    };
    return &TRAITS[kind];
}

/* The numbers in a node's formula. */
typedef union sa_node_numbers {
    struct {
        float count;
    } bn_grad; /* elements per channel */
    struct {
        float alpha, beta, k;
    } lrn; /* LRN_SCALE, LRN, LRN_GRAD: each what its formula names */
    struct {
        uint64_t seed;
        float ratio, factor; /* factor = 1 / (1 - ratio) */
    } dropout;
    sa_map map;
} sa_node_numbers;

enum { SA_SOURCE_NODES_MAX = 14, SA_NODE_CHILDREN = 3, SA_NODE_VECTORS = 4 };

typedef struct sa_node {
    sa_node_kind kind;
    int8_t child[SA_NODE_CHILDREN];  /* node numbers, -1: none */
    int32_t channels, height, width; /* shape of this node's value (the whole value, not of a piece) */
    sa_slab slab;          /* DENSE: the data; UNPOOL, POOL_GRAD: the mask, encoded SA_F32 (index in the plane), MASK2 or MASK4 */
    sa_window window;      /* SA_REACH_WINDOWS, SA_REACH_AREA */
    int32_t channels_read; /* SA_REACH_CHANNELS */
    sa_ref vector[SA_NODE_VECTORS];
    sa_spread spread; /* of the vectors; row and column 0 but of SPREAD */
    sa_node_numbers number;
} sa_node;

typedef struct sa_source {
    int32_t count; /* nodes used; the root is node[count - 1]; 0: no source */
    sa_node node[SA_SOURCE_NODES_MAX];
} sa_source;

static inline const sa_node *sa_source_root(const sa_source *source)
{
    return &source->node[source->count - 1];
}

/* Is the value at a place a formula of children and vectors of that place and channel, wherever the place lies in the value? */
static inline bool sa_node_is_local(const sa_node *node)
{
    return sa_node_traits_of(node->kind)->reach == SA_REACH_NONE && node->kind != SA_NODE_DENSE && node->kind != SA_NODE_DROPOUT;
}

/* Images [*begin, *begin + result) that the source's slabs hold: those of its first node, which is a leaf and so DENSE. */
static inline int32_t sa_source_images(const sa_source *source, int32_t *begin)
{
    *begin = source->node[0].slab.image_begin;
    return source->node[0].slab.images;
}

static inline bool sa_node_is_dense_f32(const sa_node *node)
{
    return node->kind == SA_NODE_DENSE && node->slab.encoding == SA_F32;
}

/* Is the value plain floats without gaps, from node[0].slab.at.ptr on? */
static inline bool sa_source_is_dense_f32(const sa_source *source)
{
    return source->count == 1 && sa_node_is_dense_f32(&source->node[0]) && source->node[0].slab.image_pitch == 0;
}

/* Is each image of the value plain floats without gaps, from sa_slab_row(&node[0].slab, n, 0, 0) on? */
static inline bool sa_source_has_dense_images(const sa_source *source)
{
    return source->count == 1 && sa_node_is_dense_f32(&source->node[0]) && sa_slab_has_whole_images(&source->node[0].slab);
}

/* Lives in a SCALAR buffer that is uploaded before each step, so that a recorded step can be replayed unchanged. */
typedef struct sa_step_state {
    float rate;       /* learning rate of this step */
    uint32_t step;    /* number of this forward pass: of the step, unless steps have several */
    float correction; /* of Adam's rates: sqrt(1 - mu2^t) / (1 - mu^t) in step t = 1, 2, ... */
    int32_t shards;   /* of this pass: as many ranks, the first ones, have one each. 1 with one rank */
} sa_step_state;

/* 24 random bits: a counter-based hash of (seed, step, element number), the same on every device. */
SA_HOST_DEVICE static inline uint32_t sa_counter_bits(uint64_t seed, uint32_t step, uint64_t element)
{
    uint64_t z = seed + 0x9E3779B97F4A7C15ull * (((uint64_t)step << 40) + element + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    return (uint32_t)(z >> 40);
}

/* A number of (0, 1]. */
SA_HOST_DEVICE static inline float sa_uniform(uint64_t seed, uint32_t step, uint64_t element)
{
    return (float)(sa_counter_bits(seed, step, element) + 1) * (1.0f / 16777216.0f);
}

/* Dropout keeps an element with probability 1 - ratio. */
SA_HOST_DEVICE static inline bool sa_dropout_keep(uint64_t seed, uint32_t step, uint64_t element, float ratio)
{
    return (float)sa_counter_bits(seed, step, element) * (1.0f / 16777216.0f) >= ratio;
}

#ifdef __cplusplus
}
#endif
#endif
