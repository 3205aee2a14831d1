/* split-backward: a convolution makes its weight gradient first, then, in an op of its own, the gradient of its input. Each needs
 * less workspace than both together, and an input that nobody else reads is dead when its gradient comes. The price: what is made
 * of dy for one is made for the other again. */
#include "net/passes/passes.h"

void sa_pass_split_backward(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++)
        if (net->layer[l].type->convolves) r->layer[l].backward = SA_CONV_BACKWARD_SPLIT;
}
