/* LMDB databases in a build without liblmdb or protobuf-c; the Makefile links either this or lmdb_file.c. */
#include "data/lmdb/lmdb_file.h"

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
