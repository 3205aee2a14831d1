/* What a layer may ask of the emitter while it emits its ops. Implemented in program/emit_*.c.
 *
 * A layer asks for the source of a value and for the slab a value goes to; whether that value is stored, lives in another's buffer,
 * is computed by its reader or computed again is the strategy's business, not the layer's. */
#ifndef SA_PROGRAM_EMIT_H
#define SA_PROGRAM_EMIT_H

#include "program/layer.h"

typedef struct sa_emitter sa_emitter;

/* Caffe's private buffers exist and are used: BN keeps buffer_blob and x_norm, SoftmaxWithLoss its softmax. */
bool sa_emit_caffe_layout(const sa_emitter *emitter);
const sa_layer *sa_emit_layers(const sa_emitter *emitter);
const sa_blob *sa_emit_blob(const sa_emitter *emitter, int blob);
const sa_blob *sa_emit_blobs(const sa_emitter *emitter);
/* The images and channels that ops work on now, cut to a blob's shape. */
sa_range sa_emit_range(const sa_emitter *emitter, int blob);
/* A stored value is being computed again in the backward pass: statistics are there already. */
bool sa_emit_is_again(const sa_emitter *emitter);
/* Whether this run of a pooling makes its mask: the first, unless nobody needs it before the value is computed again. */
bool sa_emit_mask_is_due(const sa_emitter *emitter, const sa_layer *pooling);

/* --- values of blobs --- */
SA_CHECKED sa_status sa_emit_data(sa_emitter *emitter, int blob, sa_source *source); /* may emit a recomputation first */
bool sa_emit_data_is_stored(const sa_emitter *emitter, int blob);                    /* has (or gets) memory: own or another's */
bool sa_emit_data_is_present(const sa_emitter *emitter, int blob);                   /* can be read as DENSE right now */
/* Of a layer that joins its bottoms: is bottom i written into its part of the top by its maker? */
bool sa_emit_bottom_is_placed(const sa_emitter *emitter, const sa_layer *layer, int i);
/* Of a layer that cuts its bottom: is the gradient of top i written into its part of the bottom's by the top's reader? */
bool sa_emit_top_grad_is_placed(const sa_emitter *emitter, const sa_layer *layer, int i);
SA_CHECKED sa_status sa_emit_data_out(sa_emitter *emitter, int blob, sa_slab *slab); /* where to write it; makes the buffer */
/* A pooling's mask, as DENSE slab: of its mask top, or the private one of a pooling without mask top. */
SA_CHECKED sa_status sa_emit_mask(sa_emitter *emitter, const sa_layer *pooling, sa_slab *mask);
SA_CHECKED sa_status sa_emit_mask_out(sa_emitter *emitter, const sa_layer *pooling, sa_slab *mask);

/* --- gradients of blobs --- */
SA_CHECKED sa_status sa_emit_grad(sa_emitter *emitter, int blob, sa_source *source);
/* As a dense float32 slab, materialised first if it is virtual. */
SA_CHECKED sa_status sa_emit_grad_dense(sa_emitter *emitter, int blob, sa_slab *slab);
bool sa_emit_grad_is_wanted(const sa_emitter *emitter, int blob); /* blob needs a gradient and it has to be written to memory */
SA_CHECKED sa_status sa_emit_grad_out(sa_emitter *emitter, int blob, sa_slab *slab);
/* Where a convolution's dx goes: the gradient of blob itself, or (gather) through the mask to the Upsample's bottom. */
typedef struct sa_grad_sink {
    sa_slab slab;
    bool gather;
    sa_slab mask;
    sa_window window;
} sa_grad_sink;
SA_CHECKED sa_status sa_emit_grad_sink(sa_emitter *emitter, int blob, sa_grad_sink *sink);

/* --- parameters, saved values, workspaces --- */
sa_ref sa_emit_param(sa_emitter *emitter, const sa_layer *layer, int param);
sa_ref sa_emit_param_grad(sa_emitter *emitter, const sa_layer *layer, int param);
/* The buffer "<layer>.<suffix>", made at its first use. kind: sa_buffer_kind by name, so that layers need not know memory/. */
typedef enum sa_emit_saved_kind { SA_EMIT_SAVED, SA_EMIT_SCALAR } sa_emit_saved_kind;
SA_CHECKED sa_status sa_emit_saved(sa_emitter *emitter, const sa_layer *layer, const char *suffix, sa_emit_saved_kind kind,
                                   size_t bytes, sa_ref *ref);
bool sa_emit_has_saved(const sa_emitter *emitter, const sa_layer *layer, const char *suffix);
sa_ref sa_emit_step_state(sa_emitter *emitter);
/* Alive for the next op only, or the layer's own column buffer in Caffe's layout. bytes 0 gives an absent ref. */
SA_CHECKED sa_status sa_emit_workspace(sa_emitter *emitter, const sa_layer *layer, size_t bytes, sa_ref *ref);
/* The convolution's algorithm and the workspace that goes with it. */
SA_CHECKED sa_status sa_emit_conv_workspace(sa_emitter *emitter, const sa_layer *layer, sa_conv_request *request, sa_ref *ref,
                                            size_t *bytes);
/* Of the layer's sums over its bottom. */
SA_CHECKED sa_status sa_emit_reduce_workspace(sa_emitter *emitter, const sa_layer *layer, const sa_range *range, sa_ref *ref,
                                              size_t *bytes);
size_t sa_emit_loss_workspace_bytes(sa_emitter *emitter, const int32_t nchw[4]);
size_t sa_emit_accuracy_workspace_bytes(sa_emitter *emitter, const int32_t nchw[4]);

/* How a convolution's backward pass is cut into ops. */
typedef enum sa_conv_backward_form {
    SA_CONV_BACKWARD_FUSED,    /* one op */
    SA_CONV_BACKWARD_SPLIT,    /* dweight first, then dx: x is gone when dx comes */
    SA_CONV_BACKWARD_BY_IMAGE, /* dweight first, then dx image by image */
} sa_conv_backward_form;
sa_conv_backward_form sa_emit_conv_backward_form(const sa_emitter *emitter, const sa_layer *layer);

/* --- ops --- */
/* Appends an op; what: "forward", "statistics". args is copied. */
SA_CHECKED sa_status sa_emit_op(sa_emitter *emitter, const sa_layer *layer, const char *what, sa_op_kind kind,
                                const sa_op_args *args);
/* Takes the statistics of channels [args->begin, args->end) into running sums; channels of them in all. With several ranks, of all
 * shards, once the last channel is there. */
SA_CHECKED sa_status sa_emit_running_sums(sa_emitter *emitter, const sa_layer *layer, const sa_bn_running_args *args,
                                          int32_t channels);
/* out = source over the current range. */
SA_CHECKED sa_status sa_emit_materialize(sa_emitter *emitter, const sa_layer *layer, const char *what, const sa_source *source,
                                         int blob, sa_slab out);

/* Makes "<layer>.<suffix>", of the shape of bottom 0, of a source; and the source of it. */
SA_CHECKED sa_status sa_emit_save(sa_emitter *emitter, const sa_layer *layer, const char *suffix, const sa_source *source);
SA_CHECKED sa_status sa_emit_saved_source(sa_emitter *emitter, const sa_layer *layer, const char *suffix, sa_source *source);
/* Caffe keeps a copy of what a layer in place overwrites: in its layout makes "<layer>.<suffix>" of bottom 0. */
SA_CHECKED sa_status sa_emit_keep_bottom(sa_emitter *emitter, const sa_layer *layer, const char *suffix);
/* That copy if there is one, else bottom 0. */
SA_CHECKED sa_status sa_emit_kept_bottom(sa_emitter *emitter, const sa_layer *layer, const char *suffix, sa_source *source);

/* emit_forward / emit_backward of layers that are nothing but their top_source / bottom_grad_source: materialise what is stored. */
sa_status sa_emit_forward_from_source(sa_emitter *emitter, const sa_layer *layer);
sa_status sa_emit_backward_from_source(sa_emitter *emitter, const sa_layer *layer);
sa_status sa_emit_backward_of_bottom(sa_emitter *emitter, const sa_layer *layer, int bottom);

/* --- building sources --- */
sa_slab sa_slab_full(sa_ref at, const sa_shape *shape); /* float32, the whole value */
void sa_source_dense(sa_source *source, const sa_slab *slab, const sa_shape *shape);
/* Appends a node whose children are the roots of a, b, c (each NULL if absent); its plane is that of `shape`. *source may be one of
 * them. The node is returned for its slab, vectors and numbers to be set. Where the tree would get too large, an op of `layer`
 * stores a child first. */
SA_CHECKED sa_status sa_emit_join(sa_emitter *emitter, const sa_layer *layer, sa_source *source, sa_node_kind kind,
                                  const sa_shape *shape, const sa_source *a, const sa_source *b, const sa_source *c,
                                  sa_node **node);
/* The source of the same elements in row-major order as other images, channels, rows and columns: (outer, C, 1, inner) for what
 * works along an axis. Nothing is copied where expressions and slabs allow it, else an op of `layer` stores the value first. */
SA_CHECKED sa_status sa_emit_reshape(sa_emitter *emitter, const sa_layer *layer, sa_source *source, const int32_t nchw[4]);
/* Where the source's value lies as float32 without gaps; an op of `layer` stores it first if it does not. */
SA_CHECKED sa_status sa_emit_plain(sa_emitter *emitter, const sa_layer *layer, const sa_source *source, sa_ref *at);
/* The slab of the source's value as float32 whose rows may lie apart; an op of `layer` stores it first if it has none. */
SA_CHECKED sa_status sa_emit_rows(sa_emitter *emitter, const sa_layer *layer, const sa_source *source, sa_slab *slab);
/* The source of a part of a value, whose images and channels count from 0. Nothing is copied where the part can be read in place,
 * as above. */
SA_CHECKED sa_status sa_emit_part(sa_emitter *emitter, const sa_layer *layer, sa_source *source, const sa_part *part);
/* The same without an emitter; SA_UNSUPPORTED if the tree gets too large. */
SA_CHECKED sa_status sa_source_join(sa_source *source, sa_node_kind kind, const sa_shape *shape, const sa_source *a,
                                    const sa_source *b, const sa_source *c, sa_node **node);

#endif
