/* `segarena place`: solves a static-allocation instance in CSV. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/file_kind.h"
#include "cli/option_values.h"
#include "cli/output_names.h"
#include "cli/place_page.h"
#include "cli/progress.h"
#include "cli/text_output.h"

#include "core/clock.h"
#include "core/output_file.h"
#include "core/size_text.h"
#include "memory/plan.h"
#include "memory/plan_csv.h"
#include "report/json_text.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const double default_timeout_seconds = 60.0;
/* Once a placement fits, this many seconds, or as many as it took, go into one that meets the lower bound. */
static const double tighten_seconds = 0.5;

typedef struct place_arguments {
    const char *instance, *output, *html;
    size_t capacity_bytes;
    double timeout_seconds;
    bool json;
} place_arguments;

enum { KEY_OUTPUT = 'o', KEY_JSON = 'j', KEY_CAPACITY = 256, KEY_TIMEOUT, KEY_HTML };

static const struct argp_option options[] = {
    {"capacity", KEY_CAPACITY, "SIZE", 0, "bytes that the placement must fit in (K, M, G, KiB, MiB, GiB allowed); required", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "give up after this time, reading included (default 60)", 0},
    {"output", KEY_OUTPUT, "FILE", 0, "write the placement to FILE as id,lower,upper,size,offset", 0},
    {"html", KEY_HTML, "FILE", 0, "write one HTML page that shows the placement over time, for any browser", 0},
    {"json", KEY_JSON, NULL, 0, "print one JSON document", 0},
    {0},
};

/* How many of the outputs want standard output. */
static int takes_stdout(const place_arguments *arguments)
{
    return (arguments->output && sa_output_file_is_stdout(arguments->output)) +
           (arguments->html && sa_output_file_is_stdout(arguments->html));
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    place_arguments *arguments = state->input;
    char *end;
    switch (key) {
    case KEY_CAPACITY: arguments->capacity_bytes = sa_cli_size(state, "capacity", text); return 0;
    case KEY_TIMEOUT:
        arguments->timeout_seconds = strtod(text, &end);
        if (end == text || *end || !(arguments->timeout_seconds > 0))
            argp_error(state, "--timeout '%s' is no positive number", text);
        return 0;
    case KEY_OUTPUT: arguments->output = text; return 0;
    case KEY_HTML: arguments->html = text; return 0;
    case KEY_JSON: arguments->json = true; return 0;
    case ARGP_KEY_ARG:
        if (arguments->instance) argp_error(state, "more than one instance: '%s'", text);
        arguments->instance = text;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->instance) argp_error(state, "no instance given");
        if (arguments->capacity_bytes == 0) argp_error(state, "--capacity is missing");
        if (arguments->json + takes_stdout(arguments) > 1)
            argp_error(state, "--json, --output - and --html -: only one of them can have standard output");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* Looks for a placement within the capacity, then for one at the lower bound. deadline: by sa_clock_seconds. */
static sa_status solve(const place_arguments *arguments, const sa_buffer *buffers, size_t count, double deadline, sa_plan *plan)
{
    double left = deadline - sa_clock_seconds();
    if (left <= 0) SA_FAIL(SA_CAPACITY, "the time was up when %zu rows were read", count);
    sa_plan_options search = {
        .planner = SA_PLANNER_EXACT, .capacity_bytes = arguments->capacity_bytes, .timeout_seconds = left, .strict_timeout = true};
    SA_TRY(sa_plan_make(buffers, count, &search, plan));
    left = deadline - sa_clock_seconds();
    double most = plan->seconds > tighten_seconds ? plan->seconds : tighten_seconds;
    if (plan->optimal || left <= 0) return SA_OK;
    sa_plan tighter;
    search.capacity_bytes = 0;
    search.timeout_seconds = left < most ? left : most;
    SA_TRY(sa_plan_make(buffers, count, &search, &tighter));
    if (tighter.peak_bytes < plan->peak_bytes || tighter.optimal) {
        tighter.seconds += plan->seconds;
        sa_plan_free(plan);
        *plan = tighter;
    } else {
        plan->seconds += tighter.seconds;
        sa_plan_free(&tighter);
    }
    return SA_OK;
}

/* plan is NULL if none was found. The offsets are in the file's order. */
static sa_status print_json(const sa_plan *plan, size_t max_load, double seconds)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddBoolToObject(document, "feasible", plan != NULL);
    if (plan) cJSON_AddNumberToObject(document, "height", (double)plan->peak_bytes);
    else cJSON_AddNullToObject(document, "height");
    cJSON_AddNumberToObject(document, "max_load", (double)max_load);
    cJSON_AddBoolToObject(document, "optimal", plan && plan->optimal);
    cJSON_AddNumberToObject(document, "seconds", seconds);
    cJSON *offsets = cJSON_AddArrayToObject(document, "offsets");
    for (size_t i = 0; plan && i < plan->count; i++) {
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)plan->offset_bytes[i]));
    }
    char *text = sa_json_text(document, true);
    cJSON_Delete(document);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for the JSON document");
    puts(text);
    free(text);
    return SA_OK;
}

/* Returns SA_CAPACITY, whose message is set already; another failure if it could not print. */
static sa_status print_failure_json(const sa_buffer *buffers, size_t count, double seconds)
{
    size_t max_load;
    SA_TRY(sa_plan_max_load(buffers, count, &max_load));
    SA_TRY(print_json(NULL, max_load, seconds));
    return SA_CAPACITY;
}

static void print_table(const sa_plan *plan, size_t count)
{
    char height[SA_SIZE_TEXT_BYTES], load[SA_SIZE_TEXT_BYTES];
    sa_text_say(stdout, 0, "%zu buffers placed in %zu bytes (%s), max load %zu (%s), %s, %.3f s", count, plan->peak_bytes,
                sa_size_format(plan->peak_bytes, height), plan->lower_bound_bytes, sa_size_format(plan->lower_bound_bytes, load),
                plan->optimal ? "proven optimal" : "not proven optimal", plan->seconds);
}

static sa_status place(const place_arguments *arguments)
{
    sa_buffer *buffers = NULL;
    double start = sa_clock_seconds(), deadline = start + arguments->timeout_seconds;
    size_t count;
    sa_plan plan = {0};
    const sa_cli_output written[] = {{"--output", arguments->output, SA_FILE_PLACEMENT},
                                     {"--html", arguments->html, SA_FILE_TIMELINE}};
    SA_TRY(sa_file_kind_expect("place", arguments->instance, SA_FILE_PLACEMENT));
    SA_TRY(sa_cli_outputs_check(written, 2));
    SA_TRY(sa_plan_csv_read_until(arguments->instance, deadline, &buffers, &count, NULL));
    sa_progress progress;
    sa_progress_wait(&progress, stderr, "segarena place: placing");
    sa_status status = solve(arguments, buffers, count, deadline, &plan);
    sa_progress_wait_end(&progress);
    double seconds = sa_clock_seconds() - start;
    if (arguments->json && status == SA_OK) status = print_json(&plan, plan.lower_bound_bytes, seconds);
    else if (arguments->json && status == SA_CAPACITY) status = print_failure_json(buffers, count, seconds);
    else if (status == SA_OK && !takes_stdout(arguments)) print_table(&plan, count);
    if (status == SA_OK && arguments->output) {
        status = sa_plan_csv_write(arguments->output, buffers, count, plan.offset_bytes);
        if (status == SA_OK) sa_cli_wrote("place", arguments->output, "%zu buffers", count);
    }
    if (status == SA_OK && arguments->html) {
        status = sa_place_write_html(arguments->html, arguments->instance, buffers, count, &plan);
        if (status == SA_OK) sa_cli_wrote("place", arguments->html, "a page, to be opened in a browser");
    }
    if (status != SA_OK) status = sa_error_prefix(status, "%s", arguments->instance);
    sa_plan_free(&plan);
    free(buffers);
    return status;
}

int sa_cmd_place(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse_option,
        "INSTANCE.csv",
        "Places the buffers of INSTANCE.csv (id,lower,upper,size; lifespans half-open) so that those alive together do not "
        "overlap.\vExits 1 if no placement within the capacity is found.",
        NULL,
        NULL,
        NULL};
    place_arguments arguments = {.timeout_seconds = default_timeout_seconds};
    if (!sa_cli_parse(&argp, argc, argv, &arguments)) return 2;
    return place(&arguments) == SA_OK ? 0 : sa_cli_fail("place");
}
