/* The list of what cannot be taken, and the one message about it. */
#include "net/unsupported.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sa_unsupported_add(sa_unsupported_list *list, const sa_layer_spec *layer, int line, const char *what)
{
    if (list->count++ >= SA_UNSUPPORTED_MAX) return;
    sa_unsupported *item = &list->item[list->count - 1];
    item->line = line;
    snprintf(item->layer, sizeof item->layer, "%s", layer->name);
    snprintf(item->type, sizeof item->type, "%s", layer->type);
    snprintf(item->what, sizeof item->what, "%s", what);
}

bool sa_unsupported_has(const sa_unsupported_list *list, const sa_layer_spec *layer)
{
    for (int i = 0; i < list->count && i < SA_UNSUPPORTED_MAX; i++)
        if (list->item[i].line >= layer->line && !strcmp(list->item[i].layer, layer->name) &&
            !strcmp(list->item[i].type, layer->type))
            return true;
    return false;
}

void sa_unsupported_add_error(sa_unsupported_list *list, const sa_proto_document *document, const sa_layer_spec *layer)
{
    char where[SA_LAYER_WHERE_BYTES];
    const char *what = sa_error_message(), *colon = NULL;
    size_t path = strlen(document->path);
    int line = layer->line;
    if (!strncmp(what, document->path, path) && what[path] == ':') {
        line = (int)strtol(what + path + 1, NULL, 10);
        sa_layer_where(layer->name, layer->type, where);
        colon = strstr(what, where);
        if (colon) what = colon + strlen(where) + 2; /* ": " */
    }
    sa_unsupported_add(list, layer, line, what);
    sa_error_clear();
}

static int compare_lines(const void *a, const void *b)
{
    const sa_unsupported *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

sa_status sa_unsupported_fail(sa_unsupported_list *list, const char *path, sa_unsupported_list *out)
{
    size_t kept = (size_t)(list->count < SA_UNSUPPORTED_MAX ? list->count : SA_UNSUPPORTED_MAX);
    qsort(list->item, kept, sizeof list->item[0], compare_lines);
    const sa_unsupported *first = &list->item[0];
    char where[SA_LAYER_WHERE_BYTES];
    if (out) *out = *list;
    if (list->count == 0) return SA_OK;
    sa_layer_where(first->layer, first->type, where);
    sa_status status = sa_error_set(SA_UNSUPPORTED, "%s:%d: %s: %s", path, first->line, where, first->what);
    if (list->count == 1) return status;
    status = sa_error_append(status, "; %d more %s not supported:", list->count - 1, list->count == 2 ? "is" : "are");
    for (int i = 1; i < list->count && i < SA_UNSUPPORTED_MAX && strlen(sa_error_message()) < 900; i++)
        status = sa_error_append(status, "%s line %d '%.40s' (%.40s)", i > 1 ? "," : "", list->item[i].line, list->item[i].layer,
                                 list->item[i].type);
    return status;
}
