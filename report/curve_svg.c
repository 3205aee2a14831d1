/* The picture of a learning curve. One panel per kind of figure, all over the same steps:
 *
 *     Loss             of each step: the band from least to most, and the running mean; tests as dots
 *     Accuracy, IoU    the same, in percent
 *     Learning rate    as steps, on a logarithmic axis if it changes
 *
 * What is drawn of many steps is drawn by buckets, so the size of the file does not grow with the training. */
#include "report/curve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 960, LEFT = 62, RIGHT = 196, TOP = 70, GAP = 58, BOTTOM = 44, BUCKETS_MAX = 360, COLOURS = 6, DOTS_MAX = 120 };

typedef enum kind { LOSS, SHARE, RATE, KINDS } kind;

static const struct {
    const char *title;
    int height;
} PANELS[KINDS] = {{"Loss", 220}, {"Accuracy and IoU, %", 220}, {"Learning rate", 76}};

typedef struct bucket {
    double step, low, high, sum, last;
    size_t count;
} bucket;

typedef struct panel {
    kind kind;
    int top;          /* of its plot, in the picture */
    double low, high; /* of its axis; of a logarithmic one the exponents */
    bool is_log;
} panel;

typedef struct drawing {
    FILE *out;
    const sa_curve *curve;
    double first_step, last_step;
    bucket *bucket; /* (BUCKETS_MAX): of one column at a time */
    int bucket_count;
} drawing;

/* ---- columns ---- */

static const char *without_test(const char *name)
{
    if (strncmp(name, "test", 4)) return name;
    const char *at = name + 4 + strspn(name + 4, "0123456789");
    return *at == '_' ? at + 1 : name;
}

static bool is_test(const char *name)
{
    return without_test(name) != name;
}

static kind kind_of(const char *name)
{
    const char *own = without_test(name);
    return !strcmp(own, "rate") ? RATE : strncmp(own, "loss", 4) ? SHARE : LOSS;
}

static double cell(const sa_curve *curve, size_t row, int column)
{
    return curve->value[row * (size_t)curve->column_count + (size_t)column];
}

static void print_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '&') fputs("&amp;", out);
        else if (*text == '<') fputs("&lt;", out);
        else fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
    }
}

/* "test_mean_iou" reads "test mean IoU". */
static void print_name(FILE *out, const char *name)
{
    char text[SA_CURVE_NAME_BYTES];
    snprintf(text, sizeof text, "%s", name);
    char *iou = strstr(text, "_iou");
    if (iou && !iou[4]) memcpy(iou, " IoU", 4);
    for (char *at = text; *at; at++) *at = *at == '_' ? ' ' : *at;
    print_text(out, text);
}

/* ---- buckets ---- */

static void fill_buckets(drawing *d, int column)
{
    const sa_curve *c = d->curve;
    size_t filled = 0, seen = 0;
    for (size_t r = 0; r < c->row_count; r++) filled += isfinite(cell(c, r, column)) != 0;
    d->bucket_count = filled < BUCKETS_MAX ? (int)filled : BUCKETS_MAX;
    memset(d->bucket, 0, BUCKETS_MAX * sizeof *d->bucket);
    for (size_t r = 0; r < c->row_count; r++) {
        double v = cell(c, r, column);
        if (!isfinite(v)) continue;
        bucket *b = &d->bucket[seen++ * (size_t)d->bucket_count / filled];
        b->low = b->count == 0 || v < b->low ? v : b->low;
        b->high = b->count == 0 || v > b->high ? v : b->high;
        b->step += (cell(c, r, 0) - b->step) / (double)++b->count;
        b->sum += v;
        b->last = v;
    }
}

/* The mean over the buckets around one. */
static double running_mean(const drawing *d, int at)
{
    int reach = d->bucket_count / 60;
    double sum = 0, count = 0;
    for (int b = at - reach; b <= at + reach; b++) {
        if (b < 0 || b >= d->bucket_count) continue;
        sum += d->bucket[b].sum;
        count += (double)d->bucket[b].count;
    }
    return sum / count;
}

/* ---- axes ---- */

static double x_of(const drawing *d, double step)
{
    double span = d->last_step > d->first_step ? d->last_step - d->first_step : 1;
    return LEFT + (WIDTH - LEFT - RIGHT) * (step - d->first_step) / span;
}

static double y_of(const panel *p, double value)
{
    double v = p->is_log ? log10(value) : p->kind == SHARE ? 100 * value : value;
    return p->top + PANELS[p->kind].height * (p->high - v) / (p->high - p->low);
}

/* 1, 2 or 5 times a power of ten: about `count` of them make up the span. */
static double nice_step(double span, int count)
{
    double raw = span / count, power = pow(10, floor(log10(raw)));
    for (int m = 1; m <= 5; m += m == 1 ? 1 : 3)
        if (m * power >= raw * 0.99) return m * power;
    return 10 * power;
}

static void widen(panel *p, double value)
{
    if (!isfinite(value)) return;
    p->low = value < p->low ? value : p->low;
    p->high = value > p->high ? value : p->high;
}

/* The range of what is drawn as lines; a spike of a single step is cut off at the panel's top. */
static void find_range(drawing *d, panel *p)
{
    p->low = INFINITY;
    p->high = -INFINITY;
    for (int c = 1; c < d->curve->column_count; c++) {
        if (kind_of(d->curve->column[c].name) != p->kind) continue;
        fill_buckets(d, c);
        for (int b = 0; b < d->bucket_count; b++)
            widen(p, is_test(d->curve->column[c].name) || p->kind == RATE ? d->bucket[b].last : running_mean(d, b));
    }
    if (p->kind == RATE && p->low > 0 && p->high > p->low) {
        p->is_log = true;
        p->low = floor(log10(p->low) + 1e-6);
        p->high = ceil(log10(p->high) - 1e-6) + 0.1;
        return;
    }
    double factor = p->kind == SHARE ? 100 : 1, room = p->kind == LOSS ? 0.15 : 0.02;
    p->high = factor * p->high + room * factor * (p->high - p->low);
    p->low = p->kind == SHARE ? factor * p->low : 0;
    if (!(p->high > p->low)) p->high = p->low + (p->low > 0 ? p->low : 1);
    double step = nice_step(p->high - p->low, p->kind == RATE ? 2 : 5);
    p->low = step * floor(p->low / step + 1e-9);
    if (p->kind != LOSS) p->high = step * ceil(p->high / step - 1e-9);
    if (p->kind == SHARE && p->high > 100) p->high = 100;
}

static void draw_axes(const drawing *d, const panel *p)
{
    double step = p->is_log ? 1 : nice_step(p->high - p->low, p->kind == RATE ? 2 : 5);
    int right = WIDTH - RIGHT, bottom = p->top + PANELS[p->kind].height;
    fprintf(d->out, "<text class=\"head\" x=\"%d\" y=\"%d\">%s</text>\n", LEFT, p->top - 12, PANELS[p->kind].title);
    for (double v = step * ceil(p->low / step - 1e-9); v <= p->high + 1e-9 * step; v += step) {
        double shown = fabs(v) < 1e-9 * step ? 0 : v, y = p->top + (bottom - p->top) * (p->high - v) / (p->high - p->low);
        fprintf(d->out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\">%g</text>\n", LEFT, y,
                right, LEFT - 8, y + 4, p->is_log ? pow(10, shown) : shown);
    }
    double steps = nice_step(d->last_step - d->first_step > 0 ? d->last_step - d->first_step : 1, 7);
    steps = steps < 1 ? 1 : steps;
    for (double v = steps * ceil(d->first_step / steps); v <= d->last_step + 1e-9; v += steps) {
        fprintf(d->out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", x_of(d, v), p->top, bottom);
        fprintf(d->out, "<text class=\"foot\" x=\"%.1f\" y=\"%d\">%.0f</text>\n", x_of(d, v), bottom + 17, v);
    }
}

/* ---- series ---- */

/* Every step's figure: the band that the buckets cover, or a thin line where each is one step. */
static void draw_band(const drawing *d, const panel *p, int colour)
{
    bool many = false;
    for (int b = 0; b < d->bucket_count; b++) many |= d->bucket[b].count > 1;
    fprintf(d->out, "<path class=\"%s c%d\" d=\"", many ? "band" : "raw", colour);
    for (int b = 0; b < d->bucket_count; b++)
        fprintf(d->out, "%c%.1f %.1f", b ? 'L' : 'M', x_of(d, d->bucket[b].step), y_of(p, d->bucket[b].high));
    for (int b = d->bucket_count - 1; many && b >= 0; b--)
        fprintf(d->out, "L%.1f %.1f", x_of(d, d->bucket[b].step), y_of(p, d->bucket[b].low));
    fputs(many ? "Z\"/>\n" : "\"/>\n", d->out);
}

static void draw_line(const drawing *d, const panel *p, const char *name, int colour)
{
    bool test = is_test(name), dots = test && d->bucket_count <= DOTS_MAX;
    fprintf(d->out, "<path class=\"line c%d\" d=\"", colour);
    for (int b = 0; b < d->bucket_count; b++) {
        const bucket *k = &d->bucket[b];
        double y = y_of(p, test || p->kind == RATE ? k->last : running_mean(d, b));
        if (b && p->kind == RATE) fprintf(d->out, "H%.1fV%.1f", x_of(d, k->step), y);
        else fprintf(d->out, "%c%.1f %.1f", b ? 'L' : 'M', x_of(d, k->step), y);
    }
    fputs("\"/>\n", d->out);
    for (int b = 0; dots && b < d->bucket_count; b++) {
        const bucket *k = &d->bucket[b];
        fprintf(d->out, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>step %.0f: ", colour, x_of(d, k->step),
                y_of(p, k->last), k->step);
        fprintf(d->out, p->kind == SHARE ? "%.1f %%" : "%.4g", p->kind == SHARE ? 100 * k->last : k->last);
        fputs("</title></circle>\n", d->out);
    }
}

static void draw_legend(const drawing *d, const panel *p, const char *name, int colour, int row)
{
    int x = WIDTH - RIGHT + 16, y = p->top + 12 + 36 * row;
    double last = is_test(name) || p->kind == RATE ? d->bucket[d->bucket_count - 1].last : running_mean(d, d->bucket_count - 1);
    if (y + 18 > p->top + PANELS[p->kind].height) return; /* no room: the lines speak for themselves */
    fprintf(d->out, "<path class=\"key c%d\" d=\"M%d %dh14\"/><text class=\"name\" x=\"%d\" y=\"%d\">", colour, x, y - 4, x + 21,
            y);
    print_name(d->out, name);
    fprintf(d->out, "</text><text class=\"value\" x=\"%d\" y=\"%d\">", x + 21, y + 15);
    fprintf(d->out, p->kind == SHARE ? "now %.1f %%" : "now %.4g", p->kind == SHARE ? 100 * last : last);
    fputs("</text>\n", d->out);
}

static void draw_series(drawing *d, const panel *p)
{
    int number = 0;
    fprintf(d->out, "<clipPath id=\"p%d\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/></clipPath>\n", (int)p->kind,
            LEFT - 4, p->top - 4, WIDTH - LEFT - RIGHT + 8, PANELS[p->kind].height + 8);
    for (int c = 1; c < d->curve->column_count; c++) {
        const char *name = d->curve->column[c].name;
        if (kind_of(name) != p->kind) continue;
        fill_buckets(d, c);
        int colour = number++ % COLOURS;
        if (d->bucket_count == 0) continue;
        fprintf(d->out, "<g clip-path=\"url(#p%d)\">\n", (int)p->kind);
        if (!is_test(name) && p->kind != RATE) draw_band(d, p, colour);
        draw_line(d, p, name, colour);
        fputs("</g>\n", d->out);
        draw_legend(d, p, name, colour, number - 1);
    }
}

/* ---- the page ---- */

static const char STYLE[] =
    "<style>\n"
    "svg{--paper:#fff;--ink:#1a1f27;--soft:#55606e;--grid:#e3e7ec;--c0:#0b5cad;--c1:#d9620b;--c2:#23803a;--c3:#8a3ab9;--c4:#c2185b;"
    "--c5:#6b6a10;font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}\n"
    "@media(prefers-color-scheme:dark){svg{--paper:#14171c;--ink:#e9edf2;--soft:#a5b0be;--grid:#2b313a;--c0:#6db1f5;--c1:#ff9d52;"
    "--c2:#6fd08a;--c3:#cf9bf0;--c4:#ff7da8;--c5:#d3d162}}\n"
    ".c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}\n"
    "path{fill:none}.grid{stroke:var(--grid)}.line{stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}\n"
    ".raw{stroke:var(--c);stroke-width:.8;opacity:.35}.band{fill:var(--c);opacity:.18}.dot{fill:var(--paper);stroke:var(--c);"
    "stroke-width:1.6}.key{stroke:var(--c);stroke-width:3.5;stroke-linecap:round}\n"
    "text{fill:var(--soft)}.title{font-size:18px;font-weight:600;fill:var(--ink)}.head{font-weight:600;fill:var(--ink)}.name{fill:"
    "var(--ink)}\n"
    ".tick{text-anchor:end;font-size:12px}.foot{text-anchor:middle;font-size:12px}.value{font-size:12px}\n"
    ".mark{stroke:var(--soft);stroke-dasharray:4 4}.best{font-size:12px}\n"
    "</style>\n";

static void draw_mark(const drawing *d, const panel *p, double step)
{
    double x = x_of(d, step);
    if (step < d->first_step || step > d->last_step || p->kind == RATE) return;
    fprintf(d->out, "<path class=\"mark\" d=\"M%.1f %dv%d\"/>\n", x, p->top, PANELS[p->kind].height);
    bool left = x > LEFT + 110;
    if (p->kind == SHARE)
        fprintf(d->out, "<text class=\"best\" text-anchor=\"%s\" x=\"%.1f\" y=\"%d\">best: step %.0f</text>\n",
                left ? "end" : "start", left ? x - 5 : x + 5, p->top + PANELS[p->kind].height - 8, step);
}

static bool has_kind(const sa_curve *curve, kind k)
{
    for (int c = 1; c < curve->column_count; c++)
        for (size_t r = 0; r < curve->row_count && kind_of(curve->column[c].name) == k; r++)
            if (isfinite(cell(curve, r, c))) return true;
    return false;
}

static void draw(drawing *d, const char *title, double marked_step)
{
    int height = TOP;
    for (int k = 0; k < KINDS; k++)
        if (has_kind(d->curve, (kind)k)) height += PANELS[k].height + GAP;
    height += BOTTOM - GAP;
    fprintf(d->out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n<title>Learning curve of ",
            (int)WIDTH, height);
    print_text(d->out, title);
    fprintf(d->out, "</title>\n%s<rect width=\"%d\" height=\"%d\" rx=\"10\" fill=\"var(--paper)\"/>\n", STYLE, (int)WIDTH, height);
    fprintf(d->out, "<text class=\"title\" x=\"%d\" y=\"32\">", (int)LEFT);
    print_text(d->out, title);
    fputs("</text>\n", d->out);
    panel p = {.top = TOP};
    for (int k = 0; k < KINDS; k++) {
        if (!has_kind(d->curve, (kind)k)) continue;
        p = (panel){.kind = (kind)k, .top = p.top};
        find_range(d, &p);
        draw_axes(d, &p);
        draw_series(d, &p);
        draw_mark(d, &p, marked_step);
        p.top += PANELS[k].height + GAP;
    }
    fprintf(d->out, "<text class=\"value\" x=\"%d\" y=\"%d\">steps</text>\n</svg>\n", WIDTH - RIGHT + 16, height - BOTTOM + 17);
}

char *sa_curve_svg(const sa_curve *curve, const char *title, double marked_step)
{
    char *text = NULL;
    size_t length;
    drawing d = {.curve = curve, .bucket = calloc(BUCKETS_MAX, sizeof *d.bucket), .out = open_memstream(&text, &length)};
    if (d.bucket && d.out) {
        if (curve->row_count > 0) {
            d.first_step = cell(curve, 0, 0);
            d.last_step = cell(curve, curve->row_count - 1, 0);
        }
        draw(&d, title, marked_step);
    }
    bool failed = !d.bucket || !d.out || ferror(d.out);
    if (d.out && fclose(d.out) != 0) failed = true;
    free(d.bucket);
    if (!failed) return text;
    free(text);
    return NULL;
}
