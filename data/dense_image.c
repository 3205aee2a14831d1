/* DenseImageData: list entry -> decoded pictures -> resized -> window, mirror, mean and scale -> one image of the batch. */
#include "data/dense_image_parts.h"

#include "core/checked.h"
#include "data/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAW_TOP, DRAW_LEFT, DRAW_MIRROR, DRAWS };
enum { MAX_IMAGES_PER_LINE = 64 };

sa_dense_image_config sa_dense_image_defaults(void)
{
    return (sa_dense_image_config){.batch_size = 1, .is_color = true, .scale = 1};
}

static bool both_or_none(int32_t a, int32_t b)
{
    return (a == 0 && b == 0) || (a > 0 && b > 0);
}

static sa_status check_config(const sa_dense_image_config *c)
{
    if (!c->source || c->source[0] == '\0') SA_FAIL(SA_INVALID, "dense_image_data: no source is given");
    if (c->batch_size < 1) SA_FAIL(SA_INVALID, "%s: batch_size %d, at least 1 is needed", c->source, c->batch_size);
    if (!both_or_none(c->new_height, c->new_width))
        SA_FAIL(SA_INVALID, "%s: new_height %d and new_width %d: give both or neither", c->source, c->new_height, c->new_width);
    if (!both_or_none(c->crop_height, c->crop_width))
        SA_FAIL(SA_INVALID, "%s: crop_height %d and crop_width %d: give both or neither", c->source, c->crop_height, c->crop_width);
    if (!both_or_none(c->label_height, c->label_width))
        SA_FAIL(SA_INVALID, "%s: label_height %d and label_width %d: give both or neither", c->source, c->label_height,
                c->label_width);
    if (c->label_height > 0 && c->crop_height > 0)
        SA_FAIL(SA_INVALID, "%s: a crop needs a label of the image's size, so label_height cannot be given", c->source);
    if (!isfinite(c->scale)) SA_FAIL(SA_INVALID, "%s: scale is not finite", c->source);
    return SA_OK;
}

/* A permutation of the list for the current epoch (Fisher-Yates). */
static void order_entries(sa_dense_image *d)
{
    sa_data_position at = d->base.position;
    if (d->order_made && d->order_seed == at.seed && (d->order_epoch == at.epoch || !d->config.shuffle)) return;
    for (size_t i = 0; i < d->list.count; i++) d->order[i] = (uint32_t)i;
    uint64_t key = sa_random_key(at.seed, "shuffle", at.epoch);
    for (size_t i = d->list.count - 1; d->config.shuffle && i > 0; i--) {
        size_t other = (size_t)sa_random_below(key, i, i + 1);
        uint32_t kept = d->order[i];
        d->order[i] = d->order[other];
        d->order[other] = kept;
    }
    d->order_made = true;
    d->order_seed = at.seed;
    d->order_epoch = at.epoch;
}

const char *sa_dense_slot_name(const sa_dense_image *d, size_t entry, size_t slot)
{
    return d->list.name[entry * d->list.names_per_line + slot];
}

char *sa_dense_slot_path(const sa_dense_image *d, size_t entry, size_t slot)
{
    const char *name = sa_dense_slot_name(d, entry, slot);
    char *prefixed = malloc(strlen(d->root_folder) + strlen(name) + 1);
    if (!prefixed) return NULL;
    strcpy(prefixed, d->root_folder);
    strcat(prefixed, name);
    char *path = sa_path_join(d->data_root, prefixed);
    free(prefixed);
    return path;
}

static bool is_label(const sa_dense_image *d, size_t slot)
{
    return slot + 1 == d->list.names_per_line;
}

/* Does an image of a line become three channels whatever its file holds? Caffe's form, `image label` in colour. */
static bool replicates(const sa_dense_image *d)
{
    return d->list.names_per_line == 2 && d->config.is_color;
}

sa_image_want sa_dense_want(const sa_dense_image *d, const sa_image_info *info)
{
    if (info->colours == 1) return replicates(d) ? SA_IMAGE_PLAIN : SA_IMAGE_DEEP;
    return d->keep_alpha && info->alpha && !info->palette ? SA_IMAGE_ALPHA : SA_IMAGE_PLAIN;
}

sa_picture sa_dense_geometry(const sa_dense_image *d, size_t slot, const sa_image_info *info)
{
    const sa_dense_image_config *c = &d->config;
    sa_picture p = {.channels = 1, .height = info->height, .width = info->width};
    if (!is_label(d, slot) && c->is_color) p.channels = info->colours + (sa_dense_want(d, info) == SA_IMAGE_ALPHA);
    bool own = is_label(d, slot) && c->label_height > 0;
    if (own || c->new_height > 0) {
        p.height = own ? c->label_height : c->new_height;
        p.width = own ? c->label_width : c->new_width;
    }
    return p;
}

/* Decodes and resizes one name of an entry. */
static sa_status read_file(const sa_dense_image *d, const char *path, size_t slot, sa_picture *picture)
{
    sa_image_info info;
    sa_picture read = {.channels = 0};
    SA_TRY(sa_image_read_info(path, &info));
    SA_TRY(is_label(d, slot) ? sa_image_read_label(path, &read) : sa_image_read(path, sa_dense_want(d, &info), &read));
    const sa_picture wanted = sa_dense_geometry(d, slot, &info);
    if (wanted.channels == 1) sa_picture_to_grey(&read);
    sa_status status = is_label(d, slot) ? sa_picture_resize_nearest(&read, wanted.height, wanted.width)
                                         : sa_picture_resize_bilinear(&read, wanted.height, wanted.width);
    if (status == SA_OK) *picture = read;
    else sa_picture_free(&read);
    return status;
}

static sa_status read_slot(const sa_dense_image *d, size_t entry, size_t slot, sa_picture *picture)
{
    char *path = sa_dense_slot_path(d, entry, slot);
    if (!path) SA_FAIL(SA_NOMEM, "out of memory for a path");
    sa_status status = read_file(d, path, slot, picture);
    free(path);
    return status;
}

/* Channels that a picture gives in this slot of a line. */
static int32_t channels_given(const sa_dense_image *d, const sa_picture *picture)
{
    return replicates(d) && picture->channels == 1 ? 3 : picture->channels;
}

static sa_picture_window choose_window(const sa_dense_image *d, int32_t height, int32_t width)
{
    const sa_data_shape *shape = &d->base.shape;
    uint64_t key = sa_random_key(d->base.position.seed, "window", d->base.position.epoch);
    uint64_t draw = d->base.position.index * DRAWS;
    sa_picture_window w = {0, 0, shape->height, shape->width, false};
    w.top = (int32_t)sa_random_below(key, draw + DRAW_TOP, (uint64_t)(height - shape->height) + 1);
    w.left = (int32_t)sa_random_below(key, draw + DRAW_LEFT, (uint64_t)(width - shape->width) + 1);
    w.mirrored = d->config.mirror && sa_random_below(key, draw + DRAW_MIRROR, 2) == 1;
    return w;
}

sa_status sa_dense_check_size(const sa_dense_image *d, size_t entry, size_t slot, const sa_picture *picture,
                              const sa_picture *first)
{
    const sa_data_shape *shape = &d->base.shape;
    const char *name = sa_dense_slot_name(d, entry, slot);
    bool label = is_label(d, slot), crop = d->config.crop_height > 0;
    int line = d->list.line[d->measured];
    if (first && (crop || !label) && (picture->height != first->height || picture->width != first->width))
        SA_FAIL(SA_INVALID, "'%s' is %dx%d, but '%s' of the same line is %dx%d", name, picture->height, picture->width,
                sa_dense_slot_name(d, entry, 0), first->height, first->width);
    if (crop && (picture->height < shape->height || picture->width < shape->width))
        SA_FAIL(SA_INVALID, "'%s' is %dx%d, smaller than the crop of %dx%d", name, picture->height, picture->width, shape->height,
                shape->width);
    int32_t height = label ? shape->label_height : shape->height, width = label ? shape->label_width : shape->width;
    if (!crop && (picture->height != height || picture->width != width))
        SA_FAIL(SA_INVALID, "'%s' is %dx%d, but the net's %s is %dx%d as in line %d (give new_height and new_width to resize)",
                name, picture->height, picture->width, label ? "label" : "data", height, width, line);
    if (!label && channels_given(d, picture) != d->slot_channels[slot])
        SA_FAIL(SA_INVALID, "'%s' gives %d channels, but image %zu of line %d gives %d", name, channels_given(d, picture), slot + 1,
                line, d->slot_channels[slot]);
    return SA_OK;
}

/* data: (channels, height, width), label: (label_height, label_width) */
static sa_status load_slots(sa_dense_image *d, size_t entry, float *data, float *label)
{
    const sa_data_shape *shape = &d->base.shape;
    size_t images = d->list.names_per_line - 1, plane = (size_t)shape->height * (size_t)shape->width;
    sa_picture first = {.channels = 0}, picture = {.channels = 0};
    sa_status status = SA_OK;
    int32_t channel = 0;
    sa_picture_window w = {0};
    for (size_t slot = 0; slot <= images; slot++) {
        SA_TRY_GOTO(status, done, read_slot(d, entry, slot, &picture));
        SA_TRY_GOTO(status, done, sa_dense_check_size(d, entry, slot, &picture, slot > 0 ? &first : NULL));
        if (slot == 0) w = choose_window(d, picture.height, picture.width);
        if (slot < images) {
            sa_picture_to_planes(&picture, w, d->slot_channels[slot], d->mean + channel, d->config.scale,
                                 data + (size_t)channel * plane);
            channel += d->slot_channels[slot];
        } else {
            const float no_mean = 0;
            sa_picture_window of_label = {w.top, w.left, shape->label_height, shape->label_width, w.mirrored};
            sa_picture_to_planes(&picture, of_label, 1, &no_mean, 1, label);
        }
        if (slot == 0) first = (sa_picture){picture.channels, picture.height, picture.width, NULL};
        sa_picture_free(&picture);
    }
done:
    sa_picture_free(&picture);
    return status;
}

static sa_status load_batch(sa_dense_image *d, float *data, float *label)
{
    const sa_data_shape *shape = &d->base.shape;
    size_t data_floats = (size_t)shape->channels * (size_t)shape->height * (size_t)shape->width;
    size_t label_floats = (size_t)shape->label_height * (size_t)shape->label_width;
    for (int32_t n = 0; n < shape->images; n++) {
        order_entries(d);
        size_t entry = d->order[d->base.position.index];
        sa_status status = load_slots(d, entry, data + (size_t)n * data_floats, label + (size_t)n * label_floats);
        if (status != SA_OK) return sa_error_prefix(status, "%s:%d", d->list.path, d->list.line[entry]);
        d->batch_entry[n] = entry;
        if (++d->base.position.index == d->list.count) {
            d->base.position.index = 0;
            d->base.position.epoch++;
        }
    }
    return SA_OK;
}

static sa_status dense_image_next(sa_data_source *base, float *data, float *label)
{
    sa_data_position before = base->position;
    sa_status status = load_batch((sa_dense_image *)base, data, label);
    if (status != SA_OK) base->position = before;
    return status;
}

static sa_status dense_image_restore(sa_data_source *base, sa_data_position position)
{
    sa_dense_image *d = (sa_dense_image *)base;
    if (position.index >= d->list.count)
        SA_FAIL(SA_INVALID, "%s: position %llu, the list has %zu entries", d->list.path, (unsigned long long)position.index,
                d->list.count);
    base->position = position;
    return SA_OK;
}

static void dense_image_label_name(const sa_data_source *base, int32_t n, char *text, size_t size)
{
    const sa_dense_image *d = (const sa_dense_image *)base;
    size_t entry = d->batch_entry[n];
    snprintf(text, size, "'%s' (%s:%d)", sa_dense_slot_name(d, entry, d->list.names_per_line - 1), d->list.path,
             d->list.line[entry]);
}

static void dense_image_close(sa_data_source *base)
{
    sa_dense_image *d = (sa_dense_image *)base;
    sa_list_file_free(&d->list);
    free(d->root_folder);
    free(d->data_root);
    free(d->mean);
    free(d->slot_channels);
    free(d->order);
    free(d->batch_entry);
    free(d);
}

static sa_status read_info(const sa_dense_image *d, size_t entry, size_t slot, sa_image_info *info)
{
    char *path = sa_dense_slot_path(d, entry, slot);
    if (!path) SA_FAIL(SA_NOMEM, "out of memory for a path");
    sa_status status = sa_image_read_info(path, info);
    free(path);
    return status;
}

/* Alpha is a channel of its own (depth, say) if the config has a mean for it. */
static sa_status decide_alpha(sa_dense_image *d, size_t entry)
{
    int32_t plain = 0, with_alpha = 0;
    for (size_t slot = 0; !is_label(d, slot); slot++) {
        sa_image_info info;
        SA_TRY(read_info(d, entry, slot, &info));
        int32_t colours = d->config.is_color ? replicates(d) ? 3 : info.colours : 1;
        plain += colours;
        with_alpha += colours + (d->config.is_color && info.alpha && info.colours == 3 && !info.palette);
    }
    d->keep_alpha = with_alpha > plain && d->config.mean_count == with_alpha;
    return SA_OK;
}

/* Takes the shape from the heads of one entry's files: what next() then holds all entries to. */
static sa_status measure(sa_dense_image *d, size_t entry)
{
    const sa_dense_image_config *c = &d->config;
    sa_data_shape shape = {.images = c->batch_size};
    SA_TRY(decide_alpha(d, entry));
    for (size_t slot = 0; slot < d->list.names_per_line; slot++) {
        sa_image_info info;
        SA_TRY(read_info(d, entry, slot, &info));
        sa_picture picture = sa_dense_geometry(d, slot, &info);
        int32_t height = c->crop_height > 0 ? c->crop_height : picture.height;
        int32_t width = c->crop_height > 0 ? c->crop_width : picture.width;
        if (slot == 0) {
            shape.height = height;
            shape.width = width;
        }
        if (is_label(d, slot)) {
            shape.label_height = height;
            shape.label_width = width;
        } else {
            d->slot_channels[slot] = channels_given(d, &picture);
            shape.channels += d->slot_channels[slot];
        }
    }
    SA_TRY(sa_data_shape_check("dense_image_data", &shape));
    d->base.shape = shape;
    d->measured = entry;
    return SA_OK;
}

/* Takes the shape from the first entry whose files can be read, whatever the order, so that plan and training agree. Of several
 * that cannot, the first is told; a survey tells all. */
static sa_status measure_first(sa_dense_image *d)
{
    enum { TRIALS_MAX = 16 };
    char first[700];
    sa_status status = measure(d, 0), again = status;
    if (status == SA_OK) return SA_OK;
    snprintf(first, sizeof first, "%.690s", sa_error_message());
    for (size_t entry = 1; entry < TRIALS_MAX && entry < d->list.count && again != SA_OK; entry++) again = measure(d, entry);
    if (again == SA_OK) sa_error_clear();
    else SA_FAIL(status, "%s:%d: %s", d->list.path, d->list.line[0], first);
    return SA_OK;
}

static sa_status take_mean(sa_dense_image *d, const sa_dense_image_config *c)
{
    int32_t channels = d->base.shape.channels;
    if (c->mean_count != 0 && c->mean_count != 1 && c->mean_count != channels)
        SA_FAIL(SA_INVALID, "%d mean_value entries for %d channels (give none, one or %d)", c->mean_count, channels, channels);
    d->mean = calloc((size_t)channels, sizeof *d->mean);
    if (!d->mean) SA_FAIL(SA_NOMEM, "out of memory for %d means", channels);
    for (int32_t i = 0; i < channels && c->mean_count > 0; i++) {
        d->mean[i] = c->mean_value[c->mean_count == 1 ? 0 : i];
        if (!isfinite(d->mean[i])) SA_FAIL(SA_INVALID, "mean_value %d is not finite", i);
    }
    return SA_OK;
}

/* Everything that needs the list: order, start, shape, mean. */
static sa_status set_up(sa_dense_image *d, const sa_dense_image_config *c)
{
    size_t images = d->list.names_per_line - 1;
    if (images > MAX_IMAGES_PER_LINE)
        SA_FAIL(SA_UNSUPPORTED, "%s:%d: %zu images, at most %d are supported", d->list.path, d->list.line[0], images,
                MAX_IMAGES_PER_LINE);
    d->base.entry_count = d->list.count;
    d->order = malloc(d->list.count * sizeof *d->order);
    d->slot_channels = calloc(images, sizeof *d->slot_channels);
    d->batch_entry = calloc((size_t)c->batch_size, sizeof *d->batch_entry);
    if (!d->order || !d->slot_channels || !d->batch_entry)
        SA_FAIL(SA_NOMEM, "%s: out of memory for %zu entries", d->list.path, d->list.count);
    d->base.position.seed = c->seed;
    if (c->rand_skip > 0) d->base.position.index = sa_random_below(sa_random_key(c->seed, "rand_skip", 0), 0, c->rand_skip);
    if (d->base.position.index >= d->list.count)
        SA_FAIL(SA_INVALID, "%s: rand_skip %u came to %llu, the list has %zu entries", d->list.path, c->rand_skip,
                (unsigned long long)d->base.position.index, d->list.count);
    SA_TRY(measure_first(d));
    sa_status status = take_mean(d, c);
    return status == SA_OK ? SA_OK : sa_error_prefix(status, "%s", d->list.path);
}

sa_status sa_dense_image_open(const sa_dense_image_config *config, sa_data_source **source)
{
    static const sa_data_source_functions functions = {dense_image_next,       dense_image_restore, NULL,
                                                       dense_image_label_name, sa_dense_survey,     dense_image_close};
    SA_TRY(check_config(config));
    sa_dense_image *d = calloc(1, sizeof *d);
    if (!d) SA_FAIL(SA_NOMEM, "%s: out of memory", config->source);
    d->base.functions = &functions;
    d->config = *config;
    d->root_folder = strdup(config->root_folder ? config->root_folder : "");
    d->data_root = strdup(config->data_root ? config->data_root : "");
    char *list_path = sa_path_join(config->data_root, config->source);
    sa_status status = SA_OK;
    if (!d->root_folder || !d->data_root || !list_path) status = sa_error_set(SA_NOMEM, "%s: out of memory", config->source);
    else status = sa_list_file_read(list_path, &d->list);
    d->base.path = d->list.path;
    if (status == SA_OK) status = set_up(d, config);
    free(list_path);
    d->config.source = d->config.root_folder = d->config.data_root = NULL;
    d->config.mean_value = NULL;
    if (status == SA_OK) *source = &d->base;
    else dense_image_close(&d->base);
    return status;
}
