"""MLPerf Tiny's DS-CNN with random weights and batchnorm folded, as ONNX: float, or int8 in the form
that ONNX Runtime fuses to integer convolutions (QDQ, weights per channel, activations per tensor).

usage: /usr/bin/python3 bench/peers/onnx_model.py float|int8 FILE.onnx     (Debian: python3-onnx)
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS = [("c1", 64, 1, (10, 4), 2, (4, 1, 5, 1), 1)]
for i in range(1, 5):
    LAYERS += [("d%d" % i, 64, 1, (3, 3), 1, (1, 1, 1, 1), 64), ("p%d" % i, 64, 64, (1, 1), 1, (0,) * 4, 1)]


class Graph:
    def __init__(self, int8):
        self.int8, self.nodes, self.tensors = int8, [], []
        self.random = np.random.default_rng(1)

    def constant(self, name, value):
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def activation(self, x, scale, zero):
        """Quantized and back: where int8 values go from one layer to the next."""
        if not self.int8:
            return x
        pair = [self.constant(x + ".s", np.float32(scale)), self.constant(x + ".z", np.int8(zero))]
        q = self.node("QuantizeLinear", [x] + pair, x + ".q")
        return self.node("DequantizeLinear", [q] + pair, x + ".dq")

    def weights(self, name, shape, input_scale):
        if not self.int8:
            w = self.random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
            return [self.constant(name + ".w", w), self.constant(name + ".b", np.zeros(shape[0], np.float32))]
        scale = self.random.uniform(0.5, 1, shape[0]).astype(np.float32) / (64 * np.sqrt(np.prod(shape[1:])))
        scale = scale.astype(np.float32)
        w = self.random.integers(-127, 128, shape).astype(np.int8)
        b = self.random.integers(-500, 500, shape[0]).astype(np.int32)
        zeros8, zeros32 = np.zeros(shape[0], np.int8), np.zeros(shape[0], np.int32)
        both = []
        for kind, value, s, z in (("w", w, scale, zeros8), ("b", b, scale * np.float32(input_scale), zeros32)):
            names = [self.constant("%s.%s%s" % (name, kind, part), v) for part, v in (("", value), (".s", s), (".z", z))]
            both.append(self.node("DequantizeLinear", names, "%s.%sdq" % (name, kind), axis=0))
        return both


def build(int8):
    g = Graph(int8)
    scale = 0.05
    x = g.activation("x", scale, 0)
    for name, out, depth, kernel, stride, pads, groups in LAYERS:
        w = g.weights(name, (out, depth) + kernel, scale)
        y = g.node("Conv", [x] + w, name, kernel_shape=kernel, strides=(stride, stride), pads=pads, group=groups)
        x = g.activation(g.node("Relu", [y], name + ".r"), scale, -128)
    x = g.activation(g.node("GlobalAveragePool", [x], "pool"), scale, -128)
    x = g.node("Flatten", [x], "flat")
    w = g.weights("fc", (12, 64), scale)
    y = g.node("Gemm", [x] + w, "fc", transB=1)
    y = g.activation(y, 0.2, 0)
    info = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 49, 10])]
    result = [helper.make_tensor_value_info(y, TensorProto.FLOAT, ["n", 12])]
    graph = helper.make_graph(g.nodes, "ds_cnn", info, result, g.tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.checker.check_model(model)
    return model


onnx.save(build(sys.argv[1] == "int8"), sys.argv[2])
