/* What a training step on a CUDA card must move and compute, and the time that our kernels take by counting: without a card.
 *
 *     build/bench_card [--card GB/s:TFLOP/s] NET.prototxt [STRATEGY]...      default: an H100 SXM, 3350:67; fastest
 *
 * Floor: every buffer that an op reads or writes, workspaces excepted, once through memory; or the multiply-adds of its
 * convolution's algorithm at full rate, whichever takes longer. Counted: what its kernels read and write, spectra of FFT tiles
 * included, and the instructions that transforms issue, at the shares of the card's rates that are named below, and a fixed time a
 * launch. Ops other than convolutions are taken to be bound by memory. No card has confirmed these figures. Columns: milliseconds,
 * launches; the sums at the end are of the whole step. */
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
} figures;

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
    bool data, weight; /* backward */
} conv_op;

static bool conv_of(const sa_op *op, conv_op *c)
{
    memset(c, 0, sizeof *c);
    if (op->kind == SA_OP_CONV_FORWARD) {
        const sa_conv_forward_args *a = &op->args.conv_forward;
        c->request = (sa_conv_request){.shape = a->shape, .algorithm = a->algorithm, .limit_bytes = a->workspace_bytes};
        c->request.out_channels_at_once = a->range.channel_end - a->range.channel_begin;
        c->images = a->range.image_end - a->range.image_begin;
        c->shape = &a->shape;
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
    c->images = a->range.image_end - a->range.image_begin;
    c->shape = &a->shape;
    return true;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* One launch. */
static void launch(figures *f, const card_rates *card, double memory_bytes, double cache_bytes, double issues, double flop)
{
    const double bytes_ms = memory_bytes / (card->bytes * MEMORY_SHARE) + cache_bytes / (card->bytes * CACHE_FACTOR);
    f->counted_ms += LAUNCH_MS + most(bytes_ms, issues / (card->issue * ISSUE_SHARE) + flop / (card->flop * PRODUCT_SHARE));
    f->launches++;
}

/* One pass of FFT tiles; *flop: its products and transforms, for the floor. */
static void fft_pass(const sa_cuda_fft_plan *p, const conv_op *c, const card_rates *card, bool data, bool weight, figures *f,
                     double *flop)
{
    const double tile = (double)p->frequencies * 8, pixels = (double)p->size * p->size * 4, issues = TILE_ISSUES[p->size == 32];
    const double step = (double)p->step_y * p->step_x * 4;
    for (int begin = 0; begin < p->others; begin += p->group) {
        const double in = p->in_channels, other = p->others - begin < p->group ? p->others - begin : p->group, filters = in * other;
        if (data) launch(f, card, 0, filters * tile, filters * issues, 0);
        for (int n = 0; n < c->images; n++) {
            for (int t = 0; t < p->tiles; t += p->chunk) {
                const double tiles = p->tiles - t < p->chunk ? p->tiles - t : p->chunk,
                             product = 8.0 * p->frequencies * tiles * filters;
                launch(f, card, tiles * in * step, tiles * in * (tile + pixels - step), tiles * in * issues, 0);
                if (weight) launch(f, card, tiles * other * step, tiles * other * tile, tiles * other * issues, 0);
                if (weight) launch(f, card, 0, (tiles * (in + other) + 2 * filters) * tile, 0, product);
                if (data) launch(f, card, 0, (tiles * (in + other) + filters) * tile, 0, product);
                if (data) launch(f, card, tiles * other * step, tiles * other * tile, tiles * other * issues, 0);
                *flop += product * (data + weight);
            }
            if (weight) launch(f, card, 0, filters * tile, filters * issues, 0);
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

/* Multiplies every tap: its inputs once per product, flop at a share of the peak. */
static void taps_op(const conv_op *c, const card_rates *card, double bytes, figures *f, double *flop)
{
    const sa_conv_shape *s = c->shape;
    const int products = c->request.pass == SA_CONV_PASS_FORWARD ? 1 : c->data + c->weight;
    *flop = 2.0 * products * c->images * c->request.out_channels_at_once * s->in_channels / s->groups * s->kernel_h * s->kernel_w *
            s->out_height * s->out_width;
    f->launches += 2 * products * c->images;
    f->counted_ms += f->launches * LAUNCH_MS + most(bytes / (card->bytes * MEMORY_SHARE), *flop / (card->flop * TAPS_SHARE));
}

/* ------------------------------------------------------------------ all ops ----------------------------------------- */

static sa_status count_op(const sa_program *program, const sa_op *op, const card_rates *card, figures *f)
{
    conv_op conv;
    double flop = 0;
    const double bytes = op_bytes(program, op);
    *f = (figures){0};
    if (!conv_of(op, &conv)) {
        const int launches = op->kind == SA_OP_BN_STATISTICS || op->kind == SA_OP_BN_REDUCE || op->kind == SA_OP_LOSS ? 2 : 1;
        f->launches = launches;
        f->counted_ms = launches * LAUNCH_MS + bytes / (card->bytes * MEMORY_SHARE);
    } else if (conv.request.algorithm == SA_CONV_FFT) {
        SA_TRY(fft_op(&conv, card, f, &flop));
    } else {
        taps_op(&conv, card, bytes, f, &flop);
    }
    f->floor_ms = most(bytes / card->bytes, flop / card->flop);
    return SA_OK;
}

static sa_status report(const char *path, const char *preset, const card_rates *card)
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
    if (status == SA_OK) printf("| %-34s | floor | counted | ratio | launches |\n|---|---|---|---|---|\n", "op, 0.01 ms or more");
    for (size_t i = 0; status == SA_OK && i < layout.program->op_count; i++) {
        figures f;
        const sa_op *op = &layout.program->op[i];
        status = count_op(layout.program, op, card, &f);
        if (status != SA_OK) break;
        const double ratio = f.counted_ms / f.floor_ms;
        if (f.counted_ms >= 0.01)
            printf("| %-34s | %.3f | %.3f | %.1f | %d |\n", op->name, f.floor_ms, f.counted_ms, ratio, f.launches);
        sum.floor_ms += f.floor_ms, sum.counted_ms += f.counted_ms, sum.launches += f.launches;
        if (f.counted_ms >= 0.05 && ratio > over) over = ratio;
    }
    if (status == SA_OK)
        printf("| %-34s | %.2f | %.2f | %.1f | %d |\n\nThe most an op of 0.05 ms or more takes over its floor: %.1f times\n\n",
               "step", sum.floor_ms, sum.counted_ms, sum.counted_ms / sum.floor_ms, sum.launches, over);
    sa_layout_free(&layout);
    if (device) sa_device_close(device);
    sa_net_free(net);
    return status;
}

int main(int argc, char **argv)
{
    double bandwidth = 3350, peak = 67;
    int at = 1;
    if (argc > 2 && !strcmp(argv[1], "--card")) {
        if (sscanf(argv[2], "%lf:%lf", &bandwidth, &peak) != 2 || !(bandwidth > 0) || !(peak > 0)) at = argc;
        else at = 3;
    }
    if (at >= argc) {
        fprintf(stderr, "usage: bench_card [--card GB/s:TFLOP/s] NET.prototxt [STRATEGY]...\n");
        return 2;
    }
    /* a warp instruction is up to 64 flop */
    const card_rates card = {bandwidth * 1e6, peak * 1e9, peak * 1e9 / 64};
    const char *net = argv[at++];
    for (int i = at; i == at || i < argc; i++)
        if (report(net, i < argc ? argv[i] : "fastest", &card) != SA_OK) {
            fprintf(stderr, "bench_card: %s\n", sa_error_message());
            return 1;
        }
    return 0;
}
