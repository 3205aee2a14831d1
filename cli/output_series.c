/* Series of losses and accuracies: see output_series.h. */
#include "cli/output_series.h"

#include "cli/text_output.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_STEPS = 64, CLASSES_PER_LINE = 12, LABEL_WIDTH = 12 };

sa_status sa_output_series_create(const sa_net *net, sa_output_series *series)
{
    sa_output_series made = {.step_count = 0};
    SA_TRY(sa_step_outputs_create(net, &made.outputs));
    for (int i = 0; i < made.outputs.count; i++) made.scalar_count += made.outputs.output[i].kind != SA_OUTPUT_PER_CLASS;
    *series = made;
    return SA_OK;
}

void sa_output_series_free(sa_output_series *series)
{
    sa_step_outputs_free(&series->outputs);
    free(series->scalar);
    memset(series, 0, sizeof *series);
}

sa_status sa_output_series_add(sa_output_series *s)
{
    if (s->step_count == s->step_capacity) {
        size_t capacity = s->step_capacity ? 2 * s->step_capacity : FIRST_STEPS;
        float *grown = realloc(s->scalar, capacity * (s->scalar_count + 1) * sizeof *grown);
        if (!grown) SA_FAIL(SA_NOMEM, "no memory to keep the outputs of %zu steps", capacity);
        s->scalar = grown;
        s->step_capacity = capacity;
    }
    float *row = s->scalar + s->step_count++ * s->scalar_count;
    for (int i = 0; i < s->outputs.count; i++)
        if (s->outputs.output[i].kind != SA_OUTPUT_PER_CLASS) *row++ = s->outputs.value[s->outputs.output[i].begin];
    return SA_OK;
}

/* Lines of at most CLASSES_PER_LINE classes, less where the terminal is narrow. */
static void print_classes(FILE *out, const sa_step_output *output, const float *value)
{
    char text[32 * CLASSES_PER_LINE];
    size_t used = 0;
    bool one_line = output->count <= CLASSES_PER_LINE;
    if (!one_line) sa_text_say(out, LABEL_WIDTH, "  %-9s per class in the last step:", output->name);
    for (size_t c = 0; c < output->count; c++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "  %zu: %.4f", c, (double)value[c]);
        if (c + 1 < output->count && (c + 1) % CLASSES_PER_LINE) continue;
        if (one_line) sa_text_say(out, LABEL_WIDTH, "  %-9s per class in the last step:%s", output->name, text);
        else sa_text_say(out, LABEL_WIDTH, "          %s", text);
        used = 0;
    }
}

/* value: of the first step; that of the last lies `last` further on. */
static void print_scalar(FILE *out, const sa_step_output *o, const float *value, size_t last)
{
    char weight[32] = "";
    if (o->kind == SA_OUTPUT_LOSS && o->weight != 1.0f) snprintf(weight, sizeof weight, " (weight %g)", (double)o->weight);
    sa_text_say(out, LABEL_WIDTH, "  %-9s first %.6g, last %.6g%s", o->name, (double)value[0], (double)value[last], weight);
}

void sa_output_series_print(FILE *out, const sa_output_series *s)
{
    size_t column = 0;
    int losses = 0;
    if (s->step_count == 0) return;
    for (int i = 0; i < s->outputs.count; i++) losses += s->outputs.output[i].kind == SA_OUTPUT_LOSS;
    for (int i = 0; i < s->outputs.count; i++) {
        const sa_step_output *o = &s->outputs.output[i];
        if (o->kind == SA_OUTPUT_PER_CLASS) {
            print_classes(out, o, s->outputs.value + o->begin);
            continue;
        }
        bool only = o->kind == SA_OUTPUT_LOSS && losses == 1 && o->weight == 1.0f;
        if (!only) print_scalar(out, o, s->scalar + column, (s->step_count - 1) * s->scalar_count);
        column++;
    }
}

void sa_output_series_json(cJSON *object, const sa_output_series *s)
{
    cJSON *array = cJSON_AddArrayToObject(object, "outputs");
    size_t column = 0;
    for (int i = 0; i < s->outputs.count; i++) {
        const sa_step_output *o = &s->outputs.output[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddItemToArray(array, row);
        cJSON_AddStringToObject(row, "name", o->name);
        cJSON_AddStringToObject(row, "kind", sa_output_kind_name(o->kind));
        if (o->kind == SA_OUTPUT_LOSS) cJSON_AddNumberToObject(row, "weight", (double)o->weight);
        bool per_class = o->kind == SA_OUTPUT_PER_CLASS;
        cJSON *values = cJSON_AddArrayToObject(row, per_class ? "last" : "values");
        for (size_t k = 0; per_class && k < o->count && s->step_count > 0; k++)
            cJSON_AddItemToArray(values, cJSON_CreateNumber((double)s->outputs.value[o->begin + k]));
        for (size_t k = 0; !per_class && k < s->step_count; k++)
            cJSON_AddItemToArray(values, cJSON_CreateNumber((double)s->scalar[k * s->scalar_count + column]));
        column += !per_class;
    }
}
