/* Softmax over channels, for deploy nets: forward only. Caffe: SoftmaxLayer. */
#include "layers/emit.h"
#include "layers/layer_common.h"

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    return sa_layer_same_shape(layer, blobs);
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
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .setup = setup,
    .emit_forward = emit_forward,
};
