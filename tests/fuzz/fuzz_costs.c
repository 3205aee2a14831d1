/* libFuzzer target for the file of measured costs. The first byte says whether the rest is a whole file, or the rows of this
 * device's table. Any bytes give a model, perhaps with a note. */
#include "cost/cost_cache.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cost(void *context, const char *key, sa_cost cost, double guess_ms)
{
    (void)context;
    (void)key;
    if (!isfinite(cost.ms) || !isfinite(cost.cpu_ms) || !isfinite(guess_ms) || cost.ms < 0 || cost.cpu_ms < 0) abort();
}

/* What stands in a file in front of the rows of the model's table. */
static const char *file_head(const sa_cost_model *model)
{
    static char head[4096];
    if (head[0]) return head;
    char path[64];
    snprintf(path, sizeof path, "/tmp/sa_fuzz_costs_%d", (int)getpid());
    if (sa_cost_cache_save(model, path) != SA_OK) abort();
    FILE *file = fopen(path, "r");
    head[file ? fread(head, 1, sizeof head - 1, file) : 0] = '\0';
    if (file) fclose(file);
    unlink(path);
    char *costs = strstr(head, "\"costs\"");
    if (!costs || !(costs = strchr(costs, '{'))) abort();
    costs[1] = '\0';
    return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sa_device device = {.kind = "cpu", .description = "d", .threads = 1};
    sa_cost_model *model = NULL;
    char note[SA_COST_NOTE_MAX], path[64];
    int descriptor = memfd_create("fuzz", 0);
    if (descriptor < 0 || size < 1) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    if (sa_cost_model_create(&device, &model) != SA_OK) abort();
    const bool rows = data[0] == '{';
    if (rows) dprintf(descriptor, "%s", file_head(model));
    if (write(descriptor, data + 1, size - 1) == (ssize_t)size - 1) {
        if (rows) dprintf(descriptor, "}}]}");
        if (sa_cost_cache_load(model, path, note) == SA_OK) sa_cost_model_visit(model, check_cost, NULL);
    }
    sa_cost_model_destroy(model);
    close(descriptor);
    return 0;
}
