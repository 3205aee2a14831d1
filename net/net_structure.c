/* Order of layers after Splits came in, who needs a gradient, and counts over the whole net. */
#include "net/net_parts.h"

#include <stdlib.h>
#include <string.h>

static void find_readers(sa_net *net)
{
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].bottom_count; i++) {
            sa_blob *blob = &net->blob[net->layer[l].bottom[i]];
            blob->consumer = l;
            blob->consumer_bottom = i;
        }
}

sa_status sa_net_sort_splits(sa_net *net, int layers)
{
    sa_layer *sorted = malloc((size_t)net->layer_count * sizeof *sorted);
    int *place = malloc((size_t)net->layer_count * sizeof *place), count = 0;
    if (!sorted || !place) {
        free(sorted);
        free(place);
        SA_FAIL(SA_NOMEM, "no memory for %d layers", net->layer_count);
    }
    for (int l = 0; l < layers; l++) {
        place[l] = count;
        sorted[count++] = net->layer[l];
        for (int s = layers; s < net->layer_count; s++)
            if (net->blob[net->layer[s].bottom[0]].producer == l) {
                place[s] = count;
                sorted[count++] = net->layer[s];
            }
    }
    memcpy(net->layer, sorted, (size_t)net->layer_count * sizeof *sorted);
    for (int b = 0; b < net->blob_count; b++) net->blob[b].producer = place[net->blob[b].producer];
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < SA_LAYER_PARAMS_MAX; i++)
            net->layer[l].param[i].owner_layer = place[net->layer[l].param[i].owner_layer];
    free(sorted);
    free(place);
    find_readers(net);
    for (int l = 0; l < net->layer_count; l++) SA_TRY(sa_name_map_set(&net->layer_names, net->layer[l].name, l));
    return SA_OK;
}

/* ------------------------------------------------------------------ gradients -------------------------------------- */

/* below[b]: a parameter, or an input that wants a gradient, is at or below blob b. */
static void find_below(sa_net *net, const sa_net_options *options, bool *below, bool *layer_below)
{
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        layer_below[l] = layer->type->is_input && (options->grad_for_inputs || net->force_backward);
        for (int i = 0; i < layer->bottom_count; i++)
            layer_below[l] |= sa_layer_passes_gradient(layer, i) && below[layer->bottom[i]];
        for (int i = 0; i < layer->param_count; i++) layer_below[l] |= layer->param[i].lr_mult != 0.0f;
        for (int i = 0; i < layer->top_count; i++) below[layer->top[i]] = layer_below[l] && i < layer->type->grad_tops;
    }
}

/* under[l]: the loss depends on the layer. */
static void find_under(const sa_net *net, bool *under)
{
    for (int l = net->layer_count - 1; l >= 0; l--) {
        const sa_layer *layer = &net->layer[l];
        under[l] = layer->loss_weight != 0.0f;
        for (int i = 0; i < layer->top_count && i < layer->type->grad_tops; i++) {
            const sa_blob *top = &net->blob[layer->top[i]];
            under[l] |= top->grad_given;
            if (top->consumer >= 0 && sa_layer_passes_gradient(&net->layer[top->consumer], top->consumer_bottom))
                under[l] |= under[top->consumer];
        }
    }
}

/* What a loss weight means for its top: a layer that is no loss has a gradient that is the weight itself. */
static const char *take_weight(sa_net *net, sa_layer *layer)
{
    sa_blob *top = layer->top_count > 0 ? &net->blob[layer->top[0]] : NULL;
    if (layer->loss_weight == 0.0f || !top) return NULL;
    const sa_layer *reader = top->consumer >= 0 ? &net->layer[top->consumer] : NULL;
    bool passes = reader && !reader->type->ignores_bottoms && !reader->type->is_metric;
    if (passes) return layer->type->is_loss ? "a loss that other layers read" : "loss_weight on a top that other layers read";
    if (layer->type->is_loss) return NULL;
    if (sa_shape_elements(&top->shape) != 1) return "loss_weight on a top of several values: put a Reduction in between";
    top->grad_weight = layer->loss_weight;
    return NULL;
}

static void decide(sa_net *net, const bool *below, const bool *layer_below, const bool *under)
{
    for (int l = 0; l < net->layer_count; l++) {
        sa_layer *layer = &net->layer[l];
        const char *problem = take_weight(net, layer);
        layer->needs_backward = under[l] && layer_below[l] && !layer->type->is_input;
        if (problem && !layer->not_computed) layer->not_computed = problem;
        if (layer->needs_backward && !layer->type->emit_backward && !layer->not_computed) layer->not_computed = "its backward pass";
        for (int i = 0; i < layer->param_count; i++)
            layer->param[i].needs_grad = layer->needs_backward && layer->param[i].lr_mult != 0.0f;
    }
    for (int b = 0; b < net->blob_count; b++) {
        sa_blob *blob = &net->blob[b];
        const sa_layer *reader = blob->consumer >= 0 ? &net->layer[blob->consumer] : NULL;
        blob->needs_grad =
            blob->grad_given || (blob->grad_weight != 0.0f && below[b] && under[blob->producer]) ||
            (below[b] && reader && reader->needs_backward && sa_layer_passes_gradient(reader, blob->consumer_bottom));
    }
}

sa_status sa_net_decide_gradients(sa_net *net, const sa_net_options *options)
{
    const sa_layer *last = &net->layer[net->layer_count - 1];
    bool seeded = options->grad_for_inputs && last->type->emit_backward && !last->type->is_loss;
    for (int i = 0; seeded && i < last->top_count && i < last->type->grad_tops; i++) net->blob[last->top[i]].grad_given = true;
    size_t layers = (size_t)net->layer_count;
    bool *flags = calloc((size_t)net->blob_count + 2 * layers, sizeof *flags);
    if (!flags) SA_FAIL(SA_NOMEM, "no memory for %d blobs", net->blob_count);
    bool *layer_below = flags + net->blob_count, *under = layer_below + layers;
    find_below(net, options, flags, layer_below);
    if (!options->forward_only) find_under(net, under);
    decide(net, flags, layer_below, under);
    free(flags);
    return SA_OK;
}

bool sa_net_is_computed(const sa_net *net)
{
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].not_computed) return false;
    return true;
}

/* ------------------------------------------------------------------ counts ----------------------------------------- */

size_t sa_net_first_parameter_count(const sa_net *net)
{
    size_t count = 0;
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].param_count && !net->layer[l].param[0].is_shared)
            count += sa_shape_elements(&net->layer[l].param[0].shape);
    return count;
}

size_t sa_net_parameter_count(const sa_net *net)
{
    size_t count = 0;
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++)
            if (!net->layer[l].param[i].is_shared) count += sa_shape_elements(&net->layer[l].param[i].shape);
    return count;
}

size_t sa_net_memory_required_for_data(const sa_net *net)
{
    size_t count = 0;
    for (int b = 0; b < net->blob_count; b++) count += sa_shape_elements(&net->blob[b].shape);
    return count * 4;
}

bool sa_net_trains(const sa_net *net)
{
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].needs_backward) return true;
    return false;
}
