/* Sources: how an op reads a value that may not be stored anywhere.
 *
 * A source is a small expression tree over slabs. Its root is the last node; a child comes before its parent. Two parents may
 * share a child if both read it at the same place. Kernels pull pieces of rows (CPU) or single elements (CUDA) out of it, so a
 * "virtual" value costs arithmetic but no memory. Stored values are the one-node tree SA_NODE_DENSE. Each node's formula is the
 * one and only definition of that value: whether a value is stored, or recomputed by its reader, its bits are the same.
 * Formulas: Caffe-SegNet's layers. */
#ifndef SA_KERNELS_SOURCE_H
#define SA_KERNELS_SOURCE_H

#include "kernels/slab.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All arithmetic is float32 in the order written, without contraction to fused multiply-add. a, b, c: children at the
 * same (n, c, y, x) unless stated; v0..v3: the node's vectors, one element a channel. */
typedef enum sa_node_kind {
    SA_NODE_DENSE,       /* slab (any encoding but masks; SA_F32 masks are plain floats) */
    SA_NODE_XHAT,        /* (a - v0) * v1            v0 mean, v1 inv_std (C) */
    SA_NODE_AFFINE,      /* v0 * a + v1              v0 gamma, v1 beta (C) */
    SA_NODE_RELU,        /* a > 0 ? a : 0 */
    SA_NODE_RELU_GRAD,   /* a > 0 ? b : 0            a: the ReLU's output or input, b: gradient of its output */
    SA_NODE_SCALE,       /* v0 * a                   v0 (C): BN in INFERENCE mode, backward */
    SA_NODE_BN_GRAD,     /* (v0 * v1) * ((b - v3 / M) - a * (v2 / M))
                          * a xhat, b gradient of the output; v0 gamma, v1 inv_std, v2 dgamma = sum b*a, v3 dbeta = sum b;
                          * M = f0 (float). Products and quotients of vectors are formed first, in float32. */
    SA_NODE_ADD,         /* a + b */
    SA_NODE_UNPOOL,      /* Upsample of a: 0 where no window's mask points here, else the value of the LAST such window in
                          * row-major order. slab: mask of a's shape, window: the pooling's. Plane is the node's own. */
    SA_NODE_POOL_GRAD,   /* sum, in row-major window order, of a over the windows whose mask points here; plane as UNPOOL */
    SA_NODE_LRN_SCALE,   /* f2 + (f0 / n) * sum over |c'-c| <= (n-1)/2, c' ascending, of a[c']^2      i0 = n, f0 alpha, f2 k */
    SA_NODE_LRN,         /* a * b^-f1                a: x, b: LRN_SCALE (beta 0.75 as 1/(sqrt(b)*sqrt(sqrt(b)))) */
    SA_NODE_LRN_GRAD,    /* c*b^-f1 - (2*f0*f1/n) * a * sum over |c'-c| <= (n-1)/2 of c[c']*a[c']*b[c']^-f1/b[c']
                          * a x, b LRN_SCALE, c gradient of the output */
    SA_NODE_CHANNEL_MIX, /* sum over k < i0, k ascending, of v0[k*C + ch] * a[k]: the gradient that a 1x1 convolution with
                          * weight v0 (i0, C) sends to its input; a has i0 channels */
    SA_NODE_DROPOUT,     /* keep(n,c,y,x) ? a * f1 : 0        f0 ratio, f1 = 1/(1-ratio), see sa_dropout_keep; v0: step state */
    SA_NODE_KINDS
} sa_node_kind;

enum { SA_SOURCE_NODES_MAX = 14, SA_NODE_CHILDREN = 3, SA_NODE_VECTORS = 4 };

typedef struct sa_node {
    sa_node_kind kind;
    int8_t child[SA_NODE_CHILDREN];  /* node numbers, -1: none */
    int32_t channels, height, width; /* shape of this node's value (the whole value, not of a piece) */
    sa_slab slab;     /* DENSE: the data; UNPOOL, POOL_GRAD: the mask, encoded SA_F32 (index in the plane), MASK2 or MASK4 */
    sa_window window; /* UNPOOL, POOL_GRAD */
    sa_ref vector[SA_NODE_VECTORS];
    float f[3];
    int32_t i[2];
    uint64_t seed; /* DROPOUT */
} sa_node;

typedef struct sa_source {
    int32_t count; /* nodes used; the root is node[count - 1]; 0: no source */
    sa_node node[SA_SOURCE_NODES_MAX];
} sa_source;

static inline const sa_node *sa_source_root(const sa_source *source)
{
    return &source->node[source->count - 1];
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

static inline bool sa_source_is_dense_f32(const sa_source *source)
{
    return source->count == 1 && sa_node_is_dense_f32(&source->node[0]);
}

/* Lives in a SCALAR buffer that is uploaded before each step, so that a recorded step can be replayed unchanged. */
typedef struct sa_step_state {
    float rate;    /* learning rate of this step */
    uint32_t step; /* number of this step */
    uint32_t unused[2];
} sa_step_state;

/* Dropout's keep decision: a counter-based hash of (seed, step, element number), the same on every device. */
#ifdef __CUDACC__
__host__ __device__
#endif
    static inline bool
    sa_dropout_keep(uint64_t seed, uint32_t step, uint64_t element, float ratio)
{
    uint64_t z = seed + 0x9E3779B97F4A7C15ull * (((uint64_t)step << 40) + element + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    return (float)(z >> 40) * (1.0f / 16777216.0f) >= ratio;
}

#ifdef __cplusplus
}
#endif
#endif
