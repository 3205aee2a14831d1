/* Caffe's HDF5 weights (.caffemodel.h5), through libhdf5: in group `data` a group per layer, in it the blobs "0", "1", ...
 *
 * The library gets the file's bytes, never its path. Sizes are checked before memory is taken; the library itself reads the rest of
 * the format and is trusted with it. Layers come in order of names. A layer without blobs is left out: Caffe writes such for layers
 * that share all of their parameters. */
#include "data/weights/weights_formats.h"

#include "core/checked.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 1024, BLOBS_MAX = 64, IMAGE_STEP = 1 << 20 };

/* Handles of an open file; negative: not open. */
typedef struct file {
    const char *path;
    size_t byte_count;
    hid_t access, file, data;
} file;

static void close_file(file *f)
{
    if (f->data >= 0) H5Gclose(f->data);
    if (f->file >= 0) H5Fclose(f->file);
    if (f->access >= 0) H5Pclose(f->access);
}

static sa_status open_file(file *f, const char *bytes)
{
    f->access = H5Pcreate(H5P_FILE_ACCESS);
    bool ok = f->access >= 0 && H5Pset_fapl_core(f->access, IMAGE_STEP, 0) >= 0 &&
              H5Pset_file_image(f->access, (void *)(uintptr_t)bytes, f->byte_count) >= 0; /* copied */
    if (ok) f->file = H5Fopen("weights", H5F_ACC_RDONLY, f->access);
    if (f->file < 0) SA_FAIL(SA_PARSE, "%s: a damaged HDF5 file", f->path);
    if (H5Lexists(f->file, "data", H5P_DEFAULT) > 0) f->data = H5Gopen2(f->file, "data", H5P_DEFAULT);
    if (f->data < 0) SA_FAIL(SA_PARSE, "%s: an HDF5 file without weights of Caffe's: it has no group 'data'", f->path);
    return SA_OK;
}

/* axes and dim of a dataset of floats; *count of its values, which the file must have room for. */
static sa_status shape_of(const file *f, const char *layer, int blob, hid_t set, int32_t *axes, int64_t dim[SA_WEIGHT_AXES_MAX],
                          size_t *count)
{
    hsize_t size[H5S_MAX_RANK] = {0};
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    int rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    bool floats = type >= 0 && H5Tget_class(type) == H5T_FLOAT && rank >= 0 && rank <= SA_WEIGHT_AXES_MAX &&
                  H5Sget_simple_extent_dims(space, size, NULL) >= 0;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (!floats) SA_FAIL(SA_PARSE, "%s: 'data/%s/%d' is no array of floats", f->path, layer, blob);
    *axes = rank;
    *count = 1;
    for (int i = 0; i < rank; i++) {
        dim[i] = (int64_t)size[i];
        bool fits = size[i] <= INT32_MAX && sa_size_mul(*count, (size_t)size[i], count);
        if (!fits) SA_FAIL(SA_PARSE, "%s: 'data/%s/%d' has an impossible shape", f->path, layer, blob);
    }
    if (*count > f->byte_count) /* Caffe never compresses */
        SA_FAIL(SA_PARSE, "%s: 'data/%s/%d' has %zu values, more than the file's %zu bytes hold", f->path, layer, blob, *count,
                f->byte_count);
    return SA_OK;
}

static sa_status read_blob(const file *f, hid_t group, int number, sa_weight_layer *layer)
{
    char name[16];
    int32_t axes;
    int64_t dim[SA_WEIGHT_AXES_MAX];
    size_t count;
    sa_weight_blob *blob;
    snprintf(name, sizeof name, "%d", number);
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    if (set < 0) SA_FAIL(SA_PARSE, "%s: 'data/%s/%d' is no dataset", f->path, layer->name, number);
    sa_status status = shape_of(f, layer->name, number, set, &axes, dim, &count);
    if (status == SA_OK) status = sa_weights_add_blob(layer, axes, dim, count, &blob);
    if (status == SA_OK && H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, blob->values) < 0)
        status = sa_error_set(SA_PARSE, "%s: 'data/%s/%d' cannot be read", f->path, layer->name, number);
    H5Dclose(set);
    return status;
}

static sa_status read_layer(const file *f, const char *name, sa_weights *weights)
{
    sa_weight_layer *layer;
    char blob[16] = "0";
    hid_t group = H5Gopen2(f->data, name, H5P_DEFAULT);
    if (group < 0) SA_FAIL(SA_PARSE, "%s: 'data/%s' is no group", f->path, name);
    sa_status status = SA_OK;
    for (int i = 0; status == SA_OK && H5Lexists(group, blob, H5P_DEFAULT) > 0; snprintf(blob, sizeof blob, "%d", ++i)) {
        if (i == 0) status = sa_weights_add_layer(weights, name, "", &layer);
        if (status == SA_OK && i == BLOBS_MAX) status = sa_error_set(SA_PARSE, "%s: 'data/%s' has too many blobs", f->path, name);
        if (status == SA_OK) status = read_blob(f, group, i, layer);
    }
    H5Gclose(group);
    return status;
}

static sa_status read_layers(const file *f, sa_weights *weights)
{
    H5G_info_t info;
    if (H5Gget_info(f->data, &info) < 0) SA_FAIL(SA_PARSE, "%s: its group 'data' cannot be read", f->path);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[NAME_BYTES];
        ssize_t length = H5Lget_name_by_idx(f->data, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        if (length <= 0 || (size_t)length >= sizeof name) SA_FAIL(SA_PARSE, "%s: a layer's name cannot be read", f->path);
        SA_TRY(read_layer(f, name, weights));
    }
    return SA_OK;
}

sa_status sa_weights_parse_hdf5(const char *path, const char *bytes, size_t byte_count, sa_weights *weights)
{
    file f = {path, byte_count, -1, -1, -1};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* it would print */
    sa_status status = open_file(&f, bytes);
    if (status == SA_OK) status = read_layers(&f, weights);
    close_file(&f);
    return status;
}
