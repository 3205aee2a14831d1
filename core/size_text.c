/* Parsing and printing sizes. */
#include "core/size_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Compared without regard to case. */
static const struct {
    const char *suffix;
    double factor;
} SUFFIXES[] = {
    {"", 1.0},
    {"B", 1.0},
#define UNIT(letter, binary, decimal)                              \
    {letter, binary}, {letter "i", binary}, {letter "iB", binary}, \
    {                                                              \
        letter "B", decimal                                        \
    }
    UNIT("K", 1024.0, 1e3),
    UNIT("M", 1048576.0, 1e6),
    UNIT("G", 1073741824.0, 1e9),
    UNIT("T", 1099511627776.0, 1e12),
#undef UNIT
};

/* Length of the number in front: digits with at most one point, and an exponent only if digits follow it. */
static size_t number_length(const char *text)
{
    size_t whole = strspn(text, "0123456789"), length = whole;
    if (text[length] == '.') length += 1 + strspn(text + length + 1, "0123456789");
    if (length == whole + 1 && whole == 0) return 0; /* a point alone */
    if (length > 0 && (text[length] == 'e' || text[length] == 'E')) {
        size_t sign = text[length + 1] == '+' || text[length + 1] == '-';
        size_t digits = strspn(text + length + 1 + sign, "0123456789");
        if (digits > 0) length += 1 + sign + digits;
    }
    return length;
}

sa_status sa_size_parse(const char *text, size_t *bytes)
{
    const char *begin = text + strspn(text, " ");
    size_t length = number_length(begin);
    if (*begin == '-') SA_FAIL(SA_INVALID, "'%.40s': a size cannot be negative", text);
    if (length == 0) SA_FAIL(SA_INVALID, "'%.40s' is not a size (such as 1048576, 512M, 1.5GB or 8GiB)", text);
    double value = strtod(begin, NULL);
    const char *unit = begin + length + strspn(begin + length, " ");
    size_t unit_length = strcspn(unit, " ");
    bool ends = unit[unit_length + strspn(unit + unit_length, " ")] == '\0';
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof SUFFIXES[0] && ends; i++) {
        if (strlen(SUFFIXES[i].suffix) != unit_length || strncasecmp(unit, SUFFIXES[i].suffix, unit_length)) continue;
        value = floor(value * SUFFIXES[i].factor);
        if (!(value < 9007199254740992.0)) SA_FAIL(SA_INVALID, "size '%.40s' is too large", text);
        *bytes = (size_t)value;
        return SA_OK;
    }
    SA_FAIL(SA_INVALID,
            "'%.40s': unknown unit '%.20s' (K, M, G, T and KiB, MiB, GiB, TiB are powers of 1024, KB, MB, GB, TB of 1000)", text,
            unit);
}

sa_status sa_size_parse_positive(const char *text, size_t *bytes)
{
    size_t parsed = 0;
    SA_TRY(sa_size_parse(text, &parsed));
    if (parsed == 0) SA_FAIL(SA_INVALID, "'%.40s': at least one byte is needed", text);
    *bytes = parsed;
    return SA_OK;
}

const char *sa_size_format(size_t bytes, char text[SA_SIZE_TEXT_BYTES])
{
    if (bytes < 1024) snprintf(text, SA_SIZE_TEXT_BYTES, "%zu B", bytes);
    else if (bytes < 1048576) snprintf(text, SA_SIZE_TEXT_BYTES, "%.1f KiB", (double)bytes / 1024.0);
    else if (bytes < 1073741824) snprintf(text, SA_SIZE_TEXT_BYTES, "%.1f MiB", (double)bytes / 1048576.0);
    else snprintf(text, SA_SIZE_TEXT_BYTES, "%.2f GiB", (double)bytes / 1073741824.0);
    return text;
}

const char *sa_size_format_exact(size_t bytes, char text[SA_SIZE_TEXT_BYTES])
{
    char digits[SA_SIZE_TEXT_BYTES];
    int length = snprintf(digits, sizeof digits, "%zu", bytes), out = 0;
    for (int i = 0; i < length && out < SA_SIZE_TEXT_BYTES - 1; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}
