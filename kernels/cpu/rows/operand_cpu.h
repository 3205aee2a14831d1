/* Operands of the row loops: the nodes right below a reader that it computes in its own loop, a pass less each.
 *
 * XHAT, AFFINE and RELU_GRAD only, with the operations of kernels/source.h in the same order. */
#ifndef SA_KERNELS_CPU_ROWS_OPERAND_CPU_H
#define SA_KERNELS_CPU_ROWS_OPERAND_CPU_H

#include "kernels/cpu/rows/source_cpu.h"
#include "kernels/cpu/vector.h"

/* What is applied to the value of the node further down; NONE: that value is the operand. Only of gates: OPEN, no gate; OTHER,
 * AFFINE of another operand that the reader has at hand. */
typedef enum sa_steps {
    SA_STEPS_NONE,
    SA_STEPS_XHAT,
    SA_STEPS_AFFINE,
    SA_STEPS_BOTH,
    SA_STEPS_OPEN,
    SA_STEPS_OTHER,
} sa_steps;

typedef struct sa_operand {
    const float *value;
    sa_steps steps;
    float mean, inv_std, gamma, beta;
} sa_operand;

/* A gradient that a ReLU lets through where `gate` is greater than 0. */
typedef struct sa_gradient {
    const float *value;
    sa_operand gate;
} sa_gradient;

/* The piece of a node's value; valid as long as that of sa_cpu_pull. */
sa_operand sa_cpu_pull_operand(const sa_cpu_piece *piece, int node);
sa_gradient sa_cpu_pull_gradient(const sa_cpu_piece *piece, int node);

/* Columns i .. i + 15 of the piece, of which `left` are there; the others are finite if the vectors are. steps: a->steps, as a
 * constant. */
SA_INLINE sa_f32x16 sa_operand_load(const sa_operand *a, sa_steps steps, int i, int left)
{
    const bool normalise = steps == SA_STEPS_XHAT || steps == SA_STEPS_BOTH;
    sa_f32x16 value = sa_f32x16_load_part(a->value + i, left, normalise ? a->mean : 0.0f);
    if (normalise) value = (value - a->mean) * a->inv_std;
    if (steps == SA_STEPS_AFFINE || steps == SA_STEPS_BOTH) value = a->gamma * value + a->beta;
    return value;
}

/* The same; columns that are not there are 0. steps: g->gate.steps, as a constant. other: that of OTHER. */
SA_INLINE sa_f32x16 sa_gradient_load(const sa_gradient *g, sa_steps steps, int i, int left, sa_f32x16 other)
{
    const sa_f32x16 zero = sa_f32x16_splat(0.0f), value = sa_f32x16_load_part(g->value + i, left, 0.0f);
    if (steps == SA_STEPS_OPEN) return value;
    sa_f32x16 gate = steps == SA_STEPS_OTHER ? g->gate.gamma * other + g->gate.beta : sa_operand_load(&g->gate, steps, i, left);
    return sa_f32x16_where(sa_f32x16_greater(gate, zero), value, zero);
}

/* Makes the gate OTHER if it is AFFINE of the operand. */
static inline void sa_gradient_share(sa_gradient *g, const sa_operand *operand)
{
    const sa_operand *gate = &g->gate;
    if (gate->steps == SA_STEPS_BOTH && operand->steps == SA_STEPS_XHAT && gate->value == operand->value &&
        gate->mean == operand->mean && gate->inv_std == operand->inv_std)
        g->gate.steps = SA_STEPS_OTHER;
}

/* Runs the loop `name(operand, steps, ...)`, always inlined, with steps a constant. */
#define SA_FOR_STEPS(name, operand, ...)                                      \
    switch ((operand)->steps) {                                               \
    case SA_STEPS_NONE: name(operand, SA_STEPS_NONE, __VA_ARGS__); break;     \
    case SA_STEPS_XHAT: name(operand, SA_STEPS_XHAT, __VA_ARGS__); break;     \
    case SA_STEPS_AFFINE: name(operand, SA_STEPS_AFFINE, __VA_ARGS__); break; \
    case SA_STEPS_BOTH: name(operand, SA_STEPS_BOTH, __VA_ARGS__); break;     \
    case SA_STEPS_OPEN:                                                       \
    case SA_STEPS_OTHER: break;                                               \
    }

/* Runs the loop `name(gradient, steps, ...)`, always inlined, with the steps of the gate a constant. */
#define SA_FOR_GATE(name, gradient, ...)                                       \
    switch ((gradient)->gate.steps) {                                          \
    case SA_STEPS_NONE: name(gradient, SA_STEPS_NONE, __VA_ARGS__); break;     \
    case SA_STEPS_XHAT: name(gradient, SA_STEPS_XHAT, __VA_ARGS__); break;     \
    case SA_STEPS_AFFINE: name(gradient, SA_STEPS_AFFINE, __VA_ARGS__); break; \
    case SA_STEPS_BOTH: name(gradient, SA_STEPS_BOTH, __VA_ARGS__); break;     \
    case SA_STEPS_OPEN: name(gradient, SA_STEPS_OPEN, __VA_ARGS__); break;     \
    case SA_STEPS_OTHER: name(gradient, SA_STEPS_OTHER, __VA_ARGS__); break;   \
    }

#endif
