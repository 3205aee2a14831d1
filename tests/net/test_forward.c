/* Forward-only programs: on every small net that trains, the class scores have the bits of a training step's forward pass, whatever
 * the strategy, in debug mode too; nothing is kept for a backward pass that never comes; one session goes from size to size. */
#include "net/net_scores.h"
#include "net/session.h"
#include "tests/support/data_files.h"
#include "tests/support/small_nets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sa_device *device;

static sa_net *load(const sa_small_net *small, const sa_net_options *options)
{
    sa_net *net = NULL;
    sa_proto_document *document = NULL;
    if (small->path) {
        assert_ok(sa_net_load(small->path, options, &net));
        return net;
    }
    assert_ok(sa_proto_parse_text(small->name, small->text, strlen(small->text), &document));
    if (sa_net_from_document(document, options, &net) != SA_OK) fail_msg("%s: %s", small->name, sa_error_message());
    sa_proto_free(document);
    return net;
}

typedef struct scores {
    size_t count;
    float *value; /* (count) */
} scores;

static sa_status fetch(void *context, sa_session *session)
{
    scores *s = context;
    return sa_session_get_output(session, sa_session_net(session)->scores_blob, s->value);
}

/* Values that depend on the place alone, whichever form the net has; labels of the three classes that all nets have. */
static void set_inputs(const sa_net *net, sa_session *session, uint32_t step)
{
    for (int b = 0; b < net->blob_count; b++) {
        if (!net->layer[net->blob[b].producer].type->is_input) continue;
        size_t count = sa_shape_elements(&net->blob[b].shape);
        uint32_t range = strcmp(net->blob[b].name, "label") ? 256 : 3;
        float *host = malloc(count * sizeof *host);
        for (size_t i = 0; i < count; i++) host[i] = (float)((((uint32_t)i * 2654435761u + step * 97u) >> 9) % range);
        assert_ok(sa_session_set_input(session, b, host));
        free(host);
    }
}

/* The scores of the second of two steps at rate 0: parameters stay as their fillers made them. */
static size_t run(const sa_net *net, bool training, const char *strategy_name, const char *conv, bool debug, scores *s)
{
    sa_session_options options = {.program = {.training = training}, .debug = debug, .seed = 5};
    sa_strategy strategy;
    sa_session *session;
    assert_ok(sa_strategy_parse(strategy_name, &strategy));
    assert_ok(sa_conv_option_parse(conv, &strategy.conv));
    if (sa_session_create(net, &strategy, device, &options, &session) != SA_OK)
        fail_msg("%s, %s: %s", net->name, strategy_name, sa_error_message());
    s->count = sa_shape_elements(&net->blob[net->scores_blob].shape);
    s->value = malloc(s->count * sizeof *s->value);
    sa_session_set_forward_check(session, fetch, s);
    for (uint32_t step = 0; step < 2; step++) {
        set_inputs(net, session, step);
        assert_ok(sa_session_run(session, 0.0f, step, NULL));
    }
    size_t bytes = sa_session_layout(session)->plan.peak_bytes;
    if (!debug) assert_int_equal(sa_session_measured_bytes(session), bytes);
    sa_session_destroy(session);
    return bytes;
}

static void compare(const sa_small_net *small, const sa_net_options *form, const char *strategy, const char *conv, bool debug,
                    const scores *expected, size_t training_bytes)
{
    sa_net *net = load(small, form);
    scores s;
    size_t bytes = run(net, false, strategy, conv, debug, &s);
    assert_int_equal(s.count, expected->count);
    if (memcmp(s.value, expected->value, s.count * sizeof *s.value) != 0)
        fail_msg("%s, form %d, %s, conv %s: the scores differ", small->name, (int)form->scores, strategy, conv);
    if (bytes > training_bytes)
        fail_msg("%s, form %d, %s: %zu bytes, training takes %zu", small->name, (int)form->scores, strategy, bytes, training_bytes);
    free(s.value);
    sa_net_free(net);
}

static void scores_are_those_of_training(void **state)
{
    static const char *const CONVOLUTIONS[] = {"im2col", "direct"};
    static const sa_net_options TRAINING = {.scores = SA_SCORES_AS_OUTPUT},
                                FORMS[] = {{.scores = SA_SCORES_AS_OUTPUT, .forward_only = true},
                                           {.scores = SA_SCORES_ALONE, .forward_only = true}};
    int compared = 0;
    (void)state;
    for (int i = 0; sa_small_net_at(i); i++) {
        const sa_small_net *small = sa_small_net_at(i);
        if (small->deploy) continue;
        sa_net *net = load(small, &TRAINING);
        for (int c = 0; c < 2; c++) {
            scores expected, ignored;
            run(net, true, "caffe", CONVOLUTIONS[c], false, &expected);
            for (int p = 0; sa_preset_at(p); p++) {
                if (!strcmp(sa_preset_at(p)->name, "lossy")) continue;
                size_t bytes = run(net, true, sa_preset_at(p)->name, CONVOLUTIONS[c], false, &ignored);
                free(ignored.value);
                for (int f = 0; f < 2; f++)
                    for (int debug = 0; debug < 2; debug++)
                        compare(small, &FORMS[f], sa_preset_at(p)->name, CONVOLUTIONS[c], debug, &expected, bytes);
                compared++;
            }
            free(expected.value);
        }
        sa_net_free(net);
    }
    assert_true(compared > 100);
}

/* ------------------------------------------------------------------ forms of a net --------------------------------- */

static const char PHASES[] =
    "name: 'phases'\n"
    "layer { name: 'train_data' type: 'DummyData' top: 'data' top: 'label' include { phase: TRAIN }\n"
    "  dummy_data_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }\n"
    "layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 4 kernel_size: 3 pad: 1\n"
    "  weight_filler { type: 'msra' } } }\n"
    "layer { name: 'bn' type: 'BN' bottom: 'conv' top: 'conv' bn_param { scale_filler { value: 2 } shift_filler { value: 1 } } }\n"
    "layer { name: 'pool' type: 'Pooling' bottom: 'conv' top: 'pool' top: 'mask' pooling_param { kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'quiet' type: 'Silence' bottom: 'mask' }\n"
    "layer { name: 'score' type: 'Convolution' bottom: 'pool' top: 'score' convolution_param { num_output: 3 kernel_size: 1\n"
    "  weight_filler { type: 'msra' } } }\n"
    "layer { name: 'small' type: 'Pooling' bottom: 'label' top: 'small' pooling_param { kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'accuracy' type: 'Accuracy' bottom: 'score' bottom: 'small' top: 'accuracy' include { phase: TEST } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'score' bottom: 'small' top: 'loss' loss_param { ignore_label: 9 } }\n"
    "layer { name: 'late' type: 'ReLU' bottom: 'score' top: 'score' }\n";
static const sa_small_net PHASES_NET = {"phases", NULL, PHASES, false};

static void layers_of_forms(void **state)
{
    (void)state;
    sa_net *alone = load(&PHASES_NET, &(sa_net_options){.test_phase = true, .forward_only = true, .scores = SA_SCORES_ALONE});
    assert_int_equal(alone->layer_count, 5); /* TRAIN's data, since TEST has none; no loss, no accuracy, no late ReLU */
    assert_string_equal(alone->blob[alone->scores_blob].name, "score");
    assert_int_equal(alone->blob[alone->scores_blob].consumer, -1);
    assert_int_equal(alone->layer[sa_net_layer_index(alone, "pool")].top_count, 1); /* nobody reads its mask */
    sa_net_free(alone);

    sa_label_rule rule;
    sa_net *whole = load(&PHASES_NET, &(sa_net_options){.test_phase = true, .forward_only = true, .scores = SA_SCORES_AS_OUTPUT});
    assert_false(sa_net_trains(whole));
    assert_true(sa_net_layer_index(whole, "accuracy") >= 0);
    assert_int_equal(whole->blob[whole->scores_blob].consumer, -1);
    assert_string_equal(whole->blob[sa_net_scores_label(whole, &rule)].name, "label");
    assert_true(rule.has_ignore); /* the loss's rule, not the accuracy's */
    assert_int_equal(rule.ignore_label, 9);
    assert_int_equal(rule.classes, 3);
    sa_net_free(whole);

    sa_net *bare = NULL;
    sa_proto_document *document = NULL;
    assert_ok(sa_proto_parse_text("phases", PHASES, strlen(PHASES), &document));
    assert_int_equal(sa_net_from_document(document, &(sa_net_options){.test_phase = true}, &bare), SA_INVALID); /* as in Caffe */
    sa_proto_free(document);
}

static int count_buffers(const sa_program *program, const char *part)
{
    int count = 0;
    for (size_t i = 0; i < program->buffer_count; i++) count += strstr(program->buffer[i].name, part) != NULL;
    return count;
}

static void nothing_is_kept_for_a_backward_pass(void **state)
{
    (void)state;
    const sa_program_options options = {.training = false};
    sa_net *net = load(&PHASES_NET, &(sa_net_options){.forward_only = true, .scores = SA_SCORES_AS_OUTPUT});
    sa_strategy strategy;
    sa_layout layout;
    assert_ok(sa_strategy_parse("fastest", &strategy));
    assert_ok(sa_layout_create(net, &strategy, device, &options, &layout));
    assert_int_equal(count_buffers(layout.program, "mask"), 0);
    assert_int_equal(count_buffers(layout.program, "grad"), 0);
    assert_int_equal(count_buffers(layout.program, "x_norm"), 0);
    assert_int_equal(count_buffers(layout.program, "conv.bn"), 0);
    sa_layout_free(&layout);
    sa_net_free(net);
    /* a net that trains has no such program */
    sa_net *trains = load(&PHASES_NET, NULL);
    assert_int_equal(sa_layout_create(trains, &strategy, device, &options, &layout), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "forward_only"));
    sa_net_free(trains);
}

/* INFERENCE mode is scale * x + shift. */
static void stored_statistics_are_a_choice(void **state)
{
    (void)state;
    scores batch, stored;
    sa_net_options form = {.forward_only = true, .scores = SA_SCORES_ALONE, .bn = SA_BN_STORED};
    sa_net *net = load(&PHASES_NET, &form);
    const sa_program_options options = {.training = false};
    sa_strategy strategy;
    sa_layout layout;
    assert_ok(sa_strategy_parse("fastest", &strategy));
    assert_ok(sa_layout_create(net, &strategy, device, &options, &layout));
    assert_int_equal(count_buffers(layout.program, "inv_std"), 0);
    sa_layout_free(&layout);
    run(net, false, "fastest", "direct", false, &stored);
    sa_net_free(net);
    form.bn = SA_BN_BATCH;
    net = load(&PHASES_NET, &form);
    run(net, false, "fastest", "direct", false, &batch);
    sa_net_free(net);
    assert_int_equal(batch.count, stored.count);
    assert_true(memcmp(batch.value, stored.value, batch.count * sizeof *batch.value) != 0);
    free(batch.value);
    free(stored.value);
}

/* ------------------------------------------------------------------ sizes ------------------------------------------ */

static sa_net *load_sized(int32_t height, int32_t width)
{
    return load(&PHASES_NET, &(sa_net_options){.forward_only = true, .scores = SA_SCORES_ALONE, .height = height, .width = width});
}

static void run_sized(sa_session *session, const sa_net *net, scores *s)
{
    int data = sa_net_blob_index(net, "data");
    size_t count = sa_shape_elements(&net->blob[data].shape);
    float *image = malloc(count * sizeof *image);
    for (size_t i = 0; i < count; i++) image[i] = (float)(i % 7);
    s->count = sa_shape_elements(&net->blob[net->scores_blob].shape);
    s->value = malloc(s->count * sizeof *s->value);
    assert_ok(sa_session_set_input(session, data, image));
    assert_ok(sa_session_run(session, 0.0f, 0, NULL));
    assert_ok(sa_session_get_output(session, net->scores_blob, s->value));
    free(image);
}

static void one_arena_for_all_sizes(void **state)
{
    static const int32_t SIZES[][2] = {{24, 16}, {8, 8}, {10, 14}, {24, 16}};
    const sa_session_options options = {.seed = 5};
    sa_session *session = NULL;
    sa_net *nets[4];
    sa_strategy strategy;
    (void)state;
    assert_ok(sa_strategy_parse("fastest", &strategy));
    size_t before = device->allocation_count;
    for (int i = 0; i < 4; i++) {
        scores several, single;
        sa_session *own;
        sa_layout layout;
        nets[i] = load_sized(SIZES[i][0], SIZES[i][1]);
        assert_ok(sa_layout_create(nets[i], &strategy, device, &options.program, &layout));
        size_t peak = layout.plan.peak_bytes;
        if (session) assert_ok(sa_session_use_layout(session, nets[i], &layout));
        else assert_ok(sa_session_create_planned(nets[i], &layout, device, &options, &session));
        assert_int_equal(device->allocation_count, before + 1 + (size_t)i); /* the single ones below */
        run_sized(session, nets[i], &several);
        assert_int_equal(sa_session_measured_bytes(session), peak);
        assert_ok(sa_session_create(nets[i], &strategy, device, &options, &own));
        run_sized(own, nets[i], &single);
        sa_session_destroy(own);
        assert_int_equal(several.count, single.count);
        assert_memory_equal(several.value, single.value, several.count * sizeof *several.value);
        free(several.value);
        free(single.value);
    }
    sa_layout layout;
    sa_net *large = load_sized(64, 64);
    assert_ok(sa_layout_create(large, &strategy, device, &options.program, &layout));
    assert_int_equal(sa_session_use_layout(session, large, &layout), SA_CAPACITY);
    sa_session_destroy(session);
    sa_net_free(large);
    for (int i = 0; i < 4; i++) sa_net_free(nets[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_training),
        cmocka_unit_test(layers_of_forms),
        cmocka_unit_test(nothing_is_kept_for_a_backward_pass),
        cmocka_unit_test(stored_statistics_are_a_choice),
        cmocka_unit_test(one_arena_for_all_sizes),
    };
    if (sa_device_open_cpu(1, &device) != SA_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sa_device_close(device);
    return failed;
}
