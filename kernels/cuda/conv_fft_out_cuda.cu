/* FFT-tile convolution on CUDA: from spectra to pixels, to gathered pixels, or to taps (conv_fft.cuh). */
#include "kernels/cuda/conv_fft_tile.cuh"
#include "kernels/cuda/unpool.cuh"

/* Where the tile of an item goes. */
struct sa_fft_target {
    bool exists;
    int n, c, y, x, rows, columns; /* the tile's part of the plane */
};

static __device__ __forceinline__ sa_fft_target find_target(const sa_fft_cut &cut, int number)
{
    const int tile_number = cut.tile_begin + number / cut.pitch, c = number % cut.pitch, t = tile_number % cut.image_tiles;
    sa_fft_target to;
    to.exists = c < cut.channels && number < cut.tiles * cut.pitch;
    to.n = cut.n + tile_number / cut.image_tiles, to.c = cut.channel_begin + c;
    to.y = cut.y + t / cut.tiles_x * cut.step_y, to.x = cut.x + t % cut.tiles_x * cut.step_x;
    to.rows = min(cut.extent_y, cut.height - to.y), to.columns = min(cut.extent_x, cut.width - to.x);
    return to;
}

/* Bias, if any, and slab: `out`, whose rows are `width` floats. */
struct sa_fft_plain_sink {
    const float *bias;
    sa_slab out;

    template <int T> __device__ __forceinline__ void store(const float2 *tile, const sa_fft_cut &cut, const sa_fft_target &to) const
    {
        const float b = bias ? bias[to.c] : 0.0f;
        const int column = (int)threadIdx.x % T;
        float *at = (float *)sa_slab_row(&out, to.n, to.c, to.y) + to.x + column;
        if (column >= to.columns) return;
        for (int y = (int)threadIdx.x % 32 / T; y < to.rows; y += 32 / T)
            at[(size_t)y * (size_t)out.width] = sa_fft_pixel<T>(tile, y, column) + b;
    }
};

/* Windows whose mask points into the tile. One that points nowhere gives 0, from the tile that holds its first pixel. */
struct sa_fft_gather_sink {
    sa_slab mask, out;
    sa_window window;

    template <int T> __device__ __forceinline__ void store(const float2 *tile, const sa_fft_cut &cut, const sa_fft_target &to) const
    {
        const sa_window &w = window;
        const int first_y = first_window(to.y, w.kernel_h, w.stride_h, w.pad_h);
        const int first_x = first_window(to.x, w.kernel_w, w.stride_w, w.pad_w);
        const int end_y = min(out.height, (to.y + to.rows - 1 + w.pad_h) / w.stride_h + 1);
        const int end_x = min(out.width, (to.x + to.columns - 1 + w.pad_w) / w.stride_w + 1);
        const int across = end_x - first_x, count = across > 0 && end_y > first_y ? across * (end_y - first_y) : 0;
        for (int i = (int)threadIdx.x % 32; i < count; i += 32) {
            const int py = first_y + i / across, px = first_x + i % across;
            int y, x;
            const bool found = sa_mask_target(mask, w, to.n, to.c, py, px, cut.height, cut.width, &y, &x);
            if (!found) y = max(py * w.stride_h - w.pad_h, 0), x = max(px * w.stride_w - w.pad_w, 0);
            if (y < to.y || y >= to.y + to.rows || x < to.x || x >= to.x + to.columns) continue;
            ((float *)sa_slab_row(&out, to.n, to.c, py))[px] = found ? sa_fft_pixel<T>(tile, y - to.y, x - to.x) : 0.0f;
        }
    }
    /* The first window that reaches a position. */
    static __device__ __forceinline__ int first_window(int at, int kernel, int stride, int pad)
    {
        const int reach = at + pad - kernel + 1;
        return reach <= 0 ? 0 : (reach + stride - 1) / stride;
    }
};

/* A warp stores a tile. */
template <int T, class SINK>
static __device__ __forceinline__ void store_tiles(const sa_fft_spectra &from, const sa_fft_cut &cut, const SINK &sink)
{
    typedef sa_fft_tile<T> shape;
    __shared__ float2 tiles[shape::items * shape::pitch];
    const int first = (int)blockIdx.x * shape::items;
    sa_fft_read_spectra<T>(from, first, cut.tiles * cut.pitch, tiles);
    sa_fft_tiles_back<T>(tiles, cut.extent_y);
    for (int i = (int)threadIdx.x / 32; i < shape::items; i += SA_FFT_THREADS / 32) {
        const sa_fft_target to = find_target(cut, first + i);
        if (to.exists) sink.template store<T>(tiles + i * shape::pitch, cut, to);
    }
}

template <class SINK>
SA_KERNEL(sa_fft_out16_kernel, sa_fft_block, const __grid_constant__ sa_fft_spectra from, const __grid_constant__ sa_fft_cut cut,
          const __grid_constant__ SINK sink)
{
    store_tiles<16>(from, cut, sink);
}
template <class SINK>
SA_KERNEL(sa_fft_out32_kernel, sa_fft_block, const __grid_constant__ sa_fft_spectra from, const __grid_constant__ sa_fft_cut cut,
          const __grid_constant__ SINK sink)
{
    store_tiles<32>(from, cut, sink);
}
SIMT_KERNEL(sa_fft_out16_kernel<sa_fft_plain_sink>)
SIMT_KERNEL(sa_fft_out16_kernel<sa_fft_gather_sink>)
SIMT_KERNEL(sa_fft_out32_kernel<sa_fft_plain_sink>)
SIMT_KERNEL(sa_fft_out32_kernel<sa_fft_gather_sink>)

static unsigned blocks_for(int items, int size)
{
    const int at_once = SA_FFT_THREADS / (size / 2);
    return (unsigned)((items + at_once - 1) / at_once);
}

template <class SINK>
static sa_status launch(sa_cuda_device *device, const sa_fft_spectra *spectra, const sa_fft_cut *cut, const SINK &sink)
{
    SA_CUDA_TRY(sa_launch(cut->size == 16 ? sa_fft_out16_kernel<SINK> : sa_fft_out32_kernel<SINK>,
                          blocks_for(cut->tiles * cut->pitch, cut->size), 0, device->stream, *spectra, *cut, sink));
    return SA_OK;
}

sa_status sa_fft_store(sa_cuda_device *device, const sa_fft_spectra *spectra, const sa_fft_cut *cut, const float *bias,
                       const sa_slab *out)
{
    return launch(device, spectra, cut, sa_fft_plain_sink{bias, *out});
}

sa_status sa_fft_store_gathered(sa_cuda_device *device, const sa_fft_spectra *spectra, const sa_fft_cut *cut, const sa_slab *mask,
                                const sa_window *window, const sa_slab *out)
{
    return launch(device, spectra, cut, sa_fft_gather_sink{*mask, *out, *window});
}

/* ------------------------------------------------------------------ taps -------------------------------------------- */

/* The taps of an item are the first rows and columns of its tile; a warp stores them. */
template <int T>
static __device__ __forceinline__ void store_taps(const sa_fft_spectra &from, const sa_fft_filters &to, int count, bool add,
                                                  float *weight)
{
    typedef sa_fft_tile<T> shape;
    __shared__ float2 tiles[shape::items * shape::pitch];
    const int first = (int)blockIdx.x * shape::items, taps = to.kernel_h * to.kernel_w;
    const float scale = 1.0f / (float)(T * T);
    sa_fft_read_spectra<T>(from, first, count, tiles);
    sa_fft_tiles_back<T>(tiles, to.kernel_h);
    for (int i = (int)threadIdx.x / 32; i < shape::items; i += SA_FFT_THREADS / 32) {
        const int k = (first + i) / to.n_pitch, n = (first + i) % to.n_pitch;
        if (k >= to.k_count || n >= to.n_count) continue;
        float *filter = weight + (size_t)k * to.k_stride + (size_t)n * to.n_stride;
        for (int tap = (int)threadIdx.x % 32; tap < taps; tap += 32) {
            const int place = to.turned ? taps - 1 - tap : tap;
            const float value = sa_fft_pixel<T>(tiles + i * shape::pitch, place / to.kernel_w, place % to.kernel_w) * scale;
            filter[tap] = add ? filter[tap] + value : value;
        }
    }
}

SA_KERNEL(sa_fft_taps16_kernel, sa_fft_block, const __grid_constant__ sa_fft_spectra from,
          const __grid_constant__ sa_fft_filters to, int count, bool add, float *__restrict__ weight)
{
    store_taps<16>(from, to, count, add, weight);
}
SA_KERNEL(sa_fft_taps32_kernel, sa_fft_block, const __grid_constant__ sa_fft_spectra from,
          const __grid_constant__ sa_fft_filters to, int count, bool add, float *__restrict__ weight)
{
    store_taps<32>(from, to, count, add, weight);
}
SIMT_KERNEL(sa_fft_taps16_kernel)
SIMT_KERNEL(sa_fft_taps32_kernel)

sa_status sa_fft_store_filters(sa_cuda_device *device, const float2 *spectra, const sa_fft_filters *filters, bool add,
                               float *weight)
{
    const int rows = (filters->k_count + SA_CUDA_FFT_CHANNELS - 1) / SA_CUDA_FFT_CHANNELS * SA_CUDA_FFT_CHANNELS,
              count = rows * filters->n_pitch;
    const sa_fft_spectra from = {(float2 *)spectra, (size_t)count, 1.0f, 1.0f};
    SA_CUDA_TRY(sa_launch(filters->size == 16 ? sa_fft_taps16_kernel : sa_fft_taps32_kernel, blocks_for(count, filters->size), 0,
                          device->stream, from, *filters, count, add, weight));
    return SA_OK;
}
