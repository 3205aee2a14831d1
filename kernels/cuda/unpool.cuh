/* Gathering a gradient through a pooling mask: the op unpool_gather, and the last step of convolutions that gather. */
#ifndef SA_CUDA_UNPOOL_CUH
#define SA_CUDA_UNPOOL_CUH

#include "kernels/cuda/cuda_device.cuh"

/* dx[i] = dy[mask[i]] over the range; dy: dense float32, its slab may hold a part of the images. */
sa_status sa_cuda_gather(sa_cuda_device *device, const sa_range *range, const sa_slab *dy, const sa_slab *mask,
                         const sa_window *window, const sa_slab *dx);

/* Where a window's mask points: false if nowhere inside the plane. */
__device__ __forceinline__ bool sa_mask_target(const sa_slab &mask, const sa_window &w, int n, int c, int py, int px, int height,
                                               int width, int *y, int *x)
{
    const void *row = sa_slab_row(&mask, n, c, py);
    if (mask.encoding == SA_F32) {
        float index = ((const float *)row)[px];
        if (!(index >= 0.0f && index < (float)height * (float)width)) return false; /* NaN too */
        *y = (int)index / width;
        *x = (int)index % width;
        return *y < height;
    }
    int bits = mask.encoding == SA_MASK2 ? 2 : 4, per_word = 32 / bits;
    int code = (int)(((const unsigned *)row)[px / per_word] >> (bits * (px % per_word)) & ((1u << bits) - 1));
    if (mask.encoding == SA_MASK4 && code == 15) return false;
    *y = py * w.stride_h - w.pad_h + code / w.kernel_w;
    *x = px * w.stride_w - w.pad_w + code % w.kernel_w;
    return *y >= 0 && *y < height && *x >= 0 && *x < width;
}

#endif
