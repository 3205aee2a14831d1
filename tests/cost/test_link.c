/* Links between ranks: their text, and how a step's exchanges go over them beside its ops. */
#include "cost/link.h"
#include "net/net.h"
#include "net/session.h"
#include "tests/support/data_files.h"
#include "tests/support/tiny_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double bytes_per_s, latency_s; /* 0: refused */
    } ROWS[] = {{"10Gb/s,20us", 1.25e9, 20e-6},
                {"1.5GB/s", 1.5e9, 20e-6},
                {"100Mb/s,1ms", 12.5e6, 1e-3},
                {"8b/s,5ns", 1, 5e-9},
                {"10G/s", 0, 0},
                {"10Gb", 0, 0},
                {"10Gb/s,20", 0, 0},
                {"-1Gb/s", 0, 0},
                {"10Gb/s 20us", 0, 0},
                {"", 0, 0},
                {"10Xb/s", 0, 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        sa_link link = {0};
        const sa_status status = sa_link_parse(ROWS[i].text, &link);
        assert_int_equal(status, ROWS[i].bytes_per_s > 0 ? SA_OK : SA_INVALID);
        if (status != SA_OK) continue;
        assert_true(link.bytes_per_s > 0.999 * ROWS[i].bytes_per_s && link.bytes_per_s < 1.001 * ROWS[i].bytes_per_s);
        assert_true(link.latency_s > 0.999 * ROWS[i].latency_s && link.latency_s < 1.001 * ROWS[i].latency_s);
    }
}

/* Of the tiny net under `fastest`. */
static void make_layout(const sa_net *net, const sa_device *device, int ranks, int rank, int shards, sa_layout *layout)
{
    sa_strategy strategy;
    const sa_program_options options = {
        .training = true, .rule = {.momentum = 0.9f, .passes = shards}, .ranks = ranks, .rank = rank};
    assert_ok(sa_strategy_parse("fastest", &strategy));
    strategy.conv = SA_CONV_OPTION_DIRECT;
    assert_ok(sa_layout_create(net, &strategy, device, &options, layout));
}

static uint64_t owned_bytes(const sa_program *p)
{
    uint64_t floats = 0;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++) floats += p->param[l][i].slice_count;
    return floats * sizeof(float);
}

/* A rank sends, for each of its shards, what is not its own, and its own to all; what is sent is received. */
static void traffic_balances(void **state)
{
    (void)state;
    enum { SHARDS = 5 };
    sa_device *device;
    sa_net *net;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    assert_ok(sa_net_load("net.prototxt", &(sa_net_options){.batch = 0}, &net));
    assert_ok(sa_device_open_cpu(1, &device));
    const uint64_t all = sa_net_parameter_count(net) * sizeof(float);
    for (int ranks = 2; ranks <= 4; ranks++) {
        uint64_t sent = 0, received = 0, own_of_all = 0;
        for (int rank = 0; rank < ranks; rank++) {
            sa_layout layout;
            make_layout(net, device, ranks, rank, SHARDS, &layout);
            const sa_traffic t = sa_traffic_of(layout.program);
            const uint64_t own = owned_bytes(layout.program), shards = (uint64_t)((SHARDS - rank + ranks - 1) / ranks);
            assert_int_equal(t.sent_bytes, shards * (all - own) + own * (uint64_t)(ranks - 1));
            sent += t.sent_bytes;
            received += t.received_bytes;
            own_of_all += own;
            sa_layout_free(&layout);
        }
        assert_int_equal(sent, received);
        assert_int_equal(own_of_all, all);
    }
    sa_device_close(device);
    sa_net_free(net);
}

/* On a fast link nothing waits; on a slow one a step takes what the link takes, but for the ops before the first exchange. */
static void exchanges_hide_behind_ops(void **state)
{
    (void)state;
    sa_device *device;
    sa_net *net;
    sa_layout layout;
    write_tiny_net("tiny", TINY_SYNTHETIC, 3);
    assert_ok(sa_net_load("net.prototxt", &(sa_net_options){.batch = 0}, &net));
    assert_ok(sa_device_open_cpu(1, &device));
    for (int shards = 2; shards <= 20; shards += 9) {
        make_layout(net, device, 2, 0, shards, &layout);
        const sa_program *p = layout.program;
        double *ms = calloc(p->op_count, sizeof *ms);
        assert_non_null(ms);
        double all = 0;
        for (size_t i = 0; i < p->op_count; i++) ms[i] = p->op[i].kind == SA_OP_EXCHANGE ? 0 : 2;
        for (size_t i = 0; i < p->phase_end[SA_STEP_BACKWARD]; i++) all += ms[i] * p->passes;
        for (size_t i = p->phase_end[SA_STEP_BACKWARD]; i < p->op_count; i++) all += ms[i];
        const sa_link fast = {1e15, 0, 0}, slow = {1e4, 1e-3, 0};
        const sa_rank_step on_fast = sa_rank_step_of(p, ms, &fast), on_slow = sa_rank_step_of(p, ms, &slow);
        assert_true(on_fast.compute_ms > 0.999 * all && on_fast.compute_ms < 1.001 * all);
        assert_true(on_fast.exposed_ms < 1e-3);
        assert_true(on_slow.exposed_ms > 0 && on_slow.exposed_ms < on_slow.link_ms);
        assert_true(on_slow.compute_ms + on_slow.exposed_ms >= on_slow.link_ms);
        const double bytes_ms = (double)sa_traffic_of(p).received_bytes / 1e4 * 1e3;
        assert_true(on_slow.link_ms > bytes_ms);
        free(ms);
        sa_layout_free(&layout);
    }
    sa_device_close(device);
    sa_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(traffic_balances),
        cmocka_unit_test(exchanges_hide_behind_ops),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
