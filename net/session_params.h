/* All parameters of a session at once, for going from one layout to another. Private to net/. */
#ifndef SA_NET_SESSION_PARAMS_H
#define SA_NET_SESSION_PARAMS_H

#include "net/session.h"

/* SA_INVALID: the nets' parameters are not the same in number and size, or a net trains. */
SA_CHECKED sa_status sa_session_check_same_params(const sa_net *a, const sa_net *b);
/* All values, one parameter behind the other; *host is the caller's (free). */
SA_CHECKED sa_status sa_session_params_out(sa_session *session, float **host);
SA_CHECKED sa_status sa_session_params_in(sa_session *session, const float *host);

#endif
