/* Keys of ops for cost tables. What an op costs depends on its sizes and on the expressions it reads, not on where they are stored.
 */
#include "cost/op_cost_key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char WORKSPACE[] = " workspace=";

typedef struct key_text {
    char *text; /* (SA_COST_KEY_MAX) */
    size_t length;
} key_text;

/* A key that is too long is cut; it still begins with all that matters most. */
static void SA_PRINTF(2, 3) add(key_text *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(key->text + key->length, SA_COST_KEY_MAX - key->length, format, arguments);
    va_end(arguments);
    key->length += n > 0 ? (size_t)n : 0;
    if (key->length >= SA_COST_KEY_MAX) key->length = SA_COST_KEY_MAX - 1;
}

static const char *encoding_name(sa_encoding encoding)
{
    switch (encoding) {
    case SA_F32: return "f32";
    case SA_BF16: return "bf16";
    case SA_U8: return "u8";
    case SA_MASK2: return "mask2";
    case SA_MASK4: return "mask4";
    }
    return "?";
}

static void add_window(key_text *key, const sa_window *w)
{
    add(key, "%dx%d/%dx%d", w->kernel_h, w->kernel_w, w->stride_h, w->stride_w);
}

static void add_node(key_text *key, const sa_source *source, int index)
{
    const sa_node *node = &source->node[index];
    const sa_node_traits *traits = sa_node_traits_of(node->kind);
    add(key, "%s", traits->name);
    if (node->kind == SA_NODE_MAP || node->kind == SA_NODE_MAP2) add(key, ":%s", sa_map_name(node->number.map.kind));
    if (traits->slab) add(key, ":%s", encoding_name(node->slab.encoding));
    if (traits->reach == SA_REACH_WINDOWS || traits->reach == SA_REACH_AREA) {
        add(key, ":");
        add_window(key, &node->window);
    }
    if (traits->reach == SA_REACH_CHANNELS) add(key, "%d", node->channels_read);
    bool any = false;
    for (int i = 0; i < SA_NODE_CHILDREN; i++) {
        if (node->child[i] < 0) continue;
        add(key, any ? "," : "(");
        add_node(key, source, node->child[i]);
        any = true;
    }
    if (any) add(key, ")");
}

static void add_source(key_text *key, const char *name, const sa_source *source)
{
    if (source->count == 0) return;
    const sa_node *root = sa_source_root(source);
    add(key, " %s=%dx%dx%d:", name, root->channels, root->height, root->width);
    add_node(key, source, source->count - 1);
}

static void add_range(key_text *key, const sa_range *range)
{
    add(key, " n%d c%d", range->image_end - range->image_begin, range->channel_end - range->channel_begin);
}

static void add_slab(key_text *key, const char *name, const sa_slab *slab)
{
    if (slab->at.buffer != SA_NO_BUFFER) add(key, " %s=%dx%d:%s", name, slab->height, slab->width, encoding_name(slab->encoding));
}

/* ------------------------------------------------------------------ convolutions ----------------------------------- */

static const char *algorithm_name(sa_conv_algorithm algorithm)
{
    static const char *const NAME[SA_CONV_ALGORITHMS] = {"im2col", "direct", "fft", "cudnn", "winograd"};
    return NAME[algorithm];
}

static void add_conv(key_text *key, const sa_conv_shape *s, const sa_range *range)
{
    add(key, " %dx%dx%d>%dx%dx%d s%dx%d p%dx%d", s->in_channels, s->in_height, s->in_width, s->out_channels, s->out_height,
        s->out_width, s->stride_h, s->stride_w, s->pad_h, s->pad_w);
    if (s->dilation_h > 1 || s->dilation_w > 1) add(key, " d%dx%d", s->dilation_h, s->dilation_w);
    if (s->groups > 1) add(key, " g%d", s->groups);
    add_range(key, range);
}

static void add_conv_forward(key_text *key, const sa_conv_forward_args *a)
{
    add(key, ":%s:k%dx%d", algorithm_name(a->algorithm), a->shape.kernel_h, a->shape.kernel_w);
    add_conv(key, &a->shape, &a->range);
    add_source(key, "x", &a->x);
    add(key, "%s%zu", WORKSPACE, a->workspace_bytes);
}

static void add_conv_backward(key_text *key, const sa_conv_backward_args *a)
{
    add(key, ":%s:k%dx%d%s%s", algorithm_name(a->algorithm), a->shape.kernel_h, a->shape.kernel_w,
        a->dx.at.buffer != SA_NO_BUFFER ? ":dx" : "", a->dweight.buffer != SA_NO_BUFFER ? ":dw" : "");
    add_conv(key, &a->shape, &a->range);
    if (a->gather) {
        add(key, " gather:%s:", encoding_name(a->mask.encoding));
        add_window(key, &a->window);
    }
    add(key, "%s", a->accumulate ? " accumulate" : "");
    add_source(key, "x", &a->x);
    add_source(key, "dy", &a->dy);
    add(key, "%s%zu", WORKSPACE, a->workspace_bytes);
}

/* ------------------------------------------------------------------ all ops ---------------------------------------- */

static void add_pool_forward(key_text *key, const sa_pool_forward_args *a)
{
    add(key, " ");
    add_window(key, &a->window);
    add_range(key, &a->range);
    add_source(key, "x", &a->x);
    add_slab(key, "mask", &a->mask);
}

static void add_unpool_gather(key_text *key, const sa_unpool_gather_args *a)
{
    add(key, " ");
    add_window(key, &a->window);
    add_range(key, &a->range);
    add_slab(key, "dy", &a->dy);
    add_slab(key, "mask", &a->mask);
}

static void add_bn_reduce(key_text *key, const sa_bn_reduce_args *a)
{
    add_range(key, &a->range);
    if (a->spread.column) add(key, " columns");
    add_source(key, "xhat", &a->xhat);
    add_source(key, "dy", &a->dy);
}

static void add_materialize(key_text *key, const sa_materialize_args *a)
{
    add_range(key, &a->range);
    add_source(key, "x", &a->source);
    add_slab(key, "y", &a->out);
}

static void add_loss(key_text *key, const sa_source *scores, bool is_prob)
{
    int32_t begin;
    add(key, " n%d%s", sa_source_images(scores, &begin), is_prob ? " prob" : "");
    add_source(key, "x", scores);
}

static void add_unpool_scatter(key_text *key, const sa_unpool_scatter_args *a)
{
    add_range(key, &a->range);
    add_source(key, "x", &a->x);
    add_slab(key, "y", &a->out);
}

static void add_reduction(key_text *key, const sa_reduction_args *a)
{
    add(key, "%s %dx%dx%d kind%d", a->backward ? ":back" : "", a->channels, a->height, a->width, (int)a->kind);
    add_source(key, "x", &a->x);
}

static void add_permute(key_text *key, const sa_permute_args *a)
{
    for (int i = 0; i < a->axes; i++) add(key, "%s%d/%d", i ? "," : " ", a->dim[i], a->stride[i]);
}

static void add_interp(key_text *key, const sa_interp_args *a)
{
    add(key, " %dx%dx%d of %d,%d%s", a->out.images, a->rows, a->columns, a->top, a->left, a->gradient ? " back" : "");
    add_slab(key, "x", &a->x);
    add_slab(key, "out", &a->out);
}

static void add_pool_stochastic(key_text *key, const sa_pool_stochastic_args *a)
{
    add(key, a->draws ? " draw " : " ");
    add_window(key, &a->window);
    add_range(key, &a->range);
    add_source(key, "x", &a->x);
    add_slab(key, "mask", &a->mask);
}

void sa_op_cost_key(sa_op_kind kind, const sa_op_args *args, char text[SA_COST_KEY_MAX])
{
    key_text key = {text, 0};
    text[0] = '\0';
    add(&key, "%s", sa_op_kind_name(kind));
    switch (kind) {
    case SA_OP_CONV_FORWARD: add_conv_forward(&key, &args->conv_forward); break;
    case SA_OP_CONV_BACKWARD: add_conv_backward(&key, &args->conv_backward); break;
    case SA_OP_MATERIALIZE: add_materialize(&key, &args->materialize); break;
    case SA_OP_BN_STATISTICS:
        add_range(&key, &args->bn_statistics.range);
        add_source(&key, "x", &args->bn_statistics.x);
        break;
    case SA_OP_BN_RUNNING: add(&key, " c%d", args->bn_running.end - args->bn_running.begin); break;
    case SA_OP_BN_STORED: add(&key, " c%d", args->bn_stored.end - args->bn_stored.begin); break;
    case SA_OP_BN_REDUCE: add_bn_reduce(&key, &args->bn_reduce); break;
    case SA_OP_POOL_FORWARD: add_pool_forward(&key, &args->pool_forward); break;
    case SA_OP_POOL_STOCHASTIC: add_pool_stochastic(&key, &args->pool_stochastic); break;
    case SA_OP_UNPOOL_SCATTER: add_unpool_scatter(&key, &args->unpool_scatter); break;
    case SA_OP_UNPOOL_GATHER: add_unpool_gather(&key, &args->unpool_gather); break;
    case SA_OP_SOFTMAX: add_loss(&key, &args->softmax.x, false); break;
    case SA_OP_SOFTMAX_GRAD:
        add_loss(&key, &args->softmax_grad.dy, false);
        add_source(&key, "y", &args->softmax_grad.y);
        break;
    case SA_OP_ARGMAX:
        add_loss(&key, &args->argmax.x, false);
        add(&key, " top%d", args->argmax.top_k);
        break;
    case SA_OP_REDUCTION: add_reduction(&key, &args->reduction); break;
    case SA_OP_PERMUTE: add_permute(&key, &args->permute); break;
    case SA_OP_INTERP: add_interp(&key, &args->interp); break;
    case SA_OP_LOSS: add_loss(&key, &args->loss.scores, args->loss.is_prob); break;
    case SA_OP_LOSS_GRAD: add_loss(&key, &args->loss_grad.scores, args->loss_grad.is_prob); break;
    case SA_OP_ACCURACY: add_loss(&key, &args->accuracy.scores, false); break;
    case SA_OP_PRODUCT:
        add(&key, " %dx%dx%d%s%s", args->product.rows, args->product.columns, args->product.depth,
            args->product.a_transposed ? " at" : "", args->product.b_transposed ? " bt" : "");
        break;
    case SA_OP_COLUMN_SUMS: add(&key, " %dx%d", args->column_sums.rows, args->column_sums.columns); break;
    case SA_OP_FILL: add(&key, " %zu", args->fill.count); break;
    case SA_OP_UPDATE: add(&key, " %zu by %d", args->update.count, (int)args->update.rule.kind); break;
    case SA_OP_SQUARE_SUM: add(&key, " %zu", args->square_sum.count); break;
    case SA_OP_EXCHANGE: add(&key, " %zu of %d", args->exchange.slicing.count, (int)args->exchange.slicing.ranks); break;
    case SA_OP_SHARD_SUM: add(&key, " %zu of %d", args->shard_sum.count, (int)args->shard_sum.ranks); break;
    case SA_OP_KINDS: break;
    }
}

size_t sa_cost_key_length(const char *key, sa_cost_level level)
{
    const char *workspace = strstr(key, WORKSPACE);
    switch (level) {
    case SA_COST_EXACT: return strlen(key);
    case SA_COST_ANY_WORKSPACE: return workspace ? (size_t)(workspace - key) : strlen(key);
    case SA_COST_CLASS: return strcspn(key, " ");
    case SA_COST_KIND: return strcspn(key, ": ");
    case SA_COST_ALL:
    case SA_COST_LEVELS: break;
    }
    return 0;
}
