/* Caffe's LMDB databases: folders of records of the protobuf message Datum, which Data layers read. Needs liblmdb and protobuf-c; a
 * build without them refuses with the remedy (no_lmdb_file.c). */
#ifndef SA_DATA_LMDB_FILE_H
#define SA_DATA_LMDB_FILE_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a record holds. */
typedef struct sa_datum_info {
    int32_t channels, height, width; /* of an encoded image: of its file, an alpha channel counted */
    bool encoded;                    /* a PNG or JPEG file, not bytes or floats */
} sa_datum_info;

/* The shape that the bytes of a record hold; name is for messages. Statuses as below. */
SA_CHECKED sa_status sa_datum_read_info(const char *name, const void *bytes, size_t count, sa_datum_info *info);
/* The shape of the first record in the order of keys. path: the folder. SA_IO: cannot be opened; SA_PARSE: no record, or one that
 * is no Datum; SA_UNSUPPORTED: this build reads none. */
SA_CHECKED sa_status sa_lmdb_first_datum(const char *path, sa_datum_info *info);

/* ---- all records ---- */

typedef struct sa_lmdb sa_lmdb;

/* SA_IO, SA_PARSE, SA_UNSUPPORTED as above. *database is owned by the caller. */
SA_CHECKED sa_status sa_lmdb_open(const char *path, sa_lmdb **database);
void sa_lmdb_close(sa_lmdb *database);           /* NULL is allowed */
uint64_t sa_lmdb_count(const sa_lmdb *database); /* of records, at least 1 */
/* Record `index` in the order of keys; the next one after the last read costs nothing to find, others a walk. *bytes are borrowed
 * until the next call. */
SA_CHECKED sa_status sa_lmdb_read(sa_lmdb *database, uint64_t index, const void **bytes, size_t *count);

#endif
