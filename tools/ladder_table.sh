#!/usr/bin/env bash
# Prints the bytes of every preset for both nets as the table of docs/memory.md; nothing is run, all is planned.
#
#   tools/ladder_table.sh BUILD_DIR [FILE]    with FILE: also puts it between FILE's "ladder bytes" comments
#
# Bytes that a preset needs for convolutions depend on the number of threads: plan on 2 cores for the table in the document.
set -eu
program=$1/segarena file=${2:-}

bytes_of() # preset, net -> "1,234"
{
    "$program" plan "nets/$2.prototxt" --strategy "$1" | awk '$1 == "peak" { print $2 }'
}

print_table()
{
    local name made
    printf '| preset | made of | old | new |\n|---|---|---:|---:|\n'
    "$program" strategies | awk '/^presets/ { on = 1; next } /^$/ { exit }
        on { made = match($0, /\[.*\]$/) ? substr($0, RSTART + 1, RLENGTH - 2) : "-"; print $1, made }' |
        while read -r name made; do
            if [ "$made" != - ]; then made="\`$made\`"; fi
            printf '| `%s` | %s | %s | %s |\n' "$name" "${made/#-/}" "$(bytes_of "$name" old)" "$(bytes_of "$name" new)"
        done
}

table=$(print_table)
printf '%s\n' "$table"
if [ -n "$file" ]; then
    awk -v table="$table" '/<!-- end of ladder bytes/ { inside = 0 }
        !inside
        /<!-- ladder bytes/ { print table; inside = 1 }' "$file" >"$file.new"
    mv "$file.new" "$file"
fi
