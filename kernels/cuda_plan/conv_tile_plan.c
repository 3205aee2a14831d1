/* Cutting the products of the direct convolution: see conv_tile_plan.h. */
#include "kernels/cuda_plan/conv_tile_plan.h"

#include "kernels/conv_request.h"

enum {
    STAGE_BYTES = 19 << 10, /* of a stage, about: two of them fit three times into a multiprocessor */
    STAGE_DEPTH = 36,       /* products of a stage, at least if there are so many */
    STAGE_CHANNELS = 16,
    DEPTH_MOST = 56,    /* products of a channel in one stage */
    BLOCKS_WANTED = 64, /* of an image: with a batch of four two for each multiprocessor of a large card */
    RUN_DEPTH = 128,    /* products of a run, at least */
    RUNS_MOST = 16,
    SLABS_OF_RUN = 128, /* 4096 pixels: float32 sums keep their accuracy */
    WEIGHT_BLOCKS = 528,
    BANKS = 32,
    SINGLE_CHANNELS = 4, /* groups of at most so many channels are computed channel by channel */
};

static int32_t min_int(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t max_int(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t divide_up(int32_t a, int32_t b)
{
    return (a + b - 1) / b;
}

static int32_t modulo(int32_t a, int32_t b)
{
    const int32_t rest = a % b;
    return rest < 0 ? rest + b : rest;
}

/* ------------------------------------------------------------------ axes ------------------------------------------- */

static sa_tile_axis forward_axis(int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t pad, int32_t dilation)
{
    return (sa_tile_axis){.size = out,
                          .out_step = 1,
                          .source_size = in,
                          .source_begin = -pad,
                          .source_step = stride,
                          .taps = kernel,
                          .tap_step = dilation,
                          .weight_step = 1};
}

static int32_t common_divisor(int32_t a, int32_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

/* dx at phase + i*stride gets the taps u with (phase + pad - u*dilation) divisible by the stride, each from row
 * i + (phase + pad - u*dilation) / stride of dy: every stride / gcd-th one, here from the last to the first so that rows ascend. */
static sa_tile_axis data_axis(int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t pad, int32_t dilation, int32_t phase)
{
    const int32_t divisor = common_divisor(stride, dilation), every = stride / divisor;
    sa_tile_axis a = {.size = in > phase ? divide_up(in - phase, stride) : 0,
                      .out_begin = phase,
                      .out_step = stride,
                      .source_size = out,
                      .source_step = 1,
                      .tap_step = dilation / divisor,
                      .weight_step = -every};
    int32_t first = 0;
    while (first < every && first < kernel && modulo(phase + pad - first * dilation, stride) != 0) first++;
    if (first >= every || first >= kernel) return a;
    a.taps = (kernel - 1 - first) / every + 1;
    a.weight_begin = first + (a.taps - 1) * every;
    a.source_begin = (phase + pad - a.weight_begin * dilation) / stride; /* without a rest */
    return a;
}

/* ------------------------------------------------------------------ stages ----------------------------------------- */

/* One axis of the patch of `outputs` outputs: all taps together, or one at a time. columns: in quads, of which the first is
 * aligned. */
static sa_tile_patch patch_of(const sa_tile_axis *a, int32_t outputs, bool together, bool columns)
{
    sa_tile_patch p = {.taps = together ? max_int(a->taps, 1) : 1, .step = 1, .out_step = 1};
    if (p.taps > 1) {
        p.out_step = a->source_step;
        p.tap_step = a->tap_step;
        p.size = (outputs - 1) * a->source_step + (a->taps - 1) * a->tap_step + 1;
    } else {
        p.step = a->source_step;
        p.size = outputs;
    }
    if (columns && p.step == 1 && (outputs * a->source_step) % 4 == 0 && p.taps == max_int(a->taps, 1))
        p.shift = modulo(a->source_begin, 4);
    if (columns) p.size = divide_up(p.size + p.shift, 4) * 4;
    return p;
}

static int64_t patch_size(const sa_tile *t)
{
    return (int64_t)t->patch_y.size * t->patch_x.size;
}

/* Source elements that a block evaluates for one channel. */
static int64_t evaluated(const sa_tile *t)
{
    return patch_size(t) * divide_up(max_int(t->y.taps, 1), t->patch_y.taps) * divide_up(max_int(t->x.taps, 1), t->patch_x.taps);
}

static int64_t stage_floats(const sa_tile *t, int32_t channels)
{
    const int32_t pitch = t->form == SA_TILE_SINGLE ? 1 : sa_tile_channels(t->form) + 4;
    const int64_t depth = (int64_t)channels * t->patch_y.taps * t->patch_x.taps;
    return (patch_size(t) * channels + (depth + 3) / 4 * 4 * pitch + 3) / 4 * 4;
}

/* Of the ways to read taps, the one that evaluates least of those that fit. */
static void plan_patch(sa_tile *t)
{
    static const bool ways[][2] = {{true, true}, {false, true}, {false, false}};
    const int32_t columns = 1 << t->columns_log2;
    int64_t least = INT64_MAX;
    sa_tile best = *t;
    for (int i = 0; i < 3; i++) {
        sa_tile w = *t;
        w.patch_y = patch_of(&t->y, t->rows, ways[i][0], false);
        w.patch_x = patch_of(&t->x, columns, ways[i][1], true);
        const int64_t products = (int64_t)w.patch_y.taps * w.patch_x.taps;
        const bool fits = products <= DEPTH_MOST && stage_floats(&w, 1) * 4 <= STAGE_BYTES;
        if ((!fits && i < 2) || evaluated(&w) >= least) continue;
        least = evaluated(&w);
        best = w;
    }
    *t = best;
}

/* Columns of a block's pixels: the power of two, 8 to 32, that wastes least. */
static int32_t columns_log2_of(int32_t width, int32_t height, int32_t pixels)
{
    int32_t best = 5;
    int64_t least = INT64_MAX;
    for (int32_t log2 = 5; log2 >= 3; log2--) {
        const int32_t columns = 1 << log2, rows = pixels / columns;
        const int64_t area = (int64_t)divide_up(width, columns) * divide_up(height, rows);
        if (area >= least) continue;
        least = area;
        best = log2;
    }
    return best;
}

/* What is left after axes, groups and weights are known. */
static void plan_tile(sa_tile *t)
{
    t->form = t->outputs <= SINGLE_CHANNELS && t->sources <= SINGLE_CHANNELS && t->groups > 1 ? SA_TILE_SINGLE
              : t->outputs <= 16                                                              ? SA_TILE_NARROW
                                                                                              : SA_TILE_WIDE;
    const int32_t pixels = t->form == SA_TILE_WIDE ? 128 : t->form == SA_TILE_NARROW ? 512 : 1024;
    t->columns_log2 = columns_log2_of(t->x.size, t->y.size, pixels);
    t->rows = pixels >> t->columns_log2;
    t->across = divide_up(t->x.size, 1 << t->columns_log2);
    t->down = divide_up(t->y.size, t->rows);
    plan_patch(t);
    const int32_t taps = t->patch_y.taps * t->patch_x.taps;
    int32_t channels = min_int(min_int(max_int(divide_up(STAGE_DEPTH, taps), 1), STAGE_CHANNELS), t->sources);
    while (channels > 1 && stage_floats(t, channels) * 4 > STAGE_BYTES) channels--;
    t->stage_channels = channels;
    t->depth = channels * taps;
    t->patch_floats = (int32_t)patch_size(t);
    t->stage_floats =
        max_int((int32_t)stage_floats(t, channels), SA_TILE_THREADS * SA_TILE_PIXELS); /* room for sums to be gathered */
    const int64_t blocks = (int64_t)t->across * t->down * divide_up(t->outputs, sa_tile_channels(t->form)) * t->groups;
    const int64_t depth = (int64_t)t->sources * t->y.taps * t->x.taps;
    int64_t runs = blocks > 0 ? (BLOCKS_WANTED + blocks - 1) / blocks : 1;
    if (runs > depth / RUN_DEPTH) runs = depth / RUN_DEPTH;
    if (runs > RUNS_MOST) runs = RUNS_MOST;
    if (runs < 1) runs = 1;
    t->run_channels = divide_up(divide_up(t->sources, (int32_t)runs), channels) * channels;
    t->runs = divide_up(t->sources, t->run_channels);
}

sa_tile sa_cuda_plan_forward_tile(const sa_conv_shape *s)
{
    const int32_t taps = s->kernel_h * s->kernel_w;
    sa_tile t = {.y = forward_axis(s->in_height, s->out_height, s->kernel_h, s->stride_h, s->pad_h, s->dilation_h),
                 .x = forward_axis(s->in_width, s->out_width, s->kernel_w, s->stride_w, s->pad_w, s->dilation_w),
                 .groups = s->groups,
                 .outputs = sa_conv_group_out(s),
                 .sources = sa_conv_group_in(s),
                 .output_stride = (int64_t)taps * sa_conv_group_in(s),
                 .source_stride = taps,
                 .group_stride = (int64_t)taps * sa_conv_group_in(s) * sa_conv_group_out(s),
                 .kernel_w = s->kernel_w};
    plan_tile(&t);
    return t;
}

sa_tile sa_cuda_plan_data_tile(const sa_conv_shape *s, int phase_y, int phase_x)
{
    const int32_t taps = s->kernel_h * s->kernel_w;
    sa_tile t = {.y = data_axis(s->in_height, s->out_height, s->kernel_h, s->stride_h, s->pad_h, s->dilation_h, phase_y),
                 .x = data_axis(s->in_width, s->out_width, s->kernel_w, s->stride_w, s->pad_w, s->dilation_w, phase_x),
                 .groups = s->groups,
                 .outputs = sa_conv_group_in(s),
                 .sources = sa_conv_group_out(s),
                 .output_stride = taps,
                 .source_stride = (int64_t)taps * sa_conv_group_in(s),
                 .group_stride = (int64_t)taps * sa_conv_group_in(s) * sa_conv_group_out(s),
                 .kernel_w = s->kernel_w};
    plan_tile(&t);
    return t;
}

/* ------------------------------------------------------------------ the weight gradient ----------------------------- */

/* Floats, a multiple of four, to put between channels so that threads that read the same pixel for neighbouring weights meet
 * different banks as far as they can. */
static int32_t padding_of(const sa_weight_tile *t, const sa_conv_shape *s)
{
    const int32_t lanes = t->narrow ? 32 : 16, weights = sa_weight_tile_weights(t);
    int32_t best = 0, least = INT32_MAX;
    for (int32_t padding = 0; padding < BANKS; padding += 4) {
        int32_t passes = 0;
        for (int32_t first = 0; first < weights; first += lanes) {
            int32_t in_bank[BANKS] = {0}, most = 0;
            for (int32_t k = first; k < first + lanes; k++) {
                const int32_t tap = k % t->taps, row = tap / s->kernel_w * t->patch_pitch;
                const int32_t at = k / t->taps * (t->channel_floats + padding) + row + tap % s->kernel_w * s->dilation_w;
                most = max_int(most, ++in_bank[at % BANKS]);
            }
            passes += most;
        }
        if (passes >= least) continue;
        least = passes;
        best = padding;
    }
    return best;
}

sa_weight_tile sa_cuda_plan_weight_tile(const sa_conv_shape *s)
{
    sa_weight_tile t = {
        .taps = s->kernel_h * s->kernel_w, .outputs = sa_conv_group_out(s), .sources = sa_conv_group_in(s), .groups = s->groups};
    t.single = t.outputs <= SINGLE_CHANNELS && t.sources <= SINGLE_CHANNELS && t.groups > 1;
    t.narrow = !t.single && t.outputs <= 16;
    t.columns_log2 = columns_log2_of(s->out_width, s->out_height, SA_SLAB_PIXELS);
    t.rows = SA_SLAB_PIXELS >> t.columns_log2;
    t.across = divide_up(s->out_width, 1 << t.columns_log2);
    t.slabs = t.across * divide_up(s->out_height, t.rows);
    const int32_t columns = 1 << t.columns_log2;
    t.patch_rows = t.rows * s->kernel_h;
    t.shift = (columns * s->stride_w) % 4 == 0 ? modulo(-s->pad_w, 4) : 0;
    t.patch_pitch = divide_up((columns - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1 + t.shift, 4) * 4;
    t.channel_floats = t.patch_rows * t.patch_pitch;
    t.channel_floats += t.taps == 1 ? modulo(1 - t.channel_floats, BANKS) : padding_of(&t, s);
    t.channels = t.single ? 1 : min_int((sa_weight_tile_weights(&t) - 1 + t.taps - 1) / t.taps + 1, t.sources);
    t.stage_floats = SA_SLAB_PIXELS * sa_weight_tile_outputs(&t) + divide_up(t.channels * t.channel_floats, 4) * 4;
    /* Runs: short enough to be accurate, and enough of them to fill a card where a gradient has few blocks. */
    const int64_t blocks = (int64_t)divide_up(t.sources * t.taps, sa_weight_tile_weights(&t)) *
                           divide_up(t.outputs, sa_weight_tile_outputs(&t)) * t.groups;
    int64_t runs = (WEIGHT_BLOCKS / 4 + blocks - 1) / blocks;
    runs = runs > t.slabs / 8 ? t.slabs / 8 : runs;
    runs = runs < 1 ? 1 : runs;
    t.per_run = min_int(divide_up(t.slabs, (int32_t)runs), SLABS_OF_RUN);
    t.runs = divide_up(t.slabs, t.per_run);
    return t;
}

size_t sa_cuda_plan_weight_slots(const sa_conv_shape *s, const sa_weight_tile *t, int channels, int images, size_t limit_bytes)
{
    const size_t bytes = (size_t)channels * sa_conv_depth(s) * sizeof(float);
    const int64_t blocks = (int64_t)divide_up(t->sources * t->taps, sa_weight_tile_weights(t)) *
                           divide_up(min_int(t->outputs, channels), sa_weight_tile_outputs(t)) * max_int(channels / t->outputs, 1);
    int64_t slots = (int64_t)t->runs * max_int(images, 1), wanted = (WEIGHT_BLOCKS + blocks - 1) / blocks;
    if (slots > wanted) slots = wanted;
    if ((size_t)slots > limit_bytes / bytes) slots = (int64_t)(limit_bytes / bytes);
    return slots < 2 ? 0 : (size_t)slots * bytes;
}
