/* Looks at a whole list before training: the head of every file, and the labels of the first entries. */
#include "data/dense_image_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 64, PROBLEM_LINES_MAX = 20, LINE_BYTES = 700 };

static sa_status keep_problem(const sa_dense_image *d, size_t entry, sa_data_survey *s)
{
    if (s->bad_entries++ >= PROBLEM_LINES_MAX) return SA_OK;
    size_t used = s->problems ? strlen(s->problems) : 0;
    char *grown = realloc(s->problems, used + LINE_BYTES);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for what is wrong with a list");
    snprintf(grown + used, LINE_BYTES, "%s:%d: %.500s\n", d->list.path, d->list.line[entry], sa_error_message());
    s->problems = grown;
    return SA_OK;
}

static void count_kind(const sa_dense_image *d, size_t entry, size_t slot, const sa_image_info *info, sa_data_survey *s)
{
    const char *name = sa_dense_slot_name(d, entry, slot);
    if (slot + 1 == d->list.names_per_line) {
        s->palette_labels += info->palette;
        return;
    }
    sa_image_want want = sa_dense_want(d, info);
    if (info->bits == 16) {
        if (want == SA_IMAGE_DEEP) s->deep_images++;
        else if (s->cut_images++ == 0) snprintf(s->cut_name, sizeof s->cut_name, "%s", name);
    }
    if (info->alpha && !info->palette && want != SA_IMAGE_ALPHA && s->alpha_images++ == 0)
        snprintf(s->alpha_name, sizeof s->alpha_name, "%s", name);
}

static sa_status look_at_values(const char *name, const sa_picture *label, sa_data_survey *s)
{
    size_t count = (size_t)label->height * (size_t)label->width;
    for (size_t i = 0; i < count; i++) {
        int32_t value = label->pixels[i];
        if (s->classes > 0 && value >= s->classes && !(s->has_ignore && value == s->ignore_label))
            SA_FAIL(SA_NUMERIC,
                    "'%s': label %d at row %zu, column %zu is none of the %d classes; loss_param { ignore_label: %d } would "
                    "leave such pixels out",
                    name, value, i / (size_t)label->width, i % (size_t)label->width, s->classes, value);
        s->label_seen[value & 255] = true;
    }
    return SA_OK;
}

static sa_status look_at_label(const char *path, const char *name, sa_data_survey *s)
{
    sa_picture label;
    SA_TRY(sa_image_read_label(path, &label));
    sa_status status = look_at_values(name, &label, s);
    sa_picture_free(&label);
    if (status == SA_OK) s->labels_read++;
    return status;
}

static sa_status look_at_slot(const sa_dense_image *d, size_t entry, size_t slot, sa_picture *first, sa_data_survey *s)
{
    sa_image_info info;
    bool label = slot + 1 == d->list.names_per_line;
    char *path = sa_dense_slot_path(d, entry, slot);
    if (!path) SA_FAIL(SA_NOMEM, "out of memory for a path");
    sa_status status = sa_image_read_info(path, &info);
    if (status == SA_OK) {
        sa_picture picture = sa_dense_geometry(d, slot, &info);
        status = sa_dense_check_size(d, entry, slot, &picture, slot > 0 ? first : NULL);
        if (slot == 0) *first = picture;
        count_kind(d, entry, slot, &info, s);
    }
    if (status == SA_OK && label && entry < LABELS_MAX) status = look_at_label(path, sa_dense_slot_name(d, entry, slot), s);
    free(path);
    return status;
}

sa_status sa_dense_survey(const sa_data_source *source, sa_data_survey *s)
{
    const sa_dense_image *d = (const sa_dense_image *)source;
    s->list = d->list.path;
    s->entries = d->list.count;
    s->images_per_entry = d->list.names_per_line - 1;
    for (size_t entry = 0; entry < d->list.count; entry++) {
        sa_picture first = {.channels = 0};
        sa_status status = SA_OK;
        if (s->look && !s->look(s->look_context, entry, d->list.count))
            SA_FAIL(SA_INVALID, "interrupted after looking at %zu of the %zu entries of %s", entry, d->list.count, d->list.path);
        for (size_t slot = 0; slot < d->list.names_per_line && status == SA_OK; slot++)
            status = look_at_slot(d, entry, slot, &first, s);
        if (status == SA_NOMEM) return status;
        if (status != SA_OK) SA_TRY(keep_problem(d, entry, s));
    }
    sa_error_clear();
    return SA_OK;
}
