/* The program check: runs through the ops and follows, buffer by buffer, which value is in it. Knows nothing of strategies. */
#include "program/contents.h"
#include "program/program.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct check_walk {
    const sa_program *program;
    const sa_op *op;
    int64_t step;         /* the op's number */
    sa_contents *content; /* (buffer_count) */
    bool writing;
    sa_status status;
} check_walk;

static void value_text(const sa_program *program, int32_t value, char *text, size_t size)
{
    if (value == 0) snprintf(text, size, "another value");
    else snprintf(text, size, "%s of '%s'", value % 2 ? "data" : "gradient", program->net->blob[(value - 1) / 2].name);
}

/* ---- which values may stand for another ---- */

typedef struct wanted {
    const sa_net *net;
    int32_t value; /* 0: any */
} wanted;

static int32_t data_of(int blob)
{
    return 2 * blob + 1;
}

static int32_t grad_of(int blob)
{
    return 2 * blob + 2;
}

static bool stands_for(const sa_net *net, int32_t found, int32_t value);

/* The data of a layer's top is that of its bottom where they are shared, and of its bottoms in its parts where they are joined; the
 * data of what a layer cuts is where its tops' is. */
static bool data_stands_for(const sa_net *net, int32_t found, int blob)
{
    const sa_layer *maker = &net->layer[net->blob[blob].producer];
    if (maker->type->shares_bottom || maker->type->cuts_bottom) return stands_for(net, found, data_of(maker->bottom[0]));
    for (int i = 0; maker->type->joins_bottoms && i < maker->bottom_count; i++)
        if (stands_for(net, found, data_of(maker->bottom[i]))) return true;
    return false;
}

/* The same of gradients, the other way round. */
static bool grad_stands_for(const sa_net *net, int32_t found, int blob)
{
    const sa_blob *b = &net->blob[blob];
    if (b->consumer < 0) return false;
    const sa_layer *reader = &net->layer[b->consumer];
    bool same = reader->type->shares_bottom && reader->top_count == 1;
    if (same || reader->type->joins_bottoms) return stands_for(net, found, grad_of(reader->top[0]));
    for (int i = 0; reader->type->cuts_bottom && i < reader->top_count; i++)
        if (stands_for(net, found, grad_of(reader->top[i]))) return true;
    return false;
}

static bool stands_for(const sa_net *net, int32_t found, int32_t value)
{
    if (found == value) return true;
    return value % 2 ? data_stands_for(net, found, (value - 1) / 2) : grad_stands_for(net, found, (value - 1) / 2);
}

static bool accept(const void *context, int32_t value)
{
    const wanted *w = context;
    return w->value == 0 || (value > 0 && stands_for(w->net, value, w->value)) || value == w->value;
}

/* ---- one reference ---- */

static void check_piece(check_walk *walk, const sa_ref *ref, size_t begin, size_t end)
{
    const sa_buffer *buffer = &walk->program->buffer[ref->buffer];
    sa_contents *c = &walk->content[ref->buffer];
    if (walk->writing) {
        walk->status = sa_contents_write(c, begin, end, ref->value);
        return;
    }
    const wanted w = {walk->program->net, ref->value};
    const sa_contents_piece *wrong = NULL;
    if (sa_contents_hold(c, begin, end, accept, &w, &wrong)) return;
    char wanted_text[128], found[128] = "nothing yet";
    value_text(walk->program, ref->value, wanted_text, sizeof wanted_text);
    if (wrong) value_text(walk->program, wrong->value, found, sizeof found);
    walk->status = sa_error_set(SA_INVALID, "program: '%s' reads %s from buffer '%s', which holds %s", walk->op->name, wanted_text,
                                buffer->name, found);
}

static void visit(void *context, sa_ref *ref, sa_access_mode mode)
{
    check_walk *walk = context;
    if (walk->status != SA_OK) return;
    const sa_buffer *buffer = &walk->program->buffer[ref->buffer];
    const size_t pieces = ref->repeat > 1 ? (size_t)ref->repeat : 1;
    size_t begin = ref->offset_bytes, size = ref->size_bytes ? ref->size_bytes : buffer->size_bytes - begin;
    size_t end = begin + (pieces - 1) * ref->pitch_bytes + size;
    if (walk->step < buffer->begin || walk->step >= buffer->end || begin > buffer->size_bytes || end > buffer->size_bytes) {
        walk->status = sa_error_set(
            SA_INVALID, "program: '%s' at op %lld uses bytes [%zu, %zu) of buffer '%s', which has %zu in ops [%lld, %lld)",
            walk->op->name, (long long)walk->step, begin, end, buffer->name, buffer->size_bytes, (long long)buffer->begin,
            (long long)buffer->end);
        return;
    }
    if (!(mode & (walk->writing ? SA_ACCESS_WRITE : SA_ACCESS_READ))) return;
    for (size_t i = 0; i < pieces && walk->status == SA_OK; i++, begin += ref->pitch_bytes)
        check_piece(walk, ref, begin, begin + size);
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
        if (is_filled_before(program, i)) SA_TRY(sa_contents_write(&walk->content[i], 0, program->buffer[i].size_bytes, 0));
    for (int b = 0; b < program->net->blob_count; b++) {
        const int input = program->input_buffer[b], seed = program->seed_buffer[b];
        if (input >= 0) SA_TRY(sa_contents_write(&walk->content[input], 0, program->buffer[input].size_bytes, 2 * b + 1));
        if (seed >= 0) SA_TRY(sa_contents_write(&walk->content[seed], 0, program->buffer[seed].size_bytes, 2 * b + 2));
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
