/* What sa_launch lets through, checked by the compiler: kernels whose type says how many threads a block has, and no others. */
#ifndef SA_SIMT_SELFTEST_LAUNCH_TYPES_CUH
#define SA_SIMT_SELFTEST_LAUNCH_TYPES_CUH

#include "kernels/cuda/launch.cuh"

#include <type_traits>
#include <utility>

template <class Kernel, class = void> struct LaunchedWithoutBlock : std::false_type {
};
template <class Kernel>
struct LaunchedWithoutBlock<
    Kernel, std::void_t<decltype(sa_launch(std::declval<Kernel>(), dim3(1), (size_t)0, (cudaStream_t) nullptr, (float *)nullptr))>>
    : std::true_type {
};
template <class Kernel, class = void> struct LaunchedWithBlock : std::false_type {
};
template <class Kernel>
struct LaunchedWithBlock<Kernel, std::void_t<decltype(sa_launch(std::declval<Kernel>(), dim3(1), dim3(512), (size_t)0,
                                                                (cudaStream_t) nullptr, (float *)nullptr))>> : std::true_type {
};

static_assert(LaunchedWithoutBlock<void (*)(sa_block<128, 4>, float *)>::value, "the block is the kernel's own");
static_assert(!LaunchedWithoutBlock<void (*)(float *)>::value, "a kernel that SA_KERNEL did not declare");
static_assert(!LaunchedWithBlock<void (*)(sa_block<128, 4>, float *)>::value, "a block that is not the kernel's own");

#endif
