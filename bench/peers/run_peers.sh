#!/usr/bin/env bash
# Trains both configurations here and in PyTorch, in turns, and prints the ratios of step times and of memory.
#
#   bench/peers/run_peers.sh BUILD_DIR
#
# PEER_PYTHONS    interpreters to try (default: /usr/bin/python3 and python3); each different PyTorch among them is measured
# PEER_STRATEGIES our strategies (default: the benchmark's own)      PEER_ROUNDS, PEER_STEPS    2 rounds of 2 steps after 1
# PEER_LAYER_THREADS  threads of the comparison of single convolutions at the end (default 1)
#
# Every measurement is a process of its own, so that peaks of memory do not mix; the rounds are interleaved, so that a busy
# machine disturbs all rows alike.
set -eu
build=${1:?usage: run_peers.sh BUILD_DIR}
here=$(dirname "$0")
rounds=${PEER_ROUNDS:-2} steps=${PEER_STEPS:-2}
results=build/peers/results.jsonl
mkdir -p build/peers
: >"$results"

pythons=() versions=' '
for python in ${PEER_PYTHONS:-/usr/bin/python3 python3}; do
    version=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) || continue
    case $versions in *" $version "*) continue ;; esac
    versions="$versions$version "
    pythons+=("$python")
done
if [ ${#pythons[@]} = 0 ]; then
    echo 'bench-peers: no Python with PyTorch found; on Debian: apt-get install python3-torch' >&2
    exit 1
fi
echo "PyTorch:$versions"

for ((round = 1; round <= rounds; round++)); do
    for net in old new; do
        echo "round $round of $rounds: $net; $("$build/bench_cores")"
        "$build/bench_$net" ${PEER_STRATEGIES:+--strategy "$PEER_STRATEGIES"} --warmup 1 --steps "$steps" --json |
            tr -d '\n' >>"$results"
        echo >>"$results"
        for python in "${pythons[@]}"; do
            for layout in nchw channels_last; do
                "$python" "$here/pytorch_nets.py" $net $layout 1 "$steps" >>"$results"
            done
        done
    done
done
"${pythons[0]}" "$here/compare_peers.py" "$results"
echo
for python in "${pythons[@]}"; do "$python" "$here/compare_layers.py" "$build" "${PEER_LAYER_THREADS:-1}"; done
