/* The op table: every kernel a device implements, and the arguments of each.
 *
 * Kernels take outputs, inputs, geometry and workspace; they never allocate. Unless an op says otherwise, an output slab
 * may be the very slab of a DENSE node with the same shape in its source (in-place), never overlap otherwise. In-place needs
 * that slab to be read at its own place only: not below LRN_SCALE, LRN_GRAD, CHANNEL_MIX, UNPOOL or POOL_GRAD.
 * Reductions have one fixed order that threads, ranges and algorithms of the same name cannot change:
 *   a row is summed in float64 in 16 lanes (lane l takes x = l, l+16, ...), lanes are then added 0..15 in order;
 *   rows are added in float64 in order of (n, c, y).                                               (see row_sum.h) */
#ifndef SA_KERNELS_OPS_H
#define SA_KERNELS_OPS_H

#include "core/device.h"
#include "kernels/resampling_ops.h"
#include "kernels/shard_args.h"
#include "kernels/source.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SA_CLASSES_MAX = 128 };

/* ------------------------------------------------------------------ convolution ------------------------------------ */

typedef enum sa_conv_algorithm {
    SA_CONV_IM2COL,   /* column matrix of one image + SGEMM, Caffe's way (CUDA: cuBLAS) */
    SA_CONV_DIRECT,   /* no column matrix */
    SA_CONV_FFT,      /* FFT tiles; stride 1, odd kernel 3..11 (CUDA: any from 3 to 16) */
    SA_CONV_CUDNN,    /* CUDA alone: cuDNN picks under the workspace limit */
    SA_CONV_WINOGRAD, /* CPU alone: 3x3 with stride 1, tiles of 4x4 outputs */
    SA_CONV_ALGORITHMS
} sa_conv_algorithm;

typedef struct sa_conv_shape {
    int32_t in_channels, in_height, in_width;
    int32_t out_channels, out_height, out_width;
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int32_t dilation_h, dilation_w; /* pixels between taps, 1: neighbours */
    int32_t groups; /* of channels: outputs of group g read inputs of group g alone; divides in_channels and out_channels */
} sa_conv_shape;

typedef enum sa_conv_pass {
    SA_CONV_PASS_FORWARD,
    SA_CONV_PASS_BACKWARD_DATA,   /* dx alone */
    SA_CONV_PASS_BACKWARD_WEIGHT, /* dweight and dbias alone */
    SA_CONV_PASS_BACKWARD_BOTH,   /* dx, dweight, dbias in one op */
} sa_conv_pass;

/* What a workspace depends on. */
typedef struct sa_conv_request {
    sa_conv_shape shape;
    sa_conv_algorithm algorithm;
    sa_conv_pass pass;
    bool virtual_x, virtual_dy;   /* the source is not a dense float32 slab */
    bool gather_dx;               /* dx goes through a mask to the pooled gradient */
    bool bias_gradient;           /* dbias is wanted as well */
    int32_t out_channels_at_once; /* size of the channel range, <= shape.out_channels */
    int32_t images;               /* of the op's range; 0: not known. What is more than an algorithm needs may depend on it */
    size_t limit_bytes;           /* use at most this much if the algorithm can (0: as little as it can) */
} sa_conv_request;

/* y[n,o,i,j] = bias[o] + sum over c,u,v of weight[o,c,u,v] * x[n,c0+c,i*s+u*d-p,j*s+v*d-p], x zero outside; c counts the channels
 * of o's group, of which c0 is the first. Range: images and output channels. Caffe: ConvolutionLayer. y must not alias x. */
typedef struct sa_conv_forward_args {
    sa_conv_shape shape;
    sa_conv_algorithm algorithm;
    sa_range range;
    sa_source x;   /* (N, Cin, H, W) */
    sa_slab y;     /* (N, Cout, H', W') float32, covers the range */
    sa_ref weight; /* (Cout, Cin / groups, Kh, Kw) */
    sa_ref bias;   /* (Cout); absent: no bias */
    sa_ref workspace;
    size_t workspace_bytes;
} sa_conv_forward_args;

/* dx[n,c,y,x] = dx_bias[c] + sum of weight * dy (set); dweight, dbias are set to their sums over the range's images (accumulate:
 * added to). With `gather`, dx is not stored; pooled gradient dx_pooled[i] = dx[mask[i]] is (Upsample backward), mask slab +
 * window. Absent dx.at / dweight / dbias are not computed. A channel range smaller than Cout is allowed only without dx. dx may be
 * the very slab of x if that is DENSE: every algorithm has read an image's value for dweight before dx goes over it. It must not
 * alias dy. */
typedef struct sa_conv_backward_args {
    sa_conv_shape shape;
    sa_conv_algorithm algorithm;
    sa_range range; /* images, output channels */
    sa_source x;    /* (N, Cin, H, W); count 0 if dweight is absent */
    sa_source dy;   /* (N, Cout, H', W') */
    sa_slab dx;     /* (N, Cin, H, W), or with gather the pooled shape */
    bool gather;
    bool accumulate;
    sa_slab mask;     /* gather: any mask encoding */
    sa_window window; /* gather */
    sa_ref weight;    /* (Cout, Cin / groups, Kh, Kw) */
    sa_ref dweight;   /* the same shape */
    sa_ref dbias;     /* (Cout) */
    sa_ref dx_bias;   /* (Cin); absent: none. For a Deconvolution, whose forward pass is a convolution's dx. Not with gather */
    sa_ref dx_dbias;  /* (Cin): the gradient of that bias, the sums of x. Set or added to, as dbias */
    sa_ref workspace;
    size_t workspace_bytes;
} sa_conv_backward_args;

/* ------------------------------------------------------------------ element-wise and reductions --------------------- */

/* out = source, over the range. BN, ReLU, Upsample, LRN, Dropout and nearly all gradients are this op with another source. */
typedef struct sa_materialize_args {
    sa_range range;
    sa_source source;
    sa_slab out; /* SA_F32 or SA_BF16 */
} sa_materialize_args;

/* mean = sum x / M; var = max(0, sum x^2 / M - mean^2), both in float64; inv_std = 1 / sqrt(var + eps), or with eps_outside
 * 1 / (sqrt(var) + eps), rounded once. One element per channel, or as the spread says (column 0), whose groups of rows
 * (row_groups.h) are the M elements. Each output is optional. Channel range; all images. */
typedef struct sa_bn_statistics_args {
    sa_range range;
    sa_source x;
    sa_spread spread;
    float eps;
    bool eps_outside;
    sa_ref mean, inv_std, var;
    sa_ref workspace; /* reduce_workspace_bytes */
    size_t workspace_bytes;
} sa_bn_statistics_args;

/* BatchNorm's running sums after a forward pass, of channels [begin, end): sum_mean = mean + fraction * sum_mean, sum_var =
 * correction * var + fraction * sum_var; and once, with channel 0, weight = 1 + fraction * weight. With several ranks (CPU), so for
 * each shard of the pass, in order: this rank's is mean and var, the others' are in order of ranks. */
typedef struct sa_bn_running_args {
    int32_t begin, end;
    float fraction, correction;
    int32_t ranks, rank;      /* 0: one alone */
    sa_ref mean, var;         /* (C) */
    sa_ref means, vars;       /* (ranks - 1, C): the other ranks'; absent with one */
    sa_ref sum_mean, sum_var; /* (C) */
    sa_ref weight;            /* float[1] */
    sa_ref step_state;        /* with several ranks */
} sa_bn_running_args;

/* mean = sum_mean / weight, inv_std = 1 / sqrt(sum_var / weight + eps), of channels [begin, end); sums are 0 if the weight is. */
typedef struct sa_bn_stored_args {
    int32_t begin, end;
    float eps;
    sa_ref sum_mean, sum_var; /* (C) */
    sa_ref weight;            /* float[1] */
    sa_ref mean, inv_std;     /* (C) */
} sa_bn_stored_args;

/* dgamma_c = sum dy * xhat, dbeta_c = sum dy over n, y, x (both set, each optional). Per channel, or as the spread says: sums are
 * over the axes along which it has no step. Without a step along x: sums of rows, as above; with one: float64 sums in order of (n,
 * c, y) for each x. Channel range; all images. */
typedef struct sa_bn_reduce_args {
    sa_range range;
    sa_source xhat, dy;
    sa_spread spread;
    sa_ref dgamma, dbeta;
    sa_ref workspace; /* reduce_workspace_bytes */
    size_t workspace_bytes;
} sa_bn_reduce_args;

/* Max pooling: the first strictly greater value in row-major scan wins; starts at -FLT_MAX with mask -1 (MASK4: 15, MASK2: 0).
 * mask absent: not written. Caffe: PoolingLayer with a mask top, index in the bottom's plane. */
typedef struct sa_pool_forward_args {
    sa_range range;
    sa_window window;
    sa_source x;
    sa_slab out;  /* pooled, float32 */
    sa_slab mask; /* pooled shape, SA_F32, MASK2 (2x2 windows) or MASK4 (up to 3x3, 15 positions at most) */
} sa_pool_forward_args;

/* General Upsample with a float mask of any origin: out = 0, then out[mask[i]] = x[i] in order of i. SA_NUMERIC if an index
 * is outside the plane. */
typedef struct sa_unpool_scatter_args {
    sa_range range;
    sa_source x;
    sa_slab mask; /* SA_F32, shape of x */
    sa_slab out;
} sa_unpool_scatter_args;

/* Upsample backward: dx[i] = dy[mask[i]]. */
typedef struct sa_unpool_gather_args {
    sa_range range;
    sa_slab dy;       /* dense float32, unpooled plane */
    sa_slab mask;     /* any mask encoding, shape of dx */
    sa_window window; /* MASK2, MASK4 */
    sa_slab dx;
} sa_unpool_gather_args;

/* ------------------------------------------------------------------ classification ---------------------------------- */

/* p_c = exp(x_c - max) / sum, over channels. */
typedef struct sa_softmax_args {
    sa_range range;
    sa_source x;
    sa_slab prob;
} sa_softmax_args;

/* dx_c = y_c * (dy_c - sum over channels, ascending, of dy * y); y: the softmax. dx may be the slab of y or dy. */
typedef struct sa_softmax_grad_args {
    sa_range range; /* all channels */
    sa_source y, dy;
    sa_slab dx;
} sa_softmax_grad_args;

/* At each place of x the top_k greatest of its C values, the greatest first, of equal ones the larger channel first. */
typedef struct sa_argmax_args {
    int32_t top_k;
    sa_source x;          /* (N, C, H, W) */
    sa_slab index, value; /* (N, top_k, H, W): their channels, and the values themselves; optional */
} sa_argmax_args;

/* The losses: what one pixel (all channels at one place of one image) adds to the sum, and the gradient by a channel's score before
 * the weights and the divisor. l: the pixel's label; b_c: the other bottom at the score's own place; p: the softmax of the scores.
 * Formulas are in float32, in the order written (kernels/loss_math.h); sums over pixels are in float64.
 *
 *     SOFTMAX             -a_l * log(max(p_l, FLT_MIN))            (p_c - [c = l]) * a_l
 *     MULTINOMIAL         -log(max(s_l, 1e-20)), s: probabilities  -[c = l] / max(s_c, 1e-20)
 *     INFOGAIN            sum over c of -H[l, c] * log(max(p_c, 1e-20))    p_c * (sum over k of H[l, k]) - H[l, c]
 *     HINGE_L1            sum over c of m_c = max(0, 1 + s_c), for c = l max(0, 1 - s_c)      [m_c > 0], for c = l -[m_c > 0]
 *     HINGE_L2            sum over c of m_c * m_c                                             2 * m_c, for c = l -2 * m_c
 *     EUCLIDEAN           sum over c of (s_c - b_c)^2 / 2                                     s_c - b_c
 *     SIGMOID             sum over c of max(s_c, 0) - s_c * b_c + log(1 + e^-|s_c|)           sigmoid(s_c) - b_c
 *     CONTRASTIVE         with d^2 the sum over c of (s_c - b_c)^2: d^2 / 2 where the pixel's similarity is not 0, else
 *                         max(margin - d, 0)^2 / 2          s_c - b_c, else -(margin - d) / (d + 1e-4) * (s_c - b_c) if d < margin
 *     CONTRASTIVE_LEGACY  the same with max(margin - d^2, 0) / 2                              -(s_c - b_c) if d^2 < margin
 *
 * Ignored: pixels whose label is ignore_label; of SIGMOID the elements where b_c, cut off to a whole number, is it. */
typedef enum sa_loss_kind {
    SA_LOSS_SOFTMAX,
    SA_LOSS_MULTINOMIAL,
    SA_LOSS_INFOGAIN,
    SA_LOSS_HINGE_L1,
    SA_LOSS_HINGE_L2,
    SA_LOSS_EUCLIDEAN,
    SA_LOSS_SIGMOID,
    SA_LOSS_CONTRASTIVE,
    SA_LOSS_CONTRASTIVE_LEGACY,
} sa_loss_kind;

/* Does the second bottom hold one class per pixel, and not a value per score? */
SA_HOST_DEVICE static inline bool sa_loss_has_labels(sa_loss_kind kind)
{
    return kind <= SA_LOSS_HINGE_L2;
}

typedef struct sa_loss_config {
    sa_loss_kind kind;
    bool weighted; /* SOFTMAX: class_weight is used */
    bool has_ignore;
    int32_t ignore_label;
    int32_t classes; /* channels of the scores */
    float divisor;   /* D; 0: the number of pixels (SIGMOID: elements) that are not ignored, at least 1 */
    float loss_weight;
    float margin; /* CONTRASTIVE */
    float class_weight[SA_CLASSES_MAX];
    const float *many_weights; /* for more classes: all their weights instead, in host memory; borrowed, CPU only; else NULL */
} sa_loss_config;

/* loss = the sum over pixels / D. Sums in the fixed order: a pixel's parts channel after channel, a row's pixels in 16 lanes, rows
 * in order of (n, y). scores: logits (is_prob false), or probabilities: of MULTINOMIAL, or the stored softmax. A label outside
 * [0, classes) that is not ignored is SA_NUMERIC (CPU: reported at once; CUDA: at the next sync). workspace: loss_workspace_bytes.
 */
typedef struct sa_loss_args {
    sa_loss_config config;
    bool is_prob;
    sa_source scores; /* (N, C, H, W) */
    sa_source label;  /* (N, 1, H, W), whole numbers; or values, shape of scores */
    sa_ref table;     /* INFOGAIN: H (C, C); CONTRASTIVE: similarity (N, H, W); else absent */
    sa_ref loss;      /* float[1] */
    sa_ref divisor;   /* float[1]: D, for the gradient */
    sa_ref workspace;
    size_t workspace_bytes;
} sa_loss_args;

/* out = gradient * loss_weight / D, 0 where ignored. out may alias the dense slab of scores. */
typedef struct sa_loss_grad_args {
    sa_loss_config config;
    bool is_prob;
    sa_source scores, label;
    sa_ref table;
    sa_ref divisor;
    sa_slab out;
} sa_loss_grad_args;

/* accuracy = correct / kept, 0 without kept pixels; per_class[c] = correct_c / kept_c, empty_class for a class without kept pixels.
 * A pixel is correct if fewer than top_k classes rank before its label: those of a greater score, and of an equal one all others
 * (ties_lose) or those of a larger index. Labels >= C count as wrong. Exact integer counts. */
typedef struct sa_accuracy_args {
    sa_source scores, label;
    bool has_ignore, ties_lose;
    int32_t ignore_label, top_k;
    float empty_class;
    sa_ref accuracy;  /* float[1] */
    sa_ref per_class; /* float[C], optional */
    sa_ref workspace;
    size_t workspace_bytes;
} sa_accuracy_args;

/* ------------------------------------------------------------------ sums and orders --------------------------------- */

typedef enum sa_reduction_kind { SA_REDUCTION_SUM, SA_REDUCTION_ASUM, SA_REDUCTION_SUMSQ } sa_reduction_kind;

/* Forward: sums_c = factor * sum over the plane of x, |x| or x * x, in the fixed order. Backward: sums are the gradient of these,
 * and dx = factor * sums_c, times the sign of x (0 for 0) or 2 * x. */
typedef struct sa_reduction_args {
    sa_reduction_kind kind;
    bool backward;
    float factor;
    int32_t channels, height, width;
    sa_source x; /* (1, C, H, W); backward not of SUM */
    sa_ref sums; /* (C) */
    sa_slab dx;  /* backward */
} sa_reduction_args;

/* out = x with its axes in another order: element (i_0, i_1, ...) of out, of size dim, is x[sum of i_k * stride_k]. */
typedef struct sa_permute_args {
    int32_t axes;
    int32_t dim[SA_AXES_MAX];
    int32_t stride[SA_AXES_MAX];
    sa_slab x, out; /* float32 without gaps */
} sa_permute_args;

/* ------------------------------------------------------------------ memory and update -------------------------------- */

/* `count` floats of target are set to `value`. */
typedef struct sa_fill_args {
    sa_ref target;
    size_t count; /* floats */
    float value;
} sa_fill_args;

/* The rules by which solvers change a parameter. g is the gradient, h and k are the parameter's histories (0 before the first
 * step), mu = momentum, r = rate * lr_mult. All in float32, element by element, in the order written:
 *
 *     g * clip / norm if clip > 0 and norm = sqrt(sum over all parameters of g^2) > clip;  g * (1 / passes) if passes > 1;
 *     g + decay * w, or with l1  g + decay * sign(w)
 *
 *     SGD       h = mu*h + r*g                        u = h
 *     NESTEROV  h' = mu*h + r*g                       u = (1+mu)*h' - mu*h
 *     ADAGRAD   h = h + g*g                           u = r * (g / (sqrt(h) + delta))
 *     RMSPROP   h = rho*h + (1-rho)*(g*g)             u = r * (g / (sqrt(h) + delta))
 *     ADADELTA  h = mu*h + (1-mu)*(g*g)               v = g * sqrt((k + delta) / (h + delta));  k = mu*k + (1-mu)*(v*v);  u = r * v
 *     ADAM      h = mu*h + (1-mu)*g                   k = mu2*k + (1-mu2)*(g*g);  u = r * correction * (h / (sqrt(k) + delta))
 *
 *     w = w - u. The gradient's buffer keeps u, as Caffe leaves it; or 0, where passes are added up in it. */
typedef enum sa_update_kind {
    SA_UPDATE_SGD,
    SA_UPDATE_NESTEROV,
    SA_UPDATE_ADAGRAD,
    SA_UPDATE_RMSPROP,
    SA_UPDATE_ADADELTA,
    SA_UPDATE_ADAM
} sa_update_kind;

typedef struct sa_update_rule {
    sa_update_kind kind;
    bool l1;
    float momentum, momentum2, rms_decay, delta;
    float clip;     /* 0: gradients are not clipped */
    int32_t passes; /* shards: forward and backward passes that a step's gradient is the sum of; 0 and 1: one */
} sa_update_rule;

SA_HOST_DEVICE static inline int sa_update_histories(sa_update_kind kind)
{
    return kind == SA_UPDATE_ADADELTA || kind == SA_UPDATE_ADAM ? 2 : 1;
}

typedef struct sa_update_args {
    sa_update_rule rule;
    sa_ref param, grad, history; /* (count) */
    sa_ref history2;             /* (count), of rules with two */
    sa_ref step_state;
    sa_ref squares; /* double[1]: the sum of all gradients' squares, if rule.clip > 0 */
    size_t count;
    float lr_mult, decay; /* decay = weight_decay * decay_mult */
} sa_update_args;

/* sum = (add ? sum : 0) + the sum of squares of `count` floats, in float64: rows of SA_SQUARE_ROW floats, each in 16 lanes, in
 * order. */
enum { SA_SQUARE_ROW = 4096 };
typedef struct sa_square_sum_args {
    sa_ref values; /* (count) */
    size_t count;
    bool add;
    sa_ref sum;       /* double[1] */
    sa_ref workspace; /* double per row */
    size_t workspace_bytes;
} sa_square_sum_args;

static inline size_t sa_square_sum_workspace_bytes(size_t count)
{
    return (count + SA_SQUARE_ROW - 1) / SA_SQUARE_ROW * sizeof(double);
}

/* ------------------------------------------------------------------ matrices ---------------------------------------- */

/* c (rows, columns) = a (rows, depth) * b (depth, columns) + bias of each column; row after row, float32. A transposed operand is
 * stored as (depth, rows) or (columns, depth). c must not overlap a or b. */
typedef struct sa_product_args {
    int32_t rows, columns, depth;
    bool a_transposed, b_transposed;
    bool accumulate; /* c is added to */
    sa_ref a, b;
    sa_ref bias; /* (columns); absent: none */
    sa_ref c;
} sa_product_args;

/* sums of the columns of x (rows, columns), each in float64 in order of rows, rounded once; set, or (accumulate) added to. */
typedef struct sa_column_sums_args {
    int32_t rows, columns;
    bool accumulate;
    sa_ref x;
    sa_ref sums; /* (columns) */
} sa_column_sums_args;

/* X(KIND, field): the op kinds. Order is the order of sa_kernels and of sa_op_kind. */
#define SA_OPS(X)                       \
    X(CONV_FORWARD, conv_forward)       \
    X(CONV_BACKWARD, conv_backward)     \
    X(MATERIALIZE, materialize)         \
    X(BN_STATISTICS, bn_statistics)     \
    X(BN_RUNNING, bn_running)           \
    X(BN_STORED, bn_stored)             \
    X(BN_REDUCE, bn_reduce)             \
    X(POOL_FORWARD, pool_forward)       \
    X(POOL_STOCHASTIC, pool_stochastic) \
    X(UNPOOL_SCATTER, unpool_scatter)   \
    X(UNPOOL_GATHER, unpool_gather)     \
    X(SOFTMAX, softmax)                 \
    X(SOFTMAX_GRAD, softmax_grad)       \
    X(ARGMAX, argmax)                   \
    X(REDUCTION, reduction)             \
    X(PERMUTE, permute)                 \
    X(INTERP, interp)                   \
    X(LOSS, loss)                       \
    X(LOSS_GRAD, loss_grad)             \
    X(ACCURACY, accuracy)               \
    X(PRODUCT, product)                 \
    X(COLUMN_SUMS, column_sums)         \
    X(FILL, fill)                       \
    X(UPDATE, update)                   \
    X(SQUARE_SUM, square_sum)           \
    X(EXCHANGE, exchange)               \
    X(SHARD_SUM, shard_sum)

typedef enum sa_op_kind {
#define SA_OP_ENUM(kind, field) SA_OP_##kind,
    SA_OPS(SA_OP_ENUM)
#undef SA_OP_ENUM
        SA_OP_KINDS
} sa_op_kind;

typedef union sa_op_args {
#define SA_OP_MEMBER(kind, field) sa_##field##_args field;
    SA_OPS(SA_OP_MEMBER)
#undef SA_OP_MEMBER
} sa_op_args;

/* One device's kernels. Workspace queries are exact and depend on nothing but their arguments and device->threads. */
typedef struct sa_kernels {
#define SA_OP_FUNCTION(kind, field) sa_status (*field)(sa_device * device, const sa_##field##_args *args);
    SA_OPS(SA_OP_FUNCTION)
#undef SA_OP_FUNCTION
    /* SA_UNSUPPORTED if the algorithm cannot do this shape. */
    sa_status (*conv_workspace_bytes)(const sa_device *device, const sa_conv_request *request, size_t *bytes);
    /* The algorithm `auto` takes for this shape. */
    sa_conv_algorithm (*conv_choose)(const sa_device *device, const sa_conv_shape *shape, int images);
    /* Of bn_statistics and bn_reduce over a range of images and channels; the CPU needs none. */
    size_t (*reduce_workspace_bytes)(const sa_device *device, int32_t images, int32_t channels, int32_t height);
    size_t (*loss_workspace_bytes)(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width);
    size_t (*accuracy_workspace_bytes)(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width);
} sa_kernels;

const char *sa_op_kind_name(sa_op_kind kind); /* "conv_forward" */
/* Bytes of the member of sa_op_args that `kind` takes. */
size_t sa_op_args_bytes(sa_op_kind kind);
/* Calls the device's kernel for `kind`. */
SA_CHECKED sa_status sa_op_run(sa_device *device, sa_op_kind kind, const sa_op_args *args);

/* ------------------------------------------------------------------ what an op touches -------------------------------- */

typedef enum sa_access_mode { SA_ACCESS_READ = 1, SA_ACCESS_WRITE = 2, SA_ACCESS_READ_WRITE = 3 } sa_access_mode;

/* Calls visit for every reference in args that names a buffer, derived from the field table in
 * op_fields.c: the one description from which accesses, lifetimes and binding follow. */
typedef void (*sa_ref_visitor)(void *context, sa_ref *ref, sa_access_mode mode);
void sa_op_visit_refs(sa_op_kind kind, sa_op_args *args, sa_ref_visitor visit, void *context);

#ifdef __cplusplus
}
#endif
#endif
