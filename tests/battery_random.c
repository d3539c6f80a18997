/* Checks of operators that draw random numbers in training: a mask (they have a rate) or noise
 * (they have a sigma). */
#include "tests/battery.h"

#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool has(const nn_node *n, const char *key)
{
    base_str text = {0};
    bool yes = nn_attr_get(n, key, &text);
    base_str_free(&text);
    return yes;
}

/* ---- what was drawn ---- */

/* For each element what the operator did to it: noise in units of sigma, or 0 (dropped) or 1. */
static void drawn(const rig *r, double *draw)
{
    double sigma = has(r->n, "sigma") ? oracle_real(r->n, "sigma") : 0;
    for (size_t i = 0; i < r->ny; i++) {
        double y = (double)r->a.y[i];
        draw[i] = !has(r->n, "sigma") ? y != 0 : sigma > 0 ? (y - r->x[0][i]) / sigma : 0;
    }
}

static bool alike(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabs(a[i] - b[i]) > 0.01) return false;
    return true;
}

/* Runs once more and wants other draws than `first`. */
static void must_differ(rig *r, const double *first, const char *what, base_str *why)
{
    double *again = malloc(r->ny * sizeof *again);
    rig_forward(r);
    drawn(r, again);
    if (alike(first, again, r->ny)) base_str_add(why, "two %s draw the same\n", what);
    free(again);
}

/* Same (seed, step, sample): same draws. Another seed or step, or another sample: other draws;
 * asked only where `varies`, that is, where they cannot be the same by chance. */
static void check_pure(rig *r, bool varies, base_str *why)
{
    size_t sample = r->ny / (size_t)r->batch;
    nn_real *y = malloc(r->ny * sizeof *y);
    double *first = malloc(r->ny * sizeof *first);
    memcpy(y, r->a.y, r->ny * sizeof *y);
    drawn(r, first);
    rig_forward(r);
    battery_same("y again", r->a.y, y, r->ny, why);
    if (varies) {
        if (alike(first, first + sample, sample)) base_str_add(why, "two samples draw the same\n");
        r->a.step++;
        must_differ(r, first, "steps", why);
        r->a.step--;
        r->a.seed++;
        must_differ(r, first, "seeds", why);
        r->a.seed--;
        rig_forward(r);
    }
    free(first);
    free(y);
}

/* ---- masks ---- */

/* Share of kept elements; every element is either 0 or x / (1 - rate). */
static double kept(rig *r, double rate, base_str *why)
{
    size_t n = 0;
    for (size_t i = 0; i < r->ny; i++) {
        double y = (double)r->a.y[i], scaled = r->x[0][i] / (1 - rate);
        if (y == 0) continue;
        n++;
        if (!(fabs(y - scaled) <= BATTERY_FORWARD_TOL * fabs(scaled))) {
            base_str_add(why, "mask: x %g became %g, not 0 or %g\n", r->x[0][i], y, scaled);
            break;
        }
    }
    return (double)n / (double)r->ny;
}

/* The gradient passes where the value passed, with the same factor. */
static void check_mask_gradient(rig *r, base_str *why)
{
    double *expected = calloc(r->ny, sizeof *expected);
    for (size_t i = 0; i < r->ny; i++) expected[i] = (double)r->a.y[i] / r->x[0][i] * r->dy[i];
    rig_zero_grads(r);
    rig_backward(r);
    battery_compare("dx under a mask", r->a.dx[0], expected, r->ny, BATTERY_FORWARD_TOL, why);
    free(expected);
}

/* Whole channels are dropped: what happens to one position happens to all of the sample. */
static void check_channels(const rig *r, base_str *why)
{
    size_t sample = r->ny / (size_t)r->batch, channels = (size_t)r->n->shape.d[r->n->shape.n - 1];
    for (size_t i = 0; i < r->ny; i++) {
        size_t first = i / sample * sample + i % channels;
        if ((r->a.y[i] == 0) == (r->a.y[first] == 0)) continue;
        base_str_add(why, "mask: part of a channel is dropped\n");
        return;
    }
}

/* together: values that one draw decides about. */
static void check_sum(const rig *r, double rate, double together, base_str *why)
{
    double sum = 0, expected = 0, squares = 0;
    for (size_t i = 0; i < r->ny; i++) {
        sum += (double)r->a.y[i];
        expected += r->x[0][i];
        squares += r->x[0][i] * r->x[0][i];
    }
    double spread = sqrt(squares * together * rate / (1 - rate));
    if (fabs(sum - expected) > 5 * spread + 1e-3 * fabs(expected))
        base_str_add(why, "mask: sum %g became %g\n", expected, sum);
}

static void check_mask(rig *r, base_str *why)
{
    double rate = oracle_real(r->n, "rate"), values = (double)nn_count(r->n->shape);
    bool channels = oracle_yes(r->n, "channels");
    double draws = channels ? r->n->shape.d[r->n->shape.n - 1] : values;
    rig_forward(r);
    double share = kept(r, rate, why);
    double sigma = sqrt(rate * (1 - rate) * values / draws / (double)r->ny);
    if (fabs(share - (1 - rate)) > 5 * sigma + 1e-12)
        base_str_add(why, "mask: %g kept, expected %g +- %g\n", share, 1 - rate, sigma);
    check_sum(r, rate, values / draws, why);
    if (channels) check_channels(r, why);
    check_pure(r, rate > 0 && pow(rate * rate + (1 - rate) * (1 - rate), draws) < 1e-5, why);
    check_mask_gradient(r, why);
}

/* ---- noise ---- */

static void check_moment(const char *what, double is, double expected, double spread, base_str *why)
{
    if (!(fabs(is - expected) <= 5 * spread + 1e-4))
        base_str_add(why, "noise: %s is %g, expected %g +- %g\n", what, is, expected, spread);
}

/* Mean, variance and the share within one sigma are those of the normal distribution. */
static void check_normal(const rig *r, base_str *why)
{
    double *z = malloc(r->ny * sizeof *z), n = (double)r->ny, sum = 0, squares = 0, inside = 0;
    const double share = erf(sqrt(0.5));
    drawn(r, z);
    for (size_t i = 0; i < r->ny; i++) {
        sum += z[i];
        squares += z[i] * z[i];
        inside += fabs(z[i]) < 1;
    }
    check_moment("mean / sigma", sum / n, 0, 1 / sqrt(n), why);
    check_moment("variance / sigma^2", squares / n, 1, sqrt(2 / n), why);
    check_moment("share within sigma", inside / n, share, sqrt(share * (1 - share) / n), why);
    free(z);
}

/* The gradient passes as it is. */
static void check_noise_gradient(rig *r, base_str *why)
{
    rig_zero_grads(r);
    rig_backward(r);
    battery_same("dx under noise", r->a.dx[0], r->a.dy, r->ny, why);
}

static void check_noise(rig *r, base_str *why)
{
    bool noisy = oracle_real(r->n, "sigma") > 0;
    rig_forward(r);
    if (noisy)
        check_normal(r, why);
    else
        battery_compare("y without noise", r->a.y, r->x[0], r->ny, 0, why);
    check_pure(r, noisy, why);
    check_noise_gradient(r, why);
}

/* For operators that are the identity in evaluation. */
void battery_random(const battery_case *c, base_str *why)
{
    enum { MANY = 400 };
    rig r;
    if (!rig_open(&r, c, MANY, true, why)) return;
    if (oracle_find(r.n->op->name)->random) (has(r.n, "sigma") ? check_noise : check_mask)(&r, why);
    rig_close(&r);
}
