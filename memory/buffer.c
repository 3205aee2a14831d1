/* Names of buffer kinds. */
#include "memory/buffer.h"

const char *sa_buffer_kind_name(sa_buffer_kind kind)
{
    switch (kind) {
#define SA_BUFFER_KIND_CASE(name, text) \
    case SA_BUFFER_##name: return text;
        SA_BUFFER_KINDS_LIST(SA_BUFFER_KIND_CASE)
#undef SA_BUFFER_KIND_CASE
    case SA_BUFFER_KINDS: break;
    }
    return "unknown";
}
