/* Records -> decoded images -> transformed -> a batch: see caffe_source.h. */
#include "data/caffe/caffe_source.h"

#include "data/caffe/caffe_random.h"
#include "data/caffe/label_list.h"
#include "data/list_file.h"
#include "data/lmdb/lmdb_file.h"
#include "data/weights/caffe_blobs.h"
#include "data/whole_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SURVEYED_MAX = 64, PROBLEM_LINES_MAX = 20, LINE_BYTES = 700, NAME_BYTES = 4096 };

typedef struct caffe_source {
    sa_data_source base;
    sa_caffe_source_config config; /* without its pointers */
    char *path, *root_folder, *data_root;
    sa_transform transform;
    float *mean, *mean_value; /* owned: what transform points to */
    sa_lmdb *database;        /* NULL: a list */
    sa_label_list list;
    uint32_t *order;  /* (list.count): lines in the order of the epoch that it was made for */
    uint64_t epoch;   /* ... */
    sa_mt shuffler;   /* after the shuffles of that epoch */
    sa_mt draws;      /* of the transformer */
    uint64_t first;   /* index of the first image (rand_skip) */
    sa_decoded image; /* the last one */
    char name[NAME_BYTES];
    uint64_t *batch_entry; /* (batch_size): lines or records of the last batch */
} caffe_source;

/* ---- random choices ---- */

static uint32_t draws_per_image(const caffe_source *s)
{
    return (s->config.mirror ? 1u : 0u) + (s->config.crop_size > 0 && !s->config.test_phase ? 2u : 0u);
}

static uint64_t images_before(const caffe_source *s, sa_data_position at)
{
    return at.epoch * s->base.entry_count + at.index - s->first;
}

static void shuffle(caffe_source *s)
{
    for (uint32_t i = (uint32_t)s->list.count - 1; i > 0; i--) {
        uint32_t other = sa_mt_below(&s->shuffler, i + 1), kept = s->order[i];
        s->order[i] = s->order[other];
        s->order[other] = kept;
    }
}

/* The generators as Caffe's layer sets them up, which draws from the main one: see the head of caffe_source.h. */
static void seed(caffe_source *s, uint64_t seed)
{
    sa_mt main_draws;
    sa_mt_seed(&main_draws, (uint32_t)seed);
    if (draws_per_image(s) > 0) (void)sa_mt_next(&main_draws);
    s->first = 0;
    if (s->config.shuffle) sa_mt_seed(&s->shuffler, sa_mt_next(&main_draws));
    if (s->config.rand_skip > 0) s->first = sa_mt_next(&main_draws) % s->config.rand_skip;
    if (draws_per_image(s) > 0) sa_mt_seed(&s->draws, sa_mt_next(&main_draws));
    for (size_t i = 0; i < s->list.count; i++) s->order[i] = (uint32_t)i;
    s->epoch = 0;
    if (s->config.shuffle) shuffle(s);
}

static void go_to_epoch(caffe_source *s, uint64_t epoch)
{
    for (; s->epoch < epoch; s->epoch++)
        if (s->config.shuffle) shuffle(s);
}

/* ---- records ---- */

static sa_status read_listed(caffe_source *s, size_t line)
{
    char joined[NAME_BYTES];
    char *bytes;
    size_t count;
    snprintf(s->name, sizeof s->name, "%s:%zu", s->path, line + 1);
    if (snprintf(joined, sizeof joined, "%s%s", s->root_folder, s->list.name[line]) >= (int)sizeof joined)
        SA_FAIL(SA_INVALID, "%s: a name of %zu bytes is too long", s->name, strlen(s->list.name[line]));
    if (s->list.name[line][0] == '\0') SA_FAIL(SA_PARSE, "%s: a line without a name", s->name);
    char *path = sa_path_join(s->data_root, joined);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of an image");
    sa_status status = sa_whole_file_read(path, &bytes, &count);
    if (status == SA_OK) {
        status = sa_decoded_image(path, bytes, count, s->config.colour, s->config.new_height, s->config.new_width, &s->image);
        s->image.label = s->list.label[line];
        free(bytes);
    }
    if (status != SA_OK) status = sa_error_prefix(status, "%s", s->name);
    free(path);
    return status;
}

static sa_status read_record(caffe_source *s, uint64_t index)
{
    const void *bytes;
    size_t count;
    snprintf(s->name, sizeof s->name, "%.3900s: record %llu", s->path, (unsigned long long)index);
    SA_TRY(sa_lmdb_read(s->database, index, &bytes, &count));
    return sa_decoded_datum(s->name, bytes, count, s->config.colour, &s->image);
}

/* Image `index` of the epoch that the position is in. */
static sa_status read_image(caffe_source *s, uint64_t index)
{
    if (!s->config.is_list) return read_record(s, index);
    return read_listed(s, s->order[index]);
}

/* ---- batches ---- */

static sa_status check_shape(const caffe_source *s)
{
    const sa_data_shape *shape = &s->base.shape;
    const sa_decoded *d = &s->image;
    sa_status status = sa_transform_check(&s->transform, d);
    if (status != SA_OK) return sa_error_prefix(status, "%s", s->name);
    bool fits =
        d->channels == shape->channels && (s->config.crop_size > 0 || (d->height == shape->height && d->width == shape->width));
    if (fits) return SA_OK;
    SA_FAIL(SA_INVALID, "%s: its image is %dx%dx%d, the net's data is %dx%dx%d; %s", s->name, (int)d->channels, (int)d->height,
            (int)d->width, shape->channels, shape->height, shape->width,
            s->config.is_list ? "new_height and new_width resize images" : "all records need one shape (or a crop_size)");
}

static void transform(caffe_source *s, float *out)
{
    const sa_decoded *d = &s->image;
    int32_t crop = s->config.crop_size, top = 0, left = 0;
    bool mirrored = s->config.mirror && sa_mt_next(&s->draws) % 2;
    if (crop > 0 && s->config.test_phase) {
        top = (d->height - crop) / 2;
        left = (d->width - crop) / 2;
    } else if (crop > 0) {
        top = (int32_t)(sa_mt_next(&s->draws) % (uint32_t)(d->height - crop + 1));
        left = (int32_t)(sa_mt_next(&s->draws) % (uint32_t)(d->width - crop + 1));
    }
    sa_transform_apply(&s->transform, d, top, left, mirrored, out);
}

static sa_status source_next(sa_data_source *source, float *data, float *label)
{
    caffe_source *s = (caffe_source *)source;
    const sa_data_shape *shape = &s->base.shape;
    size_t image = (size_t)shape->channels * (size_t)shape->height * (size_t)shape->width;
    sa_data_position at = s->base.position;
    const sa_mt draws = s->draws;
    for (int32_t n = 0; n < shape->images; n++) {
        go_to_epoch(s, at.epoch);
        sa_status status = read_image(s, at.index);
        if (status == SA_OK) status = check_shape(s);
        if (status != SA_OK) {
            s->draws = draws;
            return status;
        }
        if (data) transform(s, data + (size_t)n * image);
        s->batch_entry[n] = s->config.is_list ? s->order[at.index] : at.index;
        if (label) label[n] = (float)s->image.label;
        bool last = ++at.index == s->base.entry_count;
        if (last) at = (sa_data_position){.seed = at.seed, .epoch = at.epoch + 1};
    }
    s->base.position = at;
    return SA_OK;
}

static sa_status source_restore(sa_data_source *source, sa_data_position position)
{
    caffe_source *s = (caffe_source *)source;
    if (position.index >= s->base.entry_count)
        SA_FAIL(SA_INVALID, "%s: position %llu is behind its %llu entries", s->path, (unsigned long long)position.index,
                (unsigned long long)s->base.entry_count);
    seed(s, position.seed);
    if (position.epoch == 0 && position.index < s->first)
        SA_FAIL(SA_INVALID, "%s: position %llu is before the first of its entries", s->path, (unsigned long long)position.index);
    s->base.position = position;
    sa_mt_skip(&s->draws, images_before(s, position) * draws_per_image(s));
    return SA_OK;
}

static void source_skip(sa_data_source *source, uint64_t images)
{
    caffe_source *s = (caffe_source *)source;
    sa_mt_skip(&s->draws, images * draws_per_image(s));
}

static void source_label_name(const sa_data_source *source, int32_t n, char *text, size_t size)
{
    const caffe_source *s = (const caffe_source *)source;
    unsigned long long entry = s->batch_entry[n];
    if (s->config.is_list) snprintf(text, size, "'%s' (%s:%llu)", s->list.name[entry], s->path, entry + 1);
    else snprintf(text, size, "record %llu of %s", entry, s->path);
}

static void source_close(sa_data_source *source)
{
    caffe_source *s = (caffe_source *)source;
    sa_lmdb_close(s->database);
    sa_label_list_free(&s->list);
    sa_decoded_free(&s->image);
    free(s->order);
    free(s->batch_entry);
    free(s->mean);
    free(s->mean_value);
    free(s->path);
    free(s->root_folder);
    free(s->data_root);
    free(s);
}

/* ---- the look at all of it ---- */

static sa_status keep_problem(sa_data_survey *survey)
{
    if (survey->bad_entries++ >= PROBLEM_LINES_MAX) return SA_OK;
    size_t used = survey->problems ? strlen(survey->problems) : 0;
    char *grown = realloc(survey->problems, used + LINE_BYTES);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for what is wrong with a list");
    snprintf(grown + used, LINE_BYTES, "%.600s\n", sa_error_message());
    survey->problems = grown;
    return SA_OK;
}

static sa_status look_at(caffe_source *s, uint64_t entry, sa_data_survey *survey)
{
    SA_TRY(s->config.is_list ? read_listed(s, (size_t)entry) : read_record(s, entry));
    SA_TRY(check_shape(s));
    int32_t label = s->image.label;
    bool ignored = survey->has_ignore && label == survey->ignore_label;
    if (survey->classes > 0 && !ignored && (label < 0 || label >= survey->classes))
        SA_FAIL(SA_NUMERIC, "%s: label %d is none of the %d classes", s->name, (int)label, (int)survey->classes);
    survey->label_low = survey->labels_read == 0 || label < survey->label_low ? label : survey->label_low;
    survey->label_high = survey->labels_read == 0 || label > survey->label_high ? label : survey->label_high;
    survey->labels_read++;
    return SA_OK;
}

/* Every entry of a list; the first records of a database, which may be large. */
static sa_status source_survey(const sa_data_source *source, sa_data_survey *survey)
{
    caffe_source *s = (caffe_source *)(uintptr_t)source; /* the room for an image is the only thing that changes */
    survey->list = s->path;
    survey->entries = (size_t)s->base.entry_count;
    survey->images_per_entry = 1;
    survey->labels_per_image = true;
    uint64_t end = s->config.is_list || s->base.entry_count < SURVEYED_MAX ? s->base.entry_count : SURVEYED_MAX;
    for (uint64_t i = 0; i < end; i++) {
        if (survey->look && !survey->look(survey->look_context, (size_t)i, survey->entries))
            SA_FAIL(SA_INVALID, "interrupted after looking at %llu of the %zu entries of %s", (unsigned long long)i,
                    survey->entries, s->path);
        sa_status status = look_at(s, i, survey);
        if (status == SA_NOMEM) return status;
        if (status != SA_OK) SA_TRY(keep_problem(survey));
    }
    sa_error_clear();
    return SA_OK;
}

/* ---- opening ---- */

static const sa_data_source_functions FUNCTIONS = {source_next,       source_restore, source_skip,
                                                   source_label_name, source_survey,  source_close};

static sa_status check_config(const sa_caffe_source_config *c)
{
    if (!c->source || !c->source[0]) SA_FAIL(SA_INVALID, "no 'source' is given");
    if (c->batch_size < 1) SA_FAIL(SA_INVALID, "%s: batch_size %d, at least 1 is needed", c->source, (int)c->batch_size);
    if ((c->new_height > 0) != (c->new_width > 0))
        SA_FAIL(SA_INVALID, "%s: new_height %d and new_width %d: give both or neither", c->source, (int)c->new_height,
                (int)c->new_width);
    if (c->mean_file && c->mean_file[0] && c->mean_count > 0)
        SA_FAIL(SA_INVALID, "%s: mean_file and mean_value: give one of them", c->source);
    return SA_OK;
}

static sa_status take_strings(caffe_source *s, const sa_caffe_source_config *c)
{
    s->config = *c;
    s->path = sa_path_join(c->data_root, c->source);
    s->root_folder = strdup(c->root_folder ? c->root_folder : "");
    s->data_root = c->data_root ? strdup(c->data_root) : NULL;
    s->batch_entry = calloc((size_t)c->batch_size, sizeof *s->batch_entry);
    s->mean_value = malloc(((size_t)c->mean_count + 1) * sizeof *s->mean_value);
    if (!s->path || !s->root_folder || (c->data_root && !s->data_root) || !s->mean_value || !s->batch_entry)
        SA_FAIL(SA_NOMEM, "no memory for a data source");
    if (c->mean_count > 0) memcpy(s->mean_value, c->mean_value, (size_t)c->mean_count * sizeof *s->mean_value);
    if (c->in_order) s->config.shuffle = s->config.mirror = false;
    if (c->in_order || !c->is_list) s->config.rand_skip = 0;
    if (!c->is_list) s->config.shuffle = false;
    s->transform =
        (sa_transform){.scale = c->scale, .mean_value = s->mean_value, .mean_count = c->mean_count, .crop = c->crop_size};
    if (!c->mean_file || !c->mean_file[0]) return SA_OK;
    char *path = sa_path_join(c->data_root, c->mean_file);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of a mean file");
    sa_status status = sa_mean_file_read(path, s->transform.mean_shape, &s->mean);
    free(path);
    s->transform.mean = s->mean;
    return status;
}

static sa_status open_entries(caffe_source *s)
{
    if (!s->config.is_list) {
        SA_TRY(sa_lmdb_open(s->path, &s->database));
        s->base.entry_count = sa_lmdb_count(s->database);
        return SA_OK;
    }
    SA_TRY(sa_label_list_read(s->path, &s->list));
    s->base.entry_count = s->list.count;
    s->order = malloc(s->list.count * sizeof *s->order);
    if (!s->order) SA_FAIL(SA_NOMEM, "no memory for the order of %zu entries", s->list.count);
    if (s->list.count > UINT32_MAX) SA_FAIL(SA_UNSUPPORTED, "%s: more than 2^32 lines", s->path);
    if (s->config.rand_skip > s->list.count)
        SA_FAIL(SA_INVALID, "%s: rand_skip %u is more than its %zu lines", s->path, s->config.rand_skip, s->list.count);
    return SA_OK;
}

static sa_status open_all(caffe_source *s, const sa_caffe_source_config *c)
{
    SA_TRY(take_strings(s, c));
    SA_TRY(open_entries(s));
    seed(s, c->seed);
    s->base.position = (sa_data_position){.seed = c->seed, .index = s->first};
    SA_TRY(read_image(s, s->first));
    const sa_decoded *d = &s->image;
    int32_t crop = c->crop_size;
    s->base.shape = (sa_data_shape){.images = c->batch_size,
                                    .channels = d->channels,
                                    .height = crop ? crop : d->height,
                                    .width = crop ? crop : d->width,
                                    .label_height = 1,
                                    .label_width = 1};
    s->base.path = s->path;
    SA_TRY(sa_data_shape_check(s->path, &s->base.shape));
    return check_shape(s);
}

sa_status sa_caffe_source_open(const sa_caffe_source_config *config, sa_data_source **source)
{
    SA_TRY(check_config(config));
    caffe_source *s = calloc(1, sizeof *s);
    if (!s) SA_FAIL(SA_NOMEM, "no memory for a data source");
    s->base.functions = &FUNCTIONS;
    sa_status status = open_all(s, config);
    if (status == SA_OK) *source = &s->base;
    else source_close(&s->base);
    return status;
}
