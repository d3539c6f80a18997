/* matmul: a [.., M, K], b [.., K, N] -> y [.., M, N], y = scale a b for each index of the leading
 * axes, which are equal. With transpose=yes b is [.., N, K] and y = scale a b^T.
 *
 *   da = scale dy b^T, db = scale a^T dy;  with transpose=yes da = scale dy b, db = scale dy^T a
 */
#include "quantize/runtime/matmul.h"
#include "nn/blas.h"
#include "nn/lower.h"

#include <math.h>

typedef struct matmul {
    bool transpose;
    double scale;
} matmul;

static const nn_attr attrs[] = {
    {"transpose", NN_YESNO, offsetof(matmul, transpose), "no", 0, 0,
     "the second input lies on its side", false},
    {"scale", NN_REAL, offsetof(matmul, scale), "1", -1e6, 1e6, "factor of the product", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    char s[64], t[64];
    bool transpose = ((const matmul *)n->attrs)->transpose;
    nn_shape a = n->in[0]->shape, b = n->in[1]->shape;
    bool fit = a.n >= 2 && a.n == b.n;
    for (int i = 0; fit && i < a.n - 2; i++) fit = a.d[i] == b.d[i];
    if (!fit || a.d[a.n - 1] != b.d[transpose ? b.n - 1 : b.n - 2])
        return nn_op_fail(n, err, "'%s' of %s times '%s' of %s%s is not possible", n->in[0]->name,
                          nn_shape_text(a, s), n->in[1]->name, nn_shape_text(b, t),
                          transpose ? " transposed" : "");
    n->shape = a;
    n->shape.d[a.n - 1] = b.d[transpose ? b.n - 2 : b.n - 1];
    return BASE_OK;
}

/* The matrices of one leading index. */
typedef struct product {
    int m, n, k, ldb;
    int64_t count; /* leading indices of a sample */
    bool transpose;
    nn_real scale;
} product;

static product product_of(const nn_node *n)
{
    const matmul *p = n->attrs;
    nn_shape a = n->in[0]->shape, y = n->shape;
    product s = {
        .m = a.d[a.n - 2], .n = y.d[y.n - 1], .k = a.d[a.n - 1], .transpose = p->transpose};
    s.ldb = s.transpose ? s.k : s.n;
    s.count = nn_count(y) / s.m / s.n;
    s.scale = (nn_real)p->scale;
    return s;
}

/* dy of one leading index, scaled. */
static size_t scratch(const nn_node *n, int batch)
{
    (void)batch;
    product s = product_of(n);
    return (size_t)s.m * (size_t)s.n;
}

static void forward(const nn_node *n, const nn_args *a)
{
    product s = product_of(n);
    ptrdiff_t mk = (ptrdiff_t)s.m * s.k, kn = (ptrdiff_t)s.k * s.n, mn = (ptrdiff_t)s.m * s.n;
    for (int64_t i = 0; i < a->batch * s.count; i++) {
        nn_real *y = a->y + i * mn;
        nn_gemm(false, s.transpose, s.m, s.n, s.k, a->x[0] + i * mk, s.k, a->x[1] + i * kn, s.ldb,
                0, y, s.n);
        for (ptrdiff_t j = 0; j < mn; j++) y[j] *= s.scale;
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    product s = product_of(n);
    ptrdiff_t mk = (ptrdiff_t)s.m * s.k, kn = (ptrdiff_t)s.k * s.n, mn = (ptrdiff_t)s.m * s.n;
    nn_real *dy = a->scratch;
    for (int64_t i = 0; i < a->batch * s.count; i++) {
        const nn_real *x0 = a->x[0] + i * mk, *x1 = a->x[1] + i * kn;
        for (ptrdiff_t j = 0; j < mn; j++) dy[j] = s.scale * a->dy[i * mn + j];
        if (a->dx[0])
            nn_gemm(false, !s.transpose, s.m, s.k, s.n, dy, s.n, x1, s.ldb, 1, a->dx[0] + i * mk,
                    s.k);
        if (a->dx[1] && s.transpose)
            nn_gemm(true, false, s.n, s.k, s.m, dy, s.n, x0, s.k, 1, a->dx[1] + i * kn, s.k);
        else if (a->dx[1])
            nn_gemm(true, false, s.k, s.n, s.m, x0, s.k, dy, s.n, 1, a->dx[1] + i * kn, s.n);
    }
}

static void cost(const nn_node *n, nn_cost *c)
{
    c->macs = nn_count(n->shape) * product_of(n).k;
}

static const nn_q8_field fields[] = {
    NN_Q8_INT_OF(sotto_matmul_t, count),    NN_Q8_INT_OF(sotto_matmul_t, m),
    NN_Q8_INT_OF(sotto_matmul_t, n),        NN_Q8_INT_OF(sotto_matmul_t, k),
    NN_Q8_INT_OF(sotto_matmul_t, b_row),    NN_Q8_INT_OF(sotto_matmul_t, b_col),
    NN_Q8_INT_OF(sotto_matmul_t, a_zero),   NN_Q8_INT_OF(sotto_matmul_t, b_zero),
    NN_Q8_INT_OF(sotto_matmul_t, out_zero), NN_Q8_INT_OF(sotto_matmul_t, multiplier),
    NN_Q8_INT_OF(sotto_matmul_t, shift),    NN_Q8_INT_OF(sotto_matmul_t, lo),
    NN_Q8_INT_OF(sotto_matmul_t, hi),       NN_Q8_INT_OF(sotto_matmul_t, single),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_matmul(p, x[0], x[1], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_matmul",
    .header = "matmul.h",
    .n_in = 2,
    .size = sizeof(sotto_matmul_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_matmul_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const double scale = ((const matmul *)n->attrs)->scale;
    const double factor = c->in[0].scale * c->in[1].scale * fabs(scale) / c->out.scale;
    const product s = product_of(n);
    *p = (sotto_matmul_t){.count = (int32_t)s.count,
                          .m = s.m,
                          .n = s.n,
                          .k = s.k,
                          .b_row = s.transpose ? 1 : s.n,
                          .b_col = s.transpose ? s.k : 1,
                          .a_zero = c->in[0].zero,
                          .b_zero = c->in[1].zero,
                          .out_zero = c->out.zero,
                          .lo = c->lo,
                          .hi = c->hi,
                          .single = c->single};
    /* sums, and what a shift to the left makes of them, stay within 31 bits */
    if (!(65025.0 * s.k * fmax(1, 2 * factor) < 2147483648.0) ||
        !nn_q8_multiplier(factor, &p->multiplier, &p->shift))
        return nn_op_fail(n, err, "cannot be requantized: %d products, scales %g * %g * %g / %g",
                          s.k, c->in[0].scale, c->in[1].scale, scale, c->out.scale);
    if (scale < 0) p->multiplier = -p->multiplier;
    return BASE_OK;
}

NN_CASES("x = input 5x4; z = input 4x6; y = matmul(x, z)",
         "x = input 5x4; z = input 6x4; y = matmul(x, z) transpose=yes scale=0.35",
         "x = input 3x5x4; z = input 3x4x7; y = matmul(x, z) scale=-2",
         "x = input 3x5x4; z = input 3x7x4; y = matmul(x, z) transpose=yes",
         "x = input 2x3x2x5; z = input 2x3x5x4; y = matmul(x, z)",
         "x = input 2x3x4x5; z = input 2x3x1x5; y = matmul(x, z) transpose=yes",
         "x = input 2x4x4; y = matmul(x, x)", "x = input 1x6; z = input 6x1; y = matmul(x, z)",
         "x = input 2x19x33; z = input 2x33x21; y = matmul(x, z)");

const nn_op nn_op_matmul = {
    .name = "matmul",
    .summary = "matrix product of two tensors",
    .n_in = 2,
    .flags = NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(matmul),
    .shape = shape,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
    .cost = cost,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
