/* `segarena lab`: asks an exercise, takes the prediction, shows the truth. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/lab_exercises.h"
#include "cli/process_frame.h"
#include "cli/text_output.h"
#include "core/size_text.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct lab_options {
    int first; /* the exercise to begin with, from 1 on */
    bool one, list;
} lab_options;

typedef struct score {
    int asked, right;
} score;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    lab_options *o = state->input;
    int count = 0;
    char *end;
    while (sa_lab_exercise_at(count)) count++;
    switch (key) {
    case 'l': o->list = true; return 0;
    case ARGP_KEY_ARG:
        if (o->one) argp_error(state, "unexpected argument '%s'", argument);
        o->first = (int)strtol(argument, &end, 10);
        if (end == argument || *end || o->first < 1 || o->first > count)
            argp_error(state, "exercise '%s': a whole number from 1 to %d is expected", argument, count);
        o->one = true;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* One line without its end; false: there is none. What does not fit into `line` is left out. */
static bool read_line(char *line, size_t room)
{
    if (!fgets(line, (int)room, stdin)) return false;
    const bool whole = strchr(line, '\n') != NULL;
    line[strcspn(line, "\r\n")] = '\0';
    for (int c = 0; !whole && c != '\n' && c != EOF;) c = getchar();
    return true;
}

/* Asks until there is a size, nothing ("show it"), or the input's end, which is `false`. */
static bool take_prediction(size_t *bytes, bool *given)
{
    char line[128];
    for (;;) {
        printf("your prediction (bytes, or 600MB, 2.3GiB; nothing: show it): ");
        fflush(stdout);
        if (!read_line(line, sizeof line)) return false;
        *given = line[strspn(line, " \t")] != '\0';
        if (!*given || sa_size_parse(line, bytes) == SA_OK) return true;
        sa_text_paragraph(stdout, sa_error_message());
        sa_error_clear();
    }
}

static void show(const sa_lab_exercise *e, size_t answer, size_t predicted, bool given, score *s)
{
    static const char *const VERDICTS[] = {"right, within a tenth", "near, within a factor of 2", "not yet"};
    char exact[SA_SIZE_TEXT_BYTES], size[SA_SIZE_TEXT_BYTES];
    sa_text_say(stdout, 0, "\n%s bytes (%s)", sa_size_format_exact(answer, exact), sa_size_format(answer, size));
    if (given) {
        const sa_lab_verdict verdict = sa_lab_judge(predicted, answer);
        s->right += verdict == SA_LAB_RIGHT;
        sa_text_say(stdout, 0, "you said %s: %s", sa_size_format_exact(predicted, exact), VERDICTS[verdict]);
    }
    sa_text_say(stdout, 0, "%s", e->reason);
    sa_text_say(stdout, 0, "look: %s\n", e->command);
}

static sa_status ask(const lab_options *o)
{
    score s = {0};
    for (int i = o->first - 1; sa_lab_exercise_at(i) && (!o->one || i == o->first - 1); i++) {
        const sa_lab_exercise *e = sa_lab_exercise_at(i);
        size_t answer, predicted = 0;
        bool given;
        sa_text_say(stdout, 0, "%d. %s", i + 1, e->title);
        sa_text_say(stdout, 0, "%s", e->question);
        if (!take_prediction(&predicted, &given)) {
            putchar('\n');
            break;
        }
        SA_TRY(sa_lab_answer(e, &answer));
        s.asked++;
        show(e, answer, predicted, given, &s);
    }
    sa_text_say(stdout, 0, "%d asked, %d right", s.asked, s.right);
    return SA_OK;
}

int sa_cmd_lab(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {{"list", 'l', NULL, 0, "list the exercises", 0}, {0}};
    static const struct argp ARGP = {
        OPTIONS,      parse,
        "[EXERCISE]", "Asks the lesson's exercises: you predict, segarena computes. Without a number, one after the other.",
        NULL,         NULL,
        NULL};
    lab_options options = {.first = 1};
    if (!sa_cli_parse(&ARGP, argc, argv, &options)) return 2;
    sa_process_keep_heap();
    for (int i = 0; options.list && sa_lab_exercise_at(i); i++)
        sa_text_say(stdout, 0, "%d. %s", i + 1, sa_lab_exercise_at(i)->title);
    if (options.list) return 0;
    return ask(&options) == SA_OK ? 0 : sa_cli_fail("lab");
}
