/* Layers and blobs: the nodes and edges of a net, and the interface of a layer type.
 *
 * A layer type is one file (shapes, what Caffe allocates for it, the ops it emits) and one line in layer_registry.c. Layers declare
 * buffers and emit ops through program/emit.h; they never place anything. */
#ifndef SA_PROGRAM_LAYER_H
#define SA_PROGRAM_LAYER_H

#include "core/status.h"
#include "data/fillers.h"
#include "kernels/ops.h"
#include "proto/fields.h"

enum { SA_NAME_MAX = 96, SA_LAYER_BOTTOMS_MAX = 32, SA_LAYER_TOPS_MAX = 32, SA_LAYER_PARAMS_MAX = 4 };

/* 0 to SA_AXES_MAX axes, e.g. () for a loss, (C) for a bias, (N, C, H, W) for an activation. Further elements of dim are 0. */
typedef struct sa_shape {
    int32_t axes;
    int32_t dim[SA_AXES_MAX];
} sa_shape;

/* "4x3x360x480" or "one value" into text; returns text. */
enum { SA_SHAPE_TEXT_BYTES = 96 };
const char *sa_shape_text(const sa_shape *shape, char text[SA_SHAPE_TEXT_BYTES]);

/* Elements, 1 for (). SA_INVALID if the product does not fit size_t / 4. */
SA_CHECKED sa_status sa_shape_count(const sa_shape *shape, size_t *count);
/* The count of a shape that has passed sa_shape_count. */
size_t sa_shape_elements(const sa_shape *shape);
/* As ops see it, (N, C, H, W) in the same row-major order: channels are axis 1, what lies behind them is the plane. (C) becomes
 * (1, C, 1, 1), (N, C, L) becomes (N, C, 1, L), and of more than four axes all but the last behind the channels are rows. */
void sa_shape_nchw(const sa_shape *shape, int32_t nchw[4]);

/* One version of a named blob: a layer that works in place makes a new version of the same name. Every version has at most one
 * reader: the net inserts Split layers where there are more. */
typedef struct sa_blob {
    char name[SA_NAME_MAX];
    sa_shape shape;
    int producer, producer_top;    /* the layer that makes it, as which top */
    int consumer, consumer_bottom; /* the layer that reads it, -1: none (a net output) */
    int previous;                  /* the version it overwrites in the file (top name = bottom name), or -1 */
    bool last_version;
    bool needs_grad;   /* d loss / d blob is computed */
    bool grad_given;   /* it comes from outside: sa_net_options.grad_for_inputs */
    float grad_weight; /* not 0: it is this number, the loss_weight of a layer that is no loss */
} sa_blob;

typedef struct sa_param {
    sa_shape shape;
    sa_filler filler;
    float lr_mult, decay_mult;
    bool needs_grad;              /* a gradient is computed and the parameter is updated */
    bool given;                   /* the file has a `param` for it */
    bool is_shared;               /* a parameter of an earlier layer has the same name and is the one that is stored: */
    int owner_layer, owner_param; /* that one, if is_shared */
    bool has_sharers;             /* later layers use this one */
    bool lr_given, decay_given;   /* lr_mult, decay_mult are the file's */
    bool permissive;              /* shared with another shape of as many values */
} sa_param;

struct sa_layer_type;

typedef struct sa_layer {
    char name[SA_NAME_MAX];
    const struct sa_layer_type *type;
    int line;                                       /* in the prototxt; 0 for inserted layers */
    void *config;                                   /* the type's own parameters, type->config_bytes, owned by the net */
    int bottom_count, bottom[SA_LAYER_BOTTOMS_MAX]; /* blob numbers */
    uint32_t cut_bottoms;                           /* propagate_down: false, a bit each: no gradient goes there */
    int top_count, top[SA_LAYER_TOPS_MAX];
    int param_count;
    sa_param param[SA_LAYER_PARAMS_MAX];
    float loss_weight; /* of the first top */
    bool loss_weight_given;
    bool test_phase;
    bool caffe_segnet; /* the net is of SegNet's fork of Caffe, whose private buffers and Accuracy differ a little */
    bool needs_backward;
    sa_window window;     /* of a type that makes_mask; set by setup */
    bool scales_channels; /* set by setup: top 0 is bottom 0 times parameter 0 plus parameter 1, per channel */
    bool needs_grad_sums; /* set by setup: its backward pass needs per channel the sums of the gradient of top 0, alone and times
                             top 0 */
    bool reads_siblings;  /* set by setup: the gradient of a bottom reads other bottoms, so it is made in the layer's own backward
                           * pass: later, what these are made by may have been updated */
    int source_nodes;     /* like the type's, where it depends on the layer; set by setup, 0: the type's */
    bool mixes_channels;  /* of a type with channels apart, set by setup: here its sums go over channels, so it works on all at once
                           */
    bool mixes_few_planes; /* of a type that convolves, set by setup: a 1x1 classifier of few classes, the gradient of whose bottom
                            * is the expression CHANNEL_MIX under every strategy and algorithm, so that its reader may compute it */
    const char *not_computed; /* why segarena has no ops for it ("group 2"), only shapes and Caffe's memory; NULL: it has */
} sa_layer;

/* Buffers that Caffe takes for a layer besides its tops: reported through this, both by `explain` and by the `caffe` strategy. */
typedef struct sa_caffe_buffer {
    const char *suffix;          /* of the buffer's name: "<layer>.<suffix>" */
    const char *category;        /* a row of Caffe's memory table, SA_CAFFE_* */
    size_t gpu_bytes, cpu_bytes; /* in GPU mode without cuDNN (on the device), in CPU mode */
    const char *member;          /* Caffe's name of it: "col_buffer_", "/softmax.scale_"; NULL: a gradient of a blob */
    bool not_in_cudnn;           /* the layer's cuDNN version leaves it untouched */
    size_t cudnn_most_bytes;     /* what that version may take at most; gpu_bytes and cpu_bytes are 0 then */
} sa_caffe_buffer;
enum { SA_CAFFE_BUFFERS_MAX = SA_LAYER_TOPS_MAX };

#define SA_CAFFE_INPUT "data + label"
#define SA_CAFFE_TOPS_DATA "other tops, data (in-place once)"
#define SA_CAFFE_TOPS_DIFF "other tops, diff"
#define SA_CAFFE_MASKS "pool masks (float)"
#define SA_CAFFE_COLUMNS "conv column buffers"
#define SA_CAFFE_BIAS_MULTIPLIERS "conv bias multipliers"
#define SA_CAFFE_BN_BUFFER "BN buffer_blob"
#define SA_CAFFE_BN_XNORM "BN x_norm"
#define SA_CAFFE_BN_SMALL "BN small"
#define SA_CAFFE_LRN_SCALE "LRN scale"
#define SA_CAFFE_SPLIT_DIFFS "classifier split diffs"
#define SA_CAFFE_SOFTMAX_PROB "softmax prob data + diff"
#define SA_CAFFE_SOFTMAX_SCALE "softmax scale"
#define SA_CAFFE_PARAMETERS "parameters data + diff"
#define SA_CAFFE_HISTORY "solver history"
#define SA_CAFFE_SCALARS "scalars (loss, accuracies)"
#define SA_CAFFE_BATCH_NORM "BatchNorm copies"
#define SA_CAFFE_POOL_INDICES "pooling indices (private)"
#define SA_CAFFE_DROPOUT "dropout masks"
#define SA_CAFFE_LRN_WITHIN "LRN within channels"
#define SA_CAFFE_PREFETCH "prefetched batches"
#define SA_CAFFE_OTHER "other layer-private buffers"

/* Where a data layer's shapes can be looked up; its config then is an sa_data_layer_config. */
typedef enum sa_data_file {
    SA_DATA_FILE_NONE,       /* the layer's own parameters say all, or it is no data layer */
    SA_DATA_FILE_UNREAD,     /* in files that are not read */
    SA_DATA_FILE_DATABASE,   /* the first record */
    SA_DATA_FILE_IMAGE_LIST, /* the first image of a list, names with blanks allowed */
    SA_DATA_FILE_SEG_LIST,   /* the same, names without blanks */
    SA_DATA_FILE_WINDOWS,    /* the first entry of a window file */
    SA_DATA_FILE_HDF5        /* the first file of a list, in which each top has a dataset */
} sa_data_file;

/* What a layer asks of the labels that it reads. */
typedef struct sa_label_rule {
    int bottom;      /* the bottom that holds class numbers */
    int32_t classes; /* labels are 0 .. classes-1 */
    bool has_ignore; /* pixels of ignore_label do not count */
    int32_t ignore_label;
    bool checked; /* any other label is an error, not only a wrong guess */
} sa_label_rule;

/* Can bottom i get a gradient from the layer? */
bool sa_layer_passes_gradient(const sa_layer *layer, int i);

struct sa_emitter;

typedef struct sa_layer_type {
    const char *name;         /* as a prototxt has it */
    const char *config_field; /* "convolution_param", or NULL */
    const sa_field *config_table;
    size_t config_bytes;
    void (*config_init)(void *config); /* defaults; NULL: zeroes */
    const char *extra_field;           /* a second message some types read ("transform_param", "softmax_param"), or NULL */
    const sa_field *extra_table;
    size_t extra_offset; /* of the struct it fills, inside config */
    int min_bottoms, max_bottoms, min_tops, max_tops;
    int grad_bottoms, grad_tops; /* so many first bottoms can get, first tops can pass on, a gradient */
    bool in_place;               /* a top may have the name of its bottom */
    bool is_loss;                /* has loss weight 1 by default */
    bool is_input;               /* its tops are fed from outside */
    sa_data_file data_file;      /* of an input */
    bool accounted_only;         /* no ops yet: shapes and Caffe's memory alone */
    const char *treated;         /* what it stands in for another type as, NULL: it is itself */
    bool segnet_fork;            /* only SegNet's fork of Caffe has it */
    /* What passes, emitter and reports ask. All unset means: its tops and the gradients of its bottoms are stored, nothing is
     * shared. */
    bool shares_bottom;  /* every top is bottom 0 itself, for one more reader; the gradient is the sum of the tops' */
    bool joins_bottoms;  /* each bottom is a part of top 0; see part */
    bool cuts_bottom;    /* each top is a part of bottom 0; see part */
    bool writes_images;  /* its ops write top 0 and the gradients of its bottoms image by image or row by row, wherever images lie:
                          * these may be parts of larger values */
    bool pointwise;      /* each element of top 0 is a formula of the same element of bottom 0 and of vectors */
    bool merges_bottoms; /* each element of top 0 is a formula of the same element of every bottom; so is each bottom's gradient,
                          * with that of top 0 */
    bool channels_apart; /* a channel of its tops needs no other channel of them */
    bool convolves;      /* its ops are convolutions: strategies choose an algorithm, a workspace, the form of the backward pass */
    bool transposes;     /* of a type that convolves: its forward pass is a convolution's data gradient, and the reverse */
    bool makes_mask;     /* it keeps where each maximum was: in its second top, or in a private mask */
    int mask_bottom;     /* the bottom that is a mask, 0: none is */
    bool keeps_top;      /* an op makes top 0, and the backward pass doesn't read it: it may be dropped or narrowed */
    bool reads_top;      /* the backward pass tests whether top 0 is above 0, or bottom 0: the same */
    bool keeps_gate;     /* top 0 is above 0 where bottom 0 is and a gradient passes */
    bool reads_bottom;   /* the backward pass reads bottom 0; in Caffe's layout perhaps a private copy */
    bool grad_over_bottom; /* the gradient of bottom 0 may overwrite it, if there is no private copy */
    bool cheap_grad;      /* the gradient of bottom 0 (of every one, if it merges them) is a formula of that of top 0 and of what is
                           * kept anyway */
    bool cheap_again;     /* top 0 is a formula of few channels: cheaper to compute again than to keep */
    bool ignores_bottoms; /* it only takes them off the net's outputs */
    bool ends_scores;     /* it makes probabilities or class numbers of class scores, its bottom 0 */
    bool folds_statistics;    /* it normalises by the batch, or else by statistics folded into parameters 0 (scale) and 1 (shift) */
    bool keeps_sums;          /* it normalises by the batch, or else by running sums of statistics: parameters 0 (of means), 1 (of
                               * variances) and 2 (their weight), which every forward pass by the batch adds to */
    bool is_metric;           /* its tops tell how well the net does */
    bool lists_images;        /* an input whose batches come from a list of images; its config is sa_dense_image_config_layer */
    int source_nodes;         /* nodes that its formulas (top_source, bottom_grad_source) put on top of what they read */
    bool caffe_shares_data;   /* Caffe: top i is the bottom's buffer, for every i ... */
    bool caffe_shares_diff;   /* ... and so are their gradients */
    bool caffe_shares_single; /* Caffe: with one bottom and one top both share data and gradient */
    bool caffe_all_top_diffs; /* Caffe: its backward pass touches the gradient of every top, not of the first alone */
    bool caffe_tops_point_elsewhere; /* Caffe: its tops have no buffers, they point into private ones */
    bool caffe_tops_on_host;         /* Caffe: its tops are made on the host, in GPU mode too */
    /* Caffe: bottoms (a bit each) whose gradients are scratch of the forward pass on a GPU: those of a layer with one top, and of
     * one with two */
    uint32_t caffe_gpu_scratch_diffs[2];
    /* Checks the configuration, sets the tops' shapes from the bottoms' (blobs: the net's table) and the layer's params. Errors
     * state the cause only; the caller adds file, line and layer. */
    sa_status (*setup)(sa_layer *layer, sa_blob *blobs);
    /* Of a type that joins its bottoms, where bottom i lies in top 0; of one that cuts its bottom, where top i lies in it. In a
     * view of the larger value as `whole`; the smaller one has the view part->size. */
    void (*part)(const sa_layer *layer, const sa_blob *blobs, int i, sa_part *part, int32_t whole[4]);
    /* Tells a layer that folds statistics to use the stored ones, or those of the batch; and what it uses. */
    void (*choose_statistics)(void *config, bool stored);
    bool (*stored_statistics)(const void *config);
    /* NULL: the layer reads no labels. */
    void (*label_rule)(const sa_layer *layer, const sa_blob *blobs, sa_label_rule *rule);
    /* Caffe: the bottoms whose gradient it touches though none is needed, as a bit each; needs_backward is decided. NULL: none. */
    uint32_t (*caffe_touched_diffs)(const sa_layer *layer, const sa_blob *blobs);
    /* Checks, after setup, what depends on the layers that make its bottoms (layers: the net's table). NULL: nothing does. */
    sa_status (*check)(const sa_layer *layer, const sa_layer *layers, const sa_blob *blobs);
    /* Fills at most SA_CAFFE_BUFFERS_MAX entries; returns their number. NULL: none. */
    int (*caffe_buffers)(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list);
    /* Emits the ops that make the tops which are stored. NULL: nothing to do. */
    sa_status (*emit_forward)(struct sa_emitter *emitter, const sa_layer *layer);
    /* Emits the ops that make the parameter gradients and those bottom gradients which are stored. NULL: no backward. */
    sa_status (*emit_backward)(struct sa_emitter *emitter, const sa_layer *layer);
    /* Does the backward pass read bottom 0 under every strategy, so that no top may be written over it? NULL: no. */
    bool (*keeps_bottom)(const sa_layer *layer);
    /* The expression of a top, or of a bottom's gradient, that is not stored. NULL: always stored. */
    sa_status (*top_source)(struct sa_emitter *emitter, const sa_layer *layer, int top, sa_source *source);
    sa_status (*bottom_grad_source)(struct sa_emitter *emitter, const sa_layer *layer, int bottom, sa_source *source);
} sa_layer_type;

/* Nodes that its formulas put on top of what they read. */
static inline int sa_layer_source_nodes(const sa_layer *layer)
{
    return layer->source_nodes ? layer->source_nodes : layer->type->source_nodes;
}

/* Bottoms that its formulas read, from the first on. */
static inline int sa_layer_formula_bottoms(const sa_layer *layer)
{
    return layer->type->merges_bottoms ? layer->bottom_count : layer->bottom_count > 0;
}

/* ---- layer_queries.c; layers, blobs: the net's tables ---- */

/* The blob that `blob` comes from, back through layers that share their bottom. */
int sa_blob_behind_splits(const sa_layer *layers, const sa_blob *blobs, int blob);
/* The layer whose mask this one reads, if the mask points into planes of the layer's own size, so that window positions can stand
 * for indices; else NULL. */
const sa_layer *sa_layer_mask_maker(const sa_layer *layer, const sa_layer *layers, const sa_blob *blobs);
/* The row of Caffe's memory table that a blob's data, or its gradient, belongs to: SA_CAFFE_*. */
const char *sa_caffe_blob_category(const sa_layer *maker, const sa_blob *blob, bool grad);

#endif
