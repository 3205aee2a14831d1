/* Names of layer types and what to say of those that segarena does not have. */
#include "net/unknown_types.h"
#include "layers/layer_registry.h"

#include "core/closest.h"
#include "net/net_parts.h"
#include "net/unsupported.h"
#include "program/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that are no misspellings: of Caffe 1.0, and of forks whose nets are in public use. */
static const char *const CAFFE_TYPES[] = {"BatchReindex", "Filter", "LSTM", "LSTMUnit", "Parameter", "RNN", "SPP"};
static const char *const FORK_TYPES[] = {"Accum",
                                         "Adapt",
                                         "AnnotatedData",
                                         "Attention",
                                         "BatchNormalization",
                                         "BilateralInterp",
                                         "BNData",
                                         "Convolution3D",
                                         "Correlation",
                                         "CuDNNBatchNorm",
                                         "CustomData",
                                         "DataAugmentation",
                                         "DenseCRF",
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
                                         "PSROIPooling",
                                         "Pooling3D",
                                         "PriorBox",
                                         "Proposal",
                                         "ROIPooling",
                                         "Resample",
                                         "SegAccuracy",
                                         "SmoothL1Loss",
                                         "SyncBN",
                                         "UniqueLabel",
                                         "UnPooling",
                                         "Unpool",
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

static bool is_treated(const sa_net_options *options, const char *type)
{
    for (int i = 0; i < options->treat_count; i++)
        if (!strcmp(options->treat[i].type, type)) return true;
    return false;
}

/* Values of its parameters that are known and not supported. What is plainly wrong is left to the layer's own turn. */
static sa_status check_parameters(const sa_proto_document *document, const sa_layer_spec *layer, const sa_layer_type *type,
                                  sa_unsupported_list *list)
{
    char where[SA_LAYER_WHERE_BYTES];
    void *config = calloc(1, type->config_bytes + 1);
    if (!config) SA_FAIL(SA_NOMEM, "no memory for the parameters of a layer");
    if (type->config_init) type->config_init(config);
    sa_layer_where(layer->name, layer->type, where);
    sa_status status = sa_net_decode_layer_messages(document, layer, type, where, config);
    free(config);
    if (status == SA_UNSUPPORTED) sa_unsupported_add_error(list, document, layer);
    return SA_OK;
}

static sa_status check_treated(const sa_proto_document *document, const sa_net_spec *spec, const sa_net_options *options)
{
    for (int t = 0; t < options->treat_count && !options->forward_only; t++) {
        bool found = false;
        for (int i = 0; i < spec->layer_count; i++) found |= !strcmp(spec->layer[i].type, options->treat[t].type);
        if (!found)
            SA_FAIL(SA_INVALID, "%s: no layer is of the type '%s' that is to be treated", document->path, options->treat[t].type);
    }
    return SA_OK;
}

sa_status sa_check_layer_types(const sa_proto_document *document, const sa_net_spec *spec, const sa_net_options *options,
                               sa_unsupported_list *list)
{
    char cause[256];
    sa_status status = check_treated(document, spec, options);
    for (int i = 0; i < spec->layer_count && status == SA_OK; i++) {
        const sa_layer_spec *layer = &spec->layer[i];
        const sa_layer_type *type = sa_layer_type_find(layer->type);
        if (is_treated(options, layer->type)) continue;
        if (type) {
            status = check_parameters(document, layer, type, list);
            continue;
        }
        cause_text(layer->type, cause);
        sa_unsupported_add(list, layer, layer->line, cause);
    }
    return status;
}
