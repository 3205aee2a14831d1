/* Ranks: the processes that a launcher (mpirun, srun) started to train one net together. */
#ifndef SA_RANKS_RANKS_H
#define SA_RANKS_RANKS_H

#include "core/exchange.h"

/* Meets the other ranks, if a launcher started this process as one of several. *exchange stays NULL for one alone; else it is the
 * caller's (functions->close). SA_UNSUPPORTED: there are several, and this build has no MPI; SA_RANKS: they do not meet. */
SA_CHECKED sa_status sa_ranks_open(sa_exchange **exchange);
/* Ranks as the launcher's environment tells, without asking MPI; 1: alone. */
int sa_ranks_launched(void);
/* CPU threads for this rank where nobody said how many: its share of what the ranks of this machine may use together. */
int sa_ranks_threads(const sa_exchange *exchange);

#endif
