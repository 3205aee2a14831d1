/* Gather through a pooling mask: the gradient of a virtual upsample, taken straight out of a piece of dx. */
#include "kernels/cpu/conv_common.h"

#include <string.h>

/* A window position becomes a row and a column of the plane; -1: none. */
typedef struct position {
    int y, x;
} position;

static position decode(const sa_conv_backward_args *args, const void *row, int py, int px)
{
    const sa_window *w = &args->window;
    int code;
    if (args->mask.encoding == SA_F32) {
        int index = (int)((const float *)row)[px];
        if (index < 0) return (position){-1, -1};
        return (position){index / args->shape.in_width, index % args->shape.in_width};
    }
    if (args->mask.encoding == SA_MASK2) code = (int)(((const uint32_t *)row)[px / 16] >> (px % 16 * 2)) & 3;
    else {
        code = (int)(((const uint32_t *)row)[px / 8] >> (px % 8 * 4)) & 15;
        if (code == 15) return (position){-1, -1};
    }
    return (position){py * w->stride_h - w->pad_h + code / w->kernel_w, px * w->stride_w - w->pad_w + code % w->kernel_w};
}

/* First window whose last pixel is at or after `at`. */
static int first_window(int at, int kernel, int stride, int pad)
{
    int numerator = at + pad - kernel + 1;
    return numerator <= 0 ? 0 : (numerator + stride - 1) / stride;
}

void sa_conv_gather_piece(const sa_conv_backward_args *args, const sa_conv_piece *piece)
{
    const sa_window *w = &args->window;
    int y_end = piece->y + piece->rows, x_end = piece->x + piece->columns;
    int py0 = first_window(piece->y, w->kernel_h, w->stride_h, w->pad_h);
    int px0 = first_window(piece->x, w->kernel_w, w->stride_w, w->pad_w);
    for (int py = py0; py < args->dx.height && py * w->stride_h - w->pad_h < y_end; py++) {
        const void *mask = sa_slab_row(&args->mask, piece->n, piece->c, py);
        float *out = sa_slab_row(&args->dx, piece->n, piece->c, py);
        int top = sa_max_int(py * w->stride_h - w->pad_h, 0);
        for (int px = px0; px < args->dx.width && px * w->stride_w - w->pad_w < x_end; px++) {
            position at = decode(args, mask, py, px);
            bool none = at.y < 0;
            if (none) at = (position){top, sa_max_int(px * w->stride_w - w->pad_w, 0)};
            if (at.y < piece->y || at.y >= y_end || at.x < piece->x || at.x >= x_end) continue;
            out[px] = none ? 0 : piece->value[(size_t)(at.y - piece->y) * piece->pitch + (size_t)(at.x - piece->x)];
        }
    }
}
