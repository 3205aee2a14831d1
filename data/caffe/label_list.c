/* ImageData's list files: see label_list.h. */
#include "data/caffe/label_list.h"

#include "data/whole_file.h"

#include <stdlib.h>
#include <string.h>

void sa_label_list_free(sa_label_list *list)
{
    free(list->path);
    free(list->name);
    free(list->word);
    free(list->label);
    free(list->text);
    memset(list, 0, sizeof *list);
}

static size_t count_lines(const char *text, size_t length)
{
    size_t count = length > 0 && text[length - 1] != '\n';
    for (size_t i = 0; i < length; i++) count += text[i] == '\n';
    return count;
}

/* A number that a list can hold; atoi of more has no meaning. */
static int32_t class_of(const char *text)
{
    long value = strtol(text, NULL, 10);
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

static void take_line(sa_label_list *list, char *line, size_t length)
{
    line[length] = '\0';
    if (length > 0 && line[length - 1] == '\r') line[--length] = '\0';
    char *space = strrchr(line, ' ');
    list->name[list->count] = line;
    list->word[list->count] = space ? space + 1 : line + length;
    list->label[list->count++] = class_of(space ? space + 1 : line);
    if (space) *space = '\0';
}

sa_status sa_label_list_read(const char *path, sa_label_list *list)
{
    sa_label_list made = {.path = strdup(path)};
    size_t length;
    if (!made.path) SA_FAIL(SA_NOMEM, "no memory for the list '%s'", path);
    sa_status status = sa_whole_file_read(path, &made.text, &length);
    size_t lines = status == SA_OK ? count_lines(made.text, length) : 0;
    if (status == SA_OK && lines == 0) status = sa_error_set(SA_PARSE, "%s:1: the list is empty", path);
    if (status == SA_OK) {
        made.name = malloc(lines * sizeof *made.name);
        made.word = malloc(lines * sizeof *made.word);
        made.label = malloc(lines * sizeof *made.label);
        if (!made.name || !made.word || !made.label)
            status = sa_error_set(SA_NOMEM, "no memory for the %zu lines of '%s'", lines, path);
    }
    char *at = made.text, *begin = made.text;
    if (status == SA_OK && length >= 3 && !memcmp(begin, "\xef\xbb\xbf", 3)) at = begin += 3;
    for (size_t i = 0; status == SA_OK && i < lines; i++, at = begin) {
        size_t rest = length - (size_t)(at - made.text);
        char *end = memchr(at, '\n', rest);
        size_t line = end ? (size_t)(end - at) : rest;
        begin = at + line + 1;
        take_line(&made, at, line);
    }
    if (status == SA_OK) *list = made;
    else sa_label_list_free(&made);
    return status;
}
