/* A program: the ops of one training step in order, with the buffers they read and write. */
#ifndef SA_PROGRAM_PROGRAM_H
#define SA_PROGRAM_PROGRAM_H

#include "kernels/ops.h"
#include "memory/buffer.h"
#include "program/graph.h"
#include "program/realization.h"

typedef enum sa_step_phase { SA_STEP_FORWARD, SA_STEP_BACKWARD, SA_STEP_UPDATE, SA_STEP_PHASES } sa_step_phase;
const char *sa_step_phase_name(sa_step_phase phase);

typedef struct sa_op {
    char name[SA_BUFFER_NAME_MAX]; /* "conv1 forward" */
    sa_op_kind kind;
    sa_step_phase phase;
    int layer;   /* that emitted it; -1: the solver */
    int remakes; /* the blob that it makes again in the backward pass, or -1 */
    sa_op_args args;
} sa_op;

/* Buffer numbers; -1: none. Layers that share a parameter have the same `param` and `total`; the histories are its owner's. */
typedef struct sa_param_buffers {
    int param;
    int grad;                        /* what the layer's ops make */
    int shard;                       /* a shard's gradient: grad, or the sum of it over the layers that share the parameter */
    int total;                       /* what the update takes: shard, or the sum of it over the shards of a step */
    int histories;                   /* that the parameter has, on whichever rank; 0: nothing trains it */
    int history[2];                  /* of the slice; -1: this rank has none of it */
    sa_slicing slicing;              /* with several ranks: where the slice of this one is */
    size_t slice_begin, slice_count; /* floats that this rank updates: all, or its slice; then total is the slice too, unless
                                        gradients are clipped */
} sa_param_buffers;

typedef struct sa_program {
    const sa_net *net; /* borrowed */
    size_t buffer_count;
    sa_buffer *buffer;
    size_t op_count;
    sa_op *op;
    size_t phase_end[SA_STEP_PHASES];               /* op numbers */
    sa_param_buffers (*param)[SA_LAYER_PARAMS_MAX]; /* (layer_count) */
    int *input_buffer;                              /* (blob_count): the buffer a blob is uploaded to, or -1 */
    sa_encoding *input_encoding;                    /* (blob_count): of what is uploaded there: SA_F32 or SA_U8 */
    int *seed_buffer;                               /* (blob_count): of a gradient that is given from outside, or -1 */
    int *output_buffer;    /* (blob_count): the buffer that still holds the blob at the end of the step, or -1: it has a reader */
    int step_state_buffer; /* -1: nothing reads it */
    int32_t ranks, rank;   /* 1 and 0: one alone */
    int32_t shards;        /* of a step, on all ranks */
    int32_t passes;        /* that this rank runs in a step, at most */
} sa_program;

typedef struct sa_program_options {
    bool training; /* backward and update too; of a net that has something to train it must be set (see sa_net_options.forward_only)
                    */
    sa_update_rule rule;
    float weight_decay;
    bool as_iter_size;        /* rule.passes are Caffe's iter_size: what Caffe would compute otherwise is refused */
    int32_t ranks, rank;      /* that share the passes of a step: pass k is rank k % ranks's. 0: one alone */
    size_t arena_limit_bytes; /* SA_CAPACITY if no placement within so many bytes is found; 0: no limit */
} sa_program_options;

/* Emits the program of one step. device: for workspace sizes and algorithms (borrowed during the call). A value that was to be put
 * where another one is still read, or where nothing is, gets a buffer of its own: *realizations are changed to say so. */
SA_CHECKED sa_status sa_program_create(const sa_net *net, sa_realizations *realizations, const sa_device *device,
                                       const sa_program_options *options, sa_program **program);
void sa_program_free(sa_program *program); /* NULL is allowed */

/* Checks, op by op, that every buffer an op reads holds the value it expects, that nothing is read before it is written, and that
 * buffers are large enough and used in their lifetimes only. Shares no code with the emitter. SA_INVALID names op, buffer and
 * value. */
SA_CHECKED sa_status sa_program_check(const sa_program *program);

#endif
