/* A planned step as a trace. */
#include "report/trace.h"

#include "report/json_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROCESS = 1, PHASES_THREAD = 1, OPS_THREAD = 2 };

typedef struct trace {
    const sa_plan_report *report;
    cJSON *events;
    double *start_us; /* (op_count + 1): when an op begins; the last: when the step ends */
} trace;

static cJSON *event(trace *t, const char *phase, const char *name, double at_us)
{
    cJSON *e = cJSON_CreateObject();
    cJSON_AddStringToObject(e, "ph", phase);
    cJSON_AddStringToObject(e, "name", name);
    cJSON_AddNumberToObject(e, "pid", PROCESS);
    cJSON_AddNumberToObject(e, "ts", at_us);
    cJSON_AddItemToArray(t->events, e);
    return e;
}

/* What the viewer calls the process, or a thread of it. */
static void call(trace *t, const char *what, int thread, const char *name)
{
    cJSON *e = event(t, "M", what, 0);
    if (thread) cJSON_AddNumberToObject(e, "tid", thread);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(e, "args"), "name", name);
}

static cJSON *slice(trace *t, const char *name, int thread, const char *category, size_t first_op, size_t end_op)
{
    cJSON *e = event(t, "X", name, t->start_us[first_op]);
    cJSON_AddNumberToObject(e, "tid", thread);
    cJSON_AddStringToObject(e, "cat", category);
    cJSON_AddNumberToObject(e, "dur", t->start_us[end_op] - t->start_us[first_op]);
    return cJSON_AddObjectToObject(e, "args");
}

static void add_ops(trace *t)
{
    const sa_program *p = t->report->layout->program;
    size_t begin = 0;
    for (int phase = 0; phase < SA_STEP_PHASES; phase++) {
        size_t end = p->phase_end[phase];
        if (end > begin) slice(t, sa_step_phase_name((sa_step_phase)phase), PHASES_THREAD, "phase", begin, end);
        begin = end;
    }
    for (size_t i = 0; i < p->op_count; i++) {
        cJSON *args = slice(t, p->op[i].name, OPS_THREAD, "op", i, i + 1);
        cJSON_AddNumberToObject(args, "op", (double)i);
        cJSON_AddStringToObject(args, "kind", sa_op_kind_name(p->op[i].kind));
        if (p->op[i].layer >= 0) cJSON_AddStringToObject(args, "layer", t->report->net->layer[p->op[i].layer].name);
        cJSON_AddNumberToObject(args, "alive_bytes", (double)t->report->live_bytes[i]);
    }
}

/* Bytes alive of each kind, at each op and 0 at the end. change: (op_count + 1) by kinds, zeroes. */
static void add_counters(trace *t, int64_t (*change)[SA_BUFFER_KINDS])
{
    const sa_program *p = t->report->layout->program;
    int64_t alive[SA_BUFFER_KINDS] = {0};
    for (size_t i = 0; i < p->buffer_count; i++) {
        change[p->buffer[i].begin][p->buffer[i].kind] += (int64_t)p->buffer[i].size_bytes;
        change[p->buffer[i].end][p->buffer[i].kind] -= (int64_t)p->buffer[i].size_bytes;
    }
    for (size_t i = 0; i <= p->op_count; i++) {
        cJSON *args = cJSON_AddObjectToObject(event(t, "C", "arena", t->start_us[i]), "args");
        for (int k = 0; k < SA_BUFFER_KINDS; k++) {
            alive[k] += change[i][k];
            cJSON_AddNumberToObject(args, sa_buffer_kind_name((sa_buffer_kind)k), (double)alive[k]);
        }
    }
}

static void add_buffers(trace *t)
{
    const sa_layout *layout = t->report->layout;
    for (size_t i = 0; i < layout->program->buffer_count; i++) {
        const sa_buffer *b = &layout->program->buffer[i];
        cJSON *begin = event(t, "b", b->name, t->start_us[b->begin]), *end = event(t, "e", b->name, t->start_us[b->end]);
        cJSON *both[] = {begin, end};
        for (int j = 0; j < 2; j++) {
            cJSON_AddStringToObject(both[j], "cat", sa_buffer_kind_name(b->kind));
            cJSON_AddNumberToObject(both[j], "id", (double)i + 1);
            cJSON_AddNumberToObject(both[j], "tid", OPS_THREAD);
        }
        cJSON *args = cJSON_AddObjectToObject(begin, "args");
        cJSON_AddNumberToObject(args, "bytes", (double)b->size_bytes);
        cJSON_AddNumberToObject(args, "offset_bytes", (double)layout->plan.offset_bytes[i]);
        cJSON_AddNumberToObject(args, "first_op", (double)b->begin);
        cJSON_AddNumberToObject(args, "last_op", (double)b->end - 1);
    }
}

static char *document(trace *t, const char *times_from)
{
    const sa_plan_report *r = t->report;
    cJSON *root = cJSON_CreateObject(), *other = cJSON_AddObjectToObject(root, "otherData");
    cJSON_AddStringToObject(other, "net", r->net->name);
    cJSON_AddStringToObject(other, "strategy", r->strategy->name);
    cJSON_AddStringToObject(other, "times", times_from);
    cJSON_AddNumberToObject(other, "arena_bytes", (double)r->layout->plan.peak_bytes);
    cJSON_AddStringToObject(root, "displayTimeUnit", "ms");
    t->events = cJSON_AddArrayToObject(root, "traceEvents");
    char name[SA_NAME_MAX + 512];
    snprintf(name, sizeof name, "%s, %s (times: %s)", r->net->name, r->strategy->name, times_from);
    call(t, "process_name", 0, name);
    call(t, "thread_name", PHASES_THREAD, "phases");
    call(t, "thread_name", OPS_THREAD, "ops");
    int64_t(*change)[SA_BUFFER_KINDS] = calloc(r->layout->program->op_count + 1, sizeof *change);
    add_ops(t);
    if (change) add_counters(t, change);
    add_buffers(t);
    char *text = change ? sa_json_text(root, false) : NULL;
    free(change);
    cJSON_Delete(root);
    return text;
}

sa_status sa_plan_trace_json(const sa_plan_report *report, const double *op_ms, const char *times_from, char **text)
{
    const sa_program *p = report->layout->program;
    trace t = {.report = report, .start_us = malloc((p->op_count + 1) * sizeof *t.start_us)};
    char *made = NULL;
    if (t.start_us) {
        t.start_us[0] = 0;
        for (size_t i = 0; i < p->op_count; i++) t.start_us[i + 1] = t.start_us[i] + 1000.0 * op_ms[i];
        made = document(&t, times_from);
    }
    free(t.start_us);
    if (!made) SA_FAIL(SA_NOMEM, "no memory for a trace of %zu ops", p->op_count);
    *text = made;
    return SA_OK;
}
