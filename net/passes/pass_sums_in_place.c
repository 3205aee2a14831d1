/* sums-in-place: a sum goes into the buffer of one of its terms. Of gradients: where a blob has several readers, the sum of theirs
 * overwrites one that is stored. Of data: what merges its bottoms element by element overwrites one that nobody reads again. All
 * terms are read before an element is written, in the order that Caffe adds them. */
#include "net/passes/passes.h"

/* The reader's top whose gradient the sum may overwrite; -1: none. */
static int stored_term(const sa_net *net, const sa_realizations *r, const sa_layer *split)
{
    int terms = 0, first = -1;
    for (int i = split->top_count - 1; i >= 0; i--) {
        int top = split->top[i];
        if (!net->blob[top].needs_grad) continue;
        terms++;
        if (r->blob[top].grad == SA_GRAD_STORED) first = i;
    }
    return terms > 1 ? first : -1;
}

static void sum_gradients(const sa_net *net, sa_realizations *r, const sa_layer *split)
{
    sa_blob_choice *below = &r->blob[split->bottom[0]];
    int term = stored_term(net, r, split);
    if (term < 0 || (below->grad != SA_GRAD_STORED && below->grad != SA_GRAD_VIRTUAL)) return;
    below->grad = SA_GRAD_IN_TOP;
    below->over_top = term;
}

/* Stored for this reader alone, and no backward pass looks at it. */
static bool may_be_overwritten(const sa_net *net, const sa_realizations *r, int blob)
{
    const sa_layer *maker = sa_blob_maker(net, blob);
    const sa_blob_choice *choice = &r->blob[blob];
    return maker->type->keeps_top && choice->data == SA_DATA_STORED && choice->encoding == SA_F32 && !choice->again &&
           choice->head_bytes == 0;
}

static void merge_in_place(const sa_net *net, sa_realizations *r, const sa_layer *layer)
{
    sa_blob_choice *top = &r->blob[layer->top[0]];
    bool reads_again = layer->needs_backward && layer->type->keeps_bottom && layer->type->keeps_bottom(layer);
    if (top->data != SA_DATA_STORED || top->encoding != SA_F32 || reads_again) return;
    for (int i = 0; i < layer->bottom_count; i++) {
        if (!may_be_overwritten(net, r, layer->bottom[i])) continue;
        top->data = SA_DATA_ALIASED;
        top->over_bottom = i;
        return;
    }
}

void sa_pass_sums_in_place(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        if (r->layer[l].apart) continue;
        if (layer->type->shares_bottom && net->blob[layer->bottom[0]].needs_grad) sum_gradients(net, r, layer);
        if (layer->type->merges_bottoms) merge_in_place(net, r, layer);
    }
}
