/* The progress line, written into a pipe, with a clock that the test turns. */
#include "cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

static uint64_t test_now_ns;

static uint64_t test_clock(void)
{
    return test_now_ns;
}

static void advance(double seconds)
{
    test_now_ns += (uint64_t)(seconds * 1e9);
}

typedef struct channel {
    int read_end;
    FILE *stream;
    char text[4096];
} channel;

static void channel_open(channel *pipe_channel)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pipe_channel->read_end = ends[0];
    pipe_channel->stream = fdopen(ends[1], "w");
    assert_non_null(pipe_channel->stream);
    test_now_ns = 1000000000000u;
}

/* All that was written; the channel is closed. */
static const char *channel_close(channel *pipe_channel)
{
    size_t used = 0;
    ssize_t count;
    fclose(pipe_channel->stream);
    while ((count = read(pipe_channel->read_end, pipe_channel->text + used, sizeof pipe_channel->text - 1 - used)) > 0)
        used += (size_t)count;
    pipe_channel->text[used] = '\0';
    close(pipe_channel->read_end);
    return pipe_channel->text;
}

static void test_log_shows_steps_speed_eta_arena_and_figures(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_begin_clock(&progress, log.stream, "train", 0, 4, 256u << 20, test_clock);
    assert_false(progress.live);
    advance(2.5);
    sa_progress_update(&progress, 1, "loss 1.0986");
    advance(100);
    sa_progress_update(&progress, 2, "loss 1.0500");
    advance(0.5);
    sa_progress_update(&progress, 3, "loss 0.9900");
    advance(1);
    sa_progress_update(&progress, 4, "loss 0.9000");
    sa_progress_end(&progress);
    /* Step 3 came 0.5 s after the line before it: left out. */
    assert_string_equal(channel_close(&log), "train 1/4  2.50 s/step  ETA 8 s  arena 256.0 MiB  loss 1.0986\n"
                                             "train 2/4  51.25 s/step  ETA 1 min 43 s  arena 256.0 MiB  loss 1.0500\n"
                                             "train 4/4  26.00 s/step  took 1 min 44 s  arena 256.0 MiB  loss 0.9000\n");
}

static void test_log_is_rate_limited(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    size_t lines = 0;
    channel_open(&log);
    sa_progress_begin_clock(&progress, log.stream, "bench", 0, 1000, 0, test_clock);
    for (size_t step = 1; step <= 1000; step++) {
        advance(0.01);
        sa_progress_update(&progress, step, NULL);
    }
    sa_progress_end(&progress);
    for (const char *at = channel_close(&log); (at = strchr(at, '\n')) != NULL; at++) lines++;
    /* 10 s at one line every 5 s: the first, one or two between, and the last. */
    assert_in_range(lines, 3, 4);
    assert_non_null(strstr(log.text, "bench 1000/1000  10 ms/step  took 10 s\n"));
}

static void test_end_in_the_middle_shows_the_latest_state(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_begin_clock(&progress, log.stream, "train", 0, 5000, 0, test_clock);
    advance(2);
    sa_progress_update(&progress, 1, NULL);
    advance(2);
    sa_progress_update(&progress, 2, "loss 3");
    sa_progress_end(&progress);
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&log), "train 1/5000  2.00 s/step  ETA 2 h 46 min\n"
                                             "train 2/5000  2.00 s/step  ETA 2 h 46 min  loss 3\n");
}

static void test_resumed_run_does_not_count_earlier_steps(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_begin_clock(&progress, log.stream, "train", 90, 100, 0, test_clock);
    advance(4);
    sa_progress_update(&progress, 92, NULL);
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&log), "train 92/100  2.00 s/step  ETA 16 s\n");
}

static void test_terminal_rewrites_one_line_and_cuts_it(void **state)
{
    (void)state;
    channel terminal;
    sa_progress progress;
    channel_open(&terminal);
    sa_progress_begin_clock(&progress, terminal.stream, "train", 0, 3, 0, test_clock);
    progress.live = true; /* as on a terminal of 30 columns */
    progress.columns = 30;
    progress.interval_ns = 100000000;
    advance(1);
    sa_progress_update(&progress, 1, NULL);
    advance(0.05);
    sa_progress_update(&progress, 2, "too early to be shown");
    advance(0.95);
    sa_progress_update(&progress, 3, "a text too long");
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&terminal), "\r\033[Ktrain 1/3  1.00 s/step  ETA 2"
                                                  "\r\033[Ktrain 3/3  0.667 s/step  took\n");
}

static void test_nothing_done_writes_nothing(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_begin(&progress, log.stream, "train", 0, 3, 1);
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&log), "");
}

static size_t seven_ops(void *context)
{
    (void)context;
    return 7;
}

/* Written into a log: the first line of a slow first step after half a second, then every 5 s; later steps every 30 s. */
static void test_long_steps_tick(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_begin_clock(&progress, log.stream, "train", 0, 4, 0, test_clock);
    progress.ops_done = seven_ops; /* no thread: the test ticks */
    progress.op_count = 9;
    sa_progress_tick_once(&progress);
    for (int i = 0; i < 12; i++) {
        advance(0.5);
        sa_progress_tick_once(&progress);
    }
    sa_progress_update(&progress, 1, NULL);
    for (int i = 0; i < 31; i++) {
        advance(1);
        sa_progress_tick_once(&progress);
    }
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&log), "train 0/4  step 1: op 7 of 9, 1 s\n"
                                             "train 0/4  step 1: op 7 of 9, 6 s\n"
                                             "train 1/4  6.00 s/step  ETA 18 s\n"
                                             "train 1/4  6.00 s/step  ETA 18 s  step 2: op 7 of 9, 30 s\n");
}

/* Several runs that take turns share a line; a log gets a line for each, and what a long step is at. */
static void test_runs_take_turns(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_begin_clock(&progress, log.stream, "", 0, 1, 0, test_clock);
    progress.ops_done = seven_ops;
    sa_progress_turn(&progress, "caffe", 0, 2, 3u << 29, NULL, 0);
    advance(6);
    sa_progress_tick_once(&progress);
    sa_progress_turn(&progress, "caffe", 0, 2, 3u << 29, NULL, 9);
    advance(6);
    sa_progress_tick_once(&progress);
    sa_progress_turn(&progress, "shared", 0, 2, 1u << 20, NULL, 0);
    sa_progress_turn(&progress, "caffe", 1, 2, 3u << 29, NULL, 9);
    advance(31);
    sa_progress_tick_once(&progress);
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&log), "caffe 0/2  arena 1.50 GiB\n"
                                             "caffe 0/2  arena 1.50 GiB  getting ready, 6 s\n"
                                             "caffe 0/2  arena 1.50 GiB  step 1: op 7 of 9, 6 s\n"
                                             "shared 0/2  arena 1.0 MiB\n"
                                             "caffe 1/2  arena 1.50 GiB  step 2: op 7 of 9, 31 s\n");
}

/* A line taken away for something else to be written comes back, and the end writes no empty line. */
static void test_cleared_line(void **state)
{
    (void)state;
    channel terminal;
    sa_progress progress;
    channel_open(&terminal);
    sa_progress_begin_clock(&progress, terminal.stream, "train", 0, 9, 0, test_clock);
    progress.live = true;
    progress.columns = 80;
    progress.interval_ns = 100000000;
    sa_progress_clear(&progress); /* nothing is there */
    advance(1);
    sa_progress_update(&progress, 1, NULL);
    sa_progress_clear(&progress);
    fputs("wrote F\n", terminal.stream);
    advance(1);
    sa_progress_update(&progress, 2, NULL);
    sa_progress_clear(&progress);
    progress.first = progress.done; /* nothing of this run is untold */
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&terminal), "\r\033[Ktrain 1/9  1.00 s/step  ETA 8 s"
                                                  "\r\033[Kwrote F\n"
                                                  "\r\033[Ktrain 2/9  1.00 s/step  ETA 7 s\r\033[K");
}

/* With the thread: a line comes while nobody calls. */
static void test_ticker_moves_by_itself(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_begin(&progress, log.stream, "train", 0, 4, 0);
    sa_progress_tick(&progress, seven_ops, NULL, 9);
    usleep(1500000);
    sa_progress_end(&progress);
    assert_string_equal(channel_close(&log), "train 0/4  step 1: op 7 of 9, 1 s\n");
}

/* Work without steps: nothing is written if it is quick. */
static void test_waiting(void **state)
{
    (void)state;
    channel log;
    sa_progress progress;
    channel_open(&log);
    sa_progress_wait(&progress, log.stream, "quick");
    sa_progress_wait_end(&progress);
    sa_progress_wait(&progress, log.stream, "segarena plan: planning");
    usleep(1500000);
    sa_progress_wait_end(&progress);
    assert_string_equal(channel_close(&log), "segarena plan: planning, 1 s\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_shows_steps_speed_eta_arena_and_figures),
        cmocka_unit_test(test_long_steps_tick),
        cmocka_unit_test(test_ticker_moves_by_itself),
        cmocka_unit_test(test_runs_take_turns),
        cmocka_unit_test(test_cleared_line),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_log_is_rate_limited),
        cmocka_unit_test(test_end_in_the_middle_shows_the_latest_state),
        cmocka_unit_test(test_resumed_run_does_not_count_earlier_steps),
        cmocka_unit_test(test_terminal_rewrites_one_line_and_cuts_it),
        cmocka_unit_test(test_nothing_done_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
