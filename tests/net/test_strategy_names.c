/* Names of strategies: how presets and switches compose, and what is said about names and combinations that make no sense. */
#include "net/strategy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static sa_strategy parse(const char *text)
{
    sa_strategy s;
    if (sa_strategy_parse(text, &s) != SA_OK) fail_msg("%s: %s", text, sa_error_message());
    return s;
}

static void test_presets_are_ladders(void **state)
{
    (void)state;
    uint32_t below = 0;
    for (int i = 0; sa_preset_at(i); i++) {
        sa_strategy s = parse(sa_preset_at(i)->name);
        assert_string_equal(s.name, sa_preset_at(i)->name);
        assert_true(strlen(sa_preset_at(i)->help) > 0);
        /* rungs from `caffe` up to the smallest one add to the rung below */
        if ((s.switches & below) == below) below = s.switches;
        else
            assert_true(!strcmp(s.name, "balanced") || !strcmp(s.name, "fastest") || !strcmp(s.name, "smallest") ||
                        !strcmp(s.name, "lossy"));
    }
    assert_int_equal(parse("caffe").switches, 0);
    assert_null(sa_preset_at(-1));
}

static void test_switches_compose(void **state)
{
    (void)state;
    assert_int_equal(parse("caffe+lean").switches, 1u << SA_SWITCH_LEAN);
    assert_int_equal(parse("caffe+lean+lean").switches, 1u << SA_SWITCH_LEAN);
    assert_int_equal(parse("caffe+lean-lean").switches, 0);
    assert_int_equal(parse("caffe-lean").switches, 0);
    assert_int_equal(parse("shared-shared-workspace").switches, 1u << SA_SWITCH_LIFETIMES);
    assert_int_equal(parse("one-workspace").switches, 1u << SA_SWITCH_SHARED_WORKSPACE);
    assert_int_equal(parse("one-workspace-shared-workspace+fuse").switches, 1u << SA_SWITCH_FUSE);
    assert_int_equal(parse("caffe+lean+lifetimes+recompute-recompute").switches, parse("caffe+lifetimes+lean").switches);
}

static void test_values(void **state)
{
    (void)state;
    sa_strategy s = parse("caffe+lean+fuse+banded=3+lifetimes+recompute=2+small-workspace=100K");
    assert_int_equal(s.band_channels, 3);
    assert_int_equal(s.recompute_count, 2);
    assert_int_equal(s.workspace_limit_bytes, 102400);
    s = parse("caffe+lean+lifetimes+recompute=auto");
    assert_int_equal(s.recompute_count, SA_RECOMPUTE_AUTO);
    s = parse("caffe+small-workspace=1.5MiB-small-workspace+small-workspace"); /* taken away with its value */
    assert_int_equal(s.workspace_limit_bytes, 0);
    s = parse("caffe+small-workspace=1K+small-workspace=2K"); /* the last one counts */
    assert_int_equal(s.workspace_limit_bytes, 2048);
    s = parse("caffe+lean+fuse+banded");
    assert_true(s.band_channels > 0 && s.recompute_count > 0);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } BAD[] = {
        {"", "unknown preset ''; known: caffe "},
        {"cafe", "unknown preset 'cafe'; did you mean 'caffe'? Known: caffe "},
        {"smalest+lean", "unknown preset 'smalest+lean'; did you mean 'smallest'?"},
        {"smalest-repool", "did you mean 'smallest'?"},
        {"fastst", "did you mean 'fastest'?"},
        {"zebra", "unknown preset 'zebra'; known: caffe "},
        {"image-tail", "'image-tail' is a switch: it goes behind a preset, as in fastest+image-tail"},
        {"caffe+fastest", "'fastest' is a preset: it stands first"},
        {"caffe+lifetime", "unknown switch 'lifetime'; did you mean 'lifetimes'?"},
        {"fastest-virtul-upsample", "did you mean 'virtual-upsample'?"},
        {"fastest-virtul-upsample-lean", "did you mean 'virtual-upsample'?"},
        {"caffe ", "unknown preset"},
        {"caffe=3", "unknown preset"},
        {"Caffe", "unknown preset"},
        {"lean+", "unknown switch ''; known: shared-workspace "},
        {"caffe+leaner", "unknown switch 'leaner'"},
        {"caffe++lean", "unknown switch '+lean'"},
        {"caffe+lean+nothing+fuse", "unknown switch 'nothing+fuse'"},
        {"caffe+lean=3", "switch 'lean' takes no value 3"},
        {"caffe+lean+fuse+banded=0", "switch 'banded' takes no value 0"},
        {"caffe+lean+fuse+banded=", "switch 'banded=': a value is expected"},
        {"caffe+lean+fuse+banded=70000", "switch 'banded' takes no value 70000"},
        {"caffe+lean+fuse+banded=two", "switch 'banded': "},
        {"caffe+small-workspace=99999999999999999999999GiB", "switch 'small-workspace': "},
        {"caffe+small-workspace=1234567890123456789012345678901234567890", "a value is expected"},
        {"caffe-lean=3", "switch 'lean' is taken away and given a value"},
        {"caffe+banded", "'banded' makes no sense without 'fuse': a band ends"},
        {"caffe+fuse+banded", "'banded' makes no sense without 'lean': "},
        {"banded-fuse", "strategy 'banded-fuse': 'banded' makes no sense without 'fuse'"},
        {"caffe+inplace-grad", "'inplace-grad' makes no sense without 'lean': "},
        {"caffe+lean+relrn", "'relrn' makes no sense without 'lifetimes': "},
        {"caffe+lifetimes+relrn", "'relrn' makes no sense without 'lean': "},
        {"caffe+recompute", "'recompute' makes no sense without 'lifetimes': "},
        {"caffe+lifetimes+recompute", "'recompute' makes no sense without 'lean': "},
        {"caffe+lifetimes+repool", "'repool' makes no sense without 'lean': "},
        {"caffe+lean+repool", "'repool' makes no sense without 'lifetimes': "},
        {"caffe+virtual-upsample+image-tail", "'image-tail' makes no sense without 'inplace-grad': "},
        {"caffe+lean+inplace-grad+image-tail", "'image-tail' makes no sense without 'virtual-upsample': "},
        {"caffe+lean+bf16", "'bf16' makes no sense without 'lifetimes': "},
        {"caffe+lifetimes+bf16", "'bf16' makes no sense without 'lean': "},
        {"lossy+bf16=2", "switch 'bf16' takes no value 2"},
        {"caffe+early-update", "'early-update' makes no sense without 'lifetimes': "},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        sa_strategy s = {.name = "untouched"};
        sa_status status = sa_strategy_parse(BAD[i].text, &s);
        if (status != SA_INVALID || !strstr(sa_error_message(), BAD[i].message))
            fail_msg("'%s': %s, '%s', wanted '%s'", BAD[i].text, sa_status_name(status), sa_error_message(), BAD[i].message);
        assert_string_equal(s.name, "untouched");
    }
}

static void test_long_names(void **state)
{
    (void)state;
    char text[1024] = "caffe";
    sa_strategy s;
    for (int i = 0; i < SA_SWITCH_COUNT; i++) /* all switches by name are a strategy */
        snprintf(text + strlen(text), sizeof text - strlen(text), "+%s", sa_switch_get_info((sa_switch)i)->name);
    assert_int_equal(parse(text).switches, (1u << SA_SWITCH_COUNT) - 1);
    while (strlen(text) < sizeof s.name) strcat(text, "+lean");
    assert_int_equal(sa_strategy_parse(text, &s), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "at most"));
}

static void test_convolutions(void **state)
{
    (void)state;
    sa_conv_option conv = SA_CONV_OPTION_DIRECT;
    for (int i = 0; i < SA_CONV_OPTIONS; i++) {
        assert_int_equal(sa_conv_option_parse(sa_conv_option_name((sa_conv_option)i), &conv), SA_OK);
        assert_int_equal(conv, i);
    }
    assert_int_equal(sa_conv_option_parse("wavelets", &conv), SA_INVALID);
    assert_string_equal(sa_error_message(), "unknown convolution 'wavelets'; known: auto im2col direct fft cudnn winograd");
    assert_int_equal(sa_conv_option_parse("im2coll", &conv), SA_INVALID);
    assert_string_equal(sa_error_message(),
                        "unknown convolution 'im2coll'; did you mean 'im2col'? Known: auto im2col direct fft cudnn winograd");
    assert_int_equal(conv, SA_CONV_OPTION_WINOGRAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets_are_ladders), cmocka_unit_test(test_switches_compose), cmocka_unit_test(test_values),
        cmocka_unit_test(test_bad_names),           cmocka_unit_test(test_long_names),       cmocka_unit_test(test_convolutions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
