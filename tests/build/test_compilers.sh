#!/usr/bin/env bash
# Every file of the programs is read by each compiler that is installed, without a warning: gcc 11 to 15 and clang 14 to 20.
set -u
cd "$(dirname "$0")/../.." || exit 1
flags=(-std=c11 -D_GNU_SOURCE -fopenmp -ffp-contract=off -fno-math-errno -Wno-psabi -Wall -Wextra -Wno-missing-field-initializers
    -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Werror -I. -fsyntax-only)
folders=(core memory proto kernels data program layers net report cli)
cases=0 failures=0

for compiler in gcc-{11..15} clang-{14..20}; do
    command -v "$compiler" >/dev/null || continue
    cases=$((cases + 1))
    # without those that need a header made while building
    output=$(find "${folders[@]}" -name '*.c' -exec grep -LZ '<.*pb-c\.h>\|".*pb-c\.h"' {} + | xargs -0 -P2 -n8 "$compiler" "${flags[@]}" 2>&1)
    [ -z "$output" ] && { echo "[       OK ] $compiler"; continue; }
    failures=$((failures + 1))
    printf '%s\n[  FAILED  ] %s\n' "${output:0:2000}" "$compiler"
done
[ $cases != 0 ] || { echo 'SKIP: no gcc-N or clang-N'; echo '[  SKIPPED ] 1 test(s)'; exit 0; }

echo "[  PASSED  ] $((cases - failures)) test(s)."
[ $failures = 0 ] || echo "[  FAILED  ] $failures test(s), listed above"
exit $((failures > 0))
