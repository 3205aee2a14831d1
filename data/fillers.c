/* Constant, gaussian, uniform, xavier and msra fillers. */
#include "data/fillers.h"

#include "core/checked.h"
#include "data/random.h"

#include <math.h>
#include <string.h>

sa_filler sa_filler_default(void)
{
    return (sa_filler){.type = SA_FILLER_CONSTANT, .std = 1, .max = 1, .variance_norm = SA_VARIANCE_FAN_IN};
}

sa_status sa_filler_type_of(const char *name, sa_filler_type *type)
{
    static const char *const names[] = {"constant", "gaussian", "uniform", "xavier", "msra"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *type = (sa_filler_type)i;
            return SA_OK;
        }
    }
    SA_FAIL(SA_UNSUPPORTED, "filler type '%s' is not supported (constant, gaussian, uniform, xavier, msra are)", name);
}

static sa_status check(const sa_filler *filler)
{
    const float numbers[] = {filler->value, filler->mean, filler->std, filler->min, filler->max};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!isfinite(numbers[i])) SA_FAIL(SA_INVALID, "filler: a number is not finite");
    if (filler->std < 0) SA_FAIL(SA_INVALID, "filler: std %g is negative", (double)filler->std);
    if (filler->max < filler->min) SA_FAIL(SA_INVALID, "filler: max %g is below min %g", (double)filler->max, (double)filler->min);
    return SA_OK;
}

/* The n of xavier and msra. Missing axes count as 1, as in Caffe's legacy shapes. */
static double fan(sa_variance_norm norm, int32_t axes, const int32_t *shape, size_t count)
{
    double in = (double)(count / (size_t)shape[0]), out = (double)(count / (size_t)(axes > 1 ? shape[1] : 1));
    if (norm == SA_VARIANCE_FAN_OUT) return out;
    return norm == SA_VARIANCE_AVERAGE ? (in + out) / 2 : in;
}

static void fill_gaussian(double mean, double std, uint64_t key, size_t count, float *values)
{
    for (size_t i = 0; i < count; i++) values[i] = (float)(mean + std * sa_random_gaussian(key, i));
}

static void fill_uniform(double min, double max, uint64_t key, size_t count, float *values)
{
    for (size_t i = 0; i < count; i++) values[i] = (float)(min + (max - min) * sa_random_uniform(key, i));
}

sa_status sa_filler_fill(const sa_filler *filler, int32_t axes, const int32_t *shape, uint64_t key, float *values)
{
    size_t count = 1;
    SA_TRY(check(filler));
    if (axes < 1 || axes > 4) SA_FAIL(SA_INVALID, "filler: a shape of %d axes (1 to 4 are allowed)", axes);
    for (int32_t i = 0; i < axes; i++) {
        if (shape[i] <= 0) SA_FAIL(SA_INVALID, "filler: axis %d has size %d", i, shape[i]);
        if (!sa_size_mul(count, (size_t)shape[i], &count)) SA_FAIL(SA_INVALID, "filler: the shape's element count overflows");
    }
    double n = fan(filler->variance_norm, axes, shape, count);
    switch (filler->type) {
    case SA_FILLER_CONSTANT:
        for (size_t i = 0; i < count; i++) values[i] = filler->value;
        return SA_OK;
    case SA_FILLER_GAUSSIAN: fill_gaussian(filler->mean, filler->std, key, count, values); return SA_OK;
    case SA_FILLER_UNIFORM: fill_uniform(filler->min, filler->max, key, count, values); return SA_OK;
    case SA_FILLER_XAVIER: fill_uniform(-sqrt(3 / n), sqrt(3 / n), key, count, values); return SA_OK;
    case SA_FILLER_MSRA: fill_gaussian(0, sqrt(2 / n), key, count, values); return SA_OK;
    }
    SA_FAIL(SA_INVALID, "filler: unknown type %d", (int)filler->type);
}
