/* Learning-rate schedules: see nn/nn.h. Cosine is half a period (Loshchilov and Hutter, arXiv
 * 1608.03983). */
#include "nn/nn.h"

#include <math.h>

double nn_schedule_lr(const nn_schedule *s, double epoch)
{
    if (epoch < s->warmup) return s->lr * epoch / s->warmup;
    double span = s->total - s->warmup, at = span > 0 ? (epoch - s->warmup) / span : 1;
    if (at > 1) at = 1;
    switch (s->kind) {
    case NN_CONSTANT: return s->lr;
    case NN_STEPS: return s->lr * pow(s->step_factor, floor(epoch / s->step_epochs));
    case NN_EXPONENTIAL: return s->lr * pow(s->final_lr / s->lr, at);
    case NN_COSINE:
        return s->final_lr + (s->lr - s->final_lr) * 0.5 * (1 + cos(3.141592653589793 * at));
    }
    return s->lr;
}
