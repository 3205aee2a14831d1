/* banded: a first level whose convolution is cheap (few input channels, no gradient to its input) runs for a few of its output
 * channels at a time. From the convolution to the pooling every channel is independent, so a band passes through statistics,
 * normalisation and pooling and is forgotten; the backward pass makes it once more. The level's largest value is never stored as a
 * whole.
 *
 * Not with im2col: the column matrix would be built again for each band, and a matrix product sums in an order that depends on how
 * many rows it has. */
#include "net/passes/passes.h"

enum { CHEAP_IN_CHANNELS = 8, FORWARD_BAND_CHANNELS = 16 };

/* The pooling that ends a level of consecutive layers starting at `first`, all but the ends virtual; -1: there is none. In between
 * are normalisations, scales and activations: whatever keeps channels apart and is a formula. */
static int chain_end(const sa_net *net, const sa_realizations *r, int first)
{
    for (int l = first + 1; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->type->channels_apart || layer->mixes_channels || layer->bottom_count != 1) return -1;
        const int bottom = layer->bottom[0];
        if (net->blob[bottom].producer != l - 1) return -1;
        if (layer->type->makes_mask)
            return l > first + 1 && (!net->blob[bottom].needs_grad || r->blob[bottom].grad == SA_GRAD_VIRTUAL) ? l : -1;
        if (!layer->type->pointwise || layer->top_count > 1 || r->blob[layer->top[0]].data != SA_DATA_VIRTUAL) return -1;
    }
    return -1;
}

void sa_pass_banded(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    int32_t usual = sa_strategy_has(strategy, SA_SWITCH_BANDED) ? strategy->band_channels : 0;
    if (!sa_net_trains(net) && (usual == 0 || usual > FORWARD_BAND_CHANNELS)) usual = FORWARD_BAND_CHANNELS;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (!layer->type->convolves || !layer->type->channels_apart || layer->type->transposes || layer->bottom_count > 1) continue;
        if (net->blob[layer->bottom[0]].needs_grad || r->caffe_layout) continue;
        if (r->layer[l].algorithm == SA_CONV_IM2COL) continue;
        int end = chain_end(net, r, l);
        const int32_t *weight = layer->param[0].shape.dim;
        const int32_t channels = r->layer[l].bands_wanted >= 0 ? r->layer[l].bands_wanted : usual;
        if (end < 0 || channels == 0 || weight[1] > CHEAP_IN_CHANNELS || weight[0] <= channels) continue;
        r->layer[l].band_channels = channels;
        r->layer[l].band_end = end;
    }
}
