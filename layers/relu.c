/* ReLU: y = max(x, 0) + slope * min(x, 0). Backward tests the output, or the input if the output is not stored: the same bits,
 * unless the slope is below 0, where it is the input. Caffe: ReLULayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

static float slope_of(const sa_layer *layer)
{
    return ((const sa_relu_param *)layer->config)->negative_slope;
}

/* The output's sign is not the input's. */
static bool keeps_bottom(const sa_layer *layer)
{
    return slope_of(layer) < 0.0f;
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    SA_TRY(sa_emit_join(e, layer, source, slope_of(layer) == 0.0f ? SA_NODE_RELU : SA_NODE_MAP,
                        &sa_emit_blob(e, layer->top[0])->shape, source, NULL, NULL, &node));
    if (slope_of(layer) != 0.0f) node->number.map = (sa_map){.kind = SA_MAP_LEAKY, .p = slope_of(layer)};
    return SA_OK;
}

/* The blob to test for being above 0. Where a layer that keeps the gate has overwritten the output, its own top does. */
static int gate_blob(const sa_emitter *e, const sa_layer *layer)
{
    int blob = layer->top[0];
    while (!sa_emit_data_is_present(e, blob)) {
        int reader = sa_emit_blob(e, blob)->consumer;
        if (reader < 0 || !sa_emit_layers(e)[reader].type->keeps_gate) return layer->bottom[0];
        blob = sa_emit_layers(e)[reader].top[0];
    }
    return blob;
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    sa_source gate, dy;
    sa_node *node;
    SA_TRY(sa_emit_data(e, keeps_bottom(layer) ? layer->bottom[0] : gate_blob(e, layer), &gate));
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    SA_TRY(sa_emit_join(e, layer, source, slope_of(layer) == 0.0f ? SA_NODE_RELU_GRAD : SA_NODE_MAP2,
                        &sa_emit_blob(e, layer->bottom[0])->shape, &gate, &dy, NULL, &node));
    if (slope_of(layer) != 0.0f) node->number.map = (sa_map){.kind = SA_MAP_LEAKY_GRAD, .p = slope_of(layer)};
    return SA_OK;
}

const sa_layer_type sa_layer_relu = {
    .name = "ReLU",
    .config_field = "relu_param",
    .config_table = sa_relu_fields,
    .config_bytes = sizeof(sa_relu_param),
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .in_place = true,
    .writes_images = true,
    .pointwise = true,
    .channels_apart = true,
    .reads_top = true,
    .cheap_grad = true,
    .source_nodes = 1,
    .keeps_bottom = keeps_bottom,
    .setup = sa_layer_same_shape,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = sa_emit_backward_from_source,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
