/* Reading golden cases and comparing with them. */
#include "golden_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool exists(const char *folder, const char *file)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return access(path, R_OK) == 0;
}

static bool says_phase(const char *folder)
{
    char path[2048], line[1024];
    bool found = false;
    snprintf(path, sizeof path, "%s/CASE.txt", folder);
    FILE *file = fopen(path, "r");
    while (file && !found && fgets(line, sizeof line, file)) found = !strncmp(line, "phase:", 6);
    if (file) fclose(file);
    return found;
}

bool sa_golden_is_case(const char *folder)
{
    return exists(folder, "net.prototxt") && exists(folder, "tolerance.tsv");
}

static sa_status add_row(sa_golden_case *golden, const char *line)
{
    sa_golden_row row = {.checked = false};
    double ignored;
    if (line[0] == '#' || line[0] == '\n') return SA_OK;
    if (sscanf(line, "%127s %lf %lf %lf %lf %lf %lf %lf", row.file, &ignored, &ignored, &ignored, &ignored, &ignored, &row.atol,
               &row.rms_atol) != 8)
        SA_FAIL(SA_PARSE, "%s/tolerance.tsv: malformed line '%.80s'", golden->folder, line);
    sa_golden_row *grown = realloc(golden->row, (golden->row_count + 1) * sizeof *grown);
    if (!grown) SA_FAIL(SA_NOMEM, "no memory for tolerances");
    golden->row = grown;
    golden->row[golden->row_count++] = row;
    return SA_OK;
}

sa_status sa_golden_case_load(const char *folder, sa_golden_case *golden)
{
    char path[2048], line[1024];
    memset(golden, 0, sizeof *golden);
    snprintf(golden->folder, sizeof golden->folder, "%s", folder);
    snprintf(path, sizeof path, "%s/tolerance.tsv", folder);
    FILE *file = fopen(path, "r");
    if (!file) SA_FAIL(SA_IO, "%s: cannot be read", path);
    sa_status status = SA_OK;
    while (status == SA_OK && fgets(line, sizeof line, file)) status = add_row(golden, line);
    fclose(file);
    if (status != SA_OK) {
        sa_golden_case_free(golden);
        return status;
    }
    golden->has_solver = exists(folder, "solver.prototxt");
    golden->of_segnet = !says_phase(folder);
    golden->wants_input_gradients = exists(folder, "topdiff");
    for (size_t i = 0; i < golden->row_count; i++) { /* diff/<blob> of a blob that is fed */
        char in[SA_GOLDEN_FILE_MAX + 8];
        if (strncmp(golden->row[i].file, "diff/", 5)) continue;
        snprintf(in, sizeof in, "in/%s", golden->row[i].file + 5);
        golden->wants_input_gradients |= exists(folder, in);
    }
    return SA_OK;
}

void sa_golden_case_free(sa_golden_case *golden)
{
    free(golden->row);
    golden->row = NULL;
}

bool sa_golden_folder_exists(const sa_golden_case *golden, const char *folder)
{
    return exists(golden->folder, folder);
}

bool sa_golden_has(const sa_golden_case *golden, const char *file)
{
    for (size_t i = 0; i < golden->row_count; i++)
        if (!strcmp(golden->row[i].file, file)) return true;
    return false;
}

sa_status sa_golden_read(const sa_golden_case *golden, const char *file, sa_npy *array)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", golden->folder, file);
    return sa_npy_read_float32(path, array);
}

static void note_errors(sa_golden_row *row, const float *golden, const float *values, size_t count)
{
    double max = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)values[i] - (double)golden[i]);
        if (!(error <= 1e300)) error = INFINITY; /* NaN */
        if (values[i] == golden[i]) error = 0;   /* infinities that agree */
        if (error > max) max = error;
        sum += error * error;
    }
    row->max_error = max;
    row->rms_error = count ? sqrt(sum / (double)count) : 0;
    row->checked = true;
}

sa_status sa_golden_compare(sa_golden_case *golden, const char *file, const float *values, size_t count)
{
    for (size_t i = 0; i < golden->row_count; i++) {
        if (strcmp(golden->row[i].file, file)) continue;
        sa_npy array;
        SA_TRY(sa_golden_read(golden, file, &array));
        if (array.count != count) {
            size_t wanted = array.count;
            sa_npy_free(&array);
            SA_FAIL(SA_INVALID, "%s/%s has %zu values, the net has %zu", golden->folder, file, wanted, count);
        }
        note_errors(&golden->row[i], array.data, values, count);
        sa_npy_free(&array);
    }
    return SA_OK;
}

static double share(double error, double bound)
{
    if (error == 0) return 0;
    return bound > 0 ? error / bound : INFINITY;
}

double sa_golden_row_share(const sa_golden_row *row)
{
    return fmax(share(row->max_error, row->atol), share(row->rms_error, row->rms_atol));
}

double sa_golden_worst_share(const sa_golden_case *golden, const sa_golden_row **worst)
{
    double largest = -1;
    *worst = NULL;
    for (size_t i = 0; i < golden->row_count; i++)
        if (golden->row[i].checked && sa_golden_row_share(&golden->row[i]) > largest) {
            largest = sa_golden_row_share(&golden->row[i]);
            *worst = &golden->row[i];
        }
    return largest;
}
