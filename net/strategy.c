/* Strategy names, presets and the order of passes. */
#include "net/strategy.h"
#include "layers/convolution.h"

#include "core/closest.h"
#include "core/size_text.h"
#include "net/passes/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAND_CHANNELS_DEFAULT = 32, RECOMPUTE_DEFAULT = 1 };

static const sa_switch_info INFO[] = {
#define INFO_ROW(name, text, lossless, help) {text, help, lossless},
    SA_SWITCHES(INFO_ROW)
#undef INFO_ROW
};

const sa_switch_info *sa_switch_get_info(sa_switch which)
{
    return which >= 0 && which < SA_SWITCH_COUNT ? &INFO[which] : NULL;
}

bool sa_strategy_is_lossless(const sa_strategy *strategy)
{
    for (int i = 0; i < SA_SWITCH_COUNT; i++)
        if (sa_strategy_has(strategy, (sa_switch)i) && !INFO[i].lossless) return false;
    return true;
}

/* The ladder, each rung with what is below it, then the picks. `fastest` stores what is cheaper to store than to compute again. */
static const sa_preset PRESETS[] = {
    {"caffe", "Caffe's own layout: data and gradient per blob, a column buffer per convolution, float masks, BN's private copies",
     ""},
    {"one-workspace", "rung 1: one column buffer for all", "caffe+shared-workspace"},
    {"shared", "rung 2: buffers share addresses over time", "one-workspace+lifetimes"},
    {"lean", "rung 3: nothing redundant is saved", "shared+lean"},
    {"fused", "rung 4: BN, ReLU and pooling fused", "lean+fuse"},
    {"compact", "rung 5: masks of 2 and 4 bits", "fused+compact-masks"},
    {"tiled", "rung 6: no column matrix", "compact+no-im2col"},
    {"virtual", "rung 7: no stored Upsample", "tiled+virtual-upsample"},
    {"inplace", "rung 8: gradients, sums and what is joined or cut in place",
     "virtual+placement+inplace-grad+sums-in-place+early-update"},
    {"banded", "rung 9: the first level in bands", "inplace+banded"},
    {"recomputed", "rung 10: pools again instead of keeping pooled values", "banded+repool"},
    {"by-image", "rung 11: the decoder's tail image by image", "recomputed+image-tail"},
    {"smallest", "all of it in a small workspace; recomputes what waits between kept values, at a fifth of the products at most",
     "by-image+small-workspace=40MiB+split-backward+recompute=auto"},
    {"extreme", "smaller still: recomputes whatever brings the peak lowest", "smallest+banded=16+recompute=least"},
    {"balanced", "nearly the speed of fastest: recomputes the first level instead of storing it", "inplace+recompute=1"},
    {"fastest", "the default: whatever saves time, memory second", "inplace"},
    {"lossy", "rung 12, LOSSY: what waits for the backward pass is rounded to bfloat16",
     "smallest+banded=16+bf16+uint8-input+relrn"},
};

const sa_preset *sa_preset_at(int i)
{
    return i >= 0 && i < (int)(sizeof PRESETS / sizeof PRESETS[0]) ? &PRESETS[i] : NULL;
}

/* ------------------------------------------------------------------ parsing ---------------------------------------- */

static const sa_preset *find_preset(const char *text, size_t length)
{
    for (int i = 0; sa_preset_at(i); i++)
        if (strlen(PRESETS[i].name) == length && !strncmp(PRESETS[i].name, text, length)) return &PRESETS[i];
    return NULL;
}

/* Switch names hold '-', so the longest one that matches counts. */
static int find_switch(const char *text, size_t *length)
{
    int best = -1;
    *length = 0;
    for (int i = 0; i < SA_SWITCH_COUNT; i++) {
        size_t n = strlen(INFO[i].name);
        bool ends = !strncmp(text, INFO[i].name, n) && (text[n] == '\0' || text[n] == '+' || text[n] == '-' || text[n] == '=');
        if (ends && n > *length) {
            best = i;
            *length = n;
        }
    }
    return best;
}

/* A name in text ends at '+', '=' or at some '-': the whole is compared with the names first, then each part that ends at a '-'.
 * *near: NULL if there is none. */
static void find_near(const char *text, const char *const *names, size_t count, const char **near)
{
    char part[64];
    *near = NULL;
    for (size_t n = strcspn(text, "+="); n > 0 && !*near; n--) {
        if (n >= sizeof part || (text[n] == '\0' || strchr("+=-", text[n])) == 0) continue;
        memcpy(part, text, n);
        part[n] = '\0';
        *near = sa_closest_name(part, names, count);
    }
}

static bool begins_with_name(const char *text, const char *name)
{
    size_t n = strlen(name);
    return !strncmp(text, name, n) && (text[n] == '\0' || strchr("+=-", text[n]));
}

enum { NAMES_MAX = 64 };

static size_t preset_names(const char *names[NAMES_MAX])
{
    size_t count = 0;
    for (; count < NAMES_MAX && sa_preset_at((int)count); count++) names[count] = PRESETS[count].name;
    return count;
}

static size_t switch_names(const char *names[NAMES_MAX])
{
    for (int i = 0; i < SA_SWITCH_COUNT; i++) names[i] = INFO[i].name;
    return SA_SWITCH_COUNT;
}

/* What is wrong with a name, and what was meant: one of its own kind, or of the other in the wrong place. */
static sa_status unknown(bool is_preset, const char *text)
{
    const char *what = is_preset ? "preset" : "switch", *names[NAMES_MAX], *others[NAMES_MAX], *near;
    size_t count = is_preset ? preset_names(names) : switch_names(names);
    size_t other_count = is_preset ? switch_names(others) : preset_names(others), n = 0;
    char known[1024] = "";
    for (size_t i = 0; i < other_count; i++) {
        if (!begins_with_name(text, others[i])) continue;
        if (is_preset) SA_FAIL(SA_INVALID, "'%s' is a switch: it goes behind a preset, as in fastest+%s", others[i], others[i]);
        SA_FAIL(SA_INVALID, "'%s' is a preset: it stands first, alone or with switches behind it", others[i]);
    }
    for (size_t i = 0; i < count; i++) n += (size_t)snprintf(known + n, sizeof known - n, " %s", names[i]);
    find_near(text, names, count, &near);
    if (near) SA_FAIL(SA_INVALID, "unknown %s '%.60s'; did you mean '%s'? Known:%s", what, text, near, known);
    SA_FAIL(SA_INVALID, "unknown %s '%.60s'; known:%s", what, text, known);
}

static sa_status switch_value(int which, const char *text, size_t length, sa_strategy *s)
{
    char value[32];
    size_t size = 0;
    if (length == 0 || length >= sizeof value) SA_FAIL(SA_INVALID, "switch '%s=': a value is expected", INFO[which].name);
    memcpy(value, text, length);
    value[length] = '\0';
    if (which == SA_SWITCH_RECOMPUTE && (!strcmp(value, "auto") || !strcmp(value, "least"))) {
        s->recompute_count = value[0] == 'a' ? SA_RECOMPUTE_AUTO : SA_RECOMPUTE_LEAST;
        return SA_OK;
    }
    sa_status status = sa_size_parse(value, &size);
    if (status != SA_OK) return sa_error_prefix(status, "switch '%s'", INFO[which].name);
    if (which == SA_SWITCH_SMALL_WORKSPACE) s->workspace_limit_bytes = size;
    else if (which == SA_SWITCH_BANDED && size > 0 && size < 65536) s->band_channels = (int32_t)size;
    else if (which == SA_SWITCH_RECOMPUTE && size < 65536) s->recompute_count = (int32_t)size;
    else SA_FAIL(SA_INVALID, "switch '%s' takes no value %s", INFO[which].name, value);
    return SA_OK;
}

/* What a switch has that is on without a value. */
static void default_value(int which, sa_strategy *s)
{
    if (which == SA_SWITCH_SMALL_WORKSPACE) s->workspace_limit_bytes = 0;
    if (which == SA_SWITCH_BANDED) s->band_channels = BAND_CHANNELS_DEFAULT;
    if (which == SA_SWITCH_RECOMPUTE) s->recompute_count = RECOMPUTE_DEFAULT;
}

static sa_status parse_switches(const char *text, sa_strategy *s)
{
    while (*text) {
        char sign = *text++;
        size_t length;
        int which = find_switch(text, &length);
        if (which < 0) return unknown(false, text);
        text += length;
        if (sign == '+') s->switches |= 1u << which;
        else s->switches &= ~(1u << which);
        if (sign == '-') default_value(which, s);
        if (*text != '=') continue;
        if (sign == '-') SA_FAIL(SA_INVALID, "switch '%s' is taken away and given a value", INFO[which].name);
        length = strcspn(++text, "+-");
        SA_TRY(switch_value(which, text, length, s));
        text += length;
    }
    return SA_OK;
}

static sa_status expand(const char *text, sa_strategy *s)
{
    size_t length = strcspn(text, "+");
    const sa_preset *preset = NULL;
    /* preset names may hold '-': the longest prefix that is one counts */
    for (size_t n = length; n > 0 && !preset; n--)
        if (n == length || text[n] == '-') {
            preset = find_preset(text, n);
            if (preset) length = n;
        }
    if (!preset) return unknown(true, text);
    if (preset->switches[0]) SA_TRY(expand(preset->switches, s));
    return parse_switches(text + length, s);
}

/* Combinations that change nothing or cannot work. */
static sa_status check_combination(const sa_strategy *s)
{
    static const struct {
        sa_switch which, needs;
        const char *why;
    } NEEDS[] = {
        {SA_SWITCH_BANDED, SA_SWITCH_FUSE, "a band ends at the pooling only if nothing in between is stored"},
        {SA_SWITCH_BANDED, SA_SWITCH_LEAN, "BN's copies would store the level that a band never stores"},
        {SA_SWITCH_INPLACE_GRAD, SA_SWITCH_LEAN, "BN's dx can overwrite x only if x, not x_norm, is what BN keeps"},
        {SA_SWITCH_RELRN, SA_SWITCH_LIFETIMES, "a value dropped saves nothing while every buffer lives for the whole step"},
        {SA_SWITCH_RELRN, SA_SWITCH_LEAN, "Caffe's layout keeps LRN's scale anyway"},
        {SA_SWITCH_RECOMPUTE, SA_SWITCH_LIFETIMES, "a value dropped saves nothing while every buffer lives for the whole step"},
        {SA_SWITCH_RECOMPUTE, SA_SWITCH_LEAN, "in Caffe's layout a convolution's output is overwritten by BN"},
        {SA_SWITCH_REPOOL, SA_SWITCH_LIFETIMES, "a value dropped saves nothing while every buffer lives for the whole step"},
        {SA_SWITCH_REPOOL, SA_SWITCH_LEAN, "in Caffe's layout BN and ReLU overwrite what would be pooled again"},
        {SA_SWITCH_IMAGE_TAIL, SA_SWITCH_INPLACE_GRAD, "the images' room is that of BN's dx over x"},
        {SA_SWITCH_IMAGE_TAIL, SA_SWITCH_VIRTUAL_UPSAMPLE, "only a gathered gradient is small enough for the room of an image"},
        {SA_SWITCH_EARLY_UPDATE, SA_SWITCH_LIFETIMES,
         "a gradient that dies early saves nothing while every buffer lives for the whole step"},
        {SA_SWITCH_BF16, SA_SWITCH_LIFETIMES, "the float32 value that is rounded would live for the whole step too"},
        {SA_SWITCH_BF16, SA_SWITCH_LEAN, "in Caffe's layout BN overwrites a convolution's output, and keeps float32 copies"},
    };
    for (size_t i = 0; i < sizeof NEEDS / sizeof NEEDS[0]; i++)
        if (sa_strategy_has(s, NEEDS[i].which) && !sa_strategy_has(s, NEEDS[i].needs))
            SA_FAIL(SA_INVALID, "strategy '%s': '%s' makes no sense without '%s': %s", s->name, INFO[NEEDS[i].which].name,
                    INFO[NEEDS[i].needs].name, NEEDS[i].why);
    return SA_OK;
}

static sa_status parse_file(const char *name, sa_strategy *strategy)
{
    sa_strategy s;
    sa_choices *choices;
    SA_TRY(sa_choices_load(name + 1, &choices));
    sa_status status = choices->strategy[0] == '@' ? sa_error_set(SA_INVALID, "a file of choices cannot name another")
                                                   : sa_strategy_parse(choices->strategy, &s);
    if (status != SA_OK) {
        status = sa_error_prefix(status, "%s", name + 1);
        sa_choices_free(choices);
        return status;
    }
    snprintf(s.name, sizeof s.name, "%s", name);
    s.choices = choices;
    *strategy = s;
    return SA_OK;
}

sa_status sa_strategy_copy(const sa_strategy *strategy, sa_strategy *copy)
{
    sa_choices *choices = NULL;
    if (strategy->choices) SA_TRY(sa_choices_copy(strategy->choices, &choices));
    *copy = *strategy;
    copy->choices = choices;
    return SA_OK;
}

void sa_strategy_free(sa_strategy *strategy)
{
    sa_choices_free(strategy->choices);
    strategy->choices = NULL;
}

sa_status sa_strategy_parse(const char *text, sa_strategy *strategy)
{
    sa_strategy s = {.switches = 0};
    for (int i = 0; i < SA_SWITCH_COUNT; i++) default_value(i, &s);
    if (strlen(text) >= sizeof s.name)
        SA_FAIL(SA_INVALID, "strategy name of %zu characters: at most %zu", strlen(text), sizeof s.name - 1);
    if (text[0] == '@') return parse_file(text, strategy);
    snprintf(s.name, sizeof s.name, "%s", text);
    SA_TRY(expand(text, &s));
    SA_TRY(check_combination(&s));
    *strategy = s;
    return SA_OK;
}

void sa_strategy_limit_workspace(sa_strategy *strategy, size_t limit_bytes)
{
    strategy->switches |= 1u << SA_SWITCH_SMALL_WORKSPACE;
    strategy->workspace_limit_bytes = limit_bytes;
}

static const char *const CONV_NAMES[] = {"auto", "im2col", "direct", "fft", "cudnn", "winograd"};

sa_status sa_conv_option_parse(const char *text, sa_conv_option *conv)
{
    for (int i = 0; i < SA_CONV_OPTIONS; i++)
        if (!strcmp(text, CONV_NAMES[i])) {
            *conv = (sa_conv_option)i;
            return SA_OK;
        }
    const char *near = sa_closest_name(text, CONV_NAMES, SA_CONV_OPTIONS);
    SA_FAIL(SA_INVALID, "unknown convolution '%.40s'; %s%s%s: auto im2col direct fft cudnn winograd", text,
            near ? "did you mean '" : "", near ? near : "", near ? "'? Known" : "known");
}

const char *sa_conv_option_name(sa_conv_option conv)
{
    return conv < SA_CONV_OPTIONS ? CONV_NAMES[conv] : "?";
}

/* ------------------------------------------------------------------ passes ----------------------------------------- */

static sa_conv_shape layer_conv_shape(const sa_net *net, const sa_layer *layer)
{
    const int32_t *in = net->blob[layer->bottom[0]].shape.dim, *out = net->blob[layer->top[0]].shape.dim;
    return sa_convolution_shape(layer, in, out);
}

/* The algorithm that the option asks for where it can; AUTO's place is not asked. */
static const sa_conv_algorithm ALGORITHMS[SA_CONV_OPTIONS] = {
    [SA_CONV_OPTION_IM2COL] = SA_CONV_IM2COL, [SA_CONV_OPTION_DIRECT] = SA_CONV_DIRECT,     [SA_CONV_OPTION_FFT] = SA_CONV_FFT,
    [SA_CONV_OPTION_CUDNN] = SA_CONV_CUDNN,   [SA_CONV_OPTION_WINOGRAD] = SA_CONV_WINOGRAD,
};

/* FFT tiles, cuDNN or Winograd where they can: other shapes of the same net fall to direct. */
static sa_status choose_convolutions(const sa_strategy *s, const sa_net *net, const sa_device *device, sa_realizations *r)
{
    for (int l = 0; l < net->layer_count; l++) {
        if (!net->layer[l].type->convolves) continue;
        sa_layer_choice *choice = &r->layer[l];
        sa_conv_shape shape = layer_conv_shape(net, &net->layer[l]);
        const int images = net->blob[net->layer[l].bottom[0]].shape.dim[0];
        sa_conv_request request = {.shape = shape,
                                   .algorithm = ALGORITHMS[s->conv],
                                   .pass = SA_CONV_PASS_FORWARD,
                                   .out_channels_at_once = shape.out_channels};
        size_t bytes;
        sa_status status;
        choice->workspace_limit_bytes = sa_strategy_has(s, SA_SWITCH_SMALL_WORKSPACE) ? s->workspace_limit_bytes : SIZE_MAX;
        switch (s->conv) {
        case SA_CONV_OPTION_AUTO:
            choice->algorithm =
                sa_strategy_has(s, SA_SWITCH_NO_IM2COL) ? device->kernels->conv_choose(device, &shape, images) : SA_CONV_IM2COL;
            break;
        case SA_CONV_OPTION_IM2COL: choice->algorithm = SA_CONV_IM2COL; break;
        case SA_CONV_OPTION_DIRECT: choice->algorithm = SA_CONV_DIRECT; break;
        case SA_CONV_OPTION_FFT:
        case SA_CONV_OPTION_CUDNN:
        case SA_CONV_OPTION_WINOGRAD:
            status = device->kernels->conv_workspace_bytes(device, &request, &bytes);
            if (status != SA_OK && status != SA_UNSUPPORTED) return status;
            choice->algorithm = status == SA_OK ? request.algorithm : SA_CONV_DIRECT;
            sa_error_clear();
            break;
        case SA_CONV_OPTIONS: break;
        }
    }
    return SA_OK;
}

static bool choices_want_bands(const sa_net *net, const sa_realizations *r)
{
    for (int l = 0; l < net->layer_count; l++)
        if (r->layer[l].bands_wanted > 0) return true;
    return false;
}

/* Where nothing goes backward a band is made once and costs no time: whoever could have bands has them. */
static bool runs(const sa_strategy *strategy, sa_switch which, const sa_net *net, const sa_realizations *r)
{
    bool could = sa_strategy_has(strategy, SA_SWITCH_FUSE) && sa_strategy_has(strategy, SA_SWITCH_LEAN);
    return sa_strategy_has(strategy, which) ||
           (which == SA_SWITCH_BANDED && could && (!sa_net_trains(net) || choices_want_bands(net, r)));
}

sa_status sa_strategy_apply(const sa_strategy *strategy, const sa_net *net, const sa_device *device, sa_realizations *realizations)
{
    static const struct {
        sa_switch which;
        sa_pass *pass;
    } PASSES[] = {
        {SA_SWITCH_LEAN, sa_pass_lean},
        {SA_SWITCH_FUSE, sa_pass_fuse},
        {SA_SWITCH_COMPACT_MASKS, sa_pass_compact_masks},
        {SA_SWITCH_VIRTUAL_UPSAMPLE, sa_pass_virtual_upsample},
        {SA_SWITCH_PLACEMENT, sa_pass_placement},
        {SA_SWITCH_INPLACE_GRAD, sa_pass_inplace_grad},
        {SA_SWITCH_SUMS_IN_PLACE, sa_pass_sums_in_place},
        {SA_SWITCH_RELRN, sa_pass_relrn},
        {SA_SWITCH_BANDED, sa_pass_banded},
        {SA_SWITCH_REPOOL, sa_pass_repool},
        {SA_SWITCH_RECOMPUTE, sa_pass_recompute},
        {SA_SWITCH_SPLIT_BACKWARD, sa_pass_split_backward},
        {SA_SWITCH_IMAGE_TAIL, sa_pass_image_tail},
        {SA_SWITCH_UINT8_INPUT, sa_pass_uint8_input},
        {SA_SWITCH_BF16, sa_pass_bf16},
    };
    sa_realizations r;
    SA_TRY(sa_realizations_create(net, &r));
    r.shared_workspace = sa_strategy_has(strategy, SA_SWITCH_SHARED_WORKSPACE);
    r.lifetimes = sa_strategy_has(strategy, SA_SWITCH_LIFETIMES);
    r.early_update = sa_strategy_has(strategy, SA_SWITCH_EARLY_UPDATE);
    sa_status status = choose_convolutions(strategy, net, device, &r);
    if (status == SA_OK && strategy->choices) status = sa_choices_apply_to_layers(strategy->choices, net, &r);
    for (size_t i = 0; i < sizeof PASSES / sizeof PASSES[0] && status == SA_OK; i++)
        if (runs(strategy, PASSES[i].which, net, &r)) PASSES[i].pass(strategy, net, &r);
    if (status == SA_OK && strategy->choices) status = sa_choices_apply_to_values(strategy->choices, net, &r);
    if (status == SA_OK) status = sa_realizations_settle(net, &r);
    if (status != SA_OK) {
        sa_realizations_free(&r);
        return status;
    }
    *realizations = r;
    return SA_OK;
}
