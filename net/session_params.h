/* All parameters of a session at once, for going from one layout to another. Private to net/. */
#ifndef SA_NET_SESSION_PARAMS_H
#define SA_NET_SESSION_PARAMS_H

#include "net/session.h"

/* SA_INVALID: the nets' parameters are not the same in number and size, or a net trains. */
SA_CHECKED sa_status sa_session_check_same_params(const sa_net *a, const sa_net *b);
/* All values, one parameter behind the other; *host is the caller's (free). */
SA_CHECKED sa_status sa_session_params_out(sa_session *session, float **host);
SA_CHECKED sa_status sa_session_params_in(sa_session *session, const float *host);

/* Of net/session.c, for what goes through buffers as they are. */
/* Can a program that is planned for one of several ranks run here? */
SA_CHECKED sa_status sa_session_check_ranks(const sa_program *program, const sa_device *device);
/* Host values of an input as bytes. SA_NUMERIC names a value that is no whole number 0..255. */
SA_CHECKED sa_status sa_session_input_bytes(const sa_blob *blob, const float *host, size_t count, uint8_t *byte);
sa_device *sa_session_device(sa_session *session);
SA_CHECKED sa_status sa_session_set_buffer(sa_session *session, int buffer, const void *host);

#endif
