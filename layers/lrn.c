/* LRN across channels: y = x * (k + alpha/n * sum of x^2 over n channels)^-beta; or within them, over n x n pixels. Caffe:
 * LRNLayer.
 */
#include "layers/layer_common.h"
#include "program/emit.h"

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_lrn_param *config = layer->config;
    if (config->local_size < 1 || config->local_size % 2 == 0)
        SA_FAIL(SA_INVALID, "local_size %d: must be odd and positive", config->local_size);
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    return sa_layer_same_shape(layer, blobs);
}

/* The same within channels: S = 1 + alpha/n^2 * sum of x^2 over a window of n x n; the message's k is not used. */
static sa_status plane_scale_source(sa_emitter *e, const sa_layer *layer, const sa_source *x, sa_source *scale)
{
    const sa_lrn_param *config = layer->config;
    const int32_t size = config->local_size, pad = (size - 1) / 2;
    sa_node *node;
    SA_TRY(sa_emit_join(e, layer, scale, SA_NODE_PLANE_LRN_SCALE, &sa_emit_blob(e, layer->bottom[0])->shape, x, NULL, NULL, &node));
    node->window = (sa_window){size, size, 1, 1, pad, pad};
    node->number.lrn.alpha = config->alpha;
    node->number.lrn.k = 1;
    return SA_OK;
}

/* S = k + alpha/n * sum x^2, from its buffer if Caffe's layout keeps one */
static sa_status scale_source(sa_emitter *e, const sa_layer *layer, const sa_source *x, sa_source *scale)
{
    const sa_lrn_param *config = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    if (config->within_channel) return plane_scale_source(e, layer, x, scale);
    bool caffe = sa_emit_caffe_layout(e);
    if (caffe && sa_emit_has_saved(e, layer, "scale")) {
        sa_ref at;
        SA_TRY(sa_emit_saved(e, layer, "scale", SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &at));
        sa_slab slab = sa_slab_full(at, shape);
        sa_source_dense(scale, &slab, shape);
        return SA_OK;
    }
    sa_node *node;
    SA_TRY(sa_emit_join(e, layer, scale, SA_NODE_LRN_SCALE, shape, x, NULL, NULL, &node));
    node->channels_read = config->local_size;
    node->number.lrn.alpha = config->alpha;
    node->number.lrn.k = config->k;
    return SA_OK;
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    const sa_lrn_param *config = layer->config;
    sa_source x, scale;
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &x));
    SA_TRY(scale_source(e, layer, &x, &scale));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_LRN, &sa_emit_blob(e, layer->top[0])->shape, &x, &scale, NULL, &node));
    node->number.lrn.beta = config->beta;
    return SA_OK;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    const bool within = ((const sa_lrn_param *)layer->config)->within_channel;
    if (sa_emit_caffe_layout(e) && !sa_emit_is_again(e) && !within) {
        const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
        sa_source x, scale;
        sa_ref at;
        SA_TRY(sa_emit_data(e, layer->bottom[0], &x));
        SA_TRY(scale_source(e, layer, &x, &scale));
        SA_TRY(sa_emit_saved(e, layer, "scale", SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &at));
        SA_TRY(sa_emit_materialize(e, layer, "scale", &scale, layer->bottom[0], sa_slab_full(at, shape)));
    }
    return sa_emit_forward_from_source(e, layer);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    const sa_lrn_param *config = layer->config;
    sa_source x, scale, dy;
    sa_node *node;
    const sa_node_kind kind = config->within_channel ? SA_NODE_PLANE_LRN_GRAD : SA_NODE_LRN_GRAD;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &x));
    SA_TRY(scale_source(e, layer, &x, &scale));
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    SA_TRY(sa_emit_join(e, layer, source, kind, &sa_emit_blob(e, layer->bottom[0])->shape, &x, &scale, &dy, &node));
    node->channels_read = config->local_size;
    if (config->within_channel) {
        const int32_t size = config->local_size, pad = (size - 1) / 2;
        node->window = (sa_window){size, size, 1, 1, pad, pad};
    }
    node->number.lrn.alpha = config->alpha;
    node->number.lrn.beta = config->beta;
    return SA_OK;
}

/* Caffe computes it by layers of its own: Power, Pooling, Power and a product, which two inner Splits feed. */
static int within_channel_buffers(const sa_layer *layer, size_t bytes, sa_caffe_buffer *list)
{
    static const char *const FORWARD[] = {"square_output_", "pool_output_", "power_output_"};
    static const char *const BACKWARD[] = {"square_input_.diff", "product_input_.diff", "square_output_.diff", "pool_output_.diff",
                                           "power_output_.diff"};
    int count = 0;
    for (int i = 0; i < 3; i++) list[count++] = sa_both(FORWARD[i], SA_CAFFE_LRN_WITHIN, bytes);
    for (int i = 0; i < 5 && layer->needs_backward; i++) list[count++] = sa_both(BACKWARD[i], SA_CAFFE_LRN_WITHIN, bytes);
    return count;
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    size_t bytes = sa_blob_bytes(&blobs[layer->bottom[0]]);
    if (((const sa_lrn_param *)layer->config)->within_channel) return within_channel_buffers(layer, bytes, list);
    list[0] = (sa_caffe_buffer){"scale", SA_CAFFE_LRN_SCALE, bytes, bytes, "scale_"};
    return 1;
}

const sa_layer_type sa_layer_lrn = {
    .name = "LRN",
    .config_field = "lrn_param",
    .config_table = sa_lrn_fields,
    .config_bytes = sizeof(sa_lrn_param),
    .config_init = sa_lrn_param_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .writes_images = true,
    .reads_bottom = true,
    .cheap_again = true,
    .source_nodes = 1,
    .setup = setup,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = sa_emit_backward_from_source,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
