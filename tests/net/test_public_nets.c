/* Small nets in the style of the public families (tests/nets): each is explained, or all that is missing is named and there is a
 * way on. The rules behind the figures are held against a running Caffe by tests/report/test_caffe_memory.c; here they are pinned.
 */
#include "cli/preset_plan.h"
#include "net/net.h"
#include "report/caffe_memory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *net;
    size_t line_bytes, parameters, gpu_bytes;
    const char *unknown; /* types that are not known, in the order of the file */
} NETS[] = {
    {"alexnet", 442468, 14010, 1402764, NULL},    {"autoencoder", 325128, 103328, 1576736, NULL},
    {"deeplab_v1", 2115068, 1749, 5932460, NULL}, {"densenet", 6439572, 3769, 12115900, NULL},
    {"enet", 1081348, 14961, 3221012, NULL},      {"fcn32s", 12073124, 61401, 39720448, NULL},
    {"fcn8s", 12619140, 48311, 41841512, NULL},   {"fcn_old_crop", 611904, 1248, 1513792, NULL},
    {"googlenet", 2972792, 10500, 5399396, NULL}, {"hed", 2645508, 2967, 6625300, NULL},
    {"mobilenet", 2949844, 1487, 5041992, NULL},  {"pspnet", 3000664, 11940, 7078924, NULL},
    {"resnet", 4850868, 12678, 8695096, NULL},    {"segnet_crf", 0, 0, 0, "MaskedThing DenseCRF"},
    {"siamese", 469156, 2514, 1112032, NULL}, /* 208 + 2306: each branch has them, one stores them */
    {"squeezenet", 1300820, 1518, 1972968, NULL}, {"ssd", 0, 0, 0, "PriorBox DetectionOutput"},
    {"unet", 4216580, 29330, 14119000, NULL},     {"vgg", 2030004, 19358, 3783544, NULL},
};
enum { NET_COUNT = sizeof NETS / sizeof NETS[0] };

static const char *path_of(const char *net)
{
    static char path[128];
    snprintf(path, sizeof path, "tests/nets/%s.prototxt", net);
    return path;
}

static void explained(const char *name, const sa_net *net, size_t row)
{
    sa_caffe_memory m;
    if (sa_caffe_memory_create(net, NULL, &m) != SA_OK) fail_msg("%s: %s", name, sa_error_message());
    if (m.memory_required_for_data_bytes != NETS[row].line_bytes || m.parameter_count != NETS[row].parameters ||
        m.gpu_total_bytes != NETS[row].gpu_bytes)
        fail_msg("%s: line %zu, %zu parameters, %zu bytes", name, m.memory_required_for_data_bytes, m.parameter_count,
                 m.gpu_total_bytes);
    sa_caffe_memory_free(&m);
}

static void names_what_is_missing(const char *name, const sa_unsupported_list *list, const char *types)
{
    char found[256] = "";
    size_t length = 0;
    for (int i = 0; i < list->count; i++) {
        assert_true(list->item[i].line > 0 && list->item[i].layer[0] && list->item[i].what[0]);
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%s", i ? " " : "", list->item[i].type);
    }
    if (strcmp(found, types)) fail_msg("%s: %s", name, found);
}

static void each_is_explained_or_names_all_that_is_missing(void **state)
{
    (void)state;
    static sa_unsupported_list list;
    const sa_net_options options = {.unsupported = &list};
    for (size_t i = 0; i < NET_COUNT; i++) {
        sa_net *net;
        sa_status status = sa_net_load(path_of(NETS[i].net), &options, &net);
        if (NETS[i].unknown) {
            assert_int_equal(status, SA_UNSUPPORTED);
            names_what_is_missing(NETS[i].net, &list, NETS[i].unknown);
            continue;
        }
        if (status != SA_OK) fail_msg("%s: %s", NETS[i].net, sa_error_message());
        explained(NETS[i].net, net, i);
        sa_net_free(net);
    }
}

/* A net whose layers all have ops is planned under every preset; the others say which layers have none. */
static void each_is_planned_or_says_why_not(void **state)
{
    (void)state;
    sa_device *device;
    assert_int_equal(sa_device_open_cpu(1, &device), SA_OK);
    for (size_t i = 0; i < NET_COUNT; i++) {
        sa_net *net;
        size_t bytes;
        if (NETS[i].unknown) continue;
        assert_int_equal(sa_net_load(path_of(NETS[i].net), NULL, &net), SA_OK);
        for (int p = 0; sa_preset_at(p); p++) {
            sa_status status = sa_preset_plan_bytes(net, sa_preset_at(p)->name, SA_CONV_OPTION_AUTO, device, &bytes);
            if (sa_net_is_computed(net) ? status != SA_OK : status != SA_UNSUPPORTED)
                fail_msg("%s under %s: %s", NETS[i].net, sa_preset_at(p)->name, sa_error_message());
        }
        sa_net_free(net);
    }
    sa_device_close(device);
}

static void unknown_types_have_a_way_on(void **state)
{
    (void)state;
    static const sa_treated_type SSD[] = {{"PriorBox", SA_TREAT_AS_INPUT}, {"DetectionOutput", SA_TREAT_AS_IDENTITY}},
                                 CRF[] = {{"MaskedThing", SA_TREAT_AS_IDENTITY}, {"DenseCRF", SA_TREAT_AS_IDENTITY}};
    const sa_input_shape prior = {"prior", {3, {1, 2, 1024}}};
    const sa_net_options ssd = {.treat = SSD, .treat_count = 2, .input = &prior, .input_count = 1},
                         crf = {.treat = CRF, .treat_count = 2};
    char shape[SA_SHAPE_TEXT_BYTES];
    sa_net *net;
    if (sa_net_load(path_of("ssd"), &ssd, &net) != SA_OK) fail_msg("%s", sa_error_message());
    assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "conf_softmax")].shape, shape), "1x256x21");
    assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "norm")].shape, shape), "1x20x8x8");
    sa_net_free(net);
    if (sa_net_load(path_of("segnet_crf"), &crf, &net) != SA_OK) fail_msg("%s", sa_error_message());
    assert_string_equal(sa_shape_text(&net->blob[sa_net_blob_index(net, "crf")].shape, shape), "1x4x32x32");
    sa_net_free(net);
}

static void every_file_is_in_the_table(void **state)
{
    (void)state;
    DIR *folder = opendir("tests/nets");
    int files = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) files += strstr(entry->d_name, ".prototxt") != NULL;
    closedir(folder);
    assert_int_equal(files, NET_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_explained_or_names_all_that_is_missing),
        cmocka_unit_test(each_is_planned_or_says_why_not),
        cmocka_unit_test(unknown_types_have_a_way_on),
        cmocka_unit_test(every_file_is_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
