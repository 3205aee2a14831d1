/* Field tables of NetParameter and LayerParameter (caffe.proto), less the layers' own parameters. */
#include "net/net_spec_fields.h"

static const sa_enum_name phase_names[] = {SA_ENUM("TRAIN", SA_PHASE_TRAIN), SA_ENUM("TEST", SA_PHASE_TEST), SA_ENUM_END};

const sa_field sa_state_fields[] = {
    SA_F_ENUM_GIVEN(sa_state_spec, phase, phase_given, "phase", phase_names),
    SA_F_GIVEN(sa_state_spec, level, level_given, "level", INT32),
    SA_F_REPEATED(sa_state_spec, stage, stage_count, "stage", STRING),
    SA_F_END,
};

const sa_field sa_net_header_fields[] = {
    SA_F_STRING(sa_net_header, name, "name"),
    SA_F_IGNORED("input"), /* this and the next two are layers by now: net_upgrade.c */
    SA_F_IGNORED("input_shape"),
    SA_F_IGNORED("input_dim"),
    SA_F_MESSAGE(sa_net_header, state, "state", sa_state_fields),
    SA_F_SINGLE(sa_net_header, force_backward, "force_backward", BOOL),
    SA_F_IGNORED("debug_info"),
    SA_F_IGNORED("layer"), /* net_spec.c reads them one by one; the row is here for the hint to a misspelled one */
    SA_F_END,
};

static const sa_field rule_fields[] = {
    SA_F_ENUM_GIVEN(sa_rule_spec, phase, phase_given, "phase", phase_names),
    SA_F_GIVEN(sa_rule_spec, min_level, min_level_given, "min_level", INT32),
    SA_F_GIVEN(sa_rule_spec, max_level, max_level_given, "max_level", INT32),
    SA_F_REPEATED(sa_rule_spec, stage, stage_count, "stage", STRING),
    SA_F_REPEATED(sa_rule_spec, not_stage, not_stage_count, "not_stage", STRING),
    SA_F_END,
};

static const sa_enum_name share_mode_names[] = {SA_ENUM("STRICT", 0), SA_ENUM("PERMISSIVE", 1), SA_ENUM_END};

static const sa_field param_fields[] = {
    SA_F_STRING(sa_param_spec, name, "name"),
    SA_F_GIVEN(sa_param_spec, lr_mult, lr_given, "lr_mult", FLOAT),
    SA_F_GIVEN(sa_param_spec, decay_mult, decay_given, "decay_mult", FLOAT),
    SA_F_ENUM(sa_param_spec, permissive, "share_mode", share_mode_names),
    SA_F_END,
};

/* Every layer message may hold every parameter message, in Caffe too; a type reads its own and leaves the rest. Known names are
 * listed so that a misspelled one is an error with a hint. */
const sa_field sa_layer_spec_fields[] = {
    SA_F_STRING(sa_layer_spec, name, "name"),
    SA_F_STRING(sa_layer_spec, type, "type"),
    SA_F_REPEATED(sa_layer_spec, bottom, bottom_count, "bottom", STRING),
    SA_F_REPEATED(sa_layer_spec, top, top_count, "top", STRING),
    SA_F_REPEATED_MESSAGE(sa_layer_spec, param, param_count, "param", param_fields),
    SA_F_REPEATED(sa_layer_spec, loss_weight, loss_weight_count, "loss_weight", FLOAT),
    SA_F_REPEATED_MESSAGE(sa_layer_spec, include, include_count, "include", rule_fields),
    SA_F_REPEATED_MESSAGE(sa_layer_spec, exclude, exclude_count, "exclude", rule_fields),
    SA_F_ENUM_CHECKED("phase", phase_names),
    SA_F_REPEATED(sa_layer_spec, propagate_down, propagate_down_count, "propagate_down", BOOL),
    SA_F_IGNORED("blobs"),
    SA_F_IGNORED("transform_param"),
    SA_F_IGNORED("loss_param"),
    SA_F_IGNORED("input_param"),
    SA_F_IGNORED("dummy_data_param"),
    SA_F_IGNORED("dense_image_data_param"),
    SA_F_IGNORED("convolution_param"),
    SA_F_IGNORED("bn_param"),
    SA_F_IGNORED("relu_param"),
    SA_F_IGNORED("pooling_param"),
    SA_F_IGNORED("upsample_param"),
    SA_F_IGNORED("lrn_param"),
    SA_F_IGNORED("dropout_param"),
    SA_F_IGNORED("softmax_param"),
    SA_F_IGNORED("accuracy_param"),
    SA_F_IGNORED("argmax_param"),
    SA_F_IGNORED("batch_norm_param"),
    SA_F_IGNORED("bias_param"),
    SA_F_IGNORED("clip_param"),
    SA_F_IGNORED("contrastive_loss_param"),
    SA_F_IGNORED("elu_param"),
    SA_F_IGNORED("embed_param"),
    SA_F_IGNORED("exp_param"),
    SA_F_IGNORED("flatten_param"),
    SA_F_IGNORED("hdf5_output_param"),
    SA_F_IGNORED("hinge_loss_param"),
    SA_F_IGNORED("infogain_loss_param"),
    SA_F_IGNORED("interp_param"),
    SA_F_IGNORED("log_param"),
    SA_F_IGNORED("mvn_param"),
    SA_F_IGNORED("norm_param"),
    SA_F_IGNORED("reorg_param"),
    SA_F_IGNORED("shuffle_channel_param"),
    SA_F_IGNORED("unpooling_param"),
    SA_F_IGNORED("parameter_param"),
    SA_F_IGNORED("permute_param"),
    SA_F_IGNORED("recurrent_param"),
    SA_F_IGNORED("reduction_param"),
    SA_F_IGNORED("spp_param"),
    SA_F_IGNORED("swish_param"),
    SA_F_IGNORED("threshold_param"),
    SA_F_IGNORED("tile_param"),
    SA_F_IGNORED("window_data_param"),
    SA_F_IGNORED("concat_param"),
    SA_F_IGNORED("crop_param"),
    SA_F_IGNORED("data_param"),
    SA_F_IGNORED("eltwise_param"),
    SA_F_IGNORED("hdf5_data_param"),
    SA_F_IGNORED("image_data_param"),
    SA_F_IGNORED("inner_product_param"),
    SA_F_IGNORED("memory_data_param"),
    SA_F_IGNORED("power_param"),
    SA_F_IGNORED("prelu_param"),
    SA_F_IGNORED("python_param"),
    SA_F_IGNORED("reshape_param"),
    SA_F_IGNORED("scale_param"),
    SA_F_IGNORED("sigmoid_param"),
    SA_F_IGNORED("slice_param"),
    SA_F_IGNORED("tanh_param"),
    SA_F_END,
};
