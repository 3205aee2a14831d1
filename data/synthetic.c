/* Synthetic scenes, drawn row by row: each object covers one span of a row, so a row is a few fills and one pass of noise. */
#include "data/synthetic.h"

#include "data/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MAX_OBJECTS = 14, MIN_OBJECTS = 6, ROLES = 4, DEPTH_ROLE = 3, NOISE_BITS = 4 };

/* In normalised coordinates: x and y run from 0 to 1 over the picture. */
typedef struct object {
    int32_t class_index;
    bool disc;
    double centre_x, centre_y, half_width, half_height;
    int32_t value[ROLES]; /* red, green, blue, depth */
} object;

typedef struct scene {
    double horizon; /* y where the floor begins */
    int32_t wall[ROLES], floor[ROLES];
    int32_t floor_class;
    int32_t object_count;
    object objects[MAX_OBJECTS]; /* far to near */
    uint64_t key;
} scene;

typedef struct synthetic_source {
    sa_data_source base;
    int32_t classes, label_classes;
    int32_t *row; /* (width): one row of one channel before noise */
} synthetic_source;

/* A colour of its own for every class: the golden ratio spreads hues, the third bit of the class darkens. */
static void class_colour(int32_t class_index, double brightness, int32_t value[ROLES])
{
    double hue = (double)class_index * 0.61803398874989484820;
    hue -= floor(hue);
    for (int i = 0; i < 3; i++) {
        double phase = hue + i / 3.0;
        double distance = fabs(phase - floor(phase) - 0.5) * 2; /* a triangle wave, 0..1 */
        double level = 40 + 175 * distance;
        value[i] = (int32_t)((class_index & 4 ? 0.6 : 1.0) * level * brightness);
    }
}

static void make_object(scene *made, int32_t classes, int32_t index)
{
    object *o = &made->objects[index];
    uint64_t key = sa_random_bits(made->key, 100 + (uint64_t)index);
    int32_t first = classes > 2 ? 2 : classes - 1; /* classes of objects: first .. classes-1 */
    o->class_index = first + (int32_t)sa_random_below(key, 0, (uint64_t)(classes - first));
    o->disc = sa_random_below(key, 1, 2) == 1;
    double nearness = (index + 0.5) / made->object_count; /* 0 far .. 1 near: larger, lower, brighter */
    double size = 0.06 + 0.12 * nearness;
    o->half_width = size * (0.6 + 0.7 * sa_random_uniform(key, 2));
    o->half_height = size * (0.6 + 0.9 * sa_random_uniform(key, 3));
    o->centre_x = sa_random_uniform(key, 4);
    double foot = made->horizon + (1 - made->horizon) * (0.1 + 0.9 * nearness);
    o->centre_y = foot - o->half_height;
    class_colour(o->class_index, 0.75 + 0.25 * nearness, o->value);
    o->value[DEPTH_ROLE] = (int32_t)(60 + 180 * nearness);
}

static void make_scene(uint64_t seed, uint64_t number, int32_t classes, scene *made)
{
    made->key = sa_random_bits(seed, number);
    made->horizon = 0.3 + 0.25 * sa_random_uniform(made->key, 0);
    made->floor_class = classes > 1 ? 1 : 0;
    double brightness = 0.8 + 0.2 * sa_random_uniform(made->key, 1);
    class_colour(0, brightness, made->wall);
    class_colour(made->floor_class, brightness, made->floor);
    made->wall[DEPTH_ROLE] = 20;
    made->floor[DEPTH_ROLE] = 20; /* at the horizon; grows towards the viewer */
    made->object_count = MIN_OBJECTS + (int32_t)sa_random_below(made->key, 2, MAX_OBJECTS - MIN_OBJECTS + 1);
    for (int32_t i = 0; i < made->object_count; i++) make_object(made, classes, i);
}

/* The pixels [*begin, *end) of a row of `width` pixels that the object covers: those whose centres lie inside. */
static bool object_span(const object *o, double y, int32_t width, int32_t *begin, int32_t *end)
{
    double relative = (y - o->centre_y) / o->half_height;
    if (relative < -1 || relative > 1) return false;
    double reach = o->disc ? o->half_width * sqrt(1 - relative * relative) : o->half_width;
    double low = ceil((o->centre_x - reach) * width - 0.5), high = ceil((o->centre_x + reach) * width - 0.5);
    *begin = low > 0 ? (int32_t)low : 0;
    *end = high < width ? (int32_t)high : width;
    return *begin < *end;
}

/* Adds noise of +-2^NOISE_BITS from a 32-bit mix of the pixel's number and clamps to 0..255. */
static void finish_row(const int32_t *row, int32_t width, uint32_t key, float *out)
{
    for (int32_t x = 0; x < width; x++) {
        uint32_t h = key + (uint32_t)x * UINT32_C(0x9e3779b9);
        h = (h ^ (h >> 16)) * UINT32_C(0x7feb352d);
        h = (h ^ (h >> 15)) * UINT32_C(0x846ca68b);
        int32_t value = row[x] + (int32_t)(h >> (32 - NOISE_BITS - 1)) - (1 << NOISE_BITS);
        value = value < 0 ? 0 : value;
        out[x] = (float)(value > 255 ? 255 : value);
    }
}

static void fill(int32_t *row, int32_t begin, int32_t end, int32_t value)
{
    for (int32_t x = begin; x < end; x++) row[x] = value;
}

/* image: (channels, height, width) */
static void draw_image(const scene *drawn, const sa_data_shape *shape, int32_t *row, float *image)
{
    for (int32_t c = 0; c < shape->channels; c++) {
        int32_t role = c % ROLES;
        for (int32_t i = 0; i < shape->height; i++) {
            size_t line = (size_t)c * (size_t)shape->height + (size_t)i;
            double y = (i + 0.5) / shape->height;
            bool on_floor = y > drawn->horizon;
            int32_t ground = on_floor ? drawn->floor[role] : drawn->wall[role];
            if (on_floor && role == DEPTH_ROLE) ground += (int32_t)(200 * (y - drawn->horizon) / (1 - drawn->horizon));
            fill(row, 0, shape->width, ground);
            for (int32_t k = 0; k < drawn->object_count; k++) {
                int32_t begin, end;
                if (object_span(&drawn->objects[k], y, shape->width, &begin, &end))
                    fill(row, begin, end, drawn->objects[k].value[role]);
            }
            finish_row(row, shape->width, (uint32_t)sa_random_bits(drawn->key, 1000 + line), image + line * (size_t)shape->width);
        }
    }
}

/* label: (label_height, label_width) */
static void draw_label(const scene *drawn, const sa_data_shape *shape, int32_t classes, float *label)
{
    for (int32_t i = 0; i < shape->label_height; i++) {
        float *line = label + (size_t)i * (size_t)shape->label_width;
        double y = (i + 0.5) / shape->label_height;
        float ground = (float)(y > drawn->horizon ? drawn->floor_class % classes : 0);
        for (int32_t x = 0; x < shape->label_width; x++) line[x] = ground;
        for (int32_t k = 0; k < drawn->object_count; k++) {
            int32_t begin, end;
            if (!object_span(&drawn->objects[k], y, shape->label_width, &begin, &end)) continue;
            for (int32_t x = begin; x < end; x++) line[x] = (float)(drawn->objects[k].class_index % classes);
        }
    }
}

static sa_status synthetic_next(sa_data_source *base, float *data, float *label)
{
    synthetic_source *source = (synthetic_source *)base;
    const sa_data_shape *shape = &base->shape;
    size_t image_floats = (size_t)shape->channels * (size_t)shape->height * (size_t)shape->width;
    size_t label_floats = (size_t)shape->label_height * (size_t)shape->label_width;
    for (int32_t n = 0; n < shape->images; n++) {
        scene drawn;
        make_scene(base->position.seed, base->position.index, source->classes, &drawn);
        if (data) draw_image(&drawn, shape, source->row, data + (size_t)n * image_floats);
        if (label) draw_label(&drawn, shape, source->label_classes, label + (size_t)n * label_floats);
        if (++base->position.index == base->entry_count) {
            base->position.index = 0;
            base->position.epoch++;
        }
    }
    return SA_OK;
}

static sa_status synthetic_restore(sa_data_source *base, sa_data_position position)
{
    if (base->entry_count > 0 && position.index >= base->entry_count)
        SA_FAIL(SA_INVALID, "synthetic data: position %llu, an epoch has %llu scenes", (unsigned long long)position.index,
                (unsigned long long)base->entry_count);
    base->position = position;
    return SA_OK;
}

static void synthetic_close(sa_data_source *base)
{
    free(((synthetic_source *)base)->row);
    free(base);
}

sa_status sa_synthetic_open(const sa_synthetic_config *config, sa_data_source **source)
{
    static const sa_data_source_functions functions = {
        .next = synthetic_next, .restore = synthetic_restore, .close = synthetic_close};
    SA_TRY(sa_data_shape_check("synthetic data", &config->shape));
    if (config->classes < 1 || config->label_classes < 0)
        SA_FAIL(SA_INVALID, "synthetic data: %d classes, at least 1 is needed",
                config->classes < 1 ? config->classes : config->label_classes);
    synthetic_source *made = calloc(1, sizeof *made);
    int32_t *row = malloc(sizeof *row * (size_t)config->shape.width);
    if (!made || !row) {
        free(made);
        free(row);
        SA_FAIL(SA_NOMEM, "synthetic data: out of memory for a row of %d pixels", config->shape.width);
    }
    made->base = (sa_data_source){&functions, config->shape, {config->seed, 0, 0}, config->epoch_images};
    made->classes = config->classes;
    made->label_classes = config->label_classes ? config->label_classes : config->classes;
    made->row = row;
    *source = &made->base;
    return SA_OK;
}
