/* What presets need: for tables of suggestions, and for the advice that goes with "out of memory". */
#ifndef SA_CLI_PRESET_PLAN_H
#define SA_CLI_PRESET_PLAN_H

#include "cost/budget.h"
#include "net/session.h"

/* Arena bytes of a training step of net under a preset (or any strategy name). Nothing is allocated on the device. */
SA_CHECKED sa_status sa_preset_plan_bytes(const sa_net *net, const char *strategy, sa_conv_option conv, const sa_device *device,
                                          size_t *bytes);

/* The same without placing: what its largest step holds, which no placement is below. */
SA_CHECKED sa_status sa_preset_load_bytes(const sa_net *net, const char *strategy, sa_conv_option conv, const sa_device *device,
                                          size_t *bytes);

/* The strategies of a budget search with built-in costs (cost/budget.h): lossless ones. *frontier is the caller's. */
SA_CHECKED sa_status sa_builtin_frontier(const sa_net *net, sa_conv_option conv, const sa_device *device, sa_frontier *frontier);

enum { SA_FIT_ADVICE_BYTES = 384 };
/* "--strategy smallest needs 257,503,488 bytes and fits": the fastest preset within free_bytes, else the fastest strategy that a
 * budget search finds, or that none fits. Nothing lossy is advised. */
void sa_preset_fit_advice(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t free_bytes,
                          char advice[SA_FIT_ADVICE_BYTES]);

/* Puts the advice behind the thread's error message if status is SA_NOMEM; returns status. */
sa_status sa_preset_advise(sa_status status, const sa_net *net, sa_conv_option conv, sa_device *device);

#endif
