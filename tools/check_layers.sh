#!/usr/bin/env bash
# Checks that every folder includes only what it may know (docs/development.md has the table in words), that only layers/ knows
# layer types by name (passes, emitter and reports ask for the traits of sa_layer_type), and that nobody compares names of devices.
#
#   tools/check_layers.sh [ROOT]      prints file:line: cause; exit status 1 when anything is wrong
#
# It reads #include lines, doesn't follow them, and doesn't see through macros. A layer type's name is what stands in layers/ as
# .name = "X" or behind a macro's sa_layer_x. Tables of names as file formats have them are in the files listed below.
set -eu
root=${1:-.}
tools=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp)
trap 'rm -f "$work"' EXIT
failed=0
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
        may("program", "core memory proto kernels data")
        may("layers", "core kernels proto data program")
        may("data", "core proto")
        may("net", "core memory proto kernels layers data program")
        may("cost", "core memory kernels net program")
        may("report", "net memory core layers program")
        may("ranks", "core")
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
    /str(n|case)?cmp\(.*kind, "(cpu|cuda)/ && FILENAME !~ /^(core\/device\.c$|tests\/)/ {
        wrong("ask what a device can, not its name (core/device.h)")
    }
    END { exit failures > 0 }'
) || failed=1 # xargs has a status of its own for this

names=$(cd "$root" && cat layers/*.c layers/*/*.c 2>/dev/null |
    sed -nE 's/.*(\.name = |\(sa_layer_[a-z0-9_]+, )"([A-Z][A-Za-z0-9]+)".*/\2/p' | sort -u | paste -s -d '|' -)
format_tables='^(net/net_upgrade(_v0)?\.[ch]|net/unknown_types\.c|data/weights/caffemodel\.c):'
say() { sed -n "s|^\([^:]*:[0-9]*\):.*|\1: $1; ask for a trait of sa_layer_type (program/layer.h)|p" | grep . && failed=1; }
sources=$("$tools/sources.sh" "$root" c h)
cd "$root"
if [ -n "$names" ]; then
    grep -vE '^(layers|tests|bench)/' <<<"$sources" | xargs -r grep -nE "\"($names)\"" /dev/null |
        grep -vE "$format_tables" >"$work" || true
    say 'a layer type by its name' <"$work" || true
fi
grep -vE '^layers/layer_registry\.[ch]$' <<<"$sources" | xargs -r grep -nE 'extern const sa_layer_type' /dev/null >"$work" || true
say 'another layer type by its symbol' <"$work" || true
exit $failed
