/* Who writes and reads each buffer of a program, and what it holds from which op on. */
#ifndef SA_REPORT_BUFFER_USES_H
#define SA_REPORT_BUFFER_USES_H

#include "program/program.h"

/* An op that uses a buffer. */
typedef struct sa_buffer_touch {
    size_t buffer, op;
    sa_access_mode mode; /* READ_WRITE: both */
} sa_buffer_touch;

/* What a buffer holds from an op on, until the next row of that buffer with another op. Rows of one buffer and one op are values
 * that lie in it side by side, the largest first. */
typedef struct sa_buffer_holding {
    size_t buffer, from_op;
    int32_t
        value; /* sa_value_of_data or sa_value_of_grad of a blob; 0: what is no value of the net: a parameter, a mask, scratch */
    size_t bytes;
} sa_buffer_holding;

typedef struct sa_buffer_uses {
    size_t touch_count, holding_count;
    sa_buffer_touch *touch;     /* (touch_count), owned: by buffer, then by op */
    sa_buffer_holding *holding; /* (holding_count), owned: by buffer, then by op */
} sa_buffer_uses;

/* Follows the program op by op. On success *uses is owned by the caller. SA_NOMEM. */
SA_CHECKED sa_status sa_buffer_uses_create(const sa_program *program, sa_buffer_uses *uses);
void sa_buffer_uses_free(sa_buffer_uses *uses); /* zeroed ones are allowed */

#endif
