/* Steps of a small net and the hash of what came out. */
#include "tests/support/step_run.h"

#include "core/hash.h"

#include "net/feed.h"

#include <stdlib.h>
#include <string.h>

/* Outputs are blobs that no layer reads: losses, accuracies, the softmax of a deploy net. */
static sa_status add_outputs(const sa_net *net, sa_session *session, int step, sa_step_run *run)
{
    bool first = true;
    for (int b = 0; b < net->blob_count; b++) {
        if (sa_session_layout(session)->program->output_buffer[b] < 0) continue;
        size_t count = sa_shape_elements(&net->blob[b].shape);
        float *host = malloc(count * sizeof *host);
        if (!host) SA_FAIL(SA_NOMEM, "no memory for %zu values", count);
        sa_status status = sa_session_get_output(session, b, host);
        if (status == SA_OK) {
            run->hash = sa_hash_bytes(run->hash, host, count * sizeof *host);
            if (first) run->output[step] = host[0];
        }
        first = false;
        free(host);
        SA_TRY(status);
    }
    return SA_OK;
}

static sa_status run_steps(const sa_net *net, sa_session *session, sa_feed *feed, sa_step_run *run)
{
    uint64_t state = 0;
    run->hash = SA_HASH_START;
    for (int step = 0; step < SA_STEP_RUN_STEPS; step++) {
        SA_TRY(sa_feed_next(feed, session));
        SA_TRY(sa_session_run(session, 0.01f, (uint32_t)step, NULL));
        SA_TRY(add_outputs(net, session, step, run));
    }
    SA_TRY(sa_session_state_hash(session, &state));
    run->hash = sa_hash_bytes(run->hash, &state, sizeof state);
    return SA_OK;
}

sa_status sa_step_run_session(const sa_net *net, sa_session *session, sa_step_run *run)
{
    sa_feed *feed;
    SA_TRY(sa_feed_open(net, NULL, 7, &feed));
    sa_status status = run_steps(net, session, feed, run);
    sa_feed_close(feed);
    return status;
}

sa_status sa_step_run_make(const sa_net *net, bool training, const sa_strategy *strategy, sa_device *device, bool debug,
                           sa_step_run *run)
{
    sa_session_options options = {
        .program = {.training = training, .rule.momentum = 0.9f, .weight_decay = 0.0005f}, .debug = debug, .seed = 3};
    sa_session *session;
    size_t before = device->allocation_count;
    memset(run, 0, sizeof *run);
    SA_TRY(sa_session_create(net, strategy, device, &options, &session));
    sa_status status = sa_step_run_session(net, session, run);
    run->arena_bytes = sa_session_arena_bytes(session);
    run->measured_bytes = sa_session_measured_bytes(session);
    run->peak_bytes = sa_session_layout(session)->plan.peak_bytes;
    run->lower_bound_bytes = sa_session_layout(session)->plan.lower_bound_bytes;
    run->allocations = device->allocation_count - before;
    sa_session_destroy(session);
    return status;
}
