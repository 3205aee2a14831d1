/* Strategies: which memory techniques are on. Plain data; presets and single switches compose: "caffe+lifetimes",
 * "smallest-recompute". */
#ifndef SA_NET_STRATEGY_H
#define SA_NET_STRATEGY_H

#include "net/choices.h"

/* X(NAME, "name", lossless, "one line") in the order in which their passes run. */
#define SA_SWITCHES(X)                                                                                                             \
    X(SHARED_WORKSPACE, "shared-workspace", true, "one convolution workspace for all layers instead of one per layer")             \
    X(LIFETIMES, "lifetimes", true, "buffers that are alive at different times share addresses (the planner)")                     \
    X(LEAN, "lean", true, "BN keeps no x_norm and no copy, the loss no softmax: both recompute them from their input")             \
    X(FUSE, "fuse", true, "BN, ReLU and pooling in one pass: the normalised map and its gradient are never stored")                \
    X(COMPACT_MASKS, "compact-masks", true, "pooling masks of 2 bits (2x2 windows) or 4 bits (3x3) instead of float indices")      \
    X(NO_IM2COL, "no-im2col", true, "--conv auto means direct and FFT-tile convolution instead of column matrices")                \
    X(VIRTUAL_UPSAMPLE, "virtual-upsample", true, "the convolution that reads the zero-filled map gathers it: it is never stored") \
    X(PLACEMENT, "placement", true,                                                                                                \
      "what Concat joins is written where the joined value has it; Slice and Crop are read in place, and so are gradients")        \
    X(INPLACE_GRAD, "inplace-grad", true,                                                                                          \
      "dx of BN and of convolutions overwrites x, the loss gradient its scores; the classifier's dx is virtual")                   \
    X(SUMS_IN_PLACE, "sums-in-place", true,                                                                                        \
      "a sum (of a blob's gradients from several readers, of an Eltwise) goes into the buffer of one of its terms")                \
    X(RELRN, "relrn", true, "LRN normalises the input again instead of keeping it: saves if the input is smaller (uint8-input)")   \
    X(BANDED, "banded", true, "a first level with few input channels runs for a few output channels at a time, never stored")      \
    X(REPOOL, "repool", true,                                                                                                      \
      "the backward pass pools again, from the convolution output that is kept, instead of keeping pooled values")                 \
    X(RECOMPUTE, "recompute", true,                                                                                                \
      "the backward pass recomputes values instead of keeping them (=N: the first N; =auto: what lies between values that are "    \
      "kept, as far as it costs a fifth of the products at most; =least: whatever brings the peak lowest)")                        \
    X(SPLIT_BACKWARD, "split-backward", true, "dweight first, then dx: less workspace, and the input is dead when dx comes")       \
    X(IMAGE_TAIL, "image-tail", true,                                                                                              \
      "the last decoder level sends its gradient down image by image, into the room of images done")                               \
    X(EARLY_UPDATE, "early-update", true,                                                                                          \
      "each parameter is updated as soon as its gradient is complete, which frees the gradient")                                   \
    X(SMALL_WORKSPACE, "small-workspace", true, "convolutions use as little workspace as they can (=SIZE: at most that)")          \
    X(UINT8_INPUT, "uint8-input", true, "images stay bytes on the device; refuses values that are not whole numbers 0..255")       \
    X(BF16, "bf16", false, "convolution outputs and pooled values that wait for the backward pass are rounded to bfloat16")

typedef enum sa_switch {
#define SA_SWITCH_ENUM(name, text, lossless, help) SA_SWITCH_##name,
    SA_SWITCHES(SA_SWITCH_ENUM)
#undef SA_SWITCH_ENUM
        SA_SWITCH_COUNT
} sa_switch;

typedef enum sa_conv_option {
    SA_CONV_OPTION_AUTO,
    SA_CONV_OPTION_IM2COL,
    SA_CONV_OPTION_DIRECT,
    SA_CONV_OPTION_FFT,
    SA_CONV_OPTION_CUDNN,
    SA_CONV_OPTION_WINOGRAD,
    SA_CONV_OPTIONS
} sa_conv_option;

/* recompute=auto and =least: sa_program_for_strategy finds out which values, by trying. auto does at most 20 % of the convolutions'
 * products again, and prefers what costs less within 3 % of the least bytes. */
enum { SA_RECOMPUTE_AUTO = -1, SA_RECOMPUTE_LEAST = -2, SA_RECOMPUTE_TRIES = 11 /* counts from 0 on, besides segments */ };

typedef struct sa_strategy {
    char name[256];    /* as given, "" if built by hand */
    uint32_t switches; /* bit sa_switch */
    sa_conv_option conv;
    int32_t band_channels;           /* BANDED: channels at a time */
    int32_t recompute_count;         /* RECOMPUTE: values dropped, or SA_RECOMPUTE_AUTO, _LEAST */
    const sa_again *recompute_blobs; /* RECOMPUTE: (net->blob_count), not owned: the values dropped, whatever the count; NULL: none
                                      * are named. See sa_realizations_drop */
    size_t workspace_limit_bytes;    /* SMALL_WORKSPACE: the limit; 0: the least possible */
    sa_choices *choices;             /* for single values and ops; owned by whoever parsed the strategy, NULL: none */
} sa_strategy;

/* Frees the choices; copies of the strategy by assignment lose them too. */
void sa_strategy_free(sa_strategy *strategy);
/* A strategy with choices of its own. */
SA_CHECKED sa_status sa_strategy_copy(const sa_strategy *strategy, sa_strategy *copy);

static inline bool sa_strategy_has(const sa_strategy *strategy, sa_switch which)
{
    return (strategy->switches >> which) & 1u;
}

typedef struct sa_switch_info {
    const char *name, *help;
    bool lossless;
} sa_switch_info;
const sa_switch_info *sa_switch_get_info(sa_switch which);
/* Are all switches that are on lossless: does the strategy give the bits that any other such strategy gives? */
bool sa_strategy_is_lossless(const sa_strategy *strategy);

typedef struct sa_preset {
    const char *name, *help;
    const char *switches; /* "preset+switch-switch": how it is made */
} sa_preset;
/* The i-th preset, ladder first; NULL after the last. */
const sa_preset *sa_preset_at(int i);

/* "preset", then any number of "+switch", "-switch" or "+switch=value". SA_INVALID says what is unknown and lists what is known, or
 * why a combination makes no sense. "@FILE": the switches and the choices of a file (net/choices.h); it is then to be freed
 * (sa_strategy_free), all others may be. */
SA_CHECKED sa_status sa_strategy_parse(const char *text, sa_strategy *strategy);
/* Turns small-workspace on with this limit; 0: the least possible. */
void sa_strategy_limit_workspace(sa_strategy *strategy, size_t limit_bytes);
/* "auto", "im2col", "direct", "fft", "cudnn" */
SA_CHECKED sa_status sa_conv_option_parse(const char *text, sa_conv_option *conv);
const char *sa_conv_option_name(sa_conv_option conv);

/* Decides how each value of the net is realized: Caffe's layout, changed by one pass a switch. Of recompute=auto nothing is done:
 * how many is decided by programs. */
SA_CHECKED sa_status sa_strategy_apply(const sa_strategy *strategy, const sa_net *net, const sa_device *device,
                                       sa_realizations *realizations);

#endif
