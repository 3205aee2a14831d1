/* Data layers of which segarena takes the shapes alone. What they read may not be there: shapes then come from the layer's own
 * parameters, or from outside (sa_net_options). Caffe: Data, ImageData, HDF5Data, MemoryData, WindowData, Python. */
#include "layers/accounted/accounted.h"

typedef struct data_config {
    int32_t batch_size, crop_size, new_height, new_width, channels, height, width, prefetch;
    bool is_color;
} data_config;

/* The parameter messages of the five types in one table each; only sizes are kept. */
#define NAMES_OF_DATA                                                                                                             \
    SA_F_IGNORED("source"), SA_F_IGNORED("backend"), SA_F_IGNORED("rand_skip"), SA_F_IGNORED("scale"), SA_F_IGNORED("mean_file"), \
        SA_F_IGNORED("mirror"), SA_F_IGNORED("force_encoded_color"), SA_F_IGNORED("shuffle"), SA_F_IGNORED("root_folder")
#define SIZE(member, name) SA_F_RANGE(data_config, member, name, INT32, 0, SA_PARAM_SIZE_MAX)

static const sa_field data_fields[] = {
    SIZE(batch_size, "batch_size"), SIZE(prefetch, "prefetch"), SA_F_IGNORED("crop_size"), NAMES_OF_DATA, SA_F_END,
};
static const sa_field image_fields[] = {
    SIZE(batch_size, "batch_size"),
    SIZE(new_height, "new_height"),
    SIZE(new_width, "new_width"),
    SA_F_SINGLE(data_config, is_color, "is_color", BOOL),
    SA_F_IGNORED("crop_size"),
    SA_F_IGNORED("label_type"),
    SA_F_IGNORED("ignore_label"),
    NAMES_OF_DATA,
    SA_F_END,
};
static const sa_field memory_fields[] = {
    SIZE(batch_size, "batch_size"), SIZE(channels, "channels"), SIZE(height, "height"), SIZE(width, "width"), SA_F_END,
};
static const sa_field hdf5_fields[] = {SIZE(batch_size, "batch_size"), SA_F_IGNORED("source"), SA_F_IGNORED("shuffle"), SA_F_END};
static const sa_field window_fields[] = {
    SIZE(batch_size, "batch_size"),
    SIZE(crop_size, "crop_size"),
    SA_F_IGNORED("fg_threshold"),
    SA_F_IGNORED("bg_threshold"),
    SA_F_IGNORED("fg_fraction"),
    SA_F_IGNORED("context_pad"),
    SA_F_IGNORED("crop_mode"),
    SA_F_IGNORED("cache_images"),
    NAMES_OF_DATA,
    SA_F_END,
};
static const sa_field python_fields[] = {
    SA_F_IGNORED("module"), SA_F_IGNORED("layer"), SA_F_IGNORED("param_str"), SA_F_IGNORED("share_in_parallel"), SA_F_END,
};
static const sa_field transform_fields[] = {
    SIZE(crop_size, "crop_size"), SA_F_IGNORED("scale"),       SA_F_IGNORED("mirror"),     SA_F_IGNORED("mean_file"),
    SA_F_IGNORED("mean_value"),   SA_F_IGNORED("force_color"), SA_F_IGNORED("force_gray"), SA_F_END,
};

static void data_init(void *config)
{
    *(data_config *)config = (data_config){.is_color = true, .prefetch = 4};
}

/* What the file says, 0 where it does not. The first top is (N, C, H, W), the others are labels of one value per image. */
static sa_status data_setup(sa_layer *layer, sa_blob *blobs)
{
    const data_config *c = layer->config;
    int32_t height = c->crop_size ? c->crop_size : c->new_height ? c->new_height : c->height;
    int32_t width = c->crop_size ? c->crop_size : c->new_width ? c->new_width : c->width;
    int32_t channels = c->channels ? c->channels : c->is_color ? 3 : 1;
    for (int i = 0; i < layer->top_count; i++) {
        sa_shape *shape = &blobs[layer->top[i]].shape;
        if (shape->axes > 0) continue; /* given from outside */
        *shape = i == 0 ? (sa_shape){4, {c->batch_size, channels, height, width}} : (sa_shape){1, {c->batch_size}};
    }
    const sa_shape *first = &blobs[layer->top[0]].shape;
    for (int i = 0; i < first->axes; i++)
        if (first->dim[i] == 0)
            SA_FAIL(SA_UNSUPPORTED,
                    "the shape of '%s' is not in the file, and data of this type cannot be read here: put an Input or DummyData "
                    "layer with the shape in its place, or give it with --input %s=N,C,H,W",
                    blobs[layer->top[0]].name, blobs[layer->top[0]].name);
    return SA_OK;
}

/* `prefetch` batches of all tops, filled by a thread; the tops point into the one in use. */
static int prefetch_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    size_t batch = 0, count = (size_t)((const data_config *)layer->config)->prefetch;
    for (int i = 0; i < layer->top_count; i++) batch += sa_top_bytes(layer, blobs, i);
    list[0] = sa_both("prefetch_", SA_CAFFE_PREFETCH, batch * count);
    return 1;
}

/* One batch, which the tops point into. */
static int memory_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    list[0] = sa_both("added_data_", SA_CAFFE_PREFETCH, sa_top_bytes(layer, blobs, 0));
    list[1] = sa_both("added_label_", SA_CAFFE_PREFETCH, layer->top_count > 1 ? sa_top_bytes(layer, blobs, 1) : 0);
    return 2;
}

#define DATA(symbol, text, field, table, tops, points, buffers, ...)      \
    const sa_layer_type symbol = {.name = (text),                         \
                                  .config_field = (field),                \
                                  .config_table = (table),                \
                                  .config_bytes = sizeof(data_config),    \
                                  .config_init = data_init,               \
                                  .extra_field = "transform_param",       \
                                  .extra_table = transform_fields,        \
                                  .min_tops = 1,                          \
                                  .max_tops = (tops),                     \
                                  .grad_tops = SA_LAYER_TOPS_MAX,         \
                                  .is_input = true,                       \
                                  .accounted_only = true,                 \
                                  .caffe_tops_point_elsewhere = (points), \
                                  .setup = data_setup,                    \
                                  .caffe_buffers = (buffers),             \
                                  __VA_ARGS__}
DATA(sa_layer_data, "Data", "data_param", data_fields, 2, true, prefetch_buffers);
DATA(sa_layer_image_data, "ImageData", "image_data_param", image_fields, 2, true, prefetch_buffers);
DATA(sa_layer_image_seg_data, "ImageSegData", "image_data_param", image_fields, 3, true, prefetch_buffers);
DATA(sa_layer_window_data, "WindowData", "window_data_param", window_fields, 2, true, prefetch_buffers);
DATA(sa_layer_memory_data, "MemoryData", "memory_data_param", memory_fields, 2, true, memory_buffers);
DATA(sa_layer_hdf5_data, "HDF5Data", "hdf5_data_param", hdf5_fields, SA_LAYER_TOPS_MAX, false, NULL);
DATA(sa_layer_python, "Python", "python_param", python_fields, SA_LAYER_TOPS_MAX, false, NULL);

/* Writes its bottoms to a file. */
static sa_status no_tops(sa_layer *layer, sa_blob *blobs)
{
    (void)layer, (void)blobs;
    return SA_OK;
}
static const sa_field hdf5_output_fields[] = {SA_F_IGNORED("file_name"), SA_F_END};

const sa_layer_type sa_layer_hdf5_output = {
    .name = "HDF5Output",
    .config_field = "hdf5_output_param",
    .config_table = hdf5_output_fields,
    .min_bottoms = 2,
    .max_bottoms = 2,
    .accounted_only = true,
    .setup = no_tops,
};
