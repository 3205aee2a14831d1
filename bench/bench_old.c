/* The benchmark binary of the `old` configuration: `segarena bench` with its net. Installed as segarena-bench-old. */
#include "bench/bench_net.h"

int main(int argc, char **argv)
{
    return sa_bench_net(argc, argv, "old");
}
