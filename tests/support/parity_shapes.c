/* Parity cases of softmax_grad, argmax, reduction, permute, interp and stochastic pooling. */
#include "tests/support/parity_internal.h"

typedef struct dims {
    int n, c, h, w;
} dims;

static dims random_dims(sa_parity *p)
{
    return (dims){sa_parity_int(p, 1, 3), sa_parity_int(p, 1, 7), sa_parity_int(p, 1, 9), sa_parity_int(p, 1, 40)};
}

static void run_same(sa_parity *p, sa_op_kind kind, const sa_op_args *args)
{
    sa_parity_bounds bounds = {.bound = 0};
    sa_parity_run(p, kind, args, args, &bounds);
}

static void softmax_grad(sa_parity *p)
{
    const dims d = random_dims(p);
    sa_op_args args = {.softmax_grad = {.range = {0, d.n, 0, d.c}}};
    sa_parity_source(p, &args.softmax_grad.y, d.n, d.c, d.h, d.w, 6, 1);
    sa_parity_source(p, &args.softmax_grad.dy, d.n, d.c, d.h, d.w, 6, 1);
    args.softmax_grad.dx = sa_parity_slab(p, SA_F32, d.n, d.c, d.h, d.w, false);
    if (sa_source_is_dense_f32(&args.softmax_grad.dy) && sa_parity_chance(p, 50)) /* in place */
        args.softmax_grad.dx = args.softmax_grad.dy.node[0].slab;
    sa_parity_output_slab(p, &args.softmax_grad.dx);
    run_same(p, SA_OP_SOFTMAX_GRAD, &args);
}

static void argmax(sa_parity *p)
{
    const dims d = random_dims(p);
    const int top_k = sa_parity_int(p, 1, d.c), outputs = sa_parity_int(p, 1, 3);
    sa_op_args args = {.argmax = {.top_k = top_k, .index.at = SA_REF_NONE, .value.at = SA_REF_NONE}};
    sa_parity_source(p, &args.argmax.x, d.n, d.c, d.h, d.w, 8, 1);
    sa_slab *slab[2] = {&args.argmax.index, &args.argmax.value};
    for (int i = 0; i < 2; i++) {
        if (!(outputs >> i & 1)) continue;
        *slab[i] = sa_parity_slab(p, SA_F32, d.n, top_k, d.h, d.w, false);
        sa_parity_output_slab(p, slab[i]);
    }
    run_same(p, SA_OP_ARGMAX, &args);
}

static void reduction(sa_parity *p)
{
    const dims d = random_dims(p);
    sa_op_args args = {.reduction = {.kind = (sa_reduction_kind)sa_parity_int(p, 0, 2), .backward = sa_parity_chance(p, 50)}};
    sa_reduction_args *a = &args.reduction;
    a->factor = sa_parity_float(p, -2.0f, 2.0f);
    a->channels = d.c, a->height = d.h, a->width = d.w;
    a->sums = sa_parity_vector(p, d.c, -1.0f, 1.0f);
    a->dx.at = SA_REF_NONE;
    if (!a->backward || a->kind != SA_REDUCTION_SUM) sa_parity_source(p, &a->x, 1, d.c, d.h, d.w, 8, 1);
    if (a->backward) {
        a->dx = sa_parity_slab(p, SA_F32, 1, d.c, d.h, d.w, false);
        sa_parity_output_slab(p, &a->dx);
    } else {
        sa_parity_output(p, a->sums, (size_t)d.c);
    }
    run_same(p, SA_OP_REDUCTION, &args);
}

static void permute(sa_parity *p)
{
    sa_op_args args = {.permute = {.axes = sa_parity_int(p, 1, 5)}};
    sa_permute_args *a = &args.permute;
    int order[SA_AXES_MAX] = {0}, stride = 1;
    for (int i = 0; i < a->axes; i++) { /* a random order */
        int k = sa_parity_int(p, 0, i);
        order[i] = order[k];
        order[k] = i;
    }
    for (int i = 0; i < a->axes; i++) {
        a->dim[order[i]] = sa_parity_int(p, 1, 6);
        a->stride[order[i]] = stride;
        stride *= a->dim[order[i]];
    }
    a->x = sa_parity_slab(p, SA_F32, 1, stride, 1, 1, true);
    a->out = sa_parity_slab(p, SA_F32, 1, stride, 1, 1, false);
    sa_parity_output_slab(p, &a->out);
    run_same(p, SA_OP_PERMUTE, &args);
}

/* Parts of planes to planes of any size, and back. */
static void interp(sa_parity *p)
{
    const dims d = random_dims(p), to = random_dims(p);
    sa_op_args args = {.interp = {.gradient = sa_parity_chance(p, 50)}};
    sa_interp_args *a = &args.interp;
    a->rows = sa_parity_int(p, 1, d.h), a->columns = sa_parity_int(p, 1, d.w);
    a->top = sa_parity_int(p, 0, d.h - a->rows), a->left = sa_parity_int(p, 0, d.w - a->columns);
    a->x = sa_parity_slab(p, SA_F32, d.n, d.c, a->gradient ? to.h : d.h, a->gradient ? to.w : d.w, true);
    a->out = sa_parity_slab(p, SA_F32, d.n, d.c, a->gradient ? d.h : to.h, a->gradient ? d.w : to.w, false);
    sa_parity_output_slab(p, &a->out);
    run_same(p, SA_OP_INTERP, &args);
}

static void pool_stochastic(sa_parity *p)
{
    const dims d = random_dims(p);
    const int choice = sa_parity_int(p, 0, 3);
    sa_op_args args = {.pool_stochastic = {.range = {0, d.n, sa_parity_int(p, 0, d.c - 1), d.c}, .seed = 77}};
    sa_pool_stochastic_args *a = &args.pool_stochastic;
    a->window = sa_parity_window(p, d.h, d.w);
    a->window.pad_h = a->window.pad_w = 0;
    const int h = sa_parity_pooled(d.h, a->window.kernel_h, a->window.stride_h, 0);
    const int w = sa_parity_pooled(d.w, a->window.kernel_w, a->window.stride_w, 0);
    const int positions = a->window.kernel_h * a->window.kernel_w;
    const sa_encoding encoding = choice == 1 && positions <= 15 ? SA_MASK4 : choice == 2 && positions <= 4 ? SA_MASK2 : SA_F32;
    if ((h - 1) * a->window.stride_h >= d.h || (w - 1) * a->window.stride_w >= d.w) return; /* a window of no pixel */
    sa_parity_source(p, &a->x, d.n, d.c, d.h, d.w, 6, 1);
    a->draws = choice > 0;
    a->step_state = a->draws ? sa_parity_vector(p, 4, 0.0f, 1.0f) : SA_REF_NONE;
    a->out = sa_parity_slab(p, SA_F32, d.n, d.c, h, w, false);
    sa_parity_output_slab(p, &a->out);
    a->mask = a->out;
    a->mask.at = SA_REF_NONE;
    if (a->draws) {
        a->mask = sa_parity_slab(p, encoding, d.n, d.c, h, w, false);
        sa_parity_output_slab(p, &a->mask);
    }
    run_same(p, SA_OP_POOL_STOCHASTIC, &args);
}

/* The devices add in different orders. */
static void product(sa_parity *p)
{
    const int m = sa_parity_int(p, 1, 70), n = sa_parity_int(p, 1, 200), k = sa_parity_int(p, 1, 90);
    const sa_parity_bounds bounds = {.bound = 1e-5};
    sa_op_args args = {.product = {.rows = m, .columns = n, .depth = k}};
    sa_product_args *a = &args.product;
    a->a_transposed = sa_parity_chance(p, 50), a->b_transposed = sa_parity_chance(p, 50), a->accumulate = sa_parity_chance(p, 30);
    a->a = sa_parity_vector(p, m * k, -1.0f, 1.0f);
    a->b = sa_parity_vector(p, k * n, -1.0f, 1.0f);
    if (sa_parity_chance(p, 60)) a->bias = sa_parity_vector(p, n, -1.0f, 1.0f);
    a->c = a->accumulate ? sa_parity_vector(p, m * n, -1.0f, 1.0f) : sa_parity_take(p, (size_t)(m * n) * 4);
    sa_parity_output(p, a->c, (size_t)(m * n));
    sa_parity_run(p, SA_OP_PRODUCT, &args, &args, &bounds);
}

static void column_sums(sa_parity *p)
{
    const int m = sa_parity_int(p, 1, 90), n = sa_parity_int(p, 1, 300);
    sa_op_args args = {.column_sums = {.rows = m, .columns = n, .accumulate = sa_parity_chance(p, 30)}};
    args.column_sums.x = sa_parity_vector(p, m * n, -1.0f, 1.0f);
    args.column_sums.sums = sa_parity_vector(p, n, -1.0f, 1.0f);
    sa_parity_output(p, args.column_sums.sums, (size_t)n);
    run_same(p, SA_OP_COLUMN_SUMS, &args);
}

void sa_parity_shapes(sa_parity *p, int cases)
{
    static const struct {
        const char *name;
        void (*run)(sa_parity *p);
    } OPS[] = {{"softmax_grad", softmax_grad}, {"argmax", argmax},          {"reduction", reduction},
               {"permute", permute},           {"interp", interp},          {"pool_stochastic", pool_stochastic},
               {"product", product},           {"column_sums", column_sums}};
    for (size_t k = 0; k < sizeof OPS / sizeof OPS[0]; k++)
        for (int i = 0; i < cases; i++) {
            sa_parity_begin(p, OPS[k].name, (uint64_t)i);
            OPS[k].run(p);
        }
}
