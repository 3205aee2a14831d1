/* What is advised when memory runs out: the fastest preset that fits, planned, not guessed. */
#include "cli/preset_plan.h"
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

typedef struct fixture {
    sa_device *device;
    sa_net *net;
} fixture;

static int open_fixture(void **state)
{
    static fixture f;
    *state = &f;
    return sa_device_open_cpu(2, &f.device) != SA_OK || sa_net_load("nets/new.prototxt", NULL, &f.net) != SA_OK;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    sa_net_free(f->net);
    sa_device_close(f->device);
    return 0;
}

static size_t bytes_of(const fixture *f, const char *preset)
{
    size_t bytes = 0;
    assert_int_equal(sa_preset_plan_bytes(f->net, preset, SA_CONV_OPTION_AUTO, f->device, &bytes), SA_OK);
    return bytes;
}

static void the_fastest_that_fits_is_named(void **state)
{
    const fixture *f = *state;
    static const char *const PRESETS[] = {"balanced", "recomputed", "smallest", "extreme"};
    char advice[SA_FIT_ADVICE_BYTES], wanted[64];
    sa_preset_fit_advice(f->net, SA_CONV_OPTION_AUTO, f->device, bytes_of(f, "fastest"), advice);
    assert_non_null(strstr(advice, "--strategy fastest needs "));
    for (int i = 0; i < 4; i++) { /* less than that: the search finds something at least as small as each */
        const size_t bytes = bytes_of(f, PRESETS[i]);
        sa_preset_fit_advice(f->net, SA_CONV_OPTION_AUTO, f->device, bytes, advice);
        snprintf(wanted, sizeof wanted, "--budget %zuMiB needs ", bytes >> 20);
        assert_non_null(strstr(advice, wanted));
        assert_non_null(strstr(advice, " and fits"));
    }
    assert_null(strstr(advice, "lossy"));
    assert_null(strstr(advice, "bf16"));
    sa_preset_fit_advice(f->net, SA_CONV_OPTION_AUTO, f->device, 100000000, advice);
    assert_non_null(strstr(advice, "no strategy found fits; the smallest found needs "));
}

static sa_status few_bytes(sa_device *device, size_t *free_bytes, size_t *total_bytes)
{
    (void)device;
    *free_bytes = 270000000;
    *total_bytes = 400000000;
    return SA_OK;
}

static void it_stands_behind_the_cause(void **state)
{
    fixture *f = *state;
    sa_device_functions functions = *f->device->functions;
    sa_device device = *f->device;
    functions.mem_info = few_bytes;
    device.functions = &functions;
    sa_status status = sa_preset_advise(sa_error_set(SA_NOMEM, "the cause"), f->net, SA_CONV_OPTION_AUTO, &device);
    assert_int_equal(status, SA_NOMEM);
    assert_ptr_equal(strstr(sa_error_message(), "the cause; --budget 257MiB needs "), sa_error_message());
    status = sa_preset_advise(sa_error_set(SA_DEVICE, "another cause"), f->net, SA_CONV_OPTION_AUTO, &device);
    assert_int_equal(status, SA_DEVICE);
    assert_string_equal(sa_error_message(), "another cause");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_that_fits_is_named),
        cmocka_unit_test(it_stands_behind_the_cause),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
