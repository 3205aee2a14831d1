/* `smallest` never plans more bytes than `fastest`, `extreme` not more than that, and `fastest` not more than Caffe's layout with
 * the same convolutions: over all nets of nets/ and tests/nets/, and over random ones. What is compared is the most that is alive
 * at an op. */
#include "net/net.h"
#include "net/session.h"
#include "tests/support/random_graph.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NETS = 150, TEXT_BYTES = 1 << 16, ORDER = 4 };

static const char *const STRATEGY[ORDER] = {"extreme", "smallest", "fastest", "caffe+no-im2col"};
static sa_device *device;
static uint32_t first_seed = 0, seed_count = NETS;

static sa_status load_of(const sa_net *net, const char *name, size_t *load)
{
    const sa_program_options options = {.training = sa_net_trains(net), .rule.momentum = 0.9f, .weight_decay = 0.0005f};
    sa_strategy strategy;
    sa_program *program;
    SA_TRY(sa_strategy_parse(name, &strategy));
    SA_TRY(sa_program_for_strategy(net, &strategy, device, &options, &program));
    sa_status status = sa_plan_max_load(program->buffer, program->buffer_count, load);
    sa_program_free(program);
    return status;
}

/* Returns how many of the neighbours are in the wrong order. */
static int compare(const sa_net *net, const char *what)
{
    size_t load[ORDER];
    int wrong = 0;
    for (int i = 0; i < ORDER; i++)
        if (load_of(net, STRATEGY[i], &load[i]) != SA_OK) fail_msg("%s, %s: %s", what, STRATEGY[i], sa_error_message());
    for (int i = 1; i < ORDER; i++) {
        if (load[i - 1] <= load[i]) continue;
        print_error("%s: %s takes %zu bytes, %s %zu\n", what, STRATEGY[i - 1], load[i - 1], STRATEGY[i], load[i]);
        wrong++;
    }
    return wrong;
}

static void nets_that_come_with_segarena(void **state)
{
    (void)state;
    glob_t found;
    int wrong = 0, nets = 0;
    assert_int_equal(glob("nets/*.prototxt", 0, NULL, &found), 0);
    assert_int_equal(glob("tests/nets/*.prototxt", GLOB_APPEND, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        sa_net *net;
        if (strstr(found.gl_pathv[i], "_solver.") || sa_net_load(found.gl_pathv[i], NULL, &net) != SA_OK) continue;
        if (sa_net_is_computed(net)) {
            wrong += compare(net, found.gl_pathv[i]);
            nets++;
        }
        sa_net_free(net);
    }
    sa_error_clear();
    globfree(&found);
    print_message("%d nets\n", nets);
    assert_true(nets > 20);
    assert_int_equal(wrong, 0);
}

static void random_nets(void **state)
{
    (void)state;
    static char text[TEXT_BYTES];
    int wrong = 0;
    for (uint32_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        sa_proto_document *document;
        sa_net *net;
        char what[32];
        snprintf(what, sizeof what, "random net %u", seed);
        random_graph_make(seed, text, sizeof text);
        assert_int_equal(sa_proto_parse_text("graph", text, strlen(text), &document), SA_OK);
        if (sa_net_from_document(document, NULL, &net) != SA_OK) fail_msg("%s: %s", what, sa_error_message());
        wrong += compare(net, what);
        sa_net_free(net);
        sa_proto_free(document);
    }
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nets_that_come_with_segarena), cmocka_unit_test(random_nets)};
    if (argc > 1) first_seed = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2) seed_count = (uint32_t)strtoul(argv[2], NULL, 10);
    if (sa_device_open_cpu(1, &device) != SA_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sa_device_close(device);
    return failed;
}
