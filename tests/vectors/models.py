"""Whole models of models.h5: the graph is the zoo's (or below), the computation is written from the
papers with PyTorch. A parameter comes into being when it is asked for: p("conv1.weight", shape)."""
import os
import subprocess

import torch
import torch.nn.functional as F

from operators import batchnorm, conv2d, dwconv2d, globalpool

SMOOTHING, CLASSES = 0.1, 10
MODELS = {}
LOSS = "t = input %d\nloss = cross_entropy(y, t) smoothing=%g\n" % (CLASSES, SMOOTHING)


def zoo(*arguments):
    return subprocess.run([os.environ.get("SOTTO", "build/sotto"), "model", "show", *arguments],
                          check=True, capture_output=True, text=True).stdout


def model(name, graph, shape):
    """shape: of the input."""
    def add(compute):
        MODELS[name] = (graph + LOSS, shape, compute)
        return compute
    return add


def relu(x, p):
    """Remembers how near a number came to 0, where rounding decides whether its gradient passes."""
    p.nearest = min(p.nearest, x.abs().min().item())
    return F.relu(x)


def norm(x, p, name, bands=1):
    shape = (bands, x.shape[-1]) if bands > 1 else (x.shape[-1],)
    parts = [p(name + part, *shape) for part in (".gamma", ".beta", ".mean", ".var")]
    return batchnorm(x, *parts, training=True, bands=bands)


def linear(x, p, name, out):
    return F.linear(x, p(name + ".weight", x.shape[1], out).t(), p(name + ".bias", out))


def pointwise(x, p, name, out):
    return conv2d(x, p(name + ".weight", 1, 1, x.shape[-1], out))


@model("ds_cnn", zoo("ds_cnn", "model.width=16", "model.dropout=0"), (49, 10, 1))
def ds_cnn(x, p):
    """Zhang et al., arXiv 1711.07128, and Banbury et al., arXiv 2106.07597 (MLPerf Tiny)."""
    x = conv2d(x, p("conv1.weight", 10, 4, 1, 16), stride=(2, 2))
    x = relu(norm(x, p, "conv1_bn"), p)
    for i in range(2, 6):
        x = relu(norm(dwconv2d(x, p("dw%d.weight" % i, 3, 3, 16)), p, "dw%d_bn" % i), p)
        x = relu(norm(pointwise(x, p, "pw%d" % i, 16), p, "pw%d_bn" % i), p)
    return linear(globalpool(x), p, "y", CLASSES)


def broadcast_block(x, p, name, out, stride, dilation):
    """Kim et al., arXiv 2106.04140: y = [x +] f2(x) + broadcast(f1(average over frequency))."""
    same = x.shape[-1] == out
    f2 = x if same else relu(norm(pointwise(x, p, name + ".in", out), p, name + ".in.bn"), p)
    f2 = dwconv2d(f2, p(name + ".freq.weight", 1, 3, out), stride=(1, stride), pad=(0, 0, 1, 1))
    f2 = norm(f2, p, name + ".ssn", bands=5)
    f1 = f2.mean(2, keepdim=True)
    f1 = dwconv2d(f1, p(name + ".time.weight", 3, 1, out), dilation=(dilation, 1),
                  pad=(dilation, dilation, 0, 0))
    f1 = pointwise(F.silu(norm(f1, p, name + ".time.bn")), p, name + ".out", out)
    return relu((x if same else 0) + f2 + f1, p)


# A second of 101 frames is cut down to 21: the model takes any number.
@model("bc_resnet", zoo("bc_resnet", "model.width=1", "model.dropout=0").replace("101x", "21x"),
       (21, 40, 1))
def bc_resnet(x, p):
    """Kim et al., arXiv 2106.04140, table 1 with tau = 1."""
    x = conv2d(x, p("stem.weight", 5, 5, 1, 16), stride=(1, 2), pad=(2, 2, 2, 2))
    x = relu(norm(x, p, "stem.bn"), p)
    for s, (blocks, channels, stride, dilation) in enumerate(
            ((2, 8, 1, 1), (2, 12, 2, 2), (4, 16, 2, 4), (4, 20, 1, 8)), 1):
        for i in range(1, blocks + 1):
            x = broadcast_block(x, p, "s%d.%d" % (s, i), channels, stride if i == 1 else 1,
                                dilation)
    x = dwconv2d(x, p("head.dw.weight", 5, 5, 20), pad=(2, 2, 0, 0))
    x = relu(norm(pointwise(x, p, "head", 32), p, "head.bn"), p)
    return linear(globalpool(x), p, "y", CLASSES)


def bidirectional_gru(x, p, name, units):
    """[N, T, I] to [N, T, 2 units] by PyTorch's own."""
    weights = []
    for way in (".forward", ".backward"):
        weights += [p(name + way + ".weight", x.shape[-1], 3 * units).t(),
                    p(name + way + ".recurrent", units, 3 * units).t(),
                    p(name + way + ".bias", 3 * units), p(name + way + ".recurrent_bias", 3 * units)]
    h = x.new_zeros(2, x.shape[0], units)
    return torch.gru(x, h, weights, True, 1, 0.0, True, True, True)[0]


@model("mhatt_rnn", zoo("mhatt_rnn", "model.width=4", "model.dropout=0"), (49, 20, 1))
def mhatt_rnn(x, p):
    """Rybakov et al., arXiv 2005.06720: what each of four heads, asked by the middle frame, picks
    of the frames."""
    for i, channels in ((1, 10), (2, 1)):
        x = conv2d(x, p("conv%d.weight" % i, 5, 1, x.shape[-1], channels),
                   p("conv%d.bias" % i, channels))
        x = relu(norm(x, p, "conv%d.bn" % i), p)
    x = bidirectional_gru(x.flatten(2), p, "gru1", 4)
    x = bidirectional_gru(x, p, "gru2", 4)
    queries = linear(x[:, x.shape[1] // 2], p, "query", 4 * 8).unflatten(1, (4, 8))
    heads = [torch.softmax(torch.einsum("nd,ntd->nt", q, x), 1) for q in queries.unbind(1)]
    x = torch.cat([torch.einsum("nt,ntd->nd", weights, x) for weights in heads], 1)
    x = linear(relu(linear(x, p, "hidden", 64), p), p, "linear", 32)
    return linear(x, p, "y", CLASSES)


# A layer of a keyword transformer with two heads of 4 numbers: `nn_attention(x, "at", 2, 4)`.
TRANSFORMER = """x = input 12x1x10
embed = conv2d(x) out=8 kernel=1x1
token = class_token(embed)
position = position(token)
at.q = conv2d(position) out=8 kernel=1x1 bias=no
at.k = conv2d(position) out=8 kernel=1x1 bias=no
at.v = conv2d(position) out=8 kernel=1x1 bias=no
at.q_split = reshape(at.q) shape=13x2x4
at.k_split = reshape(at.k) shape=13x2x4
at.v_split = reshape(at.v) shape=13x2x4
at.q_heads = transpose(at.q_split) order=1,0,2
at.k_heads = transpose(at.k_split) order=1,0,2
at.v_heads = transpose(at.v_split) order=1,0,2
at.scores = matmul(at.q_heads, at.k_heads) transpose=yes scale=0.5
at.weights = softmax(at.scores)
at.mix = matmul(at.weights, at.v_heads)
at.mix_order = transpose(at.mix) order=1,0,2
at.join = reshape(at.mix_order) shape=13x1x8
at.out = conv2d(at.join) out=8 kernel=1x1
at.add = add(position, at.out)
at.norm = layernorm(at.add)
mlp.in = conv2d(at.norm) out=32 kernel=1x1
mlp.gelu = gelu(mlp.in)
mlp.out = conv2d(mlp.gelu) out=8 kernel=1x1
mlp.add = add(at.norm, mlp.out)
mlp.norm = layernorm(mlp.add)
class = slice(mlp.norm) axis=0 size=1
flat = flatten(class)
y = dense(flat) out=10
"""


def rows(x, p, name, out):
    """A linear layer for each row of [N, T, I]."""
    return F.linear(x, p(name + ".weight", 1, 1, x.shape[-1], out)[0, 0].t(), p(name + ".bias", out))


@model("transformer", TRANSFORMER, (12, 1, 10))
def transformer(x, p):
    """Berg et al., arXiv 2104.00769, with PyTorch's own attention and post-norm."""
    x = rows(x.flatten(2), p, "embed", 8)
    x = torch.cat((p("token.token", 8).expand(x.shape[0], 1, 8), x), 1)
    x = (x + p("position.embedding", 13, 1, 8)[:, 0]).transpose(0, 1)
    projections = torch.cat([p("at.%s.weight" % part, 1, 1, 8, 8)[0, 0].t() for part in "qkv"])
    y, _ = F.multi_head_attention_forward(
        x, x, x, 8, 2, projections, None, None, None, False, 0.0,
        p("at.out.weight", 1, 1, 8, 8)[0, 0].t(), p("at.out.bias", 8))
    x = F.layer_norm(x + y, (8,), p("at.norm.gamma", 8), p("at.norm.beta", 8), 1e-6)
    y = rows(F.gelu(rows(x, p, "mlp.in", 32)), p, "mlp.out", 8)
    x = F.layer_norm(x + y, (8,), p("mlp.norm.gamma", 8), p("mlp.norm.beta", 8), 1e-6)
    return linear(x[0], p, "y", CLASSES)
