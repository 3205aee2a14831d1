/* Exchanges on a link: see link.h. */
#include "cost/link.h"

#include <stdlib.h>
#include <string.h>

enum { PASSES_WALKED_MAX = 3 }; /* more of the same add the same */

/* ---- the link's text ---- */

/* The power of 1000 of a prefix; false: none that is known. */
static bool take_prefix(const char **text, double *factor)
{
    static const char PREFIXES[] = "kMG";
    const char *found = **text ? strchr(PREFIXES, **text) : NULL;
    *factor = 1;
    if (!found) return **text == 'b' || **text == 'B';
    for (const char *p = PREFIXES; p <= found; p++) *factor *= 1000;
    (*text)++;
    return **text == 'b' || **text == 'B';
}

static bool take_latency(const char *text, double *seconds)
{
    char *end;
    *seconds = strtod(text, &end);
    if (end == text || *seconds < 0) return false;
    if (!strcmp(end, "ns")) *seconds *= 1e-9;
    else if (!strcmp(end, "us")) *seconds *= 1e-6;
    else if (!strcmp(end, "ms")) *seconds *= 1e-3;
    else return false;
    return true;
}

sa_status sa_link_parse(const char *text, sa_link *link)
{
    sa_link l = {.latency_s = 20e-6, .message_s = 1e-6};
    double factor = 1;
    char *end;
    const double rate = strtod(text, &end);
    const char *rest = end;
    bool ok = rest != text && rate > 0 && take_prefix(&rest, &factor);
    l.bytes_per_s = rate * factor * (ok && *rest == 'b' ? 0.125 : 1.0);
    if (ok) rest++;
    ok = ok && !strncmp(rest, "/s", 2);
    if (ok) rest += 2;
    if (ok && *rest == ',') ok = take_latency(rest + 1, &l.latency_s);
    else ok = ok && *rest == '\0';
    if (!ok) SA_FAIL(SA_INVALID, "'%s' is no link: a rate and a latency, as 10Gb/s,20us or 1.5GB/s", text);
    *link = l;
    return SA_OK;
}

/* ---- what an exchange moves ---- */

/* Of the op that starts an exchange, in a pass that has `shards` shards on all ranks. */
static sa_traffic traffic_of_op(const sa_exchange_args *args, int32_t shards)
{
    const sa_slicing *s = &args->slicing;
    const uint64_t others = (uint64_t)s->ranks - 1;
    size_t begin;
    const uint64_t own = sa_slice_of(s, s->rank, &begin) * sizeof(float), all = s->count * sizeof(float);
    uint64_t owners = 0;
    sa_traffic t = {0};
    if (args->finish) return t;
    for (int32_t rank = 0; rank < s->ranks; rank++) owners += rank != s->rank && sa_slice_of(s, rank, &begin) > 0;
    const uint64_t sends = s->rank < shards ? 1 : 0, senders = (uint64_t)shards - sends;
    if (args->way == SA_EXCHANGE_PARTS) {
        t = (sa_traffic){sends * all * others, all * senders, sends * others + senders};
    } else if (args->way == SA_EXCHANGE_TO_ALL) {
        t = (sa_traffic){own * others, all - own, (own > 0 ? others : 0) + owners};
    } else {
        t = (sa_traffic){sends * (all - own), own * senders, sends * owners + (own > 0 ? senders : 0)};
    }
    return t;
}

static int32_t shards_of_pass(const sa_program *p, int32_t pass)
{
    const int32_t left = p->shards - pass * p->ranks;
    return left < p->ranks ? left : p->ranks;
}

static size_t ops_of_pass(const sa_program *p, int32_t pass)
{
    return p->phase_end[pass + 1 < p->passes ? SA_STEP_BACKWARD : SA_STEP_UPDATE];
}

sa_traffic sa_traffic_of(const sa_program *p)
{
    sa_traffic sum = {0};
    for (int32_t pass = 0; pass < p->passes; pass++)
        for (size_t i = 0; i < ops_of_pass(p, pass); i++) {
            if (p->op[i].kind != SA_OP_EXCHANGE) continue;
            const sa_traffic t = traffic_of_op(&p->op[i].args.exchange, shards_of_pass(p, pass));
            sum.sent_bytes += t.sent_bytes;
            sum.received_bytes += t.received_bytes;
            sum.messages += t.messages;
        }
    return sum;
}

/* ---- a step ---- */

static double exchange_ms(const sa_exchange_args *args, int32_t shards, const sa_link *link)
{
    const sa_traffic t = traffic_of_op(args, shards);
    const uint64_t bytes = t.sent_bytes > t.received_bytes ? t.sent_bytes : t.received_bytes;
    return 1e3 * (link->latency_s + (double)t.messages * link->message_s + (double)bytes / link->bytes_per_s);
}

/* When the exchange that the op finishes is done: kept by its number, which starts before it ends. */
static double *done_at(double *done, const sa_program *p, const sa_exchange_args *args)
{
    return &done[(size_t)args->number % p->op_count];
}

/* From *now_ms on; *free_ms: when the link is free. */
static void walk_pass(const sa_program *p, int32_t pass, const double *op_ms, const sa_link *link, double *done, double *now_ms,
                      double *free_ms, sa_rank_step *step)
{
    for (size_t i = 0; i < ops_of_pass(p, pass); i++) {
        const sa_exchange_args *args = &p->op[i].args.exchange;
        if (p->op[i].kind != SA_OP_EXCHANGE) {
            *now_ms += op_ms[i];
            step->compute_ms += op_ms[i];
        } else if (!args->finish) {
            const double ms = exchange_ms(args, shards_of_pass(p, pass), link);
            *free_ms = (*free_ms > *now_ms ? *free_ms : *now_ms) + ms;
            *done_at(done, p, args) = *free_ms;
            step->link_ms += ms;
        } else if (*done_at(done, p, args) > *now_ms) {
            step->exposed_ms += *done_at(done, p, args) - *now_ms;
            *now_ms = *done_at(done, p, args);
        }
    }
}

sa_rank_step sa_rank_step_of(const sa_program *p, const double *op_ms, const sa_link *link)
{
    sa_rank_step step = {0};
    double now_ms = 0, free_ms = 0;
    double *done = calloc(p->op_count + 1, sizeof *done);
    for (int32_t pass = 0; done && pass < p->passes; pass++) {
        const sa_rank_step before = step;
        walk_pass(p, pass, op_ms, link, done, &now_ms, &free_ms, &step);
        const int32_t same = p->passes - 2 - pass; /* passes like this one before the last, which updates */
        if (pass + 1 < PASSES_WALKED_MAX || same <= 0) continue;
        step.compute_ms += same * (step.compute_ms - before.compute_ms);
        step.link_ms += same * (step.link_ms - before.link_ms);
        step.exposed_ms += same * (step.exposed_ms - before.exposed_ms);
        pass += same;
    }
    free(done);
    return step;
}
