/* Caffe's solver files as plain data, and the learning rate they describe. SGD only; the update itself is an op of the program. */
#ifndef SA_NET_SOLVER_CONFIG_H
#define SA_NET_SOLVER_CONFIG_H

#include "net/net_spec.h"

enum { SA_SOLVER_PATH_BYTES = 1024, SA_SOLVER_STEPVALUES_MAX = 64 };

typedef enum sa_lr_policy {
    SA_LR_FIXED,
    SA_LR_STEP,
    SA_LR_EXP,
    SA_LR_INV,
    SA_LR_MULTISTEP,
    SA_LR_POLY,
    SA_LR_SIGMOID,
} sa_lr_policy;

typedef enum sa_solver_mode { SA_SOLVER_CPU, SA_SOLVER_GPU } sa_solver_mode;

typedef struct sa_solver_config {
    char net[SA_SOLVER_PATH_BYTES]; /* as written; after sa_solver_config_load a path that can be opened */
    sa_state_spec train_state;      /* set over the net's own state; for sa_net_options.state */
    int32_t lr_policy;              /* sa_lr_policy */
    float base_lr, gamma, power;
    int32_t stepsize;                            /* at least 1 for SA_LR_STEP */
    int32_t stepvalue[SA_SOLVER_STEPVALUES_MAX]; /* (stepvalue_count), ascending */
    int32_t stepvalue_count;
    float momentum, weight_decay; /* L2 */
    int32_t max_iter;             /* 0: not given */
    int32_t display;              /* steps between progress lines; 0: none */
    int32_t average_loss;         /* losses averaged for display */
    int32_t snapshot;             /* steps between snapshots; 0: none on the way */
    char snapshot_prefix[SA_SOLVER_PATH_BYTES];
    bool snapshot_after_train;
    int64_t random_seed; /* negative: not given */
    int32_t solver_mode; /* sa_solver_mode; Caffe's default is GPU */
} sa_solver_config;

/* Decodes and checks; `net` stays as written. SA_PARSE or SA_UNSUPPORTED: "path:line: solver: cause". */
SA_CHECKED sa_status sa_solver_config_read(const sa_proto_document *document, sa_solver_config *config);

/* The same from a file. `net` is looked for as it stands from the working directory, then from the solver file's folder; SA_IO if
 * it is in neither. */
SA_CHECKED sa_status sa_solver_config_load(const char *path, sa_solver_config *config);

/* The learning rate of step 0, 1, ..., in the float32 arithmetic of Caffe's SGDSolver::GetLearningRate. `poly` stays at 0 from
 * max_iter on. */
float sa_solver_rate(const sa_solver_config *config, uint32_t step);

#endif
