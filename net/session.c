/* Sessions: the arena of a layout, bound, and the executor that runs its ops. */
#include "net/session.h"

#include "core/clock.h"

#include "data/random.h"
#include "kernels/update_math.h"
#include "net/session_params.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sa_session {
    const sa_net *net;
    sa_device *device;
    sa_session_options options;
    sa_layout layout;
    sa_arena *whole; /* what was taken from the device, for the first layout */
    sa_arena *arena; /* of the current layout: `whole`, or within it */
    sa_ledger *ledger;
    uintptr_t recording; /* names the layout for devices that record steps: each has a number of its own */
    bool open;           /* the arena is in step 0 or later: inputs may be uploaded */
    bool finished;       /* the last op has run */
    bool *fed;           /* (blob_count): this input has been uploaded for the step */
    sa_op_probe probe;
    void *probe_context;
    sa_forward_check forward_check;
    void *forward_check_context;
    atomic_size_t ops_done;      /* of the step that runs; read by other threads */
    uint64_t *op_ns, *op_cpu_ns; /* (op_count) each, time_ops */
};

/* ------------------------------------------------------------------ binding ---------------------------------------- */

static void bind_ref(void *context, sa_ref *ref, sa_access_mode mode)
{
    (void)mode;
    const sa_session *session = context;
    ref->ptr = (char *)sa_arena_pointer(session->arena, (size_t)ref->buffer) + ref->offset_bytes;
}

/* host: room for the values where the device's memory is another. */
static sa_status fill_param(sa_session *s, int layer, int i, float *host)
{
    const sa_layer *l = &s->net->layer[layer];
    const sa_param *param = &l->param[i];
    float *there = sa_session_host_view(s, s->layout.program->param[layer][i].param);
    SA_TRY(sa_filler_fill(&param->filler, param->shape.axes, param->shape.dim, sa_random_key(s->options.seed, l->name, (uint32_t)i),
                          there ? there : host));
    return there ? SA_OK : sa_session_set_param(s, layer, i, host);
}

/* buffer: a number, or -1 */
static sa_status clear(sa_session *s, int buffer)
{
    if (buffer < 0) return SA_OK;
    return s->device->functions->fill(s->device, sa_arena_pointer(s->arena, (size_t)buffer), 0,
                                      s->layout.program->buffer[buffer].size_bytes);
}

static sa_status fill_params(sa_session *s)
{
    size_t largest = 1;
    for (int l = 0; l < s->net->layer_count && !s->device->host_memory; l++)
        for (int i = 0; i < s->net->layer[l].param_count; i++) {
            size_t count = sa_shape_elements(&s->net->layer[l].param[i].shape);
            if (count > largest) largest = count;
        }
    float *host = malloc(largest * sizeof *host);
    if (!host) SA_FAIL(SA_NOMEM, "no host memory for a parameter of %zu floats", largest);
    sa_status status = SA_OK;
    for (int l = 0; l < s->net->layer_count && status == SA_OK; l++)
        for (int i = 0; i < s->net->layer[l].param_count && status == SA_OK; i++) {
            const sa_param_buffers *b = &s->layout.program->param[l][i];
            if (!s->net->layer[l].param[i].is_shared) status = fill_param(s, l, i, host);
            if (status == SA_OK) status = clear(s, b->history[0]);
            if (status == SA_OK) status = clear(s, b->history[1]);
            if (status == SA_OK && b->total >= 0 && s->layout.program->buffer[b->total].kind == SA_BUFFER_HISTORY)
                status = clear(s, b->total);
        }
    free(host);
    return status;
}

static sa_status bind(sa_session *s)
{
    static atomic_uintptr_t layouts;
    sa_program *p = s->layout.program;
    sa_arena_options options = {.debug = s->options.debug};
    if (s->whole) {
        SA_TRY(sa_arena_create_within(s->whole, p->buffer, p->buffer_count, &s->layout.plan, &options, &s->arena));
    } else {
        SA_TRY(sa_arena_create(s->device, p->buffer, p->buffer_count, &s->layout.plan, &options, &s->whole));
        s->arena = s->whole;
    }
    s->recording = ++layouts;
    SA_TRY(sa_ledger_create(p->buffer, p->buffer_count, &s->ledger));
    s->fed = calloc((size_t)s->net->blob_count + 1, sizeof *s->fed);
    if (!s->fed) SA_FAIL(SA_NOMEM, "no memory for the inputs of a session");
    if (s->options.time_ops) {
        s->op_ns = calloc(p->op_count + 1, sizeof *s->op_ns);
        s->op_cpu_ns = calloc(p->op_count + 1, sizeof *s->op_cpu_ns);
        if (!s->op_ns || !s->op_cpu_ns) SA_FAIL(SA_NOMEM, "no memory for the times of %zu ops", p->op_count);
    }
    for (size_t i = 0; i < p->op_count; i++) sa_op_visit_refs(p->op[i].kind, &p->op[i].args, bind_ref, s);
    return SA_OK;
}

/* Everything that bind made but the device's memory. */
static void unbind(sa_session *s)
{
    if (s->arena != s->whole) sa_arena_destroy(s->arena);
    sa_ledger_destroy(s->ledger);
    sa_layout_free(&s->layout);
    free(s->fed);
    free(s->op_ns);
    free(s->op_cpu_ns);
    s->arena = NULL;
    s->ledger = NULL;
    s->fed = NULL;
    s->op_ns = s->op_cpu_ns = NULL;
    s->open = s->finished = false;
}

sa_status sa_session_create_planned(const sa_net *net, sa_layout *layout, sa_device *device, const sa_session_options *options,
                                    sa_session **session)
{
    sa_session *s = calloc(1, sizeof *s);
    if (!s) {
        sa_layout_free(layout);
        SA_FAIL(SA_NOMEM, "no memory for a session");
    }
    s->net = net;
    s->device = device;
    s->options = *options;
    s->layout = *layout;
    *layout = (sa_layout){0};
    sa_status status = sa_session_check_ranks(s->layout.program, device);
    if (status == SA_OK) status = bind(s);
    if (status == SA_OK) status = fill_params(s);
    if (status != SA_OK) {
        sa_session_destroy(s);
        return status;
    }
    *session = s;
    return SA_OK;
}

sa_status sa_session_create(const sa_net *net, const sa_strategy *strategy, sa_device *device, const sa_session_options *options,
                            sa_session **session)
{
    sa_layout layout;
    SA_TRY(sa_layout_create(net, strategy, device, &options->program, &layout));
    return sa_session_create_planned(net, &layout, device, options, session);
}

void sa_session_destroy(sa_session *session)
{
    if (!session) return;
    unbind(session);
    sa_arena_destroy(session->whole);
    free(session);
}

/* ------------------------------------------------------------------ another layout --------------------------------- */

sa_status sa_session_use_layout(sa_session *s, const sa_net *net, sa_layout *layout)
{
    sa_layout taken = *layout;
    *layout = (sa_layout){0};
    float *host = NULL;
    sa_status status = sa_session_check_same_params(s->net, net);
    if (status == SA_OK) status = sa_session_params_out(s, &host);
    if (status == SA_OK) {
        unbind(s);
        s->net = net;
        s->layout = taken;
        taken = (sa_layout){0};
        status = bind(s);
    }
    if (status == SA_OK) status = sa_session_params_in(s, host);
    sa_layout_free(&taken);
    free(host);
    return status;
}

/* ------------------------------------------------------------------ host access ------------------------------------ */

const sa_layout *sa_session_layout(const sa_session *session)
{
    return &session->layout;
}

const sa_net *sa_session_net(const sa_session *session)
{
    return session->net;
}

size_t sa_session_arena_bytes(const sa_session *session)
{
    return sa_arena_bytes(session->whole);
}

size_t sa_session_measured_bytes(const sa_session *session)
{
    return sa_ledger_high_water_bytes(session->ledger);
}

const sa_ledger *sa_session_ledger(const sa_session *session)
{
    return session->ledger;
}

void sa_session_set_probe(sa_session *session, sa_op_probe probe, void *context)
{
    session->probe = probe;
    session->probe_context = context;
}

void sa_session_set_forward_check(sa_session *session, sa_forward_check check, void *context)
{
    session->forward_check = check;
    session->forward_check_context = context;
}

size_t sa_session_ops_done(sa_session *session)
{
    return atomic_load_explicit(&session->ops_done, memory_order_relaxed);
}

uint64_t sa_session_op_ns(const sa_session *session, size_t op)
{
    return session->op_ns ? session->op_ns[op] : 0;
}

uint64_t sa_session_op_cpu_ns(const sa_session *session, size_t op)
{
    return session->op_cpu_ns ? session->op_cpu_ns[op] : 0;
}

sa_device *sa_session_device(sa_session *session)
{
    return session->device;
}

/* Counts as a touch: what is uploaded is used, even if no op reads it. */
static sa_status upload(sa_session *s, int buffer, const void *host)
{
    sa_ledger_touch(s->ledger, 0, (size_t)buffer, sa_arena_base(s->arena), sa_arena_pointer(s->arena, (size_t)buffer));
    return s->device->functions->upload(s->device, sa_arena_pointer(s->arena, (size_t)buffer), host,
                                        s->layout.program->buffer[buffer].size_bytes);
}

void *sa_session_host_view(const sa_session *s, int buffer)
{
    return s->device->host_memory ? sa_arena_pointer(s->arena, (size_t)buffer) : NULL;
}

sa_status sa_session_get_buffer(sa_session *s, int buffer, void *host)
{
    return s->device->functions->download(s->device, host, sa_arena_pointer(s->arena, (size_t)buffer),
                                          s->layout.program->buffer[buffer].size_bytes);
}

/* The next step begins: results of the last one are gone. */
static sa_status open_step(sa_session *s)
{
    if (s->open && s->finished) {
        SA_TRY(sa_arena_leave(s->arena));
        s->open = false;
    }
    if (!s->open) SA_TRY(sa_arena_enter_op(s->arena, 0));
    if (!s->open) memset(s->fed, 0, (size_t)s->net->blob_count * sizeof *s->fed);
    s->open = true;
    s->finished = false;
    return SA_OK;
}

/* Refuses before the step is opened. */
static sa_status upload_bytes(sa_session *s, int blob, const float *host)
{
    size_t count = sa_shape_elements(&s->net->blob[blob].shape);
    uint8_t *byte = malloc(count);
    if (!byte) SA_FAIL(SA_NOMEM, "no host memory for %zu bytes of input '%s'", count, s->net->blob[blob].name);
    sa_status status = sa_session_input_bytes(&s->net->blob[blob], host, count, byte);
    if (status == SA_OK) status = open_step(s);
    if (status == SA_OK) status = upload(s, s->layout.program->input_buffer[blob], byte);
    free(byte);
    return status;
}

sa_status sa_session_set_input(sa_session *s, int blob, const float *host)
{
    bool is_input = blob >= 0 && blob < s->net->blob_count && s->net->layer[s->net->blob[blob].producer].type->is_input;
    int buffer = is_input ? s->layout.program->input_buffer[blob] : -1;
    if (is_input && buffer < 0) return SA_OK; /* nobody reads it */
    if (buffer < 0) SA_FAIL(SA_INVALID, "blob %d is not an input of net '%s'", blob, s->net->name);
    if (s->layout.program->input_encoding[blob] == SA_U8) {
        SA_TRY(upload_bytes(s, blob, host));
    } else {
        SA_TRY(open_step(s));
        SA_TRY(upload(s, buffer, host));
    }
    s->fed[blob] = true;
    return SA_OK;
}

sa_status sa_session_set_seed_gradient(sa_session *s, int blob, const float *host)
{
    int buffer = s->layout.program->seed_buffer[blob];
    if (buffer < 0)
        SA_FAIL(SA_INVALID, "blob '%s' of net '%s' takes no gradient from outside", s->net->blob[blob].name, s->net->name);
    SA_TRY(open_step(s));
    return upload(s, buffer, host);
}

sa_status sa_session_set_buffer(sa_session *s, int buffer, const void *host)
{
    return upload(s, buffer, host);
}

sa_status sa_session_set_param(sa_session *s, int layer, int param, const float *host)
{
    return upload(s, s->layout.program->param[layer][param].param, host);
}

sa_status sa_session_get_param(sa_session *s, int layer, int param, float *host)
{
    return sa_session_get_buffer(s, s->layout.program->param[layer][param].param, host);
}

sa_status sa_session_get_output(sa_session *s, int blob, float *host)
{
    int buffer = s->layout.program->output_buffer[blob];
    if (buffer < 0) SA_FAIL(SA_INVALID, "blob '%s' is not an output of net '%s'", s->net->blob[blob].name, s->net->name);
    return sa_session_get_buffer(s, buffer, host);
}

/* ------------------------------------------------------------------ running ---------------------------------------- */

typedef struct touch_walk {
    sa_session *session;
    int64_t step;
} touch_walk;

static void touch(void *context, sa_ref *ref, sa_access_mode mode)
{
    (void)mode;
    touch_walk *walk = context;
    const sa_arena *arena = walk->session->arena;
    sa_ledger_touch(walk->session->ledger, walk->step, (size_t)ref->buffer, sa_arena_base(arena),
                    sa_arena_pointer(arena, (size_t)ref->buffer));
}

static sa_status run_op(sa_session *s, size_t i)
{
    sa_op *op = &s->layout.program->op[i];
    touch_walk walk = {s, (int64_t)i};
    uint64_t before = 0, after = 0, cpu = 0;
    if (i > 0) SA_TRY(sa_arena_enter_op(s->arena, (int64_t)i));
    sa_op_visit_refs(op->kind, &op->args, touch, &walk);
    if (s->op_ns) {
        cpu = sa_cpu_clock_ns();
        SA_TRY(s->device->functions->time_ns(s->device, &before));
    }
    sa_status status = sa_op_run(s->device, op->kind, &op->args);
    if (status == SA_RANKS) return status; /* not this op's fault */
    if (status != SA_OK) return sa_error_prefix(status, "%s", op->name);
    if (s->op_ns) {
        SA_TRY(s->device->functions->time_ns(s->device, &after));
        s->op_ns[i] += after - before;
        s->op_cpu_ns[i] += sa_cpu_clock_ns() - cpu;
    }
    atomic_store_explicit(&s->ops_done, i + 1, memory_order_relaxed);
    return s->probe ? s->probe(s->probe_context, s, i) : SA_OK;
}

/* A step that is stopped here has changed no parameter. */
static sa_status check_forward(sa_session *s)
{
    if (!s->forward_check) return SA_OK;
    SA_TRY(s->device->functions->sync(s->device));
    sa_status status = s->forward_check(s->forward_check_context, s);
    if (status != SA_OK) s->finished = true; /* the next step starts afresh */
    return status;
}

/* What of a program a pass runs. A rank without a shard in it takes part in the exchanges alone. */
typedef struct sa_pass_kind {
    bool update, has_shard;
} sa_pass_kind;

static bool is_run_without_shard(const sa_op *op)
{
    const sa_op_kind kind = op->kind;
    if (kind == SA_OP_BN_RUNNING) return op->args.bn_running.ranks > 1;
    return kind == SA_OP_EXCHANGE || kind == SA_OP_SHARD_SUM || kind == SA_OP_UPDATE || kind == SA_OP_SQUARE_SUM;
}

/* Op by op, so that phases can be timed; a device that replays a recorded step gives one time for all of it. */
static sa_status run_phases(sa_session *s, sa_pass_kind kind, sa_step_times *times)
{
    const sa_program *p = s->layout.program;
    uint64_t mark = 0, now = 0;
    size_t i = 0;
    if (times) SA_TRY(s->device->functions->time_ns(s->device, &mark));
    for (int phase = 0; phase < (kind.update ? SA_STEP_PHASES : SA_STEP_UPDATE); phase++) {
        for (; i < p->phase_end[phase]; i++)
            if (kind.has_shard || is_run_without_shard(&p->op[i])) SA_TRY(run_op(s, i));
        if (phase == SA_STEP_FORWARD && times && kind.has_shard) SA_TRY(check_forward(s));
        if (!times) continue;
        SA_TRY(s->device->functions->time_ns(s->device, &now));
        times->ms[phase] = (double)(now - mark) * 1e-6;
        mark = now;
    }
    return SA_OK;
}

/* *again: the device asks for the step once more. */
static sa_status run_bracketed(sa_session *s, int *again)
{
    int replay = 0;
    *again = 0;
    SA_TRY(s->device->functions->begin_step(s->device, &replay));
    sa_status status = replay ? SA_OK : run_phases(s, (sa_pass_kind){true, true}, NULL);
    sa_status ended = s->device->functions->end_step(s->device, again);
    if (*again) return SA_OK;
    SA_TRY(status);
    return ended;
}

static sa_status run_recorded(sa_session *s, sa_step_times *times)
{
    uint64_t before = 0, after = 0;
    int again = 0;
    SA_TRY(s->device->functions->time_ns(s->device, &before));
    s->device->step_owner = (const void *)s->recording;
    SA_TRY(run_bracketed(s, &again));
    if (again) SA_TRY(run_bracketed(s, &again));
    SA_TRY(s->device->functions->time_ns(s->device, &after));
    if (times) times->ms[SA_STEP_FORWARD] = (double)(after - before) * 1e-6;
    return SA_OK;
}

/* An input that was not uploaded would be whatever lies in the arena. */
static sa_status check_fed(const sa_session *s)
{
    for (int b = 0; b < s->net->blob_count; b++)
        if (s->layout.program->input_buffer[b] >= 0 && s->net->blob[b].consumer >= 0 && !s->fed[b])
            SA_FAIL(SA_INVALID, "input '%s' of net '%s' was not set before the step", s->net->blob[b].name, s->net->name);
    return SA_OK;
}

bool sa_session_has_shard(const sa_session *s, int pass)
{
    const sa_program *p = s->layout.program;
    return pass * p->ranks + p->rank < p->shards;
}

sa_status sa_session_run_pass(sa_session *s, float rate, uint32_t step, int pass, sa_step_times *times)
{
    const sa_update_rule *rule = &s->options.program.rule;
    const sa_program *p = s->layout.program;
    const int shards = p->shards, first = pass * p->ranks, passes = p->passes;
    const sa_pass_kind kind = {.update = pass + 1 == passes, .has_shard = sa_session_has_shard(s, pass)};
    sa_step_times measured = {{0}, 0};
    sa_step_state state = {.rate = rate, .step = step * (uint32_t)shards + (uint32_t)(first + p->rank)};
    state.shards = shards - first < p->ranks ? shards - first : p->ranks;
    state.correction = sa_update_correction(rule, (double)step + 1.0);
    SA_TRY(open_step(s));
    if (kind.has_shard) SA_TRY(check_fed(s));
    SA_TRY(upload(s, s->layout.program->step_state_buffer, &state));
    const uint64_t begin = sa_clock_ns(), cpu_begin = sa_cpu_clock_ns();
    atomic_store_explicit(&s->ops_done, 0, memory_order_relaxed);
    bool recorded = s->device->records_steps && !s->op_ns && !s->probe && !s->options.debug && shards == 1;
    SA_TRY(recorded ? run_recorded(s, &measured) : run_phases(s, kind, &measured));
    SA_TRY(s->device->functions->sync(s->device));
    if (recorded) SA_TRY(check_forward(s));
    const uint64_t cpu_ns = sa_cpu_clock_ns() - cpu_begin;
    measured.cpu_ms = (double)cpu_ns * 1e-6;
    if (s->device->functions->step_took) s->device->functions->step_took(s->device, sa_clock_ns() - begin, cpu_ns);
    s->finished = true;
    if (times) *times = measured;
    return SA_OK;
}

sa_status sa_session_run(sa_session *s, float rate, uint32_t step, sa_step_times *times)
{
    if (s->options.program.rule.passes > 1)
        SA_FAIL(SA_INVALID, "a step of net '%s' has %d passes, each with inputs of its own", s->net->name,
                (int)s->options.program.rule.passes);
    return sa_session_run_pass(s, rate, step, 0, times);
}
