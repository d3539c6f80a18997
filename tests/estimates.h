/* estimates: what the tests of costs and of estimates share: a network, and calls that must
 * succeed.
 */
#ifndef TESTS_ESTIMATES_H
#define TESTS_ESTIMATES_H

#include "quantize/estimate.h"
#include "tests/check.h"

/* MLPerf Tiny keyword spotting: mlcommons/tiny, benchmark/training/keyword_spotting. */
#define BLOCK(i, x)                                                                                \
    "d" i " = dwconv2d(" x ") kernel=3x3 pad=same bias=no\n"                                       \
    "e" i " = batchnorm(d" i ")\nf" i " = relu(e" i ")\n"                                          \
    "p" i " = conv2d(f" i ") out=64 kernel=1x1 bias=no\n"                                          \
    "g" i " = batchnorm(p" i ")\nh" i " = relu(g" i ")\n"
static const char DS_CNN[] =
    "x = input 49x10x1\n"
    "c0 = conv2d(x) out=64 kernel=10x4 stride=2x2 pad=same bias=no\n"
    "b0 = batchnorm(c0)\nr0 = relu(b0)\n" BLOCK("1", "r0") BLOCK("2", "h1") BLOCK("3", "h2")
        BLOCK("4", "h3") "a = globalpool(h4)\no = dropout(a) rate=0.2\ny = dense(o) out=12\n";

static inline void check(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s", err->message);
}

static inline void costs_of(const char *text, quant_costs *costs)
{
    base_err err = {0};
    nn_graph *g = NULL;
    check(nn_parse(text, "test", &g, &err), &err);
    check(quant_costs_of_graph(g, costs, &err), &err);
    nn_graph_free(g);
}

static inline void load(const char *name, quant_target *target)
{
    base_err err = {0};
    check(quant_target_load(name, target, &err), &err);
}

static inline void estimate_in(const quant_costs *costs, const quant_target *target,
                               quant_runtime runtime, quant_estimate *e)
{
    base_err err = {0};
    check(quant_estimate_run(costs, target, (quant_use){.runtime = runtime}, e, &err), &err);
}

static inline void estimate(const quant_costs *costs, const quant_target *target, quant_estimate *e)
{
    estimate_in(costs, target, QUANT_SOTTO, e);
}

#endif
