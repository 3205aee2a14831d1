/* The emitter's answers about values: where a blob's data, gradient or mask is, and where it goes. */
#include "program/emitter.h"

#include "core/growing_array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sa_emit_caffe_layout(const sa_emitter *e)
{
    return e->realizations->caffe_layout;
}

const sa_layer *sa_emit_layers(const sa_emitter *e)
{
    return e->net->layer;
}

const sa_blob *sa_emit_blobs(const sa_emitter *e)
{
    return e->net->blob;
}

const sa_blob *sa_emit_blob(const sa_emitter *e, int blob)
{
    return &e->net->blob[blob];
}

bool sa_emit_is_again(const sa_emitter *e)
{
    return e->again;
}

bool sa_emit_mask_is_due(const sa_emitter *e, const sa_layer *pooling)
{
    return e->realizations->layer[pooling - e->net->layer].mask_again == e->again;
}

/* Is the blob made by a layer of the running band? Its channels are then those of the band's convolution. */
bool sa_emitter_in_band(const sa_emitter *e, int blob)
{
    int producer = e->net->blob[blob].producer;
    return e->band_end > 0 && producer >= e->band_first_layer && producer <= e->band_last_layer;
}

sa_range sa_emit_range(const sa_emitter *e, int blob)
{
    int32_t d[4];
    sa_shape_nchw(&e->net->blob[blob].shape, d);
    sa_range range = {0, d[0], 0, d[1]};
    if (sa_emitter_in_band(e, blob)) {
        range.channel_begin = e->band_begin;
        range.channel_end = e->band_end;
    }
    return range;
}

static bool is_present(const sa_emitter *e, const sa_value_slot *slot, int blob)
{
    if (!slot->present) return false;
    sa_range range = sa_emit_range(e, blob);
    return slot->slab.channel_begin <= range.channel_begin && slot->slab.channel_begin + slot->slab.channels >= range.channel_end;
}

static sa_slab blob_slab(const sa_blob *blob, sa_encoding encoding, int buffer, int32_t value)
{
    sa_slab slab = sa_slab_full((sa_ref){.buffer = buffer, .value = value}, &blob->shape);
    slab.encoding = encoding;
    return slab;
}

/* WIDE: data as float32, that will be narrowed */
typedef enum slab_role { ROLE_DATA, ROLE_WIDE, ROLE_GRAD } slab_role;

/* Is only the running band's part of the value in memory? */
static bool is_part(const sa_emitter *e, int blob, slab_role role)
{
    return sa_emitter_in_band(e, blob) && (role == ROLE_WIDE || e->net->blob[blob].producer != e->band_last_layer);
}

/* "conv1" for the first version of a name, "conv1.conv1_bn" for one that a layer makes in place, "conv1[16:32]" for a band of it */
static void value_name(const sa_emitter *e, int blob, slab_role role, char *text)
{
    static const char *const SUFFIX[] = {[ROLE_DATA] = "", [ROLE_WIDE] = ".wide", [ROLE_GRAD] = ".grad"};
    const sa_blob *b = &e->net->blob[blob];
    const char *suffix = SUFFIX[role];
    char band[32] = "";
    if (is_part(e, blob, role)) snprintf(band, sizeof band, "[%d:%d]", e->band_begin, e->band_end);
    if (b->previous < 0) snprintf(text, SA_BUFFER_NAME_MAX, "%.40s%.30s%.8s%s", b->name, band, suffix, e->again ? ".again" : "");
    else snprintf(text, SA_BUFFER_NAME_MAX, "%.24s.%.24s%.30s%.8s", b->name, e->net->layer[b->producer].name, band, suffix);
}

static sa_buffer_kind data_kind(const sa_net *net, const sa_blob *blob)
{
    if (net->layer[blob->producer].type->is_input) return SA_BUFFER_INPUT;
    return sa_shape_elements(&blob->shape) * 4 <= 4096 && !blob->needs_grad ? SA_BUFFER_SCALAR : SA_BUFFER_ACTIVATION;
}

/* A new buffer for a blob's data or gradient, for the running band only if the value itself never exists as a whole. */
static sa_status new_slab(sa_emitter *e, int blob, slab_role role, sa_slab *slab)
{
    bool grad = role == ROLE_GRAD;
    const sa_blob *b = &e->net->blob[blob];
    const sa_blob_choice *choice = &e->realizations->blob[blob];
    char name[SA_BUFFER_NAME_MAX];
    int buffer;
    *slab = blob_slab(b, role == ROLE_DATA ? choice->encoding : SA_F32, SA_NO_BUFFER,
                      grad ? sa_value_of_grad(blob) : sa_value_of_data(blob));
    if (is_part(e, blob, role)) {
        slab->channel_begin = e->band_begin;
        slab->channels = e->band_end - e->band_begin;
    }
    value_name(e, blob, role, name);
    size_t head = role == ROLE_DATA ? choice->head_bytes : 0;
    SA_TRY(sa_emitter_buffer(e, grad ? SA_BUFFER_ACTIVATION_GRAD : data_kind(e->net, b), sa_slab_bytes(slab) + head,
                             sa_caffe_blob_category(&e->net->layer[b->producer], b, grad), &buffer, "%s", name));
    slab->at.buffer = buffer;
    if (head) {
        slab->at.offset_bytes = head;
        slab->at.size_bytes = sa_slab_bytes(slab);
    }
    return SA_OK;
}

/* ------------------------------------------------------------------ sharing a place --------------------------------- */

static void store(sa_emitter *e, int blob, bool grad)
{
    if (grad) sa_realizations_store_grad(e->net, e->realizations, blob);
    else sa_realizations_store_data(e->net, e->realizations, blob);
    e->must_repeat = true;
}

static sa_status make_data_slab(sa_emitter *e, int blob);
static sa_status make_grad_slab(sa_emitter *e, int blob);

/* Part i of the value in slot `whole`, which layer `layer` joins or cuts, as slab of blob `blob`. The whole may have no buffer yet:
 * it then gets one. */
static sa_status take_part(sa_emitter *e, const sa_layer *layer, int whole_blob, int i, slab_role role, int blob,
                           sa_value_slot *slot)
{
    sa_value_slot *whole = role == ROLE_GRAD ? &e->grad[whole_blob] : &e->data[whole_blob];
    sa_part part;
    int32_t view[4], nchw[4];
    if (!whole->present && !whole->reserved) {
        SA_TRY(role == ROLE_GRAD ? make_grad_slab(e, whole_blob) : make_data_slab(e, whole_blob));
        whole->allocated = whole->reserved = true;
    }
    layer->type->part(layer, e->net->blob, i, &part, view);
    sa_shape_nchw(&e->net->blob[blob].shape, nchw);
    slot->slab = whole->slab;
    bool fits = sa_slab_reshape(&slot->slab, view);
    if (fits) slot->slab = sa_slab_part(&slot->slab, &part);
    if (!fits || !sa_slab_reshape(&slot->slab, nchw))
        SA_FAIL(SA_INVALID, "strategy: '%s' cannot be a part of '%s'", e->net->blob[blob].name, e->net->blob[whole_blob].name);
    slot->slab.at.value = role == ROLE_GRAD ? sa_value_of_grad(blob) : sa_value_of_data(blob);
    return SA_OK;
}

/* Where a blob's data goes that overwrites no other value. */
static sa_status make_data_slab(sa_emitter *e, int blob)
{
    const sa_blob_choice *choice = &e->realizations->blob[blob];
    if (choice->data != SA_DATA_PLACED) return new_slab(e, blob, ROLE_DATA, &e->data[blob].slab);
    const sa_layer *joint = &e->net->layer[choice->joint];
    return take_part(e, joint, joint->top[0], choice->joint_bottom, ROLE_DATA, blob, &e->data[blob]);
}

static sa_status make_grad_slab(sa_emitter *e, int blob)
{
    const sa_blob *b = &e->net->blob[blob];
    if (e->realizations->blob[blob].grad != SA_GRAD_PLACED) return new_slab(e, blob, ROLE_GRAD, &e->grad[blob].slab);
    const sa_layer *cut = &e->net->layer[b->producer];
    return take_part(e, cut, cut->bottom[0], b->producer_top, ROLE_GRAD, blob, &e->grad[blob]);
}

bool sa_emit_bottom_is_placed(const sa_emitter *e, const sa_layer *layer, int i)
{
    int blob = sa_realizations_base(e->net, e->realizations, layer->bottom[i]);
    const sa_blob_choice *choice = &e->realizations->blob[blob];
    return choice->data == SA_DATA_PLACED && choice->joint == layer - e->net->layer && choice->joint_bottom == i;
}

bool sa_emit_top_grad_is_placed(const sa_emitter *e, const sa_layer *layer, int i)
{
    return e->realizations->blob[layer->top[i]].grad == SA_GRAD_PLACED;
}

/* The place of a value for one of a blob that may have other axes. Of a running band's part nothing but the part is there. */
static bool same_place(const sa_emitter *e, const sa_value_slot *victim, int victim_blob, int blob, sa_slab *slab)
{
    int32_t was[4], is[4];
    sa_shape_nchw(&e->net->blob[victim_blob].shape, was);
    sa_shape_nchw(&e->net->blob[blob].shape, is);
    *slab = victim->slab;
    return !memcmp(was, is, sizeof is) || sa_slab_reshape(slab, is);
}

/* Is the blob's data in a part of what `whole` joins, or of what that is a part of? */
static bool is_inside(const sa_emitter *e, int blob, int whole)
{
    for (;;) {
        const sa_blob_choice *choice = &e->realizations->blob[sa_realizations_base(e->net, e->realizations, blob)];
        if (choice->data != SA_DATA_PLACED) return false;
        blob = e->net->layer[choice->joint].top[0];
        if (blob == whole) return true;
    }
}

/* A value that was joined is overwritten: its parts are as well. */
static void lose_parts(sa_emitter *e, int whole, int32_t taken_by)
{
    if (!e->net->layer[e->net->blob[whole].producer].type->joins_bottoms) return;
    for (int b = 0; b < whole; b++) {
        if (!e->data[b].present || !is_inside(e, b, whole)) continue;
        e->data[b].present = false;
        e->data[b].taken_by = taken_by;
    }
}

/* The data or gradient of a blob goes where the value of another slot is; if nothing is there, it gets a buffer. */
static sa_status take_place(sa_emitter *e, sa_value_slot *victim, int victim_blob, int blob, slab_role role, sa_value_slot *slot)
{
    bool grad = role == ROLE_GRAD;
    if (!victim->allocated || !same_place(e, victim, victim_blob, blob, &slot->slab)) {
        store(e, blob, grad);
        return new_slab(e, blob, role, &slot->slab);
    }
    slot->slab.at.value = grad ? sa_value_of_grad(blob) : sa_value_of_data(blob);
    victim->present = false;
    victim->taken_by = slot->slab.at.value;
    if (victim == &e->data[victim_blob]) lose_parts(e, victim_blob, victim->taken_by);
    return SA_OK;
}

/* A value is read that another one was put in the place of: that one has to go elsewhere. */
static void spare(sa_emitter *e, const sa_value_slot *slot)
{
    store(e, (slot->taken_by - 1) / 2, slot->taken_by % 2 == 0);
}

/* ------------------------------------------------------------------ data ------------------------------------------- */

bool sa_emit_data_is_stored(const sa_emitter *e, int blob)
{
    return e->realizations->blob[blob].data != SA_DATA_VIRTUAL;
}

bool sa_emit_data_is_present(const sa_emitter *e, int blob)
{
    return is_present(e, &e->data[blob], blob);
}

static sa_status recompute_layer(sa_emitter *e, void *context)
{
    const sa_layer *layer = &e->net->layer[*(const int *)context];
    return sa_emitter_forward(e, layer);
}

/* Lets the producer run once more; its statistics are there already, and its mask unless that comes now. */
static sa_status run_again(sa_emitter *e, int blob)
{
    const sa_layer *producer = &e->net->layer[e->net->blob[blob].producer];
    int index = (int)(producer - e->net->layer), first = sa_emitter_band_start(e, index);
    bool outer = e->again;
    int outer_blob = e->remakes;
    sa_status status;
    e->again = true;
    e->remakes = blob;
    if (first >= 0 && e->band_end == 0) status = sa_emitter_each_band(e, first, recompute_layer, &index);
    else status = sa_emitter_forward(e, producer);
    e->again = outer;
    e->remakes = outer_blob;
    if (status != SA_OK || e->realizations->blob[blob].again != SA_AGAIN_EACH) return status;
    int *grown = sa_array_room(e->each, e->each_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for the values that are computed again");
    e->each = grown;
    e->each[e->each_count++] = blob;
    return SA_OK;
}

/* A dropped value that is not there, and that the blob is computed from through expressions alone; -1: none. */
static int dropped_behind(const sa_emitter *e, int blob)
{
    const sa_layer *producer = &e->net->layer[e->net->blob[blob].producer];
    const bool reads_first_alone = producer->type->cuts_bottom || producer->type->shares_bottom; /* of others the size at most */
    const int bottoms = reads_first_alone ? producer->bottom_count > 0 : producer->bottom_count;
    for (int i = 0; i < bottoms; i++) {
        const int bottom = producer->bottom[i];
        int found = -1;
        if (!sa_emit_data_is_stored(e, bottom)) found = dropped_behind(e, bottom);
        else if (e->realizations->blob[bottom].again && !sa_emit_data_is_present(e, bottom)) found = bottom;
        if (found >= 0) return found;
    }
    return -1;
}

/* A dropped value may be made of dropped values: these come first. A list, since a chain of them may be as long as the net. */
static sa_status recompute(sa_emitter *e, int blob)
{
    int below = dropped_behind(e, blob), count = 0;
    if (below < 0) return run_again(e, blob);
    int *chain = malloc((size_t)e->net->blob_count * sizeof *chain);
    if (!chain) SA_FAIL(SA_NOMEM, "no memory for the values that are computed again");
    sa_status status = SA_OK;
    chain[count++] = blob;
    while (count > 0 && status == SA_OK) {
        below = dropped_behind(e, chain[count - 1]);
        if (below >= 0) chain[count++] = below;
        else status = run_again(e, chain[--count]);
    }
    free(chain);
    return status;
}

sa_status sa_emit_data(sa_emitter *e, int blob, sa_source *source)
{
    const sa_blob *b = &e->net->blob[blob];
    const sa_layer *producer = &e->net->layer[b->producer];
    if (!sa_emit_data_is_stored(e, blob)) return producer->type->top_source(e, producer, b->producer_top, source);
    if (!sa_emit_data_is_present(e, blob)) {
        bool may = e->phase != SA_STEP_FORWARD && (e->realizations->blob[blob].again || sa_emitter_in_band(e, blob));
        if (may) SA_TRY(recompute(e, blob));
        else if (e->data[blob].taken_by) spare(e, &e->data[blob]);
        else SA_FAIL(SA_INVALID, "strategy: '%s' of layer '%s' is read before it is made", b->name, producer->name);
    }
    sa_source_dense(source, &e->data[blob].slab, &b->shape);
    return SA_OK;
}

sa_status sa_emit_data_out(sa_emitter *e, int blob, sa_slab *slab)
{
    const sa_blob *b = &e->net->blob[blob];
    sa_value_slot *slot = &e->data[blob];
    const int below = e->net->layer[b->producer].bottom[e->realizations->blob[blob].over_bottom];
    if (e->realizations->blob[blob].data == SA_DATA_ALIASED) SA_TRY(take_place(e, &e->data[below], below, blob, ROLE_DATA, slot));
    else if (!is_present(e, slot, blob) && !slot->reserved) SA_TRY(make_data_slab(e, blob));
    slot->present = slot->allocated = true;
    slot->reserved = false;
    slot->taken_by = 0;
    *slab = slot->slab;
    if (slot->slab.encoding != SA_BF16) return SA_OK;
    SA_TRY(new_slab(e, blob, ROLE_WIDE, &e->wide));
    e->wide_blob = blob;
    *slab = e->wide;
    return SA_OK;
}

sa_status sa_emitter_forward(sa_emitter *e, const sa_layer *layer)
{
    sa_source wide;
    int blob;
    SA_TRY(layer->type->emit_forward(e, layer));
    if (e->wide_blob < 0) return SA_OK;
    blob = e->wide_blob;
    e->wide_blob = -1;
    sa_source_dense(&wide, &e->wide, &e->net->blob[blob].shape);
    return sa_emit_materialize(e, layer, "narrow", &wide, blob, e->data[blob].slab);
}

/* ------------------------------------------------------------------ masks ------------------------------------------ */

sa_status sa_emit_mask(sa_emitter *e, const sa_layer *pooling, sa_slab *mask)
{
    const sa_value_slot *slot = &e->mask[pooling - e->net->layer];
    if (!slot->present) SA_FAIL(SA_INVALID, "strategy: the mask of '%s' is read before it is made", pooling->name);
    *mask = slot->slab;
    return SA_OK;
}

sa_status sa_emit_mask_out(sa_emitter *e, const sa_layer *pooling, sa_slab *mask)
{
    int index = (int)(pooling - e->net->layer);
    sa_value_slot *slot = &e->mask[index];
    if (!slot->present) {
        sa_encoding encoding = e->realizations->layer[index].mask_encoding;
        bool has_top = pooling->top_count == 2;
        int buffer;
        slot->slab = blob_slab(&e->net->blob[pooling->top[0]], encoding, SA_NO_BUFFER, 0);
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_MASK, sa_slab_bytes(&slot->slab), has_top ? SA_CAFFE_MASKS : SA_CAFFE_OTHER, &buffer,
                                 "%s%s", has_top ? e->net->blob[pooling->top[1]].name : pooling->name, has_top ? "" : ".mask"));
        slot->slab.at = (sa_ref){.buffer = buffer, .value = has_top ? sa_value_of_data(pooling->top[1]) : 0};
        slot->present = slot->allocated = true;
        slot->taken_by = 0;
        if (has_top) e->data[pooling->top[1]] = *slot; /* readers by index find it as data */
    }
    *mask = slot->slab;
    return SA_OK;
}

/* ------------------------------------------------------------------ gradients -------------------------------------- */

bool sa_emit_grad_is_wanted(const sa_emitter *e, int blob)
{
    return e->net->blob[blob].needs_grad && e->realizations->blob[blob].grad != SA_GRAD_VIRTUAL &&
           !is_present(e, &e->grad[blob], blob);
}

sa_status sa_emit_grad(sa_emitter *e, int blob, sa_source *source)
{
    const sa_blob *b = &e->net->blob[blob];
    if (is_present(e, &e->grad[blob], blob)) {
        sa_source_dense(source, &e->grad[blob].slab, &b->shape);
        return SA_OK;
    }
    if (e->grad[blob].taken_by) {
        spare(e, &e->grad[blob]);
        sa_source_dense(source, &e->grad[blob].slab, &b->shape);
        return SA_OK;
    }
    if (b->consumer < 0 || e->realizations->blob[blob].grad != SA_GRAD_VIRTUAL)
        SA_FAIL(SA_INVALID, "strategy: the gradient of '%s' is read before it is made", b->name);
    const sa_layer *reader = &e->net->layer[b->consumer];
    return reader->type->bottom_grad_source(e, reader, b->consumer_bottom, source);
}

/* The gradient of an Upsample's bottom, at the very start of the buffer that holds the dy of the convolution above behind some
 * room. */
static sa_status grad_in_tail(sa_emitter *e, int blob, sa_value_slot *slot)
{
    const sa_layer *upsample = &e->net->layer[e->net->blob[blob].consumer];
    const sa_layer *convolution = &e->net->layer[e->net->blob[upsample->top[0]].consumer];
    const sa_value_slot *dy = &e->grad[convolution->top[0]];
    if (!dy->allocated)
        SA_FAIL(SA_INVALID, "strategy: the gradient of '%s' is to follow a value that is not stored", e->net->blob[blob].name);
    slot->slab = blob_slab(&e->net->blob[blob], SA_F32, dy->slab.at.buffer, sa_value_of_grad(blob));
    slot->slab.at.size_bytes = sa_slab_bytes(&slot->slab);
    return SA_OK;
}

sa_status sa_emit_grad_out(sa_emitter *e, int blob, sa_slab *slab)
{
    const sa_blob *b = &e->net->blob[blob];
    sa_value_slot *slot = &e->grad[blob];
    sa_grad_realization choice = e->realizations->blob[blob].grad;
    if (choice == SA_GRAD_IN_TAIL) {
        SA_TRY(grad_in_tail(e, blob, slot));
        slot->present = slot->allocated = true;
        slot->taken_by = 0;
        *slab = slot->slab;
        return SA_OK;
    }
    if (choice == SA_GRAD_IN_TOP || choice == SA_GRAD_IN_DATA) {
        const bool over_data = choice == SA_GRAD_IN_DATA;
        const int victim = over_data ? sa_blob_behind_splits(e->net->layer, e->net->blob, blob) /* has the data of a Split's top */
                                     : e->net->layer[b->consumer].top[e->realizations->blob[blob].over_top];
        SA_TRY(take_place(e, over_data ? &e->data[victim] : &e->grad[victim], victim, blob, ROLE_GRAD, slot));
    } else if (!is_present(e, slot, blob) && !slot->reserved) {
        SA_TRY(make_grad_slab(e, blob));
    }
    slot->present = slot->allocated = true;
    slot->reserved = false;
    slot->taken_by = 0;
    *slab = slot->slab;
    return SA_OK;
}

sa_status sa_emit_grad_dense(sa_emitter *e, int blob, sa_slab *slab)
{
    sa_source source;
    SA_TRY(sa_emit_grad(e, blob, &source));
    if (sa_source_is_dense_f32(&source)) {
        *slab = source.node[0].slab;
        return SA_OK;
    }
    const sa_blob *b = &e->net->blob[blob];
    SA_TRY(new_slab(e, blob, ROLE_GRAD, &e->grad[blob].slab));
    e->grad[blob].present = e->grad[blob].allocated = true;
    *slab = e->grad[blob].slab;
    return sa_emit_materialize(e, &e->net->layer[b->consumer], "gradient", &source, blob, *slab);
}

sa_status sa_emit_grad_sink(sa_emitter *e, int blob, sa_grad_sink *sink)
{
    memset(sink, 0, sizeof *sink);
    sink->mask.at = SA_REF_NONE;
    sink->gather = e->realizations->blob[blob].grad == SA_GRAD_GATHERED;
    if (!sink->gather) return sa_emit_grad_out(e, blob, &sink->slab);
    const sa_layer *upsample = &e->net->layer[e->net->blob[blob].producer];
    const sa_layer *pooling = sa_layer_mask_maker(upsample, e->net->layer, e->net->blob);
    sink->window = pooling->window;
    SA_TRY(sa_emit_mask(e, pooling, &sink->mask));
    return sa_emit_grad_out(e, upsample->bottom[0], &sink->slab);
}
