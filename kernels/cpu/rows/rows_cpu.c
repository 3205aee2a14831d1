/* Bands of rows for the threads; see rows_cpu.h. */
#include "kernels/cpu/rows/rows_cpu.h"

#include "core/checked.h"

enum { BAND_ROWS = 64, BANDS_A_THREAD = 4 };

void sa_bands_start(sa_bands *bands, const sa_range *range, int height, int threads)
{
    const int images = range->image_end - range->image_begin;
    int64_t fair = (int64_t)images * height / ((int64_t)threads * BANDS_A_THREAD);
    bands->rows = fair < 1 ? 1 : fair > BAND_ROWS ? BAND_ROWS : (int)fair;
    bands->range = *range;
    bands->height = height;
    bands->an_image = (height + bands->rows - 1) / bands->rows;
    sa_work_share_start(&bands->share, images * bands->an_image, threads);
}

bool sa_bands_take(sa_bands *bands, sa_band *band)
{
    int item;
    if (!sa_work_share_take(&bands->share, &item)) return false;
    band->n = bands->range.image_begin + item / bands->an_image;
    band->y_begin = item % bands->an_image * bands->rows;
    band->y_end = sa_min_int(band->y_begin + bands->rows, bands->height);
    return true;
}
