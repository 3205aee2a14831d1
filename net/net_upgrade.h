/* Old net files in the form of today, as Caffe upgrades them while it reads: V0 (`layers { layer { type: "conv" } }`), V1 (`layers
 * { type: CONVOLUTION blobs_lr: 1 }`), transformations inside data parameters, `input` fields, the rates of BatchNorm. Caffe:
 * util/upgrade_proto.cpp. */
#ifndef SA_NET_NET_UPGRADE_H
#define SA_NET_NET_UPGRADE_H

#include "proto/textformat.h"

/* Rewrites the document in place; lines stay those of the file. A file of today is left as it is. Where Caffe only says that it
 * drops a field, the field is dropped. One thing differs: an `input` without a shape becomes an Input layer without one, so that
 * the shape can be given from outside; Caffe drops it.
 * Errors: SA_PARSE, "path:line: cause"; the document may then be half rewritten. */
SA_CHECKED sa_status sa_net_upgrade(sa_proto_document *document);

/* The name of today of a V1 type ("CONVOLUTION": "Convolution"), also of the types of public forks; NULL: unknown. */
const char *sa_net_upgrade_v1_type(const char *v1_type);

/* V0 to V1, for net_upgrade.c alone: the `layer` inside each `layers` is spread out, padding layers go into their readers. */
SA_CHECKED sa_status sa_net_upgrade_v0(sa_proto_document *document);

#endif
