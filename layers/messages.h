/* What a prototxt says about a layer: one plain struct a parameter message, its defaults (those of caffe-segnet's caffe.proto) and
 * its field table. Conditions between fields that several layer types share are resolved here too; what the values mean for shapes
 * and ops is the layer's own business.
 *
 * sa_*_param_init sets the defaults; it takes void * so that a table of layer types can hold it. */
#ifndef SA_LAYERS_MESSAGES_H
#define SA_LAYERS_MESSAGES_H

#include "data/fillers.h"
#include "kernels/ops.h"
#include "proto/fields.h"

enum {
    SA_PARAM_SHAPES_MAX = 8,       /* shapes, old-style sizes and fillers of an Input or DummyData layer */
    SA_PARAM_PATH_BYTES = 1024,    /* file names, with the NUL */
    SA_CLASS_WEIGHTS_MAX = 65536,  /* of a loss */
    SA_PARAM_SIZE_MAX = 65535,     /* kernel, stride, pad, image height and width */
    SA_PARAM_MEAN_VALUES_MAX = 16, /* transform_param mean_value */
};

/* ---- shared messages ---- */

typedef sa_filler sa_filler_param;
extern const sa_field sa_filler_fields[];
void sa_filler_param_init(void *param);

/* A row of a shape's axes. */
#define SA_F_AXES(S, member, count, text, least)                                                                              \
    {                                                                                                                         \
        .name = (text), .type = SA_FIELD_INT32, .offset = offsetof(S, member), .element_bytes = sizeof(((S *)0)->member[0]),  \
        .element_max = (int32_t)(sizeof(((S *)0)->member) / sizeof(((S *)0)->member[0])), .count_offset = offsetof(S, count), \
        .bounded = true, .low = (least), .high = INT32_MAX, .limit_note = "blobs of more than 8 axes are not supported"       \
    }

/* `shape { dim: 1 dim: 3 }`, 0 to SA_AXES_MAX axes, each at least 1 */
typedef struct sa_shape_param {
    int32_t dim[SA_AXES_MAX];
    int32_t count;
} sa_shape_param;
extern const sa_field sa_shape_fields[];

/* `kernel_size: 3`, `kernel_size: [3, 5]` or `kernel_h: 3 kernel_w: 5`; stride and pad likewise */
typedef struct sa_pair_param {
    int32_t both[2]; /* (count): one value for both, or height and width */
    int32_t count;
    int32_t h, w;
    bool h_given, w_given;
} sa_pair_param;

/* Height and width of a pair; fallback 0: the pair is required. SA_INVALID (the cause alone) for contradictory or half-given forms.
 * name, name_h and name_w are for the message: "kernel_size", "kernel_h", "kernel_w". */
SA_CHECKED sa_status sa_pair_resolve(const sa_pair_param *pair, const char *name, const char *name_h, const char *name_w,
                                     int32_t fallback, int32_t *height, int32_t *width);

/* ---- inputs ---- */

typedef struct sa_input_param {
    sa_shape_param shape[SA_PARAM_SHAPES_MAX];
    int32_t shape_count;
} sa_input_param;
extern const sa_field sa_input_fields[]; /* input_param */
void sa_input_param_init(void *param);

typedef struct sa_dummy_data_param {
    sa_shape_param shape[SA_PARAM_SHAPES_MAX];
    int32_t shape_count;
    int32_t num[SA_PARAM_SHAPES_MAX], channels[SA_PARAM_SHAPES_MAX], height[SA_PARAM_SHAPES_MAX], width[SA_PARAM_SHAPES_MAX];
    int32_t num_count, channels_count, height_count, width_count;
    sa_filler_param data_filler[SA_PARAM_SHAPES_MAX];
    int32_t data_filler_count; /* 0: constant 0 */
} sa_dummy_data_param;
extern const sa_field sa_dummy_data_fields[]; /* dummy_data_param */
void sa_dummy_data_param_init(void *param);

/* The shape of top `top` of `top_count`. One shape serves all tops, else there is one each. SA_INVALID: the cause alone. */
SA_CHECKED sa_status sa_input_param_shape(const sa_input_param *param, int top, int top_count, sa_shape_param *shape);
SA_CHECKED sa_status sa_dummy_data_param_shape(const sa_dummy_data_param *param, int top, int top_count, sa_shape_param *shape);

typedef struct sa_transform_param {
    float scale; /* (v - mean) * scale */
    float mean_value[SA_PARAM_MEAN_VALUES_MAX];
    int32_t mean_value_count; /* 0, 1 or one per channel */
} sa_transform_param;
extern const sa_field sa_transform_fields[]; /* transform_param */
void sa_transform_param_init(void *param);

/* The list file has `image label` lines; here a line may also hold several images whose channels are stacked: `rgb depth label`. */
typedef struct sa_dense_image_data_param {
    char source[SA_PARAM_PATH_BYTES]; /* the list file; "": not given */
    char root_folder[SA_PARAM_PATH_BYTES];
    int32_t batch_size;
    uint32_t rand_skip;
    bool shuffle, mirror, is_color;
    int32_t new_height, new_width;   /* 0: the image's own size */
    int32_t crop_height, crop_width; /* 0: no crop */
} sa_dense_image_data_param;
extern const sa_field sa_dense_image_data_fields[]; /* dense_image_data_param */
void sa_dense_image_data_param_init(void *param);

/* ---- the other layers ---- */

typedef struct sa_lrn_param {
    int32_t local_size;
    float alpha, beta, k;
    int32_t within_channel; /* norm_region: WITHIN_CHANNEL */
} sa_lrn_param;
extern const sa_field sa_lrn_fields[]; /* lrn_param */
void sa_lrn_param_init(void *param);

typedef struct sa_conv_param {
    int32_t num_output; /* 0: not given */
    int32_t group;      /* output channels of a group read the input channels of the same group alone */
    int32_t dilation[2];
    int32_t dilation_count; /* 0: 1 in both axes, 1: the same in both, 2: rows, columns */
    bool bias_term;
    sa_pair_param kernel, stride, pad;
    sa_filler_param weight_filler, bias_filler;
} sa_conv_param;
extern const sa_field sa_conv_fields[]; /* convolution_param */
void sa_conv_param_init(void *param);
void sa_conv_param_dilation(const sa_conv_param *param, int32_t *dilation_h, int32_t *dilation_w);

/* Kernel, stride and pad of a convolution or a pooling layer. SA_INVALID: the cause alone. */
typedef struct sa_window_param {
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
} sa_window_param;
SA_CHECKED sa_status sa_window_param_resolve(const sa_pair_param *kernel, const sa_pair_param *stride, const sa_pair_param *pad,
                                             sa_window_param *window);

typedef enum sa_bn_mode { SA_BN_LEARN, SA_BN_INFERENCE } sa_bn_mode;

/* Without scale_filler the scale is 0, as in Caffe. */
typedef struct sa_bn_param {
    sa_filler_param scale_filler, shift_filler;
    int32_t bn_mode; /* sa_bn_mode */
} sa_bn_param;
extern const sa_field sa_bn_fields[]; /* bn_param */
void sa_bn_param_init(void *param);

typedef enum sa_pool_method { SA_POOL_MAX, SA_POOL_AVE, SA_POOL_STOCHASTIC } sa_pool_method;

typedef struct sa_pooling_param {
    sa_pair_param kernel, stride, pad;
    int32_t method;      /* sa_pool_method */
    bool global_pooling; /* the window is the plane */
    int32_t round_down;  /* round_mode: FLOOR */
} sa_pooling_param;
extern const sa_field sa_pooling_fields[]; /* pooling_param */
void sa_pooling_param_init(void *param);

typedef struct sa_upsample_param {
    int32_t scale, scale_h, scale_w;
    bool scale_given, scale_h_given, scale_w_given;
    int32_t upsample_h, upsample_w;
    bool upsample_h_given, upsample_w_given;
    bool pad_out_h, pad_out_w;
} sa_upsample_param;
extern const sa_field sa_upsample_fields[]; /* upsample_param */
void sa_upsample_param_init(void *param);

/* The upsampled plane of a height x width plane, by the rules of caffe-segnet's UpsampleLayer. SA_INVALID: the cause alone. */
SA_CHECKED sa_status sa_upsample_param_size(const sa_upsample_param *param, int32_t height, int32_t width, int32_t *out_height,
                                            int32_t *out_width);

typedef struct sa_dropout_param {
    float dropout_ratio;      /* [0, 1) */
    bool sample_weights_test; /* Bayesian SegNet: drop in the TEST phase too */
} sa_dropout_param;
extern const sa_field sa_dropout_fields[]; /* dropout_param */
void sa_dropout_param_init(void *param);

/* The divisor of a loss: all values, those kept, images, 1. */
enum { SA_NORMALIZATION_FULL, SA_NORMALIZATION_VALID, SA_NORMALIZATION_BATCH_SIZE, SA_NORMALIZATION_NONE };

typedef struct sa_loss_param {
    int32_t ignore_label;
    bool ignore_label_given;
    bool normalize, normalize_given, weight_by_label_freqs;
    int32_t normalization; /* BVLC Caffe's; SA_NORMALIZATION_* */
    bool normalization_given;
    float class_weighting[SA_CLASS_WEIGHTS_MAX];
    int32_t class_weighting_count;
} sa_loss_param;
extern const sa_field sa_loss_fields[]; /* loss_param */
void sa_loss_param_init(void *param);

typedef struct sa_accuracy_param {
    int32_t top_k, axis;
    int32_t ignore_label;
    bool ignore_label_given;
} sa_accuracy_param;
extern const sa_field sa_accuracy_fields[]; /* accuracy_param */
void sa_accuracy_param_init(void *param);

typedef struct sa_relu_param {
    float negative_slope;
} sa_relu_param;
extern const sa_field sa_relu_fields[]; /* relu_param */

typedef struct sa_softmax_param {
    int32_t axis;
} sa_softmax_param;
extern const sa_field sa_softmax_fields[]; /* softmax_param */
void sa_softmax_param_init(void *param);

#endif
