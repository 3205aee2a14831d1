#!/usr/bin/env bash
# A small net on a machine whose cores other programs have: two threads take about the time and the processor time of one. Prints
# cmocka's lines.
set -u
cd "$(dirname "$0")/../.." || exit 1
segarena=${SA_BUILD:-build}/segarena
unset OMP_WAIT_POLICY GOMP_SPINCOUNT OMP_NUM_THREADS # as a user starts it
spinners=()
trap 'kill "${spinners[@]}" 2>/dev/null' EXIT
for _ in $(seq $(($(nproc) * 3))); do
    timeout 60 bash -c 'while :; do :; done' &
    spinners+=($!)
done

step() # threads -> median time and processor time of a step, in microseconds
{
    local said field
    said=$("$segarena" bench tests/golden/tiny_new/net.prototxt --strategy fastest --steps 150 --threads "$1" --json 2>/dev/null)
    for field in step_ms step_cpu_ms; do
        awk -F'[:,]' -v field="\"$field\"" '$1 ~ field { printf "%d ", $2 * 1000; exit }' <<<"$said"
    done
}

# One run may meet a quiet or an odd moment: the best of three counts for each.
wall=() cpu=()
for threads in 1 2; do
    wall[threads]=999999999 cpu[threads]=999999999
    for _ in 1 2 3; do
        read -r w c <<<"$(step $threads)"
        [ "${w:-0}" -gt 0 ] && [ "$w" -lt "${wall[threads]}" ] && wall[threads]=$w
        [ "${c:-0}" -gt 0 ] && [ "$c" -lt "${cpu[threads]}" ] && cpu[threads]=$c
    done
done

failed=0
check() # name, figure of two threads, of one
{
    local verdict='[       OK ]'
    if [ "$2" = 999999999 ] || [ $((2 * $2)) -gt $((3 * $3)) ]; then verdict='[  FAILED  ]' failed=$((failed + 1)); fi
    echo "$verdict $1: $2 us with two threads, $3 us with one"
}
check 'the time of a step' "${wall[2]}" "${wall[1]}"
check 'its processor time' "${cpu[2]}" "${cpu[1]}"
echo "[  PASSED  ] $((2 - failed)) test(s)."
[ $failed = 0 ] || echo "[  FAILED  ] $failed test(s)."
exit $failed
