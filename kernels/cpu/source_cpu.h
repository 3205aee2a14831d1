/* Reading sources on the CPU: pieces of one row at a time. */
#ifndef SA_KERNELS_CPU_SOURCE_CPU_H
#define SA_KERNELS_CPU_SOURCE_CPU_H

#include "kernels/source.h"

enum { SA_CPU_SEGMENT = 1024 };

/* `count` floats of row y of channel c of image n of the value of `node`, from column x on; they lie inside the plane, and
 * count <= SA_CPU_SEGMENT. scratch: SA_SOURCE_NODES_MAX * SA_CPU_SEGMENT floats. Dense float32 nodes return a pointer into the
 * slab. */
const float *sa_cpu_pull(const sa_source *source, int node, int n, int c, int y, int x, int count, float *scratch);

#endif
