/* The benchmark binary of the `old` configuration: `segarena bench` with its net. Run from the project's root, or with SA_NETS set
 * to nets/. */
#include "bench/bench_net.h"

int main(int argc, char **argv)
{
    return sa_bench_net(argc, argv, "old.prototxt");
}
