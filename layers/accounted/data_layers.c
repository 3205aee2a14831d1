/* Data layers: inputs of the net, whose batches net/feed.c makes of LMDB databases (Data), lists of images (ImageData) and of HDF5
 * files (HDF5Data); of the others the shapes alone are known. What they read may not be there: shapes then come from the layer's
 * own parameters, or from outside (sa_net_options). Caffe: Data, ImageData, HDF5Data, MemoryData, WindowData, Python; ImageSegData
 * is of DeepLab's fork. */
#include "layers/accounted/accounted.h"
#include "layers/data_layer.h"
#include "layers/layer_registry.h"

#include <stdio.h>

/* The parameter messages of the types in one struct. Old names of what is in transform_param now are ignored, as Caffe does; V1
 * files have them moved while they are upgraded. */
#define SIZE(member, name) SA_F_RANGE(sa_data_layer_config, member, name, INT32, 0, SA_PARAM_SIZE_MAX)
#define SOURCE SA_F_STRING(sa_data_layer_config, source, "source")
#define ROOT_FOLDER SA_F_STRING(sa_data_layer_config, root_folder, "root_folder")
#define OLD_NAMES SA_F_IGNORED("scale"), SA_F_IGNORED("mean_file"), SA_F_IGNORED("mirror"), SA_F_IGNORED("crop_size")

static const sa_enum_name backend_names[] = {SA_ENUM("LEVELDB", SA_DATA_LEVELDB), SA_ENUM("LMDB", SA_DATA_LMDB), SA_ENUM_END};

static const sa_field data_fields[] = {
    SOURCE,
    SA_F_ENUM(sa_data_layer_config, backend, "backend", backend_names),
    SIZE(batch_size, "batch_size"),
    SIZE(prefetch, "prefetch"),
    SA_F_IGNORED("force_encoded_color"),
    SA_F_IGNORED("rand_skip"), /* Caffe ignores it too */
    OLD_NAMES,
    SA_F_END,
};
static const sa_field image_fields[] = {
    SOURCE,
    ROOT_FOLDER,
    SIZE(batch_size, "batch_size"),
    SIZE(new_height, "new_height"),
    SIZE(new_width, "new_width"),
    SA_F_SINGLE(sa_data_layer_config, is_color, "is_color", BOOL),
    SA_F_SINGLE(sa_data_layer_config, shuffle, "shuffle", BOOL),
    SA_F_RANGE(sa_data_layer_config, rand_skip, "rand_skip", UINT32, 0, UINT32_MAX),
    SA_F_IGNORED("label_type"),
    SA_F_IGNORED("ignore_label"),
    OLD_NAMES,
    SA_F_END,
};
static const sa_field memory_fields[] = {
    SIZE(batch_size, "batch_size"), SIZE(channels, "channels"), SIZE(height, "height"), SIZE(width, "width"), SA_F_END,
};
static const sa_field hdf5_fields[] = {SIZE(batch_size, "batch_size"), SOURCE,
                                       SA_F_SINGLE(sa_data_layer_config, shuffle, "shuffle", BOOL), SA_F_END};
static const sa_field window_fields[] = {
    SOURCE,
    ROOT_FOLDER,
    SIZE(batch_size, "batch_size"),
    SA_F_IGNORED("fg_threshold"),
    SA_F_IGNORED("bg_threshold"),
    SA_F_IGNORED("fg_fraction"),
    SA_F_IGNORED("context_pad"),
    SA_F_IGNORED("crop_mode"),
    SA_F_IGNORED("cache_images"),
    SA_F_IGNORED("rand_skip"),
    OLD_NAMES,
    SA_F_END,
};
static const sa_field python_fields[] = {
    SA_F_IGNORED("module"), SA_F_IGNORED("layer"), SA_F_IGNORED("param_str"), SA_F_IGNORED("share_in_parallel"), SA_F_END,
};
static const sa_field transform_fields[] = {
    SIZE(crop_size, "crop_size"),
    SA_F_STRING(sa_data_layer_config, mean_file, "mean_file"),
    SA_F_SINGLE(sa_data_layer_config, force_color, "force_color", BOOL),
    SA_F_SINGLE(sa_data_layer_config, force_gray, "force_gray", BOOL),
    SA_F_SINGLE(sa_data_layer_config, scale, "scale", FLOAT),
    SA_F_SINGLE(sa_data_layer_config, mirror, "mirror", BOOL),
    SA_F_REPEATED(sa_data_layer_config, mean_value, mean_value_count, "mean_value", FLOAT),
    SA_F_END,
};

static void data_init(void *config)
{
    *(sa_data_layer_config *)config = (sa_data_layer_config){.is_color = true, .prefetch = 4, .scale = 1};
}

static bool is_known(const sa_shape *shape)
{
    for (int i = 0; i < shape->axes; i++)
        if (shape->dim[i] == 0) return false;
    return true;
}

/* All that has to be given, in one message. */
static sa_status check_known(const sa_layer *layer, const sa_blob *blobs)
{
    const sa_data_layer_config *c = layer->config;
    char names[128] = "", options[192] = "";
    size_t count = 0, name_length = 0, option_length = 0;
    for (int i = 0; i < layer->top_count; i++) {
        const char *name = blobs[layer->top[i]].name;
        if (is_known(&blobs[layer->top[i]].shape) || name_length > 80) continue;
        name_length += (size_t)snprintf(names + name_length, sizeof names - name_length, "%s'%.30s'", count ? ", " : "", name);
        option_length += (size_t)snprintf(options + option_length, sizeof options - option_length, "%s--input %.30s=N,C,H,W",
                                          count ? " " : "", name);
        count++;
    }
    if (count == 0) return SA_OK;
    SA_FAIL(SA_UNSUPPORTED,
            "the shape%s of %s %s not known: %s; give %s with %s, or put an Input or DummyData layer with the shape%s in its place",
            count > 1 ? "s" : "", names, count > 1 ? "are" : "is", c->why_unknown[0] ? c->why_unknown : "not in the file",
            count > 1 ? "them" : "it", options, count > 1 ? "s" : "");
}

/* Tops whose shape was given from outside keep it. The others: (N, C, H, W) for the first, for further ones by label_shape. */
static sa_status set_tops(sa_layer *layer, sa_blob *blobs, sa_shape (*label_shape)(const sa_shape *images, int top))
{
    const sa_data_layer_config *c = layer->config;
    const sa_shape images = {
        4, {c->batch_size, c->channels, c->crop_size ? c->crop_size : c->height, c->crop_size ? c->crop_size : c->width}};
    for (int i = 0; i < layer->top_count; i++) {
        sa_blob *top = &blobs[layer->top[i]];
        if (top->shape.axes == 0) top->shape = i == 0 ? images : label_shape(&blobs[layer->top[0]].shape, i);
    }
    return check_known(layer, blobs);
}

static sa_shape one_per_image(const sa_shape *images, int top)
{
    (void)top;
    return (sa_shape){1, {images->dim[0]}};
}

static sa_status data_setup(sa_layer *layer, sa_blob *blobs)
{
    return set_tops(layer, blobs, one_per_image);
}

/* The third top is the height and width of each image. */
static sa_shape map_or_size(const sa_shape *images, int top)
{
    return top == 1 ? (sa_shape){4, {images->dim[0], 1, images->dim[2], images->dim[3]}} : (sa_shape){4, {images->dim[0], 1, 1, 2}};
}

static sa_status seg_setup(sa_layer *layer, sa_blob *blobs)
{
    return set_tops(layer, blobs, map_or_size);
}

/* Nothing is known of any top. */
static sa_shape unknown(const sa_shape *images, int top)
{
    (void)images, (void)top;
    return (sa_shape){1, {0}};
}

static sa_status unread_setup(sa_layer *layer, sa_blob *blobs)
{
    return set_tops(layer, blobs, unknown);
}

static sa_status python_setup(sa_layer *layer, sa_blob *blobs)
{
    if (layer->bottom_count > 0 || layer->top_count == 0)
        SA_FAIL(SA_UNSUPPORTED, "Python code is not run: --treat Python=identity takes its tops for copies of its bottoms, "
                                "--treat Python=input for inputs, whose shapes --input gives");
    return unread_setup(layer, blobs);
}

/* `prefetch` batches, filled by a thread; the tops point into the one in use. The mean is of an image before the crop. */
static int prefetch_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    static const char *const MEMBERS[] = {"prefetch.data", "prefetch.label", "prefetch.dim"};
    const sa_data_layer_config *c = layer->config;
    int count = 0;
    for (int i = 0; i < layer->top_count; i++)
        list[count++] = sa_both(MEMBERS[i], SA_CAFFE_PREFETCH, sa_top_bytes(layer, blobs, i) * (size_t)c->prefetch);
    if (c->mean_file[0]) list[count++] = sa_host_only("data_mean_", (size_t)c->channels * (size_t)c->height * (size_t)c->width * 4);
    return count;
}

/* One batch, which the tops point into. */
static int memory_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    list[0] = sa_both("added_data_", SA_CAFFE_PREFETCH, sa_top_bytes(layer, blobs, 0));
    list[1] = sa_both("added_label_", SA_CAFFE_PREFETCH, layer->top_count > 1 ? sa_top_bytes(layer, blobs, 1) : 0);
    return 2;
}

/* The whole file that is read now, as floats. */
static int hdf5_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    (void)blobs;
    list[0] = sa_host_only("hdf_blobs_", ((const sa_data_layer_config *)layer->config)->hdf5_bytes);
    return 1;
}

#define DATA(symbol, text, field, table, tops, file, set, points, buffers)      \
    const sa_layer_type symbol = {.name = (text),                               \
                                  .config_field = (field),                      \
                                  .config_table = (table),                      \
                                  .config_bytes = sizeof(sa_data_layer_config), \
                                  .config_init = data_init,                     \
                                  .extra_field = "transform_param",             \
                                  .extra_table = transform_fields,              \
                                  .min_tops = 1,                                \
                                  .max_tops = (tops),                           \
                                  .grad_tops = SA_LAYER_TOPS_MAX,               \
                                  .is_input = true,                             \
                                  .data_file = (file),                          \
                                  .caffe_tops_point_elsewhere = (points),       \
                                  .setup = (set),                               \
                                  .caffe_buffers = (buffers)}
DATA(sa_layer_data, "Data", "data_param", data_fields, 2, SA_DATA_FILE_DATABASE, data_setup, true, prefetch_buffers);
DATA(sa_layer_image_data, "ImageData", "image_data_param", image_fields, 2, SA_DATA_FILE_IMAGE_LIST, data_setup, true,
     prefetch_buffers);
DATA(sa_layer_image_seg_data, "ImageSegData", "image_data_param", image_fields, 3, SA_DATA_FILE_SEG_LIST, seg_setup, true,
     prefetch_buffers);
DATA(sa_layer_window_data, "WindowData", "window_data_param", window_fields, 2, SA_DATA_FILE_WINDOWS, data_setup, true,
     prefetch_buffers);
DATA(sa_layer_memory_data, "MemoryData", "memory_data_param", memory_fields, 2, SA_DATA_FILE_UNREAD, data_setup, true,
     memory_buffers);
DATA(sa_layer_hdf5_data, "HDF5Data", "hdf5_data_param", hdf5_fields, SA_LAYER_TOPS_MAX, SA_DATA_FILE_HDF5, unread_setup, false,
     hdf5_buffers);

const sa_layer_type sa_layer_python = {
    .name = "Python",
    .config_field = "python_param",
    .config_table = python_fields,
    .config_bytes = sizeof(sa_data_layer_config),
    .config_init = data_init,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .is_input = true,
    .data_file = SA_DATA_FILE_UNREAD,
    .accounted_only = true,
    .setup = python_setup,
};

/* ---- types that stand for others ---- */

static const sa_layer_type opaque_input = {
    .name = "input",
    .config_bytes = sizeof(sa_data_layer_config),
    .config_init = data_init,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .is_input = true,
    .data_file = SA_DATA_FILE_UNREAD,
    .accounted_only = true,
    .treated = "treated as an input",
    .setup = unread_setup,
};

static sa_status copy_setup(sa_layer *layer, sa_blob *blobs)
{
    for (int i = 0; i < layer->top_count; i++)
        blobs[layer->top[i]].shape = blobs[layer->bottom[i < layer->bottom_count ? i : 0]].shape;
    return SA_OK;
}

static const sa_layer_type opaque_copy = {
    .name = "identity",
    .min_bottoms = 1,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .max_tops = SA_LAYER_TOPS_MAX,
    .grad_bottoms = SA_LAYER_BOTTOMS_MAX,
    .grad_tops = SA_LAYER_TOPS_MAX,
    .in_place = true,
    .accounted_only = true,
    .treated = "treated as its bottom",
    .setup = copy_setup,
};

const sa_layer_type *sa_layer_type_standing_in(bool input)
{
    return input ? &opaque_input : &opaque_copy;
}

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
