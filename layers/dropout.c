/* Dropout: y = x / (1 - ratio) where kept, else 0; the identity in the test phase (Bayesian SegNet may sample there too). The mask
 * is never stored: a counter-based hash of (seed, step, element) gives it forward and backward (Caffe draws it from mt19937, which
 * is not reproduced). */
#include "core/hash.h"
#include "layers/layer_common.h"
#include "program/emit.h"

/* source = kept part of source, scaled */
static sa_status drop(sa_emitter *e, const sa_layer *layer, sa_source *source)
{
    const sa_dropout_param *config = layer->config;
    if (layer->test_phase && !config->sample_weights_test) return SA_OK;
    sa_node *node;
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_DROPOUT, &sa_emit_blob(e, layer->top[0])->shape, source, NULL, NULL, &node));
    node->number.dropout.ratio = config->dropout_ratio;
    node->number.dropout.factor = 1.0f / (1.0f - config->dropout_ratio);
    node->number.dropout.seed = sa_hash_text(layer->name); /* each layer has its own mask */
    node->vector[0] = sa_emit_step_state(e);
    return SA_OK;
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    return drop(e, layer, source);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    SA_TRY(sa_emit_grad(e, layer->top[0], source));
    return drop(e, layer, source);
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    size_t bytes = sa_blob_bytes(&blobs[layer->bottom[0]]);
    list[0] = (sa_caffe_buffer){"rand_vec", SA_CAFFE_DROPOUT, layer->test_phase ? 0 : bytes, bytes, "rand_vec_"};
    return 1;
}

const sa_layer_type sa_layer_dropout = {
    .name = "Dropout",
    .config_field = "dropout_param",
    .config_table = sa_dropout_fields,
    .config_bytes = sizeof(sa_dropout_param),
    .config_init = sa_dropout_param_init,
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
    .keeps_gate = true,
    .cheap_grad = true,
    .source_nodes = 1,
    .setup = sa_layer_same_shape,
    .caffe_buffers = caffe_buffers,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = sa_emit_backward_from_source,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
