/* Layouts: program and plan of a net under a strategy. */
#include "net/session.h"

#include <stdio.h>
#include <string.h>

static const double TIMEOUT_SECONDS = 1.0, LIMITED_TIMEOUT_SECONDS = 20.0;
/* Of nets with more buffers the search sees so little in a given time that it is given less, and none where the greedy placement is
 * within a few parts of ten thousand of the load, as it is as a rule. */
static const size_t SEARCHED_BUFFERS = 2000;
static const size_t NEAR = 4096; /* a gap of at most the load's NEARth part */

/* The greedy placement, if that is near enough; else *plan is left alone. */
static sa_status plan_quickly(const sa_program *program, sa_plan *plan, bool *is_near)
{
    const sa_plan_options options = {.planner = SA_PLANNER_GREEDY, .timeout_seconds = TIMEOUT_SECONDS};
    sa_plan made;
    SA_TRY(sa_plan_make(program->buffer, program->buffer_count, &options, &made));
    *is_near = made.peak_bytes - made.lower_bound_bytes <= made.lower_bound_bytes / NEAR;
    if (*is_near) *plan = made;
    else sa_plan_free(&made);
    return SA_OK;
}

/* Buffers over the whole step need no search: without lifetimes no two may share. A limit that was missed in the usual time, be it
 * that the machine is busy, gets more of it. */
static sa_status make_plan(const sa_program *program, bool lifetimes, size_t limit_bytes, sa_plan *plan)
{
    sa_plan_options options = {.planner = lifetimes ? SA_PLANNER_EXACT : SA_PLANNER_NAIVE, .timeout_seconds = TIMEOUT_SECONDS};
    bool is_near = false;
    if (program->buffer_count > SEARCHED_BUFFERS) {
        options.timeout_seconds *= (double)SEARCHED_BUFFERS / (double)program->buffer_count;
        if (lifetimes) SA_TRY(plan_quickly(program, plan, &is_near));
    }
    if (!is_near) SA_TRY(sa_plan_make(program->buffer, program->buffer_count, &options, plan));
    if (limit_bytes > 0 && plan->peak_bytes > limit_bytes) {
        sa_plan_free(plan);
        options.capacity_bytes = limit_bytes;
        options.timeout_seconds = LIMITED_TIMEOUT_SECONDS;
        SA_TRY(sa_plan_make(program->buffer, program->buffer_count, &options, plan));
    }
    return SA_OK;
}

/* Every layer without ops, in one message: nobody wants to hear of them one by one. */
static sa_status check_computed(const sa_net *net)
{
    char list[768] = "";
    size_t length = 0;
    int count = 0;
    if (sa_net_is_computed(net)) return SA_OK;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->not_computed) continue;
        count++;
        if (length < sizeof list)
            length += (size_t)snprintf(list + length, sizeof list - length, "%s%d '%.40s' (%s: %s)", count > 1 ? ", " : "",
                                       layer->line, layer->name, layer->type->name, layer->not_computed);
    }
    SA_FAIL(SA_UNSUPPORTED, "%s: `explain` knows this net, but %d of its layers cannot be computed yet: line %s%s", net->path,
            count, list, length < sizeof list ? "" : " ...");
}

sa_status sa_layout_create(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                           const sa_program_options *options, sa_layout *layout)
{
    sa_layout made = {0};
    SA_TRY(check_computed(net));
    SA_TRY(sa_program_for_strategy(net, strategy, device, options, &made.program));
    sa_status status = sa_program_check(made.program);
    if (status == SA_OK)
        status = make_plan(made.program, sa_strategy_has(strategy, SA_SWITCH_LIFETIMES), options->arena_limit_bytes, &made.plan);
    if (status != SA_OK) {
        sa_program_free(made.program);
        return status;
    }
    *layout = made;
    return SA_OK;
}

void sa_layout_free(sa_layout *layout)
{
    sa_program_free(layout->program);
    sa_plan_free(&layout->plan);
    memset(layout, 0, sizeof *layout);
}
