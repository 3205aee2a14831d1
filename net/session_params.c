/* Parameters out of a session and into it: see session_params.h. */
#include "net/session_params.h"

#include "core/exchange.h"
#include "core/hash.h"

#include <stdlib.h>

sa_status sa_session_check_same_params(const sa_net *a, const sa_net *b)
{
    bool same = a->layer_count == b->layer_count;
    for (int l = 0; l < a->layer_count && same; l++) {
        same = a->layer[l].param_count == b->layer[l].param_count;
        for (int i = 0; i < a->layer[l].param_count && same; i++)
            same = sa_shape_elements(&a->layer[l].param[i].shape) == sa_shape_elements(&b->layer[l].param[i].shape);
    }
    if (!same) SA_FAIL(SA_INVALID, "net '%s' has other parameters in this form: they cannot be taken over", a->name);
    if (sa_net_trains(a) || sa_net_trains(b)) SA_FAIL(SA_INVALID, "net '%s' trains: its histories would be lost", a->name);
    return SA_OK;
}

sa_status sa_session_params_out(sa_session *session, float **host)
{
    const sa_net *net = sa_session_net(session);
    size_t count = 0;
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++) count += sa_shape_elements(&net->layer[l].param[i].shape);
    float *values = malloc((count + 1) * sizeof *values), *at = values;
    sa_status status = values ? SA_OK : sa_error_set(SA_NOMEM, "no host memory for %zu parameters", count);
    for (int l = 0; l < net->layer_count && status == SA_OK; l++)
        for (int i = 0; i < net->layer[l].param_count && status == SA_OK; i++) {
            status = sa_session_get_param(session, l, i, at);
            at += sa_shape_elements(&net->layer[l].param[i].shape);
        }
    if (status == SA_OK) *host = values;
    else free(values);
    return status;
}

sa_status sa_session_params_in(sa_session *session, const float *host)
{
    const sa_net *net = sa_session_net(session);
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++) {
            SA_TRY(sa_session_set_param(session, l, i, host));
            host += sa_shape_elements(&net->layer[l].param[i].shape);
        }
    return SA_OK;
}

/* ---- inputs as bytes ---- */

sa_status sa_session_input_bytes(const sa_blob *blob, const float *host, size_t count, uint8_t *byte)
{
    for (size_t i = 0; i < count; i++) {
        bool in_range = host[i] >= 0.0f && host[i] <= 255.0f; /* false for NaN */
        byte[i] = in_range ? (uint8_t)host[i] : 0;
        if (!in_range || (float)byte[i] != host[i])
            SA_FAIL(SA_NUMERIC, "input '%s': value %zu is %.9g; under 'uint8-input' only whole numbers 0..255 fit", blob->name, i,
                    (double)host[i]);
    }
    return SA_OK;
}

/* ---- ranks ---- */

sa_status sa_session_check_ranks(const sa_program *p, const sa_device *device)
{
    const sa_exchange *x = device->exchange;
    if (p->ranks <= 1) return SA_OK;
    if (!x || x->ranks != p->ranks || x->rank != p->rank)
        SA_FAIL(SA_INVALID, "net '%s' is planned for rank %d of %d, which are not there", p->net->name, (int)p->rank,
                (int)p->ranks);
    return SA_OK;
}

/* ---- histories, which ranks have slices of ---- */

sa_status sa_session_set_history(sa_session *session, int layer, int param, int which, const float *host)
{
    const sa_param_buffers *b = &sa_session_layout(session)->program->param[layer][param];
    return b->history[which] < 0 ? SA_OK : sa_session_set_buffer(session, b->history[which], host + b->slice_begin);
}

/* Every slice to rank 0. */
static sa_status gather_slices(sa_exchange *x, const sa_slicing *slicing, float *host)
{
    size_t begin;
    if (x->rank != 0) {
        const size_t own = sa_slice_of(slicing, x->rank, &begin);
        if (own > 0) SA_TRY(x->functions->send(x, SA_EXCHANGE_OUTSIDE, 0, host + begin, own * sizeof *host));
    }
    for (int32_t from = 1; from < x->ranks && x->rank == 0; from++) {
        const size_t count = sa_slice_of(slicing, from, &begin);
        if (count > 0) SA_TRY(x->functions->receive(x, SA_EXCHANGE_OUTSIDE, from, host + begin, count * sizeof *host));
    }
    return x->functions->finish(x, SA_EXCHANGE_OUTSIDE);
}

sa_status sa_session_get_history(sa_session *session, int layer, int param, int which, float *host)
{
    const sa_program *p = sa_session_layout(session)->program;
    const sa_param_buffers *b = &p->param[layer][param];
    if (b->history[which] >= 0) SA_TRY(sa_session_get_buffer(session, b->history[which], host + b->slice_begin));
    if (p->ranks <= 1 || b->slicing.count == 0) return SA_OK;
    return gather_slices(sa_session_device(session)->exchange, &b->slicing, host);
}

/* ---- the hash ---- */

/* Of one parameter, or (which >= 0) a history of it. */
static sa_status hash_values(sa_session *s, int layer, int param, int which, uint64_t *hash)
{
    const size_t count = sa_shape_elements(&sa_session_net(s)->layer[layer].param[param].shape);
    const sa_program *p = sa_session_layout(s)->program;
    const sa_param_buffers *b = &p->param[layer][param];
    const int buffer = which < 0 ? b->param : p->ranks <= 1 || b->slicing.count == 0 ? b->history[which] : -1;
    const void *there = buffer >= 0 ? sa_session_host_view(s, buffer) : NULL;
    if (there) {
        *hash = sa_hash_bytes(*hash, there, count * sizeof(float));
        return SA_OK;
    }
    float *host = malloc(count * sizeof *host);
    if (!host) SA_FAIL(SA_NOMEM, "no host memory for %zu values", count);
    sa_status status =
        which < 0 ? sa_session_get_param(s, layer, param, host) : sa_session_get_history(s, layer, param, which, host);
    if (status == SA_OK) *hash = sa_hash_bytes(*hash, host, count * sizeof *host);
    free(host);
    return status;
}

sa_status sa_session_params_hash(sa_session *s, uint64_t *hash)
{
    const sa_net *net = sa_session_net(s);
    uint64_t h = SA_HASH_START;
    for (int l = 0; l < net->layer_count; l++)
        for (int i = 0; i < net->layer[l].param_count; i++)
            if (!net->layer[l].param[i].is_shared) SA_TRY(hash_values(s, l, i, -1, &h));
    *hash = h;
    return SA_OK;
}

sa_status sa_session_state_hash(sa_session *s, uint64_t *hash)
{
    const sa_program *p = sa_session_layout(s)->program;
    sa_exchange *x = p->ranks > 1 ? sa_session_device(s)->exchange : NULL;
    uint64_t h = SA_HASH_START;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++) {
            const sa_param_buffers *b = &p->param[l][i];
            if (b->param < 0 || p->net->layer[l].param[i].is_shared) continue;
            for (int which = -1; which < (b->slicing.count > 0 ? b->histories : 0); which++)
                SA_TRY(hash_values(s, l, i, which, &h));
        }
    uint64_t *all = x ? calloc((size_t)x->ranks, sizeof *all) : &h; /* rank 0 has seen all values */
    if (!all) SA_FAIL(SA_NOMEM, "no memory for the hashes of %d ranks", (int)p->ranks);
    if (x) all[x->rank] = h;
    sa_status status = sa_exchange_gather(x, all, sizeof *all);
    if (status == SA_OK) *hash = all[0];
    if (x) free(all);
    return status;
}
