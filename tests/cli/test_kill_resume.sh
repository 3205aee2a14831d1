#!/usr/bin/env bash
# Training that is killed (kill -9) at any moment and goes on from its last snapshot ends with the state of one that was never
# stopped, and no killed run leaves anything but whole snapshots that the next one reads.
#
# SA_KILLS  how often it is killed (default 10)
set -u
build=$(realpath "${SA_BUILD:-build}")
kills=${SA_KILLS:-10}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
steps=600
cp tests/golden/tiny_old/net.prototxt "$folder/net.prototxt"
cd "$folder" || exit 1

solver() # prefix
{
    echo "net: 'net.prototxt' base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 random_seed: 5 lr_policy: 'fixed' solver_mode: CPU
snapshot: 10 snapshot_prefix: '$1' max_iter: $steps" >"$1.prototxt"
}

newest() # -> path of the snapshot of the highest step, if any
{
    find . -name 'killed_iter_*.sasnap' -printf '%f\n' | sort -t_ -k3 -n | tail -n 1
}

state_hash() # train's JSON
{
    grep -o '"state_hash":[^,]*' "$1" | tail -n 1
}

train() # name, further words...
{
    local name=$1
    shift
    "$build/segarena" train "$name.prototxt" --threads 1 --json "$@" >"$name.json" 2>"$name.log"
}

fail()
{
    echo "[  FAILED  ] $1"
    tail -n 5 ./*.log
    echo '[  FAILED  ] 1 test(s).'
    exit 1
}

solver whole
solver killed
begun=${EPOCHREALTIME/[.,]/}
train whole || fail 'the run that nobody stops'
whole_ms=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
RANDOM=7
killed=0
for ((i = 0; i < kills * 5 && killed < kills; i++)); do
    from=$(newest)
    "$build/segarena" train killed.prototxt --threads 1 --json ${from:+--resume "$from"} >killed.json 2>killed.log &
    pid=$!
    sleep "$(printf '0.%03d' $(((RANDOM % 100 + 1) * (whole_ms < 5000 ? whole_ms : 5000) / 500)))"
    if kill -9 $pid 2>/dev/null; then killed=$((killed + 1)); fi
    wait $pid 2>/dev/null
    status=$?
    [ $status = 137 ] || [ $status = 0 ] || fail "run $i, resumed from '$from', ended with status $status"
    # Done too soon: begin again, so that every kill meets a run.
    if [ $status = 0 ]; then rm -f killed_iter_*; fi
done
from=$(newest)
train killed ${from:+--resume "$from"} || fail "the last run, resumed from '$from'"
[ -n "$(state_hash whole.json)" ] || fail 'train --json names no state_hash'
[ "$(state_hash whole.json)" = "$(state_hash killed.json)" ] ||
    fail "after $killed kills $(state_hash killed.json), never stopped $(state_hash whole.json)"
echo "[       OK ] $killed kills, the last run resumed from '$from'"
echo '[  PASSED  ] 1 test(s).'
