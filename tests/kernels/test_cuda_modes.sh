#!/usr/bin/env bash
# The CUDA kernels on the stand-in under its checkers: races and uninitialised reads, AddressSanitizer, UBSan, thread orders, deferred
# streams; and whole nets against Caffe's golden data. Each line is one run of a test program; prints counts as cmocka does.
# Not the random cases at length: build/tests/test_cuda_parity does those without checkers.
set -u
build=${SA_BUILD:-build}
parity=$build/tests/test_cuda_parity
log=$build/tests/test_cuda_modes.log
if ! ldd "$parity" 2>/dev/null | grep -q libcudart || ! [ -f build/tests/simt/kernels_fast.so ]; then
    echo 'SKIP: this build has no CUDA (no nvcc, CUDA=0, or a sanitizer build)'
    echo '[  SKIPPED ] 1 test(s).'
    exit 0
fi
passed=0 failed=0

run() # name, environment words, mode, command...
{
    local name=$1 environment=$2 mode=$3
    shift 3
    # shellcheck disable=SC2086 # the environment is words
    if env $environment SA_SIMT_KERNELS= tests/simt/run --mode "$mode" "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "[       OK ] $name"
    else
        failed=$((failed + 1))
        echo "[  FAILED  ] $name: tests/simt/run --mode $mode $*"
        tail -n 20 "$log"
    fi
}

run 'checker, threads forwards' '' check "$parity" 12
run 'checker, threads backwards, deferred streams' 'SA_SIMT_ORDER=reverse SA_SIMT_DEFER=1' check "$parity" 12
run 'checker, threads in random order' 'SA_SIMT_ORDER=random:7' check "$parity" 12
run 'address sanitizer' '' asan "$parity" 12
run 'undefined behaviour sanitizer' '' ubsan "$parity" 12
run 'no recording of steps' 'SA_NO_GRAPH=1' fast "$build/tests/test_golden" --device cuda tests/golden/tiny_old/
run 'checker on whole nets' '' check "$build/tests/test_golden" --device cuda --strategy smallest tests/golden/tiny_new/
# One device allocation a session, nothing left at the end, whatever the strategy; the same bits for all of them.
bench_is_clean()
{
    local report=build/tests/simt/bench.report json
    json=$(SA_SIMT_REPORT=$report SA_SIMT_KERNELS='' tests/simt/run "$build/segarena" bench tests/golden/tiny_old/net.prototxt --device cuda \
        --conv fft --strategy caffe,shared,fastest,smallest --warmup 1 --steps 4 --json) || return 1
    grep -q '"malloc": 4, .*"graph": 4, .*"device_bytes_left": 0' "$report" || { cat "$report"; return 1; }
    [ "$(echo "$json" | grep -c '"warmup_steps":[[:space:]]*2,')" = 4 ] || { echo "$json"; return 1; } # no recording is timed
    [ "$(echo "$json" | grep -c '"driver_bytes":[[:space:]]*[1-9]')" = 4 ] || { echo "$json"; return 1; }
    [ "$(echo "$json" | grep -c '"device_allocations":[[:space:]]*1,')" = 4 ] || { echo "$json"; return 1; }
    [ "$(echo "$json" | grep '"state_hash"' | sort -u | wc -l)" = 1 ] || { echo "$json"; return 1; }
}
if bench_is_clean >"$log" 2>&1; then
    passed=$((passed + 1))
    echo '[       OK ] bench: one allocation, one recording and the same bits for four strategies'
else
    failed=$((failed + 1))
    echo '[  FAILED  ] bench: one allocation, one recording and the same bits for four strategies'
    tail -n 40 "$log"
fi
# All parameters in one launch where updates follow one another.
updates_are_one_launch()
{
    local launches=$build/tests/simt/launches.txt
    SA_NO_GRAPH=1 SA_SIMT_LAUNCHES=$launches SA_SIMT_KERNELS='' tests/simt/run "$build/segarena" bench tests/golden/tiny_old/net.prototxt \
        --device cuda --strategy caffe --ops --warmup 0 --steps 1 || return 1
    awk '/^sa_update_kernel/ { ops += $2 } END { exit ops < 10 }' "$launches" || return 1 # timed op by op: a launch each
    SA_NO_GRAPH=1 SA_SIMT_LAUNCHES=$launches SA_SIMT_KERNELS='' tests/simt/run "$build/segarena" bench tests/golden/tiny_old/net.prototxt \
        --device cuda --strategy caffe --warmup 0 --steps 1 || return 1
    awk '/^sa_update_kernel/ { launches += $2 } END { exit launches != 2 }' "$launches" # in two steps
}
if updates_are_one_launch >"$log" 2>&1; then
    passed=$((passed + 1))
    echo '[       OK ] the updates of a step in one launch'
else
    failed=$((failed + 1))
    echo '[  FAILED  ] the updates of a step in one launch'
    tail -n 40 "$log"
fi
# Values joined in place and sums in place (net_inception has the one, net_resnet both): the same bits as apart, the bytes predicted,
# and fewer of them.
in_place_is_the_same() # net, a strategy that saves bytes over `caffe`
{
    local net=$1 saving=$2 json
    json=$(SA_SIMT_KERNELS='' tests/simt/run "$build/segarena" bench "$net" --device cuda --conv direct --strategy "caffe,$saving,fastest,smallest" \
        --warmup 0 --steps 2 --json) || return 1
    [ "$(echo "$json" | grep '"state_hash"' | sort | uniq -c | awk '{ print $1 }')" = 4 ] || { echo "$json"; return 1; }
    echo "$json" | awk -F'[:,]' '
        /"predicted_bytes"/ { predicted[++n] = $2 + 0 }
        /"measured_bytes"/ { bad += $2 + 0 != predicted[n] }
        END { exit n != 4 || bad || predicted[2] >= predicted[1] }' || { echo "$json"; return 1; }
}
if { in_place_is_the_same tests/golden2/net_inception/a/net.prototxt caffe+placement &&
    in_place_is_the_same tests/golden2/net_resnet/train/net.prototxt caffe+sums-in-place; } >"$log" 2>&1; then
    passed=$((passed + 1))
    echo '[       OK ] values joined in place, sums in place'
else
    failed=$((failed + 1))
    echo '[  FAILED  ] values joined in place, sums in place'
    tail -n 40 "$log"
fi
fft_traffic() # net, size, table
{
    SA_SIMT_TRAFFIC=$3 SA_SIMT_KERNELS='' tests/simt/traffic "$build/segarena" bench "$1" --input "data=1,4,$2" --input "label=1,1,$2" \
        --device cuda --conv fft --strategy fastest --warmup 0 --steps 1
}
# Kernels that use memory as well as they can, counted: kernel, memory, the most units per request over those at best.
traffic_is_as_good_as_it_was()
{
    local table=build/tests/simt/traffic.txt
    sed 's/num_output: 8/num_output: 24/' tests/golden/tiny_old/net.prototxt >"$table.prototxt" # products in blocks of each shape
    cat >"$table.wide.prototxt" <<'NET' # two convolutions of many channels, and a classifier
input: "data" input_shape { dim: 1 dim: 20 dim: 16 dim: 64 }
input: "label" input_shape { dim: 1 dim: 1 dim: 16 dim: 64 }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 24 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "b" type: "Convolution" bottom: "a" top: "b" convolution_param { num_output: 24 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "c" type: "Convolution" bottom: "b" top: "c" convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }
NET
    SA_SIMT_TRAFFIC=$table.direct SA_SIMT_KERNELS='' tests/simt/traffic "$build/segarena" bench "$table.wide.prototxt" \
        --device cuda --conv direct --strategy fastest --warmup 0 --steps 1 || return 1
    SA_SIMT_TRAFFIC=$table SA_SIMT_KERNELS='' tests/simt/traffic "$build/tests/step_program" no-graph 1 || return 1
    fft_traffic tests/golden/tiny_old/net.prototxt 48,72 "$table.fft32" && fft_traffic "$table.prototxt" 40,56 "$table.fft16" || return 1
    grep -h '^sa_tile' "$table.direct" >>"$table"
    grep -hE '^sa_fft_[a-z]+32_kernel' "$table.fft32" >>"$table"
    grep -hE '^sa_fft_([a-z]+16|apply|correlate)_kernel' "$table.fft16" >>"$table"
    awk '
    NR == FNR { most[$1 " " $2] = $3; next }
    $4 == "global:" || $4 == "shared:" {
        key = $1 " " substr($4, 1, 6)
        if (key in most) {
            seen++
            if ($7 > most[key] * $10) { print "too much traffic: " $0; bad = 1 }
        }
    }
    END {
        for (key in most) wanted++
        if (seen != wanted) { print "kernels counted: " seen + 0 " of " wanted; bad = 1 }
        exit bad
    }' - "$table" <<'END'
sa_update_kernel<sa_two_updates> global 1.01
sa_add_bias_kernel global 1.01
sa_loss_finish_kernel shared 1.01
sa_channel_finish_kernel shared 1.01
sa_channel_finish_kernel global 1.01
sa_row_sums_kernel<sa_dense> global 1.5
sa_loss_rows_kernel<sa_dense,sa_dense> global 1.01
sa_tile_kernel<sa_dense,sa_wide> shared 1.05
sa_tile_kernel<sa_dense,sa_narrow> shared 1.05
sa_tile_weight_kernel<sa_dense,sa_dense,sa_weight_wide> shared 1.2
sa_tile_weight_kernel<sa_dense,sa_dense,sa_weight_narrow> shared 1.2
sa_tile_weight_sum_kernel global 1.01
sa_fft_in16_kernel<sa_dense> global 1.2
sa_fft_in16_kernel<sa_dense> shared 1.01
sa_fft_in16_kernel<sa_unpool> global 1.5
sa_fft_in16_kernel<sa_unpool> shared 1.01
sa_fft_in32_kernel<sa_dense> global 1.05
sa_fft_in32_kernel<sa_dense> shared 1.01
sa_fft_in32_kernel<sa_unpool_bn> global 1.5
sa_fft_in32_kernel<sa_unpool_bn> shared 1.01
sa_fft_filter16_kernel global 1.05
sa_fft_filter16_kernel shared 1.05
sa_fft_filter32_kernel global 1.02
sa_fft_filter32_kernel shared 1.03
sa_fft_apply_kernel<sa_fft_low> global 1.01
sa_fft_apply_kernel<sa_fft_low> shared 1.01
sa_fft_apply_kernel<sa_fft_middle> global 1.01
sa_fft_apply_kernel<sa_fft_middle> shared 1.01
sa_fft_correlate_kernel<sa_fft_middle> global 1.01
sa_fft_correlate_kernel<sa_fft_middle> shared 1.01
sa_fft_correlate_kernel<sa_fft_narrow> global 1.01
sa_fft_correlate_kernel<sa_fft_narrow> shared 1.01
sa_fft_out16_kernel<sa_fft_plain_sink> global 1.15
sa_fft_out16_kernel<sa_fft_plain_sink> shared 1.01
sa_fft_out16_kernel<sa_fft_gather_sink> global 1.2
sa_fft_out16_kernel<sa_fft_gather_sink> shared 1.1
sa_fft_out32_kernel<sa_fft_plain_sink> global 1.01
sa_fft_out32_kernel<sa_fft_plain_sink> shared 1.01
sa_fft_out32_kernel<sa_fft_gather_sink> global 1.2
sa_fft_out32_kernel<sa_fft_gather_sink> shared 1.1
sa_fft_taps16_kernel global 1.05
sa_fft_taps16_kernel shared 1.08
sa_fft_taps32_kernel global 1.02
sa_fft_taps32_kernel shared 1.04
END
}
if traffic_is_as_good_as_it_was >"$log" 2>&1; then
    passed=$((passed + 1))
    echo '[       OK ] sectors and bank conflicts of some kernels'
else
    failed=$((failed + 1))
    echo '[  FAILED  ] sectors and bank conflicts of some kernels'
    tail -n 40 "$log"
fi
# The nets that programs are compiled for (kernels/cuda/eval_forms.cuh), at full size but for planes: no kernel interprets.
nothing_is_interpreted() # net, sizes...
{
    local launches=$build/tests/simt/launches.txt net=$1
    shift
    SA_SIMT_LAUNCHES=$launches SA_SIMT_KERNELS='' tests/simt/run "$build/segarena" bench "nets/$net.prototxt" "$@" --device cuda \
        --strategy fastest,smallest,extreme --batch 1 --warmup 0 --steps 1 || return 1
    grep -q '^sa_materialize_kernel<sa_bn_grad_pool2> ' "$launches" || return 1
    ! grep -E '<sa_(flat|nested)' "$launches"
}
if { nothing_is_interpreted new --input data=1,4,97,129 --input label=1,1,48,64 && nothing_is_interpreted old --size 48x64; } >"$log" 2>&1; then
    passed=$((passed + 1))
    echo '[       OK ] new and old run compiled programs only'
else
    failed=$((failed + 1))
    echo '[  FAILED  ] new and old run compiled programs only'
    tail -n 40 "$log"
fi
# Caffe's golden data: every case, every strategy; the worst share of a bound of each is in the log of this suite.
run 'golden cases' '' fast "$build/tests/test_golden" --device cuda tests/golden/*/
grep -E '^(ok|FAIL) ' "$log"
# Of the other nets those with joins, sums, shared parameters and skips; rules of solvers; Deconvolution.
run 'golden nets and solvers' '' fast "$build/tests/test_golden" --device cuda tests/golden2/net_{inception,resnet,unet,shared}/ \
    tests/golden2/solver/{adam,sgd_clip_iter2}/ tests/golden2/layer_deconv/
grep -E '^(ok|FAIL) ' "$log"
echo "[  PASSED  ] $passed test(s)."
[ "$failed" = 0 ] || echo "[  FAILED  ] $failed test(s)."
[ "$failed" = 0 ]
