/* Figures of a plan, and its JSON document. */
#include "report/plan_report.h"

#include "report/caffe_memory.h"
#include "report/json_text.h"

#include <cjson/cJSON.h>
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

/* ------------------------------------------------------------------ JSON ------------------------------------------- */

static void peak_json(cJSON *root, const sa_plan_report *r)
{
    cJSON *peak = cJSON_AddObjectToObject(root, "peak");
    cJSON_AddNumberToObject(peak, "step", (double)r->peak_step);
    cJSON_AddNumberToObject(peak, "live_bytes", (double)r->live_bytes[r->peak_step]);
    cJSON *kinds = cJSON_AddObjectToObject(peak, "kinds");
    for (int k = 0; k < SA_BUFFER_KINDS; k++)
        if (r->kind_bytes[k] > 0) cJSON_AddNumberToObject(kinds, sa_buffer_kind_name((sa_buffer_kind)k), (double)r->kind_bytes[k]);
}

static void buffers_json(cJSON *root, const sa_plan_report *r)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "buffers");
    for (size_t i = 0; i < r->layout->program->buffer_count; i++) {
        const sa_buffer *b = &r->layout->program->buffer[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", b->name);
        cJSON_AddStringToObject(row, "kind", sa_buffer_kind_name(b->kind));
        cJSON_AddNumberToObject(row, "size_bytes", (double)b->size_bytes);
        cJSON_AddNumberToObject(row, "offset_bytes", (double)r->layout->plan.offset_bytes[i]);
        cJSON_AddNumberToObject(row, "begin", (double)b->begin);
        cJSON_AddNumberToObject(row, "end", (double)b->end);
        cJSON_AddItemToArray(rows, row);
    }
}

static void ops_json(cJSON *root, const sa_plan_report *r)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "ops");
    for (size_t i = 0; i < r->layout->program->op_count; i++) {
        const sa_op *op = &r->layout->program->op[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", op->name);
        cJSON_AddStringToObject(row, "phase", sa_step_phase_name(op->phase));
        cJSON_AddNumberToObject(row, "live_bytes", (double)r->live_bytes[i]);
        cJSON_AddItemToArray(rows, row);
    }
}

char *sa_plan_report_json(const sa_plan_report *r)
{
    const sa_plan *plan = &r->layout->plan;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", r->net->name);
    cJSON_AddStringToObject(root, "path", r->net->path);
    cJSON_AddBoolToObject(root, "input_shapes_assumed", r->net->shapes_assumed);
    cJSON_AddStringToObject(root, "strategy", r->strategy->name);
    cJSON_AddStringToObject(root, "conv", sa_conv_option_name(r->strategy->conv));
    cJSON_AddNumberToObject(root, "peak_bytes", (double)plan->peak_bytes);
    cJSON_AddNumberToObject(root, "lower_bound_bytes", (double)plan->lower_bound_bytes);
    cJSON_AddNumberToObject(root, "unshared_bytes", (double)plan->unshared_bytes);
    cJSON_AddBoolToObject(root, "optimal", plan->optimal);
    cJSON_AddNumberToObject(root, "caffe_total_bytes", (double)r->caffe_total_bytes);
    cJSON_AddNumberToObject(root, "steps", (double)r->step_count);
    peak_json(root, r);
    buffers_json(root, r);
    ops_json(root, r);
    char *text = sa_json_text(root, false);
    cJSON_Delete(root);
    return text;
}
