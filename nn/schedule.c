/* Learning-rate schedules: see nn/nn.h. Cosine is half a period (Loshchilov and Hutter, arXiv
 * 1608.03983). Polynomial with a hold is MatchboxNet's (Majumdar and Ginsburg, arXiv 2004.08531).
 */
#include "nn/nn.h"

#include <math.h>

double nn_schedule_lr(const nn_schedule *s, double epoch)
{
    if (epoch < s->warmup) return s->lr * epoch / s->warmup;
    double start = s->warmup + s->hold, span = s->total - start;
    double at = span > 0 ? (epoch - start) / span : 1, fall = s->lr - s->final_lr;
    at = fmin(fmax(at, 0), 1);
    switch (s->kind) {
    case NN_CONSTANT: return s->lr;
    case NN_STEPS: return s->lr * pow(s->step_factor, floor(epoch / s->step_epochs));
    case NN_EXPONENTIAL: return at < 1 ? s->lr * pow(s->final_lr / s->lr, at) : s->final_lr;
    case NN_COSINE: return s->final_lr + fall * 0.5 * (1 + cos(3.141592653589793 * at));
    case NN_PLATEAU:
        return fmax(s->final_lr, s->lr * pow(s->step_factor, (double)s->plateau.reductions));
    case NN_POLYNOMIAL: return s->final_lr + fall * pow(1 - at, s->power);
    }
    return s->lr;
}

/* During warm-up nothing is counted: the rate that would be too high has not been reached. */
void nn_schedule_observe(nn_schedule *s, double epoch, double loss)
{
    nn_plateau *p = &s->plateau;
    if (s->kind != NN_PLATEAU) return;
    if (loss < p->best - s->delta) {
        p->best = loss;
        p->waited = 0;
    } else if (epoch > s->warmup && ++p->waited >= s->patience) {
        p->reductions++;
        p->waited = 0;
    }
}
