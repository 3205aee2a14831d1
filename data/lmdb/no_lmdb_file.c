/* LMDB databases in a build without liblmdb or protobuf-c; the Makefile links either this or lmdb_file.c. */
#include "data/lmdb/lmdb_file.h"

#include "data/caffe/decoded.h"

static sa_status refuse(const char *name)
{
    SA_FAIL(SA_UNSUPPORTED,
            "%s: this build cannot read LMDB: install it (liblmdb-dev, protobuf-c-compiler, libprotobuf-c-dev) and build again",
            name);
}

sa_status sa_datum_read_info(const char *name, const void *bytes, size_t count, sa_datum_info *info)
{
    (void)bytes;
    (void)count;
    (void)info;
    return refuse(name);
}

sa_status sa_lmdb_first_datum(const char *path, sa_datum_info *info)
{
    (void)info;
    return refuse(path);
}

sa_status sa_lmdb_open(const char *path, sa_lmdb **database)
{
    (void)database;
    return refuse(path);
}

void sa_lmdb_close(sa_lmdb *database)
{
    (void)database; /* never opened */
}

uint64_t sa_lmdb_count(const sa_lmdb *database)
{
    (void)database;
    return 0;
}

sa_status sa_lmdb_read(sa_lmdb *database, uint64_t index, const void **bytes, size_t *count)
{
    (void)database, (void)index, (void)bytes, (void)count;
    return refuse("LMDB");
}

sa_status sa_decoded_datum(const char *name, const void *bytes, size_t count, sa_decode_colour colour, sa_decoded *decoded)
{
    (void)bytes, (void)count, (void)colour, (void)decoded;
    return refuse(name);
}
