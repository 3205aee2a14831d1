/* One stream for each list and each synthetic input: a source with its host batch. See feed.h. */
#include "net/feed.h"

#include "data/synthetic.h"
#include "net/label_rules.h"
#include "net/net_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYNTHETIC_CLASSES = 3, SYNTHETIC_EPOCH = 64, NOTE_BYTES = 512 };

typedef struct stream {
    sa_data_source *source;
    uint64_t first;            /* index of the source's first entry (rand_skip) */
    int data_blob, label_blob; /* -1: the stream has none */
    float *data, *label;       /* host batch; NULL: none */
} stream;

struct sa_feed {
    const sa_net *net;
    bool synthetic;
    int count;
    stream *stream; /* (count) */
    char note[NOTE_BYTES];
};

/* ---- what each input is ---- */

/* Fewest classes of the layers that read labels from this input; 0: it holds no labels. */
static int32_t label_classes(const sa_net *net, int input)
{
    int32_t fewest = 0;
    for (int l = 0; l < net->layer_count; l++) {
        sa_label_rule rule;
        int blob;
        if (!sa_net_label_rule(net, &net->layer[l], &rule, &blob) || sa_net_input_origin(net, blob) != input) continue;
        if (fewest == 0 || rule.classes < fewest) fewest = rule.classes;
    }
    return fewest;
}

/* The most classes that labels of any input have: those of the scenes. */
static int32_t scene_classes(const sa_net *net)
{
    int32_t most = 0;
    for (int b = 0; b < net->blob_count; b++) {
        int32_t classes = net->layer[net->blob[b].producer].type->is_input ? label_classes(net, b) : 0;
        if (classes > most) most = classes;
    }
    return most ? most : SYNTHETIC_CLASSES;
}

/* Indices into a plane are nothing that scenes have. */
static sa_status refuse_masks(const sa_net *net)
{
    for (int l = 0; l < net->layer_count; l++) {
        int bottom = net->layer[l].type->mask_bottom;
        if (!bottom) continue;
        int mask = sa_blob_behind_splits(net->layer, net->blob, net->layer[l].bottom[bottom]);
        if (net->layer[net->blob[mask].producer].type->is_input)
            SA_FAIL(SA_UNSUPPORTED,
                    "%s: input '%s' is the mask of layer '%s': there is no data for a mask; take the second top of a Pooling layer",
                    net->path, net->blob[mask].name, net->layer[l].name);
    }
    return SA_OK;
}

/* ---- opening ---- */

static sa_status allocate(const sa_feed *feed, int blob, float **batch)
{
    if (blob < 0) return SA_OK;
    size_t count = sa_shape_elements(&feed->net->blob[blob].shape);
    *batch = malloc(count * sizeof **batch);
    if (!*batch) SA_FAIL(SA_NOMEM, "no host memory for a batch of %zu values of '%s'", count, feed->net->blob[blob].name);
    return SA_OK;
}

/* Takes the source over, also on failure. */
static sa_status add_stream(sa_feed *feed, sa_data_source *source, int data_blob, int label_blob)
{
    stream *s = &feed->stream[feed->count++];
    *s = (stream){.source = source, .data_blob = data_blob, .label_blob = label_blob};
    s->first = sa_data_source_position(source).index;
    SA_TRY(allocate(feed, data_blob, &s->data));
    return allocate(feed, label_blob, &s->label);
}

static sa_status open_list(sa_feed *feed, const sa_layer *layer, const char *data_root, uint64_t seed)
{
    sa_data_source *source;
    const sa_shape *data = &feed->net->blob[layer->top[0]].shape, *label = &feed->net->blob[layer->top[1]].shape;
    sa_dense_image_config config = sa_net_dense_image_config(layer, data_root, seed);
    config.batch_size = data->dim[0]; /* --batch may have changed it */
    SA_TRY(sa_dense_image_open(&config, &source));
    const sa_data_shape *d = &source->shape; /* the list may be another one than the net was planned with */
    bool fits = d->channels == data->dim[1] && d->height == data->dim[2] && d->width == data->dim[3] &&
                d->label_height == label->dim[2] && d->label_width == label->dim[3];
    if (!fits)
        (void)sa_error_set(SA_INVALID, "layer '%s': the list's images are %dx%dx%d, labels %dx%d; the net has %dx%dx%d and %dx%d",
                           layer->name, d->channels, d->height, d->width, d->label_height, d->label_width, data->dim[1],
                           data->dim[2], data->dim[3], label->dim[2], label->dim[3]);
    feed->synthetic = false;
    SA_TRY(add_stream(feed, source, layer->top[0], layer->top[1]));
    return fits ? SA_OK : SA_INVALID;
}

/* Data and ImageData: an image and its class. */
static sa_status open_caffe_data(sa_feed *feed, const sa_layer *layer, const char *data_root, uint64_t seed)
{
    sa_data_source *source;
    const sa_shape *data = &feed->net->blob[layer->top[0]].shape;
    sa_caffe_source_config config = sa_net_caffe_source_config(layer, feed->net->test_phase, data_root, seed);
    config.batch_size = data->dim[0]; /* --batch may have changed it */
    sa_status status = sa_caffe_source_open(&config, &source);
    if (status != SA_OK) return sa_error_prefix(status, "layer '%s'", layer->name);
    const sa_data_shape *d = &source->shape; /* another than the net was planned with if the data was not there then */
    bool fits = data->axes == 4 && d->channels == data->dim[1] && d->height == data->dim[2] && d->width == data->dim[3];
    if (!fits)
        (void)sa_error_set(SA_INVALID, "layer '%s': its images are %dx%dx%d, the net has %dx%dx%d", layer->name, d->channels,
                           d->height, d->width, data->dim[1], data->dim[2], data->dim[3]);
    feed->synthetic = false;
    SA_TRY(add_stream(feed, source, layer->top[0], layer->top_count > 1 ? layer->top[1] : -1));
    return fits ? SA_OK : SA_INVALID;
}

/* HDF5Data: a dataset per top, all with as many rows. */
static sa_status open_hdf5(sa_feed *feed, const sa_layer *layer, const char *data_root, uint64_t seed)
{
    uint64_t rows = 0;
    for (int t = 0; t < layer->top_count; t++) {
        sa_data_source *source;
        const sa_blob *top = &feed->net->blob[layer->top[t]];
        const sa_hdf5_config config = sa_net_hdf5_config(layer, top, data_root, seed);
        sa_status status = sa_hdf5_source_open(&config, &source);
        if (status != SA_OK) return sa_error_prefix(status, "layer '%s'", layer->name);
        const sa_data_shape *d = &source->shape;
        const size_t wanted = sa_shape_elements(&top->shape) / (size_t)top->shape.dim[0];
        const bool fits = (size_t)d->channels * (size_t)d->height * (size_t)d->width == wanted;
        const uint64_t found = source->entry_count;
        const bool is_label = label_classes(feed->net, layer->top[t]) > 0;
        SA_TRY(add_stream(feed, source, is_label ? -1 : layer->top[t], is_label ? layer->top[t] : -1));
        if (!fits)
            SA_FAIL(SA_INVALID, "layer '%s': a row of '%s' has %dx%dx%d values, the net's top %zu", layer->name, top->name,
                    d->channels, d->height, d->width, wanted);
        if (t > 0 && found != rows)
            SA_FAIL(SA_INVALID, "layer '%s': '%s' has %llu rows, '%s' %llu", layer->name, top->name, (unsigned long long)found,
                    feed->net->blob[layer->top[0]].name, (unsigned long long)rows);
        rows = found;
    }
    feed->synthetic = false;
    return SA_OK;
}

static sa_status open_synthetic(sa_feed *feed, int blob, int32_t classes, uint64_t seed)
{
    int32_t d[4], label = label_classes(feed->net, blob);
    sa_data_source *source;
    const sa_shape *shape = &feed->net->blob[blob].shape;
    sa_shape_nchw(shape, d);
    if (label) { /* all that is behind the first axis is one image's plane of labels: nothing, if there is that axis alone */
        d[0] = shape->axes > 0 ? shape->dim[0] : 1;
        d[2] *= shape->axes > 1 ? d[1] : 1;
        d[1] = 1;
    }
    sa_synthetic_config config = {.shape = {d[0], d[1], d[2], d[3], d[2], d[3]},
                                  .classes = classes,
                                  .label_classes = label,
                                  .seed = seed,
                                  .epoch_images = SYNTHETIC_EPOCH};
    SA_TRY(sa_synthetic_open(&config, &source));
    return add_stream(feed, source, label ? -1 : blob, label ? blob : -1);
}

static sa_status open_scenes(sa_feed *feed, const sa_layer *layer, uint64_t seed)
{
    int32_t classes = scene_classes(feed->net);
    for (int i = 0; i < layer->top_count; i++) SA_TRY(open_synthetic(feed, layer->top[i], classes, seed));
    return SA_OK;
}

/* `any`: records, lists of classes and what is never read are replaced by scenes if they are not there. */
static sa_status open_input(sa_feed *feed, const sa_layer *layer, const char *data_root, uint64_t seed, bool any)
{
    const sa_net *net = feed->net;
    bool has_files = layer->type->lists_images || layer->type->data_file != SA_DATA_FILE_NONE;
    const char *root = data_root ? data_root : net->data_root;
    if (!has_files || net->shapes_given) return open_scenes(feed, layer, seed);
    int before = feed->count;
    sa_status status;
    if (layer->type->lists_images) return open_list(feed, layer, root, seed);
    if (layer->type->data_file == SA_DATA_FILE_HDF5) status = open_hdf5(feed, layer, root, seed);
    else if (sa_net_reads_caffe_data(layer)) status = open_caffe_data(feed, layer, root, seed);
    else
        status = sa_error_set(SA_UNSUPPORTED, "%s: layer '%s' (%s): its data cannot be read here", net->path, layer->name,
                              layer->type->name);
    if (status == SA_OK || !any || status == SA_NOMEM || feed->count > before) return status;
    sa_error_clear();
    return open_scenes(feed, layer, seed);
}

static sa_status open_streams(sa_feed *feed, const char *data_root, uint64_t seed, bool any)
{
    const sa_net *net = feed->net;
    SA_TRY(refuse_masks(net));
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].type->is_input) SA_TRY(open_input(feed, &net->layer[l], data_root, seed, any));
    if (feed->count == 0) SA_FAIL(SA_UNSUPPORTED, "%s: the net has no input", net->path);
    return SA_OK;
}

static sa_status open_feed(const sa_net *net, const char *data_root, uint64_t seed, bool any, sa_feed **feed)
{
    sa_feed *made = calloc(1, sizeof *made);
    if (made) made->stream = calloc((size_t)net->blob_count + 1, sizeof *made->stream);
    if (!made || !made->stream) {
        free(made);
        SA_FAIL(SA_NOMEM, "no memory for a feed");
    }
    made->net = net;
    made->synthetic = true;
    sa_status status = open_streams(made, data_root, seed, any);
    if (status != SA_OK) {
        sa_feed_close(made);
        return status;
    }
    *feed = made;
    return SA_OK;
}

sa_status sa_feed_open(const sa_net *net, const char *data_root, uint64_t seed, sa_feed **feed)
{
    return open_feed(net, data_root, seed, false, feed);
}

sa_status sa_feed_open_any(const sa_net *net, const char *data_root, uint64_t seed, sa_feed **feed)
{
    return open_feed(net, data_root, seed, true, feed);
}

void sa_feed_close(sa_feed *feed)
{
    if (!feed) return;
    for (int i = 0; i < feed->count; i++) {
        sa_data_source_close(feed->stream[i].source);
        free(feed->stream[i].data);
        free(feed->stream[i].label);
    }
    free(feed->stream);
    free(feed);
}

/* ---- batches ---- */

static void label_name(const stream *s, int32_t n, char *text, size_t size)
{
    if (s->source->functions->label_name) s->source->functions->label_name(s->source, n, text, size);
    else snprintf(text, size, "the synthetic label");
}

static sa_status bad_label(const sa_feed *feed, const stream *s, const sa_layer *layer, const sa_label_rule *rule, size_t at)
{
    char name[NOTE_BYTES], ignored[64] = "";
    const sa_shape *shape = &feed->net->blob[s->label_blob].shape;
    size_t plane = sa_shape_elements(shape) / (size_t)shape->dim[0], pixel = at % plane;
    size_t width = shape->axes > 1 ? (size_t)shape->dim[shape->axes - 1] : 1;
    label_name(s, (int32_t)(at / plane), name, sizeof name);
    if (rule->has_ignore) snprintf(ignored, sizeof ignored, ", and not its ignore_label %d", rule->ignore_label);
    SA_FAIL(SA_NUMERIC,
            "%s: label %g at row %zu, column %zu of the net's label is none of the %d classes of layer '%s'%s. If such pixels are "
            "to be left out: loss_param { ignore_label: %d } in that layer, and the same in the Accuracy layer",
            name, (double)s->label[at], pixel / width, pixel % width, rule->classes, layer->name, ignored, (int)s->label[at]);
}

/* A loss that ignores every pixel of the batch gives 0 and learns nothing from it. */
static void note_void_batch(sa_feed *feed, const stream *s, const sa_layer *layer, int32_t images)
{
    char name[NOTE_BYTES];
    label_name(s, 0, name, sizeof name);
    int used = snprintf(feed->note, sizeof feed->note, "no labelled pixel for layer '%s' in this batch: %.300s", layer->name, name);
    if (images > 1 && used > 0 && (size_t)used < sizeof feed->note)
        snprintf(feed->note + used, sizeof feed->note - (size_t)used, " and %d more; the loss of this step is 0", images - 1);
    else if (used > 0 && (size_t)used < sizeof feed->note)
        snprintf(feed->note + used, sizeof feed->note - (size_t)used, "; the loss of this step is 0");
}

static sa_status check_labels(sa_feed *feed, const stream *s)
{
    const sa_net *net = feed->net;
    size_t count = sa_shape_elements(&net->blob[s->label_blob].shape);
    for (int l = 0; l < net->layer_count; l++) {
        sa_label_rule rule;
        int blob;
        const sa_layer *layer = &net->layer[l];
        if (!sa_net_label_rule(net, layer, &rule, &blob) || !rule.checked) continue;
        if (sa_blob_behind_splits(net->layer, net->blob, blob) != s->label_blob) continue;
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            int32_t label = (int32_t)s->label[i];
            if (rule.has_ignore && label == rule.ignore_label) continue;
            if (label < 0 || label >= rule.classes) return bad_label(feed, s, layer, &rule, i);
            kept++;
        }
        if (kept == 0) note_void_batch(feed, s, layer, net->blob[s->label_blob].shape.dim[0]);
    }
    return SA_OK;
}

sa_status sa_feed_repeat(const sa_feed *feed, sa_session *session)
{
    for (int i = 0; i < feed->count; i++) {
        const stream *s = &feed->stream[i];
        if (s->data) SA_TRY(sa_session_set_input(session, s->data_blob, s->data));
        if (s->label) SA_TRY(sa_session_set_input(session, s->label_blob, s->label));
    }
    return SA_OK;
}

sa_status sa_feed_next(sa_feed *feed, sa_session *session)
{
    feed->note[0] = '\0';
    for (int i = 0; i < feed->count; i++) {
        const stream *s = &feed->stream[i];
        SA_TRY(sa_data_source_next(s->source, s->data, s->label));
        if (s->label) SA_TRY(check_labels(feed, s));
    }
    return sa_feed_repeat(feed, session);
}

void sa_feed_skip(sa_feed *feed, uint64_t batches)
{
    for (int i = 0; i < feed->count; i++) sa_data_source_skip(feed->stream[i].source, batches);
}

/* ---- surveys ---- */

static const stream *list_at(const sa_feed *feed, int list)
{
    for (int i = 0; i < feed->count; i++)
        if (feed->stream[i].source->functions->survey && list-- == 0) return &feed->stream[i];
    return NULL;
}

int sa_feed_list_count(const sa_feed *feed)
{
    int count = 0;
    while (list_at(feed, count)) count++;
    return count;
}

sa_status sa_feed_survey(const sa_feed *feed, int list, const char **layer, sa_data_survey *survey)
{
    const sa_net *net = feed->net;
    const stream *s = list_at(feed, list);
    *survey = (sa_data_survey){.look = survey->look, .look_context = survey->look_context};
    for (int l = 0; l < net->layer_count; l++) {
        sa_label_rule rule;
        int blob;
        if (!sa_net_label_rule(net, &net->layer[l], &rule, &blob) || !rule.checked) continue;
        if (sa_blob_behind_splits(net->layer, net->blob, blob) != s->label_blob) continue;
        survey->classes = rule.classes;
        survey->has_ignore = rule.has_ignore;
        survey->ignore_label = rule.ignore_label;
    }
    *layer = net->layer[net->blob[s->data_blob].producer].name;
    return s->source->functions->survey(s->source, survey);
}

const float *sa_feed_batch(const sa_feed *feed, int blob)
{
    for (int i = 0; i < feed->count; i++) {
        if (feed->stream[i].label_blob == blob) return feed->stream[i].label;
        if (feed->stream[i].data_blob == blob) return feed->stream[i].data;
    }
    return NULL;
}

size_t sa_feed_entry_count(const sa_feed *feed)
{
    const stream *s = list_at(feed, 0);
    return s ? (size_t)s->source->entry_count : 0;
}

const char *sa_feed_list_path(const sa_feed *feed)
{
    const stream *s = list_at(feed, 0);
    return s ? s->source->path : "";
}

const char *sa_feed_note(const sa_feed *feed)
{
    return feed->note;
}

bool sa_feed_is_synthetic(const sa_feed *feed)
{
    return feed->synthetic;
}

sa_data_position sa_feed_position(const sa_feed *feed)
{
    return sa_data_source_position(feed->stream[0].source);
}

/* The others have used as many batches as the first. */
sa_status sa_feed_restore(sa_feed *feed, sa_data_position position)
{
    const stream *lead = &feed->stream[0];
    uint64_t used = position.epoch * lead->source->entry_count + position.index - lead->first;
    SA_TRY(sa_data_source_restore(lead->source, position));
    for (int i = 1; i < feed->count; i++) {
        const stream *s = &feed->stream[i];
        uint64_t batch = (uint64_t)s->source->shape.images, lead_batch = (uint64_t)lead->source->shape.images;
        uint64_t at = s->first + used / lead_batch * batch + used % lead_batch * batch / lead_batch;
        sa_data_position own = {.seed = position.seed, .epoch = at / s->source->entry_count, .index = at % s->source->entry_count};
        SA_TRY(sa_data_source_restore(s->source, own));
    }
    return SA_OK;
}
