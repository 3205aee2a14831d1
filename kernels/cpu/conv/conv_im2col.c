/* Convolution as Caffe does it: the column matrix of one image, (Cin*Kh*Kw) x (H'*W'), and OpenBLAS SGEMM, one per group of
 * channels.
 *
 * OpenBLAS runs single-threaded inside OpenMP threads on blocks of columns whose limits depend on the shape alone. Which product
 * a column is in does therefore not depend on the number of threads, nor do its bits. Never divide rows: in which order a row is
 * summed depends, with some of OpenBLAS's kernels, on how many rows there are and which of them it is (Haswell's take 12 at a
 * time and the rest in another way). So another range of output channels may give other bits, and bands (net/passes/pass_banded.c)
 * are not used with im2col. */
#include "kernels/cpu/blas.h"
#include "kernels/cpu/conv/conv_common.h"

#include <string.h>

enum {
    COLUMN_BLOCK = 4096, /* columns of one SGEMM of the forward and data passes */
    WEIGHT_BLOCK = 192,  /* columns of dweight of one SGEMM, for large and */
    SMALL_WEIGHT_BLOCK = 32,
    SMALL_WEIGHT_ROW = 1536, /* for small Cin*Kh*Kw */
};

typedef struct layout {
    size_t column, dy, dx, total; /* floats */
} layout;

static bool is_plain_1x1(const sa_conv_shape *s)
{
    return s->kernel_h == 1 && s->kernel_w == 1 && s->stride_h == 1 && s->stride_w == 1 && s->pad_h == 0 && s->pad_w == 0;
}

static sa_status plan_layout(const sa_conv_request *r, layout *result)
{
    const sa_conv_shape *s = &r->shape;
    layout l = {0};
    size_t out_plane = 0, in_plane = 0, kernel = 0;
    bool ok = sa_size_mul((size_t)s->out_height, (size_t)s->out_width, &out_plane);
    ok = ok && sa_size_mul((size_t)s->in_height, (size_t)s->in_width, &in_plane);
    ok = ok && sa_size_mul((size_t)s->kernel_h, (size_t)s->kernel_w, &kernel);
    ok = ok && sa_size_mul(kernel, (size_t)s->in_channels, &kernel) && sa_size_mul(kernel, out_plane, &l.column);
    /* the image itself is the matrix: see column_of */
    if (is_plain_1x1(s) && r->pass == SA_CONV_PASS_FORWARD && !r->virtual_x) l.column = 0;
    if (r->virtual_dy) ok = ok && sa_size_mul(out_plane, (size_t)r->out_channels_at_once, &l.dy);
    if (r->gather_dx) ok = ok && sa_size_mul(in_plane, (size_t)s->in_channels, &l.dx);
    ok = ok && sa_size_add(l.column, l.dy, &l.total) && sa_size_add(l.total, l.dx, &l.total);
    size_t bytes;
    if (!ok || !sa_size_mul(l.total, sizeof(float), &bytes))
        SA_FAIL(SA_CAPACITY, "im2col workspace of a %dx%d convolution on %dx%dx%d overflows", s->kernel_h, s->kernel_w,
                s->in_channels, s->in_height, s->in_width);
    *result = l;
    return SA_OK;
}

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    (void)device;
    layout l = {0};
    SA_TRY(plan_layout(request, &l));
    *bytes = l.total * sizeof(float);
    return SA_OK;
}

/* The last block of columns takes what is left, so that no block is much smaller than the others. */
static int column_blocks(int plane)
{
    return sa_max_int(plane / COLUMN_BLOCK, 1);
}

static int columns_of(int block, int plane)
{
    return block + 1 < column_blocks(plane) ? COLUMN_BLOCK : plane - block * COLUMN_BLOCK;
}

/* Puts input columns [x, x + count) of row `y` of one channel into the column matrix's (Kh, Kw) planes of that channel. */
static void spread_row(const sa_conv_shape *s, int y, int x, int count, const float *row, float *column)
{
    size_t plane = (size_t)s->out_height * (size_t)s->out_width;
    for (int u = 0; u < s->kernel_h; u++) {
        int top = y + s->pad_h - u * s->dilation_h, i = top / s->stride_h;
        if (top < 0 || top % s->stride_h != 0 || i >= s->out_height) continue;
        for (int v = 0; v < s->kernel_w; v++) {
            float *target = column + (size_t)(u * s->kernel_w + v) * plane + (size_t)i * (size_t)s->out_width;
            int left = x + s->pad_w - v * s->dilation_w; /* column `x` is read by output left / stride */
            int begin = left <= 0 ? 0 : (left + s->stride_w - 1) / s->stride_w;
            int last = left + count - 1;
            int end = last < 0 ? 0 : sa_min_int(last / s->stride_w + 1, s->out_width);
            if (begin >= end) continue;
            if (s->stride_w == 1) memcpy(target + begin, row + begin - left, (size_t)(end - begin) * sizeof *row);
            else
                for (int j = begin; j < end; j++) target[j] = row[j * s->stride_w - left];
        }
    }
}

/* Zeros of the column matrix of one channel: what the padding contributes. */
static void clear_border(const sa_conv_shape *s, float *column)
{
    for (int u = 0; u < s->kernel_h; u++)
        for (int v = 0; v < s->kernel_w; v++)
            for (int i = 0; i < s->out_height; i++, column += s->out_width) {
                int y = i * s->stride_h + u * s->dilation_h - s->pad_h, shift = s->pad_w - v * s->dilation_w;
                int begin = (sa_max_int(shift, 0) + s->stride_w - 1) / s->stride_w;
                int last = s->in_width - 1 + shift;
                int end = last < 0 ? 0 : sa_min_int(last / s->stride_w + 1, s->out_width);
                if (y < 0 || y >= s->in_height || end <= begin) begin = end = 0;
                for (int j = 0; j < begin; j++) column[j] = 0;
                for (int j = end; j < s->out_width; j++) column[j] = 0;
            }
}

static void fill_column(const sa_device *device, const sa_conv_shape *s, const sa_source *x, int n, float *column)
{
    size_t channel = (size_t)s->kernel_h * (size_t)s->kernel_w * (size_t)s->out_height * (size_t)s->out_width;
#pragma omp parallel num_threads(sa_cpu_crew(device, (double)channel * s->in_channels))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for schedule(static)
        for (int c = 0; c < s->in_channels; c++) clear_border(s, column + (size_t)c * channel);
#pragma omp for collapse(2) schedule(static)
        for (int c = 0; c < s->in_channels; c++)
            for (int y = 0; y < s->in_height; y++)
                for (int at = 0; at < s->in_width; at += SA_CPU_SEGMENT) {
                    int count = sa_min_int(s->in_width - at, SA_CPU_SEGMENT);
                    const float *row = sa_cpu_pull(x, x->count - 1, n, c, y, at, count, scratch);
                    spread_row(s, y, at, count, row, column + (size_t)c * channel);
                }
    }
}

/* The column matrix of image n: the image itself if the kernel is 1x1 and the source dense. */
static const float *column_of(const sa_device *device, const sa_conv_shape *s, const sa_source *x, int n, float *workspace)
{
    if (is_plain_1x1(s) && sa_source_has_dense_images(x)) return sa_slab_row(&x->node[0].slab, n, 0, 0);
    fill_column(device, s, x, n, workspace);
    return workspace;
}

static int image_crew(const sa_device *device, const sa_conv_shape *s, const sa_range *range)
{
    return sa_conv_crew(device, s, 1, sa_range_channels(range));
}

/* One group's part of a range of output channels, and where its products are. */
typedef struct group_part {
    int o_begin, o_end;    /* output channels */
    int depth;             /* Cin / groups * Kh * Kw */
    size_t column, weight; /* floats before its rows of the column matrix, and before its weights of o_begin */
} group_part;

/* Groups [*first, *end) have channels in the range. */
static void groups_of(const sa_conv_shape *s, const sa_range *range, int *first, int *end)
{
    const int out = sa_conv_group_out(s);
    *first = range->channel_begin / out;
    *end = (range->channel_end - 1) / out + 1;
}

static group_part part_of(const sa_conv_shape *s, const sa_range *range, int group)
{
    const int out = sa_conv_group_out(s);
    group_part part = {.depth = sa_conv_group_in(s) * s->kernel_h * s->kernel_w};
    part.o_begin = sa_max_int(range->channel_begin, group * out);
    part.o_end = sa_min_int(range->channel_end, (group + 1) * out);
    part.column = (size_t)group * (size_t)part.depth * (size_t)s->out_height * (size_t)s->out_width;
    part.weight = (size_t)part.o_begin * (size_t)part.depth;
    return part;
}

/* y = weight * column + bias for one group and `count` columns from p on. */
static void multiply_block(const sa_conv_forward_args *args, const float *column, int n, int group, int p, int count)
{
    const sa_conv_shape *s = &args->shape;
    const group_part g = part_of(s, &args->range, group);
    const int plane = s->out_height * s->out_width;
    const float *bias = args->bias.ptr;
    float *y = (float *)sa_slab_row(&args->y, n, g.o_begin, 0) + p;
    sa_product_run(&(sa_product){.rows = g.o_end - g.o_begin,
                                 .columns = count,
                                 .depth = g.depth,
                                 .a = (const float *)args->weight.ptr + g.weight,
                                 .a_pitch = g.depth,
                                 .b = column + g.column + p,
                                 .b_pitch = plane,
                                 .c = y,
                                 .c_pitch = plane});
    for (int o = g.o_begin; bias && o < g.o_end; o++, y += plane)
        for (int i = 0; i < count; i++) y[i] += bias[o];
}

static sa_status forward(const sa_device *device, const sa_conv_forward_args *args)
{
    const sa_conv_shape *s = &args->shape;
    int plane = s->out_height * s->out_width, first, end;
    groups_of(s, &args->range, &first, &end);
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *column = column_of(device, s, &args->x, n, args->workspace.ptr);
#pragma omp parallel for collapse(2) num_threads(image_crew(device, s, &args->range)) schedule(static)
        for (int g = first; g < end; g++)
            for (int b = 0; b < column_blocks(plane); b++)
                multiply_block(args, column, n, g, b * COLUMN_BLOCK, columns_of(b, plane));
    }
    return SA_OK;
}

/* dy: of the range's channels. */
static void weight_gradient(const sa_device *device, const sa_conv_backward_args *args, const float *dy, const float *column,
                            bool add)
{
    const sa_conv_shape *s = &args->shape;
    int plane = s->out_height * s->out_width, depth = sa_conv_group_in(s) * s->kernel_h * s->kernel_w, first, end;
    int block = depth < SMALL_WEIGHT_ROW ? SMALL_WEIGHT_BLOCK : WEIGHT_BLOCK;
    groups_of(s, &args->range, &first, &end);
#pragma omp parallel for collapse(2) num_threads(image_crew(device, s, &args->range)) schedule(static)
    for (int group = first; group < end; group++)
        for (int q = 0; q < depth; q += block) {
            const group_part g = part_of(s, &args->range, group);
            sa_product_run(&(sa_product){.rows = g.o_end - g.o_begin,
                                         .columns = sa_min_int(depth - q, block),
                                         .depth = plane,
                                         .a = dy + (size_t)(g.o_begin - args->range.channel_begin) * (size_t)plane,
                                         .a_pitch = plane,
                                         .b = column + g.column + (size_t)q * (size_t)plane,
                                         .b_pitch = plane,
                                         .b_transposed = true,
                                         .add = add,
                                         .c = (float *)args->dweight.ptr + g.weight + q,
                                         .c_pitch = depth});
        }
}

/* dx row y of one channel = sum of the column entries that were copied from it. */
static void collect_row(const sa_conv_shape *s, const float *column, int y, float *row)
{
    size_t plane = (size_t)s->out_height * (size_t)s->out_width;
    memset(row, 0, (size_t)s->in_width * sizeof *row);
    for (int u = 0; u < s->kernel_h; u++) {
        int top = y + s->pad_h - u * s->dilation_h, i = top / s->stride_h;
        if (top < 0 || top % s->stride_h != 0 || i >= s->out_height) continue;
        for (int v = 0; v < s->kernel_w; v++) {
            const float *from = column + (size_t)(u * s->kernel_w + v) * plane + (size_t)i * (size_t)s->out_width;
            int shift = v * s->dilation_w - s->pad_w, begin = shift >= 0 ? 0 : (-shift + s->stride_w - 1) / s->stride_w;
            int last = s->in_width - 1 - shift, end = last < 0 ? 0 : sa_min_int(last / s->stride_w + 1, s->out_width);
            float *to = row + shift;
            if (s->stride_w == 1)
                for (int j = begin; j < end; j++) to[j] += from[j];
            else
                for (int j = begin; j < end; j++) to[j * s->stride_w] += from[j];
        }
    }
}

/* column = weight^T * dy for one group and block of columns. */
static void spread_block(const sa_conv_backward_args *args, const float *dy, int group, int block, float *column)
{
    const sa_conv_shape *s = &args->shape;
    const group_part g = part_of(s, &(sa_range){.channel_end = s->out_channels}, group);
    const int plane = s->out_height * s->out_width;
    sa_product_run(&(sa_product){.rows = g.depth,
                                 .columns = columns_of(block, plane),
                                 .depth = g.o_end - g.o_begin,
                                 .a = (const float *)args->weight.ptr + g.weight,
                                 .a_pitch = g.depth,
                                 .a_transposed = true,
                                 .b = dy + (size_t)g.o_begin * (size_t)plane + block * COLUMN_BLOCK,
                                 .b_pitch = plane,
                                 .c = column + g.column + block * COLUMN_BLOCK,
                                 .c_pitch = plane});
}

/* Row y of channel c of dx, which the product has set already if there are no columns. */
static void finish_row(const sa_conv_backward_args *args, const float *column, int c, int y, float *row)
{
    const sa_conv_shape *s = &args->shape;
    const size_t channel = (size_t)s->kernel_h * (size_t)s->kernel_w * (size_t)s->out_height * (size_t)s->out_width;
    const float *bias = args->dx_bias.ptr;
    if (!is_plain_1x1(s)) collect_row(s, column + (size_t)c * channel, y, row);
    for (int x = 0; bias && x < s->in_width; x++) row[x] += bias[c];
}

/* dx (Cin, H, W) of one image from dy (Cout, H'*W'). */
static void data_gradient(const sa_device *device, const sa_conv_backward_args *args, const float *dy, float *column, float *dx)
{
    const sa_conv_shape *s = &args->shape;
    const int plane = s->out_height * s->out_width;
    float *product = is_plain_1x1(s) ? dx : column;
#pragma omp parallel num_threads(image_crew(device, s, &args->range))
    {
#pragma omp for collapse(2) schedule(static)
        for (int g = 0; g < s->groups; g++)
            for (int b = 0; b < column_blocks(plane); b++) spread_block(args, dy, g, b, product);
        if (product != dx || args->dx_bias.ptr) {
#pragma omp for collapse(2) schedule(static)
            for (int c = 0; c < s->in_channels; c++)
                for (int y = 0; y < s->in_height; y++)
                    finish_row(args, column, c, y, dx + ((size_t)c * (size_t)s->in_height + (size_t)y) * (size_t)s->in_width);
        }
    }
}

/* The range's channels of dy of image n as one matrix (channels, H'*W'). */
static const float *dy_of(const sa_device *device, const sa_conv_backward_args *args, int n, float *staging)
{
    int o0 = args->range.channel_begin, width = args->shape.out_width, height = args->shape.out_height;
    if (sa_source_has_dense_images(&args->dy)) return sa_slab_row(&args->dy.node[0].slab, n, o0, 0);
    const double elements = (double)sa_range_channels(&args->range) * height * width;
#pragma omp parallel num_threads(sa_cpu_crew(device, sa_cpu_source_ns(&args->dy, elements)))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
#pragma omp for collapse(2) schedule(static)
        for (int o = o0; o < args->range.channel_end; o++)
            for (int y = 0; y < height; y++)
                sa_conv_load_row(&args->dy, n, o, y, 0, width,
                                 staging + ((size_t)(o - o0) * (size_t)height + (size_t)y) * (size_t)width, scratch);
    }
    return staging;
}

static void gather_image(const sa_device *device, const sa_conv_backward_args *args, int n, const float *dx)
{
    const sa_conv_shape *s = &args->shape;
    size_t plane = (size_t)s->in_height * (size_t)s->in_width;
#pragma omp parallel for num_threads(sa_cpu_crew(device, (double)plane * s->in_channels)) schedule(static)
    for (int c = 0; c < s->in_channels; c++) {
        sa_conv_piece piece = {.n = n, .c = c, .rows = s->in_height, .columns = s->in_width};
        piece.value = dx + (size_t)c * plane;
        piece.pitch = (size_t)s->in_width;
        sa_conv_gather_piece(args, &piece);
    }
}

static sa_status backward(const sa_device *device, const sa_conv_backward_args *args)
{
    sa_conv_request request = sa_conv_backward_request(args);
    layout l = {0};
    SA_TRY(plan_layout(&request, &l));
    float *column = args->workspace.ptr, *dy_stage = column + l.column, *dx_stage = dy_stage + l.dy;
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *dy = dy_of(device, args, n, dy_stage);
        if (args->dweight.ptr)
            weight_gradient(device, args, dy, column_of(device, &args->shape, &args->x, n, column),
                            args->accumulate || n > args->range.image_begin);
        if (!args->dx.at.ptr) continue;
        float *dx = args->gather ? dx_stage : sa_slab_row(&args->dx, n, 0, 0);
        data_gradient(device, args, dy, column, dx);
        if (args->gather) gather_image(device, args, n, dx);
    }
    sa_conv_bias_gradient(device, args);
    return SA_OK;
}

const sa_conv_method sa_conv_im2col_method = {workspace_bytes, forward, backward};
