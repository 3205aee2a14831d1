/* Interp: bilinear resizing of planes whose edges are cropped first; the ends of both planes meet. DeepLab's InterpLayer; with a
 * second bottom that gives the size, as PSPNet and ICNet have it. */
#include "layers/layer_common.h"
#include "program/emit.h"

typedef struct interp_param {
    int32_t height, width, zoom_factor, shrink_factor, pad_beg, pad_end;
} interp_param;

static const sa_field interp_fields[] = {
    SA_F_RANGE(interp_param, height, "height", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, width, "width", INT32, 0, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, zoom_factor, "zoom_factor", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, shrink_factor, "shrink_factor", INT32, 1, SA_PARAM_SIZE_MAX),
    SA_F_RANGE(interp_param, pad_beg, "pad_beg", INT32, -SA_PARAM_SIZE_MAX, 0),
    SA_F_RANGE(interp_param, pad_end, "pad_end", INT32, -SA_PARAM_SIZE_MAX, 0),
    SA_F_END,
};

/* First shrunk, then zoomed, then height and width; a second bottom gives the size instead. */
static int32_t interp_size(const interp_param *p, int32_t size, int32_t given)
{
    int64_t effective = (int64_t)size + p->pad_beg + p->pad_end;
    if (given > 0) return given;
    if (p->shrink_factor > 0) effective = (effective - 1) / p->shrink_factor + 1;
    if (p->zoom_factor > 0) effective = effective + (effective - 1) * (p->zoom_factor - 1);
    return effective < 1 || effective > INT32_MAX ? 0 : (int32_t)effective;
}

static sa_status interp_setup(sa_layer *layer, sa_blob *blobs)
{
    const interp_param *p = layer->config;
    SA_TRY(sa_layer_need_nchw(layer, blobs, 0));
    sa_shape shape = blobs[layer->bottom[0]].shape;
    const sa_shape *like = layer->bottom_count > 1 ? &blobs[layer->bottom[1]].shape : NULL;
    if (like && like->axes != 4) SA_FAIL(SA_INVALID, "the second bottom has %d axes, needs 4", like->axes);
    for (int k = 2; k < 4; k++)
        if ((int64_t)shape.dim[k] + p->pad_beg + p->pad_end < 1)
            SA_FAIL(SA_INVALID, "pad_beg %d and pad_end %d leave nothing of %d %s", p->pad_beg, p->pad_end, shape.dim[k],
                    k == 2 ? "rows" : "columns");
    shape.dim[2] = interp_size(p, shape.dim[2], like ? like->dim[2] : p->height);
    shape.dim[3] = interp_size(p, shape.dim[3], like ? like->dim[3] : p->width);
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

static sa_status emit_resize(sa_emitter *e, const sa_layer *layer, bool gradient, const sa_source *from, const sa_slab *to)
{
    const interp_param *p = layer->config;
    const int32_t *bottom = sa_emit_blob(e, layer->bottom[0])->shape.dim;
    sa_op_args args = {.interp = {.top = -p->pad_beg,
                                  .left = -p->pad_beg,
                                  .rows = bottom[2] + p->pad_beg + p->pad_end,
                                  .columns = bottom[3] + p->pad_beg + p->pad_end,
                                  .gradient = gradient,
                                  .out = *to}};
    SA_TRY(sa_emit_rows(e, layer, from, &args.interp.x));
    return sa_emit_op(e, layer, gradient ? "backward" : sa_emit_is_again(e) ? "forward again" : "forward", SA_OP_INTERP, &args);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_source source;
    sa_slab out;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &source));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &out));
    return emit_resize(e, layer, false, &source, &out);
}

static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    sa_source source;
    sa_slab out;
    if (!sa_emit_grad_is_wanted(e, layer->bottom[0])) return SA_OK;
    SA_TRY(sa_emit_grad(e, layer->top[0], &source));
    SA_TRY(sa_emit_grad_out(e, layer->bottom[0], &out));
    return emit_resize(e, layer, true, &source, &out);
}

const sa_layer_type sa_layer_interp = {
    .name = "Interp",
    .config_field = "interp_param",
    .config_table = interp_fields,
    .config_bytes = sizeof(interp_param),
    .min_bottoms = 1,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .writes_images = true,
    .keeps_top = true,
    .setup = interp_setup,
    .emit_forward = emit_forward,
    .emit_backward = emit_backward,
};
