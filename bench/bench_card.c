/* What a training step on a CUDA card must move and compute, and the time that our kernels take by counting: without a card.
 *
 *     build/bench_card [--card GB/s:TFLOP/s] [--kernels FILE] NET.prototxt [STRATEGY]...    default: an H100 SXM, 3350:67; fastest
 *
 * Floor: every buffer that an op reads or writes, workspaces excepted, once through memory; or the arithmetic of its convolution's
 * algorithm at full rate, transforms of tiles included (5/2 n log2 n flop for n pixels), whichever takes longer. Counted: what its
 * kernels read and write, spectra of FFT tiles included, and the instructions that transforms issue, at the shares of the card's
 * rates that are named below, and a fixed time a launch. Ops other than convolutions are taken to be bound by memory. No card has
 * confirmed these figures. Columns: milliseconds, launches, and of the kernel that takes longest its name; with FILE, which
 * `tools/cuda_resources.sh facts` writes, its registers, bytes of shared memory, and warps that an H100's multiprocessor holds. */
#include "bench/card_kernels.h"
#include "cli/process_frame.h"
#include "kernels/cuda_plan/fft_tiles.h"
#include "net/net.h"
#include "net/session.h"
#include "net/strategy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A card, in bytes, flop and warp instructions a millisecond. */
typedef struct card_rates {
    double bytes, flop, issue;
} card_rates;

static const double MEMORY_SHARE = 0.85;  /* of the bandwidth, plain kernels */
static const double CACHE_FACTOR = 1.6;   /* second level cache over memory: spectra of a chunk, filters */
static const double PRODUCT_SHARE = 0.65; /* of the peak, products of spectra: 24 loads of shared memory for 512 multiply-adds */
static const double TAPS_SHARE = 0.5;     /* of the peak, convolutions that multiply taps */
static const double LAUNCH_MS = 0.0025;   /* a launch within a graph, its ramp and tail included */
static const double ISSUE_SHARE = 0.6;    /* of the schedulers' slots */
/* Warp instructions to transform a tile of 16x16 or 32x32, loads and stores included: counted in the PTX of sa_fft_out*. */
static const double TILE_ISSUES[] = {265, 1050};

typedef struct figures {
    double floor_ms, counted_ms;
    int launches;
    card_kernel kernel; /* the one that takes longest, */
    double kernel_ms;   /* in all its launches */
} figures;

/* Time of a kernel of this op, launches included. */
static void add_kernel(figures *f, card_kernel kernel, double ms, int launches)
{
    f->counted_ms += ms + launches * LAUNCH_MS;
    f->launches += launches;
    if (card_kernel_is(&kernel, &f->kernel)) f->kernel_ms += ms;
    else if (ms > f->kernel_ms) f->kernel = kernel, f->kernel_ms = ms;
}

/* ------------------------------------------------------------------ floors ------------------------------------------ */

typedef struct touched {
    const sa_program *program;
    sa_ref seen[64];
    sa_access_mode mode[64];
    int count;
    double bytes;
} touched;

static void touch(void *context, sa_ref *ref, sa_access_mode mode)
{
    touched *t = context;
    if (ref->buffer == SA_NO_BUFFER || t->program->buffer[ref->buffer].kind == SA_BUFFER_WORKSPACE) return;
    for (int i = 0; i < t->count; i++)
        if (t->seen[i].buffer == ref->buffer && t->seen[i].offset_bytes == ref->offset_bytes && t->mode[i] == mode) return;
    if (t->count < 64) t->seen[t->count] = *ref, t->mode[t->count++] = mode;
    const size_t bytes = ref->size_bytes ? ref->size_bytes : t->program->buffer[ref->buffer].size_bytes;
    t->bytes += (double)bytes * (mode == SA_ACCESS_READ_WRITE ? 2 : 1);
}

static double op_bytes(const sa_program *program, const sa_op *op)
{
    touched t = {.program = program};
    sa_op_args args = op->args;
    sa_op_visit_refs(op->kind, &args, touch, &t);
    return t.bytes;
}

/* ------------------------------------------------------------------ convolutions ------------------------------------ */

/* One op of a convolution. */
typedef struct conv_op {
    const sa_conv_shape *shape;
    sa_conv_request request;
    int images;
    bool data, weight;                /* backward */
    const char *in_form, *other_form; /* programs of what the filters are applied to (x, or dy), and of x in a weight gradient */
} conv_op;

static bool conv_of(const sa_op *op, conv_op *c)
{
    memset(c, 0, sizeof *c);
    if (op->kind == SA_OP_CONV_FORWARD) {
        const sa_conv_forward_args *a = &op->args.conv_forward;
        c->request = (sa_conv_request){.shape = a->shape, .algorithm = a->algorithm, .limit_bytes = a->workspace_bytes};
        c->request.out_channels_at_once = a->range.channel_end - a->range.channel_begin;
        c->images = c->request.images = a->range.image_end - a->range.image_begin;
        c->shape = &a->shape;
        c->in_form = card_form(&a->x), c->other_form = "-";
        return true;
    }
    if (op->kind != SA_OP_CONV_BACKWARD) return false;
    const sa_conv_backward_args *a = &op->args.conv_backward;
    c->data = a->dx.at.buffer != SA_NO_BUFFER, c->weight = a->dweight.buffer != SA_NO_BUFFER;
    c->request = (sa_conv_request){.shape = a->shape, .algorithm = a->algorithm, .limit_bytes = a->workspace_bytes};
    c->request.pass = c->data && c->weight ? SA_CONV_PASS_BACKWARD_BOTH
                      : c->data            ? SA_CONV_PASS_BACKWARD_DATA
                                           : SA_CONV_PASS_BACKWARD_WEIGHT;
    c->request.out_channels_at_once = a->range.channel_end - a->range.channel_begin;
    c->images = c->request.images = a->range.image_end - a->range.image_begin;
    c->request.gather_dx = c->data && a->gather;
    c->request.bias_gradient = a->dbias.buffer != SA_NO_BUFFER;
    c->shape = &a->shape;
    c->in_form = card_form(&a->dy), c->other_form = c->weight ? card_form(&a->x) : "-";
    return true;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* A launch that moves so much through memory and the second level cache. */
static void launch(figures *f, const card_rates *card, card_kernel kernel, double memory_bytes, double cache_bytes, double issues,
                   double flop)
{
    const double bytes_ms = memory_bytes / (card->bytes * MEMORY_SHARE) + cache_bytes / (card->bytes * CACHE_FACTOR);
    add_kernel(f, kernel, most(bytes_ms, issues / (card->issue * ISSUE_SHARE) + flop / (card->flop * PRODUCT_SHARE)), 1);
}

/* A chunk's weight gradient: a product for each image in it, and the taps of those that end. */
static void fft_weights(const sa_cuda_fft_plan *p, const card_rates *card, int begin, int end, double other, figures *f,
                        double *flop)
{
    const double tile = (double)p->frequencies * 8, filters = p->in_channels * other;
    for (int t = begin; t < end;) {
        const int image_end = (t / p->image_tiles + 1) * p->image_tiles, stop = image_end < end ? image_end : end;
        const double tiles = stop - t, product = 8.0 * p->frequencies * tiles * filters;
        launch(f, card, card_fft_product(true, p->in_pitch, p->pitch), 0, (tiles * (p->in_channels + other) + 2 * filters) * tile,
               0, product);
        *flop += product;
        t = stop;
        if (t < image_end) continue;
        launch(f, card, card_fft("taps", p->size, ""), 0, filters * tile, filters * TILE_ISSUES[p->size == 32], 0);
        *flop += (filters)*sa_cuda_fft_transform_flop(p->size);
    }
}

/* One pass of FFT tiles; *flop: its products and transforms, for the floor. */
static void fft_pass(const sa_cuda_fft_plan *p, const conv_op *c, const card_rates *card, bool data, bool weight, figures *f,
                     double *flop)
{
    const double tile = (double)p->frequencies * 8, pixels = (double)p->size * p->size * 4, issues = TILE_ISSUES[p->size == 32];
    const double step = (double)p->step_y * p->step_x * 4, in = p->in_channels;
    const card_kernel in_kernel = card_fft("in", p->size, c->in_form), other_kernel = card_fft("in", p->size, c->other_form);
    const card_kernel out_kernel = card_fft("out", p->size, c->request.gather_dx ? "fft_gather_sink" : "fft_plain_sink");
    for (int begin = 0; begin < p->others; begin += p->group) {
        const double other = p->others - begin < p->group ? p->others - begin : p->group, filters = in * other;
        if (data) launch(f, card, card_fft("filter", p->size, "-"), 0, filters * tile, filters * issues, 0);
        if (data) *flop += (filters)*sa_cuda_fft_transform_flop(p->size);
        for (int t = 0; t < p->tiles; t += p->chunk) {
            const int end = p->tiles - t < p->chunk ? p->tiles : t + p->chunk;
            const double tiles = end - t, product = 8.0 * p->frequencies * tiles * filters;
            launch(f, card, in_kernel, tiles * in * step, tiles * in * (tile + pixels - step), tiles * in * issues, 0);
            if (weight) launch(f, card, other_kernel, tiles * other * step, tiles * other * tile, tiles * other * issues, 0);
            if (weight) fft_weights(p, card, t, end, other, f, flop);
            if (data) {
                launch(f, card, card_fft_product(false, (int)tiles, p->pitch), 0, (tiles * (in + other) + filters) * tile, 0,
                       product);
                launch(f, card, out_kernel, tiles * other * step, tiles * other * tile, tiles * other * issues, 0);
                *flop += product;
            }
            *flop += (tiles * (in + other * (data + weight))) * sa_cuda_fft_transform_flop(p->size);
        }
    }
}

static sa_status fft_op(const conv_op *c, const card_rates *card, figures *f, double *flop)
{
    sa_cuda_fft_plan plan;
    const bool forward = c->request.pass == SA_CONV_PASS_FORWARD;
    if (!sa_cuda_fft_is_two_passes(&c->request)) {
        SA_TRY(sa_cuda_fft_plan_make(&c->request, &plan));
        fft_pass(&plan, c, card, forward || c->data, c->weight, f, flop);
        return SA_OK;
    }
    sa_conv_request own = c->request;
    own.pass = SA_CONV_PASS_BACKWARD_WEIGHT;
    SA_TRY(sa_cuda_fft_plan_make(&own, &plan));
    fft_pass(&plan, c, card, false, true, f, flop);
    own.pass = SA_CONV_PASS_BACKWARD_DATA;
    SA_TRY(sa_cuda_fft_plan_make(&own, &plan));
    fft_pass(&plan, c, card, true, false, f, flop);
    return SA_OK;
}

/* Multiplies every tap: its inputs once per product, flop at a share of the peak. A product of partial sums is two launches. */
static void taps_op(const conv_op *c, const card_rates *card, double bytes, figures *f, double *flop)
{
    const sa_conv_shape *s = c->shape;
    const bool forward = c->request.pass == SA_CONV_PASS_FORWARD;
    const int lattices = s->stride_h * s->stride_w;
    const double product = 2.0 * c->images * c->request.out_channels_at_once * s->in_channels / s->groups * s->kernel_h *
                           s->kernel_w * s->out_height * s->out_width;
    const int products = forward ? 1 : c->data + c->weight;
    const double ms = most(bytes / products / (card->bytes * MEMORY_SHARE), product / (card->flop * TAPS_SHARE));
    *flop = product * products;
    if (forward || c->data) add_kernel(f, card_tile(s, forward, c->in_form), ms, 2 * (forward ? 1 : lattices));
    if (c->weight) add_kernel(f, card_tile_weight(s, c->other_form, c->in_form), ms, 2);
}

/* The bias gradient: the sums of dy's rows, read once more. */
static void bias_gradient(const conv_op *c, const card_rates *card, figures *f)
{
    const sa_conv_shape *s = c->shape;
    const double bytes = 4.0 * c->images * c->request.out_channels_at_once * s->out_height * s->out_width;
    if (!c->request.bias_gradient) return;
    add_kernel(f, card_kernel_of("sa_row_sums_kernel", c->in_form, 128), bytes / (card->bytes * MEMORY_SHARE), 2);
}

/* ------------------------------------------------------------------ all ops ----------------------------------------- */

/* joins: an update behind an update, in whose launch it is. */
static sa_status count_op(const sa_program *program, const sa_op *op, bool joins, const card_rates *card, figures *f)
{
    conv_op conv;
    double flop = 0;
    const double bytes = op_bytes(program, op);
    *f = (figures){0};
    if (!conv_of(op, &conv)) {
        const int launches = op->kind == SA_OP_BN_STATISTICS || op->kind == SA_OP_BN_REDUCE || op->kind == SA_OP_LOSS ? 2 : !joins;
        add_kernel(f, card_op_kernel(op), bytes / (card->bytes * MEMORY_SHARE), launches);
    } else {
        if (conv.request.algorithm == SA_CONV_FFT) SA_TRY(fft_op(&conv, card, f, &flop));
        else taps_op(&conv, card, bytes, f, &flop);
        bias_gradient(&conv, card, f);
    }
    f->floor_ms = most(bytes / card->bytes, flop / card->flop);
    return SA_OK;
}

/* One row of the table. */
static void print_op(const sa_op *op, const figures *f, FILE *facts)
{
    const card_resources r = card_resources_of(facts, &f->kernel);
    printf("| %-34s | %.3f | %.3f | %.1f | %d | %s %s", op->name, f->floor_ms, f->counted_ms, f->counted_ms / f->floor_ms,
           f->launches, f->kernel.name, f->kernel.form);
    if (r.registers > 0) printf(" | %d | %d | %d |\n", r.registers, r.shared_bytes, r.warps);
    else printf(" | - | - | - |\n");
}

static sa_status report(const char *path, const char *preset, const card_rates *card, FILE *facts)
{
    sa_net *net = NULL;
    sa_device *device = NULL;
    sa_strategy strategy;
    sa_layout layout = {0};
    const sa_program_options options = {.training = true};
    figures sum = {0};
    double over = 0;
    SA_TRY(sa_net_load(path, NULL, &net));
    sa_status status = sa_device_open_plan("cuda", 0, &device);
    if (status == SA_OK) status = sa_strategy_parse(preset, &strategy);
    if (status == SA_OK) status = sa_layout_create(net, &strategy, device, &options, &layout);
    if (status == SA_OK) printf("%s, %s: arena %.1f MiB\n\n", path, preset, (double)layout.plan.peak_bytes / 1048576.0);
    if (status == SA_OK)
        printf("| %-34s | floor | counted | ratio | launches | longest kernel | registers | shared | warps |\n"
               "|---|---|---|---|---|---|---|---|---|\n",
               "op, 0.01 ms or more");
    for (size_t i = 0; status == SA_OK && i < layout.program->op_count; i++) {
        figures f;
        const sa_op *op = &layout.program->op[i];
        const bool joins = i > 0 && op->kind == SA_OP_UPDATE && op[-1].kind == SA_OP_UPDATE;
        status = count_op(layout.program, op, joins, card, &f);
        if (status != SA_OK) break;
        const double ratio = f.counted_ms / f.floor_ms;
        if (f.counted_ms >= 0.01) print_op(op, &f, facts);
        sum.floor_ms += f.floor_ms, sum.counted_ms += f.counted_ms, sum.launches += f.launches;
        if (f.counted_ms >= 0.05 && ratio > over) over = ratio;
    }
    if (status == SA_OK)
        printf(
            "| %-34s | %.2f | %.2f | %.1f | %d | | | | |\n\nThe most an op of 0.05 ms or more takes over its floor: %.1f times\n\n",
            "step", sum.floor_ms, sum.counted_ms, sum.counted_ms / sum.floor_ms, sum.launches, over);
    sa_layout_free(&layout);
    if (device) sa_device_close(device);
    sa_net_free(net);
    return status;
}

int main(int argc, char **argv)
{
    double bandwidth = 3350, peak = 67;
    FILE *facts = NULL;
    int at = 1, status = 0;
    for (; at + 1 < argc && !strncmp(argv[at], "--", 2); at += 2) {
        const bool is_card = !strcmp(argv[at], "--card"), is_kernels = !strcmp(argv[at], "--kernels");
        if (is_card && (sscanf(argv[at + 1], "%lf:%lf", &bandwidth, &peak) != 2 || !(bandwidth > 0) || !(peak > 0))) at = argc;
        if (!is_card && !is_kernels) at = argc;
        if (is_kernels && !(facts = fopen(argv[at + 1], "r"))) {
            fprintf(stderr, "bench_card: cannot read %s\n", argv[at + 1]);
            return 1;
        }
    }
    if (at >= argc) {
        fprintf(stderr, "usage: bench_card [--card GB/s:TFLOP/s] [--kernels FILE] NET.prototxt [STRATEGY]...\n");
        return 2;
    }
    /* a warp instruction is up to 64 flop */
    const card_rates card = {bandwidth * 1e6, peak * 1e9, peak * 1e9 / 64};
    const char *net = argv[at++];
    for (int i = at; status == 0 && (i == at || i < argc); i++)
        if (report(net, i < argc ? argv[i] : "fastest", &card, facts) != SA_OK) {
            fprintf(stderr, "bench_card: %s\n", sa_error_message());
            status = 1;
        }
    if (facts) fclose(facts);
    return status;
}
