/* A placement as the document that the page draws: stretches of time in the place of ops. */
#include "cli/place_page.h"

#include "cli/plan_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int by_time(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The times at which buffers begin or end, ascending, each once. time: (2 * count). Returns how many there are. */
static size_t distinct_times(const sa_buffer *buffers, size_t count, int64_t *time)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        time[2 * i] = buffers[i].begin;
        time[2 * i + 1] = buffers[i].end;
    }
    qsort(time, 2 * count, sizeof *time, by_time);
    for (size_t i = 0; i < 2 * count; i++)
        if (i == 0 || time[i] != time[i - 1]) time[kept++] = time[i];
    return kept;
}

static size_t place_of(const int64_t *time, size_t times, int64_t at)
{
    return (size_t)((const int64_t *)bsearch(&at, time, times, sizeof *time, by_time) - time);
}

/* live: (times), zeroes: filled with what is alive from each time on. */
static void add_buffers(cJSON *plan_json, const sa_buffer *buffers, size_t count, const sa_plan *plan, const int64_t *time,
                        size_t times, double *live)
{
    cJSON *rows = cJSON_AddArrayToObject(plan_json, "buffers");
    for (size_t i = 0; i < count; i++) {
        const size_t begin = place_of(time, times, buffers[i].begin), end = place_of(time, times, buffers[i].end);
        const double bytes = (double)buffers[i].size_bytes;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", buffers[i].name);
        cJSON_AddStringToObject(row, "kind", "buffer");
        cJSON_AddNumberToObject(row, "size_bytes", bytes);
        cJSON_AddNumberToObject(row, "offset_bytes", (double)plan->offset_bytes[i]);
        cJSON_AddNumberToObject(row, "begin", (double)begin);
        cJSON_AddNumberToObject(row, "end", (double)end);
        cJSON_AddItemToArray(rows, row);
        live[begin] += bytes;
        live[end] -= bytes;
    }
    for (size_t i = 1; i < times; i++) live[i] += live[i - 1];
}

static void add_stretches(cJSON *plan_json, const int64_t *time, size_t times, const double *live)
{
    cJSON *ops = cJSON_AddArrayToObject(plan_json, "ops");
    size_t peak = 0;
    for (size_t i = 0; i + 1 < times; i++) {
        char name[64];
        snprintf(name, sizeof name, "time %" PRId64, time[i]);
        if (time[i + 1] - time[i] > 1) snprintf(name, sizeof name, "time %" PRId64 " to %" PRId64, time[i], time[i + 1] - 1);
        cJSON *op = cJSON_CreateObject();
        cJSON_AddStringToObject(op, "name", name);
        cJSON_AddNumberToObject(op, "live_bytes", live[i]);
        cJSON_AddItemToArray(ops, op);
        if (live[i] > live[peak]) peak = i;
    }
    cJSON *json = cJSON_AddObjectToObject(plan_json, "peak");
    cJSON_AddNumberToObject(json, "step", (double)peak);
    cJSON_AddNumberToObject(json, "live_bytes", times > 0 ? live[peak] : 0);
}

sa_status sa_place_write_html(const char *path, const char *instance, const sa_buffer *buffers, size_t count, const sa_plan *plan)
{
    int64_t *time = calloc(2 * count + 1, sizeof *time);
    double *live = calloc(2 * count + 1, sizeof *live);
    if (!time || !live) {
        free(time);
        free(live);
        SA_FAIL(SA_NOMEM, "no memory for a page of %zu buffers", count);
    }
    const char *slash = strrchr(instance, '/');
    const size_t times = distinct_times(buffers, count, time);
    cJSON *nets = cJSON_CreateArray(), *net = cJSON_CreateObject(), *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "net", slash ? slash + 1 : instance);
    cJSON_AddStringToObject(json, "path", instance);
    cJSON_AddStringToObject(json, "strategy", "placement");
    cJSON_AddNumberToObject(json, "peak_bytes", (double)plan->peak_bytes);
    cJSON_AddNumberToObject(json, "lower_bound_bytes", (double)plan->lower_bound_bytes);
    cJSON_AddNumberToObject(json, "unshared_bytes", (double)plan->unshared_bytes);
    add_buffers(json, buffers, count, plan, time, times, live);
    add_stretches(json, time, times, live);
    free(time);
    free(live);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(net, "plans"), json);
    cJSON_AddItemToArray(nets, net);
    return sa_pages_write_html(path, nets);
}
