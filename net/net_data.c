/* The sources of data layers, and the shape of a DenseImageData layer: from the first line of its list, or from the prototxt alone
 * if the list is not there. */
#include "net/net_data.h"
#include "data/dense_image.h"
#include "layers/data_layer.h"
#include "layers/input.h"
#include "net/data_shapes.h"
#include "net/net_parts.h"

#include <stdio.h>
#include <string.h>

/* CamVid's frames in the SegNet tutorial: what a net without sizes of its own is planned with while its images are missing. */
enum { ASSUMED_HEIGHT = 360, ASSUMED_WIDTH = 480 };

sa_dense_image_config sa_net_dense_image_config(const sa_layer *layer, const char *data_root, uint64_t seed)
{
    const sa_dense_image_config_layer *c = layer->config;
    sa_dense_image_config config = sa_dense_image_defaults();
    config.source = c->param.source;
    config.root_folder = c->param.root_folder;
    config.data_root = data_root;
    config.batch_size = c->param.batch_size;
    config.shuffle = c->param.shuffle;
    config.is_color = c->param.is_color;
    config.mirror = c->param.mirror;
    config.rand_skip = c->param.rand_skip;
    config.new_height = c->param.new_height;
    config.new_width = c->param.new_width;
    config.crop_height = c->param.crop_height;
    config.crop_width = c->param.crop_width;
    config.mean_value = c->transform.mean_value;
    config.mean_count = c->transform.mean_value_count;
    config.scale = c->transform.scale;
    config.seed = seed;
    return config;
}

bool sa_net_reads_caffe_data(const sa_layer *layer)
{
    return layer->type->data_file == SA_DATA_FILE_IMAGE_LIST || layer->type->data_file == SA_DATA_FILE_DATABASE;
}

sa_caffe_source_config sa_net_caffe_source_config(const sa_layer *layer, bool test_phase, const char *data_root, uint64_t seed)
{
    const sa_data_layer_config *c = layer->config;
    bool is_list = layer->type->data_file == SA_DATA_FILE_IMAGE_LIST;
    sa_decode_colour of_list = c->is_color ? SA_DECODE_COLOUR : SA_DECODE_GREY;
    sa_decode_colour of_record = c->force_color ? SA_DECODE_COLOUR : c->force_gray ? SA_DECODE_GREY : SA_DECODE_NATIVE;
    return (sa_caffe_source_config){.is_list = is_list,
                                    .source = c->source,
                                    .root_folder = c->root_folder,
                                    .data_root = data_root,
                                    .batch_size = c->batch_size,
                                    .colour = is_list ? of_list : of_record,
                                    .new_height = c->new_height,
                                    .new_width = c->new_width,
                                    .shuffle = c->shuffle,
                                    .rand_skip = c->rand_skip,
                                    .in_order = c->in_order,
                                    .test_phase = test_phase,
                                    .mirror = c->mirror,
                                    .crop_size = c->crop_size,
                                    .mean_file = c->mean_file,
                                    .mean_value = c->mean_value,
                                    .mean_count = c->mean_value_count,
                                    .scale = c->scale,
                                    .seed = seed};
}

sa_hdf5_config sa_net_hdf5_config(const sa_layer *layer, const sa_blob *top, const char *data_root, uint64_t seed)
{
    const sa_data_layer_config *c = layer->config;
    return (sa_hdf5_config){.source = c->source,
                            .data_root = data_root,
                            .dataset = top->name,
                            .batch_size = top->shape.axes > 0 ? top->shape.dim[0] : c->batch_size,
                            .shuffle = c->shuffle && !c->in_order,
                            .seed = seed};
}

/* Looks into the first image of the list. SA_IO: there is no list, or no image of its first line. */
static sa_status look_at_images(sa_layer *layer, const char *data_root)
{
    sa_dense_image_config_layer *c = layer->config;
    sa_dense_image_config config = sa_net_dense_image_config(layer, data_root, 0);
    sa_data_source *source;
    SA_TRY(sa_dense_image_open(&config, &source));
    const sa_data_shape *shape = &source->shape;
    c->channels = shape->channels;
    c->height = shape->height;
    c->width = shape->width;
    c->label_height = shape->label_height;
    c->label_width = shape->label_width;
    sa_data_source_close(source);
    return SA_OK;
}

static bool has_size(const sa_layer *layer, const sa_net *net, const sa_net_options *options)
{
    const sa_dense_image_data_param *p = &((const sa_dense_image_config_layer *)layer->config)->param;
    if (options->height > 0) return true;
    for (int i = 0; i < options->input_count; i++)
        if (!strcmp(options->input[i].name, net->blob[layer->top[0]].name)) return true;
    return (p->new_height || p->crop_height) && (p->new_width || p->crop_width);
}

sa_status sa_net_complete_data_layer(sa_net *net, sa_layer *layer, const sa_net_options *options)
{
    if (layer->type->data_file != SA_DATA_FILE_NONE) return sa_net_complete_file_layer(net, layer, options);
    if (!layer->type->lists_images) return SA_OK;
    sa_dense_image_config_layer *c = layer->config;
    if (options->list) snprintf(c->param.source, sizeof c->param.source, "%s", options->list);
    if (options->list_in_order) c->param.shuffle = c->param.mirror = false;
    if (options->list_in_order) c->param.rand_skip = 0;
    SA_TRY(sa_net_find_data_root(net, c->param.source, options->data_root));
    sa_status status = look_at_images(layer, net->data_root);
    if (status != SA_IO) return status;
    bool sized = has_size(layer, net, options);
    c->channels = c->param.is_color ? 3 : 1;
    c->height = ASSUMED_HEIGHT;
    c->width = ASSUMED_WIDTH;
    net->shapes_assumed |= !sized;
    snprintf(net->note, sizeof net->note, "layer '%s': %.300s; planned with %d channels%s", layer->name, sa_error_message(),
             c->channels, sized ? "" : " of 360x480, as in the SegNet tutorial");
    sa_error_clear();
    return SA_OK;
}
