/* A source of training batches: the interface that the trainer sees, whatever the images come from.
 *
 * Every batch is a function of the position alone, so restoring a position continues the stream exactly. Sources are for one
 * thread at a time. */
#ifndef SA_DATA_DATA_SOURCE_H
#define SA_DATA_DATA_SOURCE_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* data is (images, channels, height, width), label (images, 1, label_height, label_width), both float32. */
typedef struct sa_data_shape {
    int32_t images, channels, height, width;
    int32_t label_height, label_width;
} sa_data_shape;

/* Where the next batch starts. Plain data: it goes into snapshots as it is. */
typedef struct sa_data_position {
    uint64_t seed;  /* of shuffling, cropping, mirroring or scenes */
    uint64_t epoch; /* whole passes over the list so far */
    uint64_t index; /* entries of this epoch already used */
} sa_data_position;

typedef struct sa_data_source sa_data_source;

enum { SA_SURVEY_NAME_BYTES = 256 };

/* What is known of a source before its first batch. */
typedef struct sa_data_survey {
    /* asked: labels outside are problems */
    int32_t classes; /* 0: do not check */
    bool has_ignore;
    int32_t ignore_label;
    bool (*look)(void *context, size_t done, size_t entries); /* called before each entry; false ends it. NULL: none */
    void *look_context;
    /* found */
    const char *list; /* its path, borrowed from the source */
    size_t entries, images_per_entry;
    size_t bad_entries;
    char *problems;                               /* one line each, the first few; malloc'd, NULL: none */
    size_t deep_images, cut_images, alpha_images; /* 16 bits kept; cut to 8; a fourth channel that was dropped */
    char cut_name[SA_SURVEY_NAME_BYTES], alpha_name[SA_SURVEY_NAME_BYTES]; /* the first such */
    size_t palette_labels;
    size_t labels_read; /* of how many entries the labels were decoded */
    bool label_seen[256];
    bool labels_per_image; /* not per pixel: then label_low and label_high are set, and label_seen is not */
    int32_t label_low, label_high;
} sa_data_survey;

typedef struct sa_data_source_functions {
    sa_status (*next)(sa_data_source *source, float *data, float *label);
    /* Checks that the position can be taken up; may prepare for it. */
    sa_status (*restore)(sa_data_source *source, sa_data_position position);
    /* Moves on by so many images without making them. NULL: nothing but the position moves. */
    void (*skip)(sa_data_source *source, uint64_t images);
    /* Where the label of image n of the last batch is from ("'l2.png' (list.txt:3)"). NULL: from no file. */
    void (*label_name)(const sa_data_source *source, int32_t n, char *text, size_t size);
    /* Looks at the head of every file, and at some labels. SA_INVALID: `look` ended it. NULL: a source without files. */
    sa_status (*survey)(const sa_data_source *source, sa_data_survey *survey);
    void (*close)(sa_data_source *source);
} sa_data_source_functions;

/* The head of every implementation's own struct. */
struct sa_data_source {
    const sa_data_source_functions *functions;
    sa_data_shape shape;
    sa_data_position position;
    uint64_t entry_count; /* entries of an epoch; 0: the stream never repeats */
    const char *path;     /* of its list; NULL: it has none. The source's own. */
};

/* Fills one batch and moves on: data (N, C, H, W), label (N, 1, Hl, Wl), host memory, which may be partly written on failure; the
 * position then stays. Synthetic sources make only what is wanted: data or label may be NULL there. The statuses are those of
 * reading the images. */
static inline SA_CHECKED sa_status sa_data_source_next(sa_data_source *source, float *data, float *label)
{
    return source->functions->next(source, data, label);
}

static inline sa_data_position sa_data_source_position(const sa_data_source *source)
{
    return source->position;
}

/* SA_INVALID: not a position of this source. */
static inline SA_CHECKED sa_status sa_data_source_restore(sa_data_source *source, sa_data_position position)
{
    return source->functions->restore(source, position);
}

/* Moves on by so many batches without making them: the next one is the same as if they had been made. */
void sa_data_source_skip(sa_data_source *source, uint64_t batches);

static inline void sa_data_source_close(sa_data_source *source) /* NULL is allowed */
{
    if (source) source->functions->close(source);
}

/* SA_INVALID, naming `what`, if a size is not positive or the element counts overflow. */
SA_CHECKED sa_status sa_data_shape_check(const char *what, const sa_data_shape *shape);

#ifdef __cplusplus
}
#endif
#endif
