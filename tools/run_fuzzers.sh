#!/usr/bin/env bash
# Runs libFuzzer programs one after the other and stops at the first finding, whose input it names.
#
#   tools/run_fuzzers.sh SECONDS FUZZER...
#
# fuzz_NAME starts from the files of tests/fuzz/seeds_NAME/ and nets/; what it learns is kept in build/fuzz/corpus_NAME/.
set -eu
seconds=${1:?usage: run_fuzzers.sh SECONDS FUZZER...}
shift
for fuzzer in "$@"; do
    name=$(basename "$fuzzer")
    name=${name#fuzz_}
    corpus=build/fuzz/corpus_$name
    mkdir -p "$corpus"
    seeds=()
    for folder in "tests/fuzz/seeds_$name" nets; do
        if [ -d "$folder" ]; then seeds+=("$folder"); fi
    done
    echo "== fuzz_$name, $seconds s"
    log=build/fuzz/$name.log
    "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/finding_${name}_" "$corpus" ${seeds[@]+"${seeds[@]}"} >"$log" 2>&1 || {
        tail -n 60 "$log"
        exit 1
    }
    grep -E '^stat::(number_of_executed_units|new_units_added)' "$log"
done
echo "fuzz: no findings"
