/* Work shared among threads: every item once, a thread's own part from the front, the others' from the back. */
#include "kernels/cpu/rows/rows_cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS_MAX = 1000 };

static void every_item_is_taken_once(void **state)
{
    (void)state;
    static const int COUNTS[] = {0, 1, 2, 7, 64, ITEMS_MAX};
    for (int threads = 1; threads <= 5; threads++)
        for (size_t k = 0; k < sizeof COUNTS / sizeof *COUNTS; k++) {
            static atomic_int taken[ITEMS_MAX];
            for (int i = 0; i < ITEMS_MAX; i++) atomic_store(&taken[i], 0);
            sa_work_share share;
            sa_work_share_start(&share, COUNTS[k], threads);
#pragma omp parallel num_threads(threads)
            for (int item; sa_work_share_take(&share, &item);) atomic_fetch_add(&taken[item], 1);
            for (int i = 0; i < ITEMS_MAX; i++) assert_int_equal(atomic_load(&taken[i]), i < COUNTS[k] ? 1 : 0);
        }
}

/* A single thread empties the parts of three: its own 0..2 forwards, then 3..5 and 6..9 backwards. */
static void own_part_first_then_the_others_from_behind(void **state)
{
    (void)state;
    static const int ORDER[] = {0, 1, 2, 5, 4, 3, 9, 8, 7, 6};
    sa_work_share share;
    sa_work_share_start(&share, 10, 3);
    int item;
    for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++) {
        assert_true(sa_work_share_take(&share, &item));
        assert_int_equal(item, ORDER[i]);
    }
    assert_false(sa_work_share_take(&share, &item));
}

static void more_threads_than_parts_share_them(void **state)
{
    (void)state;
    sa_work_share share;
    sa_work_share_start(&share, 3, 2 * SA_WORK_PARTS);
    assert_int_equal(share.parts, SA_WORK_PARTS);
    int item, sum = 0, count = 0;
    for (; sa_work_share_take(&share, &item); count++) sum += item;
    assert_int_equal(count, 3);
    assert_int_equal(sum, 0 + 1 + 2);
}

/* Whatever the height: each row of each image in one band, none across images. */
static void bands_cover_the_rows(void **state)
{
    (void)state;
    static const int HEIGHTS[] = {1, 15, 64, 769};
    for (size_t k = 0; k < sizeof HEIGHTS / sizeof *HEIGHTS; k++) {
        const sa_range range = {.image_begin = 1, .image_end = 4, .channel_begin = 0, .channel_end = 2};
        int rows[4] = {0}, last[4] = {0};
        sa_bands bands;
        sa_bands_start(&bands, &range, HEIGHTS[k], 1);
        for (sa_band band; sa_bands_take(&bands, &band);) {
            assert_in_range(band.n, 1, 3);
            assert_int_equal(band.y_begin, last[band.n]);
            assert_true(band.y_end > band.y_begin && band.y_end <= HEIGHTS[k]);
            rows[band.n] += band.y_end - band.y_begin;
            last[band.n] = band.y_end;
        }
        for (int n = 1; n < 4; n++) assert_int_equal(rows[n], HEIGHTS[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_taken_once),
        cmocka_unit_test(own_part_first_then_the_others_from_behind),
        cmocka_unit_test(more_threads_than_parts_share_them),
        cmocka_unit_test(bands_cover_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
