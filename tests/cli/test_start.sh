#!/usr/bin/env bash
# What the programs put into the environment before they start (cli/start.h): kernels of OpenBLAS that fit the processor, threads
# that sleep while they wait, and nothing where the user has said something. A preloaded library plays an OpenBLAS that does not
# know the processor.
set -u
build=${SA_BUILD:-build}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
net=tests/golden/tiny_old/net.prototxt
passed=0 failed=0 skipped=0

check() # name, what is expected, what came
{
    if [[ $3 == *"$2"* ]]; then
        passed=$((passed + 1))
        echo "[       OK ] $1"
    else
        failed=$((failed + 1))
        echo "[  FAILED  ] $1: expected '$2' in:"
        echo "$3"
    fi
}

skip() # name, reason
{
    skipped=$((skipped + 1))
    echo "SKIP: $1: $2"
}

# Its environment as the restarted program sees it: what it says of the device, then what it was started with.
device() # environment words...
{
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT -u KMP_BLOCKTIME -u KMP_LIBRARY -u OPENBLAS_CORETYPE "$@" \
        "$build/segarena" bench "$net" --strategy fastest --warmup 0 --steps 1 2>&1 | grep ' on cpu: '
}
environment()
{
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT -u KMP_BLOCKTIME -u KMP_LIBRARY "$@" LD_PRELOAD="$folder/environment.so" \
        "$build/segarena" --help 2>&1 >/dev/null | sort | tr '\n' ' '
}

compile() # name, source
{
    echo "$2" >"$folder/$1.c" && gcc -shared -fPIC -o "$folder/$1.so" "$folder/$1.c" 2>"$folder/log"
}
compile unknown '#include <stdlib.h>
char *openblas_get_corename(void) { char *c = getenv("OPENBLAS_CORETYPE"); return c ? c : "Prescott"; }'
compile wrong '#include <stdlib.h>
char *openblas_get_corename(void) { char *c = getenv("OPENBLAS_CORETYPE"); return c ? c : "Prescott"; }
void cblas_sgemm() { }'
compile environment '#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern char **environ;
__attribute__((destructor)) static void show(void)
{
    for (char **e = environ; *e; e++)
        if (strstr(*e, "OMP_WAIT") || strstr(*e, "SPINCOUNT")) fprintf(stderr, "%s\n", *e);
}'

if [[ $build == *asan* || $build == *ubsan* ]]; then
    skip 'preloaded libraries' 'a sanitizer build does not start with them'
elif [ ! -f "$folder/environment.so" ]; then
    skip 'preloaded libraries' "gcc did not build them: $(head -n 1 "$folder/log")"
else
    check 'threads sleep while they wait' 'OMP_WAIT_POLICY=passive' "$(environment A=1)"
    check 'the user has said how to wait' 'OMP_WAIT_POLICY=active ' "$(environment OMP_WAIT_POLICY=active)"
    check 'the user has said how long to spin' 'GOMP_SPINCOUNT=77 ' "x$(environment GOMP_SPINCOUNT=77)"
    if ! grep -q ' avx2 ' /proc/cpuinfo || ! ldd "$build/segarena" | grep -q libopenblas; then
        skip 'kernels of OpenBLAS' 'no processor with AVX2, or no OpenBLAS'
    else
        check 'a fallback is replaced' '(chosen over Prescott)' "$(device LD_PRELOAD="$folder/unknown.so")"
        check 'the user has chosen' 'BLAS Nehalem;' "$(device LD_PRELOAD="$folder/unknown.so" OPENBLAS_CORETYPE=Nehalem)"
        check 'kernels that multiply wrongly are not taken' 'BLAS Prescott;' "$(device LD_PRELOAD="$folder/wrong.so")"
    fi
fi
[ $passed = 0 ] || echo "[  PASSED  ] $passed test(s)."
[ $failed = 0 ] || echo "[  FAILED  ] $failed test(s)."
[ $skipped = 0 ] || echo "[  SKIPPED ] $skipped test(s)."
[ $failed = 0 ]
