/* Writing a parse tree as protobuf's text format: what textformat.h reads back as the same tree. Comments are not in a tree. */
#ifndef SA_PROTO_TEXT_WRITE_H
#define SA_PROTO_TEXT_WRITE_H

#include "proto/textformat.h"

/* head: text in front ("# ...\n"), may be "". *text is malloc'd, the caller's. */
SA_CHECKED sa_status sa_proto_write_text(const sa_proto_message *message, const char *head, char **text);

#endif
