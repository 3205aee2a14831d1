/* libFuzzer target for the reader of prototxt text: any bytes give a document or SA_PARSE, never a crash or a leak; what is written
 * from a document is read back and written the same. */
#include "proto/text_write.h"
#include "proto/textformat.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_writing(const sa_proto_document *document)
{
    char *text, *again;
    sa_proto_document *read = NULL;
    if (sa_proto_write_text(&document->root, "# head\n", &text) != SA_OK) return;
    if (sa_proto_parse_text("written", text, strlen(text), &read) != SA_OK) abort();
    if (sa_proto_write_text(&read->root, "# head\n", &again) != SA_OK || strcmp(text, again) != 0) abort();
    sa_proto_free(read);
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sa_proto_document *document = NULL;
    sa_status status = sa_proto_parse_text("fuzz", (const char *)data, size, &document);
    /* The contract of a failure: a message, and the out-parameter untouched. */
    if (status != SA_OK && (document != NULL || sa_error_message()[0] == '\0')) abort();
    if (status == SA_OK) check_writing(document);
    sa_proto_free(document);
    return 0;
}
