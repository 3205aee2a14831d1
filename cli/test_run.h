/* Evaluating a trained net on the whole of its list: shared by `segarena test` and its tests. */
#ifndef SA_CLI_TEST_RUN_H
#define SA_CLI_TEST_RUN_H

#include "cli/forward.h"
#include "net/step_outputs.h"
#include "report/confusion.h"

typedef struct sa_test_options {
    sa_forward_options forward;
    const char *list; /* NULL: the net's own */
    const char *confusion;
    bool void_given;
    int void_label; /* in place of the net's ignore_label */
    bool json;
    FILE *progress; /* NULL: none */
} sa_test_options;

typedef struct sa_test_result {
    char net[SA_NAME_MAX], list[4096], device[128];
    sa_strategy strategy;
    int32_t batch;
    size_t images;
    sa_confusion confusion;  /* owned; of 0 classes if the net has no class scores */
    sa_step_outputs outputs; /* of the net: losses and accuracies; owned. Their values are means over all images. */
    size_t inference_bytes, measured_bytes, caffe_bytes;
    double seconds; /* wall time, reading the images included */
} sa_test_result;

/* Every entry of the list once, in its order. A last batch with fewer images runs as a batch of its own size. A batch counts in the
 * means of losses and accuracies by its images. *result is the caller's (sa_test_result_free). SA_UNSUPPORTED: the net reads no
 * list, or it has neither class scores nor a loss or accuracy. */
SA_CHECKED sa_status sa_test_run(const sa_test_options *options, sa_test_result *result);
void sa_test_result_free(sa_test_result *result);

#endif
