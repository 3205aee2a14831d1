/* What ops and programs cost in time on a device: measured where they were measured, guessed where not.
 *
 * An op that was measured costs what it cost then. Any other costs the built-in guess, scaled by measured over guessed of the ops
 * nearest to it: those that differ in workspace only, else those of the same class, of the same kind, all. */
#ifndef SA_COST_COST_MODEL_H
#define SA_COST_COST_MODEL_H

#include "program/program.h"

typedef struct sa_cost {
    double ms;     /* on a machine that does nothing else */
    double cpu_ms; /* summed over threads */
} sa_cost;

typedef struct sa_cost_model sa_cost_model;

/* A model without measurements. device is borrowed for the model's life. */
SA_CHECKED sa_status sa_cost_model_create(const sa_device *device, sa_cost_model **model);
void sa_cost_model_destroy(sa_cost_model *model); /* NULL is allowed */
const sa_device *sa_cost_model_device(const sa_cost_model *model);

/* Records what an op took. Recorded again, the shorter time of each counts: other processes only ever add. */
SA_CHECKED sa_status sa_cost_model_record(sa_cost_model *model, sa_op_kind kind, const sa_op_args *args, sa_cost cost);
/* The same by key, with the guess for it; for tables that were stored. */
SA_CHECKED sa_status sa_cost_model_record_key(sa_cost_model *model, const char *key, sa_cost cost, double guess_ms);
size_t sa_cost_model_count(const sa_cost_model *model); /* ops with times of their own */
bool sa_cost_model_knows(const sa_cost_model *model, sa_op_kind kind, const sa_op_args *args);
/* Calls visit for each op with a time of its own. */
typedef void (*sa_cost_visitor)(void *context, const char *key, sa_cost cost, double guess_ms);
void sa_cost_model_visit(const sa_cost_model *model, sa_cost_visitor visit, void *context);

sa_cost sa_cost_predict_op(const sa_cost_model *model, sa_op_kind kind, const sa_op_args *args);
/* The sum over the program's ops. measured_share: the part of it, by time, whose ops have times of their own; may be NULL. */
sa_cost sa_cost_predict(const sa_cost_model *model, const sa_program *program, double *measured_share);

#endif
