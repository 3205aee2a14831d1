/* Parity of the convolutions: each CUDA algorithm against the CPU's im2col, any source, ranges, strides, pads, gathered gradients.
 */
#include "tests/support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Float32 sums of up to a few thousand products in two orders. */
static const double conv_bound = 2e-5;

static const char *const forward_names[] = {"conv_forward im2col", "conv_forward direct", "conv_forward fft", "conv_forward cudnn",
                                            "conv_forward winograd"};
static const char *const backward_names[] = {"conv_backward im2col", "conv_backward direct", "conv_backward fft",
                                             "conv_backward cudnn", "conv_backward winograd"};

static sa_conv_shape random_shape(sa_parity *p)
{
    static const int kernels[] = {1, 1, 3, 5, 7};
    int k = kernels[sa_parity_int(p, 0, 4)], kw = sa_parity_chance(p, 80) ? k : kernels[sa_parity_int(p, 0, 4)];
    sa_conv_shape s = {.in_channels = sa_parity_int(p, 1, 6), .out_channels = sa_parity_int(p, 1, 20), .groups = 1};
    s.kernel_h = k, s.kernel_w = kw;
    s.dilation_h = s.dilation_w = sa_parity_chance(p, 75) ? 1 : sa_parity_int(p, 1, 3);
    s.stride_h = s.stride_w = sa_parity_chance(p, 70) ? 1 : sa_parity_int(p, 1, 3);
    if (sa_parity_chance(p, 15)) s.stride_w = sa_parity_int(p, 1, 3);
    s.pad_h = sa_parity_chance(p, 60) ? k / 2 : sa_parity_int(p, 0, k);
    s.pad_w = sa_parity_chance(p, 60) ? kw / 2 : sa_parity_int(p, 0, kw);
    const int reach_h = s.dilation_h * (k - 1) + 1, reach_w = s.dilation_w * (kw - 1) + 1;
    s.in_height = sa_parity_int(p, reach_h, reach_h + 18), s.in_width = sa_parity_int(p, reach_w, reach_w + 40);
    if (sa_parity_chance(p, 15)) { /* many channels, a small plane: sums in several runs */
        s.in_channels = sa_parity_int(p, 40, 90), s.out_channels = sa_parity_int(p, 60, 70);
        s.in_height = reach_h + sa_parity_int(p, 0, 6), s.in_width = reach_w + sa_parity_int(p, 0, 6);
    }
    if (sa_parity_chance(p, 30)) { /* groups, half of them of one channel */
        s.groups = sa_parity_int(p, 2, 4);
        s.in_channels = s.groups * (sa_parity_chance(p, 50) ? 1 : sa_parity_int(p, 1, 7));
        s.out_channels = s.groups * (sa_parity_chance(p, 50) ? sa_parity_int(p, 1, 2) : sa_parity_int(p, 1, 20));
    }
    s.out_height = (s.in_height + 2 * s.pad_h - reach_h) / s.stride_h + 1;
    s.out_width = (s.in_width + 2 * s.pad_w - reach_w) / s.stride_w + 1;
    return s;
}

/* Does the device have this algorithm for the shape? */
static bool has_algorithm(sa_device *device, const sa_conv_request *request)
{
    size_t bytes;
    const bool has = device->kernels->conv_workspace_bytes(device, request, &bytes) != SA_UNSUPPORTED;
    sa_error_clear();
    return has;
}

static size_t workspace_bytes(sa_device *device, const sa_conv_request *request)
{
    size_t bytes = 0;
    sa_status status = device->kernels->conv_workspace_bytes(device, request, &bytes);
    if (status != SA_OK) fail_msg("workspace: %s", sa_error_message());
    return bytes;
}

/* Workspaces of both devices for one request; the CUDA limit is none, a little, or plenty. */
static sa_parity_bounds plan_workspaces(sa_parity *p, sa_conv_request request, sa_conv_algorithm algorithm)
{
    static const size_t limits[] = {0, 20000, (size_t)64 << 20};
    sa_parity_bounds bounds = {.bound = conv_bound};
    request.algorithm = SA_CONV_IM2COL;
    bounds.cpu_workspace_bytes = workspace_bytes(sa_parity_cpu(p), &request);
    request.algorithm = algorithm;
    request.limit_bytes = limits[sa_parity_int(p, 0, 2)];
    bounds.cuda_workspace_bytes = workspace_bytes(sa_parity_cuda(p), &request);
    return bounds;
}

static sa_range random_range(sa_parity *p, int images, int channels, bool all_channels)
{
    sa_range r = {0, images, 0, channels};
    if (sa_parity_chance(p, 30)) r.image_begin = images - 1;
    if (all_channels || sa_parity_chance(p, 60)) return r;
    r.channel_begin = sa_parity_int(p, 0, channels - 1), r.channel_end = sa_parity_int(p, r.channel_begin + 1, channels);
    return r;
}

/* Libraries choose by shape and workspace, so their bits depend on them. */
static bool is_own(sa_conv_algorithm algorithm)
{
    return algorithm == SA_CONV_DIRECT || algorithm == SA_CONV_FFT;
}

static void forward_case(sa_parity *p, sa_conv_algorithm algorithm, uint64_t seed)
{
    sa_parity_begin(p, forward_names[algorithm], seed);
    const sa_conv_shape s = algorithm == SA_CONV_FFT ? sa_parity_fft_shape(p) : random_shape(p);
    int n = sa_parity_int(p, 1, 3);
    sa_op_args args = {
        .conv_forward = {.shape = s, .algorithm = SA_CONV_IM2COL, .range = random_range(p, n, s.out_channels, false)}};
    sa_conv_forward_args *a = &args.conv_forward;
    sa_parity_source(p, &a->x, n, s.in_channels, s.in_height, s.in_width, 8, 2);
    a->y = sa_parity_slab(p, SA_F32, n, s.out_channels, s.out_height, s.out_width, false);
    sa_parity_output_slab(p, &a->y);
    a->weight = sa_parity_vector(p, s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w, -1.0f, 1.0f);
    a->bias = sa_parity_chance(p, 70) ? sa_parity_vector(p, s.out_channels, -1.0f, 1.0f) : SA_REF_NONE;
    a->workspace = sa_parity_workspace();
    sa_conv_request request = {.shape = s, .pass = SA_CONV_PASS_FORWARD, .virtual_x = !sa_source_has_dense_images(&a->x)};
    request.out_channels_at_once = a->range.channel_end - a->range.channel_begin;
    request.algorithm = algorithm;
    if (!has_algorithm(sa_parity_cuda(p), &request)) return;
    sa_parity_bounds bounds = plan_workspaces(p, request, algorithm);
    sa_op_args on_cuda = args;
    a->workspace_bytes = bounds.cpu_workspace_bytes;
    on_cuda.conv_forward.algorithm = algorithm;
    on_cuda.conv_forward.workspace_bytes = bounds.cuda_workspace_bytes;
    if (sa_parity_run(p, SA_OP_CONV_FORWARD, &args, &on_cuda, &bounds) && is_own(algorithm))
        sa_parity_conv_again(p, SA_OP_CONV_FORWARD, &on_cuda);
}

/* dx, in its own place or over x, or the pooled gradient it is gathered into. */
static void add_data_gradient(sa_parity *p, sa_conv_backward_args *a, int n)
{
    const sa_conv_shape *s = &a->shape;
    a->gather = sa_parity_chance(p, 40);
    if (!a->gather && sa_source_is_dense_f32(&a->x) && sa_parity_chance(p, 50)) {
        a->dx = a->x.node[0].slab;
    } else if (!a->gather) {
        a->dx = sa_parity_slab(p, SA_F32, n, s->in_channels, s->in_height, s->in_width, false);
    } else {
        /* No gaps between windows: the last one could lie wholly outside the plane, and the CPU leaves such gradients alone. */
        do a->window = sa_parity_window(p, s->in_height, s->in_width);
        while (a->window.stride_h > a->window.kernel_h || a->window.stride_w > a->window.kernel_w);
        a->mask = sa_parity_mask(p, &a->window, n, s->in_channels, s->in_height, s->in_width);
        a->dx = sa_parity_slab(p, SA_F32, n, s->in_channels, a->mask.height, a->mask.width, false);
    }
    sa_parity_output_slab(p, &a->dx);
}

static void add_weight_gradient(sa_parity *p, sa_conv_backward_args *a, int n)
{
    const sa_conv_shape *s = &a->shape;
    int weights = s->out_channels * (s->in_channels / s->groups) * s->kernel_h * s->kernel_w;
    sa_parity_source(p, &a->x, n, s->in_channels, s->in_height, s->in_width, 8, 2);
    a->accumulate = sa_parity_chance(p, 40);
    a->dweight = a->accumulate ? sa_parity_vector(p, weights, -1.0f, 1.0f) : sa_parity_take(p, (size_t)weights * 4);
    a->dbias = a->accumulate ? sa_parity_vector(p, s->out_channels, -1.0f, 1.0f) : sa_parity_take(p, (size_t)s->out_channels * 4);
    sa_parity_output(p, a->dweight, (size_t)weights);
    sa_parity_output(p, a->dbias, (size_t)s->out_channels);
}

static void backward_case(sa_parity *p, sa_conv_algorithm algorithm, uint64_t seed)
{
    sa_parity_begin(p, backward_names[algorithm], seed);
    const sa_conv_shape s = algorithm == SA_CONV_FFT ? sa_parity_fft_shape(p) : random_shape(p);
    int n = sa_parity_int(p, 1, 3);
    bool data = sa_parity_chance(p, 60), weight = !data || sa_parity_chance(p, 60);
    sa_op_args args = {
        .conv_backward = {.shape = s, .algorithm = SA_CONV_IM2COL, .range = random_range(p, n, s.out_channels, data)}};
    sa_conv_backward_args *a = &args.conv_backward;
    a->dx.at = a->mask.at = a->dweight = a->dbias = a->dx_bias = a->dx_dbias = SA_REF_NONE;
    sa_parity_source(p, &a->dy, n, s.out_channels, s.out_height, s.out_width, 8, 2);
    a->weight = sa_parity_vector(p, s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w, -1.0f, 1.0f);
    if (weight) add_weight_gradient(p, a, n);
    if (data) add_data_gradient(p, a, n);
    a->workspace = sa_parity_workspace();
    sa_conv_request request = {.shape = s, .virtual_x = weight && !sa_source_has_dense_images(&a->x), .gather_dx = a->gather};
    request.virtual_dy = !sa_source_has_dense_images(&a->dy);
    request.bias_gradient = weight && sa_parity_chance(p, 70); /* with and without room for its sums: the same bits */
    request.pass = data && weight ? SA_CONV_PASS_BACKWARD_BOTH : data ? SA_CONV_PASS_BACKWARD_DATA : SA_CONV_PASS_BACKWARD_WEIGHT;
    request.out_channels_at_once = a->range.channel_end - a->range.channel_begin;
    request.algorithm = algorithm;
    if (!has_algorithm(sa_parity_cuda(p), &request)) return;
    sa_parity_bounds bounds = plan_workspaces(p, request, algorithm);
    sa_op_args on_cuda = args;
    a->workspace_bytes = bounds.cpu_workspace_bytes;
    on_cuda.conv_backward.algorithm = algorithm;
    on_cuda.conv_backward.workspace_bytes = bounds.cuda_workspace_bytes;
    if (sa_parity_run(p, SA_OP_CONV_BACKWARD, &args, &on_cuda, &bounds) && is_own(algorithm))
        sa_parity_conv_again(p, SA_OP_CONV_BACKWARD, &on_cuda);
}

void sa_parity_convolutions(sa_parity *p, int count)
{
    for (int i = 0; i < count; i++) {
        for (int algorithm = 0; algorithm < SA_CONV_ALGORITHMS; algorithm++) {
            forward_case(p, (sa_conv_algorithm)algorithm, (uint64_t)i);
            backward_case(p, (sa_conv_algorithm)algorithm, (uint64_t)i);
        }
    }
}
