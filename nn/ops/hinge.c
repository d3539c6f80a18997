/* hinge: x scores, t targets of the same shape, 1 for what is meant and 0 for the rest -> y [1]
 *
 *   s = 2 t - 1,  m_k = margin - s_k x_k
 *   y = sum_k max(0, m_k), with squared sum_k max(0, m_k)^2
 *   g_k = 1 where m_k > 0, else 0; with squared 2 max(0, m_k);  dx = -s g,  dt = -2 x g
 *
 * Each class against the rest: on a dense layer, with weight decay, the linear support vector
 * machine (Cortes and Vapnik, Machine Learning 20, 1995); squared it is the L2-SVM on top of a
 * network (Tang, arXiv 1306.0239).
 */
#include "nn/loss.h"

typedef struct hinge {
    double margin;
    bool squared;
} hinge;

static const nn_attr attrs[] = {
    {"margin", NN_REAL, offsetof(hinge, margin), "1", 0, 1e6, "how far apart scores shall be",
     false},
    {"squared", NN_YESNO, offsetof(hinge, squared), "no", 0, 0, "square what falls short", false},
};

/* max(0, m) of element i, and its sign s */
static double shortfall(const hinge *p, const nn_args *a, ptrdiff_t i, double *s)
{
    *s = 2 * (double)a->x[1][i] - 1;
    double m = p->margin - *s * (double)a->x[0][i];
    return m <= 0 ? 0 : m; /* a NaN stays one */
}

static void forward(const nn_node *n, const nn_args *a)
{
    const hinge *p = n->attrs;
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t b = 0; b < a->batch; b++) {
        double sum = 0, s;
        for (ptrdiff_t i = b * k; i < (b + 1) * k; i++) {
            double m = shortfall(p, a, i, &s);
            sum += p->squared ? m * m : m;
        }
        a->y[b] = (nn_real)sum;
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    const hinge *p = n->attrs;
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t i = 0; i < a->batch * k; i++) {
        double s, m = shortfall(p, a, i, &s);
        if (m == 0) continue;
        double g = (double)a->dy[i / k] * (p->squared ? 2 * m : isnan(m) ? m : 1);
        if (a->dx[0]) a->dx[0][i] -= (nn_real)(s * g);
        if (a->dx[1]) a->dx[1][i] -= (nn_real)(2 * (double)a->x[0][i] * g);
    }
}

NN_CASES("x = input 10; t = input 10; y = hinge(x, t)",
         "x = input 12; t = input 12; y = hinge(x, t) squared=yes",
         "x = input 4x3x2; t = input 4x3x2; y = hinge(x, t) margin=2",
         "x = input 5; t = input 5; y = hinge(x, t) margin=2 squared=yes");

const nn_op nn_op_hinge = {
    .name = "hinge",
    .summary = "hinge loss of each class against the rest, plain or squared",
    .n_in = 2,
    .flags = NN_LOSS | NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(hinge),
    .shape = nn_loss_shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
