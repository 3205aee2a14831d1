/* Reduction: all axes from one on become one value, a sum of x, |x| or x * x, or the mean. Caffe: ReductionLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

enum { REDUCE_SUM = 1, REDUCE_ASUM, REDUCE_SUMSQ, REDUCE_MEAN };
static const sa_enum_name reduction_names[] = {SA_ENUM("SUM", REDUCE_SUM), SA_ENUM("ASUM", REDUCE_ASUM),
                                               SA_ENUM("SUMSQ", REDUCE_SUMSQ), SA_ENUM("MEAN", REDUCE_MEAN), SA_ENUM_END};

typedef struct reduction_param {
    int32_t operation, axis;
    float coeff;
    int begin; /* resolved by setup */
} reduction_param;

static const sa_field fields[] = {
    SA_F_ENUM(reduction_param, operation, "operation", reduction_names),
    SA_F_SINGLE(reduction_param, axis, "axis", INT32),
    SA_F_SINGLE(reduction_param, coeff, "coeff", FLOAT),
    SA_F_END,
};

static void config_init(void *config)
{
    *(reduction_param *)config = (reduction_param){.operation = REDUCE_SUM, .coeff = 1.0f};
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    reduction_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &p->begin));
    for (int i = p->begin; i < shape.axes; i++) shape.dim[i] = 0;
    shape.axes = p->begin;
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const reduction_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    if (p->operation != REDUCE_SUM && p->operation != REDUCE_MEAN) return 0;
    list[0] = sa_both("sum_multiplier_", SA_CAFFE_OTHER, sa_shape_span(shape, p->begin, shape->axes) * 4);
    return 1;
}

/* As (1, values of the top, what each is a sum over). */
static void view_of(const sa_shape *shape, int begin, int32_t nchw[4])
{
    nchw[0] = 1;
    nchw[1] = (int32_t)sa_shape_span(shape, 0, begin);
    nchw[2] = (int32_t)sa_shape_span(shape, begin, shape->axes - 1);
    nchw[3] = begin < shape->axes ? shape->dim[shape->axes - 1] : 1;
}

/* What both passes have in common. */
static void start(sa_emitter *e, const sa_layer *layer, sa_reduction_args *a, int32_t nchw[4])
{
    const reduction_param *p = layer->config;
    view_of(&sa_emit_blob(e, layer->bottom[0])->shape, p->begin, nchw);
    *a = (sa_reduction_args){
        .kind = p->operation == REDUCE_ASUM    ? SA_REDUCTION_ASUM
                : p->operation == REDUCE_SUMSQ ? SA_REDUCTION_SUMSQ
                                               : SA_REDUCTION_SUM,
        .factor = p->coeff,
        .channels = nchw[1],
        .height = nchw[2],
        .width = nchw[3],
        .dx.at = SA_REF_NONE,
    };
    if (p->operation == REDUCE_MEAN) a->factor = p->coeff / ((float)nchw[2] * (float)nchw[3]);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    int32_t nchw[4];
    sa_op_args args;
    sa_slab out;
    start(e, layer, &args.reduction, nchw);
    SA_TRY(sa_emit_data(e, layer->bottom[0], &args.reduction.x));
    SA_TRY(sa_emit_reshape(e, layer, &args.reduction.x, nchw));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &out));
    args.reduction.sums = out.at;
    return sa_emit_op(e, layer, "forward", SA_OP_REDUCTION, &args);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    int32_t nchw[4];
    sa_op_args args;
    sa_slab dy;
    if (!sa_emit_grad_is_wanted(e, layer->bottom[0])) return SA_OK;
    start(e, layer, &args.reduction, nchw);
    args.reduction.backward = true;
    SA_TRY(sa_emit_grad_dense(e, layer->top[0], &dy));
    args.reduction.sums = dy.at;
    if (args.reduction.kind != SA_REDUCTION_SUM) {
        SA_TRY(sa_emit_data(e, layer->bottom[0], &args.reduction.x));
        SA_TRY(sa_emit_reshape(e, layer, &args.reduction.x, nchw));
    }
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &args.reduction.dx));
    if (!sa_slab_reshape(&args.reduction.dx, nchw)) SA_FAIL(SA_INVALID, "layer '%s': its gradient has gaps", layer->name);
    return sa_emit_op(e, layer, "backward", SA_OP_REDUCTION, &args);
}

const sa_layer_type sa_layer_reduction = {
    .name = "Reduction",
    .config_field = "reduction_param",
    .config_table = fields,
    .config_bytes = sizeof(reduction_param),
    .config_init = config_init,
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
