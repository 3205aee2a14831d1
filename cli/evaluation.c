/* Adds up forward passes: see evaluation.h. */
#include "cli/evaluation.h"

#include "data/class_map.h"
#include "net/label_rules.h"
#include "net/net_scores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scores (N, C, ...) fit labels of the same N that have one value where the scores have C: (N, 1, H, W), or (N) of (N, C, 1, 1). */
static bool fit(const sa_shape *scores, const sa_shape *label)
{
    if (scores->axes < 2 || label->axes < 1 || scores->dim[0] != label->dim[0] || scores->dim[1] < 1) return false;
    bool planes = scores->axes == 4 && label->axes == 4;
    if (planes && (label->dim[1] != 1 || label->dim[2] != scores->dim[2] || label->dim[3] != scores->dim[3])) return false;
    return sa_shape_elements(scores) / (size_t)scores->dim[1] == sa_shape_elements(label);
}

/* What is compared with what. */
static void find_scores(const sa_net *net, sa_evaluation *e, sa_label_rule *rule)
{
    char text[2][SA_SHAPE_TEXT_BYTES];
    const sa_shape *scores = &net->blob[net->scores_blob].shape;
    e->batch = scores->axes > 0 ? scores->dim[0] : 1;
    if (scores->axes > 1) e->label = sa_net_scores_label(net, rule);
    if (e->label < 0) {
        snprintf(e->problem, sizeof e->problem, "the net has no labels to compare its scores with");
        return;
    }
    const sa_shape *label = &net->blob[e->label].shape;
    if (!fit(scores, label) || scores->dim[1] < 2 || scores->dim[1] > SA_CLASS_MAP_CLASSES_MAX) {
        snprintf(e->problem, sizeof e->problem, "'%.64s' of %s cannot be class scores for the labels '%.64s' of %s",
                 net->blob[net->scores_blob].name, sa_shape_text(scores, text[0]), net->blob[e->label].name,
                 sa_shape_text(label, text[1]));
        return;
    }
    e->has_scores = true;
    e->classes = scores->dim[1];
    e->positions = sa_shape_elements(label) / (size_t)e->batch;
    e->scores_pixels = e->positions > 1;
}

static sa_status allocate(const sa_net *net, const sa_label_rule *rule, const int *void_label, sa_evaluation *e)
{
    SA_TRY(sa_step_outputs_create(net, &e->outputs));
    e->sum = calloc(e->outputs.value_count + 1, sizeof *e->sum);
    if (!e->sum) SA_FAIL(SA_NOMEM, "no memory for the means of %d outputs", e->outputs.count);
    if (!e->has_scores) return SA_OK;
    e->scores = malloc(e->positions * (size_t)e->classes * (size_t)e->batch * sizeof *e->scores);
    e->map = malloc(e->positions * sizeof *e->map);
    if (!e->scores || !e->map) SA_FAIL(SA_NOMEM, "no memory for the scores of %d images", (int)e->batch);
    return sa_confusion_create(e->classes, void_label || rule->has_ignore, void_label ? *void_label : rule->ignore_label,
                               &e->confusion);
}

sa_status sa_evaluation_create(const sa_net *net, const int *void_label, sa_evaluation *evaluation)
{
    sa_label_rule rule = {0};
    *evaluation = (sa_evaluation){.label = -1};
    find_scores(net, evaluation, &rule);
    sa_status status = allocate(net, &rule, void_label, evaluation);
    if (status != SA_OK) sa_evaluation_free(evaluation);
    return status;
}

void sa_evaluation_free(sa_evaluation *e)
{
    sa_confusion_free(&e->confusion);
    sa_step_outputs_free(&e->outputs);
    free(e->sum);
    free(e->scores);
    free(e->map);
    memset(e, 0, sizeof *e);
}

void sa_evaluation_reset(sa_evaluation *e)
{
    sa_confusion_clear(&e->confusion);
    memset(e->sum, 0, e->outputs.value_count * sizeof *e->sum);
    e->images = 0;
}

static sa_status add_scores(sa_evaluation *e, const sa_feed *feed, sa_session *session, int32_t images)
{
    const float *labels = sa_feed_batch(feed, e->label);
    SA_TRY(sa_session_get_output(session, sa_session_net(session)->scores_blob, e->scores));
    for (int32_t n = 0; n < images; n++) {
        SA_TRY(sa_class_map(e->scores + (size_t)n * (size_t)e->classes * e->positions, e->classes, e->positions, e->map));
        sa_confusion_add(&e->confusion, e->positions, labels + (size_t)n * e->positions, e->map);
    }
    return SA_OK;
}

sa_status sa_evaluation_add(sa_evaluation *e, const sa_feed *feed, sa_session *session)
{
    const sa_net *net = sa_session_net(session);
    const sa_shape *scores = &net->blob[net->scores_blob].shape;
    int32_t images = scores->axes > 0 ? scores->dim[0] : 1;
    if (e->has_scores) SA_TRY(add_scores(e, feed, session, images));
    SA_TRY(sa_step_outputs_read(&e->outputs, session));
    for (size_t i = 0; i < e->outputs.value_count; i++) e->sum[i] += (double)images * (double)e->outputs.value[i];
    e->images += images;
    return SA_OK;
}

void sa_evaluation_finish(sa_evaluation *e)
{
    for (size_t i = 0; i < e->outputs.value_count; i++) e->outputs.value[i] = (float)(e->sum[i] / e->images);
}
