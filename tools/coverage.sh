#!/usr/bin/env bash
# Sums up gcov's line coverage per folder after a run of the suites in the coverage build.
#
#   tools/coverage.sh BUILD_DIR
#
# Only the project's compiled sources count, each once: tests and inline functions of headers are left out.
set -eu
build=${1:?usage: coverage.sh BUILD_DIR}
find "$build/obj" -name '*.gcno' ! -path '*/tests/*' -print0 | xargs -0 -r gcov --no-output 2>/dev/null | awk '
    /^File / { file = $0; sub(/^File ./, "", file); sub(/.$/, "", file); next }
    /^Lines executed:/ && file ~ /^[a-z]+\/.*\.c$/ {
        share = $0
        sub(/^Lines executed:/, "", share)
        sub(/%.*$/, "", share)
        folder = substr(file, 1, index(file, "/") - 1)
        total[folder] += $NF
        hit[folder] += share * $NF / 100
        all += $NF
        all_hit += share * $NF / 100
    }
    { file = "" }
    function line(name, n, m) { return sprintf("%-10s %6d of %6d lines  %5.1f %%", name, n + 0.5, m, m ? 100 * n / m : 0) }
    END {
        for (folder in total) print line(folder, hit[folder], total[folder]) | "sort"
        close("sort")
        print line("all", all_hit, all)
    }'
