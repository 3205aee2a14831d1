/* Runs one op on the CPU and on the CUDA device with equal data and compares all memory that either could have touched.
 *
 * A case takes everything but workspaces from one arena, which is full of NaN at first. Both devices get a copy; afterwards outputs
 * must agree (to the bit, or within a bound) and everything else must be what it was. Figures are kept per op for a table. */
#ifndef SA_TESTS_SUPPORT_PARITY_H
#define SA_TESTS_SUPPORT_PARITY_H

#include "kernels/ops.h"

typedef struct sa_parity sa_parity;

/* The devices belong to the parity from then on. */
sa_parity *sa_parity_open(sa_device *cpu, sa_device *cuda);
void sa_parity_close(sa_parity *parity);
sa_device *sa_parity_cpu(sa_parity *parity);
sa_device *sa_parity_cuda(sa_parity *parity);

/* Starts a case: the arena is empty. name: the row of the table that it counts for. */
void sa_parity_begin(sa_parity *parity, const char *name, uint64_t seed);

int sa_parity_int(sa_parity *parity, int low, int high); /* both ends included */
float sa_parity_float(sa_parity *parity, float low, float high);
bool sa_parity_chance(sa_parity *parity, int percent);

/* Arena memory, 256-byte aligned, full of NaN; a reference to it. */
sa_ref sa_parity_take(sa_parity *parity, size_t bytes);
sa_ref sa_parity_vector(sa_parity *parity, int count, float low, float high);
/* A slab with random data of its encoding (masks: see sa_parity_mask), or full of NaN. */
sa_slab sa_parity_slab(sa_parity *parity, sa_encoding encoding, int n, int c, int h, int w, bool filled);
sa_window sa_parity_window(sa_parity *parity, int h, int w);
int sa_parity_pooled(int size, int kernel, int stride, int pad);
/* A mask of random window positions that lie inside the plane of height x width; some name none where the encoding can. */
sa_slab sa_parity_mask(sa_parity *parity, const sa_window *window, int n, int c, int height, int width);
/* The same in an encoding that can name each of the window's positions. */
sa_slab sa_parity_mask_encoded(sa_parity *parity, sa_encoding encoding, const sa_window *window, int n, int c, int height,
                               int width);
/* A random tree of nodes over stored data, of at most `nodes` nodes and `nested` nodes of those that read elsewhere in a row. */
void sa_parity_source(sa_parity *parity, sa_source *source, int n, int c, int h, int w, int nodes, int nested);
/* Stored data: float32, or now and then another encoding. */
void sa_parity_dense(sa_parity *parity, sa_source *source, int n, int c, int h, int w, bool float32);
/* Declares memory that the op writes; count floats. */
void sa_parity_output(sa_parity *parity, sa_ref at, size_t count);
void sa_parity_output_slab(sa_parity *parity, const sa_slab *slab);

/* A reference whose memory is made by sa_parity_run, of the sizes given there. */
sa_ref sa_parity_workspace(void);

typedef struct sa_parity_bounds {
    size_t cpu_workspace_bytes, cuda_workspace_bytes;
    double bound; /* of the largest error over the output's root mean square; 0: the same bits */
} sa_parity_bounds;

/* Runs cpu_args and cuda_args (references into the arena) and compares; fails the test on a difference. False: the CUDA device
 * cannot, since a source is too long; few cases may. */
bool sa_parity_run(sa_parity *parity, sa_op_kind kind, const sa_op_args *cpu_args, const sa_op_args *cuda_args,
                   const sa_parity_bounds *bounds);
/* Runs `count` ops one after the other on the CUDA device, from the case's data: together they must leave the bits that
 * sa_parity_run's one op left there. what: the difference, for the message. */
void sa_parity_same_bits(sa_parity *parity, const char *what, sa_op_kind kind, const sa_op_args *args,
                         const size_t *workspace_bytes, int count);
void sa_parity_print(const sa_parity *parity);

/* `cases` random cases each of loss, loss_grad and accuracy. */
void sa_parity_losses(sa_parity *parity, int cases);
/* Random cases of the ops that sum, rank or reorder along an axis. */
void sa_parity_shapes(sa_parity *parity, int cases);
/* `count` random cases of each source program that CUDA compiles into kernels. */
void sa_parity_forms(sa_parity *parity, int count);
/* A shape that FFT tiles can do: small planes and large ones, kernels from 3x3 to 16x16, pads up to the kernel's size. */
sa_conv_shape sa_parity_fft_shape(sa_parity *parity);
/* The op that sa_parity_run ran, again with other workspaces, in parts by images, by output channels, by gradients: same bits. */
void sa_parity_conv_again(sa_parity *parity, sa_op_kind kind, const sa_op_args *args);
/* `count` random cases of each convolution algorithm and direction, against the CPU's im2col. */
void sa_parity_convolutions(sa_parity *parity, int count);

#endif
