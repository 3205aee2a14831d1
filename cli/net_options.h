/* The options that say which net, on which device: shared by every command that plans a net (explain, plan, bench). */
#ifndef SA_CLI_NET_OPTIONS_H
#define SA_CLI_NET_OPTIONS_H

#include "core/device.h"
#include "net/net.h"

#include <argp.h>
#include <stdio.h>

enum { SA_CLI_INPUTS_MAX = 32, SA_CLI_TREATED_MAX = 16 };

typedef struct sa_cli_net_options {
    const char *device; /* as sa_device_open takes it */
    int threads;        /* 0: all cores */
    int batch;          /* 0: the net's own */
    int height, width;  /* 0: the net's own */
    const char *data_root;
    sa_input_shape input[SA_CLI_INPUTS_MAX];
    int input_count;
    bool phase_given;
    bool test_phase; /* the TEST phase, which has a forward pass alone */
    bool predicts;   /* ... and of it what makes the class scores, BN layers by what is stored: as `predict --bn stored` runs it */
    sa_treated_type treat[SA_CLI_TREATED_MAX];
    int treat_count;
    sa_unsupported_list *unsupported;  /* not an option: NULL, or where to put what cannot be taken */
    bool sizes_alone;                  /* not an option: nothing runs, so cuda needs no card */
    const struct sa_state_spec *state; /* not an option: a solver's, see sa_net_options; NULL: none */
} sa_cli_net_options;

/* A child of a command's argp: the command sets state->child_inputs to its sa_cli_net_options at ARGP_KEY_INIT. */
extern const struct argp sa_cli_net_argp;

/* Opens the device and loads the net; both are the caller's. What had to be assumed is said, together with the remedy: on stderr,
 * and in the message of a failure that comes of it. *assumed may be NULL; it is set on failure too. */
SA_CHECKED sa_status sa_cli_net_open(const char *command, const char *path, const sa_cli_net_options *options, bool *assumed,
                                     sa_device **device, sa_net **net);
/* Loads the net alone, for sizes that vary; *net is the caller's. */
SA_CHECKED sa_status sa_cli_net_load(const char *path, const sa_cli_net_options *options, sa_net **net);
/* A net that only tests, in the state of `test`, with the same options; *net is the caller's. */
SA_CHECKED sa_status sa_cli_test_net_load(const char *path, const sa_cli_net_options *options, const struct sa_state_spec *test,
                                          sa_net **net);
/* HEIGHTxWIDTH of --size, or the error. */
void sa_cli_parse_size(struct argp_state *state, const char *text, int *height, int *width);
/* A note if `threads` is more than the device has cores. It is allowed, so that a plan for another machine can be made. */
void sa_cli_note_threads(const char *command, const sa_device *device, int threads);
/* The line above all output about a net with assumed sizes, or nothing. */
void sa_cli_print_assumed(FILE *out, const sa_net *net);

#endif
