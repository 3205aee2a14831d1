/* What training says about its data before the first step. */
#ifndef SA_CLI_TRAIN_DATA_H
#define SA_CLI_TRAIN_DATA_H

#include "net/feed.h"

#include <signal.h>
#include <stdio.h>

/* Looks at every list: its files' heads, the labels of its first entries. Tells on out (NULL: nothing) what was found, one line per
 * list, and a note for what is dropped. SA_INVALID if entries cannot be used: the message has the first, out gets a list; or if
 * *stop (NULL: never) became other than 0 meanwhile. A look that takes long shows how far it is. */
SA_CHECKED sa_status sa_train_look_at_data(const sa_net *net, const sa_feed *feed, const volatile sig_atomic_t *stop, FILE *out);

#endif
