/* Which inputs of a net are images and which labels, and the source that fills them. */
#include "net/feed.h"

#include "data/synthetic.h"
#include "net/net_data.h"

#include <stdlib.h>
#include <string.h>

enum { SYNTHETIC_CLASSES = 3, SYNTHETIC_EPOCH = 64 };

struct sa_feed {
    const sa_net *net;
    sa_data_source *source;
    bool synthetic;
    int data_blob, label_blob; /* label_blob -1: the net has none */
    float *data, *label;       /* host batch */
};

/* The blob behind Splits. */
static int origin(const sa_net *net, int blob)
{
    while (!strcmp(net->layer[net->blob[blob].producer].type->name, "Split")) blob = net->layer[net->blob[blob].producer].bottom[0];
    return blob;
}

/* The label is what a loss or an accuracy reads as second bottom; the image is the first other input of 4 axes. */
static sa_status find_inputs(sa_feed *feed, int32_t *classes)
{
    const sa_net *net = feed->net;
    feed->data_blob = feed->label_blob = -1;
    *classes = SYNTHETIC_CLASSES;
    for (int l = 0; l < net->layer_count; l++) {
        const char *type = net->layer[l].type->name;
        if (strcmp(type, "SoftmaxWithLoss") && strcmp(type, "Accuracy")) continue;
        int label = origin(net, net->layer[l].bottom[1]);
        if (!net->layer[net->blob[label].producer].type->is_input) continue;
        feed->label_blob = label;
        *classes = net->blob[net->layer[l].bottom[0]].shape.dim[1];
    }
    for (int b = net->blob_count - 1; b >= 0; b--)
        if (net->layer[net->blob[b].producer].type->is_input && b != feed->label_blob && net->blob[b].shape.axes == 4)
            feed->data_blob = b;
    if (feed->data_blob < 0) SA_FAIL(SA_UNSUPPORTED, "%s: the net has no image input (N, C, H, W)", net->path);
    return SA_OK;
}

static sa_status open_synthetic(sa_feed *feed, int32_t classes, uint64_t seed)
{
    const int32_t *d = feed->net->blob[feed->data_blob].shape.dim;
    const int32_t *l = feed->label_blob >= 0 ? feed->net->blob[feed->label_blob].shape.dim : d;
    sa_synthetic_config config = {
        .shape = {d[0], d[1], d[2], d[3], l[2], l[3]}, .classes = classes, .seed = seed, .epoch_images = SYNTHETIC_EPOCH};
    feed->synthetic = true;
    return sa_synthetic_open(&config, &feed->source);
}

static sa_status open_source(sa_feed *feed, const char *data_root, uint64_t seed)
{
    int32_t classes;
    SA_TRY(find_inputs(feed, &classes));
    const sa_layer *input = &feed->net->layer[feed->net->blob[feed->data_blob].producer];
    if (strcmp(input->type->name, "DenseImageData")) {
        SA_TRY(open_synthetic(feed, classes, seed));
    } else {
        sa_dense_image_config config = sa_net_dense_image_config(input, data_root, seed);
        config.batch_size = feed->net->blob[feed->data_blob].shape.dim[0]; /* --batch may have changed it */
        SA_TRY(sa_dense_image_open(&config, &feed->source));
    }
    size_t data = sa_shape_elements(&feed->net->blob[feed->data_blob].shape), label = (size_t)feed->source->shape.images *
                                                                                      (size_t)feed->source->shape.label_height *
                                                                                      (size_t)feed->source->shape.label_width;
    feed->data = malloc(data * sizeof *feed->data);
    feed->label = malloc(label * sizeof *feed->label);
    if (!feed->data || !feed->label) SA_FAIL(SA_NOMEM, "no host memory for a batch of %zu values", data + label);
    return SA_OK;
}

sa_status sa_feed_open(const sa_net *net, const char *data_root, uint64_t seed, sa_feed **feed)
{
    sa_feed *made = calloc(1, sizeof *made);
    if (!made) SA_FAIL(SA_NOMEM, "no memory for a feed");
    made->net = net;
    sa_status status = open_source(made, data_root, seed);
    if (status != SA_OK) {
        sa_feed_close(made);
        return status;
    }
    *feed = made;
    return SA_OK;
}

void sa_feed_close(sa_feed *feed)
{
    if (!feed) return;
    sa_data_source_close(feed->source);
    free(feed->data);
    free(feed->label);
    free(feed);
}

sa_status sa_feed_next(sa_feed *feed, sa_session *session)
{
    SA_TRY(sa_data_source_next(feed->source, feed->data, feed->label));
    SA_TRY(sa_session_set_input(session, feed->data_blob, feed->data));
    return feed->label_blob >= 0 ? sa_session_set_input(session, feed->label_blob, feed->label) : SA_OK;
}

bool sa_feed_is_synthetic(const sa_feed *feed)
{
    return feed->synthetic;
}

sa_data_position sa_feed_position(const sa_feed *feed)
{
    return sa_data_source_position(feed->source);
}

sa_status sa_feed_restore(sa_feed *feed, sa_data_position position)
{
    return sa_data_source_restore(feed->source, position);
}
