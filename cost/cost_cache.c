/* The cost file: {"format": 1, "tables": [{"machine": "...", "costs": {"<op key>": [ms, cpu_ms, guess_ms]}}]}, newest table last.
 */
#include "cost/cost_cache.h"

#include "core/input_file.h"
#include "core/output_file.h"
#include "cost/op_cost_key.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, TABLES_MAX = 16, FILE_BYTES_MAX = 64 << 20, MACHINE_MAX = 256 };

/* The Makefile's checksum over what decides how fast kernels are; other builds are timed anew. */
#ifndef SA_KERNELS_ID
#define SA_KERNELS_ID "unknown"
#endif

void sa_cost_cache_path(char path[SA_COST_PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    path[0] = '\0';
    if (cache && cache[0] == '/') snprintf(path, SA_COST_PATH_MAX, "%s/segarena/costs.json", cache);
    else if (home && home[0]) snprintf(path, SA_COST_PATH_MAX, "%s/.cache/segarena/costs.json", home);
}

static void machine_name(const sa_device *device, char name[MACHINE_MAX])
{
    snprintf(name, MACHINE_MAX, "%s: %s, threads %d, kernels %s", device->kind, device->description, device->threads,
             SA_KERNELS_ID);
}

/* ------------------------------------------------------------------ reading ---------------------------------------- */

/* The file as text, NULL if there is none; *damaged if it cannot be read. */
static char *read_file(const char *path, bool *damaged)
{
    char *text = NULL;
    size_t length = 0;
    *damaged = false;
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) return NULL;
    if (sa_input_file_read(path, FILE_BYTES_MAX, &text, &length) == SA_OK && length <= FILE_BYTES_MAX) return text;
    sa_error_clear();
    free(text);
    *damaged = true;
    return NULL;
}

/* The document if it is one of ours, else NULL. */
static cJSON *read_document(const char *path, bool *damaged)
{
    char *text = read_file(path, damaged);
    if (!text) return NULL;
    cJSON *root = cJSON_Parse(text);
    free(text);
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format");
    if (cJSON_IsNumber(format) && format->valueint == FORMAT && cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(root, "tables")))
        return root;
    cJSON_Delete(root);
    *damaged = true;
    return NULL;
}

static bool is_machine(const cJSON *table, const char *machine)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(table, "machine");
    return cJSON_IsString(name) && !strcmp(name->valuestring, machine);
}

static bool read_row(const cJSON *row, double value[3])
{
    if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != 3 || !row->string || strlen(row->string) >= SA_COST_KEY_MAX) return false;
    for (int i = 0; i < 3; i++) {
        const cJSON *item = cJSON_GetArrayItem(row, i);
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || item->valuedouble < 0) return false;
        value[i] = item->valuedouble;
    }
    return value[2] > 0;
}

/* All rows are looked at before the first is taken: half a table would be worse than none. */
static sa_status take_table(sa_cost_model *model, const cJSON *table, bool *damaged)
{
    const cJSON *costs = cJSON_GetObjectItemCaseSensitive(table, "costs"), *row;
    double value[3];
    *damaged = !cJSON_IsObject(costs);
    cJSON_ArrayForEach(row, costs) if (!read_row(row, value)) *damaged = true;
    if (*damaged) return SA_OK;
    cJSON_ArrayForEach(row, costs)
    {
        if (!read_row(row, value)) continue;
        SA_TRY(sa_cost_model_record_key(model, row->string, (sa_cost){value[0], value[1]}, value[2]));
    }
    return SA_OK;
}

sa_status sa_cost_cache_load(sa_cost_model *model, const char *path, char note[SA_COST_NOTE_MAX])
{
    char machine[MACHINE_MAX];
    bool damaged;
    sa_status status = SA_OK;
    const cJSON *table;
    note[0] = '\0';
    machine_name(sa_cost_model_device(model), machine);
    cJSON *root = read_document(path, &damaged);
    cJSON_ArrayForEach(table, cJSON_GetObjectItemCaseSensitive(root, "tables"))
    {
        if (status != SA_OK || damaged || !is_machine(table, machine)) continue;
        status = take_table(model, table, &damaged);
    }
    cJSON_Delete(root);
    if (damaged) snprintf(note, SA_COST_NOTE_MAX, "%.400s is damaged and ignored; measuring rewrites it", path);
    return status;
}

/* ------------------------------------------------------------------ writing ---------------------------------------- */

static void add_row(void *context, const char *key, sa_cost cost, double guess_ms)
{
    const double value[3] = {cost.ms, cost.cpu_ms, guess_ms};
    cJSON_AddItemToObject(context, key, cJSON_CreateDoubleArray(value, 3));
}

/* The file's document, or a new one, with the model's table last. NULL: out of memory. */
static cJSON *make_document(const sa_cost_model *model, const char *path)
{
    char machine[MACHINE_MAX];
    bool damaged;
    machine_name(sa_cost_model_device(model), machine);
    cJSON *root = read_document(path, &damaged);
    if (!root) {
        root = cJSON_CreateObject();
        cJSON_AddNumberToObject(root, "format", FORMAT);
        cJSON_AddArrayToObject(root, "tables");
    }
    cJSON *tables = cJSON_GetObjectItemCaseSensitive(root, "tables");
    for (int i = cJSON_GetArraySize(tables) - 1; i >= 0; i--)
        if (is_machine(cJSON_GetArrayItem(tables, i), machine)) cJSON_DeleteItemFromArray(tables, i);
    while (cJSON_GetArraySize(tables) >= TABLES_MAX) cJSON_DeleteItemFromArray(tables, 0);
    cJSON *table = cJSON_CreateObject();
    cJSON_AddStringToObject(table, "machine", machine);
    cJSON *costs = cJSON_AddObjectToObject(table, "costs");
    if (costs) sa_cost_model_visit(model, add_row, costs);
    cJSON_AddItemToArray(tables, table);
    return root;
}

static void make_folders(const char *path)
{
    char folder[SA_COST_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, 0777); /* what fails here fails when the file is opened */
        *slash = '/';
    }
}

sa_status sa_cost_cache_save(const sa_cost_model *model, const char *path)
{
    if (strlen(path) >= SA_COST_PATH_MAX) SA_FAIL(SA_IO, "the path of the cost file is longer than %d", SA_COST_PATH_MAX);
    make_folders(path);
    cJSON *root = make_document(model, path);
    char *text = root ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!text) SA_FAIL(SA_NOMEM, "no memory to write %s", path);
    sa_status status = sa_output_file_put(path, text, strlen(text));
    free(text);
    return status;
}
