/* Input images of nets: see net_image.h. */
#include "data/net_image.h"

#include "data/image_file.h"

#include <string.h>

/* Channels that the index-th file of an image gives to a net that wants so many in all. */
static int32_t channels_of(const sa_image_info *info, size_t index, int32_t wanted)
{
    if (wanted == 1) return 1;
    if (wanted == 3 && index == 0) return 3;
    if (wanted == 4 && index == 0 && info->colours == 3 && info->alpha && !info->palette) return 4;
    return info->colours;
}

sa_status sa_net_image_look(const char *const *path, size_t count, int32_t channels, size_t *used, int32_t *height, int32_t *width)
{
    int32_t given = 0;
    size_t n = 0;
    sa_image_info first = {0};
    for (; n < count && given < channels; n++) {
        sa_image_info info;
        SA_TRY(sa_image_read_info(path[n], &info));
        if (n == 0) first = info;
        if (info.height != first.height || info.width != first.width)
            SA_FAIL(SA_INVALID, "'%s' is %dx%d, but '%s' of the same image is %dx%d", path[n], info.height, info.width, path[0],
                    first.height, first.width);
        given += channels_of(&info, n, channels);
    }
    if (given != channels) SA_FAIL(SA_INVALID, "'%s' gives %d channels, the net wants %d", path[0], given, channels);
    *used = n;
    *height = first.height;
    *width = first.width;
    return SA_OK;
}

static sa_status read_one(const char *path, size_t index, const sa_net_image_form *form, sa_picture *picture, int32_t *channels)
{
    sa_image_info info;
    SA_TRY(sa_image_read_info(path, &info));
    *channels = channels_of(&info, index, form->channels);
    sa_image_want want = *channels == 4 ? SA_IMAGE_ALPHA : info.colours == 1 && *channels == 1 ? SA_IMAGE_DEEP : SA_IMAGE_PLAIN;
    return sa_image_read(path, want, picture);
}

/* A copy of the first file's pixels, before it is resized for the net. */
static sa_status copy(const sa_picture *from, sa_picture *to)
{
    SA_TRY(sa_picture_alloc(from->channels, from->height, from->width, to));
    memcpy(to->pixels, from->pixels, (size_t)from->channels * (size_t)from->height * (size_t)from->width * sizeof *to->pixels);
    return SA_OK;
}

static sa_status add_planes(sa_picture *picture, int32_t channels, const sa_net_image_form *form, int32_t begin, float **at)
{
    if (channels == 1) sa_picture_to_grey(picture);
    if (form->height > 0) SA_TRY(sa_picture_resize_bilinear(picture, form->height, form->width));
    sa_picture_window all = {0, 0, picture->height, picture->width, false};
    sa_picture_to_planes(picture, all, channels, form->mean + begin, form->scale, *at);
    *at += (size_t)channels * (size_t)picture->height * (size_t)picture->width;
    return SA_OK;
}

sa_status sa_net_image_read(const char *const *path, size_t used, const sa_net_image_form *form, float *data, sa_picture *first)
{
    sa_picture kept = {0};
    sa_status status = SA_OK;
    int32_t begin = 0;
    for (size_t n = 0; n < used && status == SA_OK; n++) {
        sa_picture picture = {0};
        int32_t channels = 0;
        status = read_one(path[n], n, form, &picture, &channels);
        if (status == SA_OK && n == 0) status = copy(&picture, &kept);
        if (status == SA_OK) status = add_planes(&picture, channels, form, begin, &data);
        sa_picture_free(&picture);
        begin += channels;
    }
    if (status == SA_OK) *first = kept;
    else sa_picture_free(&kept);
    return status;
}
