/* The whole list once: see test_run.h. */
#include "cli/test_run.h"

#include "cli/progress.h"
#include "cli/train_data.h"
#include "core/clock.h"
#include "core/output_file.h"
#include "data/class_map.h"
#include "net/feed.h"
#include "net/label_rules.h"
#include "net/net_scores.h"

#include <stdlib.h>
#include <string.h>

typedef struct tester {
    const sa_test_options *options;
    sa_forward forward;
    sa_feed *feed; /* of the shape that runs */
    int label;     /* blob */
    int32_t classes;
    size_t pixels; /* of an image */
    float *scores; /* of a batch */
    uint16_t *map; /* of an image */
    double *sum;   /* (outputs.value_count) */
    sa_progress progress;
    sa_test_result *result;
} tester;

static sa_net_options net_options(const tester *t, int32_t batch)
{
    sa_net_options o = sa_forward_net_options(&t->options->forward);
    o.scores = SA_SCORES_AS_OUTPUT;
    o.list = t->options->list;
    o.list_in_order = true;
    if (batch > 0) o.batch = batch;
    return o;
}

static const sa_net *net_of(const tester *t, int shape)
{
    return t->forward.shape[shape].net;
}

/* What is compared with what, and their sizes. */
static sa_status find_parts(tester *t)
{
    const sa_net *net = net_of(t, 0);
    const sa_shape *scores = &net->blob[net->scores_blob].shape;
    char text[2][SA_SHAPE_TEXT_BYTES];
    sa_label_rule rule;
    t->label = sa_net_scores_label(net, &rule);
    if (t->label < 0) SA_FAIL(SA_UNSUPPORTED, "%s: the net has no labels to compare its scores with", net->path);
    const sa_shape *label = &net->blob[t->label].shape;
    bool fits = scores->axes == 4 && label->axes == 4 && label->dim[1] == 1 && label->dim[0] == scores->dim[0] &&
                label->dim[2] == scores->dim[2] && label->dim[3] == scores->dim[3];
    if (!fits || scores->dim[1] < 2 || scores->dim[1] > SA_CLASS_MAP_CLASSES_MAX)
        SA_FAIL(SA_INVALID, "%s: '%s' of %s cannot be class scores for the labels '%s' of %s", net->path,
                net->blob[net->scores_blob].name, sa_shape_text(scores, text[0]), net->blob[t->label].name,
                sa_shape_text(label, text[1]));
    t->classes = scores->dim[1];
    t->pixels = (size_t)scores->dim[2] * (size_t)scores->dim[3];
    const sa_test_options *o = t->options;
    t->result->batch = scores->dim[0];
    return sa_confusion_create(t->classes, o->void_given || rule.has_ignore, o->void_given ? o->void_label : rule.ignore_label,
                               &t->result->confusion);
}

static sa_status open_feed(tester *t, int shape, uint64_t first_image)
{
    sa_feed_close(t->feed);
    t->feed = NULL;
    SA_TRY(sa_feed_open(net_of(t, shape), NULL, 0, &t->feed));
    if (first_image == 0) return SA_OK;
    return sa_feed_restore(t->feed, (sa_data_position){.index = first_image});
}

/* The net in batches of so many; 0: its own. */
static sa_status open_batch(tester *t, int32_t batch)
{
    sa_net_options options = net_options(t, batch);
    SA_TRY(sa_forward_add(&t->forward, &options, NULL));
    SA_TRY(find_parts(t));
    SA_TRY(open_feed(t, 0, 0));
    t->result->images = sa_feed_entry_count(t->feed);
    if (!sa_feed_is_synthetic(t->feed) && t->result->images > 0) return SA_OK;
    const sa_net *net = net_of(t, 0);
    SA_FAIL(SA_UNSUPPORTED, "%s: %s", net->path,
            net->shapes_given ? "its images have another size than --size or --input says"
                              : "the net reads no list of images and labels in the TEST phase (DenseImageData)");
}

/* A list of fewer images than a batch is one batch of its own size. */
static sa_status open_whole(tester *t)
{
    sa_test_result *r = t->result;
    SA_TRY(open_batch(t, 0));
    if (r->images >= (size_t)r->batch) return SA_OK;
    sa_feed_close(t->feed);
    t->feed = NULL;
    sa_confusion_free(&r->confusion);
    sa_forward_drop(&t->forward);
    return open_batch(t, (int32_t)r->images);
}

static sa_status open_all(tester *t)
{
    sa_test_result *r = t->result;
    const sa_test_options *o = t->options;
    if (o->confusion) SA_TRY(sa_output_file_check(o->confusion, 0));
    SA_TRY(sa_forward_open("test", &o->forward, &t->forward));
    SA_TRY(open_whole(t));
    SA_TRY(sa_train_look_at_data(net_of(t, 0), t->feed, NULL, o->progress));
    sa_net_options rest = net_options(t, (int32_t)(r->images % (size_t)r->batch));
    if (r->images % (size_t)r->batch) SA_TRY(sa_forward_add(&t->forward, &rest, NULL));
    SA_TRY(sa_forward_start(&t->forward, o->progress));
    SA_TRY(sa_step_outputs_create(net_of(t, 0), &r->outputs));
    t->scores = malloc(t->pixels * (size_t)t->classes * (size_t)r->batch * sizeof *t->scores);
    t->map = malloc(t->pixels * sizeof *t->map);
    t->sum = calloc(r->outputs.value_count + 1, sizeof *t->sum);
    if (!t->scores || !t->map || !t->sum) SA_FAIL(SA_NOMEM, "no memory for the scores of %d images", (int)r->batch);
    return SA_OK;
}

static sa_status run_batch(tester *t, int32_t images, uint32_t step)
{
    sa_test_result *r = t->result;
    const sa_net *net = sa_session_net(t->forward.session);
    SA_TRY(sa_feed_next(t->feed, t->forward.session));
    SA_TRY(sa_session_run(t->forward.session, 0, step, NULL));
    SA_TRY(sa_session_get_output(t->forward.session, net->scores_blob, t->scores));
    SA_TRY(sa_step_outputs_read(&r->outputs, t->forward.session));
    const float *labels = sa_feed_batch(t->feed, t->label);
    for (int32_t n = 0; n < images; n++) {
        SA_TRY(sa_class_map(t->scores + (size_t)n * (size_t)t->classes * t->pixels, t->classes, t->pixels, t->map));
        sa_confusion_add(&r->confusion, t->pixels, labels + (size_t)n * t->pixels, t->map);
    }
    for (size_t i = 0; i < r->outputs.value_count; i++) t->sum[i] += (double)images * (double)r->outputs.value[i];
    return SA_OK;
}

static sa_status run_shape(tester *t, int shape, size_t begin, size_t end, double start)
{
    sa_test_result *r = t->result;
    if (begin == end) return SA_OK; /* there may be no such shape */
    const sa_net *net = net_of(t, shape);
    int32_t batch = net->blob[net->scores_blob].shape.dim[0];
    SA_TRY(sa_forward_use(&t->forward, shape));
    if (shape > 0) SA_TRY(open_feed(t, shape, begin));
    for (size_t done = begin; done < end;) {
        char text[96];
        SA_TRY(run_batch(t, batch, (uint32_t)(done / (size_t)r->batch)));
        done += (size_t)batch;
        snprintf(text, sizeof text, "%.1f images/s, accuracy %.4f", (double)done / (sa_clock_seconds() - start),
                 sa_confusion_global_accuracy(&r->confusion));
        if (t->options->progress) sa_progress_update(&t->progress, done, text);
    }
    if (sa_session_measured_bytes(t->forward.session) > r->measured_bytes)
        r->measured_bytes = sa_session_measured_bytes(t->forward.session);
    return SA_OK;
}

static sa_status run_all(tester *t)
{
    sa_test_result *r = t->result;
    size_t whole = r->images - r->images % (size_t)r->batch;
    double start = sa_clock_seconds();
    if (t->options->progress) {
        SA_TRY(sa_forward_print_bytes(t->options->progress, &t->forward));
        sa_progress_begin(&t->progress, t->options->progress, "images", 0, r->images, sa_session_arena_bytes(t->forward.session));
    }
    sa_status status = run_shape(t, 0, 0, whole, start);
    if (status == SA_OK) status = run_shape(t, 1, whole, r->images, start);
    if (t->options->progress) sa_progress_end(&t->progress);
    r->seconds = sa_clock_seconds() - start;
    for (size_t i = 0; i < r->outputs.value_count; i++) r->outputs.value[i] = (float)(t->sum[i] / (double)r->images);
    return status;
}

static sa_status fill_result(tester *t)
{
    sa_test_result *r = t->result;
    const sa_net *net = net_of(t, 0);
    snprintf(r->net, sizeof r->net, "%s", net->name);
    snprintf(r->device, sizeof r->device, "%s", t->forward.device->description);
    snprintf(r->list, sizeof r->list, "%s", sa_feed_list_path(t->feed));
    r->strategy = t->forward.strategy;
    r->inference_bytes = sa_session_arena_bytes(t->forward.session);
    return sa_forward_caffe_bytes(&t->forward, &r->caffe_bytes);
}

static sa_status write_confusion(const tester *t)
{
    if (!t->options->confusion) return SA_OK;
    char *text = sa_confusion_csv(&t->result->confusion);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the confusion matrix");
    sa_status status = sa_output_file_put(t->options->confusion, text, strlen(text));
    free(text);
    return status;
}

sa_status sa_test_run(const sa_test_options *options, sa_test_result *result)
{
    tester t = {.options = options, .result = result};
    memset(result, 0, sizeof *result);
    sa_status status = open_all(&t);
    if (status == SA_OK) status = run_all(&t);
    if (status == SA_OK) status = fill_result(&t);
    if (status == SA_OK) status = write_confusion(&t);
    sa_feed_close(t.feed);
    sa_forward_close(&t.forward);
    free(t.scores);
    free(t.map);
    free(t.sum);
    if (status != SA_OK) sa_test_result_free(result);
    return status;
}

void sa_test_result_free(sa_test_result *result)
{
    sa_confusion_free(&result->confusion);
    sa_step_outputs_free(&result->outputs);
    memset(result, 0, sizeof *result);
}
