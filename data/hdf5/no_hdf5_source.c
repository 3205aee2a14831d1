/* HDF5Data in a build without libhdf5; the Makefile links either this or hdf5_source.c. */
#include "data/hdf5/hdf5_source.h"

sa_status sa_hdf5_look(const sa_hdf5_config *config, int32_t *axes, int32_t dim[SA_HDF5_AXES_MAX])
{
    (void)axes, (void)dim;
    SA_FAIL(SA_UNSUPPORTED, "'%s' lists HDF5 files, which this build cannot read: install libhdf5-dev and build again",
            config->source);
}

sa_status sa_hdf5_source_open(const sa_hdf5_config *config, sa_data_source **source)
{
    (void)source;
    SA_FAIL(SA_UNSUPPORTED, "'%s' lists HDF5 files, which this build cannot read: install libhdf5-dev and build again",
            config->source);
}
