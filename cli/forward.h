/* Forward passes of a trained net, for `test`, `predict` and `bn-stats`: the options that they share, and one session that serves
 * several shapes of one net (image sizes, a last batch of fewer images) out of one arena. */
#ifndef SA_CLI_FORWARD_H
#define SA_CLI_FORWARD_H

#include "cli/net_options.h"
#include "net/session.h"

#include <limits.h>

typedef struct sa_forward_options {
    sa_cli_net_options net;
    const char *path;        /* of the net's prototxt */
    char net_path[PATH_MAX]; /* of a shipped net */
    const char *weights, *strategy, *conv;
    size_t budget_bytes; /* > 0: the fastest strategy whose arena is at most so large, in place of `strategy` */
    sa_bn_choice bn;
} sa_forward_options;

/* A child of a command's argp: the command sets state->child_inputs to its sa_forward_options at ARGP_KEY_INIT, puts the net's name
 * through sa_forward_take_net at ARGP_KEY_ARG, and calls sa_forward_check_options at ARGP_KEY_END. */
extern const struct argp sa_forward_argp;
void sa_forward_take_net(sa_forward_options *options, const char *argument);
void sa_forward_check_options(struct argp_state *state, sa_forward_options *options);

/* One shape of the net. */
typedef struct sa_forward_net {
    sa_net *net;
    sa_layout layout; /* zeroed while the session has it */
    size_t bytes;     /* of its arena alone */
} sa_forward_net;

typedef struct sa_forward {
    const char *command; /* "test" */
    const sa_forward_options *options;
    sa_device *device;
    sa_strategy strategy;
    bool strategy_chosen;
    int count, current;    /* current: the shape that the session has */
    sa_forward_net *shape; /* (count) */
    sa_session *session;
} sa_forward;

/* Opens the device and reads the strategy's name. forward is the caller's, to be closed in any case. */
SA_CHECKED sa_status sa_forward_open(const char *command, const sa_forward_options *options, sa_forward *forward);
void sa_forward_close(sa_forward *forward);
/* The net options that the command line asks for: the TEST phase, forward only. */
sa_net_options sa_forward_net_options(const sa_forward_options *options);
/* Loads the net in one more shape and plans it. *index may be NULL. */
SA_CHECKED sa_status sa_forward_add(sa_forward *forward, const sa_net_options *options, int *index);
/* Forgets all shapes; before sa_forward_start. */
void sa_forward_drop(sa_forward *forward);
/* Takes the one arena, as large as the largest shape needs, and loads the weights. log: of notes about them; NULL: none. */
SA_CHECKED sa_status sa_forward_start(sa_forward *forward, FILE *log);
/* The session in one of the shapes. */
SA_CHECKED sa_status sa_forward_use(sa_forward *forward, int index);
/* Of the largest shape: what Caffe allocates for it. */
SA_CHECKED sa_status sa_forward_caffe_bytes(const sa_forward *forward, size_t *bytes);
/* "inference takes 84.3 MiB; Caffe takes 3.89 GiB" */
SA_CHECKED sa_status sa_forward_print_bytes(FILE *out, const sa_forward *forward);

#endif
