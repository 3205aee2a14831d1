/* The program check: runs through the ops and follows, buffer by buffer, which value is in it. Knows nothing of strategies. */
#include "core/growing_array.h"
#include "program/program.h"

#include <stdio.h>
#include <stdlib.h>

/* What a piece of a buffer holds. Pieces of a buffer do not overlap; bytes in no piece were never written. */
typedef struct piece {
    size_t begin, end;
    int32_t value; /* 0: something without a number */
} piece;

typedef struct content {
    int count;
    piece *piece;
} content;

typedef struct check_walk {
    const sa_program *program;
    const sa_op *op;
    int64_t step;     /* the op's number */
    content *content; /* (buffer_count) */
    bool writing;
    sa_status status;
} check_walk;

static void value_text(const sa_program *program, int32_t value, char *text, size_t size)
{
    if (value == 0) snprintf(text, size, "another value");
    else snprintf(text, size, "%s of '%s'", value % 2 ? "data" : "gradient", program->net->blob[(value - 1) / 2].name);
}

static sa_status add_piece(content *c, size_t begin, size_t end, int32_t value)
{
    if (begin >= end) return SA_OK;
    piece *grown = sa_array_room(c->piece, (size_t)c->count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory to check a program");
    c->piece = grown;
    c->piece[c->count++] = (piece){begin, end, value};
    return SA_OK;
}

static sa_status write_piece(content *c, size_t begin, size_t end, int32_t value)
{
    int count = c->count;
    for (int i = 0; i < count; i++) { /* what sticks out of the new piece on either side stays */
        piece old = c->piece[i];
        if (old.end <= begin || old.begin >= end) continue;
        c->piece[i].end = old.begin < begin ? begin : old.begin;
        SA_TRY(add_piece(c, end, old.end, old.value));
    }
    int kept = 0;
    for (int i = 0; i < c->count; i++)
        if (c->piece[i].begin < c->piece[i].end) c->piece[kept++] = c->piece[i];
    c->count = kept;
    return add_piece(c, begin, end, value);
}

/* Bytes of [begin, end) that hold value (0: any); *wrong is the value of some that do not. */
static size_t held_bytes(const content *c, size_t begin, size_t end, int32_t value, const piece **wrong)
{
    size_t held = 0;
    for (int i = 0; i < c->count; i++) {
        const piece *p = &c->piece[i];
        size_t from = p->begin > begin ? p->begin : begin, to = p->end < end ? p->end : end;
        if (from >= to) continue;
        if (value == 0 || p->value == value) held += to - from;
        else *wrong = p;
    }
    return held;
}

static void visit(void *context, sa_ref *ref, sa_access_mode mode)
{
    check_walk *walk = context;
    if (walk->status != SA_OK) return;
    content *c = &walk->content[ref->buffer];
    const sa_buffer *buffer = &walk->program->buffer[ref->buffer];
    size_t begin = ref->offset_bytes, end = ref->size_bytes ? begin + ref->size_bytes : buffer->size_bytes;
    if (walk->step < buffer->begin || walk->step >= buffer->end || end > buffer->size_bytes) {
        walk->status = sa_error_set(
            SA_INVALID, "program: '%s' at step %lld uses bytes [%zu, %zu) of buffer '%s', which has %zu in steps [%lld, %lld)",
            walk->op->name, (long long)walk->step, begin, end, buffer->name, buffer->size_bytes, (long long)buffer->begin,
            (long long)buffer->end);
        return;
    }
    if (walk->writing) {
        if (mode & SA_ACCESS_WRITE) walk->status = write_piece(c, begin, end, ref->value);
        return;
    }
    const piece *wrong = NULL;
    if (!(mode & SA_ACCESS_READ) || held_bytes(c, begin, end, ref->value, &wrong) == end - begin) return;
    char wanted[128], found[128] = "nothing yet";
    value_text(walk->program, ref->value, wanted, sizeof wanted);
    if (wrong) value_text(walk->program, wrong->value, found, sizeof found);
    walk->status = sa_error_set(SA_INVALID, "program: '%s' reads %s from buffer '%s', which holds %s", walk->op->name, wanted,
                                buffer->name, found);
}

static bool is_filled_before(const sa_program *program, size_t buffer)
{
    sa_buffer_kind kind = program->buffer[buffer].kind;
    return kind == SA_BUFFER_PARAM || kind == SA_BUFFER_HISTORY || kind == SA_BUFFER_INPUT ||
           (int)buffer == program->step_state_buffer;
}

static sa_status check_ops(const sa_program *program, check_walk *walk)
{
    for (size_t i = 0; i < program->buffer_count; i++)
        if (is_filled_before(program, i)) SA_TRY(write_piece(&walk->content[i], 0, program->buffer[i].size_bytes, 0));
    for (int b = 0; b < program->net->blob_count; b++) {
        const int input = program->input_buffer[b], seed = program->seed_buffer[b];
        if (input >= 0) SA_TRY(write_piece(&walk->content[input], 0, program->buffer[input].size_bytes, 2 * b + 1));
        if (seed >= 0) SA_TRY(write_piece(&walk->content[seed], 0, program->buffer[seed].size_bytes, 2 * b + 2));
    }
    for (size_t i = 0; i < program->op_count; i++) {
        sa_op_args args =
            program->op[i].args; /* a visitor may change what it visits; this one does not, but the walk cannot know */
        walk->op = &program->op[i];
        walk->step = (int64_t)i;
        for (int pass = 0; pass < 2; pass++) {
            walk->writing = pass == 1;
            sa_op_visit_refs(program->op[i].kind, &args, visit, walk);
        }
        SA_TRY(walk->status);
    }
    return SA_OK;
}

sa_status sa_program_check(const sa_program *program)
{
    check_walk walk = {.program = program, .status = SA_OK};
    walk.content = calloc(program->buffer_count + 1, sizeof *walk.content);
    if (!walk.content) SA_FAIL(SA_NOMEM, "no memory to check %zu buffers", program->buffer_count);
    sa_status status = check_ops(program, &walk);
    for (size_t i = 0; i < program->buffer_count; i++) free(walk.content[i].piece);
    free(walk.content);
    return status;
}
