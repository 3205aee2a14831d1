/* Sizes of the CUDA device's FFT-tile convolution, which need no card: limits are kept, an op finds in its workspace the plan that
 * the workspace was made for, parts do not overlap, and refusals say why. */
#include "kernels/cuda_plan/fft_tiles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state = 1;

static int random_int(int low, int high)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (int)(state >> 33) % (high - low + 1);
}

static sa_conv_request random_request(void)
{
    const int k = random_int(3, 16), kw = random_int(0, 3) ? k : random_int(3, 16);
    sa_conv_request r = {.algorithm = SA_CONV_FFT, .pass = (sa_conv_pass)random_int(0, 3)};
    r.shape = (sa_conv_shape){.kernel_h = k, .kernel_w = kw, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1};
    r.shape.groups = 1;
    r.shape.in_channels = random_int(1, 140), r.shape.out_channels = random_int(1, 140);
    r.shape.pad_h = random_int(0, k), r.shape.pad_w = random_int(0, kw);
    r.shape.in_height = random_int(k, 500), r.shape.in_width = random_int(kw, 500);
    r.shape.out_height = r.shape.in_height + 2 * r.shape.pad_h - k + 1;
    r.shape.out_width = r.shape.in_width + 2 * r.shape.pad_w - kw + 1;
    r.out_channels_at_once = r.shape.out_channels;
    r.images = random_int(0, 9);
    return r;
}

static sa_cuda_fft_plan make(const sa_conv_request *r)
{
    sa_cuda_fft_plan plan;
    memset(&plan, 0, sizeof plan);
    assert_int_equal(sa_cuda_fft_plan_make(r, &plan), SA_OK);
    return plan;
}

static void same_plan(const sa_cuda_fft_plan *a, const sa_cuda_fft_plan *b)
{
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->chunk, b->chunk);
    assert_int_equal(a->group, b->group);
    assert_int_equal(a->other_at, b->other_at);
}

static void check_parts(const sa_conv_request *r, const sa_cuda_fft_plan *p)
{
    const size_t f = (size_t)p->frequencies * 8, filter = f * (size_t)p->in_pitch * (size_t)p->pitch;
    const bool filters = r->pass != SA_CONV_PASS_BACKWARD_WEIGHT;
    const bool gradients = r->pass == SA_CONV_PASS_BACKWARD_WEIGHT || r->pass == SA_CONV_PASS_BACKWARD_BOTH;
    assert_true(p->filter_at + (filters ? filter : 0) <= p->gradient_at);
    assert_true(p->gradient_at + (gradients ? filter : 0) <= p->in_at);
    assert_true(p->in_at + f * (size_t)p->in_pitch * (size_t)p->chunk <= p->other_at);
    assert_true(p->other_at + f * (size_t)p->pitch * (size_t)p->chunk <= p->bytes);
    assert_int_equal((p->gradient_at | p->in_at | p->other_at) % 256, 0);
    assert_int_equal(p->in_pitch % SA_CUDA_FFT_CHANNELS, 0);
    assert_int_equal(p->pitch % SA_CUDA_FFT_CHANNELS, 0);
    assert_true(p->chunk == p->tiles || p->chunk == p->image_tiles || p->chunk % SA_CUDA_FFT_DEPTH == 0);
    assert_true(p->group <= p->others && p->group <= p->pitch && p->chunk <= p->tiles);
}

static void test_limits_are_kept(void **unused)
{
    (void)unused;
    int small_groups = 0, few_tiles = 0;
    for (int i = 0; i < 3000; i++) {
        sa_conv_request r = random_request();
        r.limit_bytes = 0;
        const sa_cuda_fft_plan least = make(&r);
        check_parts(&r, &least);
        r.limit_bytes = SIZE_MAX;
        const sa_cuda_fft_plan most = make(&r);
        check_parts(&r, &most);
        assert_int_equal(most.group, most.others);
        assert_true(least.bytes <= most.bytes);
        r.limit_bytes = least.bytes + (size_t)((double)(most.bytes - least.bytes) * random_int(0, 100) / 100);
        const sa_cuda_fft_plan limited = make(&r);
        check_parts(&r, &limited);
        assert_true(limited.bytes <= r.limit_bytes);
        assert_int_equal(limited.size, most.size);
        small_groups += limited.group < limited.others;
        few_tiles += limited.chunk < most.chunk;
    }
    assert_true(small_groups > 100 && few_tiles > 100);
}

/* An op's limit is the workspace it has. */
static void test_a_workspace_gives_its_own_plan(void **unused)
{
    (void)unused;
    for (int i = 0; i < 3000; i++) {
        sa_conv_request r = random_request();
        r.limit_bytes = i % 3 == 0 ? 0 : i % 3 == 1 ? SIZE_MAX : (size_t)random_int(1, 1 << 20) * 64;
        const sa_cuda_fft_plan planned = make(&r);
        r.limit_bytes = planned.bytes;
        const sa_cuda_fft_plan again = make(&r);
        same_plan(&planned, &again);
    }
}

/* Small images share chunks: a batch of them takes as many launches as one. */
static void test_a_chunk_takes_tiles_of_several_images(void **unused)
{
    (void)unused;
    sa_conv_request r = {.algorithm = SA_CONV_FFT, .limit_bytes = SIZE_MAX, .images = 64, .out_channels_at_once = 16};
    r.shape = (sa_conv_shape){16, 12, 12, 16, 12, 12, 5, 5, 1, 1, 2, 2, 1, 1, 1};
    const sa_cuda_fft_plan all = make(&r);
    assert_int_equal(all.tiles, 64 * all.image_tiles);
    assert_int_equal(all.chunk, all.tiles);
    r.limit_bytes = 0;
    assert_true(make(&r).chunk < all.chunk);
    r.images = 0;
    assert_int_equal(make(&r).tiles, all.image_tiles);
}

/* What is counted grows with the images, and a smaller workspace never makes it less. */
static void test_work_is_counted(void **unused)
{
    (void)unused;
    for (int i = 0; i < 300; i++) {
        sa_conv_request r = random_request();
        sa_cuda_fft_work few, many, tight;
        r.images = 1, r.limit_bytes = SIZE_MAX;
        assert_int_equal(sa_cuda_fft_count(&r, &few), SA_OK);
        r.images = 5;
        assert_int_equal(sa_cuda_fft_count(&r, &many), SA_OK);
        r.limit_bytes = 0;
        assert_int_equal(sa_cuda_fft_count(&r, &tight), SA_OK);
        assert_true(few.product_flop > 0 && few.transform_flop > 0 && few.spectra_bytes > 0 && few.launches >= 3);
        assert_true(many.product_flop == 5 * few.product_flop && many.launches <= 5 * few.launches + 10);
        assert_true(tight.product_flop == many.product_flop && tight.launches >= many.launches);
        assert_true(tight.transform_flop >= many.transform_flop && tight.spectra_bytes >= many.spectra_bytes);
    }
}

static void test_what_cannot_be_done(void **unused)
{
    (void)unused;
    const sa_conv_request good = {.shape = {8, 20, 20, 8, 20, 20, 7, 7, 1, 1, 3, 3, 1, 1, 1}, .out_channels_at_once = 8};
    sa_conv_request r = good;
    sa_cuda_fft_plan plan;
    assert_int_equal(sa_cuda_fft_plan_make(&r, &plan), SA_OK);
    r.shape.stride_w = 2;
    assert_int_equal(sa_cuda_fft_plan_make(&r, &plan), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "stride 1x2"));
    r = good, r.shape.dilation_h = 2;
    assert_int_equal(sa_cuda_fft_plan_make(&r, &plan), SA_UNSUPPORTED);
    r = good, r.shape.groups = 2;
    assert_int_equal(sa_cuda_fft_plan_make(&r, &plan), SA_UNSUPPORTED);
    r = good, r.shape.kernel_h = 17;
    assert_int_equal(sa_cuda_fft_plan_make(&r, &plan), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "kernel 17x7, only 3x3 to 16x16"));
    r = good, r.shape.in_channels = r.shape.out_channels = r.out_channels_at_once = 1 << 28;
    assert_int_equal(sa_cuda_fft_plan_make(&r, &plan), SA_CAPACITY);
    sa_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_are_kept),
        cmocka_unit_test(test_a_workspace_gives_its_own_plan),
        cmocka_unit_test(test_a_chunk_takes_tiles_of_several_images),
        cmocka_unit_test(test_work_is_counted),
        cmocka_unit_test(test_what_cannot_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
