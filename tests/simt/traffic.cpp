/* Counts sectors and bank conflicts: see traffic.h. */
#include "traffic.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace simt
{

struct Lane {
    uint64_t address;
    unsigned lane, bytes;
};
struct Count {
    long requests = 0;
    long units = 0; /* sectors or passes */
    long best = 0;
};
struct KernelTraffic {
    long launches = 0;
    Count total[2];                                        /* global, shared */
    std::map<std::pair<const void *, bool>, Count> places; /* by place and kind */
};
typedef std::tuple<unsigned, const void *, unsigned> Request; /* warp, place, nth time */

static std::map<std::string, KernelTraffic> &all_kernels()
{
    static auto *kernels = new std::map<std::string, KernelTraffic>; /* never destroyed: printed when the process ends */
    return *kernels;
}
static std::map<std::pair<unsigned, const void *>, unsigned> times; /* by thread and place */
static std::map<Request, std::vector<Lane>> requests[2];
static KernelTraffic *current;

static long distinct(std::vector<uint64_t> &values)
{
    std::sort(values.begin(), values.end());
    return std::unique(values.begin(), values.end()) - values.begin();
}

static Count global_request(const std::vector<Lane> &lanes)
{
    std::vector<uint64_t> sectors, words;
    for (const Lane &l : lanes)
        for (uint64_t a = l.address / 4; a <= (l.address + l.bytes - 1) / 4; a++) {
            words.push_back(a);
            sectors.push_back(a / 8);
        }
    return {1, distinct(sectors), (distinct(words) + 7) / 8};
}

/* 32 lanes of 4 bytes or less at a time, 16 of 8 bytes, 8 of 16 bytes. */
static Count shared_request(const std::vector<Lane> &lanes)
{
    unsigned bytes = 4;
    for (const Lane &l : lanes) bytes = std::max(bytes, l.bytes);
    unsigned at_once = std::max(1u, 128 / bytes);
    Count count = {1, 0, 0};
    for (unsigned first = 0; first < 32; first += at_once) {
        std::vector<uint64_t> words;
        for (const Lane &l : lanes)
            if (l.lane >= first && l.lane < first + at_once)
                for (uint64_t a = l.address / 4; a <= (l.address + l.bytes - 1) / 4; a++) words.push_back(a);
        if (words.empty()) continue;
        words.resize((size_t)distinct(words));
        long in_bank[32] = {}, most = 0;
        for (uint64_t word : words) most = std::max(most, ++in_bank[word % 32]);
        count.units += most;
        count.best += ((long)words.size() + 31) / 32;
    }
    return count;
}

static void add(Count &to, const Count &from)
{
    to.requests += from.requests;
    to.units += from.units;
    to.best += from.best;
}

static std::string source_of(const void *place)
{
    char command[800], text[300] = "?";
    Dl_info object;
    if (!dladdr(place, &object) || !object.dli_fname) return text;
    snprintf(command, sizeof command, "addr2line -s -e %s 0x%zx 2>/dev/null", object.dli_fname,
             (size_t)((const char *)place - 1 - (const char *)object.dli_fbase));
    FILE *pipe = popen(command, "r");
    if (pipe && fgets(text, sizeof text, pipe)) text[strcspn(text, " \n")] = 0;
    if (pipe) pclose(pipe);
    return text;
}

/* The place that costs the most units above the best. */
static void print_worst(FILE *file, const KernelTraffic &k, bool shared)
{
    const void *place = nullptr;
    Count worst;
    for (auto &entry : k.places)
        if (entry.first.second == shared && entry.second.units - entry.second.best > worst.units - worst.best) {
            place = entry.first.first;
            worst = entry.second;
        }
    if (place)
        fprintf(file, "; most by %s, %.2f for %.2f", source_of(place).c_str(), (double)worst.units / (double)worst.requests,
                (double)worst.best / (double)worst.requests);
}

static void print_traffic()
{
    static const char *const names[2][2] = {{"global", "sectors"}, {"shared", "passes"}};
    const char *path = getenv("SA_SIMT_TRAFFIC");
    FILE *file = !strcmp(path, "-") ? stderr : fopen(path, "w");
    if (!file) return;
    for (auto &entry : all_kernels())
        for (int shared = 0; shared < 2; shared++) {
            const Count &c = entry.second.total[shared];
            if (!c.requests) continue;
            fprintf(file, "%-36s %6ld launches  %s: %9ld requests, %6.2f %s each, %.2f at best", entry.first.c_str(),
                    entry.second.launches, names[shared][0], c.requests, (double)c.units / (double)c.requests, names[shared][1],
                    (double)c.best / (double)c.requests);
            print_worst(file, entry.second, shared);
            fprintf(file, "\n");
        }
    if (file != stderr) fclose(file);
}

bool counts_traffic()
{
    static const bool on = getenv("SA_SIMT_TRAFFIC") && *getenv("SA_SIMT_TRAFFIC") && !atexit(print_traffic);
    return on;
}

void count_launch(const char *kernel)
{
    if (!counts_traffic()) return;
    current = &all_kernels()[kernel];
    current->launches++;
}

void note_access(unsigned thread, const void *place, const char *address, unsigned bytes, bool shared)
{
    unsigned nth = times[{thread, place}]++;
    requests[shared][Request(thread / 32, place, nth)].push_back({(uint64_t)address, thread % 32, bytes});
}

void end_traffic_epoch()
{
    if (!counts_traffic()) return;
    for (int shared = 0; shared < 2; shared++) {
        for (auto &entry : requests[shared]) {
            const Count count = shared ? shared_request(entry.second) : global_request(entry.second);
            add(current->total[shared], count);
            add(current->places[{std::get<1>(entry.first), (bool)shared}], count);
        }
        requests[shared].clear();
    }
    times.clear();
}

} // namespace simt
