#!/usr/bin/env bash
# im2col with every set of kernels of OpenBLAS that this processor can run: right, and the same bits for any number of threads. The
# kernels differ in the order of their sums, and which ones a machine takes depends on its model, its environment and its OpenBLAS.
set -u
build=${SA_BUILD:-build}
log=$build/tests/test_blas_kernels.log
flags=" $(sed -n 's/^flags[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1) "
if [ "$flags" = '  ' ]; then
    echo 'SKIP: /proc/cpuinfo names no flags of an x86 processor'
    echo '[  SKIPPED ] 1 test(s).'
    exit 0
fi
passed=0 failed=0

has() # flags...
{
    local flag
    for flag; do case $flags in *" $flag "*) ;; *) return 1 ;; esac; done
}

try() # core type, the flags it needs...
{
    local core=$1
    shift
    has "$@" || return
    if OPENBLAS_CORETYPE=$core "$build/tests/test_conv" test_im2col >"$log" 2>&1 && grep -q 'PASSED.* 1 test' "$log"; then
        passed=$((passed + 1))
        echo "[       OK ] $core"
    else
        failed=$((failed + 1))
        echo "[  FAILED  ] $core: OPENBLAS_CORETYPE=$core $build/tests/test_conv test_im2col"
        tail -n 20 "$log"
    fi
}

try Prescott pni
try Core2 ssse3
try Penryn sse4_1
try Nehalem sse4_2
try Sandybridge avx
try Haswell avx2 fma
try Zen avx2 fma
try SkylakeX avx512f avx512dq avx512bw avx512vl avx512cd
try Cooperlake avx512f avx512dq avx512bw avx512vl avx512cd avx512_bf16
try Sapphirerapids avx512f avx512dq avx512bw avx512vl avx512cd avx512_bf16 amx_tile
rm -f "$log"
[ $passed = 0 ] || echo "[  PASSED  ] $passed test(s)."
[ $failed = 0 ] || echo "[  FAILED  ] $failed test(s)."
[ $failed = 0 ]
