/* References into the arena, and slabs: pieces of an (N, C, H, W) value.
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
enum { SA_AXES_MAX = 8 }; /* of a value of the net */

/* One buffer of the program, or a piece of it. `buffer` is its number (SA_NO_BUFFER: absent); `ptr` is NULL until bound. `value`
 * says which value of the net the piece has to hold for a read, or holds after a write; only the program check looks at it. */
typedef struct sa_ref {
    int32_t buffer;
    void *ptr;
    int32_t value;
    int32_t repeat;                  /* > 1: so many pieces of size_bytes, one every pitch_bytes */
    size_t offset_bytes, size_bytes; /* the piece, or the first; size 0: the whole buffer */
    size_t pitch_bytes;
} sa_ref;

#define SA_REF_NONE ((sa_ref){.buffer = SA_NO_BUFFER})

/* How the elements of a row are stored. */
typedef enum sa_encoding {
    SA_F32,   /* float32 */
    SA_BF16,  /* upper half of float32, rounded to nearest even (lossy) */
    SA_U8,    /* whole numbers 0..255 (exact for images) */
    SA_MASK2, /* pooling window position 0..3, 2 bits; a row is whole 32-bit words, 16 windows each, lowest bits first */
    SA_MASK4, /* pooling window position 0..14, 15 = none; 4 bits; a row is whole 32-bit words, 8 windows each */
} sa_encoding;

/* Images [image_begin, image_begin + images) and channels [channel_begin, channel_begin + channels) of a value with
 * planes of height x width. Indices n, c given to the accessors are those of the whole value.
 *
 * Rows are contiguous. Rows, planes and images follow without gaps, unless the slab is a part of a larger one (sa_slab_part): it
 * then begins first_bytes behind the piece `at`, and its rows, planes and images are as far apart as those of the larger one. */
typedef struct sa_slab {
    sa_ref at;
    sa_encoding encoding;
    int32_t images, channels, height, width;
    int32_t image_begin, channel_begin;
    size_t first_bytes, row_pitch, plane_pitch, image_pitch; /* bytes; image_pitch 0: no gaps, all of them are 0 */
} sa_slab;

/* Where a value lies in a larger one: from begin on, size of it, along images, channels, rows and columns. */
typedef struct sa_part {
    int32_t begin[4], size[4];
} sa_part;

/* Part of a value that an op works on: images [image_begin, image_end), channels [channel_begin, channel_end). */
typedef struct sa_range {
    int32_t image_begin, image_end, channel_begin, channel_end;
} sa_range;

/* Pooling windows: rows [y*stride_h - pad_h, +kernel_h) clipped to the plane, columns likewise. */
typedef struct sa_window {
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} sa_window;

/* Pixels that average pooling divides window (py, px) of a plane by: its own, the padding's too, but none beyond that. */
SA_HOST_DEVICE static inline float sa_window_pixels(const sa_window *w, int32_t height, int32_t width, int32_t py, int32_t px)
{
    const int32_t y = py * w->stride_h - w->pad_h, x = px * w->stride_w - w->pad_w;
    const int32_t rows = y + w->kernel_h < height + w->pad_h ? w->kernel_h : height + w->pad_h - y;
    const int32_t columns = x + w->kernel_w < width + w->pad_w ? w->kernel_w : width + w->pad_w - x;
    return (float)rows * (float)columns;
}

/* Which element of a vector belongs to (n, c, y, x) of a value: image * n + channel * c + row * y + column * x. */
typedef struct sa_spread {
    int32_t image, channel, row, column;
} sa_spread;

/* One element per channel. */
#define SA_SPREAD_CHANNELS ((sa_spread){.channel = 1})

SA_HOST_DEVICE static inline size_t sa_spread_index(const sa_spread *spread, int n, int c)
{
    return (size_t)n * (size_t)spread->image + (size_t)c * (size_t)spread->channel;
}

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

/* Bytes of a slab's elements, gaps left out. */
static inline size_t sa_slab_bytes(const sa_slab *slab)
{
    return sa_encoding_row_bytes(slab->encoding, slab->width) * (size_t)slab->height * (size_t)slab->images *
           (size_t)slab->channels;
}

/* From one row, plane and image to the next. */
SA_HOST_DEVICE static inline size_t sa_slab_row_pitch(const sa_slab *slab)
{
    return slab->image_pitch ? slab->row_pitch : sa_encoding_row_bytes(slab->encoding, slab->width);
}
SA_HOST_DEVICE static inline size_t sa_slab_plane_pitch(const sa_slab *slab)
{
    return slab->image_pitch ? slab->plane_pitch : sa_slab_row_pitch(slab) * (size_t)slab->height;
}
SA_HOST_DEVICE static inline size_t sa_slab_image_pitch(const sa_slab *slab)
{
    return slab->image_pitch ? slab->image_pitch : sa_slab_plane_pitch(slab) * (size_t)slab->channels;
}

/* Is each image one piece of memory, whatever lies between images? */
SA_HOST_DEVICE static inline bool sa_slab_has_whole_images(const sa_slab *slab)
{
    return slab->image_pitch == 0 || (slab->row_pitch == sa_encoding_row_bytes(slab->encoding, slab->width) &&
                                      slab->plane_pitch == slab->row_pitch * (size_t)slab->height);
}

/* Address of row y of channel c of image n. */
SA_HOST_DEVICE static inline void *sa_slab_row(const sa_slab *slab, int n, int c, int y)
{
    if (slab->image_pitch == 0) {
        size_t plane = (size_t)(n - slab->image_begin) * (size_t)slab->channels + (size_t)(c - slab->channel_begin);
        size_t row = plane * (size_t)slab->height + (size_t)y;
        return (char *)slab->at.ptr + row * sa_encoding_row_bytes(slab->encoding, slab->width);
    }
    return (char *)slab->at.ptr + slab->first_bytes + (size_t)(n - slab->image_begin) * slab->image_pitch +
           (size_t)(c - slab->channel_begin) * slab->plane_pitch + (size_t)y * slab->row_pitch;
}

/* ---- slab.c ---- */

/* The part of a slab that holds image n. */
sa_slab sa_slab_image(const sa_slab *slab, int n);
/* A part of a slab that holds a whole value, as a slab whose images and channels count from 0. Not of masks that pack several
 * windows into a word, unless rows stay whole. Its piece is exact where the part is pieces at one pitch; a part that is cut along
 * several axes names the piece of the whole slab. */
sa_slab sa_slab_part(const sa_slab *slab, const sa_part *part);
/* The same elements in row-major order as other images, channels, rows and columns. False if gaps lie between elements that would
 * have to be neighbours; *slab is left alone then. */
bool sa_slab_reshape(sa_slab *slab, const int32_t nchw[4]);

#ifdef __cplusplus
}
#endif
#endif
