/* pad: x [H, W, C] -> y [top + H + bottom, left + W + right, C], x with rows and columns of `value`
 * around it; H is time, W frequency.
 */
#include "quantize/runtime/pad.h"
#include "nn/axis.h"
#include "nn/lower.h"

typedef struct pad {
    nn_pad pad;
    double value;
} pad;

static const nn_attr attrs[] = {
    {"pad", NN_PAD, offsetof(pad, pad), NULL, 0, 4096, "rows and columns put around", false},
    {"value", NN_REAL, offsetof(pad, value), "0", -1e30, 1e30, "what they hold", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const nn_pad *p = &((const pad *)n->attrs)->pad;
    BASE_TRY(nn_need_dims(n, 0, 3, err));
    if (p->kind != NN_EXPLICIT) {
        nn_op_fail(n, err, "pad=%s is of a window, and there is none",
                   p->kind == NN_SAME ? "same" : "valid");
        return base_hint(err, "pad takes top,bottom,left,right");
    }
    n->shape = n->in[0]->shape;
    n->shape.d[0] += p->p[0] + p->p[1];
    n->shape.d[1] += p->p[2] + p->p[3];
    return BASE_OK;
}

/* Where x lies in one sample of y: its rows are the pieces. */
static nn_run run_of(const nn_node *n)
{
    const int *p = ((const pad *)n->attrs)->pad.p, *in = n->in[0]->shape.d;
    ptrdiff_t channels = in[2], row = n->shape.d[1] * channels;
    return (nn_run){in[0], in[1] * channels, p[0] * row + p[2] * channels, row};
}

static void forward(const nn_node *n, const nn_args *a)
{
    int64_t in = nn_count(n->in[0]->shape), out = nn_count(n->shape);
    nn_real value = (nn_real)((const pad *)n->attrs)->value;
    for (int64_t i = 0; i < a->batch * out; i++) a->y[i] = value;
    for (int b = 0; b < a->batch; b++) nn_run_write(run_of(n), a->x[0] + b * in, a->y + b * out);
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t in = nn_count(n->in[0]->shape), out = nn_count(n->shape);
    for (int b = 0; a->dx[0] && b < a->batch; b++)
        nn_run_read_add(run_of(n), a->dy + b * out, a->dx[0] + b * in);
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_pad_t, n),      NN_Q8_INT_OF(sotto_pad_t, value),
    NN_Q8_INT_OF(sotto_pad_t, pieces), NN_Q8_INT_OF(sotto_pad_t, run),
    NN_Q8_INT_OF(sotto_pad_t, begin),  NN_Q8_INT_OF(sotto_pad_t, step),
    NN_Q8_INT_OF(sotto_pad_t, lo),     NN_Q8_INT_OF(sotto_pad_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_pad(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_pad",
    .header = "pad.h",
    .n_in = 1,
    .size = sizeof(sotto_pad_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

/* A value beyond the range of x is the end of it. */
static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_pad_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const nn_run r = run_of(n);
    const int8_t value = nn_q8_value(c->out, ((const pad *)n->attrs)->value);
    *p = (sotto_pad_t){.n = (int32_t)nn_count(n->shape),
                       .value = sotto_clamp_i8(value, c->lo, c->hi),
                       .pieces = (int32_t)r.pieces,
                       .run = (int32_t)r.n,
                       .begin = (int32_t)r.at,
                       .step = (int32_t)r.step,
                       .lo = c->lo,
                       .hi = c->hi};
    return BASE_OK;
}

NN_CASES("x = input 5x4x3; y = pad(x) pad=1,2,3,0",
         "x = input 5x4x3; y = pad(x) pad=0,0,0,2 value=-1.5",
         "x = input 6x1x4; y = pad(x) pad=8,0,0,0",
         "x = input 3x2x1; y = pad(x) pad=0,0,0,0 value=7",
         "x = input 3x2x1; y = pad(x) pad=0,3,0,1");

const nn_op nn_op_pad = {
    .name = "pad",
    .summary = "rows and columns of one value around a map",
    .n_in = 1,
    .flags = NN_SAME_QUANT,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(pad),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
