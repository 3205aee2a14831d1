/* What all data sources share. */
#include "data/data_source.h"

#include "core/checked.h"

sa_status sa_data_shape_check(const char *what, const sa_data_shape *shape)
{
    const int32_t sizes[6] = {shape->images, shape->channels, shape->height, shape->width, shape->label_height, shape->label_width};
    for (int i = 0; i < 6; i++) {
        if (sizes[i] <= 0)
            SA_FAIL(SA_INVALID, "%s: data (%d, %d, %d, %d), label (%d, 1, %d, %d): a size is not positive", what, sizes[0],
                    sizes[1], sizes[2], sizes[3], sizes[0], sizes[4], sizes[5]);
    }
    size_t data_bytes = sizeof(float), label_bytes = sizeof(float) * (size_t)shape->images;
    bool fits = sa_size_mul(label_bytes, (size_t)shape->label_height, &label_bytes) &&
                sa_size_mul(label_bytes, (size_t)shape->label_width, &label_bytes);
    for (int i = 0; i < 4; i++) fits = fits && sa_size_mul(data_bytes, (size_t)sizes[i], &data_bytes);
    if (!fits) SA_FAIL(SA_INVALID, "%s: data (%d, %d, %d, %d): the size overflows", what, sizes[0], sizes[1], sizes[2], sizes[3]);
    return SA_OK;
}

void sa_data_source_skip(sa_data_source *source, uint64_t batches)
{
    sa_data_position *at = &source->position;
    const uint64_t images = batches * (uint64_t)source->shape.images;
    if (source->functions->skip) source->functions->skip(source, images);
    at->index += images;
    if (source->entry_count == 0) return;
    at->epoch += at->index / source->entry_count;
    at->index %= source->entry_count;
}
