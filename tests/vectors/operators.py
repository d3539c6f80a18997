"""Cases of operators.h5: each a graph ending in the operator, and PyTorch's computation of it.

Tensors come and go in the layouts of the graph (samples first, then time, frequency, channels;
parameters as the head of nn/ops/<operator>.c says) and are turned into PyTorch's inside the
function, so that its gradients come back in the graph's. Recurrent steps that PyTorch does not have
are written from the papers.
"""
import torch
import torch.nn.functional as F

TRAINING, EVALUATION = "training", "evaluation"
CASES = []


def case(graph, compute, mode=TRAINING, batch=2, spread=1.0, inputs=None, **parameters):
    """spread: standard deviation of the inputs. inputs: fills by position, see generate.py.
    parameters: name = shape, in the order of declaration."""
    CASES.append(dict(graph=graph, compute=compute, mode=mode, batch=batch, spread=spread,
                      inputs=inputs or {}, parameters=parameters))


# ---- windows ----

def same(size, kernel, stride, dilation):
    """TensorFlow's SAME: ceil(size / stride) outputs, the odd position of padding at the end."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def padded(x, kernel, stride, dilation, pad, value=0.0):
    """[N, H, W, C] to [N, C, H + .., W + ..]; pad: "same", "valid" or top, bottom, left, right."""
    x = x.permute(0, 3, 1, 2)
    if pad == "valid":
        return x
    if pad == "same":
        pad = (same(x.shape[2], kernel[0], stride[0], dilation[0]) +
               same(x.shape[3], kernel[1], stride[1], dilation[1]))
    top, bottom, left, right = pad
    return F.pad(x, (left, right, top, bottom), value=value)


def conv2d(x, weight, bias=None, stride=(1, 1), dilation=(1, 1), groups=1, pad="same"):
    x = padded(x, weight.shape[:2], stride, dilation, pad)
    y = F.conv2d(x, weight.permute(3, 2, 0, 1), bias, stride, 0, dilation, groups)
    return y.permute(0, 2, 3, 1)


def dwconv2d(x, weight, bias=None, stride=(1, 1), dilation=(1, 1), pad="same"):
    return conv2d(x, weight.unsqueeze(2), bias, stride, dilation, weight.shape[2], pad)


def avgpool(x, kernel, stride=(1, 1), pad="valid"):
    total = padded(x, kernel, stride, (1, 1), pad)
    there = padded(torch.ones_like(x), kernel, stride, (1, 1), pad)
    y = F.avg_pool2d(total, kernel, stride) / F.avg_pool2d(there, kernel, stride)
    return y.permute(0, 2, 3, 1)


def maxpool(x, kernel, stride=(1, 1), pad="valid"):
    x = padded(x, kernel, stride, (1, 1), pad, float("-inf"))
    return F.max_pool2d(x, kernel, stride).permute(0, 2, 3, 1)


def globalpool(x):
    return F.adaptive_avg_pool2d(x.permute(0, 3, 1, 2), 1).flatten(1)


case("x = input 9x7x3; y = conv2d(x) out=4 kernel=3x3", conv2d, weight=(3, 3, 3, 4), bias=(4,))
case("x = input 9x7x3; y = conv2d(x) out=4 kernel=3x3 stride=2x1",
     lambda x, weight, bias: conv2d(x, weight, bias, (2, 1)), weight=(3, 3, 3, 4), bias=(4,))
case("x = input 10x8x1; y = conv2d(x) out=5 kernel=10x4 stride=2x2 bias=no",
     lambda x, weight: conv2d(x, weight, None, (2, 2)), weight=(10, 4, 1, 5))
case("x = input 9x6x4; y = conv2d(x) out=6 kernel=3x2 dilation=2x3 groups=2 pad=valid",
     lambda x, weight, bias: conv2d(x, weight, bias, (1, 1), (2, 3), 2, "valid"),
     weight=(3, 2, 2, 6), bias=(6,))
case("x = input 8x5x2; y = conv2d(x) out=3 kernel=4x3 stride=3x2 pad=2,1,0,2",
     lambda x, weight, bias: conv2d(x, weight, bias, (3, 2), pad=(2, 1, 0, 2)),
     weight=(4, 3, 2, 3), bias=(3,))
case("x = input 12x1x5; y = conv2d(x) out=3 kernel=9x1 stride=2x1 dilation=2x1",
     lambda x, weight, bias: conv2d(x, weight, bias, (2, 1), (2, 1)), weight=(9, 1, 5, 3), bias=(3,))
case("x = input 5x4x7; y = conv2d(x) out=6 kernel=1x1", conv2d, weight=(1, 1, 7, 6), bias=(6,))
case("x = input 6x4x4; y = conv2d(x) out=4 kernel=3x1 groups=4 bias=no",
     lambda x, weight: conv2d(x, weight, groups=4), weight=(3, 1, 1, 4))

case("x = input 7x6x5; y = dwconv2d(x) kernel=3x3", dwconv2d, weight=(3, 3, 5), bias=(5,))
case("x = input 9x8x3; y = dwconv2d(x) kernel=4x3 stride=2x3 bias=no",
     lambda x, weight: dwconv2d(x, weight, None, (2, 3)), weight=(4, 3, 3))
case("x = input 9x1x6; y = dwconv2d(x) kernel=3x1 dilation=4x1 pad=4,4,0,0",
     lambda x, weight, bias: dwconv2d(x, weight, bias, dilation=(4, 1), pad=(4, 4, 0, 0)),
     weight=(3, 1, 6), bias=(6,))
case("x = input 8x7x2; y = dwconv2d(x) kernel=2x3 dilation=3x2 pad=valid",
     lambda x, weight, bias: dwconv2d(x, weight, bias, dilation=(3, 2), pad="valid"),
     weight=(2, 3, 2), bias=(2,))

for operator, pool in (("avgpool", avgpool), ("maxpool", maxpool)):
    case(f"x = input 6x5x3; y = {operator}(x) kernel=2x2 stride=2x2",
         lambda x, pool=pool: pool(x, (2, 2), (2, 2)))
    case(f"x = input 7x6x2; y = {operator}(x) kernel=3x2 stride=2x3 pad=same",
         lambda x, pool=pool: pool(x, (3, 2), (2, 3), "same"))
    case(f"x = input 6x6x2; y = {operator}(x) kernel=3x2 pad=1,0,1,1",
         lambda x, pool=pool: pool(x, (3, 2), pad=(1, 0, 1, 1)))
case("x = input 5x3x6; y = globalpool(x)", globalpool)

# ---- dense layers and norms ----

case("x = input 7; y = dense(x) out=5", lambda x, weight, bias: F.linear(x, weight.t(), bias),
     weight=(7, 5), bias=(5,))
case("x = input 4; y = dense(x) out=6 bias=no", lambda x, weight: F.linear(x, weight.t()),
     weight=(4, 6))


def batchnorm(x, gamma, beta, mean, var, training, eps=1e-5, bands=1):
    """With bands, subspectral (arXiv 2103.13620): runs of frequency become channels. mean and var
    are replaced by what was observed in training."""
    n, channels = x.shape[0], x.shape[-1]
    y = x.reshape(n, -1, bands, (x.shape[2] if bands > 1 else 1) // bands or 1, channels)
    y = y.permute(0, 2, 4, 1, 3).reshape(n, bands * channels, -1)
    flat = [None if p is None else p.reshape(-1) for p in (mean, var, gamma, beta)]
    y = F.batch_norm(y, *flat, training=training, momentum=1.0, eps=eps)
    y = y.reshape(n, bands, channels, -1, x.shape[2] // bands if bands > 1 else 1)
    return y.permute(0, 3, 1, 4, 2).reshape(x.shape)


def norms(graph, gamma=True, beta=True, shape=(), **options):
    names = ["gamma"] * gamma + ["beta"] * beta + ["mean", "var"]
    for mode in (TRAINING, EVALUATION):
        def compute(x, mode=mode, **p):
            return batchnorm(x, p.get("gamma"), p.get("beta"), p["mean"], p["var"],
                             mode == TRAINING, **options)
        case(graph, compute, mode, batch=4, **{name: shape for name in names})


norms("x = input 5x4x6; y = batchnorm(x)", shape=(6,))
norms("x = input 9; y = batchnorm(x) eps=0.1", shape=(9,), eps=0.1)
norms("x = input 4x10x3; y = batchnorm(x) bands=5", shape=(5, 3), bands=5)
norms("x = input 3x6x4; y = batchnorm(x) bands=2 gamma=no", gamma=False, shape=(2, 4), bands=2)
norms("x = input 6x1x5; y = batchnorm(x) gamma=no eps=0.001", gamma=False, shape=(5,), eps=0.001)
norms("x = input 6x2x5; y = batchnorm(x) beta=no", beta=False, shape=(5,))

case("x = input 4x3x7; y = layernorm(x)",
     lambda x, gamma, beta: F.layer_norm(x, (7,), gamma, beta, 1e-6), gamma=(7,), beta=(7,))
case("x = input 40; y = layernorm(x) eps=0.5",
     lambda x, gamma, beta: F.layer_norm(x, (40,), gamma, beta, 0.5), gamma=(40,), beta=(40,))

# ---- one number at a time; wide enough to meet every piece ----

for operator, compute, spread in (("relu", F.relu, 1), ("relu6", F.relu6, 5), ("silu", F.silu, 3),
                                  ("sigmoid", torch.sigmoid, 3), ("tanh", torch.tanh, 2),
                                  ("gelu", F.gelu, 2), ("hardsigmoid", F.hardsigmoid, 3),
                                  ("hardswish", F.hardswish, 3)):
    case(f"x = input 4x3x5; y = {operator}(x)", compute, spread=spread)
    case(f"x = input 37; y = {operator}(x)", compute, spread=2 * spread)
case("x = input 4x3x5; y = clip(x) lo=-1 hi=0.5", lambda x: torch.clamp(x, -1, 0.5))
case("x = input 29; y = clip(x) lo=0.25 hi=20", lambda x: torch.clamp(x, 0.25, 20), spread=15)

case("x = input 4x3x2; y = dropout(x) rate=0.5", lambda x: F.dropout(x, 0.5, False), EVALUATION)
case("x = input 4x3x2; y = dropout(x) rate=0.3 channels=yes",
     lambda x: F.dropout2d(x, 0.3, False), EVALUATION)
case("x = input 4x3x2; y = dropout(x) rate=0", lambda x: F.dropout(x, 0.0, True))
case("x = input 4x3x2; y = noise(x) sigma=0.5", lambda x: 1 * x, EVALUATION)
case("x = input 4x3x2; y = noise(x) sigma=0", lambda x: x + torch.normal(0, torch.zeros_like(x)))

# ---- sums, products, shapes ----

case("x = input 4x3x5; z = input 4x3x5; y = add(x, z)", torch.add)
case("x = input 4x3x5; z = input 4x1x5; y = add(x, z)", torch.add)
case("x = input 1x3x1; z = input 4x3x5; y = add(x, z)", torch.add)
case("x = input 4x1x5; z = input 1x3x5; y = add(x, z)", torch.add)
case("x = input 4x3x5; z = input 4x3x5; y = mul(x, z)", torch.mul)
case("x = input 4x3x5; z = input 1x1x5; y = mul(x, z)", torch.mul)
case("x = input 4x1x1; z = input 1x3x5; y = mul(x, z)", torch.mul)
case("x = input 5x4; z = input 4x6; y = matmul(x, z)", torch.bmm)
case("x = input 3x5x4; z = input 3x7x4; y = matmul(x, z) transpose=yes scale=0.5",
     lambda x, z: 0.5 * torch.matmul(x, z.transpose(-1, -2)))
case("x = input 2x3x2x5; z = input 2x3x5x4; y = matmul(x, z) scale=-2",
     lambda x, z: -2 * torch.matmul(x, z))
case("x = input 9; y = softmax(x)", lambda x: torch.softmax(x, -1), spread=3)
case("x = input 4x3x5; y = softmax(x)", lambda x: torch.softmax(x, -1), spread=3)

for operator, compute in (("mean", torch.mean), ("max", torch.amax)):
    case(f"x = input 5x4x6; y = {operator}(x) axes=1",
         lambda x, compute=compute: compute(x, dim=2, keepdim=True))
    case(f"x = input 5x4x6; y = {operator}(x) axes=0,2",
         lambda x, compute=compute: compute(x, dim=(1, 3), keepdim=True))
    case(f"x = input 5x4x6; y = {operator}(x) axes=0,1 keep=no",
         lambda x, compute=compute: compute(x, dim=(1, 2)))

case("x = input 4x3x2; y = flatten(x)", lambda x: x.flatten(1))
case("x = input 6x4x2; y = reshape(x) shape=3x2x8", lambda x: x.reshape(-1, 3, 2, 8))
case("x = input 12; y = reshape(x) shape=3x4", lambda x: x.unflatten(1, (3, 4)))
case("x = input 4x3x2; y = transpose(x) order=1,0,2", lambda x: x.permute(0, 2, 1, 3))
case("x = input 4x3x2; y = transpose(x) order=2,0,1", lambda x: x.permute(0, 3, 1, 2))
case("x = input 2x3x4x2; y = transpose(x) order=1,3,0,2", lambda x: x.permute(0, 2, 4, 1, 3))
case("x = input 3x2x4; y = pad(x) pad=1,2,3,0",
     lambda x: F.pad(x, (0, 0, 3, 0, 1, 2)))
case("x = input 3x2x4; y = pad(x) pad=0,1,0,2 value=-1.5",
     lambda x: F.pad(x, (0, 0, 0, 2, 0, 1), value=-1.5))
case("x = input 4x3x2; z = input 2x3x2; y = concat(x, z) axis=0",
     lambda x, z: torch.cat((x, z), 1))
case("x = input 4x3x2; z = input 4x3x5; w = input 4x3x1; y = concat(x, z, w) axis=2",
     lambda x, z, w: torch.cat((x, z, w), 3))
case("x = input 6x4x3; y = slice(x) axis=0 begin=2 size=3", lambda x: x[:, 2:5])
case("x = input 6x4x3; y = slice(x) axis=2 size=2", lambda x: x[..., :2])
case("x = input 6x4x3; y = split(x) axis=0 parts=3 part=1", lambda x: x.chunk(3, 1)[1])
case("x = input 6x4x3; y = split(x) axis=1 parts=2 part=0", lambda x: x.chunk(2, 2)[0])
case("x = input 5x1x4; y = position(x)", lambda x, embedding: x + embedding, embedding=(5, 1, 4))
case("x = input 5x1x4; y = class_token(x)",
     lambda x, token: torch.cat((token.expand(x.shape[0], 1, 1, 4), x), 1), token=(4,))

# ---- recurrent ----


def over_time(x, run, reverse=False, sequence=True):
    """run: [N, T, I] to all states [N, T, R] and the last [N, R]."""
    x = x.flatten(2)
    every, last = run(x.flip(1) if reverse else x)
    if not sequence:
        return last
    return (every.flip(1) if reverse else every).unsqueeze(2)


def gru(x, weight, recurrent, bias, recurrent_bias, **options):
    def run(x):
        h = x.new_zeros(1, x.shape[0], recurrent.shape[0])
        every, last = torch.gru(x, h, [weight.t(), recurrent.t(), bias, recurrent_bias], True, 1,
                                0.0, True, False, True)
        return every, last[0]
    return over_time(x, run, **options)


def gru_before(x, weight, recurrent, bias, **options):
    """Cho et al., arXiv 1406.1078, eq. 5-8: the state is reset before its product."""
    w, u, b = weight.chunk(3, 1), recurrent.chunk(3, 1), bias.chunk(3)

    def run(x):
        h, every = x.new_zeros(x.shape[0], recurrent.shape[0]), []
        for frame in x.unbind(1):
            r = torch.sigmoid(frame @ w[0] + h @ u[0] + b[0])
            z = torch.sigmoid(frame @ w[1] + h @ u[1] + b[1])
            n = torch.tanh(frame @ w[2] + (r * h) @ u[2] + b[2])
            h = z * h + (1 - z) * n
            every.append(h)
        return torch.stack(every, 1), h
    return over_time(x, run, **options)


def grus(graph, inputs, units, **options):
    case(graph, lambda x, **p: gru(x, **p, **options), weight=(inputs, 3 * units),
         recurrent=(units, 3 * units), bias=(3 * units,), recurrent_bias=(3 * units,))


def grus_before(graph, inputs, units, **options):
    case(graph, lambda x, **p: gru_before(x, **p, **options), weight=(inputs, 3 * units),
         recurrent=(units, 3 * units), bias=(3 * units,))


grus("x = input 7x1x3; y = gru(x) units=5", 3, 5)
grus("x = input 5x2x2; y = gru(x) units=4 reverse=yes", 4, 4, reverse=True)
grus("x = input 6x1x2; y = gru(x) units=4 sequence=no", 2, 4, sequence=False)
grus("x = input 6x1x2; y = gru(x) units=3 sequence=no reverse=yes", 2, 3, sequence=False,
     reverse=True)
grus_before("x = input 7x1x3; y = gru(x) units=5 reset_after=no", 3, 5)
grus_before("x = input 5x2x2; y = gru(x) units=3 reset_after=no reverse=yes", 4, 3, reverse=True)
grus_before("x = input 5x1x3; y = gru(x) units=4 reset_after=no sequence=no", 3, 4, sequence=False)


def lstm(x, weight, recurrent, bias, projection=None, **options):
    def run(x):
        parameters = [weight.t(), recurrent.t(), bias, torch.zeros_like(bias)]
        if projection is not None:
            parameters.append(projection.t())
        h = x.new_zeros(1, x.shape[0], recurrent.shape[0])
        c = x.new_zeros(1, x.shape[0], bias.shape[0] // 4)
        every, last, _ = torch.lstm(x, (h, c), parameters, True, 1, 0.0, True, False, True)
        return every, last[0]
    return over_time(x, run, **options)


def lstm_peephole(x, weight, recurrent, bias, peephole, projection=None, **options):
    """Sak et al., arXiv 1402.1128, eq. 1-6 and 8-9, with diagonal peepholes i, f, o."""
    w, u, b = weight.chunk(4, 1), recurrent.chunk(4, 1), bias.chunk(4)

    def run(x):
        v, every = x.new_zeros(x.shape[0], recurrent.shape[0]), []
        c = x.new_zeros(x.shape[0], peephole.shape[1])
        for frame in x.unbind(1):
            i, f, g, o = (frame @ w[k] + v @ u[k] + b[k] for k in range(4))
            i, f = torch.sigmoid(i + peephole[0] * c), torch.sigmoid(f + peephole[1] * c)
            c = f * c + i * torch.tanh(g)
            v = torch.sigmoid(o + peephole[2] * c) * torch.tanh(c)
            v = v if projection is None else v @ projection
            every.append(v)
        return torch.stack(every, 1), v
    return over_time(x, run, **options)


def lstms(graph, inputs, units, peephole=False, projection=0, **options):
    out, run = projection or units, lstm_peephole if peephole else lstm
    parameters = dict(weight=(inputs, 4 * units), recurrent=(out, 4 * units), bias=(4 * units,))
    if peephole:
        parameters["peephole"] = (3, units)
    if projection:
        parameters["projection"] = (units, projection)
    case(graph, lambda x, **p: run(x, **p, **options), **parameters)


lstms("x = input 7x1x3; y = lstm(x) units=5", 3, 5)
lstms("x = input 5x2x2; y = lstm(x) units=3 reverse=yes", 4, 3, reverse=True)
lstms("x = input 6x1x2; y = lstm(x) units=4 sequence=no", 2, 4, sequence=False)
lstms("x = input 6x1x2; y = lstm(x) units=5 projection=3", 2, 5, projection=3)
lstms("x = input 6x1x2; y = lstm(x) units=4 peephole=yes", 2, 4, peephole=True)
lstms("x = input 5x4; y = lstm(x) units=4 peephole=yes projection=2 reverse=yes sequence=no", 4, 4,
      peephole=True, projection=2, reverse=True, sequence=False)


def svdf(x, feature, time, bias, causal=True):
    f = (x.flatten(2) @ feature).transpose(1, 2)
    if causal:
        f = F.pad(f, (time.shape[0] - 1, 0))
    y = F.conv1d(f, time.t().unsqueeze(1), bias, groups=time.shape[1])
    return y.transpose(1, 2).unsqueeze(2)


case("x = input 7x1x3; y = svdf(x) units=5 memory=3", svdf, feature=(3, 5), time=(3, 5), bias=(5,))
case("x = input 7x2x2; y = svdf(x) units=3 memory=4 causal=no",
     lambda x, feature, time, bias: svdf(x, feature, time, bias, False),
     feature=(4, 3), time=(4, 3), bias=(3,))

# ---- losses, a number for each sample ----


def cross_entropy(x, t, w=None, smoothing=0.0):
    """Each sample has its own class weights here, F.cross_entropy takes those of a batch."""
    rows = [F.cross_entropy(x[b:b + 1], t[b:b + 1], None if w is None else w[b], reduction="none",
                            label_smoothing=smoothing) for b in range(x.shape[0])]
    return torch.stack(rows)


def hinge(x, t, margin=1.0, power=1):
    return (margin - (2 * t - 1) * x).clamp(min=0).pow(power).flatten(1).sum(1, keepdim=True)


def distillation(x, t, z, alpha=0.5, temperature=4.0, smoothing=0.0):
    soft = F.kl_div(F.log_softmax(x / temperature, 1), F.softmax(z / temperature, 1),
                    reduction="none").sum(1, keepdim=True)
    hard = cross_entropy(x, t, smoothing=smoothing)
    return alpha * temperature ** 2 * soft + (1 - alpha) * hard


def triplet(anchor, positive, negative, margin=0.2):
    near = F.mse_loss(anchor, positive, reduction="none").flatten(1).sum(1, keepdim=True)
    far = F.mse_loss(anchor, negative, reduction="none").flatten(1).sum(1, keepdim=True)
    return F.relu(near - far + margin)


def loss(graph, compute, **fills):
    case(graph, compute, batch=6, spread=2, inputs={1: "distribution", **fills.get("inputs", {})})


loss("x = input 10; t = input 10; y = cross_entropy(x, t)", cross_entropy)
loss("x = input 12; t = input 12; y = cross_entropy(x, t) smoothing=0.1",
     lambda x, t: cross_entropy(x, t, smoothing=0.1))
loss("x = input 7; t = input 7; w = input 7; y = cross_entropy(x, t, w) smoothing=0.2",
     lambda x, t, w: cross_entropy(x, t, w, 0.2), inputs={2: "positive"})
loss("x = input 10; t = input 10; y = hinge(x, t)", hinge)
loss("x = input 8; t = input 8; y = hinge(x, t) margin=2 squared=yes",
     lambda x, t: hinge(x, t, 2, 2), inputs={1: "labels"})
loss("x = input 10; t = input 10; y = binary_cross_entropy(x, t)", lambda x, t:
     F.binary_cross_entropy_with_logits(x, t, reduction="none").mean(1, keepdim=True))
loss("x = input 4x3x2; t = input 4x3x2; y = mean_squared_error(x, t)", lambda x, t:
     F.mse_loss(x, t, reduction="none").mean((1, 2, 3)).unsqueeze(1), inputs={1: "normal"})
loss("x = input 10; t = input 10; z = input 10; y = distillation(x, t, z)", distillation)
loss("x = input 12; t = input 12; z = input 12; "
     "y = distillation(x, t, z) alpha=0.9 temperature=2 smoothing=0.1",
     lambda x, t, z: distillation(x, t, z, 0.9, 2.0, 0.1))
loss("a = input 8; p = input 8; n = input 8; y = triplet(a, p, n)", triplet, inputs={1: "normal"})
loss("a = input 3x2x2; p = input 3x2x2; n = input 3x2x2; y = triplet(a, p, n) margin=60",
     lambda a, p, n: triplet(a, p, n, 60.0), inputs={1: "normal"})

# In float an attribute of int8 changes nothing.
case("x = input 5x4x6; y = mean(x) axes=0,1 tflite=yes",
     lambda x: torch.mean(x, dim=(1, 2), keepdim=True))
