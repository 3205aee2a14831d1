/* Eltwise: sums (with coefficients), products and maxima of several blobs. No mask is kept: the gradient of a product or a maximum
 * looks at the bottoms again. Caffe: EltwiseLayer. */
#include "layers/layer_common.h"
#include "program/emit.h"

#include "proto/fields.h"

#include <string.h>

enum { ELTWISE_PROD, ELTWISE_SUM, ELTWISE_MAX };
static const sa_enum_name eltwise_names[] = {SA_ENUM("PROD", ELTWISE_PROD), SA_ENUM("SUM", ELTWISE_SUM),
                                             SA_ENUM("MAX", ELTWISE_MAX), SA_ENUM_END};

typedef struct eltwise_param {
    int32_t operation;
    float coeff[SA_LAYER_BOTTOMS_MAX];
    int32_t coeff_count;
    bool stable_prod_grad;
} eltwise_param;

static const sa_field eltwise_fields[] = {
    SA_F_ENUM(eltwise_param, operation, "operation", eltwise_names),
    SA_F_REPEATED(eltwise_param, coeff, coeff_count, "coeff", FLOAT),
    SA_F_SINGLE(eltwise_param, stable_prod_grad, "stable_prod_grad", BOOL),
    SA_F_END,
};

static void eltwise_init(void *config)
{
    *(eltwise_param *)config = (eltwise_param){.operation = ELTWISE_SUM, .stable_prod_grad = true};
}

static int operation_of(const sa_layer *layer)
{
    return ((const eltwise_param *)layer->config)->operation;
}

static sa_status eltwise_setup(sa_layer *layer, sa_blob *blobs)
{
    const eltwise_param *p = layer->config;
    const sa_blob *first = &blobs[layer->bottom[0]];
    if (p->coeff_count && (p->coeff_count != layer->bottom_count || p->operation != ELTWISE_SUM))
        SA_FAIL(SA_INVALID, "'coeff' is for SUM, one per bottom; it is given %d times for %d bottoms", p->coeff_count,
                layer->bottom_count);
    for (int i = 1; i < layer->bottom_count; i++) {
        const sa_blob *other = &blobs[layer->bottom[i]];
        char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
        if (memcmp(&other->shape, &first->shape, sizeof first->shape) != 0)
            SA_FAIL(SA_INVALID, "'%s' is %s and '%s' is %s; shapes must be equal", first->name, sa_shape_text(&first->shape, a),
                    other->name, sa_shape_text(&other->shape, b));
    }
    layer->reads_siblings = p->operation != ELTWISE_SUM;
    layer->source_nodes = layer->bottom_count - 1 + p->coeff_count;
    return sa_layer_same_shape(layer, blobs);
}

/* A sum's gradient reads no bottom. */
static bool keeps_bottom(const sa_layer *layer)
{
    return operation_of(layer) != ELTWISE_SUM;
}

/* ---- formulas ---- */

static const sa_shape *shape_of(const sa_emitter *e, const sa_layer *layer)
{
    return &sa_emit_blob(e, layer->top[0])->shape;
}

/* *a = the map of *a and *b */
static sa_status join_map(sa_emitter *e, const sa_layer *layer, sa_source *a, const sa_source *b, sa_map_kind kind)
{
    sa_node *node;
    SA_TRY(sa_emit_join(e, layer, a, SA_NODE_MAP2, shape_of(e, layer), a, b, NULL, &node));
    node->number.map.kind = kind;
    return SA_OK;
}

/* *source times coefficient i */
static sa_status join_coeff(sa_emitter *e, const sa_layer *layer, int i, sa_source *source)
{
    const eltwise_param *p = layer->config;
    sa_node *node;
    if (p->coeff_count == 0 || p->coeff[i] == 1.0f) return SA_OK;
    SA_TRY(sa_emit_join(e, layer, source, SA_NODE_MAP, shape_of(e, layer), source, NULL, NULL, &node));
    node->number.map = (sa_map){.kind = SA_MAP_LINEAR, .p = p->coeff[i]};
    return SA_OK;
}

/* Bottoms [begin, end) but `without`, joined by a map in order; *any: there is one. */
static sa_status join_bottoms(sa_emitter *e, const sa_layer *layer, int begin, int end, int without, sa_map_kind kind,
                              sa_source *source, bool *any)
{
    *any = false;
    for (int i = begin; i < end; i++) {
        sa_source next;
        if (i == without) continue;
        SA_TRY(sa_emit_data(e, layer->bottom[i], &next));
        if (*any) SA_TRY(join_map(e, layer, source, &next, kind));
        else *source = next;
        *any = true;
    }
    return SA_OK;
}

static sa_status top_source(sa_emitter *e, const sa_layer *layer, int top, sa_source *source)
{
    (void)top;
    const int operation = operation_of(layer);
    bool any;
    if (operation != ELTWISE_SUM)
        return join_bottoms(e, layer, 0, layer->bottom_count, -1, operation == ELTWISE_PROD ? SA_MAP_PRODUCT : SA_MAP_LARGER,
                            source, &any);
    for (int i = 0; i < layer->bottom_count; i++) {
        sa_source next;
        sa_node *node;
        SA_TRY(sa_emit_data(e, layer->bottom[i], &next));
        SA_TRY(join_coeff(e, layer, i, &next));
        if (i == 0) *source = next;
        else SA_TRY(sa_emit_join(e, layer, source, SA_NODE_ADD, shape_of(e, layer), source, &next, NULL, &node));
    }
    return SA_OK;
}

/* *dy where bottom `winner` - bottom or maximum *other is above 0, or at least 0. */
static sa_status pass_where(sa_emitter *e, const sa_layer *layer, int winner, const sa_source *other, bool above, sa_source *dy)
{
    sa_source difference;
    sa_node *node;
    SA_TRY(sa_emit_data(e, layer->bottom[winner], &difference));
    SA_TRY(join_map(e, layer, &difference, other, SA_MAP_DIFFERENCE));
    SA_TRY(sa_emit_join(e, layer, dy, above ? SA_NODE_RELU_GRAD : SA_NODE_MAP2, shape_of(e, layer), &difference, dy, NULL, &node));
    if (!above) node->number.map.kind = SA_MAP_PASS_FROM_0;
    return SA_OK;
}

/* Of the first two bottoms the second wins a tie; a later one must be greater than all before it. */
static sa_status max_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *dy)
{
    sa_source other;
    bool any;
    SA_TRY(join_bottoms(e, layer, bottom == 0 ? 2 : bottom + 1, layer->bottom_count, -1, SA_MAP_LARGER, &other, &any));
    if (any) SA_TRY(pass_where(e, layer, bottom, &other, false, dy));
    SA_TRY(join_bottoms(e, layer, 0, bottom < 2 ? 2 : bottom, bottom, SA_MAP_LARGER, &other, &any));
    return pass_where(e, layer, bottom, &other, bottom != 1, dy);
}

static sa_status product_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *dy)
{
    sa_source factor, x;
    bool any;
    if (((const eltwise_param *)layer->config)->stable_prod_grad) {
        SA_TRY(join_bottoms(e, layer, 0, layer->bottom_count, bottom, SA_MAP_PRODUCT, &factor, &any));
    } else {
        SA_TRY(top_source(e, layer, 0, &factor));
        SA_TRY(sa_emit_data(e, layer->bottom[bottom], &x));
        SA_TRY(join_map(e, layer, &factor, &x, SA_MAP_QUOTIENT));
    }
    SA_TRY(join_map(e, layer, &factor, dy, SA_MAP_PRODUCT));
    *dy = factor;
    return SA_OK;
}

static sa_status bottom_grad_source(sa_emitter *e, const sa_layer *layer, int bottom, sa_source *source)
{
    SA_TRY(sa_emit_grad(e, layer->top[0], source));
    if (operation_of(layer) == ELTWISE_SUM) return join_coeff(e, layer, bottom, source);
    if (operation_of(layer) == ELTWISE_PROD) return product_grad_source(e, layer, bottom, source);
    return max_grad_source(e, layer, bottom, source);
}

/* The gradient of bottom 0 may overwrite that of the top, so it comes last. */
static sa_status emit_backward(sa_emitter *e, const sa_layer *layer)
{
    for (int i = layer->bottom_count - 1; i >= 0; i--) SA_TRY(sa_emit_backward_of_bottom(e, layer, i));
    return SA_OK;
}

static int eltwise_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    if (operation_of(layer) != ELTWISE_MAX) return 0;
    list[0] = sa_both("max_idx_", SA_CAFFE_OTHER, sa_blob_bytes(&blobs[layer->top[0]]));
    return 1;
}

const sa_layer_type sa_layer_eltwise = {
    .name = "Eltwise",
    .config_field = "eltwise_param",
    .config_table = eltwise_fields,
    .config_bytes = sizeof(eltwise_param),
    .config_init = eltwise_init,
    .min_bottoms = 2,
    .max_bottoms = SA_LAYER_BOTTOMS_MAX,
    .min_tops = 1,
    .max_tops = 1,
    .grad_bottoms = SA_LAYER_BOTTOMS_MAX,
    .grad_tops = 1,
    .in_place = true,
    .writes_images = true,
    .merges_bottoms = true,
    .channels_apart = true,
    .cheap_grad = true,
    .keeps_bottom = keeps_bottom,
    .setup = eltwise_setup,
    .caffe_buffers = eltwise_buffers,
    .emit_forward = sa_emit_forward_from_source,
    .emit_backward = emit_backward,
    .top_source = top_source,
    .bottom_grad_source = bottom_grad_source,
};
