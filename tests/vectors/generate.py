#!/usr/bin/python3
"""Values and gradients of operators and whole models by PyTorch, for tests/test_vectors.c.

usage: tests/vectors/generate.py [FOLDER]      writes operators.h5 and models.h5 (see README.md)
"""
import os
import re
import sys

import h5py
import numpy
import torch

sys.dont_write_bytecode = True
import models
import operators

SEED, VERSION = 20, 1
HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)


# ---- data: random, rounded to float and computed with in double ----

def leaf(values):
    return values.float().double().requires_grad_()


def fill(kind, shape, spread, random):
    if kind == "distribution":  # each row sums to one
        rows = torch.rand(shape, generator=random, dtype=torch.float64) + 0.05
        return leaf(rows / rows.sum(1, keepdim=True))
    if kind == "positive":
        return leaf(0.5 + torch.rand(shape, generator=random, dtype=torch.float64))
    if kind == "labels":
        return leaf(torch.randint(2, shape, generator=random).double())
    return leaf(spread * torch.randn(shape, generator=random, dtype=torch.float64))


def parameter(name, shape, random):
    """Gains near one, variances positive, weights of a size that keeps that of their input."""
    if name == "var":
        return fill("positive", shape, 1, random)
    if name == "gamma":
        return leaf(1 + 0.3 * torch.randn(shape, generator=random, dtype=torch.float64))
    fan = int(numpy.prod(shape[:-1]))
    return fill("normal", shape, 0.1 if name == "beta" else fan ** -0.5, random)


# ---- files ----

def text(value):
    """A string, or several, as nn/h5.h has them: UTF-8 of a fixed length that ends with a 0."""
    one = isinstance(value, str)
    most = len(value) if one else max(map(len, value))
    value = value.encode() if one else [v.encode() for v in value]
    return numpy.array(value, dtype=h5py.string_dtype("utf-8", most + 1))


def put(group, name, tensor):
    group.create_dataset(name, data=tensor.detach().numpy().astype(numpy.float32))


def create(path, what):
    f = h5py.File(path, "w", libver="latest")
    f.attrs["kind"], f.attrs["version"] = text(what), VERSION
    f.attrs["written_by"] = text("tests/vectors/generate.py")
    f.attrs["torch"], f.attrs["seed"] = text(torch.__version__), SEED
    return f


def shapes_of(graph):
    """Shapes of the last node's inputs, in their order."""
    inputs = dict(re.findall(r"(\w+) = input ([0-9x]+)", graph))
    names = re.search(r"\w+\(([\w, ]+)\)[^()]*$", graph).group(1).split(", ")
    return [tuple(int(d) for d in inputs[name].split("x")) for name in names]


def write_operator(group, case, random):
    """x0 .., w.<parameter> .., y, dy, dx0 .., dw.<parameter> ..; for mean and var of batchnorm dw
    is what was observed."""
    training = case["mode"] == operators.TRAINING
    x = [fill(case["inputs"].get(k, "normal"), (case["batch"],) + shape, case["spread"], random)
         for k, shape in enumerate(shapes_of(case["graph"]))]
    w = {name: parameter(name, shape, random) for name, shape in case["parameters"].items()}
    group.attrs["graph"], group.attrs["mode"] = text(case["graph"]), text(case["mode"])
    group.attrs["batch"] = case["batch"]
    for k, tensor in enumerate(x):
        put(group, "x%d" % k, tensor)
    for name, tensor in w.items():
        put(group, "w." + name, tensor)
    statistics = {name: w[name].detach().clone() for name in ("mean", "var") if name in w}
    y = case["compute"](*x, **{**w, **statistics})
    put(group, "y", y)
    if not training:
        return
    dy = fill("normal", y.shape, 1, random)
    put(group, "dy", dy)
    y.backward(dy.detach())
    for k, tensor in enumerate(x):
        put(group, "dx%d" % k, tensor.grad)
    for name, tensor in w.items():
        put(group, "dw." + name, statistics.get(name, tensor.grad))


def write_operators(path):
    random = torch.Generator().manual_seed(SEED)
    names = []
    with create(path, "operator vectors") as f:
        for case in operators.CASES:
            operator = re.search(r"(\w+)\([^()]*\)[^()]*$", case["graph"]).group(1)
            number = sum(name.startswith(operator + "/") for name in names) + 1
            names.append("%s/%d" % (operator, number))
            write_operator(f.create_group(names[-1]), case, random)
        f["cases"] = text(names)


class Parameters(dict):
    """Made when asked for; statistics then are what the model may replace by what it observes."""

    def __init__(self, random):
        self.random, self.observed, self.nearest = random, {}, 1.0

    def __call__(self, name, *shape):
        kind = name.split(".")[-1]
        self[name] = parameter(kind, shape, self.random)
        if kind not in ("mean", "var"):
            return self[name]
        self.observed[name] = self[name].detach().clone()
        return self.observed[name]


class InFloat(Parameters):
    """The same parameters in single precision."""

    def __init__(self, w):
        super().__init__(None)
        self.w = w

    def __call__(self, name, *shape):
        copy = self.w[name].detach().float().clone()
        if name in self.w.observed:
            return copy
        self[name] = copy.requires_grad_()
        return self[name]


def loss_of(logits, target):
    return torch.nn.functional.cross_entropy(logits, target, label_smoothing=models.SMOOTHING)


def float_error(compute, x, target, w, whole):
    """How far PyTorch's own gradients in float are from those in double: the worst tensor, by the
    measure of tests/test_vectors.c."""
    p, x_float = InFloat(w), x.detach().float().requires_grad_()
    loss_of(compute(x_float, p), target.float()).backward()
    pairs = [(x_float.grad, x.grad)] + [(p[name].grad, w[name].grad) for name in p]
    return max((a - b).norm().item() / max(b.norm().item(), 1e-3 * whole) for a, b in pairs)


def compute_model(shape, compute, seed):
    """With the first seed whose relus meet nothing so near to 0 that float may take its other side."""
    batch = 2
    while True:
        random = torch.Generator().manual_seed(seed)
        x = fill("normal", (batch,) + shape, 1, random)
        target = fill("distribution", (batch, models.CLASSES), 1, random).detach()
        w = Parameters(random)
        logits = compute(x, w)
        if w.nearest > 2e-5:
            return seed, x, target, w, logits
        seed += 1


def write_model(group, graph, shape, compute):
    """x0, x1 (target), w.<node>.<parameter> .., logits, loss, dx0, dw.<node>.<parameter> .."""
    seed, x, target, w, logits = compute_model(shape, compute, SEED)
    loss = loss_of(logits, target)
    loss.backward()
    for name, tensor in (("x0", x), ("x1", target), ("logits", logits), ("loss", loss),
                         ("dx0", x.grad)):
        put(group, name, tensor)
    for name, tensor in w.items():
        put(group, "w." + name, tensor)
        put(group, "dw." + name, w.observed.get(name, tensor.grad))
    gradients = [tensor.grad.flatten() for name, tensor in w.items() if name not in w.observed]
    whole = torch.cat(gradients).norm().item()
    group.attrs["graph"], group.attrs["batch"], group.attrs["seed"] = text(graph), x.shape[0], seed
    group.attrs["gradient"] = whole
    group.attrs["float_error"] = float_error(compute, x, target, w, whole)


def write_models(path):
    with create(path, "model vectors") as f:
        for name, model in models.MODELS.items():
            write_model(f.create_group(name), *model)
        f["cases"] = text(list(models.MODELS))


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else HERE
    write_operators(os.path.join(folder, "operators.h5"))
    write_models(os.path.join(folder, "models.h5"))
