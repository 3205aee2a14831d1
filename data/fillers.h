/* Parameter initialisation by Caffe's rules, with this project's own random numbers. */
#ifndef SA_DATA_FILLERS_H
#define SA_DATA_FILLERS_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sa_filler_type {
    SA_FILLER_CONSTANT,          /* value */
    SA_FILLER_GAUSSIAN,          /* mean, std */
    SA_FILLER_UNIFORM,           /* [min, max) */
    SA_FILLER_XAVIER,            /* uniform in +-sqrt(3 / n); n by variance_norm */
    SA_FILLER_MSRA,              /* gaussian, mean 0, std sqrt(2 / n) */
    SA_FILLER_BILINEAR,          /* the kernel that interpolates; 4 axes, the last two equal */
    SA_FILLER_POSITIVE_UNITBALL, /* uniform in [0, 1), then each row of axis 0 divided by its sum */
} sa_filler_type;

/* n for a shape of `count` elements. */
typedef enum sa_variance_norm {
    SA_VARIANCE_FAN_IN,  /* count / shape[0] */
    SA_VARIANCE_FAN_OUT, /* count / shape[1] (of one axis: count) */
    SA_VARIANCE_AVERAGE, /* half the sum of both */
} sa_variance_norm;

typedef struct sa_filler {
    sa_filler_type type;
    float value;
    float mean, std;
    float min, max;
    sa_variance_norm variance_norm;
    int32_t sparse; /* gaussian: about so many values that are not 0 for each of shape[0] outputs; -1: all */
} sa_filler;

/* Caffe's defaults: constant 0; mean 0, std 1; min 0, max 1; FAN_IN; not sparse. */
sa_filler sa_filler_default(void);
/* The type of Caffe's name ("msra"); SA_UNSUPPORTED if there is none here. */
SA_CHECKED sa_status sa_filler_type_of(const char *name, sa_filler_type *type);

/* Fills values (shape), C order, axes 0 to 4 with positive sizes. key: sa_random_key(net seed, layer name, parameter index).
 * SA_INVALID: a bilinear shape that is not square, std < 0, max < min or a number that is not finite. */
SA_CHECKED sa_status sa_filler_fill(const sa_filler *filler, int32_t axes, const int32_t *shape, uint64_t key, float *values);

#ifdef __cplusplus
}
#endif
#endif
