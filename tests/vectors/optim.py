#!/usr/bin/python3
"""Trajectories of PyTorch's optimizers for tests/test_optim.c, in double.

usage: tests/vectors/optim.py >tests/vectors/optim.txt

A weight of 12 numbers, which is decayed, and a bias of 4, which is not; the same random start and
gradients for all. After the comments: the start, the gradients of each step, then for each case a
line of options and the numbers after each step.
"""
import torch

SEED, STEPS, COUNTS = 1, 8, (12, 4)
LR, FALL = 0.05, 0.8  # of the first step, and what each multiplies it by

# kind, momentum, nesterov, beta1, beta2, rho, epsilon, weight decay
CASES = [
    ("sgd", 0.0, 0, 0, 0, 0, 0, 0.1),
    ("sgd", 0.9, 0, 0, 0, 0, 0, 0.1),
    ("sgd", 0.9, 1, 0, 0, 0, 0, 0.1),
    ("sgd", 0.5, 1, 0, 0, 0, 0, 0.0),
    ("rmsprop", 0.0, 0, 0, 0, 0.9, 1e-8, 0.1),
    ("rmsprop", 0.9, 0, 0, 0, 0.99, 1e-3, 0.1),
    ("adam", 0.0, 0, 0.9, 0.999, 0, 1e-8, 0.1),
    ("adam", 0.0, 0, 0.5, 0.9, 0, 1e-3, 0.0),
    ("adamw", 0.0, 0, 0.9, 0.999, 0, 1e-8, 0.1),
    ("adamw", 0.0, 0, 0.8, 0.95, 0, 1e-3, 0.3),
]


def optimizer(groups, kind, momentum, nesterov, beta1, beta2, rho, eps):
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=LR, momentum=momentum, nesterov=bool(nesterov))
    if kind == "rmsprop":
        return torch.optim.RMSprop(groups, lr=LR, alpha=rho, eps=eps, momentum=momentum)
    make = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    return make(groups, lr=LR, betas=(beta1, beta2), eps=eps)


def row(tensors):
    print(" ".join("%.17g" % v for t in tensors for v in t.tolist()))


def main():
    torch.manual_seed(SEED)
    draw = lambda: [torch.randn(n, dtype=torch.float64) for n in COUNTS]
    start, grads = draw(), [draw() for _ in range(STEPS)]
    print("# written by tests/vectors/optim.py with torch %s, seed %d" % (torch.__version__, SEED))
    print("# start, gradients of %d steps, cases: kind momentum nesterov beta1 beta2 rho epsilon"
          " weight_decay" % STEPS)
    row(start)
    for g in grads:
        row(g)
    for case in CASES:
        print("case", *case)
        p = [torch.nn.Parameter(t.clone()) for t in start]
        groups = [{"params": [p[0]], "weight_decay": case[-1]},
                  {"params": [p[1]], "weight_decay": 0}]
        optim = optimizer(groups, *case[:-1])
        for step, g in enumerate(grads):
            for group in optim.param_groups:
                group["lr"] = LR * FALL**step
            for tensor, grad in zip(p, g):
                tensor.grad = grad.clone()
            optim.step()
            row(p)


main()
