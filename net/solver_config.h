/* Caffe's solver files as plain data, and the learning rate they describe. The update itself is an op of the
 * program. What Caffe would take for any of its solvers is accounted from the same config. */
#ifndef SA_NET_SOLVER_CONFIG_H
#define SA_NET_SOLVER_CONFIG_H

#include "net/net_spec.h"
#include "program/program.h"

enum { SA_SOLVER_PATH_BYTES = 1024, SA_SOLVER_STEPVALUES_MAX = 64, SA_SOLVER_TEST_NETS_MAX = 8 };

typedef enum sa_lr_policy {
    SA_LR_FIXED,
    SA_LR_STEP,
    SA_LR_EXP,
    SA_LR_INV,
    SA_LR_MULTISTEP,
    SA_LR_POLY,
    SA_LR_SIGMOID,
} sa_lr_policy;

typedef enum sa_solver_type {
    SA_SOLVER_SGD = SA_UPDATE_SGD,
    SA_SOLVER_NESTEROV = SA_UPDATE_NESTEROV,
    SA_SOLVER_ADAGRAD = SA_UPDATE_ADAGRAD,
    SA_SOLVER_RMSPROP = SA_UPDATE_RMSPROP,
    SA_SOLVER_ADADELTA = SA_UPDATE_ADADELTA,
    SA_SOLVER_ADAM = SA_UPDATE_ADAM
} sa_solver_type;

/* A net that is tested on the way. */
typedef struct sa_solver_test_net {
    int32_t batches;                 /* test_iter */
    char path[SA_SOLVER_PATH_BYTES]; /* "": the net that is trained, in the TEST phase */
    sa_state_spec state;             /* TEST, with what the solver's test_state says */
} sa_solver_test_net;

extern const sa_enum_name sa_solver_type_names[]; /* as `type` takes them */

typedef enum sa_solver_mode { SA_SOLVER_CPU, SA_SOLVER_GPU } sa_solver_mode;

typedef struct sa_solver_config {
    char net[SA_SOLVER_PATH_BYTES]; /* as written; after sa_solver_config_load a path that can be opened */
    sa_state_spec train_state;      /* set over the net's own state; for sa_net_options.state */
    int32_t lr_policy;              /* sa_lr_policy */
    float base_lr, gamma, power;
    int32_t stepsize;                            /* at least 1 for SA_LR_STEP */
    int32_t stepvalue[SA_SOLVER_STEPVALUES_MAX]; /* (stepvalue_count), ascending */
    int32_t stepvalue_count;
    int32_t type;  /* sa_solver_type */
    bool l1_decay; /* regularization_type: "L1" */
    float momentum, weight_decay;
    float momentum2, rms_decay, delta; /* of Adam; of RMSProp; of the adaptive ones */
    float clip_gradients;              /* the norm that gradients are cut to; not above 0: none */
    int32_t iter_size;                 /* passes, each with a batch of its own, in a step */
    int32_t max_iter;                  /* 0: not given */
    int32_t display;                   /* steps between progress lines; 0: none */
    int32_t average_loss;              /* losses averaged for display */
    int32_t snapshot;                  /* steps between snapshots; 0: none on the way */
    char snapshot_prefix[SA_SOLVER_PATH_BYTES];
    bool snapshot_after_train;
    int64_t random_seed;      /* negative: not given */
    int32_t solver_mode;      /* sa_solver_mode; Caffe's default is GPU */
    int32_t test_interval;    /* steps between tests; 0: none */
    bool test_initialization; /* a test before the first step (default) */
    int32_t test_net_count;   /* one per test_iter that is not 0 */
    sa_solver_test_net test_net[SA_SOLVER_TEST_NETS_MAX];
} sa_solver_config;

/* Decodes and checks; paths stay as written. SA_PARSE or SA_UNSUPPORTED: "path:line: solver: cause". */
SA_CHECKED sa_status sa_solver_config_read(const sa_proto_document *document, sa_solver_config *config);
/* The same for any solver of Caffe's, be it one that cannot train here: only what memory depends on is asked for, and what training
 * refuses is accepted. */
SA_CHECKED sa_status sa_solver_config_read_any(const sa_proto_document *document, sa_solver_config *config);

/* The same from files. Nets are looked for as their paths stand from the working directory, then from the solver file's folder;
 * SA_IO if one is in neither. */
SA_CHECKED sa_status sa_solver_config_load(const char *path, sa_solver_config *config);
SA_CHECKED sa_status sa_solver_config_load_any(const char *path, sa_solver_config *config);

/* What a program needs of it. */
sa_program_options sa_solver_program_options(const sa_solver_config *config);

/* The learning rate of step 0, 1, ..., in the float32 arithmetic of Caffe's SGDSolver::GetLearningRate. `poly` stays at 0 from
 * max_iter on. */
float sa_solver_rate(const sa_solver_config *config, uint32_t step);

#endif
