/* Entry points of the CPU convolutions: checks, and the way to the algorithm. */
#include "kernels/cpu/conv/conv_cpu.h"

#include "kernels/cpu/conv/conv_common.h"

static const sa_conv_method *const methods[SA_CONV_ALGORITHMS] = {
    [SA_CONV_IM2COL] = &sa_conv_im2col_method,
    [SA_CONV_DIRECT] = &sa_conv_direct_method,
    [SA_CONV_FFT] = &sa_conv_fft_method,
    [SA_CONV_WINOGRAD] = &sa_conv_winograd_method,
};

/* Bounds under which no offset or size of the algorithms overflows. */
static sa_status check_size(const sa_conv_shape *s)
{
    const double kernel_most = 4096, plane_most = 1 << 30, weights_most = 1e12;
    double plane = ((double)s->in_height + 2.0 * s->pad_h) * ((double)s->in_width + 2.0 * s->pad_w);
    double kernel = (double)s->kernel_h * s->kernel_w, in = s->in_channels, out = s->out_channels;
    if (s->kernel_h > kernel_most || s->kernel_w > kernel_most || plane > plane_most || in * kernel > INT32_MAX ||
        in * out * kernel > weights_most)
        SA_FAIL(SA_CAPACITY, "convolution %dx%d of %dx%dx%d (pad %dx%d) to %d channels is too large", s->kernel_h, s->kernel_w,
                s->in_channels, s->in_height, s->in_width, s->pad_h, s->pad_w, s->out_channels);
    return SA_OK;
}

static sa_status check_shape(const sa_conv_shape *s)
{
    SA_TRY(sa_conv_check_shape(s));
    return check_size(s);
}

sa_status sa_cpu_conv_workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    SA_TRY(check_shape(&request->shape));
    SA_TRY(sa_conv_check_request(request));
    if (!methods[request->algorithm]) SA_FAIL(SA_INVALID, "cuDNN convolutions are for the cuda device, not for the cpu");
    return methods[request->algorithm]->workspace_bytes(device, request, bytes);
}

static sa_status check_workspace(const sa_device *device, const sa_conv_request *request, const sa_ref *workspace)
{
    size_t needed;
    SA_TRY(sa_cpu_conv_workspace_bytes(device, request, &needed));
    return sa_conv_check_workspace(request, workspace, needed, 64);
}

sa_status sa_cpu_conv_forward(sa_device *device, const sa_conv_forward_args *args)
{
    sa_conv_request request = sa_conv_forward_request(args);
    SA_TRY(check_shape(&args->shape));
    SA_TRY(sa_conv_check_range(&args->shape, &args->range, false));
    SA_TRY(check_workspace(device, &request, &args->workspace));
    return methods[args->algorithm]->forward(device, args);
}

sa_status sa_cpu_conv_backward(sa_device *device, const sa_conv_backward_args *args)
{
    sa_conv_request request = sa_conv_backward_request(args);
    SA_TRY(check_shape(&args->shape));
    SA_TRY(sa_conv_check_range(&args->shape, &args->range, args->dx.at.ptr != NULL));
    SA_TRY(check_workspace(device, &request, &args->workspace));
    return methods[args->algorithm]->backward(device, args);
}

sa_conv_algorithm sa_cpu_conv_choose(const sa_device *device, const sa_conv_shape *shape, int images)
{
    (void)device;
    (void)images;
    if (sa_wino_can(shape)) return SA_CONV_WINOGRAD;
    return sa_conv_fft_is_faster(shape) ? SA_CONV_FFT : SA_CONV_DIRECT;
}
