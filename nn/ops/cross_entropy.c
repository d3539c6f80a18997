/* cross_entropy: x [K] logits, t [K] target distribution -> y [1]
 *
 *   q = (1 - smoothing) t + smoothing / K        (Szegedy et al., arXiv 1512.00567)
 *   y = -sum_k q_k ls_k,  ls = log softmax(x)
 *   dx = (sum q) softmax(x) - q,  dt = -(1 - smoothing) ls
 */
#include "nn/op.h"

#include <math.h>

typedef struct cross_entropy {
    double smoothing;
} cross_entropy;

static const nn_attr attrs[] = {
    {"smoothing", NN_REAL, offsetof(cross_entropy, smoothing), "0", 0, 1, "label smoothing", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    char a[64], b[64];
    BASE_TRY(nn_need_dims(n, 0, 1, err));
    if (!nn_same_shape(n->in[0]->shape, n->in[1]->shape))
        return nn_op_fail(n, err, "logits '%s' are %s, target '%s' is %s", n->in[0]->name,
                          nn_shape_text(n->in[0]->shape, a), n->in[1]->name,
                          nn_shape_text(n->in[1]->shape, b));
    n->shape = (nn_shape){1, {1}};
    return BASE_OK;
}

static size_t saved(const nn_node *n, int batch) /* log softmax */
{
    return (size_t)(batch * nn_count(n->in[0]->shape));
}

/* top: the largest of x; returns log sum_i exp(x_i - top), so that ls_i = x_i - top - that. */
static nn_real log_sum(const nn_real *x, int k, nn_real *top)
{
    double sum = 0;
    *top = x[0];
    for (int i = 1; i < k; i++)
        if (!(x[i] <= *top)) *top = x[i]; /* also when x[i] is NaN: it must reach the loss */
    for (int i = 0; i < k; i++) sum += exp((double)(x[i] - *top));
    return (nn_real)log(sum);
}

static double smoothed(const nn_node *n, nn_real t)
{
    const cross_entropy *p = n->attrs;
    return (1 - p->smoothing) * (double)t + p->smoothing / n->in[0]->shape.d[0];
}

static void forward(const nn_node *n, const nn_args *a)
{
    int k = n->in[0]->shape.d[0];
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t at = (ptrdiff_t)b * k;
        nn_real top, sum = log_sum(a->x[0] + at, k, &top);
        double loss = 0;
        for (int i = 0; i < k; i++) {
            nn_real ls = a->x[0][at + i] - top - sum;
            loss -= smoothed(n, a->x[1][at + i]) * (double)ls;
            if (a->training) a->saved[at + i] = ls;
        }
        a->y[b] = (nn_real)loss;
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    const cross_entropy *p = n->attrs;
    int k = n->in[0]->shape.d[0];
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t at = (ptrdiff_t)b * k;
        const nn_real *t = a->x[1] + at, *ls = a->saved + at;
        double total = 0, dy = (double)a->dy[b];
        for (int i = 0; i < k; i++) total += smoothed(n, t[i]);
        for (int i = 0; i < k; i++) {
            double q = smoothed(n, t[i]);
            if (a->dx[0]) a->dx[0][at + i] += (nn_real)(dy * (total * exp((double)ls[i]) - q));
            if (a->dx[1]) a->dx[1][at + i] -= (nn_real)(dy * (1 - p->smoothing) * (double)ls[i]);
        }
    }
}

NN_CASES("x = input 10; t = input 10; y = cross_entropy(x, t)",
         "x = input 12; t = input 12; y = cross_entropy(x, t) smoothing=0.1");

const nn_op nn_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "softmax cross-entropy with label smoothing",
    .n_in = 2,
    .flags = NN_LOSS | NN_KEEP_X, /* of x: the target */
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(cross_entropy),
    .shape = shape,
    .saved = saved,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
