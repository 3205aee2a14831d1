/* The program of a strategy. Where workspaces are limited, a second round of emission lets each convolution use what is free beside
 * it without raising the load of any step above the highest: only the ops at the peak have to be short of room. */
#include "net/session.h"

#include <stdlib.h>

static const sa_ref *conv_workspace(const sa_op *op)
{
    if (op->kind == SA_OP_CONV_FORWARD) return &op->args.conv_forward.workspace;
    return op->kind == SA_OP_CONV_BACKWARD ? &op->args.conv_backward.workspace : NULL;
}

/* What a load of max_load leaves to the workspace of the op at `step`; the padding of the buffers alive is left alone. */
static size_t room_at(const sa_program *p, size_t max_load, size_t step, const sa_ref *workspace)
{
    size_t used = 0;
    for (size_t i = 0; i < p->buffer_count; i++) {
        const sa_buffer *b = &p->buffer[i];
        if (b->begin <= (int64_t)step && (int64_t)step < b->end && (int)i != workspace->buffer)
            used += b->size_bytes + b->alignment_bytes;
    }
    return used < max_load ? max_load - used : 0;
}

static sa_status find_room(const sa_program *p, size_t max_load, sa_realizations *r)
{
    r->conv_room_bytes = calloc(p->op_count + 1, sizeof *r->conv_room_bytes);
    if (!r->conv_room_bytes) SA_FAIL(SA_NOMEM, "no memory for the room of %zu ops", p->op_count);
    for (size_t i = 0; i < p->op_count; i++) {
        const sa_ref *workspace = conv_workspace(&p->op[i]);
        if (workspace) r->conv_room_bytes[r->conv_room_count++] = room_at(p, max_load, i, workspace);
    }
    return SA_OK;
}

/* Replaces *program by one with roomier workspaces, unless its load is higher. */
static sa_status use_room(const sa_net *net, sa_realizations *r, const sa_device *device, const sa_program_options *options,
                          sa_program **program)
{
    sa_program *roomy;
    size_t load, roomy_load;
    SA_TRY(sa_plan_max_load((*program)->buffer, (*program)->buffer_count, &load));
    SA_TRY(find_room(*program, load, r));
    SA_TRY(sa_program_create(net, r, device, options, &roomy));
    sa_status status = sa_plan_max_load(roomy->buffer, roomy->buffer_count, &roomy_load);
    bool better = status == SA_OK && roomy_load <= load;
    sa_program_free(better ? *program : roomy);
    if (better) *program = roomy;
    return status;
}

sa_status sa_program_for_strategy(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                                  const sa_program_options *options, sa_program **program)
{
    sa_realizations r;
    sa_program *made = NULL;
    SA_TRY(sa_strategy_apply(strategy, net, device, &r));
    sa_status status = sa_program_create(net, &r, device, options, &made);
    if (status == SA_OK && sa_strategy_has(strategy, SA_SWITCH_SMALL_WORKSPACE) && r.lifetimes)
        status = use_room(net, &r, device, options, &made);
    sa_realizations_free(&r);
    if (status != SA_OK) {
        sa_program_free(made);
        return status;
    }
    *program = made;
    return SA_OK;
}
