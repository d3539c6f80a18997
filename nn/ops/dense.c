/* dense: x [I] -> y [O], y = x W + b. W [I, O], b [O]. One matrix product over the batch. */
#include "nn/blas.h"
#include "nn/lower.h"
#include "quantize/runtime/dense_i16.h"
#include "quantize/runtime/dense_w4.h"

#include <string.h>

typedef struct dense {
    int out;
    bool bias;
} dense;

static const nn_attr attrs[] = {
    {"out", NN_INT, offsetof(dense, out), NULL, 1, 65536, "outputs", false},
    {"bias", NN_YESNO, offsetof(dense, bias), "yes", 0, 0, "add a bias", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const dense *a = n->attrs;
    if (n->in[0]->shape.n != 1) {
        base_status s = nn_need_dims(n, 0, 1, err);
        base_hint(err, "put a flatten or globalpool before it");
        return s;
    }
    int in = n->in[0]->shape.d[0];
    n->shape = (nn_shape){1, {a->out}};
    nn_declare(n, "weight", (nn_shape){2, {in, a->out}}, NN_WEIGHT, NN_GLOROT_UNIFORM, in, a->out);
    if (a->bias) nn_declare(n, "bias", n->shape, NN_BIAS, NN_ZEROS, in, a->out);
    return BASE_OK;
}

static void forward(const nn_node *n, const nn_args *a)
{
    int in = n->in[0]->shape.d[0], out = n->shape.d[0];
    nn_gemm_layer(a->batch, out, in, a->x[0], in, a->w[0], out, n->n_params > 1 ? a->w[1] : NULL,
                  a->clamp, a->y, out);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int in = n->in[0]->shape.d[0], out = n->shape.d[0];
    nn_gemm(true, false, in, out, a->batch, a->x[0], in, a->dy, out, 1, a->dw[0], out);
    if (a->dx[0])
        nn_gemm(false, true, a->batch, in, out, a->dy, out, a->w[0], out, 1, a->dx[0], in);
    for (int b = 0; n->n_params > 1 && b < a->batch; b++)
        for (int o = 0; o < out; o++) a->dw[1][o] += a->dy[(ptrdiff_t)b * out + o];
}

static void cost(const nn_node *n, nn_cost *c)
{
    c->weights = c->macs = (int64_t)n->param[0].count;
    c->biases = n->n_params > 1 ? n->shape.d[0] : 0;
}

#define FIELDS(WEIGHTS_OF)                                                                         \
    NN_Q8_INT_OF(sotto_dense_t, in_n), NN_Q8_INT_OF(sotto_dense_t, out_n),                         \
        NN_Q8_INT_OF(sotto_dense_t, in_zero), NN_Q8_INT_OF(sotto_dense_t, out_zero),               \
        NN_Q8_INT_OF(sotto_dense_t, lo), NN_Q8_INT_OF(sotto_dense_t, hi),                          \
        WEIGHTS_OF(sotto_dense_t, weight), NN_Q8_I32S_OF(sotto_dense_t, bias),                     \
        NN_Q8_I32S_OF(sotto_dense_t, multiplier), NN_Q8_I32S_OF(sotto_dense_t, shift)

static const nn_q8_field fields[] = {FIELDS(NN_Q8_I8S_OF)};
static const nn_q8_field packed_fields[] = {FIELDS(NN_Q8_I4S_OF)};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dense(p, x[0], y);
}

static void run_packed(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dense_w4(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_dense",
    .header = "dense.h",
    .n_in = 1,
    .size = sizeof(sotto_dense_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_dense_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_dense_i16",
    .header = "dense_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_dense_i16_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_wide,
};

static const nn_q8_kernel packed = {
    .name = "sotto_dense_w4",
    .header = "dense_w4.h",
    .n_in = 1,
    .size = sizeof(sotto_dense_t),
    .fields = packed_fields,
    .n_fields = BASE_COUNT(packed_fields),
    .run = run_packed,
    .unpacked = &kernel,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    const int in = n->in[0]->shape.d[0], out = n->shape.d[0];
    nn_q8_weights w;
    BASE_TRY(nn_q8_quantize(n, c, (size_t)in, (size_t)out, true, &w, err));
    sotto_dense_t *p = nn_q8_layer_new(c->wide               ? &wide_kernel
                                       : c->weight_bits == 4 ? &packed
                                                             : &kernel,
                                       c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    *p = (sotto_dense_t){in,        out,      c->in[0].zero, c->out.zero,  c->lo,  c->hi,
                         c->single, w.weight, w.bias,        w.multiplier, w.shift};
    const size_t outs = (size_t)out, count[] = {(size_t)in * outs, outs, outs, outs};
    memcpy(layer->count, count, sizeof count);
    return BASE_OK;
}

NN_CASES("x = input 7; y = dense(x) out=5", "x = input 64; y = dense(x) out=12 bias=no",
         "x = input 1; y = dense(x) out=1");

const nn_op nn_op_dense = {
    .name = "dense",
    .summary = "fully connected layer",
    .n_in = 1,
    .flags = NN_KEEP_X | NN_CLAMPS_FORWARD | NN_WIDE | NN_PACKS,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(dense),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
