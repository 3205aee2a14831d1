/* NumPy's .npy files, version 1.0: little-endian float32, float64 and int32 arrays in C order, of any rank.
 *
 * Not for Fortran order, big-endian, structured or object arrays: those are refused by name. */
#ifndef SA_DATA_NPY_H
#define SA_DATA_NPY_H

#include "core/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sa_npy_type { SA_NPY_FLOAT32, SA_NPY_FLOAT64, SA_NPY_INT32 } sa_npy_type;

enum { SA_NPY_MAX_AXES = 32 }; /* NumPy's own limit */

typedef struct sa_npy {
    sa_npy_type type;
    int axes;                      /* 0: a scalar, shape () */
    size_t shape[SA_NPY_MAX_AXES]; /* elements; the first `axes` count */
    size_t count;                  /* product of the shape; 1 for a scalar */
    void *data;                    /* (shape), C order; owned: sa_npy_free */
} sa_npy;

/* 4, 8 or 4. */
size_t sa_npy_type_bytes(sa_npy_type type);

/* SA_IO: cannot be read; SA_PARSE: malformed, truncated or too long; SA_UNSUPPORTED: another version, type or order. Messages
 * are "path: cause". */
SA_CHECKED sa_status sa_npy_read(const char *path, sa_npy *array);
/* The same, and SA_UNSUPPORTED unless the file holds float32. */
SA_CHECKED sa_status sa_npy_read_float32(const char *path, sa_npy *array);
void sa_npy_free(sa_npy *array); /* also clears it; NULL and a cleared array are allowed */

/* Writes data (shape), replacing path as a whole. The header is the one NumPy writes, byte for byte. */
SA_CHECKED sa_status sa_npy_write(const char *path, sa_npy_type type, int axes, const size_t *shape, const void *data);

#ifdef __cplusplus
}
#endif
#endif
