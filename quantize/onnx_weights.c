/* onnx_weights: the numbers of convolutions, dense layers and batchnorms. An int8 layer keeps only
 * multipliers; what its sums are worth, the scale of the input times that of the weights, is the
 * multiplier times the scale of the output.
 */
#include "quantize/onnx_export.h"

#include <math.h>
#include <string.h>

const nn_q8_layer *onnx_layer_of(const onnx_exporter *e, const nn_node *n)
{
    for (int i = 0; i < e->q->n_layers; i++)
        if (e->q->layers[i].node == n->index) return &e->layer[i];
    return NULL;
}

/* What the sums of output o of n are worth. Zeros may have any scale but 0. */
static double worth_of(const onnx_exporter *e, const nn_node *n, size_t o)
{
    const nn_q8_layer *l = onnx_layer_of(e, n);
    const int32_t *multiplier = q8_layer_array(l, "multiplier"),
                  *shift = q8_layer_array(l, "shift");
    const double real = multiplier[o] ? ldexp(multiplier[o], shift[o] - 31) : ldexp(1, -40);
    return real * e->q->quant[n->index].scale;
}

static bool by_bands(const nn_q8_layer *l)
{
    return strcmp(l->kernel->name, "sotto_dwconv2d_bands") == 0;
}

/* The scale of the weights of channel o, fan of them, where multipliers have factors of bands in
 * them as well: any will do, as onnx_affine_of makes up for it. */
static double scale_by_bands(const onnx_exporter *e, const nn_node *n, size_t o)
{
    const size_t channels = (size_t)n->shape.d[2], fan = n->param[0].count / channels;
    const nn_real *w = e->weights + n->param[0].offset;
    double most = 0;
    for (size_t i = 0; i < fan; i++) most = fmax(most, fabs((double)w[i * channels + o]));
    return most > 0 ? most / 127 : 1;
}

/* ---- weights ---- */

/* From [taps][inner][channels] in float, [channels][taps][inner] in int8 (depthwise: [taps]
 * [channels]) to [channels][inner][taps]. */
static void arrange(const onnx_exporter *e, const nn_node *n, size_t channels, size_t taps,
                    void *to)
{
    const size_t inner = n->param[0].count / channels / taps;
    const nn_q8_layer *l = e->q ? onnx_layer_of(e, n) : NULL;
    const int8_t *from8 = l ? q8_layer_array(l, "weight") : NULL;
    const nn_real *from = e->weights + n->param[0].offset;
    const bool by_tap = strcmp(n->op->name, "dwconv2d") == 0;
    for (size_t o = 0; o < channels; o++)
        for (size_t i = 0; i < inner; i++)
            for (size_t t = 0; t < taps; t++) {
                const size_t at = (o * inner + i) * taps + t;
                if (from8)
                    ((int8_t *)to)[at] =
                        from8[by_tap ? t * channels + o : (o * taps + t) * inner + i];
                else
                    ((float *)to)[at] = (float)from[(t * inner + i) * channels + o];
            }
}

/* int8 or int32 constants made float with a scale each along their first axis. */
static const char *dequantized(onnx_exporter *e, const char *name, onnx_type type, int rank,
                               const int *dim, const void *v, const float *scale)
{
    const size_t size = type == ONNX_INT8 ? 1 : 4;
    const void *zeros = base_arena_alloc(e->arena, (size_t)dim[0], size);
    const char *in[] = {onnx_tensor(e, onnx_name(e, name, "int"), type, rank, dim, v),
                        onnx_tensor(e, onnx_name(e, name, "scale"), ONNX_FLOAT, 1, dim, scale),
                        onnx_tensor(e, onnx_name(e, name, "zero"), type, 1, dim, zeros)};
    onnx_attr_int(e, "axis", 0);
    return onnx_op(e, "DequantizeLinear", in, 3, name);
}

static base_status int8_weights(onnx_exporter *e, const nn_node *n, int rank, const int *dim,
                                const void *w, const char **weights, const char **bias)
{
    const nn_q8_layer *l = onnx_layer_of(e, n);
    const size_t channels = (size_t)dim[0];
    const double in = e->q->quant[n->in[0]->index].scale;
    float *scale = base_arena_alloc(e->arena, channels, sizeof *scale);
    float *sums = base_arena_alloc(e->arena, channels, sizeof *sums);
    if (!scale || !sums) return base_nomem(e->err, channels);
    for (size_t o = 0; o < channels; o++) {
        scale[o] = (float)(by_bands(l) ? scale_by_bands(e, n, o) : worth_of(e, n, o) / in);
        sums[o] = (float)in * scale[o];
    }
    *weights = dequantized(e, *weights, ONNX_INT8, rank, dim, w, scale);
    *bias = by_bands(l)
                ? ""
                : dequantized(e, *bias, ONNX_INT32, 1, dim, q8_layer_array(l, "bias"), sums);
    return BASE_OK;
}

/* Whether the kernel's weights are those of the node, as int8. */
static bool knows(const nn_node *n, const nn_q8_layer *l)
{
    return by_bands(l) || strcmp(l->kernel->name + strlen("sotto_"), n->op->name) == 0;
}

base_status onnx_weights_of(onnx_exporter *e, const nn_node *n, const char *out, int rank,
                            const int *dim, const char **weights, const char **bias)
{
    const size_t count = n->param[0].count, channels = (size_t)dim[0];
    const size_t taps = rank == 4 ? (size_t)dim[2] * (size_t)dim[3] : 1;
    void *w = base_arena_alloc(e->arena, count, e->q ? 1 : sizeof(float));
    if (!w) return base_nomem(e->err, count);
    if (e->q && !knows(n, onnx_layer_of(e, n)))
        return nn_op_fail(n, e->err, "there is no ONNX form of its kernel %s",
                          onnx_layer_of(e, n)->kernel->name);
    arrange(e, n, channels, taps, w);
    *weights = onnx_name(e, out, "weight");
    *bias = onnx_name(e, out, "bias");
    if (e->q) return int8_weights(e, n, rank, dim, w, weights, bias);
    *weights = onnx_tensor(e, *weights, ONNX_FLOAT, rank, dim, w);
    if (n->n_params > 1)
        *bias = onnx_constant(e, *bias, n->param[1].shape, false, e->weights + n->param[1].offset);
    else
        *bias = "";
    return BASE_OK;
}

/* ---- batchnorm ---- */

/* The layer of head, which does batchnorm by bands as well: its sums are worth in * scale here. */
static void fused_affine(const onnx_exporter *e, const nn_node *head, int bands, double *mul,
                         double *add)
{
    const nn_q8_layer *l = onnx_layer_of(e, head);
    const int32_t *bias = q8_layer_array(l, "bias"), *multiplier = q8_layer_array(l, "multiplier");
    const double in = e->q->quant[head->in[0]->index].scale;
    const int channels = head->shape.d[2];
    for (int i = 0; i < bands * channels; i++) {
        const double worth = multiplier[i] ? worth_of(e, head, (size_t)i) : 0;
        mul[i] = worth / (in * (double)(float)scale_by_bands(e, head, (size_t)(i % channels)));
        add[i] = worth * bias[i];
    }
}

base_status onnx_affine_of(onnx_exporter *e, const nn_node *n, int *bands, double **mul,
                           double **add)
{
    const nn_real *params[NN_MAX_PARAMS] = {0};
    const int head = e->chains.head[n->index];
    for (int k = 0; k < n->n_params; k++) params[k] = e->weights + n->param[k].offset;
    *bands = n->op->affine(n, NULL, NULL, NULL);
    const size_t count = (size_t)*bands * (size_t)n->shape.d[n->shape.n - 1];
    *mul = base_arena_alloc(e->arena, count, sizeof **mul);
    *add = base_arena_alloc(e->arena, count, sizeof **add);
    if (!*mul || !*add) return base_nomem(e->err, count);
    if (e->q && head != n->index)
        fused_affine(e, nn_graph_node(e->g, head), *bands, *mul, *add);
    else
        n->op->affine(n, params, *mul, *add);
    return BASE_OK;
}
