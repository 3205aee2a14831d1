/* Layouts: program and plan of a net under a strategy. */
#include "net/session.h"

#include <stdlib.h>
#include <string.h>

static const double TIMEOUT_SECONDS = 1.0, LIMITED_TIMEOUT_SECONDS = 20.0;

/* Buffers over the whole step need no search: without lifetimes no two may share. A limit that was missed in the usual time, be it
 * that the machine is busy, gets more of it. */
static sa_status make_plan(const sa_program *program, bool lifetimes, size_t limit_bytes, sa_plan *plan)
{
    sa_plan_options options = {.planner = lifetimes ? SA_PLANNER_EXACT : SA_PLANNER_NAIVE, .timeout_seconds = TIMEOUT_SECONDS};
    SA_TRY(sa_plan_make(program->buffer, program->buffer_count, &options, plan));
    if (limit_bytes > 0 && plan->peak_bytes > limit_bytes) {
        sa_plan_free(plan);
        options.capacity_bytes = limit_bytes;
        options.timeout_seconds = LIMITED_TIMEOUT_SECONDS;
        SA_TRY(sa_plan_make(program->buffer, program->buffer_count, &options, plan));
    }
    sa_status status = sa_plan_check(program->buffer, program->buffer_count, plan);
    if (status != SA_OK) sa_plan_free(plan);
    return status;
}

static sa_status make_layout(const sa_net *net, const sa_realizations *r, const sa_device *device,
                             const sa_program_options *options, sa_layout *layout)
{
    sa_layout made = {0};
    SA_TRY(sa_program_create(net, r, device, options, &made.program));
    sa_status status = sa_program_check(made.program);
    if (status == SA_OK) status = make_plan(made.program, r->lifetimes, options->arena_limit_bytes, &made.plan);
    if (status != SA_OK) {
        sa_program_free(made.program);
        return status;
    }
    *layout = made;
    return SA_OK;
}

/* ------------------------------------------------------------------ room for workspaces --------------------------- */

static const sa_ref *conv_workspace(const sa_op *op)
{
    if (op->kind == SA_OP_CONV_FORWARD) return &op->args.conv_forward.workspace;
    return op->kind == SA_OP_CONV_BACKWARD ? &op->args.conv_backward.workspace : NULL;
}

/* What the arena of `layout` leaves to the workspace of the op at `step`; padding of the buffers alive is left alone. */
static size_t room_at(const sa_layout *layout, size_t step, const sa_ref *workspace)
{
    const sa_program *p = layout->program;
    size_t used = 0;
    for (size_t i = 0; i < p->buffer_count; i++) {
        const sa_buffer *b = &p->buffer[i];
        if (b->begin <= (int64_t)step && (int64_t)step < b->end && (int)i != workspace->buffer)
            used += b->size_bytes + b->alignment_bytes;
    }
    return used < layout->plan.peak_bytes ? layout->plan.peak_bytes - used : 0;
}

static sa_status find_room(const sa_layout *layout, sa_realizations *r)
{
    const sa_program *p = layout->program;
    r->conv_room_bytes = calloc(p->op_count + 1, sizeof *r->conv_room_bytes);
    if (!r->conv_room_bytes) SA_FAIL(SA_NOMEM, "no memory for the room of %zu ops", p->op_count);
    for (size_t i = 0; i < p->op_count; i++) {
        const sa_ref *workspace = conv_workspace(&p->op[i]);
        if (workspace) r->conv_room_bytes[r->conv_room_count++] = room_at(layout, i, workspace);
    }
    return SA_OK;
}

/* Replaces *layout by one with roomier workspaces unless that needs a larger arena. */
static sa_status use_room(const sa_net *net, sa_realizations *r, const sa_device *device, const sa_program_options *options,
                          sa_layout *layout)
{
    sa_layout roomy;
    SA_TRY(find_room(layout, r));
    SA_TRY(make_layout(net, r, device, options, &roomy));
    bool better = roomy.plan.peak_bytes <= layout->plan.peak_bytes;
    sa_layout_free(better ? layout : &roomy);
    if (better) *layout = roomy;
    return SA_OK;
}

sa_status sa_layout_create(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                           const sa_program_options *options, sa_layout *layout)
{
    sa_realizations r;
    sa_layout made = {0};
    SA_TRY(sa_strategy_apply(strategy, net, device, &r));
    sa_status status = make_layout(net, &r, device, options, &made);
    if (status == SA_OK && sa_strategy_has(strategy, SA_SWITCH_SMALL_WORKSPACE) && r.lifetimes) {
        status = use_room(net, &r, device, options, &made);
        if (status != SA_OK) sa_layout_free(&made);
    }
    sa_realizations_free(&r);
    if (status == SA_OK) *layout = made;
    return status;
}

void sa_layout_free(sa_layout *layout)
{
    sa_program_free(layout->program);
    sa_plan_free(&layout->plan);
    memset(layout, 0, sizeof *layout);
}
