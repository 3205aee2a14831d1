/* The parity runner: see parity.h. */
#include "tests/support/parity.h"

#include "tests/support/parity_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 32 << 20, IN_ARENA = 0, IS_WORKSPACE = 1 };

static void require(sa_status status)
{
    if (status != SA_OK) fail_msg("%s: %s", sa_status_name(status), sa_error_message());
}

sa_parity *sa_parity_open(sa_device *cpu, sa_device *cuda)
{
    sa_parity *p = calloc(1, sizeof *p);
    p->cpu = cpu, p->cuda = cuda;
    p->host = aligned_alloc(256, ARENA_BYTES);
    p->cpu_result = aligned_alloc(256, ARENA_BYTES);
    p->cuda_result = aligned_alloc(256, ARENA_BYTES);
    p->cuda_first = aligned_alloc(256, ARENA_BYTES);
    require(cuda->functions->alloc(cuda, ARENA_BYTES, &p->device_arena));
    return p;
}

void sa_parity_close(sa_parity *p)
{
    p->cuda->functions->free(p->cuda, p->device_arena);
    sa_device_close(p->cuda);
    sa_device_close(p->cpu);
    free(p->host), free(p->cpu_result), free(p->cuda_result), free(p->cuda_first);
    free(p);
}

sa_device *sa_parity_cpu(sa_parity *p)
{
    return p->cpu;
}

sa_device *sa_parity_cuda(sa_parity *p)
{
    return p->cuda;
}

void sa_parity_begin(sa_parity *p, const char *name, uint64_t seed)
{
    p->random = seed * 2654435761u + 12345;
    p->seed = seed;
    p->used = 0;
    p->output_count = 0;
    p->current = 0;
    while (p->current < p->row_count && strcmp(p->row[p->current].name, name) != 0) p->current++;
    assert_true(p->current < SA_PARITY_ROWS);
    if (p->current == p->row_count) p->row[p->row_count++].name = name;
}

sa_ref sa_parity_take(sa_parity *p, size_t bytes)
{
    size_t taken = (bytes + 256) / 256 * 256; /* some bytes that nobody may touch lie behind it */
    assert_true(p->used + taken <= ARENA_BYTES);
    sa_ref ref = {.buffer = IN_ARENA, .ptr = p->host + p->used};
    memset(ref.ptr, 0xff, taken);
    p->used += taken;
    return ref;
}

sa_ref sa_parity_workspace(void)
{
    return (sa_ref){.buffer = IS_WORKSPACE};
}

void sa_parity_output(sa_parity *p, sa_ref at, size_t count)
{
    assert_true(p->output_count < SA_PARITY_OUTPUTS);
    p->output[p->output_count].offset = (size_t)((char *)at.ptr - p->host);
    p->output[p->output_count++].count = count;
}

void sa_parity_output_slab(sa_parity *p, const sa_slab *slab)
{
    sa_parity_output(p, slab->at, (sa_slab_bytes(slab) + 3) / 4);
}

/* ------------------------------------------------------------------ running ----------------------------------------- */

typedef struct binding {
    const sa_parity *parity;
    char *arena;
    void *workspace;
} binding;

static void bind(void *context, sa_ref *ref, sa_access_mode mode)
{
    const binding *b = context;
    (void)mode;
    if (ref->buffer == IS_WORKSPACE) ref->ptr = b->workspace;
    else if (ref->ptr) ref->ptr = b->arena + ((char *)ref->ptr - b->parity->host);
}

static void run_cpu(sa_parity *p, sa_op_kind kind, const sa_op_args *args, size_t workspace_bytes)
{
    sa_op_args bound = *args;
    binding b = {p, p->cpu_result, workspace_bytes ? aligned_alloc(256, (workspace_bytes + 255) / 256 * 256) : NULL};
    memcpy(p->cpu_result, p->host, p->used);
    sa_op_visit_refs(kind, &bound, bind, &b);
    require(sa_op_run(p->cpu, kind, &bound));
    free(b.workspace);
}

/* One op on the device's arena as it is. false: a source that is too long for the device, which says so */
static bool run_op(sa_parity *p, sa_op_kind kind, const sa_op_args *args, size_t workspace_bytes)
{
    sa_device *cuda = p->cuda;
    sa_op_args bound = *args;
    binding b = {p, p->device_arena, NULL};
    if (workspace_bytes) require(cuda->functions->alloc(cuda, workspace_bytes, &b.workspace));
    sa_op_visit_refs(kind, &bound, bind, &b);
    sa_status status = sa_op_run(cuda, kind, &bound);
    bool supported = !(status == SA_UNSUPPORTED && strstr(sa_error_message(), "cuda: a source has more than"));
    if (supported) require(status);
    require(cuda->functions->sync(cuda));
    cuda->functions->free(cuda, b.workspace);
    return supported;
}

static bool run_cuda(sa_parity *p, sa_op_kind kind, const sa_op_args *args, size_t workspace_bytes)
{
    require(p->cuda->functions->upload(p->cuda, p->device_arena, p->host, p->used));
    bool supported = run_op(p, kind, args, workspace_bytes);
    require(p->cuda->functions->download(p->cuda, p->cuda_result, p->device_arena, p->used));
    return supported;
}

/* ------------------------------------------------------------------ comparing --------------------------------------- */

static double mean_square(const float *value, size_t count)
{
    double sum = 0;
    size_t finite = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(value[i])) continue;
        sum += (double)value[i] * (double)value[i];
        finite++;
    }
    return finite ? sum / (double)finite : 0;
}

/* The largest error of an output over its root mean square; infinite where only one is a number. */
static double compare_output(sa_parity_row *row, const float *got, const float *want, size_t count)
{
    double worst = 0, rms = sqrt(mean_square(want, count));
    for (size_t i = 0; i < count; i++) {
        row->values++;
        if (memcmp(&got[i], &want[i], sizeof *got) == 0 || (isnan(got[i]) && isnan(want[i]))) continue;
        double error = fabs((double)got[i] - (double)want[i]) / (rms > 0 ? rms : 1);
        if (got[i] == want[i]) error = 0;
        else row->different++;
        if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
    }
    return worst;
}

static void compare(sa_parity *p, double bound)
{
    sa_parity_row *row = &p->row[p->current];
    row->cases++;
    for (int o = 0; o < p->output_count; o++) {
        size_t offset = p->output[o].offset, count = p->output[o].count;
        double error = compare_output(row, (const void *)(p->cuda_result + offset), (const void *)(p->cpu_result + offset), count);
        if (error > row->worst) row->worst = error;
        if (error > bound)
            fail_msg("%s, case %llu: output %d of %zu values differs from the CPU's by %g of its root mean square, %g is allowed",
                     row->name, (unsigned long long)p->seed, o, count, error, bound);
        memcpy(p->cuda_result + offset, p->cpu_result + offset, count * sizeof(float));
    }
    for (size_t i = 0; i < p->used; i++)
        if (p->cuda_result[i] != p->cpu_result[i])
            fail_msg("%s, case %llu: byte %zu of the arena, not an output, was changed", row->name, (unsigned long long)p->seed, i);
}

bool sa_parity_run(sa_parity *p, sa_op_kind kind, const sa_op_args *cpu_args, const sa_op_args *cuda_args,
                   const sa_parity_bounds *bounds)
{
    run_cpu(p, kind, cpu_args, bounds->cpu_workspace_bytes);
    if (!run_cuda(p, kind, cuda_args, bounds->cuda_workspace_bytes)) {
        assert_true(++p->too_long <= 5); /* of hundreds of cases */
        return false;
    }
    memcpy(p->cuda_first, p->cuda_result, p->used);
    compare(p, bounds->bound);
    return true;
}

void sa_parity_same_bits(sa_parity *p, const char *what, sa_op_kind kind, const sa_op_args *args, const size_t *workspace_bytes,
                         int count)
{
    require(p->cuda->functions->upload(p->cuda, p->device_arena, p->host, p->used));
    for (int i = 0; i < count; i++) assert_true(run_op(p, kind, &args[i], workspace_bytes[i]));
    require(p->cuda->functions->download(p->cuda, p->cuda_result, p->device_arena, p->used));
    for (size_t i = 0; i < p->used; i++)
        if (p->cuda_result[i] != p->cuda_first[i])
            fail_msg("%s, case %llu: %s: byte %zu of the arena is another one", p->row[p->current].name,
                     (unsigned long long)p->seed, what, i);
}

void sa_parity_print(const sa_parity *p)
{
    printf("%-28s %6s %10s %10s %10s\n", "cuda against cpu", "cases", "values", "different", "worst/rms");
    for (int i = 0; i < p->row_count; i++)
        printf("%-28s %6zu %10zu %10zu %10.2g\n", p->row[i].name, p->row[i].cases, p->row[i].values, p->row[i].different,
               p->row[i].worst);
    fflush(stdout);
}
