/* Sums of gradients that a normalisation need not make: where a scale and shift per channel is right above it, the gradients of
 * these two are the sums of what lies above them, and the sums below are these times the scale. One pass over the data serves both.
 */
#ifndef SA_LAYERS_GRAD_SUMS_H
#define SA_LAYERS_GRAD_SUMS_H

#include "program/emit.h"

/* Saved by the normalisation, (C) each. */
#define SA_SUM_PRODUCT "sum_product"
#define SA_SUM_DY "sum_dy"

/* Does the scale above make the sums of `normalisation`? A property of the net, so that the bits are those of every strategy. */
static inline bool sa_sums_come_from_above(const sa_emitter *e, const sa_layer *normalisation)
{
    const sa_blob *top = sa_emit_blob(e, normalisation->top[0]);
    if (!normalisation->needs_grad_sums || top->consumer < 0 || !sa_emit_blob(e, normalisation->bottom[0])->needs_grad)
        return false;
    const sa_layer *above = &sa_emit_layers(e)[top->consumer];
    return above->scales_channels && above->param[0].needs_grad && above->param[1].needs_grad;
}

#endif
