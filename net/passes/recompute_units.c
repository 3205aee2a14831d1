/* Units of values that are dropped and computed again together. */
#include "net/passes/recompute_units.h"

#include "net/passes/passes.h"

bool sa_blob_is_output(const sa_net *net, int blob)
{
    const sa_layer *reader = sa_blob_reader(net, blob);
    if (!reader) return true;
    for (int i = 0; reader->type->shares_bottom && i < reader->top_count; i++)
        if (sa_blob_is_output(net, reader->top[i])) return true;
    return false;
}

int sa_recompute_unit(const sa_net *net, const sa_realizations *r, int blob)
{
    if (r->blob[blob].data == SA_DATA_VIRTUAL) return -1;
    for (;;) {
        blob = sa_realizations_base(net, r, blob);
        if (r->blob[blob].data != SA_DATA_PLACED) return r->blob[blob].data == SA_DATA_VIRTUAL ? -1 : blob;
        blob = net->layer[r->blob[blob].joint].top[0];
    }
}

bool sa_recompute_may_drop(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_blob *b = &net->blob[blob];
    const sa_blob_choice *choice = &r->blob[blob];
    const sa_layer *maker = sa_blob_maker(net, blob);
    const sa_layer_type *type = maker->type;
    if (choice->data == SA_DATA_VIRTUAL || choice->encoding != SA_F32 || choice->head_bytes > 0) return false;
    if (type->is_input || type->is_loss || type->is_metric || !type->emit_forward || sa_blob_is_output(net, blob)) return false;
    if (b->producer_top > 0 && !type->cuts_bottom) return false; /* a mask, statistics */
    if (type->convolves && maker->top_count > 1) return false;   /* several bottoms, of which the first alone is read again */
    return r->layer[b->producer].band_channels == 0;             /* never whole in memory */
}

void sa_recompute_drop(const sa_net *net, sa_realizations *r, const bool *chosen)
{
    for (int b = 0; b < net->blob_count; b++) {
        int unit = chosen[b] ? sa_recompute_unit(net, r, b) : -1;
        if (unit >= 0) r->blob[unit].again = true;
    }
    for (int b = 0; b < net->blob_count; b++) {
        int unit = sa_recompute_unit(net, r, b);
        if (unit >= 0 && r->blob[unit].again && !sa_recompute_may_drop(net, r, b)) r->blob[unit].again = false;
    }
    for (int b = 0; b < net->blob_count; b++) {
        int unit = sa_recompute_unit(net, r, b);
        if (unit >= 0) r->blob[b].again = r->blob[unit].again;
    }
}
