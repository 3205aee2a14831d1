/* Devices: opening by name, memory and its counters, the op names and the walk over an op's references. */
#include "core/device.h"
#include "kernels/ops.h"
#include "tests/support/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_open(void **state)
{
    (void)state;
    sa_device *device = NULL;
    assert_int_equal(sa_device_open("gpu", 0, &device), SA_INVALID);
    assert_non_null(strstr(sa_error_message(), "'gpu'"));
    assert_null(device);
    static const char *const wrong[] = {"cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda1", "cuda:1000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(sa_device_open(wrong[i], 0, &device), SA_INVALID);
        assert_non_null(strstr(sa_error_message(), "expected auto, cpu, cuda or cuda:N"));
    }
    assert_int_equal(sa_device_open("cuda:999", 0, &device), SA_NO_DEVICE);
    assert_non_null(strstr(sa_error_message(), "cuda device 999: "));
    assert_int_equal(sa_device_open("cpu", -1, &device), SA_INVALID);
    assert_int_equal(sa_device_open("cpu", 3, &device), SA_OK);
    assert_string_equal(device->kind, "cpu");
    assert_true(device->host_memory && !device->has_queue && !device->records_steps);
    assert_int_equal(device->threads, 3);
    assert_non_null(strstr(device->description, "3 threads"));
    sa_device_close(device);
    assert_int_equal(sa_device_open("auto", 0, &device), SA_OK);
    assert_true(device->threads >= 1);
    sa_device_close(device);
    sa_device_close(NULL);
}

/* Without a card the CUDA device still knows sizes, and runs nothing. */
static void test_open_plan(void **state)
{
    (void)state;
    sa_device *device = NULL, *plan;
    void *pointer = NULL;
    size_t bytes = 0;
    assert_int_equal(sa_device_open_plan("gpu", 0, &device), SA_INVALID);
    assert_null(device);
    assert_int_equal(sa_device_open_plan("cuda", 0, &device), SA_OK);
    assert_string_equal(device->kind, "cuda");
    assert_false(device->host_memory);
    sa_device_close(device);
    assert_int_equal(sa_device_open_cuda_plan(&plan), SA_OK);
    assert_int_equal(plan->functions->alloc(plan, 256, &pointer), SA_NO_DEVICE);
    assert_null(pointer);
    sa_op_args args = {.fill = {.count = 0}};
    assert_int_equal(sa_op_run(plan, SA_OP_FILL, &args), SA_NO_DEVICE);
    sa_conv_request request = {.shape = {8, 20, 30, 16, 20, 30, 3, 3, 1, 1, 1, 1, 1, 1, 1},
                               .algorithm = SA_CONV_IM2COL,
                               .pass = SA_CONV_PASS_FORWARD,
                               .out_channels_at_once = 16};
    assert_int_equal(plan->kernels->conv_workspace_bytes(plan, &request, &bytes), SA_OK);
    assert_int_equal(bytes, 8 * 9 * 20 * 30 * 4 + 256 + (16 << 10)); /* column, alignment, cuBLAS */
    request.algorithm = SA_CONV_CUDNN;
    assert_int_equal(plan->kernels->conv_workspace_bytes(plan, &request, &bytes), SA_NO_DEVICE);
    sa_device_close(plan);
}

static void test_memory(void **state)
{
    (void)state;
    sa_device *device;
    assert_int_equal(sa_device_open_cpu(1, &device), SA_OK);
    const sa_device_functions *f = device->functions;
    void *a = NULL, *b = NULL;
    assert_int_equal(f->alloc(device, 5000000, &a), SA_OK);
    assert_int_equal(f->alloc(device, 100, &b), SA_OK);
    assert_int_equal((uintptr_t)a % (2 << 20), 0);
    assert_int_equal((uintptr_t)b % (2 << 20), 0);
    assert_int_equal(device->allocation_count, 2);
    assert_int_equal(device->allocated_bytes, 5000100);
    f->free(device, a);
    assert_int_equal(device->allocated_bytes, 100);
    assert_int_equal(device->peak_allocated_bytes, 5000100);
    assert_int_equal(f->fill(device, b, 0x5a, 100), SA_OK);
    char host[100];
    assert_int_equal(f->download(device, host, b, 100), SA_OK);
    for (int i = 0; i < 100; i++) assert_int_equal(host[i], 0x5a);
    assert_int_equal(f->upload(device, b, "segarena", 9), SA_OK);
    assert_string_equal(b, "segarena");

    size_t free_bytes, total_bytes;
    assert_int_equal(f->mem_info(device, &free_bytes, &total_bytes), SA_OK);
    assert_true(free_bytes > 0 && free_bytes <= total_bytes);
    void *none = NULL;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%zu bytes wanted", total_bytes + 1);
    assert_int_equal(f->alloc(device, total_bytes + 1, &none), SA_NOMEM);
    assert_non_null(strstr(sa_error_message(), wanted));
    assert_int_equal(f->alloc(device, SIZE_MAX - 5, &none), SA_NOMEM);
    assert_int_equal(f->alloc(device, 0, &none), SA_INVALID);
    assert_null(none);
    assert_int_equal(device->allocation_count, 2);
    uint64_t before, after;
    int replay = 1;
    assert_int_equal(f->time_ns(device, &before), SA_OK);
    assert_int_equal(f->begin_step(device, &replay), SA_OK);
    assert_int_equal(replay, 0);
    int again = 1;
    assert_int_equal(f->end_step(device, &again), SA_OK);
    assert_int_equal(again, 0);
    assert_int_equal(f->sync(device), SA_OK);
    assert_int_equal(f->time_ns(device, &after), SA_OK);
    assert_true(after >= before);
    sa_device_close(device); /* frees b */
}

typedef struct visits {
    int count;
    int32_t buffer[32];
    sa_access_mode mode[32];
} visits;

static void record(void *context, sa_ref *ref, sa_access_mode mode)
{
    visits *v = context;
    v->buffer[v->count] = ref->buffer;
    v->mode[v->count++] = mode;
}

/* What a visit of args gives: "7r 8w 9rw" in order of the fields. */
static void assert_visits(sa_op_kind kind, sa_op_args *args, const char *want)
{
    visits v = {0};
    char got[256] = "";
    sa_op_visit_refs(kind, args, record, &v);
    for (int i = 0; i < v.count; i++) {
        const char *mode = v.mode[i] == SA_ACCESS_READ ? "r" : v.mode[i] == SA_ACCESS_WRITE ? "w" : "rw";
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d%s", i ? " " : "", v.buffer[i], mode);
    }
    assert_string_equal(got, want);
}

static sa_ref buffer(int32_t number)
{
    return (sa_ref){.buffer = number};
}

static sa_source dense(int32_t number)
{
    return (sa_source){.count = 1, .node[0] = {.kind = SA_NODE_DENSE, .child = {-1, -1, -1}, .slab.at = {.buffer = number}}};
}

static void test_visit_refs(void **state)
{
    (void)state;
    sa_op_args args = {.update = {{.kind = SA_UPDATE_SGD},
                                  buffer(1),
                                  buffer(2),
                                  buffer(3),
                                  buffer(SA_NO_BUFFER),
                                  buffer(4),
                                  buffer(SA_NO_BUFFER),
                                  10,
                                  1,
                                  1}};
    assert_visits(SA_OP_UPDATE, &args, "1rw 2rw 3rw 4r");
    args = (sa_op_args){.pool_forward = {.x = dense(5), .out.at = buffer(6), .mask.at = buffer(SA_NO_BUFFER)}};
    assert_visits(SA_OP_POOL_FORWARD, &args, "5r 6w");
    args = (sa_op_args){.fill = {.target = buffer(0)}};
    assert_visits(SA_OP_FILL, &args, "0w");
    args = (sa_op_args){
        .conv_backward = {.x = dense(1), .dy = dense(2), .dx.at = buffer(3), .mask.at = buffer(4), .weight = buffer(5)}};
    args.conv_backward.dweight = buffer(6);
    args.conv_backward.dbias = buffer(7);
    args.conv_backward.workspace = buffer(8);
    args.conv_backward.dx_bias = buffer(9);
    args.conv_backward.dx_dbias = buffer(10);
    assert_visits(SA_OP_CONV_BACKWARD, &args, "1r 2r 3w 5r 6w 7w 9r 10w 8w");
    args.conv_backward.gather = args.conv_backward.accumulate = true;
    assert_visits(SA_OP_CONV_BACKWARD, &args, "1r 2r 3w 4r 5r 6rw 7rw 9r 10rw 8w");
    /* a tree: x, XHAT(3, 4), POOL_GRAD(mask 5) of 2, BN_GRAD(6..9); unused slabs and vectors, here buffer 0, are not visited */
    args = (sa_op_args){.materialize = {.source = dense(1), .out.at = buffer(10)}};
    sa_source *source = &args.materialize.source;
    source->node[1] = (sa_node){.kind = SA_NODE_XHAT, .vector = {buffer(3), buffer(4)}};
    source->node[2] = dense(2).node[0];
    source->node[3] = (sa_node){.kind = SA_NODE_POOL_GRAD, .slab.at = buffer(5)};
    source->node[4] = (sa_node){.kind = SA_NODE_BN_GRAD, .vector = {buffer(6), buffer(7), buffer(8), buffer(9)}};
    source->count = 5;
    assert_visits(SA_OP_MATERIALIZE, &args, "1r 3r 4r 2r 5r 6r 7r 8r 9r 10w");
}

static void assign(void *context, sa_ref *ref, sa_access_mode mode)
{
    (void)mode;
    ref->ptr = context;
}

static void test_binding_and_names(void **state)
{
    (void)state;
    sa_op_args args = {
        .accuracy = {.scores = dense(1), .label = dense(2), .accuracy = buffer(3), .per_class = buffer(SA_NO_BUFFER)}};
    args.accuracy.workspace = buffer(4);
    sa_op_visit_refs(SA_OP_ACCURACY, &args, assign, &args);
    assert_ptr_equal(args.accuracy.scores.node[0].slab.at.ptr, &args);
    assert_ptr_equal(args.accuracy.label.node[0].slab.at.ptr, &args);
    assert_ptr_equal(args.accuracy.accuracy.ptr, &args);
    assert_null(args.accuracy.per_class.ptr);
    assert_ptr_equal(args.accuracy.workspace.ptr, &args);
    assert_string_equal(sa_op_kind_name(SA_OP_CONV_FORWARD), "conv_forward");
    assert_string_equal(sa_op_kind_name(SA_OP_UPDATE), "update");
    assert_string_equal(sa_op_kind_name(SA_OP_KINDS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),       cmocka_unit_test(test_open_plan),         cmocka_unit_test(test_memory),
        cmocka_unit_test(test_visit_refs), cmocka_unit_test(test_binding_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
