/* Figures of a plan. */
#include "report/plan_report.h"

#include "report/caffe_memory.h"

#include <stdlib.h>
#include <string.h>

static bool is_alive(const sa_buffer *buffer, size_t step)
{
    return buffer->begin <= (int64_t)step && (int64_t)step < buffer->end;
}

static void add_up(sa_plan_report *r)
{
    const sa_program *p = r->layout->program;
    for (size_t step = 0; step < r->step_count; step++) {
        for (size_t i = 0; i < p->buffer_count; i++)
            if (is_alive(&p->buffer[i], step)) r->live_bytes[step] += p->buffer[i].size_bytes;
        if (r->live_bytes[step] > r->live_bytes[r->peak_step]) r->peak_step = step;
    }
}

/* An insertion sort: a few hundred buffers at most, and ties stay in the program's order. */
static void list_alive(sa_plan_report *r)
{
    const sa_buffer *buffer = r->layout->program->buffer;
    for (size_t i = 0; i < r->layout->program->buffer_count; i++) {
        if (!is_alive(&buffer[i], r->peak_step)) continue;
        size_t place = r->alive_count++;
        for (; place > 0 && buffer[r->alive[place - 1]].size_bytes < buffer[i].size_bytes; place--)
            r->alive[place] = r->alive[place - 1];
        r->alive[place] = i;
        r->kind_bytes[buffer[i].kind] += buffer[i].size_bytes;
    }
}

sa_status sa_plan_report_create(const sa_net *net, const sa_strategy *strategy, const sa_layout *layout, sa_plan_report *report)
{
    const sa_program *p = layout->program;
    sa_plan_report r = {.net = net, .strategy = strategy, .layout = layout, .step_count = p->op_count ? p->op_count : 1};
    sa_caffe_memory caffe;
    SA_TRY(sa_caffe_memory_create(net, NULL, &caffe));
    r.caffe_total_bytes = caffe.gpu_total_bytes;
    sa_caffe_memory_free(&caffe);
    r.live_bytes = calloc(r.step_count, sizeof *r.live_bytes);
    r.alive = calloc(p->buffer_count + 1, sizeof *r.alive);
    if (!r.live_bytes || !r.alive) {
        sa_plan_report_free(&r);
        SA_FAIL(SA_NOMEM, "no memory for a report of %zu steps", r.step_count);
    }
    add_up(&r);
    list_alive(&r);
    *report = r;
    return SA_OK;
}

void sa_plan_report_free(sa_plan_report *report)
{
    free(report->live_bytes);
    free(report->alive);
    memset(report, 0, sizeof *report);
}
