/* The CUDA device language for g++: `g++ -x c++ -include tests/simt/simt.h file.cu` turns kernels into CPU functions.
 *
 * What it is: threadIdx and friends, barriers, warp shuffles and votes, atomics and a few intrinsics, all carried out by
 * the engine (engine.cpp) for one thread at a time; and SIMT_KERNEL, which registers a kernel body under its name so that
 * the stand-in runtime finds it when an nvcc-built binary launches it.
 * What it isn't: a CUDA front end. Launch with cudaLaunchKernel (no <<<>>>), take dynamic shared memory with SA_DYN_SHARED,
 * and avoid __activemask, texture and cooperative-group features. See README.md for what is not faithful. */
#ifndef SA_SIMT_H
#define SA_SIMT_H
#define SA_SIMT 1

#include <cuda_runtime.h>

#include <vector_functions.h>

#include <cmath>
#include <cstring>
#include <utility>

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __noinline__
#undef __launch_bounds__
#undef __grid_constant__
#undef warpSize
#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#ifdef SA_SIMT_FAST /* blocks spread over OS threads */
#define __shared__ static thread_local
#else /* one OS thread; shared variables in a section of their own, poisoned before each block */
#define __shared__ static __attribute__((section("simt_shared")))
#endif

struct SimtContext {
    uint3 thread, block, block_dim, grid_dim;
    void *dynamic_shared;
};

/* Warp operations, one rendezvous for all of them. */
enum SimtWarpOp { SIMT_SYNC, SIMT_INDEX, SIMT_UP, SIMT_DOWN, SIMT_XOR, SIMT_BALLOT, SIMT_ANY, SIMT_ALL };
enum SimtReduce { SIMT_COUNT, SIMT_OR, SIMT_AND };
enum SimtAtomic { SIMT_ADD, SIMT_MAX, SIMT_MIN, SIMT_EXCHANGE, SIMT_CAS, SIMT_BIT_OR };

extern "C" {
typedef void (*SimtCall)(void *body, void **arguments);
extern __thread SimtContext simt_context __attribute__((tls_model("initial-exec")));
void simt_syncthreads(int line);
int simt_syncthreads_reduce(int predicate, int reduce, int line);
unsigned long long simt_warp(int op, unsigned mask, unsigned long long value, unsigned argument, int width, int line);
void simt_register(const char *name, SimtCall call, void *body, size_t count, const size_t *sizes);
void simt_register_shared(char *begin, char *end);
float simt_atomic_f32(float *target, float value, int op);
double simt_atomic_f64(double *target, double value, int op);
int simt_atomic_s32(int *target, int value, int op, int compare);
unsigned simt_atomic_u32(unsigned *target, unsigned value, int op, unsigned compare);
unsigned long long simt_atomic_u64(unsigned long long *target, unsigned long long value, int op, unsigned long long compare);
extern char __start_simt_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_simt_shared[] __attribute__((weak, visibility("hidden")));
}

#define threadIdx (simt_context.thread)
#define blockIdx (simt_context.block)
#define blockDim (simt_context.block_dim)
#define gridDim (simt_context.grid_dim)
#define warpSize 32
#define SA_DYN_SHARED(type, name) type *name = (type *)simt_context.dynamic_shared

#define __syncthreads() simt_syncthreads(__LINE__)
#define __syncthreads_count(p) simt_syncthreads_reduce((p), SIMT_COUNT, __LINE__)
#define __syncthreads_or(p) simt_syncthreads_reduce((p), SIMT_OR, __LINE__)
#define __syncthreads_and(p) simt_syncthreads_reduce((p), SIMT_AND, __LINE__)

template <class T> static inline T simt_shuffle(int op, unsigned mask, T value, unsigned argument, int width, int line)
{
    static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
    unsigned long long bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = simt_warp(op, mask, bits, argument, width, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}
/* The width argument is optional: the trailing 32 fills its place when it is missing. */
#define SIMT_SHUFFLE(op, mask, value, argument, width, ...) simt_shuffle(op, mask, value, argument, width, __LINE__)
#define __shfl_sync(...) SIMT_SHUFFLE(SIMT_INDEX, __VA_ARGS__, 32, 0)
#define __shfl_up_sync(...) SIMT_SHUFFLE(SIMT_UP, __VA_ARGS__, 32, 0)
#define __shfl_down_sync(...) SIMT_SHUFFLE(SIMT_DOWN, __VA_ARGS__, 32, 0)
#define __shfl_xor_sync(...) SIMT_SHUFFLE(SIMT_XOR, __VA_ARGS__, 32, 0)
#define __ballot_sync(mask, p) ((unsigned)simt_warp(SIMT_BALLOT, mask, !!(p), 0, 32, __LINE__))
#define __any_sync(mask, p) ((int)simt_warp(SIMT_ANY, mask, !!(p), 0, 32, __LINE__))
#define __all_sync(mask, p) ((int)simt_warp(SIMT_ALL, mask, !!(p), 0, 32, __LINE__))
static inline void simt_syncwarp(int line, unsigned mask = 0xffffffffu)
{
    simt_warp(SIMT_SYNC, mask, 0, 0, 32, line);
}
#define __syncwarp(...) simt_syncwarp(__LINE__, ##__VA_ARGS__)
static inline void __threadfence()
{
    __asm__ volatile("" ::: "memory");
}

static inline float atomicAdd(float *p, float v)
{
    return simt_atomic_f32(p, v, SIMT_ADD);
}
static inline double atomicAdd(double *p, double v)
{
    return simt_atomic_f64(p, v, SIMT_ADD);
}
static inline int atomicAdd(int *p, int v)
{
    return simt_atomic_s32(p, v, SIMT_ADD, 0);
}
static inline unsigned atomicAdd(unsigned *p, unsigned v)
{
    return simt_atomic_u32(p, v, SIMT_ADD, 0);
}
static inline unsigned long long atomicAdd(unsigned long long *p, unsigned long long v)
{
    return simt_atomic_u64(p, v, SIMT_ADD, 0);
}
static inline int atomicMax(int *p, int v)
{
    return simt_atomic_s32(p, v, SIMT_MAX, 0);
}
static inline int atomicExch(int *p, int v)
{
    return simt_atomic_s32(p, v, SIMT_EXCHANGE, 0);
}
static inline int atomicCAS(int *p, int compare, int v)
{
    return simt_atomic_s32(p, v, SIMT_CAS, compare);
}
static inline unsigned atomicOr(unsigned *p, unsigned v)
{
    return simt_atomic_u32(p, v, SIMT_BIT_OR, 0);
}

template <class T> static inline T __ldg(const T *p)
{
    return *p;
}
template <class A, class B> static inline auto max(A a, B b) -> decltype(a + b)
{
    return a > b ? a : b;
}
template <class A, class B> static inline auto min(A a, B b) -> decltype(a + b)
{
    return a < b ? a : b;
}
static inline float __int_as_float(int i)
{
    float f;
    memcpy(&f, &i, sizeof f);
    return f;
}
static inline float __uint_as_float(unsigned i)
{
    return __int_as_float((int)i);
}
static inline int __float_as_int(float f)
{
    int i;
    memcpy(&i, &f, sizeof i);
    return i;
}
static inline unsigned __float_as_uint(float f)
{
    return (unsigned)__float_as_int(f);
}
static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}

/* Registers `body` under `name`: a call that unpacks an argument array, and the arguments' sizes. */
template <class... Arguments> struct SimtRegistration {
    template <size_t... I>
    __attribute__((no_sanitize("thread"), noinline)) static void unpack(void (*body)(Arguments...), void **arguments,
                                                                        std::index_sequence<I...>)
    {
        body(*(std::remove_const_t<Arguments> *)arguments[I]...);
    }
    __attribute__((no_sanitize("thread"))) static void call(void *body, void **arguments)
    {
        unpack((void (*)(Arguments...))body, arguments, std::index_sequence_for<Arguments...>{});
    }
    SimtRegistration(const char *name, void (*body)(Arguments...))
    {
        static const size_t sizes[] = {sizeof(Arguments)..., 0};
        simt_register(name, call, (void *)body, sizeof...(Arguments), sizes);
        simt_register_shared(__start_simt_shared, __stop_simt_shared);
    }
};
#define SIMT_JOIN_(a, b) a##b
#define SIMT_JOIN(a, b) SIMT_JOIN_(a, b)
#define SIMT_KERNEL(...) static SimtRegistration SIMT_JOIN(simt_registration_, __COUNTER__)(#__VA_ARGS__, __VA_ARGS__);

#endif
