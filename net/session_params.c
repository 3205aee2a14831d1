/* Parameters out of a session and into it: see session_params.h. */
#include "net/session_params.h"

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

sa_status sa_session_state_hash(sa_session *s, uint64_t *hash)
{
    const sa_program *p = sa_session_layout(s)->program;
    uint64_t h = SA_HASH_START;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++) {
            const int buffers[3] = {p->param[l][i].param, p->param[l][i].history[0], p->param[l][i].history[1]};
            for (int k = 0; k < 3; k++) {
                if (buffers[k] < 0 || p->net->layer[l].param[i].is_shared) continue;
                void *host = malloc(p->buffer[buffers[k]].size_bytes);
                if (!host) SA_FAIL(SA_NOMEM, "no host memory for %zu bytes", p->buffer[buffers[k]].size_bytes);
                sa_status status = sa_session_get_buffer(s, buffers[k], host);
                if (status == SA_OK) h = sa_hash_bytes(h, host, p->buffer[buffers[k]].size_bytes);
                free(host);
                SA_TRY(status);
            }
        }
    *hash = h;
    return SA_OK;
}
