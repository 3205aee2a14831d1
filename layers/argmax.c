/* ArgMax: indices, or values, of the greatest along an axis, or of all of an image. Forward only. Caffe: ArgMaxLayer. */
#include "layers/parts.h"

typedef struct argmax_param {
    int32_t axis, top_k;
    bool axis_given, out_max_val;
} argmax_param;

static const sa_field fields[] = {
    SA_F_GIVEN(argmax_param, axis, axis_given, "axis", INT32),
    SA_F_RANGE(argmax_param, top_k, "top_k", INT32, 1, INT32_MAX),
    SA_F_SINGLE(argmax_param, out_max_val, "out_max_val", BOOL),
    SA_F_END,
};

static void config_init(void *config)
{
    *(argmax_param *)config = (argmax_param){.top_k = 1};
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const argmax_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis = 1;
    if (p->axis_given) SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &axis));
    size_t values = p->axis_given ? (size_t)shape.dim[axis] : sa_shape_span(&shape, 1, shape.axes);
    if ((size_t)p->top_k > values) SA_FAIL(SA_INVALID, "top_k %d of %zu values", p->top_k, values);
    if (p->axis_given) {
        shape.dim[axis] = p->top_k;
    } else { /* (N, 1 or 2, top_k), at least three axes */
        int axes = shape.axes > 3 ? shape.axes : 3;
        shape = (sa_shape){axes, {shape.dim[0], p->out_max_val ? 2 : 1, p->top_k, axes > 3 ? 1 : 0}};
    }
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

/* Without an axis the top is (N, 1 or 2, top_k, ...): indices, then values. */
static sa_status set_outputs(const sa_layer *layer, const argmax_param *p, const int32_t view[4], const sa_slab *out,
                             sa_argmax_args *a)
{
    sa_slab *whole = p->axis_given && p->out_max_val ? &a->value : &a->index;
    *whole = *out;
    const int32_t ranks[4] = {view[0], p->top_k, view[2], view[3]};
    const int32_t both[4] = {view[0], 2, 1, p->top_k};
    const bool two = !p->axis_given && p->out_max_val;
    bool fits = sa_slab_reshape(whole, two ? both : ranks);
    if (two && fits) {
        const sa_part part[2] = {{{0, 0, 0, 0}, {view[0], 1, 1, p->top_k}}, {{0, 1, 0, 0}, {view[0], 1, 1, p->top_k}}};
        a->value = sa_slab_part(whole, &part[1]);
        a->index = sa_slab_part(whole, &part[0]);
        fits = sa_slab_reshape(&a->index, ranks) && sa_slab_reshape(&a->value, ranks);
    }
    if (!fits) SA_FAIL(SA_INVALID, "layer '%s': what it writes has gaps", layer->name);
    return SA_OK;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    const argmax_param *p = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    sa_op_args args = {.argmax = {.top_k = p->top_k}};
    sa_argmax_args *a = &args.argmax;
    int32_t view[4] = {shape->dim[0], (int32_t)sa_shape_span(shape, 1, shape->axes), 1, 1};
    int axis;
    sa_slab out;
    if (p->axis_given) {
        SA_TRY(sa_axis_resolve(shape, p->axis, "axis", &axis));
        sa_axis_as_channels(shape, axis, view);
    }
    a->index.at = a->value.at = SA_REF_NONE;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &a->x));
    SA_TRY(sa_emit_reshape(e, layer, &a->x, view));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &out));
    SA_TRY(set_outputs(layer, p, view, &out, a));
    return sa_emit_op(e, layer, "forward", SA_OP_ARGMAX, &args);
}

const sa_layer_type sa_layer_argmax = {
    .name = "ArgMax",
    .config_field = "argmax_param",
    .config_table = fields,
    .config_bytes = sizeof(argmax_param),
    .config_init = config_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .ends_scores = true,
    .caffe_tops_on_host = true,
    .setup = setup,
    .emit_forward = emit_forward,
};
