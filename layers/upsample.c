/* Upsample: puts each pooled value back where its maximum was, zero elsewhere. With a mask made by a pooling of the same plane it
 * is an expression (UNPOOL) and need not be stored; with any other mask it scatters by index. Caffe-SegNet: UpsampleLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

#include "core/checked.h"

#include <stdio.h>

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    SA_TRY(sa_layer_need_nchw(layer, blobs, 1));
    sa_shape shape = blobs[layer->bottom[0]].shape;
    const int32_t *mask = blobs[layer->bottom[1]].shape.dim;
    for (int i = 0; i < 4; i++)
        if (mask[i] != shape.dim[i])
            SA_FAIL(SA_INVALID, "mask '%s' is %dx%dx%dx%d, '%s' is %dx%dx%dx%d: shapes must be equal", blobs[layer->bottom[1]].name,
                    mask[0], mask[1], mask[2], mask[3], blobs[layer->bottom[0]].name, shape.dim[0], shape.dim[1], shape.dim[2],
                    shape.dim[3]);
    SA_TRY(sa_upsample_param_size(layer->config, shape.dim[2], shape.dim[3], &shape.dim[2], &shape.dim[3]));
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

/* The remedy for a plane that has to be height x width. */
static void remedy_text(const sa_upsample_param *param, const int32_t bottom[4], int32_t height, int32_t width, char text[96])
{
    int length = snprintf(text, 96, "upsample_h: %d upsample_w: %d", (int)height, (int)width);
    bool odd_h = height == 2 * bottom[2] - 1, odd_w = width == 2 * bottom[3] - 1;
    bool given = param->upsample_h_given || param->upsample_w_given;
    if (given || (!odd_h && !odd_w) || (!odd_h && height != 2 * bottom[2]) || (!odd_w && width != 2 * bottom[3])) return;
    snprintf(text + length, 96 - (size_t)length, ", or%s%s", odd_h ? " pad_out_h: true" : "", odd_w ? " pad_out_w: true" : "");
}

/* A mask says where in the pooling's plane each maximum was: in any other plane its numbers are other places. */
static sa_status check(const sa_layer *layer, const sa_layer *layers, const sa_blob *blobs)
{
    const sa_blob *mask = &blobs[layer->bottom[1]];
    const sa_layer *maker = &layers[mask->producer];
    if (maker->type->is_input) return SA_OK; /* whoever feeds it knows; synthetic data is refused (net/feed.c) */
    if (!maker->type->makes_mask || mask->producer_top != 1)
        SA_FAIL(SA_INVALID,
                "its second bottom '%s', a top of layer '%s' (%s), is no mask: it has to be the second top of a Pooling",
                mask->name, maker->name, maker->type->name);
    const sa_blob *pooled = &blobs[maker->bottom[0]];
    const int32_t *plane = pooled->shape.dim, *out = blobs[layer->top[0]].shape.dim;
    if (plane[2] == out[2] && plane[3] == out[3]) return SA_OK;
    char remedy[96];
    remedy_text(layer->config, blobs[layer->bottom[0]].shape.dim, plane[2], plane[3], remedy);
    SA_FAIL(SA_INVALID,
            "makes a plane of %dx%d, but its mask '%s' has places in the %dx%d plane of '%s', which layer '%s' pools; say %s",
            (int)out[2], (int)out[3], mask->name, (int)plane[2], (int)plane[3], pooled->name, maker->name, remedy);
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    const sa_layer *pooling = sa_layer_mask_maker(layer, sa_emit_layers(e), sa_emit_blobs(e));
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[0], source));
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_UNPOOL, &sa_emit_blob(e, layer->top[0])->shape, source, NULL, NULL, &node));
    node->window = pooling->window;
    return sa_emit_mask(e, pooling, &node->slab);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    if (sa_layer_mask_maker(layer, sa_emit_layers(e), sa_emit_blobs(e))) return sa_emit_forward_from_source(e, layer);
    sa_op_args args = {.unpool_scatter = {.range = sa_emit_range(e, layer->bottom[0])}};
    sa_source mask;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &args.unpool_scatter.x));
    SA_TRY(sa_emit_data(e, layer->bottom[1], &mask));
    if (!sa_source_is_dense_f32(&mask)) SA_FAIL(SA_UNSUPPORTED, "the mask of layer '%s' is not stored as indices", layer->name);
    args.unpool_scatter.mask = mask.node[0].slab;
    SA_TRY(sa_emit_data_out(e, layer->top[0], &args.unpool_scatter.out));
    return sa_emit_op(e, layer, "forward", SA_OP_UNPOOL_SCATTER, &args);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    if (!sa_emit_grad_is_wanted(e, layer->bottom[0])) return SA_OK; /* or gathered already by the convolution above */
    const sa_layer *pooling = sa_layer_mask_maker(layer, sa_emit_layers(e), sa_emit_blobs(e));
    sa_op_args args = {.unpool_gather = {.range = sa_emit_range(e, layer->bottom[0])}};
    sa_unpool_gather_args *a = &args.unpool_gather;
    SA_TRY(sa_emit_grad_dense(e, layer->top[0], &a->dy));
    if (pooling) {
        a->window = pooling->window;
        SA_TRY(sa_emit_mask(e, pooling, &a->mask));
    } else {
        sa_source mask;
        SA_TRY(sa_emit_data(e, layer->bottom[1], &mask));
        a->mask = mask.node[0].slab;
    }
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &a->dx));
    return sa_emit_op(e, layer, "backward", SA_OP_UNPOOL_GATHER, &args);
}

const sa_layer_type sa_layer_upsample = {
    .name = "Upsample",
    .config_field = "upsample_param",
    .config_table = sa_upsample_fields,
    .config_bytes = sizeof(sa_upsample_param),
    .config_init = sa_upsample_param_init,
    .min_bottoms = 2,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .segnet_fork = true,
    .channels_apart = true,
    .mask_bottom = 1,
    .source_nodes = 1,
    .setup = setup,
    .check = check,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
    .top_source = top_source,
};
