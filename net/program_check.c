/* The program check: runs through the ops and follows, buffer by buffer, which value is in it. Knows nothing of strategies. */
#include "net/program.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct content {
    bool written;
    int32_t value; /* 0: something without a number */
} content;

typedef struct check_walk {
    const sa_program *program;
    const sa_op *op;
    content *content; /* (buffer_count) */
    bool writing;
    bool failed;
} check_walk;

static void value_text(const sa_program *program, int32_t value, char *text, size_t size)
{
    if (value == 0) snprintf(text, size, "another value");
    else snprintf(text, size, "%s of '%s'", value % 2 ? "data" : "gradient", program->net->blob[(value - 1) / 2].name);
}

static void visit(void *context, sa_ref *ref, sa_access_mode mode)
{
    check_walk *walk = context;
    if (walk->failed || ref->buffer < 0) return;
    content *c = &walk->content[ref->buffer];
    if (walk->writing) {
        if (!(mode & SA_ACCESS_WRITE)) return;
        c->written = true;
        c->value = ref->value;
        return;
    }
    if (!(mode & SA_ACCESS_READ)) return;
    char wanted[128], found[128];
    if (c->written && (ref->value == 0 || ref->value == c->value)) return;
    value_text(walk->program, ref->value, wanted, sizeof wanted);
    value_text(walk->program, c->value, found, sizeof found);
    walk->failed = true;
    (void)sa_error_set(SA_INVALID, "program: '%s' reads %s from buffer '%s', which holds %s", walk->op->name, wanted,
                       walk->program->buffer[ref->buffer].name, c->written ? found : "nothing yet");
}

static bool is_filled_before(const sa_program *program, size_t buffer)
{
    sa_buffer_kind kind = program->buffer[buffer].kind;
    return kind == SA_BUFFER_PARAM || kind == SA_BUFFER_HISTORY || kind == SA_BUFFER_INPUT || (int)buffer == program->step_state_buffer;
}

sa_status sa_program_check(const sa_program *program)
{
    check_walk walk = {.program = program};
    walk.content = calloc(program->buffer_count + 1, sizeof *walk.content);
    if (!walk.content) SA_FAIL(SA_NOMEM, "no memory to check %zu buffers", program->buffer_count);
    for (size_t i = 0; i < program->buffer_count; i++) walk.content[i].written = is_filled_before(program, i);
    for (int b = 0; b < program->net->blob_count; b++)
        if (program->input_buffer[b] >= 0) walk.content[program->input_buffer[b]].value = 2 * b + 1;
    if (program->seed_buffer >= 0) walk.content[program->seed_buffer].value = 2 * program->net->seed_blob + 2;
    for (size_t i = 0; i < program->op_count && !walk.failed; i++) {
        sa_op_args args = program->op[i].args; /* the visitor may change what it visits; this one does not, but may not know */
        walk.op = &program->op[i];
        for (int pass = 0; pass < 2; pass++) {
            walk.writing = pass == 1;
            sa_op_visit_refs(program->op[i].kind, &args, visit, &walk);
        }
    }
    free(walk.content);
    return walk.failed ? SA_INVALID : SA_OK;
}
