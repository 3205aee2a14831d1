/* What presets need: for tables of suggestions, and for the advice that goes with "out of memory". */
#ifndef SA_CLI_PRESET_PLAN_H
#define SA_CLI_PRESET_PLAN_H

#include "cost/budget.h"
#include "net/session.h"

/* Arena bytes of a training step of net under a strategy. Nothing is allocated on the device. */
SA_CHECKED sa_status sa_strategy_plan_bytes(const sa_net *net, const sa_strategy *strategy, const sa_device *device, size_t *bytes);
/* The same by its name. */
SA_CHECKED sa_status sa_preset_plan_bytes(const sa_net *net, const char *strategy, sa_conv_option conv, const sa_device *device,
                                          size_t *bytes);
/* Without placing: what its largest step holds, which no placement is below. */
SA_CHECKED sa_status sa_strategy_load_bytes(const sa_net *net, const sa_strategy *strategy, const sa_device *device, size_t *bytes);

/* The strategies of a budget search with built-in costs (cost/budget.h): lossless ones. *frontier is the caller's. */
SA_CHECKED sa_status sa_builtin_frontier(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t budget_bytes,
                                         sa_frontier *frontier);

/* "--budget 257MiB", rounded down. */
enum { SA_BUDGET_TEXT_BYTES = 40 };
void sa_budget_text(size_t bytes, char text[SA_BUDGET_TEXT_BYTES]);
size_t sa_budget_rounded(size_t bytes);

enum { SA_FIT_ADVICE_BYTES = 384 };
/* "--budget 257MiB needs 257,503,488 bytes and fits, ...": `fastest` if that fits within free_bytes, else what a budget search
 * finds, or that nothing does. Nothing lossy is advised. */
void sa_preset_fit_advice(const sa_net *net, sa_conv_option conv, const sa_device *device, size_t free_bytes,
                          char advice[SA_FIT_ADVICE_BYTES]);

/* Puts the advice behind the thread's error message if status is SA_NOMEM; returns status. */
sa_status sa_preset_advise(sa_status status, const sa_net *net, sa_conv_option conv, sa_device *device);

#endif
