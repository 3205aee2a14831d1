/* The nets that Caffe keeps for tests beside the one it trains: what they take. */
#ifndef SA_CLI_TEST_NETS_H
#define SA_CLI_TEST_NETS_H

#include "cli/net_options.h"
#include "net/solver_config.h"

typedef struct sa_test_nets_bytes {
    int count;
    size_t gpu_bytes, cpu_bytes; /* of all: see sa_caffe_test_net_bytes */
    char error[512];             /* why one is not counted; "": all are */
} sa_test_nets_bytes;

/* The TEST nets that the solver asks for. One that asks for none, or NULL: what one with a plain `test_iter` would have. A net that
 * cannot be loaded is not counted. */
void sa_cli_test_nets(const sa_net *trained, const sa_cli_net_options *options, const sa_solver_config *solver,
                      sa_test_nets_bytes *bytes);

#endif
