/* What kernels that evaluate sources share on the way from an op's arguments to a launch. */
#ifndef SA_CUDA_EVAL_LAUNCH_CUH
#define SA_CUDA_EVAL_LAUNCH_CUH

#include "kernels/cuda/cuda_device.cuh"
#include "kernels/cuda/eval_forms.cuh"
#include "kernels/cuda/launch.cuh"

#include <initializer_list>
#include <tuple>

/* Bytes of shared memory that a block of `threads` needs for the slots and frames of programs that it interprets in turn. */
static inline size_t sa_eval_slot_bytes(std::initializer_list<const sa_eval_program *> programs, int threads = SA_EVAL_THREADS)
{
    size_t most = 0;
    for (const sa_eval_program *program : programs) {
        const size_t bytes = sa_eval_shared_bytes(program, threads);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Four blocks a multiprocessor at least: without it ptxas squeezes some kernels into so few registers that they spill. */
typedef sa_block<SA_EVAL_THREADS, 4> sa_eval_block;

/* One way to run a kernel: does it fit the programs, and does it need their slots? */
template <class K> struct sa_eval_variant {
    bool fits, interprets;
    K kernel;
};
template <class K> sa_eval_variant<K> sa_variant(bool fits, bool interprets, K kernel)
{
    return {fits, interprets, kernel};
}

template <class... K> std::tuple<sa_eval_variant<K>...> sa_variants(sa_eval_variant<K>... variants)
{
    return {variants...};
}

/* Launches the first variant that fits. The kernel's shared memory is extra_bytes of its own, then the slots and frames that the
 * interpreter needs; programs use the same slots one after the other. Arguments are converted to each kernel's parameters: of a
 * program a compiled one takes its steps alone. */
template <class... K, class... A>
sa_status sa_launch_eval(const char *name, const std::tuple<sa_eval_variant<K>...> &variants,
                         std::initializer_list<const sa_eval_program *> programs, dim3 grid, size_t extra_bytes,
                         cudaStream_t stream, const A &...arguments)
{
    bool launched = false;
    cudaError_t error = cudaSuccess;
    const auto try_one = [&](const auto &variant) {
        typedef typename sa_block_of<decltype(variant.kernel)>::type block;
        if (launched || !variant.fits) return;
        launched = true;
        const size_t slot_bytes = variant.interprets ? sa_eval_slot_bytes(programs, (int)block::threads) : 0;
        error = sa_launch(variant.kernel, grid, extra_bytes + slot_bytes, stream, arguments...);
    };
    std::apply([&](const auto &...variant) { (try_one(variant), ...); }, variants);
    if (!launched) SA_FAIL(SA_INVALID, "%s: no variant fits", name);
    return sa_cuda_check(error, name);
}

/* SA_EVAL_LAUNCH(kernel, FORMS, program, grid, extra_bytes, stream, arguments...) for kernels with one program, SA_EVAL_LAUNCH_PAIR
 * with two. FORMS lists the compiled programs that the kernel has (eval_forms.cuh); SA_EVAL_REGISTER has the same list. */
#define SA_VARIANT(kernel, form) sa_variant(form::fits(signature), false, kernel<form>),
#define SA_VARIANT_PAIR(kernel, form, other) \
    sa_variant(form::fits(signature) && other::fits(other_signature), false, kernel<form, other>),
#define SA_EVAL_LAUNCH(kernel, FORMS, program, ...)                                                                           \
    do {                                                                                                                      \
        [[maybe_unused]] const sa_eval_signature signature = sa_eval_signature_of(&(program));                                \
        SA_TRY(sa_launch_eval(#kernel,                                                                                        \
                              sa_variants(FORMS(SA_VARIANT, kernel) sa_variant((program).levels == 1, true, kernel<sa_flat>), \
                                          sa_variant(true, true, kernel<sa_nested>)),                                         \
                              {&(program)}, __VA_ARGS__));                                                                    \
    } while (0)
#define SA_EVAL_LAUNCH_PAIR(kernel, FORMS, program, other, ...)                                                            \
    do {                                                                                                                   \
        [[maybe_unused]] const sa_eval_signature signature = sa_eval_signature_of(&(program));                             \
        [[maybe_unused]] const sa_eval_signature other_signature = sa_eval_signature_of(&(other));                         \
        const bool flat = (program).levels == 1 && (other).levels == 1;                                                    \
        SA_TRY(sa_launch_eval(#kernel,                                                                                     \
                              sa_variants(FORMS(SA_VARIANT_PAIR, kernel) sa_variant(flat, true, kernel<sa_flat, sa_flat>), \
                                          sa_variant(true, true, kernel<sa_nested, sa_nested>)),                           \
                              {&(program), &(other)}, __VA_ARGS__));                                                       \
    } while (0)

#define SA_REGISTER_FORM(kernel, ...) SIMT_KERNEL(kernel<__VA_ARGS__>)
#define SA_EVAL_REGISTER(kernel, FORMS) \
    FORMS(SA_REGISTER_FORM, kernel)     \
    SIMT_KERNEL(kernel<sa_flat>)        \
    SIMT_KERNEL(kernel<sa_nested>)
#define SA_EVAL_REGISTER_PAIR(kernel, FORMS) \
    FORMS(SA_REGISTER_FORM, kernel)          \
    SIMT_KERNEL(kernel<sa_flat, sa_flat>)    \
    SIMT_KERNEL(kernel<sa_nested, sa_nested>)

/* Work is numbered by pieces: SA_EVAL_LANES neighbouring columns of a row each, rows in order of (n, c, y). */
struct sa_pieces {
    sa_range range;
    int height, width, per_row;
    unsigned count;
};

struct sa_piece {
    int n, c, y, x;
};

__device__ __forceinline__ sa_piece sa_piece_at(const sa_pieces &pieces, unsigned number)
{
    unsigned channels = (unsigned)(pieces.range.channel_end - pieces.range.channel_begin);
    unsigned row = number / (unsigned)pieces.per_row, plane = row / (unsigned)pieces.height;
    sa_piece piece;
    piece.x = (int)(number % (unsigned)pieces.per_row) * SA_EVAL_LANES;
    piece.y = (int)(row % (unsigned)pieces.height);
    piece.c = pieces.range.channel_begin + (int)(plane % channels);
    piece.n = pieces.range.image_begin + (int)(plane / channels);
    return piece;
}

/* The pieces of a range of planes of height x width; a row's pieces are a multiple of `multiple`. UNSUPPORTED from 2^31 on. */
static inline sa_status sa_count_pieces(const sa_range *range, int height, int width, int multiple, sa_pieces *pieces)
{
    int per_row = (width + SA_EVAL_LANES - 1) / SA_EVAL_LANES;
    per_row = (per_row + multiple - 1) / multiple * multiple;
    uint64_t planes = (uint64_t)(range->image_end - range->image_begin) * (uint64_t)(range->channel_end - range->channel_begin);
    uint64_t count = planes * (uint64_t)height * (uint64_t)per_row;
    if (count >= 0x80000000u)
        SA_FAIL(SA_UNSUPPORTED, "cuda: %llu planes of %d x %d are too many for one kernel", (unsigned long long)planes, height,
                width);
    pieces->range = *range;
    pieces->height = height, pieces->width = width, pieces->per_row = per_row;
    pieces->count = (unsigned)count;
    return SA_OK;
}

/* Blocks of `threads` for `count` units of work; kernels step by the whole grid, so the limit costs nothing but a loop. */
static inline unsigned sa_blocks_for(uint64_t count, unsigned threads)
{
    const uint64_t most = 1u << 16;
    uint64_t blocks = (count + threads - 1) / threads;
    return (unsigned)(blocks < 1 ? 1 : blocks > most ? most : blocks);
}

static inline sa_status sa_compile_one(const sa_source *source, sa_eval_program *program)
{
    return sa_eval_compile(&source, 1, program);
}

#endif
