/* Every op of the kernel table on the CUDA device against the CPU: random sizes (one pixel, odd, no multiples of blocks, batches),
 * random source trees, outputs full of NaN. Prints the largest error of each op.
 *
 *   test_cuda_parity [CASES]    random cases per op (default 60)
 *
 * Without a card it runs on the stand-in (tests/simt/run), which executes the same binary. What is compared there are the kernels,
 * their indices and the order of their sums; cuBLAS's and cuDNN's own numbers are the stand-in's. */
#include "tests/support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int cases = 60;
static sa_parity *p;

/* A value's shape. */
typedef struct dims {
    int n, c, h, w;
} dims;

static dims random_dims(void)
{
    static const int widths[] = {1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 70, 129};
    dims d = {sa_parity_int(p, 1, 3), sa_parity_int(p, 1, 9), sa_parity_int(p, 1, 19), widths[sa_parity_int(p, 0, 11)]};
    if (sa_parity_chance(p, 5)) d.h = d.w = 1;
    return d;
}

static sa_range whole(dims d)
{
    return (sa_range){0, d.n, 0, d.c};
}

/* All of it, or a part. */
static sa_range random_range(dims d)
{
    sa_range r = whole(d);
    if (sa_parity_chance(p, 60)) return r;
    r.image_begin = sa_parity_int(p, 0, d.n - 1), r.image_end = sa_parity_int(p, r.image_begin + 1, d.n);
    r.channel_begin = sa_parity_int(p, 0, d.c - 1), r.channel_end = sa_parity_int(p, r.channel_begin + 1, d.c);
    return r;
}

static void random_source(sa_source *source, dims d)
{
    sa_parity_source(p, source, d.n, d.c, d.h, d.w, 14, 2);
}

static void run_same(sa_op_kind kind, const sa_op_args *args, double bound)
{
    sa_parity_bounds bounds = {.bound = bound};
    sa_parity_run(p, kind, args, args, &bounds);
}

static void materialize(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * cases; i++) {
        sa_parity_begin(p, "materialize", (uint64_t)i);
        dims d = random_dims();
        sa_op_args args = {.materialize = {.range = random_range(d)}};
        random_source(&args.materialize.source, d);
        args.materialize.out = sa_parity_slab(p, sa_parity_chance(p, 80) ? SA_F32 : SA_BF16, d.n, d.c, d.h, d.w, false);
        sa_parity_output_slab(p, &args.materialize.out);
        run_same(SA_OP_MATERIALIZE, &args, 0);
    }
    for (int i = 0; i < cases / 4; i++) { /* in place */
        sa_parity_begin(p, "materialize", (uint64_t)i);
        dims d = random_dims();
        sa_op_args args = {.materialize = {.range = whole(d)}};
        sa_source *source = &args.materialize.source;
        sa_parity_dense(p, source, d.n, d.c, d.h, d.w, true);
        source->node[1] = source->node[0];
        source->node[1].kind = SA_NODE_XHAT, source->node[1].slab.at = SA_REF_NONE;
        source->node[1].child[0] = 0;
        source->node[1].spread = SA_SPREAD_CHANNELS;
        for (int k = 0; k < 2; k++) source->node[1].vector[k] = sa_parity_vector(p, d.c, 0.5f, 2.0f);
        source->count = 2;
        args.materialize.out = source->node[0].slab;
        sa_parity_output_slab(p, &args.materialize.out);
        run_same(SA_OP_MATERIALIZE, &args, 0);
    }
}

/* Each function of kernels/maps.h, with its number p from a vector or not. */
static void maps(void **state)
{
    (void)state;
    for (int i = 0; i < 4 * SA_MAP_KINDS; i++) {
        sa_parity_begin(p, "materialize, maps", (uint64_t)i);
        dims d = random_dims();
        sa_op_args args = {.materialize = {.range = whole(d)}};
        sa_source *source = &args.materialize.source, other;
        sa_parity_dense(p, source, d.n, d.c, d.h, d.w, true);
        sa_parity_dense(p, &other, d.n, d.c, d.h, d.w, true);
        sa_node *node = &source->node[2];
        source->node[1] = other.node[0];
        *node = source->node[0];
        node->kind = i % 2 ? SA_NODE_MAP2 : SA_NODE_MAP;
        node->slab.at = SA_REF_NONE;
        node->child[0] = 0, node->child[1] = i % 2 ? 1 : -1;
        node->number.map = (sa_map){i / 4, sa_parity_float(p, -2.0f, 2.0f), 3.0f, 1.5f};
        node->spread = (sa_spread){.image = d.c, .channel = 1};
        if (i % 4 > 1) node->vector[0] = sa_parity_vector(p, d.n * d.c, 0.5f, 2.0f);
        source->count = 3;
        args.materialize.out = sa_parity_slab(p, SA_F32, d.n, d.c, d.h, d.w, false);
        sa_parity_output_slab(p, &args.materialize.out);
        run_same(SA_OP_MATERIALIZE, &args, 0);
    }
}

static size_t reduce_bytes(dims d, int channels)
{
    sa_device *cuda = sa_parity_cuda(p);
    return cuda->kernels->reduce_workspace_bytes(cuda, d.n, channels, d.h);
}

static void bn_statistics(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "bn_statistics", (uint64_t)i);
        dims d = random_dims();
        sa_op_args args = {.bn_statistics = {.range = whole(d), .spread = SA_SPREAD_CHANNELS, .eps = 1e-9f, .var = SA_REF_NONE}};
        random_source(&args.bn_statistics.x, d);
        args.bn_statistics.mean = sa_parity_take(p, (size_t)d.c * 4);
        args.bn_statistics.inv_std = sa_parity_take(p, (size_t)d.c * 4);
        sa_parity_output(p, args.bn_statistics.mean, (size_t)d.c);
        sa_parity_output(p, args.bn_statistics.inv_std, (size_t)d.c);
        if (sa_parity_chance(p, 50)) {
            args.bn_statistics.var = sa_parity_take(p, (size_t)d.c * 4);
            sa_parity_output(p, args.bn_statistics.var, (size_t)d.c);
        }
        if (sa_parity_chance(p, 30)) args.bn_statistics.range.channel_begin = d.c / 2;
        const sa_range *r = &args.bn_statistics.range;
        sa_op_args on_cuda = args;
        sa_parity_bounds bounds = {0, reduce_bytes(d, r->channel_end - r->channel_begin), 0};
        on_cuda.bn_statistics.workspace = sa_parity_workspace();
        on_cuda.bn_statistics.workspace_bytes = bounds.cuda_workspace_bytes;
        sa_parity_run(p, SA_OP_BN_STATISTICS, &args, &on_cuda, &bounds);
    }
}

static void bn_reduce(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "bn_reduce", (uint64_t)i);
        dims d = random_dims();
        sa_op_args args = {.bn_reduce = {.range = whole(d), .spread = SA_SPREAD_CHANNELS}};
        sa_parity_source(p, &args.bn_reduce.xhat, d.n, d.c, d.h, d.w, 6, 1);
        sa_parity_source(p, &args.bn_reduce.dy, d.n, d.c, d.h, d.w, 10, 2);
        args.bn_reduce.dgamma = sa_parity_take(p, (size_t)d.c * 4);
        args.bn_reduce.dbeta = sa_parity_take(p, (size_t)d.c * 4);
        sa_parity_output(p, args.bn_reduce.dgamma, (size_t)d.c);
        sa_parity_output(p, args.bn_reduce.dbeta, (size_t)d.c);
        sa_op_args on_cuda = args;
        sa_parity_bounds bounds = {0, reduce_bytes(d, d.c), 0};
        on_cuda.bn_reduce.workspace = sa_parity_workspace();
        on_cuda.bn_reduce.workspace_bytes = bounds.cuda_workspace_bytes;
        sa_parity_run(p, SA_OP_BN_REDUCE, &args, &on_cuda, &bounds);
    }
}

static void pool_forward(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "pool_forward", (uint64_t)i);
        dims d = random_dims();
        sa_window w = sa_parity_window(p, d.h, d.w);
        int ph = sa_parity_pooled(d.h, w.kernel_h, w.stride_h, w.pad_h),
            pw = sa_parity_pooled(d.w, w.kernel_w, w.stride_w, w.pad_w);
        int positions = w.kernel_h * w.kernel_w, choice = sa_parity_int(p, 0, 3);
        sa_op_args args = {.pool_forward = {.range = random_range(d), .window = w}};
        random_source(&args.pool_forward.x, d);
        args.pool_forward.out = sa_parity_slab(p, SA_F32, d.n, d.c, ph, pw, false);
        sa_parity_output_slab(p, &args.pool_forward.out);
        sa_encoding encoding = choice == 1 && positions <= 15 ? SA_MASK4 : choice == 2 && positions <= 4 ? SA_MASK2 : SA_F32;
        args.pool_forward.mask = args.pool_forward.out;
        args.pool_forward.mask.at = SA_REF_NONE;
        if (choice < 3) {
            args.pool_forward.mask = sa_parity_slab(p, encoding, d.n, d.c, ph, pw, false);
            sa_parity_output_slab(p, &args.pool_forward.mask);
        }
        run_same(SA_OP_POOL_FORWARD, &args, 0);
    }
}

static void unpool_scatter(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "unpool_scatter", (uint64_t)i);
        dims d = random_dims();
        int h = sa_parity_int(p, 1, 30), w = sa_parity_int(p, 1, 40);
        sa_op_args args = {.unpool_scatter = {.range = random_range(d)}};
        random_source(&args.unpool_scatter.x, d);
        args.unpool_scatter.mask = sa_parity_slab(p, SA_F32, d.n, d.c, d.h, d.w, false);
        for (int k = 0; k < d.n * d.c * d.h * d.w; k++) /* many equal indices: the last one has to win */
            ((float *)args.unpool_scatter.mask.at.ptr)[k] = (float)sa_parity_int(p, 0, h * w - 1);
        args.unpool_scatter.out = sa_parity_slab(p, SA_F32, d.n, d.c, h, w, false);
        sa_parity_output_slab(p, &args.unpool_scatter.out);
        run_same(SA_OP_UNPOOL_SCATTER, &args, 0);
    }
}

static void unpool_gather(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "unpool_gather", (uint64_t)i);
        dims d = random_dims();
        sa_op_args args = {.unpool_gather = {.range = random_range(d), .window = sa_parity_window(p, d.h, d.w)}};
        args.unpool_gather.dy = sa_parity_slab(p, SA_F32, d.n, d.c, d.h, d.w, true);
        args.unpool_gather.mask = sa_parity_mask(p, &args.unpool_gather.window, d.n, d.c, d.h, d.w);
        const sa_slab *mask = &args.unpool_gather.mask;
        args.unpool_gather.dx = sa_parity_slab(p, SA_F32, d.n, d.c, mask->height, mask->width, false);
        sa_parity_output_slab(p, &args.unpool_gather.dx);
        run_same(SA_OP_UNPOOL_GATHER, &args, 0);
    }
}

static void softmax(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        sa_parity_begin(p, "softmax", (uint64_t)i);
        dims d = random_dims();
        sa_op_args args = {.softmax = {.range = whole(d)}};
        if (sa_parity_chance(p, 30)) {
            sa_parity_dense(p, &args.softmax.x, d.n, d.c, d.h, d.w, true);
            args.softmax.prob = args.softmax.x.node[0].slab; /* in place */
        } else {
            random_source(&args.softmax.x, d);
            args.softmax.prob = sa_parity_slab(p, SA_F32, d.n, d.c, d.h, d.w, false);
        }
        sa_parity_output_slab(p, &args.softmax.prob);
        run_same(SA_OP_SOFTMAX, &args, 0);
    }
}

static void losses(void **state)
{
    (void)state;
    sa_parity_losses(p, cases);
}

static void fill_and_update(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        int count = sa_parity_int(p, 1, 5000);
        sa_parity_begin(p, "fill", (uint64_t)i);
        sa_op_args args = {.fill = {.target = sa_parity_take(p, (size_t)count * 4), .count = (size_t)count, .value = 0.25f}};
        sa_parity_output(p, args.fill.target, (size_t)count);
        run_same(SA_OP_FILL, &args, 0);

        sa_parity_begin(p, "update", (uint64_t)i);
        args = (sa_op_args){.update = {.rule = {.kind = (sa_update_kind)(i % 6),
                                                .l1 = sa_parity_chance(p, 30),
                                                .momentum = 0.9f,
                                                .momentum2 = 0.99f,
                                                .rms_decay = 0.95f,
                                                .delta = 1e-4f,
                                                .clip = sa_parity_chance(p, 50) ? 1.5f : 0.0f,
                                                .passes = sa_parity_int(p, 0, 3)},
                                       .history2 = SA_REF_NONE,
                                       .squares = SA_REF_NONE,
                                       .count = (size_t)count,
                                       .lr_mult = 2.0f,
                                       .decay = 0.0005f}};
        sa_ref *refs[] = {&args.update.param, &args.update.grad, &args.update.history, &args.update.history2};
        if (args.update.rule.clip > 0.0f) {
            args.update.squares = sa_parity_take(p, sizeof(double));
            *(double *)args.update.squares.ptr = 7.5;
        }
        for (int k = 0; k < 2 + sa_update_histories(args.update.rule.kind); k++) {
            *refs[k] = sa_parity_vector(p, count + 1, k < 2 ? -1.0f : 0.0f, 1.0f);
            if (i % 3 == 2) refs[k]->ptr = (float *)refs[k]->ptr + 1; /* not aligned */
            sa_parity_output(p, *refs[k], (size_t)count);
        }
        args.update.step_state = sa_parity_take(p, sizeof(sa_step_state));
        *(sa_step_state *)args.update.step_state.ptr = (sa_step_state){.rate = 0.01f, .step = 3, .correction = 0.7f};
        run_same(SA_OP_UPDATE, &args, 0);

        sa_parity_begin(p, "square_sum", (uint64_t)i);
        args = (sa_op_args){.square_sum = {.count = (size_t)count * 3, .add = sa_parity_chance(p, 50)}};
        args.square_sum.values = sa_parity_vector(p, count * 3, -1.0f, 1.0f);
        args.square_sum.sum = sa_parity_vector(p, 2, 1.0f, 2.0f);
        args.square_sum.workspace = sa_parity_workspace();
        args.square_sum.workspace_bytes = sa_square_sum_workspace_bytes(args.square_sum.count);
        sa_parity_output(p, args.square_sum.sum, 2);
        const sa_parity_bounds bounds = {args.square_sum.workspace_bytes, args.square_sum.workspace_bytes, 0};
        sa_parity_run(p, SA_OP_SQUARE_SUM, &args, &args, &bounds);
    }
}

static void sums_over_shards_agree(void **state)
{
    (void)state;
    for (int i = 0; i < cases; i++) {
        const int count = sa_parity_int(p, 1, 9000);
        sa_op_args args;
        sa_parity_begin(p, "shard_sum", (uint64_t)i);
        const int32_t ranks = sa_parity_int(p, 1, 4);
        args = (sa_op_args){
            .shard_sum = {
                .fresh = sa_parity_chance(p, 50), .ranks = ranks, .rank = sa_parity_int(p, 0, ranks - 1), .count = (size_t)count}};
        args.shard_sum.own = sa_parity_vector(p, count, -1.0f, 1.0f);
        args.shard_sum.parts = sa_parity_vector(p, count * (ranks > 1 ? ranks - 1 : 1), -1.0f, 1.0f);
        args.shard_sum.total = sa_parity_vector(p, count, -1.0f, 1.0f);
        sa_parity_output(p, args.shard_sum.total, (size_t)count);
        args.shard_sum.step_state = sa_parity_take(p, sizeof(sa_step_state));
        *(sa_step_state *)args.shard_sum.step_state.ptr = (sa_step_state){.shards = sa_parity_int(p, 1, ranks)};
        run_same(SA_OP_SHARD_SUM, &args, 0);
    }
}

/* A label outside the classes ends the step before parameters change. */
static void a_bad_label_stops_the_update(void **state)
{
    (void)state;
    static const float rate[] = {0.5f, 0.0f, 0.0f, 0.0f}, before[] = {1.0f, 2.0f, 3.0f};
    sa_device *cuda;
    sa_fill_args fill;
    float *memory, after[3], label = 7.0f;
    assert_int_equal(sa_device_open_cuda(0, &cuda), SA_OK);
    const sa_device_functions *f = cuda->functions;
    assert_int_equal(f->alloc(cuda, 4096, (void **)&memory), SA_OK);
    fill = (sa_fill_args){.target.ptr = memory, .count = 1024, .value = 0.25f};
    assert_int_equal(cuda->kernels->fill(cuda, &fill), SA_OK);
    assert_int_equal(f->upload(cuda, memory, &label, sizeof label), SA_OK);
    assert_int_equal(f->upload(cuda, memory + 64, before, sizeof before), SA_OK);
    assert_int_equal(f->upload(cuda, memory + 128, rate, sizeof rate), SA_OK);
    sa_node node = {.child = {-1, -1, -1}, .channels = 1, .height = 1, .width = 1};
    node.slab = (sa_slab){.at.ptr = memory, .images = 1, .channels = 1, .height = 1, .width = 1};
    sa_loss_args loss = {.config = {.classes = 2, .loss_weight = 1.0f}, .table = SA_REF_NONE, .workspace_bytes = 256};
    loss.label.count = loss.scores.count = 1;
    loss.label.node[0] = loss.scores.node[0] = node;
    loss.scores.node[0].channels = loss.scores.node[0].slab.channels = 2;
    loss.scores.node[0].slab.at.ptr = memory + 32;
    loss.loss.ptr = memory + 512, loss.divisor.ptr = memory + 513, loss.workspace.ptr = memory + 576;
    const sa_update_args update = {.rule.kind = SA_UPDATE_SGD,
                                   .param.ptr = memory + 64,
                                   .grad.ptr = memory + 256,
                                   .history.ptr = memory + 320,
                                   .step_state.ptr = memory + 128,
                                   .count = 3,
                                   .lr_mult = 1.0f};
    assert_int_equal(cuda->kernels->loss(cuda, &loss), SA_OK);
    assert_int_equal(cuda->kernels->update(cuda, &update), SA_OK);
    assert_int_equal(f->sync(cuda), SA_NUMERIC);
    assert_non_null(strstr(sa_error_message(), "the label of pixel (n 0, y 0, x 0) is outside the classes"));
    assert_int_equal(f->download(cuda, after, memory + 64, sizeof after), SA_OK);
    assert_memory_equal(after, before, sizeof before);
    assert_int_equal(cuda->kernels->update(cuda, &update), SA_OK); /* the next step is a new one */
    assert_int_equal(f->download(cuda, after, memory + 64, sizeof after), SA_OK);
    assert_true(after[0] == before[0] - 0.125f);
    sa_device_close(cuda);
}

static void convolutions(void **state)
{
    (void)state;
    sa_parity_convolutions(p, cases);
}

static int open_devices(void **state)
{
    (void)state;
    sa_device *cpu, *cuda;
    if (sa_device_open_cpu(1, &cpu) != SA_OK || sa_device_open_cuda(0, &cuda) != SA_OK) {
        print_error("%s\n", sa_error_message());
        return -1;
    }
    p = sa_parity_open(cpu, cuda);
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    sa_parity_print(p);
    sa_parity_close(p);
    return 0;
}

/* On a card if there is one, else on the stand-in. Returns only where the tests can run. */
static void compiled_programs(void **state)
{
    (void)state;
    sa_parity_forms(p, cases / 3);
}

static void shape_ops(void **state)
{
    (void)state;
    sa_parity_shapes(p, cases);
}

static void find_device(char **argv)
{
#ifdef SA_HAVE_CUDA
    sa_device *cuda;
    if (sa_device_open_cuda(0, &cuda) == SA_OK) {
        printf("on %s\n", cuda->description);
        sa_device_close(cuda);
        return;
    }
    if (!getenv("SA_SIMT_KERNELS")) execv("tests/simt/run", (char *[]){"tests/simt/run", argv[0], argv[1], NULL});
    printf("%s\n", sa_error_message());
    exit(1);
#else
    (void)argv;
    printf("SKIP: this build has no CUDA (no nvcc)\n[  SKIPPED ] 1 test(s).\n");
    exit(0);
#endif
}

int main(int argc, char **argv)
{
    if (argc > 1) cases = atoi(argv[1]);
    find_device(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(materialize),
        cmocka_unit_test(maps),
        cmocka_unit_test(bn_statistics),
        cmocka_unit_test(bn_reduce),
        cmocka_unit_test(pool_forward),
        cmocka_unit_test(unpool_scatter),
        cmocka_unit_test(unpool_gather),
        cmocka_unit_test(softmax),
        cmocka_unit_test(losses),
        cmocka_unit_test(fill_and_update),
        cmocka_unit_test(sums_over_shards_agree),
        cmocka_unit_test(compiled_programs),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(shape_ops),
        cmocka_unit_test(a_bad_label_stops_the_update),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
