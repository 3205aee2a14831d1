/* `segarena place`: exit codes, its JSON and its output file. */
#include "cli/commands.h"
#include "memory/plan.h"
#include "memory/plan_csv.h"
#include "tests/support/memory_asserts.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/sa_place_XXXXXX";
static char instance[64], output[64], said[64], complained[64];

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(instance, sizeof instance, "%s/in.csv", folder);
    snprintf(output, sizeof output, "%s/out.csv", folder);
    snprintf(said, sizeof said, "%s/stdout", folder);
    snprintf(complained, sizeof complained, "%s/stderr", folder);
    FILE *file = fopen(instance, "w");
    if (!file) return 1;
    fputs("id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n", file);
    return fclose(file);
}

static int remove_files(void **state)
{
    (void)state;
    unlink(instance);
    unlink(output);
    unlink(said);
    unlink(complained);
    return rmdir(folder);
}

/* The exit code; what was printed is in the files `said` and `complained`. A process of its own, since usage errors end it. */
static int run(int count, const char *const *arguments)
{
    pid_t child = fork();
    if (child == 0) {
        char *argv[16] = {(char *)"segarena place"};
        for (int i = 0; i < count; i++) argv[i + 1] = (char *)arguments[i];
        int out = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600), err = open(complained, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(out, 1);
        dup2(err, 2);
        int code = sa_cmd_place(count + 1, argv);
        fflush(NULL);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define run_place(...) \
    run((int)(sizeof(const char *const[]){__VA_ARGS__} / sizeof(const char *)), (const char *const[]){__VA_ARGS__})

static const char *contents(const char *path)
{
    static char text[8192];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void test_json_of_a_placement(void **state)
{
    (void)state;
    assert_int_equal(run_place(instance, "--capacity", "12", "--json", "--output", output), 0);
    assert_non_null(strstr(contents(complained), "segarena place: wrote "));
    assert_non_null(strstr(contents(complained), "/out.csv (5 buffers)\n"));
    cJSON *document = cJSON_Parse(contents(said));
    assert_non_null(document);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(document, "feasible")));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(document, "optimal")));
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(document, "height")), 12);
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(document, "max_load")), 12);
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(document, "seconds")));
    sa_buffer *buffers;
    size_t count, *offsets;
    assert_status_ok(sa_plan_csv_read(output, &buffers, &count, &offsets));
    const cJSON *printed = cJSON_GetObjectItem(document, "offsets");
    assert_int_equal(cJSON_GetArraySize(printed), count);
    for (size_t i = 0; i < count; i++) assert_int_equal(cJSON_GetNumberValue(cJSON_GetArrayItem(printed, (int)i)), offsets[i]);
    sa_plan plan = {.count = count, .offset_bytes = offsets, .peak_bytes = 12, .lower_bound_bytes = 12, .unshared_bytes = 20};
    assert_status_ok(sa_plan_check(buffers, count, &plan));
    cJSON_Delete(document);
    free(buffers);
    free(offsets);
}

static void test_text_of_a_placement(void **state)
{
    (void)state;
    assert_int_equal(run_place(instance, "--capacity", "1KiB"), 0);
    assert_non_null(strstr(contents(said), "5 buffers placed in 12 bytes"));
}

/* The timeout covers reading and all that is done with so many rows, placed or not. */
static void test_timeout_is_kept(void **state)
{
    (void)state;
    enum { ROWS = 400000 };
    char large[80];
    snprintf(large, sizeof large, "%s/large.csv", folder);
    FILE *file = fopen(large, "w");
    assert_non_null(file);
    fputs("id,lower,upper,size\n", file);
    uint32_t random = 1;
    for (int i = 0; i < ROWS; i++) {
        random = random * 1664525u + 1013904223u;
        unsigned lower = random >> 12 & 0xffff, length = 1 + (random >> 5 & 0x3ff);
        fprintf(file, "b%d,%u,%u,%u\n", i, lower, lower + length, 1 + (random >> 16));
    }
    assert_int_equal(fclose(file), 0);
    static const char *const SECONDS[] = {"0.001", "0.1", "0.5", "2"};
    for (size_t i = 0; i < sizeof SECONDS / sizeof SECONDS[0]; i++) {
        /* CPU time, which other processes do not change, of this one thread */
        struct rusage before, after;
        getrusage(RUSAGE_CHILDREN, &before);
        const char *const arguments[] = {large, "--capacity", "1TiB", "--timeout", SECONDS[i]};
        int code = run(5, arguments);
        getrusage(RUSAGE_CHILDREN, &after);
        double took = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
                      1e-6 * (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec);
        if (i == 0) assert_non_null(strstr(contents(complained), "large.csv: the time was up after reading 0 rows"));
        if (took > atof(SECONDS[i]) + 0.5) fail_msg("--timeout %s took %.2f s of CPU time", SECONDS[i], took);
        assert_true(code == 0 || code == 1);
    }
    unlink(large);
}

static void test_infeasible(void **state)
{
    (void)state;
    assert_int_equal(run_place(instance, "--capacity", "11", "--json"), 1);
    assert_non_null(strstr(contents(complained), "12 are alive at one time"));
    cJSON *document = cJSON_Parse(contents(said));
    assert_non_null(document);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(document, "feasible")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(document, "optimal")));
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(document, "max_load")), 12);
    assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(document, "seconds")) < 10); /* it is known at once */
    cJSON_Delete(document);
}

static void test_errors_and_usage(void **state)
{
    (void)state;
    assert_int_equal(run_place("/none.csv", "--capacity", "11"), 1);
    assert_non_null(strstr(contents(complained), "/none.csv: cannot open"));
    assert_int_equal(run_place(instance, "--capacity", "12", "--output", "/none/out.csv"), 1);
    assert_int_equal(run_place(instance), 2);
    assert_non_null(strstr(contents(complained), "--capacity is missing"));
    assert_int_equal(run_place("--capacity", "12"), 2);
    assert_int_equal(run_place(instance, instance, "--capacity", "12"), 2);
    assert_int_equal(run_place(instance, "--capacity", "12Q"), 2);
    assert_int_equal(run_place(instance, "--capacity", "12", "--timeout", "-1"), 2);
    assert_int_equal(run_place(instance, "--capacity", "12", "--frobnicate"), 2);
    assert_int_equal(run_place("--help"), 0);
    assert_non_null(strstr(contents(said), "--timeout"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_of_a_placement), cmocka_unit_test(test_text_of_a_placement),
        cmocka_unit_test(test_timeout_is_kept),     cmocka_unit_test(test_infeasible),
        cmocka_unit_test(test_errors_and_usage),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
