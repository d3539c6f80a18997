/* q8_nets: nets and models that the int8 tests share. */
#include "tests/q8_nets.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const q8_nets[Q8_NETS] = {
    /* a small DS-CNN */
    ("x = input 25x10x1; c1 = conv2d(x) out=16 kernel=10x4 stride=2x2 bias=no; b1 = batchnorm(c1);"
     "r1 = relu(b1); d1 = dwconv2d(r1) kernel=3x3 bias=no; b2 = batchnorm(d1); r2 = relu(b2);"
     "p1 = conv2d(r2) out=24 kernel=1x1 bias=no; b3 = batchnorm(p1); r3 = relu(b3);"
     "do = dropout(r3) rate=0.3; g = globalpool(do); y = dense(g) out=7"),
    /* residual: a relu read twice, an add with a fused relu, groups, dilation */
    ("x = input 20x1x8; c1 = conv2d(x) out=12 kernel=3x1; r1 = relu(c1);"
     "c2 = conv2d(r1) out=12 kernel=5x1 groups=3 dilation=2x1 bias=no; b2 = batchnorm(c2);"
     "r2 = relu6(b2); s = add(r2, r1); r3 = relu(s); c3 = conv2d(r3) out=6 kernel=3x1 stride=2x1;"
     "f = flatten(c3); y = dense(f) out=5"),
    /* an activation that cannot be fused: its input is read by two */
    ("x = input 12x8x2; c1 = conv2d(x) out=6 kernel=3x3 pad=valid; r1 = relu(c1);"
     "c2 = conv2d(r1) out=6 kernel=1x1; s = add(c1, c2); m = maxpool(s) kernel=2x2 stride=2x2;"
     "a = avgpool(m) kernel=3x3 pad=same; r2 = relu(a); f = flatten(r2); d1 = dense(f) out=20;"
     "b = batchnorm(d1); r3 = relu(b); y = dense(r3) out=4 bias=no"),
    /* the input pooled, added to itself, explicit padding, linear output of a convolution */
    ("x = input 16x6x3; p = avgpool(x) kernel=2x2 stride=2x2; s = add(p, p);"
     "c = conv2d(s) out=4 kernel=3x2 pad=2,0,1,1"),
    "x = input 30; d1 = dense(x) out=24; r1 = relu(d1); y = dense(r1) out=3",
    /* clips fused and alone, and one whose range lies beside the relu's before it */
    ("x = input 12x1x8; h = clip(x) lo=-1 hi=1.5; c1 = conv2d(h) out=9 kernel=3x1;"
     "h1 = clip(c1) lo=-0.25 hi=0.5; c2 = conv2d(h1) out=6 kernel=1x1; r2 = relu(c2);"
     "h2 = clip(r2) lo=-0.2 hi=-0.1; s = add(h2, c2); f = flatten(s); y = dense(f) out=5"),
    /* a block of BC-ResNet: bands, a mean that is broadcast; batchnorm behind no convolution */
    ("x = input 12x10x4; c = dwconv2d(x) kernel=1x3 bias=no; n = batchnorm(c) bands=5;"
     "m = mean(n) axes=1; t = dwconv2d(m) kernel=3x1 bias=no; tb = batchnorm(t); s = silu(tb);"
     "o = conv2d(s) out=4 kernel=1x1; do = dropout(o) rate=0.1 channels=yes; a = add(n, do);"
     "b = add(a, x); r = relu(b); n2 = batchnorm(r); h = hardswish(n2);"
     "n3 = batchnorm(h) bands=2; d = dwconv2d(n3) kernel=3x3 stride=2x2; n4 = batchnorm(d) bands=5;"
     "r4 = relu(n4); g = flatten(r4); y = dense(g) out=5"),
    /* gates and everything that moves values; a clip that a fixed quantization is read through */
    ("x = input 14x4x6; c = conv2d(x) out=8 kernel=3x1; t = tanh(c); nz = noise(t) sigma=0.1;"
     "k = clip(nz) lo=-0.5 hi=0.5; m = mean(k) axes=0,1; e = conv2d(m) out=8 kernel=1x1;"
     "s = sigmoid(e); u = mul(k, s); p = pad(u) pad=1,0,0,2; q = slice(p) axis=1 begin=1 size=4;"
     "v = split(q) axis=0 parts=3 part=1; w = max(q) axes=0; z = concat(v, w, v) axis=0;"
     "h = hardsigmoid(z); d = conv2d(h) out=3 kernel=1x1; l = conv2d(w) out=3 kernel=1x1;"
     "j = concat(d, l) axis=0; o = transpose(j) order=2,0,1; f = flatten(o); y = dense(f) out=5"),
    /* attention */
    ("x = input 8x1x6; e = conv2d(x) out=8 kernel=1x1; t = class_token(e); p = position(t);"
     "q = conv2d(p) out=8 kernel=1x1 bias=no; qs = reshape(q) shape=9x2x4;"
     "qh = transpose(qs) order=1,0,2; k = conv2d(p) out=8 kernel=1x1 bias=no;"
     "ks = reshape(k) shape=9x2x4; kh = transpose(ks) order=1,0,2; v = conv2d(p) out=8 kernel=1x1;"
     "vs = reshape(v) shape=9x2x4; vh = transpose(vs) order=1,0,2;"
     "sc = matmul(qh, kh) transpose=yes scale=0.5; w = softmax(sc); mx = matmul(w, vh);"
     "mo = transpose(mx) order=1,0,2; j = reshape(mo) shape=9x1x8; a = add(p, j);"
     "n = layernorm(a); i = conv2d(n) out=16 kernel=1x1; g = gelu(i); o = conv2d(g) out=8 "
     "kernel=1x1;"
     "r = add(n, o); n2 = layernorm(r); s = slice(n2) axis=0 size=1; f = flatten(s);"
     "y = dense(f) out=4"),
    /* recurrent layers: both forms, both directions, what every frame puts out and the last alone
     */
    ("x = input 12x5x2; g1 = gru(x) units=9; g2 = gru(g1) units=7 reset_after=no reverse=yes "
     "sequence=no; y = dense(g2) out=4"),
    ("x = input 11x6; l1 = lstm(x) units=18 peephole=yes projection=7; r = relu(l1);"
     "l2 = lstm(r) units=6 reverse=yes peephole=yes; f = flatten(l2); y = dense(f) out=3"),
    /* the work buffer is scratch alone */
    "x = input 9x4; y = lstm(x) units=11 projection=5 sequence=no",
    ("x = input 14x1x6; s1 = svdf(x) units=10 memory=4; r1 = relu(s1);"
     "s2 = svdf(r1) units=7 memory=5 causal=no; r2 = relu(s2); f = flatten(r2);"
     "y = dense(f) out=3"),
};

nn_real *q8_random_inputs(const nn_graph *g, int n, uint64_t seed)
{
    const size_t count = (size_t)n * (size_t)nn_count(nn_graph_input(g, 0)->shape);
    nn_real *x = base_alloc(count, sizeof *x);
    assert_non_null(x);
    base_rng r = base_rng_at(seed, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; i < count; i++) x[i] = (nn_real)base_rng_normal(&r);
    return x;
}

nn_model *q8_random_model(const char *text, uint64_t seed)
{
    base_err err = {0};
    nn_model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    if (nn_parse(text, NULL, &m->graph, &err) != BASE_OK) fail_msg("%s", err.message);
    m->weights = base_alloc(nn_graph_params(m->graph), sizeof *m->weights);
    assert_non_null(m->weights);
    nn_init_weights(m->graph, seed, m->weights);
    base_rng r = base_rng_at(seed, BASE_RNG_TEST, 1, 0);
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const nn_node *n = nn_graph_node(m->graph, i);
        for (int k = 0; k < n->n_params; k++) {
            nn_real *w = m->weights + n->param[k].offset;
            const bool embedding = n->param[k].init == NN_NORMAL;
            for (size_t j = 0; j < n->param[k].count; j++) {
                if (n->param[k].role == NN_GAIN) w[j] = (nn_real)(0.5 + base_rng_uniform(&r));
                if (n->param[k].role == NN_WEIGHT && w[j] == 0) /* peepholes start so */
                    w[j] = (nn_real)(0.3 * base_rng_normal(&r));
                if (n->param[k].role == NN_BIAS) w[j] = (nn_real)(0.3 * base_rng_normal(&r));
                if (n->param[k].role == NN_STRUCTURE) w[j] = (nn_real)(5 * base_rng_normal(&r));
                if (embedding) w[j] = (nn_real)(0.8 * base_rng_normal(&r));
                if (n->param[k].role != NN_STATISTIC) continue;
                const bool variance = strcmp(n->param[k].name, "var") == 0;
                w[j] = (nn_real)(variance ? 0.2 + 2 * base_rng_uniform(&r)
                                          : 0.4 * base_rng_normal(&r));
            }
        }
    }
    return m;
}

q8_model *q8_quantized_as(const nn_model *m, const nn_real *x, q8_options how)
{
    base_err err = {0};
    q8_model *q = NULL;
    if (q8_quantize(m, x, Q8_SAMPLES, how, "calibration.clips = 64\n", &q, &err) != BASE_OK)
        fail_msg("%s", err.message);
    return q;
}

q8_model *q8_quantized(const nn_model *m, const nn_real *x, q8_range range)
{
    return q8_quantized_as(m, x, (q8_options){.range = range});
}

q8_model *q8_quantized_wide(const nn_model *m, const nn_real *x, const char *activations)
{
    return q8_quantized_as(m, x, (q8_options){.range = Q8_RANGE_MSE, .activations = activations});
}

q8_model *q8_packed(const nn_model *m, const nn_real *x)
{
    base_err err = {0};
    q8_model *q = NULL;
    const q8_options o = {.range = Q8_RANGE_MSE, .weight_bits = "4"};
    bool any = false;
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const char *op = nn_graph_node(m->graph, i)->op->name;
        any |= !strcmp(op, "conv2d") || !strcmp(op, "dwconv2d") || !strcmp(op, "dense");
    }
    if (q8_quantize(m, x, Q8_SAMPLES, o, "calibration.clips = 64\n", &q, &err) !=
        (any ? BASE_OK : BASE_USAGE))
        fail_msg("%s", err.message);
    return q;
}

nn_real *q8_evaluate(const nn_graph *g, const nn_real *weights, const nn_real *x, int n)
{
    base_err err = {0};
    nn_net *net = NULL;
    const size_t out = (size_t)nn_count(nn_graph_output(g)->shape);
    assert_int_equal(nn_net_new(g, (nn_net_options){.batch = n, .shards = 1}, &net, &err), BASE_OK);
    memcpy(nn_net_weights(net), weights, nn_graph_params(g) * sizeof *weights);
    nn_real *y = base_alloc((size_t)n * out, sizeof *y);
    assert_non_null(y);
    nn_net_forward(net, &x, n, y);
    nn_net_free(net);
    return y;
}

double q8_sqnr(const q8_model *q, const nn_real *x, const nn_real *y, int n)
{
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    const nn_quant quant = q->values[q->n_layers].quant;
    int8_t *qx = base_alloc(in, 1), *qy = base_alloc(out, 1), *work = base_alloc(q->work + 1, 1);
    float *fx = base_alloc(in, sizeof *fx);
    assert_true(qx && qy && work && fx);
    double signal = 0, noise = 0;
    for (int s = 0; s < n; s++) {
        for (size_t i = 0; i < in; i++) fx[i] = (float)x[(size_t)s * in + i];
        q8_quantize_input(q, fx, qx);
        q8_run(q, qx, qy, work);
        for (size_t o = 0; o < out; o++) {
            const double v = (double)y[(size_t)s * out + o];
            const double e = quant.scale * (qy[o] - quant.zero) - v;
            signal += v * v;
            noise += e * e;
        }
    }
    base_free(qx);
    base_free(qy);
    base_free(work);
    base_free(fx);
    return 10 * log10(signal / noise);
}
