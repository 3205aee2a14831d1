/* Builders for the tests of the row kernels: random values, slabs over them, sources, and masks in every encoding.
 *
 * Memory belongs to the test and is freed by sa_test_release. */
#ifndef SA_TESTS_SUPPORT_ROWS_H
#define SA_TESTS_SUPPORT_ROWS_H

#include "kernels/ops.h"

/* A dense float32 value (n, c, h, w). */
typedef struct sa_test_value {
    int n, c, h, w;
    float *data;
} sa_test_value;

void *sa_test_memory(size_t bytes); /* filled with NaN (bytes 0xff) */
int sa_test_release(void **state);  /* a cmocka teardown: frees all of sa_test_memory */

void sa_test_seed(uint64_t seed);
float sa_test_uniform(float low, float high);

sa_test_value sa_test_poisoned(int n, int c, int h, int w);
sa_test_value sa_test_random(int n, int c, int h, int w);             /* uniform in [-2, 2] */
sa_test_value sa_test_levels(int n, int c, int h, int w, int levels); /* whole numbers in [-levels / 2, levels / 2]: ties */
float *sa_test_vector(int count, float low, float high);
size_t sa_test_count(const sa_test_value *value);
float sa_test_at(const sa_test_value *value, int n, int c, int y, int x);

sa_slab sa_test_slab(const sa_test_value *value);
sa_range sa_test_range(const sa_test_value *value); /* all of it */
sa_ref sa_test_ref(void *pointer);

/* Appends a node to the source and returns its number. Children: node numbers, -1 for none. */
int sa_test_dense(sa_source *source, const sa_test_value *value);
int sa_test_node(sa_source *source, sa_node_kind kind, int a, int b, int c);

/* The pooled size of a side by Caffe's rule. */
int sa_test_pooled(int size, int kernel, int stride, int pad);
/* Max pooling in plain loops; mask holds indices. */
void sa_test_pool(const sa_test_value *x, sa_window window, sa_test_value *out, sa_test_value *mask);
/* The mask (indices in planes of height x width) in the given encoding. */
sa_slab sa_test_encode_mask(const sa_test_value *mask, sa_window window, int width, sa_encoding encoding);

#endif
