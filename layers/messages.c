/* Defaults and field tables of the layers' parameter messages: data, no logic. The rules are in params_rules.c. */
#include "layers/messages.h"

#include <float.h>

enum { PLANES_MAX = 1 << 20 };

/* Which code computes a layer is segarena's own decision. */
static const sa_enum_name engine_names[] = {SA_ENUM("DEFAULT", 0), SA_ENUM("CAFFE", 1), SA_ENUM("CUDNN", 2), SA_ENUM_END};
#define ENGINE SA_F_ENUM_CHECKED("engine", engine_names)

/* kernel_size, kernel_h, kernel_w and their kin */
#define PAIR(S, member, name, name_h, name_w, least)                                            \
    SA_F_REPEATED_RANGE(S, member.both, member.count, name, INT32, least, SA_PARAM_SIZE_MAX),   \
        SA_F_RANGE_GIVEN(S, member.h, member.h_given, name_h, INT32, least, SA_PARAM_SIZE_MAX), \
        SA_F_RANGE_GIVEN(S, member.w, member.w_given, name_w, INT32, least, SA_PARAM_SIZE_MAX)

static const sa_enum_name filler_names[] = {
    SA_ENUM("constant", SA_FILLER_CONSTANT),
    SA_ENUM("uniform", SA_FILLER_UNIFORM),
    SA_ENUM("gaussian", SA_FILLER_GAUSSIAN),
    SA_ENUM("xavier", SA_FILLER_XAVIER),
    SA_ENUM("msra", SA_FILLER_MSRA),
    SA_ENUM("bilinear", SA_FILLER_BILINEAR),
    SA_ENUM("positive_unitball", SA_FILLER_POSITIVE_UNITBALL),
    SA_ENUM_END,
};
static const sa_enum_name variance_norm_names[] = {SA_ENUM("FAN_IN", SA_VARIANCE_FAN_IN), SA_ENUM("FAN_OUT", SA_VARIANCE_FAN_OUT),
                                                   SA_ENUM("AVERAGE", SA_VARIANCE_AVERAGE), SA_ENUM_END};

const sa_field sa_filler_fields[] = {
    SA_F_CHOICE(sa_filler_param, type, "type", filler_names),
    SA_F_SINGLE(sa_filler_param, value, "value", FLOAT),
    SA_F_SINGLE(sa_filler_param, min, "min", FLOAT),
    SA_F_SINGLE(sa_filler_param, max, "max", FLOAT),
    SA_F_SINGLE(sa_filler_param, mean, "mean", FLOAT),
    SA_F_RANGE(sa_filler_param, std, "std", FLOAT, 0, FLT_MAX),
    SA_F_ENUM(sa_filler_param, variance_norm, "variance_norm", variance_norm_names),
    SA_F_RANGE(sa_filler_param, sparse, "sparse", INT32, -1, INT32_MAX),
    SA_F_END,
};

void sa_filler_param_init(void *param)
{
    *(sa_filler_param *)param = (sa_filler_param){.max = 1, .std = 1, .sparse = -1};
}

const sa_field sa_shape_fields[] = {
    SA_F_AXES(sa_shape_param, dim, count, "dim", 1),
    SA_F_END,
};

const sa_field sa_input_fields[] = {
    SA_F_REPEATED_MESSAGE(sa_input_param, shape, shape_count, "shape", sa_shape_fields),
    SA_F_END,
};

void sa_input_param_init(void *param)
{
    *(sa_input_param *)param = (sa_input_param){0};
}

const sa_field sa_dummy_data_fields[] = {
    SA_F_REPEATED_MESSAGE(sa_dummy_data_param, shape, shape_count, "shape", sa_shape_fields),
    SA_F_REPEATED_RANGE(sa_dummy_data_param, num, num_count, "num", INT32, 1, INT32_MAX),
    SA_F_REPEATED_RANGE(sa_dummy_data_param, channels, channels_count, "channels", INT32, 1, INT32_MAX),
    SA_F_REPEATED_RANGE(sa_dummy_data_param, height, height_count, "height", INT32, 1, INT32_MAX),
    SA_F_REPEATED_RANGE(sa_dummy_data_param, width, width_count, "width", INT32, 1, INT32_MAX),
    SA_F_REPEATED_MESSAGE(sa_dummy_data_param, data_filler, data_filler_count, "data_filler", sa_filler_fields),
    SA_F_END,
};

void sa_dummy_data_param_init(void *param)
{
    sa_dummy_data_param *dummy = param;
    *dummy = (sa_dummy_data_param){0};
    for (int i = 0; i < SA_PARAM_SHAPES_MAX; i++) sa_filler_param_init(&dummy->data_filler[i]);
}

static const char no_mean_file[] = "a mean image is a binary file; give mean_value";

const sa_field sa_transform_fields[] = {
    SA_F_SINGLE(sa_transform_param, scale, "scale", FLOAT),
    SA_F_REPEATED(sa_transform_param, mean_value, mean_value_count, "mean_value", FLOAT),
    SA_F_ONLY("mirror", BOOL, 0, "it would not mirror the labels; give dense_image_data_param's own mirror"),
    SA_F_ONLY("crop_size", UINT32, 0, "it would not crop the labels; give crop_height and crop_width of dense_image_data_param"),
    SA_F_ONLY("force_color", BOOL, 0, "is_color of dense_image_data_param decides the channels"),
    SA_F_ONLY("force_gray", BOOL, 0, "is_color of dense_image_data_param decides the channels"),
    SA_F_REFUSED("mean_file", no_mean_file),
    SA_F_END,
};

void sa_transform_param_init(void *param)
{
    *(sa_transform_param *)param = (sa_transform_param){.scale = 1};
}

const sa_field sa_dense_image_data_fields[] = {
    SA_F_STRING(sa_dense_image_data_param, source, "source"),
    SA_F_STRING(sa_dense_image_data_param, root_folder, "root_folder"),
    SA_F_RANGE(sa_dense_image_data_param, batch_size, "batch_size", INT32, 1, INT32_MAX),
    SA_F_SINGLE(sa_dense_image_data_param, rand_skip, "rand_skip", UINT32),
    SA_F_SINGLE(sa_dense_image_data_param, shuffle, "shuffle", BOOL),
    SA_F_SINGLE(sa_dense_image_data_param, mirror, "mirror", BOOL),
    SA_F_SINGLE(sa_dense_image_data_param, is_color, "is_color", BOOL),
    SA_F_RANGE(sa_dense_image_data_param, new_height, "new_height", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(sa_dense_image_data_param, new_width, "new_width", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(sa_dense_image_data_param, crop_height, "crop_height", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(sa_dense_image_data_param, crop_width, "crop_width", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_ONLY("label_divide_factor", FLOAT, 1, "the byte of a label image is the class"),
    SA_F_REFUSED("mean_file", no_mean_file),
    SA_F_END,
};

void sa_dense_image_data_param_init(void *param)
{
    *(sa_dense_image_data_param *)param = (sa_dense_image_data_param){.batch_size = 1, .is_color = true};
}

static const sa_enum_name norm_region_names[] = {SA_ENUM("ACROSS_CHANNELS", 0), SA_ENUM("WITHIN_CHANNEL", 1), SA_ENUM_END};

const sa_field sa_lrn_fields[] = {
    SA_F_RANGE(sa_lrn_param, local_size, "local_size", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_SINGLE(sa_lrn_param, alpha, "alpha", FLOAT),
    SA_F_SINGLE(sa_lrn_param, beta, "beta", FLOAT),
    SA_F_SINGLE(sa_lrn_param, k, "k", FLOAT),
    SA_F_ENUM(sa_lrn_param, within_channel, "norm_region", norm_region_names),
    ENGINE,
    SA_F_END,
};

void sa_lrn_param_init(void *param)
{
    *(sa_lrn_param *)param = (sa_lrn_param){.local_size = 5, .alpha = 1, .beta = 0.75f, .k = 1};
}

const sa_field sa_conv_fields[] = {
    SA_F_RANGE(sa_conv_param, num_output, "num_output", INT32, 1, PLANES_MAX),
    SA_F_SINGLE(sa_conv_param, bias_term, "bias_term", BOOL),
    PAIR(sa_conv_param, kernel, "kernel_size", "kernel_h", "kernel_w", 1),
    PAIR(sa_conv_param, stride, "stride", "stride_h", "stride_w", 1),
    PAIR(sa_conv_param, pad, "pad", "pad_h", "pad_w", 0),
    SA_F_MESSAGE(sa_conv_param, weight_filler, "weight_filler", sa_filler_fields),
    SA_F_MESSAGE(sa_conv_param, bias_filler, "bias_filler", sa_filler_fields),
    SA_F_RANGE(sa_conv_param, group, "group", INT32, 1, PLANES_MAX),
    SA_F_REPEATED_RANGE(sa_conv_param, dilation, dilation_count, "dilation", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_ONLY("axis", INT32, 1, "channels are axis 1"),
    SA_F_IGNORED("force_nd_im2col"),
    ENGINE,
    SA_F_END,
};

void sa_conv_param_init(void *param)
{
    sa_conv_param *conv = param;
    *conv = (sa_conv_param){.bias_term = true, .group = 1};
    sa_filler_param_init(&conv->weight_filler);
    sa_filler_param_init(&conv->bias_filler);
}

static const sa_enum_name bn_mode_names[] = {SA_ENUM("LEARN", SA_BN_LEARN), SA_ENUM("INFERENCE", SA_BN_INFERENCE), SA_ENUM_END};
static const char no_running_statistics[] = "SegNet's BN keeps no running statistics";

const sa_field sa_bn_fields[] = {
    SA_F_MESSAGE(sa_bn_param, scale_filler, "scale_filler", sa_filler_fields),
    SA_F_MESSAGE(sa_bn_param, shift_filler, "shift_filler", sa_filler_fields),
    SA_F_ENUM(sa_bn_param, bn_mode, "bn_mode", bn_mode_names),
    SA_F_REFUSED("momentum", no_running_statistics),
    SA_F_REFUSED("moving_average", no_running_statistics),
    SA_F_REFUSED("eps", "SegNet's BN adds 1e-9 to the variance, always"),
    ENGINE,
    SA_F_END,
};

void sa_bn_param_init(void *param)
{
    sa_bn_param *bn = param;
    *bn = (sa_bn_param){.bn_mode = SA_BN_LEARN};
    sa_filler_param_init(&bn->scale_filler);
    sa_filler_param_init(&bn->shift_filler);
}

const sa_field sa_relu_fields[] = {
    SA_F_SINGLE(sa_relu_param, negative_slope, "negative_slope", FLOAT),
    ENGINE,
    SA_F_END,
};

static const sa_enum_name pool_names[] = {
    SA_ENUM("MAX", SA_POOL_MAX),
    SA_ENUM("AVE", SA_POOL_AVE),
    SA_ENUM("STOCHASTIC", SA_POOL_STOCHASTIC),
    SA_ENUM_END,
};
static const sa_enum_name round_mode_names[] = {SA_ENUM("CEIL", 0), SA_ENUM("FLOOR", 1), SA_ENUM_END};

const sa_field sa_pooling_fields[] = {
    SA_F_ENUM(sa_pooling_param, method, "pool", pool_names),
    PAIR(sa_pooling_param, kernel, "kernel_size", "kernel_h", "kernel_w", 1),
    PAIR(sa_pooling_param, stride, "stride", "stride_h", "stride_w", 1),
    PAIR(sa_pooling_param, pad, "pad", "pad_h", "pad_w", 0),
    SA_F_SINGLE(sa_pooling_param, global_pooling, "global_pooling", BOOL),
    SA_F_ENUM(sa_pooling_param, round_down, "round_mode", round_mode_names),
    ENGINE,
    SA_F_END,
};

void sa_pooling_param_init(void *param)
{
    *(sa_pooling_param *)param = (sa_pooling_param){0};
}

const sa_field sa_upsample_fields[] = {
    SA_F_RANGE_GIVEN(sa_upsample_param, scale, scale_given, "scale", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE_GIVEN(sa_upsample_param, scale_h, scale_h_given, "scale_h", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE_GIVEN(sa_upsample_param, scale_w, scale_w_given, "scale_w", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE_GIVEN(sa_upsample_param, upsample_h, upsample_h_given, "upsample_h", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE_GIVEN(sa_upsample_param, upsample_w, upsample_w_given, "upsample_w", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_SINGLE(sa_upsample_param, pad_out_h, "pad_out_h", BOOL),
    SA_F_SINGLE(sa_upsample_param, pad_out_w, "pad_out_w", BOOL),
    SA_F_END,
};

void sa_upsample_param_init(void *param)
{
    *(sa_upsample_param *)param = (sa_upsample_param){.scale = 2};
}

const sa_field sa_dropout_fields[] = {
    SA_F_RANGE(sa_dropout_param, dropout_ratio, "dropout_ratio", FLOAT, 0, 0.999),
    SA_F_SINGLE(sa_dropout_param, sample_weights_test, "sample_weights_test", BOOL),
    SA_F_ONLY("scale_train", BOOL, 1, "kept values are scaled in training, by 1 / (1 - dropout_ratio)"),
    SA_F_END,
};

void sa_dropout_param_init(void *param)
{
    *(sa_dropout_param *)param = (sa_dropout_param){.dropout_ratio = 0.5f};
}

static const sa_enum_name normalization_names[] = {SA_ENUM("FULL", SA_NORMALIZATION_FULL), SA_ENUM("VALID", SA_NORMALIZATION_VALID),
                                                   SA_ENUM("BATCH_SIZE", SA_NORMALIZATION_BATCH_SIZE),
                                                   SA_ENUM("NONE", SA_NORMALIZATION_NONE), SA_ENUM_END};

const sa_field sa_loss_fields[] = {
    SA_F_GIVEN(sa_loss_param, ignore_label, ignore_label_given, "ignore_label", INT32),
    SA_F_GIVEN(sa_loss_param, normalize, normalize_given, "normalize", BOOL),
    SA_F_SINGLE(sa_loss_param, weight_by_label_freqs, "weight_by_label_freqs", BOOL),
    SA_F_REPEATED_RANGE(sa_loss_param, class_weighting, class_weighting_count, "class_weighting", FLOAT, 0, FLT_MAX),
    SA_F_ENUM_GIVEN(sa_loss_param, normalization, normalization_given, "normalization", normalization_names),
    SA_F_END,
};

void sa_loss_param_init(void *param)
{
    *(sa_loss_param *)param = (sa_loss_param){.normalize = true};
}

const sa_field sa_softmax_fields[] = {
    SA_F_SINGLE(sa_softmax_param, axis, "axis", INT32),
    ENGINE,
    SA_F_END,
};

void sa_softmax_param_init(void *param)
{
    *(sa_softmax_param *)param = (sa_softmax_param){.axis = 1};
}

const sa_field sa_accuracy_fields[] = {
    SA_F_RANGE(sa_accuracy_param, top_k, "top_k", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_GIVEN(sa_accuracy_param, ignore_label, ignore_label_given, "ignore_label", INT32),
    SA_F_SINGLE(sa_accuracy_param, axis, "axis", INT32),
    SA_F_END,
};

void sa_accuracy_param_init(void *param)
{
    *(sa_accuracy_param *)param = (sa_accuracy_param){.top_k = 1, .axis = 1};
}
