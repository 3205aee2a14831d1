/* The losses and accuracies of all steps of a run, kept for the report. */
#ifndef SA_CLI_OUTPUT_SERIES_H
#define SA_CLI_OUTPUT_SERIES_H

#include "net/step_outputs.h"

#include <cjson/cJSON.h>
#include <stdio.h>

typedef struct sa_output_series {
    sa_step_outputs outputs; /* with the values of the last step */
    size_t step_count, step_capacity;
    size_t scalar_count; /* outputs of one value */
    float *scalar;       /* (step_count, scalar_count) */
} sa_output_series;

SA_CHECKED sa_status sa_output_series_create(const sa_net *net, sa_output_series *series);
void sa_output_series_free(sa_output_series *series); /* also clears it; a zeroed one is allowed */
/* Keeps what outputs holds as the next step's. */
SA_CHECKED sa_status sa_output_series_add(sa_output_series *series);
/* One line per output, with the first and the last step's value; accuracies per class of the last step, with class numbers. The
 * only loss of a net is left out: it is the loss. */
void sa_output_series_print(FILE *out, const sa_output_series *series);
/* "outputs": [{"name", "kind", "weight" (of a loss), "values" (one per step) or, per class, "last"}] */
void sa_output_series_json(cJSON *object, const sa_output_series *series);

#endif
