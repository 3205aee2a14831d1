#!/usr/bin/env bash
# Runs the commands of README's blocks that need no data, and compares the bytes in its tables with what is planned.
#
#   tools/check_readme.sh BUILD_DIR     prints what is wrong; exit status 1 when anything is
#
# Where README says mynet.prototxt, LeNet stands in. Commands that run steps or need data are left out.
set -u
build=$(cd "$1" && pwd) || exit 2
root=$(cd "$(dirname "$0")/.." && pwd) || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=2 SA_COSTS=builtin
wrong=0
complain()
{
    printf '%s\n' "$1" >&2
    wrong=$((wrong + 1))
}

commands() # the commands in README's blocks
{
    awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on && /^build\/segarena / { sub(/ +#.*$/, ""); print }' "$root/README.md" |
        grep -vE 'DIR|SOLVER|segarena (train|test|predict|bn-stats|weights|data|bench|lab)'
}
mkdir "$work/build"
ln -s "$build/segarena" "$work/build/segarena"
ln -s "$root/nets" "$work/nets"
cp "$root/nets/lenet.prototxt" "$work/mynet.prototxt"
count=0
while IFS= read -r command; do
    count=$((count + 1))
    (cd "$work" && bash -c "$command" </dev/null >output 2>&1) || complain "README: this fails: $command: $(tail -n 1 "$work/output")"
done < <(commands)
[ $count -ge 8 ] || complain "README: $count commands were found, which is too few: has its form changed?"

peak() # net, strategy -> "1,234"
{
    "$build/segarena" plan "$root/nets/$1.prototxt" --strategy "$2" 2>/dev/null | awk '$1 == "peak" { print $2 }'
}
rows=0
while read -r strategy old new; do
    rows=$((rows + 1))
    [ "$old" = "$(peak old "$strategy")" ] || complain "README: $strategy of old takes $(peak old "$strategy") bytes, not $old"
    [ "$new" = "$(peak new "$strategy")" ] || complain "README: $strategy of new takes $(peak new "$strategy") bytes, not $new"
done < <(sed -nE 's/^\| `([a-z-]+)` \| ([0-9]+,[0-9,]+) \|[^|]*\| ([0-9]+,[0-9,]+) \|.*/\1 \2 \3/p' "$root/README.md")
[ $rows -ge 4 ] || complain "README: $rows rows of arenas were found: has the table's form changed?"

caffe() # net -> what Caffe allocates
{
    "$build/segarena" explain "$root/nets/$1.prototxt" | awk '/^it allocates/ { print $3 }'
}
totals=$(sed -nE 's/^\| \*\*total\*\* \| \*\*([0-9,]+)\*\* \| \*\*([0-9,]+)\*\* \|$/\1 \2/p' "$root/README.md")
[ "$totals" = "$(caffe old) $(caffe new)" ] || complain "README: Caffe's totals are $(caffe old) and $(caffe new), not $totals"

[ $wrong = 0 ]
