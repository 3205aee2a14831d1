/* A planned step as JSON. */
#include "report/plan_json.h"

#include "report/buffer_uses.h"
#include "report/json_text.h"

#include <stdlib.h>
#include <string.h>

static void number(cJSON *object, const char *key, double value)
{
    cJSON_AddNumberToObject(object, key, value);
}

static void peak_json(cJSON *root, const sa_plan_report *r)
{
    cJSON *peak = cJSON_AddObjectToObject(root, "peak");
    number(peak, "step", (double)r->peak_step);
    number(peak, "live_bytes", (double)r->live_bytes[r->peak_step]);
    cJSON *kinds = cJSON_AddObjectToObject(peak, "kinds");
    for (int k = 0; k < SA_BUFFER_KINDS; k++)
        if (r->kind_bytes[k] > 0) number(kinds, sa_buffer_kind_name((sa_buffer_kind)k), (double)r->kind_bytes[k]);
}

/* The next rows of `uses` that are about `buffer`, from *touch and *holding on, which are moved behind them. */
static void uses_json(cJSON *row, const sa_program *p, const sa_buffer_uses *uses, size_t buffer, size_t *touch, size_t *holding)
{
    cJSON *writers = cJSON_AddArrayToObject(row, "writers"), *readers = cJSON_AddArrayToObject(row, "readers");
    for (; *touch < uses->touch_count && uses->touch[*touch].buffer == buffer; ++*touch) {
        const sa_buffer_touch *t = &uses->touch[*touch];
        if (t->mode & SA_ACCESS_WRITE) cJSON_AddItemToArray(writers, cJSON_CreateNumber((double)t->op));
        if (t->mode & SA_ACCESS_READ) cJSON_AddItemToArray(readers, cJSON_CreateNumber((double)t->op));
    }
    cJSON *values = cJSON_AddArrayToObject(row, "values");
    for (; *holding < uses->holding_count && uses->holding[*holding].buffer == buffer; ++*holding) {
        const sa_buffer_holding *h = &uses->holding[*holding];
        cJSON *value = cJSON_CreateObject();
        number(value, "from", (double)h->from_op);
        cJSON_AddStringToObject(value, "what", h->value == 0 ? "other" : h->value % 2 ? "data" : "gradient");
        if (h->value > 0) {
            const sa_blob *blob = &p->net->blob[(h->value - 1) / 2];
            cJSON_AddStringToObject(value, "blob", blob->name);
            cJSON_AddStringToObject(value, "layer", p->net->layer[blob->producer].name);
        }
        number(value, "bytes", (double)h->bytes);
        cJSON_AddItemToArray(values, value);
    }
}

static sa_status buffers_json(cJSON *root, const sa_plan_report *r)
{
    const sa_program *p = r->layout->program;
    cJSON *rows = cJSON_AddArrayToObject(root, "buffers");
    size_t touch = 0, holding = 0;
    sa_buffer_uses uses;
    SA_TRY(sa_buffer_uses_create(p, &uses));
    for (size_t i = 0; i < p->buffer_count; i++) {
        const sa_buffer *b = &p->buffer[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", b->name);
        cJSON_AddStringToObject(row, "kind", sa_buffer_kind_name(b->kind));
        number(row, "size_bytes", (double)b->size_bytes);
        number(row, "offset_bytes", (double)r->layout->plan.offset_bytes[i]);
        number(row, "begin", (double)b->begin);
        number(row, "end", (double)b->end);
        uses_json(row, p, &uses, i, &touch, &holding);
        cJSON_AddItemToArray(rows, row);
    }
    sa_buffer_uses_free(&uses);
    return SA_OK;
}

static void ops_json(cJSON *root, const sa_plan_report *r, const sa_op_times *times)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "ops");
    double step_ms = 0;
    for (size_t i = 0; i < r->layout->program->op_count; i++) {
        const sa_op *op = &r->layout->program->op[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", op->name);
        cJSON_AddStringToObject(row, "phase", sa_step_phase_name(op->phase));
        cJSON_AddStringToObject(row, "kind", sa_op_kind_name(op->kind));
        if (op->layer >= 0) cJSON_AddStringToObject(row, "layer", r->net->layer[op->layer].name);
        number(row, "live_bytes", (double)r->live_bytes[i]);
        if (times) number(row, "ms", times->ms[i]);
        if (times) step_ms += times->ms[i];
        cJSON_AddItemToArray(rows, row);
    }
    if (!times) return;
    cJSON *from = cJSON_AddObjectToObject(root, "times");
    cJSON_AddStringToObject(from, "from", times->from);
    number(from, "step_ms", step_ms);
}

/* Layers with their types, blobs with their shapes: what a buffer's values are. */
static void net_json(cJSON *root, const sa_net *net)
{
    cJSON *layers = cJSON_AddArrayToObject(root, "layers"), *blobs = cJSON_AddArrayToObject(root, "blobs");
    for (int i = 0; i < net->layer_count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", net->layer[i].name);
        cJSON_AddStringToObject(row, "type", net->layer[i].type->name);
        cJSON_AddItemToArray(layers, row);
    }
    for (int i = 0; i < net->blob_count; i++) {
        const sa_shape *shape = &net->blob[i].shape;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", net->blob[i].name);
        cJSON *axes = cJSON_AddArrayToObject(row, "shape");
        for (int a = 0; a < shape->axes; a++) cJSON_AddItemToArray(axes, cJSON_CreateNumber((double)shape->dim[a]));
        cJSON_AddItemToArray(blobs, row);
    }
}

sa_status sa_plan_json(const sa_plan_report *r, const sa_op_times *times, cJSON **document)
{
    const sa_plan *plan = &r->layout->plan;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", r->net->name);
    cJSON_AddStringToObject(root, "path", r->net->path);
    cJSON_AddBoolToObject(root, "input_shapes_assumed", r->net->shapes_assumed);
    cJSON_AddStringToObject(root, "strategy", r->strategy->name);
    cJSON_AddStringToObject(root, "conv", sa_conv_option_name(r->strategy->conv));
    number(root, "peak_bytes", (double)plan->peak_bytes);
    number(root, "lower_bound_bytes", (double)plan->lower_bound_bytes);
    number(root, "unshared_bytes", (double)plan->unshared_bytes);
    cJSON_AddBoolToObject(root, "optimal", plan->optimal);
    number(root, "caffe_total_bytes", (double)r->caffe_total_bytes);
    number(root, "steps", (double)r->step_count);
    peak_json(root, r);
    sa_status status = buffers_json(root, r);
    if (status != SA_OK) {
        cJSON_Delete(root);
        return status;
    }
    ops_json(root, r, times);
    net_json(root, r->net);
    *document = root;
    return SA_OK;
}

sa_status sa_plan_json_text(const sa_plan_report *r, const sa_op_times *times, char **text)
{
    cJSON *document;
    SA_TRY(sa_plan_json(r, times, &document));
    char *made = sa_json_text(document, false);
    cJSON_Delete(document);
    if (!made) SA_FAIL(SA_NOMEM, "no memory for the plan of %zu buffers", r->layout->program->buffer_count);
    *text = made;
    return SA_OK;
}
