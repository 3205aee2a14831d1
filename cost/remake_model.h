/* What a step holds and takes, as a function of which values are dropped after the forward pass and made again: quick enough to be
 * asked ten thousands of times a second. Private to cost/.
 *
 * It is made of two programs of a net under one strategy: one in which nothing is dropped, and one in which everything is. The
 * first says when each buffer is alive and which ops read which value; the second, of which ops the making again of a value
 * consists and what they read. From then on the emitter's rule is followed by hand: a value that is dropped comes back before the
 * first op of the backward pass that reads it, together with what it is made of. What the model says is a guide; plans are made of
 * programs. */
#ifndef SA_COST_REMAKE_MODEL_H
#define SA_COST_REMAKE_MODEL_H

#include "cost/cost_model.h"
#include "net/strategy.h"

/* What is decided about a value. OPEN, in bounds: nothing yet; it costs no time, and bytes only while an op uses it. */
typedef enum sa_remake_state { SA_REMAKE_KEPT, SA_REMAKE_ONCE, SA_REMAKE_EACH, SA_REMAKE_OPEN } sa_remake_state;

typedef struct sa_remake_value {
    int blob;
    int owner;    /* the value whose memory it is in (sa_realizations_owner), often itself; what is decided of that holds for it */
    size_t bytes; /* of the owner of memory; 0 of others. So are all ops but first_need. */
    double ms;    /* of making it again */
    size_t transient_bytes;      /* that this needs besides what it reads and makes */
    int begin, forward_end, end; /* ops: made at; last use in the forward pass, and of the buffer, + 1 */
    int first_need, taken;       /* ops of the backward pass: first to read it, first to put another value there (-1: none) */
    int input_begin, input_end;  /* sa_remake_model.input: values that it is made of */
    int read_begin, read_end;    /* sa_remake_model.read: other buffers */
    size_t late_bytes;           /* of a mask that is made only when the value is made again, if that is dropped */
    int late_begin, late_end;    /* ops between which that is alive otherwise */
    bool shares;                 /* others are in its memory: it cannot be made again for each use */
} sa_remake_value;

typedef struct sa_remake_buffer {
    size_t bytes;
    int end; /* op */
} sa_remake_buffer;

typedef struct sa_remake_model {
    int value_count;
    sa_remake_value *value; /* (value_count), owned, in the order in which they are made */
    int op_count, forward_count;
    int *op_layer;           /* (op_count) */
    size_t *fixed, *carried; /* (op_count): bytes of all other buffers, at an op and across the moment before it */
    int *need_begin, *need;  /* (op_count + 1), values that an op of the backward pass reads */
    int *taken_begin, *taken;
    int *input;
    int buffer_count, *read;
    sa_remake_buffer *buffer;
    double ms; /* of a step in which nothing is dropped */
    size_t events_max;
    struct sa_remake_scratch *scratch;
} sa_remake_model;

/* strategy: without dropped values. Names of layers have to tell them apart, or their values are not among those of the model. */
SA_CHECKED sa_status sa_remake_model_create(const sa_net *net, const sa_strategy *strategy, const sa_cost_model *costs,
                                            const sa_program_options *options, sa_remake_model **model);
void sa_remake_model_free(sa_remake_model *model); /* NULL is allowed */

typedef struct sa_remake_result {
    size_t peak_bytes;
    double ms;
    int peak_event; /* of sa_remake_event_count: ops of the forward pass keep their numbers, then come those made again and the rest
                     */
    int event_count;
} sa_remake_result;

/* state: (value_count). Of too much making again the peak is SIZE_MAX. Not for several threads at once. */
void sa_remake_evaluate(const sa_remake_model *model, const uint8_t *state, sa_remake_result *result);
/* Of the last evaluation: the bytes at an event, the event of an op. */
size_t sa_remake_load(const sa_remake_model *model, int event);
int sa_remake_event_of(const sa_remake_model *model, int op);

#endif
