/* What segarena cannot take of a file is told all at once, and types can be treated as something that it can. */
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA "layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }\n"
#define CONV(params) \
    "layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'c' convolution_param { num_output: 4 kernel_size: 3 " params " } }\n"

static sa_status load(const char *text, const sa_net_options *options, sa_net **net)
{
    sa_proto_document *document;
    SA_TRY(sa_proto_parse_text("n", text, strlen(text), &document));
    sa_status status = sa_net_from_document(document, options, net);
    sa_proto_free(document);
    return status;
}

static void everything_is_told_at_once(void **state)
{
    (void)state;
    static sa_unsupported_list list;
    const sa_net_options options = {.unsupported = &list};
    sa_net *net;
    assert_int_equal(
        load(DATA CONV("\naxis: 2") "layer { name: 'd' type: 'DenseCRF' bottom: 'c' top: 'd' dense_crf_param { x: 1 } }\n"
                                    "layer { name: 'e' type: 'Foo' bottom: 'd' top: 'e' }",
             &options, &net),
        SA_UNSUPPORTED);
    assert_int_equal(list.count, 3);
    static const struct {
        int line;
        const char *layer, *type, *what;
    } ROWS[] = {{3, "c", "Convolution", "'axis: 2' is not supported"},
                {4, "d", "DenseCRF", "DenseCRF is a layer type of Caffe forks"},
                {5, "e", "Foo", "unknown layer type 'Foo'"}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(list.item[i].line, ROWS[i].line);
        assert_string_equal(list.item[i].layer, ROWS[i].layer);
        assert_string_equal(list.item[i].type, ROWS[i].type);
        assert_memory_equal(list.item[i].what, ROWS[i].what, strlen(ROWS[i].what));
    }
    assert_memory_equal(sa_error_message(), "n:3: layer 'c' (Convolution): 'axis: 2' is", 42);
    assert_non_null(strstr(sa_error_message(), "; 2 more are not supported: line 4 'd' (DenseCRF), line 5 'e' (Foo)"));
    assert_int_equal(load(DATA CONV(""), &options, &net), SA_OK);
    assert_int_equal(list.count, 0);
    sa_net_free(net);
}

static void all_unknown_shapes_are_asked_for(void **state)
{
    (void)state;
    static sa_unsupported_list list;
    const sa_net_options options = {.unsupported = &list};
    sa_net *net;
    assert_int_equal(
        load("layer { name: 'a' type: 'HDF5Data' top: 'x' top: 'y' hdf5_data_param { source: 's' batch_size: 2 } }\n" CONV(
                 "") "layer { name: 'b' type: 'MemoryData' top: 'z' memory_data_param { batch_size: 2 } }",
             &options, &net),
        SA_UNSUPPORTED);
    assert_int_equal(list.count, 2);
    assert_non_null(strstr(list.item[0].what, "the shapes of 'x', 'y' are not known"));
    assert_non_null(strstr(list.item[0].what, "--input x=N,C,H,W --input y=N,C,H,W"));
    assert_int_equal(list.item[1].line, 3);
    assert_non_null(strstr(list.item[1].what, "--input z=N,C,H,W"));
}

/* Types that nobody knows and shapes that nobody knows, in one round and in the order of the file. */
static void types_and_shapes_are_told_together(void **state)
{
    (void)state;
    static sa_unsupported_list list;
    const sa_net_options options = {.unsupported = &list};
    sa_net *net;
    assert_int_equal(load("layer { name: 'a' type: 'HDF5Data' top: 'x' hdf5_data_param { source: 's' batch_size: 2 } }\n"
                          "layer { name: 'f' type: 'Foo' bottom: 'x' top: 'f' }\n"
                          "layer { name: 'b' type: 'MemoryData' top: 'z' memory_data_param { batch_size: 2 } }\n"
                          "layer { name: 'c' type: 'ReLU' bottom: 'nobody' top: 'c' }\n",
                          &options, &net),
                     SA_UNSUPPORTED);
    assert_int_equal(list.count, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(list.item[i].line, i + 1);
    assert_non_null(strstr(list.item[0].what, "the shape of 'x' is not known"));
    assert_non_null(strstr(list.item[1].what, "unknown layer type 'Foo'"));
    assert_non_null(strstr(list.item[2].what, "the shape of 'z' is not known"));
}

/* DeconvNet's: unpool_size, else as far as the windows reach, at least one more than stride times the side. */
static void unpooling_has_a_shape(void **state)
{
    (void)state;
    static const struct {
        const char *param, *shape;
    } ROWS[] = {{"kernel_size: 2 stride: 2 unpool_size: 14", "2x3x14x14"},
                {"unpool: MAX kernel_size: 2 stride: 2", "2x3x13x13"},
                {"kernel_h: 5 kernel_w: 3 stride: 2 unpool_h: 0", "2x3x15x13"},
                {"kernel_size: 3 stride: 1 unpool_h: 9 unpool_w: 10", "2x3x9x10"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[512], shape[SA_SHAPE_TEXT_BYTES];
        sa_net *net;
        snprintf(text, sizeof text,
                 "layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: [2, 3, 6, 6] } } }\n"
                 "layer { name: 'u' type: 'Unpooling' bottom: 'd' top: 'u' unpooling_param { %s } }",
                 ROWS[i].param);
        if (load(text, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
        assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "u")].shape, shape), ROWS[i].shape);
        sa_net_free(net);
    }
}

static void types_are_treated_as_told(void **state)
{
    (void)state;
    static const char text[] = DATA CONV("") "layer { name: 'd' type: 'DenseCRF' bottom: 'c' bottom: 'x' top: 'd' p { i: 3 } }\n"
                                             "layer { name: 'p' type: 'Python' bottom: 'd' top: 'p' top: 'q' }\n"
                                             "layer { name: 'l' type: 'EuclideanLoss' bottom: 'p' bottom: 'd' }\n";
    const sa_treated_type treat[] = {{"DenseCRF", SA_TREAT_AS_IDENTITY}, {"Python", SA_TREAT_AS_INPUT}};
    const sa_input_shape inputs[] = {{"p", {4, {2, 4, 6, 6}}}, {"q", {1, {7}}}};
    sa_net_options options = {.treat = treat, .treat_count = 2, .input = inputs, .input_count = 2};
    char shape[SA_SHAPE_TEXT_BYTES];
    sa_net *net;
    if (load(text, &options, &net) != SA_OK) fail_msg("%s", sa_error_message());
    assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "d")].shape, shape), "2x4x6x6");
    assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "q")].shape, shape), "7");
    const sa_layer *crf = &net->layer[sa_net_layer_index(net, "d")];
    assert_string_equal(crf->type->name, "DenseCRF");
    assert_string_equal(crf->not_computed, "treated as its bottom");
    assert_true(crf->needs_backward);
    assert_false(net->layer[sa_net_layer_index(net, "p")].needs_backward);
    sa_net_free(net);
    options.treat_count = 1;
    options.input_count = 0;
    assert_int_equal(load(text, &options, &net), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "--treat Python=identity"));
    const sa_treated_type absent = {"Nothing", SA_TREAT_AS_INPUT};
    options = (sa_net_options){.treat = &absent, .treat_count = 1};
    assert_int_equal(load(DATA CONV(""), &options, &net), SA_INVALID);
}

static void more_axes_than_eight_are_named(void **state)
{
    (void)state;
    static sa_unsupported_list list;
    const sa_net_options options = {.unsupported = &list};
    sa_net *net;
    assert_int_equal(
        load("layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: [2, 3, 4, 5, 6, 7, 8, 9, 10] } } }\n"
             "layer { name: 'r' type: 'Reshape' bottom: 'd' top: 'r' reshape_param { shape { dim: [2, 3, 4, 5, 6, 7, 8, 9, 10] } "
             "} }",
             &options, &net),
        SA_UNSUPPORTED);
    assert_int_equal(list.count, 2);
    for (int i = 0; i < 2; i++) assert_non_null(strstr(list.item[i].what, "blobs of more than 8 axes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_told_at_once),         cmocka_unit_test(all_unknown_shapes_are_asked_for),
        cmocka_unit_test(types_and_shapes_are_told_together), cmocka_unit_test(unpooling_has_a_shape),
        cmocka_unit_test(types_are_treated_as_told),          cmocka_unit_test(more_axes_than_eight_are_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
