/* Checks of forward: against the oracle, NaN, in place, batch against singles. */
#include "tests/battery.h"

#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3 };

/* Dropout and noise in training are random: battery_random looks at them. */
static bool random_in_training(const nn_node *n)
{
    return oracle_find(n->op->name)->random;
}

static void forward_in(const battery_case *c, int batch, bool training, base_str *why)
{
    rig r;
    if (!rig_open(&r, c, batch, training, why)) return;
    if (r.n->n_in > 0 && !(training && random_in_training(r.n))) {
        double *y = rig_oracle(&r, NULL, NULL);
        rig_forward(&r);
        battery_compare(training ? "training y" : "y", r.a.y, y, r.ny, BATTERY_FORWARD_TOL, why);
        free(y);
    }
    rig_close(&r);
}

void battery_forward(const battery_case *c, base_str *why)
{
    forward_in(c, 1, false, why);
    forward_in(c, BATCH, false, why);
    forward_in(c, BATCH, true, why);
}

/* Running statistics: mean and unbiased variance of the batch, in dw of the statistics. Of a single
 * value the variance is not known; it must be a number all the same (0), for it is averaged. */
static void observed_in(const battery_case *c, int batch, base_str *why)
{
    rig r;
    double *observed[NN_MAX_PARAMS] = {0};
    if (!rig_open(&r, c, batch, true, why)) return;
    if (battery_has_statistics(r.n)) {
        for (int k = 0; k < r.n->n_params; k++) observed[k] = calloc(r.nw[k], sizeof(double));
        free(rig_oracle(&r, observed, NULL));
        rig_forward(&r);
        for (int k = 0; k < r.n->n_params; k++)
            if (r.n->param[k].role == NN_STATISTIC)
                battery_compare(r.n->param[k].name, r.a.dw[k], observed[k], r.nw[k],
                                BATTERY_FORWARD_TOL, why);
        for (int k = 0; k < r.n->n_params; k++) free(observed[k]);
    }
    rig_close(&r);
}

void battery_observed(const battery_case *c, base_str *why)
{
    observed_in(c, BATCH, why);
    observed_in(c, 1, why);
}

/* A NaN anywhere reaches exactly the outputs that depend on it. */
static void nan_at(rig *r, int k, size_t i, base_str *why)
{
    double before = r->x[k][i];
    r->x[k][i] = (double)NAN;
    double *y = rig_oracle(r, NULL, NULL);
    rig_forward(r);
    for (size_t j = 0; j < r->ny; j++)
        if (isnan(y[j]) != isnan((double)r->a.y[j])) {
            base_str_add(why, "NaN in x[%d][%zu]: y[%zu] is %g, expected %g\n", k, i, j,
                         (double)r->a.y[j], y[j]);
            break;
        }
    free(y);
    r->x[k][i] = before;
}

void battery_nan(const battery_case *c, base_str *why)
{
    for (int training = 0; training < 2; training++) {
        rig r;
        if (!rig_open(&r, c, BATCH, training, why)) return;
        for (int k = 0; k < r.n->n_in && !(training && random_in_training(r.n)); k++) {
            nan_at(&r, k, 0, why);
            nan_at(&r, k, r.nx[k] / 2, why);
            nan_at(&r, k, r.nx[k] - 1, why);
        }
        rig_close(&r);
    }
}

/* y in the memory of x[0] gives the same bits. */
void battery_in_place(const battery_case *c, base_str *why)
{
    for (int training = 0; training < 2; training++) {
        rig r;
        if (!rig_open(&r, c, BATCH, training, why)) return;
        if (r.n->op->flags & NN_INPLACE && r.nx[0] == r.ny) {
            nn_real *apart = malloc(r.ny * sizeof *apart);
            rig_forward(&r);
            memcpy(apart, r.a.y, r.ny * sizeof *apart);
            rig_forward_in_place(&r);
            battery_same("y in place", r.a.y, apart, r.ny, why);
            free(apart);
        } else if (r.n->op->flags & NN_INPLACE) {
            base_str_add(why, "in place, but x[0] has %zu elements and y %zu\n", r.nx[0], r.ny);
        }
        rig_close(&r);
    }
}

/* ---- batch against singles ---- */

static void compare_single(const battery_case *c, rig *all, int b, base_str *why)
{
    rig one;
    if (!rig_slice(&one, c, all, b, why)) return;
    double *expected = calloc(one.ny, sizeof *expected);
    rig_forward(&one);
    for (size_t i = 0; i < one.ny; i++) expected[i] = (double)one.a.y[i];
    battery_compare("y of the batch", all->a.y + (size_t)b * one.ny, expected, one.ny,
                    BATTERY_FORWARD_TOL, why);
    free(expected);
    rig_close(&one);
}

/* A batch is its samples one by one: sample b of a batch is sample first + b of a shard. */
void battery_singles(const battery_case *c, base_str *why)
{
    for (int training = 0; training < 2; training++) {
        rig r;
        if (!rig_open(&r, c, BATCH, training, why)) return;
        if (r.n->n_in > 0 && !(training && battery_has_statistics(r.n))) {
            rig_forward(&r);
            for (int b = 0; b < BATCH; b++) compare_single(c, &r, b, why);
        }
        rig_close(&r);
    }
}
