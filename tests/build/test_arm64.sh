#!/usr/bin/env bash
# 64-bit ARM: the programs are cross-compiled and train a small net under qemu-user. Needs aarch64-linux-gnu-gcc, qemu-aarch64 or
# qemu-aarch64-static, and the libraries for arm64: those of Debian's multiarch (libpng-dev:arm64 ...), or others below $SA_ARM64_ROOT
# (a folder with usr/include and usr/lib/aarch64-linux-gnu, such as unpacked packages). Skips where something is missing.
set -u
project=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$project" && cd "${SA_BUILD:-build}" && pwd)
compiler=aarch64-linux-gnu-gcc
cases=0 failures=0

skip()
{
    echo "SKIP: $1"
    echo '[  SKIPPED ] 1 test(s)'
    exit 0
}

check() # NAME STATUS TEXT
{
    cases=$((cases + 1))
    [ "$2" = 0 ] && { echo "[       OK ] $1"; return; }
    failures=$((failures + 1))
    printf '%s\n[  FAILED  ] %s\n' "${3:0:2000}" "$1"
}

command -v $compiler >/dev/null || skip "no $compiler (package gcc-aarch64-linux-gnu)"
qemu=$(command -v qemu-aarch64 qemu-aarch64-static | head -1)
[ -n "$qemu" ] || skip 'no qemu-aarch64 (package qemu-user)'
root=${SA_ARM64_ROOT:-}
libraries=$root/usr/lib/aarch64-linux-gnu:$root/lib/aarch64-linux-gnu
flags=(-isystem "$root/usr/include/aarch64-linux-gnu" "-L$root/usr/lib/aarch64-linux-gnu" "-L$root/lib/aarch64-linux-gnu" "-Wl,-rpath-link,$libraries")
[ -z "$root" ] || flags+=(-isystem "$root/usr/include")
for header in png.h jpeglib.h cjson/cJSON.h; do
    echo "#include <stdio.h>
#include <$header>" | $compiler "${flags[@]}" -fsyntax-only -xc - 2>/dev/null || skip "no $header for arm64 (packages of libpng, libjpeg, cjson)"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

output=$(env -u MAKEFLAGS -u MAKELEVEL make -C "$project" --no-print-directory CONFIG=release "B=$build/arm64" CUDA=0 BLAS=0 PROTOC_C= OPT_release=-O1 "CC=$compiler ${flags[*]}" \
    AR=aarch64-linux-gnu-ar "$build/arm64/segarena" 2>&1)
check 'cross-compiles' $? "${output: -2000}"

arm()
{
    "$qemu" -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=/usr/aarch64-linux-gnu/lib:$libraries" "$build/arm64/segarena" "$@" 2>"$work/err"
}

cat >"$work/net.prototxt" <<'NET'
name: "small"
input: "data" input_dim: 2 input_dim: 3 input_dim: 24 input_dim: 32
input: "label" input_dim: 2 input_dim: 1 input_dim: 24 input_dim: 32
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "bn" type: "BN" bottom: "conv" top: "conv" }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" top: "mask" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up" upsample_param { scale: 2 } }
layer { name: "cls" type: "Convolution" bottom: "up" top: "cls" convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "cls" bottom: "label" top: "loss" }
NET
for conv in im2col direct fft winograd; do
    output=$(arm bench "$work/net.prototxt" --strategy caffe,fused,fastest,smallest --conv $conv --steps 2 --threads 2 --json)
    rc=$?
    hashes=$(grep -o '"state_hash":[^,]*' <<<"$output" | sort | uniq -c | awk '{ print $1 }')
    check "$conv: four strategies, one state" $((rc != 0 || hashes != 4)) "$output $(cat "$work/err")"
    predicted=$(grep -o '"predicted_bytes":[^,]*' <<<"$output" | tr -dc '0-9\n')
    measured=$(grep -o '"measured_bytes":[^,]*' <<<"$output" | tr -dc '0-9\n')
    [ -n "$predicted" ] && [ "$predicted" = "$measured" ]
    check "$conv: bytes are as predicted" $? "$predicted, measured $measured"
done

echo "[  PASSED  ] $((cases - failures)) test(s)."
[ $failures = 0 ] || echo "[  FAILED  ] $failures test(s), listed above"
exit $((failures > 0))
