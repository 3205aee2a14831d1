/* The picture of `segarena story --svg`. */
#ifndef SA_CLI_STORY_PICTURE_H
#define SA_CLI_STORY_PICTURE_H

#include "cli/story.h"

typedef struct sa_story_nets {
    sa_net *net;       /* owned by whoever opened it */
    sa_device *device; /* the same */
} sa_story_nets;

/* Draws the nets beside one another, a row per strategy of the request, into the file `path` (report/map_svg.h). capacity_bytes: 0:
 * no line. SA_IO, SA_INVALID for an unknown strategy. */
SA_CHECKED sa_status sa_story_write_svg(const char *path, const sa_story_request *request, const sa_story_nets *nets,
                                        size_t net_count, size_t capacity_bytes);

#endif
