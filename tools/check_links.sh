#!/usr/bin/env bash
# Checks that links between the project's own documents lead somewhere: files, and headings behind '#'.
#
#   tools/check_links.sh [ROOT]       prints file:line: cause; exit status 1 when anything is wrong
#
# It reads [text](target) outside of code blocks; links to the network are not followed. A heading's anchor is GitHub's: lower case, spaces to '-',
# only letters, digits, '-' and '_' kept.
set -eu
cd "${1:-.}"

links() # file -> line<TAB>target
{
    awk '/^ *```/ { code = !code } code || /^    / { next }
        { text = $0; gsub(/`[^`]*`/, "", text)
          while (match(text, /\]\([^) ]+\)/)) { printf "%d\t%s\n", FNR, substr(text, RSTART + 2, RLENGTH - 3); text = substr(text, RSTART + RLENGTH) } }' "$1"
}

anchors() # file -> the anchors of its headings
{
    awk '/^ *```/ { code = !code } !code && /^#+ /' "$1" | sed -E 's/^#+ +//' | tr '[:upper:] ' '[:lower:]-' | sed 's/[^a-z0-9_-]//g'
}

failures=0
while IFS= read -r file; do
    while IFS=$'\t' read -r line target; do
        case $target in http://* | https://* | mailto:*) continue ;; esac
        path=${target%%#*} anchor='' cause=''
        if [ "$path" != "$target" ]; then anchor=${target#*#}; fi
        if [ -n "$path" ]; then path=$(dirname "$file")/$path; else path=$file; fi
        if [ ! -e "$path" ]; then cause="there is no ${path#./}"
        elif [ -n "$anchor" ] && ! anchors "$path" | grep -qxF -- "$anchor"; then cause="no heading of ${path#./} is #$anchor"; fi
        if [ -n "$cause" ]; then
            printf '%s:%s: %s\n' "${file#./}" "$line" "$cause"
            failures=$((failures + 1))
        fi
    done < <(links "$file")
done < <(find . \( -path ./build -o -path ./.git \) -prune -o -type f -name '*.md' -print | sort)
[ "$failures" = 0 ]
