/* What a card refuses to launch: see limits.h. The numbers are those of the CUDA programming guide's table of compute capabilities;
 * the errors those that the runtime returns. */
#include "limits.h"

#include "engine.h"
#include "faults.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

namespace simt
{

static const Architecture architectures[] = {
    {75, 1024, 64 << 10, 64 << 10},    {80, 2048, 164 << 10, 163 << 10},  {86, 1536, 100 << 10, 99 << 10},
    {87, 1536, 164 << 10, 163 << 10},  {89, 1536, 100 << 10, 99 << 10},   {90, 2048, 228 << 10, 227 << 10},
    {100, 2048, 228 << 10, 227 << 10}, {103, 2048, 228 << 10, 227 << 10}, {110, 1536, 228 << 10, 227 << 10},
    {120, 1536, 100 << 10, 99 << 10},  {121, 1536, 100 << 10, 99 << 10},
};

static const Architecture &architecture(int number)
{
    for (const Architecture &a : architectures)
        if (a.number == number) return a;
    fail("compute capability %d.%d is not in the stand-in's table (tests/simt/limits.cpp)", number / 10, number % 10);
}

static int wanted_card()
{
    static const long number = environment("SA_SIMT_ARCH", 0);
    return number ? architecture((int)number).number : 0;
}

const Architecture &card(int oldest)
{
    return architecture(wanted_card() ? wanted_card() : oldest);
}

/* The code that a card of this capability loads: a cubin of the same major number that is not newer; else PTX that is not newer,
 * which the driver compiles: its limits are then taken from the nearest cubin. Empty: there is none. */
static std::vector<KernelLimits> image_for(int number, const FatBinary &binary, const std::vector<KernelLimits> &all)
{
    const KernelLimits *best = nullptr, *nearest = nullptr;
    for (const KernelLimits &l : all) {
        bool fits = l.architecture / 10 == number / 10 && l.architecture <= number;
        if (fits && (!best || l.architecture > best->architecture)) best = &l;
        if (!nearest || abs(l.architecture - number) < abs(nearest->architecture - number)) nearest = &l;
    }
    bool compiles = std::any_of(binary.ptx.begin(), binary.ptx.end(), [=](int ptx) { return ptx <= number; });
    if (best) return {*best};
    if (!compiles || !nearest) return {};
    KernelLimits compiled = *nearest;
    compiled.architecture = number;
    return {compiled};
}

/* What a launch is checked against. False: no code for the card. */
static bool limits_of(const Function &function, std::vector<KernelLimits> &limits)
{
    limits.clear();
    if (!function.binary) return true;
    auto found = function.binary->kernels.find(function.name);
    if (found != function.binary->kernels.end()) limits = found->second;
    if (wanted_card()) limits = image_for(wanted_card(), *function.binary, limits);
    return !limits.empty();
}

/* Registers are handed out to warps in units of 256, warps in fours. */
static int threads_by_registers(int registers)
{
    int per_warp = (registers + 7) / 8 * 8 * 32, warps = BLOCK_REGISTERS / per_warp / 4 * 4;
    return std::min<int>(warps * 32, BLOCK_THREADS);
}

static unsigned product(const unsigned (&size)[3])
{
    return size[0] * size[1] * size[2];
}

static int64_t dynamic_limit(const Function &function, const KernelLimits &limits)
{
    if (function.max_dynamic_shared_bytes >= 0) return function.max_dynamic_shared_bytes;
    return (int64_t)DEFAULT_SHARED_BYTES - (int64_t)limits.static_shared_bytes;
}

struct Refusal {
    cudaError_t error = cudaSuccess;
    char why[160] = "";
};

__attribute__((format(printf, 2, 3))) static Refusal refusal(cudaError_t error, const char *format, ...)
{
    Refusal r;
    va_list arguments;
    va_start(arguments, format);
    r.error = error;
    vsnprintf(r.why, sizeof r.why, format, arguments);
    va_end(arguments);
    return r;
}

static Refusal refuse_shape(dim3 grid, dim3 block)
{
    uint64_t threads = (uint64_t)block.x * block.y * block.z;
    if (threads < 1 || threads > BLOCK_THREADS || block.x > 1024 || block.y > 1024 || block.z > 64)
        return refusal(cudaErrorInvalidConfiguration, "a block has 1 to 1024 threads, at most 1024 x 1024 x 64");
    if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        return refusal(cudaErrorInvalidConfiguration, "a grid of %u x %u x %u blocks; at most 2147483647 x 65535 x 65535", grid.x,
                       grid.y, grid.z);
    return {};
}

static Refusal refuse_on(const Function &function, const KernelLimits &l, dim3 block, size_t dynamic)
{
    const Architecture &card = architecture(l.architecture);
    unsigned threads = block.x * block.y * block.z, bound = product(l.bound);
    if (product(l.required) && (block.x != l.required[0] || block.y != l.required[1] || block.z != l.required[2]))
        return refusal(cudaErrorInvalidValue, "the kernel requires %u x %u x %u threads", l.required[0], l.required[1],
                       l.required[2]);
    if (bound && threads > bound) return refusal(cudaErrorInvalidValue, "%u threads, launch bound %u", threads, bound);
    if (threads > (unsigned)threads_by_registers(l.registers))
        return refusal(cudaErrorLaunchOutOfResources, "%u threads of %d registers; 65536 registers are enough for %d", threads,
                       l.registers, threads_by_registers(l.registers));
    if (l.parameter_bytes > PARAMETER_BYTES)
        return refusal(cudaErrorInvalidValue, "%zu bytes of parameters; at most %d", l.parameter_bytes, PARAMETER_BYTES);
    if (dynamic > card.opt_in_shared_bytes || l.static_shared_bytes + dynamic > card.opt_in_shared_bytes)
        return refusal(cudaErrorInvalidValue, "%zu + %zu bytes of shared memory; a card has %zu", l.static_shared_bytes, dynamic,
                       card.opt_in_shared_bytes);
    if ((int64_t)dynamic > dynamic_limit(function, l))
        return refusal(cudaErrorInvalidValue,
                       "%zu bytes of dynamic shared memory beside %zu static ones; %lld without opting in to more", dynamic,
                       l.static_shared_bytes, (long long)dynamic_limit(function, l));
    return {};
}

static bool only_report()
{
    static const bool value = [] {
        const char *text = getenv("SA_SIMT_LIMITS");
        return text && !strcmp(text, "report");
    }();
    return value;
}

/* Says it, once per kernel and cause. Returns the error to give back. */
static cudaError_t tell(const Refusal &r, const char *title, const char *where, dim3 grid, dim3 block, bool can_run)
{
    static std::set<std::string> told;
    if (told.insert(std::string(title) + where + r.why).second)
        fprintf(stderr, "SIMT: a card%s refuses %s, grid %ux%ux%u, block %ux%ux%u: %s (error %d)\n", where, title, grid.x, grid.y,
                grid.z, block.x, block.y, block.z, r.why, (int)r.error);
    return only_report() && can_run ? cudaSuccess : set_error(r.error);
}

cudaError_t check_launch(const Function &function, const char *title, dim3 grid, dim3 block, size_t dynamic)
{
    std::vector<KernelLimits> limits;
    if (Refusal r = refuse_shape(grid, block); r.error) return tell(r, title, "", grid, block, false);
    if (!limits_of(function, limits)) {
        const Refusal r = refusal(cudaErrorNoKernelImageForDevice, "the program has no code for it");
        const std::string where = wanted_card() ? " of sm_" + std::to_string(wanted_card()) : "";
        return tell(r, title, where.c_str(), grid, block, true);
    }
    cudaError_t first = cudaSuccess;
    for (const KernelLimits &l : limits) {
        const Refusal r = refuse_on(function, l, block, dynamic);
        if (!r.error) continue;
        cudaError_t error = tell(r, title, (" of sm_" + std::to_string(l.architecture)).c_str(), grid, block, true);
        if (!first) first = error;
    }
    return first;
}

cudaError_t get_attributes(const Function &function, cudaFuncAttributes *attributes)
{
    std::vector<KernelLimits> limits;
    if (!limits_of(function, limits)) return set_error(cudaErrorNoKernelImageForDevice);
    cudaFuncAttributes a = {};
    int64_t dynamic = limits.empty() ? (int64_t)DEFAULT_SHARED_BYTES : INT32_MAX;
    a.maxThreadsPerBlock = BLOCK_THREADS;
    for (const KernelLimits &l : limits) {
        int bound = (int)product(l.bound);
        a.numRegs = std::max(a.numRegs, l.registers);
        a.sharedSizeBytes = std::max(a.sharedSizeBytes, l.static_shared_bytes);
        a.localSizeBytes = std::max(a.localSizeBytes, l.local_bytes);
        a.maxThreadsPerBlock = std::min({a.maxThreadsPerBlock, threads_by_registers(l.registers), bound ? bound : BLOCK_THREADS});
        dynamic = std::min(dynamic, dynamic_limit(function, l));
        a.binaryVersion = l.architecture;
    }
    a.maxDynamicSharedSizeBytes = (int)dynamic;
    *attributes = a;
    return cudaSuccess;
}

cudaError_t set_max_dynamic_shared(Function &function, int bytes)
{
    std::vector<KernelLimits> limits;
    if (bytes < 0) return set_error(cudaErrorInvalidValue);
    if (!limits_of(function, limits)) return set_error(cudaErrorNoKernelImageForDevice);
    for (const KernelLimits &l : limits)
        if ((size_t)bytes + l.static_shared_bytes > architecture(l.architecture).opt_in_shared_bytes)
            return set_error(cudaErrorInvalidValue);
    function.max_dynamic_shared_bytes = bytes;
    return cudaSuccess;
}

} // namespace simt
