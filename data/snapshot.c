/* Writing and reading snapshots; the format is drawn in the header. */
#include "data/snapshot.h"

#include "core/checked.h"
#include "core/hash.h"
#include "core/output_file.h"
#include "data/whole_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie in memory");

enum {
    VERSION_SGD = 1,
    VERSION_ANY = 2,
    MAGIC_BYTES = 8,
    PROLOGUE_BYTES = MAGIC_BYTES + 4 + 4 + 8,
    CHECKSUM_BYTES = 8,
    SHAPE_AXES = 4
};
static const char magic[MAGIC_BYTES] = {'S', 'A', 's', 'n', 'a', 'p', '\r', '\n'};

/* ---- writing ---- */

typedef struct writer {
    sa_output_file *file;
    uint64_t hash;
} writer;

static sa_status put(writer *w, const void *bytes, size_t byte_count)
{
    w->hash = sa_hash_bytes(w->hash, bytes, byte_count);
    return sa_output_file_write(w->file, bytes, byte_count);
}

static sa_status put_u32(writer *w, uint32_t value)
{
    return put(w, &value, sizeof value);
}

static sa_status put_u64(writer *w, uint64_t value)
{
    return put(w, &value, sizeof value);
}

static sa_status put_name(writer *w, const char *name)
{
    SA_TRY(put_u32(w, (uint32_t)strlen(name)));
    return put(w, name, strlen(name));
}

static sa_status check_array(const sa_snapshot_array *array)
{
    size_t count = 1;
    if (strlen(array->name) >= SA_SNAPSHOT_NAME_BYTES) SA_FAIL(SA_INVALID, "snapshot: the name '%s' is too long", array->name);
    if (array->axes < 0 || array->axes > SHAPE_AXES)
        SA_FAIL(SA_INVALID, "snapshot: '%s' has %d axes (0 to 4 are allowed)", array->name, array->axes);
    for (int32_t i = 0; i < array->axes; i++)
        if (array->shape[i] <= 0 || !sa_size_mul(count, (size_t)array->shape[i], &count))
            SA_FAIL(SA_INVALID, "snapshot: axis %d of '%s' has size %d", i, array->name, array->shape[i]);
    if (count != array->count)
        SA_FAIL(SA_INVALID, "snapshot: '%s' has %zu elements, its shape says %zu", array->name, array->count, count);
    return SA_OK;
}

static sa_status put_array(writer *w, const sa_snapshot_array *array)
{
    SA_TRY(put_name(w, array->name));
    SA_TRY(put_u32(w, (uint32_t)array->axes));
    for (int32_t i = 0; i < SHAPE_AXES; i++) SA_TRY(put_u32(w, i < array->axes ? (uint32_t)array->shape[i] : 1));
    SA_TRY(put(w, array->param, array->count * sizeof *array->param));
    SA_TRY(put(w, array->history, array->count * sizeof *array->history));
    return array->history2 ? put(w, array->history2, array->count * sizeof *array->history2) : SA_OK;
}

/* Of all arrays alike. */
static uint32_t history_count(const sa_snapshot_array *arrays, size_t array_count)
{
    return array_count > 0 && arrays[0].history2 ? 2 : 1;
}

static uint32_t version_of(const sa_snapshot_state *state, uint32_t histories)
{
    return state->solver == 0 && histories == 1 ? VERSION_SGD : VERSION_ANY;
}

static sa_status total_bytes(const sa_snapshot_state *state, const sa_snapshot_array *arrays, size_t array_count, size_t *bytes)
{
    const uint32_t histories = history_count(arrays, array_count);
    size_t total = PROLOGUE_BYTES + 5 * 8 + 4 + 4 + strlen(state->net_name) + CHECKSUM_BYTES;
    if (version_of(state, histories) == VERSION_ANY) total += 4;
    for (size_t i = 0; i < array_count; i++) {
        size_t data;
        SA_TRY(check_array(&arrays[i]));
        if (!sa_size_mul(arrays[i].count, (1 + histories) * sizeof(float), &data) || !sa_size_add(total, data, &total) ||
            !sa_size_add(total, 4 + strlen(arrays[i].name) + 4 + 4 * SHAPE_AXES, &total))
            SA_FAIL(SA_INVALID, "snapshot: the file's size overflows at '%s'", arrays[i].name);
    }
    *bytes = total;
    return SA_OK;
}

static sa_status put_all(writer *w, const sa_snapshot_state *state, const sa_snapshot_array *arrays, size_t array_count,
                         size_t file_bytes)
{
    const uint64_t numbers[5] = {state->step, state->seed, state->position.seed, state->position.epoch, state->position.index};
    SA_TRY(put(w, magic, MAGIC_BYTES));
    const uint32_t histories = history_count(arrays, array_count), version = version_of(state, histories);
    SA_TRY(put_u32(w, version));
    SA_TRY(put_u32(w, state->solver));
    SA_TRY(put_u64(w, file_bytes));
    for (int i = 0; i < 5; i++) SA_TRY(put_u64(w, numbers[i]));
    SA_TRY(put_u32(w, (uint32_t)array_count));
    if (version == VERSION_ANY) SA_TRY(put_u32(w, histories));
    SA_TRY(put_name(w, state->net_name));
    for (size_t i = 0; i < array_count; i++) SA_TRY(put_array(w, &arrays[i]));
    return put_u64(w, w->hash);
}

sa_status sa_snapshot_save(const char *path, const sa_snapshot_state *state, const sa_snapshot_array *arrays, size_t array_count)
{
    size_t file_bytes = 0;
    writer w = {NULL, SA_HASH_START};
    if (array_count > UINT32_MAX) SA_FAIL(SA_INVALID, "snapshot: %zu arrays", array_count);
    SA_TRY(total_bytes(state, arrays, array_count, &file_bytes));
    SA_TRY(sa_output_file_open(path, &w.file));
    sa_status status = put_all(&w, state, arrays, array_count, file_bytes);
    if (status == SA_OK) return sa_output_file_commit(w.file);
    sa_output_file_abandon(w.file);
    return status;
}

/* ---- reading ---- */

typedef struct reader {
    const char *path;
    const char *at, *end; /* the bytes between prologue and checksum */
    uint32_t version, solver, histories;
} reader;

/* Where an array's numbers lie in the file; not aligned. */
typedef struct stored_array {
    const char *param, *history, *history2;
} stored_array;

static sa_status take(reader *r, size_t byte_count, const char **bytes)
{
    if (byte_count > (size_t)(r->end - r->at)) SA_FAIL(SA_PARSE, "%s: damaged snapshot: it ends inside an entry", r->path);
    *bytes = r->at;
    r->at += byte_count;
    return SA_OK;
}

static sa_status take_number(reader *r, size_t byte_count, void *number)
{
    const char *bytes = NULL;
    SA_TRY(take(r, byte_count, &bytes));
    memcpy(number, bytes, byte_count);
    return SA_OK;
}

static sa_status take_name(reader *r, char name[SA_SNAPSHOT_NAME_BYTES])
{
    uint32_t length;
    SA_TRY(take_number(r, sizeof length, &length));
    if (length >= SA_SNAPSHOT_NAME_BYTES) SA_FAIL(SA_PARSE, "%s: damaged snapshot: a name of %u bytes", r->path, length);
    SA_TRY(take_number(r, length, name));
    name[length] = '\0';
    return SA_OK;
}

/* Everything that can be said of the bytes before their content is looked at. */
static sa_status check_integrity(const char *path, const char *bytes, size_t byte_count, reader *r)
{
    uint32_t version, solver;
    uint64_t file_bytes, stored;
    if (byte_count < MAGIC_BYTES || memcmp(bytes, magic, MAGIC_BYTES) != 0) SA_FAIL(SA_PARSE, "%s: not a snapshot file", path);
    if (byte_count < PROLOGUE_BYTES + CHECKSUM_BYTES) SA_FAIL(SA_PARSE, "%s: truncated: only %zu bytes", path, byte_count);
    memcpy(&version, bytes + MAGIC_BYTES, sizeof version);
    memcpy(&solver, bytes + MAGIC_BYTES + 4, sizeof solver);
    memcpy(&file_bytes, bytes + MAGIC_BYTES + 8, sizeof file_bytes);
    memcpy(&stored, bytes + byte_count - CHECKSUM_BYTES, sizeof stored);
    if ((version != VERSION_SGD && version != VERSION_ANY) || (version == VERSION_SGD && solver != 0))
        SA_FAIL(SA_UNSUPPORTED, "%s: snapshot version %u.%u, this program reads %d.0 and %d", path, version, solver, VERSION_SGD,
                VERSION_ANY);
    if (byte_count != file_bytes)
        SA_FAIL(SA_PARSE, "%s: %s: %zu bytes, %llu were written", path, byte_count < file_bytes ? "truncated" : "too long",
                byte_count, (unsigned long long)file_bytes);
    if (sa_hash_bytes(SA_HASH_START, bytes, byte_count - CHECKSUM_BYTES) != stored)
        SA_FAIL(SA_PARSE, "%s: damaged snapshot: the checksum does not match", path);
    *r = (reader){path, bytes + PROLOGUE_BYTES, bytes + byte_count - CHECKSUM_BYTES, version, solver, 1};
    return SA_OK;
}

static sa_status take_state(reader *r, sa_snapshot_state *state, uint32_t *array_count)
{
    uint64_t numbers[5];
    SA_TRY(take_number(r, sizeof numbers, numbers));
    SA_TRY(take_number(r, sizeof *array_count, array_count));
    if (r->version == VERSION_ANY) SA_TRY(take_number(r, sizeof r->histories, &r->histories));
    if (r->histories < 1 || r->histories > 2) SA_FAIL(SA_PARSE, "%s: damaged snapshot: %u histories", r->path, r->histories);
    SA_TRY(take_name(r, state->net_name));
    state->step = numbers[0];
    state->seed = numbers[1];
    state->solver = r->solver;
    state->position = (sa_data_position){numbers[2], numbers[3], numbers[4]};
    return SA_OK;
}

/* Finds the array of the next entry and notes where its numbers are. */
static sa_status take_array(reader *r, const sa_snapshot_array *arrays, size_t array_count, stored_array *stored)
{
    char name[SA_SNAPSHOT_NAME_BYTES];
    uint32_t axes, shape[SHAPE_AXES];
    SA_TRY(take_name(r, name));
    SA_TRY(take_number(r, sizeof axes, &axes));
    SA_TRY(take_number(r, sizeof shape, shape));
    size_t i = 0;
    while (i < array_count && strcmp(name, arrays[i].name) != 0) i++;
    if (i == array_count) SA_FAIL(SA_INVALID, "%s: it holds '%s', which the net does not have", r->path, name);
    if (stored[i].param) SA_FAIL(SA_INVALID, "%s: '%s' is in it twice", r->path, name);
    const sa_snapshot_array *wanted = &arrays[i];
    uint32_t expected[SHAPE_AXES];
    for (int32_t k = 0; k < SHAPE_AXES; k++) expected[k] = k < wanted->axes ? (uint32_t)wanted->shape[k] : 1;
    if (axes != (uint32_t)wanted->axes || memcmp(shape, expected, sizeof shape) != 0)
        SA_FAIL(SA_INVALID, "%s: '%s' has shape %ux%ux%ux%u (%u axes) in it, but %ux%ux%ux%u (%d axes) in the net", r->path, name,
                shape[0], shape[1], shape[2], shape[3], axes, expected[0], expected[1], expected[2], expected[3], wanted->axes);
    SA_TRY(take(r, wanted->count * sizeof(float), &stored[i].param));
    SA_TRY(take(r, wanted->count * sizeof(float), &stored[i].history));
    return r->histories > 1 ? take(r, wanted->count * sizeof(float), &stored[i].history2) : SA_OK;
}

/* Of what solver a snapshot is, by its number. */
static const char *solver_name(uint32_t solver)
{
    static const char *const NAMES[] = {"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"};
    return solver < sizeof NAMES / sizeof NAMES[0] ? NAMES[solver] : "unknown";
}

static sa_status parse(const char *path, const char *bytes, size_t byte_count, const char *net_name, uint32_t solver,
                       const sa_snapshot_array *arrays, size_t array_count, stored_array *stored, sa_snapshot_state *state)
{
    reader r;
    uint32_t stored_count;
    SA_TRY(check_integrity(path, bytes, byte_count, &r));
    SA_TRY(take_state(&r, state, &stored_count));
    if (net_name && strcmp(net_name, state->net_name) != 0)
        SA_FAIL(SA_INVALID, "%s: a snapshot of net '%s', not of '%s'", path, state->net_name, net_name);
    if (solver != state->solver || r.histories != history_count(arrays, array_count))
        SA_FAIL(SA_INVALID, "%s: a snapshot of the solver %s, not of %s", path, solver_name(state->solver), solver_name(solver));
    for (uint32_t i = 0; i < stored_count; i++) SA_TRY(take_array(&r, arrays, array_count, stored));
    for (size_t i = 0; i < array_count; i++)
        if (!stored[i].param) SA_FAIL(SA_INVALID, "%s: param '%s' is missing", path, arrays[i].name);
    if (r.at != r.end) SA_FAIL(SA_PARSE, "%s: damaged snapshot: bytes after the last entry", path);
    return SA_OK;
}

sa_status sa_snapshot_load(const char *path, const char *net_name, uint32_t solver, const sa_snapshot_array *arrays,
                           size_t array_count, sa_snapshot_state *state)
{
    char *bytes = NULL;
    size_t byte_count = 0;
    sa_snapshot_state read = {.step = 0};
    stored_array *stored = calloc(array_count + 1, sizeof *stored);
    if (!stored) SA_FAIL(SA_NOMEM, "%s: out of memory for %zu arrays", path, array_count);
    sa_status status = SA_OK;
    for (size_t i = 0; i < array_count; i++) SA_TRY_GOTO(status, done, check_array(&arrays[i]));
    SA_TRY_GOTO(status, done, sa_whole_file_read(path, &bytes, &byte_count));
    SA_TRY_GOTO(status, done, parse(path, bytes, byte_count, net_name, solver, arrays, array_count, stored, &read));
    for (size_t i = 0; i < array_count; i++) {
        memcpy(arrays[i].param, stored[i].param, arrays[i].count * sizeof(float));
        memcpy(arrays[i].history, stored[i].history, arrays[i].count * sizeof(float));
        if (stored[i].history2) memcpy(arrays[i].history2, stored[i].history2, arrays[i].count * sizeof(float));
    }
    *state = read;
done:
    free(bytes);
    free(stored);
    return status;
}

/* ---- visiting ---- */

static sa_status visit_array(reader *r, sa_snapshot_visitor visitor, void *context)
{
    char name[SA_SNAPSHOT_NAME_BYTES];
    uint32_t axes, shape[SHAPE_AXES];
    int32_t dim[SHAPE_AXES];
    size_t count = 1, bytes = 0;
    const char *param, *history;
    SA_TRY(take_name(r, name));
    SA_TRY(take_number(r, sizeof axes, &axes));
    SA_TRY(take_number(r, sizeof shape, shape));
    bool ok = axes <= SHAPE_AXES;
    for (int i = 0; i < SHAPE_AXES && ok; i++) {
        ok = shape[i] >= 1 && shape[i] <= INT32_MAX && sa_size_mul(count, shape[i], &count);
        dim[i] = (int32_t)shape[i];
    }
    if (!ok || !sa_size_mul(count, sizeof(float), &bytes))
        SA_FAIL(SA_PARSE, "%s: damaged snapshot: the shape of '%s'", r->path, name);
    SA_TRY(take(r, bytes, &param));
    for (uint32_t i = 0; i < r->histories; i++) SA_TRY(take(r, bytes, &history));
    return visitor(context, name, (int32_t)axes, dim, param, count);
}

sa_status sa_snapshot_visit(const char *path, const char *bytes, size_t byte_count, sa_snapshot_visitor visitor, void *context,
                            sa_snapshot_state *state)
{
    sa_snapshot_state read = {.step = 0};
    uint32_t count;
    reader r;
    SA_TRY(check_integrity(path, bytes, byte_count, &r));
    SA_TRY(take_state(&r, &read, &count));
    for (uint32_t i = 0; i < count; i++) SA_TRY(visit_array(&r, visitor, context));
    if (r.at != r.end) SA_FAIL(SA_PARSE, "%s: damaged snapshot: bytes after the last entry", path);
    *state = read;
    return SA_OK;
}
