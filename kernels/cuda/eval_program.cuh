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
    int32_t places;                                              /* how many places the inside group is evaluated at */
    int32_t channels, height, width;                             /* of this node's value */
    const void *data;                                            /* DENSE, UNPOOL, POOL_GRAD: the slab */
    int32_t data_images, data_channels, data_height, data_width; /* its first image and channel are data_image, data_channel */
    int32_t data_image, data_channel;
    sa_window window;
    const float *vector[SA_NODE_VECTORS]; /* (C) each */
    int32_t channels_read;
    sa_node_numbers number;
};

struct sa_eval_program {
    sa_eval_step step[SA_EVAL_STEPS];
    int8_t begin[SA_EVAL_GROUPS], end[SA_EVAL_GROUPS]; /* steps of a group; group 0 is the root's */
    int8_t root[SA_EVAL_ROOTS];                        /* operand that holds a root's value after group 0 */
    int8_t slots, levels;
};

/* Flattens `count` sources (1 or SA_EVAL_ROOTS) of planes of one size. SA_UNSUPPORTED if they nest too deep or are too long. */
sa_status sa_eval_compile(const sa_source *const *sources, int count, sa_eval_program *program);

/* Bytes of shared memory that a block of `threads` needs for a program's slots and frames. */
static inline size_t sa_eval_shared_bytes(const sa_eval_program *program, int threads)
{
    size_t words = (size_t)program->slots * SA_EVAL_LANES + (size_t)(program->levels - 1) * SA_EVAL_FRAME_WORDS;
    return words * (size_t)threads * sizeof(float);
}

#endif
