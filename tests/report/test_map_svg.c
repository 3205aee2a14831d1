/* The picture of plans: every buffer is drawn at its place, twice the same, and names from files cannot end it. */
#include "net/net.h"
#include "report/map_svg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct planned {
    sa_net *net;
    sa_strategy strategy;
    sa_device *device;
    sa_layout layout;
    sa_plan_report report;
} planned;

static void set_up(planned *p, const char *path, const char *strategy)
{
    const sa_program_options options = {.training = true};
    memset(p, 0, sizeof *p);
    assert_int_equal(sa_device_open_cpu(2, &p->device), SA_OK);
    assert_int_equal(sa_net_load(path, NULL, &p->net), SA_OK);
    assert_int_equal(sa_strategy_parse(strategy, &p->strategy), SA_OK);
    assert_int_equal(sa_layout_create(p->net, &p->strategy, p->device, &options, &p->layout), SA_OK);
    assert_int_equal(sa_plan_report_create(p->net, &p->strategy, &p->layout, &p->report), SA_OK);
}

static void tear_down(planned *p)
{
    sa_plan_report_free(&p->report);
    sa_layout_free(&p->layout);
    sa_net_free(p->net);
    sa_device_close(p->device);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) n++;
    return n;
}

static void draw(const planned *p, size_t panels, size_t capacity_bytes, char **text)
{
    const sa_plan_report *reports[4];
    const sa_map_svg_options options = {.columns = 2, .capacity_bytes = capacity_bytes};
    for (size_t i = 0; i < panels; i++) reports[i] = &p[i].report;
    assert_int_equal(sa_map_svg(reports, panels, &options, text), SA_OK);
}

static void every_buffer_is_drawn(void **state)
{
    (void)state;
    planned p[2];
    set_up(&p[0], "nets/old.prototxt", "caffe");
    set_up(&p[1], "nets/new.prototxt", "fastest");
    char *text, *again;
    draw(p, 2, (size_t)4 << 30, &text);
    draw(p, 2, (size_t)4 << 30, &again);
    assert_string_equal(text, again);
    assert_true(count(text, "<rect class=\"k") >= p[0].layout.program->buffer_count + p[1].layout.program->buffer_count);
    assert_int_equal(count(text, "a card of 4 GiB"), 2);
    assert_int_equal(count(text, "old, caffe: 6.80 GiB"), 1);
    assert_int_equal(count(text, "new, fastest: 481.3 MiB"), 1);
    assert_int_equal(count(text, "http"), 1);    /* the namespace */
    assert_int_equal(count(text, "#888888"), 0); /* every colour was found in the page's style */
    free(text);
    free(again);
    tear_down(&p[0]);
    tear_down(&p[1]);
}

/* conv1 of `old` under fastest lies at 0, 201,326,592 of 736,695,744 bytes high, for ops 1 to 79 of 84, and is the gradient from op
 * 76 on: two rectangles beside each other. */
static void place_and_colour_are_the_plans(void **state)
{
    (void)state;
    planned p;
    set_up(&p, "nets/old.prototxt", "fastest");
    char *text;
    draw(&p, 1, 0, &text);
    const char *name = strstr(text, ">conv1</text>"), *rect = name;
    assert_non_null(name);
    while (strncmp(rect, "<rect", 5) != 0) rect--;
    double x, y, width, height, x2, y2;
    int kind, kind2;
    assert_int_equal(
        sscanf(rect, "<rect class=\"k%d\" x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\"", &kind, &x, &y, &width, &height), 5);
    assert_int_equal(kind, SA_BUFFER_ACTIVATION);
    const char *next = strstr(name, "<rect");
    assert_int_equal(sscanf(next, "<rect class=\"k%d\" x=\"%lf\" y=\"%lf\"", &kind2, &x2, &y2), 3);
    assert_int_equal(kind2, SA_BUFFER_ACTIVATION_GRAD);
    assert_true(x2 - x - width < 0.11 && x2 - x - width > -0.11 && y == y2);
    const char *plot = strstr(text, "<rect class=\"plot\"");
    double plot_x, plot_y, plot_width, plot_height;
    assert_int_equal(sscanf(plot, "<rect class=\"plot\" x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\"", &plot_x, &plot_y,
                            &plot_width, &plot_height),
                     4);
    const double high = plot_height * 201326592.0 / 736695744.0, wide = plot_width * 75.0 / 84.0;
    assert_true(height > high - 0.02 && height < high + 0.02);
    assert_true(width > wide - 0.11 && width < wide + 0.11);
    assert_true(y + height > plot_y + plot_height - 0.05 && y + height < plot_y + plot_height + 0.05);
    free(text);
    tear_down(&p);
}

static void names_are_escaped(void **state)
{
    (void)state;
    planned p;
    set_up(&p, "tests/golden/tiny_new/net.prototxt", "fastest");
    strcpy(p.net->name, "a<b>&\x01\xe9");
    char *text;
    draw(&p, 1, 0, &text);
    assert_non_null(strstr(text, "a&lt;b>&amp;??, fastest"));
    free(text);
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_buffer_is_drawn),
        cmocka_unit_test(place_and_colour_are_the_plans),
        cmocka_unit_test(names_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
