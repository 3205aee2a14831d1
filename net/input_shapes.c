/* Shapes of inputs that the caller gives. */
#include "net/input_shapes.h"

#include "core/closest.h"

#include <stdio.h>
#include <string.h>

static const sa_input_shape *given_shape(const sa_net_options *options, const char *name)
{
    for (int i = options->input_count - 1; i >= 0; i--) /* the last one counts */
        if (!strcmp(options->input[i].name, name)) return &options->input[i];
    return NULL;
}

static bool is_image(const sa_shape *shape)
{
    return shape->axes == 4 && (int64_t)shape->dim[2] * shape->dim[3] > 1;
}

/* The size that has to `is` the ratio that `size` had to `was`; 0: there is none in whole numbers. */
static int32_t in_proportion(int32_t size, int32_t was, int32_t is)
{
    int64_t scaled = (int64_t)size * is;
    return was > 0 && scaled % was == 0 && scaled / was <= INT32_MAX ? (int32_t)(scaled / was) : 0;
}

/* An input beside the leading one takes over its batch, if it had the same, and its plane in proportion. */
static sa_status follow(const char *name, const sa_input_lead *lead, sa_shape *shape)
{
    const int32_t *was = lead->was.dim, *is = lead->is.dim;
    if (shape->axes > 0 && shape->dim[0] == was[0]) shape->dim[0] = is[0];
    if (!is_image(shape) || (was[2] == is[2] && was[3] == is[3])) return SA_OK;
    int32_t height = in_proportion(shape->dim[2], was[2], is[2]), width = in_proportion(shape->dim[3], was[3], is[3]);
    if (height == 0 || width == 0)
        SA_FAIL(SA_INVALID,
                "input '%s' of %dx%d goes with images of %dx%d; what goes with %dx%d has to be said: its shape is needed too", name,
                shape->dim[2], shape->dim[3], was[2], was[3], is[2], is[3]);
    shape->dim[2] = height;
    shape->dim[3] = width;
    return SA_OK;
}

static bool differs(const sa_shape *a, const sa_shape *b)
{
    int from = a->axes == 4 && b->axes == 4 ? 1 : 0; /* data files give any batch */
    return a->axes != b->axes || memcmp(a->dim + from, b->dim + from, (size_t)(a->axes - from) * sizeof a->dim[0]) != 0;
}

static sa_status reshape(sa_net *net, sa_blob *blob, const sa_net_options *options, sa_input_lead *lead)
{
    const sa_shape was = blob->shape;
    const sa_input_shape *given = given_shape(options, blob->name);
    bool leads = !lead->known && is_image(&was);
    if (options->batch > 0 && blob->shape.axes > 0) blob->shape.dim[0] = options->batch;
    if (given) {
        blob->shape = given->shape;
    } else if (leads && options->height > 0) {
        blob->shape.dim[2] = options->height;
        blob->shape.dim[3] = options->width;
    } else if (!leads && lead->known) {
        SA_TRY(follow(blob->name, lead, &blob->shape));
    }
    if (leads) *lead = (sa_input_lead){true, was, blob->shape};
    net->shapes_given |= differs(&was, &blob->shape);
    return SA_OK;
}

sa_status sa_net_reshape_inputs(sa_net *net, const sa_layer *layer, const sa_net_options *options, sa_input_lead *lead)
{
    for (int i = 0; i < layer->top_count && layer->type->is_input; i++)
        SA_TRY(reshape(net, &net->blob[layer->top[i]], options, lead));
    return SA_OK;
}

sa_status sa_net_check_input_names(const sa_net *net, const sa_net_options *options)
{
    enum { NAMES_MAX = 32 };
    const char *name[NAMES_MAX];
    char known[512] = "", hint[SA_HINT_BYTES];
    size_t count = 0, length = 0;
    for (int b = 0; b < net->blob_count && count < NAMES_MAX; b++)
        if (net->layer[net->blob[b].producer].type->is_input) name[count++] = net->blob[b].name;
    for (size_t i = 0; i < count && length < sizeof known; i++)
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", name[i]);
    for (int i = 0; i < options->input_count; i++) {
        bool found = false;
        for (size_t k = 0; k < count; k++) found |= !strcmp(name[k], options->input[i].name);
        if (found) continue;
        const char *wanted = options->input[i].name;
        sa_closest_hint(wanted, name, count, hint);
        if (count == 0) SA_FAIL(SA_INVALID, "%s: there is no input '%s': the net has no inputs", net->path, wanted);
        SA_FAIL(SA_INVALID, "%s: there is no input '%s'%s (inputs: %s)", net->path, wanted, hint, known);
    }
    return SA_OK;
}
