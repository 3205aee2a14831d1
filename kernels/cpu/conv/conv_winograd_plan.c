/* Sizes of a Winograd convolution. Nothing here changes a number: sums over tiles are cut every SA_WINO_SUM tiles of the range. */
#include "kernels/cpu/conv/conv_winograd_plan.h"

enum {
    LINE = 16,                 /* floats in a cache line */
    CACHED_FLOATS = 144 << 10, /* spectra of a thread's tiles that its own cache holds */
    TILES_MIN = 12,            /* of a thread at once: a register tile's rows */
    TILES_GOOD = 96,           /* so many pass over large filters for one load of them */
    FILTER_LARGE = 64 << 10,   /* channels times channels from which filters come from afar */
    GRADIENT_TILES = 256,      /* of all threads at once where sums come from afar too, a multiple of SA_WINO_SUM; else as few */
};

static int divide_up(int value, int by)
{
    return (value + by - 1) / by;
}

static size_t round_up(size_t value, size_t to)
{
    return (value + to - 1) / to * to;
}

bool sa_wino_can(const sa_conv_shape *s)
{
    return s->kernel_h == 3 && s->kernel_w == 3 && s->stride_h == 1 && s->stride_w == 1 && s->dilation_h == 1 &&
           s->dilation_w == 1 && s->groups == 1 && s->pad_h <= 2 && s->pad_w <= 2 && s->in_channels >= SA_WINO_GROUP &&
           s->out_channels >= SA_WINO_GROUP;
}

static sa_wino_side make_side(int channels, int tiles)
{
    sa_wino_side side = {.channels = channels, .tile_pitch = round_up((size_t)channels, SA_WINO_GROUP) + LINE};
    side.frequency_pitch = side.tile_pitch * (size_t)tiles + LINE;
    return side;
}

/* Filters' spectra (frequencies, depth, columns). */
static size_t filter_pitch(int depth, int columns)
{
    return (size_t)depth * round_up((size_t)columns, SA_WINO_GROUP) + LINE;
}

static void place_work(sa_wino_plan *p, int threads, size_t rooms)
{
    p->work_pitch = SA_WINO_WORK_FLOATS + SA_WINO_STAGE_FLOATS;
    p->work_at = p->room_at + rooms * p->room_pitch;
    p->end = p->work_at + (size_t)threads * p->work_pitch;
}

/* Each thread takes `at_once` tiles from their value to the result. */
static void place_tiles(sa_wino_plan *p, int group, int at_once, int threads)
{
    p->group = group;
    p->at_once = at_once;
    p->from = make_side(p->in, at_once);
    p->to = make_side(group, at_once);
    p->filter_pitch = filter_pitch(p->in, group);
    p->room_at = SA_WINO_FREQUENCIES * p->filter_pitch;
    p->second_at = SA_WINO_FREQUENCIES * p->from.frequency_pitch;
    p->room_pitch = p->second_at + SA_WINO_FREQUENCIES * p->to.frequency_pitch;
    place_work(p, threads, (size_t)threads);
}

/* As many as the cache holds, or, where the filters are large, as many as make their way through the caches pay; turns of the
 * threads about equal. */
static int good_tiles(const sa_wino_plan *p, int group, int threads)
{
    const int cached = CACHED_FLOATS / SA_WINO_FREQUENCIES / (p->in + group);
    int tiles = sa_max_int(cached, TILES_MIN);
    const double filters = (double)p->in * group;
    if (tiles < TILES_GOOD)
        tiles = filters >= FILTER_LARGE ? TILES_GOOD : sa_max_int(tiles, (int)(TILES_GOOD * filters / FILTER_LARGE));
    const int turns = divide_up(p->tiles, tiles * threads);
    return divide_up(divide_up(p->tiles, turns * threads), TILES_MIN) * TILES_MIN;
}

static void plan_forward(sa_wino_plan *p, int threads, size_t limit)
{
    for (int group = p->out;; group = (int)round_up((size_t)divide_up(group, 2), SA_WINO_PANEL)) {
        const bool last = group <= SA_WINO_PANEL;
        for (int tiles = good_tiles(p, group, threads);; tiles = (int)round_up((size_t)tiles / 2, TILES_MIN)) {
            place_tiles(p, group, tiles, threads);
            if (p->end <= limit || tiles <= TILES_MIN) break;
        }
        if (p->end <= limit || last) return;
    }
}

/* Parts of x's channels, each with spectra and sums of its own; dy's spectra are everybody's. */
static void place_gradient(sa_wino_plan *p, int group, int at_once, int parts, int threads)
{
    p->group = group;
    p->at_once = at_once;
    p->parts = parts;
    p->part_channels = divide_up(divide_up(p->in, SA_WINO_GROUP), parts) * SA_WINO_GROUP;
    p->from = make_side(p->part_channels, at_once);
    p->to = make_side(group, at_once);
    p->filter_pitch = filter_pitch(p->part_channels, group);
    p->room_at = SA_WINO_FREQUENCIES * p->to.frequency_pitch;
    p->second_at = SA_WINO_FREQUENCIES * p->from.frequency_pitch;
    p->room_pitch = p->second_at + SA_WINO_FREQUENCIES * p->filter_pitch;
    place_work(p, threads, (size_t)parts);
}

static void plan_gradient(sa_wino_plan *p, int threads, size_t limit)
{
    const int parts = sa_min_int(threads, divide_up(p->in, SA_WINO_GROUP)), all = (int)round_up((size_t)p->tiles, SA_WINO_SUM);
    for (int group = p->out;; group = (int)round_up((size_t)divide_up(group, 2), SA_WINO_PANEL)) {
        const int most = (double)p->in * group > FILTER_LARGE ? GRADIENT_TILES : SA_WINO_SUM;
        for (int tiles = sa_min_int(most, all);; tiles = (int)round_up((size_t)tiles / 2, SA_WINO_SUM)) {
            place_gradient(p, group, tiles, parts, threads);
            if (p->end <= limit || tiles <= SA_WINO_SUM) break;
        }
        if (p->end <= limit || group <= SA_WINO_PANEL) return;
    }
}

sa_status sa_wino_plan_make(const sa_device *device, const sa_conv_request *r, sa_conv_pass pass, sa_wino_plan *plan)
{
    const sa_conv_shape *s = &r->shape;
    if (!sa_wino_can(s))
        SA_FAIL(
            SA_UNSUPPORTED,
            "winograd convolution: kernel %dx%d, stride %dx%d, dilation %dx%d, pad %dx%d, %d groups; only 3x3 with stride 1, no "
            "dilation, a pad of at most 2 and one group is possible",
            s->kernel_h, s->kernel_w, s->stride_h, s->stride_w, s->dilation_h, s->dilation_w, s->pad_h, s->pad_w, s->groups);
    const bool of_y = pass != SA_CONV_PASS_BACKWARD_DATA;
    sa_wino_plan p = {.pass = pass, .images = r->images};
    p.height = of_y ? s->out_height : s->in_height;
    p.width = of_y ? s->out_width : s->in_width;
    p.tiles_y = divide_up(p.height, SA_WINO_STEP);
    p.tiles_x = divide_up(p.width, SA_WINO_STEP);
    const double tiles = (double)p.tiles_y * p.tiles_x * sa_max_int(r->images, 1);
    if (tiles > INT32_MAX / 2) SA_FAIL(SA_CAPACITY, "winograd convolution: %g tiles are too many", tiles);
    p.tiles = (int)tiles;
    p.in = pass == SA_CONV_PASS_BACKWARD_DATA ? r->out_channels_at_once : s->in_channels;
    p.out = pass == SA_CONV_PASS_BACKWARD_DATA ? s->in_channels : r->out_channels_at_once;
    const size_t limit = r->limit_bytes / sizeof(float);
    if (pass == SA_CONV_PASS_BACKWARD_WEIGHT) plan_gradient(&p, device->threads, limit);
    else plan_forward(&p, device->threads, limit);
    *plan = p;
    return SA_OK;
}
