/* What can be said of a loss that is not finite. */
#ifndef SA_CLI_TRAIN_DIVERGENCE_H
#define SA_CLI_TRAIN_DIVERGENCE_H

#include "net/feed.h"

enum { SA_DIVERGENCE_BYTES = 400 };

/* Runs the forward pass of the feed's last batch once more and looks at parameters and at every value that is stored: text says
 * where the first value that is not finite is. The session has no step left to run afterwards. */
void sa_train_find_divergence(sa_session *session, const sa_feed *feed, const sa_strategy *strategy, uint64_t step,
                              char text[SA_DIVERGENCE_BYTES]);

#endif
