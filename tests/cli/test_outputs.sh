#!/usr/bin/env bash
# Every command with every output option, onto all that an output path can be: a file, a link, a FIFO, a device, a read-only folder, a
# full disk, a closed standard output. Then what is read that is no file, signals, small stacks. Prints cmocka's lines.
set -u
project=$(cd "$(dirname "$0")/../.." && pwd)
build=${SA_BUILD:-build}
case $build in /*) ;; *) build=$project/$build ;; esac
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
cp "$build/segarena" "$work/segarena" # where another user may run it
chmod 777 "$work"
cd "$work" || exit 1
unset XDG_CACHE_HOME
export HOME=$work/home TMPDIR=$work/tmp OMP_NUM_THREADS=2
mkdir -m 777 home tmp
cases=0 failures=0 skipped=0

check() # name, condition's exit status, what to show when it failed
{
    cases=$((cases + 1))
    if [ "$2" = 0 ]; then
        echo "[       OK ] $1"
    else
        failures=$((failures + 1))
        printf '[  FAILED  ] %s\n%s\n' "$1" "$3"
    fi
}

skip() # name, reason
{
    skipped=$((skipped + 1))
    printf 'SKIP: %s\n[  SKIPPED ] %s\n' "$2" "$1"
}

output='' rc=0
run() # command...: its stderr in `output`, its exit status in `rc`
{
    rc=0
    output=$("$@" 2>&1 >/dev/null) || rc=$?
}

# ---- the table ----

cat >net.prototxt <<'NET'
name: 'tiny'
layer { name: 'data' type: 'DummyData' top: 'data' top: 'label'
  dummy_data_param { shape { dim: 2 dim: 3 dim: 16 dim: 24 } shape { dim: 2 dim: 1 dim: 16 dim: 24 } } }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'
  convolution_param { num_output: 8 kernel_size: 5 pad: 2 weight_filler { type: 'msra' } } }
layer { name: 'bn' type: 'BN' bottom: 'conv' top: 'conv' bn_param { scale_filler { value: 1 } } }
layer { name: 'score' type: 'Convolution' bottom: 'conv' top: 'score'
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: 'msra' } } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'score' bottom: 'label' top: 'loss' }
NET
solver="net: 'net.prototxt' base_lr: 0.01 lr_policy: 'fixed' max_iter: 2 random_seed: 7 solver_mode: CPU"
echo "$solver" >solver.prototxt
printf 'id,lower,upper,size\n' >in.csv
for i in $(seq 200); do echo "b$i,0,3,4"; done >>in.csv

# A trained net with a list of images, for the commands that need one.
base64 -d >i.png <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAADAAAAAgCAAAAABxv6TAAAAAIUlEQVR4nGNgQAOMBAC6+lENoxqGswYmAmBUw6iGYawBACcBBgENTD9WAAAAAElFTkSuQmCC
PNG
for i in 0 1 2 3; do echo "i.png i.png"; done >list.txt
sed -e '/DummyData/,/dummy_data_param/d' -e "s/^name.*/&\nlayer { name: 'data' type: 'DenseImageData' top: 'data' top: 'label'\n  dense_image_data_param { source: 'list.txt' batch_size: 2 } }/" \
    -e 's/num_output: 3/num_output: 8/' net.prototxt >listed.prototxt
sed 's/net.prototxt/listed.prototxt/' solver.prototxt >lister.prototxt
run ./segarena train lister.prototxt --threads 1 --save-weights in.safetensors --log curve.csv
check "a net is trained for the commands that need one" $rc "$output"

# Commands with an output option: a name, what else than regular files makes sense (any, file: nothing, live: any, and the file grows
# line by line), the ending that names must have (-: none), then the command; OUT is the path.
writers=(
    "plan_csv any - plan net.prototxt --csv OUT"
    "plan_html any - plan net.prototxt --html OUT"
    "story_svg any - story net.prototxt --svg OUT"
    "plan_svg any - plan net.prototxt --svg OUT"
    "story any - story net.prototxt --strategy caffe,fastest --no-frontier --html OUT"
    "place_html any - place in.csv --capacity 1KiB --html OUT"
    "plan_trace any - plan net.prototxt --trace OUT"
    "place any - place in.csv --capacity 1KiB --output OUT"
    "snapshot file - train solver.prototxt --threads 1 --snapshot OUT"
    "save_weights file .safetensors train solver.prototxt --threads 1 --save-weights OUT"
    "log live - train solver.prototxt --threads 1 --log OUT"
    "train_plot any - train solver.prototxt --threads 1 --plot OUT"
    "plot any - plot curve.csv --output OUT"
    "confusion any - test listed.prototxt --threads 1 --weights in.safetensors --confusion OUT"
    "folded any .caffemodel bn-stats listed.prototxt --threads 1 --weights in.safetensors --save-weights OUT"
    "save_net any - bn-stats listed.prototxt --threads 1 --weights in.safetensors --save-weights made.safetensors --save-net OUT"
    "convert any .sasnap weights in.safetensors --convert OUT"
)
write_to() # writer, path
{
    local words
    read -ra words <<<"$1"
    run timeout 60 "${user[@]}" ./segarena "${words[@]:3:${#words[@]}-4}" "$2"
}
user=()

leftovers() { find . -name '*.tmp-*' | wc -l; }

earlier() # path: a file there as a former run left it, with a mark
{
    cp "$target/file$ending" "$1" && echo '# earlier' >>"$1"
}

onto_files() # writer, its name
{
    local name=$2 target=$2.dir
    mkdir -m 777 "$target" "$target/far"
    [ -z "$ending" ] || mkdir "$target/far$ending"
    write_to "$1" "$target/file$ending"
    check "$name: a file" $((rc != 0 || ! $(stat -c %s "$target/file$ending" || echo 0) > 0)) "$rc $output"
    grep -q "wrote $target/file$ending" <<<"$output"
    check "$name: says what it wrote" $? "$output"
    chmod 604 "$target/file$ending"
    write_to "$1" "$target/file$ending"
    check "$name: the mode is kept" $((rc != 0 || $(stat -c %a "$target/file$ending") != 604)) "$(stat -c %a "$target/file$ending")"
    ln -s "far/real$ending" "$target/link$ending"
    write_to "$1" "$target/link$ending" # dangling
    [ $rc = 0 ] && [ -L "$target/link$ending" ] && [ -f "$target/far/real$ending" ]
    check "$name: a dangling link" $? "$rc $output"
    earlier "$target/far/real$ending"
    write_to "$1" "$target/link$ending"
    [ $rc = 0 ] && [ -L "$target/link$ending" ] && ! grep -qa '# earlier' "$target/far/real$ending"
    check "$name: a link" $? "$rc $output"
    : >"$target/empty$ending"
    write_to "$1" "$target/empty$ending"
    check "$name: an empty file" $((rc != 0 || ! $(stat -c %s "$target/empty$ending") > 0)) "$rc $output"
    echo 'what I wrote by hand' >"$target/notes$ending"
    write_to "$1" "$target/notes$ending"
    [ $rc = 1 ] && grep -qx 'what I wrote by hand' "$target/notes$ending" && grep -q 'a file of no known kind, which --' <<<"$output"
    check "$name: a file of somebody's own" $? "$rc $output"
}

onto_streams() # writer, its name, any|file
{
    local name=$2 target=$2.dir
    mkfifo "$target/fifo$ending"
    if [ "$3" != file ]; then
        timeout 20 cat "$target/fifo$ending" >"$target/read" &
        local reader=$!
        write_to "$1" "$target/fifo$ending"
        wait $reader
        check "$name: a FIFO" $((rc != 0 || ! $(stat -c %s "$target/read") > 0)) "$rc $output"
    fi
    if [ "$3" != file ] && [ -z "$ending" ]; then
        write_to "$1" /dev/null
        check "$name: a device" $((rc != 0)) "$rc $output"
        write_to "$1" /dev/full
        grep -q '/dev/full: cannot write: No space left on device' <<<"$output"
        check "$name: a full device" $(($? != 0 || rc != 1)) "$rc $output"
        write_to "$1" >(cat >"$target/substituted")
        sleep 0.1
        check "$name: a process substitution" $((rc != 0 || ! $(stat -c %s "$target/substituted") > 0)) "$rc $output"
        # shellcheck disable=SC2086
        set -- $1
        shift 3
        ./segarena "${@/OUT/-}" >"$target/dash" 2>"$target/errors"
        cmp -s "$target/dash" "$target/read"
        check "$name: - is standard output, and alone there" $? "$(head -c 300 "$target/dash")"
    fi
    if [ "$3" = file ]; then
        write_to "$1" "$target/fifo$ending"
        grep -q 'a regular file is needed' <<<"$output"
        check "$name: a FIFO is refused" $(($? != 0 || rc != 1)) "$rc $output"
    fi
    [ -p "$target/fifo$ending" ] && [ -c /dev/full ] && [ -c /dev/null ]
    check "$name: FIFO and devices are still there" $? "$(ls -l "$target/fifo$ending" /dev/full)"
}

onto_bad_places() # writer, its name
{
    local name=$2 target=$2.dir row long
    long=$(printf 'n%.0s' $(seq 300))
    echo kept >"$target/protected$ending" && chmod 444 "$target/protected$ending"
    for row in "|the name of an output file is empty" "$target/far$ending|it is a folder" \
        "missing/x$ending|its folder missing: No such file" "$target/file$ending/x$ending|Not a directory" \
        "$long$ending|File name too long"; do
        write_to "$1" "${row%%|*}"
        grep -q "${row#*|}" <<<"$output"
        check "$name: ${row#*|}" $(($? != 0 || rc != 1)) "$rc $output"
        ! grep -q 'step [0-9]' <<<"$output"
        check "$name: ... is known before the first step" $? "$output"
    done
    if [ "$(id -u)" = 0 ]; then user=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
    if "${user[@]}" test -x segarena 2>/dev/null; then
        mkdir -m 555 "$target/read-only"
        write_to "$1" "$target/read-only/x$ending"
        check "$name: a read-only folder" $((rc != 1)) "$rc $output"
        write_to "$1" "$target/protected$ending"
        grep -qx kept "$target/protected$ending"
        check "$name: a write-protected file" $(($? != 0 || rc != 1)) "$rc $output"
    else
        skip "$name: a read-only folder" "root, and no setpriv to become another user"
    fi
    user=()
}

onto_a_full_disk() # writer, its name
{
    local target=$2.dir
    earlier "$target/kept$ending"
    user=(prlimit --fsize=100:100)
    write_to "$1" "$target/kept$ending"
    user=()
    [ $rc = 1 ] && grep -q "kept$ending: cannot write: " <<<"$output" && grep -qa '# earlier' "$target/kept$ending"
    check "$2: a full disk" $? "$rc $output"
}

for writer in "${writers[@]}"; do
    read -r name kind ending command <<<"$writer"
    ending=${ending#-}
    onto_files "$writer" "$name"
    onto_streams "$writer" "$name" "$kind"
    onto_bad_places "$writer" "$name"
    [ "$kind" = live ] || onto_a_full_disk "$writer" "$name"
done
check "no temporary file is left" $(($(leftovers) != 0)) "$(find . -name '*.tmp-*')"

# ---- what somebody has is not replaced by what is of another kind, nor one output by the other ----

echo '<!doctype html><title>mine</title>' >page.html
echo '{"mine": 1}' >settings.json
mkdir own && cp page.html settings.json net.prototxt solver.prototxt listed.prototxt list.txt i.png in.csv in.safetensors own/
chmod 666 own/*
refuse() # pattern, command...: status 1, the pattern, and own/ as it was
{
    run timeout 60 ./segarena "${@:2}"
    local changed
    changed=$(cd own && for file in *; do cmp "$file" "../$file"; done 2>&1)
    [ $rc = 1 ] && [ -z "$changed" ] && grep -qE -- "$1" <<<"$output"
    check "refused: ${*:2}" $? "$rc $changed $output"
}
is() { echo "own/$1 is $2, which $3 would replace: remove it first, or give another name"; }
trained=(listed.prototxt --weights in.safetensors)
refuse "$(is net.prototxt '.*' --csv)" plan own/net.prototxt --csv own/net.prototxt
refuse "$(is list.txt 'an image list' --html)" plan net.prototxt --html own/list.txt
refuse "$(is net.prototxt '.*' --output)" place in.csv --capacity 1KiB --output own/net.prototxt
refuse "$(is solver.prototxt '.*' --snapshot)" train solver.prototxt --snapshot own/solver.prototxt
refuse "$(is in.safetensors 'weights.*' --snapshot)" train solver.prototxt --snapshot own/in.safetensors
refuse "$(is page.html 'an HTML page' --html)" plan net.prototxt --html own/page.html
refuse "$(is settings.json 'a JSON document' --trace)" plan net.prototxt --trace own/settings.json
refuse "$(is i.png 'an image' --log)" train solver.prototxt --log own/i.png
refuse "$(is list.txt 'an image list' --plot)" train solver.prototxt --plot own/list.txt
refuse "$(is in.csv '.*' --confusion)" test "${trained[@]}" --confusion own/in.csv
refuse "$(is in.csv '.*' --save-net)" bn-stats "${trained[@]}" --save-weights made.safetensors --save-net own/in.csv
refuse 'it would replace the net that it is made of' bn-stats own/listed.prototxt --data-root . --weights in.safetensors \
    --save-weights made.safetensors --save-net own/../own/listed.prototxt
refuse "$(is i.png 'an image' --output)" plot curve.csv --output own/i.png
refuse 'the picture would replace the curve' plot curve.csv --output ./curve.csv
refuse '--csv and --html both go to new.csv' plan net.prototxt --csv ./new.csv --html new.csv
refuse '--snapshot and --save-weights both go to' train solver.prototxt --snapshot one.sasnap --save-weights ./one.sasnap
refuse '--log and --plot both go to' train solver.prototxt --log new --plot own/../new
run ./segarena train solver.prototxt --threads 1 --snapshot again.sasnap
run ./segarena train solver.prototxt --threads 1 --resume again.sasnap --snapshot again.sasnap --steps 4
check "a training goes on in its own snapshot" $rc "$output"

# ---- measured costs ----

costs=$work/cache/segarena/costs.json
measure() { run timeout 60 env XDG_CACHE_HOME="$work/cache" "$@" ./segarena plan net.prototxt --budget 1GiB --costs measure; }
measure
[ $rc = 0 ] && [ -f "$costs" ] && grep -q "wrote $costs (measured costs of" <<<"$output"
check "measured costs: a file, and says so" $? "$rc $output"
mv "$costs" kept.json && ln -s "$work/kept.json" "$costs" && echo '{"format":1,"tables":[]}' >kept.json
measure
[ $rc = 0 ] && [ -L "$costs" ] && grep -q machine kept.json
check "measured costs: a link" $? "$rc $output"
echo '{"format":1,"tables":[]}' >kept.json
measure prlimit --fsize=500:500
[ $rc = 0 ] && grep -q 'note: .*costs.json: cannot write' <<<"$output" && grep -q '"tables":\[\]' kept.json
check "measured costs: a full disk is a note, the file is as it was" $? "$rc $output"
rm "$costs" && mkfifo "$costs"
run timeout 20 env XDG_CACHE_HOME="$work/cache" ./segarena plan net.prototxt --budget 1GiB
[ $rc = 0 ] && grep -q 'costs.json is damaged and ignored' <<<"$output"
check "measured costs: a FIFO is not waited for" $? "$rc $output"

# ---- standard output ----

run timeout 60 ./segarena train solver.prototxt --threads 1 --snapshot in.sasnap
readers=("weights in.sasnap" "weights in.sasnap --json" --help "explain net.prototxt" "explain net.prototxt --json" "plan net.prototxt" "plan net.prototxt --json" "plan --help"
    "bench net.prototxt --steps 1 --threads 1" "bench net.prototxt --steps 1 --threads 1 --json" "place in.csv --capacity 1KiB"
    "place in.csv --capacity 1KiB --json" "train solver.prototxt --threads 1" "train solver.prototxt --threads 1 --json"
    "train --help" strategies "strategies --json")
for line in "${readers[@]}"; do
    read -ra words <<<"$line"
    rc=0
    output=$(./segarena "${words[@]}" 2>&1 >/dev/full) || rc=$?
    grep -q 'standard output: cannot write' <<<"$output"
    check "$line > /dev/full" $(($? != 0 || rc != 1)) "$rc $output"
    rc=0
    output=$(./segarena "${words[@]}" 2>&1 >&-) || rc=$?
    grep -q 'standard output: cannot write' <<<"$output"
    check "$line >&-" $(($? != 0 || rc != 1)) "$rc $output"
done
output=$( (./segarena strategies --json 2>&1 1>&3 | cat) 3>&1 | true)
check "a closed pipe ends quietly" ${#output} "$output"

# ---- what is read ----

mkfifo silent
mkdir a_folder
for line in "explain silent" "plan silent" "train silent" "place silent --capacity 1KiB"; do
    read -ra words <<<"$line"
    (timeout 20 ./segarena "${words[@]}" >"said.${words[0]}" 2>&1; echo "status $?" >>"said.${words[0]}") &
done
for line in "plan a_folder" "train a_folder" "place a_folder --capacity 1KiB" "train solver.prototxt --resume a_folder"; do
    read -ra words <<<"$line"
    run timeout 20 ./segarena "${words[@]}"
    grep -qi 'folder' <<<"$output"
    check "$line is refused" $(($? != 0 || rc != 1)) "$rc $output"
done
run timeout 20 ./segarena train solver.prototxt --resume silent
grep -q 'silent: it is a pipe or FIFO' <<<"$output"
check "a snapshot is no FIFO" $(($? != 0 || rc != 1)) "$rc $output"
run ./segarena plan <(cat net.prototxt)
check "a net from a pipe" $rc "$output"
run ./segarena place <(cat in.csv) --capacity 1KiB
check "an instance from a pipe" $rc "$output"
printf 'id,lower,upper,size\n"two\nlines, ""quoted""",0,3,4\nb2,0,3,4\n' >odd.csv
./segarena place odd.csv --capacity 8 --output odd.out.csv 2>/dev/null && ./segarena place odd.out.csv --capacity 8 >/dev/null
check "ids with line breaks, commas and quotes are read back" $? "$(cat odd.out.csv)"
sed $'s/tiny/ti\xe9ny/' net.prototxt >latin.prototxt
for line in "plan latin.prototxt --json" "explain latin.prototxt --json" "plan latin.prototxt --html -"; do
    read -ra words <<<"$line"
    ./segarena "${words[@]}" 2>&1 | iconv -f utf-8 -t utf-8 2>&1 | grep -qF 'ti\\xE9ny'
    check "$line is UTF-8" $? "$(./segarena "${words[@]}" 2>&1 | head -c 300)"
done

# ---- training: signals, and a place that fails on the way ----

start_training() # name of its files, then more arguments
{
    ./segarena train solver.prototxt --threads 1 --steps 100000000 "${@:2}" >"$1.out" 2>"$1.err" &
    training=$!
    for _ in $(seq 300); do
        grep -q 'loss' "$1.err" 2>/dev/null && return
        sleep 0.02
    done
}
for signal in TERM HUP PIPE; do # a shell's background jobs ignore SIGINT
    start_training $signal --snapshot $signal.sasnap
    kill -$signal $training
    rc=0
    wait $training || rc=$?
    check "SIG$signal ends training with a snapshot" $((rc != 1 || ! $(stat -c %s $signal.sasnap || echo 0) > 0)) "$(cat $signal.err)"
done
echo "$solver display: 1" >talking.prototxt
timeout 20 ./segarena train talking.prototxt --threads 1 --steps 100000000 --snapshot closed.sasnap 2>&1 | grep -m 1 'step 1 ' >/dev/null
check "a log that nobody reads any more ends training with a snapshot" $((! $(stat -c %s closed.sasnap || echo 0) > 0)) ""
mkdir gone
start_training elsewhere --snapshot gone/last.sasnap
rm -r gone
kill -TERM $training
rc=0
wait $training || rc=$?
saved=$(find tmp -name 'segarena-tiny-*.sasnap')
[ $rc = 1 ] && [ -n "$saved" ] && grep -q "not where it was wanted but in .*$saved" elsewhere.err
check "a state whose folder is gone is saved elsewhere" $? "$rc $(cat elsewhere.err)"
echo "$solver snapshot: 1 snapshot_prefix: 'way/s' display: 1" >way.prototxt
mkdir way
mkdir way/s_iter_2.sasnap # taken by a folder
run ./segarena train way.prototxt --threads 1 --steps 3
[ $rc = 0 ] && [ -f way/s_iter_3.sasnap ] && grep -q 'a snapshot went elsewhere: way/s_iter_2.sasnap' <<<"$output"
check "a snapshot that fails on the way is no reason to stop" $? "$rc $output"

# An image that is damaged behind its header ends the training with the steps before it kept; mended, they go on as if nothing had
# been.
head -c $(($(stat -c %s i.png) - 30)) i.png >cut.png
for i in 0 1 2 3; do echo "i.png i.png"; done >cut.txt
echo "cut.png i.png" >>cut.txt
sed 's/list.txt/cut.txt/' listed.prototxt >cut.prototxt
sed 's/net.prototxt/cut.prototxt/; s/max_iter: 2/max_iter: 5/' solver.prototxt >cutter.prototxt
run ./segarena train cutter.prototxt --threads 1 --snapshot cut.sasnap
[ $rc = 1 ] && grep -q "cut.txt:5: 'cut.png': damaged PNG.*; the state after step 2 is in cut.sasnap: --resume goes on" <<<"$output"
check "a damaged image in the third step keeps the two before it" $? "$rc $output"
cp i.png cut.png
state_of() { ./segarena train cutter.prototxt --threads 1 --json "$@" 2>/dev/null | grep '"state_hash"'; }
whole=$(state_of --snapshot whole.sasnap)
[ -n "$whole" ] && [ "$whole" = "$(state_of --resume cut.sasnap --snapshot cut.sasnap)" ]
check "... which go on to the same bits once it is mended" $? "$whole $(state_of --resume cut.sasnap)"

# ---- small stacks ----

case $build in
*asan | *ubsan) skip "small stacks" "sanitizers need large ones" ;;
*)
    output=$(ulimit -s 256 && ./segarena train solver.prototxt --threads 1 2>&1)
    grep -q 'ulimit -s 8192' <<<"$output"
    check "a stack of 256 KiB is told" $? "$output"
    output=$(OMP_STACKSIZE=150k ./segarena train solver.prototxt --threads 2 2>&1)
    grep -q 'OMP_STACKSIZE' <<<"$output"
    check "a small OMP_STACKSIZE is told" $? "$output"
    ;;
esac

wait
for command in explain plan train place; do
    grep -q 'silent: cannot read: it is a FIFO, and nobody writes to it' said.$command && grep -qx 'status 1' said.$command
    check "$command does not wait for ever for a FIFO" $? "$(cat said.$command)"
done
check "no temporary file is left at the end" $(($(leftovers) != 0)) "$(find . -name '*.tmp-*')"
echo "[  PASSED  ] $((cases - failures)) test(s)."
[ $skipped = 0 ] || echo "[  SKIPPED ] $skipped test(s)"
[ $failures = 0 ] || echo "[  FAILED  ] $failures test(s), listed above"
exit $((failures > 0))
