/* Source trees as CUDA kernels evaluate them: a flat list of steps in kernel parameter memory.
 *
 * A source (kernels/source.h) is a tree; a kernel that walked it would need a stack in local memory. So the host flattens it:
 * nodes that are read at one place form a group, evaluated in order; a node that reads its child elsewhere (another channel, a
 * pooling window) names that child's group, which is evaluated once for each such place. A thread evaluates SA_EVAL_LANES elements
 * at a time, which pays the decoding of a step once for all of them. Values that are not used by the very next step wait in shared
 * memory, in a slot of the thread's own; so does the state of a step whose inner group runs (a frame). */
#ifndef SA_CUDA_EVAL_PROGRAM_CUH
#define SA_CUDA_EVAL_PROGRAM_CUH

#include "kernels/source.h"

enum {
    SA_EVAL_LANES = 4,     /* elements per thread */
    SA_EVAL_THREADS = 128, /* threads per block of kernels that evaluate sources, unless they say otherwise */
    SA_EVAL_LEVELS = 4,    /* groups within groups, the outermost included */
    SA_EVAL_FRAME_WORDS = 17,
    SA_EVAL_STEPS = 24,
    SA_EVAL_GROUPS = 10,
    SA_EVAL_ROOTS = 2, /* values a program gives */
};

/* Step kinds are node kinds, and this one: c * a * b^-beta / b, the summand of LRN_GRAD's sum. */
enum { SA_STEP_LRN_TERM = SA_NODE_KINDS };

/* Where an operand is: a slot number, or one of these. */
enum { SA_OPERAND_NONE = -1, SA_OPERAND_LAST = -2 /* the value of the step before */ };

struct sa_eval_step {
    int8_t kind, operand[SA_NODE_CHILDREN];
    int8_t store;  /* slot, or SA_OPERAND_NONE */
    int8_t group;  /* this step's own */
    int8_t inside; /* the group evaluated for each place, or -1 */
    int8_t encoding;
    int32_t places;                                            /* how many places the inside group is evaluated at */
    int32_t channels, height, width;                           /* of this node's value */
    const void *data;                                          /* DENSE, UNPOOL, POOL_GRAD: the slab */
    int32_t data_height, data_width, data_image, data_channel; /* its plane, its first image and channel */
    uint64_t row_pitch, plane_pitch, image_pitch;              /* bytes */
    sa_window window;
    const float *vector[SA_NODE_VECTORS]; /* of the spread's sizes, NULL: none */
    sa_spread spread;
    int32_t channels_read;
    sa_node_numbers number;
};

struct sa_eval_program {
    sa_eval_step step[SA_EVAL_STEPS];
    int8_t begin[SA_EVAL_GROUPS], end[SA_EVAL_GROUPS]; /* steps of a group; group 0 is the root's */
    int8_t root[SA_EVAL_ROOTS];                        /* operand that holds a root's value after group 0; one root is both */
    int8_t slots, levels;
};

/* The steps alone, which is all that a kernel needs whose code is compiled for them. */
template <int STEPS> struct sa_eval_steps {
    sa_eval_step step[STEPS];
    sa_eval_steps(const sa_eval_program &program)
    {
        for (int i = 0; i < STEPS; i++) step[i] = program.step[i];
    }
};

/* ------------------------------------------------------------------ signatures -------------------------------------- */

/* What a step does, without its data, in one number: kind, encoding, window (square, without pads; SA_CODE_OTHER if it is not), its
 * group, the group inside, and which steps are its operands (-1: none). The encoding counts for steps that read a slab. */
enum { SA_CODE_OTHER = 15, SA_CODE_OPERAND_BITS = 5 };

SA_HOST_DEVICE constexpr uint64_t sa_code_index(int number) /* -1 and up, in 5 bits */
{
    return (uint64_t)(number & 31);
}
SA_HOST_DEVICE constexpr uint64_t sa_step_code(int kind, int encoding, int kernel, int stride, int group, int inside, int a = -1,
                                               int b = -1, int c = -1)
{
    return (uint64_t)kind | (uint64_t)encoding << 8 | (uint64_t)kernel << 12 | (uint64_t)stride << 16 | sa_code_index(group) << 20 |
           sa_code_index(inside) << 25 | sa_code_index(a) << 30 | sa_code_index(b) << 35 | sa_code_index(c) << 40;
}
SA_HOST_DEVICE constexpr uint32_t sa_root_code(int first, int second)
{
    return (uint32_t)(sa_code_index(first) | sa_code_index(second) << SA_CODE_OPERAND_BITS);
}
SA_HOST_DEVICE constexpr int sa_code_number(uint64_t code, int shift) /* the -1 and up at a shift */
{
    return (int)(code >> shift & 31) == 31 ? -1 : (int)(code >> shift & 31);
}
SA_HOST_DEVICE constexpr int sa_code_kind(uint64_t code)
{
    return (int)(code & 255);
}
SA_HOST_DEVICE constexpr int sa_code_encoding(uint64_t code)
{
    return (int)(code >> 8 & 15);
}
SA_HOST_DEVICE constexpr int sa_code_kernel(uint64_t code)
{
    return (int)(code >> 12 & 15);
}
SA_HOST_DEVICE constexpr int sa_code_stride(uint64_t code)
{
    return (int)(code >> 16 & 15);
}
SA_HOST_DEVICE constexpr int sa_code_group(uint64_t code)
{
    return sa_code_number(code, 20);
}
SA_HOST_DEVICE constexpr int sa_code_inside(uint64_t code)
{
    return sa_code_number(code, 25);
}
SA_HOST_DEVICE constexpr int sa_code_operand(uint64_t code, int which)
{
    return sa_code_number(code, 30 + SA_CODE_OPERAND_BITS * which);
}
SA_HOST_DEVICE constexpr int sa_code_root(uint32_t roots, int which)
{
    return sa_code_number(roots, SA_CODE_OPERAND_BITS * which);
}

struct sa_eval_signature {
    int count;
    uint32_t roots;
    uint64_t step[SA_EVAL_STEPS];
};

/* What a program does, without its data. */
sa_eval_signature sa_eval_signature_of(const sa_eval_program *program);

/* Flattens `count` sources (1 or SA_EVAL_ROOTS) of planes of one size. SA_UNSUPPORTED if they nest too deep or are too long. */
sa_status sa_eval_compile(const sa_source *const *sources, int count, sa_eval_program *program);

/* Bytes of shared memory that a block of `threads` needs for a program's slots and frames. */
static inline size_t sa_eval_shared_bytes(const sa_eval_program *program, int threads)
{
    size_t words = (size_t)program->slots * SA_EVAL_LANES + (size_t)(program->levels - 1) * SA_EVAL_FRAME_WORDS;
    return words * (size_t)threads * sizeof(float);
}

#endif
