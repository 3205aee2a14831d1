/* The program `segarena train`: signals, its JSON, its exit statuses. */
#include "cli/train_run.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXED "lr_policy: 'fixed' "

/* build/segarena beside the folder of this test */
static const char *program(void)
{
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 20);
    assert_true(length > 0);
    path[length] = '\0';
    for (int i = 0; i < 2; i++) *strrchr(path, '/') = '\0';
    strcat(path, "/segarena");
    if (access(path, X_OK) != 0) fail_msg("%s is not built", path);
    return path;
}

/* Starts it with stdout and stderr in files. */
static pid_t start(const char *const *arguments)
{
    const char *path = program();
    unlink("err.txt");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char *argv[16] = {(char *)path, (char *)"train"};
        for (int i = 0; i < 13 && arguments[i]; i++) argv[i + 2] = (char *)arguments[i];
        if (!freopen("out.txt", "w", stdout) || !freopen("err.txt", "w", stderr)) _exit(99);
        execv(path, argv);
        _exit(98);
    }
    return child;
}

static int exit_status(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Until stderr has this. */
static void wait_for(pid_t child, const char *wanted)
{
    for (int i = 0; i < 3000; i++) {
        size_t bytes = 0;
        char *text = access("err.txt", R_OK) == 0 ? read_bytes("err.txt", &bytes) : NULL;
        bool there = text && memmem(text, bytes, wanted, strlen(wanted));
        free(text);
        if (there) return;
        usleep(10000);
    }
    kill(child, SIGKILL);
    fail_msg("no '%s' within 30 s", wanted);
}

static cJSON *read_json(const char *name)
{
    size_t bytes;
    char *raw = read_bytes(name, &bytes), *text = calloc(1, bytes + 1);
    assert_non_null(text);
    memcpy(text, raw, bytes);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithOpts(text, &end, 0);
    if (!root) fail_msg("no JSON in %s: %s", name, text);
    assert_string_equal(end, "\n"); /* one document and nothing else */
    free(raw);
    free(text);
    return root;
}

static void signal_stops_after_a_step(int signal_number, const char *name)
{
    const char *const arguments[] = {"solver.prototxt", "--steps", "1000000", "--snapshot", "stopped.sasnap",
                                     "--threads",       "1",       "--json",  NULL};
    unlink("stopped.sasnap");
    pid_t child = start(arguments);
    wait_for(child, "s/step");
    assert_int_equal(kill(child, signal_number), 0);
    assert_int_equal(exit_status(child), 1);
    cJSON *root = read_json("out.txt");
    int steps = cJSON_GetObjectItem(root, "steps")->valueint;
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(root, "stopped")));
    assert_true(steps > 0 && steps < 1000000);
    cJSON_Delete(root);
    size_t bytes;
    char expected[200], *text = read_bytes("err.txt", &bytes);
    text[bytes - 1] = '\0'; /* the last line's end */
    snprintf(expected, sizeof expected, "segarena train: %s after step %d of 1000000; --resume goes on from stopped.sasnap", name,
             steps);
    assert_string_equal(strrchr(text, '\n') + 1, expected);
    if (signal_number == SIGINT)
        assert_non_null(strstr(text, "finishing this step, then stopping; Ctrl-C again stops now, with no snapshot written yet"));
    free(text);
    sa_train_options options = {
        .solver = "solver.prototxt", .strategy = "fastest", .conv = "auto", .threads = 1, .steps = steps + 2};
    sa_train_result resumed;
    options.resume = "stopped.sasnap";
    assert_ok(sa_train_run(&options, &resumed));
    assert_int_equal(resumed.first_step, steps);
    sa_train_result_free(&resumed);
}

static void signals_stop_after_a_step(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED);
    signal_stops_after_a_step(SIGINT, "interrupted (Ctrl-C)");
    signal_stops_after_a_step(SIGTERM, "stopped by SIGTERM");
}

/* In the middle of a step of seconds: data, plan and a moving line are there already; the first Ctrl-C is answered before the step
 * ends, the second one ends it. */
static void ctrl_c_is_answered_within_a_step(void **state)
{
    (void)state;
    const char *const arguments[] = {"slow.prototxt", "--threads", "1", NULL};
    char solver[8192];
    snprintf(solver, sizeof solver, "net: '%s/nets/new.prototxt' base_lr: 0.001 lr_policy: 'fixed' max_iter: 9 solver_mode: CPU",
             scratch_start_folder());
    write_text("slow.prototxt", solver);
    pid_t child = start(arguments);
    wait_for(child, "data   synthetic scenes");
    wait_for(child, "plan   fastest: arena ");
    wait_for(child, "  step 1: op ");
    assert_int_equal(kill(child, SIGINT), 0);
    wait_for(child, "finishing this step, then stopping; Ctrl-C again stops now, with no snapshot written yet");
    assert_int_equal(kill(child, SIGINT), 0);
    wait_for(child, "segarena train: stopped at once; kept: nothing, no snapshot was written yet");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

/* A run that resumed has a snapshot to fall back to, and says so. */
static void ctrl_c_names_what_was_resumed_from(void **state)
{
    (void)state;
    const char *const first[] = {"solver.prototxt", "--threads", "1", "--steps", "2", "--snapshot", "two.sasnap", NULL};
    const char *const more[] = {"solver.prototxt", "--threads", "1", "--steps", "1000000", "--resume", "two.sasnap", NULL};
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED);
    assert_int_equal(exit_status(start(first)), 0);
    pid_t child = start(more);
    wait_for(child, "s/step");
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(exit_status(child), 1);
    size_t bytes;
    char *text = read_bytes("err.txt", &bytes);
    assert_non_null(memmem(text, bytes, "with the snapshot that this run resumed from, two.sasnap\n", 56));
    free(text);
}

static void json_has_what_was_trained(void **state)
{
    (void)state;
    const char *const arguments[] = {"solver.prototxt", "--steps", "3",         "--strategy", "smallest", "--conv", "direct",
                                     "--device",        "cpu",     "--threads", "1",          "--json",   NULL};
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED "display: 1");
    assert_int_equal(exit_status(start(arguments)), 0);
    cJSON *root = read_json("out.txt");
    sa_train_options options = {.solver = "solver.prototxt", .strategy = "smallest", .conv = "direct", .threads = 1, .steps = 3};
    sa_train_result r;
    assert_ok(sa_train_run(&options, &r));
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)r.state_hash);
    assert_string_equal(cJSON_GetObjectItem(root, "state_hash")->valuestring, hash);
    assert_string_equal(cJSON_GetObjectItem(root, "net")->valuestring, "tiny");
    assert_string_equal(cJSON_GetObjectItem(root, "solver")->valuestring, "solver.prototxt");
    assert_string_equal(cJSON_GetObjectItem(root, "strategy")->valuestring, "smallest");
    assert_string_equal(cJSON_GetObjectItem(root, "device")->valuestring, "cpu");
    assert_int_equal(cJSON_GetObjectItem(root, "steps")->valueint, 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "losses")), 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "accuracies")), 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "rates")), 3);
    cJSON *outputs = cJSON_GetObjectItem(root, "outputs"), *loss = cJSON_GetArrayItem(outputs, 0);
    assert_int_equal(cJSON_GetArraySize(outputs), r.series.outputs.count);
    assert_string_equal(cJSON_GetObjectItem(loss, "kind")->valuestring, "loss");
    assert_true(cJSON_Compare(cJSON_GetObjectItem(loss, "values"), cJSON_GetObjectItem(root, "losses"), true));
    for (int i = 0; i < 3; i++)
        assert_true(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "losses"), i)->valuedouble == (double)r.record[i].loss);
    assert_true(cJSON_GetObjectItem(root, "arena_bytes")->valuedouble == (double)r.arena_bytes);
    assert_true(cJSON_GetObjectItem(root, "measured_bytes")->valuedouble == (double)r.arena_bytes);
    assert_true(cJSON_GetObjectItem(root, "step_ms")->valuedouble > 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(root, "snapshot")));
    cJSON_Delete(root);
    sa_train_result_free(&r);
}

static void wrong_usage_is_status_2(void **state)
{
    (void)state;
    const char *const rows[][3] = {{NULL}, {"--steps", "0", "s"}, {"--steps", "2x", "s"}, {"a", "b"}, {"--batch", "-1", "s"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const arguments[] = {rows[i][0], rows[i][1], rows[i][2], NULL};
        assert_int_equal(exit_status(start(arguments)), 2);
    }
    const char *const missing[] = {"none.prototxt", NULL};
    assert_int_equal(exit_status(start(missing)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_stop_after_a_step),
        cmocka_unit_test(ctrl_c_is_answered_within_a_step),
        cmocka_unit_test(ctrl_c_names_what_was_resumed_from),
        cmocka_unit_test(json_has_what_was_trained),
        cmocka_unit_test(wrong_usage_is_status_2),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
