"""PyTorch's side of `make bench`: training steps (zero_grad, forward, cross-entropy, backward, Adam) of
random features, or inference, at batch 100. Prints samples a second, the median of rounds.

usage: /usr/bin/python3 bench/peers/torch_train.py train|infer MODEL THREADS [BATCH]
Run by bench/table.sh with jemalloc preloaded and its decay off, without which PyTorch spends its
time on page faults. channels_last is tried as well as the default layout, and the faster is taken.
"""
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def norm_relu(*layers):
    return nn.Sequential(*layers, nn.BatchNorm2d(layers[-1].out_channels), nn.ReLU(inplace=True))


class Pooled(nn.Module):
    def __init__(self, body, channels):
        super().__init__()
        self.body, self.y = body, nn.Linear(channels, 12)

    def forward(self, x):
        return self.y(self.body(x).mean((2, 3)))


def ds_cnn():
    """MLPerf Tiny: 49x10x1, a 10x4 convolution of stride 2, four depthwise and pointwise pairs."""
    layers = [norm_relu(nn.Conv2d(1, 64, (10, 4), 2, (5, 1), bias=False))]
    for _ in range(4):
        layers += [norm_relu(nn.Conv2d(64, 64, 3, 1, 1, groups=64, bias=False)),
                   norm_relu(nn.Conv2d(64, 64, 1, bias=False))]
    return Pooled(nn.Sequential(*layers), 64), (1, 49, 10)


class TcBlock(nn.Module):
    """Nine taps twice, the first of stride 2 with a 1x1 shortcut (arXiv 1904.03814)."""

    def __init__(self, i, o):
        super().__init__()
        self.a = nn.Sequential(norm_relu(nn.Conv2d(i, o, (9, 1), (2, 1), (4, 0), bias=False)),
                               nn.Conv2d(o, o, (9, 1), 1, (4, 0), bias=False), nn.BatchNorm2d(o))
        self.b = norm_relu(nn.Conv2d(i, o, 1, (2, 1), bias=False))

    def forward(self, x):
        return F.relu(self.a(x) + self.b(x))


def tc_resnet8():
    layers = [nn.Conv2d(40, 16, (3, 1), 1, (1, 0), bias=False)]
    layers += [TcBlock(i, o) for i, o in ((16, 24), (24, 32), (32, 48))]
    return Pooled(nn.Sequential(*layers), 48), (40, 98, 1)


class Subspectral(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels * 5)

    def forward(self, x):
        n, c, f, t = x.shape
        return self.bn(x.reshape(n, c * 5, f // 5, t)).reshape(n, c, f, t)


class BcBlock(nn.Module):
    """arXiv 2106.04140, figure 2; [N, C, frequency, time]."""

    def __init__(self, i, o, stride, dilation):
        super().__init__()
        self.same = i == o
        head = [] if self.same else [norm_relu(nn.Conv2d(i, o, 1, bias=False))]
        self.f2 = nn.Sequential(
            *head, nn.Conv2d(o, o, (3, 1), (stride, 1), (1, 0), groups=o, bias=False), Subspectral(o))
        self.f1 = nn.Sequential(
            nn.Conv2d(o, o, (1, 3), 1, (0, dilation), (1, dilation), o, False), nn.BatchNorm2d(o),
            nn.SiLU(), nn.Conv2d(o, o, 1, bias=False), nn.Dropout2d(0.1))

    def forward(self, x):
        y = self.f2(x)
        y = self.f1(y.mean(2, keepdim=True)) + y
        return F.relu(x + y if self.same else y)


def bc_resnet():
    layers, i = [norm_relu(nn.Conv2d(1, 16, 5, (2, 1), 2, bias=False))], 16
    for o, n, stride, dilation in ((8, 2, 1, 1), (12, 2, 2, 2), (16, 4, 2, 4), (20, 4, 1, 8)):
        for k in range(n):
            layers.append(BcBlock(i, o, stride if k == 0 else 1, dilation))
            i = o
    layers += [nn.Conv2d(20, 20, 5, 1, (0, 2), groups=20, bias=False),
               norm_relu(nn.Conv2d(20, 32, 1, bias=False))]
    return Pooled(nn.Sequential(*layers), 32), (1, 40, 101)


class Gru(nn.Module):
    """Hello Edge's GRU (arXiv 1711.07128): 154 units over 25 frames of 10 MFCC, the last state."""

    def __init__(self):
        super().__init__()
        self.gru, self.y = nn.GRU(10, 154, batch_first=True), nn.Linear(154, 12)

    def forward(self, x):
        return self.y(self.gru(x)[0][:, -1])


def gru():
    return Gru(), (25, 10)


def measure(run, batch):
    """Samples a second: the median of seven rounds of a quarter second and more."""
    run()
    start = time.perf_counter()
    run()
    repeat = max(1, int(0.25 / (time.perf_counter() - start)))
    rates = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(repeat):
            run()
        rates.append(batch * repeat / (time.perf_counter() - start))
    return sorted(rates)[3]


def main(what, name, threads, batch=100):
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    batch, best = int(batch), 0
    for layout in (torch.contiguous_format, torch.channels_last):
        model, shape = {"ds_cnn": ds_cnn, "ds_cnn_mlperf": ds_cnn, "tc_resnet8": tc_resnet8,
                        "bc_resnet": bc_resnet, "gru": gru}[name]()
        x, t = torch.randn(batch, *shape), torch.arange(batch) % 12
        if len(shape) == 3:
            model, x = model.to(memory_format=layout), x.to(memory_format=layout)
        optimizer = torch.optim.Adam(model.parameters())

        def train():
            optimizer.zero_grad()
            F.cross_entropy(model(x), t).backward()
            optimizer.step()

        def infer():
            with torch.no_grad():
                model(x)

        model.train(what == "train")
        best = max(best, measure(train if what == "train" else infer, batch))
        parameters = sum(p.numel() for p in model.parameters())
    print("%.1f %d" % (best, parameters))


main(*sys.argv[1:])
