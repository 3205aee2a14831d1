/* The nets that come with segarena, found by name: `segarena explain old` works in any folder. */
#ifndef SA_CLI_SHIPPED_NETS_H
#define SA_CLI_SHIPPED_NETS_H

#include "core/status.h"

#include <limits.h>
#include <stdbool.h>

/* Fills `path` with the shipped net NAME + suffix + ".prototxt", or else NAME: in $SA_NETS if that is set, else in
 * share/segarena/nets of the place where the program is installed, else in nets/ of the source tree that it was built in.
 * suffix is "" for nets and "_solver" for solver files. False: there is none. */
bool sa_cli_shipped_net(const char *name, const char *suffix, char path[PATH_MAX]);

/* The file that a command's argument means: the argument itself if it names a file, has a '/' or is no shipped net's name; else
 * `path`, filled with that net. */
const char *sa_cli_net_path(const char *argument, const char *suffix, char path[PATH_MAX]);

/* SA_IO if `path` is a single word that names no file: it may have been meant as a shipped net, and the message lists them. What
 * else is wrong with a path is its reader's business. */
SA_CHECKED sa_status sa_cli_net_expect(const char *path, const char *suffix);

#endif
