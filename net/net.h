/* Building a net (program/graph.h) from a prototxt for one phase. Says nothing about memory. */
#ifndef SA_NET_NET_H
#define SA_NET_NET_H

#include "program/graph.h"
#include "proto/textformat.h"

/* What an input's shape is to be, in place of what the prototxt or its data say. */
typedef struct sa_input_shape {
    char name[SA_NAME_MAX]; /* of the input's blob */
    sa_shape shape;
} sa_input_shape;

/* A layer type to be taken for something that its name does not say: unknown ones, or Python in the middle of a net. */
typedef enum sa_treatment {
    SA_TREAT_AS_IDENTITY, /* its tops are copies of its bottoms, the i-th of the i-th (or of the first) */
    SA_TREAT_AS_INPUT     /* its tops are inputs, whose shapes the options name */
} sa_treatment;
typedef struct sa_treated_type {
    char type[SA_NAME_MAX];
    sa_treatment treatment;
} sa_treated_type;

/* Something of a file that segarena cannot take. */
typedef struct sa_unsupported {
    int line;
    char layer[SA_NAME_MAX], type[SA_NAME_MAX], what[320];
} sa_unsupported;
enum { SA_UNSUPPORTED_MAX = 64 };
typedef struct sa_unsupported_list {
    int count; /* those beyond SA_UNSUPPORTED_MAX are only counted */
    sa_unsupported item[SA_UNSUPPORTED_MAX];
} sa_unsupported_list;

/* What becomes of the class scores (net/net_scores.h). */
typedef enum sa_scores_form {
    SA_SCORES_INSIDE,    /* the net is as its file says */
    SA_SCORES_AS_OUTPUT, /* they can be fetched after a step, beside losses and accuracies */
    SA_SCORES_ALONE,     /* the layers that they are made by, and no others: no loss, no labels */
} sa_scores_form;

/* By what BN layers normalise. */
typedef enum sa_bn_choice { SA_BN_AS_FILE, SA_BN_BATCH, SA_BN_STORED } sa_bn_choice;

/* Whose rules hold where forks of Caffe compute differently (Accuracy). */
typedef enum sa_caffe_fork {
    SA_CAFFE_BY_LAYERS, /* SegNet's fork, if the net has a layer that only it has; else BVLC's */
    SA_CAFFE_BVLC,
    SA_CAFFE_SEGNET
} sa_caffe_fork;

typedef struct sa_net_options {
    bool test_phase;       /* the TEST phase, whatever the file says */
    bool forward_only;     /* nothing gets a gradient: a step of the net is a forward pass */
    bool train_data;       /* its data layers are those of the TRAIN phase */
    sa_scores_form scores; /* other forms than INSIDE take the TRAIN phase's data layers where TEST has none */
    sa_bn_choice bn;
    sa_caffe_fork fork;
    const char *list;                  /* replaces the list of DenseImageData layers; NULL: the net's own */
    bool list_in_order;                /* from the first entry to the last, not mirrored */
    const struct sa_state_spec *state; /* what a solver sets over the file's `state` (net/net_spec.h); may be NULL */
    int32_t batch;                     /* > 0: replaces the first dimension of every input */
    const char *data_root; /* for relative names in DenseImageData lists; NULL: the working directory, else the net's own folder */
    int32_t height, width; /* > 0: the plane of the first image input; inputs of the same or a proportional plane follow */
    const sa_input_shape *input; /* (input_count) whole shapes of single inputs; they win over all that is above */
    int input_count;
    const sa_treated_type *treat; /* (treat_count) */
    int treat_count;
    sa_unsupported_list *unsupported; /* NULL or set, on failure too: all that cannot be taken */
    bool *shapes_assumed;             /* NULL or set, on failure too: a size had to be assumed because a list cannot be read */
    bool grad_for_inputs;             /* inputs get gradients too and the last layer's tops are given theirs (single-layer tests) */
} sa_net_options;

/* Reads, checks, inserts Splits, infers shapes, decides what needs a gradient. Errors: "path:line: layer 'x' (Type): cause".
 * options may be NULL. *net is owned by the caller. */
SA_CHECKED sa_status sa_net_load(const char *path, const sa_net_options *options, sa_net **net);
SA_CHECKED sa_status sa_net_from_document(sa_proto_document *document, const sa_net_options *options, sa_net **net);
void sa_net_free(sa_net *net); /* NULL is allowed */

/* Layer or blob by name (a blob: its last version); -1 if there is none. */
int sa_net_layer_index(const sa_net *net, const char *name);
int sa_net_blob_index(const sa_net *net, const char *name);

/* Elements of the first parameter of each layer, and of all parameters. */
size_t sa_net_first_parameter_count(const sa_net *net);
size_t sa_net_parameter_count(const sa_net *net);
/* Caffe's "Memory required for data": the elements of all tops of all layers, Splits included, times 4. */
size_t sa_net_memory_required_for_data(const sa_net *net);

#endif
