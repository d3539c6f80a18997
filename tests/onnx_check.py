"""Whether .onnx files are sound, and compute what they should: onnx.checker with its inference of
shapes, then every operator once more in numpy, written from ONNX's specification.

usage: /usr/bin/python3 tests/onnx_check.py DIR     (Debian: python3-onnx)

DIR holds NAME.onnx, NAME.x, the input of some samples in float32, and results: NAME.VALUE.f32 of a
float model, NAME.VALUE.i8 of every layer of an int8 one. int8 layers are looked at one by one: each
goes on from the results of those before it that were given. Prints a line for each that differs, and
one for each file: name, values, share of those that are equal, largest difference (int8: in steps).
"""
import glob
import math
import os
import sys

import numpy as np
import onnx
from onnx import numpy_helper

FLOAT_ERROR = 2e-5  # of the largest value
INT8_STEPS = 1      # that a value may be apart


def windows(x, a, fill):
    """x [N, C, H, W] as [N, C, H', W', kh, kw]."""
    kernel = a["kernel_shape"]
    strides, dilations = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    p = a.get("pads", [0] * 4)
    x = np.pad(x, [(0, 0), (0, 0), (p[0], p[2]), (p[1], p[3])], constant_values=fill)
    size = [(x.shape[2 + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i in (0, 1)]
    out = np.empty(x.shape[:2] + tuple(size) + tuple(kernel))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i * dilations[0], j * dilations[1]
            out[..., i, j] = x[:, :, top:top + size[0] * strides[0]:strides[0],
                               left:left + size[1] * strides[1]:strides[1]][:, :, :size[0], :size[1]]
    return out


def conv(a, x, w, b=None):
    group = a.get("group", 1)
    v = windows(x, dict(a, kernel_shape=w.shape[2:]), 0)
    n, c, high, wide = v.shape[:4]
    v = v.reshape(n, group, c // group, high * wide, -1).transpose(1, 0, 3, 2, 4)
    y = v.reshape(group, n * high * wide, -1) @ w.reshape(group, len(w) // group, -1).transpose(0, 2, 1)
    y = y.reshape(group, n, high * wide, -1).transpose(1, 0, 3, 2).reshape(n, len(w), high, wide)
    return y if b is None else y + b[:, None, None]


def gemm(a, x, w, b=0):
    return x @ (w.T if a.get("transB") else w) + b


def reduced(f):
    return lambda a, x: f(x, axis=tuple(a["axes"]), keepdims=bool(a.get("keepdims", 1)))


def clip(a, x, lo=-np.inf, hi=np.inf):
    return np.clip(x, lo, hi)


def softmax(a, x):
    e = np.exp(x - x.max(a.get("axis", -1), keepdims=True))
    return e / e.sum(a.get("axis", -1), keepdims=True)


def cut(a, x, first, end, axes):
    at = [slice(None)] * x.ndim
    for f, e, d in zip(first, end, axes):
        at[d] = slice(f, e)
    return x[tuple(at)]


def pad(a, x, around, value=0.0):
    return np.pad(x, list(zip(around[:x.ndim], around[x.ndim:])), constant_values=value)


def reshape(a, x, shape):
    return x.reshape([x.shape[i] if d == 0 else d for i, d in enumerate(shape)])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def scales(a, x, s):
    """One number, or one a position of the axis."""
    return s if s.ndim == 0 else s.reshape([-1 if d == a.get("axis", 1) else 1 for d in range(x.ndim)])


def quantize(a, x, s, z):
    q = np.rint(x.astype(np.float32) / scales(a, x, s).astype(np.float32))
    return np.clip(q + z.astype(np.float32), -128, 127).astype(np.int8)


def dequantize(a, x, s, z):
    return (x.astype(np.float64) - scales(a, x, z)) * scales(a, x, s)


def over_time(a, x, step, h):
    """Steps through x [T, N, I]; Y [T, 1, N, H] and the last state [1, N, H]."""
    order = range(len(x))
    y = np.zeros((len(x), 1, x.shape[1], h))
    state = (np.zeros((x.shape[1], h)), np.zeros((x.shape[1], h)))
    for t in reversed(order) if a.get("direction") == b"reverse" else order:
        state = step(x[t], *state)
        y[t, 0] = state[0]
    return y, state[0][None]


def gru(a, x, w, r, b):
    h = a["hidden_size"]
    w, r = w[0], r[0]
    wz, wr, wh, rz, rr, rh = b[0].reshape(6, h)

    def step(x, before, unused):
        z = sigmoid(x @ w[:h].T + before @ r[:h].T + wz + rz)
        g = sigmoid(x @ w[h:2 * h].T + before @ r[h:2 * h].T + wr + rr)
        if a.get("linear_before_reset"):
            inner = g * (before @ r[2 * h:].T + rh)
        else:
            inner = (g * before) @ r[2 * h:].T + rh
        n = np.tanh(x @ w[2 * h:].T + inner + wh)
        return (1 - z) * n + z * before, unused

    return over_time(a, x, step, h)


def lstm(a, x, w, r, b, lengths=None, first=None, cell=None, p=None):
    h = a["hidden_size"]
    bias = b[0, :4 * h] + b[0, 4 * h:]
    pi, po, pf = np.zeros((3, h)) if p is None else p[0].reshape(3, h)

    def step(x, before, c):
        i, o, f, g = np.split(x @ w[0].T + before @ r[0].T + bias, 4, axis=1)
        c = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * np.tanh(g)
        return sigmoid(o + po * c) * np.tanh(c), c

    return over_time(a, x, step, h)


OPERATORS = {
    "Add": lambda a, x, y: x + y, "Mul": lambda a, x, y: x * y, "Sub": lambda a, x, y: x - y,
    "Div": lambda a, x, y: x / y, "MatMul": lambda a, x, y: x @ y, "Sqrt": lambda a, x: np.sqrt(x),
    "Erf": lambda a, x: np.vectorize(math.erf)(x), "Relu": lambda a, x: np.maximum(x, 0),
    "Sigmoid": lambda a, x: sigmoid(x), "Tanh": lambda a, x: np.tanh(x),
    "HardSigmoid": lambda a, x: np.clip(a["alpha"] * x + a["beta"], 0, 1),
    "Clip": clip, "Softmax": softmax, "ReduceMean": reduced(np.mean), "ReduceMax": reduced(np.max),
    "Conv": conv, "Gemm": gemm, "GRU": gru, "LSTM": lstm,
    "MaxPool": lambda a, x: windows(x, a, -np.inf).max((4, 5)),
    "AveragePool": lambda a, x: np.nanmean(windows(x, a, np.nan), (4, 5)),
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdims=True),
    "Concat": lambda a, *x: np.concatenate(x, a["axis"]), "Slice": cut, "Pad": pad,
    "Reshape": reshape, "Flatten": lambda a, x: x.reshape(len(x), -1),
    "Transpose": lambda a, x: x.transpose(a["perm"]),
    "Squeeze": lambda a, x, axes: x.squeeze(tuple(axes)),
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize,
}


def apply(node, values):
    a = {i.name: onnx.helper.get_attribute_value(i) for i in node.attribute}
    f = OPERATORS[node.op_type]
    if all(node.input):
        return f(a, *[values[name] for name in node.input])
    names = f.__code__.co_varnames[1:]  # some are left out
    return f(a, **{names[k]: values[name] for k, name in enumerate(node.input) if name})


def expected(base, name, shape):
    """What the node is known to give as value `name`, laid out so; None: that is not known."""
    node, _, rest = name.partition("/")
    kind = {"": "f32", "planes": "f32", "int8": "i8", "planes/int8": "i8"}.get(rest)
    path = "%s.%s.%s" % (base, node, kind)
    if not kind or not os.path.exists(path):
        return None
    v = np.fromfile(path, np.float32 if kind == "f32" else np.int8)
    if not rest.startswith("planes"):
        return v.reshape(shape)
    return v.reshape([shape[i] for i in (0, 2, 3, 1)]).transpose(0, 3, 1, 2)


def shape_of(value):
    return [d.dim_value for d in value.type.tensor_type.shape.dim][1:]


def check(path):
    base = path[:-len(".onnx")]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "sotto" and model.opset_import[0].version == 13
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in values.items()}
    x = np.fromfile(base + ".x", np.float32).reshape([-1] + shape_of(model.graph.input[0]))
    values[model.graph.input[0].name] = x.astype(np.float64)
    failed, seen, total, equal, most = 0, set(), 0, 0, 0.0
    for node in model.graph.node:
        y = apply(node, values)
        values.update(zip(node.output, y if isinstance(y, tuple) else (y,)))
        name = node.output[-1]
        want = expected(base, name, values[name].shape)
        if want is None:
            continue
        int8 = want.dtype == np.int8
        d = np.abs(values[name].astype(np.float64) - want)
        largest = np.abs(want.astype(np.float64)).max() or 1.0
        if not (d.max() <= INT8_STEPS if int8 else d.max() <= FLOAT_ERROR * largest):
            print("%s: %s differs by %g, largest value %g" % (path, name, d.max(), largest))
            failed = 1
        seen.add(name.partition("/")[0])
        total, equal = total + d.size, equal + np.sum(d == 0)
        most = max(most, d.max() if int8 else d.max() / largest)
        values[name] = want if int8 else values[name]
    y = values[model.graph.output[0].name]
    given = {p[len(base) + 1:].rsplit(".", 1)[0] for p in glob.glob(glob.escape(base) + ".*.*")}
    if list(y.shape[1:]) != shape_of(model.graph.output[0]) or not given or given != seen:
        print("%s: output %s, compared %s of %s" % (path, y.shape, sorted(seen), sorted(given)))
        failed = 1
    print("%s\t%d\t%.4f\t%.3g" % (os.path.basename(base), total, equal / max(total, 1), most))
    return failed


sys.exit(sum([check(path) for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.onnx")))]) > 0)
