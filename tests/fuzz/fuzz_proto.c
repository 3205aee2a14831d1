/* libFuzzer target for everything that reads prototxt text: form, net files with the layers' parameters, solver files. Build:
 *
 *   clang -g -O1 -std=c11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -I. -o build/fuzz_proto tests/fuzz/fuzz_proto.c \
 *     tests/support/read_text.c core/status.c proto/[cft]*.c layers/params*.c net/net_spec*.c net/solver_config.c -lm
 *
 * and run:
 *
 *   mkdir -p build/fuzz_corpus && build/fuzz_proto -max_len=4096 -max_total_time=60 build/fuzz_corpus nets
 */
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
