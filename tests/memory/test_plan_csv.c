/* The CSV format of instances and placements, and sizes in text. */
#include "core/size_text.h"
#include "memory/plan_csv.h"
#include "tests/support/instances.h"
#include "tests/support/memory_asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/sa_plan_csv_XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/a.csv", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails if a temporary file was left behind */
}

static void write_text(const char *text, size_t bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void test_reads_what_it_writes(void **state)
{
    (void)state;
    sa_buffer buffers[] = {sa_instance_buffer(0, -3, 9, 4, 1), sa_instance_buffer(1, 3, INT64_MAX, 123456789012, 1)};
    strcpy(buffers[0].name, "two\nlines\r\nof \"it\"");
    strcpy(buffers[1].name, "conv1, \"upper\"");
    const size_t offsets[] = {123456789012, 0};
    assert_status_ok(sa_plan_csv_write(path, buffers, 2, offsets));
    assert_status_ok(sa_plan_csv_write(path, buffers, 2, offsets)); /* over itself */
    sa_buffer *read;
    size_t count, *read_offsets;
    assert_status_ok(sa_plan_csv_read(path, &read, &count, &read_offsets));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(read[i].name, buffers[i].name);
        assert_int_equal(read[i].begin, buffers[i].begin);
        assert_int_equal(read[i].end, buffers[i].end);
        assert_int_equal(read[i].size_bytes, buffers[i].size_bytes);
        assert_int_equal(read_offsets[i], offsets[i]);
    }
    free(read);
    free(read_offsets);
}

static void test_literal_text(void **state)
{
    (void)state;
    sa_buffer buffer = sa_instance_buffer(1, 0, 3, 4, 1);
    const size_t offset = 8;
    char text[64] = "";
    assert_status_ok(sa_plan_csv_write(path, &buffer, 1, &offset));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, "id,lower,upper,size,offset\nb1,0,3,4,8\n");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0400, 0400);
}

static void test_lenient_where_it_is_harmless(void **state)
{
    (void)state;
    const char text[] = "\xEF\xBB\xBFsize,id,upper,lower\r\n4,b1,3,0\r\n\r\n5,b2,9,3"; /* BOM, CRLF, any order, no last newline */
    write_text(text, sizeof text - 1);
    sa_buffer *read;
    size_t count, *offsets;
    assert_status_ok(sa_plan_csv_read(path, &read, &count, &offsets));
    assert_int_equal(count, 2);
    assert_null(offsets);
    assert_int_equal(read[1].size_bytes, 5);
    assert_int_equal(read[1].begin, 3);
    free(read);
    write_text("id,lower,upper,size\n", 20); /* no buffers at all */
    assert_status_ok(sa_plan_csv_read(path, &read, &count, NULL));
    assert_int_equal(count, 0);
    free(read);
}

static void test_malformed_files(void **state)
{
    (void)state;
#define HEADER "id,lower,upper,size\n"
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", ":1: no header line"},
        {"id,lower,upper\n", ":1: column 'size' is missing"},
        {"id,lower,upper,size,size\n", ":1: column 'size' comes twice"},
        {"id,lower,upper,size,colour\n", ":1: unknown column 'colour'"},
        {"id,lower,upper,size,offset,more\n", ":1: more than 5 fields"},
        {HEADER "b1,0,3\n", ":2: 3 fields, but the header has 4"},
        {HEADER "b1,0,3,4,5\n", ":2: 5 fields, but the header has 4"},
        {HEADER "b1,0,3,4\nb2,0,x,4\n", ":3: upper 'x' is no whole number"},
        {HEADER "\"b\n1\",0,3,4\nb2,0,x,4\n", ":4: upper 'x' is no whole number"},
        {HEADER "b1,0,3,4.5\n", ":2: size '4.5' is no whole number"},
        {HEADER "b1,0,3,\n", ":2: size '' is no whole number"},
        {HEADER "b1,0,3, 4\n", ":2: size ' 4' is no whole number"},
        {HEADER "b1,0,3,-4\n", ":2: size -4 is negative"},
        {HEADER "b1,0,3,99999999999999999999\n", ":2: size 99999999999999999999 is out of range"},
        {HEADER "b1,0,3,0\n", ":2: buffer 'b1' has size 0"},
        {HEADER "b1,3,3,4\n", ":2: buffer 'b1': lower 3 is not below upper 3"},
        {HEADER ",0,3,4\n", ":2: the id is empty"},
        {HEADER "b1,0,3,4\nb2,0,3,4\nb1,0,3,4\n", ": id 'b1' comes twice"},
        {HEADER "\"b1,0,3,4\n", ":2: a quote is not closed"},
        {HEADER "\"b\"1,0,3,4\n", ":2: '1' after a closing quote"},
        {HEADER "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789,0,3,4\n",
         "is longer than 95 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sa_buffer *read = NULL;
        size_t count = 77, *offsets = NULL;
        write_text(cases[i].text, strlen(cases[i].text));
        assert_fails(SA_PARSE, cases[i].message, sa_plan_csv_read(path, &read, &count, &offsets));
        assert_non_null(strstr(sa_error_message(), path));
        assert_null(read);
        assert_int_equal(count, 77);
    }
    sa_buffer *read = NULL;
    size_t count;
    write_text(HEADER "b\0,0,3,4\n", sizeof HEADER + 9);
    assert_fails(SA_PARSE, ":2: a zero byte", sa_plan_csv_read(path, &read, &count, NULL));
    assert_fails(SA_IO, "/none.csv: cannot open: No such file", sa_plan_csv_read("/none.csv", &read, &count, NULL));
    assert_fails(SA_IO, "it is a folder; a file is needed", sa_plan_csv_read(folder, &read, &count, NULL));
#undef HEADER
}

static void test_failed_writes(void **state)
{
    (void)state;
    sa_buffer buffer = sa_instance_buffer(1, 0, 3, 4, 1);
    const size_t offset = 8;
    assert_fails(SA_IO, "/none/a.csv: cannot write: its folder /none: No such file",
                 sa_plan_csv_write("/none/a.csv", &buffer, 1, &offset));
    assert_fails(SA_IO, "cannot write: it is a folder", sa_plan_csv_write(folder, &buffer, 1, &offset));
    assert_fails(SA_IO, "/dev/full: cannot write: No space left", sa_plan_csv_write("/dev/full", &buffer, 1, &offset));
    assert_status_ok(sa_plan_csv_write("/dev/null", &buffer, 1, &offset));
    struct stat status;
    assert_true(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode)); /* written to, not replaced */
}

static void test_sizes_from_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
    } good[] = {{"0", 0},
                {"1048576", 1048576},
                {"1K", 1024},
                {"2M", 2097152},
                {"8G", 8589934592},
                {"1KiB", 1024},
                {"512MiB", 536870912},
                {"8GiB", 8589934592},
                {"1.5 GiB", 1610612736},
                {"1GB", 1000000000},
                {"8g", 8589934592},
                {"8gib", 8589934592},
                {"8 GB", 8000000000},
                {"1e9", 1000000000},
                {"2TiB", 2199023255552},
                {"1.5G", 1610612736},
                {"2t", 2199023255552},
                {"3tb", 3000000000000},
                {"1.5e3k", 1536000},
                {" 7b ", 7},
                {".5K", 512},
                {"1e+3", 1000},
                {"15e-1 kib", 1536}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t bytes;
        assert_status_ok(sa_size_parse(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = {"",      "G",    "-1", "1X",    "1 2",   "1GiBs", "0x10", "99999999999999999999",
                                      "1e",    "nan",  ".",  "1e400", "1.2.3", "8 G B", "inf",  "-8G",
                                      "1ki b", "8GiBG"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t bytes = 77;
        assert_fails(SA_INVALID, bad[i], sa_size_parse(bad[i], &bytes));
        assert_int_equal(bytes, 77);
    }
}

static void test_sizes_that_must_not_be_0(void **state)
{
    (void)state;
    static const char *const none[] = {"0", "0GiB", "0.5", "1e-9"};
    size_t bytes = 77;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_fails(SA_INVALID, "at least one byte", sa_size_parse_positive(none[i], &bytes));
    assert_fails(SA_INVALID, "negative", sa_size_parse_positive("-8G", &bytes));
    assert_int_equal(bytes, 77);
    assert_status_ok(sa_size_parse_positive("1", &bytes));
    assert_int_equal(bytes, 1);
}

static void test_sizes_to_text(void **state)
{
    (void)state;
    char text[SA_SIZE_TEXT_BYTES];
    assert_string_equal(sa_size_format(0, text), "0 B");
    assert_string_equal(sa_size_format(1023, text), "1023 B");
    assert_string_equal(sa_size_format(1320702444, text), "1.23 GiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_it_writes),
        cmocka_unit_test(test_literal_text),
        cmocka_unit_test(test_lenient_where_it_is_harmless),
        cmocka_unit_test(test_malformed_files),
        cmocka_unit_test(test_failed_writes),
        cmocka_unit_test(test_sizes_from_text),
        cmocka_unit_test(test_sizes_that_must_not_be_0),
        cmocka_unit_test(test_sizes_to_text),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
