/* What forward passes over labelled batches add up to: the means of a net's losses and accuracies and, where it has class scores
 * with labels of the same size, their confusion matrix. Shared by `test` and by the tests of a training run. */
#ifndef SA_CLI_EVALUATION_H
#define SA_CLI_EVALUATION_H

#include "net/feed.h"
#include "net/step_outputs.h"
#include "report/confusion.h"

typedef struct sa_evaluation {
    bool has_scores;    /* the net has class scores and labels to compare them with; else there are means alone */
    char problem[320];  /* without scores: why */
    bool scores_pixels; /* a score per pixel and class, not per image and class */
    int label;          /* blob of the labels */
    int32_t batch, classes;
    size_t positions; /* labels of an image */
    sa_confusion confusion;
    sa_step_outputs outputs; /* .value: means, after sa_evaluation_finish */
    double *sum;             /* (outputs.value_count): each times the images of its batch */
    double images;
    float *scores; /* (batch, classes, positions) */
    uint16_t *map; /* (positions) */
} sa_evaluation;

/* net was loaded with its scores as an output. void_label: which labels count nowhere; NULL: the ignore_label of the net's loss.
 * *evaluation is the caller's (sa_evaluation_free), zeroed after a failure. */
SA_CHECKED sa_status sa_evaluation_create(const sa_net *net, const int *void_label, sa_evaluation *evaluation);
void sa_evaluation_free(sa_evaluation *evaluation); /* a zeroed one is allowed */
/* Back to no image. */
void sa_evaluation_reset(sa_evaluation *evaluation);
/* After a forward pass of the batch that the feed made last, of a net of this kind with at most as many images. */
SA_CHECKED sa_status sa_evaluation_add(sa_evaluation *evaluation, const sa_feed *feed, sa_session *session);
void sa_evaluation_finish(sa_evaluation *evaluation);

#endif
