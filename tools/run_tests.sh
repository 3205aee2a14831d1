#!/usr/bin/env bash
# Runs test suites and sums up what they counted.
#
#   tools/run_tests.sh BUILD_DIR SUITE...
#
# A suite is a program or script that prints cmocka's closing lines: "[  PASSED  ] 12 test(s).", "[  SKIPPED ] 1 test(s)...",
# "[  FAILED  ] 2 test(s)...", on stdout or stderr. tests/suites.txt gives single suites arguments and time limits. Lines
# "SKIP: reason" are repeated at the end. A suite that crashes, overruns its time or counts nothing is one failure. The last
# line is "N passed, N failed", with ", N skipped" where some are; the exit status is 1 when anything failed.
#
# TEST_JOBS           suites at a time (default 1: timing and memory tests should not disturb one another)
# TEST_TIMEOUT        seconds for a suite that tests/suites.txt does not name (default 120)
# TEST_TIMEOUT_SCALE  factor on all time limits (default 1; sanitizer builds are slower)
# TEST_DEADLINE       seconds for the whole run (default 1500); suites that could not start by then are failures
set -u
export LC_ALL=C
# Threads that wait for work sleep: small parallel loops on a busy machine take a hundred times longer when they spin.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
unset CMOCKA_MESSAGE_OUTPUT CMOCKA_XML_FILE CMOCKA_TEST_ABORT

suite_row() # suite name -> its line of the table, if any
{
    local table=${SA_SUITES_FILE:-tests/suites.txt}
    [ -f "$table" ] && awk -v name="$1" '$1 == name { print; exit }' "$table"
}

count_of() # PASSED | FAILED | SKIPPED, log -> the sum over all groups of the suite
{
    # newer versions of cmocka put the group's name in front: "[  FAILED  ] tests: 2 test(s), listed below:"
    awk -v word="$1" '$1 == "[" && $2 == word && $3 == "]" { sub(/^[^]]*\] (.*: )?/, ""); if (/^[0-9]+ test\(s\)/) n += $1 } END { print n + 0 }' "$2"
}

milliseconds()
{
    local now=${EPOCHREALTIME/[.,]/}
    echo $((now / 1000))
}

# Runs one suite, keeps its output in SA_LOGS and prints its line. Never fails itself: the result file carries the counts.
run_one() # suite path
{
    local name limit='' arguments='' timeout_s rc=0 note='' start passed failed skipped left log spent
    name=$(basename "$1")
    log=$SA_LOGS/$name.log
    read -r _ limit arguments <<<"$(suite_row "$name")"
    timeout_s=$((${limit:-${TEST_TIMEOUT:-120}} * ${TEST_TIMEOUT_SCALE:-1}))
    left=$((SA_DEADLINE - $(date +%s)))
    [ "$timeout_s" -le "$left" ] || timeout_s=$left
    start=$(milliseconds)
    : >"$log"
    if [ "$timeout_s" -le 0 ]; then
        note='not started: the time for the whole run was up'
    else
        shopt -s nullglob
        # shellcheck disable=SC2086 # the table's arguments are words and globs
        # stdout and stderr are kept apart: buffered together, a line of one may land inside a line of the other.
        timeout --kill-after=5 "$timeout_s" "$1" $arguments </dev/null >"$log" 2>"$log.stderr" || rc=$?
        [ -z "$(tail -c 1 "$log")" ] || echo >>"$log"
        cat "$log.stderr" >>"$log"
        rm -f "$log.stderr"
    fi
    spent=$(($(milliseconds) - start))
    passed=$(count_of PASSED "$log") failed=$(count_of FAILED "$log") skipped=$(count_of SKIPPED "$log")
    if [ $rc = 124 ] || [ $rc = 137 ]; then
        note="stopped after $timeout_s s"
    elif [ $rc != 0 ] && [ "$failed" = 0 ]; then
        note="exit status $rc"
    elif [ -z "$note" ] && [ $((passed + failed + skipped)) = 0 ]; then
        note='counted no test'
    fi
    [ -z "$note" ] || failed=$((failed + 1))
    echo "$passed $failed $skipped" >"$SA_LOGS/$name.result"
    local verdict=ok counts="$passed passed"
    [ "$failed" = 0 ] || verdict=FAIL counts="$counts, $failed failed"
    [ "$skipped" = 0 ] || counts="$counts, $skipped skipped"
    printf '%-4s  %-26s %-34s %6d.%02d s%s\n' $verdict "$name" "$counts" $((spent / 1000)) $((spent % 1000 / 10)) "${note:+  ($note)}"
}

if [ "${1:-}" = --one ]; then
    run_one "$2"
    exit 0
fi

build=${1:?usage: run_tests.sh BUILD_DIR SUITE...}
shift
export SA_BUILD=$build SA_LOGS=$build/tests/logs SA_DEADLINE=$(($(date +%s) + ${TEST_DEADLINE:-1500}))
rm -rf "$SA_LOGS"
mkdir -p "$SA_LOGS" || exit 1
[ $# = 0 ] || printf '%s\0' "$@" | xargs -0 -n 1 -P "${TEST_JOBS:-1}" "$0" --one

total_passed=0 total_failed=0 total_skipped=0
[ $# -gt 0 ] || { echo 'run_tests: there is no suite to run'; total_failed=1; }
for suite in "$@"; do
    name=$(basename "$suite")
    passed=0 failed=1 skipped=0 # a suite without a result was interrupted
    [ -f "$SA_LOGS/$name.result" ] && read -r passed failed skipped <"$SA_LOGS/$name.result"
    if [ "$failed" != 0 ]; then
        printf '\n---- output of %s ----\n' "$name"
        cat "$SA_LOGS/$name.log"
    fi
    if [ "$skipped" != 0 ]; then
        reasons=$(sed -n 's/^SKIP: */  /p' "$SA_LOGS/$name.log" | sort -u)
        printf '\nskipped in %s:\n%s\n' "$name" "${reasons:-  no reason was printed}"
    fi
    total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
done
echo
summary="$total_passed passed, $total_failed failed"
[ $total_skipped = 0 ] || summary="$summary, $total_skipped skipped"
echo "$summary"
[ $total_failed = 0 ]
