/* What `segarena explain` says about a net: Caffe's memory, whether it fits, and what the strategies of this program would take. */
#ifndef SA_CLI_EXPLAIN_REPORT_H
#define SA_CLI_EXPLAIN_REPORT_H

#include "cli/fit_row.h"
#include "cli/layer_table.h"
#include "cli/test_nets.h"
#include "core/device.h"
#include "net/strategy.h"
#include "report/caffe_memory.h"

#include <stdio.h>

enum { SA_SUGGESTIONS_MAX = 32, SA_EXPLAIN_LARGEST = 12 };

typedef struct sa_suggestion {
    char strategy[256]; /* as --strategy takes it, or "--budget SIZE" */
    const char *help;
    bool lossless;
    size_t total_bytes;  /* of the arena, planned; 0 if it cannot be planned */
    sa_capacity_fit fit; /* with a capacity */
    char why_not[256];   /* "": it can be planned */
} sa_suggestion;

typedef struct sa_explanation {
    const sa_net *net;     /* borrowed */
    sa_caffe_memory caffe; /* owned */
    bool has_capacity, fits;
    size_t capacity_bytes;
    char verdict[512];
    char advice[512];   /* with a capacity: the strategy to take, or that none was found */
    bool trains;        /* false: the figures are of a forward pass */
    const char *solver; /* Caffe's name of it; NULL: no solver file was given */
    bool l1_decay;
    bool solver_tests;            /* a solver file was given, and it tests */
    sa_test_nets_bytes test_nets; /* what Caffe takes more if the solver tests */
    sa_layer_table layers;        /* owned; row NULL: not asked for */
    int fit_count;
    sa_fit_row fit[2]; /* with a capacity: what fits in Caffe, and under the smallest lossless suggestion */
    sa_strategy found; /* by the search; owned */
    int suggestion_count;
    sa_suggestion suggestion[SA_SUGGESTIONS_MAX]; /* the presets after Caffe's own layout, in their order; then what a
                                                       budget search found if no lossless one fits */
} sa_explanation;

/* capacity_bytes may be NULL; solver too (SGD). device: for workspace sizes. On success *explanation is owned by the caller. */
SA_CHECKED sa_status sa_explain(const sa_net *net, const size_t *capacity_bytes, const sa_solver_config *solver,
                                const sa_device *device, sa_explanation *explanation);
/* Adds the nets that Caffe holds beside the other if the solver tests; with a solver that does, the verdict counts them. */
void sa_explanation_add_test_nets(sa_explanation *explanation, const sa_test_nets_bytes *test_nets);
/* With a capacity: fills `fit`. */
void sa_explanation_add_fit(sa_explanation *explanation, sa_fit_subject *subject);
void sa_explanation_free(sa_explanation *explanation);

/* The JSON document of `--json`, malloc'd; NULL: out of memory. */
char *sa_explanation_json(const sa_explanation *explanation);
SA_CHECKED sa_status sa_explanation_print(FILE *out, const sa_explanation *explanation);

#endif
