/* One golden case under one strategy: feeding, running, and comparing values where and when they are made. */
#include "golden_run.h"
#include "net/net.h"

#include "net/solver_config.h"
#include "net/step_outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct run {
    sa_golden_case *golden;
    sa_session *session;
    int step; /* in the names of results: step<k>/; -1: none */
} run;

/* ------------------------------------------------------------------ comparing -------------------------------------- */

static void file_name(const run *r, const char *kind, const char *name, const char *suffix, char file[SA_GOLDEN_FILE_MAX])
{
    char step[16] = "";
    if (r->step >= 0) snprintf(step, sizeof step, "step%d/", r->step);
    snprintf(file, SA_GOLDEN_FILE_MAX, "%.12s%.8s/%.80s%.10s.npy", step, kind, name, suffix);
}

static sa_status compare_buffer(run *r, int buffer, const char *file, bool inverse)
{
    const sa_program *p = sa_session_layout(r->session)->program;
    size_t count = p->buffer[buffer].size_bytes / 4;
    if (!sa_golden_has(r->golden, file)) return SA_OK;
    float *host = malloc(count * 4);
    if (!host) SA_FAIL(SA_NOMEM, "no memory for %zu values", count);
    sa_status status = sa_session_get_buffer(r->session, buffer, host);
    for (size_t i = 0; inverse && i < count; i++) host[i] = 1.0f / host[i];
    if (status == SA_OK) status = sa_golden_compare(r->golden, file, host, count);
    free(host);
    return status;
}

/* "<kind>/<layer>.<param>" */
static sa_status compare_param(run *r, const char *kind, int layer, int param, int buffer)
{
    char file[SA_GOLDEN_FILE_MAX], suffix[16];
    snprintf(suffix, sizeof suffix, ".%d", param);
    file_name(r, kind, sa_session_net(r->session)->layer[layer].name, suffix, file);
    return compare_buffer(r, buffer, file, false);
}

/* Caffe has a history for parameters that are never updated; it stays 0. Nothing is stored here. */
static sa_status compare_no_history(run *r, const char *kind, int layer, int param)
{
    const sa_layer *l = &sa_session_net(r->session)->layer[layer];
    char file[SA_GOLDEN_FILE_MAX], suffix[16];
    size_t count = sa_shape_elements(&l->param[param].shape);
    snprintf(suffix, sizeof suffix, ".%d", param);
    file_name(r, kind, l->name, suffix, file);
    float *zeros = calloc(count, sizeof *zeros);
    if (!zeros) SA_FAIL(SA_NOMEM, "no memory for %zu values", count);
    sa_status status = sa_golden_compare(r->golden, file, zeros, count);
    free(zeros);
    return status;
}

/* ------------------------------------------------------------------ fetching after each op -------------------------- */

typedef struct fetch {
    run *run;
    int op_kind;
    sa_status status;
} fetch;

static sa_status compare_blob(run *r, const char *kind, int blob, int buffer)
{
    char file[SA_GOLDEN_FILE_MAX];
    file_name(r, kind, sa_session_net(r->session)->blob[blob].name, "", file);
    return compare_buffer(r, buffer, file, false);
}

/* out/ is the last version of a name, diff/ the gradient of the first. Layers whose tops are their bottom's bytes (Flatten,
 * Reshape) may have no op: what is compared for one blob then counts for the next. Bands and compact masks are no whole floats. */
static sa_status fetch_value(run *r, int blob, bool grad, int buffer)
{
    const sa_program *p = sa_session_layout(r->session)->program;
    if (p->buffer[buffer].size_bytes != sa_shape_elements(&p->net->blob[blob].shape) * 4) return SA_OK;
    while (blob >= 0) {
        const sa_blob *b = &p->net->blob[blob];
        const sa_layer *next = grad ? &p->net->layer[b->producer] : b->consumer >= 0 ? &p->net->layer[b->consumer] : NULL;
        if (grad ? b->previous < 0 : b->last_version) SA_TRY(compare_blob(r, grad ? "diff" : "out", blob, buffer));
        if (!next || !next->type->caffe_shares_data || !next->type->caffe_shares_diff) break;
        blob = grad ? next->bottom[0] : next->top[0];
    }
    return SA_OK;
}

/* The gradient that several layers add up counts when the last has added its part. */
static sa_status fetch_param_grads(run *r, int buffer)
{
    const sa_program *p = sa_session_layout(r->session)->program;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++)
            if (p->param[l][i].total == buffer && p->net->layer[l].param[i].needs_grad)
                SA_TRY(compare_param(r, "grad", l, i, buffer));
    return SA_OK;
}

static void fetch_ref(void *context, sa_ref *ref, sa_access_mode mode)
{
    fetch *f = context;
    if (!(mode & SA_ACCESS_WRITE) || f->status != SA_OK) return;
    sa_buffer_kind kind = sa_session_layout(f->run->session)->program->buffer[ref->buffer].kind;
    if (ref->value != 0) f->status = fetch_value(f->run, (ref->value - 1) / 2, ref->value % 2 == 0, ref->buffer);
    else if ((kind == SA_BUFFER_GRAD || kind == SA_BUFFER_HISTORY) && f->op_kind != SA_OP_UPDATE)
        f->status = fetch_param_grads(f->run, ref->buffer);
}

/* Batch statistics of SegNet's BN. */
static sa_status fetch_statistics(run *r, const sa_op *op)
{
    char file[SA_GOLDEN_FILE_MAX];
    const char *layer = sa_session_net(r->session)->layer[op->layer].name;
    file_name(r, "bn", layer, ".mean", file);
    SA_TRY(compare_buffer(r, op->args.bn_statistics.mean.buffer, file, false));
    file_name(r, "bn", layer, ".std", file);
    return compare_buffer(r, op->args.bn_statistics.inv_std.buffer, file, true);
}

/* Running sums, which the forward pass changes. */
static sa_status fetch_running_sums(run *r)
{
    const sa_program *p = sa_session_layout(r->session)->program;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++) SA_TRY(compare_param(r, "stat", l, i, p->param[l][i].param));
    return SA_OK;
}

static sa_status probe(void *context, sa_session *session, size_t i)
{
    run *r = context;
    const sa_program *p = sa_session_layout(session)->program;
    sa_op *op = &p->op[i];
    fetch f = {r, (int)op->kind, SA_OK};
    sa_op_visit_refs(op->kind, &op->args, fetch_ref, &f);
    SA_TRY(f.status);
    if (op->kind == SA_OP_BN_STATISTICS) SA_TRY(fetch_statistics(r, op));
    return i + 1 == p->phase_end[SA_STEP_FORWARD] ? fetch_running_sums(r) : SA_OK;
}

/* ------------------------------------------------------------------ feeding ---------------------------------------- */

static sa_status feed_blob(run *r, const char *folder, int blob, bool grad)
{
    const sa_blob *b = &sa_session_net(r->session)->blob[blob];
    char file[SA_GOLDEN_FILE_MAX];
    sa_npy array;
    snprintf(file, sizeof file, "%.30s/%.80s.npy", folder, b->name);
    SA_TRY(sa_golden_read(r->golden, file, &array));
    sa_status status = SA_OK;
    if (array.count != sa_shape_elements(&b->shape))
        status = sa_error_set(SA_INVALID, "%s has %zu values, the net takes %zu", file, array.count, sa_shape_elements(&b->shape));
    else if (grad) status = sa_session_set_seed_gradient(r->session, blob, array.data);
    else status = sa_session_set_input(r->session, blob, array.data);
    sa_npy_free(&array);
    return status;
}

static sa_status feed(run *r, const char *folder)
{
    const sa_net *net = sa_session_net(r->session);
    const sa_program *p = sa_session_layout(r->session)->program;
    for (int b = 0; b < net->blob_count; b++) {
        if (net->layer[net->blob[b].producer].type->is_input) SA_TRY(feed_blob(r, folder, b, false));
        if (net->blob[b].grad_given) SA_TRY(feed_blob(r, "topdiff", b, true));
    }
    for (int b = 0; b < net->blob_count; b++) { /* a net of shared values alone has no op */
        if (p->input_buffer[b] >= 0 && p->input_encoding[b] == SA_F32) SA_TRY(fetch_value(r, b, false, p->input_buffer[b]));
        if (p->seed_buffer[b] >= 0) SA_TRY(fetch_value(r, b, true, p->seed_buffer[b]));
    }
    return SA_OK;
}

static sa_status feed_params(run *r)
{
    const sa_net *net = sa_session_net(r->session);
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++) {
            char file[SA_GOLDEN_FILE_MAX];
            sa_npy array;
            snprintf(file, sizeof file, "param/%.80s.%d.npy", net->layer[l].name, i);
            SA_TRY(sa_golden_read(r->golden, file, &array));
            size_t count = sa_shape_elements(&net->layer[l].param[i].shape);
            sa_status status = SA_OK;
            if (array.count != count)
                status = sa_error_set(SA_INVALID, "%s has %zu values, the net takes %zu", file, array.count, count);
            else status = sa_session_set_param(r->session, l, i, array.data);
            sa_npy_free(&array);
            SA_TRY(status);
        }
    return SA_OK;
}

/* ------------------------------------------------------------------ passes and steps -------------------------------- */

static sa_status run_passes(run *r)
{
    char folder[32];
    if (!sa_golden_folder_exists(r->golden, "in/iter0")) {
        SA_TRY(feed(r, "in"));
        return sa_session_run(r->session, 0.0f, 0, NULL);
    }
    for (r->step = 0;; r->step++) {
        snprintf(folder, sizeof folder, "in/iter%d", r->step);
        if (!sa_golden_folder_exists(r->golden, folder)) return SA_OK;
        SA_TRY(feed(r, folder));
        SA_TRY(sa_session_run(r->session, 0.0f, (uint32_t)r->step, NULL));
    }
}

static sa_status compare_state(run *r)
{
    static const char *const KINDS[2] = {"history", "history2"};
    const sa_program *p = sa_session_layout(r->session)->program;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++) {
            SA_TRY(compare_param(r, "param", l, i, p->param[l][i].param));
            for (int k = 0; k < 2; k++) {
                const int history = p->param[l][i].history[k];
                if (history >= 0) SA_TRY(compare_param(r, KINDS[k], l, i, history));
                else if (!p->net->layer[l].param[i].is_shared) SA_TRY(compare_no_history(r, KINDS[k], l, i));
            }
        }
    return SA_OK;
}

/* Pass after pass of one step; *loss: their mean. */
static sa_status run_step(run *r, int passes, float rate, sa_step_outputs *outputs, float *loss)
{
    for (int pass = 0; pass < passes; pass++) {
        char folder[32];
        snprintf(folder, sizeof folder, "in/iter%d", r->step * passes + pass);
        SA_TRY(feed(r, folder));
        SA_TRY(sa_session_run_pass(r->session, rate, (uint32_t)r->step, pass, NULL));
        SA_TRY(sa_step_outputs_read(outputs, r->session));
        sa_step_outputs_mean(outputs, pass, passes);
    }
    *loss = sa_step_outputs_loss(outputs);
    return compare_state(r);
}

static sa_status run_steps(run *r, const sa_solver_config *solver, size_t steps, float *losses, float *rates)
{
    sa_step_outputs outputs;
    SA_TRY(sa_step_outputs_create(sa_session_net(r->session), &outputs));
    sa_status status = SA_OK;
    for (size_t k = 0; k < steps && status == SA_OK; k++) {
        r->step = (int)k;
        rates[k] = sa_solver_rate(solver, (uint32_t)k);
        status = run_step(r, solver->iter_size, rates[k], &outputs, &losses[k]);
    }
    sa_step_outputs_free(&outputs);
    return status;
}

static sa_status run_solver(run *r, const sa_solver_config *solver)
{
    sa_npy lr;
    SA_TRY(sa_golden_read(r->golden, "lr.npy", &lr));
    size_t steps = lr.count;
    sa_npy_free(&lr);
    float *losses = calloc(2 * steps, sizeof *losses);
    if (!losses) SA_FAIL(SA_NOMEM, "no memory for %zu losses", steps);
    sa_status status = run_steps(r, solver, steps, losses, losses + steps);
    if (status == SA_OK) status = sa_golden_compare(r->golden, "loss.npy", losses, steps);
    if (status == SA_OK) status = sa_golden_compare(r->golden, "lr.npy", losses + steps, steps);
    free(losses);
    return status;
}

/* ------------------------------------------------------------------ one case --------------------------------------- */

sa_status sa_golden_load_net(const sa_golden_case *golden, sa_net **net)
{
    char path[2048];
    sa_net_options options = {.grad_for_inputs = golden->wants_input_gradients,
                              .fork = golden->of_segnet ? SA_CAFFE_SEGNET : SA_CAFFE_BVLC};
    snprintf(path, sizeof path, "%s/net.prototxt", golden->folder);
    sa_net *loaded;
    SA_TRY(sa_net_load(path, &options, &loaded));
    bool seeded = false;
    for (int b = 0; b < loaded->blob_count; b++) seeded |= loaded->blob[b].grad_given;
    if (sa_golden_folder_exists(golden, "topdiff") && !seeded) {
        sa_status status = sa_error_set(SA_UNSUPPORTED, "%s: the backward pass of a '%s' is not computed yet", path,
                                        loaded->layer[loaded->layer_count - 1].type->name);
        sa_net_free(loaded);
        return status;
    }
    *net = loaded;
    return SA_OK;
}

sa_status sa_golden_run(sa_golden_case *golden, const sa_net *net, const sa_strategy *strategy, sa_device *device)
{
    run r = {.golden = golden, .step = -1};
    sa_solver_config solver;
    sa_session_options options = {.program = {.training = true}, .debug = true};
    for (size_t i = 0; i < golden->row_count; i++) golden->row[i].checked = false;
    if (golden->has_solver) {
        char path[2048];
        snprintf(path, sizeof path, "%s/solver.prototxt", golden->folder);
        SA_TRY(sa_solver_config_load(path, &solver));
        options.program = sa_solver_program_options(&solver);
    }
    SA_TRY(sa_session_create(net, strategy, device, &options, &r.session));
    sa_session_set_probe(r.session, probe, &r);
    sa_status status = feed_params(&r);
    if (status == SA_OK) status = golden->has_solver ? run_solver(&r, &solver) : run_passes(&r);
    sa_session_destroy(r.session);
    return status;
}
