/* .caffemodel files in a build without protobuf-c; the Makefile links either this or caffemodel.c. */
#include "data/weights/weights_formats.h"

static const char remedy[] =
    "this build cannot handle .caffemodel files: install protobuf-c (protobuf-c-compiler, libprotobuf-c-dev) and build again";

sa_status sa_weights_parse_caffemodel(const char *path, const char *bytes, size_t byte_count, sa_weights *weights)
{
    (void)bytes, (void)byte_count, (void)weights;
    SA_FAIL(SA_UNSUPPORTED, "%s: neither .sasnap nor .safetensors, and %s", path, remedy);
}

sa_status sa_weights_write_caffemodel(const char *path, const sa_weights *weights)
{
    (void)weights;
    SA_FAIL(SA_UNSUPPORTED, "%s: %s", path, remedy);
}
