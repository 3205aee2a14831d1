/* Eltwise: sums, products and maxima of several blobs. Caffe: EltwiseLayer. */
#include "layers/accounted/accounted.h"

#include <string.h>

static const char *name_of(const sa_layer *layer, const sa_blob *blobs, int bottom)
{
    return blobs[layer->bottom[bottom]].name;
}

/* ---- Eltwise ---- */

enum { ELTWISE_PROD, ELTWISE_SUM, ELTWISE_MAX };
static const sa_enum_name eltwise_names[] = {SA_ENUM("PROD", ELTWISE_PROD), SA_ENUM("SUM", ELTWISE_SUM),
                                             SA_ENUM("MAX", ELTWISE_MAX), SA_ENUM_END};

typedef struct eltwise_param {
    int32_t operation;
    float coeff[SA_LAYER_BOTTOMS_MAX];
    int32_t coeff_count;
} eltwise_param;

static const sa_field eltwise_fields[] = {
    SA_F_ENUM(eltwise_param, operation, "operation", eltwise_names),
    SA_F_REPEATED(eltwise_param, coeff, coeff_count, "coeff", FLOAT),
    SA_F_IGNORED("stable_prod_grad"),
    SA_F_END,
};

static void eltwise_init(void *config)
{
    *(eltwise_param *)config = (eltwise_param){.operation = ELTWISE_SUM};
}

static sa_status eltwise_setup(sa_layer *layer, sa_blob *blobs)
{
    const eltwise_param *p = layer->config;
    const sa_shape *first = &blobs[layer->bottom[0]].shape;
    if (p->coeff_count && (p->coeff_count != layer->bottom_count || p->operation != ELTWISE_SUM))
        SA_FAIL(SA_INVALID, "'coeff' is for SUM, one per bottom; it is given %d times for %d bottoms", p->coeff_count,
                layer->bottom_count);
    for (int i = 1; i < layer->bottom_count; i++)
        if (memcmp(&blobs[layer->bottom[i]].shape, first, sizeof *first) != 0) {
            char a[SA_SHAPE_TEXT_BYTES], b[SA_SHAPE_TEXT_BYTES];
            SA_FAIL(SA_INVALID, "'%s' is %s and '%s' is %s; shapes must be equal", name_of(layer, blobs, 0),
                    sa_shape_text(first, a), name_of(layer, blobs, i), sa_shape_text(&blobs[layer->bottom[i]].shape, b));
        }
    return sa_layer_same_shape(layer, blobs);
}

static int eltwise_buffers(const sa_layer *layer, const sa_blob *blobs, sa_caffe_buffer *list)
{
    if (((const eltwise_param *)layer->config)->operation != ELTWISE_MAX) return 0;
    list[0] = sa_both("max_idx_", SA_CAFFE_OTHER, sa_top_bytes(layer, blobs, 0));
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
    .accounted_only = true,
    .setup = eltwise_setup,
    .caffe_buffers = eltwise_buffers,
};
