/* What a solver file says about tests. */
#include "cli/solver_tests.h"

#include "proto/textformat.h"

#include <string.h>

bool sa_solver_file_tests(const char *path)
{
    static const char *const NAMES[] = {"test_iter", "test_interval", "test_net", "test_net_param"};
    sa_proto_document *document;
    bool tests = false;
    if (sa_proto_parse_file(path, &document) != SA_OK) {
        sa_error_clear();
        return false;
    }
    for (size_t k = 0; k < sizeof NAMES / sizeof NAMES[0]; k++) {
        const sa_proto_field *field = sa_proto_find(&document->root, NAMES[k]);
        tests |= field && !(field->text && !strcmp(field->text, "0"));
    }
    sa_proto_free(document);
    return tests;
}
