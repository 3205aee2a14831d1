/* What a training run hands back: figures of its steps. */
#include "cli/train_run.h"
#include "cli/train_tests.h"

#include <stdlib.h>
#include <string.h>

double sa_train_mean_loss(const sa_train_result *result, size_t first, size_t count)
{
    double sum = 0;
    size_t end = first + count < result->record_count ? first + count : result->record_count;
    for (size_t i = first; i < end; i++) sum += (double)result->record[i].loss;
    return end > first ? sum / (double)(end - first) : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *value, size_t count)
{
    qsort(value, count, sizeof *value, by_value);
    return count == 0 ? 0 : count % 2 ? value[count / 2] : 0.5 * (value[count / 2 - 1] + value[count / 2]);
}

sa_status sa_train_result_find_medians(sa_train_result *r)
{
    double *value = malloc((r->record_count + 1) * sizeof *value);
    if (!value) SA_FAIL(SA_NOMEM, "no memory for %zu times", r->record_count);
    for (size_t i = 0; i < r->record_count; i++) value[i] = r->record[i].step_ms;
    r->step_ms = median(value, r->record_count);
    for (size_t i = 0; i < r->record_count; i++) value[i] = r->record[i].data_ms;
    r->data_ms = median(value, r->record_count);
    free(value);
    return SA_OK;
}

sa_status sa_train_result_add_test(sa_train_result *result, const sa_train_tests *tests)
{
    double value[SA_CURVE_COLUMNS_MAX] = {(double)result->last_step};
    if (result->tests.column_count == 0) {
        SA_TRY(sa_curve_add_column(&result->tests, "step"));
        SA_TRY(sa_train_tests_columns(tests, &result->tests));
    }
    sa_train_tests_values(tests, value + 1);
    return sa_curve_add_row(&result->tests, value);
}

void sa_train_result_free(sa_train_result *result)
{
    sa_curve_free(&result->tests);
    sa_strategy_free(&result->strategy);
    free(result->record);
    sa_output_series_free(&result->series);
    memset(result, 0, sizeof *result);
}
