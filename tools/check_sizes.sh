#!/usr/bin/env bash
# Checks the sizes and names that keep the code readable: files up to 500 lines, functions up to 60 (under kernels/ 100),
# no two files of one name, no two compiled files of one stem (their objects share an archive).
#
#   tools/check_sizes.sh [ROOT]       prints file:line: cause; exit status 1 when anything is wrong
#
# It relies on clang-format's layout: a function's body starts with a '{' alone in column 0 and ends with a '}' there; the
# length is counted from the first line of its signature.
set -eu
root=${1:-.}
tools=$(cd "$(dirname "$0")" && pwd)
"$tools/sources.sh" "$root" c h cu cuh cpp hpp sh py | (
    cd "$root"
    xargs -r awk -v file_limit=500 -v function_limit=60 -v kernel_limit=100 '
    function wrong(path, line, cause) { printf "%s:%d: %s\n", path, line, cause; failures++ }
    function end_of_file() { if (path != "" && lines > file_limit) wrong(path, lines, lines " lines, the limit is " file_limit) }
    FNR == 1 {
        end_of_file()
        path = FILENAME
        opened = signature = 0
        limit = path ~ /^kernels\// ? kernel_limit : function_limit
        code = path ~ /\.(c|h|cu|cuh|cpp|hpp)$/
        base = path
        sub(/^.*\//, "", base)
        if (base in seen) wrong(path, 1, "the name is taken by " seen[base])
        seen[base] = path
        if (base ~ /\.(c|cu|cpp)$/) {
            stem = base
            sub(/\.[^.]*$/, "", stem)
            if (stem in stems) wrong(path, 1, "its object has the same name as that of " stems[stem])
            stems[stem] = path
        }
    }
    { lines = FNR }
    code && /^\{$/ && signature { opened = signature; next }
    code && /^\}/ {
        if (opened && FNR - opened + 1 > limit)
            wrong(path, opened, "a function of " FNR - opened + 1 " lines, the limit is " limit)
        opened = signature = 0
        next
    }
    # The latest line that starts in column 0 and is neither comment nor directive may open a signature.
    code && /^[A-Za-z_]/ { signature = /^(namespace|class|struct|union|enum|extern "C")/ && !/[()]/ ? 0 : FNR }
    END { end_of_file(); exit failures > 0 }'
) || exit 1 # xargs has a status of its own for this
