/* The readers of prototxt text, for tests of good, bad and mutated input. */
#include "tests/support/read_text.h"

#include "net/net.h"
#include "net/solver_config.h"

static sa_status read_net(sa_proto_document *document)
{
    sa_net *net = NULL;
    SA_TRY(sa_net_from_document(document, NULL, &net));
    sa_net_free(net);
    return SA_OK;
}

sa_status read_text(text_kind kind, const char *name, const char *text, size_t length)
{
    sa_proto_document *document = NULL;
    sa_solver_config config;
    SA_TRY(sa_proto_parse_text(name, text, length, &document));
    sa_status status = SA_OK;
    if (kind == TEXT_NET) status = read_net(document);
    if (kind == TEXT_SOLVER) status = sa_solver_config_read(document, &config);
    sa_proto_free(document);
    return status;
}
