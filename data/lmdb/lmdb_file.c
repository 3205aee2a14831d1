/* The records of an LMDB database, through liblmdb and protobuf-c. */
#include "data/lmdb/lmdb_file.h"

#include "data/caffe/decoded.h"
#include "data/image_file.h"

#include <datum.pb-c.h> /* made of datum.proto */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static sa_status image_shape(const char *path, const SaPb__Datum *datum, sa_datum_info *info)
{
    char name[512];
    sa_image_info image;
    snprintf(name, sizeof name, "%.400s: first record", path);
    SA_TRY(sa_image_bytes_info(name, datum->data.data, datum->data.len, &image));
    info->encoded = true;
    info->height = image.height;
    info->width = image.width;
    info->channels = image.alpha ? 4 : image.colours; /* as OpenCV decodes it unchanged */
    return SA_OK;
}

static sa_status shape_of(const char *path, const SaPb__Datum *datum, sa_datum_info *info)
{
    sa_datum_info read = {.channels = datum->channels, .height = datum->height, .width = datum->width};
    if (datum->encoded) SA_TRY(image_shape(path, datum, &read));
    if (read.channels < 1 || read.height < 1 || read.width < 1)
        SA_FAIL(SA_PARSE, "%s: the first record is empty (%dx%dx%d)", path, read.channels, read.height, read.width);
    *info = read;
    return SA_OK;
}

sa_status sa_datum_read_info(const char *name, const void *bytes, size_t count, sa_datum_info *info)
{
    SaPb__Datum *datum = sa_pb__datum__unpack(NULL, count, bytes);
    if (!datum) SA_FAIL(SA_PARSE, "%s: the first record is no Datum of Caffe's", name);
    sa_status status = shape_of(name, datum, info);
    sa_pb__datum__free_unpacked(datum, NULL);
    return status;
}

/* Pages behind the end of a cut file would be a bus error. */
static sa_status check_length(const char *path, MDB_env *environment)
{
    MDB_envinfo info;
    MDB_stat pages;
    struct stat file;
    mdb_filehandle_t handle;
    int error = mdb_env_info(environment, &info);
    if (!error) error = mdb_env_stat(environment, &pages);
    if (!error) error = mdb_env_get_fd(environment, &handle);
    if (error || fstat(handle, &file) != 0) SA_FAIL(SA_IO, "%s: cannot be looked at", path);
    if ((uint64_t)file.st_size / pages.ms_psize <= info.me_last_pgno)
        SA_FAIL(SA_PARSE, "%s: the database is cut off: %lld bytes of its %zu pages", path, (long long)file.st_size,
                info.me_last_pgno + 1);
    return SA_OK;
}

struct sa_lmdb {
    char *path; /* owned */
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_cursor *cursor;
    uint64_t count, next; /* records; the one behind the cursor */
};

void sa_lmdb_close(sa_lmdb *d)
{
    if (!d) return;
    if (d->cursor) mdb_cursor_close(d->cursor);
    if (d->transaction) mdb_txn_abort(d->transaction);
    if (d->environment) mdb_env_close(d->environment);
    free(d->path);
    free(d);
}

/* Caffe's databases are folders; no lock is taken, so that the folder may be read-only. */
static sa_status open_environment(sa_lmdb *d)
{
    struct stat folder;
    if (stat(d->path, &folder) == 0 && !S_ISDIR(folder.st_mode))
        SA_FAIL(SA_IO, "%s: not a folder, which an LMDB database is", d->path);
    if (mdb_env_create(&d->environment)) SA_FAIL(SA_NOMEM, "%s: no memory to open it", d->path);
    int error = mdb_env_open(d->environment, d->path, MDB_RDONLY | MDB_NOLOCK, 0);
    if (!error) SA_TRY(check_length(d->path, d->environment));
    if (!error) error = mdb_txn_begin(d->environment, NULL, MDB_RDONLY, &d->transaction);
    if (error) SA_FAIL(SA_IO, "cannot open the database '%s': %s", d->path, mdb_strerror(error));
    return SA_OK;
}

static sa_status open_records(sa_lmdb *d)
{
    MDB_dbi database;
    MDB_stat pages;
    int error = mdb_dbi_open(d->transaction, NULL, 0, &database);
    if (!error) error = mdb_stat(d->transaction, database, &pages);
    if (!error) error = mdb_cursor_open(d->transaction, database, &d->cursor);
    if (error) SA_FAIL(SA_PARSE, "%s: %s", d->path, mdb_strerror(error));
    if (pages.ms_entries == 0) SA_FAIL(SA_PARSE, "%s: the database has no records", d->path);
    d->count = pages.ms_entries;
    return SA_OK;
}

sa_status sa_lmdb_open(const char *path, sa_lmdb **database)
{
    sa_lmdb *d = calloc(1, sizeof *d);
    if (d) d->path = strdup(path);
    if (!d || !d->path) {
        free(d);
        SA_FAIL(SA_NOMEM, "%s: no memory to open it", path);
    }
    sa_status status = open_environment(d);
    if (status == SA_OK) status = open_records(d);
    if (status == SA_OK) *database = d;
    else sa_lmdb_close(d);
    return status;
}

uint64_t sa_lmdb_count(const sa_lmdb *database)
{
    return database->count;
}

sa_status sa_lmdb_read(sa_lmdb *d, uint64_t index, const void **bytes, size_t *count)
{
    MDB_val key, value = {0};
    int error = 0;
    if (index < d->next || d->next == 0) d->next = 0;
    while (!error && d->next <= index) {
        error = mdb_cursor_get(d->cursor, &key, &value, d->next == 0 ? MDB_FIRST : MDB_NEXT);
        d->next++;
    }
    if (error) {
        d->next = 0;
        SA_FAIL(SA_PARSE, "%s: record %llu: %s", d->path, (unsigned long long)index, mdb_strerror(error));
    }
    *bytes = value.mv_data;
    *count = value.mv_size;
    return SA_OK;
}

sa_status sa_lmdb_first_datum(const char *path, sa_datum_info *info)
{
    sa_lmdb *database;
    const void *bytes;
    size_t count;
    SA_TRY(sa_lmdb_open(path, &database));
    sa_status status = sa_lmdb_read(database, 0, &bytes, &count);
    if (status == SA_OK) status = sa_datum_read_info(path, bytes, count, info);
    sa_lmdb_close(database);
    return status;
}

/* ---- values ---- */

static sa_status take_numbers(const char *name, const SaPb__Datum *datum, sa_decoded *d)
{
    d->channels = datum->channels;
    d->height = datum->height;
    d->width = datum->width;
    if (d->channels < 1 || d->height < 1 || d->width < 1)
        SA_FAIL(SA_PARSE, "%s: an empty record (%dx%dx%d)", name, d->channels, d->height, d->width);
    SA_TRY(sa_decoded_reserve(d));
    size_t wanted = (size_t)d->channels * (size_t)d->height * (size_t)d->width, bytes = datum->data.len;
    size_t found = bytes > 0 ? bytes : datum->n_float_data;
    if (found != wanted)
        SA_FAIL(SA_PARSE, "%s: %zu values, its shape of %dx%dx%d has %zu", name, found, d->channels, d->height, d->width, wanted);
    for (size_t i = 0; i < wanted; i++) d->values[i] = bytes > 0 ? (float)datum->data.data[i] : datum->float_data[i];
    return SA_OK;
}

sa_status sa_decoded_datum(const char *name, const void *bytes, size_t count, sa_decode_colour colour, sa_decoded *d)
{
    SaPb__Datum *datum = sa_pb__datum__unpack(NULL, count, bytes);
    if (!datum) SA_FAIL(SA_PARSE, "%s: no Datum of Caffe's", name);
    d->label = datum->label;
    sa_status status =
        datum->encoded ? sa_decoded_image(name, datum->data.data, datum->data.len, colour, 0, 0, d) : take_numbers(name, datum, d);
    sa_pb__datum__free_unpacked(datum, NULL);
    return status;
}
