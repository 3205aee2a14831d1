/* Label rules: see label_rules.h. */
#include "net/label_rules.h"

#include <stdio.h>
int sa_net_input_origin(const sa_net *net, int blob)
{
    while (true) {
        const sa_layer *maker = &net->layer[net->blob[blob].producer];
        if (maker->type->is_input) return blob;
        if (maker->bottom_count != 1 || maker->param_count > 0) return -1;
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

bool sa_net_single_class_warning(const sa_net *net, char text[SA_LABEL_WARNING_BYTES])
{
    for (int l = 0; l < net->layer_count; l++) {
        sa_label_rule rule;
        int blob;
        const sa_layer *layer = &net->layer[l];
        if (layer->loss_weight == 0.0f || !sa_net_label_rule(net, layer, &rule, &blob) || rule.classes != 1) continue;
        snprintf(text, SA_LABEL_WARNING_BYTES,
                 "loss '%s' sees a single class: it is always 0 and nothing is learned; give the background a class of its own "
                 "(num_output: 2)",
                 layer->name);
        return true;
    }
    return false;
}
