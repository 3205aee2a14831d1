#!/usr/bin/env bash
# Reads what ptxas said of each CUDA kernel when it was compiled (BUILD/obj/kernels/cuda/*.ptxas).
#
#   tools/cuda_resources.sh check BUILD             fails on spills, stack frames, and kernels missing from tools/cuda_kernels.txt
#   tools/cuda_resources.sh facts BUILD [ARCH]      lines "kernel form registers shared", of sm_ARCH or the most of all: for bench_card
#   tools/cuda_resources.sh report BUILD [GB/s]     a table: registers, shared memory, warps, bytes moved, floor time
#
# Registers are the most of all architectures compiled for. Warps: how many of 48 fit a multiprocessor of 65536 registers. The
# floor is for a plane set of 64 x 384 x 512 elements at the given bandwidth (default 1000 GB/s): no kernel can be quicker.
set -eu
export LC_ALL=C
mode=${1:?usage: cuda_resources.sh check|facts|report BUILD [GB/s|ARCH]}
build=${2:?usage: cuda_resources.sh check|facts|report BUILD [GB/s|ARCH]}
bandwidth=${3:-1000}
tools=$(cd "$(dirname "$0")" && pwd)

missing=0
for source in kernels/cuda/*.cu; do
    log=$build/obj/${source%.cu}.ptxas
    [ -f "$log" ] || { echo "$source: not compiled: $log is missing" >&2; missing=1; }
done
[ "$missing" = 0 ] || exit 1

# One line a kernel and architecture: name arch stack spill_stores spill_loads registers static_shared
facts()
{
    awk '
    /Compiling entry function/ { split($0, q, "\x27"); name = q[2]; arch = q[4]; next }
    /bytes stack frame/ { stack = $1; stores = $5; loads = $9; next }
    /: Used [0-9]+ registers/ {
        shared = 0
        for (i = 1; i <= NF; i++) {
            if ($i == "registers,") registers = $(i - 1)
            if ($i ~ /^smem/) shared = $(i - 2)
        }
        print name, arch, stack, stores, loads, registers, shared
    }' "$build"/obj/kernels/cuda/*.ptxas | c++filt -p | sed -E 's/^void //; s/<sa_([^>]*)>/ \1/; s/, (sa_)?/+/g' |
        awk '{ if ($2 ~ /^sm_/) $1 = $1 " -"; print }'
}

if [ "$mode" = facts ]; then
    facts | awk -v arch="sm_${3:-}" '
        arch == "sm_" || $3 == arch { key = $1 " " $2; if ($7 > r[key]) r[key] = $7; if ($8 > s[key]) s[key] = $8; seen[key] }
        END { for (key in seen) print key, r[key] + 0, s[key] + 0 }' | sort
    exit 0
fi

facts | sort | awk -v mode="$mode" -v table="$tools/cuda_kernels.txt" -v bandwidth="$bandwidth" '
BEGIN {
    while ((getline line < table) > 0) {
        if (line ~ /^#/) continue
        split(line, f, /[ \t]+/)
        bytes[f[1]] = f[2]
        element[f[1]] = line
        sub(/^[^ \t]+[ \t]+[^ \t]+[ \t]+/, "", element[f[1]])
    }
    if (mode == "report") {
        printf "| %-27s | %-14s | registers | warps | shared | bytes per element | floor, ms |\n", "kernel", "form"
        print "|---|---|---|---|---|---|---|"
    }
}
function row(   warps) {
    if (last == "" || mode != "report") return
    warps = int(65536 / (int((registers + 7) / 8) * 8 * 32))
    split(last, id, " ")
    printf "| %-27s | %-14s | %d | %d | %d | %s %s | %.3f |\n", id[1], id[2], registers, (warps > 48 ? 48 : warps), shared, bytes[id[1]],
        element[id[1]], bytes[id[1]] * 64 * 384 * 512 / bandwidth / 1e6
}
{
    kernels++
    if (!($1 in bytes)) { printf "%s is not in tools/cuda_kernels.txt\n", $1; failures++ }
    if ($4 + $5 + $6 > 0) {
        printf "%s (%s) for %s: %d bytes of stack, spills of %d and %d bytes\n", $1, $2, $3, $4, $5, $6
        failures++
    }
    if ($1 " " $2 != last) { row(); last = $1 " " $2; registers = shared = 0 }
    if ($7 > registers) registers = $7
    if ($8 > shared) shared = $8
}
END {
    row()
    if (!kernels) { print "no kernels found"; failures++ }
    if (mode == "check" && !failures) printf "cuda: %d kernels and architectures, no spills, no stack frames\n", kernels
    exit failures > 0
}'
