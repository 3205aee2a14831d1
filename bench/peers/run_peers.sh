#!/usr/bin/env bash
# Trains nets here and in PyTorch, in turns, and prints the ratios of step times and of memory; then the same of inference with the
# two SegNets, one image at a time.
#
#   bench/peers/run_peers.sh BUILD_DIR
#
# PEER_PYTHONS    interpreters to try (default: /usr/bin/python3 and python3); each different PyTorch among them is measured
# PEER_NETS       of nets/ (default: all of the table: old new unet resnet50 vgg16 fcn8s googlenet)
# PEER_STRATEGIES our strategies (fastest,smallest)                  PEER_ROUNDS, PEER_STEPS    2 rounds of 2 steps after 1
# PEER_SECONDS    most that one measurement may take (600); one that takes longer is left out and named
# PEER_PREDICT_STRATEGIES  those of inference (fastest,smallest)      PEER_MODES     train predict
# PEER_LAYER_THREADS  threads of the comparison of single convolutions at the end (default 1; 0: none)
#
# Every measurement is a process of its own, so that peaks of memory do not mix; the rounds are interleaved, so that a busy
# machine disturbs all rows alike.
set -eu
build=${1:?usage: run_peers.sh BUILD_DIR}
here=$(dirname "$0")
rounds=${PEER_ROUNDS:-2} steps=${PEER_STEPS:-2} modes=${PEER_MODES:-train predict}
nets=${PEER_NETS:-old new unet resnet50 vgg16 fcn8s googlenet}
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

# bounded COMMAND...: runs it, and says so if it failed or took too long; the table then has no such row.
bounded()
{
    timeout "${PEER_SECONDS:-600}" "$@" || echo "bench-peers: left out (status $?): $*" >&2
}

# ours MODE NET: one line of JSON, and one of what Caffe would allocate.
ours()
{
    local net=nets/$2.prototxt
    if [ "$1" = train ]; then
        bounded "$build/segarena" bench "$net" --strategy "${PEER_STRATEGIES:-fastest,smallest}" --warmup 1 --steps "$steps" --json |
            tr -d '\n'
        echo
        "$build/segarena" plan "$net" --strategy caffe --json | "${pythons[0]}" -c 'import json, sys
plan = json.load(sys.stdin)
print(json.dumps({key: plan[key] for key in ("net", "caffe_total_bytes")}))'
    else
        bounded "$build/segarena" bench "$net" --phase predict --batch 1 --strategy "${PEER_PREDICT_STRATEGIES:-fastest,smallest}" \
            --warmup 1 --steps "$steps" --json | tr -d '\n'
        echo
    fi
}

# peer PYTHON MODE NET LAYOUT: one line of JSON.
peer()
{
    case $3 in
    old | new) bounded "$1" "$here/pytorch_nets.py" "$3" "$4" 1 "$steps" "$2" ;;
    *) bounded "$1" "$here/pytorch_prototxt.py" "nets/$3.prototxt" "$4" 1 "$steps" ;;
    esac
}

for ((round = 1; round <= rounds; round++)); do
    for mode in $modes; do
        for net in $nets; do
            case $mode:$net in predict:old | predict:new | train:*) ;; *) continue ;; esac
            echo "round $round of $rounds: $mode $net; $("$build/bench_cores")"
            ours "$mode" "$net" >>"build/peers/$mode.jsonl"
            for python in "${pythons[@]}"; do
                for layout in nchw channels_last; do
                    peer "$python" "$mode" "$net" "$layout" >>"build/peers/$mode.jsonl"
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
if [ "${PEER_LAYER_THREADS:-1}" != 0 ]; then
    for python in "${pythons[@]}"; do "$python" "$here/compare_layers.py" "$build" "${PEER_LAYER_THREADS:-1}"; done
fi
