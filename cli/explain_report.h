/* What `segarena explain` says about a net: Caffe's memory, whether it fits, and what the strategies of this program would take. */
#ifndef SA_CLI_EXPLAIN_REPORT_H
#define SA_CLI_EXPLAIN_REPORT_H

#include "core/device.h"
#include "net/strategy.h"
#include "report/caffe_memory.h"

#include <stdio.h>

enum { SA_SUGGESTIONS_MAX = 32, SA_EXPLAIN_LARGEST = 12 };

typedef struct sa_suggestion {
    char strategy[256]; /* as --strategy takes it */
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
    bool solver_tests; /* a solver file was given, and it tests */
    int test_net_count;
    size_t test_net_bytes, test_net_cpu_bytes; /* what Caffe takes more, for all of them, if the solver tests */
    char test_net_error[512];                  /* why one is not counted; "": all are */
    int suggestion_count;
    sa_suggestion suggestion[SA_SUGGESTIONS_MAX]; /* the presets after Caffe's own layout, in their order; then what a
                                                       budget search found if no lossless one fits */
} sa_explanation;

/* capacity_bytes may be NULL; solver too (SGD). device: for workspace sizes. On success *explanation is owned by the caller. */
SA_CHECKED sa_status sa_explain(const sa_net *net, const size_t *capacity_bytes, const sa_solver_config *solver,
                                const sa_device *device, sa_explanation *explanation);
/* Adds a TEST net, loaded as forward_only, which Caffe holds beside the other if the solver tests. */
SA_CHECKED sa_status sa_explanation_add_test_net(sa_explanation *explanation, const sa_net *test_net);
/* With a solver that tests: the verdict counts what was added. */
void sa_explanation_count_test_nets(sa_explanation *explanation);
void sa_explanation_free(sa_explanation *explanation);

/* The JSON document of `--json`, malloc'd; NULL: out of memory. */
char *sa_explanation_json(const sa_explanation *explanation);
SA_CHECKED sa_status sa_explanation_print(FILE *out, const sa_explanation *explanation);

#endif
