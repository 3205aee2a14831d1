"""Single convolutions here (bench_kernels, FFT tiles) and in PyTorch, which calls oneDNN for them, in turns.

    compare_layers.py BUILD_DIR [THREADS]

PyTorch computes in three layouts and the best one counts: plain NCHW, channels last, and, forward only, oneDNN's own blocked
layout (to_mkldnn), in which nothing has to be reordered. Medians of ROUNDS rounds; the ratio is PyTorch's time over ours.
"""
import re
import statistics
import subprocess
import sys
import time

import torch

ROUNDS, REPEATS = 5, 3
LAYERS = {"64-64 7x7 384x512": (384, 512), "64-64 7x7 192x256": (192, 256)}


def ours(build, threads, layer, which):
    """(wall ms, CPU ms), medians that bench_kernels prints."""
    line = subprocess.run([f"{build}/bench_kernels", "--threads", str(threads), "--algorithm", "fft", "--only", layer, "--pass",
                           which, "--repeat", str(REPEATS)], check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    wall, cpu = re.search(r"([\d.]+) ms +([\d.]+) CPU ms", line).groups()
    return float(wall), float(cpu)


def timed(run):
    run()
    walls, cpus = [], []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append((time.perf_counter() - wall) * 1e3)
        cpus.append((time.process_time() - cpu) * 1e3)
    return statistics.median(walls), statistics.median(cpus)


def runs(height, width):
    """{(pass, layout): a function that computes it}"""
    weight = torch.rand(64, 64, 7, 7) - 0.5
    table = {}
    for layout, memory_format in (("nchw", torch.contiguous_format), ("channels_last", torch.channels_last)):
        x, dy = (torch.rand(1, 64, height, width).contiguous(memory_format=memory_format) for _ in range(2))
        w = weight.contiguous(memory_format=memory_format)
        table["forward", layout] = lambda x=x, w=w: torch.conv2d(x, w, padding=3)
        table["both", layout] = lambda x=x, w=w, dy=dy: torch.ops.aten.convolution_backward(
            dy, x, w, [64], [1, 1], [3, 3], [1, 1], False, [0, 0], 1, [True, True, True])
    blocked_x = torch.rand(1, 64, height, width).to_mkldnn()
    blocked_w = torch._C._nn.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), (3, 3), (1, 1), (1, 1), 1)
    table["forward", "blocked"] = lambda: torch.conv2d(blocked_x, blocked_w, padding=3)
    return table


def main():
    build, threads = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    torch.set_num_threads(threads)
    print(f"PyTorch {torch.__version__} (oneDNN) and bench_kernels, {threads} thread{'s' if threads > 1 else ''}, CPU ms")
    with torch.no_grad():
        for layer, (height, width) in LAYERS.items():
            table, peer, own = runs(height, width), {}, {}
            for _ in range(ROUNDS):
                for key, run in table.items():
                    peer.setdefault(key, []).append(timed(run)[1])
                for which in ("forward", "both"):
                    own.setdefault(which, []).append(ours(build, threads, layer, which)[1])
            for which in ("forward", "both"):
                best, layout = min((statistics.median(times), key[1]) for key, times in peer.items() if key[0] == which)
                mine = statistics.median(own[which])
                print(f"  {layer:<20} {which:<8} PyTorch {best:8.1f} ({layout}), here {mine:7.1f}: {best / mine:.2f} times")


if __name__ == "__main__":
    main()
