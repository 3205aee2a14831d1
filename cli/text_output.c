/* Text for people. */
#include "cli/text_output.h"

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
    size_t width = (size_t)sa_text_width(out), column = 0;
    while (*text) {
        size_t spaces = strspn(text, " "), length = strcspn(text + spaces, " ");
        if (width > 0 && column > 0 && column + spaces + length > width) {
            fputc('\n', out);
            column = spaces = 0;
            text += strspn(text, " ");
        }
        fwrite(text, 1, spaces + length, out);
        column += spaces + length;
        text += spaces + length;
    }
    fputc('\n', out);
}
