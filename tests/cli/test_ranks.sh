#!/usr/bin/env bash
# Ranks as processes of mpirun: the same state as one process for every preset, the same snapshot bytes, resumed on another number of
# ranks; what happens when a rank is killed, hangs, fails or disagrees.
#
# SA_RANK_KILLS   how often a random rank is killed at a random moment (default 2)
set -u
build=$(cd "${SA_BUILD:-build}" && pwd)
program=$build/segarena
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # OpenMPI keeps some memory to the end; test_train_shards looks for our leaks
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe

verdict() # name, 0 if it passed
{
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi
}

skip() # reason
{
    echo "SKIP: $1"
    echo '[  SKIPPED ] 1 test(s).'
    exit 0
}

command -v mpirun >/dev/null || skip 'no mpirun: ranks are tested as threads alone (test_train_shards)'

cat >net.prototxt <<'END'
name: 'ranks'
layer { name: 'data' type: 'DummyData' top: 'data' top: 'label'
  dummy_data_param { shape { dim: 2 dim: 3 dim: 32 dim: 48 } shape { dim: 2 dim: 1 dim: 32 dim: 48 } } }
layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1'
  convolution_param { num_output: 24 kernel_size: 7 pad: 3 weight_filler { type: 'msra' } } }
layer { name: 'bn1' type: 'BN' bottom: 'conv1' top: 'conv1'
  bn_param { scale_filler { type: 'constant' value: 1 } shift_filler { type: 'constant' value: 0.1 } } }
layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }
layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1' top: 'mask1' pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: 'conv2' type: 'Convolution' bottom: 'pool1' top: 'conv2'
  convolution_param { num_output: 24 kernel_size: 5 pad: 2 weight_filler { type: 'msra' } } }
layer { name: 'up1' type: 'Upsample' bottom: 'conv2' bottom: 'mask1' top: 'up1' upsample_param { scale: 2 upsample_h: 32 upsample_w: 48 } }
layer { name: 'score' type: 'Convolution' bottom: 'up1' top: 'score'
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'score' bottom: 'label' top: 'loss' }
END
solver='net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 random_seed: 3 solver_mode: CPU'
echo "$solver snapshot_after_train: false" >solver.prototxt

train() # ranks, arguments of train... -> json; fails as train does
{
    local ranks=$1
    shift
    if [ "$ranks" = 1 ]; then "$program" train "$@"; else mpirun -n "$ranks" "$program" train "$@"; fi
}

field() # json file, key
{
    sed -n "s/^[ \t]*\"$2\":[ \t]*\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$1" | head -n 1
}

if ! train 2 solver.prototxt --steps 1 --json >first.json 2>first.log; then
    grep -q 'this build has no MPI' first.log && skip 'built without MPI (make MPI=1 insists)'
    cat first.log
fi

# ---- the same bits ----

for preset in $("$program" strategies --json | sed -n '/"presets"/,/\]/s/^[ \t]*"name":[ \t]*"\([^"]*\)".*/\1/p'); do
    train 1 solver.prototxt --shards 2 --steps 2 --threads 1 --strategy "$preset" --json >one.json 2>/dev/null
    train 2 solver.prototxt --shards 2 --steps 2 --threads 1 --strategy "$preset" --json >two.json 2>two.log || cat two.log
    same=1
    [ -n "$(field one.json state_hash)" ] && [ "$(field one.json state_hash)" = "$(field two.json state_hash)" ] &&
        [ "$(field two.json predicted_bytes)" = "$(field two.json measured_bytes)" ] && [ "$(field two.json ranks)" = 2 ] && same=0
    verdict "2 ranks, $preset: $(field one.json state_hash) and $(field two.json state_hash)" $same
done

for ranks in 1 2 3; do train $ranks solver.prototxt --shards 4 --steps 3 --snapshot s$ranks.sasnap >/dev/null 2>&1; done
cmp s1.sasnap s2.sasnap && cmp s1.sasnap s3.sasnap
verdict 'snapshots of 1, 2 and 3 ranks are the same bytes' $?
train 1 solver.prototxt --shards 4 --steps 6 --snapshot whole.sasnap >/dev/null 2>&1
train 3 solver.prototxt --shards 4 --steps 6 --resume s2.sasnap --snapshot rest.sasnap >/dev/null 2>&1
cmp whole.sasnap rest.sasnap
verdict 'resumed on other ranks to the same bytes' $?

# ---- faults ----

# The process of a rank that runs for the solver of this folder; "" if it is not there yet.
pid_of() # rank
{
    local pid
    for pid in $(pgrep -f "$program train endless.prototxt"); do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$1" && { echo "$pid"; return; }
    done
}

# Signals a rank after a while: all processes have to be gone within 10 s, with a message, and the last snapshot goes on.
hit() # signal, rank, seconds
{
    local pid='' begin waited=0 job
    rm -f run_iter_*.sasnap
    SA_RANK_SILENCE=3 mpirun -n 3 "$program" train endless.prototxt --shards 3 >run.out 2>run.log &
    job=$!
    for _ in $(seq 300); do
        [ -n "$(ls run_iter_*.sasnap 2>/dev/null)" ] && break
        sleep 0.1
    done
    sleep "$3"
    pid=$(pid_of "$2")
    [ -n "$pid" ] || { kill $job; wait $job; cat run.log; return 1; }
    begin=$SECONDS
    kill "-$1" "$pid"
    wait $job && { echo "mpirun says that all went well"; return 1; }
    waited=$((SECONDS - begin))
    [ $waited -le 10 ] || { echo "ended after $waited s"; return 1; }
    sleep 0.2
    [ -z "$(pgrep -f "$program train endless.prototxt")" ] || { echo 'processes are left'; return 1; }
    grep -qE 'has not been heard of|exited on signal|returned' run.log || { cat run.log; return 1; }
    goes_on
}

# From the last snapshot of the killed run, one step further: the same as never having been killed.
goes_on()
{
    local last step
    last=$(ls run_iter_*.sasnap | sed 's/.*iter_\([0-9]*\).*/\1/' | sort -n | tail -n 1)
    step=$((last + 1))
    train 2 endless.prototxt --shards 3 --steps $step --resume "run_iter_$last.sasnap" --snapshot again.sasnap >/dev/null 2>&1 || return 1
    train 1 endless.prototxt --shards 3 --steps $step --snapshot straight.sasnap >/dev/null 2>&1 || return 1
    cmp again.sasnap straight.sasnap
}

echo "$solver snapshot: 2 snapshot_prefix: 'run' snapshot_after_train: false max_iter: 100000" >endless.prototxt
for ((i = 0; i < ${SA_RANK_KILLS:-2}; i++)); do
    hit KILL $((RANDOM % 3)) 0.$((RANDOM % 10))
    verdict "kill -9 of a rank, $i" $?
done
hit STOP 1 0
verdict 'a rank that hangs' $?
[ "$(grep -c 'rank 1 has not been heard of' run.log)" = 1 ]
verdict 'rank 0 says which' $?

# One message, of the rank that fails, and exit status 1.
mpirun -n 1 "$program" train solver.prototxt --steps 2 : -n 1 "$program" train solver.prototxt --steps 2 --snapshot /nowhere/x.sasnap \
    >fail.out 2>fail.log
verdict 'what rank 0 alone writes is of no concern to others' $?
mpirun -n 1 "$program" train solver.prototxt --steps 2 : -n 1 "$program" train solver.prototxt --steps 2 --budget 1K >fail.out 2>fail.log
[ $? = 1 ] && [ "$(grep -c 'a budget of' fail.log)" = 1 ] && grep -q '^segarena train: rank 1: a budget of' fail.log
verdict 'a rank that fails is quoted once' $?
mpirun -n 1 "$program" train solver.prototxt --steps 2 : -n 1 "$program" train solver.prototxt --steps 3 >differ.out 2>differ.log
grep -q 'ranks 0 and 1 do not agree about' differ.log
verdict 'ranks that disagree' $?

echo "[  PASSED  ] $passed test(s)."
[ $failed = 0 ] || echo "[  FAILED  ] $failed test(s)."
[ $failed = 0 ]
