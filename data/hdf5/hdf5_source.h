/* Caffe's HDF5Data: a list of HDF5 files, one name per line, each with a dataset for every top of the layer. A row of a dataset is
 * the value for one entry; the rows of all files, one file after the other, are an epoch. A source reads one dataset, so a layer
 * has a source per top; with equal seeds they give the same rows.
 *
 * Without libhdf5 both functions return SA_UNSUPPORTED with the remedy. */
#ifndef SA_DATA_HDF5_HDF5_SOURCE_H
#define SA_DATA_HDF5_HDF5_SOURCE_H

#include "data/data_source.h"

enum { SA_HDF5_AXES_MAX = 8 };

typedef struct sa_hdf5_config {
    const char *source;    /* the list */
    const char *data_root; /* NULL: names are as they stand there */
    const char *dataset;
    int32_t batch_size;
    bool shuffle; /* all rows of an epoch, in an order that follows from seed and epoch; Caffe's own order is random too */
    uint64_t seed;
} sa_hdf5_config;

/* Axes and sizes of the dataset, the number of rows first, in the first file of the list. SA_IO: a file is missing; SA_PARSE: it is
 * damaged, has no such dataset, or one that is no array of numbers. */
SA_CHECKED sa_status sa_hdf5_look(const sa_hdf5_config *config, int32_t *axes, int32_t dim[SA_HDF5_AXES_MAX]);

/* Looks at the dataset in every file. A batch goes to `data` where that is given, else to `label`. *source is the caller's. */
SA_CHECKED sa_status sa_hdf5_source_open(const sa_hdf5_config *config, sa_data_source **source);

#endif
