/* The exchange over MPI. One thread, the link, makes all calls of MPI: it starts what the training thread asks for, sees to it that
 * messages go on while that computes, and exchanges signs of life.
 *
 * Faults. Rank 0 and every other rank hear of one another each second; who is silent too long is taken for dead. A rank that fails
 * sends its reason to all, so every wait ends. Then rank 0 says it and aborts the job, or, if rank 0 is the silent one, each rank
 * does: MPI_Abort has the launcher end what hangs. */
#include "ranks/ranks.h"

#include "core/clock.h"

#include <mpi.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES = 700, PIECE_BYTES = 1 << 30, SILENCE_S = 8 };
#define SECOND_NS UINT64_C(1000000000)

typedef struct job {
    bool sends;
    int32_t number;
    int peer;
    char *bytes;
    size_t count;
} job;

typedef enum control_kind { ALIVE, FAILED } control_kind;

typedef struct control_message {
    int32_t kind;
    char text[TEXT_BYTES];
} control_message;

typedef struct mpi_exchange {
    sa_exchange base;
    pthread_t link;
    atomic_bool awaited; /* the training thread is in finish */
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    /* under the lock */
    bool ready, closing, failed;
    bool first_is_gone;       /* rank 0 was silent too long */
    char failure[TEXT_BYTES]; /* why nothing comes any more */
    char own_failure[TEXT_BYTES];
    job *job; /* (job_count) asked for, not started */
    size_t job_count, job_room;
    int32_t open[SA_EXCHANGE_OUTSIDE + 1]; /* messages of each number that are not done */
    /* the link's own */
    MPI_Comm data, control;
    MPI_Request *request; /* (request_count) under way */
    int32_t *number;      /* (request_count) */
    size_t request_count, request_room;
    int *done; /* (request_room) */
    control_message heard, said;
    MPI_Request hearing;
    MPI_Request *saying; /* (ranks): this rank's last sign of life to each */
    uint64_t *heard_ns;  /* (ranks) */
    uint64_t said_ns, silence_ns;
} mpi_exchange;

/* ---- the training thread ---- */

static sa_status ask(sa_exchange *exchange, const job *wanted)
{
    mpi_exchange *x = (mpi_exchange *)exchange;
    sa_status status = SA_OK;
    pthread_mutex_lock(&x->lock);
    if (x->job_count == x->job_room) {
        const size_t room = x->job_room ? 2 * x->job_room : 64;
        job *grown = realloc(x->job, room * sizeof *grown);
        if (grown) x->job = grown;
        if (grown) x->job_room = room;
        else status = sa_error_set(SA_NOMEM, "no memory for %zu messages", room);
    }
    if (status == SA_OK) {
        x->job[x->job_count++] = *wanted;
        x->open[wanted->number]++;
        pthread_cond_signal(&x->asked);
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}

static sa_status mpi_send(sa_exchange *x, int32_t number, int32_t to, const void *bytes, size_t count)
{
    const job wanted = {true, number, to, (char *)(uintptr_t)bytes, count};
    x->sent_bytes += number < SA_EXCHANGE_OUTSIDE ? count : 0;
    return ask(x, &wanted);
}

static sa_status mpi_receive(sa_exchange *x, int32_t number, int32_t from, void *bytes, size_t count)
{
    const job wanted = {false, number, from, bytes, count};
    return ask(x, &wanted);
}

static sa_status mpi_finish(sa_exchange *exchange, int32_t number)
{
    mpi_exchange *x = (mpi_exchange *)exchange;
    char failure[TEXT_BYTES] = "";
    const uint64_t begin = sa_clock_ns();
    pthread_mutex_lock(&x->lock);
    atomic_store_explicit(&x->awaited, true, memory_order_relaxed);
    while (x->open[number] > 0 && !x->failed) pthread_cond_wait(&x->answered, &x->lock);
    atomic_store_explicit(&x->awaited, false, memory_order_relaxed);
    if (x->open[number] > 0) memcpy(failure, x->failure, sizeof failure);
    pthread_mutex_unlock(&x->lock);
    exchange->waited_ns += number < SA_EXCHANGE_OUTSIDE ? sa_clock_ns() - begin : 0;
    if (!failure[0]) return SA_OK;
    exchange->failure_is_known = true;
    exchange->first_is_gone = x->first_is_gone;
    SA_FAIL(SA_RANKS, "%s", failure);
}

/* ---- the link ---- */

/* The first reason counts. */
static void fail(mpi_exchange *x, const char *why)
{
    pthread_mutex_lock(&x->lock);
    if (!x->failed) snprintf(x->failure, sizeof x->failure, "%.*s", TEXT_BYTES - 1, why);
    x->failed = true;
    pthread_cond_broadcast(&x->answered);
    pthread_mutex_unlock(&x->lock);
}

static void fail_by_mpi(mpi_exchange *x, int error)
{
    char text[MPI_MAX_ERROR_STRING + 32];
    int length = 0;
    const int used = snprintf(text, sizeof text, "MPI: ");
    if (MPI_Error_string(error, text + used, &length) != MPI_SUCCESS) snprintf(text + used, 16, "error");
    fail(x, text);
}

static bool make_room(mpi_exchange *x)
{
    if (x->request_count < x->request_room) return true;
    const size_t room = x->request_room ? 2 * x->request_room : 64;
    MPI_Request *request = realloc(x->request, room * sizeof *request);
    if (request) x->request = request;
    int32_t *number = realloc(x->number, room * sizeof *number);
    if (number) x->number = number;
    int *done = realloc(x->done, room * sizeof *done);
    if (done) x->done = done;
    if (!request || !number || !done) return false;
    x->request_room = room;
    return true;
}

/* A message in pieces that MPI can count; they arrive in order. */
static void start(mpi_exchange *x, const job *j)
{
    size_t at = 0;
    do {
        const size_t piece = j->count - at < PIECE_BYTES ? j->count - at : PIECE_BYTES;
        if (!make_room(x)) {
            fail(x, "no memory for the messages under way");
            return;
        }
        MPI_Request *request = &x->request[x->request_count];
        const int error = j->sends ? MPI_Isend(j->bytes + at, (int)piece, MPI_BYTE, j->peer, j->number, x->data, request)
                                   : MPI_Irecv(j->bytes + at, (int)piece, MPI_BYTE, j->peer, j->number, x->data, request);
        if (error != MPI_SUCCESS) {
            fail_by_mpi(x, error);
            return;
        }
        at += piece;
        x->number[x->request_count++] = at < j->count ? -1 : j->number; /* the last piece stands for all: see below */
    } while (at < j->count);
}

/* Starts what was asked for. */
static void start_jobs(mpi_exchange *x)
{
    for (;;) {
        pthread_mutex_lock(&x->lock);
        const bool any = x->job_count > 0;
        job first = {0};
        if (any) {
            first = x->job[0];
            memmove(x->job, x->job + 1, --x->job_count * sizeof *x->job);
        }
        pthread_mutex_unlock(&x->lock);
        if (!any) return;
        start(x, &first);
    }
}

/* Notes what is done; pieces that are not a message's last have no number, and are done before it or soon after: it is waited for
 * them by keeping the last one until all before it are. */
static bool test_requests(mpi_exchange *x)
{
    int count = 0;
    if (x->request_count == 0) return false;
    const int error = MPI_Testsome((int)x->request_count, x->request, &count, x->done, MPI_STATUSES_IGNORE);
    if (error != MPI_SUCCESS) fail_by_mpi(x, error);
    if (error != MPI_SUCCESS || count <= 0) return false;
    size_t kept = 0;
    pthread_mutex_lock(&x->lock);
    bool pieces_open = false;
    for (size_t i = 0; i < x->request_count; i++) {
        const bool is_done = x->request[i] == MPI_REQUEST_NULL;
        if (is_done && x->number[i] < 0) continue;
        if (is_done && !pieces_open) {
            x->open[x->number[i]]--;
            continue;
        }
        pieces_open = x->number[i] < 0; /* the next piece belongs to the same message */
        x->request[kept] = x->request[i];
        x->number[kept++] = x->number[i];
    }
    x->request_count = kept;
    pthread_cond_broadcast(&x->answered);
    pthread_mutex_unlock(&x->lock);
    return true;
}

/* ---- signs of life ---- */

/* Rank 0 hears of all, all hear of rank 0. */
static bool is_heard(const mpi_exchange *x, int rank)
{
    return rank != x->base.rank && (x->base.rank == 0 || rank == 0);
}

static void say(mpi_exchange *x, int to, const control_message *message, MPI_Request *request)
{
    const int bytes = (int)(message->kind == ALIVE ? sizeof message->kind : sizeof *message);
    const int error = MPI_Isend(message, bytes, MPI_BYTE, to, 0, x->control, request);
    if (error != MPI_SUCCESS) *request = MPI_REQUEST_NULL;
}

static void say_alive(mpi_exchange *x, uint64_t now_ns)
{
    if (now_ns - x->said_ns < SECOND_NS) return;
    x->said_ns = now_ns;
    for (int rank = 0; rank < x->base.ranks; rank++) {
        int arrived = 1;
        if (!is_heard(x, rank)) continue;
        if (x->saying[rank] != MPI_REQUEST_NULL) (void)MPI_Test(&x->saying[rank], &arrived, MPI_STATUS_IGNORE);
        if (arrived) say(x, rank, &x->said, &x->saying[rank]);
    }
}

static void listen(mpi_exchange *x, uint64_t now_ns)
{
    for (;;) {
        MPI_Status status;
        int arrived = 0;
        if (MPI_Test(&x->hearing, &arrived, &status) != MPI_SUCCESS || !arrived) return;
        const int from = status.MPI_SOURCE;
        x->heard_ns[from] = now_ns;
        if (x->heard.kind == FAILED) {
            char why[TEXT_BYTES];
            snprintf(why, sizeof why, "rank %d: %.*s", from, TEXT_BYTES - 32, x->heard.text);
            fail(x, why);
        }
        if (MPI_Irecv(&x->heard, sizeof x->heard, MPI_BYTE, MPI_ANY_SOURCE, 0, x->control, &x->hearing) != MPI_SUCCESS) return;
    }
}

static void find_silent(mpi_exchange *x, uint64_t now_ns)
{
    for (int rank = 0; rank < x->base.ranks; rank++) {
        char why[TEXT_BYTES];
        if (!is_heard(x, rank) || now_ns < x->heard_ns[rank] + x->silence_ns) continue;
        snprintf(why, sizeof why, "rank %d has not been heard of for %d s: it hangs, or it or its machine is gone", rank,
                 (int)(x->silence_ns / SECOND_NS));
        x->first_is_gone = rank == 0;
        fail(x, why);
        x->heard_ns[rank] = UINT64_MAX - x->silence_ns;
    }
}

/* ---- the link's life ---- */

/* With messages under way MPI has to be called often where the training thread waits for them, and less often where it computes:
 * each look takes the core from it. `looks`: in which nothing came. */
static void wait_a_little(mpi_exchange *x, bool busy, int looks)
{
    enum { LOOK_NS = 20000, DOUBLINGS = 4 };
    struct timespec until;
    if (busy) {
        const bool awaited = atomic_load_explicit(&x->awaited, memory_order_relaxed);
        const int doublings = awaited ? 0 : looks < DOUBLINGS ? looks : DOUBLINGS;
        nanosleep(&(struct timespec){.tv_nsec = (long)LOOK_NS << doublings}, NULL);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 100000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&x->lock);
    if (x->job_count == 0 && !x->closing) pthread_cond_timedwait(&x->asked, &x->lock, &until);
    pthread_mutex_unlock(&x->lock);
}

/* Only the last step of a run that went well; ranks that failed are ended by MPI_Abort. */
static void serve(mpi_exchange *x)
{
    for (int looks = 0;; looks++) {
        const uint64_t now_ns = sa_clock_ns();
        pthread_mutex_lock(&x->lock);
        const bool closing = x->closing, failed = x->failed;
        pthread_mutex_unlock(&x->lock);
        if (closing) return;
        start_jobs(x);
        if (test_requests(x)) looks = 0;
        say_alive(x, now_ns);
        listen(x, now_ns);
        if (!failed) find_silent(x, now_ns);
        wait_a_little(x, x->request_count > 0, looks);
    }
}

/* Tells all; waits for the word to go out, and then for rank 0 to end the job, which says why first. */
static void end_by_failure(mpi_exchange *x)
{
    control_message last = {.kind = FAILED};
    snprintf(last.text, sizeof last.text, "%.*s", TEXT_BYTES - 1, x->own_failure);
    MPI_Request *request = calloc((size_t)x->base.ranks, sizeof *request);
    for (int rank = 0; request && rank < x->base.ranks && last.text[0]; rank++)
        if (rank != x->base.rank) say(x, rank, &last, &request[rank]);
    const bool aborts = x->base.rank == 0 || x->first_is_gone;
    const uint64_t until = sa_clock_ns() + (aborts ? SECOND_NS / 5 : 4 * SECOND_NS);
    while (sa_clock_ns() < until) {
        int flag;
        (void)MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, x->control, &flag, MPI_STATUS_IGNORE); /* has MPI go on */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    (void)MPI_Abort(MPI_COMM_WORLD, 1);
    _exit(1);
}

static void end_well(mpi_exchange *x)
{
    (void)MPI_Barrier(x->data);
    (void)MPI_Cancel(&x->hearing);
    (void)MPI_Request_free(&x->hearing);
    for (int rank = 0; rank < x->base.ranks; rank++)
        if (x->saying[rank] != MPI_REQUEST_NULL) (void)MPI_Wait(&x->saying[rank], MPI_STATUS_IGNORE);
    (void)MPI_Finalize();
}

/* All that MPI needs before the first message. */
static int meet(mpi_exchange *x)
{
    int provided, error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), rank, ranks, local;
    MPI_Comm here;
    if (error == MPI_SUCCESS) error = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (error == MPI_SUCCESS) error = MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (error == MPI_SUCCESS) error = MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (error == MPI_SUCCESS) error = MPI_Comm_dup(MPI_COMM_WORLD, &x->data);
    if (error == MPI_SUCCESS) error = MPI_Comm_dup(MPI_COMM_WORLD, &x->control);
    if (error == MPI_SUCCESS) error = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &here);
    if (error == MPI_SUCCESS) error = MPI_Comm_size(here, &local);
    if (error != MPI_SUCCESS) return error;
    x->base.rank = rank;
    x->base.ranks = ranks;
    x->base.local_ranks = local;
    x->saying = malloc((size_t)ranks * sizeof(MPI_Request));
    x->heard_ns = malloc((size_t)ranks * sizeof *x->heard_ns);
    if (!x->saying || !x->heard_ns) return MPI_ERR_NO_MEM;
    for (int k = 0; k < ranks; k++) {
        x->saying[k] = MPI_REQUEST_NULL;
        x->heard_ns[k] = sa_clock_ns() + 2 * SECOND_NS; /* the last one to start */
    }
    return MPI_Irecv(&x->heard, sizeof x->heard, MPI_BYTE, MPI_ANY_SOURCE, 0, x->control, &x->hearing);
}

static void *run_link(void *argument)
{
    mpi_exchange *x = argument;
    sigset_t all;
    sigfillset(&all); /* signals are the training thread's */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    (void)prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    const int error = meet(x);
    if (error != MPI_SUCCESS) fail_by_mpi(x, error);
    pthread_mutex_lock(&x->lock);
    x->ready = true;
    pthread_cond_broadcast(&x->answered);
    pthread_mutex_unlock(&x->lock);
    if (error == MPI_SUCCESS) serve(x);
    if (x->own_failure[0] || x->failed || x->base.failure_is_known) end_by_failure(x);
    end_well(x);
    return NULL;
}

static void mpi_close(sa_exchange *exchange, const char *why)
{
    mpi_exchange *x = (mpi_exchange *)exchange;
    pthread_mutex_lock(&x->lock);
    if (why && !exchange->failure_is_known) snprintf(x->own_failure, sizeof x->own_failure, "%s", why);
    x->closing = true;
    pthread_cond_signal(&x->asked);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->link, NULL);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->asked);
    pthread_cond_destroy(&x->answered);
    free(x->job);
    free(x->request);
    free(x->number);
    free(x->done);
    free(x->saying);
    free(x->heard_ns);
    free(x);
}

/* The seconds of silence after which a rank is taken for dead. */
static uint64_t silence_ns(void)
{
    const char *text = getenv("SA_RANK_SILENCE");
    const long seconds = text ? strtol(text, NULL, 10) : SILENCE_S;
    return (uint64_t)(seconds > 1 && seconds < 86400 ? seconds : SILENCE_S) * SECOND_NS;
}

sa_status sa_ranks_open(sa_exchange **exchange)
{
    static const sa_exchange_functions functions = {mpi_send, mpi_receive, mpi_finish, mpi_close};
    *exchange = NULL;
    if (sa_ranks_launched() <= 1) return SA_OK;
    mpi_exchange *x = calloc(1, sizeof *x);
    if (!x) SA_FAIL(SA_NOMEM, "no memory for the exchange with other ranks");
    x->base.functions = &functions;
    x->silence_ns = silence_ns();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->asked, &monotonic);
    pthread_cond_init(&x->answered, NULL);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&x->link, NULL, run_link, x) != 0) {
        free(x);
        SA_FAIL(SA_RANKS, "no thread for the exchange with other ranks");
    }
    pthread_mutex_lock(&x->lock);
    while (!x->ready) pthread_cond_wait(&x->answered, &x->lock);
    const bool failed = x->failed;
    pthread_mutex_unlock(&x->lock);
    if (failed) SA_FAIL(SA_RANKS, "the ranks do not meet: %s", x->failure);
    *exchange = &x->base;
    return SA_OK;
}
