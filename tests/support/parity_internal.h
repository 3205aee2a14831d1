/* What the parity runner and its data makers share. */
#ifndef SA_TESTS_SUPPORT_PARITY_INTERNAL_H
#define SA_TESTS_SUPPORT_PARITY_INTERNAL_H

#include "tests/support/parity.h"

enum { SA_PARITY_OUTPUTS = 8, SA_PARITY_ROWS = 64 };

typedef struct sa_parity_row {
    const char *name;
    size_t cases, values, different;
    double worst; /* largest error over the output's root mean square */
} sa_parity_row;

struct sa_parity {
    sa_device *cpu, *cuda;
    char *host, *cpu_result, *cuda_result; /* the arena as made, and after the runs */
    char *cuda_first;                      /* as the last sa_parity_run left it on the CUDA device */
    void *device_arena;
    size_t used;
    uint64_t random, seed;
    struct {
        size_t offset, count; /* bytes, floats */
    } output[SA_PARITY_OUTPUTS];
    int output_count;
    sa_parity_row row[SA_PARITY_ROWS];
    int row_count, current, too_long;
};

#endif
