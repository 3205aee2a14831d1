/* Notes about strategies of which a part changes nothing. */
#include "cli/strategy_notes.h"

#include "core/hash.h"

#include "cli/commands.h"
#include "net/passes/passes.h"

#include <stdio.h>
#include <string.h>

/* Length of the switch's name that text begins with, 0: none. Names hold '-': the longest counts. */
static size_t switch_length(const char *text)
{
    size_t longest = 0;
    for (int i = 0; i < SA_SWITCH_COUNT; i++) {
        const char *name = sa_switch_get_info((sa_switch)i)->name;
        size_t n = strlen(name);
        bool ends = !strncmp(text, name, n) && (text[n] == '\0' || strchr("+-=", text[n]));
        if (ends && n > longest) longest = n;
    }
    return longest;
}

static bool same_choices(const sa_strategy *a, const sa_strategy *b)
{
    return a->switches == b->switches && a->band_channels == b->band_channels && a->recompute_count == b->recompute_count &&
           a->workspace_limit_bytes == b->workspace_limit_bytes;
}

static bool parse_part(const char *text, size_t length, sa_strategy *strategy)
{
    char part[sizeof strategy->name];
    if (length >= sizeof part) return false;
    memcpy(part, text, length);
    part[length] = '\0';
    bool parsed = sa_strategy_parse(part, strategy) == SA_OK;
    if (!parsed) sa_error_clear();
    return parsed;
}

/* Each switch by itself: the strategy up to it, against the strategy with it. */
static void note_switches(const char *command, const char *text)
{
    for (size_t at = strcspn(text, "+-"); text[at];) {
        sa_strategy before, after;
        char note[160];
        size_t name = switch_length(text + at + 1), end = at + 1 + name;
        if (text[end] == '=') end += strcspn(text + end, "+-");
        if (name > 0 && parse_part(text, at, &before) && parse_part(text, end, &after) && same_choices(&before, &after)) {
            snprintf(note, sizeof note, "'%.*s' changes nothing: it is %s already", (int)(end - at), text + at,
                     text[at] == '+' ? "on" : "off");
            sa_cli_note(command, note);
        }
        at = name > 0 ? end : at + 1;
        at += strcspn(text + at, "+-");
    }
}

/* What a value beyond what the net has means; those of presets go unsaid. */
static void note_values(const char *command, const char *text, const sa_strategy *strategy, const sa_net *net)
{
    int channels = 0, convolutions = 0;
    char note[160];
    for (int l = 0; l < net->layer_count; l++) {
        if (!net->layer[l].type->convolves) continue;
        int out = net->blob[net->layer[l].top[0]].shape.dim[1];
        convolutions++;
        if (out > channels) channels = out;
    }
    if (strstr(text, "banded=") && sa_strategy_has(strategy, SA_SWITCH_BANDED) && strategy->band_channels > channels) {
        snprintf(note, sizeof note, "banded=%d: no convolution of the net has more than %d channels, so one band has all of them",
                 (int)strategy->band_channels, channels);
        sa_cli_note(command, note);
    }
    if (strstr(text, "recompute=") && sa_strategy_has(strategy, SA_SWITCH_RECOMPUTE) && strategy->recompute_count > convolutions) {
        snprintf(note, sizeof note, "recompute=%d: the net has %d convolutions", (int)strategy->recompute_count, convolutions);
        sa_cli_note(command, note);
    }
}

void sa_strategy_notes(const char *command, const char *text, const sa_net *net)
{
    sa_strategy strategy;
    if (!parse_part(text, strlen(text), &strategy)) return;
    note_switches(command, text);
    note_values(command, text, &strategy, net);
}

/* ------------------------------------------------------------------ equal plans ------------------------------------ */

uint64_t sa_program_signature(const sa_program *p)
{
    uint64_t hash = SA_HASH_START;
    for (size_t i = 0; i < p->op_count; i++) hash = sa_hash_bytes(hash, p->op[i].name, strlen(p->op[i].name) + 1);
    for (size_t i = 0; i < p->buffer_count; i++) {
        const sa_buffer *b = &p->buffer[i];
        const uint64_t figures[] = {b->size_bytes, (uint64_t)b->begin, (uint64_t)b->end};
        hash = sa_hash_bytes(hash, b->name, strlen(b->name) + 1);
        hash = sa_hash_bytes(hash, figures, sizeof figures);
    }
    return hash;
}

bool sa_strategy_note_same(const char *command, const sa_strategy *strategy, const sa_strategy *other)
{
    char note[sizeof strategy->name + sizeof other->name + 64];
    if (same_choices(strategy, other)) return false;
    snprintf(note, sizeof note, "%s and %s come to the same plan for this net", other->name, strategy->name);
    sa_cli_note(command, note);
    return true;
}

sa_status sa_preset_note_same(const char *command, const sa_strategy *preset, const sa_program *program, const sa_net *net,
                              const sa_device *device, const sa_program_options *options)
{
    enum { LAYERS_MAX = 200 };
    uint64_t signature = sa_program_signature(program);
    for (int i = 0; sa_preset_at(i) && net->layer_count <= LAYERS_MAX; i++) {
        sa_strategy other;
        sa_program *made;
        if (!strcmp(sa_preset_at(i)->name, preset->name)) return SA_OK;
        SA_TRY(sa_strategy_parse(sa_preset_at(i)->name, &other));
        other.conv = preset->conv;
        SA_TRY(sa_program_for_strategy(net, &other, device, options, &made));
        bool same = sa_program_signature(made) == signature;
        sa_program_free(made);
        if (same && sa_strategy_note_same(command, preset, &other)) return SA_OK;
    }
    return SA_OK;
}
