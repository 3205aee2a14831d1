/* The largest batch and image that fit: the next larger one does not, in Caffe and under strategies; the table of layers. */
#include "cli/fit_row.h"
#include "cli/layer_table.h"
#include "cli/preset_plan.h"
#include "report/caffe_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OLD "nets/old.prototxt"
#define LENET "tests/golden_memory/nets/lenet.prototxt"
#define UNET "tests/golden_memory/nets/unet_572.prototxt"

static sa_device *device;

static int open_device(void **state)
{
    (void)state;
    return sa_device_open_cpu(1, &device) == SA_OK ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    sa_device_close(device);
    return 0;
}

/* Without the search: the bytes of one size. */
static size_t bytes_of(const char *path, const char *strategy, const sa_net_options *options)
{
    sa_net *net;
    sa_caffe_memory caffe;
    size_t bytes = 0;
    if (sa_net_load(path, options, &net) != SA_OK) fail_msg("%s", sa_error_message());
    if (strategy) {
        assert_int_equal(sa_preset_plan_bytes(net, strategy, SA_CONV_OPTION_AUTO, device, &bytes), SA_OK);
    } else {
        assert_int_equal(sa_caffe_memory_create(net, NULL, &caffe), SA_OK);
        bytes = caffe.gpu_total_bytes;
        sa_caffe_memory_free(&caffe);
    }
    sa_net_free(net);
    return bytes;
}

static sa_fit_subject subject_of(const char *path)
{
    static const sa_cli_net_options options = {.device = "cpu"};
    sa_fit_subject subject = {.net_path = path, .options = &options, .device = device};
    sa_net *net;
    if (sa_cli_net_load(path, &options, &net) != SA_OK) fail_msg("%s", sa_error_message());
    sa_fit_find_images(net, &subject);
    sa_net_free(net);
    return subject;
}

static void fill_row(sa_fit_subject *subject, const char *strategy, size_t capacity, const sa_fit_row *like, sa_fit_row *row)
{
    sa_strategy parsed;
    if (strategy) assert_int_equal(sa_strategy_parse(strategy, &parsed), SA_OK);
    sa_fit_row_fill(subject, strategy ? &parsed : NULL, capacity, like, row);
}

static void fill_like(const char *path, const char *strategy, size_t capacity, const sa_fit_row *like, sa_fit_row *row)
{
    sa_fit_subject subject = subject_of(path);
    fill_row(&subject, strategy, capacity, like, row);
    sa_fit_forget_nets(&subject);
}

static void fill(const char *path, const char *strategy, size_t capacity, sa_fit_row *row)
{
    fill_like(path, strategy, capacity, NULL, row);
}

/* Another row's answers, good or bad, change none. */
static void guesses_change_nothing(void **state)
{
    (void)state;
    static const int64_t GUESSES[] = {1, 3, 40, 60000, SA_FIT_BATCH_MAX + 5};
    sa_fit_row plain, row;
    fill(OLD, "fastest", (size_t)8 << 30, &plain);
    for (size_t i = 0; i < sizeof GUESSES / sizeof GUESSES[0]; i++) {
        const sa_fit_row like = {
            .batch.largest = GUESSES[i], .batch_beside_context.largest = GUESSES[i], .images.largest = GUESSES[i]};
        fill_like(OLD, "fastest", (size_t)8 << 30, &like, &row);
        assert_int_equal(row.batch.largest, plain.batch.largest);
        assert_int_equal(row.batch.total_bytes, plain.batch.total_bytes);
        assert_int_equal(row.batch_beside_context.largest, plain.batch_beside_context.largest);
        assert_int_equal(row.images.largest, plain.images.largest);
        assert_int_equal(row.images.total_bytes, plain.images.total_bytes);
    }
}

static bool same_answer(const sa_fit_answer *a, const sa_fit_answer *b)
{
    return a->largest == b->largest && a->total_bytes == b->total_bytes;
}

/* Rows of one subject take over what strategies that decide the same have come to: they are those of subjects of their own. */
static void shared_plans_change_nothing(void **state)
{
    (void)state;
    sa_fit_subject subject = subject_of(LENET);
    sa_fit_row last = {0};
    for (int i = 0; sa_preset_at(i); i++) {
        sa_fit_row alone, row;
        fill(LENET, sa_preset_at(i)->name, 100000000, &alone);
        fill_row(&subject, sa_preset_at(i)->name, 100000000, i ? &last : NULL, &row);
        assert_true(same_answer(&row.batch, &alone.batch) && same_answer(&row.images, &alone.images));
        assert_true(same_answer(&row.batch_beside_context, &alone.batch_beside_context));
        last = row;
    }
    sa_fit_forget_nets(&subject);
}

/* Equal signatures are of equal programs; where presets decide the same, they are equal. */
static void a_signature_tells_programs(void **state)
{
    (void)state;
    enum { PRESETS = 32 };
    static const char *const NETS[] = {OLD, LENET, "tests/nets/alexnet.prototxt", "tests/nets/unet.prototxt"};
    int equal = 0, pairs = 0;
    for (size_t n = 0; n < sizeof NETS / sizeof NETS[0]; n++) {
        uint64_t signature[PRESETS];
        size_t bytes[PRESETS];
        sa_net *net;
        assert_int_equal(sa_net_load(NETS[n], NULL, &net), SA_OK);
        for (int i = 0; i < PRESETS && sa_preset_at(i); i++) {
            sa_strategy strategy;
            assert_int_equal(sa_strategy_parse(sa_preset_at(i)->name, &strategy), SA_OK);
            assert_int_equal(sa_strategy_signature(net, &strategy, device, &signature[i]), SA_OK);
            assert_int_equal(sa_strategy_load_bytes(net, &strategy, device, &bytes[i]), SA_OK);
            for (int k = 0; k < i; k++) {
                if (signature[k] == signature[i]) assert_int_equal(bytes[k], bytes[i]);
                equal += signature[k] == signature[i];
                pairs++;
            }
        }
        sa_net_free(net);
    }
    assert_in_range(equal, 5, pairs / 2);
}

static void the_next_batch_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *path, *strategy;
        size_t capacity;
    } ROWS[] = {{OLD, NULL, 8589934592},       {OLD, "shared", 8589934592}, {OLD, "fastest", 8589934592}, {OLD, "extreme", 1 << 30},
                {OLD, "smallest", 6000000000}, {LENET, NULL, 1 << 30},      {LENET, NULL, 17000000},      {OLD, NULL, 6200000000}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        sa_fit_row row;
        sa_net_options options = {0};
        fill(ROWS[i].path, ROWS[i].strategy, ROWS[i].capacity, &row);
        assert_in_range(row.batch.largest, 1, SA_FIT_BATCH_MAX - 1);
        options.batch = (int32_t)row.batch.largest;
        assert_int_equal(bytes_of(ROWS[i].path, ROWS[i].strategy, &options), row.batch.total_bytes);
        assert_true(row.batch.total_bytes <= ROWS[i].capacity);
        options.batch++;
        assert_true(bytes_of(ROWS[i].path, ROWS[i].strategy, &options) > ROWS[i].capacity);
        assert_true(row.batch_beside_context.largest <= row.batch.largest);
    }
}

static void the_next_image_does_not_fit(void **state)
{
    (void)state;
    static const char *const STRATEGIES[] = {NULL, "fastest", "extreme"};
    for (int i = 0; i < 3; i++) {
        const size_t capacity = 8589934592;
        sa_fit_row row;
        sa_net_options options = {0};
        fill(OLD, STRATEGIES[i], capacity, &row);
        assert_int_equal(row.height % SA_FIT_ROWS + row.width % SA_FIT_ROWS, 0);
        options.height = row.height;
        options.width = row.width;
        assert_int_equal(bytes_of(OLD, STRATEGIES[i], &options), row.images.total_bytes);
        assert_true(row.images.total_bytes <= capacity);
        const sa_fit_subject subject = {.height = 384, .width = 512};
        sa_fit_image(&subject, row.images.largest + 1, &options.height, &options.width);
        assert_true(bytes_of(OLD, STRATEGIES[i], &options) > capacity);
    }
}

static void what_cannot_fit_is_said(void **state)
{
    (void)state;
    sa_fit_row row;
    fill(OLD, NULL, 1000, &row);
    assert_int_equal(row.batch.largest, 0);
    assert_int_equal(row.batch.total_bytes, bytes_of(OLD, NULL, &(sa_net_options){.batch = 1}));
    fill(UNET, NULL, (size_t)12 << 30, &row); /* its labels are smaller than its images, in no whole proportion */
    assert_in_range(row.batch.largest, 2, 6);
    assert_int_equal(row.images.largest, 0);
    assert_non_null(strstr(row.images.why_not, "what goes with 576x576 has to be said"));
    fill(LENET, "fastest", 1 << 30, &row); /* not computed here */
    assert_true(row.batch.why_not[0] || row.batch.largest > 0);
}

/* A figure per preset and capacity needs many programs of a long net. CPU time, with a bound far above what is needed. */
static void long_nets_take_seconds(void **state)
{
    (void)state;
    char path[] = "/tmp/sa_fit_XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    assert_non_null(file);
    fputs("input: 'x0' input_dim: 1 input_dim: 8 input_dim: 32 input_dim: 32\n"
          "input: 'label' input_dim: 1 input_dim: 1 input_dim: 32 input_dim: 32\n",
          file);
    for (int i = 0; i < 1000; i++)
        fprintf(file,
                "layer { name: 'c%d' type: 'Convolution' bottom: 'x%d' top: 'x%d'\n"
                "  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }\n",
                i, i, i + 1);
    fputs("layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x1000' bottom: 'label' top: 'loss' }\n", file);
    assert_int_equal(fclose(file), 0);
    clock_t begun = clock();
    sa_fit_row row[2];
    sa_fit_subject subject = subject_of(path);
    for (int i = 1; sa_preset_at(i); i++) {
        fill_row(&subject, sa_preset_at(i)->name, 1000000000, i > 1 ? &row[(i - 1) % 2] : NULL, &row[i % 2]);
        assert_in_range(row[i % 2].batch.largest, 10, 500);
    }
    sa_fit_forget_nets(&subject);
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    print_message("1,000 convolutions: %.2f s of CPU time\n", seconds);
    const char *scale = getenv("TEST_TIMEOUT_SCALE"); /* sanitizer builds are slower */
    assert_true(seconds < 25 * (scale && atof(scale) > 1 ? atof(scale) : 1));
    unlink(path);
}

static void layers_add_up_to_the_net(void **state)
{
    (void)state;
    sa_net *net;
    sa_caffe_memory caffe;
    sa_layer_table table;
    size_t sum = 0, most = 0;
    assert_int_equal(sa_net_load(OLD, NULL, &net), SA_OK);
    assert_int_equal(sa_caffe_memory_create(net, NULL, &caffe), SA_OK);
    assert_int_equal(sa_layer_table_create(net, &caffe, device, &table), SA_OK);
    for (int l = 0; l < net->layer_count; l++) {
        sum += table.row[l].caffe_bytes;
        if (table.row[l].alive_bytes > most) most = table.row[l].alive_bytes;
    }
    assert_int_equal(sum, caffe.gpu_total_bytes);
    assert_int_equal(most, table.peak_bytes);
    const size_t planned = bytes_of(OLD, "fastest", NULL); /* gap 0: the peak is what is alive, but for the alignment of buffers */
    assert_in_range(table.peak_bytes, planned - 64 * 200, planned);
    sa_layer_table_free(&table);
    sa_caffe_memory_free(&caffe);
    sa_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_change_nothing),      cmocka_unit_test(shared_plans_change_nothing),
        cmocka_unit_test(a_signature_tells_programs),  cmocka_unit_test(the_next_batch_does_not_fit),
        cmocka_unit_test(the_next_image_does_not_fit), cmocka_unit_test(what_cannot_fit_is_said),
        cmocka_unit_test(long_nets_take_seconds),      cmocka_unit_test(layers_add_up_to_the_net),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
