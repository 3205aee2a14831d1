/* FFT-tile convolution (overlap-save): forward, data gradient and weight gradient (whose sums are conv_fft_gradient.c).
 *
 * A tile of T x T input pixels gives (T - K + 1)^2 outputs. Its channels are transformed 16 at a time, then one complex
 * matrix product a frequency does the work of the convolution, and a transform back gives the outputs. The weights' spectra
 * are computed once a call. Numbers do not depend on how many tiles or channels are done at once.
 *
 * Threads: what passes between cores may have to pass between caches. So each takes tiles of its own all the way from the one value
 * to the other, and only the filters' spectra are everybody's; or, where a weight gradient is summed over the tiles, channels of x
 * of its own, and only dy's spectra are everybody's. */
#include "kernels/cpu/conv/conv_fft_gradient.h"
#include "kernels/cpu/work_share.h"

#include <omp.h>

static const sa_fft_kernels *kernels(void)
{
    switch (sa_cpu_isa_best()) {
#if defined(__x86_64__)
    case SA_CPU_AVX512: return &sa_fft_kernels_avx512;
    case SA_CPU_AVX2: return &sa_fft_kernels_avx2;
#endif
    default: return &sa_fft_kernels_portable;
    }
}

static sa_status start_job(sa_fft_job *j, const sa_device *device, const sa_conv_request *request, const sa_conv_shape *shape,
                           const sa_ref *workspace)
{
    j->device = device;
    j->kernels = kernels();
    j->shape = shape;
    j->workspace = workspace->ptr;
    j->group_begin = j->x_first = j->dy_first = 0;
    SA_TRY(sa_fft_plan_make(device, request, &j->plan));
    if (j->plan.end > request->limit_bytes / sizeof(float))
        SA_FAIL(SA_CAPACITY, "fft convolution: a part of a group of channels needs %zu bytes of workspace, %zu are there",
                j->plan.end * sizeof(float), request->limit_bytes);
    j->others = request->pass == SA_CONV_PASS_FORWARD ? request->out_channels_at_once : shape->in_channels;
    j->size = &j->kernels->size[j->plan.size_index];
    return SA_OK;
}

static sa_status pass_bytes(const sa_device *device, const sa_conv_request *request, sa_conv_pass pass, size_t *bytes)
{
    sa_conv_request of_pass = *request;
    of_pass.pass = pass;
    of_pass.shape = sa_fft_group_shape(&request->shape);
    of_pass.out_channels_at_once = sa_min_int(request->out_channels_at_once, of_pass.shape.out_channels);
    sa_fft_plan plan = {0};
    SA_TRY(sa_fft_plan_make(device, &of_pass, &plan));
    *bytes = plan.end * sizeof(float);
    return SA_OK;
}

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    const sa_conv_shape group = sa_fft_group_shape(&request->shape);
    if (request->pass != SA_CONV_PASS_BACKWARD_BOTH || !sa_fft_weights_apart(&group))
        return pass_bytes(device, request, request->pass, bytes);
    size_t weight, data;
    SA_TRY(pass_bytes(device, request, SA_CONV_PASS_BACKWARD_WEIGHT, &weight));
    SA_TRY(pass_bytes(device, request, SA_CONV_PASS_BACKWARD_DATA, &data));
    *bytes = weight > data ? weight : data;
    return SA_OK;
}

/* ------------------------------------------------------------------ filters and products ---------------------------- */

/* Spectra (frequency, in, 2, out) of weight (others, in, K, K), or, turned, of (in, others, K, K) by 180 degrees; out: the
 * group's part of the others. */
static void transform_filters(const sa_fft_job *j, const sa_fft_member *member, const float *weight, bool turned)
{
    const sa_fft_plan *p = &j->plan;
    int in = p->in.channels, out = p->other.channels;
    size_t taps = (size_t)j->shape->kernel_h * (size_t)j->shape->kernel_w;
    const int groups = sa_fft_divide_up(out, SA_FFT_GROUP), items = in * groups;
    const int end = sa_work_part_begin(items, member->number + 1, member->count);
    for (int item = sa_work_part_begin(items, member->number, member->count); item < end; item++) {
        int i = item / groups, o = item % groups * SA_FFT_GROUP;
        size_t channel = (size_t)(j->group_begin + o);
        size_t first = turned ? (size_t)i * (size_t)j->others + channel : channel * (size_t)in + (size_t)i;
        sa_fft_filter filter = {.weight = weight + first * taps,
                                .channel_pitch = turned ? taps : (size_t)in * taps,
                                .channels = sa_min_int(SA_FFT_GROUP, out - o),
                                .kernel_size = j->shape->kernel_h,
                                .turned = turned};
        float *at = j->workspace + p->filter_at + (size_t)i * p->other.frequency_pitch + (size_t)o;
        sa_fft_spectrum spectrum = {at, p->filter_pitch, p->other.imaginary, false};
        j->size->filter(&filter, &spectrum, sa_fft_thread_work(j));
    }
}

/* other = in * filters for `tiles` tiles; one thread. */
static void apply_filters(const sa_fft_job *j, const float *in, float *other, int tiles)
{
    const sa_fft_plan *p = &j->plan;
    for (int f = 0; f < p->frequencies; f++) {
        sa_fft_product product = {
            .a = in + (size_t)f * p->in.frequency_pitch,
            .b = j->workspace + p->filter_at + (size_t)f * p->filter_pitch,
            .c = other + (size_t)f * p->other.frequency_pitch,
            .a_row = p->in.tile_pitch,
            .a_step = 1,
            .a_imaginary = p->in.imaginary,
            .b_step = p->other.frequency_pitch,
            .b_imaginary = p->other.imaginary,
            .c_row = p->other.tile_pitch,
            .c_imaginary = p->other.imaginary,
            .rows = tiles,
            .depth = p->in.channels,
            .channels = sa_fft_divide_up(p->other.channels, SA_FFT_GROUP) * SA_FFT_GROUP,
        };
        const sa_fft_ahead ahead[SA_FFT_AHEAD] = {
            sa_fft_tiles_ahead(product.a, &p->in, tiles),
            {product.b + p->filter_pitch, 0, 1, (int)(p->filter_pitch / 16)},
            sa_fft_tiles_ahead(product.c, &p->other, tiles),
        };
        j->kernels->multiply(&product, ahead);
    }
}

/* ------------------------------------------------------------------ passes ------------------------------------------ */

/* Part number `part` of the group. */
static sa_fft_job job_of_part(const sa_fft_job *j, int part)
{
    sa_fft_job own = *j;
    size_t distance = (size_t)part * j->plan.part_pitch;
    own.group_begin += part * j->plan.part_channels;
    /* none in some parts of the last group */
    own.plan.other.channels = sa_max_int(0, sa_min_int(j->plan.part_channels, j->others - own.group_begin));
    own.plan.filter_at += distance;
    own.plan.gradient_at += distance;
    own.plan.other_at += distance;
    return own;
}

/* Channels of the other side that are done together. */
static int channels_at_once(const sa_fft_plan *p)
{
    return p->parts * p->part_channels;
}

/* Spectra of y, one group of channels, from those of a pack of x. */
static void apply_filters_to_pack(const sa_fft_job *j, int group)
{
    const sa_fft_plan *p = &j->plan;
    float *work = sa_fft_thread_work(j);
    const sa_fft_series series = {
        .first = {.a = work + p->pack_in_at,
                  .b = j->workspace + p->filter_at + group,
                  .c = work + p->pack_out_at,
                  .a_row = SA_FFT_PACK_CHANNELS,
                  .a_step = 1,
                  .a_imaginary = p->in.imaginary,
                  .b_step = p->other.frequency_pitch,
                  .b_imaginary = p->other.imaginary,
                  .c_row = p->pack_out_pitch,
                  .c_imaginary = SA_FFT_GROUP,
                  .rows = SA_FFT_PACK,
                  .depth = p->in.channels,
                  .channels = SA_FFT_GROUP},
        .a_pitch = p->in.frequency_pitch,
        .b_pitch = p->filter_pitch,
        .c_pitch = (size_t)(2 * SA_FFT_GROUP),
        .count = p->frequencies,
    };
    j->kernels->multiply_packed(&series);
}

/* Tiles [begin, end) of image n, from the value that they are cut from to the one that they are put together to. */
typedef struct sa_fft_span {
    int n, begin, end;
} sa_fft_span;

/* Item number `item` of the spans of at most `tiles` tiles that the images from `first` on are made of. */
static sa_fft_span span_of(const sa_fft_plan *p, int first, int tiles, int item)
{
    int spans = sa_fft_divide_up(p->tiles, tiles), begin = item % spans * tiles;
    return (sa_fft_span){first + item / spans, begin, sa_min_int(begin + tiles, p->tiles)};
}

/* With few input channels, a pack of tiles and the filters of a group fit into a core's own cache. */
static void run_pack(const sa_fft_job *j, const sa_fft_cut *from, const sa_fft_sink *to, const sa_fft_span *s)
{
    const sa_fft_plan *p = &j->plan;
    float *work = sa_fft_thread_work(j);
    sa_fft_cut pack = *from;
    pack.spectra = work + p->pack_in_at;
    sa_fft_transform_pack(j, &pack, s->n, s->begin, p->tiles);
    for (int group = 0; group < p->other.channels; group += SA_FFT_GROUP) {
        apply_filters_to_pack(j, group);
        for (int t = s->begin; t < s->end; t++) {
            float *at = work + p->pack_out_at + (size_t)(t - s->begin) * p->pack_out_pitch;
            sa_fft_spectrum spectrum = {at, 2 * SA_FFT_GROUP, SA_FFT_GROUP, false, false};
            sa_fft_store_tile(j, to, &spectrum, s->n, t, group);
        }
    }
}

/* The thread's place for p->own tiles on one side. */
static float *own_spectra(const sa_fft_job *j, size_t at, const sa_fft_side *side)
{
    return j->workspace + at + (size_t)omp_get_thread_num() * (size_t)j->plan.own * side->tile_pitch;
}

static void run_span(const sa_fft_job *j, const sa_fft_cut *from, const sa_fft_sink *to, const sa_fft_span *s)
{
    const sa_fft_plan *p = &j->plan;
    sa_fft_cut cut = *from;
    cut.spectra = own_spectra(j, p->in_at, &p->in);
    float *other = own_spectra(j, p->other_at, &p->other);
    sa_fft_transform_tiles(j, &cut, s->n, s->begin, s->end);
    apply_filters(j, cut.spectra, other, s->end - s->begin);
    sa_fft_store_tiles(j, to, other, s->n, s->begin, s->end);
}

/* A pass without a weight gradient: the threads need nothing of each other's tiles. */
static void run_spans(const sa_fft_job *j, const sa_range *range, const sa_fft_cut *from, const sa_fft_sink *to,
                      const float *weight, bool turned)
{
    const sa_fft_plan *p = &j->plan;
    const int tiles = p->by_packs ? SA_FFT_PACK : p->own;
    sa_work_share share;
    const int threads = sa_conv_range_crew(j->device, j->shape, range);
    sa_work_share_start(&share, sa_range_images(range) * sa_fft_divide_up(p->tiles, tiles), threads);
#pragma omp parallel num_threads(threads)
    {
        const sa_fft_member member = {omp_get_thread_num(), omp_get_num_threads()};
        transform_filters(j, &member, weight, turned);
#pragma omp barrier
        int item;
        while (sa_work_share_take(&share, &item)) {
            sa_fft_span span = span_of(p, range->image_begin, tiles, item);
            if (p->by_packs) run_pack(j, from, to, &span);
            else run_span(j, from, to, &span);
        }
    }
}

static void run_forward(const sa_fft_job *j, const sa_conv_forward_args *args)
{
    const sa_fft_plan *p = &j->plan;
    size_t filter = (size_t)args->shape.in_channels * (size_t)args->shape.kernel_h * (size_t)args->shape.kernel_w;
    const float *weight = (const float *)args->weight.ptr + (size_t)args->range.channel_begin * filter;
    sa_fft_cut x = {&args->x, j->x_first, args->shape.pad_h, args->shape.pad_w, p->size, false, &p->in, NULL};
    sa_fft_sink y = {&args->y, args->range.channel_begin + j->group_begin, args->bias.ptr, NULL};
    run_spans(j, &args->range, &x, &y, weight, false);
}

/* ---- groups of channels: each is a convolution of its own ---- */

static void shift_ref(sa_ref *ref, size_t floats)
{
    if (ref->ptr) ref->ptr = (float *)ref->ptr + floats;
}

/* Floats of the weights of one group of channels. */
static size_t group_weights(const sa_conv_shape *group)
{
    return (size_t)group->out_channels * (size_t)group->in_channels * (size_t)group->kernel_h * (size_t)group->kernel_w;
}

/* The part of a range that group number `number` has, as channels of the group. */
static sa_range range_in_group(const sa_range *range, const sa_conv_shape *group, int number)
{
    sa_range part = *range;
    const int first = number * group->out_channels;
    part.channel_begin = sa_max_int(range->channel_begin - first, 0);
    part.channel_end = sa_min_int(range->channel_end - first, group->out_channels);
    return part;
}

/* One group's part of an op. Slabs, weights and bias count the group's channels; of the sources, x_first is the first. */
static sa_status forward_group(const sa_device *device, const sa_conv_forward_args *args, int number)
{
    sa_conv_forward_args own = *args;
    own.shape = sa_fft_group_shape(&args->shape);
    own.range = range_in_group(&args->range, &own.shape, number);
    own.y.channel_begin -= number * own.shape.out_channels;
    shift_ref(&own.weight, (size_t)number * group_weights(&own.shape));
    shift_ref(&own.bias, (size_t)(number * own.shape.out_channels));
    sa_conv_request request = sa_conv_forward_request(&own);
    sa_fft_job j;
    SA_TRY(start_job(&j, device, &request, &own.shape, &own.workspace));
    j.x_first = number * own.shape.in_channels;
    for (; j.group_begin < j.others; j.group_begin += channels_at_once(&j.plan)) {
        const sa_fft_job group = job_of_part(&j, 0);
        run_forward(&group, &own);
    }
    return SA_OK;
}

static sa_status forward(const sa_device *device, const sa_conv_forward_args *args)
{
    const int out = sa_conv_group_out(&args->shape), end = (args->range.channel_end - 1) / out + 1;
    for (int g = args->range.channel_begin / out; g < end; g++) SA_TRY(forward_group(device, args, g));
    return SA_OK;
}

/* The parts that a thread does, as one of those that do them. */
typedef struct sa_fft_crew {
    int first_part, part_step;
    sa_fft_member member;
} sa_fft_crew;

/* As many members to each part as there should be (sa_fft_plan.parts), unless there are other threads than planned: then one. */
static sa_fft_crew find_crew(const sa_fft_plan *p, const sa_fft_member *everybody)
{
    if (everybody->count % p->parts != 0) return (sa_fft_crew){everybody->number, everybody->count, {0, 1}};
    int members = everybody->count / p->parts;
    return (sa_fft_crew){everybody->number / members, p->parts, {everybody->number % members, members}};
}

/* The values that a backward pass cuts into tiles. */
typedef struct sa_fft_cuts {
    sa_fft_cut dy, x;
} sa_fft_cuts;

static sa_fft_cuts backward_cuts(const sa_fft_job *j, const sa_conv_backward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    const sa_fft_plan *p = &j->plan;
    int size = s->kernel_h, o0 = args->range.channel_begin;
    sa_fft_cuts cuts = {{&args->dy, j->dy_first + o0, size - 1 - s->pad_h, size - 1 - s->pad_w, p->size, false, &p->in, NULL},
                        {&args->x, j->x_first + j->group_begin, 0, 0, p->step, false, &p->other, NULL}};
    if (!p->windows_of_x) return cuts;
    cuts.dy.pad_h = cuts.dy.pad_w = 0;
    cuts.x.pad_h = s->pad_h, cuts.x.pad_w = s->pad_w;
    cuts.dy.extent = p->step, cuts.x.extent = p->size;
    cuts.dy.conjugate = cuts.x.conjugate = true; /* of x * conj(dy), the sums' product is the conjugate otherwise */
    return cuts;
}

static sa_fft_sink backward_sink(const sa_fft_job *j, const sa_conv_backward_args *args)
{
    return (sa_fft_sink){&args->dx, j->group_begin, args->dx_bias.ptr, args->gather ? args : NULL};
}

static void run_data(const sa_fft_job *j, const sa_conv_backward_args *args)
{
    const sa_fft_job group = job_of_part(j, 0);
    const sa_fft_cuts cuts = backward_cuts(&group, args);
    const sa_fft_sink dx = backward_sink(&group, args);
    run_spans(&group, &args->range, &cuts.dy, &dx, args->weight.ptr, true);
}

/* A part's weight gradient, and dx if `data`, of a chunk of tiles from `begin` on, when dy's spectra are there. All that is written
 * is the part's own; its members share the tiles, or, for the sum over them, the frequencies. Parts without channels keep the
 * barriers, which are all threads'. A tile of x and of dx is the same piece of the plane, so that dx may lie over x: a chunk is
 * read before any of it is stored. */
static void run_part_of_chunk(const sa_fft_job *j, const sa_fft_member *m, const sa_conv_backward_args *args, bool data, int n,
                              int begin)
{
    const sa_fft_plan *p = &j->plan;
    const int tiles = sa_min_int(p->chunk, p->tiles - begin), first = sa_work_part_begin(tiles, m->number, m->count);
    const int last = sa_work_part_begin(tiles, m->number + 1, m->count);
    sa_fft_cut x = backward_cuts(j, args).x;
    x.spectra = j->workspace + p->other_at + (size_t)first * p->other.tile_pitch;
    sa_fft_transform_tiles(j, &x, n, begin + first, begin + last);
    if (m->count > 1) {
#pragma omp barrier
    }
    if (p->other.channels > 0) sa_fft_add_gradient(j, m, tiles, begin > 0);
    if (m->count > 1) {
#pragma omp barrier /* the results take the place of x's spectra */
    }
    if (!data || first == last || p->other.channels == 0) return;
    const sa_fft_sink dx = backward_sink(j, args);
    apply_filters(j, j->workspace + p->in_at + (size_t)first * p->in.tile_pitch, x.spectra, last - first);
    sa_fft_store_tiles(j, &dx, x.spectra, n, begin + first, begin + last);
}

/* The thread's share of dy's spectra. */
static void transform_dy(const sa_fft_job *j, const sa_fft_member *everybody, const sa_conv_backward_args *args, int n, int begin)
{
    const sa_fft_plan *p = &j->plan;
    const int tiles = sa_min_int(p->chunk, p->tiles - begin);
    const int first = sa_work_part_begin(tiles, everybody->number, everybody->count);
    sa_fft_cut dy = backward_cuts(j, args).dy;
    dy.spectra = j->workspace + p->in_at + (size_t)first * p->in.tile_pitch;
    sa_fft_transform_tiles(j, &dy, n, begin + first, begin + sa_work_part_begin(tiles, everybody->number + 1, everybody->count));
}

/* dweight, and dx if `data`, of a group. */
static void run_gradients(const sa_fft_job *j, const sa_conv_backward_args *args, bool data)
{
    const sa_fft_plan *p = &j->plan;
    const size_t filter = (size_t)args->shape.in_channels * (size_t)args->shape.kernel_h * (size_t)args->shape.kernel_w;
    float *dweight = (float *)args->dweight.ptr + (size_t)args->range.channel_begin * filter;
    const int threads = sa_conv_range_crew(j->device, j->shape, &args->range);
#pragma omp parallel num_threads(p->windows_of_x ? sa_min_int(p->workers, threads) : threads)
    {
        const sa_fft_member everybody = {omp_get_thread_num(), omp_get_num_threads()};
        const sa_fft_crew crew = find_crew(p, &everybody);
        for (int part = crew.first_part; data && part < p->parts; part += crew.part_step) {
            const sa_fft_job own = job_of_part(j, part);
            transform_filters(&own, &crew.member, args->weight.ptr, true); /* complete at the next barrier */
        }
        for (int n = args->range.image_begin; n < args->range.image_end; n++) {
            const bool add = args->accumulate || n > args->range.image_begin;
            if (p->windows_of_x) {
                const sa_fft_job own = job_of_part(j, 0);
                const sa_fft_cuts cuts = backward_cuts(&own, args);
                sa_fft_sum_strips(&own, &cuts.dy, &cuts.x, n);
                sa_fft_store_gradient(&own, &everybody, dweight, add);
#pragma omp barrier
                continue;
            }
            for (int begin = 0; begin < p->tiles; begin += p->chunk) {
                transform_dy(j, &everybody, args, n, begin);
#pragma omp barrier
                for (int part = crew.first_part; part < p->parts; part += crew.part_step) {
                    const sa_fft_job own = job_of_part(j, part);
                    run_part_of_chunk(&own, &crew.member, args, data, n, begin);
                }
#pragma omp barrier
            }
            for (int part = crew.first_part; part < p->parts; part += crew.part_step) {
                const sa_fft_job own = job_of_part(j, part);
                sa_fft_store_gradient(&own, &crew.member, dweight, add);
            }
        }
    }
}

/* Of one group: args are its own, see backward_group. */
static sa_status run_backward_pass(const sa_device *device, const sa_conv_backward_args *args, sa_conv_pass pass, int number)
{
    sa_conv_request request = sa_conv_backward_request(args);
    request.pass = pass;
    sa_fft_job j;
    SA_TRY(start_job(&j, device, &request, &args->shape, &args->workspace));
    j.x_first = number * args->shape.in_channels;
    j.dy_first = number * args->shape.out_channels;
    for (; j.group_begin < j.others; j.group_begin += channels_at_once(&j.plan)) {
        if (pass == SA_CONV_PASS_BACKWARD_DATA) run_data(&j, args);
        else run_gradients(&j, args, pass == SA_CONV_PASS_BACKWARD_BOTH);
    }
    return SA_OK;
}

static sa_status backward_group(const sa_device *device, const sa_conv_backward_args *args, int number)
{
    sa_conv_backward_args own = *args;
    own.shape = sa_fft_group_shape(&args->shape);
    own.range = range_in_group(&args->range, &own.shape, number);
    own.dx.channel_begin -= number * own.shape.in_channels;
    own.mask.channel_begin -= number * own.shape.in_channels;
    shift_ref(&own.weight, (size_t)number * group_weights(&own.shape));
    shift_ref(&own.dweight, (size_t)number * group_weights(&own.shape));
    shift_ref(&own.dx_bias, (size_t)(number * own.shape.in_channels));
    sa_conv_pass pass = sa_conv_backward_request(&own).pass;
    if (pass == SA_CONV_PASS_BACKWARD_BOTH && sa_fft_weights_apart(&own.shape)) {
        SA_TRY(run_backward_pass(device, &own, SA_CONV_PASS_BACKWARD_WEIGHT, number));
        pass = SA_CONV_PASS_BACKWARD_DATA;
    }
    return run_backward_pass(device, &own, pass, number);
}

static sa_status backward(const sa_device *device, const sa_conv_backward_args *args)
{
    const int out = sa_conv_group_out(&args->shape), end = (args->range.channel_end - 1) / out + 1;
    for (int g = args->range.channel_begin / out; (args->dx.at.ptr || args->dweight.ptr) && g < end; g++)
        SA_TRY(backward_group(device, args, g));
    sa_conv_bias_gradient(device, args);
    return SA_OK;
}

const sa_conv_method sa_conv_fft_method = {workspace_bytes, forward, backward};
