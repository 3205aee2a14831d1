/* Gather through a pooling mask: the gradient of a virtual upsample, taken straight out of a piece of dx. */
#include "kernels/cpu/conv/conv_common.h"
#include "kernels/cpu/rows/mask_cpu.h"

/* First window whose last pixel is at or after `at`. */
static int first_window(int at, int kernel, int stride, int pad)
{
    int numerator = at + pad - kernel + 1;
    return numerator <= 0 ? 0 : (numerator + stride - 1) / stride;
}

static bool is_halving(const sa_conv_backward_args *args, const sa_conv_piece *p)
{
    const sa_window *w = &args->window;
    return args->mask.encoding == SA_MASK2 && w->kernel_h == 2 && w->kernel_w == 2 && w->stride_h == 2 && w->stride_w == 2 &&
           w->pad_h == 0 && w->pad_w == 0 && p->y % 2 == 0 && p->x % 2 == 0 && p->rows % 2 == 0 && p->columns % 2 == 0;
}

/* Whole 2x2 windows side by side, 16 a time. */
static void gather_halving(const sa_conv_backward_args *args, const sa_conv_piece *piece)
{
    enum { AT_ONCE = 16 };
    int words = (args->mask.width + AT_ONCE - 1) / AT_ONCE, windows = piece->columns / 2, px = piece->x / 2;
    for (int i = 0; i < piece->rows; i += 2) {
        const uint32_t *mask = sa_slab_row(&args->mask, piece->n, piece->c, (piece->y + i) / 2);
        float *out = (float *)sa_slab_row(&args->dx, piece->n, piece->c, (piece->y + i) / 2) + px;
        const float *value = piece->value + (size_t)i * piece->pitch;
        for (int k = 0; k < windows; k += AT_ONCE) {
            uint32_t codes = sa_mask_bits(mask, words, (size_t)(px + k) * 2);
            for (int l = k; l < sa_min_int(k + AT_ONCE, windows); l++, codes >>= 2)
                out[l] = value[(size_t)(codes >> 1 & 1) * piece->pitch + (size_t)(2 * l) + (codes & 1)];
        }
    }
}

/* Any windows. A mask that points nowhere gives 0, from the piece that holds its window's first pixel. */
static void gather_windows(const sa_conv_backward_args *args, const sa_conv_piece *piece)
{
    const sa_window *w = &args->window;
    int y_end = piece->y + piece->rows, x_end = piece->x + piece->columns;
    int py0 = first_window(piece->y, w->kernel_h, w->stride_h, w->pad_h);
    int px0 = first_window(piece->x, w->kernel_w, w->stride_w, w->pad_w);
    for (int py = py0; py < args->dx.height && py * w->stride_h - w->pad_h < y_end; py++) {
        const void *mask = sa_slab_row(&args->mask, piece->n, piece->c, py);
        float *out = sa_slab_row(&args->dx, piece->n, piece->c, py);
        for (int px = px0; px < args->dx.width && px * w->stride_w - w->pad_w < x_end; px++) {
            int y, x;
            bool found = sa_mask_target(mask, args->mask.encoding, w, py, px, args->shape.in_height, args->shape.in_width, &y, &x);
            if (!found) y = sa_max_int(py * w->stride_h - w->pad_h, 0), x = sa_max_int(px * w->stride_w - w->pad_w, 0);
            if (y < piece->y || y >= y_end || x < piece->x || x >= x_end) continue;
            out[px] = found ? piece->value[(size_t)(y - piece->y) * piece->pitch + (size_t)(x - piece->x)] : 0;
        }
    }
}

void sa_conv_gather_piece(const sa_conv_backward_args *args, const sa_conv_piece *piece)
{
    if (is_halving(args, piece)) gather_halving(args, piece);
    else gather_windows(args, piece);
}
