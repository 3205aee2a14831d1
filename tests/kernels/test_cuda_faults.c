/* Recording of steps, one allocation, and every failure of a CUDA call: on the stand-in, with tests/simt/step_program.
 *
 * For each N the Nth call of the runtime, cuBLAS or cuDNN fails; the program must end by itself with a status and a message, and
 * leave no device memory behind. Skipped when this build has no CUDA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define PROGRAM "\"${SA_BUILD:-build}/tests/step_program\" "
#define REPORT "build/tests/simt/step_program.report"
#define ON_STAND_IN "SA_SIMT_REPORT=" REPORT " timeout 30 tests/simt/run " PROGRAM

static char output[16384];

/* Runs a command; its output is in `output`. */
static int run(const char *environment, const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "{ %s %s; } 2>&1", environment, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, sizeof output - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A number of the stand-in's report. */
static long reported(const char *key)
{
    char text[1024] = "", quoted[64];
    FILE *file = fopen(REPORT, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *found = strstr(text, quoted);
    assert_non_null(found);
    return atol(found + strlen(quoted));
}

static void recorded_steps_give_the_same_bits(void **state)
{
    (void)state;
    static char plain[sizeof output];
    assert_int_equal(run("", ON_STAND_IN "no-graph 10"), 0);
    memcpy(plain, output, sizeof output);
    long launches = reported("launch");
    assert_int_equal(run("", ON_STAND_IN "graph 10"), 0);
    assert_string_equal(output, plain);
    /* one plain step, one recorded, then one launch a step */
    assert_true(reported("launch") < launches / 2);
    assert_int_equal(reported("graph"), 1);
    assert_int_equal(run("SA_SIMT_DEFER=1 SA_SIMT_ORDER=reverse", ON_STAND_IN "graph 10"), 0);
    assert_string_equal(output, plain);
}

/* Runs 6 steps with an environment in which they cannot be recorded: they run as they are, say so once, and print `plain`. */
static void expect_plain_steps(const char *environment, const char *plain)
{
    assert_int_equal(run(environment, ON_STAND_IN "graph 6"), 0);
    char *note = strstr(output, "NOTE: steps run op by op, since this one cannot be recorded: ");
    if (!note) fail_msg("%s: no note in %s", environment, output);
    char *end = strchr(note, '\n') + 1;
    memmove(note, end, strlen(end) + 1);
    assert_string_equal(output, plain);
    assert_int_equal(reported("device_bytes_left"), 0);
}

/* captured:1 is the first library call of the recording, captured:1+ all of them. */
static void steps_that_cannot_be_recorded_run_plainly(void **state)
{
    (void)state;
    static const char *const faults[] = {"capture:1", "capture:2", "graph:1", "captured:1", "captured:2", "captured:1+"};
    static char plain[sizeof output];
    char environment[64];
    assert_int_equal(run("", ON_STAND_IN "no-graph 6"), 0);
    memcpy(plain, output, sizeof output);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        snprintf(environment, sizeof environment, "SA_SIMT_FAIL=%s", faults[i]);
        expect_plain_steps(environment, plain);
    }
    assert_int_equal(run("", ON_STAND_IN "graph 1"), 0);
    const long dnn = reported("cudnn"), blas = reported("cublas");
    snprintf(environment, sizeof environment, "SA_SIMT_FAIL=cudnn:%ld", dnn + 1);
    expect_plain_steps(environment, plain);
    snprintf(environment, sizeof environment, "SA_SIMT_FAIL=cublas:%ld", blas + 1);
    expect_plain_steps(environment, plain);
}

/* Rankings with entries of other math types, wrong bytes, failing and indeterministic entries, and algorithms that are ranked and
 * then refused: another one is taken. The stand-in computes all of them alike. */
static void unkind_rankings_change_no_number(void **state)
{
    (void)state;
    static char plain[sizeof output];
    assert_int_equal(run("", ON_STAND_IN "no-graph 6"), 0);
    memcpy(plain, output, sizeof output);
    for (int unkind = 0; unkind < 2; unkind++) {
        for (int algorithm = -1; algorithm < 8; algorithm++) {
            char environment[64];
            snprintf(environment, sizeof environment, "%s SA_SIMT_DNN_FAILS=%d", unkind ? "SA_SIMT_DNN=hostile" : "", algorithm);
            for (int graph = 0; graph < 2; graph++) {
                const int code = run(environment, graph ? ON_STAND_IN "graph 6" : ON_STAND_IN "no-graph 6");
                if (code != 0) fail_msg("%s: exit code %d: %s", environment, code, output);
                assert_string_equal(output, plain);
                assert_int_equal(reported("device_bytes_left"), 0);
            }
        }
    }
}

static void a_program_without_code_for_the_card_is_reported(void **state)
{
    (void)state;
    assert_int_equal(run("", "SA_SIMT_KERNELS=selftest " ON_STAND_IN "graph"), 1);
    assert_non_null(
        strstr(output, "NO_DEVICE: cuda device 0: this program has no code that SIMT stand-in (no GPU) (compute capability"));
    assert_non_null(strstr(output, "make GENCODE=-arch=sm_"));
}

static void one_device_allocation(void **state)
{
    (void)state;
    assert_int_equal(run("", ON_STAND_IN "graph"), 0);
    assert_non_null(strstr(output, "1 device allocations"));
    assert_int_equal(reported("malloc"), 1);
    assert_int_equal(reported("device_bytes_left"), 0);
}

static bool is_status_line(const char *text)
{
    static const char *const names[] = {"NOMEM: ", "NO_DEVICE: ", "DEVICE: ", "UNSUPPORTED: "};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *found = strstr(text, names[i]);
        if (found && strlen(found) > strlen(names[i]) + 10) return true;
    }
    return false;
}

static void every_failing_call_ends_in_a_status(void **state)
{
    (void)state;
    assert_int_equal(run("", ON_STAND_IN "graph"), 0);
    long calls = reported("total"), reports = 0;
    assert_in_range(calls, 50, 500);
    for (long n = 1; n <= calls; n++) {
        char environment[64];
        snprintf(environment, sizeof environment, "SA_SIMT_FAIL=any:%ld", n);
        int code = run(environment, ON_STAND_IN "graph");
        if (code == 1 && !is_status_line(output)) fail_msg("call %ld of %ld failed without a status: %s", n, calls, output);
        if (code != 0 && code != 1) fail_msg("call %ld of %ld failed, exit code %d: %s", n, calls, code, output);
        if (reported("device_bytes_left") != 0) fail_msg("call %ld of %ld failed, and device memory was left behind", n, calls);
        reports += code || strstr(output, "NOTE: ");
    }
    /* Only calls that give something back may fail in silence. */
    if (calls - reports > 6) fail_msg("%ld of %ld failures were not reported", calls - reports, calls);
}

static void too_little_memory_is_reported_with_sizes(void **state)
{
    (void)state;
    /* the context takes 480 MiB, the libraries' handles take 24 */
    assert_int_equal(run("SA_SIMT_MEMORY_MIB=505", ON_STAND_IN "graph"), 1);
    assert_non_null(strstr(output, "NOMEM: cuda device: 2097152 bytes wanted, 1048576 free of 529530880"));
}

static void no_device_is_reported(void **state)
{
    (void)state;
    assert_int_equal(run("SA_SIMT_DEVICE=none", ON_STAND_IN "graph"), 1);
    assert_non_null(strstr(output, "NO_DEVICE: cuda device 0: no CUDA-capable device is detected (cuda error 100)"));
    assert_int_equal(run("SA_SIMT_DEVICE=nodriver", ON_STAND_IN "graph"), 1);
    assert_non_null(strstr(output, "(cuda error 35)"));
    /* without the stand-in: this machine's own answer, unless it has a card */
    int code = run("", PROGRAM "graph");
    if (code != 0) assert_non_null(strstr(output, "NO_DEVICE: cuda device 0: "));
}

int main(void)
{
#ifndef SA_HAVE_CUDA
    printf("SKIP: this build has no CUDA (no nvcc)\n[  SKIPPED ] 1 test(s).\n");
    return 0;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_steps_give_the_same_bits),
        cmocka_unit_test(steps_that_cannot_be_recorded_run_plainly),
        cmocka_unit_test(unkind_rankings_change_no_number),
        cmocka_unit_test(a_program_without_code_for_the_card_is_reported),
        cmocka_unit_test(one_device_allocation),
        cmocka_unit_test(every_failing_call_ends_in_a_status),
        cmocka_unit_test(too_little_memory_is_reported_with_sizes),
        cmocka_unit_test(no_device_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
