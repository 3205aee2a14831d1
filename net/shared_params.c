/* Shared parameters: `param { name: "w" }` in several layers. The first layer of the file that has the name owns what is stored;
 * the others use its data and add to its gradient. Caffe: Net::AppendParam. */
#include "net/net_parts.h"

#include <string.h>

/* The first layer of the file before `layer` that has a parameter of the name, as which; -1: none. */
static int find_owner(const sa_net_spec *spec, int layer, const char *name, int *param)
{
    for (int l = 0; name[0] && l < layer; l++)
        for (int i = 0; i < spec->layer[l].param_count; i++)
            if (!strcmp(spec->layer[l].param[i].name, name)) {
                *param = i;
                return l;
            }
    return -1;
}

/* A factor that one of the layers states holds for all of them; two that state it have to agree. */
static sa_status agree(const char *what, const char *name, const char *owner, float *theirs, bool *given, float ours,
                       bool ours_given)
{
    if (ours_given && *given && ours != *theirs)
        SA_FAIL(SA_INVALID, "%s of the shared parameter '%s' is %g here and %g in layer '%s'", what, name, (double)ours,
                (double)*theirs, owner);
    if (ours_given && !*given) *theirs = ours;
    *given |= ours_given;
    return SA_OK;
}

sa_status sa_net_share_param(sa_net *net, const sa_net_spec *net_spec, const sa_layer_spec *spec, int i)
{
    const int index = (int)(spec - net_spec->layer);
    sa_param *param = &net->layer[index].param[i];
    int owner_param = 0;
    const int owner = find_owner(net_spec, index, spec->param[i].name, &owner_param);
    if (owner < 0) return SA_OK;
    sa_param *of_owner = &net->layer[owner].param[owner_param];
    param->is_shared = of_owner->has_sharers = true;
    param->owner_layer = owner;
    param->owner_param = owner_param;
    SA_TRY(agree("lr_mult", spec->param[i].name, net->layer[owner].name, &of_owner->lr_mult, &of_owner->lr_given, param->lr_mult,
                 param->lr_given));
    return agree("decay_mult", spec->param[i].name, net->layer[owner].name, &of_owner->decay_mult, &of_owner->decay_given,
                 param->decay_mult, param->decay_given);
}

void sa_net_settle_shared(sa_net *net)
{
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < SA_LAYER_PARAMS_MAX; i++) {
            sa_param *param = &net->layer[l].param[i];
            if (!param->is_shared) continue;
            param->lr_mult = net->layer[param->owner_layer].param[param->owner_param].lr_mult;
            param->decay_mult = net->layer[param->owner_layer].param[param->owner_param].decay_mult;
        }
}

sa_status sa_net_check_shared(const sa_net *net, const sa_layer *layer)
{
    for (int i = 0; i < layer->param_count; i++) {
        const sa_param *param = &layer->param[i];
        char ours[SA_SHAPE_TEXT_BYTES], theirs[SA_SHAPE_TEXT_BYTES];
        if (!param->is_shared) continue;
        const sa_layer *owner = &net->layer[param->owner_layer];
        if (param->owner_param >= owner->param_count)
            SA_FAIL(SA_INVALID, "parameter %d is shared with layer '%s', which has only %d", i, owner->name, owner->param_count);
        const sa_shape *shape = &owner->param[param->owner_param].shape;
        bool same = param->shape.axes == shape->axes;
        for (int k = 0; same && k < shape->axes; k++) same = param->shape.dim[k] == shape->dim[k];
        if (same || (param->permissive && sa_shape_elements(&param->shape) == sa_shape_elements(shape))) continue;
        SA_FAIL(SA_INVALID, "parameter %d is %s, but layer '%s', which it is shared with, has %s%s", i,
                sa_shape_text(&param->shape, ours), owner->name, sa_shape_text(shape, theirs),
                param->permissive ? "" : "; share_mode: PERMISSIVE asks for equal counts only");
    }
    return SA_OK;
}
