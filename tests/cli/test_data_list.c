/* `segarena data`: shares and weights worked out by hand, kinds of lists, every bad entry. */
#include "cli/data_run.h"
#include "tests/support/data_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of 4 x 4 pixels: 8 of class 0, 4 of class 2, 4 of `void` */
static uint8_t quarters(int32_t y, int32_t x, int32_t c)
{
    (void)c;
    return y < 2 ? 0 : x < 2 ? 2 : 255;
}

static uint8_t all_zero(int32_t y, int32_t x, int32_t c)
{
    (void)y, (void)x, (void)c;
    return 0;
}

static void write_labels(void)
{
    make_png("a.png", 2, 8, 4, 4);
    make_png("grey.png", 0, 8, 4, 4);
    make_png("wide.png", 2, 8, 4, 6);
    write_png("quarters.png", &(png_spec){0, 8, 0, 4, 4, quarters});
    write_png("zero.png", &(png_spec){0, 8, 0, 4, 4, all_zero});
}

static void classes_of_pixels(void **state)
{
    sa_data_result r;
    const sa_data_options o = {.list = "list.txt"};
    (void)state;
    write_labels();
    write_text("list.txt", "a.png quarters.png\na.png zero.png\ngrey.png zero.png\n");
    assert_ok(sa_data_run(&o, &r));
    assert_int_equal(r.kind, SA_DATA_PIXELS);
    assert_int_equal(r.entries, 3);
    assert_int_equal(r.bad_entries, 0);
    assert_int_equal(r.class_count, 3);
    assert_true(r.has_void && r.void_label == 255 && r.void_pixels == 4);
    assert_int_equal(r.class_of[0].pixels, 40);
    assert_int_equal(r.class_of[2].pixels, 4);
    assert_int_equal(r.class_of[0].images, 3);
    assert_int_equal(r.class_of[2].images, 1);
    assert_int_equal(r.labelled_pixels, 44);
    /* frequencies 40 / 48 and 4 / 16; the median of the two is 13 / 24 */
    assert_true(fabs(r.weight[0] - 13.0 / 20) < 1e-12);
    assert_true(fabs(r.weight[2] - 13.0 / 6) < 1e-12);
    assert_true(r.weight[1] == 0);
    assert_int_equal(r.size_count, 3); /* colour, grey, labels */
    sa_data_result_free(&r);
    const sa_data_options other = {.list = "list.txt", .void_given = true, .void_label = 2};
    assert_ok(sa_data_run(&other, &r));
    assert_int_equal(r.class_count, 256);
    assert_int_equal(r.void_pixels, 4);
    sa_data_result_free(&r);
}

static void other_lists(void **state)
{
    sa_data_result r;
    const sa_data_options o = {.list = "list.txt"};
    (void)state;
    write_text("list.txt", "a.png 3\ngrey.png 0\nwide.png 3\n");
    assert_ok(sa_data_run(&o, &r));
    assert_int_equal(r.kind, SA_DATA_IMAGES);
    assert_int_equal(r.class_count, 4);
    assert_int_equal(r.class_of[3].pixels, 2);
    assert_int_equal(r.size_count, 3);
    sa_data_result_free(&r);
    write_text("list.txt", "a.png\nwide.png\n");
    assert_ok(sa_data_run(&o, &r));
    assert_int_equal(r.kind, SA_DATA_UNLABELLED);
    assert_int_equal(r.entries, 2);
    assert_int_equal(r.class_count, 0);
    sa_data_result_free(&r);
    write_text("list.txt", "");
    assert_int_equal(sa_data_run(&o, &r), SA_PARSE);
    const sa_data_options missing = {.list = "missing.txt"};
    assert_int_equal(sa_data_run(&missing, &r), SA_IO);
}

static void every_bad_entry(void **state)
{
    sa_data_result r;
    const sa_data_options o = {.list = "list.txt"};
    (void)state;
    write_text("list.txt", "a.png quarters.png\nmissing.png zero.png\nwide.png zero.png\na.png a.png\n");
    assert_ok(sa_data_run(&o, &r));
    assert_int_equal(r.bad_entries, 3);
    assert_non_null(strstr(r.problems, "list.txt:2: missing.png: cannot open"));
    assert_non_null(strstr(r.problems, "list.txt:3: label 'zero.png' is 4x4, its image 4x6"));
    assert_non_null(strstr(r.problems, "list.txt:4: 'a.png': a colour PNG as label"));
    assert_int_equal(r.class_of[0].pixels, 8);
    sa_data_result_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_of_pixels),
        cmocka_unit_test(other_lists),
        cmocka_unit_test(every_bad_entry),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
