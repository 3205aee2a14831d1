/* HDF5Data through libhdf5: see hdf5_source.h. Sizes are checked before memory is taken, and a batch reads its own rows only; the
 * library reads the format and is trusted with it. */
#include "data/hdf5/hdf5_source.h"

#include "core/checked.h"
#include "data/list_file.h"
#include "data/random.h"

#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct hdf5_source {
    sa_data_source base;
    sa_list_file list;
    char *data_root, *dataset; /* data_root: NULL or owned */
    uint64_t *first_row;       /* (list.count + 1), owned: of each file, and the number of rows */
    uint64_t *order;           /* (rows), owned: a permutation; NULL: rows come as they are */
    uint64_t order_seed, order_epoch;
    bool order_made;
    int32_t axes, dim[SA_HDF5_AXES_MAX]; /* of the first file's dataset */
    size_t row_floats;
    size_t open_file; /* which file `file` and `set` are of */
    hid_t file, set;  /* negative: not open */
} hdf5_source;

/* ------------------------------------------------------------------ one file --------------------------------------- */

static void close_dataset(hid_t *file, hid_t *set)
{
    if (*set >= 0) H5Dclose(*set);
    if (*file >= 0) H5Fclose(*file);
    *file = *set = -1;
}

/* Files alone: opening a FIFO would wait. */
static sa_status check_file(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) SA_FAIL(SA_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) SA_FAIL(SA_IO, "%s: it is no regular file", path);
    return SA_OK;
}

static sa_status open_dataset(const char *path, const char *name, hid_t *file, hid_t *set)
{
    SA_TRY(check_file(path));
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* it would print */
    *set = -1;
    *file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (*file < 0) SA_FAIL(SA_PARSE, "%s: no HDF5 file, or a damaged one", path);
    *set = H5Dopen2(*file, name, H5P_DEFAULT);
    if (*set >= 0) return SA_OK;
    close_dataset(file, set);
    SA_FAIL(SA_PARSE, "%s: it has no dataset '%s', which the layer's top of that name is", path, name);
}

static sa_status shape_of(const char *path, const char *name, hid_t set, int32_t *axes, int32_t dim[SA_HDF5_AXES_MAX])
{
    hsize_t size[H5S_MAX_RANK] = {0};
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    int rank = space >= 0 ? H5Sget_simple_extent_dims(space, size, NULL) : -1;
    size_t floats = 1;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if ((class != H5T_FLOAT && class != H5T_INTEGER) || rank < 1 || rank > SA_HDF5_AXES_MAX)
        SA_FAIL(SA_PARSE, "%s: '%s' is no array of numbers with 1 to %d axes", path, name, SA_HDF5_AXES_MAX);
    for (int i = 0; i < rank; i++) {
        bool fits = size[i] > 0 && size[i] <= INT32_MAX && (i == 0 || sa_size_mul(floats, (size_t)size[i], &floats));
        if (!fits) SA_FAIL(SA_PARSE, "%s: '%s' has an impossible shape", path, name);
    }
    if (floats > SIZE_MAX / 8) SA_FAIL(SA_PARSE, "%s: '%s' has an impossible shape", path, name);
    *axes = rank;
    for (int i = 0; i < SA_HDF5_AXES_MAX; i++) dim[i] = i < rank ? (int32_t)size[i] : 0;
    return SA_OK;
}

static sa_status look_at(const char *root, const char *name, const char *dataset, int32_t *axes, int32_t dim[SA_HDF5_AXES_MAX])
{
    hid_t file, set;
    char *path = sa_path_join(root, name);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of a file");
    sa_status status = open_dataset(path, dataset, &file, &set);
    if (status == SA_OK) {
        status = shape_of(path, dataset, set, axes, dim);
        close_dataset(&file, &set);
    }
    free(path);
    return status;
}

static sa_status read_list(const sa_hdf5_config *config, sa_list_file *list)
{
    char *path = sa_path_join(config->data_root, config->source);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of a list");
    sa_status status = sa_list_file_read_images(path, list);
    free(path);
    if (status != SA_OK || list->names_per_line == 1) return status;
    status = sa_error_set(SA_PARSE, "%s:%d: one name per line is needed, that of an HDF5 file", list->path, list->line[0]);
    sa_list_file_free(list);
    return status;
}

sa_status sa_hdf5_look(const sa_hdf5_config *config, int32_t *axes, int32_t dim[SA_HDF5_AXES_MAX])
{
    sa_list_file list;
    SA_TRY(read_list(config, &list));
    sa_status status = look_at(config->data_root, list.name[0], config->dataset, axes, dim);
    if (status != SA_OK) status = sa_error_prefix(status, "%s:%d", list.path, list.line[0]);
    sa_list_file_free(&list);
    return status;
}

/* ------------------------------------------------------------------ batches ---------------------------------------- */

/* A permutation for the current epoch (Fisher-Yates). */
static void order_rows(hdf5_source *s)
{
    const sa_data_position at = s->base.position;
    const uint64_t rows = s->base.entry_count, key = sa_random_key(at.seed, "shuffle", at.epoch);
    if (!s->order || (s->order_made && s->order_seed == at.seed && s->order_epoch == at.epoch)) return;
    for (uint64_t i = 0; i < rows; i++) s->order[i] = i;
    for (uint64_t i = rows - 1; i > 0; i--) {
        const uint64_t other = sa_random_below(key, i, i + 1), kept = s->order[i];
        s->order[i] = s->order[other];
        s->order[other] = kept;
    }
    s->order_made = true;
    s->order_seed = at.seed;
    s->order_epoch = at.epoch;
}

static size_t file_of(const hdf5_source *s, uint64_t row)
{
    size_t low = 0, high = s->list.count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (s->first_row[middle] <= row) low = middle;
        else high = middle;
    }
    return low;
}

static sa_status open_file(hdf5_source *s, size_t file)
{
    if (s->set >= 0 && s->open_file == file) return SA_OK;
    close_dataset(&s->file, &s->set);
    char *path = sa_path_join(s->data_root, s->list.name[file]);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of a file");
    sa_status status = open_dataset(path, s->dataset, &s->file, &s->set);
    free(path);
    s->open_file = file;
    return status == SA_OK ? SA_OK : sa_error_prefix(status, "%s:%d", s->list.path, s->list.line[file]);
}

static sa_status read_row(hdf5_source *s, uint64_t row, float *values)
{
    const size_t file = file_of(s, row);
    SA_TRY(open_file(s, file));
    hsize_t begin[SA_HDF5_AXES_MAX] = {row - s->first_row[file]}, count[SA_HDF5_AXES_MAX] = {1}, floats = s->row_floats;
    for (int i = 1; i < s->axes; i++) count[i] = (hsize_t)s->dim[i];
    hid_t from = H5Dget_space(s->set), to = H5Screate_simple(1, &floats, NULL);
    bool read = from >= 0 && to >= 0 && H5Sget_simple_extent_ndims(from) == s->axes &&
                H5Sselect_hyperslab(from, H5S_SELECT_SET, begin, NULL, count, NULL) >= 0 &&
                H5Dread(s->set, H5T_NATIVE_FLOAT, to, from, H5P_DEFAULT, values) >= 0;
    if (from >= 0) H5Sclose(from);
    if (to >= 0) H5Sclose(to);
    if (!read)
        SA_FAIL(SA_PARSE, "%s:%d: row %llu of '%s' cannot be read", s->list.path, s->list.line[file], (unsigned long long)begin[0],
                s->dataset);
    return SA_OK;
}

static sa_status hdf5_next(sa_data_source *base, float *data, float *label)
{
    hdf5_source *s = (hdf5_source *)base;
    const sa_data_position before = base->position;
    float *out = data ? data : label;
    for (int32_t n = 0; n < base->shape.images; n++) {
        order_rows(s);
        const uint64_t at = base->position.index;
        sa_status status = read_row(s, s->order ? s->order[at] : at, out + (size_t)n * s->row_floats);
        if (status != SA_OK) {
            base->position = before;
            return status;
        }
        if (++base->position.index < base->entry_count) continue;
        base->position.index = 0;
        base->position.epoch++;
    }
    return SA_OK;
}

static sa_status hdf5_restore(sa_data_source *base, sa_data_position position)
{
    if (position.index >= base->entry_count)
        SA_FAIL(SA_INVALID, "%s: position %llu, its files have %llu rows", base->path, (unsigned long long)position.index,
                (unsigned long long)base->entry_count);
    base->position = position;
    return SA_OK;
}

static void hdf5_label_name(const sa_data_source *base, int32_t n, char *text, size_t size)
{
    const hdf5_source *s = (const hdf5_source *)base;
    snprintf(text, size, "'%s', row %d of a batch (%s)", s->dataset, (int)n, s->list.path);
}

static void hdf5_close(sa_data_source *base)
{
    hdf5_source *s = (hdf5_source *)base;
    close_dataset(&s->file, &s->set);
    sa_list_file_free(&s->list);
    free(s->data_root);
    free(s->dataset);
    free(s->first_row);
    free(s->order);
    free(s);
}

/* ------------------------------------------------------------------ opening ---------------------------------------- */

/* Every file has the dataset, with rows of one shape. */
static sa_status look_at_all(hdf5_source *s)
{
    for (size_t f = 0; f < s->list.count; f++) {
        int32_t axes, dim[SA_HDF5_AXES_MAX];
        sa_status status = look_at(s->data_root, s->list.name[f], s->dataset, &axes, dim);
        if (status != SA_OK) return sa_error_prefix(status, "%s:%d", s->list.path, s->list.line[f]);
        if (f == 0) {
            s->axes = axes;
            memcpy(s->dim, dim, sizeof dim);
        }
        if (axes != s->axes || memcmp(dim + 1, s->dim + 1, sizeof dim - sizeof dim[0]) != 0)
            SA_FAIL(SA_INVALID, "%s:%d: the rows of '%s' have another shape than those of the first file", s->list.path,
                    s->list.line[f], s->dataset);
        s->first_row[f + 1] = s->first_row[f] + (uint64_t)dim[0];
    }
    s->row_floats = 1;
    for (int i = 1; i < s->axes; i++) s->row_floats *= (size_t)s->dim[i];
    s->base.entry_count = s->first_row[s->list.count];
    return SA_OK;
}

static sa_status fill(hdf5_source *s, const sa_hdf5_config *config)
{
    SA_TRY(read_list(config, &s->list));
    s->base.path = s->list.path;
    s->dataset = strdup(config->dataset);
    s->data_root = config->data_root ? strdup(config->data_root) : NULL;
    s->first_row = calloc(s->list.count + 1, sizeof *s->first_row);
    if (!s->dataset || !s->first_row || (config->data_root && !s->data_root))
        SA_FAIL(SA_NOMEM, "no memory for the %zu files of '%s'", s->list.count, s->list.path);
    SA_TRY(look_at_all(s));
    if (config->shuffle) {
        s->order = calloc((size_t)s->base.entry_count, sizeof *s->order);
        if (!s->order) SA_FAIL(SA_NOMEM, "no memory for the order of %llu rows", (unsigned long long)s->base.entry_count);
    }
    const int32_t *d = s->dim;
    s->base.shape = (sa_data_shape){.images = config->batch_size, .channels = s->axes > 1 ? d[1] : 1};
    s->base.shape.height = s->base.shape.label_height = s->axes > 2 ? d[2] : 1;
    s->base.shape.width = s->base.shape.label_width =
        (int32_t)(s->row_floats / (size_t)s->base.shape.channels / (size_t)s->base.shape.height);
    return SA_OK;
}

sa_status sa_hdf5_source_open(const sa_hdf5_config *config, sa_data_source **source)
{
    static const sa_data_source_functions FUNCTIONS = {
        .next = hdf5_next, .restore = hdf5_restore, .label_name = hdf5_label_name, .close = hdf5_close};
    hdf5_source *s = calloc(1, sizeof *s);
    if (!s) SA_FAIL(SA_NOMEM, "no memory for a source");
    s->base.functions = &FUNCTIONS;
    s->base.position.seed = config->seed;
    s->file = s->set = -1;
    sa_status status =
        config->batch_size > 0 ? fill(s, config) : sa_error_set(SA_INVALID, "%s: its batch_size is not given", config->source);
    if (status != SA_OK) {
        hdf5_close(&s->base);
        return status;
    }
    *source = &s->base;
    return SA_OK;
}
