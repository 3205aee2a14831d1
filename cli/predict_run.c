/* From images to class maps: see predict_run.h. */
#include "cli/predict_run.h"

#include "cli/predict_images.h"
#include "cli/progress.h"
#include "core/clock.h"
#include "core/output_file.h"
#include "data/class_map.h"
#include "data/list_file.h"
#include "data/net_image.h"
#include "data/npy.h"
#include "data/png_write.h"
#include "data/weights/caffe_blobs.h"
#include "layers/data_layer.h"
#include "layers/input.h"
#include "net/net_data.h"

#include <stdlib.h>
#include <string.h>

typedef struct predictor {
    const sa_predict_options *options;
    sa_forward forward;
    sa_predict_images images;
    sa_palette palette;
    int32_t channels;                     /* of the input */
    int32_t own_height, own_width;        /* what the images are resized to; 0: they go in as they are */
    float mean[SA_PARAM_MEAN_VALUES_MAX]; /* (channels) */
    float scale;
    sa_progress progress;
    sa_predict_result *result;
} predictor;

/* ---- what the net wants ---- */

/* The blob that images go into. */
static sa_status find_input(const sa_net *net, int *input)
{
    int found = -1;
    for (int b = 0; b < net->blob_count; b++) {
        if (!net->layer[net->blob[b].producer].type->is_input || net->blob[b].consumer < 0) continue;
        if (found >= 0)
            SA_FAIL(SA_UNSUPPORTED, "%s: the net has several inputs ('%s', '%s'): one image is all that can be given", net->path,
                    net->blob[found].name, net->blob[b].name);
        found = b;
    }
    if (found < 0 || net->blob[found].shape.axes != 4) SA_FAIL(SA_UNSUPPORTED, "%s: the net has no input for images", net->path);
    *input = found;
    return SA_OK;
}

static void take_means(predictor *p, const float *mean_value, int32_t count)
{
    for (int32_t i = 0; i < p->channels && count > 0; i++) p->mean[i] = mean_value[count == 1 ? 0 : i];
}

/* Of a mean image the mean of each channel, so that images of any size can be taken (as Caffe's own examples do it). */
static sa_status take_mean_file(predictor *p, const sa_net *net, const char *name)
{
    int32_t shape[3];
    float *mean;
    char *path = sa_path_join(net->data_root, name);
    if (!path) SA_FAIL(SA_NOMEM, "no memory for the name of a mean file");
    sa_status status = sa_mean_file_read(path, shape, &mean);
    free(path);
    SA_TRY(status);
    size_t plane = (size_t)shape[1] * (size_t)shape[2];
    bool fits = shape[0] == p->channels;
    for (int32_t c = 0; c < shape[0] && fits; c++) {
        double sum = 0;
        for (size_t i = 0; i < plane; i++) sum += (double)mean[(size_t)c * plane + i];
        p->mean[c] = (float)(sum / (double)plane);
    }
    free(mean);
    if (!fits) SA_FAIL(SA_INVALID, "%s: a mean of %d channels for images of %d", name, (int)shape[0], p->channels);
    return SA_OK;
}

static sa_status take_transform(predictor *p, const sa_net *net, const sa_layer *layer)
{
    p->scale = 1;
    if (sa_net_reads_caffe_data(layer)) {
        const sa_data_layer_config *c = layer->config;
        p->scale = c->scale;
        take_means(p, c->mean_value, c->mean_value_count);
        return c->mean_file[0] ? take_mean_file(p, net, c->mean_file) : SA_OK;
    }
    if (!layer->type->lists_images) return SA_OK;
    const sa_dense_image_config_layer *c = layer->config;
    p->scale = c->transform.scale;
    take_means(p, c->transform.mean_value, c->transform.mean_value_count);
    if (p->own_height > 0) return SA_OK;
    p->own_height = c->param.new_height;
    p->own_width = c->param.new_width;
    return SA_OK;
}

static sa_net_options net_options(const predictor *p)
{
    sa_net_options o = sa_forward_net_options(&p->options->forward);
    o.scores = SA_SCORES_ALONE;
    o.batch = 1;
    return o;
}

/* A look at the net in whatever shape its file has. */
static sa_status look_at_net(predictor *p)
{
    sa_net_options options = net_options(p);
    sa_net *net;
    int input;
    p->own_height = options.height;
    p->own_width = options.width;
    SA_TRY(sa_net_load(p->options->forward.path, &options, &net));
    sa_status status = find_input(net, &input);
    if (status == SA_OK) {
        p->channels = net->blob[input].shape.dim[1];
        if (p->channels > SA_PARAM_MEAN_VALUES_MAX)
            status = sa_error_set(SA_UNSUPPORTED, "%s: its input has %d channels: no image gives so many", net->path, p->channels);
    }
    if (status == SA_OK) status = take_transform(p, net, &net->layer[net->blob[input].producer]);
    snprintf(p->result->net, sizeof p->result->net, "%s", net->name);
    sa_net_free(net);
    return status;
}

/* ---- a program for each size ---- */

static sa_status check_scores(const sa_net *net, const sa_palette *palette)
{
    const sa_shape *s = &net->blob[net->scores_blob].shape;
    char text[SA_SHAPE_TEXT_BYTES];
    if (s->axes != 4 || s->dim[1] < 2)
        SA_FAIL(SA_INVALID, "%s: '%s' of %s cannot be class scores", net->path, net->blob[net->scores_blob].name,
                sa_shape_text(s, text));
    if (s->dim[1] > palette->count)
        SA_FAIL(SA_INVALID, "%s: %d classes, but the palette has %d colours", net->path, s->dim[1], palette->count);
    return SA_OK;
}

static sa_status add_shape(predictor *p, int32_t height, int32_t width, const char *name, int *shape)
{
    sa_net_options options = net_options(p);
    options.height = height;
    options.width = width;
    sa_status status = sa_forward_add(&p->forward, &options, shape);
    if (status == SA_OK) return check_scores(p->forward.shape[*shape].net, &p->palette);
    if (status != SA_INVALID || p->own_height > 0) return status;
    return sa_error_append(status, "; '%s' is %dx%d: --size HxW resizes images to a size that the net takes", name, height, width);
}

static sa_status plan_sizes(predictor *p)
{
    for (size_t i = 0; i < p->images.count; i++) {
        sa_predict_image *image = &p->images.image[i];
        int32_t height = p->own_height > 0 ? p->own_height : image->height, width = p->own_height > 0 ? p->own_width : image->width;
        image->shape = -1;
        for (int s = 0; s < p->forward.count && image->shape < 0; s++) {
            const sa_net *net = p->forward.shape[s].net;
            int input;
            SA_TRY(find_input(net, &input));
            if (net->blob[input].shape.dim[2] == height && net->blob[input].shape.dim[3] == width) image->shape = s;
        }
        if (image->shape < 0) SA_TRY(add_shape(p, height, width, image->path[0], &image->shape));
        image->arena_bytes = p->forward.shape[image->shape].bytes;
    }
    return SA_OK;
}

/* Largest arena first, then by size, then as given. */
static int larger_first(const void *a, const void *b)
{
    const sa_predict_image *const *x = a, *const *y = b;
    if ((*x)->arena_bytes != (*y)->arena_bytes) return (*x)->arena_bytes < (*y)->arena_bytes ? 1 : -1;
    if ((*x)->shape != (*y)->shape) return (*x)->shape - (*y)->shape;
    return *x < *y ? -1 : *x > *y;
}

/* ---- one image ---- */

/* Everything of one image on the host; freed together. */
typedef struct work {
    float *data, *scores;
    uint16_t *map, *resized;
    uint8_t *pixels;
    sa_picture picture;
} work;

static void free_work(work *w)
{
    free(w->data);
    free(w->scores);
    free(w->map);
    free(w->resized);
    free(w->pixels);
    sa_picture_free(&w->picture);
}

static sa_status allocate(const sa_net *net, int input, const sa_predict_image *image, work *w)
{
    const sa_shape *scores = &net->blob[net->scores_blob].shape;
    size_t pixels = (size_t)image->height * (size_t)image->width;
    w->data = malloc(sa_shape_elements(&net->blob[input].shape) * sizeof *w->data);
    w->scores = malloc(sa_shape_elements(scores) * sizeof *w->scores);
    w->map = malloc((size_t)scores->dim[2] * (size_t)scores->dim[3] * sizeof *w->map);
    w->resized = malloc(pixels * sizeof *w->resized);
    w->pixels = malloc(3 * pixels);
    if (!w->data || !w->scores || !w->map || !w->resized || !w->pixels)
        SA_FAIL(SA_NOMEM, "no host memory for an image of %dx%d", image->height, image->width);
    return SA_OK;
}

static sa_status compute(predictor *p, const sa_net *net, int input, const sa_predict_image *image, work *w)
{
    const sa_net_image_form form = {p->channels, p->own_height, p->own_width, p->mean, p->scale};
    const int32_t *d = net->blob[net->scores_blob].shape.dim;
    SA_TRY(sa_net_image_read((const char *const *)image->path, image->used, &form, w->data, &w->picture));
    if (w->picture.height != image->height || w->picture.width != image->width)
        SA_FAIL(SA_IO, "'%s' has changed while it was used", image->path[0]);
    double begin = sa_clock_seconds();
    SA_TRY(sa_session_set_input(p->forward.session, input, w->data));
    SA_TRY(sa_session_run(p->forward.session, 0, 0, NULL));
    SA_TRY(sa_session_get_output(p->forward.session, net->scores_blob, w->scores));
    p->result->forward_seconds += sa_clock_seconds() - begin;
    sa_status status = sa_class_map(w->scores, d[1], (size_t)d[2] * (size_t)d[3], w->map);
    if (status != SA_OK) return sa_error_prefix(status, "'%s'", image->path[0]);
    sa_class_map_resize(w->map, d[2], d[3], w->resized, image->height, image->width);
    return SA_OK;
}

static sa_status write_classes(const predictor *p, const sa_predict_image *image, const work *w)
{
    char path[SA_RESULT_PATH_BYTES];
    sa_palette palette = p->palette;
    size_t pixels = (size_t)image->height * (size_t)image->width;
    for (size_t i = 0; i < pixels; i++) w->pixels[i] = (uint8_t)w->resized[i];
    if (palette.count > p->result->classes && !p->options->palette) palette.count = p->result->classes;
    const sa_png_image png = {image->height, image->width, &palette, w->pixels};
    return sa_png_write(sa_predict_result_path(p->options, image, ".png", path), &png);
}

/* Half of the image, half of the colour. Samples of more than 8 bits are cut to the high byte. */
static sa_status write_overlay(const predictor *p, const sa_predict_image *image, const work *w)
{
    char path[SA_RESULT_PATH_BYTES];
    const sa_picture *picture = &w->picture;
    size_t pixels = (size_t)image->height * (size_t)image->width, step = (size_t)picture->channels;
    int shift = 0;
    for (size_t i = 0; i < pixels * step && shift == 0; i++) shift = picture->pixels[i] > 255 ? 8 : 0;
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            unsigned sample = (unsigned)picture->pixels[i * step + (step < 3 ? 0 : c)] >> shift;
            w->pixels[3 * i + c] = (uint8_t)((sample + p->palette.colour[w->resized[i]][c] + 1) / 2);
        }
    const sa_png_image png = {image->height, image->width, NULL, w->pixels};
    return sa_png_write(sa_predict_result_path(p->options, image, "_overlay.png", path), &png);
}

static sa_status write_probabilities(const predictor *p, const sa_net *net, const sa_predict_image *image, const work *w)
{
    char path[SA_RESULT_PATH_BYTES];
    const int32_t *d = net->blob[net->scores_blob].shape.dim;
    const size_t shape[3] = {(size_t)d[1], (size_t)d[2], (size_t)d[3]};
    sa_class_probabilities(w->scores, d[1], shape[1] * shape[2]);
    return sa_npy_write(sa_predict_result_path(p->options, image, ".npy", path), SA_NPY_FLOAT32, 3, shape, w->scores);
}

static sa_status predict(predictor *p, const sa_predict_image *image)
{
    work w = {0};
    int input;
    SA_TRY(sa_forward_use(&p->forward, image->shape));
    const sa_net *net = sa_session_net(p->forward.session);
    SA_TRY(find_input(net, &input));
    p->result->classes = net->blob[net->scores_blob].shape.dim[1];
    sa_status status = allocate(net, input, image, &w);
    if (status == SA_OK) status = compute(p, net, input, image, &w);
    if (status == SA_OK) status = write_classes(p, image, &w);
    if (status == SA_OK && p->options->overlay) status = write_overlay(p, image, &w);
    if (status == SA_OK && p->options->probabilities) status = write_probabilities(p, net, image, &w);
    free_work(&w);
    size_t measured = sa_session_measured_bytes(p->forward.session);
    if (measured > p->result->measured_bytes) p->result->measured_bytes = measured;
    return status;
}

/* ---- all of them ---- */

static sa_status open_all(predictor *p)
{
    const sa_predict_options *o = p->options;
    sa_palette_default(&p->palette);
    if (o->palette) SA_TRY(sa_palette_read(o->palette, &p->palette));
    SA_TRY(sa_forward_open("predict", &o->forward, &p->forward));
    SA_TRY(look_at_net(p));
    SA_TRY(sa_predict_images_create(o, &p->images));
    SA_TRY(sa_predict_images_look(&p->images, p->channels, o->progress));
    SA_TRY(plan_sizes(p));
    SA_TRY(sa_predict_images_check_output(&p->images, o));
    return sa_forward_start(&p->forward, o->progress);
}

static sa_status run_all(predictor *p, const sa_predict_image **order)
{
    double start = sa_clock_seconds();
    FILE *out = p->options->progress;
    for (size_t i = 0; i < p->images.count; i++) order[i] = &p->images.image[i];
    qsort(order, p->images.count, sizeof *order, larger_first);
    if (out) {
        SA_TRY(sa_forward_print_bytes(out, &p->forward));
        sa_progress_begin(&p->progress, out, "images", 0, p->images.count, sa_session_arena_bytes(p->forward.session));
    }
    sa_status status = SA_OK;
    for (size_t i = 0; i < p->images.count && status == SA_OK; i++) {
        char text[64];
        status = predict(p, order[i]);
        if (status != SA_OK) break;
        p->result->images++;
        snprintf(text, sizeof text, "%.1f images/s", (double)p->result->images / (sa_clock_seconds() - start));
        if (out) sa_progress_update(&p->progress, i + 1, text);
    }
    if (out) sa_progress_end(&p->progress);
    p->result->seconds = sa_clock_seconds() - start;
    return status;
}

static sa_status fill_result(predictor *p)
{
    sa_predict_result *r = p->result;
    snprintf(r->device, sizeof r->device, "%s", p->forward.device->description);
    r->strategy = p->forward.strategy;
    r->strategy.choices = NULL; /* stay with the pass */
    r->sizes = (size_t)p->forward.count;
    r->inference_bytes = sa_session_arena_bytes(p->forward.session);
    return sa_forward_caffe_bytes(&p->forward, &r->caffe_bytes);
}

sa_status sa_predict_run(const sa_predict_options *options, sa_predict_result *result)
{
    predictor p = {.options = options, .result = result};
    memset(result, 0, sizeof *result);
    sa_status status = open_all(&p);
    const sa_predict_image **order = status == SA_OK ? calloc(p.images.count + 1, sizeof *order) : NULL;
    if (status == SA_OK && !order) status = sa_error_set(SA_NOMEM, "no memory for %zu images", p.images.count);
    if (status == SA_OK) status = run_all(&p, order);
    if (status == SA_OK) status = fill_result(&p);
    free(order);
    sa_predict_images_free(&p.images);
    sa_forward_close(&p.forward);
    return status;
}
