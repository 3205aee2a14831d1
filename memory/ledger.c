/* The ledger. It keeps the first and the last op at which each buffer was touched: its lifetime as it really was. */
#include "memory/ledger.h"

#include "core/checked.h"
#include "memory/load.h"

#include <stdlib.h>

struct sa_ledger {
    size_t count;
    size_t unit_bytes;
    size_t high_water_bytes;
    sa_buffer *buffers; /* owned copies; begin and end are those measured, begin == end if never touched */
};

sa_status sa_ledger_create(const sa_buffer *buffers, size_t count, sa_ledger **ledger)
{
    sa_ledger *made = calloc(1, sizeof *made);
    if (made) made->buffers = calloc(count + 1, sizeof *made->buffers);
    if (!made || !made->buffers) {
        free(made);
        SA_FAIL(SA_NOMEM, "no memory for a ledger of %zu buffers", count);
    }
    made->count = count;
    made->unit_bytes = sa_load_unit(buffers, count);
    for (size_t i = 0; i < count; i++) {
        made->buffers[i] = buffers[i];
        made->buffers[i].begin = made->buffers[i].end = 0;
    }
    *ledger = made;
    return SA_OK;
}

void sa_ledger_destroy(sa_ledger *ledger)
{
    if (!ledger) return;
    free(ledger->buffers);
    free(ledger);
}

void sa_ledger_touch(sa_ledger *ledger, int64_t op, size_t buffer, const void *base, const void *pointer)
{
    if (buffer >= ledger->count) return;
    sa_buffer *touched = &ledger->buffers[buffer];
    bool first_touch = touched->begin == touched->end;
    if (first_touch || op < touched->begin) touched->begin = op;
    if (first_touch || op >= touched->end) touched->end = op + 1;
    size_t top = (size_t)((const unsigned char *)pointer - (const unsigned char *)base) + touched->size_bytes;
    if (top > ledger->high_water_bytes) ledger->high_water_bytes = top;
}

size_t sa_ledger_high_water_bytes(const sa_ledger *ledger)
{
    size_t bytes = ledger->high_water_bytes;
    (void)sa_size_align(bytes, ledger->unit_bytes, &bytes); /* below the end of an allocation, so it does not overflow */
    return bytes;
}

/* The first op with the largest load; 0 where nothing was touched. */
static int64_t peak_op(const sa_ledger *ledger, size_t *peak_bytes)
{
    int64_t op = 0;
    *peak_bytes = 0;
    if (sa_load_largest(ledger->buffers, ledger->count, ledger->unit_bytes, peak_bytes, &op) != SA_OK) sa_error_clear();
    return op;
}

size_t sa_ledger_live_peak_bytes(const sa_ledger *ledger)
{
    size_t bytes;
    (void)peak_op(ledger, &bytes);
    return bytes;
}

size_t sa_ledger_kind_bytes(const sa_ledger *ledger, sa_buffer_kind kind)
{
    size_t peak, bytes = 0;
    int64_t op = peak_op(ledger, &peak);
    for (size_t i = 0; i < ledger->count; i++) {
        const sa_buffer *buffer = &ledger->buffers[i];
        if (buffer->kind == kind && buffer->begin <= op && op < buffer->end) bytes += buffer->size_bytes;
    }
    return bytes;
}

int64_t sa_ledger_peak_op(const sa_ledger *ledger)
{
    size_t bytes;
    return peak_op(ledger, &bytes);
}
