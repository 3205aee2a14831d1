/* Palettes: the default one, and those of files. */
#include "data/palette.h"

#include "core/input_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t CAMVID[][3] = {
    {128, 128, 128}, /* sky */
    {128, 0, 0},     /* building */
    {192, 192, 128}, /* pole */
    {128, 64, 128},  /* road */
    {60, 40, 222},   /* pavement */
    {128, 128, 0},   /* tree */
    {192, 128, 128}, /* sign */
    {64, 64, 128},   /* fence */
    {64, 0, 128},    /* car */
    {64, 64, 0},     /* pedestrian */
    {0, 128, 192},   /* bicyclist */
    {0, 0, 0},       /* void */
};
enum { CAMVID_COUNT = sizeof CAMVID / sizeof CAMVID[0], TEXT_BYTES_MAX = 1 << 20 };

/* PASCAL VOC: the bits of the number, three at a time, become high bits of red, green and blue. */
static void voc_colour(int number, uint8_t colour[3])
{
    memset(colour, 0, 3);
    for (int shift = 7; shift >= 0; shift--, number >>= 3)
        for (int c = 0; c < 3; c++) colour[c] = (uint8_t)(colour[c] | (number >> c & 1) << shift);
}

void sa_palette_default(sa_palette *palette)
{
    palette->count = SA_PALETTE_COLOURS_MAX;
    for (int i = 0; i < SA_PALETTE_COLOURS_MAX; i++) {
        if (i < CAMVID_COUNT) memcpy(palette->colour[i], CAMVID[i], 3);
        else voc_colour(i, palette->colour[i]);
    }
}

/* The next number of a line; *at moves behind it. */
static bool read_number(char **at, uint8_t *value)
{
    char *end;
    *at += strspn(*at, " \t,");
    long number = strtol(*at, &end, 10);
    if (end == *at || number < 0 || number > 255 || (*end != '\0' && !strchr(" \t,\r", *end))) return false;
    *at = end;
    *value = (uint8_t)number;
    return true;
}

static sa_status read_lines(const char *path, char *text, sa_palette *palette)
{
    int number = 0;
    bool feed = strchr(text, '\n') != NULL; /* else lines end in CR alone */
    palette->count = 0;
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3; /* byte order mark */
    for (char *line; (line = strsep(&text, feed ? "\n" : "\r"));) {
        number++;
        line += strspn(line, " \t\r");
        if (*line == '\0' || *line == '#') continue;
        if (palette->count == SA_PALETTE_COLOURS_MAX)
            SA_FAIL(SA_PARSE, "%s:%d: more than %d colours", path, number, SA_PALETTE_COLOURS_MAX);
        uint8_t *colour = palette->colour[palette->count++];
        for (int c = 0; c < 3; c++)
            if (!read_number(&line, &colour[c]))
                SA_FAIL(SA_PARSE, "%s:%d: three numbers from 0 to 255 are expected: red, green, blue", path, number);
    }
    if (palette->count == 0) SA_FAIL(SA_PARSE, "%s: no colours in it", path);
    return SA_OK;
}

sa_status sa_palette_read(const char *path, sa_palette *palette)
{
    char *text;
    size_t byte_count;
    sa_palette read = {0};
    SA_TRY(sa_input_text_read(path, TEXT_BYTES_MAX, &text, &byte_count));
    sa_status status = byte_count > TEXT_BYTES_MAX || memchr(text, '\0', byte_count)
                           ? sa_error_set(SA_PARSE, "%s: no palette: a text of a line per class is expected", path)
                           : read_lines(path, text, &read);
    free(text);
    if (status == SA_OK) *palette = read;
    return status;
}
