/* InnerProduct: the axes from `axis` on are one vector per row, y = x w^T + b. Matrices are read and written where they lie; what
 * an expression gives is stored first. Caffe: InnerProductLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

typedef struct inner_product_param {
    int32_t num_output, axis;
    bool bias_term, transpose;
    sa_filler_param weight_filler, bias_filler;
    int begin; /* resolved by setup */
} inner_product_param;

static const sa_field inner_product_fields[] = {
    SA_F_RANGE(inner_product_param, num_output, "num_output", INT32, 1, INT32_MAX),
    SA_F_SINGLE(inner_product_param, axis, "axis", INT32),
    SA_F_SINGLE(inner_product_param, bias_term, "bias_term", BOOL),
    SA_F_SINGLE(inner_product_param, transpose, "transpose", BOOL),
    SA_F_MESSAGE(inner_product_param, weight_filler, "weight_filler", sa_filler_fields),
    SA_F_MESSAGE(inner_product_param, bias_filler, "bias_filler", sa_filler_fields),
    SA_F_END,
};

static void config_init(void *config)
{
    inner_product_param *p = config;
    *p = (inner_product_param){.bias_term = true, .axis = 1};
    sa_filler_param_init(&p->weight_filler);
    sa_filler_param_init(&p->bias_filler);
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    inner_product_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    if (p->num_output < 1) SA_FAIL(SA_INVALID, "num_output is missing");
    SA_TRY(sa_axis_resolve(shape, p->axis, "axis", &p->begin));
    size_t inputs = sa_shape_span(shape, p->begin, shape->axes), rows = sa_shape_span(shape, 0, p->begin);
    if (inputs > INT32_MAX || rows > INT32_MAX) SA_FAIL(SA_INVALID, "%zu inputs of %zu inner products", inputs, rows);
    sa_shape top = {.axes = p->begin + 1};
    for (int i = 0; i < p->begin; i++) top.dim[i] = shape->dim[i];
    top.dim[p->begin] = p->num_output;
    layer->param_count = p->bias_term ? 2 : 1;
    int32_t in = (int32_t)inputs, out = p->num_output;
    layer->param[0].shape = p->transpose ? (sa_shape){2, {in, out}} : (sa_shape){2, {out, in}};
    layer->param[0].filler = p->weight_filler;
    layer->param[1].shape = (sa_shape){1, {out}};
    layer->param[1].filler = p->bias_filler;
    blobs[layer->top[0]].shape = top;
    return SA_OK;
}

/* rows of x and y, their lengths */
typedef struct sizes {
    int32_t rows, in, out;
} sizes;

static sizes sizes_of(sa_emitter *e, const sa_layer *layer)
{
    const inner_product_param *p = layer->config;
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    return (sizes){(int32_t)sa_shape_span(shape, 0, p->begin), (int32_t)sa_shape_span(shape, p->begin, shape->axes), p->num_output};
}

static bool is_transposed(const sa_layer *layer)
{
    return ((const inner_product_param *)layer->config)->transpose;
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    const sizes s = sizes_of(e, layer);
    sa_op_args args = {.product = {.rows = s.rows, .columns = s.out, .depth = s.in, .b_transposed = !is_transposed(layer)}};
    sa_source x;
    sa_slab y;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &x));
    SA_TRY(sa_emit_plain(e, layer, &x, &args.product.a));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &y));
    args.product.b = sa_emit_param(e, layer, 0);
    args.product.bias = layer->param_count > 1 ? sa_emit_param(e, layer, 1) : SA_REF_NONE;
    args.product.c = y.at;
    return sa_emit_op(e, layer, sa_emit_is_again(e) ? "forward again" : "forward", SA_OP_PRODUCT, &args);
}

/* dw = dy^T x, or x^T dy of a transposed weight; db = the sums of dy's columns */
static sa_status emit_dweight(sa_emitter *e, const sa_layer *layer, const sa_ref *dy)
{
    const sizes s = sizes_of(e, layer);
    sa_op_args args = {.product = {.depth = s.rows, .a_transposed = true, .bias = SA_REF_NONE}};
    sa_product_args *p = &args.product;
    sa_source x;
    sa_ref x_at;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &x));
    SA_TRY(sa_emit_plain(e, layer, &x, &x_at));
    p->rows = is_transposed(layer) ? s.in : s.out;
    p->columns = is_transposed(layer) ? s.out : s.in;
    p->a = is_transposed(layer) ? x_at : *dy;
    p->b = is_transposed(layer) ? *dy : x_at;
    p->c = sa_emit_param_grad(e, layer, 0);
    SA_TRY(sa_emit_op(e, layer, "backward weight", SA_OP_PRODUCT, &args));
    if (layer->param_count < 2) return SA_OK;
    args = (sa_op_args){.column_sums = {.rows = s.rows, .columns = s.out, .x = *dy, .sums = sa_emit_param_grad(e, layer, 1)}};
    return sa_emit_op(e, layer, "backward bias", SA_OP_COLUMN_SUMS, &args);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    const sizes s = sizes_of(e, layer);
    const bool want_dx = sa_emit_grad_is_wanted(e, layer->bottom[0]);
    const bool want_dweight = layer->param[0].needs_grad || (layer->param_count > 1 && layer->param[1].needs_grad);
    sa_source dy;
    sa_ref dy_at;
    sa_slab dx;
    if (!want_dx && !want_dweight) return SA_OK;
    SA_TRY(sa_emit_grad(e, layer->top[0], &dy));
    SA_TRY(sa_emit_plain(e, layer, &dy, &dy_at));
    if (want_dweight) SA_TRY(emit_dweight(e, layer, &dy_at));
    if (!want_dx) return SA_OK;
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &dx));
    sa_op_args args = {.product = {.rows = s.rows, .columns = s.in, .depth = s.out, .b_transposed = is_transposed(layer)}};
    args.product.a = dy_at;
    args.product.b = sa_emit_param(e, layer, 0);
    args.product.bias = SA_REF_NONE;
    args.product.c = dx.at;
    return sa_emit_op(e, layer, "backward data", SA_OP_PRODUCT, &args);
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    const inner_product_param *p = layer->config;
    if (!p->bias_term) return 0;
    list[0] = sa_both("bias_multiplier_", SA_CAFFE_OTHER, sa_shape_span(&blobs[layer->bottom[0]].shape, 0, p->begin) * 4);
    return 1;
}

const sa_layer_type sa_layer_inner_product = {
    .name = "InnerProduct",
    .config_field = "inner_product_param",
    .config_table = inner_product_fields,
    .config_bytes = sizeof(inner_product_param),
    .config_init = config_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .keeps_top = true,
    .reads_bottom = true,
    .setup = setup,
    .caffe_buffers = caffe_buffers,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
};
