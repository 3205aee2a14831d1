/* uint8-input: images are uploaded as bytes and read as bytes. Whole numbers 0..255 are the same numbers as float32, so nothing
 * is rounded; the upload refuses all others (images with a mean taken off or scaled). Labels are left alone: there may be more than
 * 256, or negative ones. */
#include "net/passes/passes.h"

/* Is the blob, or a Split's copy of it, read by a loss or an accuracy, or is it a mask or the like? */
static bool is_label(const sa_net *net, int blob)
{
    const sa_layer *reader = sa_blob_reader(net, blob);
    if (!reader) return false;
    if (reader->type->cuts_bottom && net->blob[blob].consumer_bottom > 0) return false; /* only its size is read */
    if (!reader->type->shares_bottom && !reader->type->cuts_bottom)
        return reader->type->is_loss || reader->type->is_metric || net->blob[blob].consumer_bottom == 1;
    for (int i = 0; i < reader->top_count; i++)
        if (is_label(net, reader->top[i])) return true;
    return false;
}

void sa_pass_uint8_input(const sa_strategy *strategy, const sa_net *net, sa_realizations *r)
{
    (void)strategy;
    for (int b = 0; b < net->blob_count; b++) {
        const sa_layer *reader = sa_blob_reader(net, b);
        if (!sa_blob_maker(net, b)->type->is_input || net->blob[b].shape.axes != 4 || !reader || is_label(net, b)) continue;
        bool overwritten = reader->top_count > 0 && r->blob[reader->top[0]].data == SA_DATA_ALIASED;
        if (!overwritten) r->blob[b].encoding = SA_U8;
    }
}
