/* The source programs that are compiled into kernels (eval_compiled.cuh): those that nets/new.prototxt and nets/old.prototxt need
 * under `fastest` and the presets below it. Which kernels have which is listed at the end; tests/kernels/test_cuda_modes.sh sees to
 * it that these nets launch no kernel that interprets.
 *
 * A program's steps, as sa_eval_compile orders them: group 0, then the groups inside. Operands are step numbers. */
#ifndef SA_CUDA_EVAL_FORMS_CUH
#define SA_CUDA_EVAL_FORMS_CUH

#include "kernels/cuda/eval_compiled.cuh"

#define SA_READ(group) sa_step_code(SA_NODE_DENSE, SA_F32, 0, 0, group, -1)
#define SA_HERE(kind, group, ...) sa_step_code(kind, 0, 0, 0, group, -1, __VA_ARGS__)
#define SA_INSIDE(kind, group, inside, ...) sa_step_code(kind, 0, 0, 0, group, inside, ##__VA_ARGS__)
#define SA_WINDOWS(kind, mask, kernel) sa_step_code(kind, mask, kernel, 2, 0, 1) /* at stride 2, of group 1 */
#define SA_XHAT_AND_BN \
    SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 0), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 2), SA_HERE(SA_NODE_AFFINE, 0, 3)

struct sa_dense : sa_compiled<sa_root_code(0, 0), SA_READ(0)> {
};
/* BN: x -> gamma * (x - mean) * inv_std + beta; with the ReLU behind it */
struct sa_bn : sa_compiled<sa_root_code(2, 2), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 0), SA_HERE(SA_NODE_AFFINE, 0, 1)> {
};
struct sa_bn_relu : sa_compiled<sa_root_code(3, 3), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 0), SA_HERE(SA_NODE_AFFINE, 0, 1),
                                SA_HERE(SA_NODE_RELU, 0, 2)> {
};
/* Upsample of a stored value, and of a BN */
struct sa_unpool : sa_compiled<sa_root_code(0, 0), SA_WINDOWS(SA_NODE_UNPOOL, SA_MASK2, 2), SA_READ(1)> {
};
struct sa_unpool_bn : sa_compiled<sa_root_code(0, 0), SA_WINDOWS(SA_NODE_UNPOOL, SA_MASK2, 2), SA_READ(1),
                                  SA_HERE(SA_NODE_XHAT, 1, 1), SA_HERE(SA_NODE_AFFINE, 1, 2)> {
};
/* Local response normalisation of a stored value */
struct sa_lrn
    : sa_compiled<sa_root_code(2, 2), SA_READ(0), SA_INSIDE(SA_NODE_LRN_SCALE, 0, 1), SA_HERE(SA_NODE_LRN, 0, 0, 1), SA_READ(1)> {
};
/* What a classifier sends back */
struct sa_mix : sa_compiled<sa_root_code(0, 0), SA_INSIDE(SA_NODE_CHANNEL_MIX, 0, 1), SA_READ(1)> {
};

/* BN's gradient: of a stored gradient, of a classifier's, of a pooling's through the ReLU */
struct sa_bn_grad
    : sa_compiled<sa_root_code(3, 3), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 0), SA_READ(0), SA_HERE(SA_NODE_BN_GRAD, 0, 1, 2)> {
};
struct sa_bn_grad_mix : sa_compiled<sa_root_code(3, 3), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 0),
                                    SA_INSIDE(SA_NODE_CHANNEL_MIX, 0, 1), SA_HERE(SA_NODE_BN_GRAD, 0, 1, 2), SA_READ(1)> {
};
struct sa_bn_grad_pool2 : sa_compiled<sa_root_code(7, 7), SA_XHAT_AND_BN, SA_WINDOWS(SA_NODE_POOL_GRAD, SA_MASK2, 2),
                                      SA_HERE(SA_NODE_RELU_GRAD, 0, 4, 5), SA_HERE(SA_NODE_BN_GRAD, 0, 1, 6), SA_READ(1)> {
};
struct sa_bn_grad_pool3 : sa_compiled<sa_root_code(7, 7), SA_XHAT_AND_BN, SA_WINDOWS(SA_NODE_POOL_GRAD, SA_MASK4, 3),
                                      SA_HERE(SA_NODE_RELU_GRAD, 0, 4, 5), SA_HERE(SA_NODE_BN_GRAD, 0, 1, 6), SA_READ(1)> {
};

/* Two roots each: the gradient of BN's output, and xhat */
struct sa_sums_dense : sa_compiled<sa_root_code(0, 2), SA_READ(0), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 1)> {
};
struct sa_sums_mix
    : sa_compiled<sa_root_code(0, 2), SA_INSIDE(SA_NODE_CHANNEL_MIX, 0, 1), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 1), SA_READ(1)> {
};
struct sa_sums_pool2 : sa_compiled<sa_root_code(4, 6), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 0), SA_HERE(SA_NODE_AFFINE, 0, 1),
                                   SA_WINDOWS(SA_NODE_POOL_GRAD, SA_MASK2, 2), SA_HERE(SA_NODE_RELU_GRAD, 0, 2, 3), SA_READ(0),
                                   SA_HERE(SA_NODE_XHAT, 0, 5), SA_READ(1)> {
};
struct sa_sums_pool3 : sa_compiled<sa_root_code(4, 6), SA_READ(0), SA_HERE(SA_NODE_XHAT, 0, 0), SA_HERE(SA_NODE_AFFINE, 0, 1),
                                   SA_WINDOWS(SA_NODE_POOL_GRAD, SA_MASK4, 3), SA_HERE(SA_NODE_RELU_GRAD, 0, 2, 3), SA_READ(0),
                                   SA_HERE(SA_NODE_XHAT, 0, 5), SA_READ(1)> {
};

/* The forms of each kernel, for SA_EVAL_LAUNCH and SA_EVAL_REGISTER: X(kernel, form). */
#define SA_NO_FORMS(X, kernel)
#define SA_DENSE_FORMS(X, kernel) X(kernel, sa_dense)
#define SA_DENSE_PAIR_FORMS(X, kernel) X(kernel, sa_dense, sa_dense)
#define SA_POOL_FORMS(X, kernel) \
    X(kernel, sa_dense)          \
    X(kernel, sa_bn_relu)
#define SA_ROW_SUM_FORMS(X, kernel) \
    X(kernel, sa_dense)             \
    X(kernel, sa_sums_dense)        \
    X(kernel, sa_sums_mix)          \
    X(kernel, sa_sums_pool2)        \
    X(kernel, sa_sums_pool3)
#define SA_MATERIALIZE_FORMS(X, kernel) \
    X(kernel, sa_dense)                 \
    X(kernel, sa_bn)                    \
    X(kernel, sa_unpool)                \
    X(kernel, sa_unpool_bn)             \
    X(kernel, sa_lrn)                   \
    X(kernel, sa_mix)                   \
    X(kernel, sa_bn_grad)               \
    X(kernel, sa_bn_grad_mix)           \
    X(kernel, sa_bn_grad_pool2)         \
    X(kernel, sa_bn_grad_pool3)

#endif
