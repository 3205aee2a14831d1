/* Tile: a blob several times, one behind the other along an axis. Its gradient is the sum of theirs. Caffe: TileLayer. */
#include "layers/parts.h"

typedef struct tile_param {
    int32_t axis, tiles;
} tile_param;

static const sa_field fields[] = {
    SA_F_SINGLE(tile_param, axis, "axis", INT32),
    SA_F_RANGE(tile_param, tiles, "tiles", INT32, 1, INT32_MAX),
    SA_F_END,
};

static void config_init(void *config)
{
    *(tile_param *)config = (tile_param){.axis = 1};
}

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    const tile_param *p = layer->config;
    sa_shape shape = blobs[layer->bottom[0]].shape;
    int axis;
    SA_TRY(sa_axis_resolve(&shape, p->axis, "axis", &axis));
    int64_t size = (int64_t)shape.dim[axis] * p->tiles;
    if (p->tiles < 1) SA_FAIL(SA_INVALID, "'tiles' is missing");
    if (size > INT32_MAX) SA_FAIL(SA_INVALID, "axis %d becomes %lld", axis, (long long)size);
    shape.dim[axis] = (int32_t)size;
    blobs[layer->top[0]].shape = shape;
    return SA_OK;
}

static void tile_part(sa_emitter *e, const sa_layer *layer, int tile, sa_part *part, int32_t whole[4])
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[0])->shape;
    int axis = 1;
    (void)!sa_axis_resolve(shape, ((const tile_param *)layer->config)->axis, "axis", &axis); /* checked by setup */
    sa_axis_part(&sa_emit_blob(e, layer->top[0])->shape, axis, tile * shape->dim[axis], shape->dim[axis], part, whole);
}

static sa_status emit_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_source source;
    sa_slab out;
    SA_TRY(sa_emit_data(e, layer->bottom[0], &source));
    SA_TRY(sa_emit_data_out(e, layer->top[0], &out));
    for (int i = 0; i < ((const tile_param *)layer->config)->tiles; i++) {
        sa_part part;
        int32_t whole[4];
        tile_part(e, layer, i, &part, whole);
        SA_TRY(sa_part_write(e, layer, "forward", &part, whole, &source, &out));
    }
    return SA_OK;
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    const sa_shape *shape = &sa_emit_blob(e, layer->bottom[bottom])->shape;
    sa_source all;
    SA_TRY(sa_emit_grad(e, layer->top[0], &all));
    for (int i = 0; i < ((const tile_param *)layer->config)->tiles; i++) {
        sa_source next = all;
        sa_part part;
        sa_node *node;
        int32_t whole[4];
        tile_part(e, layer, i, &part, whole);
        SA_TRY(sa_part_read(e, layer, &part, whole, shape, &next));
        if (i == 0) *source = next;
        else SA_TRY(sa_emit_join(e, layer, source, SA_NODE_ADD, shape, source, &next, NULL, &node));
    }
    return SA_OK;
}

const sa_layer_type sa_layer_tile = {
    .name = "Tile",
    .config_field = "tile_param",
    .config_table = fields,
    .config_bytes = sizeof(tile_param),
    .config_init = config_init,
    .min_bottoms = 1,
    .max_bottoms = 1,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = 1,
    .grad_tops = 1,
    .writes_images = true,
    .setup = setup,
    .emit_forward = emit_forward,
    .emit_backward = sa_emit_backward_from_source,
    .bottom_grad_source = bottom_grad_source,
};
