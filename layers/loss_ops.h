/* What loss layers share: the divisor of a sum, and the ops that make a loss and the gradients of what it compares. Private to
 * layers/. */
#ifndef SA_LAYERS_LOSS_OPS_H
#define SA_LAYERS_LOSS_OPS_H

#include "layers/messages.h"
#include "program/emit.h"

/* A loss of bottom 0 (scores) and bottom 1 (labels, or values to compare with). */
typedef struct sa_loss_form {
    sa_loss_config config;
    int32_t view[4];    /* the scores as (N, C, H, W), in their row-major order */
    int table_bottom;   /* the bottom that is sa_loss_args.table; 0: none */
    bool is_prob;       /* bottom 0 holds probabilities */
    bool keeps_softmax; /* in Caffe's layout the softmax is kept */
} sa_loss_form;

/* A constant divisor by one of SA_NORMALIZATION_*, at least 1; 0: the number of those that are not ignored. */
float sa_loss_divisor(int32_t normalization, size_t outer, size_t inner);
/* normalization, or what the old `normalize` says, or `fallback`. */
int32_t sa_loss_normalization(const sa_loss_param *param, int32_t fallback);
/* Axes before `axis`, `axis`, and those behind it, as images, channels and a plane: as they are for axis 1. */
void sa_loss_view(const sa_shape *shape, int axis, int32_t view[4]);

SA_CHECKED sa_status sa_loss_emit_forward(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form);
/* The gradients of bottom 0 and, where the type passes one, of bottom 1. */
SA_CHECKED sa_status sa_loss_emit_backward(sa_emitter *e, const sa_layer *layer, const sa_loss_form *form);

#endif
