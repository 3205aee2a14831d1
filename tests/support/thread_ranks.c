/* Ranks as threads: see thread_ranks.h. */
#include "tests/support/thread_ranks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct message {
    int32_t number, from, to;
    const void *sent; /* NULL: not there yet */
    void *received;   /* ... */
    size_t sent_bytes, received_bytes;
    bool copied, sender_done, receiver_done;
} message;

typedef struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count, room;
    message *message; /* (count), in the order in which they were first named */
    char failure[512];
} meeting;

typedef struct thread_exchange {
    sa_exchange base;
    meeting *meeting;
    char why[512];
} thread_exchange;

/* The first message of these that has no such side yet; the lock is held. */
static message *find(meeting *m, int32_t number, int32_t from, int32_t to, bool sending)
{
    for (size_t i = 0; i < m->count; i++) {
        message *at = &m->message[i];
        const bool has_side = sending ? at->sent != NULL : at->received != NULL;
        if (at->number == number && at->from == from && at->to == to && !has_side) return at;
    }
    if (m->count == m->room) {
        m->room = m->room ? 2 * m->room : 64;
        m->message = realloc(m->message, m->room * sizeof *m->message);
        if (!m->message) abort();
    }
    m->message[m->count] = (message){.number = number, .from = from, .to = to};
    return &m->message[m->count++];
}

static sa_status thread_send(sa_exchange *x, int32_t number, int32_t to, const void *bytes, size_t count)
{
    meeting *m = ((thread_exchange *)x)->meeting;
    pthread_mutex_lock(&m->lock);
    message *at = find(m, number, x->rank, to, true);
    at->sent = bytes;
    at->sent_bytes = count;
    x->sent_bytes += number < SA_EXCHANGE_OUTSIDE ? count : 0;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return SA_OK;
}

static sa_status thread_receive(sa_exchange *x, int32_t number, int32_t from, void *bytes, size_t count)
{
    meeting *m = ((thread_exchange *)x)->meeting;
    pthread_mutex_lock(&m->lock);
    message *at = find(m, number, from, x->rank, false);
    at->received = bytes;
    at->received_bytes = count;
    pthread_mutex_unlock(&m->lock);
    return SA_OK;
}

/* Copies what came; true: nothing of this rank's is left. The lock is held. */
static bool settle(meeting *m, int32_t number, int32_t rank)
{
    bool all = true;
    for (size_t i = 0; i < m->count; i++) {
        message *at = &m->message[i];
        if (at->number != number) continue;
        if (at->to == rank && at->received && !at->receiver_done && at->sent) {
            if (at->sent_bytes != at->received_bytes) abort();
            memcpy(at->received, at->sent, at->sent_bytes);
            at->copied = at->receiver_done = true;
            pthread_cond_broadcast(&m->changed);
        }
        if (at->from == rank && at->sent && at->copied) at->sender_done = true;
        all = all && !(at->to == rank && at->received && !at->receiver_done) && !(at->from == rank && at->sent && !at->sender_done);
    }
    return all;
}

static void forget_done(meeting *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++)
        if (!m->message[i].sender_done || !m->message[i].receiver_done) m->message[kept++] = m->message[i];
    m->count = kept;
}

static sa_status thread_finish(sa_exchange *x, int32_t number)
{
    meeting *m = ((thread_exchange *)x)->meeting;
    sa_status status = SA_OK;
    pthread_mutex_lock(&m->lock);
    while (!settle(m, number, x->rank) && status == SA_OK) {
        if (m->failure[0]) status = sa_error_set(SA_RANKS, "%s", m->failure);
        else pthread_cond_wait(&m->changed, &m->lock);
    }
    x->failure_is_known |= status != SA_OK;
    forget_done(m);
    pthread_mutex_unlock(&m->lock);
    return status;
}

static void thread_close(sa_exchange *x, const char *why)
{
    meeting *m = ((thread_exchange *)x)->meeting;
    if (!why || x->failure_is_known) return;
    pthread_mutex_lock(&m->lock);
    if (!m->failure[0]) snprintf(m->failure, sizeof m->failure, "rank %d: %.480s", (int)x->rank, why);
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

typedef struct rank_thread {
    pthread_t thread;
    thread_exchange exchange;
    sa_rank_body body;
    void *context;
    bool alone;
} rank_thread;

static void *run_rank(void *argument)
{
    rank_thread *r = argument;
    r->body(r->context, r->alone ? NULL : &r->exchange.base, r->exchange.why, sizeof r->exchange.why);
    if (!r->alone) thread_close(&r->exchange.base, r->exchange.why[0] ? r->exchange.why : NULL);
    return NULL;
}

void sa_thread_ranks_run(int ranks, sa_rank_body body, void *context)
{
    static const sa_exchange_functions functions = {thread_send, thread_receive, thread_finish, thread_close};
    meeting m = {.count = 0};
    rank_thread rank[SA_THREAD_RANKS_MAX];
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.changed, NULL);
    for (int k = 0; k < ranks; k++) {
        rank[k] = (rank_thread){.body = body, .context = context, .alone = ranks == 1};
        rank[k].exchange =
            (thread_exchange){.base = {.functions = &functions, .rank = k, .ranks = ranks, .local_ranks = ranks}, .meeting = &m};
    }
    for (int k = 0; k < ranks; k++)
        if (pthread_create(&rank[k].thread, NULL, run_rank, &rank[k]) != 0) abort();
    for (int k = 0; k < ranks; k++) pthread_join(rank[k].thread, NULL);
    pthread_cond_destroy(&m.changed);
    pthread_mutex_destroy(&m.lock);
    free(m.message);
}
