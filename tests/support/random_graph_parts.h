/* The pool of blobs that a random graph grows from. Private to the files that add to it. */
#ifndef SA_TESTS_SUPPORT_RANDOM_GRAPH_PARTS_H
#define SA_TESTS_SUPPORT_RANDOM_GRAPH_PARTS_H

#include "tests/support/random_graph.h"
#include "tests/support/random_net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOBS_MAX = 96, MASKS_MAX = 16, INPUTS_MAX = 10, IMAGES = 2, READERS_MAX = 7 };

typedef struct blob {
    char name[24];
    int channels, height, width;
    int readers;
} blob;

typedef struct mask {
    char name[24];
    int channels, height, width; /* of the pooled value */
    int from_height, from_width;
    int readers;
} mask;

typedef struct maker {
    uint64_t random;
    char *text;
    size_t length, size;
    int layers; /* so far: numbers names */
    int blobs, masks, inputs;
    blob blob[BLOBS_MAX];
    mask mask[MASKS_MAX];
    char input[INPUTS_MAX][160];
} maker;

int graph_below(maker *m, int limit);
bool graph_chance(maker *m, int percent);
void graph_put(maker *m, const char *format, ...);
int graph_add_input(maker *m, const char *kind, int channels, int height, int width); /* its number: "<kind><number>" */
int graph_pick(maker *m); /* mostly one of the latest blobs, else any that is not read by too many */
bool graph_same_size(const blob *a, const blob *b);
void graph_conv(maker *m, int from);

/* random_graph_losses.c: a softmax loss or two of one label, and accuracies; another loss. */
void graph_add_losses(maker *m);
void graph_add_other_loss(maker *m);

#endif
