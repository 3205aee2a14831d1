/* What Caffe allocates for nets of all kinds, against a walk over every blob of a running BVLC Caffe: tests/golden_memory. */
#include "net/net.h"
#include "report/caffe_memory.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER "tests/golden_memory/"

static cJSON *truths;

static int read_truths(void **state)
{
    (void)state;
    static char text[65536];
    FILE *file = fopen(FOLDER "truth.json", "r");
    if (!file) return -1;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    truths = cJSON_Parse(text);
    return truths ? 0 : -1;
}

static int free_truths(void **state)
{
    (void)state;
    cJSON_Delete(truths);
    return 0;
}

static const cJSON *truth_of(const char *name)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, truths)
    {
        if (!strcmp(cJSON_GetObjectItemCaseSensitive(row, "net")->valuestring, name)) return row;
    }
    fail_msg("no truth for %s", name);
    return NULL;
}

static size_t number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? (size_t)item->valuedouble : 0;
}

static sa_solver_type solver_of(const char *name)
{
    static const char *const names[] = {"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"};
    for (int i = 0; i < 6; i++)
        if (!strcmp(names[i], name)) return (sa_solver_type)i;
    fail_msg("solver %s", name);
    return SA_SOLVER_SGD;
}

/* Sum of a private buffer over the layers of a type: "Convolution.col_buffer_", "SoftmaxWithLoss/softmax.scale_". */
static size_t private_bytes(const sa_caffe_memory *m, const char *key)
{
    size_t sum = 0;
    for (size_t i = 0; i < m->item_count; i++) {
        char name[128];
        const sa_caffe_item *item = &m->item[i];
        if (!item->member) continue;
        snprintf(name, sizeof name, "%s%s%s", item->layer->type->name, item->member[0] == '/' ? "" : ".", item->member);
        if (!strcmp(name, key)) sum += item->cpu_bytes;
    }
    return sum;
}

static int differences(const char *what, const char *key, size_t found, size_t expected)
{
    if (found == expected) return 0;
    print_error("  %s %s: %zu, Caffe %zu\n", what, key, found, expected);
    return 1;
}

static int compare(const sa_caffe_memory *m, const cJSON *truth)
{
    const cJSON *cpu = cJSON_GetObjectItemCaseSensitive(truth, "categories"), *row;
    const cJSON *gpu = cJSON_GetObjectItemCaseSensitive(truth, "gpu_categories");
    int wrong = 0;
    wrong += differences("line", "", m->memory_required_for_data_bytes, number(truth, "memory_required_for_data"));
    wrong += differences("parameters", "", m->parameter_count, number(truth, "parameter_count"));
    for (int i = 0; i < SA_CAFFE_KIND_COUNT; i++) {
        const char *name = SA_CAFFE_KIND_NAMES[i];
        wrong += differences("CPU", name, m->kind[i].cpu_bytes, number(cpu, name));
        if (gpu) wrong += differences("GPU", name, m->kind[i].gpu_bytes, number(gpu, name));
    }
    wrong += differences("CPU", "total", m->cpu_total_bytes, number(truth, "total_cpu_bytes"));
    if (gpu) wrong += differences("GPU", "total", m->gpu_total_bytes, number(truth, "gpu_total_bytes"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(truth, "private_by_type"))
    {
        wrong += differences("private", row->string, private_bytes(m, row->string), (size_t)row->valuedouble);
    }
    return wrong;
}

/* The database of the LMDB rows is beside the net; a build without liblmdb cannot look into it. */
static void load_or_skip(const char *path, const sa_net_options *options, sa_net **net)
{
    if (sa_net_load(path, options, net) == SA_OK) return;
    if (!strstr(sa_error_message(), "cannot read LMDB")) fail_msg("%s", sa_error_message());
    print_message("SKIP: %s\n", sa_error_message());
    skip();
}

static void every_net_takes_what_caffe_takes(void **state)
{
    (void)state;
    static const struct {
        const char *truth, *file;
        int32_t batch;
    } ROWS[] = {{"lenet", "lenet", 0},
                {"lenet_Nesterov", "lenet", 0},
                {"lenet_AdaGrad", "lenet", 0},
                {"lenet_RMSProp", "lenet", 0},
                {"lenet_Adam", "lenet", 0},
                {"cifar10_quick", "cifar10_quick", 0},
                {"cifar10_full", "cifar10_full", 0},
                {"autoencoder", "autoencoder", 0},
                {"alexnet", "alexnet", 0},
                {"alexnet_b32", "alexnet", 32},
                {"caffenet", "caffenet", 0},
                {"caffenet_b32", "caffenet", 32},
                {"vgg16_b4", "vgg16_b4", 0},
                {"resnet50_b8", "resnet50_b8", 0},
                {"unet_572", "unet_572", 0},
                {"every_layer", "every_layer", 0},
                {"by_rule_siamese", "by_rule_siamese", 0},
                {"by_rule_fcn", "by_rule_fcn", 0},
                {"by_rule_residual", "by_rule_residual", 0},
                {"lenet_lmdb", "lenet_lmdb", 0}}; /* last: may skip */
    int wrong = 0;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const cJSON *truth = truth_of(ROWS[i].truth);
        const sa_net_options options = {.batch = ROWS[i].batch};
        const sa_caffe_options caffe = {.solver = solver_of(cJSON_GetObjectItemCaseSensitive(truth, "solver")->valuestring)};
        char path[256];
        sa_net *net = NULL;
        sa_caffe_memory memory;
        snprintf(path, sizeof path, FOLDER "nets/%s.prototxt", ROWS[i].file);
        load_or_skip(path, &options, &net);
        if (sa_caffe_memory_create(net, &caffe, &memory) != SA_OK) fail_msg("%s", sa_error_message());
        int differing = compare(&memory, truth);
        if (differing) print_error("%s: %d differences\n", ROWS[i].truth, differing);
        wrong += differing;
        sa_caffe_memory_free(&memory);
        sa_net_free(net);
    }
    assert_int_equal(wrong, 0);
}

/* With cuDNN the same less column buffers, bias multipliers of convolutions, softmax's scale and, at the least, gradients of
 * inputs; three workspaces of 8 MiB per group more at the most. Dilated convolutions stay Caffe's own. */
static void cudnn_is_estimated(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t least_bytes, most_bytes;
    } ROWS[] = {{"golden_memory/nets/lenet", 16003552, 66535904},
                {"golden_memory/nets/by_rule_fcn", 10644, 75508116},
                {"nets/deeplab_v1", 0, 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char path[256];
        sa_net *net;
        sa_caffe_memory m;
        snprintf(path, sizeof path, "tests/%s.prototxt", ROWS[i].file);
        if (sa_net_load(path, NULL, &net) != SA_OK) fail_msg("%s", sa_error_message());
        assert_int_equal(sa_caffe_memory_create(net, NULL, &m), SA_OK);
        size_t columns = 0;
        for (size_t k = 0; k < m.item_count; k++)
            if (m.item[k].member && !strcmp(m.item[k].member, "col_buffer_")) columns += m.item[k].gpu_bytes;
        if (ROWS[i].most_bytes) {
            assert_int_equal(m.cudnn_least_bytes, ROWS[i].least_bytes);
            assert_int_equal(m.cudnn_most_bytes, ROWS[i].most_bytes);
        } else {
            assert_true(m.cudnn_least_bytes > m.gpu_total_bytes - columns && m.cudnn_least_bytes < m.gpu_total_bytes);
        }
        sa_caffe_memory_free(&m);
        sa_net_free(net);
    }
}

/* The net that Caffe keeps for tests beside the one that trains: batch 100, its own database. */
static void a_test_net_takes_what_caffe_takes(void **state)
{
    (void)state;
    const cJSON *truth = truth_of("lenet_lmdb_with_test_net"), *row;
    const cJSON *cpu = cJSON_GetObjectItemCaseSensitive(truth, "categories");
    const sa_state_spec test = {.phase = SA_PHASE_TEST, .phase_given = true};
    const sa_net_options options = {.state = &test, .forward_only = true};
    sa_net *trained, *net;
    sa_caffe_memory m;
    size_t gpu_bytes, cpu_bytes;
    int wrong = 0;
    load_or_skip(FOLDER "nets/lenet_lmdb.prototxt", NULL, &trained);
    load_or_skip(FOLDER "nets/lenet_lmdb.prototxt", &options, &net);
    if (sa_caffe_memory_create(net, NULL, &m) != SA_OK) fail_msg("%s", sa_error_message());
    sa_caffe_test_net_bytes(&m, trained, &gpu_bytes, &cpu_bytes);
    const size_t trained_bytes = number(truth_of("lenet_lmdb"), "total_cpu_bytes");
    wrong += differences("CPU", "total", trained_bytes + cpu_bytes, number(truth, "total_cpu_bytes"));
    wrong += differences("CPU", "test_net_private", m.kind[SA_CAFFE_KIND_PRIVATE].cpu_bytes, number(cpu, "test_net_private"));
    wrong += differences("CPU", "test_net_top_data", m.kind[SA_CAFFE_KIND_TOP_DATA].cpu_bytes, number(cpu, "test_net_top_data"));
    wrong += differences("CPU", "test_net_diff", m.kind[SA_CAFFE_KIND_TOP_DIFF].cpu_bytes, number(cpu, "test_net_diff"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(truth, "test_net_private_by_type"))
    {
        wrong += differences("private", row->string, private_bytes(&m, row->string), (size_t)row->valuedouble);
    }
    assert_int_equal(wrong, 0);
    sa_caffe_memory_free(&m);
    sa_net_free(net);
    sa_net_free(trained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_net_takes_what_caffe_takes), cmocka_unit_test(cudnn_is_estimated),
                                       cmocka_unit_test(a_test_net_takes_what_caffe_takes)};
    return cmocka_run_group_tests(tests, read_truths, free_truths);
}
