#!/bin/sh
# Everything that a machine with a card can check and measure, in 8 minutes. From the folder of `make gpu-bundle`:
#
#   run.sh [RESULTS]         RESULTS: a folder (default ./gpu-results); gets results.json, summary.txt and a log per part
#   run.sh -- COMMAND...     runs a command with the libraries found, as in: run.sh -- bin/segarena plan nets/new.prototxt --device cuda
#
# Parity of every op with the CPU, Caffe's golden data, recorded against plain steps to the bit, compute-sanitizer where it is installed,
# both configurations with and without recorded steps, times of single ops, and PyTorch on the same card where Python has it. Each part
# has a time limit, and none starts when the 8 minutes are up. No card: one line, exit status 1.
set -u
# For a trial on something slower than a card: fewer cases, smaller nets.
PARITY_CASES=${PARITY_CASES-100} BENCH_FLAGS=${BENCH_FLAGS-} NET_new=${NET_new-nets/new.prototxt} NET_old=${NET_old-nets/old.prototxt}
here=$(cd "$(dirname "$0")" && pwd)
total=${RUN_SECONDS:-480}
begin=$(date +%s)

# ---- libraries ----

python=$(command -v python3 || true)
folders="$here/lib"
site=''
[ -z "$python" ] || site=$("$python" -c 'import site, sys; print("\n".join(site.getsitepackages() + [site.getusersitepackages()] + sys.path))' 2>/dev/null)
for folder in /usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib /usr/lib/x86_64-linux-gnu $(for s in $site; do echo "$s"/nvidia/*/lib; done) \
    /opt/conda/lib; do
    for file in "$folder"/libcublas.so.* "$folder"/libcudnn.so.*; do
        [ -e "$file" ] && folders="$folders:$folder" && break
    done
done
LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders
export LD_LIBRARY_PATH

if [ "${1-}" = -- ]; then
    shift
    cd "$here" || exit 1
    exec "$@"
fi

# ---- a card ----

card=$(nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader 2>/dev/null | head -n 1)
if [ -z "$card" ] && ! ls /dev/nvidia0 >/dev/null 2>&1 && [ -z "${SA_SIMT_KERNELS-}" ]; then
    echo "no card: neither nvidia-smi nor /dev/nvidia0 knows of one"
    exit 1
fi
missing=$("$here/bin/segarena" --version 2>&1 >/dev/null)
if [ -n "$missing" ]; then
    echo "no libraries: $missing"
    echo "cuBLAS and cuDNN are looked for in /usr/local/cuda*, the system's folders and Python's packages nvidia-cublas, nvidia-cudnn"
    exit 1
fi

results=${1:-gpu-results}
mkdir -p "$results" || exit 1
results=$(cd "$results" && pwd)
json=$results/results.json
summary=$results/summary.txt
: >"$summary"
parts=''
failed=0

say() { echo "$*" | tee -a "$summary"; }

# Runs one part: name, seconds it may take, command. Its output is RESULTS/name.log; what it says on stdout alone is in $part_out.
part()
{
    name=$1 limit=$2
    shift 2
    left=$((total - $(date +%s) + begin))
    part_out=$results/$name.out
    if [ "$left" -lt 5 ]; then
        say "$(printf '%-28s not started: the %d s were up' "$name" "$total")"
        add "$name" null 0
        return 1
    fi
    [ "$limit" -le "$left" ] || limit=$left
    start=$(date +%s)
    (cd "$here" && timeout -k 5 "$limit" "$@") >"$part_out" 2>"$results/$name.log"
    rc=$?
    seconds=$(($(date +%s) - start))
    case $rc in
    0) state=ok ;;
    124 | 137) state="longer than $limit s" ;;
    *) state="exit status $rc: $(tail -n 1 "$results/$name.log" | cut -c 1-120)" ;;
    esac
    [ "$rc" = 0 ] || failed=1
    say "$(printf '%-28s %4d s  %s' "$name" "$seconds" "$state")"
    add "$name" "$rc" "$seconds"
    return "$rc"
}

add() { parts="$parts${parts:+,
    }{\"name\": \"$1\", \"exit_status\": $2, \"seconds\": $3}"; }

# A number of a bench document, by key; the k-th result.
figure() { tr '{,' '\n\n' <"$1" | sed -n "s/^[[:space:]]*\"$2\":[[:space:]]*\"\{0,1\}\([^\"]*\)\"\{0,1\}[[:space:]]*$/\1/p" | sed -n "${3}p"; }

# ---- the parts ----

say "card: ${card:-the stand-in}"
say ''
part parity 100 bin/test_cuda_parity "$PARITY_CASES"
part golden 80 bin/test_golden --device cuda "$here"/golden/*/
part steps_recorded 20 bin/step_program graph 20 && cp "$part_out" "$results/recorded.txt"
if part steps_plain 20 env SA_NO_GRAPH=1 bin/step_program no-graph 20 && [ -f "$results/recorded.txt" ]; then
    if cmp -s "$part_out" "$results/recorded.txt"; then say "recorded and plain steps: the same bits"
    else say "recorded and plain steps DIFFER" && failed=1; fi
fi
if command -v compute-sanitizer >/dev/null 2>&1; then
    for tool in memcheck racecheck; do
        part "$tool" 45 compute-sanitizer --tool $tool --error-exitcode 9 bin/test_cuda_parity 2
    done
else
    say 'compute-sanitizer: not installed'
fi

say ''
say "$(printf '%-5s %-9s %-9s %10s %16s %16s' net strategy steps 'step ms' 'arena bytes' 'driver bytes')"
for net in new old; do
    file=$NET_new
    [ $net = new ] || file=$NET_old
    for graph in recorded plain; do
        option=$([ $graph = recorded ] || echo --no-graph)
        # shellcheck disable=SC2086 # empty, or one word
        part "bench_${net}_$graph" 40 bin/segarena bench "$file" --device cuda --strategy fastest,smallest,extreme --warmup 3 \
            --steps 20 $BENCH_FLAGS $option --json >/dev/null || continue
        for k in 1 2 3; do
            say "$(printf '%-5s %-9s %-9s %10.3f %16s %16s' $net "$(figure "$part_out" strategy $k)" $graph \
                "$(figure "$part_out" step_ms $k)" "$(figure "$part_out" measured_bytes $k)" "$(figure "$part_out" driver_bytes $k)")"
        done
    done
    part "ops_$net" 30 bin/segarena bench "$file" --device cuda --strategy fastest --warmup 2 --steps 3 $BENCH_FLAGS --ops
done

say ''
if [ -n "$python" ] && "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    for net in new old; do
        part "pytorch_$net" 75 "$python" pytorch_gpu.py $net "$(figure "$results/bench_${net}_recorded.out" step_ms 1)"
        [ ! -s "$part_out" ] || sed 's/^/    /' "$part_out" | tee -a "$summary"
    done
else
    say 'PyTorch with a card: not there'
fi

{
    printf '{"card": "%s", "seconds": %d, "failed": %s, "parts": [\n    %s],\n' "$card" $(($(date +%s) - begin)) \
        "$([ $failed = 0 ] && echo false || echo true)" "$parts"
    printf ' "bench": {'
    comma=''
    for file in "$results"/bench_*.out; do
        [ -s "$file" ] || continue
        printf '%s\n"%s": %s' "$comma" "$(basename "$file" .out)" "$(cat "$file")"
        comma=,
    done
    printf '}}\n'
} >"$json"
say ''
say "results in $results: results.json, summary.txt, a log per part; $(($(date +%s) - begin)) s"
exit $failed
