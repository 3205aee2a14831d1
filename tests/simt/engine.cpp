/* The SIMT engine: fibers, barriers, warp operations, blocks and grids. See engine.h. */
#define SA_SIMT_FAST
#include "simt.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

#include "checker.h"
#include "engine.h"
#include "traffic.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <thread>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define SIMT_ASAN(...) __VA_ARGS__
#else
#define SIMT_ASAN(...)
#endif

extern "C" {
__thread SimtContext simt_context;
}

namespace simt
{

long environment(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text && *text ? atol(text) : fallback;
}

static uint64_t order_seed;
Order order()
{
    static const Order chosen = [] {
        const char *text = getenv("SA_SIMT_ORDER");
        if (!text || !strcmp(text, "forward")) return Order::forward;
        if (!strcmp(text, "reverse")) return Order::reverse;
        if (strncmp(text, "random", 6)) {
            fprintf(stderr, "SIMT: SA_SIMT_ORDER is forward, reverse or random:SEED, not %s\n", text);
            exit(3);
        }
        order_seed = text[6] == ':' ? strtoull(text + 7, nullptr, 10) : 1;
        return Order::random;
    }();
    return chosen;
}

void fail(const char *format, ...)
{
    const SimtContext &c = simt_context;
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "SIMT ERROR: ");
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " [kernel %s block (%u,%u,%u) thread (%u,%u,%u)]\n", checker.kernel, c.block.x, c.block.y, c.block.z,
            c.thread.x, c.thread.y, c.thread.z);
    abort();
}

/* Saves the callee-saved registers and the stack pointer in *save and continues at `to`. */
asm(R"(
.text
.globl simt_switch
.hidden simt_switch
.type simt_switch,@function
simt_switch:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  mov %rsp,(%rdi)
  mov %rsi,%rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  ret
.size simt_switch,.-simt_switch
)");
extern "C" void simt_switch(void **save, void *to);

static const size_t stack_bytes = 256 << 10;

struct Fiber {
    void *stack_pointer;
    char *stack;
    uint3 thread;
    unsigned linear;
    uint64_t result; /* of the warp operation it waited for */
    int line;        /* where it waits */
    void *fake_stack;
};

/* Lanes of one warp that have come to one warp operation. */
struct Rendezvous {
    unsigned mask, arrived;
    int op, line;
    uint64_t value[32];
    unsigned argument[32];
    int width[32];
    Fiber *fiber[32];
};

/* Runs the blocks of a grid on one OS thread. */
class Worker
{
  public:
    void run_block(const Launch &launch, const SimtContext &context);
    void arrive_at_barrier(int line);
    int reduce_at_barrier(int predicate, int reduce, int line);
    uint64_t arrive_at_warp(int op, unsigned mask, uint64_t value, unsigned argument, int width, int line);
    void set_threads(unsigned count, uint64_t block);

  private:
    const Launch *launch = nullptr;
    void *main_stack_pointer = nullptr;
    std::vector<Fiber *> idle, ready, waiting;
    Fiber *current = nullptr;
    unsigned threads = 0, started = 0, finished = 0;
    std::vector<unsigned> thread_order;
    std::vector<unsigned> exited; /* a mask of lanes for each warp */
    std::vector<std::vector<Rendezvous>> warps;
    int reduce_value = 0, reduce_arrived = 0;
    uint64_t random_state = 88172645463325252ull;
    SIMT_ASAN(void *main_fake = nullptr; const void *main_bottom = nullptr; size_t main_size = 0;)

    static void fiber_main();
    uint64_t random();
    Fiber *take_fiber();
    void switch_to_main();
    void switch_to(Fiber *fiber);
    unsigned real_lanes(unsigned warp) const;
    void release_block();
    void release_warp(unsigned warp, size_t index);
    void release_complete(unsigned warp);
    void exit_thread(unsigned linear);
    [[noreturn]] void report_deadlock();
};

static thread_local Worker *worker;

uint64_t Worker::random()
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

void Worker::switch_to_main()
{
    Fiber *fiber = current;
    SIMT_ASAN(__sanitizer_start_switch_fiber(&fiber->fake_stack, main_bottom, main_size);)
    simt_switch(&fiber->stack_pointer, main_stack_pointer);
    SIMT_ASAN(__sanitizer_finish_switch_fiber(fiber->fake_stack, nullptr, nullptr);)
    simt_context.thread = fiber->thread;
    checker.thread = fiber->linear;
    checker.stack = fiber->stack;
}

void Worker::switch_to(Fiber *fiber)
{
    current = fiber;
    SIMT_ASAN(__sanitizer_start_switch_fiber(&main_fake, fiber->stack, stack_bytes);)
    simt_switch(&main_stack_pointer, fiber->stack_pointer);
    SIMT_ASAN(__sanitizer_finish_switch_fiber(main_fake, nullptr, nullptr);)
}

Fiber *Worker::take_fiber()
{
    Fiber *fiber;
    if (!idle.empty()) {
        fiber = idle.back();
        idle.pop_back();
    } else {
        const size_t guard = 4096;
        char *map =
            (char *)mmap(nullptr, stack_bytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED) fail("no memory for a fiber's stack");
        mprotect(map, guard, PROT_NONE);
        fiber = new Fiber();
        fiber->stack = map + guard;
    }
    /* what simt_switch pops: six registers, then the address to return to */
    void **top = (void **)(fiber->stack + stack_bytes - 64);
    for (int i = 0; i < 6; i++) top[i] = nullptr;
    top[6] = (void *)fiber_main;
    top[7] = nullptr;
    fiber->stack_pointer = top;
    fiber->fake_stack = nullptr;
    return fiber;
}

void Worker::fiber_main()
{
    Worker *w = worker;
    SIMT_ASAN(__sanitizer_finish_switch_fiber(nullptr, &w->main_bottom, &w->main_size);)
    Fiber *fiber = w->current;
    while (w->started < w->threads) {
        unsigned i = w->thread_order[w->started++];
        const uint3 &dim = simt_context.block_dim;
        fiber->linear = i;
        fiber->thread = {i % dim.x, i / dim.x % dim.y, i / (dim.x * dim.y)};
        simt_context.thread = fiber->thread;
        checker.thread = i;
        checker.stack = fiber->stack;
        w->launch->call(w->launch->body, w->launch->arguments);
        w->exit_thread(i);
        if (!w->ready.empty()) break;
    }
    w->idle.push_back(fiber);
    SIMT_ASAN(__sanitizer_start_switch_fiber(nullptr, w->main_bottom, w->main_size);)
    void *never_resumed;
    simt_switch(&never_resumed, w->main_stack_pointer);
    abort();
}

unsigned Worker::real_lanes(unsigned warp) const
{
    unsigned left = threads - warp * 32;
    return left >= 32 ? ~0u : (1u << left) - 1;
}

void Worker::set_threads(unsigned count, uint64_t block)
{
    thread_order.resize(count);
    for (unsigned i = 0; i < count; i++) thread_order[i] = order() == Order::reverse ? count - 1 - i : i;
    if (order() != Order::random) return;
    random_state = 88172645463325252ull + order_seed * 1000003 + block;
    for (unsigned i = count; i > 1; i--) std::swap(thread_order[i - 1], thread_order[random() % i]);
}

void Worker::run_block(const Launch &what, const SimtContext &context)
{
    launch = &what;
    simt_context = context;
    threads = context.block_dim.x * context.block_dim.y * context.block_dim.z;
    started = finished = 0;
    reduce_arrived = 0;
    ready.clear();
    waiting.clear();
    unsigned warp_count = (threads + 31) / 32;
    warps.resize(warp_count);
    exited.assign(warp_count, 0);
    for (unsigned w = 0; w < warp_count; w++) {
        warps[w].clear();
        exited[w] = ~real_lanes(w);
    }
    checker.begin_block();
    while (finished < threads) {
        if (!ready.empty()) {
            Fiber *fiber = ready.back();
            ready.pop_back();
            simt_context.thread = fiber->thread;
            switch_to(fiber);
        } else if (started < threads) {
            switch_to(take_fiber());
        } else {
            report_deadlock();
        }
    }
}

void Worker::report_deadlock()
{
    for (unsigned w = 0; w < warps.size(); w++) {
        if (warps[w].empty()) continue;
        const Rendezvous &r = warps[w][0];
        simt_context.thread = r.fiber[__builtin_ctz(r.arrived)]->thread;
        fail("deadlock: warp %u waits at line %d, mask %08x, arrived %08x", w, r.line, r.mask, r.arrived);
    }
    simt_context.thread = waiting[0]->thread;
    fail("deadlock: %zu of %u threads wait at __syncthreads line %d, the others have exited (divergent barrier)", waiting.size(),
         threads, waiting[0]->line);
}

void Worker::release_block()
{
    std::swap(ready, waiting);
    waiting.clear();
    /* ready is a stack */
    if (order() == Order::forward) std::reverse(ready.begin(), ready.end());
    if (order() == Order::random)
        for (size_t i = ready.size(); i > 1; i--) std::swap(ready[i - 1], ready[random() % i]);
    checker.barrier();
}

void Worker::arrive_at_barrier(int line)
{
    current->line = line;
    if (!waiting.empty() && waiting[0]->line != line)
        fail("threads wait at different __syncthreads: lines %d and %d", abs(waiting[0]->line), abs(line));
    waiting.push_back(current);
    if (waiting.size() == threads) release_block();
    switch_to_main();
}

int Worker::reduce_at_barrier(int predicate, int reduce, int line)
{
    if (reduce_arrived++ == 0) reduce_value = reduce == SIMT_AND;
    switch (reduce) {
    case SIMT_COUNT: reduce_value += predicate != 0; break;
    case SIMT_OR: reduce_value |= predicate != 0; break;
    default: reduce_value &= predicate != 0;
    }
    arrive_at_barrier(line);
    int result = reduce_value;
    reduce_arrived = 0;
    arrive_at_barrier(-line); /* nobody starts the next reduction before all have read this one */
    return result;
}

void Worker::release_warp(unsigned warp, size_t index)
{
    const Rendezvous r = warps[warp][index];
    warps[warp].erase(warps[warp].begin() + (ptrdiff_t)index);
    checker.warp_barrier(warp);
    uint64_t ballot = 0;
    for (int l = 0; l < 32; l++)
        if (r.arrived >> l & 1) ballot |= (r.value[l] & 1) << l;
    for (int l = 0; l < 32; l++) {
        if (!(r.arrived >> l & 1)) continue;
        int width = r.width[l], base = l / width * width, source = l;
        uint64_t result = 0;
        switch (r.op) {
        case SIMT_INDEX: source = base + (int)(r.argument[l] % (unsigned)width); break;
        case SIMT_UP: source = l - (int)r.argument[l] < base ? l : l - (int)r.argument[l]; break;
        case SIMT_DOWN: source = l + (int)r.argument[l] >= base + width ? l : l + (int)r.argument[l]; break;
        case SIMT_XOR: source = (l ^ (int)r.argument[l]) >= base + width ? l : l ^ (int)r.argument[l]; break;
        case SIMT_BALLOT: result = ballot; break;
        case SIMT_ANY: result = ballot != 0; break;
        case SIMT_ALL: result = ballot == r.arrived; break;
        }
        if (r.op >= SIMT_INDEX && r.op <= SIMT_XOR) /* a lane that takes no part gives a value that shows */
            result = r.arrived >> source & 1 ? r.value[source] : 0x7fc0dead7fc0deadull;
        r.fiber[l]->result = result;
        ready.push_back(r.fiber[l]);
    }
}

void Worker::release_complete(unsigned warp)
{
    for (size_t i = 0; i < warps[warp].size(); i++) {
        const Rendezvous &r = warps[warp][i];
        if (r.arrived != (r.mask & ~exited[warp])) continue;
        if (r.mask & exited[warp] & real_lanes(warp))
            fail("warp operation at line %d: mask %08x names lanes that have exited", r.line, r.mask);
        release_warp(warp, i);
        return;
    }
}

void Worker::exit_thread(unsigned linear)
{
    unsigned warp = linear / 32;
    exited[warp] |= 1u << linear % 32;
    finished++;
    if (!warps[warp].empty()) release_complete(warp);
}

uint64_t Worker::arrive_at_warp(int op, unsigned mask, uint64_t value, unsigned argument, int width, int line)
{
    Fiber *fiber = current;
    unsigned warp = fiber->linear / 32, lane = fiber->linear % 32;
    if (!(mask >> lane & 1)) fail("warp operation at line %d: calling lane %u is not in mask %08x", line, lane, mask);
    auto &open = warps[warp];
    size_t k = 0;
    while (k < open.size() && !(open[k].mask & mask)) k++;
    if (k == open.size()) {
        open.push_back(Rendezvous());
        open[k].mask = mask;
        open[k].arrived = 0;
        open[k].op = op;
        open[k].line = line;
    }
    Rendezvous &r = open[k];
    if (r.mask != mask || r.op != op || r.line != line)
        fail("lanes of a warp meet at different operations: line %d mask %08x and line %d mask %08x", r.line, r.mask, line, mask);
    r.arrived |= 1u << lane;
    r.value[lane] = value;
    r.argument[lane] = argument;
    r.width[lane] = width;
    r.fiber[lane] = fiber;
    release_complete(warp);
    switch_to_main();
    return fiber->result;
}

/* ------------------------------------------------------------------ grids ------------------------------------------ */

static std::vector<std::pair<char *, char *>> &shared_sections()
{
    static std::vector<std::pair<char *, char *>> sections;
    return sections;
}

/* Fresh shared memory holds NaN patterns; ASan's red zones between variables are overwritten too, hence no instrumentation. */
__attribute__((no_sanitize("address"))) static void poison(char *begin, char *end)
{
    for (volatile char *p = begin; p < end; p++) *p = (char)0xff;
}

static void run_blocks(Worker *own, const Launch &launch, std::atomic<uint64_t> &next, uint64_t blocks)
{
    worker = own;
    static const bool poison_shared = environment("SA_SIMT_POISON", 1) != 0;
    /* a multiple of 16 bytes and of nothing more, as behind static variables */
    char *memory = launch.shared_bytes ? (char *)aligned_alloc(256, (launch.shared_bytes + 16 + 255) & ~(size_t)255) : nullptr;
    char *dynamic = memory ? memory + 16 : nullptr;
    checker.set_dynamic_shared(dynamic, launch.shared_bytes);
    unsigned threads = launch.block.x * launch.block.y * launch.block.z;
    worker->set_threads(threads, 0);
    for (uint64_t k; (k = next++) < blocks;) {
        uint64_t b = order() == Order::reverse ? blocks - 1 - k : k;
        if (order() == Order::random) worker->set_threads(threads, b);
        if (poison_shared) {
            for (auto &section : shared_sections()) poison(section.first, section.second);
            if (dynamic) memset(dynamic, 0xff, launch.shared_bytes);
        }
        uint3 block = {(unsigned)(b % launch.grid.x), (unsigned)(b / launch.grid.x % launch.grid.y),
                       (unsigned)(b / ((uint64_t)launch.grid.x * launch.grid.y))};
        checker.block = (unsigned)b;
        worker->run_block(launch, {{0, 0, 0},
                                   block,
                                   {launch.block.x, launch.block.y, launch.block.z},
                                   {launch.grid.x, launch.grid.y, launch.grid.z},
                                   dynamic});
    }
    checker.set_dynamic_shared(nullptr, 0);
    free(memory);
}

static uint64_t launches;
uint64_t launch_count()
{
    return launches;
}

void run_grid(const Launch &launch)
{
    static const long wanted = environment("SA_SIMT_THREADS", 1);
    uint64_t blocks = (uint64_t)launch.grid.x * launch.grid.y * launch.grid.z;
    static std::vector<Worker *> pool; /* kept: a worker owns its fibers' stacks */
    uint64_t workers = checker.on ? 1 : std::min<uint64_t>((uint64_t)wanted, blocks);
    std::atomic<uint64_t> next{0};
    launches++;
    checker.kernel = launch.name;
    checker.context = (char *)&simt_context;
    checker.begin_launch();
    checker.in_kernel = true;
    while (pool.size() < std::max<uint64_t>(workers, 1)) pool.push_back(new Worker());
    if (workers <= 1) {
        run_blocks(pool[0], launch, next, blocks);
    } else {
        std::vector<std::thread> threads;
        for (uint64_t i = 0; i < workers; i++) threads.emplace_back([&, i] { run_blocks(pool[i], launch, next, blocks); });
        for (auto &thread : threads) thread.join();
    }
    checker.in_kernel = false;
    end_traffic_epoch();
}

} // namespace simt

extern "C" {
void simt_register_shared(char *begin, char *end)
{
    auto &sections = simt::shared_sections();
    if (begin && begin != end && std::none_of(sections.begin(), sections.end(), [=](auto &s) { return s.first == begin; }))
        sections.push_back({begin, end});
}
void simt_syncthreads(int line)
{
    simt::worker->arrive_at_barrier(line);
}
int simt_syncthreads_reduce(int predicate, int reduce, int line)
{
    return simt::worker->reduce_at_barrier(predicate, reduce, line);
}
unsigned long long simt_warp(int op, unsigned mask, unsigned long long value, unsigned argument, int width, int line)
{
    return simt::worker->arrive_at_warp(op, mask, value, argument, width, line);
}
}
