#!/usr/bin/env bash
# Puts what commands print into documents, or checks that it is there: nothing in them is copied by hand.
#
#   tools/documents.sh make|check BUILD_DIR FILE.md...
#
# A document says which commands in comments, which a reader does not see. Commands run in the project's root, with BUILD_DIR first on
# PATH, on a machine of 2 cores with the built-in costs, wherever they run:
#
#   <!-- $ COMMAND -->               what it prints, as a block, up to the next  <!-- end -->
#   <!-- = COMMAND -->12<!-- /= -->  what it prints, in a line of text
#   <!-- picture FILE.svg: COMMAND -->    COMMAND --svg FILE.svg; the file's name is relative to the document
#
# check changes nothing; it prints each place that is out of date and exits 1.
set -u
[ $# -ge 3 ] || { sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mode=$1 build=$2
shift 2
cd "$(dirname "$0")/.." || exit 1
PATH=$(cd "$build" && pwd):$PATH
export PATH OMP_NUM_THREADS=2 SA_COSTS=builtin COLUMNS=110 LC_ALL=C.UTF-8
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
wrong=0

complain() # document, line, what
{
    printf '%s:%s: %s\n' "$1" "$2" "$3" >&2
    wrong=$((wrong + 1))
}

run() # command -> what it prints
{
    bash -o pipefail -c "$1" </dev/null 2>"$work/stderr" || {
        printf 'the command failed: %s\n' "$1" >&2
        cat "$work/stderr" >&2
        return 1
    }
}

picture() # document, line number, file, command
{
    local path
    path=$(dirname "$1")/$3
    rm -f "$work/picture.svg"
    if ! run "$4 --svg $work/picture.svg" >/dev/null; then complain "$1" "$2" "no picture"
    elif [ "$mode" = make ]; then mkdir -p "$(dirname "$path")" && cp "$work/picture.svg" "$path"
    elif ! cmp -s "$work/picture.svg" "$path"; then complain "$1" "$2" "${path#./} is out of date: make lesson"
    fi
}

inline() # document, line number, line -> the line with fresh figures
{
    local left=$3 made=''
    local pattern='^(.*)<!-- = (.*) -->([^<]*)<!-- /= -->(.*)$'
    while [[ $left =~ $pattern ]]; do
        local before=${BASH_REMATCH[1]} command=${BASH_REMATCH[2]} after=${BASH_REMATCH[4]} value
        value=$(run "$command") || complain "$1" "$2" "no figure"
        made="<!-- = $command -->$value<!-- /= -->$after$made"
        left=$before
    done
    printf '%s\n' "$left$made"
}

refresh() # document -> the document with fresh outputs
{
    local line number=0 skipping=no block='^<!-- \$ (.*) -->$' shown='^<!-- picture ([^:]+): (.*) -->$'
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        if [ "$line" = '<!-- end -->' ]; then skipping=no; fi
        if [ $skipping = yes ]; then continue; fi
        if [[ $line =~ $block ]]; then
            printf '%s\n```text\n' "$line"
            run "${BASH_REMATCH[1]}" || complain "$1" "$number" "no output"
            printf '```\n'
            skipping=yes
        elif [[ $line =~ $shown ]]; then
            printf '%s\n' "$line"
            picture "$1" "$number" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
        else
            inline "$1" "$number" "$line"
        fi
    done <"$1"
    [ $skipping = no ] || complain "$1" "$number" 'a block has no <!-- end -->'
}

for document in "$@"; do
    refresh "$document" >"$work/made.md"
    cmp -s "$work/made.md" "$document" && continue
    if [ "$mode" = make ]; then
        cat "$work/made.md" >"$document"
    else
        diff -u "$document" "$work/made.md" | sed -n '3,40p' >&2
        complain "$document" 1 'what commands print has changed: make lesson'
    fi
done
[ $wrong = 0 ]
