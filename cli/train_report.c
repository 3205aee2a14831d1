/* The summary of a training run, as text and as JSON. */
#include "cli/train_report.h"

#include "cli/text_output.h"
#include "core/size_text.h"
#include "core/time_text.h"
#include "report/json_text.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MEAN_STEPS = 5 };

static void print_best(FILE *out, const sa_train_result *r)
{
    bool loss = !strcmp(r->best_measure, "loss");
    sa_text_say(out, 12,
                loss ? "  best      %s %.6g after step %" PRIu64 "%s%s" : "  best      %s %.2f %% after step %" PRIu64 "%s%s",
                r->best_measure, loss ? r->best_value : 100 * r->best_value, r->best_step, r->best_snapshot[0] ? ": " : "",
                r->best_snapshot);
}

void sa_train_print_summary(FILE *out, const sa_train_result *r)
{
    char size[SA_SIZE_TEXT_BYTES], measured[SA_SIZE_TEXT_BYTES], step[SA_TIME_TEXT_BYTES], data[SA_TIME_TEXT_BYTES];
    size_t n = r->record_count;
    fputc('\n', out);
    sa_text_say(out, 2, "%s (%s) on %s, strategy %s, conv %s, batch %d%s", r->net, r->net_path, r->device, r->strategy.name,
                sa_conv_option_name(r->strategy.conv), r->batch, r->synthetic ? ", synthetic scenes" : "");
    sa_text_say(out, 12, "  steps     %zu, from %" PRIu64 " to %" PRIu64 " of %" PRIu64 "%s", n, r->first_step, r->last_step,
                r->total_steps, r->stopped ? ": stopped" : "");
    if (n > 0) {
        size_t tail = n > MEAN_STEPS ? n - MEAN_STEPS : 0;
        size_t averaged = n < MEAN_STEPS ? n : (size_t)MEAN_STEPS;
        sa_text_say(out, 12, "  loss      first %.6g, last %.6g; mean of the first %zu %.6g, of the last %zu %.6g",
                    (double)r->record[0].loss, (double)r->record[n - 1].loss, averaged, sa_train_mean_loss(r, 0, MEAN_STEPS),
                    averaged, sa_train_mean_loss(r, tail, MEAN_STEPS));
        sa_output_series_print(out, &r->series);
    }
    if (r->void_batches > 0)
        sa_text_say(out, 12,
                    "  void      %" PRIu64 " batches without a labelled pixel: their loss of 0 counts in the means, as in Caffe",
                    r->void_batches);
    sa_text_say(out, 12, "  time      %s ms per step, %s ms for its data (medians)", sa_ms_format(r->step_ms, step),
                sa_ms_format(r->data_ms, data));
    if (r->ranks > 1)
        sa_text_say(out, 12, "  ranks     %d, %d shards a step; rank 0 sends %s bytes a step and waits %s ms for others (means)",
                    r->ranks, r->shards, sa_size_format_exact((size_t)r->sent_bytes, size), sa_ms_format(r->waited_ms, step));
    if (r->predicted_bytes == r->measured_bytes)
        sa_text_say(out, 12, "  arena     %s bytes, predicted and measured", sa_size_format_exact(r->predicted_bytes, size));
    else
        sa_text_say(out, 12, "  arena     predicted %s bytes, measured %s", sa_size_format_exact(r->predicted_bytes, size),
                    sa_size_format_exact(r->measured_bytes, measured));
    sa_text_say(out, 12, "  state     %016" PRIx64 "", r->state_hash);
    if (r->test_bytes > 0)
        sa_text_say(out, 12, "  tests     %zu, %s bytes beside the arena", r->tests.row_count,
                    sa_size_format_exact(r->test_bytes, size));
    if (r->has_best) print_best(out, r);
    if (r->snapshot[0]) sa_text_say(out, 12, "  snapshot  %s", r->snapshot);
}

typedef enum column { LOSS, ACCURACY, RATE } column;

static void add_column(cJSON *root, const char *name, const sa_train_result *r, column which)
{
    cJSON *array = cJSON_AddArrayToObject(root, name);
    for (size_t i = 0; i < r->record_count; i++) {
        const sa_train_record *record = &r->record[i];
        float value = which == LOSS ? record->loss : which == ACCURACY ? record->accuracy : record->rate;
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)value));
    }
}

/* [{"step": 500, "test_loss": 0.4, ...}] */
static void add_tests(cJSON *root, const sa_train_result *r)
{
    cJSON *tests = cJSON_AddArrayToObject(root, "tests");
    for (size_t i = 0; i < r->tests.row_count; i++) {
        cJSON *row = cJSON_CreateObject();
        for (int c = 0; c < r->tests.column_count; c++) {
            double value = r->tests.value[i * (size_t)r->tests.column_count + (size_t)c];
            if (isfinite(value)) cJSON_AddNumberToObject(row, r->tests.column[c].name, value);
            else cJSON_AddNullToObject(row, r->tests.column[c].name);
        }
        cJSON_AddItemToArray(tests, row);
    }
    cJSON_AddNumberToObject(root, "test_bytes", (double)r->test_bytes);
    cJSON_AddNumberToObject(root, "test_measured_bytes", (double)r->test_measured_bytes);
    cJSON *best = r->has_best ? cJSON_AddObjectToObject(root, "best") : cJSON_AddNullToObject(root, "best");
    if (!r->has_best) return;
    cJSON_AddStringToObject(best, "measure", r->best_measure);
    cJSON_AddNumberToObject(best, "value", r->best_value);
    cJSON_AddNumberToObject(best, "step", (double)r->best_step);
    if (r->best_snapshot[0]) cJSON_AddStringToObject(best, "snapshot", r->best_snapshot);
    else cJSON_AddNullToObject(best, "snapshot");
}

static void add_curve(cJSON *root, const sa_train_options *options)
{
    cJSON *curve = cJSON_AddObjectToObject(root, "curve");
    if (options->log_file) cJSON_AddStringToObject(curve, "log", options->log_file);
    else cJSON_AddNullToObject(curve, "log");
    if (options->plot) cJSON_AddStringToObject(curve, "plot", options->plot);
    else cJSON_AddNullToObject(curve, "plot");
}

void sa_train_print_json(FILE *out, const sa_train_options *options, const sa_train_result *r)
{
    char hash[17];
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "net", r->net);
    cJSON_AddStringToObject(root, "solver", options->solver);
    cJSON_AddStringToObject(root, "strategy", r->strategy.name);
    cJSON_AddStringToObject(root, "conv", sa_conv_option_name(r->strategy.conv));
    cJSON_AddStringToObject(root, "device", r->device);
    cJSON_AddNumberToObject(root, "threads", r->threads);
    cJSON_AddNumberToObject(root, "batch", r->batch);
    cJSON_AddNumberToObject(root, "shards", r->shards);
    cJSON_AddNumberToObject(root, "ranks", r->ranks);
    cJSON_AddNumberToObject(root, "sent_bytes", r->sent_bytes);
    cJSON_AddNumberToObject(root, "waited_ms", r->waited_ms);
    cJSON_AddNumberToObject(root, "seed", (double)r->seed);
    cJSON_AddBoolToObject(root, "synthetic_data", r->synthetic);
    cJSON_AddNumberToObject(root, "steps", (double)r->record_count);
    cJSON_AddNumberToObject(root, "first_step", (double)r->first_step);
    cJSON_AddNumberToObject(root, "last_step", (double)r->last_step);
    cJSON_AddBoolToObject(root, "stopped", r->stopped);
    cJSON_AddNumberToObject(root, "void_batches", (double)r->void_batches);
    add_column(root, "losses", r, LOSS);
    if (r->has_accuracy) add_column(root, "accuracies", r, ACCURACY);
    else cJSON_AddArrayToObject(root, "accuracies");
    sa_output_series_json(root, &r->series);
    add_column(root, "rates", r, RATE);
    cJSON_AddNumberToObject(root, "step_ms", r->step_ms);
    cJSON_AddNumberToObject(root, "data_ms", r->data_ms);
    cJSON_AddNumberToObject(root, "predicted_bytes", (double)r->predicted_bytes);
    cJSON_AddNumberToObject(root, "arena_bytes", (double)r->arena_bytes);
    cJSON_AddNumberToObject(root, "measured_bytes", (double)r->measured_bytes);
    snprintf(hash, sizeof hash, "%016" PRIx64, r->state_hash);
    cJSON_AddStringToObject(root, "state_hash", hash);
    add_tests(root, r);
    add_curve(root, options);
    if (r->snapshot[0]) cJSON_AddStringToObject(root, "snapshot", r->snapshot);
    else cJSON_AddNullToObject(root, "snapshot");
    char *text = sa_json_text(root, true);
    if (text) fprintf(out, "%s\n", text);
    free(text);
    cJSON_Delete(root);
}
