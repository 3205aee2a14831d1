/* Training: resuming to the bit, snapshots that are whole or not there, stopping, what is refused, and that a net learns. The
 * program itself is run for signals, JSON and usage; the rest goes through sa_train_run. */
#include "cli/train_run.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <dirent.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXED "lr_policy: 'fixed' "

static sa_train_options options_of(int steps)
{
    return (sa_train_options){.solver = "solver.prototxt", .strategy = "fastest", .conv = "auto", .threads = 1, .steps = steps};
}

static sa_train_result trained(const sa_train_options *options)
{
    sa_train_result result;
    assert_ok(sa_train_run(options, &result));
    return result;
}

static void assert_refused(const sa_train_options *options, sa_status status, const char *message)
{
    sa_train_result result;
    assert_int_equal(sa_train_run(options, &result), status);
    assert_string_equal(sa_error_message(), message);
    assert_int_equal(result.record_count, 0);
    assert_null(result.record);
}

static int files_with(const char *part)
{
    int count = 0;
    DIR *folder = opendir(".");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) count += strstr(entry->d_name, part) != NULL;
    closedir(folder);
    return count;
}

/* Labels of three stripes; the image shows them through noise. */
static uint8_t striped_label(int32_t y, int32_t x, int32_t c)
{
    (void)y;
    (void)c;
    return (uint8_t)(x / 8);
}

static uint8_t striped_image(int32_t y, int32_t x, int32_t c)
{
    return (uint8_t)(60 * (x / 8) + mixed_sample(y, x, c) % 64);
}

static uint8_t inverse_image(int32_t y, int32_t x, int32_t c)
{
    return (uint8_t)(255 - striped_image(y, x, c));
}

/* Five pictures, so that batches of 2 cross the ends of epochs. */
static void write_pictures(void)
{
    png_spec image = {PNG_COLOR_TYPE_RGB, 8, 0, 16, 24, striped_image};
    const png_spec label = {PNG_COLOR_TYPE_GRAY, 8, 0, 16, 24, striped_label};
    write_png("a.png", &image);
    image.sample = mixed_sample;
    write_png("b.png", &image);
    image.sample = inverse_image;
    write_png("c.png", &image);
    write_png("label.png", &label);
    write_text("list.txt", "a.png label.png\nb.png label.png\nc.png label.png\na.png label.png\nb.png label.png\n");
}

/* ---- resuming ---- */

static void assert_resumes(const char *strategy, const char *conv)
{
    sa_train_options options = options_of(6);
    options.strategy = strategy;
    options.conv = conv;
    sa_train_result whole = trained(&options);
    options.steps = 3;
    options.snapshot = "half.sasnap";
    sa_train_result first = trained(&options);
    options = (sa_train_options){.solver = options.solver, .strategy = strategy, .conv = conv, .threads = 1, .steps = 6};
    options.resume = "half.sasnap";
    sa_train_result second = trained(&options);
    assert_int_equal(whole.record_count, 6);
    assert_int_equal(first.record_count, 3);
    assert_int_equal(second.record_count, 3);
    assert_int_equal(second.first_step, 3);
    assert_true(whole.state_hash == second.state_hash);
    assert_true(whole.state_hash != first.state_hash);
    for (int i = 0; i < 6; i++) {
        const sa_train_record *part = i < 3 ? &first.record[i] : &second.record[i - 3];
        assert_memory_equal(&whole.record[i].loss, &part->loss, sizeof part->loss);
        assert_memory_equal(&whole.record[i].rate, &part->rate, sizeof part->rate);
    }
    assert_int_equal(whole.measured_bytes, whole.predicted_bytes);
    assert_int_equal(whole.arena_bytes, whole.predicted_bytes);
    sa_train_result_free(&whole);
    sa_train_result_free(&first);
    sa_train_result_free(&second);
}

static void resumes_to_the_bit_on_scenes(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver("lr_policy: 'step' gamma: 0.5 stepsize: 2");
    assert_resumes("caffe", "im2col");
    assert_resumes("fastest", "auto");
    assert_resumes("smallest", "auto");
    assert_resumes("smallest", "fft");
}

static void resumes_to_the_bit_on_images(void **state)
{
    (void)state;
    write_pictures();
    write_tiny_net("tiny", TINY_IMAGES("mirror: true crop_height: 16 crop_width: 16"), 3);
    write_tiny_solver("lr_policy: 'poly' power: 0.9 max_iter: 40");
    assert_resumes("fastest", "direct");
}

/* The seed is in the snapshot: a solver that has another one since goes on with the old data stream. */
static void resuming_keeps_the_seed(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(4);
    sa_train_result whole = trained(&options);
    options = options_of(2);
    options.snapshot = "seed.sasnap";
    sa_train_result part = trained(&options);
    sa_train_result_free(&part);
    write_text("solver.prototxt", "net: 'net.prototxt' base_lr: 0.05 momentum: 0.9 weight_decay: 0.0005 random_seed: 8 "
                                  "solver_mode: CPU lr_policy: 'fixed'");
    options = options_of(4);
    options.resume = "seed.sasnap";
    part = trained(&options);
    assert_true(part.state_hash == whole.state_hash);
    assert_int_equal(part.seed, 7);
    sa_train_result_free(&part);
    sa_train_result_free(&whole);
}

/* ---- snapshots ---- */

static void snapshots_follow_the_solver(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED "snapshot: 2 snapshot_prefix: 'run' max_iter: 5");
    sa_train_options options = options_of(0);
    sa_train_result result = trained(&options);
    assert_int_equal(result.record_count, 5);
    assert_string_equal(result.snapshot, "run_iter_5.sasnap");
    assert_int_equal(files_with("run_iter_"), 3);
    assert_int_equal(access("run_iter_2.sasnap", R_OK) | access("run_iter_4.sasnap", R_OK), 0);
    sa_train_result_free(&result);
    write_tiny_solver(FIXED "snapshot: 2 snapshot_prefix: 'other' snapshot_after_train: false max_iter: 5");
    result = trained(&options);
    assert_string_equal(result.snapshot, "other_iter_4.sasnap");
    assert_int_equal(files_with("other_iter_"), 2);
    sa_train_result_free(&result);
    assert_int_equal(files_with(".tmp-"), 0);
}

static void bad_snapshots_are_refused(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(2);
    options.snapshot = "good.sasnap";
    sa_train_result result = trained(&options);
    sa_train_result_free(&result);
    size_t bytes, after;
    char *good = read_bytes("good.sasnap", &bytes);
    options = options_of(4);
    options.snapshot = "good.sasnap"; /* would be replaced at the end of a good run */
    options.resume = "bad.sasnap";
    good[bytes / 2] ^= 1;
    write_bytes("bad.sasnap", good, bytes);
    assert_refused(&options, SA_PARSE, "bad.sasnap: damaged snapshot: the checksum does not match");
    good[bytes / 2] ^= 1;
    write_bytes("bad.sasnap", good, bytes - 1);
    char expected[160];
    snprintf(expected, sizeof expected, "bad.sasnap: truncated: %zu bytes, %zu were written", bytes - 1, bytes);
    assert_refused(&options, SA_PARSE, expected);
    options.resume = "solver.prototxt";
    assert_refused(&options, SA_PARSE, "solver.prototxt: not a snapshot file");
    options.resume = "none.sasnap";
    assert_refused(&options, SA_IO, "none.sasnap: cannot open: No such file or directory");
    options.resume = "good.sasnap";
    options.steps = 2;
    assert_refused(&options, SA_INVALID,
                   "good.sasnap: 2 steps are done already; --steps or max_iter, the number of steps in all, is 2");
    options.steps = 4;
    write_tiny_net("tiny", TINY_SYNTHETIC, 4);
    assert_refused(&options, SA_INVALID,
                   "good.sasnap: 'score.0' has shape 3x8x1x1 (4 axes) in it, but 4x8x1x1 (4 axes) in the net");
    write_tiny_net("other", TINY_SYNTHETIC, 3);
    assert_refused(&options, SA_INVALID, "good.sasnap: a snapshot of net 'tiny', not of 'other'");
    char *still = read_bytes("good.sasnap", &after);
    assert_int_equal(after, bytes);
    assert_memory_equal(still, good, bytes);
    free(still);
    free(good);
}

/* A limit on the size of files stands for a full disk. */
static void full_disk_keeps_the_old_snapshot(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(1);
    options.snapshot = "kept.sasnap";
    sa_train_result result = trained(&options);
    sa_train_result_free(&result);
    size_t bytes, after;
    char *before = read_bytes("kept.sasnap", &bytes);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){bytes / 2, old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    options.steps = 2;
    sa_status status = sa_train_run(&options, &result);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, SA_IO);
    assert_non_null(strstr(sa_error_message(), "kept.sasnap: cannot write"));
    assert_non_null(strstr(sa_error_message(), "`ulimit -f` allows"));
    assert_int_equal(result.record_count, 0); /* known before the first step */
    char *still = read_bytes("kept.sasnap", &after);
    assert_int_equal(after, bytes);
    assert_memory_equal(still, before, bytes);
    assert_int_equal(files_with(".tmp-"), 0);
    free(still);
    free(before);
}

/* ---- refusals ---- */

static void missing_things_are_named(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_IMAGES(""), 3);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(1);
    unlink("list.txt");
    assert_refused(&options, SA_IO,
                   "the training data cannot be read: list.txt: cannot open: No such file or directory; --data-root DIR tells the "
                   "folder that names are relative to");
    options.data_root = "nowhere";
    assert_refused(&options, SA_IO,
                   "the training data cannot be read: nowhere/list.txt: cannot open: No such file or directory; names are relative "
                   "to --data-root nowhere");
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    options = options_of(0);
    assert_refused(&options, SA_INVALID, "solver.prototxt: how many steps? Neither max_iter nor --steps is given");
    options = options_of(1);
    options.snapshot = "nowhere/s.sasnap";
    assert_refused(&options, SA_IO, "nowhere/s.sasnap: cannot write: its folder nowhere: No such file or directory");
    write_tiny_solver(FIXED "snapshot: 1");
    options.snapshot = NULL;
    assert_refused(&options, SA_INVALID,
                   "solver.prototxt: 'snapshot: 1' needs a 'snapshot_prefix', the beginning of the files' names");
    write_tiny_solver(FIXED);
    write_text("net.prototxt", "name: 'n' layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: [1, 3, 8, 8] } } }");
    assert_refused(&options, SA_INVALID, "net.prototxt: the net has no loss in the TRAIN phase: there is nothing to train by");
}

static void divergence_ends_with_its_step(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_text("solver.prototxt", "net: 'net.prototxt' base_lr: 1e30 lr_policy: 'fixed' max_iter: 50 solver_mode: CPU");
    sa_train_options options = options_of(0);
    sa_train_result result;
    options.snapshot = "nan.sasnap";
    assert_int_equal(sa_train_run(&options, &result), SA_NUMERIC);
    assert_non_null(strstr(sa_error_message(), "the loss is not a number at step 2 (learning rate 1e+30): training has diverged; "
                                               "the first stored value that is not finite comes from 'conv2 forward', layer"));
    assert_int_equal(files_with("nan.sasnap"), 0);
    options.steps = 1; /* the first loss is good, the parameters after it may not be */
    write_text("solver.prototxt", "net: 'net.prototxt' base_lr: 1e38 weight_decay: 1e38 lr_policy: 'fixed' solver_mode: CPU");
    assert_refused(&options, SA_NUMERIC,
                   "parameter 'conv1.0' is not finite after step 1: training has diverged; no snapshot is written of it");
    assert_int_equal(files_with("nan.sasnap"), 0);
}

/* ---- learning ---- */

static void loss_falls_on_scenes(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(15);
    sa_train_result result = trained(&options);
    double first = sa_train_mean_loss(&result, 0, 5), last = sa_train_mean_loss(&result, 10, 5);
    if (!(last < 0.8 * first)) fail_msg("the mean loss of 5 steps goes from %g to %g in 15 steps", first, last);
    assert_true(result.has_accuracy && result.synthetic && !result.stopped);
    assert_true(result.record[14].accuracy > result.record[0].accuracy);
    sa_train_result_free(&result);
}

static void log_lines_follow_display(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver("lr_policy: 'multistep' gamma: 0.1 stepvalue: 3 display: 3 average_loss: 4");
    char *text = NULL, expected[400];
    size_t length;
    sa_train_options options = options_of(7);
    options.log = open_memstream(&text, &length);
    assert_non_null(options.log);
    sa_train_result r = trained(&options);
    fclose(options.log);
    snprintf(expected, sizeof expected,
             "step 3  loss %.6g (mean of 3)  accuracy %.4f  rate 0.05\nstep 6  loss %.6g (mean of 4)  accuracy %.4f  rate 0.005\n",
             sa_train_mean_loss(&r, 0, 3), (double)r.record[2].accuracy, sa_train_mean_loss(&r, 2, 4),
             (double)r.record[5].accuracy);
    assert_string_equal(text, expected);
    free(text);
    sa_train_result_free(&r);
}

static void batch_can_be_replaced(void **state)
{
    (void)state;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(1);
    sa_train_result two = trained(&options);
    options.batch = 5;
    sa_train_result five = trained(&options);
    assert_int_equal(two.batch, 2);
    assert_int_equal(five.batch, 5);
    assert_true(five.arena_bytes > two.arena_bytes);
    sa_train_result_free(&two);
    sa_train_result_free(&five);
}

/* CamVid's pictures at an eighth of their size, through the resizing reader. */
static void camvid_trains(void **state)
{
    (void)state;
    char root[4400];
    const char *shared = getenv("SA_SHARED");
    if (shared && shared[0] == '/') snprintf(root, sizeof root, "%s/data/camvid", shared);
    else snprintf(root, sizeof root, "%s/%s/data/camvid", scratch_start_folder(), shared ? shared : "../shared");
    char list[4420];
    snprintf(list, sizeof list, "%s/train.txt", root);
    if (access(list, R_OK) != 0) {
        printf("SKIP: CamVid is not at %s (SA_SHARED tells where its parent is)\n", root);
        skip();
    }
    write_tiny_net("tiny_camvid",
                   "layer { name: 'data' type: 'DenseImageData' top: 'data' top: 'label' dense_image_data_param {\n"
                   "  source: 'train.txt' batch_size: 2 shuffle: true new_height: 44 new_width: 60 } }\n",
                   11);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(2);
    options.data_root = root;
    sa_train_result result = trained(&options);
    assert_int_equal(result.record_count, 2);
    assert_false(result.synthetic);
    assert_true(result.record[0].loss > 0.5f && result.record[0].loss < 8.0f);
    sa_train_result_free(&result);
}

static uint8_t odd_label(int32_t y, int32_t x, int32_t c)
{
    return y == 2 && x == 5 ? 77 : striped_label(y, x, c);
}

/* Everything that is wrong with the list is told before the first step: no step is run, no snapshot written. */
static void bad_entries_come_before_the_first_step(void **state)
{
    (void)state;
    char *told;
    size_t length;
    png_spec wide = {PNG_COLOR_TYPE_RGB, 8, 0, 16, 32, mixed_sample}, label = {PNG_COLOR_TYPE_GRAY, 8, 0, 16, 24, odd_label};
    write_pictures();
    write_png("wide.png", &wide);
    write_png("odd.png", &label);
    write_text("list.txt", "a.png label.png\nb.png odd.png\nwide.png label.png\nnot_there.png label.png\n");
    write_tiny_net("tiny", TINY_IMAGES(""), 3);
    write_tiny_solver(FIXED);
    sa_train_options options = options_of(3);
    options.snapshot = "never.sasnap";
    options.progress = open_memstream(&told, &length);
    assert_refused(
        &options, SA_INVALID,
        "list.txt: 3 of 4 entries cannot be used; the first: list.txt:2: 'odd.png': label 77 at row 2, column 5 is none of "
        "the 3 classes; loss_param { ignore_label: 77 } would leave such pixels out");
    fclose(options.progress);
    assert_non_null(strstr(told, "list.txt:3: 'wide.png' is 16x32"));
    assert_non_null(strstr(told, "list.txt:4: not_there.png: cannot open"));
    free(told);
    assert_int_equal(files_with("never"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_to_the_bit_on_scenes),
        cmocka_unit_test(resumes_to_the_bit_on_images),
        cmocka_unit_test(resuming_keeps_the_seed),
        cmocka_unit_test(snapshots_follow_the_solver),
        cmocka_unit_test(bad_snapshots_are_refused),
        cmocka_unit_test(full_disk_keeps_the_old_snapshot),
        cmocka_unit_test(missing_things_are_named),
        cmocka_unit_test(divergence_ends_with_its_step),
        cmocka_unit_test(loss_falls_on_scenes),
        cmocka_unit_test(log_lines_follow_display),
        cmocka_unit_test(batch_can_be_replaced),
        cmocka_unit_test(bad_entries_come_before_the_first_step),
        cmocka_unit_test(camvid_trains),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
