/* .caffemodel.h5 files in a build without libhdf5; the Makefile links either this or hdf5_weights.c. */
#include "data/weights/weights_formats.h"

sa_status sa_weights_parse_hdf5(const char *path, const char *bytes, size_t byte_count, sa_weights *weights)
{
    (void)bytes, (void)byte_count, (void)weights;
    SA_FAIL(
        SA_UNSUPPORTED,
        "%s: an HDF5 file, which this build cannot read: install libhdf5-dev and build again, or save the weights in Caffe with "
        "snapshot_format: BINARYPROTO",
        path);
}
