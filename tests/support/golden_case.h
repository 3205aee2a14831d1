/* One golden case: a folder with a net, inputs, parameters and what the real Caffe computed (format: tests/golden/README.md). */
#ifndef SA_TESTS_GOLDEN_CASE_H
#define SA_TESTS_GOLDEN_CASE_H

#include "data/npy.h"
#include "net/session.h"

enum { SA_GOLDEN_FILE_MAX = 128 };

typedef struct sa_golden_row {
    char file[SA_GOLDEN_FILE_MAX]; /* "diff/x.npy" */
    double atol, rms_atol;
    bool checked;
    double max_error, rms_error; /* of the last comparison */
} sa_golden_row;

typedef struct sa_golden_case {
    char folder[1024];
    size_t row_count;
    sa_golden_row *row; /* tolerance.tsv */
    bool has_solver, wants_input_gradients;
    bool of_segnet; /* computed by SegNet's fork: cases of BVLC's state their phase in CASE.txt */
} sa_golden_case;

bool sa_golden_is_case(const char *folder);
SA_CHECKED sa_status sa_golden_case_load(const char *folder, sa_golden_case *golden);
void sa_golden_case_free(sa_golden_case *golden);
/* folder/file; missing files are SA_IO. */
SA_CHECKED sa_status sa_golden_read(const sa_golden_case *golden, const char *file, sa_npy *array);
bool sa_golden_folder_exists(const sa_golden_case *golden, const char *folder); /* "in/iter0" */
bool sa_golden_has(const sa_golden_case *golden, const char *file);             /* tolerance.tsv lists it */
/* Compares count values with the file if tolerance.tsv lists it (else does nothing) and notes the worst errors in its row. NaN
 * counts as infinite. SA_INVALID only for a wrong count. */
SA_CHECKED sa_status sa_golden_compare(sa_golden_case *golden, const char *file, const float *values, size_t count);
/* Largest error as a share of its bound; the row it belongs to in *worst (NULL if nothing was checked). */
double sa_golden_worst_share(const sa_golden_case *golden, const sa_golden_row **worst);
double sa_golden_row_share(const sa_golden_row *row);

#endif
