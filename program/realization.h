/* Realizations: what a strategy decided about each value of a net. Plain data, made by net/passes/, read by the emitter.
 *
 * A value is a version of a blob (its data) or the gradient of one. It is stored (a buffer of its own), aliased (in the buffer of
 * the value it replaces), virtual (an expression, computed by whoever reads it), or stored and computed again for the backward
 * pass. */
#ifndef SA_PROGRAM_REALIZATION_H
#define SA_PROGRAM_REALIZATION_H

#include "program/emit.h"
#include "program/graph.h"

typedef enum sa_data_realization {
    SA_DATA_STORED,
    SA_DATA_ALIASED, /* in the buffer of its layer's bottom `over_bottom`, which it overwrites */
    SA_DATA_VIRTUAL, /* its layer's top_source */
    SA_DATA_PLACED,  /* in its part of the top of a layer that joins it with others */
} sa_data_realization;

typedef enum sa_grad_realization {
    SA_GRAD_STORED,
    SA_GRAD_IN_TOP,   /* overwrites the gradient of the reader's top `over_top` */
    SA_GRAD_IN_DATA,  /* overwrites the blob's own data */
    SA_GRAD_VIRTUAL,  /* the reader's bottom_grad_source */
    SA_GRAD_IN_TAIL,  /* of an Upsample's bottom: written image by image into the room that the images of the convolution's dy leave
                         behind */
    SA_GRAD_PLACED,   /* of a top of a layer that cuts its bottom: in its part of the bottom's gradient */
    SA_GRAD_GATHERED, /* of an Upsample's top: the convolution above writes the gradient of the Upsample's bottom straight away */
} sa_grad_realization;

/* Whether stored data waits for the backward pass. */
typedef enum sa_again {
    SA_KEPT,
    SA_AGAIN_ONCE, /* dropped after the forward pass; the backward pass makes it again at its first use and keeps it to its last */
    SA_AGAIN_EACH, /* ... and makes it again for each layer that uses it */
} sa_again;

typedef struct sa_blob_choice {
    sa_data_realization data;
    sa_encoding encoding; /* of stored data; SA_BF16: its layer writes float32 into a buffer that is narrowed and then gone */
    sa_again again;
    sa_grad_realization grad;
    int over_bottom;         /* SA_DATA_ALIASED: which of its layer's bottoms it overwrites */
    int over_top;            /* SA_GRAD_IN_TOP: of which of its reader's tops it overwrites the gradient */
    size_t head_bytes;       /* room in front of the stored data, for SA_GRAD_IN_TAIL */
    int joint, joint_bottom; /* SA_DATA_PLACED: the layer, and as which bottom */
} sa_blob_choice;

typedef struct sa_layer_choice {
    sa_encoding mask_encoding;      /* Pooling: of its mask, top or private */
    bool mask_again;                /* Pooling: the mask is made when the pooled value is computed again, not before */
    sa_conv_algorithm algorithm;    /* Convolution */
    size_t workspace_limit_bytes;   /* Convolution */
    sa_conv_backward_form backward; /* Convolution */
    int32_t band_channels;          /* Convolution: > 0: it and the BN, ReLU and Pooling above run for so many channels at a time */
    int32_t band_end;               /* the Pooling layer that ends the band */
    int32_t bands_wanted;           /* what a choice says in place of the switch; -1: nothing */
    bool apart;                     /* what it joins or sums up has memory apart from the result */
} sa_layer_choice;

typedef struct sa_realizations {
    sa_blob_choice *blob;    /* (net->blob_count), owned */
    sa_layer_choice *layer;  /* (net->layer_count), owned */
    bool caffe_layout;       /* Caffe's private buffers exist and are used */
    bool shared_workspace;   /* one workspace for all layers */
    bool lifetimes;          /* buffers are alive from first to last use only; else over the whole step */
    bool early_update;       /* a parameter is updated as soon as its gradient is complete and it is not read any more */
    size_t *conv_room_bytes; /* (conv_room_count), owned: workspace that the n-th convolution op of the program may take whatever
                              * its layer's limit, since so much is free beside it; NULL: unknown */
    size_t conv_room_count;
} sa_realizations;

SA_CHECKED sa_status sa_realizations_create(const sa_net *net, sa_realizations *realizations);
/* After the passes: expressions that no source can hold are stored, what was to overwrite a value that no longer is in memory gets
 * a buffer of its own, and masks that nobody needs before their pooling runs again are made then. */
SA_CHECKED sa_status sa_realizations_settle(const sa_net *net, sa_realizations *realizations);
/* The part of it about expressions. */
SA_CHECKED sa_status sa_realizations_limit_nodes(const sa_net *net, sa_realizations *realizations);
/* Gives a gradient, or a blob's data, a buffer of its own, and takes back what was built on its sharing another's. */
void sa_realizations_store_grad(const sa_net *net, sa_realizations *realizations, int blob);
void sa_realizations_store_data(const sa_net *net, sa_realizations *realizations, int blob);
/* The blob whose place holds a blob's data: back through layers that share their bottom and through values that overwrite theirs.
 */
int sa_realizations_base(const sa_net *net, const sa_realizations *realizations, int blob);
/* The blob in whose memory a blob's data is: itself, what it overwrites, or what it is joined into; -1: it has none. Values in one
 * memory share their fate. */
int sa_realizations_owner(const sa_net *net, const sa_realizations *realizations, int blob);
/* Which values can be dropped after the forward pass and made again by their layers: owner[b] (blob_count) is its owner, with which
 * it is dropped; -1: it has to stay, or has no memory. */
void sa_realizations_find_droppable(const sa_net *net, const sa_realizations *realizations, int *owner);
/* Drops the values that are wanted (blob_count; SA_KEPT: as it is), with all that is in their memory, but for those that have to
 * stay.
 */
void sa_realizations_drop(const sa_net *net, const sa_again *wanted, sa_realizations *realizations);
/* Is the value fetched after the step, itself or as what shares it? */
bool sa_blob_is_output(const sa_net *net, int blob);
/* May the layer write its top over its bottom 0, as far as gradients are concerned? */
bool sa_realizations_may_overwrite(const sa_net *net, const sa_layer *layer);
void sa_realizations_free(sa_realizations *realizations);

#endif
