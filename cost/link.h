/* The link between ranks, and what a step's exchanges take on it: counted from the program, its ops timed by whoever has times. */
#ifndef SA_COST_LINK_H
#define SA_COST_LINK_H

#include "program/program.h"

/* A full-duplex link of each rank to all others. An exchange takes latency_s, and message_s for each message and the time of its
 * bytes: those sent or those received, whichever are more. */
typedef struct sa_link {
    double bytes_per_s, latency_s, message_s;
} sa_link;

/* "10Gb/s,20us", "1.5GB/s", "100Mb/s,1ms": bits (b) or bytes (B) with k, M, G and, behind a comma, the latency in ns, us or ms
 * (default 20us). message_s is 1 us. SA_INVALID. */
SA_CHECKED sa_status sa_link_parse(const char *text, sa_link *link);

/* Of one rank in one step, all passes. */
typedef struct sa_traffic {
    uint64_t sent_bytes, received_bytes;
    uint64_t messages; /* sent and received */
} sa_traffic;
sa_traffic sa_traffic_of(const sa_program *program);

typedef struct sa_rank_step {
    double compute_ms; /* of the ops */
    double link_ms;    /* the link is busy */
    double exposed_ms; /* an op waits for it */
} sa_rank_step;
/* Walks through a step: exchanges go over the link one after the other, beside the ops between their start and their end. op_ms: of
 * each op of one pass. All ranks are taken to be equally far. */
sa_rank_step sa_rank_step_of(const sa_program *program, const double *op_ms, const sa_link *link);

#endif
