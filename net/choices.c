/* Choices: their file, and how they change realizations. */
#include "net/choices.h"

#include "core/growing_array.h"
#include "core/output_file.h"
#include "layers/convolution.h"
#include "net/net.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sa_enum_name OUTPUTS[] = {SA_ENUM("keep", SA_KEPT), SA_ENUM("again", SA_AGAIN_ONCE),
                                       SA_ENUM("again_each", SA_AGAIN_EACH), SA_ENUM_END};
static const sa_enum_name ALGORITHMS[] = {SA_ENUM("im2col", SA_CONV_IM2COL), SA_ENUM("direct", SA_CONV_DIRECT),
                                          SA_ENUM("fft", SA_CONV_FFT), SA_ENUM("cudnn", SA_CONV_CUDNN), SA_ENUM_END};
static const sa_enum_name FORMS[] = {SA_ENUM("one", SA_CONV_BACKWARD_FUSED), SA_ENUM("split", SA_CONV_BACKWARD_SPLIT), SA_ENUM_END};

static const sa_field ROW_FIELDS[] = {
    SA_F_STRING(sa_layer_row, name, "name"),
    SA_F_CHOICE(sa_layer_row, output, "output", OUTPUTS),
    SA_F_CHOICE(sa_layer_row, algorithm, "algorithm", ALGORITHMS),
    SA_F_CHOICE(sa_layer_row, backward, "backward", FORMS),
    SA_F_RANGE(sa_layer_row, band_channels, "band_channels", INT32, 0, 65535),
    SA_F_RANGE(sa_layer_row, in_place, "in_place", INT32, 0, 1),
    SA_F_RANGE(sa_layer_row, workspace_bytes, "workspace_bytes", INT64, 0, 9e15),
    SA_F_END,
};
static const sa_field FILE_FIELDS[] = {
    SA_F_IGNORED("net"),
    SA_F_STRING(sa_choices, strategy, "strategy"),
    SA_F_RANGE(sa_choices, arena_bytes, "arena_bytes", INT64, 0, 9e15),
    SA_F_END,
};

/* ------------------------------------------------------------------ making them ------------------------------------ */

sa_status sa_choices_create(const char *strategy, sa_choices **choices)
{
    if (strlen(strategy) >= SA_CHOICES_STRATEGY_BYTES)
        SA_FAIL(SA_INVALID, "strategy name of %zu characters: at most %d", strlen(strategy), SA_CHOICES_STRATEGY_BYTES - 1);
    sa_choices *c = calloc(1, sizeof *c);
    if (!c) SA_FAIL(SA_NOMEM, "no memory for choices");
    snprintf(c->strategy, sizeof c->strategy, "%s", strategy);
    *choices = c;
    return SA_OK;
}

sa_status sa_choices_copy(const sa_choices *choices, sa_choices **copy)
{
    sa_choices *c;
    SA_TRY(sa_choices_create(choices->strategy, &c));
    c->arena_bytes = choices->arena_bytes;
    for (size_t i = 0; i < choices->count; i++) {
        sa_layer_row *row;
        sa_status status = sa_choices_add(c, choices->row[i].name, &row);
        if (status != SA_OK) {
            sa_choices_free(c);
            return status;
        }
        *row = choices->row[i];
    }
    *copy = c;
    return SA_OK;
}

sa_status sa_choices_add(sa_choices *choices, const char *layer, sa_layer_row **row)
{
    sa_layer_row *grown = sa_array_room(choices->row, choices->count, sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for the choices of %zu layers", choices->count + 1);
    choices->row = grown;
    sa_layer_row *added = &grown[choices->count++];
    *added = (sa_layer_row){.output = SA_CHOICE_UNSET,
                            .algorithm = SA_CHOICE_UNSET,
                            .backward = SA_CHOICE_UNSET,
                            .band_channels = SA_CHOICE_UNSET,
                            .in_place = SA_CHOICE_UNSET,
                            .workspace_bytes = SA_CHOICE_UNSET};
    snprintf(added->name, sizeof added->name, "%s", layer);
    *row = added;
    return SA_OK;
}

void sa_choices_free(sa_choices *choices)
{
    if (!choices) return;
    free(choices->row);
    free(choices->path);
    free(choices);
}

/* ------------------------------------------------------------------ files ------------------------------------------ */

static sa_status read_row(const sa_proto_document *document, const sa_proto_field *field, sa_choices *choices)
{
    sa_layer_row *row;
    if (field->kind != SA_PROTO_MESSAGE)
        return sa_proto_error(document, field->line, SA_PARSE, "choices", "'layer' is a message: layer { name: \"conv1\" ... }");
    SA_TRY(sa_choices_add(choices, "", &row));
    row->line = field->line;
    SA_TRY(sa_fields_decode(document, field->message, ROW_FIELDS, "choices of a layer", NULL, row));
    if (!row->name[0]) return sa_proto_error(document, field->line, SA_PARSE, "choices", "'name', the layer's, is missing");
    return SA_OK;
}

static sa_status read_document(const sa_proto_document *document, sa_choices *choices)
{
    static const char *const ROWS[] = {"layer", NULL};
    SA_TRY(sa_fields_decode(document, &document->root, FILE_FIELDS, "choices", ROWS, choices));
    if (!choices->strategy[0])
        return sa_proto_error(document, 1, SA_PARSE, "choices", "'strategy', the switches that hold for all layers, is missing");
    for (size_t i = 0; i < document->root.count; i++)
        if (!strcmp(document->root.field[i].name, "layer")) SA_TRY(read_row(document, &document->root.field[i], choices));
    return SA_OK;
}

sa_status sa_choices_load(const char *path, sa_choices **choices)
{
    sa_proto_document *document;
    sa_choices *c;
    SA_TRY(sa_proto_parse_file(path, &document));
    sa_status status = sa_choices_create("", &c);
    if (status == SA_OK) {
        c->path = strdup(path);
        status = c->path ? read_document(document, c) : sa_error_set(SA_NOMEM, "no memory for choices");
        if (status != SA_OK) sa_choices_free(c);
    }
    sa_proto_free(document);
    if (status == SA_OK) *choices = c;
    return status;
}

/* A growing text; `failed` once there is no memory. */
typedef struct text {
    char *bytes;
    size_t length;
    bool failed;
} text;

static void put(text *t, const char *format, ...) SA_PRINTF(2, 3);
static void put(text *t, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    char *grown = t->failed || length < 0 || length >= (int)sizeof line ? NULL : realloc(t->bytes, t->length + (size_t)length + 1);
    t->failed = !grown;
    if (!grown) return;
    memcpy(grown + t->length, line, (size_t)length + 1);
    t->bytes = grown;
    t->length += (size_t)length;
}

static void put_quoted(text *t, const char *name)
{
    put(t, "\"");
    for (; *name; name++) put(t, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
    put(t, "\"");
}

static void put_name(text *t, const char *field, const sa_enum_name *names, int32_t value)
{
    for (; names->name; names++)
        if (names->value == value) put(t, " %s: \"%s\"", field, names->name);
}

static void put_row(text *t, const sa_layer_row *row)
{
    put(t, "layer { name: ");
    put_quoted(t, row->name);
    put_name(t, "output", OUTPUTS, row->output);
    put_name(t, "algorithm", ALGORITHMS, row->algorithm);
    put_name(t, "backward", FORMS, row->backward);
    if (row->band_channels != SA_CHOICE_UNSET) put(t, " band_channels: %d", (int)row->band_channels);
    if (row->in_place != SA_CHOICE_UNSET) put(t, " in_place: %d", (int)row->in_place);
    if (row->workspace_bytes != SA_CHOICE_UNSET) put(t, " workspace_bytes: %" PRId64, row->workspace_bytes);
    put(t, " }\n");
}

sa_status sa_choices_save(const sa_choices *choices, const char *net, const char *path)
{
    text t = {0};
    put(&t, "# Choices of a strategy, for `--strategy @FILE`; see docs/formats.md.\nnet: ");
    put_quoted(&t, net);
    put(&t, "\nstrategy: ");
    put_quoted(&t, choices->strategy);
    put(&t, "\n");
    if (choices->arena_bytes) put(&t, "arena_bytes: %" PRId64 "\n", choices->arena_bytes);
    for (size_t i = 0; i < choices->count; i++) put_row(&t, &choices->row[i]);
    sa_status status =
        t.failed ? sa_error_set(SA_NOMEM, "no memory for the text of choices") : sa_output_file_put(path, t.bytes, t.length);
    free(t.bytes);
    return status;
}

/* ------------------------------------------------------------------ what they change -------------------------------- */

#define ROW_FAIL(choices, row, ...)                                                               \
    return sa_error_prefix(sa_error_set(SA_INVALID, __VA_ARGS__), "%s:%d: choices of layer '%s'", \
                           (choices)->path ? (choices)->path : "strategy", (row)->line, (row)->name)

static sa_status layer_of(const sa_choices *choices, const sa_layer_row *row, const sa_net *net, int *layer)
{
    *layer = sa_net_layer_index(net, row->name);
    if (*layer < 0) ROW_FAIL(choices, row, "the net %s has no such layer", net->path ? net->path : net->name);
    return SA_OK;
}

static sa_status apply_row(const sa_choices *choices, const sa_layer_row *row, const sa_net *net, sa_realizations *r)
{
    int l;
    SA_TRY(layer_of(choices, row, net, &l));
    sa_layer_choice *choice = &r->layer[l];
    const sa_layer_type *type = net->layer[l].type;
    bool of_convolution = row->algorithm != SA_CHOICE_UNSET || row->backward != SA_CHOICE_UNSET ||
                          row->band_channels != SA_CHOICE_UNSET || row->workspace_bytes != SA_CHOICE_UNSET;
    if (of_convolution && !type->convolves)
        ROW_FAIL(choices, row, "algorithm, backward, band_channels and workspace_bytes are for convolutions, not for %s",
                 type->name);
    if (row->in_place != SA_CHOICE_UNSET && !type->joins_bottoms && !type->merges_bottoms && !type->shares_bottom)
        ROW_FAIL(choices, row, "in_place is for what joins values or sums them up, not for %s", type->name);
    if (row->algorithm != SA_CHOICE_UNSET) choice->algorithm = (sa_conv_algorithm)row->algorithm;
    if (row->workspace_bytes != SA_CHOICE_UNSET) choice->workspace_limit_bytes = (size_t)row->workspace_bytes;
    if (row->band_channels != SA_CHOICE_UNSET) choice->bands_wanted = row->band_channels;
    choice->apart = row->in_place == 0;
    return SA_OK;
}

sa_status sa_choices_apply_to_layers(const sa_choices *choices, const sa_net *net, sa_realizations *r)
{
    for (size_t i = 0; i < choices->count; i++) SA_TRY(apply_row(choices, &choices->row[i], net, r));
    return SA_OK;
}

static sa_status wanted_values(const sa_choices *choices, const sa_net *net, const int *owner, sa_realizations *r, sa_again *wanted)
{
    for (size_t i = 0; i < choices->count; i++) {
        const sa_layer_row *row = &choices->row[i];
        int l;
        if (row->output == SA_CHOICE_UNSET) continue;
        SA_TRY(layer_of(choices, row, net, &l));
        const int of = net->layer[l].top_count > 0 ? owner[net->layer[l].top[0]] : -1;
        if (of < 0 && row->output != SA_KEPT)
            ROW_FAIL(choices, row,
                     "its output cannot be dropped: under '%s' it has no memory of its own, or is an input or an output "
                     "of the net, or shares memory with what cannot be made again",
                     choices->strategy);
        if (of < 0) continue;
        wanted[of] = (sa_again)row->output;
        for (int b = 0; b < net->blob_count && row->output == SA_KEPT; b++) /* whatever the switches say */
            if (owner[b] == of) r->blob[b].again = SA_KEPT;
    }
    return SA_OK;
}

sa_status sa_choices_apply_to_values(const sa_choices *choices, const sa_net *net, sa_realizations *r)
{
    const size_t blobs = (size_t)net->blob_count + 1;
    int *owner = calloc(blobs, sizeof *owner);
    sa_again *wanted = calloc(blobs, sizeof *wanted);
    sa_status status = owner && wanted ? SA_OK : sa_error_set(SA_NOMEM, "no memory for the choices of %d values", net->blob_count);
    if (status == SA_OK) {
        sa_realizations_find_droppable(net, r, owner);
        status = wanted_values(choices, net, owner, r, wanted);
        if (status == SA_OK) sa_realizations_drop(net, wanted, r);
    }
    for (size_t i = 0; i < choices->count && status == SA_OK; i++) {
        int l = sa_net_layer_index(net, choices->row[i].name);
        if (choices->row[i].backward != SA_CHOICE_UNSET && r->layer[l].backward != SA_CONV_BACKWARD_BY_IMAGE)
            r->layer[l].backward = (sa_conv_backward_form)choices->row[i].backward;
    }
    free(owner);
    free(wanted);
    return status;
}
