/* libFuzzer target for weights files of all three formats: any bytes give weights or a message. */
#include "data/weights/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every value lies in memory that is the blob's. */
static void touch(const sa_weights *weights)
{
    char text[SA_WEIGHT_SHAPE_TEXT_BYTES];
    float sum = 0;
    for (size_t l = 0; l < weights->layer_count; l++) {
        if (!sa_weights_find(weights, weights->layer[l].name)) abort();
        for (size_t i = 0; i < weights->layer[l].blob_count; i++) {
            const sa_weight_blob *blob = &weights->layer[l].blob[i];
            if (blob->axes < 0 || blob->axes > SA_WEIGHT_AXES_MAX || !sa_weight_shape_text(blob, text)[0]) abort();
            for (size_t k = 0; k < blob->count; k++) sum += blob->values[k];
        }
    }
    volatile float used = sum;
    (void)used;
}

static void read_one(const char *path)
{
    sa_weights *weights = NULL;
    if (sa_weights_read(path, &weights) != SA_OK) {
        if (weights || sa_error_message()[0] == '\0') abort();
        return;
    }
    touch(weights);
    sa_weights_free(weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int descriptor = memfd_create("fuzz", 0);
    if (descriptor < 0) return 0;
    if (write(descriptor, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        read_one(path);
    }
    close(descriptor);
    return 0;
}
