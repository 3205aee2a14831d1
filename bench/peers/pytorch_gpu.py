"""One of the two configurations in PyTorch on a card: training steps, timed by events, and the peak of allocated memory.

    pytorch_gpu.py old|new [OURS_MS]

Eager and compiled, both layouts, TF32 off and on; a line each, with PyTorch's time over OURS_MS if that is given. Shapes, layers and the update are those of nets/*.prototxt.
"""
import json
import statistics
import sys

import torch
from torch.nn import functional as F

from pytorch_nets import CLASSES, SIZES, Segnet

WARMUP, STEPS = 5, 20


def timed(net, layout, tf32, compiled):
    """(median ms of a step, peak bytes)"""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    order = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    batch, height, width = SIZES[net]
    model = Segnet(net == "new").cuda().to(memory_format=order).train()
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    data = torch.rand(batch, 4, height, width, device="cuda").to(memory_format=order)
    label = torch.randint(0, CLASSES, (batch, 384, 512), device="cuda")
    times = []
    for step in range(WARMUP + STEPS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(run(data), label).backward()
        optimizer.step()
        end.record()
        torch.cuda.synchronize()
        if step >= WARMUP:
            times.append(begin.elapsed_time(end))
    return statistics.median(times), torch.cuda.max_memory_allocated()


def main():
    net, ours_ms = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else None
    for compiled in (False, True):
        for tf32 in (False, True):
            for layout in ("nchw", "channels_last"):
                try:
                    step_ms, peak_bytes = timed(net, layout, tf32, compiled)
                except Exception as error:  # a compiler that is missing, too little memory: the other rows still count
                    print(json.dumps({"net": net, "layout": layout, "tf32": tf32, "compiled": compiled, "error": str(error)[:200]}),
                          flush=True)
                    continue
                row = {"net": net, "pytorch": torch.__version__, "layout": layout, "tf32": tf32, "compiled": compiled,
                       "step_ms": round(step_ms, 3), "peak_bytes": peak_bytes}
                if ours_ms:
                    row["times_ours"] = round(step_ms / ours_ms, 2)
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
