/* The exercises of `segarena lab`: questions whose answers are computed. */
#ifndef SA_CLI_LAB_EXERCISES_H
#define SA_CLI_LAB_EXERCISES_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>

/* A plan of a shipped net, whose arena is counted. */
typedef struct sa_lab_plan {
    const char *net, *strategy;
    int batch;         /* 0: the net's own */
    bool forward_only; /* as `--phase test` */
} sa_lab_plan;

typedef struct sa_lab_exercise {
    const char *title, *question;
    sa_lab_plan plan, less;   /* the answer is the arena of `plan`, less that of `less` if that has a net */
    const char *caffe_buffer; /* not NULL: the answer is this buffer of Caffe's for the net of `plan` instead */
    const char *reason;       /* shown with the answer */
    const char *command;      /* that shows it */
} sa_lab_exercise;

/* The i-th exercise, the easy ones first; NULL after the last. */
const sa_lab_exercise *sa_lab_exercise_at(int i);
/* Plans the nets and computes the answer, in bytes. SA_IO if a shipped net is not there. */
SA_CHECKED sa_status sa_lab_answer(const sa_lab_exercise *exercise, size_t *bytes);

typedef enum sa_lab_verdict { SA_LAB_RIGHT, SA_LAB_NEAR, SA_LAB_WRONG } sa_lab_verdict;
/* RIGHT: within a tenth of the answer (of 0: exactly); NEAR: within a factor of 2. */
sa_lab_verdict sa_lab_judge(size_t predicted_bytes, size_t answer_bytes);

#endif
