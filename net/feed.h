/* The feed: batches for every input of a net. DenseImageData and ImageData layers read their lists, Data layers their LMDB
 * databases; tops of Input and DummyData layers get synthetic scenes: labels where a loss or an accuracy reads them, pictures
 * elsewhere, all of one scene. */
#ifndef SA_NET_FEED_H
#define SA_NET_FEED_H

#include "data/data_source.h"
#include "net/session.h"

typedef struct sa_feed sa_feed;

/* data_root: folder of relative names in lists; NULL: the one that the net was loaded with. A net whose inputs were given other
 * shapes than its lists have gets synthetic scenes. net is borrowed. All lists share the seed: lists of one length are shuffled
 * alike. SA_UNSUPPORTED names an input that nothing here can fill. */
SA_CHECKED sa_status sa_feed_open(const sa_net *net, const char *data_root, uint64_t seed, sa_feed **feed);
/* The same, but data layers of Caffe's whose records or lists cannot be read get synthetic scenes, as for measuring times. */
SA_CHECKED sa_status sa_feed_open_any(const sa_net *net, const char *data_root, uint64_t seed, sa_feed **feed);
void sa_feed_close(sa_feed *feed); /* NULL is allowed */
/* Makes the next batch on the host and uploads it. SA_NUMERIC names file and pixel of a label that a loss does not know. */
SA_CHECKED sa_status sa_feed_next(sa_feed *feed, sa_session *session);
/* Goes over so many batches without making them. */
void sa_feed_skip(sa_feed *feed, uint64_t batches);
/* Uploads the batch made last once more. */
SA_CHECKED sa_status sa_feed_repeat(const sa_feed *feed, sa_session *session);
/* What is odd about the batch made last ("": nothing): that a loss ignores all of its pixels. Valid until the next batch. */
const char *sa_feed_note(const sa_feed *feed);
/* The lists among the inputs, and what is in them; *layer is the name of the data layer. survey->look and its context are the
 * caller's to set, everything else is found; survey->problems is the caller's (free). */
int sa_feed_list_count(const sa_feed *feed);
SA_CHECKED sa_status sa_feed_survey(const sa_feed *feed, int list, const char **layer, sa_data_survey *survey);
/* The host values of an input blob in the batch made last; NULL: the feed does not make it. Valid until the next batch. */
const float *sa_feed_batch(const sa_feed *feed, int blob);
/* Entries of the first list, and its path; 0 and "" without one. */
size_t sa_feed_entry_count(const sa_feed *feed);
const char *sa_feed_list_path(const sa_feed *feed);
bool sa_feed_is_synthetic(const sa_feed *feed); /* no input comes from files */
/* Of the first input; the others follow from it, since all move together. */
sa_data_position sa_feed_position(const sa_feed *feed);
SA_CHECKED sa_status sa_feed_restore(sa_feed *feed, sa_data_position position);

#endif
