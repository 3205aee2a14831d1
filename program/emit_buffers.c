/* The emitter's buffers that are not values of blobs: parameters, saved values, workspaces. */
#include "program/emitter.h"

#include "core/checked.h"
#include "core/growing_array.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The second buffer of a name gets "#2" behind it and so on: a name is an id in placement files. */
static void make_unique(const sa_name_map *taken, char *name)
{
    char base[SA_BUFFER_NAME_MAX];
    if (sa_name_map_get(taken, name) < 0) return;
    snprintf(base, sizeof base, "%s", name);
    for (unsigned n = 2; sa_name_map_get(taken, name) >= 0; n++) snprintf(name, SA_BUFFER_NAME_MAX, "%.80s#%u", base, n);
}

sa_status sa_emitter_buffer(sa_emitter *e, sa_buffer_kind kind, size_t bytes, const char *category, int *buffer, const char *format,
                            ...)
{
    sa_program *p = e->program;
    sa_buffer *grown = sa_array_room(p->buffer, p->buffer_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu buffers", p->buffer_count + 1);
    p->buffer = grown;
    sa_buffer *b = &p->buffer[p->buffer_count];
    memset(b, 0, sizeof *b);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(b->name, sizeof b->name, format, arguments);
    va_end(arguments);
    make_unique(&e->names, b->name);
    SA_TRY(sa_name_map_set(&e->names, b->name, (int)p->buffer_count));
    b->kind = kind;
    b->size_bytes = bytes;
    b->alignment_bytes = SA_BUFFER_ALIGNMENT;
    b->category = category;
    *buffer = (int)p->buffer_count++;
    return SA_OK;
}

/* Parameters get their buffers before the first op (sa_program_create), so these cannot fail. */
sa_ref sa_emit_param(sa_emitter *e, const sa_layer *layer, int param)
{
    return (sa_ref){.buffer = e->program->param[layer - e->net->layer][param].param};
}

sa_ref sa_emit_param_grad(sa_emitter *e, const sa_layer *layer, int param)
{
    return (sa_ref){.buffer = e->program->param[layer - e->net->layer][param].grad};
}

sa_ref sa_emit_step_state(sa_emitter *e)
{
    return (sa_ref){.buffer = e->program->step_state_buffer};
}

static const sa_saved *find_saved(const sa_emitter *e, const sa_layer *layer, const char *suffix)
{
    int i = e->first_saved[layer - e->net->layer];
    while (i >= 0 && strcmp(e->saved[i].suffix, suffix) != 0) i = e->saved[i].next;
    return i >= 0 ? &e->saved[i] : NULL;
}

bool sa_emit_has_saved(const sa_emitter *e, const sa_layer *layer, const char *suffix)
{
    return find_saved(e, layer, suffix) != NULL;
}

/* Caffe's row for a private buffer; NULL if Caffe has no such buffer. */
static const char *caffe_category(const sa_emitter *e, const sa_layer *layer, const char *suffix)
{
    sa_caffe_buffer list[SA_CAFFE_BUFFERS_MAX];
    int count = layer->type->caffe_buffers ? layer->type->caffe_buffers(layer, e->net->blob, list) : 0;
    for (int i = 0; i < count; i++)
        if (!strcmp(list[i].suffix, suffix)) return list[i].category;
    return NULL;
}

sa_status sa_emit_saved(sa_emitter *e, const sa_layer *layer, const char *suffix, sa_emit_saved_kind kind, size_t bytes,
                        sa_ref *ref)
{
    const sa_saved *found = find_saved(e, layer, suffix);
    if (found) {
        sa_buffer *buffer = &e->program->buffer[found->buffer];
        if (buffer->size_bytes < bytes) buffer->size_bytes = bytes;
        *ref = (sa_ref){.buffer = found->buffer};
        return SA_OK;
    }
    sa_saved *grown = sa_array_room(e->saved, e->saved_count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for %zu saved values", e->saved_count + 1);
    e->saved = grown;
    sa_saved *saved = &e->saved[e->saved_count];
    bool column = !strcmp(suffix, "column") || !strcmp(suffix, "workspace");
    SA_TRY(sa_emitter_buffer(e,
                             kind == SA_EMIT_SCALAR ? SA_BUFFER_SCALAR
                             : column               ? SA_BUFFER_WORKSPACE
                                                    : SA_BUFFER_SAVED,
                             bytes, caffe_category(e, layer, suffix), &saved->buffer, "%.50s.%s", layer->name, suffix));
    saved->next = e->first_saved[layer - e->net->layer];
    e->first_saved[layer - e->net->layer] = (int)e->saved_count;
    snprintf(saved->suffix, sizeof saved->suffix, "%s", suffix);
    e->saved_count++;
    *ref = (sa_ref){.buffer = saved->buffer};
    return SA_OK;
}

/* ------------------------------------------------------------------ workspaces ------------------------------------- */

static sa_status workspace(sa_emitter *e, const sa_layer *layer, const char *own_suffix, size_t bytes, sa_ref *ref)
{
    int buffer;
    *ref = SA_REF_NONE;
    if (bytes == 0) return SA_OK;
    if (e->realizations->lifetimes) { /* lives for one op: the planner shares the bytes */
        SA_TRY(sa_emitter_buffer(e, SA_BUFFER_WORKSPACE, bytes, NULL, &buffer, "%.50s.workspace", layer->name));
    } else if (e->realizations->shared_workspace) {
        if (e->shared_workspace < 0)
            SA_TRY(sa_emitter_buffer(e, SA_BUFFER_WORKSPACE, bytes, SA_CAFFE_COLUMNS, &e->shared_workspace, "workspace"));
        buffer = e->shared_workspace;
        if (e->program->buffer[buffer].size_bytes < bytes) e->program->buffer[buffer].size_bytes = bytes;
    } else {
        return sa_emit_saved(e, layer, own_suffix, SA_EMIT_SAVED, bytes, ref);
    }
    *ref = (sa_ref){.buffer = buffer};
    return SA_OK;
}

sa_status sa_emit_workspace(sa_emitter *e, const sa_layer *layer, size_t bytes, sa_ref *ref)
{
    return workspace(e, layer, "workspace", bytes, ref);
}

sa_status sa_emit_conv_workspace(sa_emitter *e, const sa_layer *layer, sa_conv_request *request, sa_ref *ref, size_t *bytes)
{
    const sa_layer_choice *choice = &e->realizations->layer[layer - e->net->layer];
    const sa_realizations *r = e->realizations;
    size_t need, nth = e->conv_count++;
    request->algorithm = choice->algorithm;
    request->limit_bytes = choice->workspace_limit_bytes;
    if (nth < r->conv_room_count && r->conv_room_bytes[nth] > request->limit_bytes) request->limit_bytes = r->conv_room_bytes[nth];
    SA_TRY(e->device->kernels->conv_workspace_bytes(e->device, request, &need));
    SA_TRY(workspace(e, layer, choice->algorithm == SA_CONV_IM2COL ? "column" : "workspace", need, ref));
    *bytes = need;
    return SA_OK;
}

sa_conv_backward_form sa_emit_conv_backward_form(const sa_emitter *e, const sa_layer *layer)
{
    return e->realizations->layer[layer - e->net->layer].backward;
}

sa_status sa_emit_reduce_workspace(sa_emitter *e, const sa_layer *layer, const sa_range *range, sa_ref *ref, size_t *bytes)
{
    int32_t nchw[4];
    sa_shape_nchw(&e->net->blob[layer->bottom[0]].shape, nchw);
    const size_t need = e->device->kernels->reduce_workspace_bytes(e->device, range->image_end - range->image_begin,
                                                                   range->channel_end - range->channel_begin, nchw[2]);
    SA_TRY(sa_emit_workspace(e, layer, need, ref));
    *bytes = need;
    return SA_OK;
}

size_t sa_emit_loss_workspace_bytes(sa_emitter *e, const int32_t nchw[4])
{
    return e->device->kernels->loss_workspace_bytes(e->device, nchw[0], nchw[1], nchw[2], nchw[3]);
}

size_t sa_emit_accuracy_workspace_bytes(sa_emitter *e, const int32_t nchw[4])
{
    return e->device->kernels->accuracy_workspace_bytes(e->device, nchw[0], nchw[1], nchw[2], nchw[3]);
}

/* ------------------------------------------------------------------ Caffe's remaining private buffers --------------- */

static bool strategy_drops(const sa_emitter *e, int layer, const sa_caffe_buffer *wanted)
{
    if (!strcmp(wanted->suffix, "column"))
        return e->realizations->layer[layer].algorithm != SA_CONV_IM2COL || e->realizations->shared_workspace ||
               e->realizations->lifetimes;
    if (!strcmp(wanted->suffix, "mask")) return true; /* the emitter's own, see sa_emit_mask_out */
    return false;
}

sa_status sa_emitter_caffe_rest(sa_emitter *e, const sa_layer *layer)
{
    sa_caffe_buffer list[SA_CAFFE_BUFFERS_MAX];
    if (!e->realizations->caffe_layout || !layer->type->caffe_buffers) return SA_OK;
    int count = layer->type->caffe_buffers(layer, e->net->blob, list), index = (int)(layer - e->net->layer);
    for (int i = 0; i < count; i++) {
        sa_ref ref;
        if (list[i].gpu_bytes == 0 || find_saved(e, layer, list[i].suffix) || strategy_drops(e, index, &list[i])) continue;
        SA_TRY(sa_emit_saved(e, layer, list[i].suffix, SA_EMIT_SAVED, list[i].gpu_bytes, &ref));
        sa_op_args args = {.fill = {.target = ref, .count = list[i].gpu_bytes / 4, .value = 1.0f}};
        SA_TRY(sa_emit_op(e, layer, list[i].suffix, SA_OP_FILL, &args));
    }
    return SA_OK;
}
