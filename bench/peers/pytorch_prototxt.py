"""A Caffe net in PyTorch on the CPU: training steps, timed, and the peak of resident memory over the base.

    pytorch_prototxt.py NET.prototxt  nchw|channels_last  WARMUP STEPS

Builds the net from the file that segarena reads, layer by layer, as a user of PyTorch would write it: ReLU in place,
BatchNorm and Scale as one nn.BatchNorm2d, the fused cross entropy. Prints one line of JSON with the same keys as `segarena bench
--json`. It is a yardstick for time and memory: shapes, layers and the update are those of the file, the numbers are not (random
labels, PyTorch's own initialisation).
"""
import json
import os
import re
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def parse(tokens):
    """A message as {field: [values]}; ends at its closing brace."""
    message = {}
    for token in tokens:
        if token == "}":
            break
        name, following = token, next(tokens)
        if following == ":":
            following = next(tokens)
        if following == "{":
            values = [parse(tokens)]
        elif following == "[":
            values = [scalar(value) for value in iter(lambda: next(tokens), "]") if value != ","]
        else:
            values = [scalar(following)]
        message.setdefault(name, []).extend(values)
    return message


def scalar(token):
    if token[0] == '"':
        return token[1:-1]
    try:
        return int(token)
    except ValueError:
        pass
    try:
        return float(token)
    except ValueError:
        return {"true": True, "false": False}.get(token, token)


def read_net(path):
    with open(path) as file:
        text = re.sub(r"(?m)#.*$", "", file.read())
    tokens = iter(re.findall(r'"[^"]*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', text))
    layers = []
    for layer in parse(tokens)["layer"]:
        phases = [rule.get("phase", ["TRAIN"])[0] for rule in layer.get("include", [])]
        if not phases or "TRAIN" in phases:
            layers.append(layer)
    return layers


def first(message, name, default=None):
    return message.get(name, [default])[0]


def convolution(layer, channels):
    p = first(layer, "convolution_param")
    out, transposed = first(p, "num_output"), first(layer, "type") == "Deconvolution"
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    sizes = {"stride": first(p, "stride", 1), "padding": first(p, "pad", 0), "dilation": first(p, "dilation", 1)}
    return kind(channels, out, first(p, "kernel_size"), groups=first(p, "group", 1), bias=first(p, "bias_term", True), **sizes), out


def pooling(layer, x):
    p = first(layer, "pooling_param")
    pool = F.max_pool2d if first(p, "pool", "MAX") == "MAX" else F.avg_pool2d
    if first(p, "global_pooling", False):
        return pool(x, x.shape[2:])
    # Caffe rounds sizes up
    return pool(x, first(p, "kernel_size"), first(p, "stride", 1), first(p, "pad", 0), ceil_mode=True)


def crop(layer, x, like):
    offset = first(first(layer, "crop_param"), "offset", 0)
    return x[:, :, offset : offset + like.shape[2], offset : offset + like.shape[3]]


def label_inputs(layers):
    """Names of the inputs that losses compare with, also where a Crop lies between."""
    names = {layer["bottom"][1] for layer in layers if first(layer, "type") == "SoftmaxWithLoss"}
    for layer in reversed(layers):
        if first(layer, "top") in names and first(layer, "type") != "Input":
            names.add(first(layer, "bottom"))
    return names


class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.parts = nn.ModuleDict()
        self.inputs = {}
        channels = {}  # of the blob versions that the layers before have made
        scales = {first(layer, "bottom") for layer in layers if first(layer, "type") == "Scale"}
        for layer in layers:
            kind, name, top = first(layer, "type"), first(layer, "name"), first(layer, "top")
            bottom = first(layer, "bottom")
            part, out = None, channels.get(bottom)
            if kind == "Input":
                self.inputs[top] = first(first(layer, "input_param"), "shape")["dim"]
                out = (self.inputs[top] + [1])[1]
            elif kind in ("Convolution", "Deconvolution"):
                part, out = convolution(layer, channels[bottom])
            elif kind == "BatchNorm":
                part = nn.BatchNorm2d(out, affine=top in scales)
            elif kind == "InnerProduct":
                out = first(first(layer, "inner_product_param"), "num_output")
                part = nn.LazyLinear(out)
            elif kind == "LRN":
                p = first(layer, "lrn_param")
                part = nn.LocalResponseNorm(first(p, "local_size", 5), first(p, "alpha", 1.0), first(p, "beta", 0.75))
            elif kind == "Dropout":
                ratio = first(first(layer, "dropout_param", {}), "dropout_ratio", 0.5)
                part = nn.Dropout(ratio)  # in place it would overwrite what ReLU needs
            elif kind == "Concat":
                out = sum(channels[b] for b in layer["bottom"])
            if part is not None:
                self.parts[name.replace(".", "_")] = part
            channels[top] = out

    def apply_layer(self, layer, bottoms):
        kind = first(layer, "type")
        if kind in ("Convolution", "Deconvolution", "BatchNorm", "LRN", "Dropout"):
            return self.parts[first(layer, "name").replace(".", "_")](bottoms[0])
        if kind == "InnerProduct":
            return self.parts[first(layer, "name").replace(".", "_")](bottoms[0].flatten(1))
        if kind == "Scale":  # part of the normalisation before it
            return bottoms[0]
        if kind == "ReLU":
            return F.relu(bottoms[0], inplace=first(layer, "bottom") == first(layer, "top"))
        if kind == "Pooling":
            return pooling(layer, bottoms[0])
        if kind == "Concat":
            return torch.cat(bottoms, 1)
        if kind == "Eltwise":
            return sum(bottoms[1:], bottoms[0])
        if kind == "Crop":
            return crop(layer, *bottoms)
        if kind == "SoftmaxWithLoss":
            scores, label = bottoms
            label = label.view(label.shape[0], *scores.shape[2:])
            ignored = first(first(layer, "loss_param", {}), "ignore_label", -100)
            return F.cross_entropy(scores, label, ignore_index=ignored) * first(layer, "loss_weight", 1)
        raise NotImplementedError(f"layer type {kind}")

    def forward(self, inputs):
        blobs, losses = dict(inputs), []
        last = {bottom: at for at, layer in enumerate(self.layers) for bottom in layer.get("bottom", [])}
        for at, layer in enumerate(self.layers):
            if first(layer, "type") == "Input":
                continue
            top = self.apply_layer(layer, [blobs[bottom] for bottom in layer["bottom"]])
            if first(layer, "type").endswith("Loss"):
                losses.append(top)
            else:
                blobs[first(layer, "top")] = top
            for bottom in layer["bottom"]:  # as a local variable of a hand-written forward function would go
                if last[bottom] == at and bottom != first(layer, "top"):
                    blobs.pop(bottom, None)
        return sum(losses)


def peak_resident_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    path, layout, warmup, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # Debian's build starts with 1
    torch.manual_seed(1)
    torch.ones(8, 8) @ torch.ones(8, 8)  # starts the thread pool: part of the base
    base_bytes = peak_resident_bytes()

    order = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    layers = read_net(path)
    model = Net(layers).train()
    inputs, labels = {}, label_inputs(layers)
    for name, shape in model.inputs.items():
        inputs[name] = torch.randint(0, 2, shape) if name in labels else torch.rand(shape).contiguous(memory_format=order)
    lazy = any(isinstance(part, nn.LazyLinear) for part in model.parts.values())
    if lazy:  # sizes of the first matrix behind the planes: found on one image, which leaves the peak alone
        with torch.no_grad():
            model({name: value[:1] for name, value in inputs.items()})
    model = model.to(memory_format=order)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def train_step():
        optimizer.zero_grad(set_to_none=True)
        loss = model(inputs)
        loss.backward()
        optimizer.step()
        return loss.item()

    wall, cpu, losses = [], [], []
    for step in range(warmup + steps):
        wall_begin, cpu_begin = time.perf_counter(), time.process_time()
        losses.append(train_step())
        if step >= warmup:
            wall.append((time.perf_counter() - wall_begin) * 1e3)
            cpu.append((time.process_time() - cpu_begin) * 1e3)
    print(json.dumps({
        "net": os.path.splitext(os.path.basename(path))[0], "strategy": f"pytorch {torch.__version__} {layout}",
        "threads": torch.get_num_threads(), "step_ms": statistics.median(wall), "step_cpu_ms": statistics.median(cpu),
        "rss_over_base_bytes": peak_resident_bytes() - base_bytes, "losses": losses,
    }))


if __name__ == "__main__":
    main()
