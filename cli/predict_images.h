/* The images that `segarena predict` is given: what there is, how large, and where the results go. */
#ifndef SA_CLI_PREDICT_IMAGES_H
#define SA_CLI_PREDICT_IMAGES_H

#include "cli/predict_run.h"
#include "data/list_file.h"

typedef struct sa_predict_image {
    char **path; /* (count) owned; the first `used` are the image */
    char *name;  /* of its results, without folder and ending; owned */
    size_t count, used;
    int32_t height, width;
    int shape;          /* of sa_forward */
    size_t arena_bytes; /* that the shape needs */
} sa_predict_image;

typedef struct sa_predict_images {
    size_t count;
    sa_predict_image *image; /* (count), owned */
} sa_predict_images;

/* Reads the list or takes the command line's names. *images is the caller's. */
SA_CHECKED sa_status sa_predict_images_create(const sa_predict_options *options, sa_predict_images *images);
void sa_predict_images_free(sa_predict_images *images); /* a zeroed one is allowed */
/* Looks at the head of every file. Those that cannot be used are told on `log` (NULL: nowhere), and are an error with the first. */
SA_CHECKED sa_status sa_predict_images_look(sa_predict_images *images, int32_t channels, FILE *log);
/* Makes the output folder. SA_INVALID: two images would have results of one name, or a result would replace an image. */
SA_CHECKED sa_status sa_predict_images_check_output(const sa_predict_images *images, const sa_predict_options *options);

enum { SA_RESULT_PATH_BYTES = 4352 };
/* "OUTPUT/NAME<ending>" */
const char *sa_predict_result_path(const sa_predict_options *options, const sa_predict_image *image, const char *ending,
                                   char path[SA_RESULT_PATH_BYTES]);

#endif
