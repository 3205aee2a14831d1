/* Race, initialisation, bounds and alignment checker for kernels compiled with `g++ -fsanitize=thread -fsanitize=alignment`.
 *
 * The compiler then calls __tsan_read4 and friends on each access; checker.cpp defines these, so no ThreadSanitizer runs.
 * Each byte of device and shared memory has a shadow cell: who wrote it last and who read it last, in terms of launch,
 * block, barrier epoch, warp epoch and thread. Two accesses clash if at least one writes, they belong to one launch, and
 * no barrier lies between them. */
#ifndef SA_SIMT_CHECKER_H
#define SA_SIMT_CHECKER_H

#include <cstddef>
#include <cstdint>
#include <map>

namespace simt
{

class Checker
{
  public:
    bool on = false; /* some loaded kernels are instrumented */
    bool in_kernel = false;
    const char *kernel = "-"; /* for messages */
    unsigned block = 0;       /* linear index of the running block */
    unsigned thread = 0;      /* linear index of the running thread in its block */
    char *stack = nullptr;    /* stack of the running fiber: private memory, not checked */
    char *context = nullptr;  /* the engine's own variables: not checked */

    void add_device(void *begin, size_t bytes, bool initialised);
    void remove(void *begin);
    void set_dynamic_shared(char *begin, size_t bytes); /* bytes 0: none */
    void mark_written(const void *begin, size_t bytes);
    /* Fails if some byte of [begin, begin + bytes) was never written; for library stand-ins. */
    void require_written(const void *begin, size_t bytes, const char *what);
    void add_module(const void *address); /* registers the loaded object that holds address */

    void begin_launch();
    void begin_block();
    void barrier();
    void warp_barrier(unsigned warp);

    [[noreturn]] void misaligned(void *address, unsigned alignment, const char *file, unsigned line, const char *type);
    void access(void *address, unsigned bytes, bool write, bool atomic, void *caller);

  private:
    struct Cell {
        uint64_t write, read;
    };
    struct Range {
        char *begin, *end;
        Cell *cells;
        uint8_t *written; /* nullptr: not tracked (shared memory) */
        bool shared;
    };
    std::map<char *, Range> ranges;
    Range *recent = nullptr;
    unsigned epoch = 0, launch = 0;
    unsigned warp_epoch[32] = {};
    char *module_begin = nullptr, *module_end = nullptr;
    char *dynamic_shared = nullptr;

    void add(char *begin, size_t bytes, bool shared, bool initialised);
    Range *find(char *address);
    uint64_t stamp(bool atomic) const;
    void check_write(Cell &cell, uint64_t mine, bool shared, char *address, unsigned bytes, void *caller);
    void check_read(Cell &cell, uint64_t mine, bool shared, char *address, unsigned bytes, void *caller);
    [[noreturn]] void report(const char *what, char *address, unsigned bytes, uint64_t other, void *caller);
};

extern Checker checker;

} // namespace simt
#endif
