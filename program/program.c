/* Programs: creation (emission, then lifetimes from the ops alone) and release. */
#include "program/program.h"

#include "program/emitter.h"

#include <stdlib.h>
#include <string.h>

const char *sa_step_phase_name(sa_step_phase phase)
{
    static const char *const NAME[SA_STEP_PHASES] = {"forward", "backward", "update"};
    return phase >= 0 && phase < SA_STEP_PHASES ? NAME[phase] : "?";
}

/* ------------------------------------------------------------------ lifetimes -------------------------------------- */

typedef struct lifetime_walk {
    sa_program *program;
    int64_t step;
} lifetime_walk;

static void touch(void *context, sa_ref *ref, sa_access_mode mode)
{
    (void)mode;
    lifetime_walk *walk = context;
    sa_buffer *buffer = &walk->program->buffer[ref->buffer];
    if (buffer->begin > walk->step) buffer->begin = walk->step;
    if (buffer->end < walk->step + 1) buffer->end = walk->step + 1;
}

static void derive_lifetimes(sa_program *p, bool lifetimes)
{
    lifetime_walk walk = {p, 0};
    int64_t end = p->op_count ? (int64_t)p->op_count : 1;
    for (size_t i = 0; i < p->buffer_count; i++) {
        p->buffer[i].begin = end;
        p->buffer[i].end = 0;
    }
    for (size_t i = 0; i < p->op_count; i++) {
        walk.step = (int64_t)i;
        sa_op_visit_refs(p->op[i].kind, &p->op[i].args, touch, &walk);
    }
    for (size_t i = 0; i < p->buffer_count; i++) {
        sa_buffer *b = &p->buffer[i];
        bool persistent = b->kind == SA_BUFFER_PARAM || b->kind == SA_BUFFER_HISTORY || (int)i == p->step_state_buffer;
        if (!lifetimes || persistent || b->end == 0) {
            b->begin = 0;
            b->end = end;
        }
        if (b->kind == SA_BUFFER_INPUT) b->begin = 0; /* uploaded before the first op */
    }
    for (int b = 0; b < p->net->blob_count; b++) /* downloaded after the last */
        if (p->output_buffer[b] >= 0) p->buffer[p->output_buffer[b]].end = end;
}

/* ------------------------------------------------------------------ creation --------------------------------------- */

static sa_status allocate(const sa_net *net, sa_program *p, sa_emitter *e)
{
    size_t blobs = (size_t)net->blob_count + 1, layers = (size_t)net->layer_count + 1;
    p->param = calloc(layers, sizeof *p->param);
    p->input_buffer = malloc(blobs * sizeof *p->input_buffer);
    p->input_encoding = calloc(blobs, sizeof *p->input_encoding);
    p->output_buffer = malloc(blobs * sizeof *p->output_buffer);
    p->seed_buffer = malloc(blobs * sizeof *p->seed_buffer);
    e->data = calloc(blobs, sizeof *e->data);
    e->grad = calloc(blobs, sizeof *e->grad);
    e->mask = calloc(layers, sizeof *e->mask);
    e->first_saved = malloc(layers * sizeof *e->first_saved);
    e->band_start = malloc(layers * sizeof *e->band_start);
    if (!p->param || !p->input_buffer || !p->input_encoding || !p->output_buffer || !p->seed_buffer || !e->data || !e->grad ||
        !e->mask || !e->first_saved || !e->band_start)
        SA_FAIL(SA_NOMEM, "no memory for a program of %d layers", net->layer_count);
    for (size_t b = 0; b < blobs; b++) p->input_buffer[b] = p->output_buffer[b] = p->seed_buffer[b] = -1;
    for (size_t l = 0; l < layers; l++) e->first_saved[l] = e->band_start[l] = -1;
    for (int l = 0; l < net->layer_count; l++)
        if (e->realizations->layer[l].band_channels > 0) e->band_start[e->realizations->layer[l].band_end] = l;
    p->step_state_buffer = -1;
    return SA_OK;
}

static sa_status emit(const sa_net *net, sa_realizations *realizations, const sa_device *device, const sa_program_options *options,
                      bool *must_repeat, sa_program **program)
{
    sa_emitter e = {.net = net,
                    .realizations = realizations,
                    .device = device,
                    .options = options,
                    .shared_workspace = -1,
                    .wide_blob = -1,
                    .remakes = -1};
    sa_program *p = calloc(1, sizeof *p);
    if (!p) SA_FAIL(SA_NOMEM, "no memory for a program");
    p->net = net;
    p->ranks = options->ranks > 1 ? options->ranks : 1;
    p->rank = options->ranks > 1 ? options->rank : 0;
    p->shards = options->rule.passes > 1 ? options->rule.passes : 1;
    p->passes = (p->shards + p->ranks - 1) / p->ranks;
    e.program = p;
    sa_status status = allocate(net, p, &e);
    if (status == SA_OK) status = sa_emitter_run(&e);
    free(e.data);
    free(e.grad);
    free(e.mask);
    free(e.saved);
    free(e.first_saved);
    free(e.band_start);
    free(e.sent);
    free(e.statistics);
    free(e.each);
    sa_name_map_free(&e.names);
    if (status != SA_OK) {
        sa_program_free(p);
        return status;
    }
    *must_repeat = e.must_repeat;
    *program = p;
    return SA_OK;
}

/* Caffe-SegNet's BN sets its gradients where other layers add to them; ours would not be those of Caffe. */
static sa_status check_passes(const sa_net *net, const sa_program_options *options)
{
    if (options->rule.passes <= 1 || !options->as_iter_size) return SA_OK;
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].type->segnet_fork && net->layer[l].needs_backward && net->layer[l].param_count > 0)
            SA_FAIL(SA_UNSUPPORTED,
                    "%s:%d: layer '%s' (%s): with iter_size %d SegNet's BN would learn from the last part of a batch only; set the "
                    "net's batch size instead, or --shards %d, which adds up all gradients",
                    net->path, net->layer[l].line, net->layer[l].name, net->layer[l].type->name, (int)options->rule.passes,
                    (int)options->rule.passes);
    return SA_OK;
}

static sa_status check_ranks(const sa_net *net, const sa_program_options *options)
{
    if (options->ranks <= 1) return SA_OK;
    if (options->rule.passes < options->ranks)
        SA_FAIL(SA_INVALID, "%s: %d ranks cannot share %d shards: each needs one at least", net->path, (int)options->ranks,
                (int)(options->rule.passes > 1 ? options->rule.passes : 1));
    return SA_OK;
}

/* Each repetition stores at least one more value, so there is an end. */
sa_status sa_program_create(const sa_net *net, sa_realizations *realizations, const sa_device *device,
                            const sa_program_options *options, sa_program **program)
{
    sa_program *p = NULL;
    bool must_repeat = true;
    if (!options->training && sa_net_trains(net))
        SA_FAIL(SA_INVALID, "%s: a forward pass of a net that trains keeps what only a backward pass reads: load it forward_only",
                net->path);
    SA_TRY(check_passes(net, options));
    SA_TRY(check_ranks(net, options));
    while (must_repeat) {
        sa_program_free(p);
        p = NULL;
        SA_TRY(emit(net, realizations, device, options, &must_repeat, &p));
    }
    derive_lifetimes(p, realizations->lifetimes);
    *program = p;
    return SA_OK;
}

void sa_program_free(sa_program *program)
{
    if (!program) return;
    free(program->buffer);
    free(program->op);
    free(program->param);
    free(program->input_buffer);
    free(program->input_encoding);
    free(program->output_buffer);
    free(program->seed_buffer);
    free(program);
}
