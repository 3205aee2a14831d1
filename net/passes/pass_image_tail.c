/* image-tail: in a batch, the convolution above the last Upsample makes its weight gradient from all images, then sends its
 * gradient down one image at a time. An image of dy is dead once it is used; the pooled gradient of the next image, which is
 * smaller, goes into its room. The buffer of dy starts with room for one pooled image, so that the first has a place too:
 *
 *     | room | dy 0 | dy 1 | dy 2 |          g n is written while dy n is read, into what was dy n-1 (or the room)
 *     | g 0 | g 1 | g 2 | ... */
#include "net/passes/passes.h"

/* The Upsample below a convolution if its gradient is gathered and can move into the room of the convolution's dy; else NULL. */
static const sa_layer *tail_upsample(const sa_net *net, const sa_realizations *r, const sa_layer *layer)
{
    if (!layer->type->convolves || layer->bottom_count > 1 || r->blob[layer->bottom[0]].grad != SA_GRAD_GATHERED) return NULL;
    int top = layer->top[0];
    if (net->blob[top].shape.dim[0] < 2 || r->blob[top].data != SA_DATA_STORED || r->blob[top].grad != SA_GRAD_IN_DATA ||
        r->blob[top].again)
        return NULL;
    const sa_layer *upsample = sa_blob_maker(net, layer->bottom[0]);
    int below = upsample->bottom[0];
    size_t pooled = sa_shape_elements(&net->blob[below].shape), whole = sa_shape_elements(&net->blob[top].shape);
    return r->blob[below].grad == SA_GRAD_STORED && pooled <= whole ? upsample : NULL;
}

void sa_pass_image_tail(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int l = net->layer_count - 1; l >= 0; l--) {
        const sa_layer *upsample = tail_upsample(net, r, &net->layer[l]);
        if (!upsample) continue;
        int below = upsample->bottom[0];
        r->layer[l].backward = SA_CONV_BACKWARD_BY_IMAGE;
        r->blob[below].grad = SA_GRAD_IN_TAIL;
        r->blob[net->layer[l].top[0]].head_bytes =
            sa_shape_elements(&net->blob[below].shape) * 4 / (size_t)net->blob[below].shape.dim[0];
        break; /* the last level is the largest by far */
    }
}
