/* The trace of a planned step, read back: slices that follow one another, counters that are the bytes alive, each buffer's span. */
#include "net/net.h"
#include "report/trace.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct planned {
    sa_net *net;
    sa_strategy strategy;
    sa_device *device;
    sa_layout layout;
    sa_plan_report report;
    double *op_ms, *start_us;
    cJSON *document;
} planned;

static void set_up(planned *p)
{
    const sa_program_options options = {.training = true};
    char *text;
    memset(p, 0, sizeof *p);
    assert_int_equal(sa_device_open_cpu(1, &p->device), SA_OK);
    assert_int_equal(sa_net_load("tests/golden/tiny_new/net.prototxt", NULL, &p->net), SA_OK);
    assert_int_equal(sa_strategy_parse("smallest", &p->strategy), SA_OK);
    assert_int_equal(sa_layout_create(p->net, &p->strategy, p->device, &options, &p->layout), SA_OK);
    assert_int_equal(sa_plan_report_create(p->net, &p->strategy, &p->layout, &p->report), SA_OK);
    size_t ops = p->layout.program->op_count;
    p->op_ms = calloc(ops, sizeof *p->op_ms);
    p->start_us = calloc(ops + 1, sizeof *p->start_us);
    assert_non_null(p->op_ms);
    assert_non_null(p->start_us);
    for (size_t i = 0; i < ops; i++) {
        p->op_ms[i] = (double)(1 + i % 5) / 4;
        p->start_us[i + 1] = p->start_us[i] + 1000 * p->op_ms[i];
    }
    assert_int_equal(sa_plan_trace_json(&p->report, p->op_ms, "a test", &text), SA_OK);
    p->document = cJSON_Parse(text);
    free(text);
    assert_non_null(p->document);
}

static void tear_down(planned *p)
{
    cJSON_Delete(p->document);
    free(p->op_ms);
    free(p->start_us);
    sa_plan_report_free(&p->report);
    sa_layout_free(&p->layout);
    sa_net_free(p->net);
    sa_device_close(p->device);
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsNumber(value)) fail_msg("no number '%s'", name);
    return value->valuedouble;
}

static const char *string(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsString(value)) fail_msg("no string '%s'", name);
    return value->valuestring;
}

static bool is(const cJSON *event, const char *phase, const char *category)
{
    if (strcmp(string(event, "ph"), phase)) return false;
    return !category || !strcmp(string(event, "cat"), category);
}

static void ops_and_phases_follow_one_another(void **state)
{
    (void)state;
    planned p;
    set_up(&p);
    size_t op = 0;
    double phase_end = 0;
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(p.document, "traceEvents"))
    {
        if (is(event, "X", NULL) && is(event, "X", "phase")) {
            assert_true(number(event, "ts") == phase_end);
            phase_end += number(event, "dur");
        }
        if (!is(event, "X", NULL) || !is(event, "X", "op")) continue;
        assert_string_equal(string(event, "name"), p.layout.program->op[op].name);
        assert_true(number(event, "ts") == p.start_us[op]);
        assert_true(number(event, "dur") == p.start_us[op + 1] - p.start_us[op]);
        assert_true(number(cJSON_GetObjectItem(event, "args"), "alive_bytes") == (double)p.report.live_bytes[op]);
        op++;
    }
    assert_int_equal(op, p.layout.program->op_count);
    assert_true(phase_end == p.start_us[op]);
    tear_down(&p);
}

static void counters_are_the_bytes_alive(void **state)
{
    (void)state;
    planned p;
    set_up(&p);
    size_t op = 0, ops = p.layout.program->op_count;
    const cJSON *event, *kind;
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(p.document, "traceEvents"))
    {
        double sum = 0;
        if (!is(event, "C", NULL)) continue;
        cJSON_ArrayForEach(kind, cJSON_GetObjectItem(event, "args")) sum += kind->valuedouble;
        assert_true(op <= ops);
        assert_true(number(event, "ts") == p.start_us[op]);
        assert_true(sum == (op < ops ? (double)p.report.live_bytes[op] : 0));
        op++;
    }
    assert_int_equal(op, ops + 1);
    tear_down(&p);
}

static void buffers_have_their_spans(void **state)
{
    (void)state;
    planned p;
    set_up(&p);
    size_t count = p.layout.program->buffer_count, begins = 0, ends = 0;
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(p.document, "traceEvents"))
    {
        bool begin = is(event, "b", NULL), end = is(event, "e", NULL);
        if (!begin && !end) continue;
        size_t i = (size_t)number(event, "id") - 1;
        assert_true(i < count);
        const sa_buffer *b = &p.layout.program->buffer[i];
        assert_string_equal(string(event, "name"), b->name);
        assert_string_equal(string(event, "cat"), sa_buffer_kind_name(b->kind));
        assert_true(number(event, "ts") == p.start_us[begin ? b->begin : b->end]);
        if (begin) assert_true(number(cJSON_GetObjectItem(event, "args"), "bytes") == (double)b->size_bytes);
        begins += begin;
        ends += end;
    }
    assert_int_equal(begins, count);
    assert_int_equal(ends, count);
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ops_and_phases_follow_one_another),
                                       cmocka_unit_test(counters_are_the_bytes_alive), cmocka_unit_test(buffers_have_their_spans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
