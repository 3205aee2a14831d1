/* Malformed prototxt and solver files: each row is one text and the message it must give; and mutated texts, which must never do
 * more harm than a message. */
#include "net/net_spec.h"
#include "net/solver_config.h"
#include "tests/support/read_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct bad_row {
    text_kind kind;
    sa_status status;
    const char *text;
    const char *message; /* the whole of it, after "bad.prototxt:" */
} bad_row;

/* A layer of a type with one line of its own; the rest is sound. PAIR: one that reads two blobs; SOURCE and IMAGES: none. */
#define LAYER(type, body) "input: 'a' input_dim: [2, 4, 8, 8] layer { name: 'l' type: '" type "' bottom: 'a' top: 'b'\n " body " }"
#define PAIR(type, body)                                                                   \
    "input: ['a', 'm'] input_dim: [2, 4, 8, 8, 2, 4, 8, 8] layer { name: 'l' type: '" type \
    "' bottom: 'a' bottom: 'm' top: 'b'\n " body " }"
#define SOURCE(type, body) "layer { name: 'l' type: '" type "' top: 'b'\n " body " }"
#define IMAGES(body) "layer { name: 'l' type: 'DenseImageData' top: 'b' top: 'c'\n " body " }"
#define CONV(body) LAYER("Convolution", "convolution_param { " body " }")
/* A sound solver but for what is put in front. */
#define SOLVER(body) body "\nnet: 'n.prototxt' base_lr: 0.1 lr_policy: 'fixed'"

static const bad_row rows[] = {
    /* the form */
    {TEXT_FORM, SA_PARSE, "a", "1: field 'a' has no value: ':' or '{' must follow its name"},
    {TEXT_FORM, SA_PARSE, "a: 1\nb 2", "2: field 'b' has no value: ':' or '{' must follow its name"},
    {TEXT_FORM, SA_PARSE, "a:", "1: the file ends where a value is expected"},
    {TEXT_FORM, SA_PARSE, "a: }", "1: unexpected '}' where a value is expected"},
    {TEXT_FORM, SA_PARSE, "a: /path", "1: unexpected '/' where a value is expected"},
    {TEXT_FORM, SA_PARSE, "\n\n}", "3: '}' closes nothing"},
    {TEXT_FORM, SA_PARSE, "a {\n b: 1\n", "3: the file ends inside the message that line 1 opens: '}' is missing"},
    {TEXT_FORM, SA_PARSE, "a {\n b: 1 >", "2: '>' where the message that line 1 opens needs '}'"},
    {TEXT_FORM, SA_PARSE, "# c\na: 'no end", "2: a string is not closed before the end of its line"},
    {TEXT_FORM, SA_PARSE, "a: \"x\ny\"", "1: a string is not closed before the end of its line"},
    {TEXT_FORM, SA_PARSE, "a: 'x\\", "1: a string is not closed before the end of its line"},
    {TEXT_FORM, SA_PARSE, "a: 'x\\q'", "1: unknown escape '\\q' in a string"},
    {TEXT_FORM, SA_PARSE, "a: 'x\\000y'", "1: an escape in a string gives 0, not a byte from 1 to 255"},
    {TEXT_FORM, SA_PARSE, "a: 'x\\777'", "1: an escape in a string gives 511, not a byte from 1 to 255"},
    {TEXT_FORM, SA_PARSE, "a: [1, 2", "1: the file ends where ',' or ']' is expected"},
    {TEXT_FORM, SA_PARSE, "a: [1,, 2]", "1: unexpected ',' where a value is expected"},
    {TEXT_FORM, SA_PARSE, "a: -", "1: the file ends where a value is expected"},
    {TEXT_FORM, SA_PARSE, ": 1", "1: unexpected ':' where a field name is expected"},
    {TEXT_FORM, SA_PARSE, "7: 1", "1: unexpected '7' where a field name is expected"},
    {TEXT_FORM, SA_PARSE, "[a.b]: 1", "1: extension names in brackets are not supported"},
    {TEXT_FORM, SA_PARSE, "a: 1\n\x01", "2: unexpected byte 0x01 where a field name is expected"},
    {TEXT_FORM, SA_PARSE, "a: 1 \xff", "1: unexpected byte 0xff where a field name is expected"},
    /* the net's header and layers */
    {TEXT_NET, SA_PARSE, "", "1: the net has no layers in this phase"},
    {TEXT_NET, SA_PARSE, "nme: 'x'", "1: unknown field 'nme'; did you mean 'name'?"},
    {TEXT_NET, SA_PARSE, "name: x", "1: 'name' needs a string in quotes, not x"},
    {TEXT_NET, SA_PARSE, "name: 'x'\nname: 'y'", "2: 'name' is given twice"},
    {TEXT_NET, SA_PARSE, "layer: 5", "1: 'layer' needs a message in braces"},
    {TEXT_NET, SA_INVALID, "layer { type: 'ReLU' }", "1: layer without a name (ReLU): has 0 bottoms, needs 1"},
    {TEXT_NET, SA_PARSE, "\nlayer { name: 'r' }", "2: layer 'r' (?): 'type' is missing"},
    {TEXT_NET, SA_PARSE, "layers { type: CONVOLTION }", "1: unknown V1 layer type CONVOLTION; did you mean CONVOLUTION?"},
    {TEXT_NET, SA_PARSE, "layer { name: 'c' type: CONVOLUTION }",
     "1: layer 'c' (?): 'type' needs a string in quotes, not CONVOLUTION"},
    {TEXT_NET, SA_PARSE, LAYER("Convolution", "convolution_parm { }"),
     "2: layer 'l' (Convolution): unknown field 'convolution_parm'; did you mean 'convolution_param'?"},
    {TEXT_NET, SA_PARSE, LAYER("ReLU", "foo: 1"), "2: layer 'l' (ReLU): unknown field 'foo'"},
    {TEXT_NET, SA_PARSE, LAYER("ReLU", "top: ''"), "1: layer 'l' (ReLU): a top has an empty name"},
    {TEXT_NET, SA_PARSE, LAYER("ReLU", "bottom: ''"), "1: layer 'l' (ReLU): a bottom has an empty name"},
    {TEXT_NET, SA_PARSE, LAYER("ReLU", "include { phase: TRIAN }"),
     "2: layer 'l' (ReLU): 'phase' cannot be TRIAN; it is one of TRAIN, TEST; did you mean 'TRAIN'?"},
    {TEXT_NET, SA_PARSE, LAYER("ReLU", "include { phase: TRAIN }\nexclude { phase: TEST }"),
     "1: layer 'l' (ReLU): give either include or exclude rules, not both"},
    {TEXT_NET, SA_PARSE, "layer { name: 'l' type: 'ReLU' include { phase: TEST } }", "1: the net has no layers in this phase"},
    {TEXT_NET, SA_PARSE, LAYER("ReLU", "param { lr_mul: 1 }"),
     "2: layer 'l' (ReLU): unknown field 'lr_mul' in 'param'; did you mean 'lr_mult'?"},
    {TEXT_NET, SA_PARSE, LAYER("ReLU", "param { lr_mult: fast }"), "2: layer 'l' (ReLU): 'lr_mult' needs a number, not fast"},
    {TEXT_NET, SA_PARSE, "input: 'data' input_dim: 1 input_dim: 3",
     "1: input_dim is given 2 times for 1 inputs; each input needs 4"},
    {TEXT_NET, SA_INVALID, "input: 'data'", "1: layer 'input' (Input): 'shape' is given 0 times for 1 tops"},
    {TEXT_NET, SA_PARSE, "input: 'data'\ninput_shape { dim: 1 dim: -3 }",
     "2: layer 'input' (Input): 'dim' is -3; it must be at least 1"},
    /* the layers' parameters */
    {TEXT_NET, SA_PARSE, CONV("num_output: 64.5"), "2: layer 'l' (Convolution): 'num_output' needs a whole number, not 64.5"},
    {TEXT_NET, SA_PARSE, CONV("num_output: -64"), "2: layer 'l' (Convolution): 'num_output' is -64; it must be at least 1"},
    {TEXT_NET, SA_PARSE, CONV("num_output: 99999999999999999999"),
     "2: layer 'l' (Convolution): 'num_output' is 99999999999999999999; it must be at most 1048576"},
    {TEXT_NET, SA_PARSE, CONV("num_output: '64'"), "2: layer 'l' (Convolution): 'num_output' needs a whole number, not \"64\""},
    {TEXT_NET, SA_PARSE, CONV("num_output { }"), "2: layer 'l' (Convolution): 'num_output' needs a whole number, not a message"},
    {TEXT_NET, SA_PARSE, CONV("kernel_sise: 7"),
     "2: layer 'l' (Convolution): unknown field 'kernel_sise' in 'convolution_param'; did you mean 'kernel_size'?"},
    {TEXT_NET, SA_PARSE, CONV("kernel_size: 0"), "2: layer 'l' (Convolution): 'kernel_size' is 0; it must be at least 1"},
    {TEXT_NET, SA_PARSE, CONV("stride: 0"), "2: layer 'l' (Convolution): 'stride' is 0; it must be at least 1"},
    {TEXT_NET, SA_INVALID, CONV("num_output: 1"),
     "1: layer 'l' (Convolution): 'kernel_size' (or 'kernel_h' and 'kernel_w') is missing"},
    {TEXT_NET, SA_INVALID, CONV("kernel_h: 3"), "1: layer 'l' (Convolution): 'kernel_h' needs 'kernel_w' beside it"},
    {TEXT_NET, SA_INVALID, CONV("kernel_size: 3 pad: 1 pad_w: 1"),
     "1: layer 'l' (Convolution): give either 'pad' or 'pad_h' and 'pad_w', not both"},
    {TEXT_NET, SA_PARSE, CONV("weight_filler { type: 'mrsa' }"),
     "2: layer 'l' (Convolution): 'type' cannot be mrsa; it is one of constant, uniform, gaussian, xavier, msra, bilinear, "
     "positive_unitball; did you mean "
     "'msra'?"},
    {TEXT_NET, SA_PARSE, CONV("weight_filler { type: msra }"),
     "2: layer 'l' (Convolution): 'type' needs a name in quotes, not msra"},
    {TEXT_NET, SA_PARSE, CONV("weight_filler { std: -1 }"), "2: layer 'l' (Convolution): 'std' is -1; it must be at least 0"},
    {TEXT_NET, SA_PARSE, CONV("weight_filler { value: nan }"),
     "2: layer 'l' (Convolution): 'value' is nan; it must be finite and fit in a float"},
    {TEXT_NET, SA_PARSE, CONV("weight_filler { value: -inf }"),
     "2: layer 'l' (Convolution): 'value' is -inf; it must be finite and fit in a float"},
    {TEXT_NET, SA_PARSE, CONV("weight_filler { value: 1e99 }"),
     "2: layer 'l' (Convolution): 'value' is 1e99; it must be finite and fit in a float"},
    {TEXT_NET, SA_PARSE, CONV("bias_term: yes"), "2: layer 'l' (Convolution): 'bias_term' needs true or false, not yes"},
    {TEXT_NET, SA_PARSE, CONV("engine: cudnn"),
     "2: layer 'l' (Convolution): 'engine' cannot be cudnn; it is one of DEFAULT, CAFFE, CUDNN"},
    {TEXT_NET, SA_PARSE, LAYER("Pooling", "pooling_param { pool: 'MAX' }"),
     "2: layer 'l' (Pooling): 'pool' needs a name without quotes, not \"MAX\""},
    {TEXT_NET, SA_UNSUPPORTED, LAYER("BN", "bn_param { momentum: 0.9 }"),
     "2: layer 'l' (BN): 'momentum' is not supported: SegNet's BN keeps no running statistics"},
    {TEXT_NET, SA_INVALID, PAIR("Upsample", "upsample_param { scale: 1 }"),
     "1: layer 'l' (Upsample): scale 1 x 1; both must be at least 2"},
    {TEXT_NET, SA_INVALID, PAIR("Upsample", "upsample_param { scale: 3 pad_out_h: true }"),
     "1: layer 'l' (Upsample): 'pad_out_h' needs scale 2, not 3"},
    {TEXT_NET, SA_INVALID, PAIR("Upsample", "upsample_param { scale_h: 2 }"),
     "1: layer 'l' (Upsample): 'scale_h' and 'scale_w' need each other"},
    {TEXT_NET, SA_PARSE, LAYER("Dropout", "dropout_param { dropout_ratio: 1 }"),
     "2: layer 'l' (Dropout): 'dropout_ratio' is 1; it must be at most 0.999"},
    {TEXT_NET, SA_PARSE, PAIR("SoftmaxWithLoss", "loss_param { class_weighting: -1 }"),
     "2: layer 'l' (SoftmaxWithLoss): 'class_weighting' is -1; it must be at least 0"},
    {TEXT_NET, SA_PARSE, PAIR("Accuracy", "accuracy_param { top_k: 0 }"),
     "2: layer 'l' (Accuracy): 'top_k' is 0; it must be at least 1"},
    {TEXT_NET, SA_INVALID, SOURCE("DummyData", "dummy_data_param { shape { dim: 1 } num: 1 }"),
     "1: layer 'l' (DummyData): give either 'shape' or 'num', 'channels', 'height', 'width', not both"},
    {TEXT_NET, SA_INVALID, SOURCE("DummyData", "dummy_data_param { shape { } shape { } }"),
     "1: layer 'l' (DummyData): 'shape' is given 2 times for 1 tops"},
    {TEXT_NET, SA_PARSE, SOURCE("DummyData", "dummy_data_param { shape { dim: 3000000000 } }"),
     "2: layer 'l' (DummyData): 'dim' is 3000000000; it must be at most 2147483647"},
    {TEXT_NET, SA_PARSE, IMAGES("dense_image_data_param { batch_size: 0 }"),
     "2: layer 'l' (DenseImageData): 'batch_size' is 0; it must be at least 1"},
    {TEXT_NET, SA_PARSE, IMAGES("dense_image_data_param { rand_skip: -1 }"),
     "2: layer 'l' (DenseImageData): 'rand_skip' is -1; it must not be negative"},
    {TEXT_NET, SA_UNSUPPORTED, IMAGES("transform_param { mirror: true }"),
     "2: layer 'l' (DenseImageData): 'mirror: true' is not supported: it would not mirror the labels; give "
     "dense_image_data_param's own "
     "mirror"},
    /* solver files */
    {TEXT_SOLVER, SA_PARSE, "base_lr: 0.1 lr_policy: 'fixed'", "1: solver: 'net', the file of the net to train, is missing"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' lr_policy: 'fixed'", "1: solver: 'base_lr', the learning rate, is missing"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 0.1", "1: solver: 'lr_policy' is missing; \"fixed\" keeps base_lr"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("train_net: 'm'"), "1: solver: give either 'net' or 'train_net', not both"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("base_rl: 0.1"), "1: solver: unknown field 'base_rl'; did you mean 'base_lr'?"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("base_lr: 0.2"), "2: solver: 'base_lr' is given twice"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n'\nbase_lr: -0.1", "2: solver: 'base_lr' is -0.1; it must be at least 0"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1\nlr_policy: 'steps'",
     "2: solver: 'lr_policy' cannot be steps; it is one of fixed, step, exp, inv, multistep, poly, sigmoid; did you mean 'step'?"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1\nlr_policy: 'step' gamma: 0.1",
     "2: solver: lr_policy \"step\" needs a 'stepsize' of at least 1"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1\nlr_policy: 'step' gamma: 0.1\nstepsize: 0",
     "3: solver: lr_policy \"step\" needs a 'stepsize' of at least 1"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1 lr_policy: 'step' stepsize: 5", "1: solver: lr_policy \"step\" needs 'gamma'"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1 lr_policy: 'exp'\ngamma: -1",
     "2: solver: 'gamma' is -1; lr_policy \"exp\" needs it to be at least 0"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1 lr_policy: 'inv' gamma: 1", "1: solver: lr_policy \"inv\" needs 'power'"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1 lr_policy: 'poly' power: 1",
     "1: solver: lr_policy \"poly\" needs a 'max_iter' of at least 1"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1 lr_policy: 'multistep' gamma: 1",
     "1: solver: lr_policy \"multistep\" needs at least one 'stepvalue'"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1 lr_policy: 'multistep' gamma: 1\nstepvalue: [5, 4]",
     "2: solver: stepvalue 4 follows 5; they must ascend"},
    {TEXT_SOLVER, SA_PARSE, "net: 'n' base_lr: 1 lr_policy: 'sigmoid' gamma: -1",
     "1: solver: lr_policy \"sigmoid\" needs 'stepsize', the step where the rate is half of base_lr"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("momentum: 1.5"), "1: solver: 'momentum' is 1.5; it must be at most 1"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("weight_decay: -1e-4"), "1: solver: 'weight_decay' is -1e-4; it must be at least 0"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("max_iter: -1"), "1: solver: 'max_iter' is -1; it must be at least 0"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("max_iter: 2147483648"), "1: solver: 'max_iter' is 2147483648; it must be at most 2147483647"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("average_loss: 0"), "1: solver: 'average_loss' is 0; it must be at least 1"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("random_seed: 9223372036854775808"),
     "1: solver: 'random_seed' is 9223372036854775808; it must be from -9223372036854775808 to 9223372036854775807"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("solver_mode: 'GPU'"), "1: solver: 'solver_mode' needs a name without quotes, not \"GPU\""},
    {TEXT_SOLVER, SA_PARSE, SOLVER("iter_size: 0"), "1: solver: 'iter_size' is 0; it must be at least 1"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("momentum2: 2"), "1: solver: 'momentum2' is 2; it must be at most 1"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("clip_gradients: 0"),
     "1: solver: 'clip_gradients: 0' would make every gradient 0; a negative value turns clipping off"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("type: 'AdaGrad'\nmomentum: 0.9"),
     "2: solver: type \"AdaGrad\" has no momentum: leave 'momentum' out"},
    {TEXT_SOLVER, SA_PARSE, SOLVER("solver_type: RMSPROP momentum: 0.5"),
     "1: solver: type \"RMSProp\" has no momentum: leave 'momentum' out"},
};

static void every_row_gives_its_message(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[1024];
        snprintf(expected, sizeof expected, "bad.prototxt:%s", rows[i].message);
        sa_error_clear();
        sa_status status = read_text(rows[i].kind, "bad.prototxt", rows[i].text, strlen(rows[i].text));
        if (status == rows[i].status && strcmp(sa_error_message(), expected) == 0) continue;
        wrong++;
        print_error("%s\n  expected %s %s\n  got      %s %s\n", rows[i].text, sa_status_name(rows[i].status), expected,
                    sa_status_name(status), sa_error_message());
    }
    assert_int_equal(wrong, 0);
}

static void nul_bytes_are_refused(void **state)
{
    (void)state;
    assert_int_equal(read_text(TEXT_FORM, "bad.prototxt", "a: 1\nb\0: 2", 10), SA_PARSE);
    assert_string_equal(sa_error_message(), "bad.prototxt:2: the file contains a NUL byte; it is not a text file");
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[3 * (SA_PROTO_MAX_DEPTH + 1) + 1];
    for (int i = 0; i <= SA_PROTO_MAX_DEPTH; i++) memcpy(text + 3 * i, "a{\n", 3);
    text[sizeof text - 1] = '\0';
    assert_int_equal(read_text(TEXT_FORM, "bad.prototxt", text, sizeof text - 1), SA_PARSE);
    assert_string_equal(sa_error_message(), "bad.prototxt:65: messages are nested more than 64 deep");
}

static void size_is_limited(void **state)
{
    (void)state;
    size_t length = SA_PROTO_MAX_BYTES + 1;
    char *text = malloc(length);
    assert_non_null(text);
    memset(text, ' ', length);
    assert_int_equal(read_text(TEXT_FORM, "big.prototxt", text, length - 1), SA_OK);
    assert_int_equal(read_text(TEXT_FORM, "big.prototxt", text, length), SA_PARSE);
    assert_non_null(strstr(sa_error_message(), "more than 4194304 bytes"));
    free(text);
}

static void too_many_layers_are_refused(void **state)
{
    (void)state;
    static const char form[] = "layer{name:'%04d'type:'DummyData'top:'%04d'dummy_data_param{num:1 channels:1 height:1 width:1}}\n";
    size_t bytes = (size_t)snprintf(NULL, 0, form, 0, 0), length = bytes * (SA_SPEC_LAYERS_MAX + 1);
    char *text = malloc(length + 1);
    assert_non_null(text);
    for (int i = 0; i <= SA_SPEC_LAYERS_MAX; i++) { /* four digits each, so all are equally long */
        int written = snprintf(text + (size_t)i * bytes, length + 1 - (size_t)i * bytes, form, i % 10000, i % 10000);
        assert_int_equal(written, bytes);
    }
    assert_int_equal(read_text(TEXT_NET, "big.prototxt", text, length - bytes), SA_OK);
    assert_int_equal(read_text(TEXT_NET, "big.prototxt", text, length), SA_UNSUPPORTED);
    assert_string_equal(sa_error_message(), "big.prototxt:1: the net has 4097 layers; at most 4096 are supported");
    free(text);
}

static void long_names_are_refused(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "name: '%0*d'", SA_SPEC_NAME_BYTES, 0);
    assert_int_equal(read_text(TEXT_NET, "bad.prototxt", text, strlen(text)), SA_PARSE);
    assert_string_equal(sa_error_message(), "bad.prototxt:1: 'name' has 96 bytes; at most 95 are supported");
}

static void missing_files_are_io_errors(void **state)
{
    (void)state;
    sa_proto_document *document = NULL;
    sa_solver_config config = {.display = 77};
    assert_int_equal(sa_proto_parse_file("/nowhere/net.prototxt", &document), SA_IO);
    assert_string_equal(sa_error_message(), "/nowhere/net.prototxt: cannot open: No such file or directory");
    assert_int_equal(sa_proto_parse_file("/", &document), SA_IO);
    assert_string_equal(sa_error_message(), "/: it is a folder; a file is needed");
    assert_null(document);
    assert_int_equal(sa_solver_config_load("/nowhere/solver.prototxt", &config), SA_IO);
    assert_int_equal(config.display, 77);
}

/* ---- mutations ---- */

static const char *const seeds[] = {
    "name: 'n' input: \"data\" input_dim: [1, 3, 15, 16] input: 'label' input_dim: [1, 1, 15, 16] force_backward: true state { "
    "phase: TRAIN level: 1 stage: 's' }\n"
    "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c' param { lr_mult: 1 decay_mult: 1 } param < lr_mult: 2 >\n"
    "  include { phase: TRAIN min_level: 0 } convolution_param { num_output: 8 kernel_size: 7 pad: 3\n"
    "  weight_filler { type: 'msra' variance_norm: FAN_OUT } bias_filler { type: \"constant\" value: -.5e-2 } engine: CAFFE } }\n"
    "layer { name: 'p' type: 'Pooling' bottom: 'c' top: 'p' top: 'm' pooling_param { pool: MAX kernel_h: 2 kernel_w: 2 stride: [2, "
    "2] } "
    "}\n"
    "layer { name: 'u' type: 'Upsample' bottom: 'p' bottom: 'm' top: 'u' upsample_param { scale: 2 pad_out_h: true } }\n"
    "layer { name: 'l' type: 'SoftmaxWithLoss' bottom: 'u' bottom: 'label' top: 'l' softmax_param { engine: CAFFE } loss_param: {\n"
    "  weight_by_label_freqs: true ignore_label: 11 class_weighting: 0.2595 class_weighting: [1, 2, 3, 4, 5, 6, 2.5] } } # the end",
    "layer { name: 'd' type: 'DummyData' top: 'data' top: 'label' dummy_data_param { shape { dim: 2 dim: 4 } shape { dim: 1 }\n"
    "  data_filler { type: 'gaussian' std: 0.1 } } }\n"
    "layer { name: 'i' type: 'DenseImageData' top: 'x' top: 'y' dense_image_data_param { source: \"\\x74rain\\056txt\" 'b' "
    "batch_size: 4\n"
    "  shuffle: true } transform_param { scale: 0.5 mean_value: 104 } }\n"
    "layer { name: 'b' type: 'BN' bottom: 'x' top: 'x' bn_param { scale_filler { value: 1 } bn_mode: INFERENCE } }",
    "net: \"net.prototxt\"\nbase_lr: 0.1\nlr_policy: \"multistep\"\ngamma: 0.5\nstepvalue: 2\nstepvalue: 0x10\nmomentum: 0.9\n"
    "weight_decay: 0.0005\nmax_iter: 5\ndisplay: 0\nsnapshot: 0; snapshot_after_train: false, random_seed: 1\nsolver_mode: CPU\n",
};
static const char *const snippets[] = {"{",   "}",    "<",      ">",          "[",     "]",      ":",       ",",   ";",
                                       "\"",  "'",    "\\",     "#",          "\n",    "-",      "0x",      "1e9", "1e999",
                                       "nan", "inf",  "-1",     "4294967296", "layer", "layers", "a: 'b' ", "\\0", "\\x8",
                                       "\0",  "\xff", "layer{", "'''",        "1f",    "true"};

/* xorshift32: the same texts in every run */
static uint32_t next_random(uint32_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

/* One change to text (length bytes of a larger buffer); returns the new length. */
static size_t mutate(char *text, size_t length, size_t capacity, uint32_t *random)
{
    size_t at = next_random(random, (uint32_t)length + 1), span = next_random(random, 24);
    if (span > length - at) span = length - at;
    switch (next_random(random, 5)) {
    case 0: /* a byte changes */
        if (at < length) text[at] = (char)next_random(random, 256);
        return length;
    case 1: /* a piece goes */ memmove(text + at, text + at + span, length - at - span); return length - span;
    case 2: /* a piece comes twice */
        if (length + span > capacity) return length;
        memmove(text + at + span, text + at, length - at);
        return length + span;
    case 3: return next_random(random, 8) ? length : at; /* the rest goes, now and then */
    default: {
        const char *snippet = snippets[next_random(random, sizeof snippets / sizeof snippets[0])];
        size_t bytes = snippet[0] ? strlen(snippet) : 1;
        if (length + bytes > capacity) return length;
        memmove(text + at + bytes, text + at, length - at);
        memcpy(text + at, snippet, bytes);
        return length + bytes;
    }
    }
}

static void mutations_end_in_a_message(void **state)
{
    (void)state;
    enum { ROUNDS = 6000, CAPACITY = 8192 };
    uint32_t random = 2463534242u;
    int sound = 0, refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const char *seed = seeds[round % 3];
        size_t length = strlen(seed);
        char *text = malloc(CAPACITY);
        assert_non_null(text);
        memcpy(text, seed, length);
        for (uint32_t changes = 1 + next_random(&random, 3); changes; changes--) length = mutate(text, length, CAPACITY, &random);
        char *exact = malloc(length + 1); /* so that a sanitizer sees a read past the end */
        assert_non_null(exact);
        memcpy(exact, text, length);
        sa_error_clear();
        sa_status status = read_text(round % 3 == 2 ? TEXT_SOLVER : TEXT_NET, "mutated.prototxt", exact, length);
        if (status != SA_OK) assert_memory_equal(sa_error_message(), "mutated.prototxt:", 17);
        sound += status == SA_OK;
        refused += status != SA_OK;
        free(exact);
        free(text);
    }
    assert_true(sound > ROUNDS / 20); /* the mutations are not so wild that only the first byte is ever read */
    assert_true(refused > ROUNDS / 4);
}

static void seeds_are_sound(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        sa_error_clear();
        (void)!read_text(i == 2 ? TEXT_SOLVER : TEXT_NET, "seed.prototxt", seeds[i], strlen(seeds[i]));
        assert_string_equal(sa_error_message(), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_gives_its_message),
        cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(too_many_layers_are_refused),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(missing_files_are_io_errors),
        cmocka_unit_test(seeds_are_sound),
        cmocka_unit_test(mutations_end_in_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
