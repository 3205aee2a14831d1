/* Interp: bilinear resizing. DeepLab's layer. */
#include "layers/accounted/accounted.h"

/* ---- Interp: bilinear resizing ---- */

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
    shape.dim[2] = interp_size(p, shape.dim[2], like ? like->dim[2] : p->height);
    shape.dim[3] = interp_size(p, shape.dim[3], like ? like->dim[3] : p->width);
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
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
    .accounted_only = true,
    .setup = interp_setup,
};
