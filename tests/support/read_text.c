/* The readers of prototxt text, one after another, for tests of good, bad and mutated input. */
#include "tests/support/read_text.h"

#include "layers/params.h"
#include "net/net_spec.h"
#include "net/solver_config.h"

#include <string.h>

/* Any parameter message; a layer's own one is read into it. */
typedef union any_param {
    sa_input_param input;
    sa_dummy_data_param dummy_data;
    sa_dense_image_data_param dense_image_data;
    sa_transform_param transform;
    sa_lrn_param lrn;
    sa_conv_param conv;
    sa_bn_param bn;
    sa_pooling_param pooling;
    sa_upsample_param upsample;
    sa_dropout_param dropout;
    sa_loss_param loss;
    sa_accuracy_param accuracy;
} any_param;

static void no_defaults(void *param)
{
    memset(param, 0, sizeof(any_param));
}

static const struct param_row {
    const char *field;
    const sa_field *table;
    void (*init)(void *param);
} param_rows[] = {
    {"input_param", sa_input_fields, sa_input_param_init},
    {"dummy_data_param", sa_dummy_data_fields, sa_dummy_data_param_init},
    {"dense_image_data_param", sa_dense_image_data_fields, sa_dense_image_data_param_init},
    {"transform_param", sa_transform_fields, sa_transform_param_init},
    {"lrn_param", sa_lrn_fields, sa_lrn_param_init},
    {"convolution_param", sa_conv_fields, sa_conv_param_init},
    {"bn_param", sa_bn_fields, sa_bn_param_init},
    {"relu_param", sa_relu_fields, no_defaults},
    {"pooling_param", sa_pooling_fields, sa_pooling_param_init},
    {"upsample_param", sa_upsample_fields, sa_upsample_param_init},
    {"dropout_param", sa_dropout_fields, sa_dropout_param_init},
    {"loss_param", sa_loss_fields, sa_loss_param_init},
    {"softmax_param", sa_softmax_fields, no_defaults},
    {"accuracy_param", sa_accuracy_fields, sa_accuracy_param_init},
};

/* The rules between fields, as a layer's setup applies them. */
static sa_status check_rules(const sa_layer_spec *layer, const char *field, const any_param *param)
{
    sa_window_param window;
    sa_shape_param shape;
    int32_t height, width;
    if (strcmp(field, "convolution_param") == 0)
        return sa_window_param_resolve(&param->conv.kernel, &param->conv.stride, &param->conv.pad, &window);
    if (strcmp(field, "pooling_param") == 0)
        return sa_window_param_resolve(&param->pooling.kernel, &param->pooling.stride, &param->pooling.pad, &window);
    if (strcmp(field, "upsample_param") == 0) return sa_upsample_param_size(&param->upsample, 8, 8, &height, &width);
    for (int top = 0; top < layer->top_count && strcmp(field, "dummy_data_param") == 0; top++)
        SA_TRY(sa_dummy_data_param_shape(&param->dummy_data, top, layer->top_count, &shape));
    for (int top = 0; top < layer->top_count && strcmp(field, "input_param") == 0; top++)
        SA_TRY(sa_input_param_shape(&param->input, top, layer->top_count, &shape));
    return SA_OK;
}

static sa_status read_layer_params(const sa_proto_document *document, const sa_layer_spec *layer)
{
    char where[SA_LAYER_WHERE_BYTES];
    sa_layer_where(layer->name, layer->type, where);
    for (size_t i = 0; i < sizeof param_rows / sizeof param_rows[0]; i++) {
        const struct param_row *row = &param_rows[i];
        any_param param;
        bool given = false;
        row->init(&param);
        SA_TRY(sa_fields_decode_child(document, layer->message, row->field, row->table, where, &param, &given));
        sa_status status = given ? check_rules(layer, row->field, &param) : SA_OK;
        if (status != SA_OK) return sa_error_prefix(status, "%s:%d: %s", document->path, layer->line, where);
    }
    return SA_OK;
}

static sa_status read_net(const sa_proto_document *document)
{
    sa_net_spec *spec = NULL;
    SA_TRY(sa_net_spec_read(document, SA_PHASE_TRAIN, &spec));
    sa_status status = SA_OK;
    for (int i = 0; i < spec->layer_count && status == SA_OK; i++) status = read_layer_params(document, &spec->layer[i]);
    sa_net_spec_free(spec);
    return status;
}

sa_status read_text(text_kind kind, const char *name, const char *text, size_t length)
{
    sa_proto_document *document = NULL;
    sa_solver_config config;
    SA_TRY(sa_proto_parse_text(name, text, length, &document));
    sa_status status = SA_OK;
    if (kind == TEXT_NET) status = read_net(document);
    if (kind == TEXT_SOLVER) status = sa_solver_config_read(document, &config);
    sa_proto_free(document);
    return status;
}
