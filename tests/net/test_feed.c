/* The feed: every input is filled, whatever their number, or the net is refused; labels are looked at before a step sees them. */
#include "net/feed.h"
#include "net/label_rules.h"
#include "net/step_outputs.h"
#include "tests/support/data_files.h"
#include "tests/support/step_run.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DUMMY(name, n, c, h, w)                                                                                               \
    "layer { name: '" name "' type: 'DummyData' top: '" name "' dummy_data_param { shape { dim: [" #n ", " #c ", " #h ", " #w \
    "] } } }\n"
#define CONV(name, bottom, outputs)                                                                                               \
    "layer { name: '" name "' type: 'Convolution' bottom: '" bottom "' top: '" name "' convolution_param { num_output: " #outputs \
    " kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
#define LOSS(name, scores, label, body) \
    "layer { name: '" name "' type: 'SoftmaxWithLoss' bottom: '" scores "' bottom: '" label "' top: '" name "' " body " }\n"

static const char TWO_INPUTS[] = DUMMY("a", 2, 2, 8, 8) DUMMY("b", 2, 5, 8, 8) DUMMY("label", 2, 1, 8, 8)
    DUMMY("coarse", 2, 1, 8, 8) CONV("ca", "a", 4) CONV("cb", "b", 2) LOSS("la", "ca", "label", "loss_weight: 2")
        LOSS("lb", "cb", "coarse",
             "") "layer { name: 'acc' type: 'Accuracy' bottom: 'ca' bottom: 'label' top: 'acc' top: 'per_class' }\n";

static sa_net *net_of(const char *text)
{
    sa_net *net;
    write_text("net.prototxt", text);
    assert_ok(sa_net_load("net.prototxt", NULL, &net));
    return net;
}

typedef struct run {
    sa_net *net;
    sa_device *device;
    sa_session *session;
} run;

static run run_open(const char *text, const char *preset)
{
    run r = {.net = net_of(text)};
    sa_strategy strategy;
    sa_session_options options = {.program = {.training = true, .rule.momentum = 0.9f}, .seed = 1};
    assert_ok(sa_strategy_parse(preset, &strategy));
    assert_ok(sa_conv_option_parse("direct", &strategy.conv));
    assert_ok(sa_device_open("cpu", 1, &r.device));
    assert_ok(sa_session_create(r.net, &strategy, r.device, &options, &r.session));
    return r;
}

static void run_close(run *r)
{
    sa_session_destroy(r->session);
    sa_device_close(r->device);
    sa_net_free(r->net);
}

static void several_inputs_are_fed(void **state)
{
    (void)state;
    static const char *const presets[] = {"caffe", "shared", "fastest", "smallest"};
    uint64_t first = 0;
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        run r = run_open(TWO_INPUTS, presets[i]);
        sa_step_run out;
        assert_ok(sa_step_run_session(r.net, r.session, &out));
        if (i == 0) first = out.hash;
        assert_int_equal(out.hash, first);
        run_close(&r);
    }
}

static void all_outputs_are_told(void **state)
{
    (void)state;
    run r = run_open(TWO_INPUTS, "fastest");
    sa_feed *feed;
    sa_step_outputs out;
    assert_ok(sa_feed_open(r.net, NULL, 3, &feed));
    assert_ok(sa_feed_next(feed, r.session));
    assert_ok(sa_session_run(r.session, 0.01f, 0, NULL));
    assert_ok(sa_step_outputs_create(r.net, &out));
    assert_ok(sa_step_outputs_read(&out, r.session));
    static const char *const names[] = {"la", "lb", "acc", "per_class"};
    static const sa_output_kind kinds[] = {SA_OUTPUT_LOSS, SA_OUTPUT_LOSS, SA_OUTPUT_ACCURACY, SA_OUTPUT_PER_CLASS};
    assert_int_equal(out.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(out.output[i].name, names[i]);
        assert_int_equal(out.output[i].kind, kinds[i]);
        assert_int_equal(out.output[i].count, i == 3 ? 4 : 1);
    }
    assert_true(out.value[0] > 0 && out.value[1] > 0);
    assert_true(sa_step_outputs_loss(&out) == (float)(2.0 * (double)out.value[0] + (double)out.value[1]));
    assert_true(sa_step_outputs_accuracy(&out) == out.value[2]);
    sa_step_outputs_free(&out);
    sa_feed_close(feed);
    run_close(&r);
}

static void unset_input_is_refused(void **state)
{
    (void)state;
    run r = run_open(TWO_INPUTS, "fastest");
    float zeros[2 * 5 * 64] = {0};
    for (int step = 0; step < 2; step++) { /* the step before does not count */
        assert_ok(sa_session_set_input(r.session, sa_net_blob_index(r.net, "a"), zeros));
        assert_ok(sa_session_set_input(r.session, sa_net_blob_index(r.net, "label"), zeros));
        assert_ok(sa_session_set_input(r.session, sa_net_blob_index(r.net, "coarse"), zeros));
        if (step == 0) assert_ok(sa_session_set_input(r.session, sa_net_blob_index(r.net, "b"), zeros));
        sa_status status = sa_session_run(r.session, 0.01f, 0, NULL);
        assert_int_equal(status, step == 0 ? SA_OK : SA_INVALID);
    }
    assert_string_equal(sa_error_message(), "input 'b' of net 'net' was not set before the step");
    run_close(&r);
}

static sa_status refuse_step(void *context, sa_session *session)
{
    float loss = NAN;
    assert_ok(sa_session_get_output(session, sa_net_blob_index(sa_session_net(session), "la"), &loss));
    assert_true(isfinite(loss));
    ++*(int *)context;
    return sa_error_set(SA_NUMERIC, "refused");
}

/* Stopped after its forward pass, a step has changed nothing; the next one runs as if it had not been there. */
static void stopped_step_changes_nothing(void **state)
{
    (void)state;
    static const char *const presets[] = {"caffe", "fastest", "smallest"};
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        run r = run_open(TWO_INPUTS, presets[i]), plain = run_open(TWO_INPUTS, presets[i]);
        uint64_t before, after, expected;
        int calls = 0;
        sa_feed *feed;
        assert_ok(sa_feed_open(r.net, NULL, 3, &feed));
        assert_ok(sa_feed_next(feed, r.session));
        assert_ok(sa_session_state_hash(r.session, &before));
        sa_session_set_forward_check(r.session, refuse_step, &calls);
        assert_int_equal(sa_session_run(r.session, 0.1f, 0, NULL), SA_NUMERIC);
        assert_ok(sa_session_state_hash(r.session, &after));
        assert_int_equal(calls, 1);
        assert_int_equal(before, after);
        assert_true(sa_session_ops_done(r.session) == sa_session_layout(r.session)->program->phase_end[SA_STEP_FORWARD]);
        sa_session_set_forward_check(r.session, NULL, NULL);
        assert_ok(sa_feed_repeat(feed, r.session));
        assert_ok(sa_session_run(r.session, 0.1f, 0, NULL));
        assert_ok(sa_feed_repeat(feed, plain.session));
        assert_ok(sa_session_run(plain.session, 0.1f, 0, NULL));
        assert_ok(sa_session_state_hash(r.session, &after));
        assert_ok(sa_session_state_hash(plain.session, &expected));
        assert_int_equal(after, expected);
        assert_true(after != before);
        sa_feed_close(feed);
        run_close(&r);
        run_close(&plain);
    }
}

static void mask_input_is_refused(void **state)
{
    (void)state;
    sa_feed *feed;
    sa_net *net = net_of(DUMMY("a", 1, 2, 4, 4) DUMMY(
        "m", 1, 2, 4, 4) "layer { name: 'up' type: 'Upsample' bottom: 'a' bottom: 'm' top: 'up' upsample_param { scale: 2 } }");
    assert_int_equal(sa_feed_open(net, NULL, 1, &feed), SA_UNSUPPORTED);
    assert_string_equal(sa_error_message(),
                        "net.prototxt: input 'm' is the mask of layer 'up': there is no data for a mask; take the "
                        "second top of a Pooling layer");
    sa_net_free(net);
}

static void single_class_is_warned_of(void **state)
{
    (void)state;
    char text[SA_LABEL_WARNING_BYTES];
    sa_net *one = net_of(DUMMY("a", 1, 2, 4, 4) DUMMY("l", 1, 1, 4, 4) CONV("c", "a", 1) LOSS("loss", "c", "l", ""));
    assert_true(sa_net_single_class_warning(one, text));
    assert_string_equal(text,
                        "line 4: loss 'loss' sees the single class of layer 'c' (line 3): it is always 0 and nothing is learned; "
                        "give the background a class of its own (num_output: 2)");
    sa_net_free(one);
    sa_net *two = net_of(DUMMY("a", 1, 2, 4, 4) DUMMY("l", 1, 1, 4, 4) CONV("c", "a", 2) LOSS("loss", "c", "l", ""));
    assert_false(sa_net_single_class_warning(two, text));
    sa_net_free(two);
}

/* ---- labels from files ---- */

#define LIST(name, data, label, source, batch)                                                                                   \
    "layer { name: '" name "' type: 'DenseImageData' top: '" data "' top: '" label "' dense_image_data_param { source: '" source \
    "' batch_size: " #batch " shuffle: true } }\n"
#define IGNORE "loss_param { ignore_label: 9 }"

static uint8_t value;
static uint8_t constant_sample(int32_t y, int32_t x, int32_t c)
{
    (void)c;
    return y == 1 && x == 2 ? value : 1;
}

static uint8_t void_sample(int32_t y, int32_t x, int32_t c)
{
    (void)y, (void)x, (void)c;
    return 9;
}

static void write_label(const char *name, uint8_t (*sample)(int32_t, int32_t, int32_t))
{
    png_spec spec = {PNG_COLOR_TYPE_GRAY, 8, 0, 4, 6, sample};
    write_png(name, &spec);
}

static void bad_label_is_named(void **state)
{
    (void)state;
    make_png("i.png", PNG_COLOR_TYPE_RGB, 8, 4, 6);
    value = 7;
    write_label("bad.png", constant_sample);
    write_text("list.txt", "i.png bad.png\n");
    run r = run_open(LIST("d", "data", "label", "list.txt", 1) CONV("c", "data", 3) LOSS("l", "c", "label", IGNORE), "fastest");
    sa_feed *feed;
    assert_ok(sa_feed_open(r.net, NULL, 3, &feed));
    assert_int_equal(sa_feed_next(feed, r.session), SA_NUMERIC);
    assert_string_equal(
        sa_error_message(),
        "'bad.png' (list.txt:1): label 7 at row 1, column 2 of the net's label is none of the 3 classes of layer "
        "'l', and not its ignore_label 9. If such pixels are to be left out: loss_param { ignore_label: 7 } in that "
        "layer, and the same in the Accuracy layer");
    sa_feed_close(feed);
    run_close(&r);
}

/* Loss 0, no gradient: the parameters stay as they are, but for momentum that is 0. */
static void void_batch_has_loss_0(void **state)
{
    (void)state;
    make_png("i.png", PNG_COLOR_TYPE_RGB, 8, 4, 6);
    write_label("void.png", void_sample);
    write_text("list.txt", "i.png void.png\ni.png void.png\n");
    run r = run_open(
        LIST("d", "data", "label", "list.txt", 2) CONV("c", "data", 3) LOSS(
            "l", "c", "label",
            IGNORE) "layer { name: 'a' type: 'Accuracy' bottom: 'c' bottom: 'label' top: 'a' accuracy_param { ignore_label: 9 } }",
        "fastest");
    sa_feed *feed;
    uint64_t before, after;
    float loss = 7, accuracy = 7;
    assert_ok(sa_feed_open(r.net, NULL, 3, &feed));
    assert_ok(sa_session_state_hash(r.session, &before));
    assert_ok(sa_feed_next(feed, r.session));
    assert_non_null(strstr(sa_feed_note(feed), "no labelled pixel for layer 'l' in this batch: 'void.png' (list.txt:"));
    assert_ok(sa_session_run(r.session, 0.1f, 0, NULL));
    assert_ok(sa_session_get_output(r.session, sa_net_blob_index(r.net, "l"), &loss));
    assert_ok(sa_session_get_output(r.session, sa_net_blob_index(r.net, "a"), &accuracy));
    assert_ok(sa_session_state_hash(r.session, &after));
    assert_true(loss == 0 && accuracy == 0);
    assert_int_equal(before, after);
    sa_feed_close(feed);
    run_close(&r);
}

/* A second feed, restored to where a first one is, goes on with the same batches of all inputs: lists of other lengths too. */
static void several_lists_resume(void **state)
{
    (void)state;
    static const char TEXT[] = LIST("d", "a", "la", "three.txt", 2) LIST("e", "b", "lb", "five.txt", 1) CONV("ca", "a", 3)
        CONV("cb", "b", 3) LOSS("l", "ca", "la", "") LOSS("m", "cb", "lb", "");
    char three[256] = "", five[256] = "";
    for (int i = 0; i < 5; i++) {
        char name[32], line[64];
        snprintf(name, sizeof name, "l%d.png", i);
        value = (uint8_t)(i % 3);
        write_label(name, constant_sample);
        snprintf(name, sizeof name, "i%d.png", i);
        make_png(name, PNG_COLOR_TYPE_RGB, 8, 4, 6);
        snprintf(line, sizeof line, "i%d.png l%d.png\n", i, i);
        strcat(five, line);
        if (i < 3) strcat(three, line);
    }
    write_text("three.txt", three);
    write_text("five.txt", five);
    run r = run_open(TEXT, "fastest"), other = run_open(TEXT, "fastest");
    sa_feed *whole, *resumed;
    float a[2], b[2];
    assert_ok(sa_feed_open(r.net, NULL, 5, &whole));
    for (int step = 0; step < 9; step++) {
        assert_ok(sa_feed_open(other.net, NULL, 5, &resumed));
        assert_ok(sa_feed_restore(resumed, sa_feed_position(whole)));
        assert_ok(sa_feed_next(whole, r.session));
        assert_ok(sa_feed_next(resumed, other.session));
        assert_ok(sa_session_run(r.session, 0.0f, 0, NULL));
        assert_ok(sa_session_run(other.session, 0.0f, 0, NULL));
        for (int k = 0; k < 2; k++) {
            int blob = sa_net_blob_index(r.net, k ? "m" : "l");
            assert_ok(sa_session_get_output(r.session, blob, &a[k]));
            assert_ok(sa_session_get_output(other.session, blob, &b[k]));
            assert_true(a[k] == b[k]);
        }
        sa_feed_close(resumed);
    }
    sa_feed_close(whole);
    run_close(&r);
    run_close(&other);
}

/* A class per image, however many axes the label has. */
static void labels_of_fewer_axes_are_filled(void **state)
{
    (void)state;
    static const char *const shapes[] = {"dim: [8, 1, 1, 1]", "dim: 8", "dim: [8, 1, 1]"};
    enum { IMAGES = 8 };
    float expected[IMAGES];
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char text[1024];
        snprintf(
            text, sizeof text,
            "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: [8, 3, 4, 4] } } }\n"
            "layer { name: 'label' type: 'Input' top: 'label' input_param { shape { %s } } }\n"
            "layer { name: 'ip' type: 'Convolution' bottom: 'data' top: 'ip' convolution_param { num_output: 9 kernel_size: 4 } }\n"
            "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }\n",
            shapes[i]);
        run r = run_open(text, "fastest");
        sa_feed *feed;
        assert_ok(sa_feed_open(r.net, NULL, 3, &feed));
        for (int batch = 0; batch < 3; batch++) assert_ok(sa_feed_next(feed, r.session));
        const float *label = sa_feed_batch(feed, sa_net_blob_index(r.net, "label"));
        if (i == 0) memcpy(expected, label, sizeof expected);
        assert_memory_equal(label, expected, sizeof expected);
        assert_ok(sa_session_run(r.session, 0.01f, 0, NULL));
        sa_feed_close(feed);
        run_close(&r);
    }
    float low = expected[0], high = expected[0];
    for (int n = 1; n < IMAGES; n++) {
        low = fminf(low, expected[n]);
        high = fmaxf(high, expected[n]);
    }
    assert_true(high > low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_inputs_are_fed), cmocka_unit_test(all_outputs_are_told),
        cmocka_unit_test(unset_input_is_refused), cmocka_unit_test(stopped_step_changes_nothing),
        cmocka_unit_test(mask_input_is_refused),  cmocka_unit_test(single_class_is_warned_of),
        cmocka_unit_test(bad_label_is_named),     cmocka_unit_test(void_batch_has_loss_0),
        cmocka_unit_test(several_lists_resume),   cmocka_unit_test(labels_of_fewer_axes_are_filled),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
