/* What a net's prototxt says, before it means anything: inputs, and the layers that a phase includes, with names and connections as
 * text. It checks form, phase rules and limits. Layer types, shapes and connections are judged by net.c; a layer's own parameter
 * message is decoded by its type, from `message`. */
#ifndef SA_NET_NET_SPEC_H
#define SA_NET_NET_SPEC_H

#include "layers/messages.h"
#include "program/layer.h"
#include "proto/fields.h"

enum {
    SA_SPEC_NAME_BYTES = 96, /* names of layers, blobs and types, with the NUL */
    SA_SPEC_BOTTOMS_MAX = SA_LAYER_BOTTOMS_MAX,
    SA_SPEC_TOPS_MAX = SA_LAYER_TOPS_MAX,
    SA_SPEC_PARAMS_MAX = SA_LAYER_PARAMS_MAX,
    SA_SPEC_RULES_MAX = 4,
    SA_SPEC_STAGES_MAX = 4,
    SA_SPEC_STAGE_BYTES = 48,
    SA_SPEC_LAYERS_MAX = 4096,
};

typedef enum sa_phase { SA_PHASE_TRAIN, SA_PHASE_TEST } sa_phase;

/* In which phase the layers are looked for that feed the net. */
typedef enum sa_data_layers {
    SA_DATA_OF_PHASE, /* in that of all layers */
    SA_DATA_OF_TRAIN,
    SA_DATA_OF_EITHER, /* in that of all layers, or else TRAIN */
} sa_data_layers;

/* `state {}` of a net, or what a caller or a solver sets over it */
typedef struct sa_state_spec {
    int32_t phase; /* sa_phase */
    int32_t level;
    bool phase_given, level_given;
    char stage[SA_SPEC_STAGES_MAX][SA_SPEC_STAGE_BYTES];
    int32_t stage_count;
    sa_data_layers data; /* a caller's choice, never the file's */
} sa_state_spec;

/* `include {}` or `exclude {}`; met if all that is given is true of the state */
typedef struct sa_rule_spec {
    int32_t phase, min_level, max_level;
    bool phase_given, min_level_given, max_level_given;
    char stage[SA_SPEC_STAGES_MAX][SA_SPEC_STAGE_BYTES], not_stage[SA_SPEC_STAGES_MAX][SA_SPEC_STAGE_BYTES];
    int32_t stage_count, not_stage_count;
} sa_rule_spec;

/* `param {}` of a layer: the i-th stands for its i-th parameter */
typedef struct sa_param_spec {
    char name[SA_SPEC_NAME_BYTES]; /* for sharing; "": none */
    float lr_mult, decay_mult;     /* 1 unless given */
    bool lr_given, decay_given;
    int32_t permissive; /* share_mode: the shapes of shared parameters may differ, their counts may not */
} sa_param_spec;

typedef struct sa_layer_spec {
    char name[SA_SPEC_NAME_BYTES], type[SA_SPEC_NAME_BYTES];
    char bottom[SA_SPEC_BOTTOMS_MAX][SA_SPEC_NAME_BYTES], top[SA_SPEC_TOPS_MAX][SA_SPEC_NAME_BYTES];
    int32_t bottom_count, top_count;
    sa_param_spec param[SA_SPEC_PARAMS_MAX]; /* all set to defaults, also beyond param_count */
    int32_t param_count;
    float loss_weight[SA_SPEC_TOPS_MAX];
    int32_t loss_weight_count;
    bool propagate_down[SA_SPEC_BOTTOMS_MAX];
    int32_t propagate_down_count; /* 0 or bottom_count */
    sa_rule_spec include[SA_SPEC_RULES_MAX], exclude[SA_SPEC_RULES_MAX];
    int32_t include_count, exclude_count;
    int line;                        /* of the layer's `layer {` */
    const sa_proto_message *message; /* borrowed from the document: the layer's own parameters are in here */
} sa_layer_spec;

typedef struct sa_net_spec {
    char name[SA_SPEC_NAME_BYTES];
    sa_state_spec state;
    bool force_backward;
    int layer_count;
    sa_layer_spec *layer; /* those included, in file order; owned */
} sa_net_spec;

extern const sa_field sa_state_fields[]; /* `state`, `train_state` */

/* Errors are SA_PARSE, SA_INVALID or SA_UNSUPPORTED with "path:line: layer 'conv1' (Convolution): cause". The state is the file's,
 * TRAIN and level 0 where it says nothing; what `state` gives (NULL: nothing) wins, its stages are added, as in Caffe's solver. Old
 * formats are upgraded first, in the document. It must outlive *spec, which is owned by the caller. */
SA_CHECKED sa_status sa_net_spec_read(sa_proto_document *document, const sa_state_spec *state, sa_net_spec **spec);
void sa_net_spec_free(sa_net_spec *spec); /* NULL is allowed */

enum { SA_LAYER_WHERE_BYTES = 256 };
/* "layer 'conv1' (Convolution)" into where. */
void sa_layer_where(const char *name, const char *type, char where[SA_LAYER_WHERE_BYTES]);

#endif
