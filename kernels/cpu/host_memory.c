/* Reads /proc/meminfo and the limits of control groups (versions 2 and 1). */
#include "kernels/cpu/host_memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The number after `key` in a file of "key number" lines (key "": the file's first number). */
static bool read_number(const char *path, const char *key, unsigned long long *number)
{
    FILE *file = fopen(path, "r");
    if (!file) return false;
    char line[256];
    bool found = false;
    size_t length = strlen(key);
    while (!found && fgets(line, sizeof line, file))
        found = strncmp(line, key, length) == 0 && sscanf(line + length, "%llu", number) == 1; /* "max" is no number: no limit */
    fclose(file);
    return found;
}

static unsigned long long smaller(unsigned long long a, unsigned long long b)
{
    return a < b ? a : b;
}

/* Lowers both figures to those of the control group in `folder`, if it has a limit. Its file pages can be dropped. */
static void apply_group(const char *folder, const char *limit_name, const char *usage_name, unsigned long long *available,
                        unsigned long long *total)
{
    char path[512];
    unsigned long long limit, usage, droppable = 0;
    snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    if (!read_number(path, "", &limit) || limit >= *total) return;
    snprintf(path, sizeof path, "%s/%s", folder, usage_name);
    if (!read_number(path, "", &usage)) return;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    if (!read_number(path, "inactive_file ", &droppable)) droppable = 0;
    usage -= smaller(usage, droppable);
    *total = limit;
    *available = smaller(*available, limit - smaller(limit, usage));
}

/* The folder of this process's own version 2 group. */
static bool own_group(char *folder, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "r");
    if (!file) return false;
    char line[400];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        if (strncmp(line, "0::/", 4) != 0) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(folder, size, "/sys/fs/cgroup%s", line + 3);
        found = true;
    }
    fclose(file);
    return found;
}

sa_status sa_host_memory(size_t *available_bytes, size_t *total_bytes)
{
    unsigned long long available, total;
    if (!read_number("/proc/meminfo", "MemAvailable:", &available) || !read_number("/proc/meminfo", "MemTotal:", &total))
        SA_FAIL(SA_IO, "/proc/meminfo: no MemAvailable or MemTotal");
    available *= 1024;
    total *= 1024;
    char folder[450];
    if (own_group(folder, sizeof folder)) apply_group(folder, "memory.max", "memory.current", &available, &total);
    apply_group("/sys/fs/cgroup", "memory.max", "memory.current", &available, &total);
    apply_group("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", &available, &total);
    *available_bytes = (size_t)available;
    *total_bytes = (size_t)total;
    return SA_OK;
}
