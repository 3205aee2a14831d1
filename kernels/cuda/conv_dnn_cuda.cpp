/* Convolution by cuDNN (SA_CONV_FFT on this device): the fastest deterministic algorithm whose workspace fits; 1x1 goes to cuBLAS.
 *
 * Inputs that are not stored are materialised one image at a time in the workspace. TF32 is off unless the device's option says so:
 * then only algorithms with float32 arithmetic (CUDNN_FMA_MATH) are taken. */
#include "kernels/cuda/conv.cuh"
#include "kernels/cuda/cuda_libraries.cuh"

enum { CHOICES = 12 };

/* cuDNN's descriptions of one image's convolution; destroyed with this. Channels: those of a range. */
struct sa_dnn_shape {
    cudnnTensorDescriptor_t x = nullptr, y = nullptr;
    cudnnFilterDescriptor_t w = nullptr;
    cudnnConvolutionDescriptor_t conv = nullptr;
    sa_dnn_shape() = default;
    sa_dnn_shape(const sa_dnn_shape &) = delete;
    sa_dnn_shape &operator=(const sa_dnn_shape &) = delete;
    ~sa_dnn_shape()
    {
        if (conv) cudnnDestroyConvolutionDescriptor(conv);
        if (w) cudnnDestroyFilterDescriptor(w);
        if (y) cudnnDestroyTensorDescriptor(y);
        if (x) cudnnDestroyTensorDescriptor(x);
    }
};

static sa_status describe(const sa_cuda_device *device, const sa_conv_shape *s, int channels, sa_dnn_shape *d)
{
    SA_DNN_TRY(cudnnCreateTensorDescriptor(&d->x));
    SA_DNN_TRY(cudnnCreateTensorDescriptor(&d->y));
    SA_DNN_TRY(cudnnCreateFilterDescriptor(&d->w));
    SA_DNN_TRY(cudnnCreateConvolutionDescriptor(&d->conv));
    SA_DNN_TRY(cudnnSetTensor4dDescriptor(d->x, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, s->in_channels, s->in_height, s->in_width));
    SA_DNN_TRY(cudnnSetTensor4dDescriptor(d->y, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, channels, s->out_height, s->out_width));
    SA_DNN_TRY(
        cudnnSetFilter4dDescriptor(d->w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, channels, s->in_channels, s->kernel_h, s->kernel_w));
    SA_DNN_TRY(cudnnSetConvolution2dDescriptor(d->conv, s->pad_h, s->pad_w, s->stride_h, s->stride_w, 1, 1, CUDNN_CROSS_CORRELATION,
                                               CUDNN_DATA_FLOAT));
    SA_DNN_TRY(cudnnSetConvolutionMathType(d->conv, device->use_tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH));
    return SA_OK;
}

/* The first (fastest) acceptable choice that needs at most limit_bytes; if none does, the one that needs least. */
template <class Choice>
static sa_status choose(const sa_cuda_device *device, const Choice *choices, int count, size_t limit_bytes, Choice *chosen)
{
    int best = -1;
    for (int i = 0; i < count; i++) {
        const Choice &c = choices[i];
        /* the descriptor allows nothing but FMA arithmetic then, whichever of the two the ranking calls it */
        const bool exact = device->use_tf32 || c.mathType == CUDNN_FMA_MATH || c.mathType == CUDNN_DEFAULT_MATH;
        if (c.status != CUDNN_STATUS_SUCCESS || c.determinism != CUDNN_DETERMINISTIC || !exact) continue;
        if (best >= 0 && (choices[best].memory <= limit_bytes || c.memory >= choices[best].memory)) continue;
        best = i;
    }
    if (best < 0)
        SA_FAIL(SA_UNSUPPORTED, "cuDNN has no deterministic float32 algorithm for this convolution; use --conv im2col or direct");
    *chosen = choices[best];
    return SA_OK;
}

static sa_status choose_forward(const sa_cuda_device *device, const sa_dnn_shape &d, size_t limit_bytes,
                                cudnnConvolutionFwdAlgoPerf_t *chosen)
{
    cudnnConvolutionFwdAlgoPerf_t choices[CHOICES];
    int count = 0;
    SA_DNN_TRY(cudnnGetConvolutionForwardAlgorithm_v7(device->dnn, d.x, d.w, d.conv, d.y, CHOICES, &count, choices));
    return choose(device, choices, count, limit_bytes, chosen);
}

static sa_status choose_data(const sa_cuda_device *device, const sa_dnn_shape &d, size_t limit_bytes,
                             cudnnConvolutionBwdDataAlgoPerf_t *chosen)
{
    cudnnConvolutionBwdDataAlgoPerf_t choices[CHOICES];
    int count = 0;
    SA_DNN_TRY(cudnnGetConvolutionBackwardDataAlgorithm_v7(device->dnn, d.w, d.y, d.conv, d.x, CHOICES, &count, choices));
    return choose(device, choices, count, limit_bytes, chosen);
}

static sa_status choose_weight(const sa_cuda_device *device, const sa_dnn_shape &d, size_t limit_bytes,
                               cudnnConvolutionBwdFilterAlgoPerf_t *chosen)
{
    cudnnConvolutionBwdFilterAlgoPerf_t choices[CHOICES];
    int count = 0;
    SA_DNN_TRY(cudnnGetConvolutionBackwardFilterAlgorithm_v7(device->dnn, d.x, d.y, d.conv, d.w, CHOICES, &count, choices));
    return choose(device, choices, count, limit_bytes, chosen);
}

/* The library's need under what the limit leaves for it. */
static sa_status library_bytes(const sa_cuda_device *device, const sa_conv_request *request, size_t left, size_t *bytes)
{
    sa_dnn_shape d;
    cudnnConvolutionFwdAlgoPerf_t forward;
    cudnnConvolutionBwdDataAlgoPerf_t data;
    cudnnConvolutionBwdFilterAlgoPerf_t weight;
    size_t most = 0;
    SA_TRY(describe(device, &request->shape, request->out_channels_at_once, &d));
    if (request->pass == SA_CONV_PASS_FORWARD) {
        SA_TRY(choose_forward(device, d, left, &forward));
        most = forward.memory;
    }
    if (request->pass == SA_CONV_PASS_BACKWARD_DATA || request->pass == SA_CONV_PASS_BACKWARD_BOTH) {
        SA_TRY(choose_data(device, d, left, &data));
        most = data.memory;
    }
    if (request->pass == SA_CONV_PASS_BACKWARD_WEIGHT || request->pass == SA_CONV_PASS_BACKWARD_BOTH) {
        SA_TRY(choose_weight(device, d, left, &weight));
        most = weight.memory > most ? weight.memory : most;
    }
    *bytes = most;
    return SA_OK;
}

static sa_status workspace_bytes(const sa_cuda_device *device, const sa_conv_request *request, size_t *bytes)
{
    sa_conv_parts parts;
    size_t library = 0;
    if (sa_conv_is_plain_1x1(&request->shape)) return sa_cuda_conv_gemm.workspace_bytes(device, request, bytes);
    SA_TRY(sa_conv_plan_parts(request, false, &parts));
    const size_t others = parts.total + SA_CONV_LIBRARY_ALIGNMENT;
    SA_TRY(library_bytes(device, request, request->limit_bytes > others ? request->limit_bytes - others : 0, &library));
    *bytes = library ? others + library : parts.total;
    return SA_OK;
}

static sa_status forward(sa_cuda_device *device, const sa_conv_forward_args *args, const sa_conv_request *request)
{
    const sa_conv_shape *s = &args->shape;
    const int begin = args->range.channel_begin;
    const float one = 1.0f, zero = 0.0f, *weight = (const float *)args->weight.ptr + (size_t)begin * sa_conv_depth(s);
    sa_conv_parts parts;
    sa_dnn_shape d;
    cudnnConvolutionFwdAlgoPerf_t chosen;
    if (sa_conv_is_plain_1x1(s)) return sa_cuda_conv_gemm.forward(device, args, request);
    SA_TRY(sa_conv_plan_parts(request, false, &parts));
    const sa_conv_workspace w = sa_conv_divide(&parts, &args->workspace, args->workspace_bytes);
    SA_TRY(describe(device, s, request->out_channels_at_once, &d));
    SA_TRY(choose_forward(device, d, w.library_bytes, &chosen));
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *image;
        SA_TRY(sa_conv_image(device, &args->x, n, 0, s->in_channels, w.x, &image));
        SA_DNN_TRY(cudnnConvolutionForward(device->dnn, &one, d.x, image, d.w, weight, d.conv, chosen.algo, w.library,
                                           chosen.memory, &zero, d.y, sa_slab_row(&args->y, n, begin, 0)));
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
    sa_dnn_shape d;
    cudnnConvolutionBwdDataAlgoPerf_t data = {};
    cudnnConvolutionBwdFilterAlgoPerf_t filter = {};
    if (sa_conv_is_plain_1x1(s)) return sa_cuda_conv_gemm.backward(device, args, request);
    SA_TRY(sa_conv_plan_parts(request, false, &parts));
    const sa_conv_workspace w = sa_conv_divide(&parts, &args->workspace, args->workspace_bytes);
    SA_TRY(describe(device, s, channels, &d));
    if (args->dx.at.ptr) SA_TRY(choose_data(device, d, w.library_bytes, &data));
    if (dweight) SA_TRY(choose_weight(device, d, w.library_bytes, &filter));
    for (int n = args->range.image_begin; n < args->range.image_end; n++) {
        const float *dy, *image;
        SA_TRY(sa_conv_image(device, &args->dy, n, begin, channels, w.dy, &dy));
        if (dweight) {
            const float *beta = args->accumulate || n > args->range.image_begin ? &one : &zero;
            SA_TRY(sa_conv_image(device, &args->x, n, 0, s->in_channels, w.x, &image));
            SA_DNN_TRY(cudnnConvolutionBackwardFilter(device->dnn, &one, d.x, image, d.y, dy, d.conv, filter.algo, w.library,
                                                      filter.memory, beta, d.w, dweight));
        }
        if (!args->dx.at.ptr) continue;
        SA_DNN_TRY(cudnnConvolutionBackwardData(device->dnn, &one, d.w, args->weight.ptr, d.y, dy, d.conv, data.algo, w.library,
                                                data.memory, &zero, d.x, sa_conv_dx_target(args, n, w.dx)));
        SA_TRY(sa_conv_finish_dx(device, args, n, w.dx));
    }
    return SA_OK;
}

const sa_cuda_conv_method sa_cuda_conv_dnn = {workspace_bytes, forward, backward};
