/* FFT-tile convolution: the shapes it takes. */
#include "kernels/cpu/conv_common.h"

static sa_status workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes)
{
    (void)device, (void)bytes;
    SA_FAIL(SA_UNSUPPORTED, "fft convolution of a %dx%d kernel", request->shape.kernel_h, request->shape.kernel_w);
}

static sa_status forward(const sa_device *device, const sa_conv_forward_args *args)
{
    size_t bytes;
    sa_conv_request request = sa_conv_forward_request(args);
    return workspace_bytes(device, &request, &bytes);
}

static sa_status backward(const sa_device *device, const sa_conv_backward_args *args)
{
    size_t bytes;
    sa_conv_request request = sa_conv_backward_request(args);
    return workspace_bytes(device, &request, &bytes);
}

const sa_conv_method sa_conv_fft_method = {workspace_bytes, forward, backward};
