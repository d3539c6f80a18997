/* weight_scale: what a channel's weights are rounded to; for lowering and simulation alike. */
#include "nn/op.h"

#include <math.h>

enum { PARTS = 48, LEAST = 16 }; /* scales looked at: LEAST .. PARTS PARTS-ths of the largest */

static int most_of(int bits)
{
    return bits == 4 ? 7 : 127;
}

int nn_q8_weight(double w, double scale, int bits)
{
    const double most = most_of(bits);
    return (int)fmax(-most, fmin(most, round(w / scale)));
}

/* The sum of squares of what rounding leaves, or `enough` and more. Products are fused on every
 * machine, so that all choose the same scale. */
static double error_of(const nn_real *w, size_t n, size_t step, double scale, double enough)
{
    double sum = 0;
    for (size_t i = 0; i < n && sum < enough; i++) {
        const double v = (double)w[i * step], q = fmax(-7.0, fmin(7.0, round(v / scale)));
        const double rest = fma(-q, scale, v);
        sum = fma(rest, rest, sum);
    }
    return sum;
}

double nn_q8_weight_scale(const nn_real *w, size_t n, size_t step, int bits)
{
    double largest = 0, best = 0, least = HUGE_VAL;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)w[i * step]));
    if (bits != 4 || !((double)(float)(largest / 7 / PARTS) > 0)) return largest / most_of(bits);
    for (int k = PARTS; k >= LEAST; k--) {
        const double scale = (double)(float)(largest / 7 * k / PARTS);
        const double error = error_of(w, n, step, scale, least);
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}
