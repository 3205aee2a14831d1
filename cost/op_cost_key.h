/* Keys of ops for cost tables: two ops with the same key do the same work on a device, wherever their buffers are. Private to net/.
 */
#ifndef SA_COST_OP_COST_KEY_H
#define SA_COST_OP_COST_KEY_H

#include "kernels/ops.h"

enum { SA_COST_KEY_MAX = 400 };

/* From exact to coarse: each is a prefix of the one before. Measured ops answer for unmeasured ones that agree with them on a
 * prefix. */
typedef enum sa_cost_level {
    SA_COST_EXACT,
    SA_COST_ANY_WORKSPACE, /* but for the workspace of a convolution */
    SA_COST_CLASS,         /* kind; convolutions: algorithm, kernel and outputs too */
    SA_COST_KIND,
    SA_COST_ALL, /* the empty key */
    SA_COST_LEVELS
} sa_cost_level;

/* Writes the exact key of an op: kind, geometry, sizes of ranges (not where they begin), the tree of each source, outputs wanted.
 */
void sa_op_cost_key(sa_op_kind kind, const sa_op_args *args, char key[SA_COST_KEY_MAX]);
/* Characters of an exact key that make up the key of a level. */
size_t sa_cost_key_length(const char *key, sa_cost_level level);

#endif
