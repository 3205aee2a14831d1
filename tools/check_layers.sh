#!/usr/bin/env bash
# Checks that every folder includes only what it may know (docs/development.md has the table in words).
#
#   tools/check_layers.sh [ROOT]      prints file:line: cause; exit status 1 when anything is wrong
#
# It reads #include lines only: it doesn't follow them, and it doesn't see through macros.
set -eu
root=${1:-.}
tools=$(cd "$(dirname "$0")" && pwd)
"$tools/sources.sh" "$root" c h cu cuh cpp hpp | (
    cd "$root"
    # shellcheck disable=SC2016 # awk's own $
    xargs -r awk '
    function wrong(cause) { printf "%s:%d: %s\n", FILENAME, FNR, cause; failures++ }
    function may(folder, list,   i, n, names) {
        n = split(list, names, " ")
        for (i = 1; i <= n; i++) allowed[folder, names[i]] = 1
        allowed[folder, folder] = 1
        layered[folder] = 1
    }
    BEGIN {
        may("core", "")
        may("memory", "core")
        may("proto", "core")
        may("kernels", "core")
        may("layers", "core kernels proto data")
        may("data", "core proto")
        may("net", "core memory proto kernels layers data")
        may("report", "net memory core layers")
        # These stand on top: they may include anything, and none of the folders above may include them.
        top["cli"] = top["bench"] = top["tests"] = 1
        cuda = "^(cuda|cublas|cudnn|cufft|curand|cooperative_groups|nvtx|nvToolsExt|mma\\.h|cub/)"
    }
    FNR == 1 {
        slash = index(FILENAME, "/")
        folder = slash ? substr(FILENAME, 1, slash - 1) : "."
        cuda_place = FILENAME ~ /^kernels\/cuda\// || FILENAME ~ /^tests\/simt\//
    }
    /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
        name = $0
        sub(/^[^<"]*[<"]/, "", name)
        sub(/[>"].*$/, "", name)
        if (name ~ cuda && !cuda_place) wrong("CUDA headers belong in kernels/cuda/ and tests/simt/ only (" name ")")
        if ($0 !~ /include[ \t]*"/ || !(folder in layered)) next
        slash = index(name, "/")
        target = slash ? substr(name, 1, slash - 1) : ""
        if (name ~ /(^|\/)\.\.?\//) wrong("write includes from the root (" name ")")
        else if (!(target in layered) && !(target in top)) {
            if (!(name ~ cuda && cuda_place)) wrong("write includes from the root, with < > for other libraries (" name ")")
        } else if (!((folder, target) in allowed)) wrong(folder "/ may not include " target "/ (" name ")")
    }
    END { exit failures > 0 }'
) || exit 1 # xargs has a status of its own for this
