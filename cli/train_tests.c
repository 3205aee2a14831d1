/* Test nets beside a training session: see train_tests.h. */
#include "cli/train_tests.h"

#include "cli/evaluation.h"
#include "cli/text_output.h"
#include "cli/train_curve.h"
#include "cli/train_data.h"
#include "net/net_weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_net {
    sa_net *net;
    sa_layout layout; /* zeroed while the session has it */
    sa_session *session;
    sa_feed *feed;
    sa_data_position begin;
    sa_evaluation evaluation;
    int32_t batches;
    int *source; /* (layers): the trained net's layer of the same name; -1: none */
} test_net;

struct sa_train_tests {
    const sa_train_options *options;
    const sa_net *trained;
    uint64_t interval;
    bool at_first;
    int count;
    test_net net[SA_SOLVER_TEST_NETS_MAX];
    float *values; /* room for the largest parameter */
};

/* ---- opening ---- */

static bool same_shape(const sa_shape *a, const sa_shape *b)
{
    return a->axes == b->axes && memcmp(a->dim, b->dim, (size_t)a->axes * sizeof a->dim[0]) == 0;
}

static sa_status match_layers(sa_train_tests *tests, test_net *t)
{
    char text[2][SA_SHAPE_TEXT_BYTES];
    t->source = malloc(((size_t)t->net->layer_count + 1) * sizeof *t->source);
    if (!t->source) SA_FAIL(SA_NOMEM, "no memory for a test net");
    for (int l = 0; l < t->net->layer_count; l++) {
        const sa_layer *own = &t->net->layer[l];
        int source = own->param_count > 0 ? sa_net_layer_index(tests->trained, own->name) : -1;
        t->source[l] = source;
        if (source < 0) continue;
        const sa_layer *other = &tests->trained->layer[source];
        if (own->param_count != other->param_count)
            SA_FAIL(SA_INVALID, "%s: layer '%s' has %d parameters for the test and %d in training", t->net->path, own->name,
                    own->param_count, other->param_count);
        for (int i = 0; i < own->param_count; i++)
            if (!same_shape(&own->param[i].shape, &other->param[i].shape))
                SA_FAIL(SA_INVALID, "%s: parameter %d of layer '%s' is %s for the test and %s in training", t->net->path, i,
                        own->name, sa_shape_text(&own->param[i].shape, text[0]), sa_shape_text(&other->param[i].shape, text[1]));
    }
    return SA_OK;
}

static sa_status plan_net(const sa_train_tests_request *r, sa_train_tests *tests, const sa_solver_test_net *asked)
{
    const sa_train_options *o = r->options;
    const sa_net_options options = {.forward_only = true,
                                    .scores = SA_SCORES_AS_OUTPUT,
                                    .list_in_order = true,
                                    .height = o->height,
                                    .width = o->width,
                                    .state = &asked->state,
                                    .data_root = o->data_root};
    const sa_program_options program = {.training = false};
    test_net *t = &tests->net[tests->count++];
    t->batches = asked->batches;
    SA_TRY(sa_net_load(asked->path[0] ? asked->path : r->trained->path, &options, &t->net));
    SA_TRY(match_layers(tests, t));
    SA_TRY(sa_evaluation_create(t->net, NULL, &t->evaluation));
    if (!t->evaluation.has_scores && t->evaluation.outputs.count == 0)
        SA_FAIL(SA_UNSUPPORTED, "%s: the test net tells nothing: %s, and it has neither a loss nor an accuracy", t->net->path,
                t->evaluation.problem);
    SA_TRY(sa_feed_open(t->net, o->data_root, r->seed, &t->feed));
    t->begin = sa_feed_position(t->feed);
    SA_TRY(sa_train_look_at_data(t->net, t->feed, o->stop, o->progress));
    return sa_layout_create(t->net, r->strategy, r->device, &program, &t->layout);
}

static sa_status plan_all(const sa_train_tests_request *r, sa_train_tests *tests)
{
    size_t most = 0;
    for (int i = 0; i < r->solver->test_net_count; i++) {
        sa_status status = plan_net(r, tests, &r->solver->test_net[i]);
        if (status != SA_OK) return sa_error_prefix(status, "test net %d of the solver", i + 1);
    }
    for (int l = 0; l < r->trained->layer_count; l++)
        for (int i = 0; i < r->trained->layer[l].param_count; i++) {
            size_t count = sa_shape_elements(&r->trained->layer[l].param[i].shape);
            most = count > most ? count : most;
        }
    tests->values = malloc((most + 1) * sizeof *tests->values);
    if (!tests->values) SA_FAIL(SA_NOMEM, "no memory for a parameter of %zu values", most);
    return SA_OK;
}

/* The first step from `step` on at which a test is due. */
static uint64_t next_due(const sa_train_tests *tests, uint64_t step)
{
    if (step == 0) return tests->at_first ? 0 : tests->interval;
    return (step + tests->interval - 1) / tests->interval * tests->interval;
}

sa_status sa_train_tests_plan(const sa_train_tests_request *r, sa_train_tests **tests)
{
    *tests = NULL;
    if (r->solver->test_net_count == 0) return SA_OK;
    sa_train_tests *made = calloc(1, sizeof *made);
    if (!made) SA_FAIL(SA_NOMEM, "no memory for tests");
    made->options = r->options;
    made->trained = r->trained;
    made->interval = (uint64_t)r->solver->test_interval;
    made->at_first = r->solver->test_initialization;
    sa_status status = next_due(made, r->first_step) <= r->last_step ? plan_all(r, made) : SA_OK;
    if (status == SA_OK && made->count > 0) *tests = made;
    else sa_train_tests_close(made);
    return status;
}

size_t sa_train_tests_bytes(const sa_train_tests *tests)
{
    size_t bytes = 0;
    for (int i = 0; tests && i < tests->count; i++) {
        const test_net *t = &tests->net[i];
        bytes += t->session ? sa_session_arena_bytes(t->session) : t->layout.plan.peak_bytes;
    }
    return bytes;
}

size_t sa_train_tests_measured_bytes(const sa_train_tests *tests)
{
    size_t bytes = 0;
    for (int i = 0; tests && i < tests->count; i++) bytes += sa_session_measured_bytes(tests->net[i].session);
    return bytes;
}

sa_status sa_train_tests_start(sa_train_tests *tests, sa_device *device)
{
    const sa_session_options options = {.seed = 1};
    for (int i = 0; tests && i < tests->count; i++) {
        test_net *t = &tests->net[i];
        SA_TRY(sa_session_create_planned(t->net, &t->layout, device, &options, &t->session));
    }
    return SA_OK;
}

void sa_train_tests_close(sa_train_tests *tests)
{
    if (!tests) return;
    for (int i = 0; i < tests->count; i++) {
        test_net *t = &tests->net[i];
        sa_session_destroy(t->session);
        sa_layout_free(&t->layout);
        sa_evaluation_free(&t->evaluation);
        sa_feed_close(t->feed);
        sa_net_free(t->net);
        free(t->source);
    }
    free(tests->values);
    free(tests);
}

/* ---- running ---- */

bool sa_train_tests_due(const sa_train_tests *tests, uint64_t step)
{
    return tests && next_due(tests, step) == step;
}

static bool is_stopped(const sa_train_tests *tests)
{
    const volatile sig_atomic_t *stop = tests->options->stop;
    return stop && *stop;
}

static sa_status copy_parameters(sa_train_tests *tests, test_net *t, sa_session *session)
{
    for (int l = 0; l < t->net->layer_count; l++)
        for (int i = 0; t->source[l] >= 0 && i < t->net->layer[l].param_count; i++) {
            SA_TRY(sa_session_get_param(session, t->source[l], i, tests->values));
            SA_TRY(sa_session_set_param(t->session, l, i, tests->values));
        }
    return SA_OK;
}

static sa_status run_net(sa_train_tests *tests, test_net *t, uint64_t step, sa_progress *progress)
{
    char text[64];
    sa_evaluation_reset(&t->evaluation);
    SA_TRY(sa_feed_restore(t->feed, t->begin));
    for (int32_t b = 0; b < t->batches && !is_stopped(tests); b++) {
        SA_TRY(sa_feed_next(t->feed, t->session));
        SA_TRY(sa_session_run(t->session, 0, (uint32_t)b, NULL));
        SA_TRY(sa_evaluation_add(&t->evaluation, t->feed, t->session));
        snprintf(text, sizeof text, "testing, batch %d of %d", (int)b + 1, (int)t->batches);
        if (progress && (progress->live || step < progress->total)) sa_progress_update(progress, (size_t)step, text);
    }
    sa_evaluation_finish(&t->evaluation);
    return SA_OK;
}

sa_status sa_train_tests_run(sa_train_tests *tests, sa_session *session, uint64_t step, sa_progress *progress, bool *finished)
{
    for (int i = 0; i < tests->count; i++) {
        sa_status status = copy_parameters(tests, &tests->net[i], session);
        if (status == SA_OK) status = run_net(tests, &tests->net[i], step, progress);
        if (status != SA_OK) return sa_error_prefix(status, "the test after step %llu", (unsigned long long)step);
    }
    *finished = !is_stopped(tests);
    return SA_OK;
}

static sa_status load_and_run(sa_train_tests *tests, const char *path, sa_progress *progress)
{
    sa_weights *weights = NULL;
    sa_net_weights match;
    test_net *t = &tests->net[0];
    SA_TRY(sa_weights_read(path, &weights));
    sa_status status = sa_net_weights_match(t->net, weights, path, &match);
    if (status == SA_OK) {
        for (int l = 0; l < match.layer_count && status == SA_OK; l++)
            for (int i = 0; i < SA_LAYER_PARAMS_MAX && status == SA_OK; i++)
                if (match.blob[l][i]) status = sa_session_set_param(t->session, l, i, match.blob[l][i]->values);
        sa_net_weights_free(&match);
    }
    sa_weights_free(weights);
    SA_TRY(status);
    return run_net(tests, t, 0, progress);
}

bool sa_train_tests_run_file(sa_train_tests *tests, const char *path, sa_progress *progress)
{
    if (load_and_run(tests, path, progress) == SA_OK && !is_stopped(tests)) return true;
    sa_error_clear();
    return false;
}

/* ---- figures ---- */

typedef enum measure { MEAN_IOU, GLOBAL, ACCURACY, LOSS } measure;

static measure measure_of(const sa_evaluation *e)
{
    if (e->has_scores) return e->scores_pixels ? MEAN_IOU : GLOBAL;
    return sa_step_outputs_has(&e->outputs, SA_OUTPUT_ACCURACY) ? ACCURACY : LOSS;
}

const char *sa_train_tests_measure(const sa_train_tests *tests)
{
    switch (measure_of(&tests->net[0].evaluation)) {
    case MEAN_IOU: return "mean IoU";
    case LOSS: return "loss";
    default: return "accuracy";
    }
}

double sa_train_tests_value(const sa_train_tests *tests)
{
    const sa_evaluation *e = &tests->net[0].evaluation;
    switch (measure_of(e)) {
    case MEAN_IOU: return sa_confusion_mean_iou(&e->confusion);
    case GLOBAL: return sa_confusion_global_accuracy(&e->confusion);
    case ACCURACY: return (double)sa_step_outputs_accuracy(&e->outputs);
    case LOSS: break;
    }
    return (double)sa_step_outputs_loss(&e->outputs);
}

bool sa_train_tests_better(const sa_train_tests *tests, double value, double than)
{
    if (isnan(value)) return false;
    if (isnan(than)) return true;
    return measure_of(&tests->net[0].evaluation) == LOSS ? value < than : value > than;
}

/* The losses and the accuracies that are single numbers, then the figures of the confusion matrix. */
typedef void (*figure_taker)(void *context, const char *name, double value);

static void each_figure(const sa_evaluation *e, figure_taker take, void *context)
{
    char name[SA_CURVE_NAME_BYTES];
    if (sa_step_outputs_has(&e->outputs, SA_OUTPUT_LOSS)) take(context, "loss", (double)sa_step_outputs_loss(&e->outputs));
    for (int i = 0; i < e->outputs.count; i++)
        if (sa_train_curve_name(&e->outputs, i, name)) take(context, name, (double)e->outputs.value[e->outputs.output[i].begin]);
    if (!e->has_scores) return;
    take(context, "global_accuracy", sa_confusion_global_accuracy(&e->confusion));
    take(context, "class_average", sa_confusion_class_average(&e->confusion));
    if (e->scores_pixels) take(context, "mean_iou", sa_confusion_mean_iou(&e->confusion));
}

typedef struct line {
    char text[512];
    size_t used;
} line;

static void add_to_line(void *context, const char *name, double value)
{
    line *l = context;
    bool share = strncmp(name, "loss", 4) != 0;
    char shown[SA_CURVE_NAME_BYTES];
    snprintf(shown, sizeof shown, "%s", !strcmp(name, "mean_iou") ? "mean IoU" : name);
    for (char *at = shown; *at; at++) *at = *at == '_' ? ' ' : *at;
    int more = snprintf(l->text + l->used, sizeof l->text - l->used, share ? "%s%s %.2f %%" : "%s%s %.6g", l->used ? ", " : "",
                        shown, share ? 100 * value : value);
    if (more > 0 && l->used + (size_t)more < sizeof l->text) l->used += (size_t)more;
}

void sa_train_tests_print(FILE *out, const sa_train_tests *tests, uint64_t step)
{
    for (int i = 0; i < tests->count; i++) {
        const test_net *t = &tests->net[i];
        line l = {.used = 0};
        each_figure(&t->evaluation, add_to_line, &l);
        char which[24] = "";
        if (tests->count > 1) snprintf(which, sizeof which, "net %d, ", i + 1);
        sa_text_say(out, 5, "test %safter step %llu: %s (%.0f images)", which, (unsigned long long)step, l.text,
                    t->evaluation.images);
    }
    fflush(out);
}

typedef struct columns {
    sa_curve *curve;
    int net;
    sa_status status;
} columns;

static void add_column(void *context, const char *name, double value)
{
    columns *c = context;
    char whole[SA_CURVE_NAME_BYTES], number[12] = "";
    (void)value;
    if (c->net > 0) snprintf(number, sizeof number, "%d", c->net + 1);
    snprintf(whole, sizeof whole, "test%s_%.78s", number, name);
    if (c->status == SA_OK) c->status = sa_curve_add_column(c->curve, whole);
}

sa_status sa_train_tests_columns(const sa_train_tests *tests, sa_curve *curve)
{
    columns c = {.curve = curve, .status = SA_OK};
    for (c.net = 0; tests && c.net < tests->count; c.net++) each_figure(&tests->net[c.net].evaluation, add_column, &c);
    return c.status;
}

typedef struct cells {
    double *value;
    int count;
} cells;

static void add_cell(void *context, const char *name, double value)
{
    cells *c = context;
    (void)name;
    c->value[c->count++] = value;
}

int sa_train_tests_values(const sa_train_tests *tests, double *value)
{
    cells c = {.value = value};
    for (int i = 0; i < tests->count; i++) each_figure(&tests->net[i].evaluation, add_cell, &c);
    return c.count;
}
