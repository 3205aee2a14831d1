/* What `segarena story` tells about one net: its plans under several strategies, and the frontier of a budget search. */
#ifndef SA_CLI_STORY_H
#define SA_CLI_STORY_H

#include "cli/op_times.h"

typedef struct sa_story_request {
    const char *strategies; /* "caffe,fastest"; "ladder": every preset */
    bool frontier;          /* the strategies of a budget search too */
    sa_conv_option conv;
    sa_costs_option costs;
    const char *bench_path; /* of `--times`; NULL: none */
} sa_story_request;

/* An element of a page's `nets` (report/timeline.h). Equal plans are in it once. *json is the caller's. */
SA_CHECKED sa_status sa_story_net(const sa_story_request *request, const sa_net *net, sa_device *device, cJSON **json);

#endif
