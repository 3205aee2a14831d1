/* Synthetic RGB-D scenes with class masks: the embedded training data, which needs no files.
 *
 * A scene is a wall (class 0), a floor (class 1 from two classes on) and boxes and discs of the remaining classes, nearer ones in
 * front. Channels repeat red, green, blue, depth; values are whole numbers in 0..255, like decoded 8-bit images. Colour says the
 * class up to brightness and noise, so a net learns it quickly. Scene i depends on (seed, i) only, the same on every machine. */
#ifndef SA_DATA_SYNTHETIC_H
#define SA_DATA_SYNTHETIC_H

#include "data/data_source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_synthetic_config {
    sa_data_shape shape; /* data and label may differ in size: both show the same scene */
    int32_t classes;     /* >= 1; labels are 0 .. classes-1 */
    uint64_t seed;
    uint64_t epoch_images; /* scenes until the first comes again; 0: never */
    int32_t label_classes; /* labels are a class's remainder by this; 0: the class itself */
} sa_synthetic_config;

/* *source is owned by the caller: sa_data_source_close. SA_INVALID names the size that is wrong. */
SA_CHECKED sa_status sa_synthetic_open(const sa_synthetic_config *config, sa_data_source **source);

#ifdef __cplusplus
}
#endif
#endif
