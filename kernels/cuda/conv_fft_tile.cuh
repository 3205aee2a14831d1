/* Transforms of tiles of T x T real pixels in shared memory, T = 16 or 32: device code of the FFT-tile convolution.
 *
 * A block has SA_FFT_THREADS threads and as many tiles as fill them with T / 2 threads each. A tile is T / 2 pairs of rows, each
 * pair T float2 and one for padding:
 *
 *      pixels:    pair r = { row 2r: x = 0..T-1 | row 2r + 1: x = 0..T-1 | pad }, two pixels in a float2
 *      columns:   pair r = { row 2r: kx = 0..T/2-1 | row 2r + 1: kx = 0..T/2-1 | pad }, one complex number in a float2
 *      spectrum:  the same with ky for the row
 *
 * One thread transforms a pair of rows as the two parts of one complex row, in registers, and stores their half spectra in place;
 * then one thread transforms a column, in place. Column 0 holds two real columns, kx = 0 and T/2, as its two parts; taken apart,
 * ky = 0..T/2-1 of the one fills its upper half, of the other its lower half, and both at ky = T/2 lie in the pads of pairs 0
 * and 1. All threads of a tile are in one warp. Every access is of 8 bytes, and pitches are such that 16 threads meet all banks
 * once. */
#ifndef SA_CUDA_CONV_FFT_TILE_CUH
#define SA_CUDA_CONV_FFT_TILE_CUH

#include "kernels/cuda/conv_fft.cuh"
#include "kernels/cuda/launch.cuh"

enum { SA_FFT_THREADS = 64 };
typedef sa_block<SA_FFT_THREADS, 8> sa_fft_block;

template <int T> struct sa_fft_tile {
    static constexpr int half = T / 2, pair = T + 1;              /* float2 */
    static constexpr int items = SA_FFT_THREADS / half;           /* 4 or 8 */
    static constexpr int pitch = half * pair + (T == 32 ? 4 : 2); /* from tile to tile */
    static constexpr int frequencies = T * half + 2;
    static constexpr int lanes = items / 2; /* threads that share a frequency on the way from or to memory: two items each */

    /* Of this thread: its tile, and the pair of rows or the column of it that it transforms. */
    static __device__ __forceinline__ int item()
    {
        const int group = (int)threadIdx.x / 16;
        return T == 32 ? group : group + 4 * ((int)threadIdx.x / 8 % 2);
    }
    static __device__ __forceinline__ int line()
    {
        return (int)threadIdx.x % half;
    }
    /* Where a frequency's number lies. */
    static __device__ __forceinline__ int place(int f)
    {
        return f < T * half ? f + f / T : T + (f - T * half) * pair;
    }
    /* Where row y, column (of complex numbers) x lies. */
    static __device__ __forceinline__ int row(int y)
    {
        return y / 2 * pair + y % 2 * half;
    }
};

/* cos(2 pi k / 32), k = 0..8 and beyond by symmetry */
SA_HOST_DEVICE constexpr float sa_fft_cosine(int k)
{
    k &= 31;
    if (k > 16) k = 32 - k;
    const float sign = k > 8 ? -1.0f : 1.0f;
    if (k > 8) k = 16 - k;
    return sign * (k == 0   ? 1.0f
                   : k == 1 ? 0.98078528f
                   : k == 2 ? 0.92387953f
                   : k == 3 ? 0.83146961f
                   : k == 4 ? 0.70710678f
                   : k == 5 ? 0.55557023f
                   : k == 6 ? 0.38268343f
                   : k == 7 ? 0.19509032f
                            : 0.0f);
}

__device__ __forceinline__ float2 sa_fft_add(float2 a, float2 b)
{
    return make_float2(a.x + b.x, a.y + b.y);
}
__device__ __forceinline__ float2 sa_fft_subtract(float2 a, float2 b)
{
    return make_float2(a.x - b.x, a.y - b.y);
}

/* a times exp(-2 pi i k / 32); k is a constant once loops are unrolled. */
__device__ __forceinline__ float2 sa_fft_twiddle(float2 a, int k)
{
    k &= 31;
    if (k == 0) return a;
    if (k == 8) return make_float2(a.y, -a.x);
    if (k == 16) return make_float2(-a.x, -a.y);
    const float c = sa_fft_cosine(k), s = sa_fft_cosine(k + 8); /* -sin */
    return make_float2(fmaf(a.x, c, -(a.y * s)), fmaf(a.x, s, a.y * c));
}

__device__ __forceinline__ void sa_fft_4(float2 &a, float2 &b, float2 &c, float2 &d)
{
    const float2 s = sa_fft_add(a, c), t = sa_fft_subtract(a, c), u = sa_fft_add(b, d), v = sa_fft_subtract(b, d);
    a = sa_fft_add(s, u);
    b = make_float2(t.x + v.y, t.y - v.x);
    c = sa_fft_subtract(s, u);
    d = make_float2(t.x - v.y, t.y + v.x);
}

template <int N> __device__ __forceinline__ void sa_fft_small(float2 (&x)[N]) /* N = 4 or 8, natural order */
{
    if constexpr (N == 4) {
        sa_fft_4(x[0], x[1], x[2], x[3]);
    } else {
        float2 a[4] = {x[0], x[2], x[4], x[6]}, b[4] = {x[1], x[3], x[5], x[7]};
        sa_fft_4(a[0], a[1], a[2], a[3]);
        sa_fft_4(b[0], b[1], b[2], b[3]);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const float2 turned = sa_fft_twiddle(b[k], 4 * k);
            x[k] = sa_fft_add(a[k], turned);
            x[k + 4] = sa_fft_subtract(a[k], turned);
        }
    }
}

/* The forward transform of T numbers, in natural order: 4 transforms of T / 4, of every fourth number, then T / 4 of 4. */
template <int T> __device__ __forceinline__ void sa_fft_line(float2 (&z)[T])
{
    constexpr int Q = T / 4;
    float2 part[4][Q];
#pragma unroll
    for (int j = 0; j < 4; j++) {
#pragma unroll
        for (int m = 0; m < Q; m++) part[j][m] = z[4 * m + j];
        sa_fft_small<Q>(part[j]);
#pragma unroll
        for (int k = 0; k < Q; k++) part[j][k] = sa_fft_twiddle(part[j][k], j * k * (32 / T));
    }
#pragma unroll
    for (int k = 0; k < Q; k++) {
        sa_fft_4(part[0][k], part[1][k], part[2][k], part[3][k]);
#pragma unroll
        for (int l = 0; l < 4; l++) z[k + l * Q] = part[l][k];
    }
}

/* The inverse: a forward transform with the parts exchanged, before and after. */
template <int T> __device__ __forceinline__ void sa_fft_line_back(float2 (&z)[T])
{
#pragma unroll
    for (int k = 0; k < T; k++) z[k] = make_float2(z[k].y, z[k].x);
    sa_fft_line<T>(z);
#pragma unroll
    for (int k = 0; k < T; k++) z[k] = make_float2(z[k].y, z[k].x);
}

/* ------------------------------------------------------------------ pixels in, spectrum out -------------------------- */

/* A pair of rows -> twice their half spectra. */
template <int T> __device__ __forceinline__ void sa_fft_rows(float2 *pair)
{
    constexpr int H = T / 2;
    float2 z[T];
#pragma unroll
    for (int m = 0; m < H; m++) {
        const float2 upper = pair[m], lower = pair[H + m];
        z[2 * m] = make_float2(upper.x, lower.x);
        z[2 * m + 1] = make_float2(upper.y, lower.y);
    }
    sa_fft_line<T>(z);
    pair[0] = make_float2(2.0f * z[0].x, 2.0f * z[H].x);
    pair[H] = make_float2(2.0f * z[0].y, 2.0f * z[H].y);
#pragma unroll
    for (int k = 1; k < H; k++) {
        const float2 a = z[k], b = z[T - k];
        pair[k] = make_float2(a.x + b.x, a.y - b.y);
        pair[H + k] = make_float2(a.y + b.y, b.x - a.x);
    }
}

/* A column of a tile. */
template <int T> __device__ __forceinline__ void sa_fft_column(float2 *tile, int kx)
{
    constexpr int H = T / 2;
    typedef sa_fft_tile<T> shape;
    float2 z[T];
#pragma unroll
    for (int y = 0; y < T; y++) z[y] = tile[shape::row(y) + kx];
    sa_fft_line<T>(z);
    if (kx > 0) {
#pragma unroll
        for (int k = 0; k < T; k++) tile[shape::row(k) + kx] = z[k];
        return;
    }
    tile[shape::row(0)] = make_float2(z[0].x, 0.0f);
    tile[shape::row(H)] = make_float2(z[0].y, 0.0f);
    tile[T] = make_float2(z[H].x, 0.0f);
    tile[shape::pair + T] = make_float2(z[H].y, 0.0f);
#pragma unroll
    for (int k = 1; k < H; k++) {
        const float2 a = z[k], b = z[T - k];
        tile[shape::row(k)] = make_float2(0.5f * (a.x + b.x), 0.5f * (a.y - b.y));
        tile[shape::row(H + k)] = make_float2(0.5f * (a.y + b.y), 0.5f * (b.x - a.x));
    }
}

/* All tiles of the block: pixels, complete before, to twice their spectra, complete afterwards. */
template <int T> __device__ __forceinline__ void sa_fft_tiles_forward(float2 *tiles)
{
    typedef sa_fft_tile<T> shape;
    float2 *tile = tiles + shape::item() * shape::pitch;
    sa_fft_rows<T>(tile + shape::line() * shape::pair);
    __syncwarp(0xffffffffu);
    sa_fft_column<T>(tile, shape::line());
    __syncthreads();
}

/* Items [first, end) of the block's tiles to memory. first and end are multiples of 4. */
template <int T>
__device__ __forceinline__ void sa_fft_write_spectra(const float2 *tiles, const sa_fft_spectra &to, int first, int end)
{
    typedef sa_fft_tile<T> shape;
    const int item = (int)threadIdx.x % shape::lanes * 2;
    if (first + item >= end) return;
    const float2 *from = tiles + item * shape::pitch;
    const float re_scale = 0.5f * to.re_scale, im_scale = 0.5f * to.im_scale;
    for (int f = (int)threadIdx.x / shape::lanes; f < shape::frequencies; f += SA_FFT_THREADS / shape::lanes) {
        const float2 a = from[shape::place(f)], b = from[shape::place(f) + shape::pitch];
        *(float4 *)(to.at + (size_t)f * to.frequency_pitch + first + item) =
            make_float4(a.x * re_scale, a.y * im_scale, b.x * re_scale, b.y * im_scale);
    }
}

/* ------------------------------------------------------------------ spectrum in, pixels out -------------------------- */

/* Items [first, end) from memory; others are zero. */
template <int T> __device__ __forceinline__ void sa_fft_read_spectra(const sa_fft_spectra &from, int first, int end, float2 *tiles)
{
    typedef sa_fft_tile<T> shape;
    const int item = (int)threadIdx.x % shape::lanes * 2;
    float2 *to = tiles + item * shape::pitch;
    for (int f = (int)threadIdx.x / shape::lanes; f < shape::frequencies; f += SA_FFT_THREADS / shape::lanes) {
        float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (first + item < end) v = *(const float4 *)(from.at + (size_t)f * from.frequency_pitch + first + item);
        to[shape::place(f)] = make_float2(v.x, v.y);
        to[shape::place(f) + shape::pitch] = make_float2(v.z, v.w);
    }
    __syncthreads();
}

template <int T> __device__ __forceinline__ void sa_fft_column_back(float2 *tile, int kx)
{
    constexpr int H = T / 2;
    typedef sa_fft_tile<T> shape;
    float2 z[T];
#pragma unroll
    for (int k = 0; k < T; k++) z[k] = tile[shape::row(k) + kx];
    if (kx == 0) { /* two real columns, as the two parts of one */
        z[0] = make_float2(z[0].x, z[H].x);
        z[H] = make_float2(tile[T].x, tile[shape::pair + T].x);
#pragma unroll
        for (int k = 1; k <= H / 2; k++) { /* four numbers of the one make the same four of the other */
            const float2 a = z[k], b = z[H + k], c = z[H - k], d = z[T - k];
            z[k] = make_float2(a.x - b.y, a.y + b.x);
            z[T - k] = make_float2(a.x + b.y, b.x - a.y);
            if (k == H / 2) continue;
            z[H - k] = make_float2(c.x - d.y, c.y + d.x);
            z[H + k] = make_float2(c.x + d.y, d.x - c.y);
        }
    }
    sa_fft_line_back<T>(z);
#pragma unroll
    for (int y = 0; y < T; y++) tile[shape::row(y) + kx] = z[y];
}

template <int T> __device__ __forceinline__ void sa_fft_rows_back(float2 *pair)
{
    constexpr int H = T / 2;
    float2 z[T];
    {
        const float2 a = pair[0], b = pair[H];
        z[0] = make_float2(a.x, b.x);
        z[H] = make_float2(a.y, b.y);
    }
#pragma unroll
    for (int k = 1; k < H; k++) {
        const float2 a = pair[k], b = pair[H + k];
        z[k] = make_float2(a.x - b.y, a.y + b.x);
        z[T - k] = make_float2(a.x + b.y, b.x - a.y);
    }
    sa_fft_line_back<T>(z);
#pragma unroll
    for (int m = 0; m < H; m++) {
        pair[m] = make_float2(z[2 * m].x, z[2 * m + 1].x);
        pair[H + m] = make_float2(z[2 * m].y, z[2 * m + 1].y);
    }
}

/* All tiles of the block: spectra, complete before, to T * T times their first `rows` rows, complete afterwards. */
template <int T> __device__ __forceinline__ void sa_fft_tiles_back(float2 *tiles, int rows)
{
    typedef sa_fft_tile<T> shape;
    float2 *tile = tiles + shape::item() * shape::pitch;
    sa_fft_column_back<T>(tile, shape::line());
    __syncwarp(0xffffffffu);
    if (2 * shape::line() < rows) sa_fft_rows_back<T>(tile + shape::line() * shape::pair);
    __syncthreads();
}

/* Pixel (y, x) of a tile after sa_fft_tiles_back. */
template <int T> __device__ __forceinline__ float sa_fft_pixel(const float2 *tile, int y, int x)
{
    return ((const float *)tile)[2 * sa_fft_tile<T>::row(y) + x];
}

#endif
