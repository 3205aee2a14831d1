/* The exercises, and how their answers are computed. */
#include "cli/lab_exercises.h"

#include "cli/net_options.h"
#include "cli/shipped_nets.h"
#include "net/session.h"
#include "report/caffe_memory.h"

#include <string.h>

static const sa_lab_exercise EXERCISES[] = {
    {.title = "Column",
     .question = "Caffe's convolutions copy the neighbourhood of every output pixel of one image into a column buffer. conv2 of "
                 "`new` reads 64 "
                 "channels with windows of 7 x 7; its output has 192 x 256 pixels. How many bytes is its column buffer?",
     .plan = {.net = "new"},
     .caffe_buffer = "conv2.column",
     .reason = "4 bytes * 64 channels * 49 neighbours * 192 * 256 pixels. The number of filters does not matter, that of the "
               "input's channels does.",
     .command = "segarena explain new"},
    {.title = "One more image",
     .question = "`old` trains on images of 384 x 512; a map of 64 channels at full size takes 50,331,648 bytes per image. How "
                 "many bytes does one "
                 "more image add to the arena under `fastest`?",
     .plan = {.net = "old", .strategy = "fastest", .batch = 2},
     .less = {.net = "old", .strategy = "fastest", .batch = 1},
     .reason = "At the peak, conv1 and the last decoder's convolution are there at full size, and the levels below with a quarter, "
               "a sixteenth, ... "
               "each. Weights, momentum and the convolution's workspace do not grow.",
     .command = "segarena plan old --batch 2"},
    {.title = "Inference",
     .question =
         "`old` under `fastest` takes 736,695,744 bytes to train on a batch of 4. How many for a forward pass of the same batch?",
     .plan = {.net = "old", .strategy = "fastest", .forward_only = true},
     .reason = "Nothing waits for a backward pass: each value is needed only until the next layer has read it.",
     .command = "segarena plan old --phase test"},
    {.title = "In bands",
     .question = "Under `banded` the first level of `old` runs for 32 of its 64 channels at a time and is never stored as a whole. "
                 "How many bytes does "
                 "that take off the arena of `inplace`?",
     .plan = {.net = "old", .strategy = "inplace"},
     .less = {.net = "old", .strategy = "banded"},
     .reason = "conv1, the whole map: 4 * 4 * 64 * 384 * 512. The band is small and lives at another time than the peak.",
     .command = "segarena plan old --strategy banded"},
    {.title = "Take one away",
     .question =
         "Under `fastest` the zero-filled map that Upsample makes is never stored. How many bytes more does `old` take under "
         "fastest-virtual-upsample? At the peak, two maps of conv_decode1's input appear, and one pooled gradient of 50,331,648 "
         "goes.",
     .plan = {.net = "old", .strategy = "fastest-virtual-upsample"},
     .less = {.net = "old", .strategy = "fastest"},
     .reason = "Two maps of 201,326,592, and the unpooled maps of the levels below, less the gathered gradient.",
     .command = "segarena plan old --strategy fastest-virtual-upsample"},
    {.title = "A switch that does nothing",
     .question = "`by-image` sends the last level's gradient down image by image, into the room of images that are done. It takes "
                 "63,225,600 bytes "
                 "off `old`, which has a batch of 4. How many bytes off `new`, which has a batch of 1?",
     .plan = {.net = "new", .strategy = "recomputed"},
     .less = {.net = "new", .strategy = "by-image"},
     .reason = "None: no image is done before the last one.",
     .command = "segarena plan new --strategy by-image"},
};

const sa_lab_exercise *sa_lab_exercise_at(int i)
{
    return i >= 0 && i < (int)(sizeof EXERCISES / sizeof EXERCISES[0]) ? &EXERCISES[i] : NULL;
}

static sa_status arena_of(const sa_net *net, const sa_device *device, const sa_lab_plan *plan, size_t *bytes)
{
    const sa_program_options options = {.training = sa_net_trains(net)};
    sa_strategy strategy;
    sa_layout layout;
    SA_TRY(sa_strategy_parse(plan->strategy, &strategy));
    SA_TRY(sa_layout_create(net, &strategy, device, &options, &layout));
    *bytes = layout.plan.peak_bytes;
    sa_layout_free(&layout);
    return SA_OK;
}

static sa_status caffe_buffer_of(const sa_net *net, const char *name, size_t *bytes)
{
    sa_caffe_memory caffe;
    SA_TRY(sa_caffe_memory_create(net, NULL, &caffe));
    size_t i = 0;
    while (i < caffe.item_count && strcmp(caffe.item[i].name, name) != 0) i++;
    const bool found = i < caffe.item_count;
    if (found) *bytes = caffe.item[i].gpu_bytes;
    sa_caffe_memory_free(&caffe);
    if (!found) SA_FAIL(SA_INVALID, "the net '%s' has no buffer '%s'", net->name, name);
    return SA_OK;
}

static sa_status count(const sa_lab_plan *plan, const char *caffe_buffer, size_t *bytes)
{
    const sa_cli_net_options options = {.device = "cpu",
                                        .batch = plan->batch,
                                        .phase_given = plan->forward_only,
                                        .test_phase = plan->forward_only,
                                        .sizes_alone = true};
    char path[PATH_MAX];
    sa_device *device;
    sa_net *net;
    if (!sa_cli_shipped_net(plan->net, "", path))
        SA_FAIL(SA_IO, "there is no net '%s' among those that come with segarena: SA_NETS names their folder", plan->net);
    SA_TRY(sa_cli_net_open("lab", path, &options, NULL, &device, &net));
    sa_status status = caffe_buffer ? caffe_buffer_of(net, caffe_buffer, bytes) : arena_of(net, device, plan, bytes);
    sa_net_free(net);
    sa_device_close(device);
    return status;
}

sa_status sa_lab_answer(const sa_lab_exercise *exercise, size_t *bytes)
{
    size_t all, less = 0;
    SA_TRY(count(&exercise->plan, exercise->caffe_buffer, &all));
    if (exercise->less.net) SA_TRY(count(&exercise->less, NULL, &less));
    if (less > all) SA_FAIL(SA_INVALID, "exercise '%s': its answer would be below 0", exercise->title);
    *bytes = all - less;
    return SA_OK;
}

sa_lab_verdict sa_lab_judge(size_t predicted_bytes, size_t answer_bytes)
{
    const double predicted = (double)predicted_bytes, answer = (double)answer_bytes;
    if (predicted >= 0.9 * answer && predicted <= 1.1 * answer) return SA_LAB_RIGHT;
    return predicted >= 0.5 * answer && predicted <= 2 * answer ? SA_LAB_NEAR : SA_LAB_WRONG;
}
