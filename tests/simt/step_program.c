/* A small training step on the CUDA device, for the tests of the step's recording and of faults (tests/kernels/test_cuda_faults.c).
 *
 *   step_program graph|no-graph [STEPS]     prints the losses, a hash of the parameters and the number of device allocations
 *
 * conv (cuDNN) + BN + ReLU + pool, a 1x1 classifier (cuBLAS), softmax loss, accuracy; the gradient of the classifier; SGD.
 * Everything lies in one allocation. Exit status 1 with "STATUS: message" on a failure, whatever it was. */
#include "kernels/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 2, CHANNELS = 8, CLASSES = 3, H = 12, W = 20, PH = H / 2, PW = W / 2, ARENA_BYTES = 2 << 20 };
static const sa_window window = {2, 2, 2, 2, 0, 0};

typedef struct step {
    sa_device *device;
    char *arena;
    size_t used;
    sa_slab data, label, conv, pooled, mask, scores, gradient;
    sa_ref weight, bias, gamma, beta, mean, inv_std, class_weight, dweight, history, loss, divisor, accuracy, state, workspace;
    size_t workspace_bytes, conv_bytes, loss_bytes, accuracy_bytes, reduce_bytes;
} step;

static sa_ref take(step *s, size_t bytes)
{
    sa_ref ref = {.buffer = 0, .ptr = s->arena + s->used};
    s->used += (bytes + 255) / 256 * 256;
    return ref;
}

static sa_slab take_slab(step *s, sa_encoding encoding, int c, int h, int w)
{
    sa_slab slab = {.encoding = encoding, .images = N, .channels = c, .height = h, .width = w};
    slab.at = take(s, sa_slab_bytes(&slab));
    return slab;
}

static sa_source dense(const sa_slab *slab)
{
    sa_source source = {.count = 1};
    source.node[0] = (sa_node){.kind = SA_NODE_DENSE,
                               .child = {-1, -1, -1},
                               .channels = slab->channels,
                               .height = slab->height,
                               .width = slab->width,
                               .slab = *slab};
    return source;
}

/* RELU(AFFINE(XHAT(conv))) */
static sa_source normalised(const step *s)
{
    sa_source source = dense(&s->conv);
    static const sa_node_kind kinds[] = {SA_NODE_XHAT, SA_NODE_AFFINE, SA_NODE_RELU};
    const sa_ref vectors[3][2] = {{s->mean, s->inv_std}, {s->gamma, s->beta}, {SA_REF_NONE, SA_REF_NONE}};
    for (int i = 0; i < 3; i++) {
        sa_node node = {.kind = kinds[i], .child = {(int8_t)i, -1, -1}, .channels = CHANNELS, .height = H, .width = W};
        node.spread = SA_SPREAD_CHANNELS;
        node.vector[0] = vectors[i][0], node.vector[1] = vectors[i][1];
        source.node[source.count++] = node;
    }
    return source;
}

static const sa_conv_shape conv_shape = {4, H, W, CHANNELS, H, W, 7, 7, 1, 1, 3, 3, 1, 1, 1};
static const sa_conv_shape classifier = {CHANNELS, PH, PW, CLASSES, PH, PW, 1, 1, 1, 1, 0, 0, 1, 1, 1};

static sa_status plan(step *s)
{
    const sa_kernels *k = s->device->kernels;
    sa_conv_request request = {
        .shape = conv_shape, .algorithm = SA_CONV_CUDNN, .out_channels_at_once = CHANNELS, .limit_bytes = 1 << 20};
    size_t forward, backward;
    SA_TRY(k->conv_workspace_bytes(s->device, &request, &forward));
    request = (sa_conv_request){.shape = classifier,
                                .algorithm = SA_CONV_CUDNN,
                                .pass = SA_CONV_PASS_BACKWARD_WEIGHT,
                                .out_channels_at_once = CLASSES,
                                .limit_bytes = 1 << 18};
    SA_TRY(k->conv_workspace_bytes(s->device, &request, &backward));
    s->conv_bytes = forward;
    s->workspace_bytes = backward;
    s->reduce_bytes = k->reduce_workspace_bytes(s->device, N, CHANNELS, H);
    s->loss_bytes = k->loss_workspace_bytes(s->device, N, CLASSES, PH, PW);
    s->accuracy_bytes = k->accuracy_workspace_bytes(s->device, N, CLASSES, PH, PW);
    SA_TRY(s->device->functions->alloc(s->device, ARENA_BYTES, (void **)&s->arena));
    s->data = take_slab(s, SA_F32, 4, H, W), s->label = take_slab(s, SA_F32, 1, PH, PW);
    s->conv = take_slab(s, SA_F32, CHANNELS, H, W), s->pooled = take_slab(s, SA_F32, CHANNELS, PH, PW);
    s->mask = take_slab(s, SA_MASK2, CHANNELS, PH, PW), s->scores = take_slab(s, SA_F32, CLASSES, PH, PW);
    s->gradient = take_slab(s, SA_F32, CLASSES, PH, PW);
    s->weight = take(s, CHANNELS * 4 * 49 * 4), s->bias = take(s, CHANNELS * 4);
    s->gamma = take(s, CHANNELS * 4), s->beta = take(s, CHANNELS * 4);
    s->mean = take(s, CHANNELS * 4), s->inv_std = take(s, CHANNELS * 4);
    s->class_weight = take(s, CLASSES * CHANNELS * 4), s->dweight = take(s, CLASSES * CHANNELS * 4);
    s->history = take(s, CLASSES * CHANNELS * 4);
    s->loss = take(s, 4), s->divisor = take(s, 4), s->accuracy = take(s, 4), s->state = take(s, sizeof(sa_step_state));
    size_t most = forward > backward ? forward : backward;
    s->workspace = take(s, most > s->loss_bytes + s->accuracy_bytes ? most : s->loss_bytes + s->accuracy_bytes);
    if (s->used > ARENA_BYTES) SA_FAIL(SA_CAPACITY, "step_program: %zu bytes do not fit", s->used);
    return SA_OK;
}

/* Fills the arena: random numbers, labels, BN 1 and 0, histories 0. */
static sa_status upload(step *s)
{
    float *host = calloc(1, ARENA_BYTES);
    if (!host) SA_FAIL(SA_NOMEM, "step_program: no host memory");
    uint32_t random = 1;
    for (size_t i = 0; i < ARENA_BYTES / 4; i++) {
        random = random * 1664525u + 1013904223u;
        host[i] = (float)(random >> 8) / 8388608.0f - 1.0f;
    }
#define AT(ref) (host + ((char *)(ref).ptr - s->arena) / 4)
    for (int i = 0; i < N * PH * PW; i++) AT(s->label.at)[i] = (float)(i % CLASSES);
    for (int i = 0; i < CHANNELS; i++) AT(s->gamma)[i] = 1.0f, AT(s->beta)[i] = 0.01f;
    memset(AT(s->history), 0, CLASSES * CHANNELS * 4);
#undef AT
    sa_status status = s->device->functions->upload(s->device, s->arena, host, ARENA_BYTES);
    free(host);
    return status;
}

static sa_status run_ops(const step *s)
{
    sa_device *d = s->device;
    const sa_range all = {0, N, 0, CHANNELS}, classes = {0, N, 0, CLASSES};
    sa_op_args a = {.conv_forward = {conv_shape, SA_CONV_CUDNN, all, dense(&s->data), s->conv, s->weight, s->bias, s->workspace,
                                     s->conv_bytes}};
    SA_TRY(sa_op_run(d, SA_OP_CONV_FORWARD, &a));
    a = (sa_op_args){.bn_statistics = {all, dense(&s->conv), SA_SPREAD_CHANNELS, 1e-9f, false, s->mean, s->inv_std, SA_REF_NONE,
                                       s->workspace, s->reduce_bytes}};
    SA_TRY(sa_op_run(d, SA_OP_BN_STATISTICS, &a));
    a = (sa_op_args){.pool_forward = {all, window, normalised(s), s->pooled, s->mask}};
    SA_TRY(sa_op_run(d, SA_OP_POOL_FORWARD, &a));
    a = (sa_op_args){.conv_forward = {classifier, SA_CONV_CUDNN, classes, dense(&s->pooled), s->scores, s->class_weight,
                                      SA_REF_NONE, s->workspace, s->workspace_bytes}};
    SA_TRY(sa_op_run(d, SA_OP_CONV_FORWARD, &a));
    const sa_loss_config config = {.classes = CLASSES, .loss_weight = 1.0f};
    a = (sa_op_args){.loss = {config, false, dense(&s->scores), dense(&s->label), SA_REF_NONE, s->loss, s->divisor, s->workspace,
                              s->loss_bytes}};
    SA_TRY(sa_op_run(d, SA_OP_LOSS, &a));
    a = (sa_op_args){.accuracy = {dense(&s->scores), dense(&s->label), false, false, 0, 1, 1.0f, s->accuracy, SA_REF_NONE,
                                  s->workspace, s->accuracy_bytes}};
    SA_TRY(sa_op_run(d, SA_OP_ACCURACY, &a));
    a = (sa_op_args){.loss_grad = {config, false, dense(&s->scores), dense(&s->label), SA_REF_NONE, s->divisor, s->gradient}};
    SA_TRY(sa_op_run(d, SA_OP_LOSS_GRAD, &a));
    a = (sa_op_args){.conv_backward = {.shape = classifier,
                                       .algorithm = SA_CONV_CUDNN,
                                       .range = classes,
                                       .x = dense(&s->pooled),
                                       .dy = dense(&s->gradient),
                                       .dx.at = SA_REF_NONE,
                                       .mask.at = SA_REF_NONE,
                                       .weight = s->class_weight,
                                       .dweight = s->dweight,
                                       .dbias = SA_REF_NONE,
                                       .dx_bias = SA_REF_NONE,
                                       .dx_dbias = SA_REF_NONE,
                                       .workspace = s->workspace,
                                       .workspace_bytes = s->workspace_bytes}};
    SA_TRY(sa_op_run(d, SA_OP_CONV_BACKWARD, &a));
    a = (sa_op_args){.update = {{.momentum = 0.9f},
                                s->class_weight,
                                s->dweight,
                                s->history,
                                SA_REF_NONE,
                                s->state,
                                SA_REF_NONE,
                                CLASSES * CHANNELS,
                                1.0f,
                                0.0005f}};
    return sa_op_run(d, SA_OP_UPDATE, &a);
}

/* *again: the device asks for the step once more. */
static sa_status run_bracketed(step *s, int *again)
{
    const sa_device_functions *f = s->device->functions;
    int replay;
    *again = 0;
    SA_TRY(f->begin_step(s->device, &replay));
    sa_status status = replay ? SA_OK : run_ops(s), ended = f->end_step(s->device, again);
    if (*again) return SA_OK;
    SA_TRY(status);
    return ended;
}

static sa_status run_step(step *s, int number)
{
    const sa_device_functions *f = s->device->functions;
    const sa_step_state state = {.rate = 0.5f / (float)(number + 1), .step = (uint32_t)number};
    float loss, accuracy;
    int again;
    SA_TRY(f->upload(s->device, s->state.ptr, &state, sizeof state));
    SA_TRY(run_bracketed(s, &again));
    if (again) SA_TRY(run_bracketed(s, &again));
    if (s->device->note[0]) fprintf(stderr, "NOTE: %s\n", s->device->note);
    s->device->note[0] = '\0';
    SA_TRY(f->download(s->device, &loss, s->loss.ptr, sizeof loss));
    SA_TRY(f->download(s->device, &accuracy, s->accuracy.ptr, sizeof accuracy));
    printf("step %d: loss %.9g accuracy %.9g\n", number, (double)loss, (double)accuracy);
    return SA_OK;
}

static sa_status run(step *s, bool graph, int steps)
{
    uint32_t hash = 2166136261u;
    unsigned char weights[CLASSES * CHANNELS * 4];
    uint64_t begin, end;
    SA_TRY(s->device->functions->set_option(s->device, "graph", graph));
    SA_TRY(plan(s));
    SA_TRY(upload(s));
    SA_TRY(s->device->functions->time_ns(s->device, &begin));
    for (int i = 0; i < steps; i++) SA_TRY(run_step(s, i));
    SA_TRY(s->device->functions->time_ns(s->device, &end));
    if (end < begin) SA_FAIL(SA_DEVICE, "step_program: the time went backwards");
    SA_TRY(s->device->functions->download(s->device, weights, s->class_weight.ptr, sizeof weights));
    for (size_t i = 0; i < sizeof weights; i++) hash = (hash ^ weights[i]) * 16777619u;
    printf("parameters %08x, %zu device allocations of %zu bytes\n", hash, s->device->allocation_count, s->device->allocated_bytes);
    return SA_OK;
}

int main(int argc, char **argv)
{
    step s = {.device = NULL};
    if (argc < 2 || (strcmp(argv[1], "graph") && strcmp(argv[1], "no-graph"))) {
        fprintf(stderr, "usage: step_program graph|no-graph [STEPS]\n");
        return 2;
    }
    sa_status status = sa_device_open_cuda(0, &s.device);
    if (status == SA_OK) status = run(&s, !strcmp(argv[1], "graph"), argc > 2 ? atoi(argv[2]) : 4);
    if (status != SA_OK) fprintf(stderr, "%s: %s\n", sa_status_name(status), sa_error_message());
    if (s.device) s.device->functions->close(s.device);
    return status != SA_OK;
}
