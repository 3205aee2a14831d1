/* compact-masks: a pooling mask holds the position inside its window, in 2 or 4 bits, instead of a float index. Only where every
 * reader understands positions: the pooling's own backward pass, and Upsample layers of the same plane. */
#include "net/passes/passes.h"

static bool reads_positions(const sa_net *net, int blob)
{
    const sa_layer *reader = sa_blob_reader(net, blob);
    if (!reader || reader->type->ignores_bottoms) return true;
    if (reader->type->shares_bottom) {
        for (int i = 0; i < reader->top_count; i++)
            if (!reads_positions(net, reader->top[i])) return false;
        return true;
    }
    return net->blob[blob].consumer_bottom == reader->type->mask_bottom &&
           sa_layer_mask_maker(reader, net->layer, net->blob) != NULL;
}

void sa_pass_compact_masks(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->type->makes_mask) continue;
        if (layer->top_count == 2 && !reads_positions(net, layer->top[1])) continue;
        sa_window w = layer->window;
        int64_t positions = (int64_t)w.kernel_h * w.kernel_w;
        if (positions > 15) continue;
        r->layer[l].mask_encoding = positions <= 4 ? SA_MASK2 : SA_MASK4;
        if (layer->top_count == 2) r->blob[layer->top[1]].encoding = r->layer[l].mask_encoding;
    }
}
