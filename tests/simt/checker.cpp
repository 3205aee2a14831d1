/* Race, initialisation and bounds checker: see checker.h. */
#include "checker.h"

#include "engine.h"
#include "traffic.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace simt
{

Checker checker __attribute__((init_priority(101)));

/* A stamp packs launch:12 block:20 epoch:12 warp_epoch:8 thread:10 atomic:1 used:1, so that one compare of the high bits
 * answers "same launch and block and epoch". */
enum { LAUNCH_AT = 52, BLOCK_AT = 32, EPOCH_AT = 20, WARP_EPOCH_AT = 12, THREAD_AT = 2 };
static const uint64_t several_readers = 0x3ff; /* in place of the thread: more than one reader */

static unsigned field(uint64_t stamp, int shift, unsigned mask)
{
    return (unsigned)(stamp >> shift) & mask;
}

uint64_t Checker::stamp(bool atomic) const
{
    return (uint64_t)launch << LAUNCH_AT | (uint64_t)(block & 0xfffff) << BLOCK_AT | (uint64_t)(epoch & 0xfff) << EPOCH_AT |
           (uint64_t)(warp_epoch[thread / 32 & 31] & 0xff) << WARP_EPOCH_AT | (uint64_t)(thread & 0x3ff) << THREAD_AT |
           (uint64_t)atomic << 1 | 1;
}

/* May two accesses, the earlier one `other` and this one, happen at the same time? */
static bool clash(uint64_t other, uint64_t mine, bool shared)
{
    if (!(other & 1) || other >> LAUNCH_AT != mine >> LAUNCH_AT) return false;
    if ((other & 2) && (mine & 2)) return false; /* both atomic */
    if (field(other, BLOCK_AT, 0xfffff) != field(mine, BLOCK_AT, 0xfffff)) return !shared;
    if (field(other, EPOCH_AT, 0xfff) != field(mine, EPOCH_AT, 0xfff)) return false;
    unsigned a = field(other, THREAD_AT, 0x3ff), b = field(mine, THREAD_AT, 0x3ff);
    if (a == b) return false;
    return a / 32 != b / 32 || field(other, WARP_EPOCH_AT, 0xff) == field(mine, WARP_EPOCH_AT, 0xff);
}

static void *map_zeroed(size_t bytes)
{
    void *p = mmap(nullptr, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) fail("no memory for the checker's shadow of %zu bytes", bytes);
    return p;
}

void Checker::add(char *begin, size_t bytes, bool shared, bool initialised)
{
    Range range = {begin, begin + bytes, (Cell *)map_zeroed(bytes * sizeof(Cell)), nullptr, shared};
    if (!shared) {
        range.written = (uint8_t *)map_zeroed(bytes);
        if (initialised) memset(range.written, 1, bytes);
    }
    ranges[begin] = range;
    recent = nullptr;
}

void Checker::add_device(void *begin, size_t bytes, bool initialised)
{
    if (on) add((char *)begin, bytes, false, initialised);
}

void Checker::remove(void *begin)
{
    auto found = ranges.find((char *)begin);
    if (found == ranges.end()) return;
    size_t bytes = (size_t)(found->second.end - found->second.begin);
    munmap(found->second.cells, bytes * sizeof(Cell) + 1);
    if (found->second.written) munmap(found->second.written, bytes + 1);
    ranges.erase(found);
    recent = nullptr;
}

void Checker::set_dynamic_shared(char *begin, size_t bytes)
{
    if (!on) return;
    if (dynamic_shared) remove(dynamic_shared);
    dynamic_shared = bytes ? begin : nullptr;
    if (bytes) add(begin, bytes, true, false);
}

void Checker::mark_written(const void *begin, size_t bytes)
{
    if (!on) return;
    Range *range = find((char *)begin);
    if (range && range->written) memset(range->written + ((char *)begin - range->begin), 1, bytes);
}

void Checker::require_written(const void *begin, size_t bytes, const char *what)
{
    if (!on) return;
    Range *range = find((char *)begin);
    if (!range) fail("%s: %p is not device memory", what, begin);
    if ((char *)begin + bytes > range->end) fail("%s: %zu bytes at %p reach past the end of an allocation", what, bytes, begin);
    for (size_t i = 0; range->written && i < bytes; i++)
        if (!range->written[(char *)begin - range->begin + (ptrdiff_t)i])
            fail("%s reads uninitialised device memory, byte %zu of %zu", what, i, bytes);
}

void Checker::begin_launch()
{
    count_launch(kernel);
    launch = (launch + 1) & 0xfff;
    if (on && launch == 0) { /* the launch number wrapped: old stamps must not look new */
        for (auto &entry : ranges)
            memset((void *)entry.second.cells, 0, (size_t)(entry.second.end - entry.second.begin) * sizeof(Cell));
    }
    block = epoch = 0;
}

void Checker::begin_block()
{
    end_traffic_epoch(); /* of the block before */
    epoch = 0;
    memset(warp_epoch, 0, sizeof warp_epoch);
}

void Checker::barrier()
{
    end_traffic_epoch();
    epoch++;
}

void Checker::warp_barrier(unsigned warp)
{
    warp_epoch[warp & 31]++;
}

Checker::Range *Checker::find(char *address)
{
    if (recent && address >= recent->begin && address < recent->end) return recent;
    auto next = ranges.upper_bound(address);
    if (next == ranges.begin()) return nullptr;
    --next;
    if (address >= next->second.end) return nullptr;
    return recent = &next->second;
}

void Checker::check_write(Cell &cell, uint64_t mine, bool shared, char *address, unsigned bytes, void *caller)
{
    if (clash(cell.write, mine, shared)) report("race: write after write", address, bytes, cell.write, caller);
    if (clash(cell.read, mine, shared)) report("race: write after read", address, bytes, cell.read, caller);
    cell.write = mine;
}

void Checker::check_read(Cell &cell, uint64_t mine, bool shared, char *address, unsigned bytes, void *caller)
{
    if (clash(cell.write, mine, shared)) report("race: read after write", address, bytes, cell.write, caller);
    bool same_epoch = (cell.read & 1) && cell.read >> WARP_EPOCH_AT == mine >> WARP_EPOCH_AT;
    bool same_block_epoch = (cell.read & 1) && cell.read >> EPOCH_AT == mine >> EPOCH_AT;
    if (same_epoch && cell.read != mine) cell.read = mine | several_readers << THREAD_AT;
    else if (!(same_block_epoch && field(cell.read, THREAD_AT, 0x3ff) == several_readers)) cell.read = mine;
}

void Checker::access(void *pointer, unsigned bytes, bool write, bool atomic, void *caller)
{
    const size_t stack_bytes = 256 << 10, context_bytes = 80;
    char *address = (char *)pointer;
    if (address >= stack && address < stack + stack_bytes) return;
    if (address >= context && address < context + context_bytes) return;
    Range *range = find(address);
    if (!range) {
        if (address >= module_begin && address < module_end && !write) return; /* constants */
        report(write ? "write outside device memory" : "read outside device memory", address, bytes, 0, caller);
    }
    if (address + bytes > range->end) report("access across the end of an allocation", address, bytes, 0, caller);
    if (counts_traffic()) note_access(thread, caller, address, bytes, range->shared);
    uint64_t mine = stamp(atomic);
    for (unsigned i = 0; i < bytes; i++) {
        size_t index = (size_t)(address - range->begin) + i;
        if (write || atomic) {
            check_write(range->cells[index], mine, range->shared, address + i, bytes, caller);
            if (range->written) range->written[index] = 1;
        } else {
            check_read(range->cells[index], mine, range->shared, address + i, bytes, caller);
            if (range->written && !range->written[index])
                report("read of uninitialised device memory", address + i, bytes, 0, caller);
        }
    }
}

void Checker::report(const char *what, char *address, unsigned bytes, uint64_t other, void *caller)
{
    char source[600] = "?", near[160] = "no allocation below", clashing[100] = "";
    Dl_info object;
    if (dladdr(caller, &object) && object.dli_fname) {
        char command[800];
        snprintf(command, sizeof command, "addr2line -s -e %s 0x%zx 2>/dev/null", object.dli_fname,
                 (size_t)((char *)caller - 1 - (char *)object.dli_fbase));
        FILE *pipe = popen(command, "r");
        if (pipe && fgets(source, sizeof source, pipe)) source[strcspn(source, "\n")] = 0;
        if (pipe) pclose(pipe);
    }
    auto next = ranges.upper_bound(address);
    if (next != ranges.begin()) {
        const Range &range = (--next)->second;
        snprintf(near, sizeof near, "%zd bytes from the start of %s memory of %zd bytes", address - range.begin,
                 range.shared ? "shared" : "device", range.end - range.begin);
    }
    if (other)
        snprintf(clashing, sizeof clashing, "; the other access: block %u thread %u", field(other, BLOCK_AT, 0xfffff),
                 field(other, THREAD_AT, 0x3ff));
    fail("%s, %u bytes at %p (%s) at %s%s", what, bytes, (void *)address, near, source, clashing);
}

void Checker::misaligned(void *address, unsigned alignment, const char *file, unsigned line, const char *type)
{
    fail("misaligned address %p, %s wants a multiple of %u, at %s:%u (a card: error 716)", address, type, alignment, file, line);
}

struct LoadedObject {
    const char *address; /* in: somewhere inside */
    char *begin, *end;
    std::vector<std::pair<char *, size_t>> writable;
};

static int visit_object(struct dl_phdr_info *info, size_t, void *pointer)
{
    LoadedObject *object = (LoadedObject *)pointer;
    char *begin = (char *)-1, *end = nullptr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
        char *segment = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (segment < begin) begin = segment;
        if (segment + info->dlpi_phdr[i].p_memsz > end) end = segment + info->dlpi_phdr[i].p_memsz;
    }
    if (object->address < begin || object->address >= end) return 0;
    object->begin = begin;
    object->end = end;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto &header = info->dlpi_phdr[i];
        if (header.p_type == PT_LOAD && (header.p_flags & PF_W))
            object->writable.push_back({(char *)info->dlpi_addr + header.p_vaddr, header.p_memsz});
    }
    return 1;
}

/* The writable segments of a kernel object hold its __shared__ variables: kernels have no other globals. */
void Checker::add_module(const void *address)
{
    LoadedObject object = {(const char *)address, nullptr, nullptr, {}};
    on = true;
    if (!dl_iterate_phdr(visit_object, &object)) return;
    module_begin = object.begin;
    module_end = object.end;
    for (auto &segment : object.writable) add(segment.first, segment.second, true, false);
}

} // namespace simt

/* What g++ -fsanitize=thread calls. */
#define CALLER __builtin_return_address(0)
#define SIMT_ACCESS(pointer, bytes, write) \
    if (simt::checker.in_kernel) simt::checker.access(pointer, bytes, write, false, CALLER)
#define SIMT_TSAN(n)                        \
    void __tsan_read##n(void *p)            \
    {                                       \
        SIMT_ACCESS(p, n, false);           \
    }                                       \
    void __tsan_write##n(void *p)           \
    {                                       \
        SIMT_ACCESS(p, n, true);            \
    }                                       \
    void __tsan_unaligned_read##n(void *p)  \
    {                                       \
        SIMT_ACCESS(p, n, false);           \
    }                                       \
    void __tsan_unaligned_write##n(void *p) \
    {                                       \
        SIMT_ACCESS(p, n, true);            \
    }
extern "C" {
SIMT_TSAN(1)
SIMT_TSAN(2)
SIMT_TSAN(4)
SIMT_TSAN(8)
SIMT_TSAN(16)
void __tsan_read_range(void *p, size_t n)
{
    if (n) SIMT_ACCESS(p, (unsigned)n, false);
}
void __tsan_write_range(void *p, size_t n)
{
    if (n) SIMT_ACCESS(p, (unsigned)n, true);
}
void __tsan_init(void)
{
    simt::checker.add_module(CALLER);
}
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void *, void *) {}
void __tsan_vptr_read(void *) {}

/* What g++ -fsanitize=alignment calls before an access through a pointer that its type does not allow. */
struct AlignmentFacts {
    const char *file;
    unsigned line, column;
    const struct {
        unsigned short kind, info;
        char name[1];
    } * type;
    unsigned char log2_alignment, access;
};
void __ubsan_handle_type_mismatch_v1(AlignmentFacts *facts, void *address)
{
    if (simt::checker.in_kernel)
        simt::checker.misaligned(address, 1u << facts->log2_alignment, facts->file, facts->line, facts->type->name);
}
}
