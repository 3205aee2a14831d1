#!/usr/bin/env bash
# Tests of tools/: the test runner's counting, the layer and size checks, the set-up on a machine that lacks packages. Each
# builds a small tree of its own; nothing is installed. Prints cmocka's lines, as every suite does.
set -u
unset TEST_JOBS TEST_TIMEOUT TEST_TIMEOUT_SCALE TEST_DEADLINE # those of the run that this suite is part of
project=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=0 failures=0

check() # name, condition's exit status, output to show when it failed
{
    cases=$((cases + 1))
    if [ "$2" = 0 ]; then
        echo "[       OK ] $1"
    else
        failures=$((failures + 1))
        echo "[  FAILED  ] $1"
        printf '%s\n' "$3"
    fi
}

# expect NAME STATUS PATTERN COMMAND...: the command exits so and its output has a line that matches; "!PATTERN": none does.
expect()
{
    local name=$1 status=$2 pattern=$3 output rc=0 bad=0
    shift 3
    output=$("$@" 2>&1) || rc=$?
    [ $rc = "$status" ] || bad=1
    if [ "${pattern#!}" != "$pattern" ]; then
        grep -qE -- "${pattern#!}" <<<"$output" && bad=1
    else
        grep -qE -- "$pattern" <<<"$output" || bad=1
    fi
    check "$name" $bad "wanted status $status and /$pattern/, got $rc and: $output"
}

last_line() { "$@" 2>&1 | tail -n 1; }

file() # path below the tree; the content from stdin
{
    mkdir -p "$(dirname "$work/tree/$1")"
    cat >"$work/tree/$1"
}

fresh_tree() { rm -rf "$work/tree" && mkdir -p "$work/tree"; }

suite() # name; its body from stdin
{
    { echo '#!/usr/bin/env bash'; cat; } >"$work/$1"
    chmod +x "$work/$1"
}

lines() { for ((i = 0; i < $1; i++)); do echo "    $2"; done; }

test_layers()
{
    local tool=$project/tools/check_layers.sh
    fresh_tree
    file core/status.h <<<'#include <stdio.h>'
    file memory/plan.c <<<'#include "core/status.h"'
    file net/net.c <<<'#include "memory/plan.h"'
    file tests/test_x.c <<<'#include "net/net.h"'
    file kernels/cuda/device_cuda.cu <<<'#include <cuda_runtime.h>'
    expect 'layers: an orderly tree passes' 0 '!.' "$tool" "$work/tree"
    file memory/bad.c < <(printf '\n#include "kernels/ops.h"\n')
    expect 'layers: memory may not include kernels' 1 '^memory/bad.c:2: memory/ may not include kernels/' "$tool" "$work/tree"
    fresh_tree
    file layers/conv.c <<<'  #  include "memory/arena.h"'
    expect 'layers: layers may not include memory' 1 'layers/conv.c:1' "$tool" "$work/tree"
    fresh_tree
    file net/session.c <<<'    if (!strcmp(s->device->kind, "cuda")) return;'
    file core/device.c <<<'    if (strcmp(kind, "cuda") == 0) return;'
    expect 'layers: names of devices are not compared' 1 '^net/session.c:1: ask what a device can' "$tool" "$work/tree"
    fresh_tree
    file core/a.c <<<'#include "cli/progress.h"'
    expect 'layers: nothing below includes cli' 1 'core/ may not include cli/' "$tool" "$work/tree"
    fresh_tree
    file net/passes/a.c <<<'#include "../program.h"'
    expect 'layers: includes are written from the root' 1 'from the root' "$tool" "$work/tree"
    fresh_tree
    file net/a.c <<<'#include "program.h"'
    expect 'layers: a bare name is not from the root' 1 'from the root' "$tool" "$work/tree"
    fresh_tree
    file cli/a.c <<<'#include <cublas_v2.h>'
    expect 'layers: CUDA headers stay in their folders' 1 'cli/a.c:1: CUDA headers' "$tool" "$work/tree"
}

test_layer_names()
{
    local tool=$project/tools/check_layers.sh
    fresh_tree
    file layers/relu.c <<<'const sa_layer_type sa_layer_relu = {.name = "ReLU"};'
    file layers/accounted/more.c <<<'ACTIVATION(sa_layer_sigmoid, "Sigmoid", no_fields);'
    file net/passes/pass_a.c <<<'bool is(void) { return type->pointwise && !strcmp(field, "relu"); }'
    file net/net_upgrade.c <<<'{"RELU", "ReLU"},'
    expect 'layers: traits and format tables pass' 0 '!.' "$tool" "$work/tree"
    file net/passes/pass_b.c < <(printf '\nbool is(void) { return !strcmp(type->name, "ReLU"); }\n')
    expect 'layers: a pass may not know a type by name' 1 '^net/passes/pass_b.c:2: a layer type by its name' "$tool" "$work/tree"
    rm "$work/tree/net/passes/pass_b.c"
    file report/c.c <<<'if (sa_layer_is(layer, "Sigmoid")) return;'
    expect 'layers: nor a name that a macro makes' 1 '^report/c.c:1: a layer type by its name' "$tool" "$work/tree"
    rm "$work/tree/report/c.c"
    file layers/dropout.c <<<'extern const sa_layer_type sa_layer_relu;'
    expect 'layers: a type may not know another' 1 '^layers/dropout.c:1: another layer type by its symbol' "$tool" "$work/tree"
}

test_sizes()
{
    local tool=$project/tools/check_sizes.sh
    fresh_tree
    # 57 lines of body + signature of one line + two braces = 60.
    file core/a.c < <(printf 'static int f(int a)\n{\n'; lines 57 'a++;'; printf '}\n')
    expect 'sizes: 60 lines of function pass' 0 '!.' "$tool" "$work/tree"
    file core/a.c < <(printf 'static int f(int a,\n             int b)\n{\n'; lines 57 'a++;'; printf '}\n')
    expect 'sizes: 61 lines of function fail' 1 '^core/a.c:1: a function of 61 lines' "$tool" "$work/tree"
    fresh_tree
    file kernels/cpu/a.c < <(printf 'void f(void)\n{\n'; lines 97 'g();'; printf '}\n')
    expect 'sizes: 100 lines of kernel pass' 0 '!.' "$tool" "$work/tree"
    file kernels/cpu/a.c < <(printf 'void f(void)\n{\n'; lines 98 'g();'; printf '}\n')
    expect 'sizes: 101 lines of kernel fail' 1 '101 lines, the limit is 100' "$tool" "$work/tree"
    fresh_tree
    file core/table.c < <(printf 'static const int table[] = {\n'; lines 90 '1,'; printf '};\nint f(void)\n{\n    return 1;\n}\n')
    expect 'sizes: a long table is not a function' 0 '!.' "$tool" "$work/tree"
    fresh_tree
    file core/long.h < <(lines 501 'int x;')
    expect 'sizes: 501 lines of file fail' 1 'core/long.h:501: 501 lines' "$tool" "$work/tree"
    fresh_tree
    file core/a.h <<<''
    file net/a.h <<<''
    expect 'sizes: two files of one name fail' 1 'net/a.h:1: the name is taken by core/a.h' "$tool" "$work/tree"
    fresh_tree
    file kernels/cpu/pool.c <<<''
    file kernels/cuda/pool.cu <<<''
    expect 'sizes: two objects of one name fail' 1 'same name' "$tool" "$work/tree"
}

run_suites() # suites...; TABLE is the table of arguments
{
    local suites=()
    for name in "$@"; do suites+=("$work/$name"); done
    SA_SUITES_FILE="$work/suites.txt" TEST_JOBS=1 "$project/tools/run_tests.sh" "$work/build" "${suites[@]}"
}

test_runner()
{
    : >"$work/suites.txt"
    suite test_good <<<'echo "[  PASSED  ] 3 test(s)."; echo "[  PASSED  ] 2 test(s)." >&2'
    suite test_skip <<<'echo "SKIP: no card"; echo "[  PASSED  ] 1 test(s)."; echo "[  SKIPPED ] 2 test(s), listed below:"'
    suite test_group <<<'echo "[  PASSED  ] 3 test(s)."; echo "[  SKIPPED ] a group: 4 test(s), listed below:"; echo "[  FAILED  ] a group: 5 test(s), listed below:"; echo "[  FAILED  ] 6 bad test(s)"; exit 5'
    suite test_fail <<<'echo "the cause"; echo "[  PASSED  ] 1 test(s)."; echo "[  FAILED  ] 2 test(s), listed below:"; exit 2'
    suite test_crash <<<'echo "[  PASSED  ] 4 test(s)."; kill -SEGV $$'
    suite test_silent <<<'true'
    suite test_none <<<'echo "[  PASSED  ] 0 test(s)."'
    suite test_slow <<<'echo "[  PASSED  ] 1 test(s)."; sleep 20'
    suite test_words <<<'[ "$*" = "one two" ] && echo "[  PASSED  ] 1 test(s)."'
    expect 'runner: groups and both streams are summed' 0 '^5 passed, 0 failed$' last_line run_suites test_good
    expect 'runner: skips are counted' 0 '^6 passed, 0 failed, 2 skipped$' last_line run_suites test_good test_skip
    expect 'runner: the reason of a skip is told' 0 '^  no card$' run_suites test_skip
    expect 'runner: groups with names are counted, names of tests are not' 1 '^3 passed, 5 failed, 4 skipped$' run_suites test_group
    expect 'runner: failures are counted' 1 '^6 passed, 2 failed$' run_suites test_good test_fail
    expect 'runner: the output of a failing suite is shown' 1 '^the cause$' run_suites test_fail
    expect 'runner: a crash is a failure' 1 '^4 passed, 1 failed$' run_suites test_crash
    expect 'runner: a suite without a count is a failure' 1 '^0 passed, 1 failed$' run_suites test_silent
    expect 'runner: a suite of no tests is a failure' 1 'counted no test' run_suites test_none
    expect 'runner: a missing suite is a failure' 1 '^0 passed, 1 failed$' run_suites test_absent
    expect 'runner: no suite at all is a failure' 1 '^0 passed, 1 failed$' run_suites
    echo 'test_slow 1' >"$work/suites.txt"
    expect 'runner: a suite that overruns is stopped' 1 'stopped after 1 s' run_suites test_slow
    echo 'test_words 5 one two' >"$work/suites.txt"
    expect 'runner: the table gives arguments' 0 '^1 passed, 0 failed$' run_suites test_words
    expect 'runner: nothing starts after the deadline' 1 'not started' env TEST_DEADLINE=0 SA_SUITES_FILE=/dev/null \
        "$project/tools/run_tests.sh" "$work/build" "$work/test_good"
    expect 'runner: two suites at a time count the same' 1 '^10 passed, 3 failed$' env TEST_JOBS=2 SA_SUITES_FILE=/dev/null \
        "$project/tools/run_tests.sh" "$work/build" "$work/test_good" "$work/test_fail" "$work/test_crash"
}

# A PATH on which the named commands are all there is; gcc is the real one unless it is left out.
narrow_path() # commands...
{
    rm -rf "${work:?}/bin" && mkdir -p "$work/bin"
    for name in "$@"; do ln -s "$(command -v "$name")" "$work/bin/$name"; done
}

setup_as() # uid, arguments...
{
    local uid=$1
    shift
    PATH=$work/bin SA_SETUP_DIR=$work/stamps SA_SETUP_UID=$uid "$(command -v bash)" "$project/tools/setup.sh" "$@"
}

test_setup()
{
    local basics=(bash env cat cksum dirname id mkdir rm tail)
    rm -rf "$work/stamps"
    narrow_path "${basics[@]}"
    expect 'setup: without root it prints the command' 1 'sudo apt-get install -y clang-format cppcheck shellcheck$' setup_as 1000 lint
    expect 'setup: an unknown group is wrong usage' 2 "unknown group 'tset'" setup_as 1000 tset
    # An apt-get that fails, then one that installs by putting commands on the PATH.
    printf '#!%s\necho "E: no network" ; exit 100\n' "$(command -v bash)" >"$work/bin/apt-get"
    chmod +x "$work/bin/apt-get"
    expect 'setup: a failing installation is told' 1 'E: no network' setup_as 0 lint
    printf '#!%s\nfor name in "$@"; do case $name in c*|s*) echo "#!/bin/sh" >%s/$name; /bin/chmod +x %s/$name;; esac; done\n' \
        "$(command -v bash)" "$work/bin" "$work/bin" >"$work/bin/apt-get"
    expect 'setup: as root it installs what is missing' 0 'installing clang-format cppcheck shellcheck' setup_as 0 lint
    expect 'setup: the second run has nothing to do' 0 '!.' setup_as 1000 lint
    check 'setup: the stamp carries the checksum of the script' \
        "$([ "$(cat "$work/stamps/lint.stamp")" = "$(cksum <"$project/tools/setup.sh")" ]; echo $?)" 'another checksum'
    rm "$work/bin/cppcheck"
    printf '#!%s\nexit 1\n' "$(command -v bash)" >"$work/bin/sudo"
    chmod +x "$work/bin/sudo"
    expect 'setup: a stamp does not hide what went missing' 1 'missing packages: cppcheck;' setup_as 1000 lint
}

test_layers
test_layer_names
test_sizes
test_runner
test_setup
echo "[  PASSED  ] $((cases - failures)) test(s)."
[ $failures = 0 ] || echo "[  FAILED  ] $failures test(s), listed above"
exit $((failures > 0))
