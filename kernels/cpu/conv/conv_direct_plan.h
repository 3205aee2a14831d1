/* Geometry of a direct convolution's passes: what a strip stages, which of it each tap reads, where all lies in the workspace. */
#ifndef SA_KERNELS_CPU_CONV_DIRECT_PLAN_H
#define SA_KERNELS_CPU_CONV_DIRECT_PLAN_H

#include "kernels/cpu/conv/conv_common.h"
#include "kernels/cpu/conv/conv_direct_kernels.h"

/* One axis of a pass. A strip stages source positions from floor((i * mul + add) / div) + lowest on, `spacing` apart, for output
 * positions i, i + step, i + 2 * step, ...
 *
 *     forward    output i reads i * stride + u * dilation - pad. Rows that a dilation keeps apart go into strips of their own, so
 * that no row is staged that no tap reads. turned     the data gradient: i reads (i + pad - u * dilation) / stride where that is
 * whole. Positions by (i + pad) % stride are `phases` that read different taps. */
typedef struct sa_direct_axis {
    int size;             /* output positions */
    int kernel, dilation; /* taps */
    int mul, add, div, lowest, spacing, step;
    int advance; /* staged positions from an output of a phase to the next one */
    int phases;  /* outputs by (i + add) % phases; 1: all read the same taps */
    int stride;  /* of the convolution */
    bool turned;
} sa_direct_axis;

/* One pass as a convolution of `source`, group by group. */
typedef struct sa_direct_pass {
    const sa_source *source;
    sa_direct_axis y, x;
    bool turned;
    int in, out;                    /* channels of a group */
    int channel_begin, channel_end; /* the range of output channels */
    int groups_most, out_most;      /* groups that a range of this size touches, and channels of one: at most */
    int rows;                       /* output rows of a strip */
    int strips;                     /* strips of a plane, those of all row classes (axis y.step) alike */
    int strip_rows, taps;           /* staged rows; Kh*Kw */
    int split;                      /* a staged row is so many parts: part f has columns f, f + split, ... */
    bool waits;                     /* rows of the output go through the workspace */
    bool flat;                      /* rows of a strip go through the kernels as one long row, with gaps where they end */
    size_t part_pitch, row_pitch, channel_pitch; /* of the strip, in floats */
    size_t out_row_pitch;                        /* of rows of the output that wait in the workspace, or of dy */
    size_t out_channel_pitch;
    /* Parts of the workspace, floats from its begin; strip and output rows of every thread, thread_pitch apart. */
    size_t table_at, weight_at, strip_at, out_at, thread_pitch, end;
} sa_direct_pass;

/* Taps of a phase, (y.phases, x.phases) in the workspace: `count` from `first` on in the lists of offsets and of taps. */
typedef struct sa_direct_phase {
    int32_t first, count;
} sa_direct_phase;

static inline size_t sa_direct_round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* Weight of one group packed: (phases, out / SA_DIRECT_GROUP, in, taps of the phase, SA_DIRECT_GROUP). */
static inline size_t sa_direct_group_weights(const sa_direct_pass *p)
{
    return sa_direct_round_up((size_t)p->out_most, SA_DIRECT_GROUP) * (size_t)p->in * (size_t)p->taps;
}

/* channels: of the range. */
sa_direct_pass sa_direct_forward_pass(const sa_conv_shape *shape, int channels, int threads, const sa_source *x);
/* staged: rows of dx wait in the workspace for the gather. */
sa_direct_pass sa_direct_data_pass(const sa_conv_shape *shape, int threads, const sa_source *dy, bool staged);
/* groups_apart: each thread sums groups of its own. */
sa_direct_pass sa_direct_weight_pass(const sa_conv_shape *shape, int channels, int threads, const sa_source *x);
static inline bool sa_direct_groups_apart(const sa_direct_pass *p, int threads)
{
    return p->groups_most >= threads;
}

/* Output rows of strip number `strip`: from *i0 on, y.step apart; 0: there are none. */
int sa_direct_strip_rows(const sa_direct_pass *pass, int strip, int *i0);
/* Stages channel c of the strip for output rows from i0 on. */
void sa_direct_load_channel(const sa_direct_pass *pass, int n, int c, int i0, float *strip, float *scratch);
/* Fills the table of phases, offsets and taps. */
void sa_direct_fill_table(const sa_direct_pass *pass, float *workspace);

static inline const sa_direct_phase *sa_direct_phases(const sa_direct_pass *p, const float *workspace)
{
    return (const sa_direct_phase *)(const void *)(workspace + p->table_at);
}

static inline const int32_t *sa_direct_tap_offsets(const sa_direct_pass *p, const float *workspace)
{
    return (const int32_t *)(sa_direct_phases(p, workspace) + p->y.phases * p->x.phases);
}

/* The place u * Kw + v in the weights of each tap of the offsets' list. */
static inline const int32_t *sa_direct_taps(const sa_direct_pass *p, const float *workspace)
{
    return sa_direct_tap_offsets(p, workspace) + p->taps;
}

/* Groups [*first, *end) have channels in the range; those of one are [*begin, *end_channel). */
static inline void sa_direct_groups(const sa_direct_pass *p, int *first, int *end)
{
    *first = p->channel_begin / p->out;
    *end = (p->channel_end - 1) / p->out + 1;
}

static inline void sa_direct_group_range(const sa_direct_pass *p, int group, int *begin, int *end)
{
    *begin = sa_max_int(p->channel_begin, group * p->out);
    *end = sa_min_int(p->channel_end, (group + 1) * p->out);
}

/* What fits this processor. */
const sa_direct_kernels *sa_direct_kernels_best(void);

#endif
