/* The small nets, as prototxt texts put together from one macro a layer. Blob names are layer names, but for layers in place. */
#include "tests/support/small_nets.h"

#include <string.h>

#define LAYER(name, type, rest) "layer { name: '" name "' type: '" type "' " rest " }\n"
#define INPUT(data, label) \
    LAYER("input", "DummyData", "top: 'data' top: 'label' dummy_data_param { shape { " data " } shape { " label " } }")
#define DIM(n, c, h, w) "dim: " #n " dim: " #c " dim: " #h " dim: " #w
#define LRN(name, bottom) \
    LAYER(name, "LRN", "bottom: '" bottom "' top: '" name "' lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
#define CONV_LIKE(name, bottom, more) \
    LAYER(name, "Convolution", "bottom: '" bottom "' top: '" name "' convolution_param { weight_filler { type: 'msra' } " more " }")
#define CONV(name, bottom, outputs, kernel, padding) \
    CONV_LIKE(name, bottom,                          \
              "bias_filler { type: 'constant' value: 0.1 } num_output: " #outputs " kernel_size: " #kernel " pad: " #padding)
#define BN_FILLERS "scale_filler { type: 'constant' value: 1.1 } shift_filler { type: 'constant' value: 0.05 } "
#define BN(name, blob) LAYER(name, "BN", "bottom: '" blob "' top: '" blob "' bn_param { " BN_FILLERS " }")
#define RELU(name, blob) LAYER(name, "ReLU", "bottom: '" blob "' top: '" blob "'")
#define LEVEL(i, bottom, outputs, kernel, padding) \
    CONV("conv" i, bottom, outputs, kernel, padding) BN("bn" i, "conv" i) RELU("relu" i, "conv" i)
#define POOL(name, bottom, kernel, step)                                                                              \
    LAYER(name, "Pooling",                                                                                            \
          "bottom: '" bottom "' top: '" name "' top: '" name "_mask' pooling_param { pool: MAX kernel_size: " #kernel \
          " stride: " #step " }")
#define POOL_NO_MASK(name, bottom) \
    LAYER(name, "Pooling", "bottom: '" bottom "' top: '" name "' pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
#define UPSAMPLE(name, bottom, mask, size) \
    LAYER(name, "Upsample", "bottom: '" bottom "' bottom: '" mask "' top: '" name "' upsample_param { " size " }")
#define DROPOUT(name, blob, more) \
    LAYER(name, "Dropout", "bottom: '" blob "' top: '" blob "' dropout_param { dropout_ratio: 0.4 " more " }")
#define LOSS(name, scores, more) LAYER(name, "SoftmaxWithLoss", "bottom: '" scores "' bottom: 'label' top: '" name "' " more)
#define ACCURACY(scores) LAYER("accuracy", "Accuracy", "bottom: '" scores "' bottom: 'label' top: 'accuracy' top: 'per_class'")
#define HEAD(bottom, classes) CONV("classifier", bottom, classes, 1, 0) LOSS("loss", "classifier", "") ACCURACY("classifier")

/* As little as trains. */
static const char THREE[] = INPUT(DIM(1, 2, 4, 8), DIM(1, 1, 4, 8)) CONV("conv", "data", 3, 3, 1) LOSS("loss", "conv", "");

/* Two convolutions a level on both sides, ReLU in the decoder too, no LRN. */
static const char VGG[] = INPUT(DIM(2, 3, 16, 24), DIM(2, 1, 16, 24)) LEVEL("1a", "data", 6, 3, 1) LEVEL("1b", "conv1a", 6, 3, 1)
    POOL("pool1", "conv1b", 2, 2) LEVEL("2a", "pool1", 7, 3, 1) LEVEL("2b", "conv2a", 7, 3, 1) POOL("pool2", "conv2b", 2, 2)
        UPSAMPLE("up2", "pool2", "pool2_mask", "scale: 2") LEVEL("d2b", "up2", 7, 3, 1) LEVEL("d2a", "convd2b", 6, 3, 1)
            UPSAMPLE("up1", "convd2a", "pool1_mask", "scale: 2") LEVEL("d1b", "up1", 6, 3, 1) LEVEL("d1a", "convd1b", 5, 3, 1)
                HEAD("convd1a", 4);

/* Planes of odd sizes: windows that stick out, and Upsamples that grow by a row or a column less than twice. */
static const char ODD[] = INPUT(DIM(2, 3, 13, 18), DIM(2, 1, 13, 18)) LRN("norm", "data") LEVEL("1", "norm", 8, 7, 3)
    POOL("pool1", "conv1", 2, 2) LEVEL("2", "pool1", 6, 7, 3) POOL("pool2", "conv2", 2, 2)
        UPSAMPLE("up2", "pool2", "pool2_mask", "scale: 2 pad_out_h: true pad_out_w: true") CONV("d2", "up2", 8, 7, 3)
            BN("bnd2", "d2") UPSAMPLE("up1", "d2", "pool1_mask", "scale: 2 pad_out_h: true") CONV("d1", "up1", 8, 7, 3)
                BN("bnd1", "d1") HEAD("d1", 11);

/* Bayesian SegNet's Dropout: after a pooling, after a BN, after a ReLU, below the classifier. */
static const char DROPOUTS[] = INPUT(DIM(2, 4, 16, 20), DIM(2, 1, 16, 20)) LRN("norm", "data") LEVEL("1", "norm", 8, 5, 2)
    DROPOUT("drop1", "conv1", "") POOL("pool1", "conv1", 2, 2) DROPOUT("dropp", "pool1", "") LEVEL("2", "pool1", 6, 3, 1)
        POOL("pool2", "conv2", 2, 2) UPSAMPLE("up2", "pool2", "pool2_mask", "scale: 2") CONV("d2", "up2", 8, 5, 2) BN("bnd2", "d2")
            DROPOUT("drop2", "d2", "") UPSAMPLE("up1", "d2", "pool1_mask", "scale: 2") CONV("d1", "up1", 5, 3, 1) BN("bnd1", "d1")
                DROPOUT("drop3", "d1", "") HEAD("d1", 3);

/* No BN at all: ReLU on a convolution, a convolution pooled as it is, one without bias and with a stride. */
static const char PLAIN[] = INPUT(DIM(1, 3, 32, 40), DIM(1, 1, 16, 20))
    LAYER("scaled", "LRN", "bottom: 'data' top: 'scaled' lrn_param { local_size: 3 alpha: 1 beta: 0.75 }")
        CONV_LIKE("conv1", "scaled", "num_output: 6 kernel_size: 3 stride: 2 pad: 1 bias_term: false") RELU("relu1", "conv1")
            CONV("conv2", "conv1", 5, 3, 1) POOL("pool2", "conv2", 2, 2) RELU("relu2", "pool2") CONV("conv3", "pool2", 5, 3, 1)
                RELU("relu3", "conv3") UPSAMPLE("up2", "conv3", "pool2_mask", "scale: 2")
                    LAYER("crop", "Pooling",
                          "bottom: 'up2' top: 'crop' pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 }") HEAD("crop", 3);

/* Windows that overlap: one maximum may belong to several, so unpooled values collide. Upsample wants sizes that are no multiple.
 */
static const char OVERLAP[] = INPUT(DIM(2, 4, 17, 25), DIM(2, 1, 17, 25)) LRN("norm", "data") LEVEL("1", "norm", 12, 5, 2)
    POOL("pool1", "conv1", 3, 2) LEVEL("2", "pool1", 6, 3, 1) POOL("pool2", "conv2", 3, 2)
        UPSAMPLE("up2", "pool2", "pool2_mask", "scale: 2 upsample_h: 8 upsample_w: 12") CONV("d2", "up2", 12, 3, 1) BN("bnd2", "d2")
            UPSAMPLE("up1", "d2", "pool1_mask", "scale: 2 upsample_h: 17 upsample_w: 25") CONV("d1", "up1", 6, 3, 1)
                BN("bnd1", "d1") HEAD("d1", 3);

/* BN, ReLU and Dropout right behind an Upsample, and an Upsample that the classifier reads. */
static const char UP_BN[] = INPUT(DIM(2, 3, 16, 16), DIM(2, 1, 16, 16)) LEVEL("1", "data", 6, 3, 1) POOL("pool1", "conv1", 2, 2)
    LEVEL("2", "pool1", 6, 3, 1) POOL("pool2", "conv2", 2, 2) UPSAMPLE("up2", "pool2", "pool2_mask", "scale: 2") BN("bnu2", "up2")
        RELU("reluu2", "up2") CONV("d2", "up2", 6, 3, 1) RELU("relud2", "d2") UPSAMPLE("up1", "d2", "pool1_mask", "scale: 2")
            BN("bnu1", "up1") DROPOUT("dropu1", "up1", "") HEAD("up1", 3);

/* Two losses, one on a branch, of different weight; labels shared; a blob with gradients from two readers. */
static const char TWO_LOSSES[] =
    INPUT(DIM(2, 3, 12, 16), DIM(2, 1, 12, 16)) LEVEL("1", "data", 10, 3, 1) CONV("side", "conv1", 3, 1, 0)
        LOSS("side_loss", "side", "loss_weight: 0.4") POOL("pool1", "conv1", 2, 2) LEVEL("2", "pool1", 10, 3, 1)
            UPSAMPLE("up1", "conv2", "pool1_mask", "scale: 2") CONV("d1", "up1", 5, 3, 1) BN("bnd1", "d1") HEAD("d1", 3);

/* BN on the input itself, BN behind ReLU, BN behind ReLU and Dropout, all in place. */
static const char BN_LAST[] = INPUT(DIM(2, 3, 12, 16), DIM(2, 1, 12, 16)) BN("bn0", "data") CONV("conv1", "data", 6, 3, 1)
    RELU("relu1", "conv1") BN("bn1", "conv1") DROPOUT("drop1", "conv1", "") POOL("pool1", "conv1", 2, 2) BN("bnp", "pool1")
        CONV("conv2", "pool1", 6, 3, 1) RELU("relu2", "conv2") BN("bn2", "conv2") UPSAMPLE("up1", "conv2", "pool1_mask", "scale: 2")
            CONV("d1", "up1", 5, 3, 1) RELU("relud1", "d1") DROPOUT("drop2", "d1", "") BN("bnd1", "d1") RELU("again", "d1")
                HEAD("d1", 3);

/* A mask that two Upsamples read. */
static const char MASK_TWICE[] =
    INPUT(DIM(2, 3, 12, 16), DIM(2, 1, 12, 16)) LEVEL("1", "data", 6, 3, 1) POOL("pool1", "conv1", 2, 2)
        LEVEL("2", "pool1", 6, 3, 1) UPSAMPLE("up_a", "conv2", "pool1_mask", "scale: 2") CONV("da", "up_a", 6, 3, 1)
            BN("bnda", "da") RELU("reluda", "da") POOL_NO_MASK("pool_a", "da") CONV("mid", "pool_a", 6, 3, 1) BN("bnmid", "mid")
                UPSAMPLE("up_b", "mid", "pool1_mask", "scale: 2") CONV("db", "up_b", 5, 3, 1) BN("bndb", "db") HEAD("db", 3);

/* BN with its statistics as tops, BN in INFERENCE mode, tops of their own where nets usually work in place, LRN with a gradient. */
static const char OUT_OF_PLACE[] = INPUT(DIM(2, 3, 12, 16), DIM(2, 1, 12, 16)) CONV("conv1", "data", 6, 3, 1)
    LAYER("bn1", "BN", "bottom: 'conv1' top: 'bn1' top: 'bn1_mean' top: 'bn1_var' bn_param { " BN_FILLERS " }")
        LAYER("relu1", "ReLU", "bottom: 'bn1' top: 'relu1'") LRN("norm1", "relu1") POOL("pool1", "norm1", 2, 2)
            LAYER("quiet", "Silence", "bottom: 'bn1_mean' bottom: 'bn1_var'") CONV("conv2", "pool1", 6, 3, 1)
                LAYER("bn2", "BN", "bottom: 'conv2' top: 'conv2' bn_param { bn_mode: INFERENCE " BN_FILLERS " }")
                    RELU("relu2", "conv2") UPSAMPLE("up1", "conv2", "pool1_mask", "scale: 2") CONV("d1", "up1", 5, 3, 1)
                        LAYER("bnd1", "BN", "bottom: 'd1' top: 'bnd1' bn_param { bn_mode: INFERENCE " BN_FILLERS " }")
                            HEAD("bnd1", 3);

/* Layers that learn nothing: a frozen start (no backward pass there), a frozen convolution in the middle (dx alone). */
#define FROZEN_PARAMS "param { lr_mult: 0 decay_mult: 0 } param { lr_mult: 0 decay_mult: 0 } "
static const char FROZEN[] = INPUT(DIM(2, 3, 12, 16), DIM(2, 1, 12, 16))
    LAYER("conv1", "Convolution",
          "bottom: 'data' top: 'conv1' " FROZEN_PARAMS
          "convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } }")
        LAYER("bn1", "BN", "bottom: 'conv1' top: 'conv1' " FROZEN_PARAMS "bn_param { " BN_FILLERS " }") RELU("relu1", "conv1")
            POOL("pool1", "conv1", 2, 2) LEVEL("2", "pool1", 6, 3, 1)
                LAYER("conv3", "Convolution",
                      "bottom: 'conv2' top: 'conv3' " FROZEN_PARAMS
                      "convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } }")
                    LAYER("bn3", "BN", "bottom: 'conv3' top: 'conv3' " FROZEN_PARAMS "bn_param { " BN_FILLERS " }")
                        RELU("relu3", "conv3") UPSAMPLE("up1", "conv3", "pool1_mask", "scale: 2") CONV("d1", "up1", 5, 3, 1)
                            BN("bnd1", "d1") HEAD("d1", 3);

/* BVLC's pair for BN, in place and not, in levels as SegNet's; activations with and without parameters. */
#define BATCH_NORM(name, blob) LAYER(name, "BatchNorm", "bottom: '" blob "' top: '" blob "'")
#define SCALE(name, blob) LAYER(name, "Scale", "bottom: '" blob "' top: '" blob "' scale_param { bias_term: true }")
static const char BATCH_NORMS[] =
    INPUT(DIM(2, 3, 12, 16), DIM(2, 1, 12, 16)) CONV("conv1", "data", 20, 3, 1) BATCH_NORM("bn1", "conv1") SCALE("scale1", "conv1")
        RELU("relu1", "conv1") POOL("pool1", "conv1", 2, 2) CONV("conv2", "pool1", 6, 3, 1)
            LAYER("bn2", "BatchNorm", "bottom: 'conv2' top: 'bn2'") LAYER("scale2", "Scale", "bottom: 'bn2' top: 'scale2'")
                LAYER("act2", "PReLU", "bottom: 'scale2' top: 'act2'") CONV("conv3", "act2", 20, 3, 1) BATCH_NORM("bn3", "conv3")
                    LAYER("act3", "ELU", "bottom: 'conv3' top: 'conv3'") UPSAMPLE("up1", "conv3", "pool1_mask", "scale: 2")
                        CONV("d1", "up1", 5, 3, 1) LAYER("mvn", "MVN", "bottom: 'd1' top: 'd1'")
                            LAYER("actd", "TanH", "bottom: 'd1' top: 'd1'") SCALE("scaled", "d1") HEAD("d1", 3);

/* Blocks of a residual net, with and without a convolution on the short way; a sum of three, a product and a maximum. */
#define SUM(name, a, b) LAYER(name, "Eltwise", "bottom: '" a "' bottom: '" b "' top: '" name "'")
static const char RESIDUAL[] = INPUT(DIM(2, 3, 12, 16), DIM(2, 1, 12, 16)) CONV("c0", "data", 6, 3, 1) BATCH_NORM("bn0", "c0")
    SCALE("s0", "c0") RELU("r0", "c0") CONV("c1", "c0", 6, 3, 1) BATCH_NORM("bn1", "c1") SCALE("s1", "c1") SUM("sum1", "c0", "c1")
        RELU("r1", "sum1") CONV("c2", "sum1", 5, 3, 1) BATCH_NORM("bn2", "c2") SCALE("s2", "c2") CONV("short", "sum1", 5, 1, 0)
            SUM("sum2", "short", "c2") RELU("r2", "sum2") CONV("a", "sum2", 5, 3, 1) CONV("b", "sum2", 5, 1, 0)
                LAYER("sum3", "Eltwise", "bottom: 'a' bottom: 'b' bottom: 'sum2' top: 'sum3' eltwise_param { coeff: [1, 0.5, 1] }")
                    CONV("d", "sum3", 5, 3, 1)
                        LAYER("prod", "Eltwise", "bottom: 'd' bottom: 'sum3' top: 'prod' eltwise_param { operation: PROD }")
                            CONV("f", "prod", 5, 1, 0) CONV("g", "prod", 5, 1, 0)
                                LAYER("max", "Eltwise", "bottom: 'f' bottom: 'g' top: 'max' eltwise_param { operation: MAX }")
                                    HEAD("max", 3);

#define DEPLOY_INPUT(shape) "input: 'data'\ninput_shape { " shape " }\n"
#define SOFTMAX(bottom) LAYER("prob", "Softmax", "bottom: '" bottom "' top: 'prob'")
static const char DEPLOY[] =
    DEPLOY_INPUT(DIM(1, 4, 16, 20)) LRN("norm", "data") LEVEL("1", "norm", 8, 5, 2) POOL("pool1", "conv1", 2, 2)
        LEVEL("2", "pool1", 6, 3, 1) POOL("pool2", "conv2", 2, 2) UPSAMPLE("up2", "pool2", "pool2_mask", "scale: 2")
            CONV("d2", "up2", 8, 5, 2) LAYER("bnd2", "BN", "bottom: 'd2' top: 'd2' bn_param { bn_mode: INFERENCE " BN_FILLERS " }")
                UPSAMPLE("up1", "d2", "pool1_mask", "scale: 2") CONV("d1", "up1", 5, 3, 1) BN("bnd1", "d1")
                    CONV("classifier", "d1", 3, 1, 0) SOFTMAX("classifier");

/* Bayesian SegNet samples its Dropout when deployed too; one Dropout here does not. */
static const char DEPLOY_DROPOUT[] = DEPLOY_INPUT(DIM(2, 3, 12, 16)) LEVEL("1", "data", 6, 3, 1) POOL("pool1", "conv1", 2, 2)
    DROPOUT("drop1", "pool1", "sample_weights_test: true") LEVEL("2", "pool1", 6, 3, 1) DROPOUT("drop2", "conv2", "")
        UPSAMPLE("up1", "conv2", "pool1_mask", "scale: 2") CONV("d1", "up1", 5, 3, 1) BN("bnd1", "d1")
            CONV("classifier", "d1", 3, 1, 0) SOFTMAX("classifier");

/* Wide enough inside for Winograd tiles and for 1x1 products, with groups of channels that are not full. */
static const char WIDE[] = INPUT(DIM(2, 3, 10, 14), DIM(2, 1, 10, 14)) LEVEL("1", "data", 17, 3, 1) LEVEL("2", "conv1", 16, 3, 1)
    POOL("pool", "conv2", 2, 2) LEVEL("3", "pool", 16, 1, 0) UPSAMPLE("up", "conv3", "pool_mask", "scale: 2")
        LEVEL("d", "up", 18, 3, 1) HEAD("convd", 3);

static const sa_small_net NETS[] = {
    {"three", NULL, THREE, false},
    {"tiny_old", "tests/golden/tiny_old/net.prototxt", NULL, false},
    {"tiny_new", "tests/golden/tiny_new/net.prototxt", NULL, false},
    {"odd", NULL, ODD, false},
    {"vgg", NULL, VGG, false},
    {"dropouts", NULL, DROPOUTS, false},
    {"plain", NULL, PLAIN, false},
    {"overlap", NULL, OVERLAP, false},
    {"up_bn", NULL, UP_BN, false},
    {"two_losses", NULL, TWO_LOSSES, false},
    {"bn_last", NULL, BN_LAST, false},
    {"mask_twice", NULL, MASK_TWICE, false},
    {"out_of_place", NULL, OUT_OF_PLACE, false},
    {"frozen", NULL, FROZEN, false},
    {"batch_norms", NULL, BATCH_NORMS, false},
    {"residual", NULL, RESIDUAL, false},
    {"deploy", NULL, DEPLOY, true},
    {"deploy_dropout", NULL, DEPLOY_DROPOUT, true},
    {"wide", NULL, WIDE, false},
};

const sa_small_net *sa_small_net_at(int i)
{
    return i >= 0 && i < (int)(sizeof NETS / sizeof NETS[0]) ? &NETS[i] : NULL;
}

const sa_small_net *sa_small_net_find(const char *name)
{
    for (int i = 0; sa_small_net_at(i); i++)
        if (!strcmp(NETS[i].name, name)) return &NETS[i];
    return NULL;
}

sa_status sa_small_net_load(const sa_small_net *small, sa_net **net)
{
    sa_net_options options = {.test_phase = small->deploy};
    sa_proto_document *document;
    if (small->path) return sa_net_load(small->path, &options, net);
    SA_TRY(sa_proto_parse_text(small->name, small->text, strlen(small->text), &document));
    sa_status status = sa_net_from_document(document, &options, net);
    sa_proto_free(document);
    return status;
}
