/* `segarena plan`: figures at the peak step against sums made here, the JSON document against the plan, the CSV file read back. */
#include "memory/plan_csv.h"
#include "net/net.h"
#include "report/buffer_uses.h"
#include "report/plan_json.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct planned {
    sa_net *net;
    sa_strategy strategy;
    sa_device *device;
    sa_layout layout;
    sa_plan_report report;
} planned;

static void set_up(planned *p, const char *path, const char *strategy)
{
    const sa_program_options options = {.training = true};
    memset(p, 0, sizeof *p);
    assert_int_equal(sa_device_open_cpu(1, &p->device), SA_OK);
    assert_int_equal(sa_net_load(path, NULL, &p->net), SA_OK);
    assert_int_equal(sa_strategy_parse(strategy, &p->strategy), SA_OK);
    assert_int_equal(sa_layout_create(p->net, &p->strategy, p->device, &options, &p->layout), SA_OK);
    assert_int_equal(sa_plan_report_create(p->net, &p->strategy, &p->layout, &p->report), SA_OK);
}

static void tear_down(planned *p)
{
    sa_plan_report_free(&p->report);
    sa_layout_free(&p->layout);
    sa_net_free(p->net);
    sa_device_close(p->device);
}

static size_t live_at(const planned *p, size_t step)
{
    size_t sum = 0;
    for (size_t i = 0; i < p->layout.program->buffer_count; i++) {
        const sa_buffer *b = &p->layout.program->buffer[i];
        if ((int64_t)step >= b->begin && (int64_t)step < b->end) sum += b->size_bytes;
    }
    return sum;
}

static void figures_are_those_of_the_worst_step(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {"caffe", "shared", "inplace", "smallest"};
    for (size_t k = 0; k < sizeof STRATEGIES / sizeof STRATEGIES[0]; k++) {
        planned p;
        size_t kinds = 0, alive = 0;
        set_up(&p, "nets/new.prototxt", STRATEGIES[k]);
        const sa_plan_report *r = &p.report;
        assert_int_equal(r->caffe_total_bytes, 8992913844);
        assert_int_equal(r->step_count, p.layout.program->op_count);
        for (size_t step = 0; step < r->step_count; step++) {
            assert_int_equal(r->live_bytes[step], live_at(&p, step));
            assert_true(r->live_bytes[step] <= r->live_bytes[r->peak_step]);
        }
        for (int i = 0; i < SA_BUFFER_KINDS; i++) kinds += r->kind_bytes[i];
        for (size_t i = 0; i < r->alive_count; i++) {
            alive += p.layout.program->buffer[r->alive[i]].size_bytes;
            if (i > 0)
                assert_true(p.layout.program->buffer[r->alive[i - 1]].size_bytes >=
                            p.layout.program->buffer[r->alive[i]].size_bytes);
        }
        assert_int_equal(kinds, r->live_bytes[r->peak_step]);
        assert_int_equal(alive, kinds);
        assert_true(kinds <= p.layout.plan.lower_bound_bytes && p.layout.plan.lower_bound_bytes <= p.layout.plan.peak_bytes);
        tear_down(&p);
    }
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(item)) fail_msg("'%s' is not a number", key);
    return item->valuedouble;
}

static const char *string(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsString(item)) fail_msg("'%s' is not a string", key);
    return item->valuestring;
}

static void json_is_the_plan(void **state)
{
    (void)state;
    planned p;
    set_up(&p, "nets/old.prototxt", "banded");
    char *text;
    assert_int_equal(sa_plan_json_text(&p.report, NULL, &text), SA_OK);
    cJSON *root = cJSON_Parse(text), *row;
    size_t i = 0;
    assert_non_null(root);
    assert_string_equal(string(root, "net"), "old");
    assert_string_equal(string(root, "strategy"), "banded");
    assert_string_equal(string(root, "conv"), "auto");
    assert_true(number(root, "peak_bytes") == (double)p.layout.plan.peak_bytes);
    assert_true(number(root, "lower_bound_bytes") == (double)p.layout.plan.lower_bound_bytes);
    assert_true(number(root, "unshared_bytes") == (double)p.layout.plan.unshared_bytes);
    assert_true(number(root, "steps") == (double)p.layout.program->op_count);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(root, "buffers"))
    {
        const sa_buffer *b = &p.layout.program->buffer[i];
        assert_string_equal(string(row, "name"), b->name);
        assert_string_equal(string(row, "kind"), sa_buffer_kind_name(b->kind));
        assert_true(number(row, "size_bytes") == (double)b->size_bytes);
        assert_true(number(row, "offset_bytes") == (double)p.layout.plan.offset_bytes[i]);
        assert_true(number(row, "begin") == (double)b->begin);
        assert_true(number(row, "end") == (double)b->end);
        i++;
    }
    assert_int_equal(i, p.layout.program->buffer_count);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "ops")), p.layout.program->op_count);
    cJSON_Delete(root);
    free(text);
    tear_down(&p);
}

static const cJSON *buffer_named(const cJSON *root, const char *name)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(root, "buffers"))
    {
        if (!strcmp(string(row, "name"), name)) return row;
    }
    fail_msg("no buffer '%s'", name);
    return NULL;
}

static void expect_numbers(const cJSON *row, const char *key, const int *wanted, int count)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(row, key);
    assert_int_equal(cJSON_GetArraySize(list), count);
    for (int i = 0; i < count; i++) assert_int_equal(cJSON_GetArrayItem(list, i)->valueint, wanted[i]);
}

/* `old` under fastest: conv1 is written by its convolution, waits, and its gradient overwrites it in op 76. */
static void json_says_who_uses_what(void **state)
{
    (void)state;
    static const int WRITERS[] = {1, 76}, READERS[] = {2, 3, 75, 76, 79};
    planned p;
    char *text;
    set_up(&p, "nets/old.prototxt", "fastest");
    assert_int_equal(sa_plan_json_text(&p.report, NULL, &text), SA_OK);
    cJSON *root = cJSON_Parse(text);
    const cJSON *conv1 = buffer_named(root, "conv1"), *values = cJSON_GetObjectItemCaseSensitive(conv1, "values");
    expect_numbers(conv1, "writers", WRITERS, 2);
    expect_numbers(conv1, "readers", READERS, 5);
    assert_int_equal(cJSON_GetArraySize(values), 2);
    for (int i = 0; i < 2; i++) {
        const cJSON *value = cJSON_GetArrayItem(values, i);
        assert_true(number(value, "from") == WRITERS[i]);
        assert_string_equal(string(value, "what"), i == 0 ? "data" : "gradient");
        assert_string_equal(string(value, "blob"), "conv1");
        assert_true(number(value, "bytes") == 201326592);
    }
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(buffer_named(root, "conv1.workspace"), "readers")), 0);
    cJSON_Delete(root);
    free(text);
    tear_down(&p);
}

/* Every preset: a buffer lives from its first use to its last, holds something from its first write on, and never more than it has
 * room for. What is filled before the step, or looked at after it, lives longer than its uses; scratch does not. */
static void uses_are_the_lifetimes(void **state)
{
    (void)state;
    for (int k = 0; sa_preset_at(k); k++) {
        planned p;
        sa_buffer_uses uses;
        set_up(&p, "tests/golden/tiny_old/net.prototxt", sa_preset_at(k)->name);
        const sa_program *program = p.layout.program;
        assert_int_equal(sa_buffer_uses_create(program, &uses), SA_OK);
        size_t touch = 0, holding = 0;
        for (size_t i = 0; i < program->buffer_count; i++) {
            const sa_buffer *b = &program->buffer[i];
            const size_t first = touch;
            while (touch < uses.touch_count && uses.touch[touch].buffer == i) touch++;
            assert_true(touch > first);
            assert_true(b->begin <= (int64_t)uses.touch[first].op && (int64_t)uses.touch[touch - 1].op < b->end);
            if (b->kind == SA_BUFFER_WORKSPACE && sa_strategy_has(&p.strategy, SA_SWITCH_LIFETIMES))
                assert_int_equal(b->end - b->begin, (int64_t)(uses.touch[touch - 1].op - uses.touch[first].op) + 1);
            size_t bytes = 0, from = SIZE_MAX;
            for (; holding < uses.holding_count && uses.holding[holding].buffer == i; holding++) {
                if (uses.holding[holding].from_op != from) bytes = 0;
                from = uses.holding[holding].from_op;
                bytes += uses.holding[holding].bytes;
                assert_true(bytes <= b->size_bytes);
            }
            assert_true(from != SIZE_MAX);
        }
        assert_int_equal(touch, uses.touch_count);
        assert_int_equal(holding, uses.holding_count);
        sa_buffer_uses_free(&uses);
        tear_down(&p);
    }
}

/* Ids are unique under every preset, the placement survives the file and is still valid. */
static void csv_reads_back(void **state)
{
    (void)state;
    char path[] = "/tmp/segarena_plan_XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    for (int k = 0; sa_preset_at(k); k++) {
        planned p;
        sa_buffer *buffers;
        size_t count, *offsets;
        set_up(&p, "nets/new.prototxt", sa_preset_at(k)->name);
        const sa_program *program = p.layout.program;
        assert_int_equal(sa_plan_csv_write(path, program->buffer, program->buffer_count, p.layout.plan.offset_bytes), SA_OK);
        if (sa_plan_csv_read(path, &buffers, &count, &offsets) != SA_OK) fail_msg("%s", sa_error_message());
        assert_int_equal(count, program->buffer_count);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(buffers[i].name, program->buffer[i].name);
            assert_int_equal(buffers[i].size_bytes, program->buffer[i].size_bytes);
            assert_int_equal(offsets[i], p.layout.plan.offset_bytes[i]);
        }
        free(buffers);
        free(offsets);
        tear_down(&p);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_worst_step),
        cmocka_unit_test(json_is_the_plan),
        cmocka_unit_test(json_says_who_uses_what),
        cmocka_unit_test(uses_are_the_lifetimes),
        cmocka_unit_test(csv_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
