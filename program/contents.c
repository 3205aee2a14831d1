/* Pieces of a buffer, sorted. */
#include "program/contents.h"

#include <stdlib.h>
#include <string.h>

/* The first piece that ends behind `at`. */
static size_t first_behind(const sa_contents *c, size_t at)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->piece[middle].end <= at) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Puts `count` pieces in the place of pieces [first, last). */
static sa_status replace(sa_contents *c, size_t first, size_t last, const sa_contents_piece *made, size_t count)
{
    size_t now = c->count - (last - first) + count;
    if (now > c->room) {
        size_t room = now * 2;
        sa_contents_piece *grown = realloc(c->piece, room * sizeof *grown);
        if (!grown) SA_FAIL(SA_NOMEM, "no memory to check a program");
        c->piece = grown;
        c->room = room;
    }
    memmove(c->piece + first + count, c->piece + last, (c->count - last) * sizeof *c->piece);
    memcpy(c->piece + first, made, count * sizeof *c->piece);
    c->count = now;
    return SA_OK;
}

sa_status sa_contents_write(sa_contents *c, size_t begin, size_t end, int32_t value)
{
    sa_contents_piece made[3];
    size_t first = first_behind(c, begin), last = first, count = 0;
    if (begin >= end) return SA_OK;
    while (last < c->count && c->piece[last].begin < end) last++;
    sa_contents_piece whole = {begin, end, value};
    if (first > 0 && c->piece[first - 1].end == begin && c->piece[first - 1].value == value) whole.begin = c->piece[--first].begin;
    if (last < c->count && c->piece[last].begin == end && c->piece[last].value == value) whole.end = c->piece[last++].end;
    /* what sticks out on either side stays, as part of the new piece if its value is the same */
    if (first < last && c->piece[first].begin < whole.begin) {
        if (c->piece[first].value == value) whole.begin = c->piece[first].begin;
        else made[count++] = (sa_contents_piece){c->piece[first].begin, begin, c->piece[first].value};
    }
    bool behind = first < last && c->piece[last - 1].end > whole.end;
    if (behind && c->piece[last - 1].value == value) whole.end = c->piece[last - 1].end;
    made[count++] = whole;
    if (behind && c->piece[last - 1].value != value)
        made[count++] = (sa_contents_piece){end, c->piece[last - 1].end, c->piece[last - 1].value};
    return replace(c, first, last, made, count);
}

bool sa_contents_hold(const sa_contents *c, size_t begin, size_t end, bool (*accept)(const void *context, int32_t value),
                      const void *context, const sa_contents_piece **wrong)
{
    *wrong = NULL;
    for (size_t i = first_behind(c, begin); i < c->count && c->piece[i].begin < end; i++) {
        if (c->piece[i].begin > begin) return false;
        if (!accept(context, c->piece[i].value)) {
            *wrong = &c->piece[i];
            return false;
        }
        begin = c->piece[i].end;
    }
    return begin >= end;
}
