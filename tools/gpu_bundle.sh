#!/usr/bin/env bash
# Puts together the folder of `make gpu-bundle`: programs, the libraries that they need besides the card's own, nets, golden data, run.sh.
#
#   tools/gpu_bundle.sh BUILD OUT
#
# The card's own are CUDA's driver, cuBLAS and cuDNN: run.sh looks for them where they usually are. glibc is the machine's.
set -eu
build=${1:?usage: gpu_bundle.sh BUILD OUT}
out=${2:?usage: gpu_bundle.sh BUILD OUT}
cd "$(dirname "$0")/.."

rm -rf "$out"
mkdir -p "$out/bin" "$out/lib" "$out/nets" "$out/golden"
cp "$build/tests/segarena" "$build/tests/test_cuda_parity" "$build/tests/test_golden" "$build/tests/step_program" \
    "$build/tests/libsegarena_cuda.so" "$out/bin/"
strip "$out"/bin/*

# Everything that the programs load, less glibc, the C++ runtime and the card's own; libcudart comes along.
machines='^(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt|libcuda|libcublas|libcublasLt|libcudnn|libstdc[+][+]|libgcc_s|libsegarena_cuda)[.-]'
for program in "$out"/bin/*; do ldd "$program"; done | awk '$3 ~ /^\// { print $1, $3 }' | sort -u |
    while read -r name path; do
        if ! [[ $name =~ $machines ]]; then cp -L "$path" "$out/lib/$name"; fi
    done

cp nets/*.prototxt "$out/nets/"
cp -r tests/golden/*/ "$out/golden/"
cp bench/peers/pytorch_nets.py bench/peers/pytorch_gpu.py "$out/"
cp tools/gpu_bundle_run.sh "$out/run.sh"
chmod 755 "$out/run.sh"

# glibc 2.34 is the oldest that it has to run on.
newest=$(for file in "$out"/bin/* "$out"/lib/*; do objdump -T "$file" 2>/dev/null; done | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
size=$(du -sk "$out" | cut -f 1)
echo "$out: $((size / 1024)) MiB, needs ${newest/_/ }; on a machine with a card: $out/run.sh [RESULTS]"
if [ "$size" -gt $((40 * 1024)) ]; then
    echo "tools/gpu_bundle.sh: more than 40 MiB: fewer architectures (GPU_ARCHS)?" >&2
    exit 1
fi
