/* Layers that feed the net: Input and DummyData state shapes, DenseImageData takes them from its configuration. Their tops are
 * uploaded before each step; data/ makes the batches. Caffe: InputLayer, DummyDataLayer, caffe-segnet: DenseImageDataLayer. */
#include "layers/input.h"

#include "layers/layer_common.h"

static void to_shape(const sa_shape_param *param, sa_shape *shape)
{
    shape->axes = param->count;
    for (int i = 0; i < param->count; i++) shape->dim[i] = param->dim[i];
}

static sa_status input_setup(sa_layer *layer, sa_blob *blobs)
{
    for (int i = 0; i < layer->top_count; i++) {
        sa_shape_param shape;
        SA_TRY(sa_input_param_shape(layer->config, i, layer->top_count, &shape));
        to_shape(&shape, &blobs[layer->top[i]].shape);
    }
    return SA_OK;
}

static sa_status dummy_setup(sa_layer *layer, sa_blob *blobs)
{
    for (int i = 0; i < layer->top_count; i++) {
        sa_shape_param shape;
        SA_TRY(sa_dummy_data_param_shape(layer->config, i, layer->top_count, &shape));
        to_shape(&shape, &blobs[layer->top[i]].shape);
    }
    return SA_OK;
}

static void dense_init(void *config)
{
    sa_dense_image_data_param_init(&((sa_dense_image_config_layer *)config)->param);
    sa_transform_param_init(&((sa_dense_image_config_layer *)config)->transform);
}

static sa_status dense_setup(sa_layer *layer, sa_blob *blobs)
{
    const sa_dense_image_config_layer *c = layer->config;
    int32_t height = c->param.crop_height ? c->param.crop_height : c->param.new_height ? c->param.new_height : c->height;
    int32_t width = c->param.crop_width ? c->param.crop_width : c->param.new_width ? c->param.new_width : c->width;
    if (height < 1 || width < 1 || c->channels < 1)
        SA_FAIL(SA_INVALID, "the size of its images is not known: give new_height and new_width, or a readable source");
    blobs[layer->top[0]].shape = (sa_shape){4, {c->param.batch_size, c->channels, height, width}};
    blobs[layer->top[1]].shape = (sa_shape){
        4, {c->param.batch_size, 1, c->label_height ? c->label_height : height, c->label_width ? c->label_width : width}};
    return SA_OK;
}

const sa_layer_type sa_layer_input = {
    .name = "Input",
    .config_field = "input_param",
    .config_table = sa_input_fields,
    .config_bytes = sizeof(sa_input_param),
    .config_init = sa_input_param_init,
    .min_tops = 1,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .is_input = true,
    .setup = input_setup,
};

const sa_layer_type sa_layer_dummy_data = {
    .name = "DummyData",
    .config_field = "dummy_data_param",
    .config_table = sa_dummy_data_fields,
    .config_bytes = sizeof(sa_dummy_data_param),
    .config_init = sa_dummy_data_param_init,
    .min_tops = 1,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .is_input = true,
    .setup = dummy_setup,
};

const sa_layer_type sa_layer_dense_image_data = {
    .name = "DenseImageData",
    .config_field = "dense_image_data_param",
    .config_table = sa_dense_image_data_fields,
    .config_bytes = sizeof(sa_dense_image_config_layer),
    .config_init = dense_init,
    .extra_field = "transform_param",
    .extra_table = sa_transform_fields,
    .extra_offset = offsetof(sa_dense_image_config_layer, transform),
    .min_tops = 2,
    .max_tops = 2,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .is_input = true,
    .segnet_fork = true,
    .lists_images = true,
    .setup = dense_setup,
};
