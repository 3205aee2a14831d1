/* The subcommands of `segarena`. Each is one file cli/cmd_<function>.c and one line here: X(function, "name", "help"). A command
 * gets its own argv (argv[0] is "segarena <name>") and returns the exit status: 0, 1 (explained on stderr), 2 (wrong usage). */
#ifndef SA_CLI_COMMANDS_H
#define SA_CLI_COMMANDS_H

#include "core/status.h"

#define SA_COMMANDS(X)                                                                                                   \
    X(explain, "explain", "where the memory goes when Caffe trains a net, to the byte, and what would fit")              \
    X(fit, "fit", "the largest batch and image that fit into a capacity: Caffe, each preset, the best found")            \
    X(plan, "plan", "place every buffer of a training step into one arena: tables, JSON, CSV or a page to look at")      \
    X(story, "story", "one page with the plans of nets under several strategies: the ladder, maps, what a budget buys")  \
    X(lab, "lab", "asks the lesson's exercises: you predict, segarena computes")                                         \
    X(frontier, "frontier", "what a step takes in how many bytes: the best strategies from the fastest to the smallest") \
    X(bench, "bench", "run forward, backward and update at full size under one or more strategies, and measure")         \
    X(train, "train", "train a net by a solver file, with snapshots")                                                    \
    X(bn_stats, "bn-stats", "compute the statistics of BN layers for inference, and fold them into the weights")         \
    X(test, "test", "run a trained net over its whole list: accuracy and IoU of every class")                            \
    X(predict, "predict", "segment images with a trained net")                                                           \
    X(plot, "plot", "draw the learning curve that `train --log` writes")                                                 \
    X(data, "data", "what is in a list of images: counts, sizes, classes, median-frequency weights, bad entries")        \
    X(weights, "weights", "list the weights of a file, and convert them: .caffemodel, .safetensors, .sasnap")            \
    X(place, "place", "solve a static-allocation instance in CSV")                                                       \
    X(strategies, "strategies", "list presets and switches")

#define SA_COMMAND_DECLARE(function, name, help) int sa_cmd_##function(int argc, char **argv);
SA_COMMANDS(SA_COMMAND_DECLARE)
#undef SA_COMMAND_DECLARE

/* Prints "segarena <command>: <message>" to stderr from the thread's error message; returns 1. */
int sa_cli_fail(const char *command);
/* Notes that are not errors (assumed sizes): one line on stderr. */
void sa_cli_note(const char *command, const char *note);
/* "segarena <command>: wrote <path> (<what>)" on stderr; nothing if path is standard output. */
void sa_cli_wrote(const char *command, const char *path, const char *what, ...) SA_PRINTF(3, 4);

#endif
