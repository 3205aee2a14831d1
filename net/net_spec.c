/* Reads a net file into sa_net_spec: header, layers, phase rules. Shapes and types are not its business. */
#include "net/net_spec.h"
#include "layers/layer_registry.h"

#include "net/net_spec_fields.h"
#include "net/net_upgrade.h"
#include "program/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sa_layer_where(const char *name, const char *type, char where[SA_LAYER_WHERE_BYTES])
{
    if (name[0]) snprintf(where, SA_LAYER_WHERE_BYTES, "layer '%.96s' (%.96s)", name, type);
    else snprintf(where, SA_LAYER_WHERE_BYTES, "layer without a name (%.96s)", type);
}

/* The text of a string field for a message, before anything is checked. */
static const char *text_of(const sa_proto_message *message, const char *name, const char *absent)
{
    const sa_proto_field *field = sa_proto_find(message, name);
    return field && field->kind == SA_PROTO_STRING ? field->text : absent;
}

static bool has_stage(const sa_state_spec *state, const char *stage)
{
    for (int i = 0; i < state->stage_count; i++)
        if (strcmp(state->stage[i], stage) == 0) return true;
    return false;
}

/* Caffe: Net::StateMeetsRule. */
static bool meets_rule(const sa_state_spec *state, const sa_rule_spec *rule)
{
    if (rule->phase_given && rule->phase != state->phase) return false;
    if (rule->min_level_given && state->level < rule->min_level) return false;
    if (rule->max_level_given && state->level > rule->max_level) return false;
    for (int i = 0; i < rule->stage_count; i++)
        if (!has_stage(state, rule->stage[i])) return false;
    for (int i = 0; i < rule->not_stage_count; i++)
        if (has_stage(state, rule->not_stage[i])) return false;
    return true;
}

/* Caffe: Net::FilterNet. */
static bool is_included(const sa_state_spec *state, const sa_layer_spec *layer)
{
    for (int i = 0; i < layer->exclude_count; i++)
        if (meets_rule(state, &layer->exclude[i])) return false;
    for (int i = 0; i < layer->include_count; i++)
        if (meets_rule(state, &layer->include[i])) return true;
    return layer->include_count == 0;
}

/* A layer of an unknown type may have messages that nobody knows: only what every layer has is read of it. */
static sa_status decode_layer(const sa_proto_document *document, const sa_proto_message *message, const char *where,
                              sa_layer_spec *layer)
{
    static const char *const OF_ALL[] = {"name", "type", "bottom", "top", "include", "exclude"};
    if (sa_layer_type_find(text_of(message, "type", "")) || !sa_proto_find(message, "type"))
        return sa_fields_decode(document, message, sa_layer_spec_fields, where, NULL, layer);
    sa_proto_message part = {.line = message->line};
    part.field = malloc((message->count + 1) * sizeof *part.field);
    if (!part.field) SA_FAIL(SA_NOMEM, "%s: out of memory for a layer", document->path);
    for (size_t i = 0; i < message->count; i++)
        for (size_t k = 0; k < sizeof OF_ALL / sizeof *OF_ALL; k++)
            if (!strcmp(message->field[i].name, OF_ALL[k])) part.field[part.count++] = message->field[i];
    sa_status status = sa_fields_decode(document, &part, sa_layer_spec_fields, where, NULL, layer);
    free(part.field);
    return status;
}

static sa_status read_layer(const sa_proto_document *document, const sa_proto_field *field, sa_layer_spec *layer)
{
    char where[SA_LAYER_WHERE_BYTES];
    if (field->kind != SA_PROTO_MESSAGE)
        return sa_proto_error(document, field->line, SA_PARSE, NULL, "'layer' needs a message in braces");
    *layer = (sa_layer_spec){.line = field->line, .message = field->message};
    for (int i = 0; i < SA_SPEC_PARAMS_MAX; i++) layer->param[i].lr_mult = layer->param[i].decay_mult = 1;
    sa_layer_where(text_of(field->message, "name", ""), text_of(field->message, "type", "?"), where);
    SA_TRY(decode_layer(document, field->message, where, layer));
    if (!layer->type[0]) return sa_proto_error(document, field->line, SA_PARSE, where, "'type' is missing");
    if (layer->include_count && layer->exclude_count)
        return sa_proto_error(document, field->line, SA_PARSE, where, "give either include or exclude rules, not both");
    if (layer->propagate_down_count && layer->propagate_down_count != layer->bottom_count)
        return sa_proto_error(document, field->line, SA_PARSE, where, "'propagate_down' is given %d times for %d bottoms",
                              (int)layer->propagate_down_count, (int)layer->bottom_count);
    for (int i = 0; i < layer->bottom_count; i++)
        if (!layer->bottom[i][0]) return sa_proto_error(document, field->line, SA_PARSE, where, "a bottom has an empty name");
    for (int i = 0; i < layer->top_count; i++)
        if (!layer->top[i][0]) return sa_proto_error(document, field->line, SA_PARSE, where, "a top has an empty name");
    return SA_OK;
}

/* Data layers may be those of another phase than the rest. */
static bool is_chosen(const sa_state_spec *state, bool train_data, const sa_layer_spec *layer)
{
    const sa_layer_type *type = sa_layer_type_find(layer->type);
    if (!train_data || !type || !type->is_input) return is_included(state, layer);
    sa_state_spec train = *state;
    train.phase = SA_PHASE_TRAIN;
    return is_included(&train, layer);
}

static bool has_input(const sa_net_spec *spec)
{
    for (int l = 0; l < spec->layer_count; l++) {
        const sa_layer_type *type = sa_layer_type_find(spec->layer[l].type);
        if (type && type->is_input) return true;
    }
    return false;
}

static sa_status choose_layers(const sa_proto_document *document, bool train_data, sa_net_spec *spec)
{
    spec->layer_count = 0;
    for (size_t i = 0; i < document->root.count; i++) {
        const sa_proto_field *field = &document->root.field[i];
        if (strcmp(field->name, "layer") != 0) continue;
        SA_TRY(read_layer(document, field, &spec->layer[spec->layer_count]));
        spec->layer_count += is_chosen(&spec->state, train_data, &spec->layer[spec->layer_count]);
    }
    return SA_OK;
}

static sa_status read_layers(const sa_proto_document *document, sa_net_spec *spec)
{
    size_t count = 0;
    for (size_t i = 0; i < document->root.count; i++) count += strcmp(document->root.field[i].name, "layer") == 0;
    if (count > SA_SPEC_LAYERS_MAX)
        return sa_proto_error(document, 1, SA_UNSUPPORTED, NULL, "the net has %zu layers; at most %d are supported", count,
                              SA_SPEC_LAYERS_MAX);
    spec->layer = calloc(count + 1, sizeof *spec->layer);
    if (!spec->layer) SA_FAIL(SA_NOMEM, "%s: out of memory for %zu layers", document->path, count);
    SA_TRY(choose_layers(document, spec->state.data == SA_DATA_OF_TRAIN, spec));
    if (spec->state.data == SA_DATA_OF_EITHER && !has_input(spec)) SA_TRY(choose_layers(document, true, spec));
    return SA_OK;
}

/* Single fields replace, stages add up. */
static sa_status merge_state(const sa_proto_document *document, const sa_state_spec *from, sa_state_spec *state)
{
    if (from->phase_given) state->phase = from->phase;
    if (from->level_given) state->level = from->level;
    state->data = from->data;
    for (int i = 0; i < from->stage_count; i++) {
        if (has_stage(state, from->stage[i])) continue;
        if (state->stage_count == SA_SPEC_STAGES_MAX)
            return sa_proto_error(document, 1, SA_UNSUPPORTED, NULL, "more than %d stages", SA_SPEC_STAGES_MAX);
        memcpy(state->stage[state->stage_count++], from->stage[i], sizeof from->stage[i]);
    }
    return SA_OK;
}

static sa_status read_net(const sa_proto_document *document, const sa_state_spec *state, sa_net_header *header, sa_net_spec *spec)
{
    SA_TRY(sa_fields_decode(document, &document->root, sa_net_header_fields, NULL, NULL, header));
    memcpy(spec->name, header->name, sizeof spec->name);
    spec->state = header->state;
    if (state) SA_TRY(merge_state(document, state, &spec->state));
    spec->force_backward = header->force_backward;
    SA_TRY(read_layers(document, spec));
    if (!spec->layer_count) return sa_proto_error(document, 1, SA_PARSE, NULL, "the net has no layers in this phase");
    return SA_OK;
}

sa_status sa_net_spec_read(sa_proto_document *document, const sa_state_spec *state, sa_net_spec **spec)
{
    SA_TRY(sa_net_upgrade(document));
    sa_net_spec *read = calloc(1, sizeof *read);
    sa_net_header *header = calloc(1, sizeof *header);
    sa_status status = SA_OK;
    if (!read || !header) status = sa_error_set(SA_NOMEM, "%s: out of memory", document->path);
    if (status == SA_OK) status = read_net(document, state, header, read);
    free(header);
    if (status != SA_OK) {
        sa_net_spec_free(read);
        return status;
    }
    *spec = read;
    return SA_OK;
}

void sa_net_spec_free(sa_net_spec *spec)
{
    if (!spec) return;
    free(spec->layer);
    free(spec);
}
