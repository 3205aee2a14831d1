/* Text tables. */
#include "report/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_align),
        cmocka_unit_test(one_column_without_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
