/* Notes about strategies of which a part changes nothing: one line each on stderr. */
#ifndef SA_CLI_STRATEGY_NOTES_H
#define SA_CLI_STRATEGY_NOTES_H

#include "net/session.h"

/* Switches that were on or off already, and values beyond what the net has. text: a strategy that parses. command: "plan". */
void sa_strategy_notes(const char *command, const char *text, const sa_net *net);

/* A number for the ops and buffers of a program: equal programs, which are planned alike, have equal numbers. */
uint64_t sa_program_signature(const sa_program *program);

/* Says that two strategies come to the same plan for this net, unless they are the same by definition. True: it was said. */
bool sa_strategy_note_same(const char *command, const sa_strategy *strategy, const sa_strategy *other);

/* The same for a preset against those before it, if the net is small enough for trying them. */
SA_CHECKED sa_status sa_preset_note_same(const char *command, const sa_strategy *preset, const sa_program *program,
                                         const sa_net *net, const sa_device *device, const sa_program_options *options);

#endif
