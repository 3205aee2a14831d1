/* Parity of the CUDA device's own convolutions with themselves: however an op is divided and whatever its workspace, the bits stay.
 */
#include "kernels/conv_request.h"
#include "tests/support/parity_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PARTS = 16 };

/* Ops that do together what one did. */
typedef struct several_ops {
    sa_op_args args[PARTS];
    size_t workspace_bytes[PARTS];
    int count;
} several_ops;

sa_conv_shape sa_parity_fft_shape(sa_parity *p)
{
    static const int channels[] = {1, 2, 3, 4, 5, 8, 9, 17, 33, 70}, kernels[] = {3, 5, 7, 7, 7, 4, 9, 11, 16};
    const int k = kernels[sa_parity_int(p, 0, 8)], kw = sa_parity_chance(p, 80) ? k : kernels[sa_parity_int(p, 0, 8)];
    const bool large = sa_parity_chance(p, 30), wide = !large && sa_parity_chance(p, 20); /* wide: large blocks of products */
    sa_conv_shape s = {.kernel_h = k, .kernel_w = kw, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
    if (p->seed == 0) return (sa_conv_shape){20, 50, 66, 33, 50, 66, 7, 7, 1, 1, 3, 3, 1, 1, 1}; /* the largest block of products */
    s.in_channels = channels[sa_parity_int(p, 0, large ? 4 : 9)];
    s.out_channels = channels[sa_parity_int(p, 0, s.in_channels > 10 ? 5 : large ? 6 : 9)];
    if (wide) s.in_channels = channels[sa_parity_int(p, 7, 9)], s.out_channels = channels[sa_parity_int(p, 7, 9)];
    s.pad_h = sa_parity_chance(p, 60) ? k / 2 : sa_parity_int(p, 0, k);
    s.pad_w = sa_parity_chance(p, 60) ? kw / 2 : sa_parity_int(p, 0, kw);
    const int height = sa_parity_int(p, 1,
                                     large  ? 75
                                     : wide ? 50
                                            : 20),
              width = sa_parity_int(p, 1,
                                    large  ? 95
                                    : wide ? 65
                                           : 40); /* of y, about */
    s.in_height = height + k - 1 - 2 * s.pad_h, s.in_width = width + kw - 1 - 2 * s.pad_w;
    if (s.in_height < 1) s.in_height = 1;
    if (s.in_width < 1) s.in_width = 1;
    if (s.in_height + 2 * s.pad_h < k) s.in_height = k;
    if (s.in_width + 2 * s.pad_w < kw) s.in_width = kw;
    s.out_height = s.in_height + 2 * s.pad_h - k + 1;
    s.out_width = s.in_width + 2 * s.pad_w - kw + 1;
    return s;
}

static sa_range *range_of(sa_op_kind kind, sa_op_args *args)
{
    return kind == SA_OP_CONV_FORWARD ? &args->conv_forward.range : &args->conv_backward.range;
}

/* A pointer that is not NULL, as it is once an op is bound. */
static void present(void *context, sa_ref *ref, sa_access_mode mode)
{
    (void)mode;
    if (ref->buffer != SA_NO_BUFFER && !ref->ptr) ref->ptr = context;
}

/* Adds an op with the workspace that the device wants under a limit. */
static void add(sa_parity *p, sa_op_kind kind, several_ops *ops, const sa_op_args *args, size_t limit_bytes)
{
    sa_device *cuda = sa_parity_cuda(p);
    sa_op_args *own = &ops->args[ops->count], bound = *args;
    assert_true(ops->count < PARTS);
    sa_op_visit_refs(kind, &bound, present, own);
    const bool forward = kind == SA_OP_CONV_FORWARD;
    sa_conv_request request =
        forward ? sa_conv_forward_request(&bound.conv_forward) : sa_conv_backward_request(&bound.conv_backward);
    request.limit_bytes = limit_bytes;
    *own = *args;
    size_t *bytes = forward ? &own->conv_forward.workspace_bytes : &own->conv_backward.workspace_bytes;
    assert_int_equal(cuda->kernels->conv_workspace_bytes(cuda, &request, bytes), SA_OK);
    ops->workspace_bytes[ops->count++] = *bytes;
}

/* Image by image, and by output channels if `channels` is not 0. */
static void run_divided(sa_parity *p, sa_op_kind kind, const sa_op_args *args, int channels, size_t limit_bytes)
{
    several_ops ops = {.count = 0};
    sa_op_args part = *args;
    const sa_range whole = *range_of(kind, &part);
    sa_range *range = range_of(kind, &part);
    if (channels == 0) channels = whole.channel_end - whole.channel_begin;
    for (int n = whole.image_begin; n < whole.image_end; n++) {
        range->image_begin = n, range->image_end = n + 1;
        for (int c = whole.channel_begin; c < whole.channel_end; c += channels) {
            range->channel_begin = c;
            range->channel_end = c + channels < whole.channel_end ? c + channels : whole.channel_end;
            add(p, kind, &ops, &part, limit_bytes);
        }
        if (kind == SA_OP_CONV_BACKWARD) part.conv_backward.accumulate = true;
    }
    sa_parity_same_bits(p, "divided by images and channels", kind, ops.args, ops.workspace_bytes, ops.count);
}

/* The weights' gradients, then dx. */
static void run_apart(sa_parity *p, const sa_op_args *args, size_t limit_bytes)
{
    several_ops ops = {.count = 0};
    sa_op_args weight = *args, data = *args;
    weight.conv_backward.dx.at = weight.conv_backward.mask.at = weight.conv_backward.dx_bias = SA_REF_NONE;
    weight.conv_backward.gather = false;
    data.conv_backward.dweight = data.conv_backward.dbias = SA_REF_NONE;
    add(p, SA_OP_CONV_BACKWARD, &ops, &weight, limit_bytes);
    add(p, SA_OP_CONV_BACKWARD, &ops, &data, limit_bytes);
    sa_parity_same_bits(p, "in two ops", SA_OP_CONV_BACKWARD, ops.args, ops.workspace_bytes, ops.count);
}

void sa_parity_conv_again(sa_parity *p, sa_op_kind kind, const sa_op_args *args)
{
    if (p->seed % 2) return; /* half of the cases are enough */
    static const size_t limits[] = {0, 50000, 400000, 2 << 20, SIZE_MAX};
    sa_op_args copy = *args;
    const sa_range *range = range_of(kind, &copy);
    const bool data = kind == SA_OP_CONV_BACKWARD && args->conv_backward.dx.at.ptr;
    const bool both = data && args->conv_backward.dweight.ptr;
    for (int i = 0; i < 2; i++) { /* the least, and another one */
        several_ops once = {.count = 0};
        add(p, kind, &once, args, limits[i == 0 ? 0 : sa_parity_int(p, 1, 4)]);
        sa_parity_same_bits(p, "another workspace", kind, once.args, once.workspace_bytes, 1);
    }
    const size_t limit = limits[sa_parity_int(p, 0, 4)];
    const int channels = range->channel_end - range->channel_begin;
    run_divided(p, kind, args, data ? 0 : (channels + 3) / 4, limit);
    if (both) run_apart(p, args, limit);
}
