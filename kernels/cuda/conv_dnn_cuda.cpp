/* Convolution by cuDNN (SA_CONV_CUDNN): the fastest deterministic algorithm whose workspace fits; 1x1 goes to cuBLAS.
 *
 * Inputs that are not stored are materialised one image at a time in the workspace. cuDNN is asked once for each convolution: when
 * its workspace is planned. TF32 is off unless the device's option says so: then only float32 arithmetic (CUDNN_FMA_MATH) is taken.
 */
#include "kernels/cuda/conv.cuh"
#include "kernels/cuda/cuda_libraries.cuh"

#include <stdlib.h>
#include <string.h>

enum dnn_direction { DNN_FORWARD, DNN_DATA, DNN_WEIGHT };

/* An algorithm that can run, the math type to run it with, and the bytes of workspace it takes then. */
struct dnn_choice {
    int algorithm;
    cudnnMathType_t math;
    size_t bytes;
};

/* One direction of one image's convolution: cuDNN's descriptions, and what it can run, fastest first. */
struct sa_dnn_plan {
    sa_dnn_plan *next;
    sa_conv_shape shape;
    int channels; /* output channels at once */
    dnn_direction direction;
    bool tf32;
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv;
    int count;
    dnn_choice *choice; /* (count) */
};

static void free_plan(sa_dnn_plan *plan)
{
    if (plan->conv) cudnnDestroyConvolutionDescriptor(plan->conv);
    if (plan->w) cudnnDestroyFilterDescriptor(plan->w);
    if (plan->y) cudnnDestroyTensorDescriptor(plan->y);
    if (plan->x) cudnnDestroyTensorDescriptor(plan->x);
    free(plan->choice);
    free(plan);
}

void sa_cuda_conv_dnn_forget(sa_cuda_device *device)
{
    while (device->dnn_plans) {
        sa_dnn_plan *plan = device->dnn_plans;
        device->dnn_plans = plan->next;
        free_plan(plan);
    }
}

static sa_status describe(sa_dnn_plan *p)
{
    const sa_conv_shape *s = &p->shape;
    SA_DNN_TRY(cudnnCreateTensorDescriptor(&p->x));
    SA_DNN_TRY(cudnnCreateTensorDescriptor(&p->y));
    SA_DNN_TRY(cudnnCreateFilterDescriptor(&p->w));
    SA_DNN_TRY(cudnnCreateConvolutionDescriptor(&p->conv));
    SA_DNN_TRY(cudnnSetTensor4dDescriptor(p->x, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, s->in_channels, s->in_height, s->in_width));
    SA_DNN_TRY(cudnnSetTensor4dDescriptor(p->y, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, p->channels, s->out_height, s->out_width));
    SA_DNN_TRY(cudnnSetFilter4dDescriptor(p->w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, p->channels, s->in_channels, s->kernel_h,
                                          s->kernel_w));
    SA_DNN_TRY(cudnnSetConvolution2dDescriptor(p->conv, s->pad_h, s->pad_w, s->stride_h, s->stride_w, 1, 1, CUDNN_CROSS_CORRELATION,
                                               CUDNN_DATA_FLOAT));
    SA_DNN_TRY(cudnnSetConvolutionMathType(p->conv, p->tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH));
    return SA_OK;
}

static cudnnStatus_t workspace_of(const sa_cuda_device *device, const sa_dnn_plan *p, int algorithm, size_t *bytes)
{
    switch (p->direction) {
    case DNN_FORWARD:
        return cudnnGetConvolutionForwardWorkspaceSize(device->dnn, p->x, p->w, p->conv, p->y, (cudnnConvolutionFwdAlgo_t)algorithm,
                                                       bytes);
    case DNN_DATA:
        return cudnnGetConvolutionBackwardDataWorkspaceSize(device->dnn, p->w, p->y, p->conv, p->x,
                                                            (cudnnConvolutionBwdDataAlgo_t)algorithm, bytes);
    default:
        return cudnnGetConvolutionBackwardFilterWorkspaceSize(device->dnn, p->x, p->y, p->conv, p->w,
                                                              (cudnnConvolutionBwdFilterAlgo_t)algorithm, bytes);
    }
}

/* Keeps of cuDNN's ranking what is deterministic and, without TF32, computes in float32. A ranking speaks of the math type that
 * cuDNN prefers; an algorithm's bytes and whether it runs at all depend on the descriptor's, so they are asked again with it set.
 */
template <class Ranked> static sa_status keep_usable(const sa_cuda_device *device, sa_dnn_plan *p, const Ranked *ranked, int count)
{
    p->choice = (dnn_choice *)calloc(count > 0 ? (size_t)count : 1, sizeof *p->choice);
    if (!p->choice) SA_FAIL(SA_NOMEM, "cuda device: no host memory for %d algorithms of cuDNN", count);
    for (int i = 0; i < count; i++) {
        const Ranked &r = ranked[i];
        const bool float32 = r.mathType == CUDNN_FMA_MATH || r.mathType == CUDNN_DEFAULT_MATH;
        if (r.status != CUDNN_STATUS_SUCCESS || r.determinism != CUDNN_DETERMINISTIC || !(p->tf32 || float32)) continue;
        dnn_choice choice = {(int)r.algo, p->tf32 ? r.mathType : CUDNN_FMA_MATH, 0};
        SA_DNN_TRY(cudnnSetConvolutionMathType(p->conv, choice.math));
        if (workspace_of(device, p, choice.algorithm, &choice.bytes) != CUDNN_STATUS_SUCCESS) continue;
        p->choice[p->count++] = choice;
    }
    if (p->count == 0)
        SA_FAIL(SA_UNSUPPORTED, "cuDNN has no deterministic float32 algorithm for this convolution; use --conv im2col or direct");
    return SA_OK;
}

/* Asks for the whole ranking. most: cuDNN's ...AlgorithmMaxCount, ask: its ...Algorithm_v7 with handle and descriptors. */
template <class Ranked, class Most, class Ask>
static sa_status rank(const sa_cuda_device *device, sa_dnn_plan *p, Most most, Ask ask)
{
    int room = 0, count = 0;
    SA_DNN_TRY(most(device->dnn, &room));
    Ranked *ranked = (Ranked *)calloc(room > 0 ? (size_t)room : 1, sizeof *ranked);
    if (!ranked) SA_FAIL(SA_NOMEM, "cuda device: no host memory for %d algorithms of cuDNN", room);
    sa_status status = sa_cuda_check_dnn(ask(room, &count, ranked), "ranking of cuDNN's algorithms");
    if (status == SA_OK) status = keep_usable(device, p, ranked, count);
    free(ranked);
    return status;
}

static sa_status fill_plan(const sa_cuda_device *device, sa_dnn_plan *p)
{
    SA_TRY(describe(p));
    switch (p->direction) {
    case DNN_FORWARD:
        return rank<cudnnConvolutionFwdAlgoPerf_t>(device, p, cudnnGetConvolutionForwardAlgorithmMaxCount,
                                                   [=](int room, int *count, cudnnConvolutionFwdAlgoPerf_t *ranked) {
                                                       return cudnnGetConvolutionForwardAlgorithm_v7(
                                                           device->dnn, p->x, p->w, p->conv, p->y, room, count, ranked);
                                                   });
    case DNN_DATA:
        return rank<cudnnConvolutionBwdDataAlgoPerf_t>(device, p, cudnnGetConvolutionBackwardDataAlgorithmMaxCount,
                                                       [=](int room, int *count, cudnnConvolutionBwdDataAlgoPerf_t *ranked) {
                                                           return cudnnGetConvolutionBackwardDataAlgorithm_v7(
                                                               device->dnn, p->w, p->y, p->conv, p->x, room, count, ranked);
                                                       });
    default:
        return rank<cudnnConvolutionBwdFilterAlgoPerf_t>(device, p, cudnnGetConvolutionBackwardFilterAlgorithmMaxCount,
                                                         [=](int room, int *count, cudnnConvolutionBwdFilterAlgoPerf_t *ranked) {
                                                             return cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                                                                 device->dnn, p->x, p->y, p->conv, p->w, room, count, ranked);
                                                         });
    }
}

static bool same_shape(const sa_conv_shape *a, const sa_conv_shape *b)
{
    return memcmp(a, b, sizeof *a) == 0; /* int32 fields alone, no padding */
}

static sa_status find_plan(const sa_cuda_device *device, const sa_conv_shape *shape, int channels, dnn_direction direction,
                           const sa_dnn_plan **result)
{
    sa_dnn_plan *p = device->dnn_plans;
    while (p &&
           !(p->direction == direction && p->channels == channels && p->tf32 == device->use_tf32 && same_shape(&p->shape, shape)))
        p = p->next;
    if (!p) {
        p = (sa_dnn_plan *)calloc(1, sizeof *p);
        if (!p) SA_FAIL(SA_NOMEM, "cuda device: no host memory for a plan of cuDNN");
        p->shape = *shape;
        p->channels = channels;
        p->direction = direction;
        p->tf32 = device->use_tf32;
        const sa_status status = fill_plan(device, p);
        if (status != SA_OK) {
            free_plan(p);
            return status;
        }
        p->next = device->dnn_plans;
        device->dnn_plans = p;
    }
    *result = p;
    return SA_OK;
}

/* The first (fastest) that needs at most limit_bytes; if none does, the one that needs least. The same for every limit from its own
 * need up to the one it was planned with, so a step runs what its workspace was planned for. */
static const dnn_choice *choose(const sa_dnn_plan *p, size_t limit_bytes)
{
    const dnn_choice *best = &p->choice[0];
    for (int i = 1; i < p->count && best->bytes > limit_bytes; i++)
        if (p->choice[i].bytes < best->bytes) best = &p->choice[i];
    return best;
}

/* A plan and its choice, ready to run: the descriptor has the choice's math type. */
struct dnn_call {
    const sa_dnn_plan *plan;
    const dnn_choice *choice;
};
static sa_status prepare(const sa_cuda_device *device, const sa_conv_request *r, dnn_direction direction, size_t limit_bytes,
                         dnn_call *call)
{
    SA_TRY(find_plan(device, &r->shape, r->out_channels_at_once, direction, &call->plan));
    call->choice = choose(call->plan, limit_bytes);
    SA_DNN_TRY(cudnnSetConvolutionMathType(call->plan->conv, call->choice->math));
    return SA_OK;
}

sa_status sa_cuda_conv_dnn_bytes(const sa_cuda_device *device, const sa_conv_request *request, size_t *bytes)
{
    static const bool needs[4][3] = {{true, false, false}, {false, true, false}, {false, false, true}, {false, true, true}};
    sa_conv_parts parts;
    size_t most = 0;
    const sa_conv_shape *s = &request->shape;
    if (s->groups > 1 || s->dilation_h > 1 || s->dilation_w > 1)
        SA_FAIL(SA_UNSUPPORTED, "cuDNN is not asked for convolutions in %d groups, dilation %dx%d", s->groups, s->dilation_h,
                s->dilation_w);
    if (sa_conv_is_plain_1x1(s)) {
        sa_conv_request product = *request;
        product.algorithm = SA_CONV_IM2COL;
        product.bias_gradient = false;
        return sa_cuda_plan_conv_bytes(&product, bytes);
    }
    SA_TRY(sa_cuda_plan_parts(request, false, &parts));
    const size_t others = parts.total + SA_CONV_LAST_ALIGNMENT;
    const size_t left = request->limit_bytes > others ? request->limit_bytes - others : 0;
    for (int direction = DNN_FORWARD; direction <= DNN_WEIGHT; direction++) {
        const sa_dnn_plan *plan;
        if (!needs[request->pass][direction]) continue;
        SA_TRY(find_plan(device, &request->shape, request->out_channels_at_once, (dnn_direction)direction, &plan));
        const size_t needed = choose(plan, left)->bytes;
        most = needed > most ? needed : most;
    }
    *bytes = most ? others + most : parts.total;
    return SA_OK;
}

static sa_status forward(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request)
{
    const sa_conv_shape *s = &args->shape;
    const int begin = args->range.channel_begin;
    const float one = 1.0f, zero = 0.0f, *weight = (const float *)args->weight.ptr + (size_t)begin * sa_conv_depth(s);
    sa_conv_parts parts;
    dnn_call call;
    if (sa_conv_is_plain_1x1(s)) return sa_cuda_conv_gemm.forward(device, args, request);
    SA_TRY(sa_cuda_plan_parts(request, false, &parts));
    const sa_conv_workspace w = sa_conv_divide(&parts, &args->workspace, args->workspace_bytes);
    SA_TRY(prepare(device, request, DNN_FORWARD, w.last_bytes, &call));
    const sa_dnn_plan *p = call.plan;
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *image;
        SA_TRY(sa_conv_image(device, &args->x, n, 0, s->in_channels, w.x, &image));
        SA_DNN_TRY(cudnnConvolutionForward(device->dnn, &one, p->x, image, p->w, weight, p->conv,
                                           (cudnnConvolutionFwdAlgo_t)call.choice->algorithm, w.last, call.choice->bytes, &zero,
                                           p->y, sa_slab_row(&args->y, n, begin, 0)));
        SA_TRY(sa_conv_add_bias(device, args, n));
    }
    return SA_OK;
}

static sa_status backward(sa_cuda_device *device, const sa_conv_backward_args *args, const sa_conv_request *request)
{
    const sa_conv_shape *s = &args->shape;
    const int begin = args->range.channel_begin, channels = request->out_channels_at_once;
    const float one = 1.0f, zero = 0.0f;
    float *dweight = args->dweight.ptr ? (float *)args->dweight.ptr + (size_t)begin * sa_conv_depth(s) : nullptr;
    sa_conv_parts parts;
    dnn_call data = {}, filter = {};
    if (sa_conv_is_plain_1x1(s)) return sa_cuda_conv_gemm.backward(device, args, request);
    SA_TRY(sa_cuda_plan_parts(request, false, &parts));
    const sa_conv_workspace w = sa_conv_divide(&parts, &args->workspace, args->workspace_bytes);
    if (args->dx.at.ptr) SA_TRY(prepare(device, request, DNN_DATA, w.last_bytes, &data));
    if (dweight) SA_TRY(prepare(device, request, DNN_WEIGHT, w.last_bytes, &filter));
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *dy, *image;
        SA_TRY(sa_conv_image(device, &args->dy, n, begin, channels, w.dy, &dy));
        if (dweight) {
            const sa_dnn_plan *p = filter.plan;
            const float *beta = args->accumulate || n > args->range.image_begin ? &one : &zero;
            SA_TRY(sa_conv_image(device, &args->x, n, 0, s->in_channels, w.x, &image));
            SA_DNN_TRY(cudnnConvolutionBackwardFilter(device->dnn, &one, p->x, image, p->y, dy, p->conv,
                                                      (cudnnConvolutionBwdFilterAlgo_t)filter.choice->algorithm, w.last,
                                                      filter.choice->bytes, beta, p->w, dweight));
        }
        if (!args->dx.at.ptr) continue;
        const sa_dnn_plan *p = data.plan;
        SA_DNN_TRY(cudnnConvolutionBackwardData(device->dnn, &one, p->w, args->weight.ptr, p->y, dy, p->conv,
                                                (cudnnConvolutionBwdDataAlgo_t)data.choice->algorithm, w.last, data.choice->bytes,
                                                &zero, p->x, sa_conv_dx_target(args, n, w.dx)));
        SA_TRY(sa_conv_finish_dx(device, args, n, w.dx));
    }
    return SA_OK;
}

const sa_cuda_conv_method sa_cuda_conv_dnn = {forward, backward};
