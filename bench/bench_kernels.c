/* bench_kernels: the kernels one by one at the layer shapes of the two networks.
 *
 *   build/bench_kernels [--threads N] [--repeat N] [--limit BYTES] [--only TEXT] [--algorithm im2col|direct|fft|winograd]
 *                       [--pass forward|data|weight|both] [--virtual 1] [--isa 0|1|2: portable, AVX2, AVX-512]
 *                       [--images N] [--shape Cin,H,W,Cout,K,stride,pad[,groups[,dilation]]: that convolution instead]
 *
 * Convolutions: milliseconds of wall and CPU time (medians), GFLOP/s as if computed directly, and that rate over the rate of
 * fused multiply-adds measured in the same run, which FFT tiles can exceed 100 % of. The jobs take turns, so that noise of the
 * machine falls on all alike. With --virtual 1, x is a normalised and unpooled value, dy the gradient of a BN, and dx goes
 * through the mask, as in a decoder that stores none of them. */
#include "cli/process_frame.h"
#include "kernels/cpu/conv/conv_cpu.h"
#include "kernels/cpu/cpu_isa.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { REPEATS_MAX = 64, JOBS_MAX = 256 };

typedef struct options {
    int threads, repeats, images;
    size_t limit_bytes;
    const char *only, *algorithm, *pass;
    bool is_virtual;
} options;

typedef struct layer {
    const char *name;
    sa_conv_shape shape;
} layer;

static layer layers[] = {
    {"64-64 7x7 384x512", {64, 384, 512, 64, 384, 512, 7, 7, 1, 1, 3, 3, 1, 1, 1}},
    {"64-64 7x7 192x256", {64, 192, 256, 64, 192, 256, 7, 7, 1, 1, 3, 3, 1, 1, 1}},
    {"64-64 7x7 96x128", {64, 96, 128, 64, 96, 128, 7, 7, 1, 1, 3, 3, 1, 1, 1}},
    {"64-64 7x7 48x64", {64, 48, 64, 64, 48, 64, 7, 7, 1, 1, 3, 3, 1, 1, 1}},
    {"4-64 7x7 384x512", {4, 384, 512, 64, 384, 512, 7, 7, 1, 1, 3, 3, 1, 1, 1}},
    {"4-64 7x7 769x1025", {4, 769, 1025, 64, 769, 1025, 7, 7, 1, 1, 3, 3, 1, 1, 1}},
    {"64-3 1x1 384x512", {64, 384, 512, 3, 384, 512, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
};
static size_t layer_count = sizeof layers / sizeof *layers;
static const char *const algorithm_names[] = {"im2col", "direct", "fft", "cudnn", "winograd"};
static const char *const pass_names[] = {"forward", "backward data", "backward weight", "backward both"};

typedef struct job {
    const layer *layer;
    sa_conv_algorithm algorithm;
    sa_conv_pass pass;
    size_t workspace_bytes;
    double wall[REPEATS_MAX], cpu[REPEATS_MAX];
} job;

/* Every value, and a workspace, large enough for all jobs. */
typedef struct buffers {
    float *x, *y, *dx, *weight, *dweight, *bias, *dbias;
    uint32_t *mask; /* any bits are a valid MASK2 */
    void *workspace;
    size_t workspace_bytes;
    int images;
    bool is_virtual;
} buffers;

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* GFLOP/s of independent multiply-adds on vectors in registers, on one thread. */
typedef float lanes __attribute__((vector_size(64)));

static double fma_peak(void)
{
    enum { CHAINS = 16, STEPS = 2000000 };
    lanes sum[CHAINS] = {{0}};
    volatile float one = 1;
    lanes factor = one - (lanes){0};
    double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < STEPS; i++)
#pragma GCC unroll 16
        for (int k = 0; k < CHAINS; k++) {
            sum[k] = sum[k] * factor + factor;
            __asm__ volatile("" : "+v"(sum[k]));
        }
    double time = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    return 2.0 * 16 * CHAINS * STEPS / time * 1e-9;
}

static float *make_values(size_t count, float scale)
{
    const size_t page = 2 << 20, bytes = (count * sizeof(float) + page - 1) / page * page;
    float *value = aligned_alloc(page, bytes);
    if (!value) exit(1);
    madvise(value, bytes, MADV_HUGEPAGE); /* as in the arena */
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        value[i] = ((float)(state >> 8) * (1.0f / 16777216.0f) - 0.5f) * scale;
    }
    return value;
}

static sa_source dense_source(const buffers *b, float *data, int channels, int height, int width)
{
    sa_source source = {.count = 1};
    sa_node *node = &source.node[0];
    *node = (sa_node){.kind = SA_NODE_DENSE, .child = {-1, -1, -1}, .channels = channels, .height = height, .width = width};
    node->slab = (sa_slab){.at.ptr = data, .images = b->images, .channels = channels, .height = height, .width = width};
    return source;
}

static sa_node *add_node(sa_source *s, sa_node_kind kind, int child, int other)
{
    sa_node *node = &s->node[s->count++];
    *node = (sa_node){.kind = kind, .child = {(int8_t)child, (int8_t)other, -1}, .spread = SA_SPREAD_CHANNELS};
    node->channels = s->node[0].channels;
    node->height = s->node[0].height;
    node->width = s->node[0].width;
    return node;
}

static const sa_window halving = {2, 2, 2, 2, 0, 0};

static sa_slab pooled_mask(const buffers *b, const sa_conv_shape *s)
{
    return (sa_slab){.at.ptr = b->mask,
                     .encoding = SA_MASK2,
                     .images = b->images,
                     .channels = s->in_channels,
                     .height = (s->in_height + 1) / 2,
                     .width = (s->in_width + 1) / 2};
}

/* unpool(gamma * xhat + beta) of a value of half the size */
static sa_source x_source(const buffers *b, const sa_conv_shape *s)
{
    if (!b->is_virtual) return dense_source(b, b->x, s->in_channels, s->in_height, s->in_width);
    sa_slab mask = pooled_mask(b, s);
    sa_source source = dense_source(b, b->x, s->in_channels, mask.height, mask.width);
    for (int k = 0; k < 2; k++) {
        sa_node *node = add_node(&source, k ? SA_NODE_AFFINE : SA_NODE_XHAT, k, -1);
        node->vector[0].ptr = node->vector[1].ptr = b->bias;
    }
    sa_node *unpool = add_node(&source, SA_NODE_UNPOOL, 2, -1);
    unpool->height = s->in_height;
    unpool->width = s->in_width;
    unpool->slab = mask;
    unpool->window = halving;
    return source;
}

/* BN's gradient from xhat and the gradient of its output */
static sa_source dy_source(const buffers *b, const sa_conv_shape *s)
{
    sa_source source = dense_source(b, b->y, s->out_channels, s->out_height, s->out_width);
    if (!b->is_virtual) return source;
    sa_node *xhat = add_node(&source, SA_NODE_XHAT, 0, -1);
    xhat->vector[0].ptr = xhat->vector[1].ptr = b->bias;
    sa_node *dense = add_node(&source, SA_NODE_DENSE, -1, -1);
    dense->slab = source.node[0].slab;
    sa_node *gradient = add_node(&source, SA_NODE_BN_GRAD, 1, 2);
    for (int k = 0; k < SA_NODE_VECTORS; k++) gradient->vector[k].ptr = b->bias;
    gradient->number.bn_grad.count = 1e6f;
    return source;
}

static sa_status run_forward(sa_device *device, const job *j, const buffers *b)
{
    const sa_conv_shape *s = &j->layer->shape;
    sa_conv_forward_args a = {.shape = *s, .algorithm = j->algorithm, .range = {0, b->images, 0, s->out_channels}};
    a.x = x_source(b, s);
    a.y = dense_source(b, b->y, s->out_channels, s->out_height, s->out_width).node[0].slab;
    a.weight.ptr = b->weight;
    a.bias.ptr = b->bias;
    a.workspace.ptr = b->workspace;
    a.workspace_bytes = j->workspace_bytes;
    return sa_cpu_conv_forward(device, &a);
}

static sa_status run_backward(sa_device *device, const job *j, const buffers *b)
{
    const sa_conv_shape *s = &j->layer->shape;
    sa_conv_backward_args a = {.shape = *s, .algorithm = j->algorithm, .range = {0, b->images, 0, s->out_channels}};
    a.dy = dy_source(b, s);
    a.weight.ptr = b->weight;
    if (j->pass != SA_CONV_PASS_BACKWARD_WEIGHT) {
        a.gather = b->is_virtual;
        a.mask = pooled_mask(b, s);
        a.window = halving;
        a.dx = dense_source(b, b->dx, s->in_channels, s->in_height, s->in_width).node[0].slab;
        if (a.gather) a.dx.height = a.mask.height, a.dx.width = a.mask.width;
    }
    if (j->pass != SA_CONV_PASS_BACKWARD_DATA) {
        a.x = x_source(b, s);
        a.dweight.ptr = b->dweight;
        a.dbias.ptr = b->dbias;
    }
    a.workspace.ptr = b->workspace;
    a.workspace_bytes = j->workspace_bytes;
    return sa_cpu_conv_backward(device, &a);
}

static sa_status run_job(sa_device *device, job *j, const buffers *b, int repeat)
{
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    SA_TRY(j->pass == SA_CONV_PASS_FORWARD ? run_forward(device, j, b) : run_backward(device, j, b));
    j->wall[repeat] = seconds(CLOCK_MONOTONIC) - wall;
    j->cpu[repeat] = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    return SA_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *value, int count)
{
    qsort(value, (size_t)count, sizeof *value, compare);
    return value[count / 2];
}

static void print_job(job *j, int images, int repeats, double peak)
{
    const sa_conv_shape *s = &j->layer->shape;
    double flops = 2.0 * images * s->in_channels * s->out_channels * s->kernel_h * s->kernel_w * s->out_height * s->out_width;
    flops /= s->groups;
    if (j->pass == SA_CONV_PASS_BACKWARD_BOTH) flops *= 2;
    double wall = median(j->wall, repeats), cpu = median(j->cpu, repeats);
    printf("%-18s %-6s %-15s %8.2f ms %8.2f CPU ms (least %8.2f) %7.0f GFLOP/s %5.0f %% of FMA peak %7.1f MiB workspace\n",
           j->layer->name, algorithm_names[j->algorithm], pass_names[j->pass], wall * 1e3, cpu * 1e3, j->cpu[0] * 1e3,
           flops / wall * 1e-9, 100 * flops / cpu * 1e-9 / peak, (double)j->workspace_bytes / (1 << 20));
}

static int collect_jobs(const sa_device *device, const options *o, job *jobs, buffers *b)
{
    int count = 0;
    for (size_t l = 0; l < layer_count; l++)
        for (int algorithm = 0; algorithm < SA_CONV_ALGORITHMS; algorithm++)
            for (int pass = 0; pass <= SA_CONV_PASS_BACKWARD_BOTH; pass++) {
                job j = {.layer = &layers[l], .algorithm = (sa_conv_algorithm)algorithm, .pass = (sa_conv_pass)pass};
                sa_conv_request request = {.shape = layers[l].shape, .algorithm = j.algorithm, .pass = j.pass};
                request.out_channels_at_once = layers[l].shape.out_channels;
                request.images = o->images;
                request.limit_bytes = o->limit_bytes;
                request.virtual_x = o->is_virtual && j.pass != SA_CONV_PASS_BACKWARD_DATA;
                request.virtual_dy = o->is_virtual && j.pass != SA_CONV_PASS_FORWARD;
                request.gather_dx = o->is_virtual && (j.pass == SA_CONV_PASS_BACKWARD_DATA || j.pass == SA_CONV_PASS_BACKWARD_BOTH);
                if (o->algorithm && strcmp(o->algorithm, algorithm_names[algorithm]) != 0) continue;
                if (o->pass && !strstr(pass_names[pass], o->pass)) continue;
                if (o->only && !strstr(layers[l].name, o->only)) continue;
                if (sa_cpu_conv_workspace_bytes(device, &request, &j.workspace_bytes) != SA_OK) continue;
                if (j.workspace_bytes > b->workspace_bytes) b->workspace_bytes = j.workspace_bytes;
                jobs[count++] = j;
            }
    return count;
}

static int run(const options *o)
{
    static job jobs[JOBS_MAX];
    sa_device device = {.threads = o->threads};
    buffers b = {.images = o->images, .is_virtual = o->is_virtual};
    int count = collect_jobs(&device, o, jobs, &b);
    size_t plane = 0, weights = 0;
    for (size_t l = 0; l < layer_count; l++) {
        const sa_conv_shape *c = &layers[l].shape;
        const size_t in = (size_t)c->in_channels * (size_t)c->in_height * (size_t)c->in_width;
        const size_t out = (size_t)c->out_channels * (size_t)c->out_height * (size_t)c->out_width;
        const size_t filters = (size_t)c->in_channels * (size_t)c->out_channels * (size_t)c->kernel_h * (size_t)c->kernel_w;
        if (plane < (in > out ? in : out) * (size_t)o->images) plane = (in > out ? in : out) * (size_t)o->images;
        if (weights < filters) weights = filters;
    }
    b.x = make_values(plane, 1);
    b.y = make_values(plane, 1);
    b.dx = make_values(plane, 1);
    b.weight = make_values(weights, 0.1f);
    b.dweight = make_values(weights, 0);
    b.bias = make_values(1 << 16, 1);
    b.dbias = make_values(1 << 16, 1);
    b.mask = (uint32_t *)(void *)make_values(plane / 16, 1);
    b.workspace = make_values(b.workspace_bytes / sizeof(float), 0);
    double peak = fma_peak();
    for (int repeat = 0; repeat < o->repeats; repeat++) {
        double again = fma_peak();
        if (again > peak) peak = again;
        for (int i = 0; i < count; i++)
            if (run_job(&device, &jobs[i], &b, repeat) != SA_OK) {
                fprintf(stderr, "bench_kernels: %s\n", sa_error_message());
                return 1;
            }
    }
    printf("%d threads, %d repeats, FMA peak %.0f GFLOP/s a thread\n", o->threads, o->repeats, peak);
    for (int i = 0; i < count; i++) print_job(&jobs[i], o->images, o->repeats, peak);
    void *owned[] = {b.x, b.y, b.dx, b.weight, b.dweight, b.bias, b.dbias, b.mask, b.workspace};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    return 0;
}

/* The one convolution of --shape. */
static bool set_shape(const char *text)
{
    static char name[64];
    sa_conv_shape s = {.groups = 1, .dilation_h = 1};
    int count = sscanf(text, "%d,%d,%d,%d,%d,%d,%d,%d,%d", &s.in_channels, &s.in_height, &s.in_width, &s.out_channels, &s.kernel_h,
                       &s.stride_h, &s.pad_h, &s.groups, &s.dilation_h);
    if (count < 7 || s.stride_h < 1) return false;
    s.kernel_w = s.kernel_h, s.stride_w = s.stride_h, s.pad_w = s.pad_h, s.dilation_w = s.dilation_h;
    s.out_height = (s.in_height + 2 * s.pad_h - s.dilation_h * (s.kernel_h - 1) - 1) / s.stride_h + 1;
    s.out_width = (s.in_width + 2 * s.pad_w - s.dilation_w * (s.kernel_w - 1) - 1) / s.stride_w + 1;
    snprintf(name, sizeof name, "%s", text);
    layers[0] = (layer){name, s};
    layer_count = 1;
    return true;
}

int main(int argc, char **argv)
{
    sa_process_begin();
    options o = {.threads = 2, .repeats = 5, .images = 1, .limit_bytes = SIZE_MAX};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--images")) o.images = atoi(value);
        else if (!strcmp(argv[i], "--shape") && set_shape(value)) continue;
        else if (!strcmp(argv[i], "--threads")) o.threads = atoi(value);
        else if (!strcmp(argv[i], "--repeat")) o.repeats = atoi(value);
        else if (!strcmp(argv[i], "--limit")) o.limit_bytes = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--only")) o.only = value;
        else if (!strcmp(argv[i], "--algorithm")) o.algorithm = value;
        else if (!strcmp(argv[i], "--pass")) o.pass = value;
        else if (!strcmp(argv[i], "--virtual")) o.is_virtual = atoi(value) != 0;
        else if (!strcmp(argv[i], "--isa")) sa_cpu_isa_limit((sa_cpu_isa)atoi(value));
        else argc = 0;
    }
    if (argc == 0 || o.threads < 1 || o.repeats < 1 || o.repeats > REPEATS_MAX) {
        fprintf(
            stderr,
            "usage: bench_kernels [--threads N] [--repeat N, at most %d] [--limit BYTES] [--only TEXT] "
            "[--algorithm im2col|direct|fft|winograd] [--pass forward|data|weight|both] [--virtual 1] [--isa 0|1|2] [--images N] "
            "[--shape Cin,H,W,Cout,K,stride,pad[,groups[,dilation]]]\n",
            REPEATS_MAX);
        return 2;
    }
    return run(&o);
}
