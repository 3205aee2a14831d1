#!/usr/bin/env bash
# The command line as people type it: files of the wrong kind, misspelt names, Caffe's own spellings, sizes of images given instead of
# read. Prints cmocka's lines, as every suite does.
set -u
project=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$project" && cd "${SA_BUILD:-build}" && pwd)
segarena=$build/segarena
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=0 failures=0
unset SA_COSTS COLUMNS
export XDG_CACHE_HOME=$work/cache

# expect STATUS PATTERN ARGUMENTS...: segarena exits so, and one line of its stdout and stderr matches.
expect()
{
    local status=$1 pattern=$2 output rc=0 verdict='       OK '
    shift 2
    output=$("$segarena" "$@" 2>&1) || rc=$?
    cases=$((cases + 1))
    if [ $rc != "$status" ] || ! grep -qE -- "$pattern" <<<"$output"; then
        failures=$((failures + 1))
        verdict='  FAILED  '
        printf 'wanted status %s and /%s/, got %s and: %s\n' "$status" "$pattern" $rc "${output:0:2000}"
    fi
    printf '[%s] %s\n' "$verdict" "$*"
}

# one_line ARGUMENTS...: what is told about wrong usage is one line.
one_line()
{
    cases=$((cases + 1))
    local lines
    lines=$("$segarena" "$@" 2>&1 | wc -l)
    [ "$lines" = 1 ] && { echo "[       OK ] one line: $*"; return; }
    failures=$((failures + 1))
    echo "[  FAILED  ] one line: $*: $lines lines"
}

cd "$work" || exit 1
mkdir folder lmdb leveldb images
: >lmdb/data.mdb
: >leveldb/CURRENT
: >leveldb/LOG
printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR' >picture.png
printf '\xff\xd8\xff\xe0\0\x10JFIF' >picture.jpg
printf '\x93NUMPY\x01\0' >array.npy
printf 'SAsnap\r\n\x01\0\0\0' >state.sasnap
printf '\n\x03net\xa2\x06\x02\0\0' >net.caffemodel
printf '\x08\x05\x12\x03net\0' >s_iter_5.solverstate
printf '\x10\0\0\0\0\0\0\0{"a":{}}' >weights.safetensors
printf '\x89HDF\r\n\x1a\n' >net.h5
printf '\x1f\x8b\x08\0' >net.prototxt.gz
printf 'id,lower,upper,size\na,0,1,8\n' >problem.csv
printf '{ "results": [] }\n' >bench.json
printf '<!DOCTYPE html>\n' >page.html
printf 'a.png b.png\n' >list.txt
cat >net.prototxt <<'NET'
name: "tiny"
input: "data" input_dim: 2 input_dim: 3 input_dim: 32 input_dim: 48
input: "label" input_dim: 2 input_dim: 1 input_dim: 32 input_dim: 48
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }
NET
cat >solver.prototxt <<'SOLVER'
net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 solver_mode: CPU
SOLVER

# ---- files of the wrong kind: every command with every kind ----

declare -A kinds=(
    [folder]='a folder' [lmdb]='an LMDB folder' [leveldb]='a LevelDB folder' [picture.png]='an image' [picture.jpg]='an image'
    [array.npy]='a NumPy array' [state.sasnap]='a snapshot' [net.caffemodel]='trained weights of Caffe'
    [s_iter_5.solverstate]='a solver state of Caffe' [weights.safetensors]='weights in safetensors' [net.h5]='an HDF5 file'
    [net.prototxt.gz]='a compressed file' [bench.json]='a JSON document' [page.html]='an HTML page' [list.txt]='an image list'
    [problem.csv]='a placement problem' [net.prototxt]='a net' [solver.prototxt]='a solver file')

for file in "${!kinds[@]}"; do
    is="$file is ${kinds[$file]}.*; [a-z]"
    for command in explain plan bench; do
        case $command,$file in *,net.prototxt | explain,solver.prototxt | plan,solver.prototxt) continue ;; esac
        expect 1 "^segarena $command: $is" "$command" "$file"
    done
    [ "$file" = solver.prototxt ] || expect 1 "^segarena train: $is" train "$file"
    case $file in state.sasnap | s_iter_5.solverstate) ;; *) expect 1 "^segarena train: $is" train solver.prototxt --resume "$file" ;; esac
    case $file in state.sasnap | net.caffemodel | weights.safetensors | net.h5) ;; *)
        expect 1 "^segarena weights: $is" weights "$file"
        expect 1 "^segarena train: $is" train solver.prototxt --weights "$file"
        expect 1 "^segarena test: $is" test net.prototxt --weights "$file"
        expect 1 "^segarena predict: $is" predict net.prototxt --weights "$file" x.png --output folder
        expect 1 "^segarena bn-stats: $is" bn-stats net.prototxt --weights "$file" --save-weights x.sasnap
        ;;
    esac
    [ "$file" = net.prototxt ] || expect 1 "^segarena test: $is" test "$file" --weights x.sasnap
    case $file in list.txt | folder | lmdb | leveldb) ;; *)
        expect 1 "^segarena predict: $is" predict net.prototxt --weights state.sasnap --list "$file" --output folder
        ;;
    esac
    [ "$file" = problem.csv ] || expect 1 "^segarena place: $is" place "$file" --capacity 1K
done
expect 1 'its net is "net.prototxt": segarena bench takes that; segarena train solver.prototxt trains' bench solver.prototxt
sed '$a type: "Adam"' solver.prototxt >adam.prototxt
expect 0 'c.0.history2' plan adam.prototxt
expect 0 'c.0.history ' plan solver.prototxt
expect 1 'segarena plan net.prototxt --csv FILE makes such a problem' place net.prototxt --capacity 1K
expect 1 'train SOLVER.prototxt --resume state.sasnap' bench state.sasnap
expect 1 'net.h5: an? .*HDF5 file' weights net.h5
expect 1 'train SOLVER.prototxt --resume s_iter_5.solverstate' bench s_iter_5.solverstate
expect 1 "segarena train: s_iter_5.solverstate: not a solver state of Caffe's" train solver.prototxt --resume s_iter_5.solverstate
expect 1 'segarena weights net.caffemodel lists them' explain net.caffemodel
expect 1 'not_there: there is no such file, and no shipped net of this name; they are: .*, new, old, ' plan not_there
expect 1 'not/there: cannot open' plan not/there
expect 1 "odl: .* did you mean 'old'" explain odl
expect 1 "neww: .* did you mean 'new'.*with their solvers" train neww
expect 2 'size 64: HEIGHTxWIDTH is expected' train solver.prototxt --size 64
mkfifo fifo
expect 0 'peak' plan net.prototxt

# ---- names ----

expect 2 "unknown command 'exlain'; did you mean 'explain'\?" exlain net.prototxt
expect 2 'a command comes before the file' net.prototxt
expect 2 "unknown option --stratgy; did you mean 'strategy'\?" plan --stratgy fastest net.prototxt
expect 2 'unknown option --zzz; --help lists them' plan --zzz net.prototxt
expect 2 "unknown option --convret; did you mean 'convert'\?" weights weights.safetensors --convret x
expect 2 'long options have two dashes: --strategy' plan -strategy fastest net.prototxt
expect 2 'long options have two dashes: --json' strategies -json
expect 1 "unknown preset 'smalest'; did you mean 'smallest'\?" plan net.prototxt --strategy smalest
expect 1 "unknown switch 'lifetime'; did you mean 'lifetimes'\?" bench net.prototxt --strategy caffe+lifetime
expect 1 "did you mean 'direct'\?" plan net.prototxt --conv dircet
expect 1 "did you mean 'cuda'\?" plan net.prototxt --device cudda
expect 1 "did you mean 'cuda'\?" plan net.prototxt --device gpu
expect 1 "did you mean 'cuda'\?" plan net.prototxt --device cuda:x
expect 1 'cuda device 999: ' bench net.prototxt --device cuda:999
expect 0 '^peak ' plan net.prototxt --device cuda # its sizes are known without a card
expect 0 '"strategy":"-strategy"|peak' plan net.prototxt --strat fastest # a beginning is enough, as ever

# ---- Caffe's spellings: status 2, one line ----

caffes=(
    'plain argument: segarena train solver.prototxt;train -solver solver.prototxt'
    'plain argument: segarena train solver.prototxt;train --solver=solver.prototxt'
    'plain argument: segarena train solver.prototxt;train -solver=solver.prototxt -gpu 0'
    'write --device cuda;train solver.prototxt -gpu 0'
    'write --device cuda;train solver.prototxt --gpu=0'
    'write --weights x.caffemodel;train solver.prototxt -weights x.caffemodel'
    'write --resume x.solverstate;train solver.prototxt -snapshot x.solverstate'
    'as in segarena bench net.prototxt;bench -model net.prototxt -iterations 5'
    'write --steps 5;bench net.prototxt -iterations 5'
    'Ctrl-C ends training;train solver.prototxt --sigint_effect=stop'
    'write --phase TEST;bench net.prototxt -phase TEST'
    'segarena bench NET.prototxt measures;time -model net.prototxt'
    'bench --device cuda;device_query -gpu 0'
    'leave the word out;caffe train -solver solver.prototxt')
for row in "${caffes[@]}"; do
    read -ra arguments <<<"${row#*;}"
    expect 2 "Caffe's; .*${row%%;*}" "${arguments[@]}"
    one_line "${arguments[@]}"
done

# ---- sizes of bytes, short options ----

for size in 8g 8gib '8 GB' 1e9 2TiB 1.5G; do expect 0 'peak' plan net.prototxt --budget "$size" --costs builtin; done
for size in 0 -1 0GiB 8X ''; do
    expect 2 '--budget: ' plan net.prototxt --budget "$size"
    expect 2 '--budget: ' train solver.prototxt --budget "$size"
    expect 2 '--capacity: ' explain net.prototxt --capacity "$size"
    expect 2 '--capacity: ' place problem.csv --capacity "$size"
done
# A letter means the same in all commands.
cases=$((cases + 1))
twice=$(for c in explain plan bench train place strategies; do "$segarena" "$c" --help; done | sed -nE 's/^ +-([a-z]), --([a-z-]+).*/\1 \2/p' |
    sort -u | cut -d' ' -f1 | uniq -d)
[ -z "$twice" ] || { failures=$((failures + 1)); echo "[  FAILED  ] short options with two meanings: $twice"; }

# ---- sizes of images ----

base64 -d >images/i.png <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAADAAAAAgCAAAAABxv6TAAAAAIUlEQVR4nGNgQAOMBAC6+lENoxqGswYmAmBUw6iGYawBACcBBgENTD9WAAAAAElFTkSuQmCC
PNG
for i in 1 2 3; do cp images/i.png images/i$i.png; done
printf 'i.png i.png\ni1.png i1.png\ni2.png i2.png\ni3.png i3.png\n' >images/list.txt
cat >images/net.prototxt <<'NET'
name: "listed"
layer { name: "data" type: "DenseImageData" top: "data" top: "label" dense_image_data_param { source: "list.txt" batch_size: 2 } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }
NET
mkdir elsewhere
cp images/net.prototxt elsewhere/net.prototxt
rm list.txt
blob="Memory required for data: "
small=$((4 * (2 * 3 * 32 * 48 + 2 * 32 * 48 + 2 * 8 * 32 * 48 + 1)))
assumed=$((4 * (2 * 3 * 360 * 480 + 2 * 360 * 480 + 2 * 8 * 360 * 480 + 1)))
half=$((4 * (2 * 3 * 16 * 24 + 2 * 16 * 24 + 2 * 8 * 16 * 24 + 1)))
expect 0 "$blob$small$" explain images/net.prototxt # the list beside the net
expect 0 "$blob$small$" explain elsewhere/net.prototxt --data-root images
expect 0 "$blob$assumed$" explain elsewhere/net.prototxt
expect 0 '^sizes are assumed: .*list.txt.*360x480.*--data-root DIR.*--size HxW.*--input' explain elsewhere/net.prototxt
expect 0 '"input_shapes_assumed":.*true' explain elsewhere/net.prototxt --json
expect 0 '"input_shapes_assumed":true' plan elsewhere/net.prototxt --json
expect 0 '"input_shapes_assumed":.*false' explain images/net.prototxt --json
expect 0 "$blob$half$" explain elsewhere/net.prototxt --size 16x24
expect 0 "$blob$half$" explain images/net.prototxt --size 16x24
expect 0 "$blob$half$" explain images/net.prototxt --input data=2,3,16,24
expect 0 '"input_shapes_assumed":.*false' explain elsewhere/net.prototxt --size 16x24 --json
expect 0 ' equal ' bench images/net.prototxt --steps 1 --warmup 0
expect 0 ' equal ' bench images/net.prototxt --steps 1 --warmup 0 --size 16x24
expect 1 '--data-root DIR.*--size HxW' bench elsewhere/net.prototxt --steps 1
expect 2 '--size 16: HEIGHTxWIDTH' plan net.prototxt --size 16
expect 2 '--size 0x16: HEIGHTxWIDTH' plan net.prototxt --size 0x16
for input in data data= =1,2 data=1,2,3,4,5 data=1,0 data=a data=1,,2; do
    expect 2 "--input $input: NAME=N,C,H,W" plan net.prototxt --input "$input"
done
expect 1 "no input 'dota'; did you mean 'data'\?" plan net.prototxt --input dota=1,3,8,8
expect 1 "label 'label' is 2x1x8x8" plan net.prototxt --input label=2,1,8,8

# An error that follows from assumed sizes says so, on stdout too where that is JSON.
cat >elsewhere/levels.prototxt <<'NET'
layer { name: "data" type: "DenseImageData" top: "data" top: "label" dense_image_data_param { source: "none.txt" batch_size: 2 } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 400 kernel_size: 7 stride: 7 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }
NET
expect 1 'levels.prototxt:.*sizes were assumed: .*360x480.*--size HxW' explain elsewhere/levels.prototxt
expect 1 '"input_shapes_assumed":.*true' explain elsewhere/levels.prototxt --json
expect 1 '"error":.*loss' explain elsewhere/levels.prototxt --json

# ---- what changes nothing is told once ----

for command in 'plan net.prototxt' 'bench net.prototxt --steps 1' 'train solver.prototxt'; do
    # shellcheck disable=SC2086 # words on purpose
    {
        expect 0 "note: '-bf16' changes nothing: it is off already" $command --strategy fastest-bf16
        expect 0 "note: '\+lean' changes nothing: it is on already" $command --strategy fastest+lean
        expect 0 'note: banded=1000: no convolution of the net has more than 3 channels' $command --strategy banded+banded=1000
        expect 0 'note: recompute=9: the net has 1 convolutions' $command --strategy fastest+recompute=9
    }
done
expect 0 'note: tiled and virtual come to the same plan for this net' bench net.prototxt --strategy tiled,virtual --steps 1
quiet() # ARGUMENTS...: no note
{
    cases=$((cases + 1))
    "$segarena" "$@" 2>&1 | grep -q note: || { echo "[       OK ] no note: $*"; return; }
    failures=$((failures + 1))
    echo "[  FAILED  ] a note: $*"
}
expect 0 'note: tiled and virtual come to the same plan for this net' plan net.prototxt --strategy virtual
quiet plan "$project/nets/old.prototxt" --strategy extreme
quiet plan "$project/nets/old.prototxt" --strategy extreme-split-backward+small-workspace=1M
quiet plan net.prototxt # nobody asked for fastest
expect 0 'note: tiled and virtual come to the same plan for this net' train solver.prototxt --strategy virtual
quiet train solver.prototxt --snapshot kept.sasnap
quiet train solver.prototxt --save-weights kept.safetensors
expect 0 'note: nothing is kept of the last step; --snapshot FILE or' train solver.prototxt
more=$(($(nproc --all) + 3))
expect 0 "note: $more threads on [0-9]+ cores?: " train solver.prototxt --threads $more
quiet bench net.prototxt --strategy fastest,inplace --steps 1 # one is made of the other

# ---- width of the terminal ----

# Every command at every width from 40 on: no line is longer. (A word that is longer than the line stays whole.)
cat >images/trained.prototxt <<'NET'
name: "trained"
layer { name: "data" type: "DenseImageData" top: "data" top: "label" dense_image_data_param { source: "list.txt" batch_size: 2 } }
layer { name: "convolution_of_the_first_level" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "bn" type: "BN" bottom: "c" top: "b" bn_param { scale_filler { type: "constant" value: 1 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "b" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "b" bottom: "label" top: "accuracy" top: "per_class" }
NET
sed 's/net.prototxt/images\/trained.prototxt/' solver.prototxt >trainer.prototxt
expect 0 'wrote made.safetensors' train trainer.prototxt --data-root images --save-weights made.safetensors --snapshot made.sasnap
mkdir segmented
trained='images/trained.prototxt --weights made.safetensors'
if command -v script >/dev/null; then
    widest() { awk '{ sub(/.*\r\033\[K/, ""); gsub(/\r/, ""); n = length($0) > n ? length($0) : n } END { print n + 0 }'; }
    for shown in 'explain net.prototxt --capacity 8g' 'explain images/trained.prototxt --layers' 'explain images/trained.prototxt --capacity 200k' \
        'fit net.prototxt --capacity 1m' 'plan net.prototxt' 'plan net.prototxt --budget 1g' \
        'bench net.prototxt --steps 1 --strategy ladder' 'bench images/trained.prototxt --steps 1 --ops' \
        'bench net.prototxt --steps 1 --frontier=2 --costs builtin' 'train solver.prototxt --threads 9' 'train no_such_solver' \
        'train trainer.prototxt --data-root images' "test $trained" "predict $trained images/i.png --output segmented" \
        "bn-stats $trained --save-weights s.safetensors --save-net s.prototxt" 'weights made.safetensors' 'weights made.sasnap' \
        'weights made.safetensors --convert m.caffemodel' 'strategies' '--help' 'explain --help' 'bn-stats --help' \
        'explain weights.safetensors' 'place problem.csv --capacity 1k'; do
        for width in 40 60 80; do
            cases=$((cases + 1))
            columns=$(script -qec "stty cols $width; '$segarena' $shown" /dev/null | widest)
            [ "$columns" -gt 20 ] && [ "$columns" -le $width ] && { echo "[       OK ] $width columns: $shown"; continue; }
            failures=$((failures + 1))
            echo "[  FAILED  ] $shown takes $columns of $width columns"
        done
    done
    cases=$((cases + 1))
    [ "$("$segarena" explain net.prototxt | awk '{ n = length($0) > n ? length($0) : n } END { print n }')" -gt 120 ] ||
        { failures=$((failures + 1)); echo '[  FAILED  ] explain into a pipe is broken into lines'; }
fi

# ---- a single class: every command says it before the run ----

sed 's/num_output: 3/num_output: 1/' net.prototxt >single.prototxt
sed 's/net.prototxt/single.prototxt/' solver.prototxt >single_solver.prototxt
single="line 6: loss 'loss' sees the single class of layer 'c' \(line 4\): it is always 0 .* \(num_output: 2\)"
for command in 'explain single.prototxt' 'explain single_solver.prototxt' 'plan single.prototxt' 'fit single.prototxt --capacity 1m' \
    'bench single.prototxt --steps 1' 'train single_solver.prototxt'; do
    # shellcheck disable=SC2086 # words on purpose
    expect 0 "$single" $command
done
quiet plan net.prototxt
quiet explain single.prototxt --phase test

# ---- what explain counts ----

cat >deploy.prototxt <<'NET'
name: "deploy"
input: "data" input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "prob" type: "Softmax" bottom: "c" top: "prob" }
NET
expect 0 'bytes for a forward pass' explain deploy.prototxt
expect 0 '^The same forward pass in one arena' explain deploy.prototxt
expect 0 'bytes for a forward pass \(the TEST phase\)' explain net.prototxt --phase test
expect 0 '"trains":.*false' explain solver.prototxt --phase test --json
expect 0 'everything a forward pass needs' plan deploy.prototxt
expect 0 'bytes to train the net' explain net.prototxt
expect 0 '^The same training step in one arena' explain net.prototxt
# The TEST net: inputs, outputs, a column and a row of ones per convolution and the softmax; in the figures of a solver that tests.
sed 's/max_iter/test_iter: 3 test_interval: 1 max_iter/' solver.prototxt >tester.prototxt
expect 0 'bytes more: .* since this solver tests' explain tester.prototxt
expect 0 'bytes more: .* if the solver tests' explain solver.prototxt
expect 0 'bytes more: .* if the solver tests' explain net.prototxt
expect 0 '^verdict: fits: .*; with the TEST net' explain tester.prototxt --capacity 8g
expect 0 '"solver_tests":.*true' explain tester.prototxt --json
expect 0 "^test after step 1: loss .* mean IoU .* .6 images.$" train tester.prototxt --steps 1
total=$("$segarena" explain net.prototxt --json | sed -n 's/.*"total_bytes":[^0-9]*\([0-9]*\).*/\1/p' | head -1)
test_net=$("$segarena" explain net.prototxt --json | sed -n 's/.*"caffe_test_net_bytes":[^0-9]*\([0-9]*\).*/\1/p')
expect 0 '^verdict: fits only just: .* which fits$' explain tester.prototxt --capacity $((total + test_net))
expect 0 '^verdict: fits only just: .* which does not fit$' explain tester.prototxt --capacity $((total + test_net - 1))
expect 0 'the smallest found' explain net.prototxt --capacity 1
expect 0 '^largest batch that fits: [0-9]+ in Caffe, [0-9]+ by --strategy' explain net.prototxt --capacity 8g
expect 0 '^Layer by layer' explain net.prototxt --layers
expect 0 '^Caffe +[0-9]+' fit net.prototxt --capacity 1GiB
expect 0 '"largest_batch":' fit tester.prototxt --capacity 1GiB --json
expect 2 '--capacity SIZE is needed' fit net.prototxt
expect 2 'TYPE=identity or TYPE=input' explain net.prototxt --treat x
expect 1 'too small; the smallest found is' plan net.prototxt --budget 1
expect 0 'peak' plan net.prototxt --budget min --costs builtin --save-choices least.choices
expect 0 'strategy @least.choices' plan net.prototxt --strategy @least.choices
expect 0 'an op needs them at once' frontier net.prototxt --points 3 --costs builtin --save point
expect 0 'strategy @point1.choices' plan net.prototxt --strategy @point1.choices
expect 1 'is choices of a strategy, not a net' plan least.choices
printf 'strategy: "inplace"\nlayer { name: "nobody" output: "again" }\n' >bad.choices
expect 1 "bad.choices:2: choices of layer 'nobody': the net net.prototxt has no such layer" plan net.prototxt --strategy @bad.choices
expect 2 '--save-choices goes with --budget' plan net.prototxt --save-choices x

# One label per image, on an axis of its own: all of them are drawn, whatever was in the memory before.
MALLOC_PERTURB_=184 expect 0 'loss' bench lenet --steps 1 --warmup 0

# Times of ops that bench measured go into plan and story; those of another strategy do not.
"$segarena" bench images/net.prototxt --strategy smallest --steps 1 --ops --json >times.json 2>/dev/null
expect 0 '"times":\{"from":"measured by bench"' plan images/net.prototxt --strategy smallest --times times.json --json
expect 1 'times.json: no times of .* under caffe .*segarena bench .* --strategy caffe --ops --json' plan images/net.prototxt --strategy caffe --times times.json --json
expect 0 'measured by bench' story images/net.prototxt --strategy caffe,smallest --no-frontier --times times.json --html -
expect 1 'no document of' plan images/net.prototxt --times images/net.prototxt --json
expect 2 'html FILE or --svg FILE is missing' story net.prototxt
expect 2 'a net is needed' story --html page2.html
expect 1 "unknown preset 'smalest'; did you mean 'smallest'" story net.prototxt --strategy caffe,smalest --html page2.html
expect 2 'only one of them can have standard output' place in.csv --capacity 1K --json --html -
expect 0 '^6\. ' lab --list
expect 2 "exercise '9'" lab 9

# What is planned for N threads is what N threads take.
same_bytes() # ARGUMENTS...
{
    local planned measured
    planned=$("$segarena" plan "$@" --json | grep -o '"peak_bytes":[0-9]*' | tr -dc 0-9)
    measured=$("$segarena" bench "$@" --steps 1 --warmup 0 --json 2>/dev/null | grep '"measured_bytes"' | tr -dc 0-9)
    cases=$((cases + 1))
    [ "$planned" = "$measured" ] && { echo "[       OK ] planned = measured: $*"; return; }
    failures=$((failures + 1))
    echo "[  FAILED  ] planned $planned, measured $measured: $*"
}
for threads in 1 2 9; do same_bytes images/net.prototxt --threads $threads --size 64x96; done
expect 0 'note: 1000 threads on [0-9]+ cores?' plan net.prototxt --threads 1000

echo "[  PASSED  ] $((cases - failures)) test(s)."
[ $failures = 0 ] || echo "[  FAILED  ] $failures test(s), listed above"
exit $((failures > 0))
