/* placement: what a layer joins (Concat) is written where the joined value has it, so that nothing is copied; its gradient is read
 * there. What a layer cuts (Slice, Crop) is read in place, and the gradients of the parts are written where the whole has them. */
#include "net/passes/passes.h"

#include <string.h>

/* Is part i of blob `whole`, as `layer` has it, a slab of blob `part` whose images have no gaps? */
static bool part_has_whole_images(const sa_net *net, const sa_layer *layer, int i, int whole, int part, bool placed)
{
    int32_t view[4], usual[4], own[4];
    sa_part where;
    layer->type->part(layer, net->blob, i, &where, view);
    sa_shape_nchw(&net->blob[whole].shape, usual);
    sa_shape_nchw(&net->blob[part].shape, own);
    sa_slab slab = {.encoding = SA_F32, .images = usual[0], .channels = usual[1], .height = usual[2], .width = usual[3]};
    if (placed && memcmp(view, usual, sizeof view) != 0) return false; /* gaps between its images may not allow the view */
    if (!sa_slab_reshape(&slab, view)) return false;
    slab = sa_slab_part(&slab, &where);
    return sa_slab_reshape(&slab, own) && sa_slab_has_whole_images(&slab);
}

static bool can_be_placed(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_blob_choice *choice = &r->blob[blob];
    const sa_layer_type *maker = sa_blob_maker(net, blob)->type;
    return choice->data == SA_DATA_STORED && choice->encoding == SA_F32 && !choice->again && choice->head_bytes == 0 &&
           maker->writes_images && !maker->is_input && net->blob[blob].producer_top == 0;
}

/* A virtual ReLU of a stored value can as well overwrite that: its gradient reads either. */
static bool can_overwrite(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_layer *maker = sa_blob_maker(net, blob);
    return r->blob[blob].data == SA_DATA_VIRTUAL && maker->type->in_place && maker->type->reads_top &&
           r->blob[maker->bottom[0]].data == SA_DATA_STORED && sa_realizations_may_overwrite(net, maker);
}

static void place_bottom(const sa_net *net, sa_realizations *r, int joint, int i)
{
    const sa_layer *layer = &net->layer[joint];
    const int owner = sa_blob_behind_splits(net->layer, net->blob, layer->bottom[i]);
    const bool overwrites = can_overwrite(net, r, owner);
    const int base = overwrites ? sa_blob_maker(net, owner)->bottom[0] : sa_realizations_base(net, r, owner);
    const bool computed = base == owner && r->blob[owner].data == SA_DATA_VIRTUAL; /* may be stored here as well as anywhere */
    if (sa_blob_is_output(net, owner)) return;
    if (computed) r->blob[base].data = SA_DATA_STORED;
    if (!can_be_placed(net, r, base) ||
        !part_has_whole_images(net, layer, i, layer->top[0], base, r->blob[layer->top[0]].data == SA_DATA_PLACED)) {
        if (computed) r->blob[base].data = SA_DATA_VIRTUAL;
        return;
    }
    if (overwrites) r->blob[owner].data = SA_DATA_ALIASED;
    r->blob[base].data = SA_DATA_PLACED;
    r->blob[base].joint = joint;
    r->blob[base].joint_bottom = i;
}

/* Can any part of a value that is not stored be computed without the rest? */
static bool has_parts(const sa_layer *formula)
{
    return formula->type->pointwise || formula->type->channels_apart || formula->type->joins_bottoms || formula->type->cuts_bottom;
}

static void join(const sa_net *net, sa_realizations *r, int joint)
{
    const sa_layer *layer = &net->layer[joint];
    const int top = layer->top[0];
    const bool whole =
        (r->blob[top].data == SA_DATA_STORED || r->blob[top].data == SA_DATA_PLACED) && r->blob[top].encoding == SA_F32;
    for (int i = 0; whole && i < layer->bottom_count; i++) place_bottom(net, r, joint, i);
    const sa_layer *reader = sa_blob_reader(net, top);
    if (reader && r->blob[top].grad == SA_GRAD_VIRTUAL && !has_parts(reader)) r->blob[top].grad = SA_GRAD_STORED;
    for (int i = 0; i < layer->bottom_count; i++)
        if (net->blob[layer->bottom[i]].needs_grad) r->blob[layer->bottom[i]].grad = SA_GRAD_VIRTUAL;
}

static void cut(const sa_net *net, sa_realizations *r, const sa_layer *layer)
{
    const int bottom = layer->bottom[0], owner = sa_blob_behind_splits(net->layer, net->blob, bottom);
    const bool readable = r->blob[owner].data != SA_DATA_VIRTUAL || has_parts(sa_blob_maker(net, owner));
    bool grads = r->blob[bottom].grad == SA_GRAD_STORED;
    size_t covered = 0;
    for (int i = 0; i < layer->top_count; i++) {
        const int top = layer->top[i];
        if (readable && r->blob[top].data == SA_DATA_STORED && !sa_blob_is_output(net, top)) r->blob[top].data = SA_DATA_VIRTUAL;
        if (net->blob[top].needs_grad) covered += sa_shape_elements(&net->blob[top].shape);
    }
    grads = grads && net->blob[bottom].needs_grad && covered == sa_shape_elements(&net->blob[bottom].shape);
    for (int i = 0; grads && i < layer->top_count; i++) {
        const int top = layer->top[i];
        const sa_layer *reader = sa_blob_reader(net, top);
        if (reader && reader->type->writes_images && r->blob[top].grad == SA_GRAD_STORED &&
            part_has_whole_images(net, layer, i, bottom, top, false))
            r->blob[top].grad = SA_GRAD_PLACED;
    }
}

void sa_pass_placement(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = net->layer_count - 1; l >= 0; l--) { /* what is joined again is placed first */
        if (net->layer[l].type->joins_bottoms && !r->layer[l].apart) join(net, r, l);
        if (net->layer[l].type->cuts_bottom) cut(net, r, &net->layer[l]);
    }
}
