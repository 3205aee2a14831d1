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

void sa_text_hanging(FILE *out, size_t indent, const char *text)
{
    size_t width = (size_t)sa_text_width(out), column = 0, begin = 0;
    if (width < 2 * indent) indent = width / 2;
    while (*text) {
        size_t spaces = strspn(text, " "), length = strcspn(text + spaces, " ");
        if (width > 0 && column > begin && column + spaces + length > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            begin = column = indent;
            text += spaces;
            spaces = 0;
        }
        fwrite(text, 1, spaces + length, out);
        column += spaces + length;
        text += spaces + length;
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
