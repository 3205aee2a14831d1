/* Source programs compiled into kernels: the steps of a program are template arguments, its data is read from the program as the
 * interpreter (eval.cuh) does. The formulas are those of eval_steps.cuh for both, so the bits are too. Values stay in registers: no
 * slots, no frames, no shared memory.
 *
 * eval_forms.cuh lists the programs; the host compares signatures (eval_program.cuh) and falls back on the interpreter. */
#ifndef SA_CUDA_EVAL_COMPILED_CUH
#define SA_CUDA_EVAL_COMPILED_CUH

#include "kernels/cuda/eval.cuh"

/* A program with the given steps (sa_step_code), groups in order; roots: sa_root_code. */
template <uint32_t ROOTS, uint64_t... STEP> struct sa_compiled {
    static constexpr bool interprets = false;
    static constexpr int count = sizeof...(STEP);
    typedef sa_eval_steps<count> program_type;
    static constexpr uint64_t step[] = {STEP...};

    static bool fits(const sa_eval_signature &signature)
    {
        bool same = signature.count == count && signature.roots == ROOTS;
        for (int i = 0; same && i < count; i++) same = signature.step[i] == step[i];
        return same;
    }

    typedef float values[count][SA_EVAL_LANES];

    /* Steps of GROUP from I on; the last one's number. */
    template <int GROUP, int I = 0> SA_HOST_DEVICE static constexpr int last_of()
    {
        constexpr uint64_t code = step[I];
        if constexpr (I + 1 < count) {
            constexpr int later = last_of<GROUP, I + 1>();
            if constexpr (later >= 0) return later;
        }
        return sa_code_group(code) == GROUP ? I : -1;
    }

    template <int GROUP, int I = 0>
    static __device__ __forceinline__ void run_group(const program_type &program, const sa_lanes &at, values &value)
    {
        if constexpr (I < count) {
            constexpr uint64_t code = step[I];
            if constexpr (sa_code_group(code) == GROUP) run_step<I>(program, at, value);
            run_group<GROUP, I + 1>(program, at, value);
        }
    }

    /* Operand K of step I; zeros if there is none. */
    template <int I, int K> static __device__ __forceinline__ void take_operand(const values &from, float (&value)[SA_EVAL_LANES])
    {
        constexpr int operand = sa_code_operand(step[I], K);
        if constexpr (operand >= 0) SA_EACH_LANE(from[operand][e]);
        else SA_EACH_LANE(0.0f);
    }

    template <int I> static __device__ __forceinline__ void run_step(const program_type &program, const sa_lanes &at, values &value)
    {
        constexpr uint64_t code = step[I];
        constexpr int kind = sa_code_kind(code), encoding = sa_code_encoding(code), inside = sa_code_inside(code);
        const sa_eval_step &s = program.step[I];
        float result[SA_EVAL_LANES] = {};
        if constexpr (kind == SA_NODE_DENSE) {
            sa_step_dense(encoding, s, at, result);
        } else {
            if constexpr (inside >= 0) add_places<I, inside>(program, at, value, result);
            float a[SA_EVAL_LANES], b[SA_EVAL_LANES], c[SA_EVAL_LANES];
            take_operand<I, 0>(value, a);
            take_operand<I, 1>(value, b);
            take_operand<I, 2>(value, c);
            sa_step_here(kind, s, at, a, b, c, result);
        }
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) value[I][e] = result[e];
    }

    /* The sum over the places where step I reads its group. */
    template <int I, int INSIDE>
    static __device__ __forceinline__ void add_places(const program_type &program, const sa_lanes &at, values &value,
                                                      float (&sum)[SA_EVAL_LANES])
    {
        constexpr uint64_t code = step[I];
        constexpr int kind = sa_code_kind(code), kernel = sa_code_kernel(code), stride = sa_code_stride(code);
        constexpr int result = last_of<INSIDE>();
        constexpr int across = kernel ? (kernel + stride - 1) / stride : 0;
        const sa_window window = {kernel, kernel, stride, stride, 0, 0};
        const sa_eval_step &s = program.step[I];
        const int places = kernel ? across * across : s.places;
        for (int j = 0; j < places; j++) {
            sa_lanes place;
            sa_place(kind, sa_code_encoding(code), window, s, at, j, place);
            run_group<INSIDE>(program, place, value);
            sa_collect(kind, s, at, j, place.valid, value[result], sum);
        }
    }

    /* What sa_eval and sa_eval_pair want. */
    static __device__ __forceinline__ void one(const program_type &program, const sa_lanes &at, float *,
                                               float (&value)[SA_EVAL_LANES])
    {
        values all;
        constexpr int root = sa_code_root(ROOTS, 0);
        run_group<0>(program, at, all);
        SA_EACH_LANE(all[root][e]);
    }
    static __device__ __forceinline__ void pair(const program_type &program, const sa_lanes &at, float *,
                                                float (&first)[SA_EVAL_LANES], float (&second)[SA_EVAL_LANES])
    {
        values all;
        constexpr int roots[2] = {sa_code_root(ROOTS, 0), sa_code_root(ROOTS, 1)};
        run_group<0>(program, at, all);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            first[e] = all[roots[0]][e];
            second[e] = all[roots[1]][e];
        }
    }
};

#endif
