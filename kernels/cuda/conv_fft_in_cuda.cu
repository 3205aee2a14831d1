/* FFT-tile convolution on CUDA: from a source, or from filters, to spectra (conv_fft.cuh). */
#include "kernels/cuda/conv_fft_tile.cuh"
#include "kernels/cuda/eval_launch.cuh"

/* ------------------------------------------------------------------ tiles ------------------------------------------- */

/* Evaluates the source at the tile of item `number`, zero outside the plane, beyond the extent and in channels that only pad. A row
 * of T threads takes a row of the tile; each thread's lanes are rows of one column, so that what neighbours load lies side by side.
 */
template <int T, class E>
static __device__ __forceinline__ void load_tile(const sa_program<E> &source, const sa_fft_cut &cut, int number, float *slots,
                                                 float2 *tile)
{
    constexpr int rows_at_once = 32 / T;
    const int tile_number = cut.tile_begin + number / cut.pitch, c = number % cut.pitch, t = tile_number % cut.image_tiles;
    const int top = cut.y + t / cut.tiles_x * cut.step_y, left = cut.x + t % cut.tiles_x * cut.step_x;
    const int column = (int)threadIdx.x % T, first = (int)threadIdx.x % 32 / T;
    const bool exists = c < cut.channels && number < cut.tiles * cut.pitch && column < cut.extent_x && left + column >= 0 &&
                        left + column < cut.width;
    sa_lanes at;
    at.n = cut.n + tile_number / cut.image_tiles;
    at.c = cut.channel_begin + (c < cut.channels ? c : 0);
    for (int begin = 0; begin < T; begin += SA_EVAL_LANES * rows_at_once) {
        float value[SA_EVAL_LANES];
        at.valid = 0;
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            const int y = begin + e * rows_at_once + first;
            at.y[e] = top + y, at.x[e] = left + column;
            if (exists && y < cut.extent_y && top + y >= 0 && top + y < cut.height) at.valid |= 1u << e;
        }
        sa_eval<E>(source, at, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++)
            ((float *)tile)[2 * sa_fft_tile<T>::row(begin + e * rows_at_once + first) + column] = value[e];
    }
}

template <int T, class E>
static __device__ __forceinline__ void transform_tiles(const sa_program<E> &source, const sa_fft_cut &cut, const sa_fft_spectra &to,
                                                       float *slots)
{
    typedef sa_fft_tile<T> shape;
    __shared__ float2 tiles[shape::items * shape::pitch];
    const int first = (int)blockIdx.x * shape::items;
    for (int i = (int)threadIdx.x / 32; i < shape::items; i += SA_FFT_THREADS / 32)
        load_tile<T, E>(source, cut, first + i, slots, tiles + i * shape::pitch);
    __syncthreads();
    sa_fft_tiles_forward<T>(tiles);
    sa_fft_write_spectra<T>(tiles, to, first, cut.tiles * cut.pitch);
}

/* Grid: items in groups of what a block takes. */
template <class E>
SA_KERNEL(sa_fft_in16_kernel, sa_fft_block, const __grid_constant__ sa_program<E> source, const __grid_constant__ sa_fft_cut cut,
          const __grid_constant__ sa_fft_spectra to)
{
    SA_DYN_SHARED(float, slots);
    transform_tiles<16, E>(source, cut, to, slots);
}
template <class E>
SA_KERNEL(sa_fft_in32_kernel, sa_fft_block, const __grid_constant__ sa_program<E> source, const __grid_constant__ sa_fft_cut cut,
          const __grid_constant__ sa_fft_spectra to)
{
    SA_DYN_SHARED(float, slots);
    transform_tiles<32, E>(source, cut, to, slots);
}
SA_EVAL_REGISTER(sa_fft_in16_kernel, SA_MATERIALIZE_FORMS)
SA_EVAL_REGISTER(sa_fft_in32_kernel, SA_MATERIALIZE_FORMS)

static unsigned blocks_for(int items, int size)
{
    const int at_once = SA_FFT_THREADS / (size / 2);
    return (unsigned)((items + at_once - 1) / at_once);
}

sa_status sa_fft_transform(sa_cuda_device *device, const sa_source *source, const sa_fft_cut *cut, const sa_fft_spectra *spectra)
{
    sa_eval_program program;
    SA_TRY(sa_compile_one(source, &program));
    const unsigned blocks = blocks_for(cut->tiles * cut->pitch, cut->size);
    if (cut->size == 16)
        SA_EVAL_LAUNCH(sa_fft_in16_kernel, SA_MATERIALIZE_FORMS, program, blocks, 0, device->stream, program, *cut, *spectra);
    else SA_EVAL_LAUNCH(sa_fft_in32_kernel, SA_MATERIALIZE_FORMS, program, blocks, 0, device->stream, program, *cut, *spectra);
    return SA_OK;
}

/* ------------------------------------------------------------------ filters ----------------------------------------- */

template <int T>
static __device__ __forceinline__ void transform_filters(const sa_fft_filters &from, int count, const sa_fft_spectra &to)
{
    typedef sa_fft_tile<T> shape;
    __shared__ float2 tiles[shape::items * shape::pitch];
    const int first = (int)blockIdx.x * shape::items, taps = from.kernel_h * from.kernel_w;
    for (int i = (int)threadIdx.x; i < shape::items * shape::pitch; i += SA_FFT_THREADS) tiles[i] = make_float2(0.0f, 0.0f);
    __syncthreads();
    for (int i = (int)threadIdx.x / 32; i < shape::items; i += SA_FFT_THREADS / 32) {
        const int k = (first + i) / from.n_pitch, n = (first + i) % from.n_pitch;
        if (k >= from.k_count || n >= from.n_count) continue;
        const float *filter = from.weight + (size_t)k * from.k_stride + (size_t)n * from.n_stride;
        for (int tap = (int)threadIdx.x % 32; tap < taps; tap += 32) {
            const int place = from.turned ? taps - 1 - tap : tap;
            ((float *)(tiles + i * shape::pitch))[2 * shape::row(place / from.kernel_w) + place % from.kernel_w] = filter[tap];
        }
    }
    __syncthreads();
    sa_fft_tiles_forward<T>(tiles);
    sa_fft_write_spectra<T>(tiles, to, first, count);
}

/* count: of items, k * n_pitch + n */
SA_KERNEL(sa_fft_filter16_kernel, sa_fft_block, const __grid_constant__ sa_fft_filters from, int count,
          const __grid_constant__ sa_fft_spectra to)
{
    transform_filters<16>(from, count, to);
}
SA_KERNEL(sa_fft_filter32_kernel, sa_fft_block, const __grid_constant__ sa_fft_filters from, int count,
          const __grid_constant__ sa_fft_spectra to)
{
    transform_filters<32>(from, count, to);
}
SIMT_KERNEL(sa_fft_filter16_kernel)
SIMT_KERNEL(sa_fft_filter32_kernel)

sa_status sa_fft_transform_filters(sa_cuda_device *device, const sa_fft_filters *filters, float2 *spectra)
{
    const int rows = (filters->k_count + SA_CUDA_FFT_CHANNELS - 1) / SA_CUDA_FFT_CHANNELS * SA_CUDA_FFT_CHANNELS,
              count = rows * filters->n_pitch;
    const float scale = 1.0f / (float)(filters->size * filters->size);
    const sa_fft_spectra to = {spectra, (size_t)count, scale, -scale};
    SA_CUDA_TRY(sa_launch(filters->size == 16 ? sa_fft_filter16_kernel : sa_fft_filter32_kernel, blocks_for(count, filters->size),
                          0, device->stream, *filters, count, to));
    return SA_OK;
}
