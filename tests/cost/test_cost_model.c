/* Cost models: keys of ops, scaling of guesses, measuring, the cost file. No test knows how fast anything is; where times matter,
 * they are made up. */
#include "cost/cost_builtin.h"
#include "cost/cost_cache.h"
#include "cost/cost_measure.h"
#include "cost/op_cost_key.h"
#include "tests/support/cost_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char TINY[] = "tests/golden/tiny_new/net.prototxt";

/* ------------------------------------------------------------------ keys ------------------------------------------- */

static void key_of(const sa_op *op, char key[SA_COST_KEY_MAX])
{
    sa_op_cost_key(op->kind, &op->args, key);
}

static const sa_op *find_op(const sa_program *program, const char *name, int number)
{
    for (size_t i = 0; i < program->op_count; i++)
        if (!strcmp(program->op[i].name, name) && number-- == 0) return &program->op[i];
    fail_msg("no op '%s'", name);
    return NULL;
}

static void equal_work_has_equal_keys(void **state)
{
    (void)state;
    char a[SA_COST_KEY_MAX], b[SA_COST_KEY_MAX];
    fixture f = open_fixture("nets/new.prototxt", 2);
    sa_layout bands = make_layout(&f, "inplace+banded=16"), plain = make_layout(&f, "inplace"),
              small = make_layout(&f, "inplace+small-workspace");
    key_of(find_op(bands.program, "conv0 forward", 0), a);
    key_of(find_op(bands.program, "conv0 forward", 3), b);
    assert_string_equal(a, b); /* another band */
    key_of(find_op(plain.program, "conv0 forward", 0), b);
    assert_string_not_equal(a, b); /* all channels at once */
    key_of(find_op(bands.program, "conv2 backward", 0), a);
    key_of(find_op(plain.program, "conv2 backward", 0), b);
    assert_string_equal(a, b); /* in another program, in other buffers */
    key_of(find_op(plain.program, "conv3 backward", 0), b);
    assert_string_not_equal(a, b);                                 /* a smaller plane */
    key_of(find_op(plain.program, "conv_decode1 backward", 0), a); /* at the peak: elsewhere there is room for more */
    key_of(find_op(small.program, "conv_decode1 backward", 0), b);
    assert_string_not_equal(a, b);
    size_t length = sa_cost_key_length(a, SA_COST_ANY_WORKSPACE);
    assert_int_equal(length, sa_cost_key_length(b, SA_COST_ANY_WORKSPACE));
    assert_memory_equal(a, b, length); /* the workspace is all that differs */
    sa_layout_free(&bands);
    sa_layout_free(&plain);
    sa_layout_free(&small);
    close_fixture(&f);
}

/* No key is cut short: a cut one would lose the workspace at its end. */
static void keys_fit(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {"caffe", "fused", "inplace", "extreme"};
    fixture f = open_fixture("nets/bayesian_segnet_camvid.prototxt", 2);
    for (int s = 0; s < 4; s++) {
        sa_layout layout = make_layout(&f, STRATEGIES[s]);
        for (size_t i = 0; i < layout.program->op_count; i++) {
            char key[SA_COST_KEY_MAX];
            key_of(&layout.program->op[i], key);
            assert_true(strlen(key) < SA_COST_KEY_MAX - 1);
            assert_null(strchr(key, '?'));
            assert_true(sa_cost_builtin_work_ms(f.device, layout.program->op[i].kind, &layout.program->op[i].args) > 0);
        }
        sa_layout_free(&layout);
    }
    close_fixture(&f);
}

/* ------------------------------------------------------------------ the model -------------------------------------- */

static bool near(double a, double b)
{
    return a <= b * (1 + 1e-9) && b <= a * (1 + 1e-9);
}

static void measured_ops_answer_for_their_like(void **state)
{
    (void)state;
    fixture f = open_fixture("nets/new.prototxt", 2);
    sa_layout plain = make_layout(&f, "inplace"), small = make_layout(&f, "inplace+small-workspace");
    const sa_op *op = find_op(plain.program, "conv2 backward", 0), *less = find_op(small.program, "conv2 backward", 0);
    const sa_op *other = find_op(plain.program, "pool2 forward", 0);
    double guess = sa_cost_builtin_work_ms(f.device, op->kind, &op->args);
    double guess_less = sa_cost_builtin_work_ms(f.device, less->kind, &less->args);
    double guess_other = sa_cost_builtin_work_ms(f.device, other->kind, &other->args);
    sa_cost cost = sa_cost_predict_op(f.model, op->kind, &op->args);
    assert_true(near(cost.cpu_ms, guess) && near(cost.ms, guess / 2)); /* nothing is known: two threads share the work */
    assert_false(sa_cost_model_knows(f.model, op->kind, &op->args));
    must(sa_cost_model_record(f.model, op->kind, &op->args, (sa_cost){3 * guess, 7 * guess}));
    must(sa_cost_model_record(f.model, op->kind, &op->args, (sa_cost){4 * guess, 6 * guess}));
    cost = sa_cost_predict_op(f.model, op->kind, &op->args);
    assert_true(near(cost.ms, 3 * guess) && near(cost.cpu_ms, 6 * guess)); /* the shortest of each */
    assert_int_equal(sa_cost_model_count(f.model), 1);
    cost = sa_cost_predict_op(f.model, less->kind, &less->args);
    assert_true(near(cost.ms, 3 * guess_less) && near(cost.cpu_ms, 6 * guess_less)); /* another workspace */
    cost = sa_cost_predict_op(f.model, other->kind, &other->args);
    assert_true(near(cost.ms, 3 * guess_other)); /* no op of the kind is known: all that are */
    must(sa_cost_model_record(f.model, other->kind, &other->args, (sa_cost){5 * guess_other, 5 * guess_other}));
    cost = sa_cost_predict_op(f.model, less->kind, &less->args);
    assert_true(near(cost.ms, 3 * guess_less)); /* nearer ones go first */
    sa_layout_free(&plain);
    sa_layout_free(&small);
    close_fixture(&f);
}

static void measuring_covers_what_was_run(void **state)
{
    (void)state;
    fixture f = open_fixture(TINY, 2);
    const sa_cost_measure_options options = {.program = PROGRAM, .steps = 1, .strategies_max = 4};
    sa_strategy list[2];
    const sa_strategy *strategies[2] = {&list[0], &list[1]};
    sa_layout first = make_layout(&f, "inplace"), second = make_layout(&f, "extreme");
    double share;
    int runs;
    must(sa_strategy_parse("inplace", &list[0]));
    must(sa_strategy_parse("extreme", &list[1]));
    sa_cost_predict(f.model, first.program, &share);
    assert_true(share == 0);
    must(sa_cost_measure_covering(f.model, f.net, f.device, strategies, 2, &options, &runs));
    assert_true(runs == 1 || runs == 2);
    sa_cost_predict(f.model, first.program, &share);
    assert_true(share >= 0.9);
    sa_cost cost = sa_cost_predict(f.model, second.program, &share);
    assert_true(share >= 0.9 && cost.ms > 0);
    size_t known = sa_cost_model_count(f.model);
    must(sa_cost_measure_covering(f.model, f.net, f.device, strategies, 2, &options, &runs));
    assert_int_equal(runs, 0); /* there is nothing left to learn */
    assert_int_equal(sa_cost_model_count(f.model), known);
    sa_layout_free(&first);
    sa_layout_free(&second);
    close_fixture(&f);
}

/* ------------------------------------------------------------------ the cost file ---------------------------------- */

typedef struct cost_file {
    char folder[64], path[128];
} cost_file;

static cost_file open_file(void)
{
    cost_file file = {.folder = "/tmp/test_budget.XXXXXX"};
    assert_non_null(mkdtemp(file.folder));
    snprintf(file.path, sizeof file.path, "%s/a/b/costs.json", file.folder);
    return file;
}

static void close_file(const cost_file *file)
{
    char folder[128];
    unlink(file->path);
    snprintf(folder, sizeof folder, "%s/a/b", file->folder);
    rmdir(folder);
    snprintf(folder, sizeof folder, "%s/a", file->folder);
    rmdir(folder);
    assert_int_equal(rmdir(file->folder), 0); /* nothing else was left behind */
}

static void costs_are_kept_for_each_device(void **state)
{
    (void)state;
    cost_file file = open_file();
    fixture one = open_fixture(TINY, 1), two = open_fixture(NULL, 2), again = open_fixture(NULL, 1);
    char note[SA_COST_NOTE_MAX] = "x";
    sa_layout layout = make_layout(&one, "inplace");
    const sa_op *op = &layout.program->op[0];
    must(sa_cost_cache_load(one.model, file.path, note));
    assert_string_equal(note, ""); /* a file that is not there is none that is damaged */
    must(sa_cost_model_record(one.model, op->kind, &op->args, (sa_cost){1.25, 2.5}));
    must(sa_cost_cache_save(one.model, file.path));
    must(sa_cost_cache_load(two.model, file.path, note));
    assert_int_equal(sa_cost_model_count(two.model), 0); /* two threads are another device */
    must(sa_cost_model_record_key(two.model, "fill 1 \"quoted\"", (sa_cost){0.5, 0.5}, 1.0));
    must(sa_cost_cache_save(two.model, file.path));
    must(sa_cost_cache_load(again.model, file.path, note));
    assert_string_equal(note, "");
    assert_int_equal(sa_cost_model_count(again.model), 1);
    sa_cost cost = sa_cost_predict_op(again.model, op->kind, &op->args);
    assert_true(cost.ms == 1.25 && cost.cpu_ms == 2.5);
    sa_layout_free(&layout);
    close_fixture(&one);
    close_fixture(&two);
    close_fixture(&again);
    close_file(&file);
}

static char *read_whole(const char *path)
{
    char *text = calloc(1, 1 << 20);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, in) > 0);
    fclose(in);
    return text;
}

static void write_whole(const char *path, const char *text, size_t bytes)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, bytes, out), bytes);
    assert_int_equal(fclose(out), 0);
}

/* Nothing is taken from a damaged file, and it says so; the next save makes it whole. */
static void expect_damaged(const char *path, const char *text, size_t bytes)
{
    fixture f = open_fixture(NULL, 2);
    char note[SA_COST_NOTE_MAX];
    write_whole(path, text, bytes);
    must(sa_cost_cache_load(f.model, path, note));
    if (!strstr(note, "is damaged and ignored")) fail_msg("not seen as damaged: %.200s", text);
    assert_int_equal(sa_cost_model_count(f.model), 0);
    must(sa_cost_model_record_key(f.model, "fill 1", (sa_cost){0.5, 0.5}, 1.0));
    must(sa_cost_cache_save(f.model, path));
    close_fixture(&f);
    f = open_fixture(NULL, 2);
    must(sa_cost_cache_load(f.model, path, note));
    assert_string_equal(note, "");
    assert_int_equal(sa_cost_model_count(f.model), 1);
    close_fixture(&f);
}

static void a_damaged_file_is_ignored_and_rewritten(void **state)
{
    (void)state;
    static const char *const VALUES[] = {"[1,1]", "[1,1,1,1]", "[1,1,0]", "[-1,1,1]", "[1,\"a\",1]", "[1,1e999,1]", "null", "{}"};
    static const char *const TEXTS[] = {
        "", "{", "[]", "{\"format\":2,\"tables\":[]}", "{\"format\":1}", "{\"format\":1,\"tables\":{}}", "\xff\xfe"};
    static const char ROW[] = "[0.5,0.5,1]";
    cost_file file = open_file();
    fixture f = open_fixture(NULL, 2);
    must(sa_cost_model_record_key(f.model, "fill 1", (sa_cost){0.5, 0.5}, 1.0));
    must(sa_cost_cache_save(f.model, file.path));
    close_fixture(&f);
    char *good = read_whole(file.path), *bad = calloc(1, strlen(good) + 64), *row = strstr(good, ROW);
    assert_non_null(row);
    assert_non_null(bad);
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        sprintf(bad, "%.*s%s%s", (int)(row - good), good, VALUES[i], row + strlen(ROW));
        expect_damaged(file.path, bad, strlen(bad));
    }
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) expect_damaged(file.path, TEXTS[i], strlen(TEXTS[i]));
    for (size_t bytes = 0; bytes + 1 < strlen(good); bytes += 7) expect_damaged(file.path, good, bytes);
    free(good);
    free(bad);
    close_file(&file);
}

static void the_path_follows_the_environment(void **state)
{
    (void)state;
    char path[SA_COST_PATH_MAX];
    setenv("XDG_CACHE_HOME", "/x/y", 1);
    sa_cost_cache_path(path);
    assert_string_equal(path, "/x/y/segarena/costs.json");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/h", 1);
    sa_cost_cache_path(path);
    assert_string_equal(path, "/h/.cache/segarena/costs.json");
    unsetenv("HOME");
    sa_cost_cache_path(path);
    assert_string_equal(path, "");
    fixture f = open_fixture(NULL, 1);
    assert_int_equal(sa_cost_cache_save(f.model, "/proc/no/such/costs.json"), SA_IO);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_work_has_equal_keys),          cmocka_unit_test(keys_fit),
        cmocka_unit_test(measured_ops_answer_for_their_like), cmocka_unit_test(measuring_covers_what_was_run),
        cmocka_unit_test(costs_are_kept_for_each_device),     cmocka_unit_test(a_damaged_file_is_ignored_and_rewritten),
        cmocka_unit_test(the_path_follows_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
