/* OpenBLAS, and what stands in for it; see blas.h. */
#include "kernels/cpu/blas.h"

#include "core/checked.h"
#include "kernels/cpu/cpu_isa.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#ifndef SA_NO_BLAS
#include <cblas.h>
#endif

enum { TILE_ROWS = 4, TILE_COLUMNS = 64, LANES = 16 };

/* A tile of c from rows of b: each value is summed in order of depth. */
static void run_tile(const sa_product *p, int i, int rows, int j, int columns)
{
    float sum[TILE_ROWS][TILE_COLUMNS] = {{0}};
    const size_t pitch = (size_t)p->a_pitch, a_row = p->a_transposed ? 1 : pitch, a_step = p->a_transposed ? pitch : 1;
    const float *a = p->a + (size_t)i * a_row, *b = p->b + j;
    for (int k = 0; k < p->depth; k++, a += a_step, b += p->b_pitch)
        for (int r = 0; r < rows; r++)
            for (int x = 0; x < columns; x++) sum[r][x] += a[(size_t)r * a_row] * b[x];
    for (int r = 0; r < rows; r++) {
        float *c = p->c + (size_t)(i + r) * (size_t)p->c_pitch + j;
        for (int x = 0; x < columns; x++) c[x] = (p->add ? c[x] : 0) + sum[r][x];
    }
}

/* One value of c from a row of b that is stored as a column: in 16 lanes, which are then added in order. */
static float dot(const float *a, size_t a_step, const float *b, int depth)
{
    float lane[LANES] = {0}, sum = 0;
    int k = 0;
    if (a_step == 1)
        for (; k + LANES <= depth; k += LANES)
            for (int l = 0; l < LANES; l++) lane[l] += a[k + l] * b[k + l];
    for (; k < depth; k++) lane[k % LANES] += a[(size_t)k * a_step] * b[k];
    for (int l = 0; l < LANES; l++) sum += lane[l];
    return sum;
}

void sa_product_run_plain(const sa_product *p)
{
    if (!p->b_transposed) {
        for (int j = 0; j < p->columns; j += TILE_COLUMNS)
            for (int i = 0; i < p->rows; i += TILE_ROWS)
                run_tile(p, i, sa_min_int(TILE_ROWS, p->rows - i), j, sa_min_int(TILE_COLUMNS, p->columns - j));
        return;
    }
    const size_t pitch = (size_t)p->a_pitch, a_row = p->a_transposed ? 1 : pitch, a_step = p->a_transposed ? pitch : 1;
    for (int i = 0; i < p->rows; i++)
        for (int j = 0; j < p->columns; j++) {
            float *c = p->c + (size_t)i * (size_t)p->c_pitch + j;
            float sum = dot(p->a + (size_t)i * a_row, a_step, p->b + (size_t)j * (size_t)p->b_pitch, p->depth);
            *c = p->add ? *c + sum : sum;
        }
}

#ifdef SA_NO_BLAS

void sa_product_run(const sa_product *product)
{
    sa_product_run_plain(product);
}

const char *sa_blas_kernels(void)
{
    return "plain loops";
}

#else

void sa_product_run(const sa_product *p)
{
    openblas_set_num_threads(1);
    cblas_sgemm(CblasRowMajor, p->a_transposed ? CblasTrans : CblasNoTrans, p->b_transposed ? CblasTrans : CblasNoTrans, p->rows,
                p->columns, p->depth, 1, p->a, p->a_pitch, p->b, p->b_pitch, p->add ? 1 : 0, p->c, p->c_pitch);
}

const char *sa_blas_kernels(void)
{
    return openblas_get_corename();
}

#endif

const char *sa_blas_better_kernels(const char *kernels)
{
    /* Without AVX2, or without AVX-512. What is not listed is newer, or of another family of processors. */
    static const char *const SSE_OR_AVX[] = {"Katmai",       "Coppermine",  "Northwood",  "Prescott", "Banias",    "Atom",
                                             "Core2",        "Penryn",      "Dunnington", "Nehalem",  "Athlon",    "Opteron",
                                             "Opteron_SSE3", "Barcelona",   "Bobcat",     "Nano",     "Bulldozer", "Piledriver",
                                             "Steamroller",  "Sandybridge", "Generic"};
    static const char *const AVX2[] = {"Haswell", "Zen", "Excavator"};
    const sa_cpu_isa isa = sa_cpu_isa_best();
    const char *best = isa == SA_CPU_AVX512 ? "SkylakeX" : isa == SA_CPU_AVX2 ? "Haswell" : NULL;
    for (size_t i = 0; i < sizeof SSE_OR_AVX / sizeof SSE_OR_AVX[0]; i++)
        if (!strcmp(kernels, SSE_OR_AVX[i])) return best;
    for (size_t i = 0; isa == SA_CPU_AVX512 && i < sizeof AVX2 / sizeof AVX2[0]; i++)
        if (!strcmp(kernels, AVX2[i])) return best;
    return NULL;
}

bool sa_blas_is_right(void)
{
    enum { ROWS = 21, COLUMNS = 70, DEPTH = 53 };
    float a[ROWS * DEPTH], b[DEPTH * COLUMNS], c[ROWS * COLUMNS], plain[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * DEPTH; i++) a[i] = (float)(i * 7 % 31 - 15) / 16;
    for (int i = 0; i < DEPTH * COLUMNS; i++) b[i] = (float)(i * 11 % 37 - 18) / 16;
    for (int way = 0; way < 4; way++) {
        sa_product p = {.rows = ROWS, .columns = COLUMNS, .depth = DEPTH, .a = a, .b = b, .c_pitch = COLUMNS};
        p.a_transposed = way & 1;
        p.b_transposed = way & 2;
        p.a_pitch = p.a_transposed ? ROWS : DEPTH;
        p.b_pitch = p.b_transposed ? DEPTH : COLUMNS;
        p.c = plain;
        sa_product_run_plain(&p);
        p.c = c;
        sa_product_run(&p);
        /* Sums of multiples of 1/256 below 64 are exact in any order. */
        for (int i = 0; i < ROWS * COLUMNS; i++)
            if (!(c[i] == plain[i])) return false;
    }
    return true;
}
