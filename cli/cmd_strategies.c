/* `segarena strategies`: presets and switches, a line each. */
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/text_output.h"
#include "net/strategy.h"
#include "report/json_text.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static error_t parse(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    if (key == 'j') *(bool *)state->input = true;
    else if (key == ARGP_KEY_ARG) argp_error(state, "takes no arguments");
    else return ARGP_ERR_UNKNOWN;
    return 0;
}

static int print_json(void)
{
    cJSON *root = cJSON_CreateObject(), *presets = cJSON_AddArrayToObject(root, "presets"),
          *switches = cJSON_AddArrayToObject(root, "switches");
    for (int i = 0; sa_preset_at(i); i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", sa_preset_at(i)->name);
        cJSON_AddStringToObject(row, "made_of", sa_preset_at(i)->switches);
        cJSON_AddStringToObject(row, "help", sa_preset_at(i)->help);
        cJSON_AddItemToArray(presets, row);
    }
    for (int i = 0; i < SA_SWITCH_COUNT; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", sa_switch_get_info((sa_switch)i)->name);
        cJSON_AddBoolToObject(row, "lossless", sa_switch_get_info((sa_switch)i)->lossless);
        cJSON_AddStringToObject(row, "help", sa_switch_get_info((sa_switch)i)->help);
        cJSON_AddItemToArray(switches, row);
    }
    char *text = sa_json_text(root, true);
    if (text) puts(text);
    free(text);
    cJSON_Delete(root);
    return text ? 0 : 1;
}

int sa_cmd_strategies(int argc, char **argv)
{
    static const struct argp_option OPTIONS[] = {{"json", 'j', NULL, 0, "one JSON document on stdout", 0}, {0}};
    static const struct argp ARGP = {OPTIONS, parse, NULL, "Lists the presets and switches that --strategy takes.",
                                     NULL,    NULL,  NULL};
    bool json = false;
    if (!sa_cli_parse(&ARGP, argc, argv, &json)) return 2;
    if (json) return print_json();
    sa_text_say(stdout, 0, "presets (the ladder: each rung has all that is above it)");
    for (int i = 0; sa_preset_at(i); i++)
        sa_text_say(stdout, 19, "  %-17s%s%s%s%s", sa_preset_at(i)->name, sa_preset_at(i)->help,
                    sa_preset_at(i)->switches[0] ? "  [" : "", sa_preset_at(i)->switches, sa_preset_at(i)->switches[0] ? "]" : "");
    sa_text_paragraph(stdout,
                      "\nswitches (added with '+', taken away with '-', as in caffe+shared-workspace or smallest-recompute)");
    for (int i = 0; i < SA_SWITCH_COUNT; i++)
        sa_text_say(stdout, 19, "  %-17s%s%s", sa_switch_get_info((sa_switch)i)->name, sa_switch_get_info((sa_switch)i)->help,
                    sa_switch_get_info((sa_switch)i)->lossless ? "" : " (lossy)");
    return 0;
}
