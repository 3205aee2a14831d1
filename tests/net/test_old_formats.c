/* Old net and solver files and phase rules, against what a real Caffe made of them: tests/golden_formats. */
#include "net/net_spec.h"
#include "net/net_upgrade.h"
#include "net/solver_config.h"
#include "tests/support/read_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER "tests/golden_formats/"

/* ---- two trees say the same ---- */

static bool same_messages(const sa_proto_message *a, const sa_proto_message *b);

static bool same_texts(const char *a, const char *b)
{
    char *end_a, *end_b;
    double x = strtod(a, &end_a), y = strtod(b, &end_b);
    bool numbers = *a && *b && !*end_a && !*end_b;
    return numbers ? (float)x == (float)y : !strcmp(a, b);
}

static bool same_fields(const sa_proto_field *a, const sa_proto_field *b)
{
    if (a->kind != b->kind) return false;
    return a->kind == SA_PROTO_MESSAGE ? same_messages(a->message, b->message) : same_texts(a->text, b->text);
}

/* The k-th field called `name`; NULL: there are fewer. */
static const sa_proto_field *field_at(const sa_proto_message *message, const char *name, size_t k)
{
    for (size_t i = 0; i < message->count; i++)
        if (!strcmp(message->field[i].name, name) && k-- == 0) return &message->field[i];
    return NULL;
}

/* Every field has its equal, at the same place among those of its name; the order of names does not matter. */
static bool same_messages(const sa_proto_message *a, const sa_proto_message *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        size_t k = 0;
        for (size_t j = 0; j < i; j++) k += !strcmp(a->field[j].name, a->field[i].name);
        const sa_proto_field *other = field_at(b, a->field[i].name, k);
        if (!other || !same_fields(&a->field[i], other)) {
            print_error("line %d: '%s' differs\n", a->field[i].line, a->field[i].name);
            return false;
        }
    }
    return true;
}

/* ---- upgrades ---- */

static sa_proto_document *parse(const char *folder, const char *file)
{
    char path[256];
    sa_proto_document *document = NULL;
    snprintf(path, sizeof path, FOLDER "%s/%s", folder, file);
    if (sa_proto_parse_file(path, &document) != SA_OK) print_error("%s\n", sa_error_message());
    assert_non_null(document);
    return document;
}

static void assert_upgraded(const char *name)
{
    char folder[128];
    snprintf(folder, sizeof folder, "upgrade/%s", name);
    sa_proto_document *old = parse(folder, "old.prototxt"), *expected = parse(folder, "upgraded.prototxt");
    for (int i = 0; i < 2; i++) { /* the second time nothing is left to do */
        if (sa_net_upgrade(old) != SA_OK) fail_msg("%s", sa_error_message());
        if (!same_messages(&expected->root, &old->root)) fail_msg("%s: not what Caffe makes of it", name);
    }
    sa_proto_free(old);
    sa_proto_free(expected);
}

static void nets_are_upgraded(void **state)
{
    (void)state;
    static const char *const names[] = {"v0_basic", "v0_data", "v1_conv", "v1_data", "v1_types", "v2_input_shape"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) assert_upgraded(names[i]);
}

/* Caffe drops such an input; here it can still be given a shape from outside. */
static void an_input_without_shape_is_kept(void **state)
{
    (void)state;
    sa_proto_document *document = parse("upgrade/v2_input_alone", "old.prototxt");
    assert_int_equal(sa_net_upgrade(document), SA_OK);
    const sa_proto_field *layer = sa_proto_find(&document->root, "layer");
    assert_string_equal(sa_proto_find(layer->message, "type")->text, "Input");
    assert_string_equal(sa_proto_find(layer->message, "top")->text, "data");
    assert_int_equal(sa_proto_find(layer->message, "input_param")->message->count, 0);
    sa_proto_free(document);
}

static void bad_old_nets_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
    } rows[] = {
        {"E_both", ":5: the file has both `layer` (here) and `layers` (line 4, Caffe's V1 format): use one of them"},
        {"E_v0_padding_before_relu",
         ":5: 'p' is made by a padding layer (line 4), which only conv and pool may read; this is 'relu'"},
        {"E_v0_unknown_type", ": unknown V0 layer type '"},
        {"E_v1_type_string", ":2: in `layers` (Caffe's V1 format) the type is an enum without quotes"},
        {"E_v1_unknown_type", ": unknown V1 layer type "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char folder[128];
        snprintf(folder, sizeof folder, "upgrade/%s", rows[i].name);
        sa_proto_document *document = parse(folder, "old.prototxt");
        assert_int_equal(sa_net_upgrade(document), SA_PARSE);
        if (!strstr(sa_error_message(), rows[i].message)) fail_msg("%s: %s", rows[i].name, sa_error_message());
        sa_proto_free(document);
    }
}

/* ---- include and exclude ---- */

static void list_layers(sa_proto_document *document, const sa_state_spec *state, char *list, size_t bytes)
{
    sa_net_spec *spec = NULL;
    size_t length = 0;
    if (sa_net_spec_read(document, state, &spec) != SA_OK) {
        snprintf(list, bytes, "ERROR");
        return;
    }
    list[0] = '\0';
    for (int i = 0; i < spec->layer_count && length < bytes; i++)
        length += (size_t)snprintf(list + length, bytes - length, "%s%s", i ? " " : "", spec->layer[i].name);
    sa_net_spec_free(spec);
}

static void rules_choose_caffes_layers(void **state)
{
    (void)state;
    char line[512], name[64], phase[16], stages[64], expected[256], found[256], folder[128];
    int level, rows = 0;
    FILE *file = fopen(FOLDER "filter/expected.tsv", "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    while (fgets(line, sizeof line, file)) {
        assert_int_equal(sscanf(line, "%63[^\t]\t%15[^\t]\t%d\t%63[^\t]\t%255[^\n]", name, phase, &level, stages, expected), 5);
        sa_state_spec set = {.phase_given = true, .level_given = true, .level = level};
        set.phase = strcmp(phase, "TEST") ? SA_PHASE_TRAIN : SA_PHASE_TEST;
        if (strcmp(stages, "-") != 0) snprintf(set.stage[set.stage_count++], SA_SPEC_STAGE_BYTES, "%.40s", stages);
        snprintf(folder, sizeof folder, "filter/%s", name);
        sa_proto_document *document = parse(folder, "net.prototxt");
        list_layers(document, &set, found, sizeof found);
        sa_proto_free(document);
        if (strcmp(found, expected) != 0) fail_msg("%s, %s, level %d, stages %s: %s", name, phase, level, stages, found);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 24);
}

/* The net's own state holds where nobody sets another: Caffe's solver merges them in this order. */
static void the_nets_own_state_holds(void **state)
{
    (void)state;
    char found[256];
    sa_proto_document *document = parse("filter/state_in_net", "net.prototxt");
    list_layers(document, NULL, found, sizeof found);
    assert_string_equal(found, "in val lev1");
    const sa_state_spec train = {.phase = SA_PHASE_TRAIN, .phase_given = true};
    list_layers(document, &train, found, sizeof found);
    assert_string_equal(found, "in val lev1 train");
    sa_proto_free(document);
}

static void solver_states_are_read(void **state)
{
    (void)state;
    static const char text[] = "net: 'n' base_lr: 1 lr_policy: 'fixed' train_state { level: 2 stage: 'a' stage: 'b' }";
    sa_proto_document *document = NULL;
    sa_solver_config config;
    assert_int_equal(sa_proto_parse_text("solver", text, strlen(text), &document), SA_OK);
    assert_int_equal(sa_solver_config_read(document, &config), SA_OK);
    assert_true(config.train_state.level_given && config.train_state.level == 2 && !config.train_state.phase_given);
    assert_int_equal(config.train_state.stage_count, 2);
    assert_string_equal(config.train_state.stage[1], "b");
    sa_proto_free(document);
    static const char both[] = "net: 'n' base_lr: 1 lr_policy: 'fixed' type: 'SGD' solver_type: SGD";
    assert_int_equal(read_text(TEXT_SOLVER, "both", both, strlen(both)), SA_PARSE);
    assert_string_equal(sa_error_message(), "both:1: solver: 'solver_type' is the old form of 'type': give one of them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nets_are_upgraded),        cmocka_unit_test(an_input_without_shape_is_kept),
        cmocka_unit_test(bad_old_nets_are_refused), cmocka_unit_test(rules_choose_caffes_layers),
        cmocka_unit_test(the_nets_own_state_holds), cmocka_unit_test(solver_states_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
