/* Where Caffe's memory goes: every number of the two configurations as a literal (measured by walking every blob of a running
 * Caffe-SegNet), the same sums from the arena of the `caffe` strategy, and the JSON document of `segarena explain`. */
#include "cli/explain_report.h"
#include "net/session.h"
#include "report/caffe_memory.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CONFIGURATIONS = 2 };

static const char *const PATH[CONFIGURATIONS] = {"nets/old.prototxt", "nets/new.prototxt"};

static const struct {
    const char *name;
    size_t gpu_bytes[CONFIGURATIONS], cpu_bytes[CONFIGURATIONS];
} TABLE[] = {
    {"data + label", {15728640, 13398032}, {15728640, 13398032}},
    {"other tops, data (in-place once)", {891027456, 484339984}, {891027456, 484339984}},
    {"other tops, diff", {891027456, 484339984}, {891027456, 484339984}},
    {"pool masks (float)", {66846720, 67043328}, {66846720, 67043328}},
    {"conv column buffers", {4289200128, 7219278608}, {4289200128, 7219278608}},
    {"conv bias multipliers", {2875392, 6028292}, {2875392, 6028292}},
    {"BN buffer_blob", {534773760, 335479040}, {534773760, 335479040}},
    {"BN x_norm", {534773760, 335479040}, {534773760, 335479040}},
    {"BN small", {2109568, 5251112}, {4215040, 10497616}},
    {"LRN scale", {12582912, 12611600}, {12582912, 12611600}},
    {"classifier split diffs", {18874368, 4718592}, {18874368, 4718592}},
    {"softmax prob data + diff", {18874368, 4718592}, {18874368, 4718592}},
    {"softmax scale", {3145728, 786432}, {3145728, 786432}},
    {"parameters data + diff", {11353624, 12960792}, {11353624, 12960792}},
    {"solver history", {5676812, 6480396}, {5676812, 6480396}},
    {"scalars (loss, accuracies)", {20, 20}, {48, 48}},
};
enum { ROWS = sizeof TABLE / sizeof TABLE[0] };

static const size_t MEMORY_REQUIRED_FOR_DATA[] = {1800929300, 1175184180}, FIRST_BLOB_PARAMETERS[] = {1418176, 1618944},
                    PARAMETERS[] = {1419203, 1620099}, GPU_TOTAL[] = {7298870712, 8992913844},
                    CPU_TOTAL[] = {7300976212, 8998160376};

static sa_net *load(const char *path)
{
    sa_net *net = NULL;
    if (sa_net_load(path, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
    return net;
}

static void numbers_are_those_of_a_running_caffe(void **state)
{
    (void)state;
    for (int c = 0; c < CONFIGURATIONS; c++) {
        sa_net *net = load(PATH[c]);
        sa_caffe_memory memory;
        assert_int_equal(sa_caffe_memory_create(net, NULL, &memory), SA_OK);
        assert_int_equal(memory.memory_required_for_data_bytes, MEMORY_REQUIRED_FOR_DATA[c]);
        assert_int_equal(memory.first_blob_parameter_count, FIRST_BLOB_PARAMETERS[c]);
        assert_int_equal(memory.parameter_count, PARAMETERS[c]);
        for (int i = 0, row = 0; i < SA_CAFFE_CATEGORY_COUNT; i++) {
            const sa_caffe_row *found = &memory.row[i];
            if (row == ROWS || strcmp(found->name, TABLE[row].name) != 0) { /* a row of layers that SegNets do not have */
                assert_int_equal(found->gpu_bytes + found->cpu_bytes, 0);
                continue;
            }
            if (found->gpu_bytes != TABLE[row].gpu_bytes[c] || found->cpu_bytes != TABLE[row].cpu_bytes[c])
                fail_msg("%s: %s: %zu and %zu bytes, should be %zu and %zu", PATH[c], found->name, found->gpu_bytes,
                         found->cpu_bytes, TABLE[row].gpu_bytes[c], TABLE[row].cpu_bytes[c]);
            row++;
        }
        assert_int_equal(memory.gpu_total_bytes, GPU_TOTAL[c]);
        assert_int_equal(memory.cpu_total_bytes, CPU_TOTAL[c]);
        sa_caffe_memory_free(&memory);
        sa_net_free(net);
    }
}

static void items_add_up_and_come_largest_first(void **state)
{
    (void)state;
    sa_net *net = load(PATH[1]);
    sa_caffe_memory memory;
    size_t gpu = 0;
    assert_int_equal(sa_caffe_memory_create(net, NULL, &memory), SA_OK);
    for (size_t i = 0; i < memory.item_count; i++) {
        gpu += memory.item[i].gpu_bytes;
        if (i > 0) assert_true(memory.item[i - 1].gpu_bytes >= memory.item[i].gpu_bytes);
    }
    assert_int_equal(gpu, GPU_TOTAL[1]);
    /* conv1 of the second configuration reads 64 channels of 384x512 through 7x7 windows */
    assert_string_equal(memory.item[0].category, "conv column buffers");
    assert_int_equal(memory.item[0].gpu_bytes, (size_t)64 * 49 * 384 * 512 * 4);
    sa_caffe_memory_free(&memory);
    sa_net_free(net);
}

static void verdicts_say_what_is_large(void **state)
{
    (void)state;
    char text[512];
    bool fits;
    sa_caffe_memory memory;
    sa_net *net = load(PATH[1]);
    assert_int_equal(sa_caffe_memory_create(net, NULL, &memory), SA_OK);
    sa_caffe_memory_verdict(&memory, 8589934592, &fits, text, sizeof text);
    assert_false(fits);
    assert_string_equal(
        text, "does not fit: Caffe needs 8.99 GB of 8.59 GB (and 0.3-0.5 GB of CUDA context besides); 7.22 GB of it are "
              "column buffers, one per convolution layer, which Caffe's own \"Memory required for data\" line does not count");
    sa_caffe_memory_verdict(&memory, GPU_TOTAL[1], &fits, text, sizeof text);
    assert_true(fits);
    assert_non_null(strstr(text, "only just"));
    sa_caffe_memory_verdict(&memory, GPU_TOTAL[1] - 1, &fits, text, sizeof text);
    assert_false(fits);
    sa_caffe_memory_verdict(&memory, (size_t)12 << 30, &fits, text, sizeof text);
    assert_true(fits);
    assert_non_null(strstr(text, "leaves room"));
    sa_caffe_memory_free(&memory);
    sa_net_free(net);
}

/* The `caffe` strategy is that layout run for real: its buffers sum up to the same rows. Buffers without a category are not
 * Caffe's. */
static void arena_of_the_caffe_strategy_has_the_same_rows(void **state)
{
    (void)state;
    sa_device *device;
    sa_strategy strategy;
    assert_int_equal(sa_device_open_cpu(1, &device), SA_OK);
    assert_int_equal(sa_strategy_parse("caffe", &strategy), SA_OK);
    strategy.conv = SA_CONV_OPTION_IM2COL;
    for (int c = 0; c < CONFIGURATIONS; c++) {
        const sa_program_options options = {.training = true, .rule.momentum = 0.9f, .weight_decay = 5e-4f};
        sa_net *net = load(PATH[c]);
        sa_layout layout;
        size_t sum[ROWS] = {0}, other = 0;
        if (sa_layout_create(net, &strategy, device, &options, &layout) != SA_OK) fail_msg("%s", sa_error_message());
        for (size_t i = 0; i < layout.program->buffer_count; i++) {
            const sa_buffer *b = &layout.program->buffer[i];
            int row = 0;
            while (b->category && row < ROWS && strcmp(TABLE[row].name, b->category)) row++;
            if (!b->category) other += b->size_bytes;
            else if (row == ROWS) fail_msg("buffer '%s' has the unknown category '%s'", b->name, b->category);
            else sum[row] += b->size_bytes;
        }
        for (int i = 0; i < ROWS; i++)
            if (sum[i] != TABLE[i].gpu_bytes[c])
                fail_msg("%s: %s: the arena has %zu bytes, Caffe %zu", PATH[c], TABLE[i].name, sum[i], TABLE[i].gpu_bytes[c]);
        assert_in_range(other, 1, 65536);
        sa_layout_free(&layout);
        sa_net_free(net);
    }
    sa_device_close(device);
}

/* ------------------------------------------------------------------ the JSON document ------------------------------ */

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

static cJSON *explain(const char *path, const size_t *capacity_bytes)
{
    sa_device *device;
    sa_explanation explanation;
    sa_net *net = load(path);
    assert_int_equal(sa_device_open_cpu(1, &device), SA_OK);
    assert_int_equal(sa_explain(net, capacity_bytes, NULL, device, &explanation), SA_OK);
    char *text = sa_explanation_json(&explanation);
    assert_non_null(text);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    sa_explanation_free(&explanation);
    sa_device_close(device);
    sa_net_free(net);
    return root;
}

static void json_has_every_number(void **state)
{
    (void)state;
    const size_t capacity = 8589934592;
    for (int c = 0; c < CONFIGURATIONS; c++) {
        cJSON *root = explain(PATH[c], &capacity), *row;
        const cJSON *caffe = cJSON_GetObjectItemCaseSensitive(root, "caffe");
        int i = 0;
        assert_string_equal(string(root, "net"), c ? "new" : "old");
        assert_true(number(caffe, "memory_required_for_data_bytes") == (double)MEMORY_REQUIRED_FOR_DATA[c]);
        assert_true(number(caffe, "first_blob_parameter_count") == (double)FIRST_BLOB_PARAMETERS[c]);
        assert_true(number(caffe, "parameter_count") == (double)PARAMETERS[c]);
        assert_true(number(caffe, "total_bytes") == (double)GPU_TOTAL[c]);
        assert_true(number(caffe, "cpu_total_bytes") == (double)CPU_TOTAL[c]);
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(caffe, "categories"))
        {
            assert_string_equal(string(row, "name"), TABLE[i].name);
            assert_true(number(row, "bytes") == (double)TABLE[i].gpu_bytes[c]);
            assert_true(number(row, "cpu_bytes") == (double)TABLE[i].cpu_bytes[c]);
            i++;
        }
        assert_int_equal(i, ROWS);
        assert_true(number(root, "capacity_bytes") == (double)capacity);
        assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "fits")), c == 0);
        row = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "largest"), 0);
        assert_string_equal(string(row, "layer"), c ? "conv1" : "conv_decode1");
        assert_true(number(row, "bytes") == 64.0 * 49 * 384 * 512 * 4);
        cJSON_Delete(root);
    }
}

static void json_suggests_strategies_that_fit(void **state)
{
    (void)state;
    const size_t capacity = (size_t)1 << 30;
    cJSON *root = explain(PATH[1], &capacity), *row;
    int fitting = 0, count = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(root, "suggestions"))
    {
        bool fits = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "fits"));
        assert_string_not_equal(string(row, "strategy"), "caffe");
        assert_int_equal(fits, number(row, "total_bytes") <= (double)capacity);
        fitting += fits;
        count++;
    }
    assert_in_range(fitting, 1, count - 1);
    cJSON_Delete(root);
}

/* 190 MB: `extreme` fits; 100 MB: nothing does, and what was found is below what `lossy` takes. */
static void json_suggests_nothing_lossy_while_something_lossless_fits(void **state)
{
    (void)state;
    const size_t capacity[] = {190000000, 100000000};
    for (int i = 0; i < 2; i++) {
        cJSON *root = explain(PATH[1], &capacity[i]), *row;
        int lossless = 0;
        double smallest = 1e18;
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(root, "suggestions"))
        {
            if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "lossless"))) continue;
            lossless += cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "fits"));
            if (number(row, "total_bytes") < smallest) smallest = number(row, "total_bytes");
            assert_false(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "fits_beside_context")));
        }
        assert_int_equal(lossless > 0, i == 0);
        assert_true(smallest < (i == 0 ? 190000000 : 180041600)); /* the latter is what `lossy` takes */
        const char *advice = string(root, "advice");
        assert_null(strstr(advice, "bf16"));
        assert_null(strstr(advice, "lossy"));
        assert_non_null(
            strstr(advice, i == 0 ? "loses nothing; the 0.3-0.5 GB of CUDA context may not" : "the smallest found takes "));
        cJSON_Delete(root);
    }
}

/* A suggestion fits by the rule of the verdict. */
static void fits_count_the_context(void **state)
{
    (void)state;
    assert_int_equal(sa_fit_of(1000, 999), SA_FITS_NOT);
    assert_int_equal(sa_fit_of(1000, 1000), SA_FITS_ONLY_JUST);
    assert_int_equal(sa_fit_of(1000, 1000 + SA_CUDA_CONTEXT_HIGH_BYTES - 1), SA_FITS_ONLY_JUST);
    assert_int_equal(sa_fit_of(1000, 1000 + SA_CUDA_CONTEXT_HIGH_BYTES), SA_FITS);
}

static void json_without_a_capacity_has_no_verdict(void **state)
{
    (void)state;
    cJSON *root = explain("tests/golden/tiny_new/net.prototxt", NULL), *row;
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "capacity_bytes")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "fits")));
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(root, "suggestions"))
    {
        assert_true(number(row, "total_bytes") > 0);
        assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(row, "fits")));
    }
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_a_running_caffe),
        cmocka_unit_test(items_add_up_and_come_largest_first),
        cmocka_unit_test(verdicts_say_what_is_large),
        cmocka_unit_test(arena_of_the_caffe_strategy_has_the_same_rows),
        cmocka_unit_test(json_has_every_number),
        cmocka_unit_test(json_suggests_strategies_that_fit),
        cmocka_unit_test(json_suggests_nothing_lossy_while_something_lossless_fits),
        cmocka_unit_test(fits_count_the_context),
        cmocka_unit_test(json_without_a_capacity_has_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
