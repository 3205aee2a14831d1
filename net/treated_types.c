/* Types of one net: copies of the two that stand for others, with the names of these. */
#include "net/treated_types.h"
#include "layers/layer_registry.h"

#include <stdlib.h>
#include <string.h>

sa_status sa_net_treat_types(sa_net *net, const sa_net_options *options)
{
    if (options->treat_count == 0) return SA_OK;
    size_t names = (size_t)options->treat_count * SA_NAME_MAX, types = (size_t)options->treat_count * sizeof *net->treated;
    net->treated = calloc(1, types + names); /* the names behind the types */
    if (!net->treated) SA_FAIL(SA_NOMEM, "no memory for %d layer types", options->treat_count);
    for (int i = 0; i < options->treat_count; i++) {
        char *name = (char *)(net->treated + options->treat_count) + (size_t)i * SA_NAME_MAX;
        memcpy(name, options->treat[i].type, SA_NAME_MAX);
        net->treated[i] = *sa_layer_type_standing_in(options->treat[i].treatment == SA_TREAT_AS_INPUT);
        net->treated[i].name = name;
    }
    net->treated_count = options->treat_count;
    return SA_OK;
}

const sa_layer_type *sa_net_treated_type(const sa_net *net, const char *name)
{
    for (int i = 0; i < net->treated_count; i++)
        if (!strcmp(net->treated[i].name, name)) return &net->treated[i];
    return NULL;
}
