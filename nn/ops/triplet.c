/* triplet: a anchor, p positive (of the anchor's class), n negative (of another) -> y [1]; all of
 * one shape
 *
 *   y = max(0, |a - p|^2 - |a - n|^2 + margin)       (Schroff et al., arXiv 1503.03832)
 *   where y > 0: da = 2 (n - p),  dp = 2 (p - a),  dn = 2 (a - n); else 0
 */
#include "nn/loss.h"

typedef struct triplet {
    double margin;
} triplet;

static const nn_attr attrs[] = {
    {"margin", NN_REAL, offsetof(triplet, margin), "0.2", 0, 1e6,
     "how much nearer the positive shall be, in squared distance", false},
};

static void forward(const nn_node *n, const nn_args *a)
{
    const triplet *t = n->attrs;
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t b = 0; b < a->batch; b++) {
        double sum = t->margin;
        for (ptrdiff_t i = b * k; i < (b + 1) * k; i++) {
            double near = (double)a->x[0][i] - (double)a->x[1][i];
            double far = (double)a->x[0][i] - (double)a->x[2][i];
            sum += near * near - far * far;
        }
        a->y[b] = (nn_real)(sum <= 0 ? 0 : sum); /* a NaN stays one */
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    ptrdiff_t k = (ptrdiff_t)nn_count(n->in[0]->shape);
    for (ptrdiff_t i = 0; i < a->batch * k; i++) {
        if (a->y[i / k] == 0) continue;
        nn_real anchor = a->x[0][i], positive = a->x[1][i], negative = a->x[2][i];
        nn_real dy = 2 * a->dy[i / k];
        if (a->dx[0]) a->dx[0][i] += dy * (negative - positive);
        if (a->dx[1]) a->dx[1][i] += dy * (positive - anchor);
        if (a->dx[2]) a->dx[2][i] += dy * (anchor - negative);
    }
}

NN_CASES("a = input 8; p = input 8; n = input 8; y = triplet(a, p, n)",
         "a = input 3x2x2; p = input 3x2x2; n = input 3x2x2; y = triplet(a, p, n) margin=50",
         "a = input 16; p = input 16; n = input 16; y = triplet(a, p, n) margin=1000");

const nn_op nn_op_triplet = {
    .name = "triplet",
    .summary = "an anchor nearer to its like than to others, by squared distance",
    .n_in = 3,
    .flags = NN_LOSS | NN_KEEP_X | NN_KEEP_Y,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(triplet),
    .shape = nn_loss_shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
