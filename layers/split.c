/* Split: one blob for several readers, inserted by the net. Data is shared; the gradient is the sum of the tops' gradients, tops
 * that have none (Accuracy) count as zero. Caffe: SplitLayer, InsertSplits. */
#include "layers/layer_common.h"
#include "layers/layer_registry.h"
#include "program/emit.h"

#include <stdio.h>

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    for (int i = 0; i < layer->top_count; i++) blobs[layer->top[i]].shape = blobs[layer->bottom[0]].shape;
    return SA_OK;
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    return sa_emit_data(e, layer->bottom[0], source);
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    (void)bottom;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    bool first = true;
    for (int i = 0; i < layer->top_count; i++) {
        sa_source next;
        sa_node *node;
        if (sa_emit_blob(e, layer->top[i])->needs_grad) {
            SA_TRY(sa_emit_grad(e, layer->top[i], &next));
        } else if (sa_emit_caffe_layout(e)) { /* Caffe adds a gradient that is zero from start to end */
            char suffix[32];
            sa_ref zero;
            snprintf(suffix, sizeof suffix, "split_%d.grad", i);
            SA_TRY(sa_emit_saved(e, layer, suffix, SA_EMIT_SAVED, sa_shape_elements(shape) * 4, &zero));
            sa_slab slab = sa_slab_full(zero, shape);
            sa_op_args args = {.fill = {.target = zero, .count = sa_shape_elements(shape), .value = 0.0f}};
            SA_TRY(sa_emit_op(e, layer, "zero", SA_OP_FILL, &args));
            sa_source_dense(&next, &slab, shape);
        } else {
            continue;
        }
        if (first) *source = next;
        else SA_TRY(sa_emit_join(e, layer, source, SA_NODE_ADD, shape, source, &next, NULL, &node));
        first = false;
    }
    return SA_OK;
}

#define GRAD(i) "split_" #i ".grad"
#define GRADS(a, b, c, d) GRAD(a), GRAD(b), GRAD(c), GRAD(d)

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    static const char *const SUFFIX[SA_LAYER_TOPS_MAX] = {GRADS(0, 1, 2, 3),     GRADS(4, 5, 6, 7),     GRADS(8, 9, 10, 11),
                                                          GRADS(12, 13, 14, 15), GRADS(16, 17, 18, 19), GRADS(20, 21, 22, 23),
                                                          GRADS(24, 25, 26, 27), GRADS(28, 29, 30, 31)};
    int count = 0;
    if (!layer->needs_backward) return 0;
    for (int i = 0; i < layer->top_count; i++) {
        size_t bytes = sa_blob_bytes(&blobs[layer->top[i]]);
        if (!blobs[layer->top[i]].needs_grad)
            list[count++] = (sa_caffe_buffer){SUFFIX[i], SA_CAFFE_SPLIT_DIFFS, bytes, bytes, NULL};
    }
    return count;
}

const sa_layer_type sa_layer_split = {
    .name = "Split",
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_bottoms = 1,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .shares_bottom = true,
    .channels_apart = true,
    .caffe_shares_data = true,
    .caffe_all_top_diffs = true,
    .setup = setup,
    .caffe_buffers = caffe_buffers,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = sa_emit_backward_from_source,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
