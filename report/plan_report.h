/* What there is to say about a planned training step: live bytes step by step, and what is alive at the worst one. */
#ifndef SA_REPORT_PLAN_REPORT_H
#define SA_REPORT_PLAN_REPORT_H

#include "net/session.h"

typedef struct sa_plan_report {
    const sa_net *net; /* borrowed, like strategy and layout */
    const sa_strategy *strategy;
    const sa_layout *layout;
    size_t step_count;
    size_t *live_bytes;                 /* (step_count), owned: the sizes alive at a step, without padding or gaps */
    size_t peak_step;                   /* the first step with the most live bytes */
    size_t kind_bytes[SA_BUFFER_KINDS]; /* alive at the peak step */
    size_t alive_count;
    size_t *alive;            /* (alive_count), owned: numbers of the buffers alive at the peak step, largest first */
    size_t caffe_total_bytes; /* Caffe's own allocations for this net, GPU mode */
} sa_plan_report;

/* On success *report is owned by the caller. */
SA_CHECKED sa_status sa_plan_report_create(const sa_net *net, const sa_strategy *strategy, const sa_layout *layout,
                                           sa_plan_report *report);
void sa_plan_report_free(sa_plan_report *report);

#endif
