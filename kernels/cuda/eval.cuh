/* The evaluator of source programs (eval_program.cuh): an interpreter for any program, in two forms. Programs that the nets in use
 * need often are compiled instead (eval_compiled.cuh); kernels take either as their template parameter. */
#ifndef SA_CUDA_EVAL_CUH
#define SA_CUDA_EVAL_CUH

#include "kernels/cuda/eval_steps.cuh"

/* One slot is SA_EVAL_LANES planes of blockDim.x floats: neighbouring threads in neighbouring banks. */
__device__ __forceinline__ float *sa_slot(float *slots, int slot)
{
    return slots + (unsigned)(slot * SA_EVAL_LANES) * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ void sa_load_operand(int operand, float *slots, const float (&last)[SA_EVAL_LANES],
                                                float (&value)[SA_EVAL_LANES])
{
    if (operand == SA_OPERAND_LAST) {
        SA_EACH_LANE(last[e]);
    } else if (operand >= 0) {
        const float *slot = sa_slot(slots, operand);
        SA_EACH_LANE(slot[(unsigned)e * blockDim.x]);
    }
}

/* A step that has begun to visit places, put away while the group inside runs: words of shared memory, blockDim.x apart. */
enum {
    FRAME_C,
    FRAME_VALID,
    FRAME_PLACE_VALID,
    FRAME_STEP,
    FRAME_PLACE,
    FRAME_Y,
    FRAME_X = FRAME_Y + SA_EVAL_LANES,
    FRAME_SUM = FRAME_X + SA_EVAL_LANES
};
static_assert(FRAME_SUM + SA_EVAL_LANES <= SA_EVAL_FRAME_WORDS, "a frame is too small");

__device__ __forceinline__ void sa_put_away(int *frame, const sa_lanes &at, unsigned place_valid, int step, int j,
                                            const float (&sum)[SA_EVAL_LANES])
{
    frame[FRAME_C * blockDim.x] = at.c;
    frame[FRAME_VALID * blockDim.x] = (int)at.valid;
    frame[FRAME_PLACE_VALID * blockDim.x] = (int)place_valid;
    frame[FRAME_STEP * blockDim.x] = step;
    frame[FRAME_PLACE * blockDim.x] = j;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        frame[(unsigned)(FRAME_Y + e) * blockDim.x] = at.y[e];
        frame[(unsigned)(FRAME_X + e) * blockDim.x] = at.x[e];
        frame[(unsigned)(FRAME_SUM + e) * blockDim.x] = __float_as_int(sum[e]);
    }
}

__device__ __forceinline__ void sa_take_back(const int *frame, sa_lanes &at, unsigned &place_valid, int &step, int &j,
                                             float (&sum)[SA_EVAL_LANES])
{
    at.c = frame[FRAME_C * blockDim.x];
    at.valid = (unsigned)frame[FRAME_VALID * blockDim.x];
    place_valid = (unsigned)frame[FRAME_PLACE_VALID * blockDim.x];
    step = frame[FRAME_STEP * blockDim.x];
    j = frame[FRAME_PLACE * blockDim.x];
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) {
        at.y[e] = frame[(unsigned)(FRAME_Y + e) * blockDim.x];
        at.x[e] = frame[(unsigned)(FRAME_X + e) * blockDim.x];
        sum[e] = __int_as_float(frame[(unsigned)(FRAME_SUM + e) * blockDim.x]);
    }
}

/* A step's value from its operands, into last and its slot. value: the sum over places, if it has any. */
__device__ __forceinline__ void sa_finish_step(const sa_eval_step &s, const sa_lanes &at, float *slots,
                                               float (&value)[SA_EVAL_LANES], float (&last)[SA_EVAL_LANES])
{
    float a[SA_EVAL_LANES] = {}, b[SA_EVAL_LANES] = {}, c[SA_EVAL_LANES] = {};
    if (s.kind == SA_NODE_DENSE) {
        sa_step_dense(s.encoding, s, at, value);
    } else {
        sa_load_operand(s.operand[0], slots, last, a);
        sa_load_operand(s.operand[1], slots, last, b);
        sa_load_operand(s.operand[2], slots, last, c);
        sa_step_here(s.kind, s, at, a, b, c, value);
    }
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) last[e] = value[e];
    if (s.store < 0) return;
    float *slot = sa_slot(slots, s.store);
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) slot[(unsigned)e * blockDim.x] = value[e];
}

/* Evaluates the program at `at`; the last step's values are left in `last`. The flow of control depends on the program alone, not
 * on data or lanes, so a warp stays together. */
__device__ __forceinline__ void sa_eval_flat(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                             float (&last)[SA_EVAL_LANES])
{
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) last[e] = 0.0f;
    for (int i = program.begin[0]; i < program.end[0]; i++) {
        float value[SA_EVAL_LANES] = {};
        sa_finish_step(program.step[i], at, slots, value, last);
    }
}

/* The same for programs with groups inside groups: a state machine with a stack of frames behind the slots. */
__device__ __forceinline__ void sa_eval_nested(const sa_eval_program &program, const sa_lanes &root, float *slots,
                                               float (&last)[SA_EVAL_LANES])
{
    int *frames = (int *)sa_slot(slots, program.slots);
    sa_lanes at = root;
    int i = program.begin[0], end = program.end[0], depth = 0;
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) last[e] = 0.0f;
    for (;;) {
        int j = 0;
        float value[SA_EVAL_LANES] = {};
        if (i == end) { /* the group's value is in last */
            if (depth == 0) return;
            unsigned place_valid;
            sa_take_back(frames + (unsigned)(--depth * SA_EVAL_FRAME_WORDS) * blockDim.x, at, place_valid, i, j, value);
            sa_collect(program.step[i].kind, program.step[i], at, j, place_valid, last, value);
            end = program.end[program.step[i].group];
            j++;
        }
        const sa_eval_step &s = program.step[i];
        if (s.inside >= 0 && j < s.places) {
            sa_lanes place;
            sa_place(s.kind, s.encoding, s.window, s, at, j, place);
            sa_put_away(frames + (unsigned)(depth++ * SA_EVAL_FRAME_WORDS) * blockDim.x, at, place.valid, i, j, value);
            at = place;
            i = program.begin[s.inside];
            end = program.end[s.inside];
            continue;
        }
        sa_finish_step(s, at, slots, value, last);
        i++;
    }
}

/* The two forms of the interpreter. Each way to evaluate a program has these functions: `one` gives the value of a program with one
 * root, `pair` the values of one with two, twice the same of one with one; lanes that are not valid are not 0 yet. interprets: its
 * code does not depend on the program. program_type: what of the program it reads. */
struct sa_flat { /* programs without groups inside groups */
    typedef sa_eval_program program_type;
    static constexpr bool interprets = true;
    static __device__ __forceinline__ void one(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                               float (&value)[SA_EVAL_LANES])
    {
        sa_eval_flat(program, at, slots, value);
    }
    static __device__ __forceinline__ void pair(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                                float (&first)[SA_EVAL_LANES], float (&second)[SA_EVAL_LANES])
    {
        float last[SA_EVAL_LANES];
        sa_eval_flat(program, at, slots, last);
        sa_load_operand(program.root[0], slots, last, first);
        sa_load_operand(program.root[1], slots, last, second);
    }
};

struct sa_nested { /* any program */
    typedef sa_eval_program program_type;
    static constexpr bool interprets = true;
    static __device__ __forceinline__ void one(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                               float (&value)[SA_EVAL_LANES])
    {
        sa_eval_nested(program, at, slots, value);
    }
    static __device__ __forceinline__ void pair(const sa_eval_program &program, const sa_lanes &at, float *slots,
                                                float (&first)[SA_EVAL_LANES], float (&second)[SA_EVAL_LANES])
    {
        float last[SA_EVAL_LANES];
        sa_eval_nested(program, at, slots, last);
        sa_load_operand(program.root[0], slots, last, first);
        sa_load_operand(program.root[1], slots, last, second);
    }
};

/* The kernel parameter that has the program's data. */
template <class E> using sa_program = typename E::program_type;

/* The value of a program with one root; E: how it is evaluated. */
template <class E>
__device__ __forceinline__ void sa_eval(const sa_program<E> &program, const sa_lanes &at, float *slots,
                                        float (&value)[SA_EVAL_LANES])
{
    E::one(program, at, slots, value);
    sa_drop_invalid(at.valid, value);
}

/* The values of a program with two; twice the same of one with one. */
template <class E>
__device__ __forceinline__ void sa_eval_pair(const sa_program<E> &program, const sa_lanes &at, float *slots,
                                             float (&first)[SA_EVAL_LANES], float (&second)[SA_EVAL_LANES])
{
    E::pair(program, at, slots, first, second);
    sa_drop_invalid(at.valid, first);
    sa_drop_invalid(at.valid, second);
}

#endif
