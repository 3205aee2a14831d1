/* The shape of the images of a Data, ImageData, ImageSegData or WindowData layer: from the first record or file that it reads, from
 * its own parameters, or from the caller. */
#include "net/data_shapes.h"

#include "data/image_file.h"
#include "data/list_file.h"
#include "data/lmdb/lmdb_file.h"
#include "layers/data_layer.h"
#include "net/net_data.h"
#include "net/net_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------ where ------------------------------------------ */

static sa_status set_root(sa_net *net, const char *folder, size_t length)
{
    if (net->data_root || length == 0) return SA_OK;
    net->data_root = strndup(folder, length);
    if (!net->data_root) SA_FAIL(SA_NOMEM, "no memory for a folder's name");
    return SA_OK;
}

sa_status sa_net_find_data_root(sa_net *net, const char *source, const char *data_root)
{
    const char *slash = strrchr(net->path, '/');
    char beside[4096];
    if (data_root) return set_root(net, data_root, strlen(data_root));
    if (!slash || source[0] == '/' || access(source, F_OK) == 0) return SA_OK;
    int length = slash == net->path ? 1 : (int)(slash - net->path);
    int written = snprintf(beside, sizeof beside, "%.*s/%s", length, net->path, source);
    if (written < 0 || (size_t)written >= sizeof beside || access(beside, F_OK) != 0) return SA_OK;
    return set_root(net, net->path, (size_t)length);
}

/* ------------------------------------------------------------------ what is there ---------------------------------- */

/* A FIFO would be waited for. */
static sa_status open_file(const char *path, FILE **file)
{
    struct stat status;
    if (stat(path, &status) != 0) SA_FAIL(SA_IO, "cannot open '%s': %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode)) SA_FAIL(SA_IO, "'%s' is not a file", path);
    *file = fopen(path, "r");
    if (!*file) SA_FAIL(SA_IO, "cannot open '%s': %s", path, strerror(errno));
    return SA_OK;
}

/* A list's first line that is not empty, without its end. */
static sa_status first_line(const char *path, char line[SA_PARAM_PATH_BYTES])
{
    FILE *file;
    SA_TRY(open_file(path, &file));
    line[0] = '\0';
    while (line[0] == '\0' && fgets(line, SA_PARAM_PATH_BYTES, file)) {
        if (!strncmp(line, "\xef\xbb\xbf", 3)) memmove(line, line + 3, strlen(line + 3) + 1);
        line[strcspn(line, "\r\n")] = '\0';
    }
    fclose(file);
    if (line[0] == '\0') SA_FAIL(SA_PARSE, "'%s' is empty", path);
    return SA_OK;
}

/* Leaves the image's name: all before the last blank, or, where names have no blanks, the first word. */
static void cut_name(char *line, sa_data_file kind)
{
    char *blank = strrchr(line, ' ');
    if (kind == SA_DATA_FILE_SEG_LIST) line[strcspn(line, " \t")] = '\0';
    else if (blank) *blank = '\0';
}

/* root_folder is put in front as it is; what is then relative is below the data root. */
static sa_status image_size(const char *data_root, const char *name, sa_data_layer_config *c)
{
    char joined[2 * SA_PARAM_PATH_BYTES];
    sa_image_info info;
    snprintf(joined, sizeof joined, "%s%s", c->root_folder, name);
    char *path = sa_path_join(data_root, joined);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of an image");
    sa_status status = sa_image_read_info(path, &info);
    free(path);
    if (status != SA_OK) return status;
    c->height = info.height;
    c->width = info.width;
    return SA_OK;
}

/* "# 0", then a name, channels, height and width. */
static sa_status window_channels(const char *path, sa_data_layer_config *c)
{
    FILE *file;
    SA_TRY(open_file(path, &file));
    int found = fscanf(file, " # %*d %*s %d", &c->channels);
    fclose(file);
    if (found != 1 || c->channels < 1) SA_FAIL(SA_PARSE, "'%s' does not begin as a window file does", path);
    return SA_OK;
}

static sa_status read_database(const char *path, sa_data_layer_config *c)
{
    sa_datum_info info;
    if (c->backend == SA_DATA_LEVELDB) SA_FAIL(SA_UNSUPPORTED, "'%s' is a LevelDB database, which is not read (LMDB is)", path);
    SA_TRY(sa_lmdb_first_datum(path, &info));
    c->channels = info.encoded && c->force_color ? 3 : info.encoded && c->force_gray ? 1 : info.channels;
    c->height = info.height;
    c->width = info.width;
    return SA_OK;
}

static sa_status look_at(const char *path, const char *data_root, sa_data_file kind, sa_data_layer_config *c)
{
    char line[SA_PARAM_PATH_BYTES];
    if (kind == SA_DATA_FILE_DATABASE) return read_database(path, c);
    if (kind == SA_DATA_FILE_WINDOWS) return window_channels(path, c);
    SA_TRY(first_line(path, line));
    cut_name(line, kind);
    return image_size(data_root, line, c);
}

static sa_status look(const sa_net *net, sa_data_file kind, sa_data_layer_config *c)
{
    if (kind == SA_DATA_FILE_UNREAD) SA_FAIL(SA_UNSUPPORTED, "data of this type is not read here");
    if (!c->source[0]) SA_FAIL(SA_INVALID, "its 'source' is not given");
    char *path = sa_path_join(net->data_root, c->source);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of a file");
    sa_status status = look_at(path, net->data_root, kind, c);
    free(path);
    return status;
}

/* Each top is a dataset of the first file; tops whose shape is given keep it. */
static sa_status take_datasets(sa_net *net, const sa_layer *layer, sa_data_layer_config *c)
{
    for (int t = 0; t < layer->top_count; t++) {
        sa_blob *top = &net->blob[layer->top[t]];
        const sa_hdf5_config config = sa_net_hdf5_config(layer, top, net->data_root, 0);
        sa_shape found = {0};
        sa_status status =
            c->source[0] ? sa_hdf5_look(&config, &found.axes, found.dim) : sa_error_set(SA_INVALID, "its 'source' is not given");
        size_t count;
        if (status == SA_OK) status = sa_shape_count(&found, &count);
        if (status == SA_NOMEM) return status;
        if (status != SA_OK) {
            snprintf(c->why_unknown, sizeof c->why_unknown, "%.390s", sa_error_message());
            sa_error_clear();
            continue;
        }
        c->hdf5_bytes += count * 4;
        found.dim[0] = c->batch_size;
        if (top->shape.axes == 0) top->shape = found;
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ the layer -------------------------------------- */

/* Tops that the caller gives a shape have it; is the first among them? */
static bool take_given(sa_net *net, const sa_layer *layer, const sa_net_options *options)
{
    for (int t = 0; t < layer->top_count; t++)
        for (int i = 0; i < options->input_count; i++)
            if (!strcmp(options->input[i].name, net->blob[layer->top[t]].name))
                net->blob[layer->top[t]].shape = options->input[i].shape;
    return layer->top_count > 0 && net->blob[layer->top[0]].shape.axes > 0;
}

/* What the parameters say without a look at the data. */
static void take_declared(const sa_layer *layer, const sa_net_options *options, sa_data_layer_config *c)
{
    bool list = layer->type->data_file == SA_DATA_FILE_IMAGE_LIST || layer->type->data_file == SA_DATA_FILE_SEG_LIST;
    if (c->batch_size == 0 && options->batch > 0) c->batch_size = options->batch;
    if (list) c->channels = c->is_color ? 3 : 1;
    if (c->new_height && c->new_width) {
        c->height = c->new_height;
        c->width = c->new_width;
    }
}

/* The data cannot be read: the plane may be known all the same, and most images have three channels. */
static void do_without(sa_net *net, const sa_layer *layer, const sa_net_options *options, sa_data_layer_config *c)
{
    snprintf(c->why_unknown, sizeof c->why_unknown, "%.390s", sa_error_message());
    sa_error_clear();
    if (options->height > 0) {
        c->height = options->height;
        c->width = options->width;
    }
    bool plane = c->crop_size > 0 || (c->height > 0 && c->width > 0);
    if (!plane || c->channels > 0 || layer->type->data_file == SA_DATA_FILE_UNREAD) return;
    c->channels = c->force_gray ? 1 : 3;
    net->shapes_assumed |= !c->force_gray && !c->force_color;
    snprintf(net->note, sizeof net->note, "layer '%.96s': %.300s; planned with %d channel%s", layer->name, c->why_unknown,
             (int)c->channels, c->channels > 1 ? "s" : "");
}

sa_status sa_net_complete_file_layer(sa_net *net, sa_layer *layer, const sa_net_options *options)
{
    sa_data_layer_config *c = layer->config;
    bool given = take_given(net, layer, options);
    take_declared(layer, options, c);
    if (options->list && layer->type->data_file == SA_DATA_FILE_IMAGE_LIST)
        snprintf(c->source, sizeof c->source, "%s", options->list);
    c->in_order = options->list_in_order;
    SA_TRY(sa_net_find_data_root(net, c->source, options->data_root));
    if (layer->type->data_file == SA_DATA_FILE_HDF5) return take_datasets(net, layer, c);
    bool plane = c->crop_size > 0 || (c->height > 0 && c->width > 0), mean = c->mean_file[0] && c->height == 0;
    if ((given || (plane && c->channels > 0)) && !mean) return SA_OK;
    int32_t height = c->height, width = c->width;
    sa_status status = look(net, layer->type->data_file, c);
    if (status == SA_NOMEM) return status;
    if (height > 0 && width > 0) { /* images are resized */
        c->height = height;
        c->width = width;
    }
    if (status == SA_OK) return SA_OK;
    if (given) sa_error_clear();
    else do_without(net, layer, options, c);
    return SA_OK;
}
