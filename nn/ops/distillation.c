/* distillation: x [K] logits, t [K] target distribution, z [K] logits of a teacher -> y [1]
 *
 *   p = softmax(z / T),  r = softmax(x / T),  KL = sum_k p_k (log p_k - log r_k)
 *   q = (1 - smoothing) t + smoothing / K,  ls = log softmax(x)
 *   y = alpha T^2 KL - (1 - alpha) sum_k q_k ls_k
 *   dx = alpha T (r - p) + (1 - alpha) ((sum q) softmax(x) - q)
 *   dt = -(1 - alpha) (1 - smoothing) ls
 *   dz = alpha T p (log p - log r - KL)
 *
 * Hinton, Vinyals and Dean, arXiv 1503.02531. T^2 keeps the two gradients of one size.
 */
#include "nn/loss.h"

typedef struct distillation {
    double alpha, temperature, smoothing;
} distillation;

static const nn_attr attrs[] = {
    {"alpha", NN_REAL, offsetof(distillation, alpha), "0.5", 0, 1, "share of the teacher", false},
    {"temperature", NN_REAL, offsetof(distillation, temperature), "4", 0.01, 1000,
     "T: how soft both are made", false},
    {"smoothing", NN_REAL, offsetof(distillation, smoothing), "0", 0, 1,
     "label smoothing of the target", false},
};

/* One sample. */
typedef struct sample {
    nn_softmax hard, soft, teacher; /* of x, x / T and z / T */
    double kl;
} sample;

static sample sample_of(const distillation *p, const nn_args *a, ptrdiff_t first, int k)
{
    const nn_real *x = a->x[0] + first, *z = a->x[2] + first;
    sample s = {.hard = nn_softmax_of(x, k, 1),
                .soft = nn_softmax_of(x, k, p->temperature),
                .teacher = nn_softmax_of(z, k, p->temperature)};
    for (int i = 0; i < k; i++) {
        double lp = nn_log_softmax(&s.teacher, z[i]);
        s.kl += exp(lp) * (lp - nn_log_softmax(&s.soft, x[i]));
    }
    return s;
}

static void forward(const nn_node *n, const nn_args *a)
{
    const distillation *p = n->attrs;
    int k = n->in[0]->shape.d[0];
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t first = (ptrdiff_t)b * k;
        sample s = sample_of(p, a, first, k);
        double hard = 0;
        for (ptrdiff_t i = first; i < first + k; i++)
            hard -= nn_smoothed(p->smoothing, a->x[1][i], k) * nn_log_softmax(&s.hard, a->x[0][i]);
        double soft = p->temperature * p->temperature * s.kl;
        a->y[b] = (nn_real)(p->alpha * soft + (1 - p->alpha) * hard);
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    const distillation *p = n->attrs;
    int k = n->in[0]->shape.d[0];
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t first = (ptrdiff_t)b * k;
        sample s = sample_of(p, a, first, k);
        double dy = (double)a->dy[b], total = 0;
        double soft = dy * p->alpha * p->temperature, hard = dy * (1 - p->alpha);
        for (ptrdiff_t i = first; i < first + k; i++)
            total += nn_smoothed(p->smoothing, a->x[1][i], k);
        for (ptrdiff_t i = first; i < first + k; i++) {
            double ls = nn_log_softmax(&s.hard, a->x[0][i]);
            double lr = nn_log_softmax(&s.soft, a->x[0][i]);
            double lp = nn_log_softmax(&s.teacher, a->x[2][i]);
            double q = nn_smoothed(p->smoothing, a->x[1][i], k);
            if (a->dx[0])
                a->dx[0][i] += (nn_real)(soft * (exp(lr) - exp(lp)) + hard * (total * exp(ls) - q));
            if (a->dx[1]) a->dx[1][i] -= (nn_real)(hard * (1 - p->smoothing) * ls);
            if (a->dx[2]) a->dx[2][i] += (nn_real)(soft * exp(lp) * (lp - lr - s.kl));
        }
    }
}

NN_CASES("x = input 10; t = input 10; z = input 10; y = distillation(x, t, z)",
         "x = input 12; t = input 12; z = input 12; "
         "y = distillation(x, t, z) alpha=0.9 temperature=2 smoothing=0.1",
         "x = input 5; t = input 5; z = input 5; y = distillation(x, t, z) alpha=1 temperature=1",
         "x = input 5; t = input 5; z = input 5; y = distillation(x, t, z) alpha=0");

const nn_op nn_op_distillation = {
    .name = "distillation",
    .summary = "distance from a teacher's softened outputs, mixed with cross-entropy",
    .n_in = 3,
    .flags = NN_LOSS | NN_KEEP_X,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(distillation),
    .shape = nn_logits_shape,
    .forward = forward,
    .backward = backward,
    .cases = cases,
    .n_cases = N_CASES,
};
