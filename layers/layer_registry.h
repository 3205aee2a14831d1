/* The layer types that there are. */
#ifndef SA_LAYERS_LAYER_REGISTRY_H
#define SA_LAYERS_LAYER_REGISTRY_H

#include "program/layer.h"

/* NULL if there is none. */
const sa_layer_type *sa_layer_type_find(const char *name);
/* Not in the registry: types that stand for others, whose names the net gives them. An input, or what copies its bottoms. */
const sa_layer_type *sa_layer_type_standing_in(bool input);
/* The i-th registered type, NULL after the last. */
const sa_layer_type *sa_layer_type_at(int i);

/* The type that the net inserts where a blob has several readers; files must not have it. */
extern const sa_layer_type sa_layer_split;

#endif
