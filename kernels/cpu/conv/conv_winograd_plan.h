/* Sizes of a Winograd convolution: tiles, spectra, and where they lie in the workspace. */
#ifndef SA_KERNELS_CPU_CONV_CONV_WINOGRAD_PLAN_H
#define SA_KERNELS_CPU_CONV_CONV_WINOGRAD_PLAN_H

#include "kernels/cpu/conv/conv_common.h"
#include "kernels/cpu/conv/conv_winograd_kernels.h"

/* Spectra of one side, as (frequencies, tiles, channels). Pitches are skewed, so that equal places of different rows do not fall
 * into one cache set. */
typedef struct sa_wino_side {
    int channels;
    size_t tile_pitch, frequency_pitch; /* floats */
} sa_wino_side;

/* One pass. Tiles are counted through all images of the range; they cover the plane (height, width): y's, or dx's. If memory is
 * short, the output channels (or those of dx, or of dy for the weight gradient) are done in groups. */
typedef struct sa_wino_plan {
    sa_conv_pass pass; /* not BOTH: that is two passes */
    int height, width, tiles_x, tiles_y, images;
    int tiles;                /* of all images */
    int in, out, group;       /* channels read; channels made, and those of a group */
    int at_once;              /* tiles: of each thread, or of all for the weight gradient */
    int parts, part_channels; /* weight gradient: channels of x that a thread does at a time, by parts */
    sa_wino_side from, to;    /* of a group; weight gradient: x of one part, and dy */
    size_t filter_pitch;      /* of one frequency of the filters, or of their gradient */
    /* Workspace, floats from its begin: the filters' spectra or dy's; then rooms, of each thread or part, with the spectra `from`,
     * then `to` or the gradient; then rooms for each thread's transforms. */
    size_t room_at, room_pitch, second_at, work_at, work_pitch, end;
} sa_wino_plan;

enum {
    SA_WINO_STAGE_FLOATS = SA_WINO_WORK_FLOATS, /* rows of a virtual source, behind the work of a transform */
};

/* For one pass of the request. SA_UNSUPPORTED where sa_wino_can is false. */
sa_status sa_wino_plan_make(const sa_device *device, const sa_conv_request *request, sa_conv_pass pass, sa_wino_plan *plan);

/* What fits this processor. */
const sa_wino_kernels *sa_wino_kernels_best(void);

#endif
