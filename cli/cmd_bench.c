/* `segarena bench NET.prototxt`. */
#include "cli/bench_run.h"
#include "cli/commands.h"

int sa_cmd_bench(int argc, char **argv)
{
    sa_bench_options options = {0};
    int status = sa_bench_parse(argc, argv, NULL, &options);
    return status >= 0 ? status : sa_bench_command(&options);
}
