/* What is in a list of images: counts, sizes, classes and their median-frequency weights, and every entry that cannot be used. */
#ifndef SA_CLI_DATA_RUN_H
#define SA_CLI_DATA_RUN_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SA_DATA_VOID_USUAL = 255, SA_DATA_CLASSES_MAX = 65536 };

typedef struct sa_data_options {
    const char *list, *data_root; /* data_root NULL: the working directory, else the list's own folder */
    bool void_given;
    int void_label; /* not given: 255, where it comes */
    bool json;
    FILE *progress; /* NULL: none */
} sa_data_options;

typedef enum sa_data_kind { SA_DATA_PIXELS, SA_DATA_IMAGES, SA_DATA_UNLABELLED } sa_data_kind; /* what has a class */

typedef struct sa_data_size {
    bool label; /* of labels, not of images */
    int32_t height, width, channels, bits;
    bool palette;
    size_t files;
} sa_data_size;

typedef struct sa_data_class {
    uint64_t pixels;        /* of images with a class each: images */
    uint64_t pixels_around; /* all pixels of the images that have the class, void ones too */
    uint64_t images;
} sa_data_class;

typedef struct sa_data_result {
    char list[4096];
    sa_data_kind kind;
    size_t entries, images_per_entry, bad_entries;
    char *problems; /* a line per bad entry; owned; NULL: none */
    size_t size_count;
    sa_data_size *size;      /* (size_count), owned */
    int32_t class_count;     /* the largest class and all below */
    sa_data_class *class_of; /* (class_count), owned */
    double *weight;          /* (class_count), owned: the median of the frequencies over the class's; 0: absent */
    bool has_void;
    int32_t void_label;
    uint64_t void_pixels, labelled_pixels;
} sa_data_result;

/* Looks at every file: the heads of images, all of every label. *result is the caller's (sa_data_result_free). Bad entries are no
 * failure of this. */
SA_CHECKED sa_status sa_data_run(const sa_data_options *options, sa_data_result *result);
void sa_data_result_free(sa_data_result *result);

#endif
