/* BatchNorm, Scale, Bias, MVN. Caffe: the layers of these names. */
#include "layers/accounted/accounted.h"

/* ---- BatchNorm: two running sums and a factor as parameters that no gradient reaches ---- */

static const sa_field batch_norm_fields[] = {
    SA_F_IGNORED("use_global_stats"),
    SA_F_IGNORED("moving_average_fraction"),
    SA_F_IGNORED("eps"),
    SA_F_IGNORED("engine"),
    SA_F_END,
};

static int32_t channels_of(const sa_shape *shape)
{
    return shape->axes > 1 ? shape->dim[1] : 1;
}

static sa_status batch_norm_setup(sa_layer *layer, sa_blob *blobs)
{
    int32_t channels = channels_of(&blobs[layer->bottom[0]].shape);
    layer->param_count = 3;
    for (int i = 0; i < 3; i++) {
        layer->param[i].shape = (sa_shape){1, {i < 2 ? channels : 1}};
        layer->param[i].lr_mult = 0; /* statistics, not weights */
    }
    return sa_layer_same_shape(layer, blobs);
}

static int batch_norm_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t bytes = sa_bottom_bytes(layer, blobs, 0), channels = (size_t)channels_of(shape), images = (size_t)shape->dim[0];
    size_t spatial = sa_shape_elements(shape) / (channels * images);
    int count = 0;
    list[count++] = sa_both("temp_", SA_CAFFE_BATCH_NORM, bytes);
    list[count++] = sa_both("x_norm_", SA_CAFFE_BATCH_NORM, bytes);
    if (layer->needs_backward && sa_is_in_place(layer, blobs))
        list[count++] = sa_both("x_norm_.diff", SA_CAFFE_BATCH_NORM, bytes); /* a copy of the incoming gradient */
    list[count++] = sa_both("mean_", SA_CAFFE_OTHER, channels * 4);
    list[count++] = sa_both("variance_", SA_CAFFE_OTHER, channels * 4);
    list[count++] = sa_both("num_by_chans_", SA_CAFFE_OTHER, images * channels * 4);
    list[count++] = sa_both("batch_sum_multiplier_", SA_CAFFE_OTHER, images * 4);
    list[count++] = sa_both("spatial_sum_multiplier_", SA_CAFFE_OTHER, spatial * 4);
    return count;
}

const sa_layer_type sa_layer_batch_norm = {
    .name = "BatchNorm",
    .config_field = "batch_norm_param",
    .config_table = batch_norm_fields,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .in_place = true,
    .accounted_only = true,
    .setup = batch_norm_setup,
    .caffe_buffers = batch_norm_buffers,
};

/* ---- Scale and Bias: a vector over some axes, learned or a second bottom ---- */

typedef struct scale_param {
    int32_t axis, num_axes;
    sa_filler_param filler, bias_filler;
    bool bias_term;
    int begin; /* resolved by setup: the first axis of the vector */
    sa_shape vector;
} scale_param;

static const sa_field scale_fields[] = {
    SA_F_SINGLE(scale_param, axis, "axis", INT32),
    SA_F_RANGE(scale_param, num_axes, "num_axes", INT32, -1, 4),
    SA_F_MESSAGE(scale_param, filler, "filler", sa_filler_fields),
    SA_F_SINGLE(scale_param, bias_term, "bias_term", BOOL),
    SA_F_MESSAGE(scale_param, bias_filler, "bias_filler", sa_filler_fields),
    SA_F_END,
};

static const sa_field bias_fields[] = {
    SA_F_SINGLE(scale_param, axis, "axis", INT32),
    SA_F_RANGE(scale_param, num_axes, "num_axes", INT32, -1, 4),
    SA_F_MESSAGE(scale_param, filler, "filler", sa_filler_fields),
    SA_F_END,
};

static void scale_init(void *config)
{
    scale_param *p = config;
    *p = (scale_param){.axis = 1, .num_axes = 1};
    sa_filler_param_init(&p->filler);
    sa_filler_param_init(&p->bias_filler);
}

static sa_status vector_of(sa_layer *layer, sa_blob *blobs)
{
    scale_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    SA_TRY(sa_axis_resolve(shape, p->axis, "axis", &p->begin));
    int count = layer->bottom_count > 1 ? blobs[layer->bottom[1]].shape.axes
                : p->num_axes < 0       ? shape->axes - p->begin
                                        : p->num_axes;
    if (p->begin + count > shape->axes)
        SA_FAIL(SA_INVALID, "%d axes from axis %d on, but '%s' has %d", count, p->begin, blobs[layer->bottom[0]].name, shape->axes);
    p->vector = (sa_shape){.axes = count};
    for (int i = 0; i < count; i++) {
        p->vector.dim[i] = shape->dim[p->begin + i];
        if (layer->bottom_count > 1 && blobs[layer->bottom[1]].shape.dim[i] != p->vector.dim[i])
            SA_FAIL(SA_INVALID, "axis %d of '%s' is %d, of '%s' %d", i, blobs[layer->bottom[1]].name,
                    blobs[layer->bottom[1]].shape.dim[i], blobs[layer->bottom[0]].name, p->vector.dim[i]);
    }
    return SA_OK;
}

static sa_status scale_setup(sa_layer *layer, sa_blob *blobs)
{
    scale_param *p = layer->config;
    SA_TRY(vector_of(layer, blobs));
    layer->param_count = 0;
    if (layer->bottom_count == 1) {
        layer->param[0].shape = p->vector;
        layer->param[layer->param_count++].filler = p->filler;
    }
    if (p->bias_term) {
        layer->param[layer->param_count].shape = p->vector;
        layer->param[layer->param_count++].filler = p->bias_filler;
    }
    return sa_layer_same_shape(layer, blobs);
}

static int scale_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const scale_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t outer = sa_shape_span(shape, 0, p->begin), dim = sa_shape_elements(&p->vector);
    size_t inner = sa_shape_span(shape, p->begin + p->vector.axes, shape->axes);
    int count = 0;
    if (sa_is_in_place(layer, blobs)) list[count++] = sa_both("temp_", SA_CAFFE_OTHER, sa_bottom_bytes(layer, blobs, 0));
    list[count++] = sa_both("sum_multiplier_", SA_CAFFE_OTHER, (outer > inner ? outer : inner) * 4);
    if (layer->needs_backward && layer->bottom_count == 1 && inner > 1 && outer > 1)
        list[count++] = sa_both("sum_result_", SA_CAFFE_OTHER, outer * dim * 4);
    if (p->bias_term) list[count++] = sa_both("/bias.bias_multiplier_", SA_CAFFE_OTHER, inner * 4);
    return count;
}

/* A learned scale that is not in place touches its bottom's gradient. */
static uint32_t scale_touches(const sa_layer *layer, const sa_blob *blobs)
{
    return layer->needs_backward && layer->bottom_count == 1 && !sa_is_in_place(layer, blobs);
}

const sa_layer_type sa_layer_scale = {
    .name = "Scale",
    .config_field = "scale_param",
    .config_table = scale_fields,
    .config_bytes = sizeof(scale_param),
    .config_init = scale_init,
    .min_bottoms = 1,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 2,
    .grad_tops = 1,
    .in_place = true,
    .accounted_only = true,
    .setup = scale_setup,
    .caffe_touched_diffs = scale_touches,
    .caffe_buffers = scale_buffers,
};

static int bias_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const scale_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    list[0] = sa_both("bias_multiplier_", SA_CAFFE_OTHER, sa_shape_span(shape, p->begin + p->vector.axes, shape->axes) * 4);
    return 1;
}

const sa_layer_type sa_layer_bias = {
    .name = "Bias",
    .config_field = "bias_param",
    .config_table = bias_fields,
    .config_bytes = sizeof(scale_param),
    .config_init = scale_init,
    .min_bottoms = 1,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 2,
    .grad_tops = 1,
    .in_place = true,
    .accounted_only = true,
    .setup = scale_setup,
    .caffe_buffers = bias_buffers,
};

/* ---- MVN ---- */

typedef struct mvn_param {
    bool normalize_variance, across_channels;
} mvn_param;

static const sa_field mvn_fields[] = {
    SA_F_SINGLE(mvn_param, normalize_variance, "normalize_variance", BOOL),
    SA_F_SINGLE(mvn_param, across_channels, "across_channels", BOOL),
    SA_F_IGNORED("eps"),
    SA_F_END,
};

static void mvn_init(void *config)
{
    *(mvn_param *)config = (mvn_param){.normalize_variance = true};
}

static sa_status mvn_setup(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    return sa_layer_same_shape(layer, blobs);
}

static int mvn_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const mvn_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t statistics = sa_shape_span(shape, 0, 2) * 4;
    int count = 0;
    list[count++] = sa_both("temp_", SA_CAFFE_OTHER, sa_bottom_bytes(layer, blobs, 0));
    list[count++] = sa_both("mean_", SA_CAFFE_OTHER, statistics);
    if (p->normalize_variance) list[count++] = sa_both("variance_", SA_CAFFE_OTHER, statistics);
    list[count++] = sa_both("sum_multiplier_", SA_CAFFE_OTHER, sa_shape_span(shape, p->across_channels ? 1 : 2, 4) * 4);
    return count;
}

const sa_layer_type sa_layer_mvn = {
    .name = "MVN",
    .config_field = "mvn_param",
    .config_table = mvn_fields,
    .config_bytes = sizeof(mvn_param),
    .config_init = mvn_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .in_place = true,
    .accounted_only = true,
    .setup = mvn_setup,
    .caffe_buffers = mvn_buffers,
};
