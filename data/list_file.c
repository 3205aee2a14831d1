/* Splits a list file into names, in place in its own text: one pass checks and counts, a second one cuts. */
#include "data/list_file.h"

#include "core/checked.h"
#include "data/whole_file.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 4096 };
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/* "\n", "\r" of old Macs, or the first byte of "\r\n", whose second one then ends an empty line that has no number of its own. */
static bool ends_line(char c)
{
    return c == '\n' || c == '\r';
}

static bool counts_line(const char *at)
{
    return *at == '\r' ? at[1] != '\n' : *at == '\n';
}

static bool in_name(char c)
{
    return !ends_line(c) && c != '\0' && !is_space(c);
}

/* Counts the names up to the end of the line; *at is moved onto its end or the final NUL. */
static sa_status count_names(const char *path, int line, const char **at, size_t *count)
{
    size_t names = 0;
    while (true) {
        while (is_space(**at)) (*at)++;
        const char *begin = *at;
        while (in_name(**at)) (*at)++;
        if (*at == begin) break;
        if (*at - begin > NAME_MAX_BYTES)
            SA_FAIL(SA_PARSE, "%s:%d: a name of %td bytes, at most %d are allowed", path, line, *at - begin, NAME_MAX_BYTES);
        names++;
    }
    *count = names;
    return SA_OK;
}

static sa_status check_lines(sa_list_file *list, size_t text_bytes, size_t least_names)
{
    const char *at = list->text, *end = list->text + text_bytes;
    int first = 0;
    for (int line = 1; at < end; line += counts_line(at), at++) { /* ++ passes the line's end */
        size_t names = 0;
        if (line == INT_MAX) SA_FAIL(SA_PARSE, "%s: too many lines", list->path);
        SA_TRY(count_names(list->path, line, &at, &names));
        if (at < end && *at == '\0') SA_FAIL(SA_PARSE, "%s:%d: a NUL byte: not a text file", list->path, line);
        if (names == 0) continue;
        if (names < least_names) SA_FAIL(SA_PARSE, "%s:%d: only one name, an image and a label are needed", list->path, line);
        if (first == 0) {
            first = line;
            list->names_per_line = names;
        }
        if (names != list->names_per_line)
            SA_FAIL(SA_PARSE, "%s:%d: %zu names, where line %d has %zu", list->path, line, names, first, list->names_per_line);
        list->count++;
    }
    if (list->count == 0) SA_FAIL(SA_PARSE, "%s: the list is empty", list->path);
    return SA_OK;
}

/* check_lines has counted, so every name has its place. */
static void cut_names(sa_list_file *list, size_t text_bytes)
{
    char *at = list->text, *end = list->text + text_bytes;
    size_t index = 0;
    for (int line = 1; at < end; at++) {
        line += counts_line(at);
        if (!in_name(*at)) continue;
        if (index % list->names_per_line == 0) list->line[index / list->names_per_line] = line;
        list->name[index++] = at;
        while (in_name(*at)) at++;
        line += counts_line(at);
        *at = '\0';
    }
}

static sa_status read_list(const char *path, size_t least_names, sa_list_file *list)
{
    sa_list_file made = {.path = strdup(path)};
    sa_status status;
    size_t text_bytes, name_count;
    if (!made.path) SA_FAIL(SA_NOMEM, "%s: out of memory", path);
    SA_TRY_GOTO(status, fail, sa_whole_file_read(path, &made.text, &text_bytes));
    if (!strncmp(made.text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK))) memcpy(made.text, "   ", strlen(BYTE_ORDER_MARK));
    SA_TRY_GOTO(status, fail, check_lines(&made, text_bytes, least_names));
    if (sa_size_mul(made.count, made.names_per_line, &name_count)) {
        made.name = calloc(name_count, sizeof *made.name);
        made.line = calloc(made.count, sizeof *made.line);
    }
    if (!made.name || !made.line) {
        status = sa_error_set(SA_NOMEM, "%s: out of memory for %zu lines", path, made.count);
        goto fail;
    }
    cut_names(&made, text_bytes);
    *list = made;
    return SA_OK;
fail:
    sa_list_file_free(&made);
    return status;
}

sa_status sa_list_file_read(const char *path, sa_list_file *list)
{
    return read_list(path, 2, list);
}

sa_status sa_list_file_read_images(const char *path, sa_list_file *list)
{
    return read_list(path, 1, list);
}

void sa_list_file_free(sa_list_file *list)
{
    if (!list) return;
    free(list->path);
    free(list->text);
    free(list->name);
    free(list->line);
    memset(list, 0, sizeof *list);
}

char *sa_path_join(const char *root, const char *name)
{
    if (!root || root[0] == '\0' || name[0] == '/') return strdup(name);
    size_t bytes = strlen(root) + strlen(name) + 2;
    char *path = malloc(bytes);
    const char *slash = root[strlen(root) - 1] == '/' ? "" : "/";
    if (path) snprintf(path, bytes, "%s%s%s", root, slash, name);
    return path;
}
