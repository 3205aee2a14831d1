/* Softmax over channels, for deploy nets: forward only. Caffe: SoftmaxLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(shape, ((const sa_softmax_param *)layer->config)->axis, "axis", &axis));
    if (shape->axes != 4 || axis != 1) layer->not_computed = "a softmax that is not over the channels of N x C x H x W";
    return sa_layer_same_shape(layer, blobs);
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int axis = ((const sa_softmax_param *)layer->config)->axis;
    size_t classes = (size_t)shape->dim[axis < 0 ? axis + shape->axes : axis],
           bytes = sa_blob_bytes(&blobs[layer->bottom[0]]) / classes;
    list[0] = (sa_caffe_buffer){"scale", SA_CAFFE_SOFTMAX_SCALE, bytes, bytes, "scale_"};
    list[1] = sa_host_only("sum_multiplier_", classes * 4);
    return 2;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_op_args args = {.softmax = {.range = sa_emit_range(e, layer->bottom[0])}};
    SA_TRY(sa_emit_data(e, layer->bottom[0], &args.softmax.x));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &args.softmax.prob));
    return sa_emit_op(e, layer, "forward", SA_OP_SOFTMAX, &args);
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
};
