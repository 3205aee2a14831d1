/* The built-in cost model: operations and bytes of each op over rates that were fitted on one machine (Zen 4, AVX-512, a core; for
 * CUDA those of a middling card). It orders strategies; measurements (cost/cost_measure.h) put the numbers right. */
#include "cost/cost_builtin.h"
#include "kernels/conv_request.h"
#include "kernels/cuda_plan/fft_tiles.h"

#include <math.h>

typedef struct rates {
    double conv_flops[SA_CONV_ALGORITHMS]; /* a millisecond */
    double bytes;                          /* to and from memory, a millisecond */
    double elements;                       /* of one arithmetic node, a millisecond */
    double overhead_ms;                    /* of any op */
} rates;

static const rates CPU_RATES = {{6.0e7, 9.0e7, 1.5e8, 1.5e8, 1.5e8}, 2.6e7, 1.0e7, 0.005};
static const rates CUDA_RATES = {{5.0e9, 3.0e9, 5.0e9, 5.0e9, 5.0e9}, 2.5e8, 1.0e8, 0.01};

/* Milliseconds to read `elements` of a source once. */
static double source_ms(const rates *r, const sa_source *source, double elements)
{
    double ms = 0;
    if (source->count == 0) return 0;
    double plane = (double)sa_source_root(source)->height * sa_source_root(source)->width;
    for (int i = 0; i < source->count; i++) {
        const sa_node *node = &source->node[i];
        double share = plane > 0 ? (double)node->height * node->width / plane : 1.0;
        const sa_node_traits *traits = sa_node_traits_of(node->kind);
        if (traits->slab) ms += elements * share * (double)sa_encoding_row_bytes(node->slab.encoding, 16) / 16.0 / r->bytes;
        ms += elements * (traits->cost + traits->cost_per_channel * node->channels_read) / r->elements;
    }
    return ms;
}

static double range_elements(const sa_range *range, double plane)
{
    return (double)(range->image_end - range->image_begin) * (range->channel_end - range->channel_begin) * plane;
}

/* ------------------------------------------------------------------ convolutions ----------------------------------- */

/* One convolution pass or several over the same images. */
typedef struct conv_work {
    const sa_conv_shape *shape;
    sa_conv_pass pass;
    double images, out_channels;
    int products; /* forward 1, dx 1, dweight 1 */
    bool has_filter, has_gradient;
    double workspace_bytes;
} conv_work;

static double plain_flops(const conv_work *w)
{
    const sa_conv_shape *s = w->shape;
    return 2.0 * w->products * w->images * w->out_channels * sa_conv_group_in(s) * s->kernel_h * s->kernel_w * s->out_height *
           s->out_width;
}

/* Products of spectra, transforms, and the spectra of weights that stream through once a chunk of tiles. */
static double fft_ms(const rates *r, const conv_work *w)
{
    const sa_conv_shape *s = w->shape;
    double size = (double)s->out_height * s->out_width >= 4096 ? 32 : 16, step = size - s->kernel_h + 1;
    if (step < 1) return plain_flops(w) / r->conv_flops[SA_CONV_FFT];
    double tiles = w->images * ceil(s->out_height / step) * ceil(s->out_width / step), frequencies = size * size / 2 + 2;
    double channels = s->in_channels + w->out_channels, filters = s->in_channels * w->out_channels, sides = w->products + 1;
    double transform = 2.5 * size * size * log2(size * size);
    double flops = tiles * frequencies * filters * 8.0 * w->products + tiles * channels * 0.5 * sides * transform;
    flops += filters * transform * (w->has_filter + w->has_gradient);
    double spectra = (w->has_filter + w->has_gradient) * filters * frequencies * 8.0, tile = channels * frequencies * 8.0;
    double room = w->workspace_bytes - spectra;
    bool twice = w->has_filter && w->has_gradient && room < 12 * tile;
    if (twice) {
        room += spectra * 0.5;
        flops += tiles * w->out_channels * transform;
    }
    double chunk = fmin(fmax(room / tile, 6.0), tiles), chunks = tiles / chunk;
    double bytes = chunks * (w->has_filter + 2.0 * w->has_gradient) * filters * frequencies * 8.0 + 2.0 * tiles * tile * sides;
    return flops / r->conv_flops[SA_CONV_FFT] + bytes / r->bytes;
}

/* The CUDA device's tiles, chunks and groups are its own. */
static double cuda_fft_ms(const rates *r, const conv_work *w)
{
    const sa_conv_request request = {.shape = *w->shape,
                                     .algorithm = SA_CONV_FFT,
                                     .pass = w->pass,
                                     .out_channels_at_once = (int32_t)w->out_channels,
                                     .images = (int32_t)w->images,
                                     .limit_bytes = (size_t)w->workspace_bytes};
    sa_cuda_fft_work work;
    if (sa_cuda_fft_count(&request, &work) != SA_OK) {
        sa_error_clear();
        return plain_flops(w) / r->conv_flops[SA_CONV_FFT];
    }
    return (work.product_flop + work.transform_flop) / r->conv_flops[SA_CONV_FFT] + work.spectra_bytes / r->bytes +
           (work.launches - 1) * r->overhead_ms;
}

/* Winograd's tiles of 6 x 6 pixels: products, transforms, spectra. */
static double winograd_ms(const rates *r, const conv_work *w)
{
    const sa_conv_shape *s = w->shape;
    const double frequencies = 36, transform = 400; /* flops of one */
    const double tiles = w->images * ceil(s->out_height / 4.0) * ceil(s->out_width / 4.0), sides = w->products + 1;
    const double channels = s->in_channels + w->out_channels, filters = s->in_channels * w->out_channels;
    const double turns = w->has_filter + w->has_gradient;
    const double flops =
        tiles * frequencies * filters * 2.0 * w->products + (tiles * channels * 0.5 * sides + filters * turns) * transform;
    const double bytes = 4.0 * frequencies * (2.0 * filters * turns + tiles * channels * sides);
    return flops / r->conv_flops[SA_CONV_WINOGRAD] + bytes / r->bytes;
}

static double conv_ms(const rates *r, sa_conv_algorithm algorithm, const conv_work *w)
{
    const sa_conv_shape *s = w->shape;
    if (algorithm == SA_CONV_FFT) return r == &CUDA_RATES ? cuda_fft_ms(r, w) : fft_ms(r, w);
    if (algorithm == SA_CONV_WINOGRAD) return winograd_ms(r, w);
    double ms = plain_flops(w) / r->conv_flops[algorithm];
    if (algorithm == SA_CONV_IM2COL) {
        double column = 4.0 * s->in_channels * s->kernel_h * s->kernel_w * s->out_height * s->out_width;
        ms += 3.0 * w->products * w->images * column / r->bytes;
    }
    return ms;
}

static double conv_forward_ms(const rates *r, const sa_conv_forward_args *a)
{
    conv_work work = {.shape = &a->shape, .products = 1, .has_filter = true, .workspace_bytes = (double)a->workspace_bytes};
    work.images = a->range.image_end - a->range.image_begin;
    work.out_channels = a->range.channel_end - a->range.channel_begin;
    double in = work.images * a->shape.in_channels * a->shape.in_height * a->shape.in_width;
    double out = range_elements(&a->range, (double)a->shape.out_height * a->shape.out_width);
    return conv_ms(r, a->algorithm, &work) + source_ms(r, &a->x, in) + out * 4.0 / r->bytes;
}

static double conv_backward_ms(const rates *r, const sa_conv_backward_args *a)
{
    conv_work work = {.shape = &a->shape, .workspace_bytes = (double)a->workspace_bytes};
    work.has_filter = a->dx.at.buffer != SA_NO_BUFFER;
    work.has_gradient = a->dweight.buffer != SA_NO_BUFFER;
    work.products = work.has_filter + work.has_gradient;
    work.pass = !work.has_gradient ? SA_CONV_PASS_BACKWARD_DATA
                : work.has_filter  ? SA_CONV_PASS_BACKWARD_BOTH
                                   : SA_CONV_PASS_BACKWARD_WEIGHT;
    work.images = a->range.image_end - a->range.image_begin;
    work.out_channels = a->range.channel_end - a->range.channel_begin;
    double in = work.images * a->shape.in_channels * a->shape.in_height * a->shape.in_width;
    double out = range_elements(&a->range, (double)a->shape.out_height * a->shape.out_width);
    return conv_ms(r, a->algorithm, &work) + source_ms(r, &a->x, in) + source_ms(r, &a->dy, out) +
           work.has_filter * in * 4.0 / r->bytes;
}

/* ------------------------------------------------------------------ the rest --------------------------------------- */

/* Elements of a whole source. */
static double source_elements(const sa_source *source)
{
    int32_t begin;
    const sa_node *root = sa_source_root(source);
    return (double)sa_source_images(source, &begin) * root->channels * root->height * root->width;
}

static double rows_ms(const rates *r, const sa_range *range, const sa_source *a, const sa_source *b, double out_bytes)
{
    const sa_node *root = sa_source_root(a);
    double elements = range_elements(range, (double)root->height * root->width);
    return source_ms(r, a, elements) + (b ? source_ms(r, b, elements) : 0) + elements * (out_bytes / r->bytes + 0.2 / r->elements);
}

static double classification_ms(const rates *r, const sa_source *scores)
{
    double elements = source_elements(scores);
    return source_ms(r, scores, elements) + 6.0 * elements / r->elements;
}

static double reduction_ms(const rates *r, const sa_reduction_args *a)
{
    double elements = (double)a->channels * a->height * a->width;
    return (a->x.count ? source_ms(r, &a->x, elements) : 0) + elements * ((a->backward ? 4 : 0) / r->bytes + 0.2 / r->elements);
}

/* The larger matrices are read or written once; the products are as fast as those of an im2col convolution. */
static double product_ms(const rates *r, const sa_product_args *a)
{
    const double m = a->rows, n = a->columns, k = a->depth;
    return 2.0 * m * n * k / r->conv_flops[SA_CONV_IM2COL] + 4.0 * (m * k + k * n + m * n) / r->bytes;
}

static double op_ms(const rates *r, sa_op_kind kind, const sa_op_args *a)
{
    switch (kind) {
    case SA_OP_CONV_FORWARD: return conv_forward_ms(r, &a->conv_forward);
    case SA_OP_CONV_BACKWARD: return conv_backward_ms(r, &a->conv_backward);
    case SA_OP_MATERIALIZE: return rows_ms(r, &a->materialize.range, &a->materialize.source, NULL, 4);
    case SA_OP_BN_STATISTICS: return rows_ms(r, &a->bn_statistics.range, &a->bn_statistics.x, NULL, 0);
    case SA_OP_BN_RUNNING: return (double)(a->bn_running.end - a->bn_running.begin) * 24.0 / r->bytes;
    case SA_OP_BN_STORED: return (double)(a->bn_stored.end - a->bn_stored.begin) * 16.0 / r->bytes;
    case SA_OP_BN_REDUCE: return rows_ms(r, &a->bn_reduce.range, &a->bn_reduce.xhat, &a->bn_reduce.dy, 0);
    case SA_OP_POOL_FORWARD: return rows_ms(r, &a->pool_forward.range, &a->pool_forward.x, NULL, 2);
    case SA_OP_POOL_STOCHASTIC: return rows_ms(r, &a->pool_stochastic.range, &a->pool_stochastic.x, NULL, 4);
    case SA_OP_UNPOOL_SCATTER: return rows_ms(r, &a->unpool_scatter.range, &a->unpool_scatter.x, NULL, 24);
    case SA_OP_UNPOOL_GATHER:
        return range_elements(&a->unpool_gather.range, (double)a->unpool_gather.dx.height * a->unpool_gather.dx.width) * 24.0 /
               r->bytes;
    case SA_OP_SOFTMAX: return classification_ms(r, &a->softmax.x);
    case SA_OP_SOFTMAX_GRAD: return classification_ms(r, &a->softmax_grad.dy);
    case SA_OP_ARGMAX: return classification_ms(r, &a->argmax.x) * a->argmax.top_k;
    case SA_OP_REDUCTION: return reduction_ms(r, &a->reduction);
    case SA_OP_PERMUTE: return (double)sa_slab_bytes(&a->permute.out) * 8.0 / r->bytes; /* neighbours lie apart */
    case SA_OP_INTERP: /* four values of the larger plane or of the smaller each */
        return (double)(sa_slab_bytes(&a->interp.x) + sa_slab_bytes(&a->interp.out)) * 4.0 / r->bytes;
    case SA_OP_LOSS: return classification_ms(r, &a->loss.scores);
    case SA_OP_LOSS_GRAD: return classification_ms(r, &a->loss_grad.scores);
    case SA_OP_ACCURACY: return classification_ms(r, &a->accuracy.scores);
    case SA_OP_PRODUCT: return product_ms(r, &a->product);
    case SA_OP_COLUMN_SUMS: return (double)a->column_sums.rows * a->column_sums.columns * 4.0 / r->bytes;
    case SA_OP_FILL: return (double)a->fill.count * 4.0 / r->bytes;
    case SA_OP_UPDATE: return (double)a->update.count * (16.0 + 8.0 * sa_update_histories(a->update.rule.kind)) / r->bytes;
    case SA_OP_SQUARE_SUM: return (double)a->square_sum.count * 4.0 / r->bytes;
    case SA_OP_EXCHANGE: return 0; /* beside the other ops, at the link's speed: see cost/link.h */
    case SA_OP_SHARD_SUM: return (double)a->shard_sum.count * 4.0 * (2.0 + a->shard_sum.ranks) / r->bytes;
    case SA_OP_KINDS: break;
    }
    return 0;
}

double sa_cost_builtin_work_ms(const sa_device *device, sa_op_kind kind, const sa_op_args *args)
{
    const rates *r = device->has_queue ? &CUDA_RATES : &CPU_RATES;
    return r->overhead_ms + op_ms(r, kind, args);
}
