/* Permute: the axes of a blob in another order. Caffe: SSD's PermuteLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

typedef struct permute_param {
    int32_t order[SA_AXES_MAX];
    int32_t order_count;
} permute_param;

static const sa_field fields[] = {
    SA_F_REPEATED_RANGE(permute_param, order, order_count, "order", INT32, 0, SA_AXES_MAX - 1),
    SA_F_END,
};

/* Which axis of the bottom each of the top is: those that `order` does not name follow in their own order. */
static void full_order(const permute_param *p, int axes, int order[SA_AXES_MAX])
{
    int count = 0;
    for (; count < p->order_count; count++) order[count] = p->order[count];
    for (int i = 0; i < axes; i++) {
        bool named = false;
        for (int k = 0; k < p->order_count; k++) named |= p->order[k] == i;
        if (!named) order[count++] = i;
    }
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const permute_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    sa_shape made = {0};
    bool taken[SA_AXES_MAX] = {false};
    for (int i = 0; i < p->order_count; i++) {
        if (p->order[i] >= shape->axes || taken[p->order[i]])
            SA_FAIL(SA_INVALID, "order %d: each of the %d axes once", p->order[i], shape->axes);
        taken[p->order[i]] = true;
    }
    int order[SA_AXES_MAX];
    full_order(p, shape->axes, order);
    for (made.axes = 0; made.axes < shape->axes; made.axes++) made.dim[made.axes] = shape->dim[order[made.axes]];
    blobs[layer->top[0]].shape = made;
    return SA_OK;
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    static const char *const members[] = {"permute_order_", "old_steps_", "new_steps_"};
    size_t bytes = (size_t)blobs[layer->bottom[0]].shape.axes * 4;
    for (int i = 0; i < 3; i++) list[i] = sa_both(members[i], SA_CAFFE_OTHER, bytes);
    return 3;
}

/* to = from with its axes reordered; back: the other way, from the top's order to the bottom's. */
static sa_status emit_order(sa_emitter *e, const sa_layer *layer, const char *what, bool back, const sa_source *from,
                            const sa_slab *to)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape, *made = &sa_emit_blob(e, layer->top[0])->shape;
    sa_op_args args = {.permute = {.axes = shape->axes, .out = *to}};
    int order[SA_AXES_MAX];
    full_order(layer->config, shape->axes, order);
    for (int i = 0; i < shape->axes; i++) {
        const int axis = back ? order[i] : i; /* of the output */
        args.permute.dim[axis] = made->dim[i];
        args.permute.stride[axis] =
            (int32_t)(back ? sa_shape_span(made, i + 1, made->axes) : sa_shape_span(shape, order[i] + 1, shape->axes));
    }
    sa_ref at;
    SA_TRY(sa_emit_plain(e, layer, from, &at));
    args.permute.x = sa_slab_full(at, back ? made : shape);
    return sa_emit_op(e, layer, what, SA_OP_PERMUTE, &args);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_source source;
    sa_slab out;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &source));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &out));
    return emit_order(e, layer, "forward", false, &source, &out);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    sa_source source;
    sa_slab out;
    if (!sa_emit_grad_is_wanted(e, layer->bottom[0])) return SA_OK;
    SA_TRY(sa_emit_grad(e, layer->top[0], &source));
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &out));
    return emit_order(e, layer, "backward", true, &source, &out);
}

const sa_layer_type sa_layer_permute = {
    .name = "Permute",
    .config_field = "permute_param",
    .config_table = fields,
    .config_bytes = sizeof(permute_param),
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .setup = setup,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
};
