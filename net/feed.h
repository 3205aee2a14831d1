/* The feed: batches for the inputs of a net, from its DenseImageData layer or, for any other kind of input, from synthetic scenes.
 */
#ifndef SA_NET_FEED_H
#define SA_NET_FEED_H

#include "data/data_source.h"
#include "net/session.h"

typedef struct sa_feed sa_feed;

/* data_root: folder of relative names in lists, may be NULL. net is borrowed. SA_UNSUPPORTED if the net has no single image input.
 */
SA_CHECKED sa_status sa_feed_open(const sa_net *net, const char *data_root, uint64_t seed, sa_feed **feed);
void sa_feed_close(sa_feed *feed); /* NULL is allowed */
/* Makes the next batch on the host and uploads it. */
SA_CHECKED sa_status sa_feed_next(sa_feed *feed, sa_session *session);
bool sa_feed_is_synthetic(const sa_feed *feed);
sa_data_position sa_feed_position(const sa_feed *feed);
SA_CHECKED sa_status sa_feed_restore(sa_feed *feed, sa_data_position position);

#endif
