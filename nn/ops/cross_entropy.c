/* cross_entropy: x [K] logits, t [K] target distribution, w [K] class weights (may be left out:
 * ones) -> y [1]
 *
 *   q = (1 - smoothing) t + smoothing / K        (Szegedy et al., arXiv 1512.00567)
 *   y = -sum_k w_k q_k ls_k,  ls = log softmax(x)
 *   dx = (sum w q) softmax(x) - w q,  dt = -(1 - smoothing) w ls,  dw = -q ls
 */
#include "nn/loss.h"

typedef struct cross_entropy {
    double smoothing;
} cross_entropy;

static const nn_attr attrs[] = {
    {"smoothing", NN_REAL, offsetof(cross_entropy, smoothing), "0", 0, 1, "label smoothing", false},
};

static size_t saved(const nn_node *n, int batch) /* log softmax */
{
    return (size_t)(batch * nn_count(n->in[0]->shape));
}

/* Class weight of element i of the batch. */
static double weight(const nn_node *n, const nn_args *a, ptrdiff_t i)
{
    return n->n_in > 2 ? (double)a->x[2][i] : 1;
}

static void forward(const nn_node *n, const nn_args *a)
{
    const cross_entropy *p = n->attrs;
    int k = n->in[0]->shape.d[0];
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t first = (ptrdiff_t)b * k;
        nn_softmax s = nn_softmax_of(a->x[0] + first, k, 1);
        double loss = 0;
        for (ptrdiff_t i = first; i < first + k; i++) {
            double ls = nn_log_softmax(&s, a->x[0][i]);
            loss -= weight(n, a, i) * nn_smoothed(p->smoothing, a->x[1][i], k) * ls;
            if (a->training) a->saved[i] = (nn_real)ls;
        }
        a->y[b] = (nn_real)loss;
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    const cross_entropy *p = n->attrs;
    int k = n->in[0]->shape.d[0];
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t first = (ptrdiff_t)b * k;
        double total = 0, dy = (double)a->dy[b];
        for (ptrdiff_t i = first; i < first + k; i++)
            total += weight(n, a, i) * nn_smoothed(p->smoothing, a->x[1][i], k);
        for (ptrdiff_t i = first; i < first + k; i++) {
            double q = nn_smoothed(p->smoothing, a->x[1][i], k), w = weight(n, a, i);
            double ls = (double)a->saved[i];
            if (a->dx[0]) a->dx[0][i] += (nn_real)(dy * (total * exp(ls) - w * q));
            if (a->dx[1]) a->dx[1][i] -= (nn_real)(dy * (1 - p->smoothing) * w * ls);
            if (n->n_in > 2 && a->dx[2]) a->dx[2][i] -= (nn_real)(dy * q * ls);
        }
    }
}

NN_CASES("x = input 10; t = input 10; y = cross_entropy(x, t)",
         "x = input 12; t = input 12; y = cross_entropy(x, t) smoothing=0.1",
         "x = input 10; t = input 10; w = input 10; y = cross_entropy(x, t, w)",
         "x = input 7; t = input 7; w = input 7; y = cross_entropy(x, t, w) smoothing=0.2");

const nn_op nn_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "softmax cross-entropy with label smoothing and class weights",
    .n_in = 2,
    .n_in_most = 3,
    .flags = NN_LOSS | NN_KEEP_X, /* of x: the target and the weights */
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(cross_entropy),
    .shape = nn_logits_shape,
    .saved = saved,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
