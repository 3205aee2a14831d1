/* LMDB databases in a build without liblmdb or protobuf-c; the Makefile links either this or lmdb_file.c. */
#include "data/lmdb/lmdb_file.h"

sa_status sa_lmdb_first_datum(const char *path, sa_datum_info *info)
{
    (void)info;
    SA_FAIL(SA_UNSUPPORTED,
            "%s: this build cannot read LMDB: install it (liblmdb-dev, protobuf-c-compiler, libprotobuf-c-dev) and build again",
            path);
}
