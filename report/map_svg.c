/* Draws plans into an SVG file. A panel:
 *
 *     old, caffe: 6.80 GiB
 *     forward | backward   |      the phases
 *     +--------------------+
 *     | conv1 |            |      rectangles: ops to the right, addresses upwards; a colour per kind, another one from the op on
 * that |   pool1 |          |      writes another kind of value
 *     +--------------------+ */
#include "report/map_svg.h"

#include "core/size_text.h"
#include "report/buffer_uses.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made from report/timeline/page.css: the colours are there, once. */
extern const char sa_timeline_style[];

enum { WIDTH = 960, LEFT = 68, GAP = 84, RIGHT = 14, TOP = 46, MAP_HEIGHT = 236, ROW_GAP = 68, LEGEND = 30, LABEL_WIDTH = 7 };

static const char *const KIND_TITLES[SA_BUFFER_KINDS] = {
    [SA_BUFFER_PARAM] = "parameters",      [SA_BUFFER_GRAD] = "their gradients",   [SA_BUFFER_HISTORY] = "momentum",
    [SA_BUFFER_INPUT] = "input",           [SA_BUFFER_ACTIVATION] = "activations", [SA_BUFFER_ACTIVATION_GRAD] = "their gradients",
    [SA_BUFFER_SAVED] = "saved by layers", [SA_BUFFER_MASK] = "pooling masks",     [SA_BUFFER_WORKSPACE] = "workspaces",
    [SA_BUFFER_SCALAR] = "scalars"};

typedef struct drawing {
    FILE *out;
    const sa_map_svg_options *options;
    double left, top, width;       /* of the panel's plot */
    double first_scale_bytes;      /* at that of the first row's panels */
    double scale_bytes;            /* at its upper edge */
    double drawn[SA_BUFFER_KINDS]; /* bytes times ops of all panels: the legend has what is seen */
} drawing;

/* ---- colours ---- */

/* The value of --name in the page's style, its dark one behind "dark". "#888888" if it is no colour of six digits. */
static void colour(const char *name, bool is_dark, char text[8])
{
    char key[64];
    const char *style = is_dark ? strstr(sa_timeline_style, "dark") : sa_timeline_style;
    snprintf(key, sizeof key, "--%s: #", name);
    const char *at = style ? strstr(style, key) : NULL;
    snprintf(text, 8, "%.7s", at ? at + strlen(key) - 1 : "#888888");
}

static double luminance(const char *hex)
{
    static const double WEIGHT[] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        const char digits[] = {hex[1 + 2 * i], hex[2 + 2 * i], '\0'};
        const double part = (double)strtol(digits, NULL, 16) / 255.0;
        sum += WEIGHT[i] * (part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4));
    }
    return sum;
}

/* Black or white, whichever is read better on a colour of this luminance. */
static const char *ink_on(double fill)
{
    const double black = (fill + 0.05) / (luminance("#10141a") + 0.05), white = 1.05 / (fill + 0.05);
    return black >= white ? "#10141a" : "#ffffff";
}

static void print_colours(FILE *out, bool is_dark)
{
    static const char *const NAMES[][2] = {{"card", ".card{fill"},    {"plot", ".plot{fill"},      {"line", ".plot{stroke"},
                                           {"ink", ".ink{fill"},      {"soft", ".soft{fill"},      {"grid", ".grid{stroke"},
                                           {"forward", ".p0{fill"},   {"backward", ".p1{fill"},    {"update", ".p2{fill"},
                                           {"cursor", ".cap{stroke"}, {"cursor", ".capname{fill"}, {"plot", ".capname{stroke"}};
    char hex[8];
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        colour(NAMES[i][0], is_dark, hex);
        fprintf(out, "%s:%s}", NAMES[i][1], hex);
    }
    for (int k = 0; k < SA_BUFFER_KINDS; k++) {
        char plot[8];
        colour(sa_buffer_kind_name((sa_buffer_kind)k), is_dark, hex);
        colour("plot", is_dark, plot);
        fprintf(out, ".k%d{fill:%s;stroke:%s}.t%d{fill:%s}", k, hex, plot, k, ink_on(luminance(hex)));
    }
}

/* ---- one panel ---- */

static void print_text(FILE *out, const char *text, size_t most)
{
    for (size_t i = 0; i < most && text[i]; i++) {
        if (text[i] == '&') fputs("&amp;", out);
        else if (text[i] == '<') fputs("&lt;", out);
        else fputc((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~' ? '?' : text[i], out);
    }
}

/* A round size without the zeroes behind its point: "8 GiB". */
static const char *round_size(double bytes, char text[SA_SIZE_TEXT_BYTES])
{
    sa_size_format((size_t)bytes, text);
    char *point = strchr(text, '.'), *unit = strchr(text, ' ');
    if (point && unit && strspn(point + 1, "0") == (size_t)(unit - point - 1)) memmove(point, unit, strlen(unit) + 1);
    return text;
}

static double x_of(const drawing *d, const sa_plan_report *r, double op)
{
    return d->left + op / (double)r->step_count * d->width;
}

static double y_of(const drawing *d, double bytes)
{
    return d->top + MAP_HEIGHT * (1.0 - bytes / d->scale_bytes);
}

static void draw_frame(const drawing *d, const sa_plan_report *r)
{
    const sa_program *p = r->layout->program;
    char peak[SA_SIZE_TEXT_BYTES], size[SA_SIZE_TEXT_BYTES];
    fprintf(d->out, "<text class=\"ink b\" x=\"%.0f\" y=\"%.0f\">", d->left, d->top - 24);
    print_text(d->out, r->net->name, 40);
    fputs(", ", d->out);
    print_text(d->out, r->strategy->name, 60);
    fprintf(d->out, ": %s", sa_size_format(r->layout->plan.peak_bytes, peak));
    if (d->scale_bytes < 0.8 * d->first_scale_bytes)
        fprintf(d->out, ", drawn %.0f times larger", d->first_scale_bytes / d->scale_bytes);
    fprintf(d->out, "</text>\n<rect class=\"plot\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n", d->left, d->top,
            d->width, MAP_HEIGHT);
    size_t begin = 0;
    for (int phase = 0; phase < SA_STEP_PHASES; phase++) {
        const size_t end = p->phase_end[phase];
        const double from = x_of(d, r, (double)begin), width = x_of(d, r, (double)end) - from;
        const char *name = sa_step_phase_name((sa_step_phase)phase);
        begin = end;
        if (width <= 0) continue;
        fprintf(d->out, "<rect class=\"p%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"15\"/>", phase, from, d->top - 17,
                width);
        if (width > 8.0 * (double)strlen(name))
            fprintf(d->out, "<text class=\"ink\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", from + width / 2,
                    d->top - 5, name);
    }
    double gap = 1;
    while (d->scale_bytes / gap > 5) gap *= 2;
    for (double bytes = 0; bytes <= d->scale_bytes; bytes += gap) {
        fprintf(d->out, "<path class=\"grid\" d=\"M%.1f %.1fh%.1f\"/>", d->left, y_of(d, bytes), d->width);
        fprintf(d->out, "<text class=\"soft\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", d->left - 6,
                y_of(d, bytes) + 4, bytes > 0 ? round_size(bytes, size) : "0");
    }
}

/* A piece of a buffer's rectangle, ops [begin, end). */
static void draw_piece(drawing *d, const sa_plan_report *r, size_t buffer, sa_buffer_kind kind, size_t begin, size_t end)
{
    const sa_buffer *b = &r->layout->program->buffer[buffer];
    const double low = (double)r->layout->plan.offset_bytes[buffer], x = x_of(d, r, (double)begin),
                 y = y_of(d, low + (double)b->size_bytes);
    const double width = x_of(d, r, (double)end) - x, height = fmax(y_of(d, low) - y, 0.4);
    d->drawn[kind] += (double)b->size_bytes * (double)(end - begin);
    fprintf(d->out, "<rect class=\"k%d\" x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\"%s/>", (int)kind, x, y, width, height,
            height < 3 || width < 2 ? " stroke-width=\"0\"" : "");
    const size_t room = width > 8 ? (size_t)((width - 8) / LABEL_WIDTH) : 0;
    if (height >= 13 && room >= 4 && strlen(b->name) <= room && (int64_t)begin == b->begin) {
        fprintf(d->out, "<text class=\"t%d\" x=\"%.1f\" y=\"%.1f\">", (int)kind, x + 4, y + height / 2 + 4);
        print_text(d->out, b->name, room);
        fputs("</text>", d->out);
    }
    fputc('\n', d->out);
}

static sa_buffer_kind kind_of(const sa_buffer *b, int32_t value)
{
    if (value <= 0) return b->kind;
    if (value % 2 == 0) return SA_BUFFER_ACTIVATION_GRAD;
    return b->kind == SA_BUFFER_ACTIVATION_GRAD ? SA_BUFFER_ACTIVATION : b->kind;
}

/* One rectangle for each kind of value that the buffer holds in turn. *row: its first row in uses->holding, moved behind its last.
 */
static void draw_buffer(drawing *d, const sa_plan_report *r, const sa_buffer_uses *uses, size_t buffer, size_t *row)
{
    const sa_buffer *b = &r->layout->program->buffer[buffer];
    size_t begin = (size_t)b->begin, seen = SIZE_MAX;
    sa_buffer_kind kind = b->kind;
    for (; *row < uses->holding_count && uses->holding[*row].buffer == buffer; ++*row) {
        const sa_buffer_holding *h = &uses->holding[*row];
        const bool is_largest = h->from_op != seen;
        seen = h->from_op;
        if (!is_largest || kind_of(b, h->value) == kind) continue;
        if (h->from_op > begin) draw_piece(d, r, buffer, kind, begin, h->from_op);
        if (h->from_op > begin) begin = h->from_op;
        kind = kind_of(b, h->value);
    }
    draw_piece(d, r, buffer, kind, begin, (size_t)b->end);
}

static sa_status draw_panel(drawing *d, const sa_plan_report *r)
{
    sa_buffer_uses uses;
    size_t row = 0;
    SA_TRY(sa_buffer_uses_create(r->layout->program, &uses));
    draw_frame(d, r);
    for (size_t i = 0; i < r->layout->program->buffer_count; i++) draw_buffer(d, r, &uses, i, &row);
    sa_buffer_uses_free(&uses);
    const double capacity = (double)d->options->capacity_bytes;
    if (capacity > 0 && capacity <= d->scale_bytes) {
        char size[SA_SIZE_TEXT_BYTES];
        const double y = y_of(d, capacity);
        fprintf(d->out, "<path class=\"cap\" d=\"M%.1f %.1fh%.1f\"/>", d->left, y, d->width);
        fprintf(d->out, "<text class=\"capname b\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">a card of %s</text>\n",
                d->left + d->width - 4, y + 15, round_size(capacity, size));
    }
    return SA_OK;
}

/* ---- the picture ---- */

static void draw_legend(const drawing *d, double y)
{
    double x = LEFT, all = 0;
    for (int k = 0; k < SA_BUFFER_KINDS; k++) all += d->drawn[k];
    for (int k = 0; k < SA_BUFFER_KINDS; k++) {
        if (d->drawn[k] < 0.01 * all) continue;
        fprintf(d->out,
                "<rect class=\"k%d\" x=\"%.0f\" y=\"%.0f\" width=\"12\" height=\"12\"/><text class=\"ink\" x=\"%.0f\" "
                "y=\"%.0f\">%s</text>\n",
                k, x, y - 10, x + 17, y, KIND_TITLES[k]);
        x += 17 + 7.4 * (double)strlen(KIND_TITLES[k]) + 18;
    }
}

static sa_status draw_all(drawing *d, const sa_plan_report *const *reports, size_t count)
{
    const size_t columns = d->options->columns, rows = (count + columns - 1) / columns;
    const int height = TOP + (int)rows * (MAP_HEIGHT + ROW_GAP) - ROW_GAP + LEGEND + 18;
    fprintf(d->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n<title>Maps "
            "of arenas: "
            "addresses over the ops of a training step</title>\n<style>text{font:12px system-ui,sans-serif}.b{font-weight:600}"
            ".cap{stroke-width:2;stroke-dasharray:7 4;fill:none}.capname{paint-order:stroke;stroke-width:4}",
            WIDTH, height, WIDTH, height);
    print_colours(d->out, false);
    fputs("@media(prefers-color-scheme:dark){", d->out);
    print_colours(d->out, true);
    fputs("}</style>\n<rect class=\"card\" width=\"100%\" height=\"100%\"/>\n", d->out);
    d->width = (WIDTH - LEFT - RIGHT - GAP * (double)(columns - 1)) / (double)columns;
    for (size_t i = 0; i < count; i++) {
        size_t most = 0;
        for (size_t j = i - i % columns; j < count && j < i - i % columns + columns; j++)
            if (reports[j]->layout->plan.peak_bytes > most) most = reports[j]->layout->plan.peak_bytes;
        d->scale_bytes = most > 0 ? (double)most : 1;
        if (i < columns) d->first_scale_bytes = d->scale_bytes;
        d->left = LEFT + (double)(i % columns) * (d->width + GAP);
        d->top = TOP + (double)(i / columns) * (MAP_HEIGHT + ROW_GAP);
        SA_TRY(draw_panel(d, reports[i]));
    }
    draw_legend(d, height - 14);
    fputs("</svg>\n", d->out);
    return SA_OK;
}

sa_status sa_map_svg(const sa_plan_report *const *reports, size_t count, const sa_map_svg_options *options, char **text)
{
    char *made = NULL;
    size_t bytes;
    drawing d = {.out = open_memstream(&made, &bytes), .options = options};
    if (!d.out) SA_FAIL(SA_NOMEM, "no memory for a picture of %zu plans", count);
    sa_status status = draw_all(&d, reports, count);
    if (fclose(d.out) != 0 && status == SA_OK) status = sa_error_set(SA_NOMEM, "no memory for a picture of %zu plans", count);
    if (status != SA_OK) {
        free(made);
        return status;
    }
    *text = made;
    return SA_OK;
}
