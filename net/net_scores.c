/* The class scores of a net: finding them, and leaving out what they do not need. */
#include "net/net_scores.h"
#include "layers/layer_registry.h"

#include "net/label_rules.h"

#include <string.h>

/* The two forms of a net, as its file says it and as it is built, have layers in the same order. */
typedef struct place {
    int layer;
    bool is_bottom; /* its first bottom, else its first top */
} place;

typedef const sa_layer_type *(*type_of)(const void *net, int layer);

/* A layer that scores end in: a loss over classes, or what makes probabilities or class numbers of them. */
static place find_place(const void *net, int layer_count, type_of type)
{
    int last = layer_count - 1;
    for (int l = last; l >= 0; l--)
        if (type(net, l) && type(net, l)->is_loss && type(net, l)->label_rule) return (place){l, true};
    while (last > 0 && type(net, last) && (type(net, last)->ignores_bottoms || type(net, last)->is_metric)) last--;
    int first = last + 1; /* of the layers at the end that make something of scores */
    while (first > 1 && type(net, first - 1) && type(net, first - 1)->ends_scores) first--;
    return first <= last ? (place){first, true} : (place){last, false};
}

/* ---- in the file ---- */

static const sa_layer_type *type_in_spec(const void *net, int layer)
{
    return sa_layer_type_find(((const sa_net_spec *)net)->layer[layer].type);
}

static bool reads(const sa_layer_spec *layer, const char *blob)
{
    for (int i = 0; i < layer->bottom_count; i++)
        if (!strcmp(layer->bottom[i], blob)) return true;
    return false;
}

/* Do the scores, or a layer between `layer` and them that is kept, need this top? */
static bool is_needed(const sa_net_spec *spec, const bool *kept, int layer, int end, const char *top, const char *scores)
{
    if (!strcmp(top, scores)) return true;
    for (int l = layer + 1; l < end; l++)
        if (kept[l] && reads(&spec->layer[l], top)) return true;
    return false;
}

static bool any_needed(const sa_net_spec *spec, const bool *kept, int layer, int end, const char *scores)
{
    for (int i = 0; i < spec->layer[layer].top_count; i++)
        if (is_needed(spec, kept, layer, end, spec->layer[layer].top[i], scores)) return true;
    return false;
}

void sa_net_spec_keep_scores(sa_net_spec *spec)
{
    bool kept[SA_SPEC_LAYERS_MAX];
    char scores[SA_SPEC_NAME_BYTES] = "";
    int left = 0;
    if (spec->layer_count == 0) return;
    place at = find_place(spec, spec->layer_count, type_in_spec);
    const sa_layer_spec *last = &spec->layer[at.layer];
    if (at.is_bottom ? last->bottom_count == 0 : last->top_count == 0) return; /* the net is refused later */
    memcpy(scores, at.is_bottom ? last->bottom[0] : last->top[0], sizeof scores);
    int end = at.is_bottom ? at.layer : at.layer + 1;
    memset(kept, 0, sizeof kept);
    for (int l = end - 1; l >= 0; l--) kept[l] = any_needed(spec, kept, l, end, scores);
    for (int l = 0; l < end; l++) {
        sa_layer_spec *layer = &spec->layer[l];
        bool mask = layer->top_count == 2 && type_in_spec(spec, l) && type_in_spec(spec, l)->makes_mask;
        if (mask && kept[l] && !is_needed(spec, kept, l, end, layer->top[1], scores)) layer->top_count = 1;
    }
    for (int l = 0; l < end; l++)
        if (kept[l]) spec->layer[left++] = spec->layer[l];
    spec->layer_count = left;
}

/* ---- in the net ---- */

static const sa_layer_type *type_in_net(const void *net, int layer)
{
    return ((const sa_net *)net)->layer[layer].type;
}

sa_status sa_net_find_scores(sa_net *net)
{
    place at = find_place(net, net->layer_count, type_in_net);
    const sa_layer *layer = &net->layer[at.layer];
    if (at.is_bottom ? layer->bottom_count == 0 : layer->top_count == 0)
        SA_FAIL(SA_INVALID, "%s: no class scores were found: the net has neither a loss over classes nor an output", net->path);
    net->scores_blob = at.is_bottom ? layer->bottom[0] : layer->top[0];
    return SA_OK;
}

int sa_net_scores_label(const sa_net *net, sa_label_rule *rule)
{
    int found = -1, scores = sa_blob_behind_splits(net->layer, net->blob, net->scores_blob);
    *rule = (sa_label_rule){.bottom = 1, .classes = net->blob[scores].shape.dim[1]};
    for (int l = 0; l < net->layer_count; l++) {
        sa_label_rule own;
        int blob;
        const sa_layer *layer = &net->layer[l];
        if (!sa_net_label_rule(net, layer, &own, &blob) || sa_blob_behind_splits(net->layer, net->blob, layer->bottom[0]) != scores)
            continue;
        int input = sa_net_input_origin(net, blob);
        if (input < 0 || (found >= 0 && !layer->type->is_loss)) continue;
        found = input;
        *rule = own;
        if (layer->type->is_loss) break;
    }
    for (int l = 0; l < net->layer_count && found < 0; l++)
        if (net->layer[l].top_count > 1 && (net->layer[l].type->lists_images || net->layer[l].type->data_file != SA_DATA_FILE_NONE))
            found = net->layer[l].top[1];
    return found;
}
