/* References into the arena, and slabs: dense pieces of an (N, C, H, W) value.
 *
 * Neither owns memory. A program is built with buffer numbers; binding fills in the pointers. */
#ifndef SA_KERNELS_SLAB_H
#define SA_KERNELS_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Functions of this header run in CUDA kernels too. */
#ifdef __CUDACC__
#define SA_HOST_DEVICE __host__ __device__
#else
#define SA_HOST_DEVICE
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { SA_NO_BUFFER = -1 };

/* One buffer of the program, or a piece of it. `buffer` is its number (SA_NO_BUFFER: absent); `ptr` is NULL until bound. `value`
 * says which value of the net the piece has to hold for a read, or holds after a write; only the program check looks at it. */
typedef struct sa_ref {
    int32_t buffer;
    void *ptr;
    int32_t value;
    size_t offset_bytes, size_bytes; /* the piece; size 0: the whole buffer */
} sa_ref;

#define SA_REF_NONE ((sa_ref){.buffer = SA_NO_BUFFER})

/* How the elements of a slab are stored. Rows are contiguous; rows, channels and images follow without gaps. */
typedef enum sa_encoding {
    SA_F32,   /* float32 */
    SA_BF16,  /* upper half of float32, rounded to nearest even (lossy) */
    SA_U8,    /* whole numbers 0..255 (exact for images) */
    SA_MASK2, /* pooling window position 0..3, 2 bits; a row is whole 32-bit words, 16 windows each, lowest bits first */
    SA_MASK4, /* pooling window position 0..14, 15 = none; 4 bits; a row is whole 32-bit words, 8 windows each */
} sa_encoding;

/* Images [image_begin, image_begin + images) and channels [channel_begin, channel_begin + channels) of a value with
 * planes of height x width. Indices n, c given to the accessors are those of the whole value. */
typedef struct sa_slab {
    sa_ref at;
    sa_encoding encoding;
    int32_t images, channels, height, width;
    int32_t image_begin, channel_begin;
} sa_slab;

/* Part of a value that an op works on: images [image_begin, image_end), channels [channel_begin, channel_end). */
typedef struct sa_range {
    int32_t image_begin, image_end, channel_begin, channel_end;
} sa_range;

/* Pooling windows: rows [y*stride_h - pad_h, +kernel_h) clipped to the plane, columns likewise. */
typedef struct sa_window {
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} sa_window;

SA_HOST_DEVICE static inline size_t sa_encoding_row_bytes(sa_encoding encoding, int32_t width)
{
    switch (encoding) {
    case SA_F32: return (size_t)width * 4;
    case SA_BF16: return (size_t)width * 2;
    case SA_U8: return (size_t)width;
    case SA_MASK2: return ((size_t)width + 15) / 16 * 4;
    case SA_MASK4: return ((size_t)width + 7) / 8 * 4;
    }
    return 0;
}

SA_HOST_DEVICE static inline size_t sa_slab_plane_bytes(const sa_slab *slab)
{
    return sa_encoding_row_bytes(slab->encoding, slab->width) * (size_t)slab->height;
}

static inline size_t sa_slab_bytes(const sa_slab *slab)
{
    return sa_slab_plane_bytes(slab) * (size_t)slab->images * (size_t)slab->channels;
}

/* The part of a slab that holds image n. */
static inline sa_slab sa_slab_image(const sa_slab *slab, int n)
{
    sa_slab image = *slab;
    image.images = 1;
    image.image_begin = n;
    image.at.size_bytes = sa_slab_bytes(&image);
    image.at.offset_bytes += (size_t)(n - slab->image_begin) * image.at.size_bytes;
    return image;
}

/* Address of row y of channel c of image n. */
SA_HOST_DEVICE static inline void *sa_slab_row(const sa_slab *slab, int n, int c, int y)
{
    size_t plane = (size_t)(n - slab->image_begin) * (size_t)slab->channels + (size_t)(c - slab->channel_begin);
    size_t row = plane * (size_t)slab->height + (size_t)y;
    return (char *)slab->at.ptr + row * sa_encoding_row_bytes(slab->encoding, slab->width);
}

#ifdef __cplusplus
}
#endif
#endif
