/* The emitter: walks a net forward and backward, asks each layer for its ops, and keeps track of where every value is. Private to
 * program/. */
#ifndef SA_PROGRAM_EMITTER_H
#define SA_PROGRAM_EMITTER_H

#include "core/name_map.h"
#include "program/contents.h"
#include "program/program.h"

/* Where a value is now. */
typedef struct sa_value_slot {
    bool present;   /* the slab holds it */
    bool allocated; /* slab.at names a buffer, whatever it holds */
    bool reserved;  /* the buffer was made for a part of the value; the value itself is yet to come */
    sa_slab slab;
    int32_t taken_by; /* the value (see sa_value_of_data) that was put in its place; 0: none */
} sa_value_slot;

typedef struct sa_saved {
    int next; /* of the same layer, -1: none */
    char suffix[32];
    int buffer;
} sa_saved;

/* A gradient, or behind it a parameter, that ranks exchange: what was started has to be finished. */
typedef struct sa_sent_gradient {
    int layer, param, group;
    int number;  /* of the exchange that runs */
    int parts;   /* buffer of what other ranks send; -1: nothing */
    bool shared; /* the parameter is on its way from its owners to all */
} sa_sent_gradient;

/* Statistics of a BatchNorm that ranks exchange before its running sums take them: mean and variance. */
typedef struct sa_sent_statistics {
    int layer;
    sa_bn_running_args running;
    int number[2];
} sa_sent_statistics;

struct sa_emitter {
    const sa_net *net;
    sa_realizations *realizations;
    bool must_repeat; /* a choice could not be and was changed: what is emitted now is not used */
    const sa_device *device;
    const sa_program_options *options;
    sa_program *program;
    sa_value_slot *data, *grad; /* (blob_count) */
    sa_value_slot *mask;        /* (layer_count): Pooling */
    size_t saved_count;
    sa_saved *saved;
    int *first_saved;       /* (layer_count): the layer's latest in saved, -1: none */
    int *band_start;        /* (layer_count): the first layer of the band that ends with a layer, -1: none does */
    sa_name_map names;      /* of buffers */
    int shared_workspace;   /* buffer number or -1 */
    int squares;            /* of the gradients' squares, by which they are clipped: buffer number or -1 */
    sa_sent_gradient *sent; /* (sent_count): gradients on their way to their owners, the last one sent last */
    size_t sent_count, received_count;
    sa_sent_statistics *statistics; /* (statistics_count) */
    size_t statistics_count, statistics_received;
    int sent_group; /* the layers behind whose backward ops gradients were sent last, from 1 on */
    int exchange_count;
    int param_count;   /* parameters so far: whose slices are where depends on it */
    size_t conv_count; /* convolution ops so far */
    sa_step_phase phase;
    bool again;               /* inside the recomputation of a value */
    int remakes;              /* which blob's; -1: none */
    size_t each_count;        /* values that are dropped again behind the running layer */
    int *each;                /* (each_count), owned */
    int wide_blob;            /* what the running layer writes as float32 and is to be narrowed behind it; -1: none */
    sa_slab wide;             /* where */
    int band_begin, band_end; /* channels of the running band; band_end 0: none */
    int band_first_layer, band_last_layer;
};

SA_CHECKED sa_status sa_emitter_buffer(sa_emitter *emitter, sa_buffer_kind kind, size_t bytes, const char *category, int *buffer,
                                       const char *format, ...) SA_PRINTF(6, 7);
/* The first layer of the band that ends with layer `last`, or -1. */
int sa_emitter_band_start(const sa_emitter *emitter, int last);
/* Calls run for one group of channels after the other of the band that starts with layer `first`. Channels of the convolution's
 * output are independent up to the pooled value: statistics, normalisation and pooling stay within a channel. */
SA_CHECKED sa_status sa_emitter_each_band(sa_emitter *emitter, int first, sa_status (*run)(sa_emitter *emitter, void *context),
                                          void *context);
bool sa_emitter_in_band(const sa_emitter *emitter, int blob);
/* Lets a layer emit its forward ops; a top that is kept narrow is narrowed behind them. Every reader sees the narrow value, so a
 * value has the same bits wherever and however often it is computed from it. */
SA_CHECKED sa_status sa_emitter_forward(sa_emitter *emitter, const sa_layer *layer);
/* Stores what `source` is in a buffer of its own by an op of `layer`; *part is a DENSE source of that. */
SA_CHECKED sa_status sa_emitter_store_part(sa_emitter *emitter, const sa_layer *layer, const sa_source *source, sa_source *part);
/* Parameters, their gradients, sums and histories get their buffers, before the first op. */
SA_CHECKED sa_status sa_emitter_params(sa_emitter *emitter);
/* Behind the forward pass: all running sums are complete. */
SA_CHECKED sa_status sa_emitter_statistics_end(sa_emitter *emitter);
/* Behind the backward ops of layers first..last: adds up what is complete, exchanges it, updates what may be updated already. */
SA_CHECKED sa_status sa_emitter_gradients(sa_emitter *emitter, int first, int last);
/* Behind the backward pass: all sums over shards are complete. */
SA_CHECKED sa_status sa_emitter_gradients_end(sa_emitter *emitter);
/* Updates what is not updated yet. */
SA_CHECKED sa_status sa_emitter_update(sa_emitter *emitter);
/* Emits the whole step into emitter->program. */
SA_CHECKED sa_status sa_emitter_run(sa_emitter *emitter);
/* What is left of Caffe's private buffers of a layer once its ops are emitted: made, and set as Caffe sets them. */
SA_CHECKED sa_status sa_emitter_caffe_rest(sa_emitter *emitter, const sa_layer *layer);

#endif
