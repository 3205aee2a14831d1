/* A row puller for dense, normalised and unpooled sources. */
#include "kernels/cpu/source_cpu.h"

#include <assert.h>
#include <string.h>

static int mask_position(const sa_slab *mask, const sa_window *w, int width, int n, int c, int py, int px, int y, int x)
{
    const void *row = sa_slab_row(mask, n, c, py);
    int y0 = py * w->stride_h - w->pad_h, x0 = px * w->stride_w - w->pad_w;
    int here = (y - y0) * w->kernel_w + (x - x0);
    switch (mask->encoding) {
    case SA_F32: return ((const float *)row)[px] == (float)(y * width + x);
    case SA_MASK2: return (int)((((const uint32_t *)row)[px / 16] >> (px % 16 * 2)) & 3) == here;
    case SA_MASK4: return (int)((((const uint32_t *)row)[px / 8] >> (px % 8 * 4)) & 15) == here;
    default: assert(0);
    }
    return 0;
}

static void unpool(const sa_source *source, const sa_node *node, int n, int c, int y, int x, int count, float *scratch, float *out)
{
    const sa_window *w = &node->window;
    for (int i = 0; i < count; i++) {
        out[i] = 0;
        for (int py = 0; py < node->slab.height; py++) {
            int y0 = py * w->stride_h - w->pad_h;
            if (y < y0 || y >= y0 + w->kernel_h) continue;
            for (int px = 0; px < node->slab.width; px++) {
                int x0 = px * w->stride_w - w->pad_w;
                if (x + i < x0 || x + i >= x0 + w->kernel_w) continue;
                if (!mask_position(&node->slab, w, node->width, n, c, py, px, y, x + i)) continue;
                out[i] = *sa_cpu_pull(source, node->child[0], n, c, py, px, 1, scratch);
            }
        }
    }
}

const float *sa_cpu_pull(const sa_source *source, int number, int n, int c, int y, int x, int count, float *scratch)
{
    const sa_node *node = &source->node[number];
    float *out = scratch + (size_t)number * SA_CPU_SEGMENT;
    if (node->kind == SA_NODE_DENSE) return (const float *)sa_slab_row(&node->slab, n, c, y) + x;
    if (node->kind == SA_NODE_UNPOOL) {
        unpool(source, node, n, c, y, x, count, scratch, out);
        return out;
    }
    const float *a = sa_cpu_pull(source, node->child[0], n, c, y, x, count, scratch);
    const float *v0 = node->vector[0].ptr, *v1 = node->vector[1].ptr;
    for (int i = 0; i < count; i++) {
        if (node->kind == SA_NODE_XHAT) out[i] = (a[i] - v0[c]) * v1[c];
        else if (node->kind == SA_NODE_AFFINE) out[i] = v0[c] * a[i] + v1[c];
        else if (node->kind == SA_NODE_RELU) out[i] = a[i] > 0 ? a[i] : 0;
        else assert(0);
    }
    return out;
}
