/* Gaussians by inversion and stream keys; see the header. */
#include "data/random.h"

#include "core/hash.h"

#include <math.h>

/* Natural logarithm of a positive normal number to about 1e-16, from operations that IEEE 754 rounds the same way everywhere:
 * x = m * 2^e with m near 1, ln m = 2 atanh((m-1)/(m+1)) as a series. */
static double portable_log(double x)
{
    int exponent;
    double m = frexp(x, &exponent); /* exact */
    if (m < 0.70710678118654752440) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * square;
    return exponent * 0.69314718055994530942 + 2 * s * (1 + sum);
}

static double horner(const double coefficients[8], double x)
{
    double sum = coefficients[7];
    for (int i = 6; i >= 0; i--) sum = sum * x + coefficients[i];
    return sum;
}

/* Each row pair is the numerator and denominator of one range: the centre, the tails, the far tails. */
static const double ratios[3][2][8] = {
    {{3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4, 4.5921953931549871457e4,
      6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3},
     {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
      3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3}},
    {{1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
      1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
     {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
      1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9}},
    {{6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
      2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
     {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
      1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15}},
};

static double ratio(int range, double x)
{
    return horner(ratios[range][0], x) / horner(ratios[range][1], x);
}

double sa_random_gaussian(uint64_t key, uint64_t index)
{
    /* odd multiples of 2^-53: never 0 or 1, symmetric about 1/2 */
    double p = (double)((sa_random_bits(key, index) >> 11) | 1) * 0x1p-53;
    double q = p - 0.5;
    if (q >= -0.425 && q <= 0.425) return q * ratio(0, 0.180625 - q * q);
    double r = sqrt(-portable_log(q < 0 ? p : 1 - p));
    double magnitude = r <= 5 ? ratio(1, r - 1.6) : ratio(2, r - 5);
    return q < 0 ? -magnitude : magnitude;
}

uint64_t sa_random_key(uint64_t seed, const char *name, uint64_t index)
{
    return sa_random_bits(sa_random_bits(seed, sa_hash_text(name)), index);
}
