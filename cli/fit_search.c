/* The largest batch and image that fit: an interval that shrinks by interpolation, since bytes grow nearly linearly with a batch,
 * and by halves where that does not get on. It shrinks by loads, which no plan is below; what is found by them is planned. */
#include "cli/fit_search.h"

#include "cli/preset_plan.h"
#include "report/caffe_memory.h"

#include <stdio.h>
#include <string.h>

typedef struct point {
    int64_t size;
    size_t bytes; /* SIZE_MAX: the net does not take this size */
} point;

enum { LEAP = 4, KNOWN_MAX = 96 };

/* Bytes over a size: a batch, or a number of steps of rows. */
typedef struct curve {
    sa_fit_subject *subject;
    const sa_strategy *strategy;
    bool images, planned; /* planned: bytes of plans, else loads */
    int64_t sure, most;   /* a size that the net takes, the largest that is tried */
    int known_count;
    point known[KNOWN_MAX];
} curve;

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

void sa_fit_forget_nets(sa_fit_subject *subject)
{
    for (int i = 0; i < SA_FIT_NETS; i++) sa_net_free(subject->kept[i].net);
    memset(subject->kept, 0, sizeof subject->kept);
}

/* The net with a batch or of an image size; the last ones are kept, since other strategies ask for the same. */
static sa_status net_at(const curve *c, int64_t size, sa_fit_net **net)
{
    sa_fit_subject *s = c->subject;
    sa_cli_net_options options = *s->options;
    for (int i = 0; i < SA_FIT_NETS; i++) {
        *net = &s->kept[i];
        if ((*net)->net && (*net)->images == c->images && (*net)->size == size) return SA_OK;
    }
    if (c->images) sa_fit_image(s, size, &options.height, &options.width);
    else options.batch = (int)size;
    sa_net *made;
    SA_TRY(sa_cli_net_load(s->net_path, &options, &made));
    *net = &s->kept[s->next_kept++ % SA_FIT_NETS];
    sa_net_free((*net)->net);
    **net = (sa_fit_net){.images = c->images, .size = size, .net = made};
    return SA_OK;
}

/* Bytes under the curve's strategy, planned once for all strategies that decide the same. */
static sa_status strategy_bytes(const curve *c, sa_fit_net *net, size_t *bytes)
{
    const sa_device *device = c->subject->device;
    sa_fit_plan plan = {.planned = c->planned};
    SA_TRY(sa_strategy_signature(net->net, c->strategy, device, &plan.signature));
    for (int i = 0; i < net->plan_count; i++)
        if (net->plan[i].signature == plan.signature && net->plan[i].planned == plan.planned) {
            *bytes = net->plan[i].bytes;
            return SA_OK;
        }
    if (c->planned) SA_TRY(sa_strategy_plan_bytes(net->net, c->strategy, device, &plan.bytes));
    else SA_TRY(sa_strategy_load_bytes(net->net, c->strategy, device, &plan.bytes));
    if (net->plan_count < SA_FIT_PLANS) net->plan[net->plan_count++] = plan;
    *bytes = plan.bytes;
    return SA_OK;
}

static sa_status bytes_at(const curve *c, int64_t size, size_t *bytes)
{
    const sa_solver_config *solver = c->subject->solver;
    const sa_caffe_options options = {.solver = solver ? solver->type : SA_SOLVER_SGD, .l1_decay = solver && solver->l1_decay};
    sa_fit_net *net;
    sa_caffe_memory caffe;
    SA_TRY(net_at(c, size, &net));
    if (c->strategy) return strategy_bytes(c, net, bytes);
    SA_TRY(sa_caffe_memory_create(net->net, &options, &caffe));
    *bytes = caffe.gpu_total_bytes + c->subject->test_nets_bytes;
    sa_caffe_memory_free(&caffe);
    return SA_OK;
}

/* Small images may be less than the windows of a net, which says nothing of their bytes; what is too large to address does not fit.
 */
static point point_at(curve *c, int64_t size)
{
    point p = {.size = size};
    for (int i = 0; i < c->known_count; i++)
        if (c->known[i].size == size) return c->known[i];
    if (bytes_at(c, size, &p.bytes) != SA_OK) {
        sa_error_clear();
        p.bytes = size < c->sure ? 0 : SIZE_MAX;
    }
    if (c->known_count < KNOWN_MAX) c->known[c->known_count++] = p;
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

/* What is known: the largest point that fits (that of size 0 does), the least size that does not, and the nearest other point for
 * a line. */
static void bracket(const curve *c, size_t capacity, point *low, int64_t *high, point *other)
{
    *low = (point){0};
    *high = c->most + 1;
    *other = (point){0};
    for (int i = 0; i < c->known_count; i++) {
        const point *p = &c->known[i];
        if (p->bytes <= capacity && p->size > low->size) *low = *p;
        if (p->bytes > capacity && p->size < *high) *high = p->size;
    }
    for (int i = 0; i < c->known_count; i++) {
        const point *p = &c->known[i];
        int64_t away = p->size - low->size, best = other->size - low->size;
        if (p->bytes == SIZE_MAX || away == 0) continue;
        if (best == 0 || (away < 0 ? -away : away) < (best < 0 ? -best : best)) *other = *p;
    }
}

/* Shrinks what is known until the largest size that fits is found. guess: a size to try first with its next; 0: none. */
static point search(curve *c, size_t capacity, int64_t guess)
{
    point low, other;
    int64_t high;
    for (int round = 0;; round++) {
        bracket(c, capacity, &low, &high, &other);
        if (high - low.size <= 1) return low;
        bool line = round % 3 != 2 || high > c->most;
        int64_t leap = LEAP * low.size; /* far beyond what fits, programs get long */
        int64_t size = line ? interpolate(low, other, capacity, high) : low.size + (high - low.size) / 2;
        if (high > c->most && size > leap && leap > low.size) size = leap;
        if (round == 0 && guess > low.size && guess < high) size = guess;
        if (round <= 1 && low.size == guess) size = guess + 1;
        (void)point_at(c, size);
        if (c->known_count == KNOWN_MAX) return low;
    }
}

/* Whether bytes of any size are known: then the net can be planned under the strategy. */
static bool has_figure(const curve *c)
{
    for (int i = 0; i < c->known_count; i++)
        if (c->known[i].bytes != 0 && c->known[i].bytes != SIZE_MAX) return true;
    return false;
}

/* A guess is mostly right: where its plan fits, its load does, and need not be asked for. */
static void try_plan(curve *c, size_t capacity, int64_t guess)
{
    curve planned = *c;
    planned.planned = true;
    planned.known_count = 0;
    for (int i = 0; i < c->known_count; i++)
        if (c->known[i].size == guess) return;
    point p = point_at(&planned, guess);
    if (p.bytes > 0 && p.bytes <= capacity && c->known_count < KNOWN_MAX) c->known[c->known_count++] = p;
}

/* By loads first. Where the plan of what they find does not fit, what was lost to gaps, by plans from there down. */
static void largest(curve *c, size_t capacity, int64_t guess, sa_fit_answer *answer)
{
    size_t sure;
    *answer = (sa_fit_answer){0};
    if (guess > 0 && guess <= c->most) try_plan(c, capacity, guess);
    if (!has_figure(c) && guess > 0 && guess <= c->most) (void)point_at(c, guess);
    if (!has_figure(c)) {
        if (bytes_at(c, c->sure, &sure) != SA_OK) {
            snprintf(answer->why_not, sizeof answer->why_not, "%s", sa_error_message());
            sa_error_clear();
            return;
        }
        c->known[c->known_count++] = (point){c->sure, sure};
    }
    point found = search(c, capacity, guess);
    curve planned = *c;
    planned.planned = true;
    planned.known_count = 0;
    planned.most = found.size;
    if (found.size > 0) found = point_at(&planned, found.size);
    if (found.bytes > capacity) found = search(&planned, capacity, found.size - 1);
    if (found.size > 0) *answer = (sa_fit_answer){.largest = found.size, .total_bytes = found.bytes};
    else answer->total_bytes = point_at(&planned, c->sure == 1 ? c->sure : 1).bytes;
    if (answer->total_bytes == 0 || answer->total_bytes == SIZE_MAX) answer->total_bytes = point_at(&planned, c->sure).bytes;
}

void sa_fit_batches(sa_fit_subject *subject, const sa_strategy *strategy, int count, const size_t *capacity_bytes,
                    const int64_t *guess, sa_fit_answer *answer)
{
    curve c = {.subject = subject, .strategy = strategy, .sure = 1, .most = SA_FIT_BATCH_MAX};
    for (int i = 0; i < count; i++) largest(&c, capacity_bytes[i], guess[i], &answer[i]);
}

void sa_fit_images(sa_fit_subject *subject, const sa_strategy *strategy, size_t capacity_bytes, int64_t guess,
                   sa_fit_answer *answer)
{
    if (subject->height > 0) {
        int64_t steps = (subject->height + SA_FIT_ROWS - 1) / SA_FIT_ROWS;
        curve c = {.subject = subject, .strategy = strategy, .images = true, .sure = steps, .most = SA_FIT_STEPS_MAX};
        largest(&c, capacity_bytes, guess, answer);
        return;
    }
    *answer = (sa_fit_answer){0};
    snprintf(answer->why_not, sizeof answer->why_not, "the net has no input of images");
}
