/* Misspelt options, and those of Caffe's own program (`caffe train -solver FILE -gpu 0`), whose single dash argp takes for short
 * options in a row. */
#include "cli/command_line.h"

#include "cli/text_output.h"
#include "core/closest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64, NAME_BYTES = 64 };

typedef struct option_list {
    const struct argp_option *option[OPTIONS_MAX];
    const char *name[OPTIONS_MAX];
    size_t count;
} option_list;

static void add_options(const struct argp *argp, option_list *list)
{
    for (const struct argp_option *o = argp->options; o && (o->name || o->key || o->doc); o++) {
        if (!o->name || list->count == OPTIONS_MAX) continue;
        list->option[list->count] = o;
        list->name[list->count++] = o->name;
    }
    for (const struct argp_child *c = argp->children; c && c->argp; c++) add_options(c->argp, list);
}

/* The options that argp adds to every command. */
static void add_usual(option_list *list)
{
    static const struct argp_option USUAL[] = {{"help", '?', NULL, 0, NULL, 0},
                                               {"usage", 0, NULL, 0, NULL, 0},
                                               {"version", 'V', NULL, 0, NULL, 0},
                                               {"HANG", 0, "SECS", OPTION_ARG_OPTIONAL, NULL, 0},
                                               {"program-name", 0, "NAME", 0, NULL, 0}};
    for (size_t i = 0; i < sizeof USUAL / sizeof USUAL[0] && list->count < OPTIONS_MAX; i++) {
        list->option[list->count] = &USUAL[i];
        list->name[list->count++] = USUAL[i].name;
    }
}

static const struct argp_option *find_long(const option_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->name[i], name)) return list->option[i];
    return NULL;
}

/* getopt takes any beginning of a name. */
static const struct argp_option *find_beginning(const option_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strncmp(list->name[i], name, strlen(name))) return list->option[i];
    return NULL;
}

static const struct argp_option *find_short(const option_list *list, int key)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->option[i]->key == key) return list->option[i];
    return NULL;
}

/* ------------------------------------------------------------------ Caffe's names ---------------------------------- */

static const struct {
    const char *name, *ours; /* ours: what to write, before `value` */
    bool shows_value;
    const char *rest; /* after the value */
} CAFFE[] = {
    {"solver", "the solver file is a plain argument: segarena train ", true, ""},
    {"model", "the net is a plain argument, as in segarena bench ", true, ""},
    {"gpu", "write --device cuda", false, ""},
    {"weights", "write --weights ", true, ", which train, test and predict take"},
    {"snapshot", "write --resume ", true, ", a snapshot of segarena's own (--snapshot FILE says where to write one)"},
    {"iterations", "write --steps ", true, ""},
    {"phase", "write --phase TEST or --phase TRAIN (explain, plan, bench)", false, ""},
    {"level", "there is no such option here; write `state { level: N }` into the net", false, ""},
    {"stage", "there is no such option here; write `state { stage: \"S\" }` into the net", false, ""},
    {"sigint_effect", "there is no such option here; Ctrl-C ends training with a snapshot", false, ""},
    {"sighup_effect", "there is no such option here", false, ""},
};

static bool tell_caffes(const char *command, const option_list *list, const char *argument, const char *name, const char *value)
{
    bool double_dash = argument[1] == '-';
    const struct argp_option *same = find_long(list, name);
    for (size_t i = 0; i < sizeof CAFFE / sizeof CAFFE[0]; i++) {
        if (strcmp(CAFFE[i].name, name) || (double_dash && same)) continue;
        sa_text_say(stderr, 0, "%s: %s is Caffe's; %s%s%s", command, argument, CAFFE[i].ours, CAFFE[i].shows_value ? value : "",
                    CAFFE[i].rest);
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------ one argument ----------------------------------- */

/* The name of -name, --name or --name=value, cut off at the '='; what follows it, else the next argument. */
static const char *split(const char *argument, const char *next, char name[NAME_BYTES])
{
    const char *begin = argument + (argument[1] == '-' ? 2 : 1), *equals = strchr(begin, '=');
    int length = equals ? (int)(equals - begin) : (int)strlen(begin);
    snprintf(name, NAME_BYTES, "%.*s", length, begin);
    return equals ? equals + 1 : next ? next : "FILE";
}

/* True: something is wrong, and was told. *takes_next: the option's value is the next argument. */
static bool tell_wrong(const char *command, const option_list *list, const char *argument, const char *next, bool *takes_next)
{
    char name[NAME_BYTES], hint[SA_HINT_BYTES];
    const char *value = split(argument, next, name);
    const struct argp_option *option;
    *takes_next = false;
    if (tell_caffes(command, list, argument, name, value)) return true;
    if (argument[1] != '-') {
        if (name[1] && find_long(list, name)) {
            sa_text_say(stderr, 0, "%s: %s: long options have two dashes: --%s", command, argument, name);
            return true;
        }
        option = find_short(list, argument[1]);
        *takes_next = option && option->arg && !(option->flags & OPTION_ARG_OPTIONAL) && argument[2] == '\0';
        return false;
    }
    option = find_beginning(list, name);
    if (!option) {
        sa_closest_hint(name, list->name, list->count, hint);
        sa_text_say(stderr, 0, "%s: unknown option --%s%s%s --help lists them", command, name, hint, hint[0] ? "" : ";");
        return true;
    }
    *takes_next = option->arg && !(option->flags & OPTION_ARG_OPTIONAL) && !strchr(argument, '=');
    return false;
}

/* --help as wide as the terminal: argp's own layout is of 80 columns, its descriptions begin at the 30th. */
static void fit_help(void)
{
    int width = sa_text_width(stdout);
    char layout[64];
    if (width <= 0 || width >= 80) return;
    snprintf(layout, sizeof layout, width < 64 ? "rmargin=%d,opt-doc-col=10,usage-indent=4" : "rmargin=%d", width - 1);
    setenv("ARGP_HELP_FMT", layout, 0);
}

bool sa_cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    option_list list = {0};
    bool takes_next = false;
    add_options(argp, &list);
    add_usual(&list);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i += takes_next ? 2 : 1) {
        takes_next = false;
        if (argv[i][0] != '-' || argv[i][1] == '\0') continue;
        if (tell_wrong(argv[0], &list, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &takes_next)) return false;
    }
    argp_err_exit_status = 2;
    fit_help();
    return argp_parse(argp, argc, argv, 0, NULL, input) == 0;
}

/* ------------------------------------------------------------------ commands --------------------------------------- */

void sa_cli_unknown_command(const char *command, const char *const *names, int count)
{
    static const struct {
        const char *name, *ours;
    } OTHERS[] = {
        {"time", "segarena bench NET.prototxt measures a training step"},
        {"device_query", "segarena bench --device cuda names the card that it uses"},
        {"caffe", "leave the word out, as in segarena train SOLVER.prototxt"},
    };
    char hint[SA_HINT_BYTES];
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        if (strcmp(OTHERS[i].name, command)) continue;
        sa_text_say(stderr, 0, "segarena: '%s' is Caffe's; %s", command, OTHERS[i].ours);
        return;
    }
    size_t length = strlen(command);
    bool is_file = strchr(command, '/') || (length > 9 && !strcmp(command + length - 9, ".prototxt"));
    if (is_file) {
        sa_text_say(stderr, 0, "segarena: a command comes before the file, as in segarena explain %s; `segarena --help` lists them",
                    command);
        return;
    }
    sa_closest_hint(command, names, (size_t)count, hint);
    sa_text_say(stderr, 0, "segarena: unknown command '%s'%s%s `segarena --help` lists them", command, hint, hint[0] ? "" : ";");
}
