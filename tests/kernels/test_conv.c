/* The CPU convolutions against float64 references: every algorithm and pass on random shapes, sources, ranges and masks;
 * the same bits for any thread count, workspace limit and split (but im2col split by channels); nothing written outside, nothing
 * left unwritten. An argument names the one test to run. */
#include "core/checked.h"
#include "kernels/conv_request.h"
#include "kernels/cpu/conv/conv_cpu.h"
#include "kernels/cpu/cpu_isa.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/conv_case.h"

static uint64_t random_state = 1;

static void seed(uint64_t s)
{
    random_state = s * 2 + 1;
}

static int random_int(int below)
{
    return (int)(conv_random(&random_state) * (float)below) % below;
}

static const char *const algorithm_name[] = {"im2col", "direct", "fft", "cudnn", "winograd"};

/* Small float32 sums: relative L2 error bounds of the issue, im2col and direct with room for their longer float32 sums,
 * Winograd for its interpolation. */
static const double forward_bound[] = {2e-6, 2e-6, 1e-6, 0, 2e-6}, weight_bound[] = {6e-6, 6e-6, 2e-6, 0, 6e-6};

static void check(const conv_case *c, const conv_result *r, sa_conv_algorithm algorithm)
{
    conv_reference ref;
    conv_reference_make(c, &ref);
    char what[256];
    snprintf(what, sizeof what, "%s n%d %dx%dx%d -> %d k%dx%d s%dx%d p%dx%d d%dx%d g%d virtual %d%d gather %d",
             algorithm_name[algorithm], c->images, c->shape.in_channels, c->shape.in_height, c->shape.in_width,
             c->shape.out_channels, c->shape.kernel_h, c->shape.kernel_w, c->shape.stride_h, c->shape.stride_w, c->shape.pad_h,
             c->shape.pad_w, c->shape.dilation_h, c->shape.dilation_w, c->shape.groups, c->virtual_x, c->virtual_dy,
             (int)c->gather);
    conv_assert_close(what, "y", r->y, ref.y, c->y_count, forward_bound[algorithm]);
    conv_assert_close(what, "dx", r->dx, ref.dx, c->dx_count, forward_bound[algorithm]);
    conv_assert_close(what, "dweight", r->dweight, ref.dweight, c->weight_count, weight_bound[algorithm]);
    conv_assert_close(what, "dbias", r->dbias, ref.dbias, (size_t)c->shape.out_channels, 1e-6);
    conv_reference_free(&ref);
}

static void assert_same(const conv_case *c, const conv_result *a, const conv_result *b)
{
    assert_memory_equal(a->y, b->y, c->y_count * sizeof(float));
    assert_memory_equal(a->dx, b->dx, c->dx_count * sizeof(float));
    assert_memory_equal(a->dweight, b->dweight, c->weight_count * sizeof(float));
    assert_memory_equal(a->dbias, b->dbias, (size_t)c->shape.out_channels * sizeof(float));
}

/* 2 to 8 groups, or one per channel, as depthwise convolutions have. */
static void set_groups(sa_conv_shape *s)
{
    s->groups = random_int(2) ? s->in_channels : 2 + random_int(7);
    s->in_channels = s->groups * (s->in_channels / s->groups < 1 ? 1 : s->in_channels / s->groups);
    s->out_channels = s->groups * (1 + random_int(s->out_channels / s->groups + 1));
}

/* A product of matrices for `direct`, with or without strides, with whole vectors of channels and without. */
static void set_pointwise(sa_conv_shape *s)
{
    s->kernel_h = s->kernel_w = s->dilation_h = s->dilation_w = 1;
    s->pad_h = s->pad_w = 0;
    s->stride_h = s->stride_w = 1 + random_int(3) / 2;
    s->in_channels = random_int(2) ? 16 + 16 * random_int(4) : 16 + random_int(40);
    s->out_channels = 16 + random_int(40);
}

static sa_conv_shape random_shape(sa_conv_algorithm algorithm, bool pointwise)
{
    static const int kernels[] = {1, 3, 5, 7, 9, 11};
    for (;;) {
        sa_conv_shape s = {.in_channels = 1 + random_int(21), .out_channels = 1 + random_int(37)};
        s.in_height = 1 + random_int(40);
        s.in_width = 1 + random_int(70);
        if (random_int(4) == 0) { /* a large plane: other tile sizes, several strips */
            s.in_channels = 1 + random_int(3);
            s.out_channels = 1 + random_int(3);
            s.in_height += 60;
            s.in_width += 70;
        }
        s.kernel_h = s.kernel_w = kernels[random_int(6)];
        const bool plain = s.kernel_h == 1 && random_int(2) == 0; /* but for a dilation, which changes nothing */
        s.stride_h = s.stride_w = s.dilation_h = s.dilation_w = s.groups = 1;
        s.pad_h = random_int(s.kernel_h);
        s.pad_w = random_int(s.kernel_w);
        if (algorithm == SA_CONV_FFT) {
            if (s.kernel_h == 1) continue;
        } else if (algorithm == SA_CONV_WINOGRAD) {
            s.kernel_h = s.kernel_w = 3;
            s.pad_h = random_int(3);
            s.pad_w = random_int(3);
            s.in_channels += 15;
            s.out_channels += 15;
        } else if (random_int(3) == 0) {
            s.kernel_w = 1 + random_int(7);
            s.stride_h = 1 + random_int(3);
            s.stride_w = 1 + random_int(4);
            s.dilation_h = 1 + random_int(2) * random_int(5);
            s.dilation_w = 1 + random_int(2) * random_int(5);
            s.pad_h = random_int(s.dilation_h * s.kernel_h + 2);
            s.pad_w = random_int(s.dilation_w * s.kernel_w + 2);
            if (plain) s.kernel_w = s.stride_h = s.stride_w = 1, s.pad_h = s.pad_w = 0;
        }
        if (pointwise) set_pointwise(&s);
        if (algorithm != SA_CONV_WINOGRAD && !pointwise && random_int(3) == 0) set_groups(&s);
        int64_t height = s.in_height + 2 * s.pad_h - sa_conv_extent(s.kernel_h, s.dilation_h);
        int64_t width = s.in_width + 2 * s.pad_w - sa_conv_extent(s.kernel_w, s.dilation_w);
        if (height < 0 || width < 0) continue;
        s.out_height = (int)height / s.stride_h + 1;
        s.out_width = (int)width / s.stride_w + 1;
        double work = (double)s.in_channels / s.groups * s.out_channels * s.kernel_h * s.kernel_w * s.out_height * s.out_width;
        if (work < 4e6) return s;
    }
}

/* One random shape: values, thread counts, workspace limits, splits of images. */
static void run_random_case(sa_conv_algorithm algorithm, int number)
{
    seed((uint64_t)number * 977 + (uint64_t)algorithm);
    conv_case c;
    conv_options o = {.shape = random_shape(algorithm, algorithm == SA_CONV_DIRECT && number % 5 == 0),
                      .images = 1 + random_int(3),
                      .seed = (uint64_t)number};
    o.virtual_x = random_int(4);
    o.virtual_dy = random_int(2);
    o.gather = (conv_gather)random_int(CONV_GATHERS);
    conv_case_make(&c, &o);
    conv_run_options base = {.algorithm = algorithm, .threads = 1, .limit_bytes = SIZE_MAX};
    conv_result first, other;
    conv_run(&c, &base, &first);
    check(&c, &first, algorithm);
    for (int variant = 0; variant < 6; variant++) {
        conv_run_options run = base;
        run.threads = variant == 0 ? 3 : 1 + variant % 2;
        run.limit_bytes = variant < 2 ? 0 : variant == 2 ? (size_t)random_int(8 << 20) : SIZE_MAX;
        run.separate_passes = variant == 1 || variant == 3;
        /* Winograd's sums are of all images of a call */
        run.image_by_image = (variant == 2 || variant == 4) && algorithm != SA_CONV_WINOGRAD;
        run.channels_at_once = variant == 4 ? 16 : variant == 5 ? 1 + random_int(c.shape.out_channels) : 0;
        run.dx_over_x = !run.separate_passes && !run.channels_at_once && (number + variant) % 2 == 0;
        conv_run(&c, &run, &other);
        if (algorithm == SA_CONV_IM2COL && run.channels_at_once) check(&c, &other, algorithm);
        else assert_same(&c, &first, &other);
        conv_result_free(&other);
    }
    conv_result_free(&first);
    conv_case_free(&c);
}

static void run_random_cases(sa_conv_algorithm algorithm)
{
    for (int i = 0; i < 44; i++) run_random_case(algorithm, i);
}

/* Crews of two threads, of which one may have nothing to do in the last group of channels: 40 are done as 32 + 8 in some
 * workspaces. */
static void test_crews(void **state)
{
    (void)state;
    conv_case c;
    conv_options o = {.shape = {40, 20, 70, 16, 20, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1}, .images = 2, .seed = 7};
    conv_case_make(&c, &o);
    conv_run_options run = {.algorithm = SA_CONV_FFT, .threads = 1, .limit_bytes = SIZE_MAX};
    conv_result first, other;
    conv_run(&c, &run, &first);
    check(&c, &first, SA_CONV_FFT);
    for (int threads = 2; threads <= 8; threads += 2)
        for (size_t limit = 1 << 20; limit <= 12 << 20; limit += limit / 8) {
            run.threads = threads;
            run.limit_bytes = limit;
            run.dx_over_x = threads % 4 == 0;
            conv_run(&c, &run, &other);
            assert_same(&c, &first, &other);
            conv_result_free(&other);
        }
    conv_result_free(&first);
    conv_case_free(&c);
}

static void test_im2col(void **state)
{
    (void)state;
    run_random_cases(SA_CONV_IM2COL);
}

static void test_direct(void **state)
{
    (void)state;
    run_random_cases(SA_CONV_DIRECT);
}

static void test_fft(void **state)
{
    (void)state;
    run_random_cases(SA_CONV_FFT);
}

static void test_winograd(void **state)
{
    (void)state;
    run_random_cases(SA_CONV_WINOGRAD);
}

/* Every instruction set this machine can run. */
static void test_instruction_sets(void **state)
{
    (void)state;
    for (int isa = 0; isa < SA_CPU_ISAS; isa++) {
        sa_cpu_isa_limit((sa_cpu_isa)isa);
        for (int i = 100; i < 110; i++) {
            run_random_case(SA_CONV_DIRECT, i);
            run_random_case(SA_CONV_FFT, i);
            run_random_case(SA_CONV_WINOGRAD, i);
        }
    }
    sa_cpu_isa_limit(SA_CPU_AVX512);
}

/* Caffe's number: the column buffer of one image, also where it is not needed. */
static void test_im2col_workspace(void **state)
{
    (void)state;
    sa_device device = {.threads = 2};
    sa_conv_request r = {.algorithm = SA_CONV_IM2COL, .limit_bytes = SIZE_MAX};
    size_t bytes;
    r.shape = (sa_conv_shape){4, 384, 512, 64, 384, 512, 7, 7, 1, 1, 3, 3, 1, 1, 1};
    r.out_channels_at_once = 64;
    for (int pass = SA_CONV_PASS_FORWARD; pass <= SA_CONV_PASS_BACKWARD_BOTH; pass++) {
        r.pass = (sa_conv_pass)pass;
        assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_OK);
        assert_int_equal(bytes, 4u * 49 * 384 * 512 * 4);
    }
    r.shape = (sa_conv_shape){64, 384, 512, 3, 384, 512, 1, 1, 1, 1, 0, 0, 1, 1, 1};
    r.out_channels_at_once = 3;
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_OK);
    assert_int_equal(bytes, 50331648);
    r.virtual_dy = r.gather_dx = true;
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_OK);
    assert_int_equal(bytes, 50331648 + 3 * 384 * 512 * 4 + 50331648);
}

static void test_refusals(void **state)
{
    (void)state;
    sa_device device = {.threads = 1};
    size_t bytes = 7;
    sa_conv_request r = {.algorithm = SA_CONV_FFT, .out_channels_at_once = 2};
    r.shape = (sa_conv_shape){1, 8, 8, 2, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1};
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_UNSUPPORTED);
    assert_non_null(strstr(sa_error_message(), "stride"));
    r.shape = (sa_conv_shape){1, 8, 8, 2, 8, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_INVALID);
    r.shape = (sa_conv_shape){1 << 30, 8, 8, 1 << 30, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_CAPACITY);
    r.shape = (sa_conv_shape){1, 1 << 20, 1 << 20, 2, 1 << 20, 1 << 20, 1, 1, 1, 1, 0, 0, 1, 1, 1};
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_CAPACITY);
    r.shape = (sa_conv_shape){1, 8, 8, 2, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1};
    r.out_channels_at_once = 3;
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_INVALID);
    assert_int_equal(bytes, 7);
    r.out_channels_at_once = 2;
    assert_int_equal(sa_cpu_conv_workspace_bytes(&device, &r, &bytes), SA_OK);
    float buffer[128] = {0};
    sa_conv_forward_args a = {.shape = r.shape, .algorithm = SA_CONV_FFT, .range = {0, 1, 0, 2}, .workspace = {.ptr = buffer}};
    a.workspace_bytes = bytes - 1;
    assert_int_equal(sa_cpu_conv_forward(&device, &a), SA_CAPACITY);
    a.range.channel_end = 3;
    assert_int_equal(sa_cpu_conv_forward(&device, &a), SA_INVALID);
    sa_conv_backward_args b = {.shape = r.shape, .algorithm = SA_CONV_DIRECT, .range = {0, 1, 0, 1}, .dx = {.at = {.ptr = buffer}}};
    assert_int_equal(sa_cpu_conv_backward(&device, &b), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "output channels"));
}

/* `auto`: Winograd for 3x3 with whole vectors of channels; else FFT tiles unless the kernel is small for the channels there are, or
 * the planes are. */
static void test_choose(void **state)
{
    (void)state;
    sa_device device = {.threads = 1};
    sa_conv_shape first = {4, 384, 512, 64, 384, 512, 7, 7, 1, 1, 3, 3, 1, 1, 1},
                  middle = {64, 192, 256, 64, 192, 256, 7, 7, 1, 1, 3, 3, 1, 1, 1};
    sa_conv_shape last = {64, 384, 512, 3, 384, 512, 1, 1, 1, 1, 0, 0, 1, 1, 1},
                  strided = {64, 9, 9, 64, 4, 4, 3, 3, 2, 2, 0, 0, 1, 1, 1};
    sa_conv_shape shallow = {3, 360, 480, 64, 360, 480, 3, 3, 1, 1, 1, 1, 1, 1, 1},
                  deep = {512, 22, 30, 512, 22, 30, 3, 3, 1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(sa_cpu_conv_choose(&device, &first, 1), SA_CONV_FFT);
    assert_int_equal(sa_cpu_conv_choose(&device, &middle, 1), SA_CONV_FFT);
    assert_int_equal(sa_cpu_conv_choose(&device, &last, 1), SA_CONV_DIRECT);
    assert_int_equal(sa_cpu_conv_choose(&device, &strided, 1), SA_CONV_DIRECT);
    assert_int_equal(sa_cpu_conv_choose(&device, &shallow, 1), SA_CONV_DIRECT);
    assert_int_equal(sa_cpu_conv_choose(&device, &deep, 1), SA_CONV_WINOGRAD);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_im2col),           cmocka_unit_test(test_crews),
        cmocka_unit_test(test_direct),           cmocka_unit_test(test_fft),
        cmocka_unit_test(test_winograd),         cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_im2col_workspace), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
