/* The largest batch and image that fit: an interval that shrinks by interpolation, since bytes grow nearly linearly with a batch,
 * and by halves where that does not get on. */
#include "cli/fit_search.h"

#include "cli/preset_plan.h"
#include "report/caffe_memory.h"

#include <stdio.h>
#include <string.h>

/* Bytes over a size: a batch, or a number of steps of rows. */
typedef struct curve {
    const sa_fit_subject *subject;
    const char *strategy;
    bool images;
    int64_t sure, most; /* a size that the net takes, the largest that is tried */
} curve;

enum { LEAP = 4 };

typedef struct point {
    int64_t size;
    size_t bytes;
} point;

void sa_fit_find_images(const sa_net *net, sa_fit_subject *subject)
{
    for (int b = 0; b < net->blob_count && subject->height == 0; b++) {
        const sa_shape *shape = &net->blob[b].shape;
        bool image = shape->axes == 4 && shape->dim[2] > 1 && shape->dim[3] > 1;
        if (!image || !net->layer[net->blob[b].producer].type->is_input) continue;
        subject->height = shape->dim[2];
        subject->width = shape->dim[3];
    }
}

void sa_fit_image(const sa_fit_subject *subject, int64_t steps, int32_t *height, int32_t *width)
{
    double columns = (double)steps * subject->width / subject->height;
    int64_t wide = (int64_t)(columns + 0.5);
    *height = (int32_t)(steps * SA_FIT_ROWS);
    *width = (int32_t)((wide > 0 ? wide : 1) * SA_FIT_ROWS);
}

static sa_status bytes_of(const sa_net *net, const curve *c, size_t *bytes)
{
    const sa_solver_config *solver = c->subject->solver;
    const sa_caffe_options options = {.solver = solver ? solver->type : SA_SOLVER_SGD, .l1_decay = solver && solver->l1_decay};
    sa_caffe_memory caffe;
    if (c->strategy) return sa_preset_plan_bytes(net, c->strategy, SA_CONV_OPTION_AUTO, c->subject->device, bytes);
    SA_TRY(sa_caffe_memory_create(net, &options, &caffe));
    *bytes = caffe.gpu_total_bytes + c->subject->test_nets_bytes;
    sa_caffe_memory_free(&caffe);
    return SA_OK;
}

static sa_status bytes_at(const curve *c, int64_t size, size_t *bytes)
{
    sa_cli_net_options options = *c->subject->options;
    sa_net *net;
    if (c->images) sa_fit_image(c->subject, size, &options.height, &options.width);
    else options.batch = (int)size;
    SA_TRY(sa_cli_net_load(c->subject->net_path, &options, &net));
    sa_status status = bytes_of(net, c, bytes);
    sa_net_free(net);
    return status;
}

/* Small images may be less than the windows of a net, which says nothing of their bytes; what is too large to address does not fit.
 */
static point point_at(const curve *c, int64_t size)
{
    point p = {.size = size};
    if (bytes_at(c, size, &p.bytes) == SA_OK) return p;
    sa_error_clear();
    p.bytes = size < c->sure ? 0 : SIZE_MAX;
    return p;
}

/* The size at which a line through two points reaches the capacity, kept inside of (low, high). */
static int64_t interpolate(point low, point other, size_t capacity, int64_t high)
{
    double slope = ((double)other.bytes - (double)low.bytes) / (double)(other.size - low.size);
    double guess = slope > 0 ? (double)low.size + ((double)capacity - (double)low.bytes) / slope : (double)high;
    if (guess >= (double)high) return high - 1;
    return guess <= (double)low.size + 1 ? low.size + 1 : (int64_t)guess;
}

/* sure: the point of that size. The answer has 0 bytes if nothing fits. */
static point search(const curve *c, point sure, size_t capacity)
{
    bool fits = sure.bytes <= capacity;
    const point origin = {0};
    point low = fits ? sure : origin, other = fits ? origin : sure;
    int64_t high = fits ? c->most + 1 : sure.size;
    for (int round = 0; high - low.size > 1; round++) {
        bool line = round % 3 != 2 || high > c->most;
        int64_t size = line ? interpolate(low, other, capacity, high) : low.size + (high - low.size) / 2;
        int64_t leap = LEAP * low.size; /* far beyond what fits, programs get long */
        point p = point_at(c, high > c->most && size > leap ? leap : size);
        if (p.bytes <= capacity) {
            other = low;
            low = p;
        } else {
            high = p.size;
            if (p.bytes != SIZE_MAX) other = p;
        }
    }
    return low;
}

static void largest(const curve *c, size_t capacity, sa_fit_answer *answer)
{
    point sure = {.size = c->sure};
    *answer = (sa_fit_answer){0};
    if (bytes_at(c, sure.size, &sure.bytes) != SA_OK) {
        snprintf(answer->why_not, sizeof answer->why_not, "%s", sa_error_message());
        sa_error_clear();
        return;
    }
    point found = search(c, sure, capacity);
    if (found.bytes > 0) *answer = (sa_fit_answer){.largest = found.size, .total_bytes = found.bytes};
    else answer->total_bytes = c->sure == 1 ? sure.bytes : point_at(c, 1).bytes;
    if (answer->total_bytes == 0) answer->total_bytes = sure.bytes;
}

void sa_fit_batch(const sa_fit_subject *subject, const char *strategy, size_t capacity_bytes, sa_fit_answer *answer)
{
    largest(&(curve){subject, strategy, false, 1, SA_FIT_BATCH_MAX}, capacity_bytes, answer);
}

void sa_fit_images(const sa_fit_subject *subject, const char *strategy, size_t capacity_bytes, sa_fit_answer *answer)
{
    if (subject->height > 0) {
        int64_t steps = (subject->height + SA_FIT_ROWS - 1) / SA_FIT_ROWS;
        largest(&(curve){subject, strategy, true, steps, SA_FIT_STEPS_MAX}, capacity_bytes, answer);
        return;
    }
    *answer = (sa_fit_answer){0};
    snprintf(answer->why_not, sizeof answer->why_not, "the net has no input of images");
}
