/* Data and ImageData layers against the tops of a real Caffe, to the bit; random crops, mirrors and orders too. Then what training
 * needs of a source: positions, labels' names, surveys. */
#include "data/caffe/caffe_random.h"
#include "data/caffe/label_list.h"
#include "data/npy.h"
#include "net/net.h"
#include "net/net_data.h"
#include "tests/support/data_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ------------------------------------------------------------------ golden batches --------------------------------- */

/* What Caffe refuses is refused when the net is loaded, its data opened or a batch made. */
static sa_status open_case(const char *folder, bool test_phase, sa_net **net, sa_data_source **source)
{
    char path[9000];
    *net = NULL;
    snprintf(path, sizeof path, "%.8000s/net.prototxt", folder);
    const sa_net_options options = {.test_phase = test_phase, .data_root = folder};
    SA_TRY(sa_net_load(path, &options, net));
    sa_caffe_source_config config = sa_net_caffe_source_config(&(*net)->layer[0], test_phase, folder, 1);
    return sa_caffe_source_open(&config, source);
}

static bool compare(const char *folder, int batch, const char *top, const float *values, size_t count)
{
    char path[9000];
    sa_npy expected;
    snprintf(path, sizeof path, "%.8000s/out/batch%d/%s.npy", folder, batch, top);
    assert_ok(sa_npy_read_float32(path, &expected));
    const float *wanted = expected.data;
    bool same = expected.count == count;
    size_t at = 0;
    while (same && at < count && values[at] == wanted[at]) at++;
    if (!same) printf("%s: %zu values, %zu are expected\n", path, count, expected.count);
    else if (at < count) printf("%s: value %zu is %g, %g is expected\n", path, at, (double)values[at], (double)wanted[at]);
    same &= at == count;
    sa_npy_free(&expected);
    return same;
}

static bool check_batches(const char *folder, int batches, bool labels, sa_data_source *source)
{
    const sa_data_shape *s = &source->shape;
    size_t count = (size_t)s->images * (size_t)s->channels * (size_t)s->height * (size_t)s->width;
    float *data = malloc(count * sizeof *data), *label = malloc((size_t)s->images * sizeof *label);
    bool same = true;
    assert_non_null(data);
    assert_non_null(label);
    for (int b = 0; b < batches && same; b++) {
        assert_ok(sa_data_source_next(source, data, labels ? label : NULL));
        same = compare(folder, b, "data", data, count) && (!labels || compare(folder, b, "label", label, (size_t)s->images));
    }
    free(data);
    free(label);
    return same;
}

static bool run_case(const char *folder, bool test_phase, bool ok, int batches, bool labels)
{
    sa_net *net;
    sa_data_source *source = NULL;
    sa_status status = open_case(folder, test_phase, &net, &source);
    bool good;
    if (ok) {
        if (status != SA_OK) printf("%s: %s\n", folder, sa_error_message());
        good = status == SA_OK && check_batches(folder, batches, labels, source);
    } else {
        float *data = malloc(1 << 20), label[64];
        assert_non_null(data);
        for (int b = 0; b < 4 && status == SA_OK; b++) status = sa_data_source_next(source, data, label);
        good = status != SA_OK;
        if (!good) printf("%s: Caffe ends with an error, this does not\n", folder);
        free(data);
    }
    sa_data_source_close(source);
    sa_net_free(net);
    return good;
}

/* Sources have one shape; batches of one image whose shape changes are for training by the largest plan. */
static bool shapes_change(const char *name)
{
    return !strcmp(name, "img_sizes_batch1") || !strcmp(name, "sizes_batch1");
}

static int run_cases(const char *root)
{
    char path[9000], row[1024], name[128], phase[16], expected[16];
    int batches, cases = 0, failures = 0;
    snprintf(path, sizeof path, "%s/cases/cases.tsv", root);
    FILE *table = fopen(path, "r");
    if (!table) return 0;
    assert_non_null(fgets(row, sizeof row, table));
    while (fgets(row, sizeof row, table)) {
        assert_int_equal(sscanf(row, "%127s %15s %15s %d", name, phase, expected, &batches), 4);
        if (shapes_change(name)) continue;
        snprintf(path, sizeof path, "%s/cases/%s", root, name);
        cases++;
        failures += !run_case(path, !strcmp(phase, "TEST"), !strcmp(expected, "ok"), batches, strstr(row, "; label") != NULL);
    }
    fclose(table);
    assert_int_equal(failures, 0);
    return cases;
}

static void batches_are_caffes(void **state)
{
    char path[4096];
    (void)state;
    snprintf(path, sizeof path, "%s/tests/golden_data", scratch_start_folder());
    assert_int_equal(run_cases(path), 12);
}

static void more_of_them(void **state)
{
    char path[4096];
    const char *shared = getenv("SA_SHARED");
    (void)state;
    snprintf(path, sizeof path, "%s/%s/interop/data", shared && shared[0] == '/' ? "" : scratch_start_folder(),
             shared ? shared : "../shared");
    if (run_cases(path) > 40) return;
    printf("SKIP: no further batches of Caffe at %s (SA_SHARED names the folder that holds interop/data)\n", path);
    skip();
}

/* ------------------------------------------------------------------ positions -------------------------------------- */

static sa_caffe_source_config list_config(void)
{
    return (sa_caffe_source_config){.is_list = true,
                                    .source = "list.txt",
                                    .batch_size = 3,
                                    .colour = SA_DECODE_COLOUR,
                                    .shuffle = true,
                                    .rand_skip = 3,
                                    .mirror = true,
                                    .crop_size = 5,
                                    .scale = 0.5f,
                                    .seed = 9};
}

/* From every position on, the stream is the one that came by itself, over the ends of epochs. */
static void positions_restore_the_stream(void **state)
{
    enum { BATCHES = 9, VALUES = 3 * 3 * 5 * 5 };
    static float data[BATCHES][VALUES], label[BATCHES][3], again[VALUES], label_again[3];
    sa_data_position position[BATCHES];
    sa_data_source *source, *other;
    (void)state;
    make_png("a.png", 2, 8, 8, 9);
    make_png("b.png", 2, 8, 7, 11);
    make_png("c.png", 0, 8, 5, 5);
    write_text("list.txt", "a.png 4\nb.png 0\nc.png 2\na.png 7\n");
    const sa_caffe_source_config config = list_config();
    assert_ok(sa_caffe_source_open(&config, &source));
    for (int b = 0; b < BATCHES; b++) {
        position[b] = sa_data_source_position(source);
        assert_ok(sa_data_source_next(source, data[b], label[b]));
    }
    assert_true(sa_data_source_position(source).epoch >= 6);
    assert_ok(sa_caffe_source_open(&config, &other));
    for (int b = BATCHES - 1; b >= 0; b--) {
        assert_ok(sa_data_source_restore(other, position[b]));
        assert_ok(sa_data_source_next(other, again, label_again));
        assert_memory_equal(again, data[b], sizeof again);
        assert_memory_equal(label_again, label[b], sizeof label_again);
    }
    assert_int_equal(sa_data_source_restore(other, (sa_data_position){.index = 4}), SA_INVALID);
    for (int b = 0; b < BATCHES; b++) { /* going over batches is as if they had been made */
        assert_ok(sa_data_source_restore(other, position[0]));
        sa_data_source_skip(other, (uint64_t)b);
        assert_memory_equal(&other->position, &position[b], sizeof position[b]);
        assert_ok(sa_data_source_next(other, again, label_again));
        assert_memory_equal(again, data[b], sizeof again);
        assert_memory_equal(label_again, label[b], sizeof label_again);
    }
    sa_data_source_close(source);
    sa_data_source_close(other);
}

static void the_survey_names_what_is_wrong(void **state)
{
    sa_data_source *source;
    sa_data_survey survey = {.classes = 5};
    (void)state;
    write_text("damaged.png", "\x89PNG\r\n\x1a\n and no more");
    write_text("list.txt", "a.png 4\nb.png 0\ndamaged.png 1\nc.png 9\nmissing.png 1\n");
    sa_caffe_source_config config = list_config();
    config.rand_skip = 0;
    config.shuffle = false;
    config.mirror = false;
    assert_ok(sa_caffe_source_open(&config, &source));
    assert_ok(source->functions->survey(source, &survey));
    assert_int_equal(survey.entries, 5);
    assert_int_equal(survey.bad_entries, 3);
    assert_true(survey.labels_per_image && survey.label_low == 0 && survey.label_high == 4);
    assert_non_null(strstr(survey.problems, "list.txt:4: label 9 is none of the 5 classes"));
    assert_non_null(strstr(survey.problems, "list.txt:5: missing.png: cannot open"));
    assert_non_null(strstr(survey.problems, "list.txt:3: 'damaged.png': damaged PNG"));
    free(survey.problems);
    sa_data_source_close(source);
}

/* Knuth's check value: number 10,000 of seed 5489, of the paper's reference program. */
static void the_twister(void **state)
{
    sa_mt mt, other;
    (void)state;
    sa_mt_seed(&mt, 5489);
    other = mt;
    uint32_t last = 0;
    for (int i = 0; i < 10000; i++) last = sa_mt_next(&mt);
    assert_int_equal(last, 4123659995u);
    sa_mt_skip(&other, 9999);
    assert_int_equal(sa_mt_next(&other), 4123659995u);
}

/* Caffe: ImageDataLayer, line by line. */
static void lines_of_a_list(void **state)
{
    static const struct {
        const char *name;
        int32_t label;
    } EXPECTED[] = {{"a b.png", 7}, {"", 0}, {"c.png\t3", 0}, {"d.png ", 2}, {"e.png", 3}, {"12", 12}, {"f.png", -5}};
    sa_label_list list;
    (void)state;
    write_text("odd.txt", "\xef\xbb\xbf"
                          "a b.png 7\n\nc.png\t3\nd.png  2\ne.png 3x\r\n12\nf.png -5");
    assert_ok(sa_label_list_read("odd.txt", &list));
    assert_int_equal(list.count, sizeof EXPECTED / sizeof EXPECTED[0]);
    for (size_t i = 0; i < list.count; i++) {
        assert_string_equal(list.name[i], EXPECTED[i].name);
        assert_int_equal(list.label[i], EXPECTED[i].label);
    }
    sa_label_list_free(&list);
    write_text("empty.txt", "");
    assert_int_equal(sa_label_list_read("empty.txt", &list), SA_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_caffes),
        cmocka_unit_test(more_of_them),
        cmocka_unit_test(positions_restore_the_stream),
        cmocka_unit_test(the_survey_names_what_is_wrong),
        cmocka_unit_test(the_twister),
        cmocka_unit_test(lines_of_a_list),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
