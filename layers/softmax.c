/* Softmax along an axis. Its gradient reads its top. Caffe: SoftmaxLayer. */
#include "layers/parts.h"

static int axis_of(const sa_layer *layer, const sa_shape *shape)
{
    int32_t axis = ((const sa_softmax_param *)layer->config)->axis;
    return axis < 0 ? axis + shape->axes : axis;
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(shape, ((const sa_softmax_param *)layer->config)->axis, "axis", &axis));
    return sa_layer_same_shape(layer, blobs);
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    size_t classes = (size_t)shape->dim[axis_of(layer, shape)], bytes = sa_blob_bytes(&blobs[layer->bottom[0]]) / classes;
    list[0] = (sa_caffe_buffer){"scale", SA_CAFFE_SOFTMAX_SCALE, bytes, bytes, "scale_", true, 0};
    list[1] = sa_host_only("sum_multiplier_", classes * 4);
    return 2;
}

/* The view that the ops work in, and the places of all of it. */
static sa_range view_of(sa_emitter *e, const sa_layer *layer, int32_t nchw[4])
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_axis_as_channels(shape, axis_of(layer, shape), nchw);
    return (sa_range){0, nchw[0], 0, nchw[1]};
}

static sa_status see_output(const sa_layer *layer, sa_slab *slab, const int32_t nchw[4])
{
    if (!sa_slab_reshape(slab, nchw)) SA_FAIL(SA_INVALID, "layer '%s': what it writes has gaps", layer->name);
    return SA_OK;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    int32_t nchw[4];
    sa_op_args args = {.softmax = {.range = view_of(e, layer, nchw)}};
    SA_TRY(sa_emit_data(e, layer->bottom[0], &args.softmax.x));
    SA_TRY(sa_emit_reshape(e, layer, &args.softmax.x, nchw));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &args.softmax.prob));
    SA_TRY(see_output(layer, &args.softmax.prob, nchw));
    return sa_emit_op(e, layer, "forward", SA_OP_SOFTMAX, &args);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    int32_t nchw[4];
    sa_op_args args = {.softmax_grad = {.range = view_of(e, layer, nchw)}};
    sa_softmax_grad_args *a = &args.softmax_grad;
    if (!sa_emit_grad_is_wanted(e, layer->bottom[0])) return SA_OK;
    SA_TRY(sa_emit_data(e, layer->top[0], &a->y));
    SA_TRY(sa_emit_reshape(e, layer, &a->y, nchw));
    SA_TRY(sa_emit_grad(e, layer->top[0], &a->dy));
    SA_TRY(sa_emit_reshape(e, layer, &a->dy, nchw));
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &a->dx));
    SA_TRY(see_output(layer, &a->dx, nchw));
    return sa_emit_op(e, layer, "backward", SA_OP_SOFTMAX_GRAD, &args);
}

const sa_layer_type sa_layer_softmax = {
    .name = "Softmax",
    .config_field = "softmax_param",
    .config_table = sa_softmax_fields,
    .config_bytes = sizeof(sa_softmax_param),
    .config_init = sa_softmax_param_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .ends_scores = true,
    .setup = setup,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
};
