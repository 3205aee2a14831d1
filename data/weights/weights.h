/* Trained weights by layer, whatever file they come from: Caffe's .caffemodel (new, V1 and V0 layers)
 * and .caffemodel.h5, .safetensors, .sasnap.
 *
 * A file is recognised by its content, and written in the format of its name's ending. Values are float32 and keep their bits;
 * double precision is rounded. Files are untrusted: every size is checked against the file's before memory is taken. */
#ifndef SA_DATA_WEIGHTS_H
#define SA_DATA_WEIGHTS_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SA_WEIGHT_AXES_MAX = 32 };

typedef struct sa_weight_blob {
    int32_t axes;
    int64_t dim[SA_WEIGHT_AXES_MAX];
    /* Old files give num, channels, height and width alone: four axes, and a net's blob is padded in front with ones before it is
     * compared. Absent ones are 0. */
    bool legacy;
    size_t count;  /* of values; need not be the product of the shape in a damaged caffemodel */
    float *values; /* (count), owned */
} sa_weight_blob;

typedef struct sa_weight_layer {
    char *name, *type; /* owned; type may be "" */
    size_t blob_count;
    sa_weight_blob *blob; /* owned */
} sa_weight_layer;

typedef enum sa_weights_format {
    SA_WEIGHTS_CAFFEMODEL,
    SA_WEIGHTS_SAFETENSORS,
    SA_WEIGHTS_SNAPSHOT,
    SA_WEIGHTS_HDF5, /* is only read */
} sa_weights_format;

typedef struct sa_weights {
    sa_weights_format format; /* of the file it was read from */
    char *net_name;           /* owned; "" where the file has none */
    size_t layer_count;
    sa_weight_layer *layer; /* owned; in file order, a name may come twice */
} sa_weights;

/* SA_IO, SA_NOMEM; SA_PARSE: damaged or no weights file, with what it is instead. *weights is owned by the caller. */
SA_CHECKED sa_status sa_weights_read(const char *path, sa_weights **weights);
/* Writes the file whole or not at all. The format is that of the name's ending. SA_INVALID: another ending, or something that the
 * format cannot hold. */
SA_CHECKED sa_status sa_weights_write(const char *path, const sa_weights *weights);
void sa_weights_free(sa_weights *weights); /* NULL is allowed */

/* "caffemodel", "safetensors", "sasnap", "caffemodel.h5" */
const char *sa_weights_format_name(sa_weights_format format);
/* By the ending of a name. SA_INVALID: none of the three that are written. */
SA_CHECKED sa_status sa_weights_format_of(const char *path, sa_weights_format *format);

/* ---- building ---- */

/* An empty set. */
SA_CHECKED sa_status sa_weights_create(const char *net_name, sa_weights **weights);
/* Appends a layer; *layer is borrowed and moves when the next one is added. */
SA_CHECKED sa_status sa_weights_add_layer(sa_weights *weights, const char *name, const char *type, sa_weight_layer **layer);
/* Appends a blob with room for `count` values, not set. dim (axes) is copied. *blob is borrowed likewise. */
SA_CHECKED sa_status sa_weights_add_blob(sa_weight_layer *layer, int32_t axes, const int64_t *dim, size_t count,
                                         sa_weight_blob **blob);

/* Is `name` the layer's? Returns the last one of that name, NULL if there is none. */
sa_weight_layer *sa_weights_find(const sa_weights *weights, const char *name);

/* "4x3x3x3", "one value", and "legacy 1x1x1x4" into text. */
enum { SA_WEIGHT_SHAPE_TEXT_BYTES = 128 };
const char *sa_weight_shape_text(const sa_weight_blob *blob, char text[SA_WEIGHT_SHAPE_TEXT_BYTES]);

#endif
