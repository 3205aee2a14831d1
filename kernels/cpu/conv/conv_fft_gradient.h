/* The weight gradient of an FFT-tile convolution: the correlation of x and dy, summed over the tiles of an image as spectra.
 *
 * Two ways. From tiles of dy that serve the data gradient too: the tiles of a chunk in order, each thread always for the same
 * frequencies and channels of x, so that their sums stay in its caches. From windows of x (few input channels: the sums are small):
 * each thread sums strips of tiles by itself, and the strips' sums are added in order. Either way the additions depend on the shape
 * alone. Internal to kernels/cpu/conv_fft*.c. */
#ifndef SA_KERNELS_CPU_CONV_CONV_FFT_GRADIENT_H
#define SA_KERNELS_CPU_CONV_CONV_FFT_GRADIENT_H

#include "kernels/cpu/conv/conv_fft_tiles.h"

/* Gradient spectra (frequency, Cin, 2, Cout) set to, or increased by, conj(x) * dy over the `tiles` tiles in the workspace: the
 * member's frequencies. */
void sa_fft_add_gradient(const sa_fft_job *j, const sa_fft_member *member, int tiles, bool add);

/* The gradient spectra of image n, by windows of x. Called by all threads of a parallel region; ends with a barrier. */
void sa_fft_sum_strips(const sa_fft_job *j, const sa_fft_cut *dy, const sa_fft_cut *x, int n);

/* Transforms an image's gradient spectra back: dweight (Cout, others, K, K) is set or increased; the member's share. */
void sa_fft_store_gradient(const sa_fft_job *j, const sa_fft_member *member, float *dweight, bool add);

#endif
