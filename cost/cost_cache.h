/* The file that keeps measured costs: one JSON document for all machines and builds, one table each. */
#ifndef SA_COST_COST_CACHE_H
#define SA_COST_COST_CACHE_H

#include "cost/cost_model.h"

enum { SA_COST_PATH_MAX = 4096 };

/* $XDG_CACHE_HOME/segarena/costs.json or ~/.cache/segarena/costs.json; "" if neither variable is set. */
void sa_cost_cache_path(char path[SA_COST_PATH_MAX]);

/* Adds the table of this device (kind, description, threads, kernels of this build) to the model. A file or table that is missing
 * adds nothing; a damaged one adds nothing and says so in note ("" otherwise). Fails only for want of memory. */
enum { SA_COST_NOTE_MAX = 512 };
SA_CHECKED sa_status sa_cost_cache_load(sa_cost_model *model, const char *path, char note[SA_COST_NOTE_MAX]);
/* Puts the model's table in the place of this device's. The file is replaced as a whole, by a rename; its folder is made. Tables of
 * other devices and builds stay, up to a number; a damaged file is lost. SA_IO. */
SA_CHECKED sa_status sa_cost_cache_save(const sa_cost_model *model, const char *path);

#endif
