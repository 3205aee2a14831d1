/* Going on from states of a real Caffe: its .solverstate with the caffemodel that it names, bit for bit; what does not fit, with
 * the cause. */
#include "cli/train_caffe_state.h"
#include "cli/train_run.h"
#include "cli/train_state_parts.h"
#include "data/npy.h"
#include "net/net.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *golden(const char *name)
{
    static char path[8192];
    snprintf(path, sizeof path, "%.4000s/tests/golden_weights/%s", scratch_start_folder(), name);
    return path;
}

static void copy_file(const char *from, const char *to)
{
    size_t count;
    char *bytes = read_bytes(golden(from), &count);
    write_bytes(to, bytes, count);
    free(bytes);
}

static void assert_same(const char *net, const char *kind, const sa_snapshot_array *array, const float *values)
{
    sa_npy expected;
    char name[512];
    snprintf(name, sizeof name, "%s/step3/%s/%s.npy", net, kind, array->name);
    assert_ok(sa_npy_read_float32(golden(name), &expected));
    assert_int_equal(expected.count, array->count);
    assert_memory_equal(expected.data, values, array->count * sizeof *values);
    sa_npy_free(&expected);
}

static sa_train_state *state_of(const char *net_path, sa_update_kind solver, sa_net **net)
{
    sa_train_state *state;
    assert_ok(sa_net_load(net_path, NULL, net));
    assert_ok(sa_train_state_create(*net, solver, &state));
    return state;
}

/* The caffemodel is named relative to where Caffe ran: it is found beside the state. */
static void parameters_and_momentum(void **unused)
{
    sa_net *net;
    uint64_t steps;
    (void)unused;
    copy_file("conv/state_iter_3.solverstate", "state_iter_3.solverstate");
    copy_file("conv/state_iter_3.caffemodel", "state_iter_3.caffemodel");
    sa_train_state *state = state_of(golden("conv/net.prototxt"), SA_UPDATE_SGD, &net);
    assert_ok(sa_train_state_load_caffe(state, "state_iter_3.solverstate", &steps));
    assert_int_equal(steps, 3);
    assert_int_equal(state->count, 3);
    for (size_t i = 0; i < state->count; i++) {
        assert_same("conv", "param", &state->array[i], state->array[i].param);
        assert_same("conv", "history", &state->array[i], state->array[i].history);
    }
    sa_train_state_destroy(state);
    sa_net_free(net);
}

/* Adam's second history is behind the first one; a parameter that layers share is there once. */
static void both_histories_of_adam(void **unused)
{
    sa_net *net;
    uint64_t steps;
    (void)unused;
    copy_file("ip_shared/state_iter_3.solverstate", "adam.solverstate");
    copy_file("ip_shared/state_iter_3.caffemodel", "state_iter_3.caffemodel");
    sa_train_state *state = state_of(golden("ip_shared/net.prototxt"), SA_UPDATE_ADAM, &net);
    assert_ok(sa_train_state_load_caffe(state, "adam.solverstate", &steps));
    assert_int_equal(steps, 3);
    assert_int_equal(state->count, 4);
    for (size_t i = 0; i < state->count; i++) {
        assert_same("ip_shared", "param", &state->array[i], state->array[i].param);
        assert_same("ip_shared", "history", &state->array[i], state->array[i].history);
        assert_same("ip_shared", "history2", &state->array[i], state->array[i].history2);
    }
    sa_train_state_destroy(state);
    sa_net_free(net);
}

static void refuses(const char *net_path, const char *path, sa_status status, const char *message)
{
    sa_net *net;
    uint64_t steps;
    sa_train_state *state = state_of(net_path, SA_UPDATE_SGD, &net);
    sa_status found = sa_train_state_load_caffe(state, path, &steps);
    if (found != status) fail_msg("%s: status %d: %s", path, (int)found, sa_error_message());
    if (!strstr(sa_error_message(), message)) fail_msg("'%s' is not in '%s'", message, sa_error_message());
    sa_train_state_destroy(state);
    sa_net_free(net);
}

static void what_does_not_fit(void **unused)
{
    (void)unused;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    refuses("net.prototxt", "state_iter_3.solverstate", SA_INVALID, "state_iter_3.caffemodel: 'conv1.0' is 4x3x3x3");
    /* Adam has two histories */
    copy_file("ip_shared/state_iter_3.solverstate", "adam.solverstate");
    copy_file("ip_shared/state_iter_3.caffemodel", "state_iter_3.caffemodel");
    refuses(golden("ip_shared/net.prototxt"), "adam.solverstate", SA_INVALID, "two histories (Adam");
    write_text("text.solverstate", "iter: 3");
    refuses("net.prototxt", "text.solverstate", SA_PARSE, "not a solver state of Caffe's");
    write_bytes("cut.solverstate", "\x08\x03\x12\x40state", 9);
    refuses("net.prototxt", "cut.solverstate", SA_PARSE, "not a solver state of Caffe's");
    write_bytes("none.solverstate", "\x08\x03", 2);
    refuses("net.prototxt", "none.solverstate", SA_INVALID, "names no caffemodel");
    write_bytes("lost.solverstate", "\x08\x03\x12\x06w.caff", 10);
    refuses("net.prototxt", "lost.solverstate", SA_IO, "'w.caff', which is neither there nor beside it");
}

/* The whole way: a state of this net, as Caffe would have written it, is gone on from. */
static void training_goes_on(void **unused)
{
    enum { STEPS = 4 };
    (void)unused;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver("lr_policy: 'fixed'");
    sa_train_options o = {.solver = "solver.prototxt", .strategy = "fastest", .conv = "direct", .threads = 1, .steps = STEPS};
    o.save_weights = "tiny.caffemodel";
    sa_train_result first, second;
    assert_ok(sa_train_run(&o, &first));
    o.save_weights = NULL;
    sa_net *net;
    sa_train_state *state = state_of("net.prototxt", SA_UPDATE_SGD, &net);
    FILE *out = fopen("tiny.solverstate", "wb");
    assert_non_null(out);
    fwrite("\x08\x04\x12\x0ftiny.caffemodel", 1, 19, out);
    for (size_t i = 0; i < state->count; i++) { /* history: shape {1 dim, unpacked}, data of zeros, packed */
        unsigned char head[64] = {0}, shape[32] = {0};
        size_t shape_bytes = 0, bytes = state->array[i].count * 4, used = 0;
        for (int d = 0; d < state->array[i].axes; d++) {
            shape[shape_bytes++] = 0x08;
            shape[shape_bytes++] = (unsigned char)state->array[i].shape[d];
        }
        head[used++] = 0x3a;
        head[used++] = (unsigned char)shape_bytes;
        memcpy(head + used, shape, shape_bytes);
        used += shape_bytes;
        head[used++] = 0x2a;
        size_t v = bytes;
        for (; v >= 128; v >>= 7) head[used++] = (unsigned char)(v | 128);
        head[used++] = (unsigned char)v;
        size_t whole = used + bytes;
        fputc(0x1a, out);
        for (; whole >= 128; whole >>= 7) fputc((int)(whole & 127) | 128, out);
        fputc((int)whole, out);
        fwrite(head, 1, used, out);
        for (size_t k = 0; k < bytes; k++) fputc(0, out);
    }
    fclose(out);
    sa_train_state_destroy(state);
    sa_net_free(net);
    o.resume = "tiny.solverstate";
    o.steps = STEPS + 2;
    assert_ok(sa_train_run(&o, &second));
    assert_int_equal(second.first_step, STEPS);
    assert_int_equal(second.record_count, 2);
    assert_true(second.record[0].loss < first.record[0].loss);
    sa_train_result_free(&first);
    sa_train_result_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_and_momentum),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(training_goes_on),
        cmocka_unit_test(both_histories_of_adam),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
