/* The ledger: what a run really touched, measured op by op, to be compared with the plan. */
#ifndef SA_MEMORY_LEDGER_H
#define SA_MEMORY_LEDGER_H

#include "memory/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sa_ledger sa_ledger;

/* Borrows nothing; copies kinds and sizes. */
SA_CHECKED sa_status sa_ledger_create(const sa_buffer *buffers, size_t count, sa_ledger **ledger);
void sa_ledger_destroy(sa_ledger *ledger); /* NULL is allowed */
/* Op `op` touches [pointer, pointer + buffer's size) in an arena that starts at base. */
void sa_ledger_touch(sa_ledger *ledger, int64_t op, size_t buffer, const void *base, const void *pointer);
/* Highest touched end address less the base, rounded up to the smallest alignment: the arena bytes really used. Equals the plan's
 * peak. */
size_t sa_ledger_high_water_bytes(const sa_ledger *ledger);
/* The largest sum of sizes of buffers between their first and last touch, rounded as a plan's lower bound is. Equals the plan's
 * lower bound if no buffer is declared alive longer than it is used. */
size_t sa_ledger_live_peak_bytes(const sa_ledger *ledger);
/* Bytes of one kind alive at the op of the live peak, and the op itself. */
size_t sa_ledger_kind_bytes(const sa_ledger *ledger, sa_buffer_kind kind);
int64_t sa_ledger_peak_op(const sa_ledger *ledger);

#ifdef __cplusplus
}
#endif
#endif
