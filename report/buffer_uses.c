/* Follows a program and notes who touches which buffer, and what then lies in it. */
#include "report/buffer_uses.h"

#include "program/contents.h"

#include <stdlib.h>
#include <string.h>

typedef struct walk {
    const sa_program *program;
    size_t op;
    sa_contents *content; /* (buffer_count) */
    bool *written;        /* (buffer_count): by the op that is looked at */
    sa_buffer_uses uses;
    size_t touch_room, holding_room, op_touches; /* op_touches: where the rows of this op begin */
    sa_status status;
} walk;

/* Room for one more element of an array that doubles. */
static sa_status grow(void **array, size_t count, size_t *room, size_t element_bytes)
{
    if (count < *room) return SA_OK;
    size_t more = *room ? 2 * *room : 256;
    void *grown = realloc(*array, more * element_bytes);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for the uses of %zu buffers", count);
    *array = grown;
    *room = more;
    return SA_OK;
}

static sa_status note_touch(walk *w, size_t buffer, sa_access_mode mode)
{
    for (size_t i = w->op_touches; i < w->uses.touch_count; i++)
        if (w->uses.touch[i].buffer == buffer) {
            w->uses.touch[i].mode |= mode;
            return SA_OK;
        }
    SA_TRY(grow((void **)&w->uses.touch, w->uses.touch_count, &w->touch_room, sizeof *w->uses.touch));
    w->uses.touch[w->uses.touch_count++] = (sa_buffer_touch){buffer, w->op, mode};
    return SA_OK;
}

static sa_status write_pieces(walk *w, const sa_ref *ref)
{
    const size_t pieces = ref->repeat > 1 ? (size_t)ref->repeat : 1;
    size_t begin = ref->offset_bytes;
    const size_t size = ref->size_bytes ? ref->size_bytes : w->program->buffer[ref->buffer].size_bytes - begin;
    for (size_t i = 0; i < pieces; i++, begin += ref->pitch_bytes)
        SA_TRY(sa_contents_write(&w->content[ref->buffer], begin, begin + size, ref->value > 0 ? ref->value : 0));
    return SA_OK;
}

static void visit(void *context, sa_ref *ref, sa_access_mode mode)
{
    walk *w = context;
    if (w->status == SA_OK) w->status = note_touch(w, (size_t)ref->buffer, mode);
    if (w->status != SA_OK || !(mode & SA_ACCESS_WRITE)) return;
    w->written[ref->buffer] = true;
    w->status = write_pieces(w, ref);
}

static int larger_first(const void *a, const void *b)
{
    const sa_buffer_holding *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return (x->value > y->value) - (x->value < y->value);
}

/* The values in a buffer, as rows at the end of the list: *count of them. */
static sa_status add_holdings(walk *w, size_t buffer, size_t *count)
{
    sa_buffer_uses *u = &w->uses;
    const size_t first = u->holding_count;
    for (size_t i = 0; i < w->content[buffer].count; i++) {
        const sa_contents_piece *p = &w->content[buffer].piece[i];
        size_t row = first;
        while (row < u->holding_count && u->holding[row].value != p->value) row++;
        if (row == u->holding_count) {
            SA_TRY(grow((void **)&u->holding, row, &w->holding_room, sizeof *u->holding));
            u->holding[u->holding_count++] = (sa_buffer_holding){buffer, w->op, p->value, 0};
        }
        u->holding[row].bytes += p->end - p->begin;
    }
    *count = u->holding_count - first;
    if (*count > 1) qsort(u->holding + first, *count, sizeof *u->holding, larger_first);
    return SA_OK;
}

/* Keeps the rows that begin at `first` only if they say something else than the last ones of this buffer. */
static void drop_repetition(walk *w, size_t first, size_t count, size_t *last, size_t *last_count)
{
    const sa_buffer_holding *row = w->uses.holding;
    bool same = count == *last_count;
    for (size_t i = 0; same && i < count; i++)
        same = row[first + i].value == row[*last + i].value && row[first + i].bytes == row[*last + i].bytes;
    if (same) {
        w->uses.holding_count = first;
        return;
    }
    *last = first;
    *last_count = count;
}

/* What is there before the first op: parameters, histories, inputs, what is given from outside. */
static sa_status fill_before(walk *w)
{
    const sa_program *p = w->program;
    for (size_t i = 0; i < p->buffer_count; i++) {
        const sa_buffer_kind kind = p->buffer[i].kind;
        const bool is_filled = kind == SA_BUFFER_PARAM || kind == SA_BUFFER_HISTORY || kind == SA_BUFFER_INPUT;
        if (!is_filled && (int)i != p->step_state_buffer) continue;
        SA_TRY(sa_contents_write(&w->content[i], 0, p->buffer[i].size_bytes, 0));
        w->written[i] = true;
    }
    for (int b = 0; b < p->net->blob_count; b++) {
        const int given[] = {p->input_buffer[b], p->seed_buffer[b]};
        for (int i = 0; i < 2; i++) {
            if (given[i] < 0) continue;
            const int32_t value = i == 0 ? sa_value_of_data(b) : sa_value_of_grad(b);
            SA_TRY(sa_contents_write(&w->content[given[i]], 0, p->buffer[given[i]].size_bytes, value));
            w->written[given[i]] = true;
        }
    }
    return SA_OK;
}

/* last, last_count: (buffer_count) each, where the latest rows of a buffer are. */
static sa_status note_holdings(walk *w, size_t first_touch, size_t *last, size_t *last_count)
{
    for (size_t i = first_touch; i < w->uses.touch_count; i++) {
        const size_t buffer = w->uses.touch[i].buffer;
        size_t count;
        if (!w->written[buffer]) continue;
        w->written[buffer] = false;
        const size_t first = w->uses.holding_count;
        SA_TRY(add_holdings(w, buffer, &count));
        drop_repetition(w, first, count, &last[buffer], &last_count[buffer]);
    }
    return SA_OK;
}

static sa_status follow(walk *w, size_t *last, size_t *last_count)
{
    SA_TRY(fill_before(w));
    for (size_t i = 0; i < w->program->buffer_count; i++) {
        if (!w->written[i]) continue;
        w->written[i] = false;
        last[i] = w->uses.holding_count;
        SA_TRY(add_holdings(w, i, &last_count[i]));
    }
    for (w->op = 0; w->op < w->program->op_count; w->op++) {
        sa_op_args args = w->program->op[w->op].args; /* a visitor may change what it visits; this one does not */
        w->op_touches = w->uses.touch_count;
        sa_op_visit_refs(w->program->op[w->op].kind, &args, visit, w);
        SA_TRY(w->status);
        SA_TRY(note_holdings(w, w->op_touches, last, last_count));
    }
    return SA_OK;
}

static int touch_order(const void *a, const void *b)
{
    const sa_buffer_touch *x = a, *y = b;
    if (x->buffer != y->buffer) return x->buffer < y->buffer ? -1 : 1;
    return (x->op > y->op) - (x->op < y->op);
}

static int holding_order(const void *a, const void *b)
{
    const sa_buffer_holding *x = a, *y = b;
    if (x->buffer != y->buffer) return x->buffer < y->buffer ? -1 : 1;
    if (x->from_op != y->from_op) return x->from_op < y->from_op ? -1 : 1;
    return larger_first(a, b);
}

sa_status sa_buffer_uses_create(const sa_program *program, sa_buffer_uses *uses)
{
    const size_t count = program->buffer_count + 1;
    walk w = {.program = program, .status = SA_OK};
    w.content = calloc(count, sizeof *w.content);
    w.written = calloc(count, sizeof *w.written);
    size_t *last = calloc(2 * count, sizeof *last);
    sa_status status = w.content && w.written && last
                           ? follow(&w, last, last + count)
                           : sa_error_set(SA_NOMEM, "no memory for the uses of %zu buffers", program->buffer_count);
    for (size_t i = 0; w.content && i < program->buffer_count; i++) free(w.content[i].piece);
    free(w.content);
    free(w.written);
    free(last);
    if (status != SA_OK) {
        sa_buffer_uses_free(&w.uses);
        return status;
    }
    if (w.uses.touch_count) qsort(w.uses.touch, w.uses.touch_count, sizeof *w.uses.touch, touch_order);
    if (w.uses.holding_count) qsort(w.uses.holding, w.uses.holding_count, sizeof *w.uses.holding, holding_order);
    *uses = w.uses;
    return SA_OK;
}

void sa_buffer_uses_free(sa_buffer_uses *uses)
{
    free(uses->touch);
    free(uses->holding);
    memset(uses, 0, sizeof *uses);
}
