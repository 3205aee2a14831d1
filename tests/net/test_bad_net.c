/* Nets whose text is sound but which cannot be built: connections, shapes, counts. Each row is one net and the whole message. */
#include "tests/support/read_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct bad_net {
    sa_status status;
    const char *text;    /* after INPUTS, so from line 2 on */
    const char *message; /* after "bad.prototxt:" */
} bad_net;

/* Line 1 of every net. */
#define INPUTS                                                                                                                     \
    "input: ['data', 'label', 'flat'] input_shape { dim: [2, 4, 16, 16] } input_shape { dim: [2, 1, 16, 16] } input_shape { dim: " \
    "[2, 4] }\n"
#define LAYER(name, type, wires, body) "layer { name: '" name "' type: '" type "' " wires " " body " }\n"
#define FROM(bottom, top) "bottom: '" bottom "' top: '" top "'"
#define CONV(name, bottom, body) \
    LAYER(name, "Convolution", FROM(bottom, name), "convolution_param { num_output: 3 kernel_size: 3 pad: 1 " body " }")
#define LOSS(scores, body) LAYER("loss", "SoftmaxWithLoss", "bottom: '" scores "' bottom: 'label' top: 'loss'", body)
#define POOL(tops, body) LAYER("p", "Pooling", "bottom: 'data' " tops, "pooling_param { " body " }")
#define BIG "[2147483647, 2147483647, 2147483647, 2147483647]"

#define AGAIN "; only a layer that has it as its bottom may write it again"

static const bad_net rows[] = {
    /* types and connections */
    {SA_UNSUPPORTED, LAYER("d", "Convolutoin", FROM("data", "d"), ""),
     "2: layer 'd' (Convolutoin): unknown layer type 'Convolutoin'; did you mean 'Convolution'?"},
    {SA_INVALID, LAYER("b", "BatchNorm", FROM("data", "b"), "param { lr_mult: 0 } param { }"),
     "2: layer 'b' (BatchNorm): lr_mult of parameter 1 is 1; the running sums are no weights: it must be 0"},
    {SA_INVALID, LAYER("c", "Clip", FROM("data", "c"), "clip_param { min: 0 }"),
     "2: layer 'c' (Clip): clip_param needs 'min' and 'max'"},
    {SA_INVALID, LAYER("s", "Eltwise", FROM("data", "d"), ""), "2: layer 's' (Eltwise): has 1 bottoms, needs 2 to 32"},
    {SA_INVALID, CONV("c", "dta", ""), "2: layer 'c' (Convolution): unknown bottom 'dta': no earlier layer has it as a top"},
    {SA_INVALID, CONV("c", "d", "") CONV("d", "data", ""),
     "2: layer 'c' (Convolution): unknown bottom 'd': no earlier layer has it as a top"},
    {SA_INVALID, CONV("c", "data", "") LAYER("r", "ReLU", FROM("data", "c"), ""),
     "3: layer 'r' (ReLU): top 'c' is made by layer 'c' already (line 2)" AGAIN},
    {SA_INVALID, LAYER("r", "ReLU", FROM("flat", "data"), ""),
     "2: layer 'r' (ReLU): top 'data' is made by layer 'input' already (line 1)" AGAIN},
    {SA_INVALID, POOL("top: 'x' top: 'x'", "kernel_size: 2"),
     "2: layer 'p' (Pooling): top 'x' is made by layer 'p' already (line 2)" AGAIN},
    {SA_INVALID, CONV("c", "data", "") CONV("c", "data", ""),
     "3: layer 'c' (Convolution): top 'c' is made by layer 'c' already (line 2)" AGAIN},
    /* names of other types are no misspellings, fields of unknown types no unknown fields; all are told at once */
    {SA_UNSUPPORTED, LAYER("u", "ROIPooling", FROM("data", "u"), "unpooling_param { unpool: TILE }"),
     "2: layer 'u' (ROIPooling): ROIPooling is a layer type of Caffe forks that segarena does not support"},
    {SA_UNSUPPORTED, LAYER("r", "LSTM", FROM("data", "r"), ""),
     "2: layer 'r' (LSTM): LSTM is a layer type of Caffe that segarena does not support"},
    {SA_UNSUPPORTED,
     CONV("c", "dta", "") LAYER("n", "Proposal", FROM("c", "n"), "norm_param { }") LAYER("x", "Xyzzy", FROM("n", "x"), "")
         LAYER("p", "PriorBox", FROM("x", "p"), ""),
     "3: layer 'n' (Proposal): Proposal is a layer type of Caffe forks that segarena does not support; 2 more are not "
     "supported: line 4 'x' (Xyzzy), line 5 'p' (PriorBox)"},
    {SA_UNSUPPORTED, LAYER("d", "Data", "top: 'd'", "data_param { source: 'x' batch_size: 4 }"),
     "2: layer 'd' (Data): the shape of 'd' is not known: 'x' is a LevelDB database, which is not read (LMDB is); give it with "
     "--input d=N,C,H,W, or put an Input or DummyData layer with the shape in its place"},
    /* masks */
    {SA_INVALID,
     POOL("top: 'p' top: 'm'", "kernel_size: 2 stride: 2")
         LAYER("u", "Upsample", "bottom: 'p' bottom: 'p' top: 'u'", "upsample_param { scale: 2 }"),
     "3: layer 'u' (Upsample): its second bottom 'p', a top of layer 'p' (Pooling), is no mask: it has to be the second top of a "
     "Pooling"},
    {SA_INVALID,
     POOL("top: 'p' top: 'm'", "kernel_size: 2 stride: 2")
         LAYER("u", "Upsample", "bottom: 'p' bottom: 'm' top: 'u'", "upsample_param { scale: 2 pad_out_h: true }"),
     "3: layer 'u' (Upsample): makes a plane of 15x16, but its mask 'm' has places in the 16x16 plane of 'data', which layer 'p' "
     "pools; say upsample_h: 16 upsample_w: 16"},
    {SA_INVALID,
     LAYER("c", "Convolution", FROM("data", "c"), "convolution_param { num_output: 3 kernel_size: 2 pad: 1 }")
         LAYER("p", "Pooling", "bottom: 'c' top: 'p' top: 'm'", "pooling_param { kernel_size: 2 stride: 2 }")
             LAYER("u", "Upsample", "bottom: 'p' bottom: 'm' top: 'u'", "upsample_param { scale: 2 }"),
     "4: layer 'u' (Upsample): makes a plane of 18x18, but its mask 'm' has places in the 17x17 plane of 'c', which layer 'p' "
     "pools; say upsample_h: 17 upsample_w: 17, or pad_out_h: true pad_out_w: true"},
    {SA_INVALID, CONV("data", "data", ""), "2: layer 'data' (Convolution): cannot work in place: top 'data' is its bottom"},
    {SA_INVALID, LAYER("r", "ReLU", "top: 'r'", ""), "2: layer 'r' (ReLU): has 0 bottoms, needs 1"},
    {SA_INVALID, LAYER("r", "ReLU", "bottom: 'data' bottom: 'label' top: 'r'", ""), "2: layer 'r' (ReLU): has 2 bottoms, needs 1"},
    {SA_INVALID, LAYER("u", "Upsample", FROM("data", "u"), "upsample_param { scale: 2 }"),
     "2: layer 'u' (Upsample): has 1 bottoms, needs 2"},
    {SA_INVALID, LAYER("s", "Silence", FROM("data", "s"), ""), "2: layer 's' (Silence): has 1 tops, needs 0"},
    {SA_INVALID, LAYER("a", "Accuracy", "bottom: 'data' bottom: 'label' top: 'a' top: 'b' top: 'c'", ""),
     "2: layer 'a' (Accuracy): has 3 tops, needs 1 to 2"},
    {SA_INVALID, LAYER("b", "BN", "bottom: 'data' top: 'b' top: 'm'", ""),
     "2: layer 'b' (BN): has 2 tops, needs 1 (y) or 3 (y, mean, variance)"},
    {SA_UNSUPPORTED, LAYER("b", "BN", "bottom: 'data' top: 'b' top: 'm' top: 'v'", "bn_param { bn_mode: INFERENCE }"),
     "2: layer 'b' (BN): mean and variance tops need bn_mode LEARN"},
    {SA_UNSUPPORTED, LAYER("loss", "SoftmaxWithLoss", "bottom: 'data' bottom: 'label' top: 'loss' top: 'p'", ""),
     "2: layer 'loss' (SoftmaxWithLoss): a second top (the softmax) is not supported: use a Softmax layer"},
    {SA_INVALID, LOSS("data", "loss_weight: 1 loss_weight: 2"),
     "2: layer 'loss' (SoftmaxWithLoss): 'loss_weight' is given 2 times for 1 tops"},
    {SA_INVALID, LAYER("i", "Input", "top: 'i'", ""), "2: layer 'i' (Input): 'shape' is given 0 times for 1 tops"},
    {SA_INVALID, LAYER("i", "Input", "top: 'i' top: 'j' top: 'k'", "input_param { shape { dim: 1 } shape { dim: 1 } }"),
     "2: layer 'i' (Input): 'shape' is given 2 times for 3 tops"},
    {SA_INVALID, "input: 'data' input_shape { dim: 1 }" LAYER("r", "ReLU", FROM("data", "r"), ""),
     "1: layer 'input' (Input): top 'data' is made by layer 'input' already (line 1)" AGAIN},
    /* shapes */
    {SA_INVALID, LAYER("c", "Convolution", FROM("flat", "c"), "convolution_param { num_output: 3 kernel_size: 3 }"),
     "2: layer 'c' (Convolution): bottom 'flat' has 2 axes, needs 4 (N, C, H, W)"},
    {SA_INVALID, LAYER("c", "Convolution", FROM("data", "c"), "convolution_param { kernel_size: 3 }"),
     "2: layer 'c' (Convolution): num_output is missing"},
    {SA_INVALID, LAYER("c", "Convolution", FROM("data", "c"), "convolution_param { num_output: 3 kernel_size: 21 pad: 2 }"),
     "2: layer 'c' (Convolution): kernel 21x21 is larger than 'data' with pad: 16x16 + 2*2x2"},
    {SA_PARSE, LAYER("c", "Convolution", FROM("data", "c"), "convolution_param { num_output: 3 kernel_size: 1 pad: 2147483647 }"),
     "2: layer 'c' (Convolution): 'pad' is 2147483647; it must be at most 65535"},
    {SA_INVALID, POOL("top: 'x'", "kernel_size: 2 stride: 2 pad: 2"),
     "2: layer 'p' (Pooling): pad 2x2 must be smaller than the kernel 2x2"},
    {SA_INVALID, POOL("top: 'x'", "kernel_size: 17"),
     "2: layer 'p' (Pooling): kernel 17x17 is larger than 'data' with pad: 16x16 + 2*0x0"},
    {SA_INVALID, POOL("top: 'x'", "kernel_size: 3 pad_h: 1 pad_w: 3"),
     "2: layer 'p' (Pooling): pad 1x3 must be smaller than the kernel 3x3"},
    {SA_INVALID,
     POOL("top: 'x' top: 'm'", "kernel_size: 2 stride: 2") LAYER("u", "Upsample", "bottom: 'data' bottom: 'm' top: 'u'", ""),
     "3: layer 'u' (Upsample): mask 'm' is 2x4x8x8, 'data' is 2x4x16x16: shapes must be equal"},
    {SA_INVALID, LAYER("u", "Upsample", "bottom: 'data' bottom: 'flat' top: 'u'", ""),
     "2: layer 'u' (Upsample): bottom 'flat' has 2 axes, needs 4 (N, C, H, W)"},
    {SA_PARSE, LAYER("u", "Upsample", "bottom: 'data' bottom: 'data' top: 'u'", "upsample_param { scale: 200000000 }"),
     "2: layer 'u' (Upsample): 'scale' is 200000000; it must be at most 65535"},
    {SA_INVALID, LAYER("n", "LRN", FROM("data", "n"), "lrn_param { local_size: 4 }"),
     "2: layer 'n' (LRN): local_size 4: must be odd and positive"},
    {SA_INVALID, LAYER("n", "LRN", FROM("flat", "n"), ""), "2: layer 'n' (LRN): bottom 'flat' has 2 axes, needs 4 (N, C, H, W)"},
    {SA_INVALID, LAYER("loss", "SoftmaxWithLoss", "bottom: 'data' bottom: 'data' top: 'loss'", ""),
     "2: layer 'loss' (SoftmaxWithLoss): label 'data' is 2x4x16x16, scores 'data' of 2x4x16x16 need a label of 2x1x16x16"},
    {SA_INVALID, POOL("top: 'x'", "kernel_size: 2 stride: 2") LOSS("x", ""),
     "3: layer 'loss' (SoftmaxWithLoss): label 'label' is 2x1x16x16, scores 'x' of 2x4x8x8 need a label of 2x1x8x8"},
    {SA_INVALID, LOSS("data", "loss_param { weight_by_label_freqs: true class_weighting: [1, 2, 3] }"),
     "2: layer 'loss' (SoftmaxWithLoss): 3 class_weighting values for 4 classes"},
    {SA_INVALID, LAYER("a", "Accuracy", "bottom: 'data' bottom: 'label' top: 'a'", "accuracy_param { top_k: 5 }"),
     "2: layer 'a' (Accuracy): top_k 5 is not between 1 and the 4 classes"},
    {SA_INVALID, LAYER("i", "Input", "top: 'i'", "input_param { shape { dim: " BIG " } }"),
     "2: layer 'i' (Input): a shape of 2147483647x2147483647x2147483647x2147483647 is too large to address"},
    {SA_INVALID,
     LAYER("i", "Input", "top: 'i'", "input_param { shape { dim: [1, 1, 2147483647, 2147483647] } }")
         LAYER("c", "Convolution", FROM("i", "c"), "convolution_param { num_output: 1048576 kernel_size: 1 }"),
     "3: layer 'c' (Convolution): a shape of 1x1048576x2147483647x2147483647 is too large to address"},
};

static void every_net_gives_its_message(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[1024], text[2048];
        snprintf(expected, sizeof expected, "bad.prototxt:%s", rows[i].message);
        int length = snprintf(text, sizeof text, "%s%s", INPUTS, rows[i].text);
        assert_true(length > 0 && length < (int)sizeof text);
        sa_error_clear();
        sa_status status = read_text(TEXT_NET, "bad.prototxt", text, (size_t)length);
        if (status == rows[i].status && strcmp(sa_error_message(), expected) == 0) continue;
        wrong++;
        print_error("%s\n  expected %s %s\n  got      %s %s\n", text, sa_status_name(rows[i].status), expected,
                    sa_status_name(status), sa_error_message());
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_net_gives_its_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
