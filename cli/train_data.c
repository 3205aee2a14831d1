/* The look at the data before training: see train_data.h. */
#include "cli/train_data.h"

#include "cli/text_output.h"
#include "core/clock.h"
#include "net/label_rules.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 512 };

/* "labels 0..11 (12 classes seen), 255 is ignored" */
static void label_text(const sa_data_survey *s, char *text, size_t size)
{
    if (s->labels_per_image) {
        int used = snprintf(text, size, "a class per image, %d..%d", (int)s->label_low, (int)s->label_high);
        if (s->labels_read < s->entries && used > 0 && (size_t)used < size)
            snprintf(text + used, size - (size_t)used, " in the first %zu", s->labels_read);
        return;
    }
    int low = 256, high = -1, seen = 0;
    char some[64] = "", ignored[64] = "";
    for (int v = 0; v < 256; v++) {
        bool left_out = s->has_ignore && v == s->ignore_label;
        if (!s->label_seen[v]) continue;
        if (left_out) snprintf(ignored, sizeof ignored, ", %d is ignored", v);
        if (left_out) continue;
        low = low < v ? low : v;
        high = v;
        seen++;
    }
    if (s->labels_read < s->entries) snprintf(some, sizeof some, " in the first %zu", s->labels_read);
    if (seen == 0) snprintf(text, size, "no class%s%s", some, ignored);
    else snprintf(text, size, "labels %d..%d (%d class%s seen%s)%s", low, high, seen, seen == 1 ? "" : "es", some, ignored);
}

static void tell_found(const sa_net *net, const char *layer, const sa_data_survey *s, FILE *out)
{
    char labels[256];
    const sa_layer *l = &net->layer[sa_net_layer_index(net, layer)];
    const int32_t *d = net->blob[l->top[0]].shape.dim;
    label_text(s, labels, sizeof labels);
    sa_text_say(out, 7, "data   %s: %zu entries, %dx%d, %d channels%s, %s%s", s->list, s->entries, d[2], d[3], d[1],
                s->deep_images ? " (16 bits kept)" : "", labels, s->palette_labels ? " (palette indices)" : "");
}

static void tell_dropped(const sa_data_survey *s, int32_t channels, FILE *out)
{
    if (s->alpha_images > 0)
        sa_text_say(
            out, 0,
            "note: '%s'%s a fourth channel (alpha), which is dropped as in Caffe; %d mean_value entries in transform_param, one "
            "for each channel, keep it",
            s->alpha_name, s->alpha_images > 1 ? " and others have" : " has", channels + 1);
    if (s->cut_images > 0)
        sa_text_say(
            out, 0,
            "note: '%s'%s 16 bits, of which the high byte is taken as in Caffe; grey images keep all 16 where they give one "
            "channel: with is_color: false, or with several images on a line",
            s->cut_name, s->cut_images > 1 ? " and others have" : " has");
}

static sa_status refuse(const sa_data_survey *s, FILE *out)
{
    char first[LINE_BYTES];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(s->problems, "\n"), s->problems);
    if (s->bad_entries == 1) SA_FAIL(SA_INVALID, "%s", first);
    if (out) fputs(s->problems, out);
    SA_FAIL(SA_INVALID, "%s: %zu of %zu entries cannot be used; the first: %s", s->list, s->bad_entries, s->entries, first);
}

/* A long look shows how far it is, and a signal ends it. */
typedef struct looker {
    FILE *out; /* NULL: nothing is shown */
    const volatile sig_atomic_t *stop;
    double next_s; /* when a line is due; 0: not known yet */
    bool live, shown;
} looker;

/* Half a second after the first call, then four times a second on a terminal and every 5 s in a log. */
static bool due(looker *l)
{
    double now_s = sa_clock_seconds();
    bool first = l->next_s == 0, is_due = !first && now_s >= l->next_s;
    if (first) l->next_s = now_s + 0.5;
    if (is_due) l->next_s = now_s + (l->live ? 0.25 : 5.0);
    return is_due;
}

static bool look(void *context, size_t done, size_t entries)
{
    looker *l = context;
    if (l->stop && *l->stop) return false;
    if (!l->out || !due(l)) return true;
    fprintf(l->out, "%sdata   looking at the list: entry %zu of %zu%s", l->live ? "\r\033[K" : "", done + 1, entries,
            l->live ? "" : "\n");
    fflush(l->out);
    l->shown = true;
    return true;
}

sa_status sa_train_look_at_data(const sa_net *net, const sa_feed *feed, const volatile sig_atomic_t *stop, FILE *out)
{
    looker view = {.out = out, .stop = stop, .live = out && isatty(fileno(out)) == 1};
    char warning[SA_LABEL_WARNING_BYTES];
    if (sa_net_single_class_warning(net, warning) && out) sa_text_say(out, 0, "warning: %s", warning);
    if (sa_feed_is_synthetic(feed) && out) sa_text_say(out, 7, "data   synthetic scenes: the net names no files");
    for (int i = 0; i < sa_feed_list_count(feed); i++) {
        sa_data_survey survey = {.look = look, .look_context = &view};
        const char *layer;
        sa_status status = sa_feed_survey(feed, i, &layer, &survey);
        if (view.live && view.shown) fputs("\r\033[K", out);
        if (status == SA_OK && survey.bad_entries > 0) status = refuse(&survey, out);
        if (status == SA_OK && out) {
            tell_found(net, layer, &survey, out);
            tell_dropped(&survey, net->blob[net->layer[sa_net_layer_index(net, layer)].top[0]].shape.dim[1], out);
        }
        free(survey.problems);
        SA_TRY(status);
    }
    return SA_OK;
}
