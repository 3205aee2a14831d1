/* How large a batch, and how large images, fit into a capacity: under Caffe, and under strategies here. Nothing is allocated on a
 * device: every figure is a plan. */
#ifndef SA_CLI_FIT_SEARCH_H
#define SA_CLI_FIT_SEARCH_H

#include "cli/net_options.h"
#include "net/solver_config.h"
#include "net/strategy.h"

enum { SA_FIT_NETS = 16, SA_FIT_PLANS = 32 };

/* What a plan came to, for strategies that come to the same. */
typedef struct sa_fit_plan {
    uint64_t signature; /* of the strategy and the net: sa_strategy_signature */
    bool planned;       /* bytes of a plan, else of the largest load */
    size_t bytes;
} sa_fit_plan;

/* The net at one size, and what strategies come to for it. */
typedef struct sa_fit_net {
    bool images;
    int64_t size;
    sa_net *net; /* owned; NULL: none */
    sa_fit_plan plan[SA_FIT_PLANS];
    int plan_count;
} sa_fit_net;

/* The net whose sizes vary; borrowed but for the nets kept. */
typedef struct sa_fit_subject {
    const char *net_path;
    const sa_cli_net_options *options;
    const sa_solver_config *solver; /* NULL: none */
    const sa_device *device;
    size_t test_nets_bytes;       /* Caffe's, which do not vary */
    int32_t height, width;        /* of the leading input; 0: the net has no images */
    sa_fit_net kept[SA_FIT_NETS]; /* the last sizes that were asked for: sa_fit_forget_nets */
    int next_kept;
} sa_fit_subject;

/* The largest that fits. */
typedef struct sa_fit_answer {
    int64_t largest;    /* a batch, or a number of steps of SA_FIT_ROWS rows; 0: not even the smallest fits */
    size_t total_bytes; /* at that, or of the smallest if none fits */
    char why_not[256];  /* "": there is an answer */
} sa_fit_answer;

enum { SA_FIT_ROWS = 32, SA_FIT_BATCH_MAX = 65536, SA_FIT_STEPS_MAX = 2048 };

/* Sets height and width from the first input of images. */
void sa_fit_find_images(const sa_net *net, sa_fit_subject *subject);

/* The images of k steps: SA_FIT_ROWS * k rows, the width in proportion to the net's own, to the nearest multiple of SA_FIT_ROWS. */
void sa_fit_image(const sa_fit_subject *subject, int64_t steps, int32_t *height, int32_t *width);

void sa_fit_forget_nets(sa_fit_subject *subject);

/* One answer per capacity (count). strategy NULL: Caffe, in GPU mode without cuDNN. guess: (count), what is tried first, say the
 * answer of a similar strategy; 0: nothing. Bytes are taken to grow with the batch, or with the image. */
void sa_fit_batches(sa_fit_subject *subject, const sa_strategy *strategy, int count, const size_t *capacity_bytes,
                    const int64_t *guess, sa_fit_answer *answer);
void sa_fit_images(sa_fit_subject *subject, const sa_strategy *strategy, size_t capacity_bytes, int64_t guess,
                   sa_fit_answer *answer);

#endif
