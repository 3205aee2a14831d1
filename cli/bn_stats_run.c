/* BN statistics: see bn_stats_run.h. */
#include "cli/bn_stats_run.h"

#include "cli/output_names.h"
#include "cli/progress.h"
#include "cli/train_data.h"
#include "core/output_file.h"
#include "net/bn_statistics.h"
#include "net/feed.h"
#include "net/net_upgrade.h"
#include "proto/text_write.h"

#include <stdlib.h>
#include <string.h>

typedef struct collector {
    const sa_bn_stats_options *options;
    sa_forward forward;
    sa_feed *feed;
    sa_bn_statistics statistics;
    sa_bn_stats_result *result;
} collector;

static sa_status open_all(collector *c)
{
    const sa_bn_stats_options *o = c->options;
    sa_net_options net = sa_forward_net_options(&o->forward);
    sa_weights_format format;
    const sa_cli_output written[] = {{"--save-weights", o->save_weights, SA_FILE_WEIGHTS},
                                     {"--save-net", o->save_net, SA_FILE_NET}};
    SA_TRY(sa_cli_outputs_check(written, 2));
    SA_TRY(sa_weights_format_of(o->save_weights, &format));
    if (o->save_net && sa_cli_same_file(o->save_net, o->forward.path))
        SA_FAIL(SA_INVALID, "--save-net %s: it would replace the net that it is made of", o->save_net);
    net.train_data = true;
    net.bn = SA_BN_BATCH;
    net.list = o->list;
    SA_TRY(sa_forward_open("bn-stats", &o->forward, &c->forward));
    SA_TRY(sa_forward_add(&c->forward, &net, NULL));
    SA_TRY(sa_bn_statistics_create(c->forward.shape[0].net, &c->statistics));
    SA_TRY(sa_feed_open(c->forward.shape[0].net, NULL, 1, &c->feed));
    if (sa_feed_is_synthetic(c->feed))
        SA_FAIL(SA_UNSUPPORTED, "%s: the net reads no list of images in the TRAIN phase (DenseImageData)", o->forward.path);
    SA_TRY(sa_train_look_at_data(c->forward.shape[0].net, c->feed, NULL, o->progress));
    return sa_forward_start(&c->forward, o->progress);
}

static int32_t batch_of(const sa_net *net)
{
    for (int b = 0; b < net->blob_count; b++)
        if (net->layer[net->blob[b].producer].type->is_input) return net->blob[b].shape.dim[0];
    return 1;
}

static sa_status run_all(collector *c)
{
    sa_bn_stats_result *r = c->result;
    FILE *out = c->options->progress;
    sa_progress progress;
    size_t batch = (size_t)batch_of(c->forward.shape[0].net);
    sa_status status = SA_OK;
    r->images = sa_feed_entry_count(c->feed);
    r->batches = r->images / batch + r->images % batch;
    sa_bn_statistics_watch(&c->statistics, c->forward.session);
    if (out) {
        SA_TRY(sa_forward_print_bytes(out, &c->forward));
        sa_progress_begin(&progress, out, "batches", 0, r->batches, sa_session_arena_bytes(c->forward.session));
    }
    for (size_t i = 0; i < r->batches && status == SA_OK; i++) {
        status = sa_feed_next(c->feed, c->forward.session);
        if (status == SA_OK) status = sa_session_run(c->forward.session, 0, (uint32_t)i, NULL);
        sa_bn_statistics_end_batch(&c->statistics);
        if (status == SA_OK && out) sa_progress_update(&progress, i + 1, NULL);
    }
    if (out) sa_progress_end(&progress);
    return status;
}

static sa_status write_net(const collector *c, const sa_proto_document *document)
{
    char head[4600], *text;
    const sa_bn_stats_options *o = c->options;
    snprintf(head, sizeof head, "# From %.2000s, by segarena bn-stats: for %.2000s, whose BN statistics are folded%s.\n",
             o->forward.path, o->save_weights, o->absorb ? " into the convolutions" : " into scale and shift");
    SA_TRY(sa_proto_write_text(&document->root, head, &text));
    sa_status status = sa_output_file_put(o->save_net, text, strlen(text));
    free(text);
    return status;
}

/* The net's file, changed, and the weights with it. */
static sa_status change_net(const collector *c, sa_weights *weights)
{
    const sa_bn_stats_options *o = c->options;
    sa_bn_stats_result *r = c->result;
    sa_proto_document *document;
    r->left = c->statistics.bn_count;
    if (!o->save_net) return SA_OK;
    SA_TRY(sa_proto_parse_file(o->forward.path, &document));
    sa_status status = sa_net_upgrade(document);
    if (status == SA_OK && o->absorb) status = sa_bn_absorb(document, weights, &r->absorbed, &r->left);
    if (status == SA_OK) status = sa_bn_set_inference(document);
    if (status == SA_OK) status = write_net(c, document);
    sa_proto_free(document);
    return status;
}

static sa_status save(const collector *c)
{
    sa_weights *weights;
    SA_TRY(sa_weights_read(c->options->forward.weights, &weights));
    sa_status status = sa_bn_statistics_fold(&c->statistics, weights);
    if (status == SA_OK) status = change_net(c, weights);
    if (status == SA_OK) status = sa_weights_write(c->options->save_weights, weights);
    sa_weights_free(weights);
    return status;
}

static sa_status fill_result(const collector *c)
{
    sa_bn_stats_result *r = c->result;
    snprintf(r->net, sizeof r->net, "%s", c->forward.shape[0].net->name);
    r->bn_layers = c->statistics.bn_count;
    r->inference_bytes = sa_session_arena_bytes(c->forward.session);
    r->measured_bytes = sa_session_measured_bytes(c->forward.session);
    return sa_forward_caffe_bytes(&c->forward, &r->caffe_bytes);
}

sa_status sa_bn_stats_run(const sa_bn_stats_options *options, sa_bn_stats_result *result)
{
    collector c = {.options = options, .result = result};
    memset(result, 0, sizeof *result);
    sa_status status = open_all(&c);
    if (status == SA_OK) status = run_all(&c);
    if (status == SA_OK) status = save(&c);
    if (status == SA_OK) status = fill_result(&c);
    sa_feed_close(c.feed);
    sa_bn_statistics_free(&c.statistics);
    sa_forward_close(&c.forward);
    return status;
}
