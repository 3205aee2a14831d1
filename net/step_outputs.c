/* Losses and accuracies of a step: see step_outputs.h. */
#include "net/step_outputs.h"

#include <stdlib.h>
#include <string.h>

/* True for a top that tells something; what is read by a later layer has no value at the end of the step. */
static bool tells(const sa_net *net, const sa_layer *layer, int top, sa_output_kind *kind)
{
    if (net->blob[layer->top[top]].consumer >= 0) return false;
    bool loss = layer->loss_weight != 0.0f && top == 0;
    if (!loss && !layer->type->is_metric) return false;
    *kind = loss ? SA_OUTPUT_LOSS : top == 0 ? SA_OUTPUT_ACCURACY : SA_OUTPUT_PER_CLASS;
    return true;
}

sa_status sa_step_outputs_create(const sa_net *net, sa_step_outputs *outputs)
{
    sa_step_outputs made = {.output = calloc((size_t)net->blob_count + 1, sizeof *made.output)};
    if (!made.output) SA_FAIL(SA_NOMEM, "no memory for the outputs of net '%s'", net->name);
    for (int l = 0; l < net->layer_count; l++) {
        const sa_layer *layer = &net->layer[l];
        for (int i = 0; i < layer->top_count; i++) {
            sa_output_kind kind;
            if (!tells(net, layer, i, &kind)) continue;
            const sa_blob *blob = &net->blob[layer->top[i]];
            size_t count = sa_shape_elements(&blob->shape);
            sa_step_output *output = &made.output[made.count++];
            *output = (sa_step_output){"", kind, layer->top[i], layer->loss_weight, made.value_count, count};
            memcpy(output->name, blob->name, sizeof output->name);
            made.value_count += count;
        }
    }
    made.value = calloc(made.value_count + 1, sizeof *made.value);
    made.sum = calloc(made.value_count + 1, sizeof *made.sum);
    if (!made.value || !made.sum) {
        sa_step_outputs_free(&made);
        SA_FAIL(SA_NOMEM, "no memory for the outputs of net '%s'", net->name);
    }
    *outputs = made;
    return SA_OK;
}

void sa_step_outputs_free(sa_step_outputs *outputs)
{
    free(outputs->output);
    free(outputs->value);
    free(outputs->sum);
    memset(outputs, 0, sizeof *outputs);
}

bool sa_step_outputs_has(const sa_step_outputs *outputs, sa_output_kind kind)
{
    for (int i = 0; i < outputs->count; i++)
        if (outputs->output[i].kind == kind) return true;
    return false;
}

const char *sa_output_kind_name(sa_output_kind kind)
{
    static const char *const NAMES[] = {"loss", "accuracy", "class_accuracy"};
    return NAMES[kind];
}

sa_status sa_step_outputs_read(sa_step_outputs *outputs, sa_session *session)
{
    for (int i = 0; i < outputs->count; i++)
        SA_TRY(sa_session_get_output(session, outputs->output[i].blob, outputs->value + outputs->output[i].begin));
    return SA_OK;
}

void sa_step_outputs_mean(sa_step_outputs *outputs, int pass, int passes)
{
    for (size_t i = 0; i < outputs->value_count && passes > 1; i++) {
        outputs->sum[i] = (pass > 0 ? outputs->sum[i] : 0.0) + (double)outputs->value[i];
        if (pass + 1 == passes) outputs->value[i] = (float)(outputs->sum[i] / passes);
    }
}

float sa_step_outputs_loss(const sa_step_outputs *outputs)
{
    double sum = 0;
    for (int i = 0; i < outputs->count; i++)
        if (outputs->output[i].kind == SA_OUTPUT_LOSS)
            sum += (double)outputs->output[i].weight * (double)outputs->value[outputs->output[i].begin];
    return (float)sum;
}

float sa_step_outputs_accuracy(const sa_step_outputs *outputs)
{
    for (int i = 0; i < outputs->count; i++)
        if (outputs->output[i].kind == SA_OUTPUT_ACCURACY) return outputs->value[outputs->output[i].begin];
    return 0;
}
