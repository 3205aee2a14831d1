/* The timeline page: complete, alone, safe against names from files, and, where Chromium is installed, drawn and used without an
 * error. */
#include "cli/plan_output.h"
#include "net/net.h"
#include "report/timeline.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char DATA_BEGIN[] = "<script type=\"application/json\" id=\"plan\">", DATA_END[] = "</script>";

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
    assert_int_equal(sa_device_open_cpu(1, &p->device), SA_OK);
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

static char *make_page(const char *plan_json)
{
    char *page;
    size_t bytes;
    assert_non_null(plan_json);
    assert_int_equal(sa_timeline_page(plan_json, &page, &bytes), SA_OK);
    assert_int_equal(strlen(page), bytes);
    return page;
}

/* The plan inside the page, parsed. */
static cJSON *plan_in(const char *page)
{
    const char *begin = strstr(page, DATA_BEGIN);
    assert_non_null(begin);
    begin += strlen(DATA_BEGIN);
    assert_non_null(strstr(begin, DATA_END));
    cJSON *root = cJSON_ParseWithLength(begin, (size_t)(strstr(begin, DATA_END) - begin));
    assert_non_null(root);
    return root;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) n++;
    return n;
}

static void page_holds_the_plan(void **state)
{
    (void)state;
    planned p;
    set_up(&p, "nets/old.prototxt", "banded");
    char *json, *page;
    assert_int_equal(sa_plan_json_text(&p.report, NULL, &json), SA_OK);
    page = make_page(json);
    cJSON *root = plan_in(page), *buffers = cJSON_GetObjectItemCaseSensitive(root, "buffers"), *row;
    size_t i = 0;
    assert_int_equal(cJSON_GetArraySize(buffers), p.layout.program->buffer_count);
    cJSON_ArrayForEach(row, buffers)
    {
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring, p.layout.program->buffer[i].name);
        i++;
    }
    cJSON_Delete(root);
    free(page);
    free(json);
    tear_down(&p);
}

static void page_needs_no_other_file(void **state)
{
    (void)state;
    char *page = make_page("{}");
    assert_ptr_equal(strstr(page, "<!doctype html>"), page);
    assert_null(strstr(page, "@STYLE@"));
    assert_null(strstr(page, "@PLAN@"));
    assert_null(strstr(page, "@SCRIPT@"));
    assert_int_equal(count(page, "http"), 2); /* http-equiv and the name of the SVG namespace */
    assert_int_equal(count(page, "http://www.w3.org/2000/svg"), 1);
    assert_null(strstr(page, " src="));
    assert_int_equal(count(page, " href="), 1); /* no picture for the tab: an empty one, so that nothing is asked for */
    assert_int_equal(count(page, " href=\"data:,\""), 1);
    assert_null(strstr(page, "@import"));
    assert_null(strstr(page, "url(http"));
    assert_string_equal(page + strlen(page) - strlen("</html>\n"), "</html>\n");
    free(page);
}

static void names_cannot_end_the_script(void **state)
{
    (void)state;
    static const char NAME[] = "</script><script>alert(1)</script><!--";
    cJSON *plan = cJSON_CreateObject();
    cJSON_AddStringToObject(plan, "net", NAME);
    char *json = cJSON_PrintUnformatted(plan), *page = make_page(json);
    assert_null(strstr(page, "<script>alert"));
    cJSON *root = plan_in(page);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "net")->valuestring, NAME);
    cJSON_Delete(root);
    cJSON_Delete(plan);
    free(json);
    free(page);
}

/* ------------------------------------------------------------------ in a browser ----------------------------------- */

static bool has_chromium(void)
{
    return system("command -v chromium >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1") == 0;
}

/* What a visitor might do, one after the other; behind the page, as a script of its own. tests/report/test_page.sh does more, where
 * there is playwright. */
static const char VISIT[] =
    "<script>{const map = document.getElementById('map');"
    "const at = (type, x, y) => { const r = map.getBoundingClientRect(); map.dispatchEvent(new PointerEvent(type,"
    " {clientX: r.left + x, clientY: r.top + y, bubbles: true, pointerType: 'mouse', button: 0})); };"
    "const drag = (x, y, u, v) => { at('pointerdown', x, y); at('pointermove', (x + u) / 2, v); at('pointermove', u, v); "
    "at('pointerup', u, v); };"
    "at('pointermove', 300, 200); at('pointerdown', 300, 200); at('pointerup', 300, 200); drag(200, 60, 500, 150);"
    "for (const key of ['ArrowUp', 'ArrowUp', 'Enter', 'ArrowLeft', 'End', 'ArrowRight', 'ArrowDown', 'Home', 'Escape', "
    "'ArrowRight', 'x'])"
    " map.dispatchEvent(new KeyboardEvent('keydown', {key}));"
    "for (const button of document.querySelectorAll('#legend button')) button.click();"
    "by('search').value = 'CONV1'; by('search').dispatchEvent(new Event('input'));"
    "for (const button of document.querySelectorAll('#legend button')) button.click();"
    "const found = document.querySelectorAll('#hits button').length;"
    "by('list-all').click(); document.querySelector('#list button').click(); document.querySelector('#selected-card .buttons "
    "button').click();"
    "at('pointermove', 300, 200); map.dispatchEvent(new Event('dblclick'));"
    "for (const id of ['peak', 'hold', 'list-alive']) by(id).click();"
    "by('step').value = 3; by('step').dispatchEvent(new Event('input'));"
    "document.documentElement.dataset.visit = found > 0 && by('step-title').textContent.startsWith('Op 3:') ? 'done' : 'wrong';"
    "}</script>\n";

static void append(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The document as Chromium has it after the scripts ran; malloc'd. folder: for the page and the browser's profile. */
static char *document_after_scripts(const char *folder)
{
    char command[512];
    size_t length = 0, capacity = 1 << 22;
    char *text = malloc(capacity);
    assert_non_null(text);
    snprintf(command, sizeof command,
             "timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir=%s/profile --virtual-time-budget=5000 "
             "--dump-dom file://%s/page.html 2>/dev/null",
             folder, folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t n; (n = fread(text + length, 1, capacity - length - 1, pipe)) > 0;) length += n;
    assert_int_equal(pclose(pipe), 0);
    text[length] = '\0';
    return text;
}

static void page_works_in_a_browser(void **state)
{
    (void)state;
    static const char *const STRATEGY[] = {"caffe", "smallest"};
    if (!has_chromium()) {
        puts("SKIP: the timeline page is not drawn: no chromium here (apt-get install chromium)");
        skip();
    }
    char folder[] = "/tmp/segarena_page_XXXXXX", path[64], clean[64], expected[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/page.html", folder);
    snprintf(clean, sizeof clean, "rm -rf '%s'", folder);
    for (size_t i = 0; i < sizeof STRATEGY / sizeof STRATEGY[0]; i++) {
        planned p;
        set_up(&p, "nets/new.prototxt", STRATEGY[i]);
        assert_int_equal(sa_plan_write_html(path, &p.report, NULL), SA_OK);
        append(path, VISIT);
        char *text = document_after_scripts(folder);
        snprintf(expected, sizeof expected, "data-buffers=\"%zu\"", p.layout.program->buffer_count);
        if (!strstr(text, "data-state=\"ready\"")) fail_msg("%s: %.300s", STRATEGY[i], text);
        if (!strstr(text, "data-visit=\"done\"")) fail_msg("%s: the visit failed: %.300s", STRATEGY[i], text);
        if (!strstr(text, expected)) fail_msg("%s: no %s in %.300s", STRATEGY[i], expected, text);
        free(text);
        tear_down(&p);
    }
    assert_int_equal(system(clean), 0);
}

static void page_in_a_missing_folder_fails(void **state)
{
    (void)state;
    planned p;
    set_up(&p, "tests/golden/tiny_new/net.prototxt", "fastest");
    assert_int_equal(sa_plan_write_html("/tmp/segarena/no/such/folder/page.html", &p.report, NULL), SA_IO);
    assert_non_null(strstr(sa_error_message(), "/tmp/segarena/no/such/folder/page.html"));
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_holds_the_plan),
        cmocka_unit_test(page_needs_no_other_file),
        cmocka_unit_test(names_cannot_end_the_script),
        cmocka_unit_test(page_works_in_a_browser),
        cmocka_unit_test(page_in_a_missing_folder_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
