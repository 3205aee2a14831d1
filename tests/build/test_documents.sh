#!/usr/bin/env bash
# The lesson and README say what their commands print, and the tool that puts it there notices what is out of date.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${SA_BUILD:-build}
passed=0 failed=0
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

check() # what, command...
{
    if "${@:2}" >"$folder/output" 2>&1; then passed=$((passed + 1)); return; fi
    failed=$((failed + 1))
    echo "FAILED: $1"
    cat "$folder/output"
}
refuses() # a text that the output has, command...
{
    ! "${@:2}" >"$folder/refused" 2>&1 && grep -qF "$1" "$folder/refused"
}

check 'README and the lesson are up to date (make lesson)' tools/documents.sh check "$build" README.md docs/lesson/*.md
tools/slides.sh docs/lesson/slides.md >"$folder/slides.html"
check 'the slides are up to date (make lesson)' cmp "$folder/slides.html" docs/lesson/slides.html

check "README's commands run, and its bytes are those of the plans" tools/check_readme.sh "$build"

document=$folder/page.md
# shellcheck disable=SC2016 # backticks of Markdown
printf '%s\n' '<!-- $ echo one -->' '```text' 'two' '```' '<!-- end -->' 'It is <!-- = echo 3 -->4<!-- /= -->, <!-- = echo 5 -->5<!-- /= -->.' \
    '<!-- picture map.svg: segarena plan lenet --strategy fastest -->' >"$document"
check 'old output is noticed' refuses '+one' tools/documents.sh check "$build" "$document"
check 'an old figure is noticed' refuses '+It is <!-- = echo 3 -->3<!-- /= -->, <!-- = echo 5 -->5' tools/documents.sh check "$build" "$document"
check 'a missing picture is noticed' refuses 'map.svg is out of date' tools/documents.sh check "$build" "$document"
check 'it is mended' tools/documents.sh make "$build" "$document"
check 'and then up to date' tools/documents.sh check "$build" "$document"
sed -i 's/<svg /<svg  /' "$folder/map.svg"
check 'a changed picture is noticed' refuses 'map.svg is out of date' tools/documents.sh check "$build" "$document"
echo '<!-- $ false -->' >"$document"
check 'a command that fails is an error' refuses 'the command failed: false' tools/documents.sh check "$build" "$document"

echo "[  PASSED  ] $passed test(s)."
[ $failed = 0 ] || echo "[  FAILED  ] $failed test(s), listed below:"
[ $failed = 0 ]
