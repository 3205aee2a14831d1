/* A session: a net with a strategy on a device, planned, placed in one arena and ready to run steps. */
#ifndef SA_NET_SESSION_H
#define SA_NET_SESSION_H

#include "core/device.h"
#include "memory/arena.h"
#include "memory/ledger.h"
#include "memory/plan.h"
#include "net/strategy.h"
#include "program/program.h"

/* A program with its plan: everything about memory, before any is taken. */
typedef struct sa_layout {
    sa_program *program; /* owned */
    sa_plan plan;        /* owned */
} sa_layout;

/* Emits, checks, plans and checks the plan. device is asked for workspace sizes only. */
SA_CHECKED sa_status sa_layout_create(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                                      const sa_program_options *options, sa_layout *layout);
void sa_layout_free(sa_layout *layout); /* zeroed ones are allowed */

/* The program of a net under a strategy, as sa_layout_create plans it. */
SA_CHECKED sa_status sa_program_for_strategy(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                                             const sa_program_options *options, sa_program **program);
/* Strategies of one signature come to one program for this net on this device. It takes the passes alone, a small part of the time
 * that a program does. */
SA_CHECKED sa_status sa_strategy_signature(const sa_net *net, const sa_strategy *strategy, const sa_device *device,
                                           uint64_t *signature);

typedef struct sa_session sa_session;

typedef struct sa_session_options {
    sa_program_options program;
    bool debug;    /* red zones, NaN fill, poisoning: see memory/arena.h */
    bool time_ops; /* measure each op (device time) */
    uint64_t seed; /* of the fillers */
} sa_session_options;

/* Takes the arena (the one device allocation), fills parameters by their fillers and histories with 0. net and device are borrowed
 * for the session's life. SA_NOMEM names the arena's size. */
SA_CHECKED sa_status sa_session_create(const sa_net *net, const sa_strategy *strategy, sa_device *device,
                                       const sa_session_options *options, sa_session **session);
/* The same with a layout that exists already. It is taken over, also on failure, and left zeroed; it has to be of this net. */
SA_CHECKED sa_status sa_session_create_planned(const sa_net *net, sa_layout *layout, sa_device *device,
                                               const sa_session_options *options, sa_session **session);
void sa_session_destroy(sa_session *session); /* NULL is allowed */
/* Goes on with another net's layout in the same arena. Parameters keep their values; inputs are to be set again. The layout is
 * taken over, also on failure, and left zeroed. SA_CAPACITY: it needs more than the arena has; SA_INVALID: the net has other
 * parameters, or trains. */
SA_CHECKED sa_status sa_session_use_layout(sa_session *session, const sa_net *net, sa_layout *layout);

const sa_layout *sa_session_layout(const sa_session *session);
const sa_net *sa_session_net(const sa_session *session);
size_t sa_session_arena_bytes(const sa_session *session);
/* Bytes of the arena that the ledger saw in use: equals the plan's peak after a step. */
size_t sa_session_measured_bytes(const sa_session *session);
const sa_ledger *sa_session_ledger(const sa_session *session);

/* Host values (count floats, shape of the blob or parameter). All inputs have to be set before each step, or the run is
 * SA_INVALID. An input that the strategy
 * keeps as bytes takes whole numbers 0..255 only: else SA_NUMERIC, which names the first other value, and nothing is uploaded. */
SA_CHECKED sa_status sa_session_set_input(sa_session *session, int blob, const float *host);
SA_CHECKED sa_status sa_session_set_seed_gradient(sa_session *session, int blob, const float *host);
SA_CHECKED sa_status sa_session_set_param(sa_session *session, int layer, int param, const float *host);
SA_CHECKED sa_status sa_session_set_history(sa_session *session, int layer, int param, int which, const float *host);
SA_CHECKED sa_status sa_session_get_param(sa_session *session, int layer, int param, float *host);
/* All ranks call it at the same time: rank 0 gets the whole history, the others their slice of it, at its place. Without a
 * history (of a parameter that nothing trains) host stays as it is. */
SA_CHECKED sa_status sa_session_get_history(sa_session *session, int layer, int param, int which, float *host);
/* A blob that no layer reads (loss, accuracy), after a step. */
SA_CHECKED sa_status sa_session_get_output(sa_session *session, int blob, float *host);

/* Called after each op with its number; the op's outputs can be fetched (sa_session_get_buffer). */
typedef sa_status (*sa_op_probe)(void *context, sa_session *session, size_t op);
SA_CHECKED sa_status sa_session_get_buffer(sa_session *session, int buffer, void *host); /* the whole buffer */
/* The buffer itself where the device's memory is the host's, else NULL. A step's own values are there only while they live. */
void *sa_session_host_view(const sa_session *session, int buffer);
void sa_session_set_probe(sa_session *session, sa_op_probe probe, void *context);

/* Called in each step when the forward pass is complete and its outputs can be fetched: another status than SA_OK ends the step
 * with it, before any parameter has changed. A device that replays a recorded step calls it after the whole step. NULL: none. */
typedef sa_status (*sa_forward_check)(void *context, sa_session *session);
void sa_session_set_forward_check(sa_session *session, sa_forward_check check, void *context);
/* Ops of the step that runs which are done; may be asked from another thread. */
size_t sa_session_ops_done(sa_session *session);

typedef struct sa_step_times {
    double ms[SA_STEP_PHASES], cpu_ms; /* wall time a phase, CPU time of the process over the step */
} sa_step_times;
/* Runs one step with this learning rate and step number, from 0 on. times may be NULL. */
SA_CHECKED sa_status sa_session_run(sa_session *session, float rate, uint32_t step, sa_step_times *times);
/* Runs pass 0, 1, ..., program->passes - 1 of a step of several shards, each with inputs of its own; the last one updates the
 * parameters. With several ranks, pass p of rank r is shard p * ranks + r of the step; a rank that has no shard left takes part in
 * the exchanges of the pass all the same, without inputs. */
SA_CHECKED sa_status sa_session_run_pass(sa_session *session, float rate, uint32_t step, int pass, sa_step_times *times);
bool sa_session_has_shard(const sa_session *session, int pass);
/* Nanoseconds of op `op` summed over all steps so far (time_ops). */
uint64_t sa_session_op_ns(const sa_session *session, size_t op);
/* The same, of the process's CPU time: all its threads. */
uint64_t sa_session_op_cpu_ns(const sa_session *session, size_t op);

/* FNV-1a over all parameters and all histories of the solver, in order of layers. All ranks call it; what they get is the same. */
SA_CHECKED sa_status sa_session_state_hash(sa_session *session, uint64_t *hash);
/* Of the parameters alone, which every rank has. */
SA_CHECKED sa_status sa_session_params_hash(sa_session *session, uint64_t *hash);

#endif
