/* The SIMT engine: runs one kernel launch on the CPU.
 *
 * Blocks run one after another, or one per OS thread; the threads of a block are fibers that switch only at barriers and
 * warp operations, and one fiber runs many threads as long as none of them has to wait. */
#ifndef SA_SIMT_ENGINE_H
#define SA_SIMT_ENGINE_H

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

struct SimtContext;

namespace simt
{

typedef void (*Call)(void *body, void **arguments);

struct Launch {
    const char *name;
    dim3 grid, block;
    size_t shared_bytes;
    Call call;
    void *body;
    void **arguments;
};

void run_grid(const Launch &launch);
uint64_t launch_count();

/* Prints "SIMT ERROR: ..." with the current kernel, block and thread, and aborts: what happened is a bug in the program. */
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Thread orders, SA_SIMT_ORDER=forward|reverse|random:SEED. */
enum class Order { forward, reverse, random };
Order order();

long environment(const char *name, long fallback);

} // namespace simt
#endif
