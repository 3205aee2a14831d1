/* Weights files into a session and out of it: --weights and --save-weights. */
#ifndef SA_CLI_SESSION_WEIGHTS_H
#define SA_CLI_SESSION_WEIGHTS_H

#include "net/session.h"

#include <stdio.h>

/* Sets the parameters that the file gives; the others keep what they have. What was taken, and which layers only one side has, goes
 * to `out` in lines that begin with "segarena <command>: " (NULL: nowhere). Nothing is set if the file does not fit the net. Errors
 * as sa_weights_read and sa_net_weights_match. */
SA_CHECKED sa_status sa_session_load_weights(sa_session *session, const sa_net *net, const char *path, const char *command,
                                             FILE *out);
/* All parameters, in the format of the name's ending. */
SA_CHECKED sa_status sa_session_save_weights(sa_session *session, const sa_net *net, const char *path);

#endif
