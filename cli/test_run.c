/* The whole list once: see test_run.h. */
#include "cli/test_run.h"

#include "cli/evaluation.h"
#include "cli/output_names.h"
#include "cli/progress.h"
#include "cli/train_data.h"
#include "core/clock.h"
#include "core/output_file.h"
#include "net/feed.h"

#include <stdlib.h>
#include <string.h>

typedef struct tester {
    const sa_test_options *options;
    sa_forward forward;
    sa_feed *feed; /* of the shape that runs */
    sa_evaluation evaluation;
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

static sa_status find_parts(tester *t)
{
    const sa_test_options *o = t->options;
    sa_evaluation_free(&t->evaluation);
    SA_TRY(sa_evaluation_create(net_of(t, 0), o->void_given ? &o->void_label : NULL, &t->evaluation));
    const sa_evaluation *e = &t->evaluation;
    t->result->batch = e->batch;
    if (e->has_scores || e->outputs.count > 0) return SA_OK;
    SA_FAIL(SA_UNSUPPORTED, "%s: nothing to tell how good it is: %s, and it has neither a loss nor an accuracy", net_of(t, 0)->path,
            e->problem);
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
    sa_forward_drop(&t->forward);
    return open_batch(t, (int32_t)r->images);
}

static sa_status open_all(tester *t)
{
    sa_test_result *r = t->result;
    const sa_test_options *o = t->options;
    const sa_cli_output written = {"--confusion", o->confusion, SA_FILE_CONFUSION};
    SA_TRY(sa_cli_outputs_check(&written, 1));
    if (o->list) SA_TRY(sa_file_kind_expect("test", o->list, SA_FILE_LIST));
    SA_TRY(sa_forward_open("test", &o->forward, &t->forward));
    SA_TRY(open_whole(t));
    SA_TRY(sa_train_look_at_data(net_of(t, 0), t->feed, NULL, o->progress));
    sa_net_options rest = net_options(t, (int32_t)(r->images % (size_t)r->batch));
    if (r->images % (size_t)r->batch) SA_TRY(sa_forward_add(&t->forward, &rest, NULL));
    return sa_forward_start(&t->forward, o->progress);
}

static sa_status run_batch(tester *t, uint32_t step)
{
    SA_TRY(sa_feed_next(t->feed, t->forward.session));
    SA_TRY(sa_session_run(t->forward.session, 0, step, NULL));
    return sa_evaluation_add(&t->evaluation, t->feed, t->forward.session);
}

static sa_status run_shape(tester *t, int shape, size_t begin, size_t end, double start)
{
    sa_test_result *r = t->result;
    if (begin == end) return SA_OK; /* there may be no such shape */
    int32_t batch = shape == 0 ? r->batch : (int32_t)(end - begin);
    SA_TRY(sa_forward_use(&t->forward, shape));
    if (shape > 0) SA_TRY(open_feed(t, shape, begin));
    for (size_t done = begin; done < end;) {
        char text[96];
        SA_TRY(run_batch(t, (uint32_t)(done / (size_t)r->batch)));
        done += (size_t)batch;
        int used = snprintf(text, sizeof text, "%.1f images/s", (double)done / (sa_clock_seconds() - start));
        if (t->evaluation.has_scores)
            snprintf(text + used, sizeof text - (size_t)used, ", accuracy %.4f",
                     sa_confusion_global_accuracy(&t->evaluation.confusion));
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
    if (status == SA_OK) sa_evaluation_finish(&t->evaluation);
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
    r->strategy.choices = NULL; /* stay with the pass */
    r->inference_bytes = sa_session_arena_bytes(t->forward.session);
    r->confusion = t->evaluation.confusion;
    r->outputs = t->evaluation.outputs;
    memset(&t->evaluation.confusion, 0, sizeof t->evaluation.confusion);
    memset(&t->evaluation.outputs, 0, sizeof t->evaluation.outputs);
    return sa_forward_caffe_bytes(&t->forward, &r->caffe_bytes);
}

static sa_status write_confusion(const tester *t)
{
    if (!t->options->confusion) return SA_OK;
    if (t->result->confusion.classes == 0) SA_FAIL(SA_UNSUPPORTED, "--confusion: the net has no class scores");
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
    sa_evaluation_free(&t.evaluation);
    if (status != SA_OK) sa_test_result_free(result);
    return status;
}

void sa_test_result_free(sa_test_result *result)
{
    sa_confusion_free(&result->confusion);
    sa_step_outputs_free(&result->outputs);
    memset(result, 0, sizeof *result);
}
