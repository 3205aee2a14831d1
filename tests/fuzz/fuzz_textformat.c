/* libFuzzer target for the reader of prototxt text: any bytes give a document or SA_PARSE, never a crash or a leak. */
#include "proto/textformat.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sa_proto_document *document = NULL;
    sa_status status = sa_proto_parse_text("fuzz", (const char *)data, size, &document);
    /* The contract of a failure: a message, and the out-parameter untouched. */
    if (status != SA_OK && (document != NULL || sa_error_message()[0] == '\0')) abort();
    sa_proto_free(document);
    return 0;
}
