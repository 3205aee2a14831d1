/* Parity cases of the losses, their gradients and of accuracy. */
#include "tests/support/parity_internal.h"

typedef struct dims {
    int n, c, h, w;
} dims;

static dims random_dims(sa_parity *p)
{
    static const int widths[] = {1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 70, 129};
    dims d = {sa_parity_int(p, 1, 3), sa_parity_int(p, 1, 9), sa_parity_int(p, 1, 19), widths[sa_parity_int(p, 0, 11)]};
    if (sa_parity_chance(p, 5)) d.h = d.w = 1;
    return d;
}

/* Labels 0 .. classes (the last is the ignored one) and a configuration. */
static sa_loss_config random_loss(sa_parity *p, dims d, sa_source *label)
{
    sa_loss_config config = {
        .weighted = sa_parity_chance(p, 50), .has_ignore = sa_parity_chance(p, 60), .divisor = sa_parity_chance(p, 60) ? 0 : 3};
    config.classes = d.c;
    config.ignore_label = sa_parity_chance(p, 70) ? d.c : 0;
    config.loss_weight = sa_parity_float(p, 0.5f, 2.0f);
    for (int c = 0; c < d.c; c++) config.class_weight[c] = sa_parity_float(p, 0.1f, 3.0f);
    sa_parity_dense(p, label, d.n, 1, d.h, d.w, true);
    int most = config.has_ignore && config.ignore_label == d.c ? d.c : d.c - 1;
    for (int i = 0; i < d.n * d.h * d.w; i++) ((float *)label->node[0].slab.at.ptr)[i] = (float)sa_parity_int(p, 0, most);
    return config;
}

/* Another loss than the softmax one: what it compares with, and its table. */
static void random_kind(sa_parity *p, dims d, sa_loss_config *config, sa_source *label, sa_ref *table)
{
    config->kind = (sa_loss_kind)sa_parity_int(p, SA_LOSS_SOFTMAX, SA_LOSS_CONTRASTIVE_LEGACY);
    config->margin = sa_parity_float(p, 0.5f, 3.0f);
    *table = SA_REF_NONE;
    if (!sa_loss_has_labels(config->kind)) sa_parity_source(p, label, d.n, d.c, d.h, d.w, 14, 2);
    if (config->kind == SA_LOSS_INFOGAIN) *table = sa_parity_vector(p, (size_t)d.c * (size_t)d.c, -1.0f, 1.0f);
    if (config->kind < SA_LOSS_CONTRASTIVE) return;
    *table = sa_parity_vector(p, (size_t)d.n * (size_t)d.h * (size_t)d.w, -2.0f, 2.0f);
}

static void loss(sa_parity *p, int cases)
{
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "loss", (uint64_t)i);
        dims d = random_dims(p);
        sa_op_args args = {.loss = {.is_prob = sa_parity_chance(p, 30)}};
        args.loss.config = random_loss(p, d, &args.loss.label);
        random_kind(p, d, &args.loss.config, &args.loss.label, &args.loss.table);
        sa_parity_source(p, &args.loss.scores, d.n, d.c, d.h, d.w, 14, 2);
        args.loss.loss = sa_parity_take(p, 4), args.loss.divisor = sa_parity_take(p, 4);
        sa_parity_output(p, args.loss.loss, 1);
        sa_parity_output(p, args.loss.divisor, 1);
        args.loss.workspace = sa_parity_workspace();
        sa_device *cpu = sa_parity_cpu(p), *cuda = sa_parity_cuda(p);
        sa_parity_bounds bounds = {cpu->kernels->loss_workspace_bytes(cpu, d.n, d.c, d.h, d.w),
                                   cuda->kernels->loss_workspace_bytes(cuda, d.n, d.c, d.h, d.w), 0};
        sa_op_args on_cuda = args;
        args.loss.workspace_bytes = bounds.cpu_workspace_bytes;
        on_cuda.loss.workspace_bytes = bounds.cuda_workspace_bytes;
        sa_parity_run(p, SA_OP_LOSS, &args, &on_cuda, &bounds);
    }
}

static void loss_grad(sa_parity *p, int cases)
{
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "loss_grad", (uint64_t)i);
        dims d = random_dims(p);
        sa_op_args args = {.loss_grad = {.is_prob = sa_parity_chance(p, 30)}};
        args.loss_grad.config = random_loss(p, d, &args.loss_grad.label);
        random_kind(p, d, &args.loss_grad.config, &args.loss_grad.label, &args.loss_grad.table);
        args.loss_grad.divisor = sa_parity_vector(p, 1, 1.0f, 500.0f);
        if (sa_parity_chance(p, 30)) {
            sa_parity_dense(p, &args.loss_grad.scores, d.n, d.c, d.h, d.w, true);
            args.loss_grad.out = args.loss_grad.scores.node[0].slab;
        } else {
            sa_parity_source(p, &args.loss_grad.scores, d.n, d.c, d.h, d.w, 14, 2);
            args.loss_grad.out = sa_parity_slab(p, SA_F32, d.n, d.c, d.h, d.w, false);
        }
        sa_parity_output_slab(p, &args.loss_grad.out);
        const sa_parity_bounds bounds = {.bound = 0};
        sa_parity_run(p, SA_OP_LOSS_GRAD, &args, &args, &bounds);
    }
}

static void accuracy(sa_parity *p, int cases)
{
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "accuracy", (uint64_t)i);
        dims d = random_dims(p);
        sa_op_args args = {
            .accuracy = {.ties_lose = sa_parity_chance(p, 50), .top_k = sa_parity_int(p, 1, 2), .per_class = SA_REF_NONE}};
        sa_loss_config config = random_loss(p, d, &args.accuracy.label);
        args.accuracy.has_ignore = config.has_ignore, args.accuracy.ignore_label = config.ignore_label;
        sa_parity_source(p, &args.accuracy.scores, d.n, d.c, d.h, d.w, 6, 1);
        args.accuracy.accuracy = sa_parity_take(p, 4);
        sa_parity_output(p, args.accuracy.accuracy, 1);
        if (sa_parity_chance(p, 70)) {
            args.accuracy.per_class = sa_parity_take(p, (size_t)d.c * 4);
            sa_parity_output(p, args.accuracy.per_class, (size_t)d.c);
        }
        args.accuracy.workspace = sa_parity_workspace();
        sa_device *cpu = sa_parity_cpu(p), *cuda = sa_parity_cuda(p);
        sa_parity_bounds bounds = {cpu->kernels->accuracy_workspace_bytes(cpu, d.n, d.c, d.h, d.w),
                                   cuda->kernels->accuracy_workspace_bytes(cuda, d.n, d.c, d.h, d.w), 0};
        sa_op_args on_cuda = args;
        args.accuracy.workspace_bytes = bounds.cpu_workspace_bytes;
        on_cuda.accuracy.workspace_bytes = bounds.cuda_workspace_bytes;
        sa_parity_run(p, SA_OP_ACCURACY, &args, &on_cuda, &bounds);
    }
}

void sa_parity_losses(sa_parity *p, int cases)
{
    loss(p, cases);
    loss_grad(p, cases);
    accuracy(p, cases);
}
