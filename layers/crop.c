/* Crop: the part of the first bottom that has the size of the second, from an offset on. The second gets no gradient. Caffe:
 * CropLayer. */
#include "layers/parts.h"

typedef struct crop_param {
    int32_t axis;
    int32_t offset[SA_AXES_MAX];
    int32_t offset_count;
} crop_param;

static const sa_field fields[] = {
    SA_F_SINGLE(crop_param, axis, "axis", INT32),
    SA_F_REPEATED_RANGE(crop_param, offset, offset_count, "offset", INT32, 0, INT32_MAX),
    SA_F_END,
};

/* Of axis i, if `first` is the first that is cropped. */
static int32_t offset_of(const crop_param *p, int first, int i)
{
    return i < first || p->offset_count == 0 ? 0 : p->offset[p->offset_count == 1 ? 0 : i - first];
}

static void config_init(void *config)
{
    *(crop_param *)config = (crop_param){.axis = 2};
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const crop_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    const sa_shape *size = &blobs[layer->bottom[1]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &axis));
    if (size->axes != shape.axes)
        SA_FAIL(SA_INVALID, "'%s' has %d axes and '%s' has %d", blobs[layer->bottom[0]].name, shape.axes,
                blobs[layer->bottom[1]].name, size->axes);
    if (p->offset_count > 1 && p->offset_count != shape.axes - axis)
        SA_FAIL(SA_INVALID, "'offset' is given %d times for %d axes", p->offset_count, shape.axes - axis);
    for (int i = axis; i < shape.axes; i++) {
        int64_t offset = offset_of(p, axis, i);
        if (offset + size->dim[i] > shape.dim[i])
            SA_FAIL(SA_INVALID, "axis %d of '%s' is %d: too small for %d of '%s' from offset %lld on", i,
                    blobs[layer->bottom[0]].name, shape.dim[i], size->dim[i], blobs[layer->bottom[1]].name, (long long)offset);
        shape.dim[i] = size->dim[i];
    }
    if (shape.axes > 4) layer->not_computed = "a crop of more than 4 axes";
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

static int caffe_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    static const char *const members[] = {"offsets", "src_strides_", "dest_strides_"};
    size_t bytes = (size_t)blobs[layer->bottom[0]].shape.axes * 4;
    for (int i = 0; i < 3; i++) list[i] = sa_both(members[i], SA_CAFFE_OTHER, bytes);
    return 3;
}

static uint32_t touches(const sa_layer *layer, const sa_blob *blobs)
{
    (void)blobs;
    return layer->needs_backward;
}

static void part(const sa_layer *layer, const sa_blob *blobs, int top, sa_part *part, int32_t whole[4])
{
    (void)top;
    const crop_param *p = layer->config;
    const sa_shape *shape = &blobs[layer->bottom[0]].shape;
    int first = 2, slot;
    (void)!sa_axis_resolve(shape, p->axis, "axis", &first); /* checked by setup */
    sa_shape_nchw(&blobs[layer->top[0]].shape, part->size);
    for (int i = 0; i < 4; i++) part->begin[i] = 0;
    for (int i = 0; i < shape->axes; i++) {
        sa_axis_view(shape, i, whole, &slot);
        part->begin[slot] = offset_of(p, first, i);
    }
}

const sa_layer_type sa_layer_crop = {
    .name = "Crop",
    .config_field = "crop_param",
    .config_table = fields,
    .config_bytes = sizeof(crop_param),
    .config_init = config_init,
    .min_bottoms = 2,
    .max_bottoms = 2,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .cuts_bottom = true,
    .setup = setup,
    .part = part,
    .caffe_touched_diffs = touches,
    .caffe_buffers = caffe_buffers,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = sa_cut_emit_backward,
    .top_source = sa_cut_top_source,
};
