/* Builders for the tests of the row kernels. */
#include "tests/support/rows.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS_MAX = 4096 };
static void *blocks[BLOCKS_MAX];
static int block_count;
static uint64_t random_state = 1;

void *sa_test_memory(size_t bytes)
{
    void *memory = NULL;
    if (block_count == BLOCKS_MAX || posix_memalign(&memory, 64, bytes ? bytes : 1) != 0) abort();
    memset(memory, 0xff, bytes);
    blocks[block_count++] = memory;
    return memory;
}

int sa_test_release(void **state)
{
    (void)state;
    while (block_count) free(blocks[--block_count]);
    return 0;
}

void sa_test_seed(uint64_t seed)
{
    random_state = seed * 2654435761u + 1;
}

float sa_test_uniform(float low, float high)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (float)(random_state >> 40) / 16777216.0f;
}

sa_test_value sa_test_poisoned(int n, int c, int h, int w)
{
    sa_test_value value = {n, c, h, w, NULL};
    value.data = sa_test_memory(sa_test_count(&value) * sizeof(float));
    return value;
}

sa_test_value sa_test_random(int n, int c, int h, int w)
{
    sa_test_value value = sa_test_poisoned(n, c, h, w);
    for (size_t i = 0; i < sa_test_count(&value); i++) value.data[i] = sa_test_uniform(-2.0f, 2.0f);
    return value;
}

sa_test_value sa_test_levels(int n, int c, int h, int w, int levels)
{
    sa_test_value value = sa_test_poisoned(n, c, h, w);
    for (size_t i = 0; i < sa_test_count(&value); i++)
        value.data[i] = (float)((int)sa_test_uniform(0.0f, (float)levels + 0.999f) - levels / 2);
    return value;
}

float *sa_test_vector(int count, float low, float high)
{
    float *vector = sa_test_memory((size_t)count * sizeof *vector);
    for (int i = 0; i < count; i++) vector[i] = sa_test_uniform(low, high);
    return vector;
}

size_t sa_test_count(const sa_test_value *value)
{
    return (size_t)value->n * (size_t)value->c * (size_t)value->h * (size_t)value->w;
}

float sa_test_at(const sa_test_value *value, int n, int c, int y, int x)
{
    return value->data[((size_t)(n * value->c + c) * (size_t)value->h + (size_t)y) * (size_t)value->w + (size_t)x];
}

sa_ref sa_test_ref(void *pointer)
{
    return (sa_ref){.buffer = pointer ? 0 : SA_NO_BUFFER, .ptr = pointer};
}

sa_slab sa_test_slab(const sa_test_value *value)
{
    return (sa_slab){sa_test_ref(value->data), SA_F32, value->n, value->c, value->h, value->w, 0, 0};
}

sa_range sa_test_range(const sa_test_value *value)
{
    return (sa_range){0, value->n, 0, value->c};
}

int sa_test_dense(sa_source *source, const sa_test_value *value)
{
    sa_node *node = &source->node[source->count];
    *node = (sa_node){.kind = SA_NODE_DENSE, .child = {-1, -1, -1}, .channels = value->c, .height = value->h, .width = value->w};
    node->slab = sa_test_slab(value);
    return source->count++;
}

int sa_test_node(sa_source *source, sa_node_kind kind, int a, int b, int c)
{
    sa_node *node = &source->node[source->count], *child = &source->node[a];
    *node = (sa_node){.kind = kind,
                      .child = {(int8_t)a, (int8_t)b, (int8_t)c},
                      .channels = child->channels,
                      .height = child->height,
                      .width = child->width,
                      .spread = SA_SPREAD_CHANNELS};
    return source->count++;
}

int sa_test_pooled(int size, int kernel, int stride, int pad)
{
    int pooled = (size + 2 * pad - kernel + stride - 1) / stride + 1;
    if (pad > 0 && (pooled - 1) * stride >= size + pad) pooled--;
    return pooled < 1 ? 1 : pooled;
}

void sa_test_pool(const sa_test_value *x, sa_window w, sa_test_value *out, sa_test_value *mask)
{
    int h = sa_test_pooled(x->h, w.kernel_h, w.stride_h, w.pad_h), width = sa_test_pooled(x->w, w.kernel_w, w.stride_w, w.pad_w);
    *out = sa_test_poisoned(x->n, x->c, h, width);
    *mask = sa_test_poisoned(x->n, x->c, h, width);
    size_t i = 0;
    for (int plane = 0; plane < x->n * x->c; plane++) {
        for (int py = 0; py < h; py++) {
            for (int px = 0; px < width; px++, i++) {
                out->data[i] = -FLT_MAX;
                mask->data[i] = -1.0f;
                for (int p = 0; p < w.kernel_h * w.kernel_w; p++) {
                    int iy = py * w.stride_h - w.pad_h + p / w.kernel_w, ix = px * w.stride_w - w.pad_w + p % w.kernel_w;
                    if (iy < 0 || iy >= x->h || ix < 0 || ix >= x->w) continue;
                    float value = sa_test_at(x, plane / x->c, plane % x->c, iy, ix);
                    if (!(value > out->data[i])) continue;
                    out->data[i] = value;
                    mask->data[i] = (float)(iy * x->w + ix);
                }
            }
        }
    }
}

sa_slab sa_test_encode_mask(const sa_test_value *mask, sa_window w, int width, sa_encoding encoding)
{
    sa_slab slab = sa_test_slab(mask);
    if (encoding == SA_F32) return slab;
    slab.encoding = encoding;
    slab.at.ptr = sa_test_memory(sa_slab_bytes(&slab));
    memset(slab.at.ptr, 0, sa_slab_bytes(&slab));
    int bits = encoding == SA_MASK2 ? 2 : 4;
    for (int plane = 0; plane < mask->n * mask->c; plane++) {
        for (int py = 0; py < mask->h; py++) {
            uint32_t *row = sa_slab_row(&slab, plane / mask->c, plane % mask->c, py);
            for (int px = 0; px < mask->w; px++) {
                int index = (int)sa_test_at(mask, plane / mask->c, plane % mask->c, py, px);
                int y = index / width - (py * w.stride_h - w.pad_h), x = index % width - (px * w.stride_w - w.pad_w);
                uint32_t code = index < 0 ? (encoding == SA_MASK4 ? 15u : 0u) : (uint32_t)(y * w.kernel_w + x);
                row[px * bits / 32] |= code << (px * bits % 32);
            }
        }
    }
    return slab;
}
