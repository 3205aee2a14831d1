/* Builds without MPI: several ranks are refused, and do not train side by side over each other's files. */
#include "ranks/ranks.h"

sa_status sa_ranks_open(sa_exchange **exchange)
{
    const int ranks = sa_ranks_launched();
    *exchange = NULL;
    if (ranks <= 1) return SA_OK;
    SA_FAIL(SA_UNSUPPORTED, "started as one of %d ranks, but this build has no MPI: install libopenmpi-dev and run `make` again",
            ranks);
}
