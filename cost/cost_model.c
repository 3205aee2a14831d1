/* Cost models: a hash table from keys to sums of times, exact keys and their prefixes side by side. */
#include "cost/cost_model.h"

#include "core/hash.h"

#include "cost/cost_builtin.h"
#include "cost/op_cost_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct cost_entry {
    char *key;  /* owned; NULL: free place */
    bool exact; /* an op's own time; else the sum over all ops whose keys begin with it */
    sa_cost cost;
    double guess_ms;
} cost_entry;

struct sa_cost_model {
    const sa_device *device;
    size_t exact_count, used, capacity; /* capacity: a power of two */
    cost_entry *entry;
};

/* ------------------------------------------------------------------ the table -------------------------------------- */

static size_t hash_key(const char *key, size_t length, bool exact)
{
    uint64_t hash = sa_hash_bytes(exact ? SA_HASH_START : ~SA_HASH_START, key, length);
    return (size_t)(hash ^ (hash >> 32));
}

/* The entry of a key, or the free place where it belongs. */
static cost_entry *find(const sa_cost_model *m, const char *key, size_t length, bool exact)
{
    size_t i = hash_key(key, length, exact) & (m->capacity - 1);
    while (m->entry[i].key) {
        const cost_entry *e = &m->entry[i];
        if (e->exact == exact && !strncmp(e->key, key, length) && e->key[length] == '\0') break;
        i = (i + 1) & (m->capacity - 1);
    }
    return &m->entry[i];
}

static sa_status grow(sa_cost_model *m)
{
    cost_entry *old = m->entry;
    size_t old_capacity = m->capacity, capacity = old_capacity ? 2 * old_capacity : 256;
    cost_entry *entry = calloc(capacity, sizeof *entry);
    if (!entry) SA_FAIL(SA_NOMEM, "no memory for the costs of %zu ops", capacity);
    m->entry = entry;
    m->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].key) *find(m, old[i].key, strlen(old[i].key), old[i].exact) = old[i];
    free(old);
    return SA_OK;
}

static sa_status find_or_add(sa_cost_model *m, const char *key, size_t length, bool exact, cost_entry **entry)
{
    if (2 * m->used >= m->capacity) SA_TRY(grow(m));
    cost_entry *e = find(m, key, length, exact);
    if (!e->key) {
        e->key = strndup(key, length);
        if (!e->key) SA_FAIL(SA_NOMEM, "no memory for the key of an op");
        e->exact = exact;
        m->used++;
    }
    *entry = e;
    return SA_OK;
}

sa_status sa_cost_model_create(const sa_device *device, sa_cost_model **model)
{
    sa_cost_model *m = calloc(1, sizeof *m);
    if (!m) SA_FAIL(SA_NOMEM, "no memory for a cost model");
    m->device = device;
    sa_status status = grow(m);
    if (status != SA_OK) {
        free(m);
        return status;
    }
    *model = m;
    return SA_OK;
}

void sa_cost_model_destroy(sa_cost_model *model)
{
    if (!model) return;
    for (size_t i = 0; i < model->capacity; i++) free(model->entry[i].key);
    free(model->entry);
    free(model);
}

const sa_device *sa_cost_model_device(const sa_cost_model *model)
{
    return model->device;
}

/* ------------------------------------------------------------------ recording -------------------------------------- */

sa_status sa_cost_model_record_key(sa_cost_model *m, const char *key, sa_cost cost, double guess_ms)
{
    cost_entry *own, *sum;
    SA_TRY(find_or_add(m, key, strlen(key), true, &own));
    bool known = own->guess_ms > 0;
    sa_cost before = own->cost;
    double guess_before = own->guess_ms;
    if (!known || cost.ms < before.ms) own->cost.ms = cost.ms;
    if (!known || cost.cpu_ms < before.cpu_ms) own->cost.cpu_ms = cost.cpu_ms;
    own->guess_ms = guess_ms;
    m->exact_count += !known;
    sa_cost after = own->cost;
    /* Levels whose prefixes are the same string count twice in the same sum: only ratios of sums matter. */
    for (int level = SA_COST_ANY_WORKSPACE; level < SA_COST_LEVELS; level++) {
        SA_TRY(find_or_add(m, key, sa_cost_key_length(key, (sa_cost_level)level), false, &sum));
        sum->cost.ms += after.ms - before.ms;
        sum->cost.cpu_ms += after.cpu_ms - before.cpu_ms;
        sum->guess_ms += guess_ms - guess_before;
    }
    return SA_OK;
}

sa_status sa_cost_model_record(sa_cost_model *model, sa_op_kind kind, const sa_op_args *args, sa_cost cost)
{
    char key[SA_COST_KEY_MAX];
    sa_op_cost_key(kind, args, key);
    return sa_cost_model_record_key(model, key, cost, sa_cost_builtin_work_ms(model->device, kind, args));
}

size_t sa_cost_model_count(const sa_cost_model *model)
{
    return model->exact_count;
}

bool sa_cost_model_knows(const sa_cost_model *model, sa_op_kind kind, const sa_op_args *args)
{
    char key[SA_COST_KEY_MAX];
    sa_op_cost_key(kind, args, key);
    return find(model, key, strlen(key), true)->key != NULL;
}

void sa_cost_model_visit(const sa_cost_model *model, sa_cost_visitor visit, void *context)
{
    for (size_t i = 0; i < model->capacity; i++) {
        const cost_entry *e = &model->entry[i];
        if (e->key && e->exact) visit(context, e->key, e->cost, e->guess_ms);
    }
}

/* ------------------------------------------------------------------ predicting ------------------------------------- */

static sa_cost predict_op(const sa_cost_model *m, sa_op_kind kind, const sa_op_args *args, bool *measured)
{
    char key[SA_COST_KEY_MAX];
    sa_op_cost_key(kind, args, key);
    const cost_entry *own = find(m, key, strlen(key), true);
    *measured = own->key != NULL;
    if (own->key) return own->cost;
    double guess_ms = sa_cost_builtin_work_ms(m->device, kind, args);
    for (int level = SA_COST_ANY_WORKSPACE; level < SA_COST_LEVELS; level++) {
        const cost_entry *sum = find(m, key, sa_cost_key_length(key, (sa_cost_level)level), false);
        if (sum->key) return (sa_cost){sum->cost.ms * guess_ms / sum->guess_ms, sum->cost.cpu_ms * guess_ms / sum->guess_ms};
    }
    return (sa_cost){guess_ms / m->device->threads, guess_ms};
}

sa_cost sa_cost_predict_op(const sa_cost_model *model, sa_op_kind kind, const sa_op_args *args)
{
    bool measured;
    return predict_op(model, kind, args, &measured);
}

sa_cost sa_cost_predict(const sa_cost_model *model, const sa_program *program, double *measured_share)
{
    sa_cost sum = {0, 0};
    double known = 0;
    for (size_t i = 0; i < program->op_count; i++) {
        bool measured;
        sa_cost cost = predict_op(model, program->op[i].kind, &program->op[i].args, &measured);
        sum.ms += cost.ms;
        sum.cpu_ms += cost.cpu_ms;
        known += measured ? cost.ms : 0;
    }
    if (measured_share) *measured_share = sum.ms > 0 ? known / sum.ms : 0;
    return sum;
}
