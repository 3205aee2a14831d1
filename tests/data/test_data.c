/* .npy files, random numbers, fillers and synthetic scenes. */
#include "data/fillers.h"
#include "data/npy.h"
#include "data/random.h"
#include "data/synthetic.h"
#include "tests/support/data_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* false on NaN, so that NaN fails */
#define assert_close(actual, expected, tolerance)                                                                      \
    do {                                                                                                               \
        double actual_ = (actual), expected_ = (expected);                                                             \
        if (!(fabs(actual_ - expected_) <= (tolerance))) fail_msg("%s = %.9g, not %.9g", #actual, actual_, expected_); \
    } while (0)

/* ---- .npy ---- */

static void check_round_trip(sa_npy_type type, int axes, const size_t *shape, const void *data, size_t count)
{
    sa_npy array;
    assert_ok(sa_npy_write("a.npy", type, axes, shape, data));
    assert_ok(sa_npy_read("a.npy", &array));
    assert_int_equal(array.type, type);
    assert_int_equal(array.axes, axes);
    assert_int_equal(array.count, count);
    for (int i = 0; i < axes; i++) assert_int_equal(array.shape[i], shape[i]);
    assert_memory_equal(array.data, data, count * sa_npy_type_bytes(type));
    sa_npy_free(&array);
    assert_null(array.data);
}

static void npy_round_trip(void **state)
{
    (void)state;
    static const float floats[24] = {0, -0.0f, 1.5f, 3e38f, 1e-40f};
    static const double doubles[6] = {1, 2, 1e300};
    static const int32_t ints[6] = {INT32_MIN, -1, 0, INT32_MAX};
    check_round_trip(SA_NPY_FLOAT32, 0, NULL, floats, 1);
    check_round_trip(SA_NPY_FLOAT32, 1, (size_t[]){24}, floats, 24);
    check_round_trip(SA_NPY_FLOAT32, 4, (size_t[]){1, 24, 1, 1}, floats, 24);
    check_round_trip(SA_NPY_FLOAT32, 3, (size_t[]){5, 0, 7}, floats, 0);
    check_round_trip(SA_NPY_FLOAT64, 2, (size_t[]){2, 3}, doubles, 6);
    check_round_trip(SA_NPY_INT32, 5, (size_t[]){1, 2, 1, 3, 1}, ints, 6);
    size_t ones[SA_NPY_MAX_AXES + 1];
    for (int i = 0; i <= SA_NPY_MAX_AXES; i++) ones[i] = 1;
    check_round_trip(SA_NPY_FLOAT32, SA_NPY_MAX_AXES, ones, floats, 1);
    assert_int_equal(sa_npy_write("a.npy", SA_NPY_FLOAT32, SA_NPY_MAX_AXES + 1, ones, floats), SA_INVALID);
    assert_int_equal(sa_npy_write("a.npy", SA_NPY_FLOAT32, 2, (size_t[]){SIZE_MAX, 2}, floats), SA_INVALID);
}

/* The header that NumPy 1.24 writes for np.zeros((2, 3), 'f4'). */
static void npy_header_is_numpys(void **state)
{
    (void)state;
    static const char prefix[] = "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    size_t byte_count;
    assert_ok(sa_npy_write("a.npy", SA_NPY_FLOAT32, 2, (size_t[]){2, 3}, (float[6]){0}));
    char *bytes = read_bytes("a.npy", &byte_count);
    assert_int_equal(byte_count, 128 + 24);
    assert_memory_equal(bytes, prefix, sizeof prefix - 1);
    for (size_t i = sizeof prefix - 1; i < 127; i++) assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[127], '\n');
    free(bytes);
}

/* Writes magic, version, header and `data_bytes` zeros. */
static void write_npy_by_hand(char major, const char *header, size_t data_bytes)
{
    char bytes[1024] = "\x93NUMPY";
    size_t length = strlen(header);
    bytes[6] = major;
    bytes[8] = (char)length;
    memcpy(bytes + 10, header, length);
    write_bytes("bad.npy", bytes, 10 + length + data_bytes);
}

static void npy_malformed(void **state)
{
    (void)state;
    static const struct {
        char major;
        const char *header;
        size_t data_bytes;
        sa_status status;
        const char *message;
    } cases[] = {
        {2, "{}", 0, SA_UNSUPPORTED, ".npy version 2.0 is not supported (only 1.0)"},
        {1, "", 0, SA_PARSE, "bad header: ends where '{' is expected"},
        {1, "{}", 0, SA_PARSE, "bad header: key 'descr' is missing"},
        {1, "{'descr': '<f4', 'shape': (1,), }", 4, SA_PARSE, "bad header: key 'fortran_order' is missing"},
        {1, "{'descr': '<f4', 'descr': '<f4'}", 4, SA_PARSE, "bad header: key 'descr' appears twice"},
        {1, "{'kind': 1}", 4, SA_PARSE, "bad header: unknown key 'kind'"},
        {1, "{'descr': '>f4'}", 4, SA_UNSUPPORTED, "type '>f4' is not supported (only '<f4', '<f8', '<i4')"},
        {1, "{'descr': [('a', '<f4')]}", 4, SA_UNSUPPORTED, "structured arrays are not supported"},
        {1, "{'descr': '<f4", 4, SA_PARSE, "bad header: a string without its closing quote"},
        {1, "{'descr' '<f4'}", 4, SA_PARSE, "bad header: ':' expected, found byte 0x27"},
        {1, "{'fortran_order': True}", 4, SA_UNSUPPORTED, "Fortran order is not supported"},
        {1, "{'fortran_order': 0}", 4, SA_PARSE, "bad header: fortran_order is not a bool"},
        {1, "{'shape': (-1,)}", 4, SA_PARSE, "bad header: the shape holds something that is not a number"},
        {1, "{'shape': (2)}", 8, SA_PARSE, "bad header: a shape of one axis is written (n,)"},
        {1, "{'shape': (2 3)}", 8, SA_PARSE, "bad header: ',' or ')' expected in the shape"},
        {1, "{'shape': (2,", 8, SA_PARSE, "bad header: the shape holds something that is not a number"},
        {1, "{'shape': (99999999999999999999,)}", 8, SA_PARSE, "bad header: a number in the shape is too large"},
        {1, "{'shape': (9999999999, 9999999999)}", 8, SA_PARSE, "bad header: the shape's element count overflows"},
        {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3000000000000000000,)}", 8, SA_PARSE,
         "bad header: the array's size overflows"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", 4, SA_PARSE, "bad header: text after the closing '}'"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7, SA_PARSE,
         "truncated: the array has 8 bytes, 7 are there"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, SA_PARSE, "1 bytes too many after the array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sa_npy array = {.axes = 77};
        char expected[256];
        write_npy_by_hand(cases[i].major, cases[i].header, cases[i].data_bytes);
        assert_int_equal(sa_npy_read("bad.npy", &array), cases[i].status);
        snprintf(expected, sizeof expected, "bad.npy: %s", cases[i].message);
        assert_string_equal(sa_error_message(), expected);
        assert_int_equal(array.axes, 77);
    }
}

static void npy_bad_files(void **state)
{
    (void)state;
    sa_npy array;
    write_bytes("bad.npy", "\x93NUMPY\x01\x00\xff\x00{", 11);
    assert_int_equal(sa_npy_read("bad.npy", &array), SA_PARSE);
    assert_string_equal(sa_error_message(), "bad.npy: truncated: a header of 255 bytes, 1 are there");
    write_text("bad.npy", "hello, this is text");
    assert_int_equal(sa_npy_read("bad.npy", &array), SA_PARSE);
    assert_string_equal(sa_error_message(), "bad.npy: not a .npy file");
    assert_int_equal(sa_npy_read("none.npy", &array), SA_IO);
    assert_string_equal(sa_error_message(), "none.npy: cannot open: No such file or directory");
    assert_int_equal(sa_npy_read(".", &array), SA_IO);
    assert_string_equal(sa_error_message(), ".: it is a folder; a file is needed");
    assert_ok(sa_npy_write("i.npy", SA_NPY_INT32, 1, (size_t[]){1}, (int32_t[]){5}));
    assert_int_equal(sa_npy_read_float32("i.npy", &array), SA_UNSUPPORTED);
    assert_string_equal(sa_error_message(), "i.npy: type '<i4' where '<f4' (float32) is wanted");
    assert_int_equal(sa_npy_write("none/i.npy", SA_NPY_INT32, 1, (size_t[]){1}, (int32_t[]){5}), SA_IO);
    assert_string_equal(sa_error_message(), "none/i.npy: cannot write: its folder none: No such file or directory");
}

/* ---- random numbers and fillers ---- */

/* Literal values: the same on every machine. Gaussians agree with Python's statistics.NormalDist().inv_cdf. */
static void random_known_answers(void **state)
{
    (void)state;
    assert_true(sa_random_bits(0, 0) == UINT64_C(0xe220a8397b1dcdaf)); /* splitmix64's published first outputs for seed 0 */
    assert_true(sa_random_bits(0, 1) == UINT64_C(0x6e789e6aa1b965f4));
    static const double gaussians[] = {-0.27976279605425408, -2.1251201448166208, 1.2858980659349784, 0.20939561714359681};
    for (uint64_t i = 0; i < 4; i++) assert_true(sa_random_gaussian(7, i) == gaussians[i]);
    assert_true(sa_random_key(1, "conv1", 0) != sa_random_key(1, "conv1", 1));
    assert_true(sa_random_key(1, "conv1", 0) != sa_random_key(1, "conv2", 0));
    assert_true(sa_random_key(1, "conv1", 0) != sa_random_key(2, "conv1", 0));
}

typedef struct statistics {
    double mean, std, min, max, fourth; /* fourth: standardised fourth moment */
} statistics;

static statistics filled(const sa_filler *filler, int32_t axes, const int32_t *shape, uint64_t key)
{
    size_t count = 1;
    for (int32_t i = 0; i < axes; i++) count *= (size_t)shape[i];
    float *values = malloc(count * sizeof *values);
    assert_ok(sa_filler_fill(filler, axes, shape, key, values));
    statistics s = {0, 0, INFINITY, -INFINITY, 0};
    double squares = 0;
    for (size_t i = 0; i < count; i++) s.mean += (double)values[i] / (double)count;
    for (size_t i = 0; i < count; i++) {
        double d = values[i] - s.mean;
        squares += d * d / (double)count;
        s.fourth += d * d * d * d / (double)count;
        s.min = fmin(s.min, values[i]);
        s.max = fmax(s.max, values[i]);
    }
    s.std = sqrt(squares);
    s.fourth /= squares * squares;
    free(values);
    return s;
}

static void filler_statistics(void **state)
{
    (void)state;
    static const int32_t shape[4] = {64, 16, 7, 7}; /* fan in 784, fan out 3136 */
    sa_filler filler = sa_filler_default();
    statistics s = filled(&filler, 4, shape, 1);
    assert_true(s.min == 0 && s.max == 0);

    static const double fans[3] = {784, 3136, 1960};
    for (int norm = 0; norm < 3; norm++) {
        filler.variance_norm = (sa_variance_norm)norm;
        filler.type = SA_FILLER_MSRA;
        s = filled(&filler, 4, shape, 2);
        double std = sqrt(2 / fans[norm]);
        assert_close(s.mean, 0, std * 0.02);
        assert_close(s.std, std, std * 0.02);
        assert_close(s.fourth, 3, 0.15); /* a gaussian's */
        filler.type = SA_FILLER_XAVIER;
        s = filled(&filler, 4, shape, 3);
        double bound = sqrt(3 / fans[norm]);
        assert_true(s.min >= -bound && s.max <= bound);
        assert_close(s.min, -bound, bound * 0.01);
        assert_close(s.max, bound, bound * 0.01);
        assert_close(s.std, bound / sqrt(3), bound * 0.01);
    }
    filler.type = SA_FILLER_GAUSSIAN;
    filler.mean = 3;
    filler.std = 0.5f;
    s = filled(&filler, 4, shape, 4);
    assert_close(s.mean, 3, 0.01);
    assert_close(s.std, 0.5, 0.01);
    filler.type = SA_FILLER_UNIFORM;
    filler.min = -1;
    filler.max = 2;
    s = filled(&filler, 4, shape, 5);
    assert_close(s.mean, 0.5, 0.02);
    assert_close(s.std, sqrt(0.75), 0.01);
    assert_true(s.min >= -1 && s.max <= 2);
    filler.type = SA_FILLER_MSRA; /* a bias: fan in 1, fan out its size */
    filler.variance_norm = SA_VARIANCE_FAN_OUT;
    s = filled(&filler, 1, (int32_t[]){10000}, 6);
    assert_close(s.std, sqrt(2.0 / 10000), 0.0005);
}

static void filler_errors(void **state)
{
    (void)state;
    float value = 5;
    sa_filler filler = sa_filler_default();
    sa_filler_type type;
    filler.std = -1;
    assert_int_equal(sa_filler_fill(&filler, 1, (int32_t[]){1}, 0, &value), SA_INVALID);
    assert_string_equal(sa_error_message(), "filler: std -1 is negative");
    filler = sa_filler_default();
    filler.min = 2;
    assert_int_equal(sa_filler_fill(&filler, 1, (int32_t[]){1}, 0, &value), SA_INVALID);
    assert_string_equal(sa_error_message(), "filler: max 1 is below min 2");
    filler = sa_filler_default();
    filler.value = NAN;
    assert_int_equal(sa_filler_fill(&filler, 1, (int32_t[]){1}, 0, &value), SA_INVALID);
    filler = sa_filler_default();
    assert_int_equal(sa_filler_fill(&filler, 2, (int32_t[]){1, 0}, 0, &value), SA_INVALID);
    assert_string_equal(sa_error_message(), "filler: axis 1 has size 0");
    assert_true(value == 5);
    assert_ok(sa_filler_type_of("msra", &type));
    assert_int_equal(type, SA_FILLER_MSRA);
    assert_int_equal(sa_filler_type_of("trilinear", &type), SA_UNSUPPORTED);
}

/* ---- synthetic scenes ---- */

typedef struct batch {
    size_t data_count, label_count;
    float *data, *label;
} batch;

static batch make_batch(const sa_data_shape *s)
{
    batch b = {.data_count = (size_t)s->images * (size_t)s->channels * (size_t)s->height * (size_t)s->width,
               .label_count = (size_t)s->images * (size_t)s->label_height * (size_t)s->label_width};
    b.data = malloc(b.data_count * sizeof(float));
    b.label = malloc(b.label_count * sizeof(float));
    for (size_t i = 0; i < b.data_count; i++) b.data[i] = NAN; /* an unwritten element shows */
    for (size_t i = 0; i < b.label_count; i++) b.label[i] = NAN;
    return b;
}

static void free_batch(batch *b)
{
    free(b->data);
    free(b->label);
}

static batch synthetic_batch(const sa_synthetic_config *config, uint64_t skip)
{
    sa_data_source *source;
    batch b = make_batch(&config->shape);
    assert_ok(sa_synthetic_open(config, &source));
    for (uint64_t i = 0; i <= skip; i++) assert_ok(sa_data_source_next(source, b.data, b.label));
    sa_data_source_close(source);
    return b;
}

static uint64_t hash_floats(const float *values, size_t count)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < count; i++) hash = sa_random_bits(hash, (uint64_t)(int64_t)values[i]);
    return hash;
}

static void synthetic_is_deterministic(void **state)
{
    (void)state;
    sa_synthetic_config config = {{2, 5, 33, 47, 20, 31}, 4, 9, 0};
    batch a = synthetic_batch(&config, 1), b = synthetic_batch(&config, 1);
    assert_memory_equal(a.data, b.data, a.data_count * sizeof(float));
    assert_memory_equal(a.label, b.label, a.label_count * sizeof(float));
    /* literal: the same scenes on every machine and at every optimisation level */
    assert_true(hash_floats(a.data, a.data_count) == UINT64_C(0xf9121605e2b57275));
    assert_true(hash_floats(a.label, a.label_count) == UINT64_C(0x5f3de31d90070105));
    free_batch(&b);
    config.seed = 10;
    b = synthetic_batch(&config, 1);
    assert_memory_not_equal(a.data, b.data, a.data_count * sizeof(float));
    assert_memory_not_equal(a.label, b.label, a.label_count * sizeof(float));
    free_batch(&a);
    free_batch(&b);
}

static void synthetic_ranges(void **state)
{
    (void)state;
    for (int32_t classes = 1; classes <= 11; classes += 2) {
        sa_synthetic_config config = {{8, 6, 60, 80, 60, 80}, classes, 1, 0};
        batch b = synthetic_batch(&config, 0);
        size_t seen[11] = {0};
        for (size_t i = 0; i < b.data_count; i++) assert_true(b.data[i] >= 0 && b.data[i] <= 255 && b.data[i] == floorf(b.data[i]));
        for (size_t i = 0; i < b.label_count; i++) {
            assert_true(b.label[i] >= 0 && b.label[i] < (float)classes && b.label[i] == floorf(b.label[i]));
            seen[(int)b.label[i]]++;
        }
        for (int32_t c = 0; c < classes; c++) assert_true(seen[c] > 0);
        free_batch(&b);
    }
}

/* A label of another size shows the same scene: the classes agree where the pixels of both pictures have the same centre. */
static void synthetic_label_sizes_agree(void **state)
{
    (void)state;
    sa_synthetic_config fine = {{2, 4, 63, 99, 63, 99}, 5, 3, 0}, coarse = fine;
    coarse.shape.label_height = 21;
    coarse.shape.label_width = 33;
    batch a = synthetic_batch(&fine, 0), b = synthetic_batch(&coarse, 0);
    assert_memory_equal(a.data, b.data, a.data_count * sizeof(float));
    size_t different = 0;
    for (size_t n = 0; n < 2; n++)
        for (size_t y = 0; y < 21; y++)
            for (size_t x = 0; x < 33; x++)
                different += a.label[(n * 63 + 3 * y + 1) * 99 + 3 * x + 1] != b.label[(n * 21 + y) * 33 + x];
    assert_int_equal(different, 0);
    free_batch(&a);
    free_batch(&b);
}

/* Mean colour of each class over a batch: (classes, channels). */
static void class_means(const batch *b, const sa_data_shape *s, double means[5][4])
{
    size_t plane = (size_t)s->height * (size_t)s->width, counts[5] = {0};
    memset(means, 0, sizeof(double[5][4]));
    for (size_t i = 0; i < b->label_count; i++) {
        size_t l = (size_t)b->label[i];
        counts[l]++;
        for (size_t c = 0; c < 4; c++) means[l][c] += b->data[(i / plane * 4 + c) * plane + i % plane];
    }
    for (size_t l = 0; l < 5; l++)
        for (size_t c = 0; c < 4; c++) means[l][c] /= (double)counts[l];
}

/* The colour tells the class: the nearest class colour of one batch is right for nearly all pixels of other scenes. */
static void synthetic_is_learnable(void **state)
{
    (void)state;
    sa_synthetic_config config = {{8, 4, 48, 64, 48, 64}, 5, 21, 0};
    batch train = synthetic_batch(&config, 0), test = synthetic_batch(&config, 1);
    double means[5][4];
    size_t plane = 48 * 64, right = 0;
    class_means(&train, &config.shape, means);
    for (size_t i = 0; i < test.label_count; i++) {
        size_t best = 0;
        double least = INFINITY;
        for (size_t l = 0; l < 5; l++) {
            double distance = 0;
            for (size_t c = 0; c < 3; c++) distance += pow(test.data[(i / plane * 4 + c) * plane + i % plane] - means[l][c], 2);
            if (distance < least) best = l, least = distance;
        }
        right += best == (size_t)test.label[i];
    }
    assert_true((double)right > 0.97 * (double)test.label_count);
    free_batch(&train);
    free_batch(&test);
}

static void synthetic_resumes(void **state)
{
    (void)state;
    sa_synthetic_config config = {{3, 4, 10, 12, 10, 12}, 3, 5, 7};
    sa_data_source *source, *other;
    batch a = make_batch(&config.shape), b = make_batch(&config.shape);
    assert_ok(sa_synthetic_open(&config, &source));
    config.seed = 1234; /* the position brings its seed along */
    assert_ok(sa_synthetic_open(&config, &other));
    for (uint64_t step = 0; step < 8; step++) {
        sa_data_position position = sa_data_source_position(source);
        assert_int_equal(position.index, step * 3 % 7);
        assert_int_equal(position.epoch, step * 3 / 7);
        assert_ok(sa_data_source_next(source, a.data, a.label));
        assert_ok(sa_data_source_restore(other, position));
        assert_ok(sa_data_source_next(other, b.data, b.label));
        assert_memory_equal(a.data, b.data, a.data_count * sizeof(float));
        assert_memory_equal(a.label, b.label, a.label_count * sizeof(float));
    }
    assert_int_equal(sa_data_source_restore(other, (sa_data_position){0, 0, 7}), SA_INVALID);
    sa_data_source_close(source);
    sa_data_source_close(other);
    config.shape.width = 0;
    assert_int_equal(sa_synthetic_open(&config, &source), SA_INVALID);
    assert_string_equal(sa_error_message(), "synthetic data: data (3, 4, 10, 0), label (3, 1, 10, 12): a size is not positive");
    config.shape.width = 12;
    config.classes = 0;
    assert_int_equal(sa_synthetic_open(&config, &source), SA_INVALID);
    free_batch(&a);
    free_batch(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_round_trip),         cmocka_unit_test(npy_header_is_numpys),
        cmocka_unit_test(npy_malformed),          cmocka_unit_test(npy_bad_files),
        cmocka_unit_test(random_known_answers),   cmocka_unit_test(filler_statistics),
        cmocka_unit_test(filler_errors),          cmocka_unit_test(synthetic_is_deterministic),
        cmocka_unit_test(synthetic_ranges),       cmocka_unit_test(synthetic_label_sizes_agree),
        cmocka_unit_test(synthetic_is_learnable), cmocka_unit_test(synthetic_resumes),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
