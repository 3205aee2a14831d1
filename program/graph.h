/* A net: layers and blobs with shapes. net/ builds it from a prototxt; the emitter walks it. Says nothing about memory. */
#ifndef SA_PROGRAM_GRAPH_H
#define SA_PROGRAM_GRAPH_H

#include "core/name_map.h"
#include "program/layer.h"

typedef struct sa_net {
    char name[SA_NAME_MAX];
    char *path; /* of the prototxt */
    bool test_phase;
    bool force_backward; /* of the file: inputs get gradients too, where the layers that read them pass any */
    int layer_count;
    sa_layer *layer;
    int blob_count;
    sa_blob *blob;
    sa_name_map layer_names, blob_names; /* numbers by name; of a blob, its last version's */
    sa_layer_type *treated;              /* owned: types of this net alone, see sa_treated_type */
    int treated_count;
    char *data_root;     /* owned; what names in lists are relative to; NULL: the working directory */
    bool shapes_given;   /* options changed planes or channels: data files do not fit them */
    bool shapes_assumed; /* see sa_net_options */
    char note[512];      /* something the user should know ("": nothing), e.g. that sizes were assumed */
    int scores_blob;     /* the output that holds the class scores; -1: see sa_net_options.scores */
} sa_net;

/* Has every layer ops, so that the net can be planned and run? If not, sa_layer.not_computed says which and why. */
bool sa_net_is_computed(const sa_net *net);

/* Has the net anything to train: a parameter that a loss gives a gradient to? Else a step of it is a forward pass. */
bool sa_net_trains(const sa_net *net);

#endif
