/* Nets of the public families train: the small ones of tests/nets, and those of nets/ at small sizes. Two steps under presets that
 * store much and little give the same bits, in the bytes that were planned. */
#include "core/hash.h"
#include "net/feed.h"
#include "net/net.h"
#include "net/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 2 };

typedef struct small_net {
    const char *name;
    int32_t batch, size; /* 0: as the file has it */
} small_net;

static const small_net PUBLIC[] = {
    {"alexnet"}, {"autoencoder"},  {"deeplab_v1"}, {"densenet"}, {"enet"},      {"fcn32s"},
    {"fcn8s"},   {"fcn_old_crop"}, {"googlenet"},  {"hed"},      {"mobilenet"}, {"pspnet"},
    {"resnet"},  {"siamese"},      {"squeezenet"}, {"unet"},     {"vgg"},
};

/* vgg16 and fcn8s have weights of hundreds of megabytes at any size: they are planned only. */
static const small_net SHIPPED[] = {
    {"unet", 1, 188},     {"lenet", 4, 0}, {"mobilenet", 2, 64},        {"resnet50", 1, 64},
    {"googlenet", 2, 96}, {"enet", 1, 64}, {"deeplab_largefov", 1, 65},
};

typedef struct outcome {
    uint64_t hash;
    size_t planned_bytes, measured_bytes;
} outcome;

static sa_device *device;

static void fail_with(const small_net *which, const char *strategy, const char *what)
{
    fail_msg("%s under %s: %s", which->name, strategy, what);
}

static sa_net *load(const char *folder, const small_net *which)
{
    const sa_net_options options = {.batch = which->batch, .height = which->size, .width = which->size};
    char path[128];
    sa_net *net;
    snprintf(path, sizeof path, "%s/%s.prototxt", folder, which->name);
    if (sa_net_load(path, &options, &net) != SA_OK) fail_with(which, "any strategy", sa_error_message());
    return net;
}

static sa_status steps(const sa_net *net, sa_session *session, sa_feed *feed, outcome *o)
{
    uint64_t state;
    o->hash = SA_HASH_START;
    for (uint32_t step = 0; step < STEPS; step++) {
        SA_TRY(sa_feed_next(feed, session));
        SA_TRY(sa_session_run(session, 1e-4f, step, NULL));
        for (int b = 0; b < net->blob_count; b++) {
            float value;
            if (sa_session_layout(session)->program->output_buffer[b] < 0 || sa_shape_elements(&net->blob[b].shape) != 1) continue;
            SA_TRY(sa_session_get_output(session, b, &value));
            if (!isfinite(value)) SA_FAIL(SA_NUMERIC, "'%s' is not finite", net->blob[b].name);
            o->hash = sa_hash_bytes(o->hash, &value, sizeof value);
        }
    }
    SA_TRY(sa_session_state_hash(session, &state));
    o->hash = sa_hash_bytes(o->hash, &state, sizeof state);
    o->planned_bytes = sa_session_layout(session)->plan.peak_bytes;
    o->measured_bytes = sa_session_measured_bytes(session);
    return SA_OK;
}

static sa_status train(const sa_net *net, const char *name, outcome *o)
{
    const sa_session_options options = {.program = {.training = true, .rule.momentum = 0.9f, .weight_decay = 0.0005f}, .seed = 5};
    sa_strategy strategy;
    sa_session *session = NULL;
    sa_feed *feed = NULL;
    SA_TRY(sa_strategy_parse(name, &strategy));
    strategy.conv = SA_CONV_OPTION_DIRECT;
    SA_TRY(sa_session_create(net, &strategy, device, &options, &session));
    sa_status status = sa_feed_open_any(net, NULL, 7, &feed);
    if (status == SA_OK) status = steps(net, session, feed, o);
    sa_feed_close(feed);
    sa_session_destroy(session);
    return status;
}

static void train_under(const char *folder, const small_net *which, const char *const *strategy, int count)
{
    sa_net *net = load(folder, which);
    outcome first = {0}, o;
    for (int i = 0; i < count; i++) {
        if (train(net, strategy[i], &o) != SA_OK) fail_with(which, strategy[i], sa_error_message());
        if (i == 0) first = o;
        if (o.hash != first.hash) fail_with(which, strategy[i], "the bits are others");
        if (o.planned_bytes != o.measured_bytes) fail_with(which, strategy[i], "the step took other bytes than planned");
        if (i == 0 || i == count - 1) printf("%s%s%zu bytes", i ? "" : which->name, i ? ", " : ": ", o.measured_bytes);
    }
    printf("\n");
    sa_net_free(net);
}

static void public_families_train(void **state)
{
    (void)state;
    static const char *const STRATEGY[] = {"caffe", "caffe+placement", "fastest", "smallest"};
    for (size_t i = 0; i < sizeof PUBLIC / sizeof PUBLIC[0]; i++) train_under("tests/nets", &PUBLIC[i], STRATEGY, 4);
}

static void shipped_nets_train(void **state)
{
    (void)state;
    static const char *const STRATEGY[] = {"fastest", "smallest"};
    for (size_t i = 0; i < sizeof SHIPPED / sizeof SHIPPED[0]; i++) train_under("nets", &SHIPPED[i], STRATEGY, 2);
}

static int open_device(void **state)
{
    (void)state;
    return sa_device_open_cpu(2, &device) != SA_OK;
}

static int close_device(void **state)
{
    (void)state;
    sa_device_close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(public_families_train), cmocka_unit_test(shipped_nets_train)};
    return cmocka_run_group_tests(tests, open_device, close_device);
}
