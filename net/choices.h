/* Choices: what a strategy decides for single values and ops, where its switches would decide for all alike. Made by a budget
 * search or by hand; kept in files (docs/formats.md), which `--strategy @FILE` names. */
#ifndef SA_NET_CHOICES_H
#define SA_NET_CHOICES_H

#include "program/realization.h"

enum { SA_CHOICES_STRATEGY_BYTES = 256, SA_CHOICE_UNSET = -1 };

/* Of one layer. SA_CHOICE_UNSET, false: as the switches say. */
typedef struct sa_layer_row {
    char name[SA_NAME_MAX];
    int32_t output;          /* sa_again of its first top and of what shares its memory */
    int32_t algorithm;       /* sa_conv_algorithm of a convolution */
    int32_t backward;        /* SA_CONV_BACKWARD_FUSED or _SPLIT */
    int32_t band_channels;   /* of a first level: that many at a time; 0: no bands */
    int32_t in_place;        /* 0: what it joins, or sums up, lies apart from the result */
    int64_t workspace_bytes; /* a convolution's limit */
    int line;                /* in the file */
} sa_layer_row;

typedef struct sa_choices {
    char strategy[SA_CHOICES_STRATEGY_BYTES]; /* the switches: everything that no row says */
    int64_t arena_bytes; /* convolutions may use the workspace, and the single backward op, that so many bytes leave room for; 0:
                          * what their limits and the largest op do */
    size_t count;
    sa_layer_row *row; /* (count), owned */
    char *path;        /* owned; of the file, NULL: none */
} sa_choices;

/* SA_IO, SA_PARSE: "path:line: cause". *choices is the caller's. */
SA_CHECKED sa_status sa_choices_load(const char *path, sa_choices **choices);
SA_CHECKED sa_status sa_choices_save(const sa_choices *choices, const char *net, const char *path);
SA_CHECKED sa_status sa_choices_create(const char *strategy, sa_choices **choices);
SA_CHECKED sa_status sa_choices_copy(const sa_choices *choices, sa_choices **copy);
/* A row for a layer, all unset; it is valid until the next is added. */
SA_CHECKED sa_status sa_choices_add(sa_choices *choices, const char *layer, sa_layer_row **row);
void sa_choices_free(sa_choices *choices); /* NULL is allowed */

/* What has to be known before the passes run: algorithms, workspaces, bands, what lies apart. SA_INVALID names a layer that the net
 * lacks, or for which the choice makes no sense. */
SA_CHECKED sa_status sa_choices_apply_to_layers(const sa_choices *choices, const sa_net *net, sa_realizations *realizations);
/* What changes their result: values that are dropped, forms of backward passes. */
SA_CHECKED sa_status sa_choices_apply_to_values(const sa_choices *choices, const sa_net *net, sa_realizations *realizations);

#endif
