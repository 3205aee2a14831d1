/* Remake models: what is read off the two programs. The evaluation is in remake_evaluate.c. */
#include "cost/remake_model.h"

#include "core/name_map.h"
#include "cost/remake_scratch.h"
#include "net/net.h"

#include <stdlib.h>
#include <string.h>

typedef struct builder {
    const sa_net *net;
    sa_remake_model *m;
    sa_program *kept, *dropped;      /* nothing is dropped, everything is */
    int *owner;                      /* (blob_count) */
    int *value_of;                   /* (blob_count): of an owner; -1: none */
    int *buffer;                     /* (value_count): in `kept` */
    int *value_in;                   /* (buffers of kept): the value that it holds, -1: none */
    int *late_of;                    /* (buffers of kept): the value with whose making again it begins, -1 */
    int *read_of;                    /* (buffers of kept): its number among the model's buffers, -1 */
    int *remake_first, *remake_last; /* (value_count): ops of `dropped` */
    int input_count, read_count;
} builder;

static size_t rounded(const sa_buffer *b)
{
    return (b->size_bytes + SA_BUFFER_ALIGNMENT - 1) / SA_BUFFER_ALIGNMENT * SA_BUFFER_ALIGNMENT;
}

/* ------------------------------------------------------------------ the two programs ------------------------------- */

static sa_status make_programs(builder *b, const sa_strategy *strategy, const sa_device *device, const sa_program_options *options)
{
    const size_t blobs = (size_t)b->net->blob_count + 1;
    sa_realizations r;
    sa_again *all = calloc(blobs, sizeof *all);
    b->owner = calloc(blobs, sizeof *b->owner);
    if (!all || !b->owner) {
        free(all);
        SA_FAIL(SA_NOMEM, "no memory for a model of %d values", b->net->blob_count);
    }
    sa_status status = sa_strategy_apply(strategy, b->net, device, &r);
    if (status == SA_OK) {
        status = sa_program_create(b->net, &r, device, options, &b->kept);
        sa_realizations_free(&r);
    }
    if (status == SA_OK) status = sa_strategy_apply(strategy, b->net, device, &r);
    if (status == SA_OK) {
        for (size_t i = 0; i < blobs; i++) all[i] = SA_AGAIN_ONCE;
        sa_realizations_find_droppable(b->net, &r, b->owner);
        sa_realizations_drop(b->net, all, &r);
        status = sa_realizations_settle(b->net, &r);
        if (status == SA_OK) status = sa_program_create(b->net, &r, device, options, &b->dropped);
        sa_realizations_free(&r);
    }
    free(all);
    return status;
}

/* ------------------------------------------------------------------ values ----------------------------------------- */

/* The value that a reference names; -1: it is none that can be dropped. */
static int value_named(const builder *b, const sa_ref *ref)
{
    if (ref->value <= 0 || ref->value % 2 == 0) return -1;
    return b->value_of[(ref->value - 1) / 2];
}

typedef struct walk {
    builder *b;
    int op;
    size_t bytes; /* a sum */
    int value;
    sa_status status;
} walk;

static void find_buffer(void *context, sa_ref *ref, sa_access_mode mode)
{
    (void)mode;
    const walk *w = context;
    builder *b = w->b;
    const int v = value_named(b, ref);
    if (v >= 0) b->buffer[b->m->value[v].owner] = ref->buffer;
}

static sa_status allocate(builder *b)
{
    const size_t blobs = (size_t)b->net->blob_count + 1;
    b->m->value = calloc(blobs, sizeof *b->m->value);
    b->value_of = malloc(blobs * sizeof *b->value_of);
    b->buffer = malloc(blobs * sizeof *b->buffer);
    b->value_in = malloc((b->kept->buffer_count + 1) * sizeof *b->value_in);
    b->late_of = malloc((b->kept->buffer_count + 1) * sizeof *b->late_of);
    b->read_of = malloc((b->kept->buffer_count + 1) * sizeof *b->read_of);
    if (!b->m->value || !b->value_of || !b->buffer || !b->value_in || !b->late_of || !b->read_of)
        SA_FAIL(SA_NOMEM, "no memory for a model of %d values", b->net->blob_count);
    for (size_t i = 0; i < blobs; i++) b->buffer[i] = b->value_of[i] = -1;
    for (size_t i = 0; i <= b->kept->buffer_count; i++) b->value_in[i] = b->late_of[i] = b->read_of[i] = -1;
    return SA_OK;
}

/* A choice names a value by its layer. */
static bool has_a_name(const builder *b, int blob)
{
    const int producer = b->net->blob[blob].producer;
    return b->net->blob[blob].producer_top == 0 && sa_net_layer_index(b->net, b->net->layer[producer].name) == producer;
}

/* In the order of blobs, which is that of their making. */
static sa_status list_values(builder *b)
{
    sa_remake_model *m = b->m;
    SA_TRY(allocate(b));
    for (int blob = 0; blob < b->net->blob_count; blob++) {
        if (b->owner[blob] < 0 || !has_a_name(b, b->owner[blob])) continue;
        b->value_of[blob] = m->value_count;
        m->value[m->value_count++].blob = blob;
    }
    for (int v = 0; v < m->value_count; v++) {
        m->value[v].owner = b->value_of[b->owner[m->value[v].blob]];
        if (m->value[v].owner != v) m->value[m->value[v].owner].shares = true;
    }
    walk w = {.b = b};
    for (size_t i = 0; i < b->kept->op_count; i++) sa_op_visit_refs(b->kept->op[i].kind, &b->kept->op[i].args, find_buffer, &w);
    return SA_OK;
}

static void note_use(void *context, sa_ref *ref, sa_access_mode mode)
{
    walk *w = context;
    builder *b = w->b;
    const int memory = b->value_in[ref->buffer], v = value_named(b, ref);
    if (memory < 0) return;
    sa_remake_value *value = &b->m->value[memory];
    const bool own = v >= 0 && b->m->value[v].owner == memory;
    if (w->op < b->m->forward_count) value->forward_end = w->op + 1;
    else if (own && (mode & SA_ACCESS_READ) && value->first_need < 0) value->first_need = w->op;
    else if (!own && value->taken < 0) value->taken = w->op;
}

/* A value that no op of the backward pass reads (first_need -1) is gone after the forward pass; but others may be made of it. */
static void find_lifetimes(builder *b)
{
    sa_remake_model *m = b->m;
    for (int v = 0; v < m->value_count; v++) {
        m->value[v].first_need = m->value[v].taken = -1;
        if (b->buffer[v] >= 0) b->value_in[b->buffer[v]] = v;
    }
    for (int i = 0; i < m->op_count; i++) {
        walk w = {.b = b, .op = i};
        sa_op_visit_refs(b->kept->op[i].kind, &b->kept->op[i].args, note_use, &w);
    }
    for (int v = 0; v < m->value_count; v++) {
        sa_remake_value *value = &m->value[v];
        if (b->buffer[v] < 0) continue;
        const sa_buffer *buffer = &b->kept->buffer[b->buffer[v]];
        value->bytes = rounded(buffer);
        value->begin = (int)buffer->begin;
        value->end = (int)buffer->end;
    }
}

/* ------------------------------------------------------------------ needs ------------------------------------------ */

static void count_need(void *context, sa_ref *ref, sa_access_mode mode)
{
    walk *w = context;
    builder *b = w->b;
    const int v = value_named(b, ref);
    if (v < 0 || !(mode & SA_ACCESS_READ)) return;
    for (int i = b->m->need_begin[w->op]; i < b->m->need_begin[w->op + 1]; i++)
        if (b->m->need[i] == v) return;
    int *grown = realloc(b->m->need, ((size_t)b->m->need_begin[w->op + 1] + 1) * sizeof *grown);
    if (!grown) {
        w->status = SA_NOMEM;
        return;
    }
    b->m->need = grown;
    grown[b->m->need_begin[w->op + 1]++] = v;
}

static sa_status find_needs(builder *b)
{
    sa_remake_model *m = b->m;
    walk w = {.b = b};
    m->need_begin = calloc((size_t)m->op_count + 2, sizeof *m->need_begin);
    m->taken_begin = calloc((size_t)m->op_count + 2, sizeof *m->taken_begin);
    m->taken = calloc((size_t)m->value_count + 1, sizeof *m->taken);
    if (!m->need_begin || !m->taken_begin || !m->taken) SA_FAIL(SA_NOMEM, "no memory for a model of %d ops", m->op_count);
    for (w.op = 0; w.op < m->op_count; w.op++) {
        m->need_begin[w.op + 1] = m->need_begin[w.op];
        if (w.op >= m->forward_count) sa_op_visit_refs(b->kept->op[w.op].kind, &b->kept->op[w.op].args, count_need, &w);
    }
    if (w.status != SA_OK) SA_FAIL(SA_NOMEM, "no memory for a model of %d ops", m->op_count);
    int count = 0;
    for (int t = 0; t < m->op_count; t++) {
        m->taken_begin[t] = count;
        for (int v = 0; v < m->value_count && t >= m->forward_count; v++)
            if (m->value[v].taken == t) m->taken[count++] = v;
    }
    m->taken_begin[m->op_count] = count;
    return SA_OK;
}

/* ------------------------------------------------------------------ making again ----------------------------------- */

static sa_status add_number(int **list, int *count, int begin, int number)
{
    for (int i = begin; i < *count; i++)
        if ((*list)[i] == number) return SA_OK;
    int *grown = realloc(*list, ((size_t)*count + 1) * sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for a model");
    *list = grown;
    grown[(*count)++] = number;
    return SA_OK;
}

/* The number of a buffer of `kept` among those that making again may keep alive longer. */
static sa_status read_number(builder *b, int buffer, int *number)
{
    if (b->read_of[buffer] < 0) {
        sa_remake_buffer *grown = realloc(b->m->buffer, ((size_t)b->m->buffer_count + 1) * sizeof *grown);
        if (!grown) SA_FAIL(SA_NOMEM, "no memory for a model");
        b->m->buffer = grown;
        grown[b->m->buffer_count] = (sa_remake_buffer){rounded(&b->kept->buffer[buffer]), (int)b->kept->buffer[buffer].end};
        b->read_of[buffer] = b->m->buffer_count++;
    }
    *number = b->read_of[buffer];
    return SA_OK;
}

typedef struct remake_walk {
    builder *b;
    const sa_name_map *names; /* of the buffers of `kept` */
    int v, op;
    size_t transient_bytes;
    sa_status status;
} remake_walk;

static bool is_transient(const builder *b, const sa_buffer *buffer, int v)
{
    return buffer->begin >= b->remake_first[v] && buffer->end <= b->remake_last[v] + 1;
}

static sa_status note_operand(remake_walk *w, const sa_ref *ref, sa_access_mode mode)
{
    builder *b = w->b;
    sa_remake_value *value = &b->m->value[w->v];
    const sa_buffer *buffer = &b->dropped->buffer[ref->buffer];
    const int u = value_named(b, ref);
    if (u == w->v) return SA_OK;
    if (u >= 0) return mode & SA_ACCESS_READ ? add_number(&b->m->input, &b->input_count, value->input_begin, u) : SA_OK;
    const int same = sa_name_map_get(w->names, buffer->name);
    const bool late = same >= 0 && b->kept->buffer[same].begin < b->m->forward_count && buffer->begin >= b->m->forward_count;
    if (late && b->late_of[same] < 0) {
        b->late_of[same] = w->v;
        value->late_bytes = rounded(buffer);
        value->late_begin = (int)b->kept->buffer[same].begin;
        value->late_end = (int)b->kept->buffer[same].end;
    }
    if (late) return SA_OK;
    if (is_transient(b, buffer, w->v)) {
        w->transient_bytes += rounded(buffer);
        return SA_OK;
    }
    int number;
    if (same < 0 || !(mode & SA_ACCESS_READ)) return SA_OK;
    SA_TRY(read_number(b, same, &number));
    return add_number(&b->m->read, &b->read_count, value->read_begin, number);
}

static void visit_operand(void *context, sa_ref *ref, sa_access_mode mode)
{
    remake_walk *w = context;
    if (w->status == SA_OK) w->status = note_operand(w, ref, mode);
}

/* The value that an op of `dropped` makes again. */
static int remade_by(const builder *b, const sa_op *op)
{
    return op->remakes >= 0 ? b->value_of[op->remakes] : -1;
}

/* What is joined in place takes no op, but its parts have to be there. */
static sa_status add_parts(builder *b, sa_remake_value *value)
{
    const sa_layer *maker = &b->net->layer[b->net->blob[value->blob].producer];
    for (int i = 0; maker->type->joins_bottoms && i < maker->bottom_count; i++) {
        const int part = b->value_of[sa_blob_behind_splits(b->net->layer, b->net->blob, maker->bottom[i])];
        if (part >= 0) SA_TRY(add_number(&b->m->input, &b->input_count, value->input_begin, part));
    }
    return SA_OK;
}

static sa_status find_operands(builder *b, const sa_cost_model *costs, const int *by_value, const int *begin)
{
    sa_name_map names = {0};
    sa_status status = SA_OK;
    for (size_t i = 0; i < b->kept->buffer_count && status == SA_OK; i++)
        status = sa_name_map_set(&names, b->kept->buffer[i].name, (int)i);
    for (int v = 0; v < b->m->value_count && status == SA_OK; v++) {
        sa_remake_value *value = &b->m->value[v];
        value->input_begin = b->input_count;
        value->read_begin = b->read_count;
        status = add_parts(b, value);
        for (int k = begin[v]; k < begin[v + 1] && status == SA_OK; k++) {
            sa_op *op = &b->dropped->op[by_value[k]];
            remake_walk w = {.b = b, .names = &names, .v = v, .op = by_value[k]};
            sa_op_visit_refs(op->kind, &op->args, visit_operand, &w);
            if (w.transient_bytes > value->transient_bytes) value->transient_bytes = w.transient_bytes;
            value->ms += sa_cost_predict_op(costs, op->kind, &op->args).ms;
            status = w.status;
        }
        value->input_end = b->input_count;
        value->read_end = b->read_count;
    }
    sa_name_map_free(&names);
    return status;
}

static sa_status find_remaking(builder *b, const sa_cost_model *costs)
{
    const int values = b->m->value_count;
    int *begin = calloc((size_t)values + 2, sizeof *begin), *by_value = malloc((b->dropped->op_count + 1) * sizeof *by_value);
    b->remake_first = calloc((size_t)values + 1, sizeof *b->remake_first);
    b->remake_last = calloc((size_t)values + 1, sizeof *b->remake_last);
    sa_status status =
        begin && by_value && b->remake_first && b->remake_last ? SA_OK : sa_error_set(SA_NOMEM, "no memory for a model");
    if (status == SA_OK) {
        for (size_t i = 0; i < b->dropped->op_count; i++) {
            const int v = remade_by(b, &b->dropped->op[i]);
            if (v < 0) continue;
            if (begin[v + 2]++ == 0) b->remake_first[v] = (int)i;
            b->remake_last[v] = (int)i;
        }
        for (int v = 2; v <= values + 1; v++) begin[v] += begin[v - 1];
        for (size_t i = 0; i < b->dropped->op_count; i++) {
            const int v = remade_by(b, &b->dropped->op[i]);
            if (v >= 0) by_value[begin[v + 1]++] = (int)i;
        }
        status = find_operands(b, costs, by_value, begin);
    }
    free(begin);
    free(by_value);
    return status;
}

/* ------------------------------------------------------------------ what is always there --------------------------- */

static sa_status find_fixed(builder *b)
{
    sa_remake_model *m = b->m;
    m->fixed = calloc((size_t)m->op_count + 2, sizeof *m->fixed);
    m->carried = calloc((size_t)m->op_count + 2, sizeof *m->carried);
    m->op_layer = calloc((size_t)m->op_count + 1, sizeof *m->op_layer);
    if (!m->fixed || !m->carried || !m->op_layer) SA_FAIL(SA_NOMEM, "no memory for a model of %d ops", m->op_count);
    for (size_t i = 0; i < b->kept->buffer_count; i++) {
        const sa_buffer *buffer = &b->kept->buffer[i];
        if (b->value_in[i] >= 0 || b->late_of[i] >= 0) continue;
        m->fixed[buffer->begin] += rounded(buffer);
        m->fixed[buffer->end] -= rounded(buffer);
        m->carried[buffer->begin + 1] += rounded(buffer);
        m->carried[buffer->end] -= rounded(buffer);
    }
    for (int t = 1; t < m->op_count; t++) {
        m->fixed[t] += m->fixed[t - 1];
        m->carried[t] += m->carried[t - 1];
    }
    for (int t = 0; t < m->op_count; t++) m->op_layer[t] = b->kept->op[t].layer;
    return SA_OK;
}

static sa_status build(builder *b, const sa_strategy *strategy, const sa_cost_model *costs, const sa_program_options *options)
{
    SA_TRY(make_programs(b, strategy, sa_cost_model_device(costs), options));
    b->m->op_count = (int)b->kept->op_count;
    b->m->forward_count = (int)b->kept->phase_end[SA_STEP_FORWARD];
    b->m->ms = sa_cost_predict(costs, b->kept, NULL).ms;
    SA_TRY(list_values(b));
    find_lifetimes(b);
    SA_TRY(find_needs(b));
    SA_TRY(find_remaking(b, costs));
    SA_TRY(find_fixed(b));
    return sa_remake_scratch_create(b->m);
}

sa_status sa_remake_model_create(const sa_net *net, const sa_strategy *strategy, const sa_cost_model *costs,
                                 const sa_program_options *options, sa_remake_model **model)
{
    builder b = {.net = net, .m = calloc(1, sizeof *b.m)};
    sa_status status = b.m ? build(&b, strategy, costs, options) : sa_error_set(SA_NOMEM, "no memory for a model");
    sa_program_free(b.kept);
    sa_program_free(b.dropped);
    free(b.owner);
    free(b.value_of);
    free(b.buffer);
    free(b.value_in);
    free(b.late_of);
    free(b.read_of);
    free(b.remake_first);
    free(b.remake_last);
    if (status != SA_OK) {
        sa_remake_model_free(b.m);
        return status;
    }
    *model = b.m;
    return SA_OK;
}

void sa_remake_model_free(sa_remake_model *m)
{
    if (!m) return;
    sa_remake_scratch_free(m);
    free(m->value);
    free(m->op_layer);
    free(m->fixed);
    free(m->carried);
    free(m->need_begin);
    free(m->need);
    free(m->taken_begin);
    free(m->taken);
    free(m->input);
    free(m->read);
    free(m->buffer);
    free(m);
}
