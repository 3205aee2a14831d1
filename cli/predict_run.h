/* Segmenting images with a trained net: shared by `segarena predict` and its tests. */
#ifndef SA_CLI_PREDICT_RUN_H
#define SA_CLI_PREDICT_RUN_H

#include "cli/forward.h"

typedef struct sa_predict_options {
    sa_forward_options forward;
    const char *list; /* NULL, or a list file: a line per image, whose further names (labels) are left alone */
    char **image;     /* (image_count) paths, in place of a list; borrowed */
    size_t image_count;
    const char *output; /* folder, made if it is missing */
    const char *palette;
    bool overlay, probabilities, json;
    FILE *progress; /* NULL: none */
} sa_predict_options;

typedef struct sa_predict_result {
    char net[SA_NAME_MAX], device[128];
    sa_strategy strategy;
    size_t images, sizes; /* images segmented; different sizes among them, each with a program of its own */
    int32_t classes;
    size_t inference_bytes, measured_bytes, caffe_bytes;
    double seconds, forward_seconds; /* wall time of everything; of the forward passes alone */
} sa_predict_result;

/* Writes OUTPUT/<name>.png for each image: the class of each pixel as index into the palette, at the image's own size; on request
 * <name>_overlay.png and <name>.npy, (classes, height, width) float32 at the size that the net saw. Images are looked at first:
 * those that cannot be used are told all at once and nothing is written. A program is planned for each size; all share one arena.
 * Without
 * --size, images go in as they are (or as new_height and new_width of the net's data layer say). */
SA_CHECKED sa_status sa_predict_run(const sa_predict_options *options, sa_predict_result *result);

#endif
