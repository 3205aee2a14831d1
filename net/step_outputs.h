/* What a step tells: every loss, every accuracy and every accuracy per class of a net. */
#ifndef SA_NET_STEP_OUTPUTS_H
#define SA_NET_STEP_OUTPUTS_H

#include "net/session.h"

typedef enum sa_output_kind { SA_OUTPUT_LOSS, SA_OUTPUT_ACCURACY, SA_OUTPUT_PER_CLASS } sa_output_kind;

typedef struct sa_step_output {
    char name[SA_NAME_MAX]; /* of the blob */
    sa_output_kind kind;
    int blob;
    float weight;        /* a loss's */
    size_t begin, count; /* where its values are in sa_step_outputs.value */
} sa_step_output;

typedef struct sa_step_outputs {
    int count;
    sa_step_output *output; /* (count), owned; in order of the net */
    size_t value_count;
    float *value; /* (value_count), owned: of the last step read */
    double *sum;  /* (value_count), owned: over the passes of a step */
} sa_step_outputs;

/* *outputs is owned by the caller. */
SA_CHECKED sa_status sa_step_outputs_create(const sa_net *net, sa_step_outputs *outputs);
void sa_step_outputs_free(sa_step_outputs *outputs); /* a zeroed one is allowed */
bool sa_step_outputs_has(const sa_step_outputs *outputs, sa_output_kind kind);
const char *sa_output_kind_name(sa_output_kind kind); /* "loss", "accuracy", "class_accuracy" */
/* After a step, or after its forward pass: fills `value`. */
SA_CHECKED sa_status sa_step_outputs_read(sa_step_outputs *outputs, sa_session *session);
/* After pass 0, 1, ... of a step was read: `value` becomes the mean over all of them at the last. */
void sa_step_outputs_mean(sa_step_outputs *outputs, int pass, int passes);
/* Caffe's loss of a net: all losses by their weights. 0 without any. */
float sa_step_outputs_loss(const sa_step_outputs *outputs);
/* Of the net's first accuracy; 0 without any. */
float sa_step_outputs_accuracy(const sa_step_outputs *outputs);

#endif
