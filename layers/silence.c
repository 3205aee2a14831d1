/* Silence: swallows its bottoms, so that they do not count as outputs of the net. Caffe: SilenceLayer. */
#include "program/layer.h"

static sa_status setup(sa_layer *layer, sa_blob *blobs)
{
    (void)layer, (void)blobs;
    return SA_OK;
}

const sa_layer_type sa_layer_silence = {
    .name = "Silence",
    .min_bottoms = 1,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .min_tops = 0,
    .max_tops = 0,
    .ignores_bottoms = true,
    .setup = setup,
};
