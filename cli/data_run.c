/* The whole of a list: see data_run.h. */
#include "cli/data_run.h"

#include "cli/progress.h"
#include "core/growing_array.h"
#include "data/caffe/label_list.h"
#include "data/image_file.h"
#include "data/list_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct counter {
    const sa_data_options *options;
    char *root; /* NULL: the working directory */
    sa_data_result *result;
    uint64_t seen[256]; /* pixels of each value in one label */
    size_t problem_bytes;
} counter;

/* ---- what is wrong ---- */

static sa_status keep_problem(counter *c, const char *where)
{
    char line[1100];
    sa_data_result *r = c->result;
    int length = snprintf(line, sizeof line, "%.500s: %.550s\n", where, sa_error_message());
    char *grown = realloc(r->problems, c->problem_bytes + (size_t)length + 1);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for what is wrong with a list");
    memcpy(grown + c->problem_bytes, line, (size_t)length + 1);
    r->problems = grown;
    c->problem_bytes += (size_t)length;
    r->bad_entries++;
    sa_error_clear();
    return SA_OK;
}

/* ---- sizes ---- */

static sa_status count_size(counter *c, bool label, const sa_image_info *info)
{
    sa_data_result *r = c->result;
    const sa_data_size wanted = {.label = label,
                                 .height = info->height,
                                 .width = info->width,
                                 .channels = info->palette ? 1 : info->colours + info->alpha,
                                 .bits = info->bits,
                                 .palette = info->palette};
    for (size_t i = 0; i < r->size_count; i++) {
        sa_data_size *s = &r->size[i];
        bool same = s->label == wanted.label && s->height == wanted.height && s->width == wanted.width &&
                    s->channels == wanted.channels && s->bits == wanted.bits && s->palette == wanted.palette;
        if (!same) continue;
        s->files++;
        return SA_OK;
    }
    sa_data_size *grown = sa_array_room(r->size, r->size_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu sizes", r->size_count + 1);
    r->size = grown;
    r->size[r->size_count] = wanted;
    r->size[r->size_count++].files = 1;
    return SA_OK;
}

static sa_status look_at_file(counter *c, const char *name, bool label, sa_image_info *info)
{
    char *path = sa_path_join(c->root, name);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for a path");
    sa_status status = sa_image_read_info(path, info);
    free(path);
    SA_TRY(status);
    return count_size(c, label, info);
}

/* ---- classes ---- */

static sa_status room_for_class(sa_data_result *r, int32_t class)
{
    if (class < r->class_count) return SA_OK;
    sa_data_class *grown = realloc(r->class_of, ((size_t) class + 1) * sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %d classes", class + 1);
    memset(grown + r->class_count, 0, (size_t)(class + 1 - r->class_count) * sizeof *grown);
    r->class_of = grown;
    r->class_count = class + 1;
    return SA_OK;
}

static sa_status add_class(sa_data_result *r, int32_t class, uint64_t pixels, uint64_t around)
{
    SA_TRY(room_for_class(r, class));
    r->class_of[class].pixels += pixels;
    r->class_of[class].pixels_around += around;
    r->class_of[class].images++;
    r->labelled_pixels += pixels;
    return SA_OK;
}

static sa_status count_label(counter *c, const char *name, const sa_image_info *image)
{
    sa_picture label;
    sa_image_info info;
    SA_TRY(look_at_file(c, name, true, &info));
    if (info.height != image->height || info.width != image->width)
        SA_FAIL(SA_INVALID, "label '%s' is %dx%d, its image %dx%d", name, info.height, info.width, image->height, image->width);
    char *path = sa_path_join(c->root, name);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for a path");
    sa_status status = sa_image_read_label(path, &label);
    free(path);
    SA_TRY(status);
    size_t count = (size_t)label.height * (size_t)label.width;
    memset(c->seen, 0, sizeof c->seen);
    for (size_t i = 0; i < count; i++) c->seen[label.pixels[i] & 255]++;
    sa_picture_free(&label);
    sa_data_result *r = c->result;
    r->has_void |= !c->options->void_given && c->seen[SA_DATA_VOID_USUAL] > 0;
    for (int v = 0; v < 256; v++) {
        if (c->seen[v] == 0) continue;
        if (v == r->void_label) r->void_pixels += c->seen[v];
        else SA_TRY(add_class(r, v, c->seen[v], count));
    }
    return SA_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Eigen and Fergus, as SegNet takes it: the frequency of a class is its share of the pixels of the images that have it. */
static sa_status find_weights(sa_data_result *r)
{
    size_t present = 0;
    double *frequency = malloc(((size_t)r->class_count + 1) * sizeof *frequency);
    r->weight = calloc((size_t)r->class_count + 1, sizeof *r->weight);
    if (!frequency || !r->weight) {
        free(frequency);
        SA_FAIL(SA_NOMEM, "no memory for the weights of %d classes", (int)r->class_count);
    }
    for (int32_t i = 0; i < r->class_count; i++) {
        const sa_data_class *k = &r->class_of[i];
        if (k->pixels == 0) continue;
        r->weight[i] = (double)k->pixels / (double)k->pixels_around;
        frequency[present++] = r->weight[i];
    }
    qsort(frequency, present, sizeof *frequency, by_value);
    double median = present == 0  ? 0
                    : present % 2 ? frequency[present / 2]
                                  : 0.5 * (frequency[present / 2 - 1] + frequency[present / 2]);
    for (int32_t i = 0; i < r->class_count; i++)
        if (r->weight[i] > 0) r->weight[i] = median / r->weight[i];
    free(frequency);
    return SA_OK;
}

/* ---- lists ---- */

static void show(sa_progress *progress, const counter *c, size_t done)
{
    if (c->options->progress) sa_progress_update(progress, done, NULL);
}

static sa_status count_entry(counter *c, const sa_list_file *list, size_t entry)
{
    sa_image_info first, info;
    size_t names = list->names_per_line;
    char **name = &list->name[entry * names];
    SA_TRY(look_at_file(c, name[0], false, &first));
    for (size_t i = 1; i + (names > 1) < names; i++) {
        SA_TRY(look_at_file(c, name[i], false, &info));
        if (info.height != first.height || info.width != first.width)
            SA_FAIL(SA_INVALID, "'%s' is %dx%d, '%s' of the same line %dx%d", name[i], info.height, info.width, name[0],
                    first.height, first.width);
    }
    return names > 1 ? count_label(c, name[names - 1], &first) : SA_OK;
}

static sa_status count_files(counter *c, const sa_list_file *list, sa_progress *progress)
{
    sa_data_result *r = c->result;
    r->kind = list->names_per_line > 1 ? SA_DATA_PIXELS : SA_DATA_UNLABELLED;
    r->entries = list->count;
    r->images_per_entry = list->names_per_line > 1 ? list->names_per_line - 1 : 1;
    if (c->options->progress) sa_progress_begin(progress, c->options->progress, "entries", 0, list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        char where[600];
        sa_status status = count_entry(c, list, i);
        if (status == SA_NOMEM) return status;
        snprintf(where, sizeof where, "%.500s:%d", list->path, list->line[i]);
        if (status != SA_OK) SA_TRY(keep_problem(c, where));
        show(progress, c, i + 1);
    }
    return SA_OK;
}

static sa_status count_labelled(counter *c, const sa_label_list *list, sa_progress *progress)
{
    sa_data_result *r = c->result;
    r->kind = SA_DATA_IMAGES;
    r->entries = list->count;
    r->images_per_entry = 1;
    if (c->options->progress) sa_progress_begin(progress, c->options->progress, "entries", 0, list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        sa_image_info info;
        char where[600];
        sa_status status = look_at_file(c, list->name[i], false, &info);
        int32_t class = list->label[i];
        if (status == SA_OK && (class < 0 || class >= SA_DATA_CLASSES_MAX))
            status = sa_error_set(SA_INVALID, "class %d is none", (int)class);
        if (status == SA_OK && class == r->void_label && r->has_void) r->void_pixels++;
        else if (status == SA_OK) status = add_class(r, class, 1, list->count);
        if (status == SA_NOMEM) return status;
        snprintf(where, sizeof where, "%.500s:%zu", list->path, i + 1);
        if (status != SA_OK) SA_TRY(keep_problem(c, where));
        show(progress, c, i + 1);
    }
    return SA_OK;
}

/* Is the last word of the first line a number, and no file? Then the list has a class per image. */
static bool has_classes(const counter *c, const sa_label_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->name[i][0]) continue;
        const char *word = list->word[i];
        size_t digits = strspn(word + (*word == '-'), "0123456789");
        char *path = sa_path_join(c->root, word);
        bool file = path && access(path, F_OK) == 0;
        free(path);
        return digits > 0 && word[digits + (*word == '-')] == '\0' && !file;
    }
    return false;
}

static sa_status count_list(counter *c, const char *path, sa_progress *progress)
{
    sa_label_list labelled;
    sa_list_file files;
    SA_TRY(sa_label_list_read(path, &labelled));
    if (has_classes(c, &labelled)) {
        sa_status status = count_labelled(c, &labelled, progress);
        sa_label_list_free(&labelled);
        return status;
    }
    sa_label_list_free(&labelled);
    SA_TRY(sa_list_file_read_images(path, &files));
    sa_status status = count_files(c, &files, progress);
    sa_list_file_free(&files);
    return status;
}

/* Names are relative to --data-root; without it, to the list's own folder if its first image is there. */
static sa_status find_root(counter *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (c->options->data_root) {
        c->root = strdup(c->options->data_root);
    } else if (slash) {
        c->root = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    } else {
        return SA_OK;
    }
    if (!c->root) SA_FAIL(SA_NOMEM, "no memory for a folder's name");
    return SA_OK;
}

sa_status sa_data_run(const sa_data_options *o, sa_data_result *result)
{
    sa_progress progress = {0};
    memset(result, 0, sizeof *result);
    result->void_label = o->void_given ? o->void_label : SA_DATA_VOID_USUAL;
    result->has_void = o->void_given;
    counter c = {.options = o, .result = result};
    char *path = access(o->list, F_OK) == 0 ? strdup(o->list) : sa_path_join(o->data_root, o->list);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for a path");
    snprintf(result->list, sizeof result->list, "%s", path);
    sa_status status = find_root(&c, path);
    if (status == SA_OK) status = count_list(&c, path, &progress);
    if (o->progress && result->entries > 0) sa_progress_end(&progress);
    if (status == SA_OK) status = find_weights(result);
    free(path);
    free(c.root);
    if (status != SA_OK) sa_data_result_free(result);
    return status;
}

void sa_data_result_free(sa_data_result *result)
{
    free(result->problems);
    free(result->size);
    free(result->class_of);
    free(result->weight);
    memset(result, 0, sizeof *result);
}
