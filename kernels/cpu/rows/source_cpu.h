/* The row puller: computes pieces of rows of a source's value (kernels/source.h) on the CPU. */
#ifndef SA_KERNELS_CPU_ROWS_SOURCE_CPU_H
#define SA_KERNELS_CPU_ROWS_SOURCE_CPU_H

#include "kernels/source.h"

#include <assert.h>

/* The longest piece of a row, and the floats of scratch that each node owns. Pieces of a row that is cut start at multiples of
 * SA_CPU_PIECE_UNIT: whole vectors, and whole words of the mask of a pooling by 2. */
enum { SA_CPU_PIECE_UNIT = 32, SA_CPU_SEGMENT = 35 * SA_CPU_PIECE_UNIT };
enum { SA_CPU_SCRATCH_FLOATS = SA_SOURCE_NODES_MAX * SA_CPU_SEGMENT };

/* How long the pieces (but the last) of a row of `width` are: the fewest of at most `longest`, a multiple of SA_CPU_PIECE_UNIT, and
 * about equally long, so that the last is not a few columns. */
static inline int sa_cpu_piece_length(int width, int longest)
{
    int pieces = (width + longest - 1) / longest;
    int length = (width + pieces - 1) / pieces;
    return (length + SA_CPU_PIECE_UNIT - 1) / SA_CPU_PIECE_UNIT * SA_CPU_PIECE_UNIT;
}

/* sa_cpu_pull of a node that is not DENSE float32: apart, since most pulls only look up where a row is. */
const float *sa_cpu_compute(const sa_source *source, int node, int n, int c, int y, int x, int count, float *scratch);

/* `count` (at most SA_CPU_SEGMENT) floats of row y, channel c, image n, columns [x, x + count) of the node's value; the piece lies
 * inside the node's plane. scratch: SA_CPU_SCRATCH_FLOATS floats, aligned to 64 bytes; the result is valid until the next pull with
 * the same scratch, and is a pointer into the slab itself for DENSE float32. Two parents may share a node only if they read it at
 * the same place. */
static inline const float *sa_cpu_pull(const sa_source *source, int node, int n, int c, int y, int x, int count, float *scratch)
{
    const sa_node *from = &source->node[node];
    assert(count > 0 && count <= SA_CPU_SEGMENT && x >= 0 && x + count <= from->width && y >= 0 && y < from->height);
    if (sa_node_is_dense_f32(from)) return (const float *)sa_slab_row(&from->slab, n, c, y) + x;
    return sa_cpu_compute(source, node, n, c, y, x, count, scratch);
}

/* The same for the root, computed straight into target (count floats) unless it is DENSE float32: returns where the values are.
 * target may be the piece of a DENSE slab that the root or its ancestors read at the same place. */
const float *sa_cpu_pull_into(const sa_source *source, int n, int c, int y, int x, int count, float *scratch, float *target);

/* ---- between source_cpu.c and the files that hold its less simple nodes ---- */

/* One call of the puller. */
typedef struct sa_cpu_piece {
    const sa_source *source;
    int n, c, y, x, count;
    float *scratch;
} sa_cpu_piece;

/* Computes the node's piece into out (count floats). */
typedef void sa_cpu_node_function(const sa_cpu_piece *piece, const sa_node *node, float *out);

/* In window_nodes_cpu.c those that read a mask, in plane_nodes_cpu.c the others of SA_REACH_WINDOWS and those of SA_REACH_AREA, in
 * channel_nodes_cpu.c LRN's and those of SA_REACH_CHANNELS, else in
 * source_cpu.c. */
#define SA_CPU_NODE_FUNCTION(kind, field, ...) sa_cpu_node_function sa_cpu_node_##field;
SA_NODES(SA_CPU_NODE_FUNCTION)
#undef SA_CPU_NODE_FUNCTION

/* The piece of the node's k-th child at the same place, in channel c. */
static inline const float *sa_cpu_pull_child(const sa_cpu_piece *piece, const sa_node *node, int k, int c)
{
    return sa_cpu_pull(piece->source, node->child[k], piece->n, c, piece->y, piece->x, piece->count, piece->scratch);
}

#endif
