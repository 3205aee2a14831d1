/* Parsing and printing sizes. */
#include "core/size_text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *suffix;
    double factor;
} SUFFIXES[] = {
    {"", 1.0},
    {"B", 1.0},
    {"K", 1024.0},
    {"KiB", 1024.0},
    {"Ki", 1024.0},
    {"KB", 1e3},
    {"M", 1048576.0},
    {"MiB", 1048576.0},
    {"Mi", 1048576.0},
    {"MB", 1e6},
    {"G", 1073741824.0},
    {"GiB", 1073741824.0},
    {"Gi", 1073741824.0},
    {"GB", 1e9},
};

sa_status sa_size_parse(const char *text, size_t *bytes)
{
    char *end;
    size_t digits = strspn(text, "0123456789.");
    double value = digits ? strtod(text, &end) : -1.0;
    if (digits == 0 || end != text + digits) SA_FAIL(SA_INVALID, "'%.40s' is not a size (such as 1048576, 512M or 8GiB)", text);
    while (*end == ' ') end++;
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof SUFFIXES[0]; i++) {
        if (strcmp(end, SUFFIXES[i].suffix)) continue;
        value = floor(value * SUFFIXES[i].factor);
        if (value >= 9007199254740992.0) SA_FAIL(SA_INVALID, "size '%.40s' is too large", text);
        *bytes = (size_t)value;
        return SA_OK;
    }
    SA_FAIL(SA_INVALID, "'%.40s': unknown unit '%.20s' (K, M, G, KiB, MiB, GiB, KB, MB, GB)", text, end);
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
