/* Slabs that are parts of others, or the same memory in another shape. */
#include "kernels/slab.h"

sa_slab sa_slab_image(const sa_slab *slab, int n)
{
    sa_slab image = *slab;
    const size_t skipped = (size_t)(n - slab->image_begin) * sa_slab_image_pitch(slab);
    image.images = 1;
    image.image_begin = n;
    if (slab->image_pitch && !sa_slab_has_whole_images(slab)) { /* names the piece of the whole slab */
        image.first_bytes += skipped;
        return image;
    }
    image.at.repeat = 0;
    image.at.size_bytes = sa_slab_bytes(&image);
    image.at.offset_bytes += slab->first_bytes + skipped;
    if (image.at.ptr) image.at.ptr = (char *)image.at.ptr + slab->first_bytes + skipped;
    image.first_bytes = image.row_pitch = image.plane_pitch = image.image_pitch = 0;
    return image;
}

/* Pieces of memory: `count` of them, one every `pitch` bytes. */
typedef struct run_of_pieces {
    size_t count, pitch;
} run_of_pieces;

/* The elements of a slab as equal pieces at one pitch. False: they are not. */
static bool equal_pieces(const sa_slab *slab, size_t *bytes, run_of_pieces *pieces)
{
    const run_of_pieces axis[3] = {{(size_t)slab->height, slab->row_pitch},
                                   {(size_t)slab->channels, slab->plane_pitch},
                                   {(size_t)slab->images, slab->image_pitch}};
    *bytes = sa_encoding_row_bytes(slab->encoding, slab->width);
    *pieces = (run_of_pieces){1, 0};
    for (int i = 0; i < 3; i++) {
        if (axis[i].count == 1) continue;
        if (pieces->count == 1 && axis[i].pitch == *bytes) *bytes *= axis[i].count;
        else if (pieces->count == 1) *pieces = axis[i];
        else if (axis[i].pitch == pieces->count * pieces->pitch) pieces->count *= axis[i].count;
        else return false;
    }
    return true;
}

/* Lets a slab with pitches name exactly its own memory if that is pieces at one pitch. */
static void name_pieces(sa_slab *slab)
{
    size_t bytes;
    run_of_pieces pieces;
    if (!equal_pieces(slab, &bytes, &pieces) || pieces.count > INT32_MAX) return;
    slab->at.offset_bytes += slab->first_bytes;
    if (slab->at.ptr) slab->at.ptr = (char *)slab->at.ptr + slab->first_bytes;
    slab->first_bytes = 0;
    slab->at.size_bytes = bytes;
    slab->at.repeat = pieces.count > 1 ? (int32_t)pieces.count : 0;
    slab->at.pitch_bytes = pieces.count > 1 ? pieces.pitch : 0;
    if (pieces.count == 1) slab->row_pitch = slab->plane_pitch = slab->image_pitch = 0;
}

sa_slab sa_slab_part(const sa_slab *slab, const sa_part *part)
{
    sa_slab made = *slab;
    made.images = part->size[0];
    made.channels = part->size[1];
    made.height = part->size[2];
    made.width = part->size[3];
    made.image_begin = made.channel_begin = 0;
    made.row_pitch = sa_slab_row_pitch(slab);
    made.plane_pitch = sa_slab_plane_pitch(slab);
    made.image_pitch = sa_slab_image_pitch(slab);
    made.first_bytes += (size_t)(part->begin[0] - slab->image_begin) * made.image_pitch +
                        (size_t)(part->begin[1] - slab->channel_begin) * made.plane_pitch +
                        (size_t)part->begin[2] * made.row_pitch + sa_encoding_row_bytes(slab->encoding, part->begin[3]);
    name_pieces(&made);
    return made;
}

bool sa_slab_reshape(sa_slab *slab, const int32_t nchw[4])
{
    sa_slab made = *slab;
    const size_t row = sa_encoding_row_bytes(slab->encoding, nchw[3]);
    const bool packed = slab->encoding == SA_MASK2 || slab->encoding == SA_MASK4;
    if (slab->images == nchw[0] && slab->channels == nchw[1] && slab->height == nchw[2] && slab->width == nchw[3]) return true;
    if (packed || !sa_slab_has_whole_images(slab) || (slab->image_pitch && slab->images != nchw[0])) return false;
    if (slab->image_begin || slab->channel_begin) return false;
    made.images = nchw[0];
    made.channels = nchw[1];
    made.height = nchw[2];
    made.width = nchw[3];
    if (slab->image_pitch) {
        made.row_pitch = row;
        made.plane_pitch = row * (size_t)nchw[2];
    }
    if (sa_slab_bytes(&made) != sa_slab_bytes(slab)) return false;
    *slab = made;
    return true;
}
