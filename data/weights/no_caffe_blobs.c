/* Mean files and solver states in a build without protobuf-c; the Makefile links either this or caffe_blobs.c. */
#include "data/weights/caffe_blobs.h"

#include <string.h>

static sa_status refuse(const char *path)
{
    SA_FAIL(
        SA_UNSUPPORTED,
        "%s: this build cannot read Caffe's binary files: install protobuf-c (protobuf-c-compiler, libprotobuf-c-dev) and build "
        "again",
        path);
}

sa_status sa_mean_file_read(const char *path, int32_t shape[3], float **mean)
{
    (void)shape, (void)mean;
    return refuse(path);
}

sa_status sa_solverstate_read(const char *path, sa_solverstate *state)
{
    (void)state;
    return refuse(path);
}

void sa_solverstate_free(sa_solverstate *state)
{
    memset(state, 0, sizeof *state);
}
