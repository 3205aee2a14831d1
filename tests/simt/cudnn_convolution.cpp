/* The convolution behind the cuDNN stand-in: see cudnn_convolution.h. */
#include "cudnn_convolution.h"

#include "memory.h"

#include <cblas.h>

#include <vector>

namespace
{

typedef SimtConvolution Shape;

size_t rows(const Shape &g)
{
    return (size_t)g.in_channels * (size_t)g.kernel_h * (size_t)g.kernel_w;
}
size_t pixels(const Shape &g)
{
    return (size_t)g.out_height * (size_t)g.out_width;
}

/* Calls visit(column element, image element) for each pair that im2col joins; image is -1 in the padding. */
template <class Visit> void for_each_column_element(const Shape &g, Visit visit)
{
    size_t i = 0;
    for (int c = 0; c < g.in_channels; c++)
        for (int u = 0; u < g.kernel_h; u++)
            for (int v = 0; v < g.kernel_w; v++)
                for (int oy = 0; oy < g.out_height; oy++)
                    for (int ox = 0; ox < g.out_width; ox++, i++) {
                        int y = oy * g.stride_h + u - g.pad_h, x = ox * g.stride_w + v - g.pad_w;
                        bool inside = y >= 0 && y < g.in_height && x >= 0 && x < g.in_width;
                        visit(i, inside ? ((ptrdiff_t)c * g.in_height + y) * g.in_width + x : (ptrdiff_t)-1);
                    }
}

void im2col(const Shape &g, const float *image, std::vector<float> &column)
{
    for_each_column_element(g, [&](size_t i, ptrdiff_t from) { column[i] = from < 0 ? 0.0f : image[from]; });
}

void run_image(const Shape &g, int n, std::vector<float> &column)
{
    float *x = g.x + (size_t)n * (size_t)g.x_image_stride, *y = g.y + (size_t)n * (size_t)g.y_image_stride;
    int co = g.out_channels, k = (int)rows(g), p = (int)pixels(g);
    switch (g.pass) {
    case SIMT_CONV_FORWARD:
        im2col(g, x, column);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, co, p, k, g.alpha, g.w, k, column.data(), p, g.beta, y, p);
        break;
    case SIMT_CONV_BACKWARD_FILTER:
        im2col(g, x, column);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, co, k, p, g.alpha, y, p, column.data(), p, n ? 1.0f : g.beta, g.w, k);
        break;
    case SIMT_CONV_BACKWARD_DATA:
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, p, co, g.alpha, g.w, k, y, p, 0.0f, column.data(), p);
        for (size_t i = 0; i < (size_t)g.in_channels * (size_t)g.in_height * (size_t)g.in_width; i++)
            x[i] = g.beta == 0 ? 0.0f : g.beta * x[i];
        for_each_column_element(g, [&](size_t i, ptrdiff_t to) {
            if (to >= 0) x[to] += column[i];
        });
    }
}

} // namespace

static size_t x_bytes(const Shape &g)
{
    return ((size_t)(g.images - 1) * (size_t)g.x_image_stride + (size_t)g.in_channels * (size_t)g.in_height * (size_t)g.in_width) *
           4;
}
static size_t w_bytes(const Shape &g)
{
    return (size_t)g.out_channels * rows(g) * 4;
}
static size_t y_bytes(const Shape &g)
{
    return ((size_t)(g.images - 1) * (size_t)g.y_image_stride + (size_t)g.out_channels * pixels(g)) * 4;
}

bool simt_convolution_pointers_ok(const SimtConvolution *g)
{
    return simt_is_device_memory(g->x, x_bytes(*g)) && simt_is_device_memory(g->w, w_bytes(*g)) &&
           simt_is_device_memory(g->y, y_bytes(*g));
}

void simt_run_convolution(const void *bytes)
{
    const Shape &g = *(const Shape *)bytes;
    if (g.pass != SIMT_CONV_BACKWARD_DATA || g.beta != 0) simt_require_written(g.x, x_bytes(g), "cuDNN convolution: x");
    if (g.pass != SIMT_CONV_BACKWARD_FILTER || g.beta != 0) simt_require_written(g.w, w_bytes(g), "cuDNN convolution: w");
    if (g.pass != SIMT_CONV_FORWARD || g.beta != 0) simt_require_written(g.y, y_bytes(g), "cuDNN convolution: y");
    std::vector<float> column(rows(g) * pixels(g));
    for (int n = 0; n < g.images; n++) run_image(g, n, column);
    if (g.pass == SIMT_CONV_FORWARD) simt_mark_written(g.y, y_bytes(g));
    if (g.pass == SIMT_CONV_BACKWARD_DATA) simt_mark_written(g.x, x_bytes(g));
    if (g.pass == SIMT_CONV_BACKWARD_FILTER) simt_mark_written(g.w, w_bytes(g));
}
