/* Finding the first value that is not finite: see train_divergence.h. */
#include "cli/train_divergence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct search {
    const sa_op *found; /* NULL: none yet */
} search;

static bool all_finite(const float *value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(value[i])) return false;
    return true;
}

/* The slab that an op of the forward pass writes; NULL: none that holds numbers. */
static const sa_slab *written_slab(const sa_op *op)
{
    switch (op->kind) {
    case SA_OP_CONV_FORWARD: return &op->args.conv_forward.y;
    case SA_OP_MATERIALIZE: return &op->args.materialize.out;
    case SA_OP_POOL_FORWARD: return &op->args.pool_forward.out;
    case SA_OP_POOL_STOCHASTIC: return &op->args.pool_stochastic.out;
    case SA_OP_UNPOOL_SCATTER: return &op->args.unpool_scatter.out;
    case SA_OP_SOFTMAX: return &op->args.softmax.prob;
    case SA_OP_PERMUTE: return &op->args.permute.out;
    case SA_OP_INTERP: return &op->args.interp.out;
    default: return NULL;
    }
}

/* The floats that an op writes, as rows of a slab. False: nothing to look at. */
static bool written_floats(const sa_op *op, sa_slab *written)
{
    const sa_slab *slab = written_slab(op);
    if (slab) {
        *written = *slab;
        return slab->encoding == SA_F32;
    }
    *written = (sa_slab){.encoding = SA_F32, .images = 1, .channels = 1, .height = 1, .width = 1};
    if (op->kind == SA_OP_BN_STATISTICS) {
        written->at = op->args.bn_statistics.inv_std;
        written->width = (int32_t)(written->at.size_bytes / sizeof(float));
        return written->width > 0;
    }
    if (op->kind == SA_OP_LOSS) written->at = op->args.loss.loss;
    return op->kind == SA_OP_LOSS;
}

static bool rows_are_finite(const sa_slab *slab)
{
    for (int n = slab->image_begin; n < slab->image_begin + slab->images; n++)
        for (int c = slab->channel_begin; c < slab->channel_begin + slab->channels; c++)
            for (int y = 0; y < slab->height; y++)
                if (!all_finite(sa_slab_row(slab, n, c, y), (size_t)slab->width)) return false;
    return true;
}

static sa_status look_at_op(void *context, sa_session *session, size_t index)
{
    search *s = context;
    const sa_program *program = sa_session_layout(session)->program;
    const sa_op *op = &program->op[index];
    sa_slab written;
    if (!written_floats(op, &written)) return SA_OK;
    char *host = malloc(program->buffer[written.at.buffer].size_bytes);
    if (!host) SA_FAIL(SA_NOMEM, "no host memory to look at '%s'", op->name);
    sa_status status = sa_session_get_buffer(session, written.at.buffer, host);
    written.at.ptr = host + written.at.offset_bytes;
    if (status == SA_OK && !rows_are_finite(&written)) {
        s->found = op;
        status = sa_error_set(SA_NUMERIC, "'%s' is not finite", op->name);
    }
    free(host);
    return status;
}

/* A parameter can only have become so by an update. */
static bool find_param(sa_session *session, const sa_net *net, uint64_t step, char *text)
{
    bool found = false;
    for (int l = 0; l < net->layer_count && !found; l++)
        for (int i = 0; i < net->layer[l].param_count && !found; i++) {
            size_t count = sa_shape_elements(&net->layer[l].param[i].shape);
            float *host = malloc(count * sizeof *host);
            found = host && sa_session_get_param(session, l, i, host) == SA_OK && !all_finite(host, count);
            free(host);
            if (found)
                snprintf(text, SA_DIVERGENCE_BYTES, "parameter %d of layer '%s' is not finite since the update of step %llu", i,
                         net->layer[l].name, (unsigned long long)(step > 1 ? step - 1 : step));
        }
    return found;
}

static sa_status stop_here(void *context, sa_session *session)
{
    (void)context, (void)session;
    return sa_error_set(SA_NUMERIC, "the forward pass is all that is wanted");
}

void sa_train_find_divergence(sa_session *session, const sa_feed *feed, const sa_strategy *strategy, uint64_t step,
                              char text[SA_DIVERGENCE_BYTES])
{
    const sa_net *net = sa_session_net(session);
    search s = {.found = NULL};
    if (find_param(session, net, step, text)) return;
    sa_session_set_probe(session, look_at_op, &s);
    sa_session_set_forward_check(session, stop_here, NULL);
    sa_status status = sa_feed_repeat(feed, session);
    if (status == SA_OK) status = sa_session_run_pass(session, 0.0f, (uint32_t)(step - 1), 0, NULL);
    sa_session_set_probe(session, NULL, NULL);
    if (!s.found) {
        snprintf(text, SA_DIVERGENCE_BYTES, "no stored value but the loss is affected");
        return;
    }
    const sa_layer *layer = s.found->layer >= 0 ? &net->layer[s.found->layer] : NULL;
    snprintf(text, SA_DIVERGENCE_BYTES, "the first stored value that is not finite comes from '%s'%s%s%s%s%s", s.found->name,
             layer ? ", layer '" : "", layer ? layer->name : "", layer ? "' (" : "", layer ? layer->type->name : "",
             layer ? ")" : "");
    if (!strcmp(strategy->name, "caffe")) return;
    size_t used = strlen(text);
    snprintf(text + used, SA_DIVERGENCE_BYTES - used, "; --strategy caffe stores every value and may find an earlier one");
}
