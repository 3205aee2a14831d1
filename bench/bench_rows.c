/* The CPU device's non-convolution kernels at the size of a SegNet-basic level (1 x 64 x 384 x 512): time and memory traffic. What
 * stands around a pooling also at the size of a first level at full resolution (64 x 769 x 1025, with "wide" in its name).
 *
 * Rounds go over all ops in turn, so that a disturbance hits all alike. ms is the median, best the least; rates are of the best,
 * since the machine may be shared. Bytes are those that have to move: every input once, every output once. They are set against a
 * copy (memcpy on all threads) of the same run. Memory is touched before timing.
 * `bench_rows [ROUNDS] [THREADS]`. */
#include "cli/process_frame.h"
#include "core/device.h"
#include "kernels/ops.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { C = 64, H = 384, W = 512, CLASSES = 3, CASES_MAX = 64, ROUNDS_MAX = 101 };
static const size_t plane_floats = (size_t)C * H * W;

typedef struct map_size {
    int height, width;
} map_size;
static const map_size wide = {769, 1025};
static map_size map = {H, W}; /* of the cases that are being added */

typedef struct bench_case {
    const char *name;
    bool copy;
    sa_op_kind kind;
    sa_op_args args;
    double bytes;
    double ns[ROUNDS_MAX], cpu_ns; /* each round; the least processor time of all threads */
} bench_case;

static bench_case cases[CASES_MAX];
static int case_count;
static sa_device *device;

static void check(sa_status status)
{
    if (status == SA_OK) return;
    fprintf(stderr, "bench_rows: %s: %s\n", sa_status_name(status), sa_error_message());
    exit(1);
}

static float *memory(size_t floats, float low, float high)
{
    void *pointer;
    check(device->functions->alloc(device, floats * sizeof(float), &pointer));
    float *values = pointer;
    uint32_t state = 1;
    for (size_t i = 0; i < floats; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = low + (high - low) * (float)(state >> 8) / 16777216.0f;
    }
    return values;
}

static sa_slab slab(void *at, sa_encoding encoding, int channels, int height, int width)
{
    return (sa_slab){.at = {.ptr = at}, .encoding = encoding, .images = 1, .channels = channels, .height = height, .width = width};
}

static int dense(sa_source *source, void *at, int channels, int height, int width)
{
    source->node[source->count] = (sa_node){.kind = SA_NODE_DENSE,
                                            .child = {-1, -1, -1},
                                            .channels = channels,
                                            .height = height,
                                            .width = width,
                                            .slab = slab(at, SA_F32, channels, height, width)};
    return source->count++;
}

/* a stored value of the size that is being added */
static int dense_map(sa_source *source, void *at)
{
    return dense(source, at, C, map.height, map.width);
}

static float *vectors; /* (4, C): gamma, beta and the like */

static int node(sa_source *source, sa_node_kind kind, int a, int b)
{
    const sa_node *child = &source->node[a];
    sa_node *added = &source->node[source->count];
    *added = (sa_node){.kind = kind,
                       .spread = SA_SPREAD_CHANNELS,
                       .child = {(int8_t)a, (int8_t)b, -1},
                       .channels = child->channels,
                       .height = child->height,
                       .width = child->width};
    if (kind == SA_NODE_BN_GRAD) added->number.bn_grad.count = (float)map.height * (float)map.width;
    if (kind == SA_NODE_LRN_SCALE) added->number.lrn.alpha = added->number.lrn.k = 1.0f;
    for (int k = 0; k < SA_NODE_VECTORS; k++) added->vector[k].ptr = vectors + k * C;
    return source->count++;
}

/* UNPOOL or POOL_GRAD of a stored pooled value */
static int spread(sa_source *source, sa_node_kind kind, float *pooled, void *mask, sa_encoding encoding, sa_window window)
{
    int added = node(source, kind, dense(source, pooled, C, map.height / 2, map.width / 2), -1);
    source->node[added].height = map.height;
    source->node[added].width = map.width;
    source->node[added].slab = slab(mask, encoding, C, map.height / 2, map.width / 2);
    source->node[added].window = window;
    return added;
}

static bench_case *add_case(const char *name, sa_op_kind kind, double megabytes)
{
    bench_case *added = &cases[case_count++];
    added->name = name;
    added->kind = kind;
    added->bytes = megabytes * 1e6;
    return added;
}

static void add_materialize(const char *name, const sa_source *source, float *out, double megabytes)
{
    const sa_node *root = sa_source_root(source);
    add_case(name, SA_OP_MATERIALIZE, megabytes)->args.materialize =
        (sa_materialize_args){{0, 1, 0, root->channels}, *source, slab(out, SA_F32, root->channels, root->height, root->width)};
}

/* megabytes of a map, a pooled map, and the masks of a pooled map */
#define FULL ((double)C * map.height * map.width * 4e-6)
#define QUARTER (FULL / 4)
#define MASK2 (FULL / 64)
#define MASK4 (FULL / 32)
static float *x, *dy, *out, *pooled, *small;
static void *masks[5]; /* by encoding; 2x2 windows but MASK4's, which are 3x3 */
static const sa_window two = {2, 2, 2, 2, 0, 0}, three = {3, 3, 2, 2, 0, 0};

static void allocate_maps(void)
{
    const size_t floats = (size_t)C * (size_t)map.height * (size_t)map.width, pooled_floats = floats / 4;
    x = memory(floats, -1.0f, 1.0f);
    pooled = memory(pooled_floats, -1.0f, 1.0f);
    masks[SA_F32] = memory(pooled_floats, 0.0f, 1.0f);
    masks[SA_MASK2] = memory(pooled_floats / 16, 0.0f, 1.0f);
    masks[SA_MASK4] = memory(pooled_floats / 8, 0.0f, 1.0f);
}

static void add_pool(const char *name, const sa_source *source, sa_window window, sa_encoding encoding, double mask_megabytes)
{
    const int height = map.height / 2, width = map.width / 2;
    add_case(name, SA_OP_POOL_FORWARD, FULL + QUARTER + mask_megabytes)->args.pool_forward = (sa_pool_forward_args){
        {0, 1, 0, C}, window, *source, slab(pooled, SA_F32, C, height, width), slab(masks[encoding], encoding, C, height, width)};
}

/* relu(affine(xhat(x))) */
static sa_source bn_relu(void)
{
    sa_source chain = {0};
    node(&chain, SA_NODE_RELU, node(&chain, SA_NODE_AFFINE, node(&chain, SA_NODE_XHAT, dense_map(&chain, x), -1), -1), -1);
    return chain;
}

static void add_pools(void)
{
    sa_source plain = {0}, chain = bn_relu();
    dense_map(&plain, x);
    add_pool("pool 2x2, float mask", &plain, two, SA_F32, QUARTER);
    add_pool("pool 2x2 of bn+relu, MASK2", &chain, two, SA_MASK2, MASK2);
    add_pool("pool 3x3 of bn+relu, MASK4", &chain, three, SA_MASK4, MASK4);
}

/* The gradient that reaches BN's output, from the pooled gradient: RELU_GRAD(AFFINE(XHAT(x)), POOL_GRAD). Returns xhat's node. */
static int gradient_chain(sa_source *source, bool with_three)
{
    int xhat = node(source, SA_NODE_XHAT, dense(source, x, C, map.height, map.width), -1);
    int affine = node(source, SA_NODE_AFFINE, xhat, -1);
    sa_encoding encoding = with_three ? SA_MASK4 : SA_MASK2;
    node(source, SA_NODE_RELU_GRAD, affine,
         spread(source, SA_NODE_POOL_GRAD, pooled, masks[encoding], encoding, with_three ? three : two));
    return xhat;
}

/* bn_reduce, and bn_grad in place, of a gradient that comes through a pooling and a ReLU */
static void add_pooled_gradient(const char *reduce_name, const char *grad_name, bool with_three)
{
    sa_source xhat = {0}, chain = {0};
    node(&xhat, SA_NODE_XHAT, dense_map(&xhat, x), -1);
    int xhat_node = gradient_chain(&chain, with_three);
    double read = FULL + QUARTER + (with_three ? MASK4 : MASK2);
    add_case(reduce_name, SA_OP_BN_REDUCE, read)->args.bn_reduce =
        (sa_bn_reduce_args){{0, 1, 0, C}, xhat, chain, SA_SPREAD_CHANNELS, {.ptr = small}, {.ptr = small + C}};
    node(&chain, SA_NODE_BN_GRAD, xhat_node, chain.count - 1);
    add_materialize(grad_name, &chain, x, read + FULL);
}

static void add_statistics(const char *name)
{
    sa_source plain = {0};
    dense_map(&plain, x);
    add_case(name, SA_OP_BN_STATISTICS, FULL)->args.bn_statistics = (sa_bn_statistics_args){
        {0, 1, 0, C}, plain, SA_SPREAD_CHANNELS, 1e-9f, false, {.ptr = small}, {.ptr = small + C}, {.ptr = NULL}};
}

static void add_batch_norm(void)
{
    sa_source xhat = {0}, gradient = {0}, bn_grad = {0};
    add_statistics("bn_statistics");
    node(&xhat, SA_NODE_XHAT, dense_map(&xhat, x), -1);
    dense_map(&gradient, dy);
    add_case("bn_reduce, dense dy", SA_OP_BN_REDUCE, 2 * FULL)->args.bn_reduce =
        (sa_bn_reduce_args){{0, 1, 0, C}, xhat, gradient, SA_SPREAD_CHANNELS, {.ptr = small}, {.ptr = small + C}};
    add_pooled_gradient("bn_reduce, dy by pool 2x2 and relu", "bn_grad in place, dy by pool 2x2 and relu", false);
    add_pooled_gradient("bn_reduce, dy by pool 3x3 and relu", "bn_grad in place, dy by pool 3x3 and relu", true);
    int a = node(&bn_grad, SA_NODE_XHAT, dense_map(&bn_grad, x), -1);
    node(&bn_grad, SA_NODE_BN_GRAD, a, dense_map(&bn_grad, dy));
    add_materialize("bn_grad, dense dy", &bn_grad, out, 3 * FULL);
}

static void add_wide(void)
{
    map = wide;
    allocate_maps();
    sa_source chain = bn_relu();
    add_statistics("wide bn_statistics");
    add_pool("wide pool 3x3 of bn+relu, MASK4", &chain, three, SA_MASK4, MASK4);
    add_pooled_gradient("wide bn_reduce, dy by pool 3x3 and relu", "wide bn_grad in place, dy by pool 3x3 and relu", true);
}

static void add_materializations(void)
{
    sa_source plain = {0}, relu = {0}, sum = {0}, relu_grad = {0};
    dense(&plain, x, C, H, W);
    add_materialize("materialize dense (a copy)", &plain, out, 2 * FULL);
    node(&relu, SA_NODE_RELU, node(&relu, SA_NODE_AFFINE, node(&relu, SA_NODE_XHAT, dense(&relu, x, C, H, W), -1), -1), -1);
    add_materialize("bn+relu", &relu, out, 2 * FULL);
    add_materialize("bn+relu in place", &relu, x, 2 * FULL);
    node(&sum, SA_NODE_ADD, dense(&sum, x, C, H, W), dense(&sum, dy, C, H, W));
    add_materialize("add", &sum, out, 3 * FULL);
    node(&relu_grad, SA_NODE_RELU_GRAD, dense(&relu_grad, x, C, H, W), dense(&relu_grad, dy, C, H, W));
    add_materialize("relu_grad", &relu_grad, out, 3 * FULL);
    sa_source unpool[3] = {{0}, {0}, {0}};
    spread(&unpool[0], SA_NODE_UNPOOL, pooled, masks[SA_MASK2], SA_MASK2, two);
    spread(&unpool[1], SA_NODE_UNPOOL, pooled, masks[SA_F32], SA_F32, two);
    spread(&unpool[2], SA_NODE_POOL_GRAD, pooled, masks[SA_MASK4], SA_MASK4, three);
    add_materialize("unpool, MASK2", &unpool[0], out, FULL + QUARTER + MASK2);
    add_materialize("unpool, float mask", &unpool[1], out, FULL + 2 * QUARTER);
    add_materialize("pool_grad 3x3, MASK4", &unpool[2], out, FULL + QUARTER + MASK4);
    sa_source mix = {0};
    int mixed = node(&mix, SA_NODE_CHANNEL_MIX, dense(&mix, dy, CLASSES, H, W), -1);
    mix.node[mixed].channels = C;
    mix.node[mixed].channels_read = CLASSES;
    add_materialize("channel_mix of 3", &mix, out, FULL + FULL * CLASSES / C);
    sa_source lrn = {0};
    int image = dense(&lrn, x, 4, H, W), scale = node(&lrn, SA_NODE_LRN_SCALE, image, -1);
    lrn.node[scale].channels_read = 5;
    lrn.node[node(&lrn, SA_NODE_LRN, image, scale)].number.lrn.beta = 0.75f;
    add_materialize("lrn of 4 channels", &lrn, out, 2 * FULL * 4 / C);
}

static void add_unpools(void)
{
    sa_source values = {0};
    dense(&values, pooled, C, H / 2, W / 2);
    add_case("unpool_scatter", SA_OP_UNPOOL_SCATTER, FULL + 2 * QUARTER)->args.unpool_scatter =
        (sa_unpool_scatter_args){{0, 1, 0, C}, values, slab(masks[SA_F32], SA_F32, C, H / 2, W / 2), slab(out, SA_F32, C, H, W)};
    /* a gather touches every cache line of dy */
    add_case("unpool_gather, MASK2", SA_OP_UNPOOL_GATHER, FULL + QUARTER + MASK2)->args.unpool_gather =
        (sa_unpool_gather_args){{0, 1, 0, C},
                                slab(dy, SA_F32, C, H, W),
                                slab(masks[SA_MASK2], SA_MASK2, C, H / 2, W / 2),
                                two,
                                slab(out, SA_F32, C, H / 2, W / 2)};
    add_case("unpool_gather, float mask", SA_OP_UNPOOL_GATHER, FULL + 2 * QUARTER)->args.unpool_gather =
        (sa_unpool_gather_args){{0, 1, 0, C},
                                slab(dy, SA_F32, C, H, W),
                                slab(masks[SA_F32], SA_F32, C, H / 2, W / 2),
                                two,
                                slab(out, SA_F32, C, H / 2, W / 2)};
}

static void add_classification(void)
{
    sa_source scores = {0}, label = {0};
    dense(&scores, dy, CLASSES, H, W);
    float *labels = memory((size_t)H * W, 0.0f, 2.99f);
    for (int i = 0; i < H * W; i++) labels[i] = (float)(int)labels[i];
    dense(&label, labels, 1, H, W);
    sa_loss_config config = {.weighted = true,
                             .has_ignore = true,
                             .ignore_label = 3,
                             .classes = CLASSES,
                             .loss_weight = 1.0f,
                             .class_weight = {1.0f, 2.0f, 3.0f}};
    const double read = FULL * (CLASSES + 1) / C, classes = FULL * CLASSES / C;
    size_t bytes = device->kernels->loss_workspace_bytes(device, 1, CLASSES, H, W);
    sa_ref workspace = {.ptr = memory(65536, 0.0f, 1.0f)};
    add_case("softmax of 3", SA_OP_SOFTMAX, 2 * classes)->args.softmax =
        (sa_softmax_args){{0, 1, 0, CLASSES}, scores, slab(out, SA_F32, CLASSES, H, W)};
    add_case("softmax_loss of 3", SA_OP_LOSS, read)->args.loss =
        (sa_loss_args){config, false, scores, label, SA_REF_NONE, {.ptr = small}, {.ptr = small + 1}, workspace, bytes};
    add_case("softmax_loss_grad of 3", SA_OP_LOSS_GRAD, read + classes)->args.loss_grad =
        (sa_loss_grad_args){config, false, scores, label, SA_REF_NONE, {.ptr = small + 1}, slab(out, SA_F32, CLASSES, H, W)};
    bytes = device->kernels->accuracy_workspace_bytes(device, 1, CLASSES, H, W);
    add_case("accuracy of 3", SA_OP_ACCURACY, read)->args.accuracy =
        (sa_accuracy_args){scores, label, true, false, 3, 1, 1.0f, {.ptr = small + 2}, {.ptr = small + 3}, workspace, bytes};
}

static void add_update(void)
{
    static sa_step_state step = {.rate = 1e-6f};
    const size_t count = 1419203;
    add_case("update of 1.4 million", SA_OP_UPDATE, (double)count * 24e-6)->args.update =
        (sa_update_args){{.momentum = 0.9f},
                         {.ptr = memory(count, -1.0f, 1.0f)},
                         {.ptr = memory(count, -1.0f, 1.0f)},
                         {.ptr = memory(count, -1.0f, 1.0f)},
                         SA_REF_NONE,
                         {.ptr = &step},
                         SA_REF_NONE,
                         count,
                         1.0f,
                         0.0005f};
    add_case("fill", SA_OP_FILL, FULL)->args.fill = (sa_fill_args){{.ptr = out}, plane_floats, 0.0f};
}

static void copy_all(void)
{
#pragma omp parallel num_threads(device->threads)
    {
        size_t share = plane_floats / (size_t)omp_get_num_threads(), begin = share * (size_t)omp_get_thread_num();
        memcpy(out + begin, dy + begin, share * sizeof *out);
    }
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_rounds(int rounds)
{
    for (int round = -1; round < rounds; round++) { /* the first warms up */
        for (int i = 0; i < case_count; i++) {
            uint64_t before, after;
            double cpu = cpu_ns();
            check(device->functions->time_ns(device, &before));
            if (cases[i].copy) copy_all();
            else check(sa_op_run(device, cases[i].kind, &cases[i].args));
            check(device->functions->time_ns(device, &after));
            cpu = cpu_ns() - cpu;
            if (round <= 0 || cpu < cases[i].cpu_ns) cases[i].cpu_ns = cpu;
            if (round >= 0) cases[i].ns[round] = (double)(after - before);
        }
    }
}

int main(int argc, char **argv)
{
    sa_process_begin();
    int rounds = argc > 1 ? atoi(argv[1]) : 15, threads = argc > 2 ? atoi(argv[2]) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX || threads < 0) {
        fprintf(stderr, "usage: bench_rows [ROUNDS 1..%d] [THREADS]\n", ROUNDS_MAX);
        return 2;
    }
    check(sa_device_open_cpu(threads, &device));
    allocate_maps();
    dy = memory(plane_floats, -1.0f, 1.0f);
    out = memory(plane_floats, 0.0f, 1.0f);
    small = memory(16 * C, 0.5f, 1.5f);
    vectors = memory(4 * C, 0.5f, 1.5f);
    add_case("copy", SA_OP_KINDS, 2 * FULL)->copy = true;
    add_pools(); /* also makes the masks */
    add_materializations();
    add_batch_norm();
    add_unpools();
    add_classification();
    add_update();
    add_wide();
    run_rounds(rounds);
    printf("%s; %d rounds\n%-48s %9s %9s %9s %9s %9s\n", device->description, rounds, "op", "ms", "best ms", "cpu ms", "GB/s",
           "of copy");
    for (int i = 0; i < case_count; i++) qsort(cases[i].ns, (size_t)rounds, sizeof(double), compare);
    double copy_rate = cases[0].bytes / cases[0].ns[0];
    for (int i = 0; i < case_count; i++) {
        double best = cases[i].ns[0], rate = cases[i].bytes / best;
        printf("%-48s %9.3f %9.3f %9.3f %9.2f %8.0f%%\n", cases[i].name, cases[i].ns[rounds / 2] * 1e-6, best * 1e-6,
               cases[i].cpu_ns / device->threads * 1e-6, rate, 100.0 * rate / copy_rate);
    }
    sa_device_close(device);
    return 0;
}
