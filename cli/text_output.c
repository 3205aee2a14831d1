/* Text for people. */
#include "cli/text_output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int sa_text_width(FILE *out)
{
    struct winsize size;
    int descriptor = fileno(out); /* -1 for a stream without one, which is no terminal either */
    const char *columns = getenv("COLUMNS");
    if (descriptor < 0 || !isatty(descriptor)) return 0;
    if (columns && atoi(columns) > 0) return atoi(columns);
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

sa_status sa_text_table(FILE *out, sa_table *table)
{
    char *text;
    sa_table_set_width(table, (size_t)sa_text_width(out));
    SA_TRY(sa_table_format(table, &text));
    fputs(text, out);
    free(text);
    return SA_OK;
}

void sa_text_paragraph(FILE *out, const char *text)
{
    sa_text_hanging(out, 0, text);
}

/* Characters of the first `bytes` bytes: those that continue one of UTF-8 do not count. */
static size_t characters(const char *text, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* Where a word of `length` characters that is longer than a whole line goes on in the next: behind the last '+' of the first
 * `room`, as in names of strategies. What else is so long, a path say, stays whole: 0. */
static size_t part_of_word(const char *word, size_t length, size_t room)
{
    size_t end = length > room ? room : 0;
    while (end > 0 && word[end - 1] != '+') end--;
    return end;
}

void sa_text_hanging(FILE *out, size_t indent, const char *text)
{
    size_t width = (size_t)sa_text_width(out), column = 0, begin = 0;
    if (width < 3 * indent) indent = width / 6;
    while (*text) {
        size_t spaces = strspn(text, " "), length = strcspn(text + spaces, " \n");
        size_t wide = spaces + characters(text + spaces, length);
        if (width > 0 && column > begin && column + wide > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            begin = column = indent;
            text += spaces;
            wide -= spaces;
            spaces = 0;
        }
        if (width > column + spaces && part_of_word(text + spaces, length, width - column - spaces) > 0) {
            length = part_of_word(text + spaces, length, width - column - spaces);
            wide = spaces + length;
        }
        fwrite(text, 1, spaces + length, out);
        column += wide;
        text += spaces + length;
        if (*text == '\n') {
            fputc(*text++, out);
            begin = column = 0;
        }
    }
    fputc('\n', out);
}

void sa_text_say(FILE *out, size_t indent, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) text = NULL;
    va_end(arguments);
    if (text) sa_text_hanging(out, indent, text);
    free(text);
}
