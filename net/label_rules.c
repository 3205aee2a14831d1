/* Label rules: see label_rules.h. */
#include "net/label_rules.h"

#include <stdio.h>

int sa_net_input_origin(const sa_net *net, int blob)
{
    while (true) {
        const sa_layer *maker = &net->layer[net->blob[blob].producer];
        if (maker->type->is_input) return blob;
        if ((maker->bottom_count != 1 && !maker->type->cuts_bottom) || maker->param_count > 0) return -1;
        blob = maker->bottom[0];
    }
}

bool sa_net_label_rule(const sa_net *net, const sa_layer *layer, sa_label_rule *rule, int *blob)
{
    if (!layer->type->label_rule) return false;
    layer->type->label_rule(layer, net->blob, rule);
    *blob = layer->bottom[rule->bottom];
    return true;
}

/* The layer with parameters that makes the scores which `layer` reads; NULL: none in a line of layers of one bottom. */
static const sa_layer *score_maker(const sa_net *net, const sa_layer *layer)
{
    while (layer->bottom_count > 0) {
        layer = &net->layer[net->blob[layer->bottom[0]].producer];
        if (layer->param_count > 0 && net->blob[layer->top[0]].shape.dim[1] == 1) return layer;
        if (layer->bottom_count != 1) return NULL;
    }
    return NULL;
}

bool sa_net_single_class_warning(const sa_net *net, char text[SA_LABEL_WARNING_BYTES])
{
    for (int l = 0; l < net->layer_count; l++) {
        sa_label_rule rule;
        int blob;
        char maker[SA_LABEL_WARNING_BYTES / 2] = "";
        const sa_layer *layer = &net->layer[l], *scores;
        if (layer->loss_weight == 0.0f || !sa_net_label_rule(net, layer, &rule, &blob) || rule.classes != 1) continue;
        scores = score_maker(net, layer);
        if (scores) snprintf(maker, sizeof maker, " of layer '%.80s' (line %d)", scores->name, scores->line);
        snprintf(
            text, SA_LABEL_WARNING_BYTES,
            "line %d: loss '%.80s' sees the single class%s: it is always 0 and nothing is learned; give the background a class "
            "of its own (num_output: 2)",
            layer->line, layer->name, maker);
        return true;
    }
    return false;
}
