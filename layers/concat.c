/* Concat: bottoms one behind the other along an axis. Each bottom is a part of the top; where it is written there straight away,
 * the layer has nothing to do. Caffe: ConcatLayer. */
#include "layers/parts.h"

typedef struct concat_param {
    int32_t axis, old_axis; /* old_axis: concat_dim; -1: not given */
} concat_param;

static const sa_field fields[] = {
    SA_F_SINGLE(concat_param, axis, "axis", INT32),
    SA_F_RANGE(concat_param, old_axis, "concat_dim", INT32, 0, 3),
    SA_F_END,
};

static void config_init(void *config)
{
    *(concat_param *)config = (concat_param){.axis = 1, .old_axis = -1};
}

static sa_status axis_of(const sa_layer *layer, const sa_shape *shape, int *axis)
{
    const concat_param *p = layer->config;
    return sa_axis_resolve(shape, p->old_axis >= 0 ? p->old_axis : p->axis, "axis", axis);
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(axis_of(layer, &shape, &axis));
    int64_t sum = shape.dim[axis];
    for (int i = 1; i < layer->bottom_count; i++) {
        const sa_shape *other = &blobs[layer->bottom[i]].shape;
        for (int k = 0; k < shape.axes; k++) {
            if (other->axes == shape.axes && (k == axis || other->dim[k] == shape.dim[k])) continue;
            char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
            SA_FAIL(SA_INVALID, "'%s' is %s and '%s' is %s; all axes but axis %d must be equal", blobs[layer->bottom[0]].name,
                    sa_shape_text(&blobs[layer->bottom[0]].shape, a), blobs[layer->bottom[i]].name, sa_shape_text(other, b), axis);
        }
        sum += other->dim[axis];
    }
    if (sum > INT32_MAX) SA_FAIL(SA_INVALID, "axis %d becomes %lld", axis, (long long)sum);
    shape.dim[axis] = (int32_t)sum;
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

static void part(const sa_layer *layer, const sa_blob *blobs, int bottom, sa_part *part, int32_t whole[4])
{
    const sa_shape *shape = &blobs[layer->top[0]].shape;
    int axis = 1;
    int32_t begin = 0;
    (void)!axis_of(layer, shape, &axis); /* checked by setup */
    for (int i = 0; i < bottom; i++) begin += blobs[layer->bottom[i]].shape.dim[axis];
    sa_axis_part(shape, axis, begin, blobs[layer->bottom[bottom]].shape.dim[axis], part, whole);
}

const sa_layer_type sa_layer_concat = {
    .name = "Concat",
    .config_field = "concat_param",
    .config_table = fields,
    .config_bytes = sizeof(concat_param),
    .config_init = config_init,
    .min_bottoms = 1,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = SA_LAYER_BOTTOMS_MAX,
    .grad_tops = 1,
    .joins_bottoms = true,
    .writes_images = true,
    .caffe_shares_single = true,
    .setup = setup,
    .part = part,
    .emit_forward = sa_joint_emit_forward,
    .emit_backward = sa_emit_backward_from_source,
    .bottom_grad_source = sa_joint_bottom_grad_source,
};
