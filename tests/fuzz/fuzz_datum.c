/* libFuzzer target for the records of Caffe's databases: any bytes give a shape or a message. */
#include "data/lmdb/lmdb_file.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sa_datum_info info = {0};
    sa_status status = sa_datum_read_info("record", data, size, &info);
    if (status == SA_OK && (info.channels < 1 || info.height < 1 || info.width < 1)) abort();
    if (status != SA_OK && (sa_error_message()[0] == '\0' || info.channels || info.height || info.width)) abort();
    return 0;
}
