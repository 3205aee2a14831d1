/* Which kernel of the CUDA device runs for an op, by name, and what ptxas gave it: for bench_card. Names and forms are those of
 * `tools/cuda_resources.sh facts`; forms follow kernels/cuda/eval_forms.cuh, and any other program is interpreted. */
#ifndef SA_BENCH_CARD_KERNELS_H
#define SA_BENCH_CARD_KERNELS_H

#include "kernels/cuda_plan/conv_tile_plan.h"
#include "program/program.h"

#include <stdio.h>
#include <string.h>

/* threads: of a block. shared_bytes: what the launch asks for, beside what the kernel declares. */
typedef struct card_kernel {
    char name[40], form[48];
    int threads, shared_bytes;
} card_kernel;

/* A kernel's resources; registers 0: not known. */
typedef struct card_resources {
    int registers, shared_bytes, warps;
} card_resources;

static card_kernel card_kernel_of(const char *name, const char *form, int threads)
{
    card_kernel k = {.threads = threads};
    snprintf(k.name, sizeof k.name, "%s", name);
    snprintf(k.form, sizeof k.form, "%s", form);
    return k;
}

static bool card_kernel_is(const card_kernel *a, const card_kernel *b)
{
    return !strcmp(a->name, b->name) && !strcmp(a->form, b->form);
}

/* ------------------------------------------------------------------ forms ------------------------------------------- */

static const sa_node *card_child(const sa_source *s, const sa_node *node, int k)
{
    return &s->node[node->child[k]];
}

static bool card_is_bn(const sa_source *s, const sa_node *node)
{
    return node->kind == SA_NODE_AFFINE && card_child(s, node, 0)->kind == SA_NODE_XHAT;
}

/* "pool2" and the like: of a pooling's gradient through the ReLU. */
static const char *card_pool_form(const sa_source *s, const sa_node *relu_grad, const char *two, const char *three)
{
    const sa_node *pool = card_child(s, relu_grad, 1);
    if (pool->kind != SA_NODE_POOL_GRAD) return "nested";
    return pool->slab.encoding == SA_MASK2 ? two : three;
}

static const char *card_bn_grad_form(const sa_source *s, const sa_node *root)
{
    const sa_node *dy = card_child(s, root, 1);
    switch (dy->kind) {
    case SA_NODE_DENSE: return "bn_grad";
    case SA_NODE_CHANNEL_MIX: return "bn_grad_mix";
    case SA_NODE_RELU_GRAD: return card_pool_form(s, dy, "bn_grad_pool2", "bn_grad_pool3");
    default: return "nested";
    }
}

/* The form of a program with one root. */
static const char *card_form(const sa_source *s)
{
    const sa_node *root = s->count > 0 ? &s->node[s->count - 1] : NULL;
    if (!root) return "-";
    switch (root->kind) {
    case SA_NODE_DENSE: return "dense";
    case SA_NODE_AFFINE: return card_is_bn(s, root) ? "bn" : "flat";
    case SA_NODE_RELU: return card_is_bn(s, card_child(s, root, 0)) ? "bn_relu" : "flat";
    case SA_NODE_UNPOOL: return card_is_bn(s, card_child(s, root, 0)) ? "unpool_bn" : "unpool";
    case SA_NODE_LRN: return "lrn";
    case SA_NODE_CHANNEL_MIX: return "mix";
    case SA_NODE_BN_GRAD: return card_bn_grad_form(s, root);
    default: return "nested";
    }
}

/* Of BN's sums, whose gradient is dy. */
static const char *card_sums_form(const sa_source *dy)
{
    const sa_node *root = &dy->node[dy->count - 1];
    switch (root->kind) {
    case SA_NODE_DENSE: return "sums_dense";
    case SA_NODE_CHANNEL_MIX: return "sums_mix";
    case SA_NODE_RELU_GRAD: return card_pool_form(dy, root, "sums_pool2", "sums_pool3");
    default: return "nested";
    }
}

/* ------------------------------------------------------------------ kernels ----------------------------------------- */

enum { CARD_EVAL_THREADS = 128, CARD_FFT_THREADS = 64, CARD_UPDATE_THREADS = 256 };

/* Of any op but a convolution. */
static card_kernel card_op_kernel(const sa_op *op)
{
    const sa_op_args *a = &op->args;
    char name[40], form[48] = "-";
    int threads = CARD_EVAL_THREADS;
    snprintf(name, sizeof name, "sa_%s_kernel", sa_op_kind_name(op->kind));
    switch (op->kind) {
    case SA_OP_MATERIALIZE: snprintf(form, sizeof form, "%s", card_form(&a->materialize.source)); break;
    case SA_OP_POOL_FORWARD: snprintf(form, sizeof form, "%s", card_form(&a->pool_forward.x)); break;
    case SA_OP_SOFTMAX: snprintf(form, sizeof form, "%s", card_form(&a->softmax.x)); break;
    case SA_OP_LOSS:
        snprintf(name, sizeof name, "sa_loss_rows_kernel");
        snprintf(form, sizeof form, "%s+dense", card_form(&a->loss.scores));
        break;
    case SA_OP_LOSS_GRAD: snprintf(form, sizeof form, "%s+dense", card_form(&a->loss_grad.scores)); break;
    case SA_OP_ACCURACY: snprintf(form, sizeof form, "%s+dense", card_form(&a->accuracy.scores)); break;
    case SA_OP_BN_STATISTICS:
    case SA_OP_BN_REDUCE:
        snprintf(name, sizeof name, "sa_row_sums_kernel");
        snprintf(form, sizeof form, "%s",
                 op->kind == SA_OP_BN_REDUCE ? card_sums_form(&a->bn_reduce.dy) : card_form(&a->bn_statistics.x));
        break;
    case SA_OP_FILL:
    case SA_OP_UPDATE:
    case SA_OP_PRODUCT: threads = CARD_UPDATE_THREADS; break;
    default: break;
    }
    return card_kernel_of(name, form, threads);
}

/* step: in, filter, out or taps. */
static card_kernel card_fft(const char *step, int size, const char *form)
{
    char name[40];
    snprintf(name, sizeof name, "sa_fft_%s%d_kernel", step, size);
    return card_kernel_of(name, *form ? form : "-", CARD_FFT_THREADS);
}

/* A product of spectra: the block's shape, as conv_fft_product_cuda.cu chooses it. */
static card_kernel card_fft_product(bool correlate, int rows, int columns)
{
    const char *name = correlate ? "sa_fft_correlate_kernel" : "sa_fft_apply_kernel";
    if (rows <= 16) return card_kernel_of(name, "fft_low", 32);
    if (columns <= 16) return card_kernel_of(name, "fft_narrow", 128);
    return (rows - 1) / 32 % 2 == 0 ? card_kernel_of(name, "fft_middle", 64) : card_kernel_of(name, "fft_wide", 128);
}

static card_kernel card_tile(const sa_conv_shape *s, bool forward, const char *source_form)
{
    static const char *const forms[] = {"wide", "narrow", "single"};
    const sa_tile t = forward ? sa_cuda_plan_forward_tile(s) : sa_cuda_plan_data_tile(s, 0, 0);
    char form[48];
    snprintf(form, sizeof form, "%s+%s", source_form, forms[t.form]);
    card_kernel k = card_kernel_of("sa_tile_kernel", form, SA_TILE_THREADS);
    k.shared_bytes = (2 * t.stage_floats + (2 * t.depth + 3) / 4 * 4) * (int)sizeof(float);
    return k;
}

static card_kernel card_tile_weight(const sa_conv_shape *s, const char *x_form, const char *dy_form)
{
    const sa_weight_tile t = sa_cuda_plan_weight_tile(s);
    char form[48];
    if (t.single) snprintf(form, sizeof form, "%s+%s", x_form, dy_form);
    else snprintf(form, sizeof form, "%s+%s+weight_%s", x_form, dy_form, t.narrow ? "narrow" : "wide");
    card_kernel k = card_kernel_of(t.single ? "sa_tile_weight_single_kernel" : "sa_tile_weight_kernel", form, SA_TILE_THREADS);
    if (!t.single) k.shared_bytes = 2 * t.stage_floats * (int)sizeof(float);
    return k;
}

/* ------------------------------------------------------------------ resources --------------------------------------- */

/* Warps of a kernel that an H100's multiprocessor holds: 65536 registers, 227 KiB of shared memory of which each block takes 1 KiB
 * more than it asks for, 64 warps, 32 blocks. */
static int card_warps(int registers, int threads, int shared_bytes)
{
    const int warps = threads / 32, per_block = (registers + 7) / 8 * 8 * threads;
    int blocks = 65536 / per_block, by_shared = 227 * 1024 / (shared_bytes + 1024);
    if (by_shared < blocks) blocks = by_shared;
    if (blocks > 32) blocks = 32;
    if (blocks > 64 / warps) blocks = 64 / warps;
    return blocks * warps;
}

/* From lines "name form registers shared". */
static card_resources card_resources_of(FILE *facts, const card_kernel *kernel)
{
    card_kernel k = {{0}};
    card_resources r = {0, 0, 0};
    int registers, shared;
    if (!facts) return r;
    rewind(facts);
    while (fscanf(facts, "%39s %47s %d %d", k.name, k.form, &registers, &shared) == 4)
        if (card_kernel_is(&k, kernel)) r.registers = registers, r.shared_bytes = shared + kernel->shared_bytes;
    if (r.registers > 0) r.warps = card_warps(r.registers, kernel->threads, r.shared_bytes);
    return r;
}

#endif
