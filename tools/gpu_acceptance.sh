#!/usr/bin/env bash
# Acceptance on a real card: what `make gpu-test` and `make gpu-bench` run. Writes one JSON document.
#
#   tools/gpu_acceptance.sh test|bench BUILD
#
# test: parity of every op, Caffe's golden data, recorded steps; all again under compute-sanitizer (memcheck, racecheck, initcheck)
# where that is installed. bench: both configurations, every preset. Without a usable card it says so and fails.
set -u
mode=${1:?usage: gpu_acceptance.sh test|bench BUILD}
build=${2:?usage: gpu_acceptance.sh test|bench BUILD}
out=$build/gpu-$mode.json
log=$build/gpu-$mode.log
: >"$log"

if ! "$build/tests/step_program" graph 1 >>"$log" 2>&1; then
    echo "no usable card: $(tail -n 1 "$log")" >&2
    exit 1
fi
card=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1)
results='' failed=0

add() # a JSON member of the results
{
    results="$results${results:+,
    }$1"
}

run() # name command...: a test, with its seconds
{
    local name=$1 start=$SECONDS rc=0
    shift
    echo "== $name" | tee -a "$log"
    "$@" >>"$log" 2>&1 || rc=$?
    [ "$rc" = 0 ] || failed=1
    add "{\"name\": \"$name\", \"exit_status\": $rc, \"seconds\": $((SECONDS - start))}"
}

if [ "$mode" = test ]; then
    run parity "$build/tests/test_cuda_parity" 200
    run golden "$build/tests/test_golden" --device cuda tests/golden/*/
    run recorded_steps "$build/tests/step_program" graph 20
    run plain_steps env SA_NO_GRAPH=1 "$build/tests/step_program" no-graph 20
    if command -v compute-sanitizer >/dev/null; then
        for tool in memcheck racecheck initcheck; do
            run "$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/test_cuda_parity" 10
        done
    else
        add '{"name": "compute-sanitizer", "skipped": "not installed"}'
    fi
else
    for net in old new; do
        for graph in 1 0; do
            echo "== $net, recorded steps: $graph" | tee -a "$log"
            setting=$([ "$graph" = 1 ] || echo SA_NO_GRAPH=1)
            # shellcheck disable=SC2086 # empty, or one word
            if json=$(env $setting "$build/segarena" bench "nets/$net.prototxt" --device cuda --strategy ladder --warmup 3 --steps 10 \
                --json 2>>"$log"); then
                add "{\"net\": \"$net\", \"graph\": $graph, \"bench\": $json}"
            else
                failed=1
                add "{\"net\": \"$net\", \"graph\": $graph, \"error\": \"see $log\"}"
            fi
        done
    done
fi
printf '{"card": "%s", "results": [\n    %s\n]}\n' "$card" "$results" >"$out"
cat "$out"
exit "$failed"
