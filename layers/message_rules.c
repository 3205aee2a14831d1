/* Conditions between fields of one parameter message. Messages state the cause alone; the caller adds file, line and layer. */
#include "layers/messages.h"

sa_status sa_pair_resolve(const sa_pair_param *pair, const char *name, const char *name_h, const char *name_w, int32_t fallback,
                          int32_t *height, int32_t *width)
{
    bool any = pair->h_given || pair->w_given, whole = pair->h_given && pair->w_given;
    if (pair->count && any) SA_FAIL(SA_INVALID, "give either '%s' or '%s' and '%s', not both", name, name_h, name_w);
    if (any && !whole)
        SA_FAIL(SA_INVALID, "'%s' needs '%s' beside it", pair->h_given ? name_h : name_w, pair->h_given ? name_w : name_h);
    if (!pair->count && !any && fallback == 0) SA_FAIL(SA_INVALID, "'%s' (or '%s' and '%s') is missing", name, name_h, name_w);
    *height = pair->count ? pair->both[0] : any ? pair->h : fallback;
    *width = pair->count ? pair->both[pair->count - 1] : any ? pair->w : fallback;
    return SA_OK;
}

sa_status sa_window_param_resolve(const sa_pair_param *kernel, const sa_pair_param *stride, const sa_pair_param *pad,
                                  sa_window_param *window)
{
    static const sa_pair_param zero = {.count = 1};
    sa_window_param w = {0};
    const sa_pair_param *given_pad = pad->count || pad->h_given || pad->w_given ? pad : &zero;
    SA_TRY(sa_pair_resolve(kernel, "kernel_size", "kernel_h", "kernel_w", 0, &w.kernel_h, &w.kernel_w));
    SA_TRY(sa_pair_resolve(stride, "stride", "stride_h", "stride_w", 1, &w.stride_h, &w.stride_w));
    SA_TRY(sa_pair_resolve(given_pad, "pad", "pad_h", "pad_w", 0, &w.pad_h, &w.pad_w));
    *window = w;
    return SA_OK;
}

void sa_conv_param_dilation(const sa_conv_param *param, int32_t *dilation_h, int32_t *dilation_w)
{
    *dilation_h = param->dilation_count ? param->dilation[0] : 1;
    *dilation_w = param->dilation_count ? param->dilation[param->dilation_count - 1] : 1;
}

/* A list of shapes serves all tops if it has one entry, else it needs one a top. */
static sa_status list_index(const char *name, int count, int top, int top_count, int *index)
{
    if (count != 1 && count != top_count) SA_FAIL(SA_INVALID, "'%s' is given %d times for %d tops", name, count, top_count);
    *index = count == 1 ? 0 : top;
    return SA_OK;
}

sa_status sa_input_param_shape(const sa_input_param *param, int top, int top_count, sa_shape_param *shape)
{
    int index = 0;
    SA_TRY(list_index("shape", param->shape_count, top, top_count, &index));
    *shape = param->shape[index];
    return SA_OK;
}

sa_status sa_dummy_data_param_shape(const sa_dummy_data_param *param, int top, int top_count, sa_shape_param *shape)
{
    bool old_style = param->num_count || param->channels_count || param->height_count || param->width_count;
    int n = 0, c = 0, h = 0, w = 0;
    if (old_style && param->shape_count)
        SA_FAIL(SA_INVALID, "give either 'shape' or 'num', 'channels', 'height', 'width', not both");
    if (param->data_filler_count) SA_TRY(list_index("data_filler", param->data_filler_count, top, top_count, &n));
    if (!old_style) {
        SA_TRY(list_index("shape", param->shape_count, top, top_count, &n));
        *shape = param->shape[n];
        return SA_OK;
    }
    SA_TRY(list_index("num", param->num_count, top, top_count, &n));
    SA_TRY(list_index("channels", param->channels_count, top, top_count, &c));
    SA_TRY(list_index("height", param->height_count, top, top_count, &h));
    SA_TRY(list_index("width", param->width_count, top, top_count, &w));
    *shape = (sa_shape_param){.dim = {param->num[n], param->channels[c], param->height[h], param->width[w]}, .count = 4};
    return SA_OK;
}

/* The scale of each axis: `scale`, or scale_h with scale_w. */
static sa_status upsample_scale(const sa_upsample_param *param, int32_t *scale_h, int32_t *scale_w)
{
    bool any = param->scale_h_given || param->scale_w_given;
    if (any && param->scale_given) SA_FAIL(SA_INVALID, "give either 'scale' or 'scale_h' and 'scale_w', not both");
    if (any && !(param->scale_h_given && param->scale_w_given)) SA_FAIL(SA_INVALID, "'scale_h' and 'scale_w' need each other");
    *scale_h = any ? param->scale_h : param->scale;
    *scale_w = any ? param->scale_w : param->scale;
    if (*scale_h < 2 || *scale_w < 2) SA_FAIL(SA_INVALID, "scale %d x %d; both must be at least 2", (int)*scale_h, (int)*scale_w);
    if (param->pad_out_h && *scale_h != 2) SA_FAIL(SA_INVALID, "'pad_out_h' needs scale 2, not %d", (int)*scale_h);
    if (param->pad_out_w && *scale_w != 2) SA_FAIL(SA_INVALID, "'pad_out_w' needs scale 2, not %d", (int)*scale_w);
    return SA_OK;
}

sa_status sa_upsample_param_size(const sa_upsample_param *param, int32_t height, int32_t width, int32_t *out_height,
                                 int32_t *out_width)
{
    int32_t scale_h = 0, scale_w = 0;
    if (param->upsample_h_given && param->upsample_w_given) {
        *out_height = param->upsample_h;
        *out_width = param->upsample_w;
        return SA_OK;
    }
    SA_TRY(upsample_scale(param, &scale_h, &scale_w));
    int64_t tall = (int64_t)height * scale_h - param->pad_out_h, wide = (int64_t)width * scale_w - param->pad_out_w;
    if (tall > INT32_MAX || wide > INT32_MAX)
        SA_FAIL(SA_INVALID, "%d x %d scaled by %d x %d is too large", (int)height, (int)width, (int)scale_h, (int)scale_w);
    *out_height = (int32_t)tall;
    *out_width = (int32_t)wide;
    return SA_OK;
}
