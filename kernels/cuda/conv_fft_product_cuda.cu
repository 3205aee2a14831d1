/* FFT-tile convolution on CUDA: the products of spectra (conv_fft.cuh), one complex matrix product per frequency.
 *
 * A warp makes 16 rows by 16 * PAIRS columns of c, a thread 4 rows by PAIRS pairs of columns, in registers. Steps of the sum go
 * through two buffers of shared memory: while one is multiplied, the next is on its way from memory in registers. Every element of
 * c is one chain of fused multiply-adds in order of k, whatever the shape of the block: bits do not depend on it, nor on how many
 * tiles or channels are there at once. */
#include "kernels/cuda/conv_fft.cuh"
#include "kernels/cuda/launch.cuh"

/* Shapes of a block: rows x columns of c; BLOCKS share a multiprocessor's registers. */
template <int WARPS, int PAIRS, int BLOCKS> struct sa_fft_block_shape {
    static constexpr int warps = WARPS, pairs = PAIRS, threads = 32 * WARPS, rows = 16 * WARPS, columns = 16 * PAIRS;
    static constexpr int row_pitch = rows + 4; /* float2: stores of 2 steps by 8 rows meet all banks once */
    static constexpr int b_loads = (SA_CUDA_FFT_DEPTH * columns / 2 + threads - 1) / threads;
    typedef sa_block<32 * WARPS, BLOCKS> block;
};
struct sa_fft_wide : sa_fft_block_shape<4, 4, 4> { /* 64 x 64 */
};
struct sa_fft_middle : sa_fft_block_shape<2, 4, 6> { /* 32 x 64 */
};
struct sa_fft_low : sa_fft_block_shape<1, 2, 16> { /* 16 x 32 */
};
struct sa_fft_narrow : sa_fft_block_shape<4, 1, 4> { /* 64 x 16 */
};

/* Two neighbours, in one access of 16 bytes. */
static __device__ __forceinline__ float4 load_two(const float2 *from)
{
    return *(const float4 *)from;
}
static __device__ __forceinline__ void store_two(float2 *to, float4 value)
{
    *(float4 *)to = value;
}

template <class S> struct sa_fft_stage {
    __align__(16) float2 a[2][SA_CUDA_FFT_DEPTH][S::row_pitch], b[2][SA_CUDA_FFT_DEPTH][S::columns];
};

/* A thread's part of the next steps of a and b. */
template <class S> struct sa_fft_ahead {
    float4 a, b[S::b_loads];
};

/* Where this thread fetches from, how many steps are left there, 0 or less if its rows or columns do not exist. */
template <class S, bool TRANSPOSE> struct sa_fft_fetcher {
    const float2 *a, *b;
    int a_left, b_left;

    __device__ __forceinline__ sa_fft_fetcher(const sa_fft_product &p, int row_begin, int column_begin)
    {
        const int thread = (int)threadIdx.x, b_step = thread / (S::columns / 2);
        const int column = column_begin + thread % (S::columns / 2) * 2;
        b = p.b + (size_t)blockIdx.y * p.b_frequency + b_step * p.b_pitch + column;
        b_left = column < p.columns && thread < SA_CUDA_FFT_DEPTH * S::columns / 2 ? p.depth - b_step : 0;
        /* transposed: rows of c are rows of a, which hold steps side by side */
        const int a_step = TRANSPOSE ? thread % 2 * 2 : thread / (S::rows / 2);
        const int row = row_begin + (TRANSPOSE ? thread / 2 : thread % (S::rows / 2) * 2);
        a = p.a + (size_t)blockIdx.y * p.a_frequency + (TRANSPOSE ? row * p.a_pitch + a_step : a_step * p.a_pitch + row);
        a_left = row < p.rows ? p.depth - a_step : 0;
    }

    __device__ __forceinline__ void fetch(const sa_fft_product &p, sa_fft_ahead<S> &ahead)
    {
        constexpr int steps = S::threads < S::columns / 2 ? 1 : S::threads / (S::columns / 2); /* between loads of b */
        const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        ahead.a = a_left > 0 ? load_two(a) : zero;
#pragma unroll
        for (int i = 0; i < S::b_loads; i++) ahead.b[i] = b_left > i * steps ? load_two(b + i * steps * p.b_pitch) : zero;
        a += TRANSPOSE ? SA_CUDA_FFT_DEPTH : SA_CUDA_FFT_DEPTH * p.a_pitch;
        b += SA_CUDA_FFT_DEPTH * p.b_pitch;
        a_left -= SA_CUDA_FFT_DEPTH, b_left -= SA_CUDA_FFT_DEPTH;
    }
};

template <class S, bool TRANSPOSE>
static __device__ __forceinline__ void put(const sa_fft_ahead<S> &ahead, sa_fft_stage<S> &stage, int buffer)
{
    const int thread = (int)threadIdx.x;
    if (TRANSPOSE) {
        stage.a[buffer][thread % 2 * 2][thread / 2] = make_float2(ahead.a.x, ahead.a.y);
        stage.a[buffer][thread % 2 * 2 + 1][thread / 2] = make_float2(ahead.a.z, ahead.a.w);
    } else {
        store_two(&stage.a[buffer][thread / (S::rows / 2)][thread % (S::rows / 2) * 2], ahead.a);
    }
#pragma unroll
    for (int i = 0; i < S::b_loads; i++) {
        const int place = thread + i * S::threads;
        if (place < SA_CUDA_FFT_DEPTH * S::columns / 2)
            store_two(&stage.b[buffer][place / (S::columns / 2)][place % (S::columns / 2) * 2], ahead.b[i]);
    }
}

/* sum += a * b */
static __device__ __forceinline__ void multiply(float a_re, float a_im, float b_re, float b_im, float2 &sum)
{
    sum.x = fmaf(a_re, b_re, sum.x);
    sum.x = fmaf(-a_im, b_im, sum.x);
    sum.y = fmaf(a_re, b_im, sum.y);
    sum.y = fmaf(a_im, b_re, sum.y);
}

template <class S>
static __device__ __forceinline__ void multiply_stage(const sa_fft_stage<S> &stage, int buffer, int row, int column,
                                                      float2 (&sum)[4][S::pairs][2])
{
#pragma unroll 2 /* whole, it takes more registers than there are */
    for (int k = 0; k < SA_CUDA_FFT_DEPTH; k++) {
        float4 a[2];
        a[0] = load_two(&stage.a[buffer][k][row]);
        a[1] = load_two(&stage.a[buffer][k][row + 2]);
#pragma unroll
        for (int i = 0; i < S::pairs; i++) {
            const float4 b = load_two(&stage.b[buffer][k][i * 16 + column]);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                multiply(a[r].x, a[r].y, b.x, b.y, sum[2 * r][i][0]);
                multiply(a[r].x, a[r].y, b.z, b.w, sum[2 * r][i][1]);
                multiply(a[r].z, a[r].w, b.x, b.y, sum[2 * r + 1][i][0]);
                multiply(a[r].z, a[r].w, b.z, b.w, sum[2 * r + 1][i][1]);
            }
        }
    }
}

template <class S, bool TRANSPOSE> static __device__ __forceinline__ void multiply_block(const sa_fft_product &p)
{
    __shared__ sa_fft_stage<S> stage;
    const int down = (p.rows + S::rows - 1) / S::rows;
    const int row_begin = (int)blockIdx.x % down * S::rows, column_begin = (int)blockIdx.x / down * S::columns;
    const int row = (int)threadIdx.x / 8 * 4, column = (int)threadIdx.x % 8 * 2; /* of this thread in the block */
    float2 *c = p.c + (size_t)blockIdx.y * p.c_frequency;
    float2 sum[4][S::pairs][2] = {};
    if (p.add) {
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int i = 0; i < S::pairs; i++) {
                const int x = column_begin + i * 16 + column, y = row_begin + row + r;
                if (y >= p.rows || x >= p.columns) continue;
                const float4 v = load_two(c + (size_t)y * (size_t)p.c_pitch + x);
                sum[r][i][0] = make_float2(v.x, v.y), sum[r][i][1] = make_float2(v.z, v.w);
            }
    }
    sa_fft_ahead<S> ahead;
    sa_fft_fetcher<S, TRANSPOSE> fetcher(p, row_begin, column_begin);
    fetcher.fetch(p, ahead);
    put<S, TRANSPOSE>(ahead, stage, 0);
    for (int k = 0, buffer = 0; k < p.depth; k += SA_CUDA_FFT_DEPTH, buffer ^= 1) {
        __syncthreads(); /* this buffer is full, and the other one has been read */
        const bool more = k + SA_CUDA_FFT_DEPTH < p.depth;
        if (more) fetcher.fetch(p, ahead);
        multiply_stage<S>(stage, buffer, row, column, sum);
        if (more) put<S, TRANSPOSE>(ahead, stage, buffer ^ 1);
    }
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
        for (int i = 0; i < S::pairs; i++) {
            const int x = column_begin + i * 16 + column, y = row_begin + row + r;
            if (y >= p.rows || x >= p.columns) continue;
            store_two(c + (size_t)y * (size_t)p.c_pitch + x,
                      make_float4(sum[r][i][0].x, sum[r][i][0].y, sum[r][i][1].x, sum[r][i][1].y));
        }
}

template <class S> using sa_fft_product_block = typename S::block;

/* Grid: blocks of c; y: frequencies. */
template <class S> SA_KERNEL(sa_fft_apply_kernel, sa_fft_product_block<S>, const __grid_constant__ sa_fft_product p)
{
    multiply_block<S, true>(p);
}
template <class S> SA_KERNEL(sa_fft_correlate_kernel, sa_fft_product_block<S>, const __grid_constant__ sa_fft_product p)
{
    multiply_block<S, false>(p);
}
SIMT_KERNEL(sa_fft_apply_kernel<sa_fft_wide>)
SIMT_KERNEL(sa_fft_apply_kernel<sa_fft_middle>)
SIMT_KERNEL(sa_fft_apply_kernel<sa_fft_low>)
SIMT_KERNEL(sa_fft_apply_kernel<sa_fft_narrow>)
SIMT_KERNEL(sa_fft_correlate_kernel<sa_fft_wide>)
SIMT_KERNEL(sa_fft_correlate_kernel<sa_fft_middle>)
SIMT_KERNEL(sa_fft_correlate_kernel<sa_fft_low>)
SIMT_KERNEL(sa_fft_correlate_kernel<sa_fft_narrow>)

template <class S, class K> static sa_status launch(sa_cuda_device *device, K kernel, const sa_fft_product *p, int frequencies)
{
    const int down = (p->rows + S::rows - 1) / S::rows, across = (p->columns + S::columns - 1) / S::columns;
    const dim3 grid((unsigned)(down * across), (unsigned)frequencies);
    SA_CUDA_TRY(sa_launch(kernel, grid, 0, device->stream, *p));
    return SA_OK;
}

/* Whether blocks of 32 rows leave less idle than blocks of 64. */
static bool fits_middle(const sa_fft_product *p)
{
    return (p->rows - 1) / sa_fft_middle::rows % 2 == 0;
}

sa_status sa_fft_apply(sa_cuda_device *device, const sa_fft_product *p, int frequencies)
{
    if (p->rows <= sa_fft_low::rows) return launch<sa_fft_low>(device, sa_fft_apply_kernel<sa_fft_low>, p, frequencies);
    if (p->columns <= sa_fft_narrow::columns)
        return launch<sa_fft_narrow>(device, sa_fft_apply_kernel<sa_fft_narrow>, p, frequencies);
    if (fits_middle(p)) return launch<sa_fft_middle>(device, sa_fft_apply_kernel<sa_fft_middle>, p, frequencies);
    return launch<sa_fft_wide>(device, sa_fft_apply_kernel<sa_fft_wide>, p, frequencies);
}

sa_status sa_fft_correlate(sa_cuda_device *device, const sa_fft_product *p, int frequencies)
{
    if (p->rows <= sa_fft_low::rows) return launch<sa_fft_low>(device, sa_fft_correlate_kernel<sa_fft_low>, p, frequencies);
    if (p->columns <= sa_fft_narrow::columns)
        return launch<sa_fft_narrow>(device, sa_fft_correlate_kernel<sa_fft_narrow>, p, frequencies);
    if (fits_middle(p)) return launch<sa_fft_middle>(device, sa_fft_correlate_kernel<sa_fft_middle>, p, frequencies);
    return launch<sa_fft_wide>(device, sa_fft_correlate_kernel<sa_fft_wide>, p, frequencies);
}
