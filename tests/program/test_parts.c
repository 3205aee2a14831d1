/* Parts of slabs: which bytes they name and where their rows are; values in another shape; what a buffer holds piece by piece. */
#include "kernels/slab.h"
#include "program/contents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 2, C = 5, H = 4, W = 6, FLOATS = N * C * H * W };

static sa_slab whole(float *memory)
{
    for (int i = 0; memory && i < FLOATS; i++) memory[i] = (float)i;
    return (sa_slab){
        .at = {.ptr = memory, .offset_bytes = 64}, .encoding = SA_F32, .images = N, .channels = C, .height = H, .width = W};
}

/* Every row of a part is where the whole slab has it. */
static void rows_of_parts_are_those_of_the_whole(void **state)
{
    (void)state;
    static float memory[FLOATS];
    static const sa_part PARTS[] = {
        {{0, 1, 0, 0}, {N, 3, H, W}}, {{1, 0, 0, 0}, {1, C, H, W}}, {{0, 0, 1, 0}, {N, C, 2, W}},
        {{0, 0, 0, 2}, {N, C, H, 3}}, {{1, 2, 1, 3}, {1, 2, 3, 2}}, {{0, 0, 0, 0}, {N, C, H, W}},
    };
    sa_slab slab = whole(memory);
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
        const sa_part *p = &PARTS[i];
        sa_slab part = sa_slab_part(&slab, p);
        for (int n = 0; n < p->size[0]; n++)
            for (int c = 0; c < p->size[1]; c++)
                for (int y = 0; y < p->size[2]; y++) {
                    const float *row = sa_slab_row(&part, n, c, y);
                    const float *there = sa_slab_row(&slab, n + p->begin[0], c + p->begin[1], y + p->begin[2]);
                    assert_ptr_equal(row, there + p->begin[3]);
                    sa_slab image = sa_slab_image(&part, n);
                    assert_ptr_equal(sa_slab_row(&image, n, c, y), row);
                }
    }
}

static void parts_name_their_bytes(void **state)
{
    (void)state;
    sa_slab slab = whole(NULL), part;
    part = sa_slab_part(&slab, &(sa_part){{0, 1, 0, 0}, {N, 3, H, W}}); /* channels: a piece of each image */
    assert_int_equal(part.at.offset_bytes, 64 + 1 * H * W * 4);
    assert_int_equal(part.at.size_bytes, 3 * H * W * 4);
    assert_int_equal(part.at.repeat, N);
    assert_int_equal(part.at.pitch_bytes, C * H * W * 4);
    assert_true(sa_slab_has_whole_images(&part));
    part = sa_slab_part(&slab, &(sa_part){{1, 1, 0, 0}, {1, 3, H, W}}); /* of one image: without gaps */
    assert_int_equal(part.at.offset_bytes, 64 + (C + 1) * H * W * 4);
    assert_int_equal(part.at.repeat, 0);
    assert_int_equal(part.image_pitch, 0);
    part = sa_slab_part(&slab, &(sa_part){{0, 0, 1, 0}, {N, C, 2, W}}); /* rows: a piece of each plane */
    assert_int_equal(part.at.repeat, N * C);
    assert_int_equal(part.at.pitch_bytes, H * W * 4);
    assert_false(sa_slab_has_whole_images(&part));
    part = sa_slab_part(&slab, &(sa_part){{0, 1, 1, 1}, {N, 2, 2, 2}}); /* no pitch is the same: the whole is named */
    assert_int_equal(part.at.offset_bytes, 64);
    assert_int_equal(part.at.repeat, 0);
    assert_int_equal(part.first_bytes, ((1 * H + 1) * W + 1) * 4);
}

static void shapes_change_where_no_gap_is_between(void **state)
{
    (void)state;
    static float memory[FLOATS];
    sa_slab slab = whole(memory), flat = slab, part;
    assert_true(sa_slab_reshape(&flat, (int32_t[4]){N, C * H * W, 1, 1}));
    assert_ptr_equal(sa_slab_row(&flat, 1, 7, 0), memory + C * H * W + 7);
    assert_false(sa_slab_reshape(&flat, (int32_t[4]){N, C * H * W, 1, 2})); /* not so many elements */
    part = sa_slab_part(&slab, &(sa_part){{0, 1, 0, 0}, {N, 3, H, W}});
    assert_false(sa_slab_reshape(&part, (int32_t[4]){1, N * 3, H, W})); /* another channel lies between the images */
    assert_true(sa_slab_reshape(&part, (int32_t[4]){N, 3 * H, 1, W}));
    assert_ptr_equal(sa_slab_row(&part, 1, 2 * H + 1, 0), sa_slab_row(&slab, 1, 3, 1));
    part = sa_slab_part(&slab, &(sa_part){{0, 0, 0, 2}, {N, C, H, 3}});
    assert_false(sa_slab_reshape(&part, (int32_t[4]){N, C * H, 1, 3}));
}

static bool is(const void *context, int32_t value)
{
    return *(const int32_t *)context == value;
}

/* Random writes, compared with a byte each. */
static void contents_are_what_was_written(void **state)
{
    (void)state;
    enum { BYTES = 97, WRITES = 4000 };
    int32_t byte[BYTES];
    sa_contents contents = {0};
    uint32_t random = 7;
    for (int i = 0; i < BYTES; i++) byte[i] = -1;
    for (int w = 0; w < WRITES; w++) {
        uint32_t number[4];
        for (int i = 0; i < 4; i++) number[i] = (random = random * 1664525u + 1013904223u) >> 8;
        size_t begin = number[0] % BYTES, end = begin + number[1] % (w % 7 ? 9 : 60);
        int32_t value = (int32_t)(number[2] % 5);
        if (end > BYTES) end = BYTES;
        assert_int_equal(sa_contents_write(&contents, begin, end, value), SA_OK);
        for (size_t i = begin; i < end; i++) byte[i] = value;
        begin = number[3] % BYTES, end = begin + 1 + number[1] % 5;
        if (end > BYTES) end = BYTES;
        value = byte[begin];
        bool hold = value >= 0;
        for (size_t i = begin; i < end; i++) hold = hold && byte[i] == value;
        const sa_contents_piece *wrong;
        assert_int_equal(sa_contents_hold(&contents, begin, end, is, &value, &wrong), hold);
        if (wrong) assert_int_equal(byte[wrong->begin], wrong->value);
        for (size_t i = 1; i < contents.count; i++) /* sorted, and merged */
            assert_true(
                contents.piece[i - 1].end < contents.piece[i].begin ||
                (contents.piece[i - 1].end == contents.piece[i].begin && contents.piece[i - 1].value != contents.piece[i].value));
    }
    free(contents.piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_parts_are_those_of_the_whole),
        cmocka_unit_test(parts_name_their_bytes),
        cmocka_unit_test(shapes_change_where_no_gap_is_between),
        cmocka_unit_test(contents_are_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
