/* Text tables, and times in them. */
#include "report/table.h"

#include "core/time_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_table(const sa_table *table, const char *expected)
{
    char *text;
    assert_int_equal(sa_table_format(table, &text), SA_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void columns_align(void **state)
{
    (void)state;
    static const sa_table_column columns[] = {
        {"buffer", NULL, SA_TABLE_LEFT}, {"size", "bytes", SA_TABLE_RIGHT}, {"kind", NULL, SA_TABLE_LEFT}};
    sa_table *table;
    assert_int_equal(sa_table_create(columns, 3, &table), SA_OK);
    assert_table(table, "buffer   size  kind\n"
                        "        bytes\n"
                        "------  -----  ----\n");
    sa_table_cell(table, "%s.%d", "conv1", 0);
    sa_table_cell(table, "786,432");
    sa_table_cell(table, "PARAM");
    sa_table_cell(table, "x");
    sa_table_cell(table, "7");
    sa_table_cell(table, "%s", "");
    sa_table_rule(table);
    sa_table_cell(table, "total");
    sa_table_cell(table, "786,439");
    char *text;
    assert_int_equal(sa_table_format(table, &text), SA_INVALID);
    assert_string_equal(sa_error_message(), "the last row of a table has 2 of 3 cells");
    sa_table_cell(table, "2 buffers");
    assert_table(table, "buffer      size  kind\n"
                        "           bytes\n"
                        "-------  -------  ---------\n"
                        "conv1.0  786,432  PARAM\n"
                        "x              7\n"
                        "-------  -------  ---------\n"
                        "total    786,439  2 buffers\n");
    sa_table_free(table);
}

static void one_column_without_units(void **state)
{
    (void)state;
    sa_table *table;
    assert_int_equal(sa_table_create(&(sa_table_column){"n", NULL, SA_TABLE_RIGHT}, 1, &table), SA_OK);
    for (int i = 0; i < 200; i++) sa_table_cell(table, "%d", i); /* grows more than once */
    char *text;
    assert_int_equal(sa_table_format(table, &text), SA_OK);
    assert_memory_equal(text, "  n\n---\n  0\n  1\n", 16);
    assert_string_equal(text + 4 * 201, "199\n");
    free(text);
    sa_table_free(table);
    assert_int_equal(sa_table_create(&(sa_table_column){"", NULL, SA_TABLE_LEFT}, 1, &table), SA_OK);
    sa_table_cell(table, "%s", "  ");
    assert_table(table, "\n--\n\n"); /* no trailing spaces, not even of a row without text */
    sa_table_free(table);
    sa_table_free(NULL);
    assert_int_equal(sa_table_create(NULL, 0, &table), SA_INVALID);
}

/* The widest left-aligned column gives way, to 16 columns at least; words stay whole where they fit. */
static void wide_tables_are_broken(void **state)
{
    (void)state;
    static const sa_table_column columns[] = {
        {"n", NULL, SA_TABLE_RIGHT}, {"what it does", NULL, SA_TABLE_LEFT}, {"fits", NULL, SA_TABLE_LEFT}};
    static const char narrow[] = "  n  what it does          fits\n"
                                 "---  --------------------  ----\n"
                                 "  1  two buffers that are  yes\n"
                                 "     alive together\n"
                                 "200  short                 no\n";
    sa_table *table;
    assert_int_equal(sa_table_create(columns, 3, &table), SA_OK);
    sa_table_cell(table, "1");
    sa_table_cell(table, "two buffers that are alive together");
    sa_table_cell(table, "yes");
    sa_table_cell(table, "200");
    sa_table_cell(table, "short");
    sa_table_cell(table, "no");
    sa_table_set_width(table, 31);
    assert_table(table, narrow);
    char *text;
    sa_table_set_width(table, 46); /* fits as it is */
    assert_int_equal(sa_table_format(table, &text), SA_OK);
    assert_non_null(strstr(text, "  1  two buffers that are alive together  yes\n"));
    free(text);
    sa_table_free(table);
}

/* What is too wide all the same comes in blocks, each with the first column. */
static void tables_too_wide_come_in_blocks(void **state)
{
    (void)state;
    static const sa_table_column columns[] = {{"strategy", NULL, SA_TABLE_LEFT},
                                              {"arena", "bytes", SA_TABLE_RIGHT},
                                              {"of first", "%", SA_TABLE_RIGHT},
                                              {"step", "ms", SA_TABLE_RIGHT}};
    static const char two[] = "strategy    arena  of first\n"
                              "            bytes         %\n"
                              "--------  -------  --------\n"
                              "fastest   1234567     100.0\n"
                              "--------  -------  --------\n"
                              "sum       1234567     100.0\n"
                              "\n"
                              "strategy  step\n"
                              "            ms\n"
                              "--------  ----\n"
                              "fastest   0.12\n"
                              "--------  ----\n"
                              "sum       0.12\n";
    sa_table *table;
    assert_int_equal(sa_table_create(columns, 4, &table), SA_OK);
    for (int row = 0; row < 2; row++) {
        if (row == 1) sa_table_rule(table);
        sa_table_cell(table, row == 0 ? "fastest" : "sum");
        sa_table_cell(table, "1234567");
        sa_table_cell(table, "100.0");
        sa_table_cell(table, "0.12");
    }
    sa_table_set_width(table, 27);
    assert_table(table, two);
    sa_table_set_width(table, 32);
    assert_table(table, two);
    char *text;
    sa_table_set_width(table, 33);
    assert_int_equal(sa_table_format(table, &text), SA_OK);
    assert_non_null(strstr(text, "fastest   1234567     100.0  0.12\n"));
    free(text);
    sa_table_set_width(table, 1); /* a column each */
    assert_int_equal(sa_table_format(table, &text), SA_OK);
    assert_non_null(strstr(text, "\nsum       1234567\n\nstrategy  of first\n"));
    free(text);
    sa_table_free(table);
}

static void times_have_three_digits(void **state)
{
    (void)state;
    static const struct {
        double ms;
        const char *text;
    } rows[] = {{0, "0"},        {1015.4, "1015"}, {100.2, "100"},     {99.96, "100"},        {99.94, "99.9"},  {12.34, "12.3"},
                {9.996, "10.0"}, {1.234, "1.23"},  {0.0123, "0.0123"}, {0.00042, "0.000420"}, {0.4219, "0.422"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[SA_TIME_TEXT_BYTES];
        assert_string_equal(sa_ms_format(rows[i].ms, text), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_align),           cmocka_unit_test(one_column_without_units),
        cmocka_unit_test(wide_tables_are_broken),  cmocka_unit_test(tables_too_wide_come_in_blocks),
        cmocka_unit_test(times_have_three_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
