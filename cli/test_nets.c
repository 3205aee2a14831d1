/* Loads TEST nets and adds up what they take. */
#include "cli/test_nets.h"

#include "report/caffe_memory.h"

#include <stdio.h>

static sa_status add(const sa_net *trained, const sa_cli_net_options *options, const sa_solver_test_net *test,
                     sa_test_nets_bytes *bytes)
{
    sa_net *net = NULL;
    sa_caffe_memory memory;
    size_t gpu_bytes, cpu_bytes;
    SA_TRY(sa_cli_test_net_load(test->path[0] ? test->path : trained->path, options, &test->state, &net));
    sa_status status = sa_caffe_memory_create(net, NULL, &memory);
    if (status == SA_OK) {
        sa_caffe_test_net_bytes(&memory, trained, &gpu_bytes, &cpu_bytes);
        bytes->count++;
        bytes->gpu_bytes += gpu_bytes;
        bytes->cpu_bytes += cpu_bytes;
        sa_caffe_memory_free(&memory);
    }
    sa_net_free(net);
    return status;
}

void sa_cli_test_nets(const sa_net *trained, const sa_cli_net_options *options, const sa_solver_config *solver,
                      sa_test_nets_bytes *bytes)
{
    const sa_solver_test_net plain = {.state = {.phase = SA_PHASE_TEST, .phase_given = true}};
    bool asked = solver && solver->test_net_count > 0;
    const sa_solver_test_net *test = asked ? solver->test_net : &plain;
    *bytes = (sa_test_nets_bytes){0};
    for (int i = 0; i < (asked ? solver->test_net_count : 1); i++) {
        if (add(trained, options, &test[i], bytes) == SA_OK) continue;
        snprintf(bytes->error, sizeof bytes->error, "%s", sa_error_message());
        sa_error_clear();
    }
}
