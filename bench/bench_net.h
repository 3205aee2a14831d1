/* What bench_old and bench_new are: `segarena bench` with a fixed net, one of the shipped ones. */
#ifndef SA_BENCH_BENCH_NET_H
#define SA_BENCH_BENCH_NET_H

#include "cli/bench_run.h"
#include "cli/process_frame.h"
#include "cli/shipped_nets.h"
#include "cli/start.h"
#include "core/version.h"

#include <argp.h>

/* Read by argp for --version. */
const char *argp_program_version = "segarena " SA_VERSION;

static inline int sa_bench_net(int argc, char **argv, const char *name)
{
    sa_cli_start(argv);
    char path[PATH_MAX];
    sa_process_begin();
    sa_bench_options options = {0};
    const char *net = sa_cli_shipped_net(name, "", path) ? path : name;
    int status = sa_bench_parse(argc, argv, net, &options);
    return status >= 0 ? status : sa_bench_command(&options);
}

#endif
