/* Caffe's fillers. */
#include "data/fillers.h"

#include "core/checked.h"
#include "data/random.h"

#include <math.h>
#include <string.h>

sa_filler sa_filler_default(void)
{
    return (sa_filler){.type = SA_FILLER_CONSTANT, .std = 1, .max = 1, .variance_norm = SA_VARIANCE_FAN_IN, .sparse = -1};
}

sa_status sa_filler_type_of(const char *name, sa_filler_type *type)
{
    static const char *const names[] = {"constant", "gaussian", "uniform", "xavier", "msra", "bilinear", "positive_unitball"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *type = (sa_filler_type)i;
            return SA_OK;
        }
    }
    SA_FAIL(SA_UNSUPPORTED,
            "filler type '%s' is not supported (constant, gaussian, uniform, xavier, msra, bilinear, positive_unitball are)", name);
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
    if (axes == 0) return 1;
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

/* Caffe: GaussianFiller, sparse. The stream of the choices is another one than that of the values. */
static void make_sparse(int32_t kept, int32_t outputs, uint64_t key, size_t count, float *values)
{
    double probability = (double)kept / (double)outputs;
    for (size_t i = 0; i < count; i++)
        if (sa_random_uniform(sa_random_mix(key), i) >= probability) values[i] = 0;
}

/* Caffe: PositiveUnitballFiller. */
static void fill_unitball(size_t rows, uint64_t key, size_t count, float *values)
{
    fill_uniform(0, 1, key, count, values);
    for (size_t row = 0, length = count / rows; row < rows; row++) {
        double sum = 0;
        for (size_t i = 0; i < length; i++) sum += (double)values[row * length + i];
        for (size_t i = 0; i < length && sum > 0; i++) values[row * length + i] = (float)((double)values[row * length + i] / sum);
    }
}

/* Caffe: BilinearFiller. */
static sa_status fill_bilinear(int32_t axes, const int32_t *shape, size_t count, float *values)
{
    if (axes != 4 || shape[2] != shape[3]) SA_FAIL(SA_INVALID, "filler: bilinear needs 4 axes, the last two equal");
    int32_t size = shape[3];
    float f = ceilf((float)size / 2.0f), c = (float)(size - 1) / (2.0f * f);
    for (size_t i = 0; i < count; i++) {
        float x = (float)(i % (size_t)size), y = (float)(i / (size_t)size % (size_t)size);
        values[i] = (1 - fabsf(x / f - c)) * (1 - fabsf(y / f - c));
    }
    return SA_OK;
}

sa_status sa_filler_fill(const sa_filler *filler, int32_t axes, const int32_t *shape, uint64_t key, float *values)
{
    size_t count = 1;
    SA_TRY(check(filler));
    if (axes < 0 || axes > 4) SA_FAIL(SA_INVALID, "filler: a shape of %d axes (0 to 4 are allowed)", axes);
    for (int32_t i = 0; i < axes; i++) {
        if (shape[i] <= 0) SA_FAIL(SA_INVALID, "filler: axis %d has size %d", i, shape[i]);
        if (!sa_size_mul(count, (size_t)shape[i], &count)) SA_FAIL(SA_INVALID, "filler: the shape's element count overflows");
    }
    double n = fan(filler->variance_norm, axes, shape, count);
    switch (filler->type) {
    case SA_FILLER_CONSTANT:
        for (size_t i = 0; i < count; i++) values[i] = filler->value;
        return SA_OK;
    case SA_FILLER_GAUSSIAN:
        fill_gaussian(filler->mean, filler->std, key, count, values);
        if (filler->sparse >= 0) make_sparse(filler->sparse, axes > 0 ? shape[0] : 1, key, count, values);
        return SA_OK;
    case SA_FILLER_UNIFORM: fill_uniform(filler->min, filler->max, key, count, values); return SA_OK;
    case SA_FILLER_XAVIER: fill_uniform(-sqrt(3 / n), sqrt(3 / n), key, count, values); return SA_OK;
    case SA_FILLER_MSRA: fill_gaussian(0, sqrt(2 / n), key, count, values); return SA_OK;
    case SA_FILLER_BILINEAR: return fill_bilinear(axes, shape, count, values);
    case SA_FILLER_POSITIVE_UNITBALL: fill_unitball(axes > 0 ? (size_t)shape[0] : 1, key, count, values); return SA_OK;
    }
    SA_FAIL(SA_INVALID, "filler: unknown type %d", (int)filler->type);
}
