/* Notes about strategies of which a part changes nothing: one line each on stderr. */
#ifndef SA_CLI_STRATEGY_NOTES_H
#define SA_CLI_STRATEGY_NOTES_H

#include "net/session.h"

/* Switches that were on or off already, and values beyond what the net has. text: a strategy that parses. command: "plan". */
void sa_strategy_notes(const char *command, const char *text, const sa_net *net);

/* A number for the program and the placement of a layout: equal plans have equal numbers. */
uint64_t sa_layout_signature(const sa_layout *layout);

/* Says that two strategies come to the same plan for this net, unless they are the same by definition. */
void sa_strategy_note_same(const char *command, const sa_strategy *strategy, const sa_strategy *other);

#endif
