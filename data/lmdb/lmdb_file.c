/* The first record of an LMDB database, through liblmdb and protobuf-c. */
#include "data/lmdb/lmdb_file.h"

#include "data/image_file.h"

#include <datum.pb-c.h> /* made of datum.proto */
#include <lmdb.h>
#include <stdio.h>
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

static sa_status read_first(const char *path, MDB_txn *transaction, sa_datum_info *info)
{
    MDB_dbi database;
    MDB_cursor *cursor;
    MDB_val key, value;
    int error = mdb_dbi_open(transaction, NULL, 0, &database);
    if (!error) error = mdb_cursor_open(transaction, database, &cursor);
    if (error) SA_FAIL(SA_PARSE, "%s: %s", path, mdb_strerror(error));
    error = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    sa_status status = SA_OK;
    if (error == MDB_NOTFOUND) status = sa_error_set(SA_PARSE, "%s: the database has no records", path);
    else if (error) status = sa_error_set(SA_PARSE, "%s: %s", path, mdb_strerror(error));
    else status = sa_datum_read_info(path, value.mv_data, value.mv_size, info);
    mdb_cursor_close(cursor);
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

/* Caffe's databases are folders; no lock is taken, so that the folder may be read-only. */
sa_status sa_lmdb_first_datum(const char *path, sa_datum_info *info)
{
    MDB_env *environment;
    MDB_txn *transaction = NULL;
    struct stat folder;
    if (stat(path, &folder) == 0 && !S_ISDIR(folder.st_mode)) SA_FAIL(SA_IO, "%s: not a folder, which an LMDB database is", path);
    if (mdb_env_create(&environment)) SA_FAIL(SA_NOMEM, "%s: no memory to open it", path);
    int error = mdb_env_open(environment, path, MDB_RDONLY | MDB_NOLOCK, 0);
    sa_status status = error ? SA_OK : check_length(path, environment);
    if (!error && status == SA_OK) error = mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction);
    if (error) status = sa_error_set(SA_IO, "cannot open the database '%s': %s", path, mdb_strerror(error));
    else if (status == SA_OK) status = read_first(path, transaction, info);
    if (transaction) mdb_txn_abort(transaction);
    mdb_env_close(environment);
    return status;
}
