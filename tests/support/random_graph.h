/* Random nets of every structure that the layer types allow: branches, several inputs, labels and losses, masks and values with
 * several readers, layers in and out of place, long chains of layers without weights. Not for checks of gradients: values of
 * overlapping windows may meet in one place. */
#ifndef SA_TESTS_SUPPORT_RANDOM_GRAPH_H
#define SA_TESTS_SUPPORT_RANDOM_GRAPH_H

#include <stddef.h>
#include <stdint.h>

/* Writes the prototxt of a seed's net, at most size bytes with the NUL. Inputs are "data<n>", of small whole numbers, and
 * "label<n>", of 0 and 1. */
void random_graph_make(uint32_t seed, char *text, size_t size);

#endif
