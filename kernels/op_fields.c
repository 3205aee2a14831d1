/* The field table: every reference of every op's arguments, and how the op touches it.
 *
 * The table is checked at compile time: a mirror of each argument struct, built from its table, has to have the same layout, so a
 * new field cannot be forgotten; and a field listed as PLAIN cannot be one that holds references. */
#include "kernels/ops.h"

/* Short names for the table. NONE: not touched in this form of the op. */
enum { NONE = 0, READ = SA_ACCESS_READ, WRITE = SA_ACCESS_WRITE, READ_WRITE = SA_ACCESS_READ_WRITE };

/* FIELDS_x: the fields of sa_x_args in order, as PLAIN(type, name), SOURCE(name), SLAB(name, mode) or REF(name, mode); a mode may
 * look at other fields through `args`. */
typedef int32_t axis_list[SA_AXES_MAX];
/* clang-format off */
#define FIELDS_conv_forward(PLAIN, SOURCE, SLAB, REF)                                                                          \
    PLAIN(sa_conv_shape, shape) PLAIN(sa_conv_algorithm, algorithm) PLAIN(sa_range, range) SOURCE(x) SLAB(y, WRITE)            \
    REF(weight, READ) REF(bias, READ) REF(workspace, WRITE) PLAIN(size_t, workspace_bytes)
#define FIELDS_conv_backward(PLAIN, SOURCE, SLAB, REF)                                                                         \
    PLAIN(sa_conv_shape, shape) PLAIN(sa_conv_algorithm, algorithm) PLAIN(sa_range, range) SOURCE(x) SOURCE(dy)                \
    SLAB(dx, WRITE) PLAIN(bool, gather) PLAIN(bool, accumulate) SLAB(mask, args->gather ? READ : NONE)                         \
    PLAIN(sa_window, window) REF(weight, READ) REF(dweight, args->accumulate ? READ_WRITE : WRITE)                             \
    REF(dbias, args->accumulate ? READ_WRITE : WRITE) REF(dx_bias, READ)                                                       \
    REF(dx_dbias, args->accumulate ? READ_WRITE : WRITE) REF(workspace, WRITE) PLAIN(size_t, workspace_bytes)
#define FIELDS_materialize(PLAIN, SOURCE, SLAB, REF)                                                                           \
    PLAIN(sa_range, range) SOURCE(source) SLAB(out, WRITE)
#define FIELDS_bn_statistics(PLAIN, SOURCE, SLAB, REF)                                                                         \
    PLAIN(sa_range, range) SOURCE(x) PLAIN(sa_spread, spread) PLAIN(float, eps) PLAIN(bool, eps_outside) REF(mean, WRITE)      \
    REF(inv_std, WRITE) REF(var, WRITE) REF(workspace, WRITE) PLAIN(size_t, workspace_bytes)
#define FIELDS_bn_running(PLAIN, SOURCE, SLAB, REF)                                                                            \
    PLAIN(int32_t, begin) PLAIN(int32_t, end) PLAIN(float, fraction) PLAIN(float, correction) PLAIN(int32_t, ranks)            \
    PLAIN(int32_t, rank) REF(mean, READ) REF(var, READ) REF(means, READ) REF(vars, READ) REF(sum_mean, READ_WRITE)             \
    REF(sum_var, READ_WRITE) REF(weight, READ_WRITE) REF(step_state, READ)
#define FIELDS_bn_stored(PLAIN, SOURCE, SLAB, REF)                                                                             \
    PLAIN(int32_t, begin) PLAIN(int32_t, end) PLAIN(float, eps) REF(sum_mean, READ) REF(sum_var, READ) REF(weight, READ)       \
    REF(mean, WRITE) REF(inv_std, WRITE)
#define FIELDS_bn_reduce(PLAIN, SOURCE, SLAB, REF)                                                                             \
    PLAIN(sa_range, range) SOURCE(xhat) SOURCE(dy) PLAIN(sa_spread, spread) REF(dgamma, WRITE) REF(dbeta, WRITE)               \
    REF(workspace, WRITE) PLAIN(size_t, workspace_bytes)
#define FIELDS_pool_forward(PLAIN, SOURCE, SLAB, REF)                                                                          \
    PLAIN(sa_range, range) PLAIN(sa_window, window) SOURCE(x) SLAB(out, WRITE) SLAB(mask, WRITE)
#define FIELDS_pool_stochastic(PLAIN, SOURCE, SLAB, REF)                                                                       \
    PLAIN(sa_range, range) PLAIN(sa_window, window) PLAIN(bool, draws) PLAIN(uint64_t, seed) SOURCE(x) SLAB(out, WRITE)        \
    SLAB(mask, WRITE) REF(step_state, READ)
#define FIELDS_unpool_scatter(PLAIN, SOURCE, SLAB, REF)                                                                        \
    PLAIN(sa_range, range) SOURCE(x) SLAB(mask, READ) SLAB(out, WRITE)
#define FIELDS_unpool_gather(PLAIN, SOURCE, SLAB, REF)                                                                         \
    PLAIN(sa_range, range) SLAB(dy, READ) SLAB(mask, READ) PLAIN(sa_window, window) SLAB(dx, WRITE)
#define FIELDS_softmax(PLAIN, SOURCE, SLAB, REF)                                                                               \
    PLAIN(sa_range, range) SOURCE(x) SLAB(prob, WRITE)
#define FIELDS_softmax_grad(PLAIN, SOURCE, SLAB, REF)                                                                          \
    PLAIN(sa_range, range) SOURCE(y) SOURCE(dy) SLAB(dx, WRITE)
#define FIELDS_argmax(PLAIN, SOURCE, SLAB, REF)                                                                                \
    PLAIN(int32_t, top_k) SOURCE(x) SLAB(index, WRITE) SLAB(value, WRITE)
#define FIELDS_reduction(PLAIN, SOURCE, SLAB, REF)                                                                             \
    PLAIN(sa_reduction_kind, kind) PLAIN(bool, backward) PLAIN(float, factor) PLAIN(int32_t, channels) PLAIN(int32_t, height)  \
    PLAIN(int32_t, width) SOURCE(x) REF(sums, args->backward ? READ : WRITE) SLAB(dx, args->backward ? WRITE : NONE)
#define FIELDS_permute(PLAIN, SOURCE, SLAB, REF)                                                                               \
    PLAIN(int32_t, axes) PLAIN(axis_list, dim) PLAIN(axis_list, stride) SLAB(x, READ) SLAB(out, WRITE)
#define FIELDS_interp(PLAIN, SOURCE, SLAB, REF)                                                                                \
    PLAIN(int32_t, top) PLAIN(int32_t, left) PLAIN(int32_t, rows) PLAIN(int32_t, columns) PLAIN(bool, gradient) SLAB(x, READ)  \
    SLAB(out, WRITE)
#define FIELDS_loss(PLAIN, SOURCE, SLAB, REF)                                                                                  \
    PLAIN(sa_loss_config, config) PLAIN(bool, is_prob) SOURCE(scores) SOURCE(label) REF(table, READ) REF(loss, WRITE)          \
    REF(divisor, WRITE) REF(workspace, WRITE) PLAIN(size_t, workspace_bytes)
#define FIELDS_loss_grad(PLAIN, SOURCE, SLAB, REF)                                                                             \
    PLAIN(sa_loss_config, config) PLAIN(bool, is_prob) SOURCE(scores) SOURCE(label) REF(table, READ) REF(divisor, READ)        \
    SLAB(out, WRITE)
#define FIELDS_accuracy(PLAIN, SOURCE, SLAB, REF)                                                                              \
    SOURCE(scores) SOURCE(label) PLAIN(bool, has_ignore) PLAIN(bool, ties_lose) PLAIN(int32_t, ignore_label)                   \
    PLAIN(int32_t, top_k) PLAIN(float, empty_class) REF(accuracy, WRITE) REF(per_class, WRITE) REF(workspace, WRITE)           \
    PLAIN(size_t, workspace_bytes)
#define FIELDS_product(PLAIN, SOURCE, SLAB, REF)                                                                               \
    PLAIN(int32_t, rows) PLAIN(int32_t, columns) PLAIN(int32_t, depth) PLAIN(bool, a_transposed) PLAIN(bool, b_transposed)     \
    PLAIN(bool, accumulate) REF(a, READ) REF(b, READ) REF(bias, READ) REF(c, args->accumulate ? READ_WRITE : WRITE)
#define FIELDS_column_sums(PLAIN, SOURCE, SLAB, REF)                                                                           \
    PLAIN(int32_t, rows) PLAIN(int32_t, columns) PLAIN(bool, accumulate) REF(x, READ)                                          \
    REF(sums, args->accumulate ? READ_WRITE : WRITE)
#define FIELDS_fill(PLAIN, SOURCE, SLAB, REF)                                                                                  \
    REF(target, WRITE) PLAIN(size_t, count) PLAIN(float, value)
#define FIELDS_update(PLAIN, SOURCE, SLAB, REF)                                                                                \
    PLAIN(sa_update_rule, rule) REF(param, READ_WRITE) REF(grad, READ_WRITE) REF(history, READ_WRITE)                          \
    REF(history2, READ_WRITE) REF(step_state, READ) REF(squares, READ) PLAIN(size_t, count) PLAIN(float, lr_mult)              \
    PLAIN(float, decay)
#define FIELDS_square_sum(PLAIN, SOURCE, SLAB, REF)                                                                            \
    REF(values, READ) PLAIN(size_t, count) PLAIN(bool, add) REF(sum, args->add ? READ_WRITE : WRITE) REF(workspace, WRITE)     \
    PLAIN(size_t, workspace_bytes)
#define FIELDS_exchange(PLAIN, SOURCE, SLAB, REF)                                                                              \
    PLAIN(sa_exchange_way, way) PLAIN(bool, finish) PLAIN(int32_t, number) PLAIN(sa_slicing, slicing)                          \
    REF(values, args->way == SA_EXCHANGE_TO_ALL ? WRITE : READ) REF(own, READ) REF(parts, WRITE) REF(step_state, READ)
#define FIELDS_shard_sum(PLAIN, SOURCE, SLAB, REF)                                                                             \
    PLAIN(bool, fresh) PLAIN(int32_t, ranks) PLAIN(int32_t, rank) PLAIN(size_t, count) REF(own, READ) REF(parts, READ)         \
    REF(total, args->fresh ? WRITE : READ_WRITE) REF(step_state, READ)
/* clang-format on */

/* ---- the compile-time check ---- */

#define MIRROR_PLAIN(type, name) type name;
#define MIRROR_SOURCE(name) sa_source name;
#define MIRROR_SLAB(name, mode) sa_slab name;
#define MIRROR_REF(name, mode) sa_ref name;
#define HOLDS_NO_REFERENCE(type) _Generic((type *)0, sa_ref * : 0, sa_slab * : 0, sa_node * : 0, sa_source * : 0, default : 1)
#define ASSERT_PLAIN(type, name) _Static_assert(HOLDS_NO_REFERENCE(type), #name " holds references");
#define ASSERT_SOURCE(name)
#define ASSERT_MODE(name, mode)
#define CHECK(kind, op)                                                                                   \
    typedef struct mirror_##op {                                                                          \
        FIELDS_##op(MIRROR_PLAIN, MIRROR_SOURCE, MIRROR_SLAB, MIRROR_REF)                                 \
    } mirror_##op;                                                                                        \
    _Static_assert(sizeof(mirror_##op) == sizeof(sa_##op##_args), "the table of " #op " misses a field"); \
    FIELDS_##op(ASSERT_PLAIN, ASSERT_SOURCE, ASSERT_MODE, ASSERT_MODE)
SA_OPS(CHECK)

/* ---- the visit ---- */

typedef struct visitor {
    sa_ref_visitor visit;
    void *context;
} visitor;

static void visit_ref(const visitor *v, sa_ref *ref, int mode)
{
    if (ref->buffer != SA_NO_BUFFER && mode != NONE) v->visit(v->context, ref, (sa_access_mode)mode);
}

static void visit_source(const visitor *v, sa_source *source)
{
    for (int i = 0; i < source->count; i++) {
        sa_node *node = &source->node[i];
        const sa_node_traits *traits = sa_node_traits_of(node->kind);
        if (traits->slab) visit_ref(v, &node->slab.at, READ);
        for (int k = 0; k < traits->vectors; k++) visit_ref(v, &node->vector[k], READ);
    }
}

#define VISIT_PLAIN(type, name)
#define VISIT_SOURCE(name) visit_source(v, &args->name);
#define VISIT_SLAB(name, mode) visit_ref(v, &args->name.at, mode);
#define VISIT_REF(name, mode) visit_ref(v, &args->name, mode);
#define VISIT_OP(kind, op)                                            \
    static void visit_##op(const visitor *v, sa_##op##_args *args)    \
    {                                                                 \
        FIELDS_##op(VISIT_PLAIN, VISIT_SOURCE, VISIT_SLAB, VISIT_REF) \
    }
SA_OPS(VISIT_OP)

void sa_op_visit_refs(sa_op_kind kind, sa_op_args *args, sa_ref_visitor visit, void *context)
{
    const visitor v = {visit, context};
    switch (kind) {
#define VISIT_CASE(name, op) \
    case SA_OP_##name: visit_##op(&v, &args->op); break;
        SA_OPS(VISIT_CASE)
#undef VISIT_CASE
    case SA_OP_KINDS: break;
    }
}
