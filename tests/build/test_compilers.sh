#!/usr/bin/env bash
# Every file of the programs is read by each compiler that is installed, without a warning: gcc 11 to 15 and clang 14 to 20. What they
# make of the FFT convolution has the same bits.
set -u
cd "$(dirname "$0")/../.." || exit 1
flags=(-std=c11 -D_GNU_SOURCE -fopenmp -ffp-contract=off -fno-math-errno -Wno-psabi -Wall -Wextra -Wno-missing-field-initializers
    -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Werror -I. -fsyntax-only)
folders=(core memory proto kernels data program layers net report cli)
cases=0 failures=0

for compiler in gcc-{11..15} clang-{14..20}; do
    command -v "$compiler" >/dev/null || continue
    cases=$((cases + 1))
    # without those that need a header made while building, or a library that need not be there
    output=$(find "${folders[@]}" -name '*.c' -exec grep -LZ '<.*pb-c\.h>\|".*pb-c\.h"\|<hdf5\.h>\|<mpi\.h>' {} + | xargs -0 -P2 -n8 "$compiler" "${flags[@]}" 2>&1)
    [ -z "$output" ] && { echo "[       OK ] $compiler"; continue; }
    failures=$((failures + 1))
    printf '%s\n[  FAILED  ] %s\n' "${output:0:2000}" "$compiler"
done
[ $cases != 0 ] || { echo 'SKIP: no gcc-N or clang-N'; echo '[  SKIPPED ] 1 test(s)'; exit 0; }

# The loops of the FFT convolution give the same bits from every compiler: transforms of both sizes, products, and back.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/main.c" <<'CODE'
#include "core/hash.h"
#include "kernels/cpu/conv/conv_fft_kernels.h"
#include <stdio.h>
#define KERNELS_(isa) sa_fft_kernels_##isa
#define KERNELS(isa) KERNELS_(isa)
enum { T = 32, FREQUENCIES = T * T / 2 + 2, FLOATS = FREQUENCIES * 2 * SA_FFT_GROUP };
static _Alignas(64) float image[SA_FFT_GROUP][T * T], spectrum[2][FLOATS], work[SA_FFT_WORK_FLOATS], out[SA_FFT_GROUP][T * T];
int main(void)
{
    const sa_fft_kernels *k = &KERNELS(ISA);
    uint64_t hash = SA_HASH_START;
    uint32_t random = 1;
    for (int c = 0; c < SA_FFT_GROUP; c++)
        for (int i = 0; i < T * T; i++) image[c][i] = (float)(int32_t)(random = random * 1664525u + 1013904223u) * 0x1p-31f;
    for (int s = 0; s < SA_FFT_SIZES; s++) {
        const int t = 16 << s;
        const size_t pitch = 2 * SA_FFT_GROUP;
        sa_fft_pixels pixels = {.rows = t, .columns = t};
        for (int c = 0; c < SA_FFT_GROUP; c++) pixels.at[c] = image[c], pixels.row_pitch[c] = T;
        const sa_fft_spectrum a = {spectrum[0], pitch, SA_FFT_GROUP, false, false}, b = {spectrum[1], pitch, SA_FFT_GROUP, false, false};
        const sa_fft_filter filter = {image[0], T * T, SA_FFT_GROUP, 7, false};
        const sa_fft_target target = {out[0], T * T, T, t, t, SA_FFT_GROUP, NULL};
        const sa_fft_ahead ahead[SA_FFT_AHEAD] = {{image[0], 0, 0, 0}, {image[0], 0, 0, 0}, {image[0], 0, 0, 0}};
        k->size[s].forward(&pixels, &a, work);
        hash = sa_hash_bytes(hash, spectrum[0], sizeof spectrum[0]);
        k->size[s].filter(&filter, &b, work);
        hash = sa_hash_bytes(hash, spectrum[1], sizeof spectrum[1]);
        static _Alignas(64) float product[4][2 * SA_FFT_GROUP];
        const sa_fft_product p = {spectrum[0], spectrum[1], product[0], 1, pitch, SA_FFT_GROUP, pitch, pitch, SA_FFT_GROUP, SA_FFT_GROUP,
                                  4, 8, SA_FFT_GROUP};
        k->multiply(&p, ahead);
        hash = sa_hash_bytes(hash, product, sizeof product);
        k->multiply_conjugate(&p, ahead, true);
        hash = sa_hash_bytes(hash, product, sizeof product);
        k->size[s].inverse(&a, &target, work);
        hash = sa_hash_bytes(hash, out, sizeof out);
    }
    printf("%016llx\n", (unsigned long long)hash);
    return 0;
}
CODE
isas=(portable)
[ "$(uname -m)" != x86_64 ] || ! grep -qw fma /proc/cpuinfo || isas+=(avx2)
[ "$(uname -m)" != x86_64 ] || ! grep -qw avx512vl /proc/cpuinfo || isas+=(avx512)
for isa in "${isas[@]}"; do
    case $isa in
    avx2) set -- -mavx2 -mfma ;;
    avx512) set -- -mavx2 -mfma -mavx512f -mavx512dq -mavx512bw -mavx512vl -mprefer-vector-width=512 ;;
    *) set -- ;;
    esac
    cases=$((cases + 1))
    bits=''
    for compiler in gcc-{11..15} clang-{14..20}; do
        command -v "$compiler" >/dev/null || continue
        "$compiler" -std=c11 -O3 -ffp-contract=off "$@" -DISA="$isa" -I. "$work/main.c" "kernels/cpu/conv/conv_fft_$isa.c" -o "$work/main" 2>&1 &&
            bits+="$("$work/main") $compiler"$'\n'
    done
    [ "$(cut -d' ' -f1 <<<"$bits" | sort -u | grep -c .)" = 1 ] && { echo "[       OK ] the bits of $isa"; continue; }
    failures=$((failures + 1))
    printf '%s[  FAILED  ] the bits of %s\n' "$bits" "$isa"
done

echo "[  PASSED  ] $((cases - failures)) test(s)."
[ $failures = 0 ] || echo "[  FAILED  ] $failures test(s), listed above"
exit $((failures > 0))
