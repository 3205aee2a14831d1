/* Nets that `explain` understands and nothing here can compute yet: a plan is refused with every reason in one message. */
#include "net/net.h"
#include "net/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DATA "input: 'data' input: 'label' input_dim: [2, 4, 8, 8, 2, 1, 8, 8]\n"
#define CONV(name, bottom, body)                                                                                                \
    "layer { name: '" name "' type: 'Convolution' bottom: '" bottom "' top: '" name "' convolution_param { num_output: 4 " body \
    " } }\n"
#define LAYER(name, type, wires, body) "layer { name: '" name "' type: '" type "' " wires " top: '" name "' " body " }\n"
#define LOSS(scores) LAYER("loss", "SoftmaxWithLoss", "bottom: '" scores "' bottom: 'label'", "")

static void plans_are_refused_with_all_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *net, *message;
    } ROWS[] = {
        {CONV("c", "data", "kernel_size: 1")
             LAYER("p", "Pooling", "bottom: 'c'", "pooling_param { pool: AVE kernel_size: 2 stride: 4 }")
                 LAYER("d", "EuclideanLoss", "bottom: 'p' bottom: 'p'", ""),
         "line 3 'p' (Pooling: pool: AVE with a last window wholly outside of the plane)"},
        {CONV("c", "data", "kernel_size: 1") LAYER("r", "ReLU", "bottom: 'c'", "loss_weight: 0.5"),
         "line 3 'r' (ReLU: loss_weight on a top of several values: put a Reduction in between)"},
        {CONV("c", "data", "kernel_size: 1") LAYER("m", "Normalize", "bottom: 'c'", "") LAYER("n", "Normalize", "bottom: 'm'", "")
             LOSS("n"),
         "2 of its layers cannot be computed yet: line 3 'm' (Normalize: the type), 4 'n' (Normalize: the type)"},
    };
    sa_device *device;
    sa_strategy strategy;
    assert_int_equal(sa_device_open_cpu(1, &device), SA_OK);
    assert_int_equal(sa_strategy_parse("fastest", &strategy), SA_OK);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[4096];
        const sa_program_options options = {.training = true};
        sa_proto_document *document = NULL;
        sa_net *net = NULL;
        sa_layout layout;
        snprintf(text, sizeof text, "%s%s", DATA, ROWS[i].net);
        assert_int_equal(sa_proto_parse_text("n.prototxt", text, strlen(text), &document), SA_OK);
        if (sa_net_from_document(document, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
        assert_false(sa_net_is_computed(net));
        assert_int_equal(sa_layout_create(net, &strategy, device, &options, &layout), SA_UNSUPPORTED);
        if (!strstr(sa_error_message(), ROWS[i].message)) fail_msg("row %zu: %s", i, sa_error_message());
        sa_net_free(net);
        sa_proto_free(document);
    }
    sa_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans_are_refused_with_all_reasons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
