#!/usr/bin/env bash
# Trains both configurations here and in PyTorch, in turns, and prints the ratios of step times and of memory; then the same of
# inference, one image at a time.
#
#   bench/peers/run_peers.sh BUILD_DIR
#
# PEER_PYTHONS    interpreters to try (default: /usr/bin/python3 and python3); each different PyTorch among them is measured
# PEER_STRATEGIES our strategies (default: the benchmark's own)      PEER_ROUNDS, PEER_STEPS    2 rounds of 2 steps after 1
# PEER_PREDICT_STRATEGIES  those of inference (fastest,smallest)      PEER_MODES     train predict
# PEER_LAYER_THREADS  threads of the comparison of single convolutions at the end (default 1)
#
# Every measurement is a process of its own, so that peaks of memory do not mix; the rounds are interleaved, so that a busy
# machine disturbs all rows alike.
set -eu
build=${1:?usage: run_peers.sh BUILD_DIR}
here=$(dirname "$0")
rounds=${PEER_ROUNDS:-2} steps=${PEER_STEPS:-2} modes=${PEER_MODES:-train predict}
mkdir -p build/peers
for mode in $modes; do : >"build/peers/$mode.jsonl"; done

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

# ours MODE NET: one line of JSON.
ours()
{
    local strategies=${PEER_STRATEGIES:+--strategy "$PEER_STRATEGIES"}
    [ "$1" = train ] || strategies="--phase predict --batch 1 --strategy ${PEER_PREDICT_STRATEGIES:-fastest,smallest}"
    # shellcheck disable=SC2086  # two words each
    "$build/bench_$2" $strategies --warmup 1 --steps "$steps" --json | tr -d '\n'
    echo
}

for ((round = 1; round <= rounds; round++)); do
    for mode in $modes; do
        for net in old new; do
            echo "round $round of $rounds: $mode $net; $("$build/bench_cores")"
            ours "$mode" $net >>"build/peers/$mode.jsonl"
            for python in "${pythons[@]}"; do
                for layout in nchw channels_last; do
                    "$python" "$here/pytorch_nets.py" $net $layout 1 "$steps" "$mode" >>"build/peers/$mode.jsonl"
                done
            done
        done
    done
done
for mode in $modes; do
    printf '\n%s\n' "$([ "$mode" = train ] && echo 'Training steps' || echo 'Inference, one image at a time')"
    "${pythons[0]}" "$here/compare_peers.py" "build/peers/$mode.jsonl"
done
echo
for python in "${pythons[@]}"; do "$python" "$here/compare_layers.py" "$build" "${PEER_LAYER_THREADS:-1}"; done
