/* Puts style, script and plan into the page. */
#include "report/timeline.h"

#include <stdlib.h>
#include <string.h>

/* Made from report/timeline/ by tools/embed.sh. */
extern const char sa_timeline_html[], sa_timeline_style[], sa_timeline_script[];

/* Copies `text` to `out` (NULL: only counts) and returns the bytes. Names come from files: '<' is written so that no "</script>" in
 * one of them can end the element. Inside JSON it can only stand in a string, where "\u003c" means the same. */
static size_t put_json(const char *text, char *out)
{
    static const char LESS[] = "\\u003c";
    size_t bytes = 0;
    for (; *text; text++) {
        size_t length = *text == '<' ? sizeof LESS - 1 : 1;
        if (out) memcpy(out + bytes, *text == '<' ? LESS : text, length);
        bytes += length;
    }
    return bytes;
}

static size_t put(const char *text, size_t length, char *out)
{
    if (out) memcpy(out, text, length);
    return length;
}

static size_t put_page(const char *plan_json, char *out)
{
    static const char *const MARK[] = {"@STYLE@", "@PLAN@", "@SCRIPT@"};
    const char *rest = sa_timeline_html;
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof MARK / sizeof MARK[0]; i++) {
        const char *mark = strstr(rest, MARK[i]);
        bytes += put(rest, (size_t)(mark - rest), out ? out + bytes : NULL);
        char *at = out ? out + bytes : NULL;
        if (i == 0) bytes += put(sa_timeline_style, strlen(sa_timeline_style), at);
        else if (i == 1) bytes += put_json(plan_json, at);
        else bytes += put(sa_timeline_script, strlen(sa_timeline_script), at);
        rest = mark + strlen(MARK[i]);
    }
    return bytes + put(rest, strlen(rest) + 1, out ? out + bytes : NULL);
}

sa_status sa_timeline_page(const char *plan_json, char **page, size_t *page_bytes)
{
    size_t bytes = put_page(plan_json, NULL);
    char *text = malloc(bytes);
    if (!text) SA_FAIL(SA_NOMEM, "no memory for a page of %zu bytes", bytes);
    (void)put_page(plan_json, text);
    *page = text;
    *page_bytes = bytes - 1;
    return SA_OK;
}
