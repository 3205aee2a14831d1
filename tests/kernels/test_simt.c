/* Tests of the CUDA stand-in itself (tests/simt): correct programs pass in every mode and order, each planted bug is caught, faults
 * come out as errors. The programs are cases of build/tests/simt/selftest, an ordinary nvcc-built binary.
 * Not a test of segarena's kernels: test_cuda_parity.c is. Skipped when this build has no CUDA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SELFTEST "build/tests/simt/selftest "
#define ON_STAND_IN(mode) "SA_SIMT_KERNELS=selftest tests/simt/run --mode " mode " " SELFTEST

typedef struct sa_simt_case {
    const char *command;  /* what the shell runs */
    int exit_code;        /* expected; 128 + signal for a killed program */
    const char *expected; /* a part of the output, "" for any */
} sa_simt_case;

static void run_case(const sa_simt_case *c)
{
    char line[1024], output[8192] = "";
    snprintf(line, sizeof line, "{ %s; } 2>&1", c->command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, sizeof output - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code != c->exit_code || !strstr(output, c->expected))
        fail_msg("%s\nexit code %d, expected %d with \"%s\"; output:\n%s", c->command, code, c->exit_code, c->expected, output);
}

static void run_cases(const sa_simt_case *cases, size_t count)
{
#ifdef SA_HAVE_CUDA
    for (size_t i = 0; i < count; i++) run_case(&cases[i]);
#else
    (void)cases, (void)count, (void)run_case;
    print_message("SKIP: this build has no CUDA (no nvcc)\n");
    skip();
#endif
}
#define RUN_CASES(cases) run_cases(cases, sizeof(cases) / sizeof((cases)[0]))

enum { WRONG = 1, CUDA_ERROR = 2, ABORTED = 134, SANITIZED = 1 };

static void correct_programs_pass(void **state)
{
    (void)state;
    static const char *const modes[] = {"fast", "check", "asan", "ubsan"};
    static const char *const environments[] = {"", "SA_SIMT_ORDER=reverse ", "SA_SIMT_ORDER=random:3 SA_SIMT_DEFER=1 "};
    static const char *const programs[] = {"kernels", "streams", "graph", "libraries", "limits"};
    for (size_t m = 0; m < 4; m++)
        for (size_t e = 0; e < 3; e++)
            for (size_t p = 0; p < sizeof programs / sizeof *programs; p++) {
                char command[256];
                snprintf(command, sizeof command, "%sSA_SIMT_KERNELS=selftest tests/simt/run --mode %s " SELFTEST "%s",
                         environments[e], modes[m], programs[p]);
                run_cases(&(sa_simt_case){command, 0, ""}, 1);
            }
}

static void planted_kernel_bugs_are_caught(void **state)
{
    (void)state;
    static const sa_simt_case cases[] = {
        {ON_STAND_IN("check") "missing_barrier", ABORTED, "race: write after read"},
        {ON_STAND_IN("check") "global_race", ABORTED, "race: read after write"},
        {ON_STAND_IN("check") "off_by_one", ABORTED, "write outside device memory"},
        {ON_STAND_IN("asan") "off_by_one", SANITIZED, "heap-buffer-overflow"},
        {ON_STAND_IN("asan") "shared_overrun", SANITIZED, "global-buffer-overflow"},
        {ON_STAND_IN("ubsan") "shared_overrun", SANITIZED, "index 64 out of bounds"},
        {ON_STAND_IN("ubsan") "shift", SANITIZED, "shift exponent 32 is too large"},
        {ON_STAND_IN("check") "uninitialised", ABORTED, "read of uninitialised device memory"},
        {ON_STAND_IN("check") "host_pointer", ABORTED, "read outside device memory"},
        {ON_STAND_IN("fast") "divergent_barrier", ABORTED, "divergent barrier"},
        {ON_STAND_IN("fast") "shuffle_mask", ABORTED, "names lanes that have exited"},
    };
    RUN_CASES(cases);
}

static void planted_host_bugs_are_caught(void **state)
{
    (void)state;
    static const sa_simt_case cases[] = {
        {ON_STAND_IN("fast") "wrong_direction", CUDA_ERROR, "error 1 invalid argument"},
        {ON_STAND_IN("fast") "oversized_copy", CUDA_ERROR, "error 1 invalid argument"},
        {"SA_SIMT_DEFER=1 " ON_STAND_IN("fast") "streams:event", WRONG, "wrong numbers"},
        {"SA_SIMT_DEFER=1 " ON_STAND_IN("fast") "streams:sync", WRONG, "wrong numbers"},
        {"SA_SIMT_DEFER=1 " ON_STAND_IN("fast") "streams:reuse", WRONG, "wrong numbers"},
    };
    RUN_CASES(cases);
}

/* Error numbers are those of the CUDA runtime: 1 invalid value, 9 invalid configuration, 209 no kernel image, 701 out of resources.
 */
static void launches_that_a_card_refuses_fail(void **state)
{
    (void)state;
#define REFUSED(name) ON_STAND_IN("fast") "refused:" name, CUDA_ERROR
    static const sa_simt_case cases[] = {
        {REFUSED("bound"), "refuses bounded, grid 1x1x1, block 65x1x1: 65 threads, launch bound 64 (error 1)"},
        {REFUSED("registers"), "error 701 too many resources requested for launch"},
        {REFUSED("static_shared"), "8196 bytes of dynamic shared memory beside 40960 static ones; 8192 without opting in"},
        {REFUSED("static_opt_in_too_much"), "error 1 invalid argument"},
        {REFUSED("not_opted_in"), "49156 bytes of dynamic shared memory beside 0 static ones; 49152 without opting in"},
        {REFUSED("opted_in_too_little"), "50004 bytes of dynamic shared memory beside 0 static ones; 50000 "},
        {REFUSED("opt_in_too_much"), "error 1 invalid argument"},
        {REFUSED("block_of_1025"), "error 9 invalid configuration"},
        {REFUSED("block_z"), "error 9 invalid configuration"},
        {REFUSED("grid_y"), "error 9 invalid configuration"},
        {REFUSED("grid_z"), "error 9 invalid configuration"},
        {REFUSED("grid_of_none"), "error 9 invalid configuration"},
        {ON_STAND_IN("fast") "refused:changed_parameters", ABORTED, "run 'make simt'"},
        {"SA_SIMT_LIMITS=report " ON_STAND_IN("fast") "refused:bound", 0, "undetected"},
    };
    RUN_CASES(cases);
}

/* The self-test has code for 7.5 and 8.x, PTX for 10.0 and later. */
static void a_card_without_code_for_it_is_refused(void **state)
{
    (void)state;
    static const sa_simt_case cases[] = {
        {"SA_SIMT_ARCH=75 " ON_STAND_IN("fast") "limits", 0, ""},
        {"SA_SIMT_ARCH=89 " ON_STAND_IN("fast") "kernels", 0, ""},
        {"SA_SIMT_ARCH=90 " ON_STAND_IN("fast") "kernels", CUDA_ERROR, "error 209 no kernel image"},
        {"SA_SIMT_ARCH=120 " ON_STAND_IN("fast") "kernels", 0, ""},
        {"SA_SIMT_ARCH=86 " ON_STAND_IN("fast") "refused:opt_in_too_much", 0, "undetected"},
        {"SA_SIMT_ARCH=33 " ON_STAND_IN("fast") "kernels", ABORTED, "compute capability 3.3 is not in the stand-in's table"},
    };
    RUN_CASES(cases);
}

static void misaligned_access_is_caught(void **state)
{
    (void)state;
    static const sa_simt_case cases[] = {
        {ON_STAND_IN("check") "refused:misaligned_load", ABORTED,
         "'const struct float4' wants a multiple of 16, at tests/simt/selftest/refusals.cu"},
        {ON_STAND_IN("check") "refused:misaligned_shared", ABORTED, "(a card: error 716)"},
        {ON_STAND_IN("ubsan") "refused:misaligned_shared", SANITIZED, "misaligned address"},
    };
    RUN_CASES(cases);
}

static void libraries_refuse_what_a_card_s_refuse(void **state)
{
    (void)state;
    static const sa_simt_case cases[] = {
        {ON_STAND_IN("fast") "library:misaligned_workspace", CUDA_ERROR, "cublasSetWorkspace(blas, memory + 128, 2048): status 7"},
        {ON_STAND_IN("fast") "library:captured", 0, ""},
        {"SA_SIMT_FAIL=captured:1 " ON_STAND_IN("fast") "library:captured", 0, "recording refused"},
        {"SA_SIMT_FAIL=captured:1+ " ON_STAND_IN("fast") "library:captured", 0, "recording refused\nrecording refused"},
        {"SA_SIMT_FAIL=captured:3 " ON_STAND_IN("fast") "library:captured", 0, ""},
        {ON_STAND_IN("fast") "library:memory_figure", 0, ""},
        {"SA_SIMT_DNN=hostile " ON_STAND_IN("fast") "library:ranking", CUDA_ERROR, "entry[0].memory, &zero, yd, x + 2048): status"},
        {"SA_SIMT_DNN=hostile SA_SIMT_DNN_FAILS=7 " ON_STAND_IN("fast") "library:ranking", CUDA_ERROR,
         "cudnnGetConvolutionForwardWorkspaceSize(dnn, xd, wd, conv, yd, entry[0].algo, &needed): status 3000"},
    };
    RUN_CASES(cases);
}

/* Sectors and conflicts that one can count by hand: see selftest/traffic_cases.cu. */
static void traffic_is_counted(void **state)
{
    (void)state;
#define TRAFFIC "SA_SIMT_KERNELS=selftest tests/simt/traffic " SELFTEST "traffic 2>&1 | tr -s ' '"
    static const sa_simt_case cases[] = {
        {TRAFFIC, 0, "strided_read<1> 1 launches global: 2 requests, 4.00 sectors each, 4.00 at best\n"},
        {TRAFFIC, 0,
         "strided_read<8> 1 launches global: 2 requests, 18.00 sectors each, 4.00 at best; most by traffic_cases.cu:10, 32.00"},
        {TRAFFIC, 0, "strided_shared<1> 1 launches shared: 2 requests, 1.00 passes each, 1.00 at best\n"},
        {TRAFFIC, 0, "strided_shared<2> 1 launches shared: 2 requests, 2.00 passes each, 1.00 at best"},
        {TRAFFIC, 0, "strided_shared<32> 1 launches shared: 2 requests, 32.00 passes each, 1.00 at best"},
        {TRAFFIC, 0, "whole_vectors 1 launches global: 2 requests, 16.00 sectors each, 16.00 at best\n"},
        {TRAFFIC, 0, "whole_vectors 1 launches shared: 2 requests, 4.00 passes each, 4.00 at best\n"},
        {TRAFFIC, 0, "uneven_loops 1 launches global: 32 requests, 2.50 sectors each, 2.50 at best\n"},
    };
    RUN_CASES(cases);
}

static void faults_come_out_as_errors(void **state)
{
    (void)state;
    static const sa_simt_case cases[] = {
        {"SA_SIMT_FAIL=malloc:2 " ON_STAND_IN("fast") "kernels", CUDA_ERROR, "cudaMalloc(&y, sizeof host): error 2"},
        {"SA_SIMT_FAIL=launch:1 " ON_STAND_IN("fast") "kernels", CUDA_ERROR, "error 719"},
        {"SA_SIMT_FAIL=any:1 " ON_STAND_IN("fast") "graph", CUDA_ERROR, "error 46"},
        {"SA_SIMT_FAIL=capture:2 " ON_STAND_IN("fast") "graph", CUDA_ERROR, "error 901"},
        {"SA_SIMT_FAIL=cublas:2 " ON_STAND_IN("fast") "libraries", CUDA_ERROR, "status 13"},
        {"SA_SIMT_FAIL=malloc:9999 " ON_STAND_IN("fast") "kernels", 0, ""},
        {"SA_SIMT_FAIL=nonsense " ON_STAND_IN("fast") "kernels", 3, "SA_SIMT_FAIL is KIND:N or KIND:N+"},
        {"SA_SIMT_MEMORY_MIB=0 " ON_STAND_IN("fast") "kernels", CUDA_ERROR, "error 2 out of memory"},
        {"SA_SIMT_REPORT=- " ON_STAND_IN("fast") "kernels", 0, "\"malloc\": 4"},
    };
    RUN_CASES(cases);
}

static void a_missing_device_is_reported(void **state)
{
    (void)state;
    static const sa_simt_case cases[] = {
        {"SA_SIMT_DEVICE=none " ON_STAND_IN("fast") "kernels", CUDA_ERROR, "error 100"},
        {"SA_SIMT_DEVICE=nodriver " ON_STAND_IN("fast") "kernels", CUDA_ERROR, "error 35"},
        {"tests/simt/run --mode nonsense true", 2, "no mode nonsense"},
    };
    RUN_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correct_programs_pass),
        cmocka_unit_test(planted_kernel_bugs_are_caught),
        cmocka_unit_test(planted_host_bugs_are_caught),
        cmocka_unit_test(faults_come_out_as_errors),
        cmocka_unit_test(a_missing_device_is_reported),
        cmocka_unit_test(launches_that_a_card_refuses_fail),
        cmocka_unit_test(a_card_without_code_for_it_is_refused),
        cmocka_unit_test(misaligned_access_is_caught),
        cmocka_unit_test(libraries_refuse_what_a_card_s_refuse),
        cmocka_unit_test(traffic_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
