/* libFuzzer target for everything that reads prototxt text: form, net files with the layers' parameters, solver files.
 * `make fuzz` builds and runs it. */
#include "tests/support/read_text.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (text_kind kind = TEXT_FORM; kind <= TEXT_SOLVER; kind++) {
        sa_error_clear();
        sa_status status = read_text(kind, "fuzz.prototxt", (const char *)data, size);
        if (status != SA_OK && sa_error_message()[0] == '\0') abort(); /* every failure says why */
    }
    return 0;
}
