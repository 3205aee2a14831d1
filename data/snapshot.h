/* Training snapshots: parameters, solver history, step and data position in one file that is written whole or not at all.
 *
 * Not Caffe's .caffemodel/.solverstate. All numbers little-endian:
 *
 *     magic "SAsnap\r\n"   8 bytes (the line ends catch text-mode damage)
 *     version              u32 = 1, or 2: of another solver than SGD
 *     solver               u32: 0 SGD, 1 Nesterov, 2 AdaGrad, 3 RMSProp, 4 AdaDelta, 5 Adam
 *     file bytes           u64, checksum included
 *     step, net seed, data seed, data epoch, data index   u64 each
 *     array count          u32
 *     histories            u32 = 1 or 2; in version 2 only, version 1 has one
 *     net name             u32 length, bytes
 *     for each array: name (u32 length, bytes), axes u32, shape u32 x 4 (unused: 1), param f32 x count, f32 x count per history
 *     checksum             u64, FNV-1a of everything before */
#ifndef SA_DATA_SNAPSHOT_H
#define SA_DATA_SNAPSHOT_H

#include "core/status.h"
#include "data/data_source.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SA_SNAPSHOT_NAME_BYTES = 256 };

typedef struct sa_snapshot_state {
    char net_name[SA_SNAPSHOT_NAME_BYTES];
    uint64_t step; /* updates done so far */
    uint64_t seed; /* of the net */
    sa_data_position position;
    uint32_t solver; /* its number, as above */
} sa_snapshot_state;

typedef struct sa_snapshot_array {
    const char *name; /* "conv1.0" */
    int32_t shape[4]; /* the first `axes` count */
    int32_t axes;     /* 0 to 4 */
    size_t count;     /* product of the shape */
    float *param;     /* (shape) */
    float *history;   /* (shape) */
    float *history2;  /* (shape); NULL in all arrays: the solver has one history */
} sa_snapshot_array;

/* Replaces path as a whole. The arrays are only read; names must differ. SA_INVALID, SA_IO. */
SA_CHECKED sa_status sa_snapshot_save(const char *path, const sa_snapshot_state *state, const sa_snapshot_array *arrays,
                                      size_t array_count);

/* Fills param and histories of all arrays and *state. The file must be intact and hold exactly these arrays, with as many
 * histories, in any order, this net_name (NULL: any) and this solver. All of that is checked before the first output is
 * touched. SA_IO; SA_PARSE: not a snapshot, truncated or damaged; SA_UNSUPPORTED: another version; SA_INVALID: of another net, with
 * the name and shapes that differ. */
SA_CHECKED sa_status sa_snapshot_load(const char *path, const char *net_name, uint32_t solver, const sa_snapshot_array *arrays,
                                      size_t array_count, sa_snapshot_state *state);

/* Called for each array of a snapshot: param (shape, little-endian float32, not aligned) has `count` values. */
typedef sa_status (*sa_snapshot_visitor)(void *context, const char *name, int32_t axes, const int32_t shape[4], const void *param,
                                         size_t count);
/* Goes through the bytes of a whole snapshot file, whatever net it is of; ends with the visitor's first failure. Errors as
 * sa_snapshot_load's, with path as the name. */
SA_CHECKED sa_status sa_snapshot_visit(const char *path, const char *bytes, size_t byte_count, sa_snapshot_visitor visitor,
                                       void *context, sa_snapshot_state *state);

#ifdef __cplusplus
}
#endif
#endif
