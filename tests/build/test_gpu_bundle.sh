#!/usr/bin/env bash
# run.sh of `make gpu-bundle`: one line and status 1 without a card; on the stand-in, with the programs of this build and small nets, every
# part runs and the documents are whole.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${SA_BUILD:-build}
passed=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

check() # what, command...
{
    local what=$1
    shift
    if "$@" >"$scratch/out" 2>&1; then
        echo "[       OK ] $what"
        passed=$((passed + 1))
    else
        echo "[  FAILED  ] $what"
        sed 's/^/    /' "$scratch/out"
        failed=$((failed + 1))
    fi
}

bundle=$scratch/bundle
mkdir -p "$bundle/bin"
cp tools/gpu_bundle_run.sh "$bundle/run.sh"
ln -s "$PWD/tests/golden" "$bundle/golden"
ln -s "$PWD/nets" "$bundle/nets"
for program in segarena tests/test_cuda_parity tests/test_golden tests/step_program; do
    ln -s "$PWD/$build/$program" "$bundle/bin/$(basename "$program")"
done

if ls /dev/nvidia0 >/dev/null 2>&1; then
    echo 'SKIP: this machine has a card'
    echo '[  SKIPPED ] 1 test(s).'
else
    no_card() { local out; out=$("$bundle/run.sh" "$scratch/none"); [ $? = 1 ] && [[ $out == 'no card: '* ]] && [ ! -e "$scratch/none" ]; }
    check 'no card: one line, status 1, nothing written' no_card
fi

if [ "$(cat "$build/obj/cuda.txt" 2>/dev/null)" = 1 ] && [ -f "$build/tests/simt/kernels_fast.so" ]; then
    trial() {
        PARITY_CASES=2 NET_new=golden/tiny_new/net.prototxt NET_old=golden/tiny_old/net.prototxt BENCH_FLAGS='--warmup 2 --steps 2' \
            tests/simt/run "$bundle/run.sh" "$scratch/results"
    }
    check 'every part runs on the stand-in' trial
    check 'the steps have the same bits, recorded and plain' grep -q 'recorded and plain steps: the same bits' "$scratch/results/summary.txt"
    check 'the document is whole' python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
assert len(d["parts"]) >= 10 and d["failed"] is False
for name in "bench_new_recorded", "bench_new_plain", "bench_old_recorded", "bench_old_plain":
    assert [r["strategy"] for r in d["bench"][name]["results"]] == ["fastest", "smallest", "extreme"]
    assert all(r["predicted_bytes"] == r["measured_bytes"] for r in d["bench"][name]["results"])' "$scratch/results/results.json"
else
    echo 'SKIP: this build has no CUDA'
    echo '[  SKIPPED ] 1 test(s).'
fi

echo "[  PASSED  ] $passed test(s)."
if [ "$failed" -gt 0 ]; then
    echo "[  FAILED  ] $failed test(s)."
    exit 1
fi
