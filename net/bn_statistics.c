/* Statistics of BN layers over batches: see bn_statistics.h. */
#include "net/bn_statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double EPSILON = 1e-9;

static bool normalises_by_batch(const sa_layer *layer)
{
    return (layer->type->folds_statistics || layer->type->keeps_sums) && !layer->type->stored_statistics(layer->config);
}

static sa_status add_layer(sa_bn_statistics *s, int l)
{
    const sa_layer *layer = &s->net->layer[l];
    if (!normalises_by_batch(layer)) return SA_OK;
    const sa_shape *shape = &s->net->blob[layer->bottom[0]].shape;
    int32_t channels = shape->axes > 1 ? shape->dim[1] : 1;
    s->layer[l].count = sa_shape_elements(shape) / (size_t)channels;
    s->layer[l].mean = calloc((size_t)channels, sizeof(double));
    s->layer[l].variance = calloc((size_t)channels, sizeof(double));
    if (!s->layer[l].mean || !s->layer[l].variance) SA_FAIL(SA_NOMEM, "no memory for the statistics of '%s'", layer->name);
    s->layer[l].channels = channels;
    s->bn_count++;
    return SA_OK;
}

sa_status sa_bn_statistics_create(const sa_net *net, sa_bn_statistics *statistics)
{
    sa_bn_statistics s = {.net = net, .layer_count = net->layer_count};
    s.layer = calloc((size_t)net->layer_count + 1, sizeof *s.layer);
    sa_status status = s.layer ? SA_OK : sa_error_set(SA_NOMEM, "no memory for the statistics of %d layers", net->layer_count);
    for (int l = 0; l < net->layer_count && status == SA_OK; l++) status = add_layer(&s, l);
    if (status == SA_OK && s.bn_count == 0)
        status = sa_error_set(SA_INVALID, "%s: the net has no BN layer, so there are no statistics to compute", net->path);
    if (status == SA_OK) *statistics = s;
    else sa_bn_statistics_free(&s);
    return status;
}

void sa_bn_statistics_free(sa_bn_statistics *s)
{
    for (int l = 0; l < s->layer_count && s->layer; l++) {
        free(s->layer[l].mean);
        free(s->layer[l].variance);
    }
    free(s->layer);
    memset(s, 0, sizeof *s);
}

/* A reference's buffer as floats, from its own beginning on; *host is the whole buffer, the caller's. */
static sa_status fetch(sa_session *session, const sa_ref *ref, float **host, const float **values)
{
    const sa_program *p = sa_session_layout(session)->program;
    *host = malloc(p->buffer[ref->buffer].size_bytes);
    if (!*host) SA_FAIL(SA_NOMEM, "no host memory for statistics");
    *values = *host + ref->offset_bytes / sizeof(float);
    return sa_session_get_buffer(session, ref->buffer, *host);
}

/* An op makes the statistics of some channels. The variance is told by the deviation that it leaves: 1 / sqrt(var + eps). */
static sa_status add_op(sa_bn_statistics *s, sa_session *session, const sa_op *op)
{
    const sa_bn_statistics_args *a = &op->args.bn_statistics;
    const sa_bn_layer_sums *sums = &s->layer[op->layer];
    float *mean_host = NULL, *std_host = NULL;
    const float *mean, *inv_std;
    sa_status status = fetch(session, &a->mean, &mean_host, &mean);
    if (status == SA_OK) status = fetch(session, &a->inv_std, &std_host, &inv_std);
    for (int32_t c = a->range.channel_begin; c < a->range.channel_end && status == SA_OK; c++) {
        double inverse = (double)inv_std[c], variance = 1 / (inverse * inverse) - (double)a->eps;
        sums->mean[c] += (double)mean[c];
        sums->variance[c] += variance > 0 ? variance : 0;
    }
    free(mean_host);
    free(std_host);
    return status;
}

static sa_status probe(void *context, sa_session *session, size_t i)
{
    const sa_op *op = &sa_session_layout(session)->program->op[i];
    const sa_bn_statistics *s = context;
    /* others than BN take statistics too */
    return op->kind == SA_OP_BN_STATISTICS && s->layer[op->layer].channels > 0 ? add_op(context, session, op) : SA_OK;
}

void sa_bn_statistics_watch(sa_bn_statistics *statistics, sa_session *session)
{
    sa_session_set_probe(session, probe, statistics);
}

void sa_bn_statistics_end_batch(sa_bn_statistics *statistics)
{
    statistics->batches++;
}

/* Running sums of one term: the means over the batches. Variances as BatchNorm adds them, by M - 1. */
static sa_status set_sums(const sa_bn_statistics *s, int l, sa_weights *weights)
{
    const sa_bn_layer_sums *sums = &s->layer[l];
    const char *name = s->net->layer[l].name;
    sa_weight_layer *layer = sa_weights_find(weights, name);
    size_t channels = (size_t)sums->channels;
    double correction = sums->count > 1 ? (double)sums->count / (double)(sums->count - 1) : 1.0;
    if (!layer || layer->blob_count != 3 || layer->blob[0].count != channels || layer->blob[1].count != channels ||
        layer->blob[2].count != 1)
        SA_FAIL(SA_INVALID, "the weights' layer '%s' has no running sums of %zu channels", name, channels);
    for (size_t c = 0; c < channels; c++) {
        layer->blob[0].values[c] = (float)(sums->mean[c] / (double)s->batches);
        layer->blob[1].values[c] = (float)(correction * sums->variance[c] / (double)s->batches);
    }
    layer->blob[2].values[0] = 1.0f;
    return SA_OK;
}

static sa_status fold_layer(const sa_bn_statistics *s, int l, sa_weights *weights)
{
    const sa_bn_layer_sums *sums = &s->layer[l];
    const char *name = s->net->layer[l].name;
    sa_weight_layer *layer = sa_weights_find(weights, name);
    size_t channels = (size_t)sums->channels;
    if (!layer) SA_FAIL(SA_INVALID, "the weights have no layer '%s': its scale and shift are not known", name);
    if (layer->blob_count != 2 || layer->blob[0].count != channels || layer->blob[1].count != channels)
        SA_FAIL(SA_INVALID, "the weights' layer '%s' has no scale and shift of %zu channels", name, channels);
    for (size_t c = 0; c < channels; c++) {
        double mean = sums->mean[c] / (double)s->batches, variance = sums->variance[c] / (double)s->batches;
        double deviation = sqrt(variance + EPSILON), scale = (double)layer->blob[0].values[c] / deviation;
        layer->blob[1].values[c] = (float)((double)layer->blob[1].values[c] - scale * mean);
        layer->blob[0].values[c] = (float)scale;
    }
    return SA_OK;
}

sa_status sa_bn_statistics_fold(const sa_bn_statistics *s, sa_weights *weights)
{
    if (s->batches == 0) SA_FAIL(SA_INVALID, "no batch has run: there are no statistics to fold");
    for (int l = 0; l < s->layer_count; l++)
        if (s->layer[l].channels > 0)
            SA_TRY(s->net->layer[l].type->keeps_sums ? set_sums(s, l, weights) : fold_layer(s, l, weights));
    return SA_OK;
}
