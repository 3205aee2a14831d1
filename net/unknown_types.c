/* Names of layer types and what to say of those that segarena does not have. */
#include "net/unknown_types.h"

#include "core/closest.h"
#include "layers/layer.h"

#include <stdio.h>
#include <string.h>

/* Names that are no misspellings: of Caffe 1.0, and of forks whose nets are in public use. */
static const char *const CAFFE_TYPES[] = {"BatchReindex", "Filter", "LSTM", "LSTMUnit", "Parameter", "RNN", "SPP"};
static const char *const FORK_TYPES[] = {"Accum",
                                         "Adapt",
                                         "AnnotatedData",
                                         "Attention",
                                         "Axpy",
                                         "BatchNormalization",
                                         "BilateralInterp",
                                         "BNData",
                                         "Convolution3D",
                                         "ConvolutionDepthwise",
                                         "Correlation",
                                         "CuDNNBatchNorm",
                                         "CustomData",
                                         "DataAugmentation",
                                         "DenseCRF",
                                         "DepthwiseConvolution",
                                         "DetectionEvaluate",
                                         "DetectionOutput",
                                         "DomainTransform",
                                         "Downsample",
                                         "Elu6",
                                         "FlowWarp",
                                         "Focal",
                                         "FocalLoss",
                                         "Gather",
                                         "ImageDimPrefetchingData",
                                         "L1Loss",
                                         "MatRead",
                                         "MatWrite",
                                         "MeanField",
                                         "MultiBoxLoss",
                                         "MultiStageMeanfield",
                                         "Noise",
                                         "Normalize",
                                         "PSROIPooling",
                                         "Pooling3D",
                                         "PriorBox",
                                         "Proposal",
                                         "ROIPooling",
                                         "ReLU6",
                                         "Resample",
                                         "SegAccuracy",
                                         "ShuffleChannel",
                                         "SmoothL1Loss",
                                         "SyncBN",
                                         "UniqueLabel",
                                         "UnPooling",
                                         "Unpool",
                                         "Unpooling",
                                         "VideoData",
                                         "Warp"};

static bool is_in(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i], name)) return true;
    return false;
}

static void cause_text(const char *type, char text[256])
{
    enum { NAMES_MAX = 128 };
    const char *name[NAMES_MAX];
    size_t count = 0;
    if (is_in(CAFFE_TYPES, sizeof CAFFE_TYPES / sizeof *CAFFE_TYPES, type)) {
        snprintf(text, 256, "%.90s is a layer type of Caffe that segarena does not support", type);
        return;
    }
    if (is_in(FORK_TYPES, sizeof FORK_TYPES / sizeof *FORK_TYPES, type)) {
        snprintf(text, 256, "%.90s is a layer type of Caffe forks that segarena does not support", type);
        return;
    }
    for (int i = 0; sa_layer_type_at(i) && count < NAMES_MAX; i++)
        if (sa_layer_type_at(i) != &sa_layer_split) name[count++] = sa_layer_type_at(i)->name;
    const char *closest = sa_closest_name(type, name, count);
    if (closest) snprintf(text, 256, "unknown layer type '%.90s'; did you mean '%s'?", type, closest);
    else snprintf(text, 256, "unknown layer type '%.90s'", type);
}

sa_status sa_check_layer_types(const sa_proto_document *document, const sa_layer_spec *layer, int count)
{
    const sa_layer_spec *first = NULL;
    char where[SA_LAYER_WHERE_BYTES], cause[256], others[640] = "";
    size_t length = 0;
    int more = 0;
    for (int i = 0; i < count; i++) {
        if (sa_layer_type_find(layer[i].type)) continue;
        if (!first) {
            first = &layer[i];
            continue;
        }
        more++;
        if (length < sizeof others - 128)
            length += (size_t)snprintf(others + length, sizeof others - length, "%s line %d '%.40s' (%.40s)", more > 1 ? "," : "",
                                       layer[i].line, layer[i].name, layer[i].type);
        else if (strcmp(others + length - 4, " ...") != 0) length += (size_t)snprintf(others + length, 8, ", ...");
    }
    if (!first) return SA_OK;
    cause_text(first->type, cause);
    sa_layer_where(first->name, first->type, where);
    if (more == 0) return sa_proto_error(document, first->line, SA_UNSUPPORTED, where, "%s", cause);
    return sa_proto_error(document, first->line, SA_UNSUPPORTED, where, "%s; %d further layers are of types that are not known:%s",
                          cause, more, others);
}
