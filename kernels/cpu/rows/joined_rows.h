/* Rows of small planes as fewer, longer ones: pulling a piece has a fixed cost, which rows of 7 or 14 pixels do not pay for. A
 * formula of one place has the same bits wherever the rows end. */
#ifndef SA_KERNELS_CPU_ROWS_JOINED_ROWS_H
#define SA_KERNELS_CPU_ROWS_JOINED_ROWS_H

#include "kernels/source.h"

/* Whether the source reads but the place itself, in planes whose rows lie one behind the other. */
bool sa_rows_can_join(const sa_source *source);
bool sa_slab_rows_can_join(const sa_slab *slab);

/* How many rows of planes of height x width make a good one: a divisor of the height, such that a row is one piece and enough rows
 * are left for the threads. */
int sa_rows_to_join(int images, int height, int width, int threads);

/* Turns every `rows` rows into one. */
void sa_source_join_rows(sa_source *source, int rows);
void sa_slab_join_rows(sa_slab *slab, int rows);

#endif
