/* Programs: lifetimes follow from the ops, and the program check, together with a debug run, finds planted errors. */
#include "tests/support/small_nets.h"
#include "tests/support/step_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sa_device *device;

static sa_layout make_layout(const sa_net *net, const char *strategy_name)
{
    sa_program_options options = {.training = true, .rule.momentum = 0.9f, .weight_decay = 0.0005f};
    sa_strategy strategy;
    sa_layout layout;
    if (sa_strategy_parse(strategy_name, &strategy) != SA_OK || sa_conv_option_parse("direct", &strategy.conv) != SA_OK ||
        sa_layout_create(net, &strategy, device, &options, &layout) != SA_OK)
        fail_msg("%s: %s", strategy_name, sa_error_message());
    return layout;
}

static sa_net *load(const char *name)
{
    sa_net *net;
    if (sa_small_net_load(sa_small_net_find(name), &net) != SA_OK) fail_msg("%s", sa_error_message());
    return net;
}

/* ------------------------------------------------------------------ lifetimes --------------------------------------- */

typedef struct lifetime {
    const char *name;
    int begin, end;
} lifetime;

static void check_lifetimes(const sa_program *p, const lifetime *wanted, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < p->buffer_count; i++)
        for (size_t k = 0; k < count; k++) {
            if (strcmp(p->buffer[i].name, wanted[k].name) != 0) continue;
            found++;
            if (p->buffer[i].begin != wanted[k].begin || p->buffer[i].end != wanted[k].end)
                fail_msg("%s: [%d, %d), wanted [%d, %d)", wanted[k].name, (int)p->buffer[i].begin, (int)p->buffer[i].end,
                         wanted[k].begin, wanted[k].end);
        }
    assert_int_equal(found, count);
}

/* conv forward, loss forward, loss backward, conv backward, two updates */
static void test_lifetimes_of_three_layers(void **state)
{
    (void)state;
    static const lifetime STEPS[] = {
        {"conv.0", 0, 6},     {"conv.0.history", 0, 6}, {"conv.0.grad", 3, 5},    {"conv.1.grad", 3, 6},
        {"step_state", 0, 6}, {"data", 0, 4},           {"label", 0, 3},          {"conv", 0, 3},
        {"loss", 1, 6},       {"loss.divisor", 1, 3},   {"loss.workspace", 1, 2}, {"conv.grad", 2, 4},
    };
    static const lifetime IN_PLACE[] = {
        {"conv", 0, 4}, {"conv.0.grad", 3, 5}, {"label", 0, 3}}; /* the gradient is where the scores were */
    sa_net *net = load("three");
    sa_layout layout = make_layout(net, "lean");
    assert_int_equal(layout.program->op_count, 6);
    assert_int_equal(layout.program->phase_end[SA_STEP_FORWARD], 2);
    assert_int_equal(layout.program->phase_end[SA_STEP_BACKWARD], 4);
    assert_int_equal(layout.program->phase_end[SA_STEP_UPDATE], 6);
    check_lifetimes(layout.program, STEPS, sizeof STEPS / sizeof STEPS[0]);
    sa_layout_free(&layout);
    layout = make_layout(net, "lean+inplace-grad");
    check_lifetimes(layout.program, IN_PLACE, sizeof IN_PLACE / sizeof IN_PLACE[0]);
    sa_layout_free(&layout);
    layout = make_layout(net, "caffe+no-im2col");
    assert_int_equal(layout.program->buffer[0].end, (int64_t)layout.program->op_count);
    for (size_t i = 0; i < layout.program->buffer_count; i++) /* without `lifetimes` all live for the whole step */
        if (layout.program->buffer[i].begin != 0 || layout.program->buffer[i].end != (int64_t)layout.program->op_count)
            fail_msg("%s does not live for the whole step", layout.program->buffer[i].name);
    sa_layout_free(&layout);
    sa_net_free(net);
}

/* ------------------------------------------------------------------ planted errors ---------------------------------- */

static uint64_t random_state;
static uint32_t random_below(size_t limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % (uint32_t)limit;
}

typedef struct ref_walk {
    int target, count; /* the number of the reference that is wanted */
    sa_ref *found;
} ref_walk;

static void pick_ref(void *context, sa_ref *ref, sa_access_mode mode)
{
    (void)mode;
    ref_walk *walk = context;
    if (walk->count++ == walk->target) walk->found = ref;
}

static sa_ref *op_ref(sa_op *op, int number, int *count)
{
    ref_walk walk = {.target = number};
    sa_op_visit_refs(op->kind, &op->args, pick_ref, &walk);
    *count = walk.count;
    return walk.found;
}

typedef struct buffer_use {
    size_t buffer_count;
    unsigned char *mode; /* (buffer_count) */
} buffer_use;

static void note_use(void *context, sa_ref *ref, sa_access_mode mode)
{
    ((buffer_use *)context)->mode[ref->buffer] |= (unsigned char)mode;
}

/* Would the order of two ops matter? */
static bool depend(const sa_program *p, sa_op *a, sa_op *b)
{
    buffer_use x = {p->buffer_count, calloc(p->buffer_count, 1)}, y = {p->buffer_count, calloc(p->buffer_count, 1)};
    bool found = false;
    assert_true(x.mode && y.mode);
    sa_op_visit_refs(a->kind, &a->args, note_use, &x);
    sa_op_visit_refs(b->kind, &b->args, note_use, &y);
    for (size_t i = 0; i < p->buffer_count; i++) {
        bool dirty = p->buffer[i].kind != SA_BUFFER_WORKSPACE && ((x.mode[i] | y.mode[i]) & SA_ACCESS_WRITE);
        found |= x.mode[i] && y.mode[i] && dirty;
    }
    free(x.mode);
    free(y.mode);
    return found;
}

typedef enum mutation { SWAP, REDIRECT, DROP, MUTATIONS } mutation;
static const char *const MUTATION_NAMES[MUTATIONS] = {"swap", "redirect", "drop"};

/* false: this try would not change what is computed */
static bool swap_ops(sa_program *p)
{
    size_t a = random_below(p->op_count), b = random_below(p->op_count);
    if (a == b || !depend(p, &p->op[a], &p->op[b])) return false;
    sa_op op = p->op[a];
    p->op[a] = p->op[b];
    p->op[b] = op;
    return true;
}

/* One reference of an op to another buffer that is large enough. Scratch memory may move. */
static bool redirect_ref(sa_program *p)
{
    sa_op *op = &p->op[random_below(p->op_count)];
    int count;
    (void)op_ref(op, -1, &count);
    if (count == 0) return false;
    sa_ref *ref = op_ref(op, (int)random_below((size_t)count), &count);
    int other = (int)random_below(p->buffer_count);
    if (other == ref->buffer || p->buffer[ref->buffer].kind == SA_BUFFER_WORKSPACE) return false;
    if (p->buffer[other].size_bytes < p->buffer[ref->buffer].size_bytes) return false;
    ref->buffer = other;
    return true;
}

static bool drop_op(sa_program *p)
{
    size_t dropped = random_below(p->op_count);
    memmove(&p->op[dropped], &p->op[dropped + 1], (p->op_count - dropped - 1) * sizeof *p->op);
    /* the last op is repeated in its place: steps keep their numbers, and filling in zeros again changes nothing */
    p->op[p->op_count - 1] = (sa_op){.kind = SA_OP_FILL, .args.fill = {.target = {.buffer = p->step_state_buffer}, .count = 0}};
    return true;
}

static bool mutate(sa_program *p, mutation kind)
{
    for (int tries = 0; tries < 1000; tries++)
        if (kind == SWAP ? swap_ops(p) : kind == REDIRECT ? redirect_ref(p) : drop_op(p)) return true;
    return false;
}

typedef struct verdicts {
    int planted, by_check, by_run;
} verdicts;

static void plant(const sa_net *net, const char *strategy, mutation kind, uint64_t clean_hash, verdicts *v)
{
    sa_session_options options = {.program = {.training = true}, .debug = true, .seed = 3};
    sa_layout layout = make_layout(net, strategy);
    sa_session *session;
    sa_step_run run;
    assert_true(mutate(layout.program, kind));
    v->planted++;
    if (sa_program_check(layout.program) != SA_OK) {
        v->by_check++;
        sa_layout_free(&layout);
        return;
    }
    if (sa_session_create_planned(net, &layout, device, &options, &session) != SA_OK) fail_msg("%s", sa_error_message());
    v->by_run += sa_step_run_session(net, session, &run) != SA_OK || run.hash != clean_hash;
    sa_session_destroy(session);
}

static void test_planted_errors_are_found(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {"caffe", "shared", "lean", "fastest", "smallest"};
    sa_net *net = load("vgg");
    for (mutation kind = SWAP; kind < MUTATIONS; kind++) {
        verdicts v = {0};
        random_state = 77 + (uint64_t)kind;
        for (size_t k = 0; k < sizeof STRATEGIES / sizeof STRATEGIES[0]; k++) {
            sa_session_options options = {.program = {.training = true}, .debug = true, .seed = 3};
            sa_layout layout = make_layout(net, STRATEGIES[k]);
            sa_session *session;
            sa_step_run clean;
            if (sa_program_check(layout.program) != SA_OK ||
                sa_session_create_planned(net, &layout, device, &options, &session) != SA_OK ||
                sa_step_run_session(net, session, &clean) != SA_OK)
                fail_msg("%s: %s", STRATEGIES[k], sa_error_message());
            sa_session_destroy(session);
            for (int i = 0; i < 40; i++) plant(net, STRATEGIES[k], kind, clean.hash, &v);
        }
        print_message("%s: %d planted, %d found by the check, %d more by a debug run\n", MUTATION_NAMES[kind], v.planted,
                      v.by_check, v.by_run);
        assert_true(v.by_check > v.planted / 4);
        assert_true((v.by_check + v.by_run) * 10 >= v.planted * 9);
    }
    sa_net_free(net);
}

/* What each error is called. */
static void test_check_messages(void **state)
{
    (void)state;
    sa_net *net = load("three");
    sa_layout layout = make_layout(net, "lean");
    sa_program *p = layout.program;
    sa_op op = p->op[0];
    p->op[0] = p->op[1]; /* the loss before the scores */
    p->op[1] = op;
    assert_int_equal(sa_program_check(p), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "program: 'loss forward'"));
    p->op[1] = p->op[0];
    p->op[0] = op;
    assert_int_equal(sa_program_check(p), SA_OK);
    p->buffer[p->op[0].args.conv_forward.y.at.buffer].end--;
    assert_int_equal(sa_program_check(p), SA_INVALID);
    assert_string_equal(sa_error_message(),
                        "program: 'loss backward' at op 2 uses bytes [0, 384) of buffer 'conv', which has 384 in ops [0, 2)");
    sa_layout_free(&layout);
    sa_net_free(net);
}

static int open_device(void **state)
{
    (void)state;
    return sa_device_open_cpu(1, &device) != SA_OK;
}

static int close_device(void **state)
{
    (void)state;
    size_t left = device->allocated_bytes;
    sa_device_close(device);
    return left != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lifetimes_of_three_layers),
        cmocka_unit_test(test_check_messages),
        cmocka_unit_test(test_planted_errors_are_found),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
