/* Folding BN layers into convolutions, in a net's document and in its weights: see bn_statistics.h. */
#include "layers/layer_registry.h"
#include "net/bn_statistics.h"
#include "proto/tree.h"

#include <stdlib.h>
#include <string.h>

/* ---- layers of a document ---- */

static bool is_layer(const sa_proto_field *field)
{
    return !sa_proto_is_gone(field) && !strcmp(field->name, "layer") && field->kind == SA_PROTO_MESSAGE;
}

static const char *text_of(const sa_proto_message *layer, const char *name)
{
    const sa_proto_field *field = sa_proto_find(layer, name);
    return field && field->text ? field->text : "";
}

static const sa_layer_type *type_of(const sa_proto_field *field)
{
    return is_layer(field) ? sa_layer_type_find(text_of(field->message, "type")) : NULL;
}

static bool is_bn(const sa_proto_field *field)
{
    return type_of(field) && type_of(field)->folds_statistics;
}

static bool has_text(const sa_proto_message *layer, const char *name, const char *text)
{
    for (size_t i = 0; i < layer->count; i++)
        if (!strcmp(layer->field[i].name, name) && layer->field[i].text && !strcmp(layer->field[i].text, text)) return true;
    return false;
}

static sa_status set_text(sa_proto_message *layer, const char *name, sa_proto_kind kind, const char *text)
{
    for (size_t i = 0; i < layer->count; i++)
        if (!strcmp(layer->field[i].name, name)) sa_proto_drop(&layer->field[i]);
    sa_proto_sweep(layer);
    return sa_proto_append_text(layer, name, layer->line, kind, text);
}

sa_status sa_bn_set_inference(sa_proto_document *document)
{
    for (size_t i = 0; i < document->root.count; i++) {
        sa_proto_message *param;
        if (!is_bn(&document->root.field[i])) continue;
        const sa_proto_field *field = &document->root.field[i];
        SA_TRY(sa_proto_child(field->message, type_of(field)->config_field, field->line, &param));
        SA_TRY(set_text(param, "bn_mode", SA_PROTO_TOKEN, "INFERENCE"));
    }
    return SA_OK;
}

/* ---- which convolution ---- */

/* The layer in front of number `at` that makes the version of `blob` which is read there; -1: none. */
static int maker_of(const sa_proto_message *root, size_t at, const char *blob)
{
    for (int i = (int)at - 1; i >= 0; i--)
        if (is_layer(&root->field[i]) && has_text(root->field[i].message, "top", blob)) return i;
    return -1;
}

/* Does a layer other than the BN read what the convolution makes? In place, the name means the BN's output behind it. */
static bool has_other_reader(const sa_proto_message *root, size_t maker, size_t bn, const char *blob, bool in_place)
{
    for (size_t i = maker + 1; i < root->count && (i < bn || !in_place); i++)
        if (i != bn && is_layer(&root->field[i]) && has_text(root->field[i].message, "bottom", blob)) return true;
    return false;
}

static bool shares_params(const sa_proto_message *layer)
{
    for (size_t i = 0; i < layer->count; i++)
        if (!strcmp(layer->field[i].name, "param") && layer->field[i].message && sa_proto_find(layer->field[i].message, "name"))
            return true;
    return false;
}

/* The convolution that takes the BN layer at number `at` in; NULL: none can. */
static sa_proto_message *absorber(const sa_proto_message *root, size_t at)
{
    const sa_proto_message *bn = root->field[at].message;
    const char *bottom = text_of(bn, "bottom");
    int maker = maker_of(root, at, bottom);
    const sa_layer_type *type = maker < 0 ? NULL : type_of(&root->field[maker]);
    if (!type || !type->convolves || type->transposes || shares_params(root->field[maker].message)) return NULL;
    bool in_place = has_text(bn, "top", bottom);
    return has_other_reader(root, (size_t)maker, at, bottom, in_place) ? NULL : root->field[maker].message;
}

/* ---- the weights ---- */

static bool fits(const sa_weight_layer *conv, const sa_weight_layer *bn)
{
    if (!conv || !bn || conv->blob_count < 1 || conv->blob_count > 2 || bn->blob_count != 2) return false;
    size_t outputs = bn->blob[0].count;
    return outputs > 0 && bn->blob[1].count == outputs && conv->blob[0].count % outputs == 0 &&
           (conv->blob_count == 1 || conv->blob[1].count == outputs);
}

static sa_status add_bias(sa_weight_layer *conv, size_t outputs)
{
    const int64_t dim = (int64_t)outputs;
    sa_weight_blob *bias;
    SA_TRY(sa_weights_add_blob(conv, 1, &dim, outputs, &bias));
    memset(bias->values, 0, outputs * sizeof *bias->values);
    return SA_OK;
}

static void fold(sa_weight_layer *conv, sa_weight_layer *bn)
{
    size_t outputs = bn->blob[0].count, each = conv->blob[0].count / outputs;
    float *weight = conv->blob[0].values, *bias = conv->blob[1].values, *scale = bn->blob[0].values, *shift = bn->blob[1].values;
    for (size_t o = 0; o < outputs; o++) {
        for (size_t i = 0; i < each; i++) weight[o * each + i] = (float)((double)weight[o * each + i] * (double)scale[o]);
        bias[o] = (float)((double)bias[o] * (double)scale[o] + (double)shift[o]);
        scale[o] = shift[o] = 0;
    }
}

/* ---- both ---- */

static sa_status absorb_one(sa_proto_document *document, size_t at, sa_proto_message *conv, sa_weight_layer *conv_weights,
                            sa_weight_layer *bn_weights)
{
    sa_proto_message *param;
    const sa_proto_message *bn = document->root.field[at].message;
    if (conv_weights->blob_count == 1) {
        SA_TRY(add_bias(conv_weights, bn_weights->blob[0].count));
        SA_TRY(sa_proto_child(conv, sa_layer_type_find(text_of(conv, "type"))->config_field, conv->line, &param));
        SA_TRY(set_text(param, "bias_term", SA_PROTO_TOKEN, "true"));
    }
    fold(conv_weights, bn_weights);
    SA_TRY(set_text(conv, "top", SA_PROTO_STRING, text_of(bn, "top")));
    sa_proto_drop(&document->root.field[at]);
    return SA_OK;
}

sa_status sa_bn_absorb(sa_proto_document *document, sa_weights *weights, int *absorbed, int *left)
{
    int folded = 0, stay = 0;
    for (size_t i = 0; i < document->root.count; i++) {
        if (!is_bn(&document->root.field[i])) continue;
        sa_proto_message *conv = absorber(&document->root, i);
        sa_weight_layer *conv_weights = conv ? sa_weights_find(weights, text_of(conv, "name")) : NULL;
        sa_weight_layer *bn_weights = sa_weights_find(weights, text_of(document->root.field[i].message, "name"));
        if (!fits(conv_weights, bn_weights)) {
            stay++;
            continue;
        }
        SA_TRY(absorb_one(document, i, conv, conv_weights, bn_weights));
        folded++;
    }
    sa_proto_sweep(&document->root);
    *absorbed = folded;
    *left = stay;
    return SA_OK;
}
