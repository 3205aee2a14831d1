/* Which values to make again: the model against emitted programs, the exact search against all choices, budgets against the
 * frontier, and what deep and large nets have to reach. */
#include "cost/remake_search.h"
#include "memory/plan.h"
#include "net/net.h"
#include "tests/support/cost_fixture.h"
#include "tests/support/random_net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char SWITCHES[] = "inplace+split-backward+small-workspace";
enum { TEXT_BYTES = 1 << 16, VALUES_MAX = 12 };

static fixture f;
static char text[TEXT_BYTES];
static size_t length;

static int open_device(void **state)
{
    (void)state;
    f = open_fixture(NULL, 1);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    f.net = NULL;
    close_fixture(&f);
    return 0;
}

static void put(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    length += (size_t)vsnprintf(text + length, sizeof text - length, format, arguments);
    va_end(arguments);
    assert_true(length < sizeof text);
}

static void convolution(int i, int bottom, int outputs, int kernel)
{
    put("layer { name: 'l%d' type: 'Convolution' bottom: 'x%d' top: 'x%d' convolution_param { num_output: %d kernel_size: %d pad: "
        "%d } }\n",
        i, bottom, i, outputs, kernel, kernel / 2);
}

static void begin_net(int channels, int plane)
{
    length = 0;
    put("input: ['data', 'label'] input_shape { dim: [1, 3, %d, %d] } input_shape { dim: [1, 1, %d, %d] }\n"
        "layer { name: 'l0' type: 'Convolution' bottom: 'data' top: 'x0' convolution_param { num_output: %d kernel_size: 1 } }\n",
        plane, plane, plane, plane, channels);
}

static sa_net *end_net(int last)
{
    sa_proto_document *document;
    sa_net *net;
    put("layer { name: 'scores' type: 'Convolution' bottom: 'x%d' top: 'scores' convolution_param { num_output: 4 kernel_size: 1 } "
        "}\n"
        "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'scores' bottom: 'label' top: 'loss' }\n",
        last);
    must(sa_proto_parse_text("random", text, length, &document));
    must(sa_net_from_document(document, NULL, &net));
    sa_proto_free(document);
    return net;
}

static sa_net *chain(int count, int channels)
{
    begin_net(channels, 64);
    for (int i = 1; i < count; i++) convolution(i, i - 1, channels, 3);
    return end_net(count - 1);
}

/* Convolutions of different sizes; with `joins`, sums and concatenations of the last value and an earlier one. */
static sa_net *random_one(uint64_t *random, int count, bool joins)
{
    int channels[VALUES_MAX + 1];
    begin_net(channels[0] = 2 + (int)random_below(random, 7), 16);
    for (int i = 1; i < count; i++) {
        const int earlier = i > 1 ? (int)random_below(random, (uint32_t)i - 1) : 0,
                  kind = joins && i > 1 ? (int)random_below(random, 4) : 3;
        if (kind == 0 && channels[earlier] == channels[i - 1]) {
            put("layer { name: 'l%d' type: 'Eltwise' bottom: 'x%d' bottom: 'x%d' top: 'x%d' }\n", i, i - 1, earlier, i);
            channels[i] = channels[i - 1];
        } else if (kind == 1) {
            put("layer { name: 'l%d' type: 'Concat' bottom: 'x%d' bottom: 'x%d' top: 'x%d' }\n", i, i - 1, earlier, i);
            channels[i] = channels[i - 1] + channels[earlier];
        } else {
            channels[i] = random_below(random, 3) ? channels[i - 1] : 2 + (int)random_below(random, 7);
            convolution(i, i - 1, channels[i], random_below(random, 2) ? 3 : 1);
        }
    }
    return end_net(count - 1);
}

static sa_remake_model *model_of(const sa_net *net)
{
    sa_strategy strategy;
    sa_remake_model *model;
    must(sa_strategy_parse(SWITCHES, &strategy));
    must(sa_remake_model_create(net, &strategy, f.model, &PROGRAM, &model));
    return model;
}

/* The program in which the owners of state are dropped: what it holds and takes. */
static void emit(const sa_net *net, const sa_remake_model *model, const uint8_t *state, size_t *load, double *ms)
{
    sa_strategy strategy;
    sa_realizations r;
    sa_program *program;
    sa_again *wanted = calloc((size_t)net->blob_count, sizeof *wanted);
    must(sa_strategy_parse(SWITCHES, &strategy));
    must(sa_strategy_apply(&strategy, net, f.device, &r));
    for (int v = 0; v < model->value_count; v++)
        if (model->value[v].owner == v) wanted[model->value[v].blob] = (sa_again)state[v];
    sa_realizations_drop(net, wanted, &r);
    must(sa_realizations_settle(net, &r));
    must(sa_program_create(net, &r, f.device, &PROGRAM, &program));
    must(sa_program_check(program));
    must(sa_plan_max_load(program->buffer, program->buffer_count, load));
    *ms = sa_cost_predict(f.model, program, NULL).ms;
    sa_program_free(program);
    sa_realizations_free(&r);
    free(wanted);
}

/* Sets state by the bits of `mask`, one a free value; returns how many there are. */
static int set_state(const sa_remake_model *model, uint32_t mask, uint8_t *state)
{
    int bit = 0;
    for (int v = 0; v < model->value_count; v++) {
        state[v] = SA_REMAKE_ONCE;
        if (sa_remake_is_free(model, v)) state[v] = mask >> bit++ & 1 ? SA_REMAKE_ONCE : SA_REMAKE_KEPT;
    }
    return bit;
}

static void the_model_is_the_emitted_program(void **state)
{
    (void)state;
    enum { NETS = 30, TRIES = 20 };
    uint64_t random = 17;
    int exact = 0, all = 0;
    for (int n = 0; n < NETS; n++) {
        sa_net *net = random_one(&random, 4 + (int)random_below(&random, VALUES_MAX - 4), n % 2);
        sa_remake_model *model = model_of(net);
        uint8_t *choice = calloc((size_t)model->value_count + 1, 1);
        for (int i = 0; i < TRIES; i++) {
            sa_remake_result result;
            size_t load;
            double ms;
            set_state(model, random_below(&random, 1u << VALUES_MAX), choice);
            for (int v = 0; v < model->value_count; v++)
                if (choice[v] == SA_REMAKE_ONCE && !model->value[v].shares && random_below(&random, 4) == 0)
                    choice[v] = SA_REMAKE_EACH;
            sa_remake_evaluate(model, choice, &result);
            emit(net, model, choice, &load, &ms);
            const bool same = result.peak_bytes == load && fabs(result.ms - ms) <= 1e-9 * ms;
            if (n % 2 == 0) assert_true(same); /* a chain */
            exact += same;
            all++;
        }
        free(choice);
        sa_remake_model_free(model);
        sa_net_free(net);
    }
    print_message("%d of %d programs are as the model says\n", exact, all);
    assert_true(exact >= all * 9 / 10);
}

/* All 2^n choices of a net, evaluated, against what the solver says for random budgets. */
static void check_against_all(const sa_remake_model *model, uint64_t *random, int *refused)
{
    enum { BUDGETS = 25 };
    sa_remake_plan plan;
    sa_remake_result result;
    uint8_t *choice = calloc((size_t)model->value_count + 1, 1);
    const int count = set_state(model, 0, choice);
    size_t least = SIZE_MAX, most = 0, *bytes = calloc((size_t)1 << count, sizeof *bytes);
    double *ms = calloc((size_t)1 << count, sizeof *ms);
    for (uint32_t mask = 0; mask < 1u << count; mask++) {
        set_state(model, mask, choice);
        sa_remake_evaluate(model, choice, &result);
        bytes[mask] = result.peak_bytes;
        ms[mask] = result.ms;
        if (result.peak_bytes < least) least = result.peak_bytes;
        if (result.peak_bytes > most) most = result.peak_bytes;
    }
    for (int i = 0; i < BUDGETS; i++) {
        const size_t budget = least - 1000 + random_below(random, (uint32_t)(most - least) + 2000);
        double best = INFINITY;
        for (uint32_t mask = 0; mask < 1u << count; mask++)
            if (bytes[mask] <= budget && ms[mask] < best) best = ms[mask];
        must(sa_remake_plan_create(model, &plan));
        must(sa_remake_solve(model, budget, UINT64_MAX, &plan));
        assert_true((plan.peak_bytes <= budget) == isfinite(best)); /* none exceeded, none refused that exists */
        *refused += !isfinite(best);
        if (isfinite(best)) {
            assert_true(fabs(plan.ms - best) <= 1e-6);
            assert_true(fabs(plan.bound_ms - best) <= 1e-6);
        }
        sa_remake_plan_free(&plan);
    }
    free(choice);
    free(bytes);
    free(ms);
}

static void the_solver_finds_the_best_of_all_choices(void **state)
{
    (void)state;
    enum { NETS = 40 };
    uint64_t random = 4711;
    int refused = 0;
    for (int n = 0; n < NETS; n++) {
        sa_net *net = random_one(&random, 3 + (int)random_below(&random, VALUES_MAX - 3), n % 2);
        sa_remake_model *model = model_of(net);
        check_against_all(model, &random, &refused);
        sa_remake_model_free(model);
        sa_net_free(net);
    }
    assert_in_range(refused, 1, NETS * 25 / 4);
}

/* The local search keeps budgets, and is not far from the best. */
static void the_search_is_near_the_solver(void **state)
{
    (void)state;
    enum { NETS = 20, BUDGETS = 8 };
    uint64_t random = 99;
    double worst = 1;
    for (int n = 0; n < NETS; n++) {
        sa_net *net = random_one(&random, VALUES_MAX, n % 2);
        sa_remake_model *model = model_of(net);
        const size_t least = sa_remake_least_bytes(model);
        for (int i = 1; i <= BUDGETS; i++) {
            sa_remake_plan found, best;
            must(sa_remake_plan_create(model, &found));
            must(sa_remake_plan_create(model, &best));
            const size_t budget = least + (found.peak_bytes - least) * (size_t)i / BUDGETS;
            must(sa_remake_search(model, budget, &found));
            must(sa_remake_solve(model, budget, UINT64_MAX, &best));
            if (best.peak_bytes <= budget) assert_true(found.peak_bytes <= budget);
            if (best.peak_bytes <= budget && found.ms / best.ms > worst) worst = found.ms / best.ms;
            sa_remake_plan_free(&found);
            sa_remake_plan_free(&best);
        }
        sa_remake_model_free(model);
        sa_net_free(net);
    }
    print_message("worst time of the search over the best: %.4f\n", worst);
    assert_true(worst < 1.05);
}

/* ------------------------------------------------------------------ whole nets ------------------------------------- */

static void a_chain_of_100_fits_into_a_quarter(void **state)
{
    (void)state;
    sa_net *net = chain(100, 16);
    sa_frontier frontier;
    size_t chosen;
    must(sa_frontier_create(net, f.model, SA_CONV_OPTION_AUTO, &PROGRAM, &frontier));
    const sa_frontier_point *fastest = &frontier.point[0];
    must(sa_budget_solve(&frontier, fastest->bytes / 4, &chosen));
    const sa_frontier_point *quarter = &frontier.point[chosen];
    print_message("%zu bytes in %.4f ms; %zu in %.4f times that\n", fastest->bytes, fastest->cost.ms, quarter->bytes,
                  quarter->cost.ms / fastest->cost.ms);
    assert_true(quarter->cost.ms <= 1.35 * fastest->cost.ms);
    assert_true(frontier.count >= 10);
    for (size_t i = 1; i < frontier.count; i++) {
        assert_true(frontier.point[i].bytes < frontier.point[i - 1].bytes);
        assert_true(frontier.point[i].cost.ms >= frontier.point[i - 1].cost.ms);
    }
    sa_frontier_free(&frontier);
    sa_net_free(net);
}

/* What exists is found: nothing is called the smallest that is not. */
static void segnet_of_vgg16_fits_into_700_mebibytes(void **state)
{
    (void)state;
    sa_net *net;
    sa_frontier frontier;
    size_t smallest, index[10];
    must(sa_net_load("nets/segnet_vgg16_camvid.prototxt", NULL, &net));
    must(sa_frontier_create(net, f.model, SA_CONV_OPTION_AUTO, &PROGRAM, &frontier));
    must(sa_budget_solve(&frontier, SA_BUDGET_MIN, &smallest));
    assert_true(frontier.point[smallest].bytes <= (size_t)700 << 20);
    assert_true(frontier.point[smallest].bytes >= frontier.bound_bytes);
    const size_t count = sa_frontier_pick(&frontier, 10, index);
    must(sa_frontier_bound(net, f.model, SA_CONV_OPTION_AUTO, &PROGRAM, index, count, &frontier));
    for (size_t i = 0; i < count; i++) {
        const sa_frontier_point *p = &frontier.point[index[i]];
        assert_true(p->bound_ms > 0 && p->bound_ms <= p->cost.ms);
        if (p->bytes > (size_t)1000 << 20) assert_true(p->cost.ms <= 1.05 * p->bound_ms);
    }
    sa_frontier_free(&frontier);
    sa_net_free(net);
}

static void a_million_budgets_are_kept(void **state)
{
    (void)state;
    sa_net *net = chain(8, 8);
    sa_frontier frontier;
    uint64_t random = 5;
    must(sa_frontier_create(net, f.model, SA_CONV_OPTION_AUTO, &PROGRAM, &frontier));
    const size_t least = frontier.point[frontier.count - 1].bytes, most = frontier.point[0].bytes;
    for (int i = 0; i < 1000000; i++) {
        const size_t budget = 1 + least / 2 + random_below(&random, (uint32_t)most);
        size_t chosen;
        sa_status status = sa_budget_solve(&frontier, budget, &chosen);
        assert_int_equal(status, budget >= least ? SA_OK : SA_CAPACITY);
        if (status == SA_OK) assert_true(frontier.point[chosen].bytes <= budget);
        if (status == SA_OK && chosen > 0) assert_true(frontier.point[chosen - 1].bytes > budget);
    }
    sa_error_clear();
    sa_frontier_free(&frontier);
    sa_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_is_the_emitted_program),        cmocka_unit_test(the_solver_finds_the_best_of_all_choices),
        cmocka_unit_test(the_search_is_near_the_solver),           cmocka_unit_test(a_chain_of_100_fits_into_a_quarter),
        cmocka_unit_test(segnet_of_vgg16_fits_into_700_mebibytes), cmocka_unit_test(a_million_budgets_are_kept),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
