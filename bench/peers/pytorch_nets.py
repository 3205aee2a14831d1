"""One of the two configurations in PyTorch on the CPU: training steps or forward passes, timed, and the peak of resident memory over
the base.

    pytorch_nets.py old|new  nchw|channels_last  WARMUP STEPS  [train|predict]

predict: one image at a time, statistics of batch normalisation as stored, no gradients (eval, inference_mode): class scores.

Prints one line of JSON with the same keys as `segarena bench --json`. It is a yardstick for time and memory: shapes, layers and
the update are those of nets/*.prototxt, the numbers are not (random labels, PyTorch's own initialisation).
"""
import json
import os
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 3
SIZES = {"old": (4, 384, 512), "new": (1, 769, 1025)}  # batch, height, width of the data; the label is 384 x 512 for both


class Segnet(nn.Module):
    def __init__(self, extra_level):
        super().__init__()
        self.normalize = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.extra_level = extra_level
        channels = 4
        encoders = []
        for _ in range(5 if extra_level else 4):
            encoders.append(nn.Sequential(nn.Conv2d(channels, 64, 7, padding=3), nn.BatchNorm2d(64), nn.ReLU(inplace=True)))
            channels = 64
        self.encoders = nn.ModuleList(encoders)
        self.decoders = nn.ModuleList(
            nn.Sequential(nn.Conv2d(64, 64, 7, padding=3), nn.BatchNorm2d(64)) for _ in range(4)
        )
        self.classifier = nn.Conv2d(64, CLASSES, 1)

    def forward(self, x):
        x = self.normalize(x)
        encoders = list(self.encoders)
        if self.extra_level:
            # Its mask is read by nothing; Caffe rounds sizes up, which makes no difference for 769 x 1025.
            x = F.max_pool2d(encoders.pop(0)(x), 3, 2, ceil_mode=True)
        masks = []
        for encode in encoders:
            x, mask = F.max_pool2d(encode(x), 2, 2, return_indices=True)
            masks.append(mask)
        for decode in self.decoders:
            x = decode(F.max_unpool2d(x, masks.pop(), 2, 2))
        return self.classifier(x)


def peak_resident_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    net, layout, warmup, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    predicts = len(sys.argv) > 5 and sys.argv[5] == "predict"
    batch, height, width = SIZES[net]
    batch = 1 if predicts else batch
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # Debian's build starts with 1
    torch.manual_seed(1)
    torch.ones(8, 8) @ torch.ones(8, 8)  # starts the thread pool: part of the base
    base_bytes = peak_resident_bytes()

    order = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = Segnet(net == "new").to(memory_format=order).train(not predicts)
    optimizer = None if predicts else torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    data = torch.rand(batch, 4, height, width).to(memory_format=order)
    label = None if predicts else torch.randint(0, CLASSES, (batch, 384, 512))

    def train_step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(data), label)
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def forward_pass():
        return model(data).sum().item()

    wall, cpu, losses = [], [], []
    for step in range(warmup + steps):
        wall_begin, cpu_begin = time.perf_counter(), time.process_time()
        losses.append(forward_pass() if predicts else train_step())
        if step >= warmup:
            wall.append((time.perf_counter() - wall_begin) * 1e3)
            cpu.append((time.process_time() - cpu_begin) * 1e3)
    print(json.dumps({
        "net": net, "strategy": f"pytorch {torch.__version__} {layout}", "threads": torch.get_num_threads(),
        "step_ms": statistics.median(wall), "step_cpu_ms": statistics.median(cpu),
        "rss_over_base_bytes": peak_resident_bytes() - base_bytes, "losses": losses,
    }))


if __name__ == "__main__":
    main()
