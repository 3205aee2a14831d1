/* Call counters and fault injection: see faults.h. */
#include "faults.h"

#include "memory.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace simt
{

static const struct {
    const char *name;
    cudaError_t error;
    bool sticky;
} kinds[] = {
#define SIMT_KIND(name, error, sticky) {#name, error, sticky},
    SIMT_CALL_KINDS(SIMT_KIND)
#undef SIMT_KIND
};
static const int kind_count = (int)CallKind::count;

static std::atomic<long> counts[kind_count], total;
static std::atomic<int> stuck; /* a sticky error, once it happened */
static thread_local cudaError_t last;

static int kind_of(const char *name, size_t length)
{
    for (int k = 0; k < kind_count; k++)
        if (strlen(kinds[k].name) == length && !strncmp(kinds[k].name, name, length)) return k;
    return -1;
}

struct Fault {
    int kind = kind_count; /* kind_count: any */
    long number = 0;       /* 0: none */
    bool later_too = false;
};

static Fault parse_fault()
{
    Fault fault;
    const char *text = getenv("SA_SIMT_FAIL");
    if (!text || !*text) return fault;
    const char *colon = strchr(text, ':');
    if (colon && strncmp(text, "any:", 4)) fault.kind = kind_of(text, (size_t)(colon - text));
    fault.number = colon ? atol(colon + 1) : 0;
    fault.later_too = text[strlen(text) - 1] == '+';
    if (fault.kind >= 0 && fault.number >= 1) return fault;
    fprintf(stderr, "SIMT: SA_SIMT_FAIL is KIND:N or KIND:N+ with N >= 1 and KIND any");
    for (const auto &kind : kinds) fprintf(stderr, ", %s", kind.name);
    fprintf(stderr, "; not %s\n", text);
    exit(3);
}

static void report()
{
    const char *path = getenv("SA_SIMT_REPORT");
    FILE *file = !strcmp(path, "-") ? stderr : fopen(path, "w");
    if (!file) return;
    fprintf(file, "{");
    for (int k = 0; k < kind_count; k++) fprintf(file, "\"%s\": %ld, ", kinds[k].name, counts[k].load());
    fprintf(file, "\"total\": %ld, \"device_bytes_left\": %zu}\n", total.load(), simt_device_bytes_in_use());
    if (file != stderr) fclose(file);
}

cudaError_t enter(CallKind call)
{
    static const Fault fault = parse_fault();
    static const bool reporting = getenv("SA_SIMT_REPORT") && !atexit(report);
    (void)reporting;
    int kind = (int)call;
    long number = ++counts[kind], overall = ++total;
    if (stuck) return set_error((cudaError_t)stuck.load());
    if (fault.number == 0 || (fault.kind != kind && fault.kind != kind_count)) return cudaSuccess;
    long this_one = fault.kind == kind ? number : overall;
    if (this_one < fault.number || (this_one > fault.number && !fault.later_too)) return cudaSuccess;
    if (kinds[kind].sticky) stuck = kinds[kind].error;
    return set_error(kinds[kind].error);
}

cudaError_t set_error(cudaError_t error)
{
    if (error) last = error;
    return error;
}

cudaError_t last_error(bool clear)
{
    cudaError_t error = last;
    if (clear) last = cudaSuccess;
    return stuck ? (cudaError_t)stuck.load() : error;
}

} // namespace simt

extern "C" {
long simt_call_count(const char *name)
{
    int kind = simt::kind_of(name, strlen(name));
    return kind < 0 ? -1 : simt::counts[kind].load();
}
int simt_enter(const char *name)
{
    int kind = simt::kind_of(name, strlen(name));
    return kind < 0 ? -1 : simt::enter((simt::CallKind)kind);
}
}
