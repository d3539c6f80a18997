/* What quantize/deploy.c makes of a model, as costs: the same rules, told from shapes.
 */
#include "quantize/costs.h"
#include "quantize/runtime/depthwise.h"
#include "quantize/runtime/separable.h"

#include <stdlib.h>
#include <string.h>

/* 32-bit words of the structs of the fast kernels. */
enum { CONV_WORDS = 23, DEPTHWISE_WORDS = 22, SEPARABLE_WORDS = 30, DENSE_WORDS = 8 };

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static bool is_kernel(const quant_layer_cost *c, const char *name)
{
    return c->kernel && strcmp(c->kernel, name) == 0;
}

/* Products of an output. */
static int64_t taps_of(const quant_layer_cost *c)
{
    return c->outputs > 0 ? c->macs / c->outputs : 0;
}

static bool has_gemm(const quant_layer_cost *c)
{
    return is_kernel(c, "conv2d") &&
           taps_of(c) == (int64_t)c->kernel_h * c->kernel_w * c->in_channels;
}

static bool fits_taps(const quant_layer_cost *c)
{
    return c->pixels > 0 && c->outputs / c->pixels % 4 == 0 && taps_of(c) <= SOTTO_DEPTHWISE_TAPS;
}

static bool has_taps(const quant_layer_cost *c)
{
    return is_kernel(c, "dwconv2d") && fits_taps(c);
}

static void deploy_conv(quant_layer_cost *c)
{
    const int64_t out = c->outputs / c->pixels, k = round_up(taps_of(c), 4);
    c->kernel = "conv2d_gemm";
    c->flat = c->flat && taps_of(c) % 4 == 0;
    c->weights = out * k;
    c->constants = 4 * CONV_WORDS;
    c->scratch = SOTTO_GEMM_SCRATCH(k);
    c->in_place = c->pointwise && out <= c->in_channels;
}

static void deploy_depthwise(quant_layer_cost *c)
{
    const int64_t channels = c->outputs / c->pixels;
    c->kernel = "dwconv2d_taps";
    c->weights = round_up(taps_of(c), 2) * channels;
    c->constants = 4 * DEPTHWISE_WORDS;
    c->scratch = channels;
}

/* c and the pointwise next as one, in c. over: the result takes the place of the input. */
static void deploy_separable(quant_layer_cost *c, const quant_layer_cost *next, bool over)
{
    const int64_t channels = c->outputs / c->pixels, keep = over ? c->reach : 0;
    quant_layer_cost one = *next;
    snprintf(one.name, sizeof one.name, "%.*s+%.*s", NN_MAX_NAME / 2 - 1, c->name,
             NN_MAX_NAME / 2 - 1, next->name);
    snprintf(one.op, sizeof one.op, "dwconv2d+conv2d");
    deploy_depthwise(c);
    deploy_conv(&one);
    one.kernel = "separable";
    one.flat = false;
    one.rows = c->macs;
    one.macs += c->macs;
    one.inputs = c->inputs;
    one.kernel_h = c->kernel_h;
    one.kernel_w = c->kernel_w;
    one.weights += c->weights;
    one.channels += c->channels;
    one.constants = 4 * SEPARABLE_WORDS;
    one.scratch = SOTTO_SEPARABLE_SCRATCH(channels, keep);
    one.in_place = over;
    one.n_in = c->n_in;
    memcpy(one.in, c->in, sizeof one.in);
    *c = one;
}

static int last_reader(const quant_costs *costs, int i)
{
    int last = i;
    for (int k = i + 1; k < costs->n; k++)
        for (int j = 0; j < costs->layer[k].n_in; j++)
            if (costs->layer[k].in[j] == i) last = k;
    return last;
}

static bool are_separable(const quant_costs *costs, int i)
{
    const quant_layer_cost *c = &costs->layer[i];
    return i + 1 < costs->n && has_taps(c) && has_gemm(c + 1) && c[1].pointwise &&
           c[1].in[0] == i && last_reader(costs, i) == i + 1;
}

static bool may_write_over(const quant_costs *costs, int i)
{
    const quant_layer_cost *c = &costs->layer[i];
    const int x = c->in[0];
    return !costs->layer[x].is_input && last_reader(costs, x) == i && i + 2 < costs->n &&
           c->reach > 0 && c[1].outputs == c->outputs;
}

static void deploy_dense(quant_layer_cost *c)
{
    c->kernel = "dense_pairs";
    c->constants = 4 * DENSE_WORDS;
}

static void deploy_one(quant_layer_cost *c)
{
    if (has_gemm(c))
        deploy_conv(c);
    else if (has_taps(c) || (is_kernel(c, "dwconv2d_bands") && fits_taps(c)))
        deploy_depthwise(c);
    else if (is_kernel(c, "dense") && taps_of(c) % 4 == 0)
        deploy_dense(c);
}

/* to: layer i of from, with the next one where they are one. Returns how many it stands for. */
static int deploy_layer(const quant_costs *from, int i, quant_layer_cost *to)
{
    *to = from->layer[i];
    if (are_separable(from, i)) {
        deploy_separable(to, &from->layer[i + 1], may_write_over(from, i));
        return 2;
    }
    deploy_one(to);
    return 1;
}

/* The same for a kernel that is known. */
static int deploy_layer_as(const quant_costs *from, int i, const nn_q8_kernel *kernel,
                           quant_layer_cost *to)
{
    const char *name = kernel->name + strlen("sotto_");
    *to = from->layer[i];
    if (strcmp(name, "separable") == 0) {
        deploy_separable(to, &from->layer[i + 1], kernel->in_place);
        return 2;
    }
    if (strcmp(name, "conv2d_gemm") == 0) deploy_conv(to);
    if (strcmp(name, "dwconv2d_taps") == 0) deploy_depthwise(to);
    if (strcmp(name, "dense_pairs") == 0) deploy_dense(to);
    return 1;
}

/* net: NULL where it is not known. */
static base_status deploy(const quant_costs *from, const q8_model *net, quant_costs *to,
                          base_err *err)
{
    const size_t n = (size_t)from->n;
    int *place = calloc(n, sizeof *place); /* of each layer of from, that of to */
    *to = (quant_costs){calloc(n, sizeof *to->layer), 0};
    if (!place || !to->layer) {
        free(place);
        quant_costs_free(to);
        return base_nomem(err, n * sizeof *to->layer);
    }
    for (int i = 0; i < from->n;) {
        quant_layer_cost *c = &to->layer[to->n];
        const int taken = net && to->n > 0
                              ? deploy_layer_as(from, i, net->layers[to->n - 1].l.kernel, c)
                              : deploy_layer(from, i, c);
        for (int k = 0; k < taken; k++) place[i++] = to->n;
        for (int k = 0; k < c->n_in; k++) c->in[k] = place[c->in[k]];
        to->n++;
    }
    free(place);
    return BASE_OK;
}

base_status quant_costs_deploy(const quant_costs *from, quant_costs *to, base_err *err)
{
    return deploy(from, NULL, to, err);
}

base_status quant_costs_deploy_as(const quant_costs *from, const q8_model *net, quant_costs *to,
                                  base_err *err)
{
    return deploy(from, net, to, err);
}
