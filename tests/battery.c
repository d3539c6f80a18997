/* The battery's rig: one operator alone with hand-made arguments (battery.h). */
#include "tests/battery.h"

#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20, STEP = 3 };

/* Exactly n reals, aligned as the net aligns them; n may be 0. */
static nn_real *reals(size_t n)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, n * sizeof(nn_real)) != 0) abort();
    return p;
}

static void fill(nn_real *p, size_t n, double value)
{
    for (size_t i = 0; p && i < n; i++) p[i] = (nn_real)value;
}

static void copy(nn_real *to, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = (nn_real)from[i];
}

/* ---- data ---- */

/* n different values in (-6, 9), shuffled. Their distance from each other is 15 / n, from every
 * multiple of 3 at least 0.1 of that, so that differences never cross a kink of relu, relu6,
 * hardsigmoid, hardswish or of a clip at such bounds; all pieces of these see values. */
static void fill_grid(double *v, size_t n, base_rng *rng)
{
    uint32_t *order = malloc((n + 1) * sizeof *order);
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    base_shuffle(rng, order, n);
    for (size_t i = 0; i < n; i++) v[i] = (double)(nn_real)(-6 + 15 * (order[i] + 0.3) / (double)n);
    free(order);
}

/* Each row of k sums to one and has no zero. */
static void fill_distribution(double *v, size_t n, size_t k, base_rng *rng)
{
    for (size_t row = 0; row < n; row += k) {
        double sum = 0;
        for (size_t i = row; i < row + k; i++) sum += v[i] = 0.05 + base_rng_uniform(rng);
        for (size_t i = row; i < row + k; i++) v[i] = (double)(nn_real)(v[i] / sum);
    }
}

static void fill_uniform(double *v, size_t n, double lo, double hi, base_rng *rng)
{
    for (size_t i = 0; i < n; i++) v[i] = (double)(nn_real)(lo + (hi - lo) * base_rng_uniform(rng));
}

/* One of each row of k is 1, the others 0. */
static void fill_one_hot(double *v, size_t n, size_t k, base_rng *rng)
{
    for (size_t row = 0; row < n; row += k) v[row + base_rng_below(rng, (uint32_t)k)] = 1;
}

/* What a loss compares with: a distribution or, where sides have a kink between them, one side;
 * class weights are positive. */
static void fill_loss_input(rig *r, int k, base_rng *rng)
{
    const char *op = r->n->op->name;
    size_t row = r->nx[k] / (size_t)r->batch;
    if (k == 1 && strcmp(op, "hinge") == 0)
        fill_one_hot(r->x[k], r->nx[k], row, rng);
    else if (k == 1 && strcmp(op, "triplet") != 0)
        fill_distribution(r->x[k], r->nx[k], row, rng);
    else if (k == 2 && strcmp(op, "cross_entropy") == 0)
        fill_uniform(r->x[k], r->nx[k], 0.5, 2, rng);
    else
        fill_grid(r->x[k], r->nx[k], rng);
}

static void fill_data(rig *r)
{
    base_rng rng = base_rng_at(SEED, BASE_RNG_TEST, 0, 0);
    for (int k = 0; k < r->n->n_in; k++) {
        if (r->n->op->flags & NN_LOSS)
            fill_loss_input(r, k, &rng);
        else
            fill_grid(r->x[k], r->nx[k], &rng);
    }
    for (int k = 0; k < r->n->n_params; k++) {
        const nn_role role = r->n->param[k].role;
        const bool statistic = role == NN_STATISTIC; /* a variance is positive */
        const double lo = statistic ? 0.5 : -1;      /* places of a tree go beyond what there is */
        fill_uniform(r->w[k], r->nw[k], lo, statistic ? 2 : role == NN_STRUCTURE ? 9 : 1, &rng);
    }
    fill_uniform(r->dy, r->ny, -1, 1, &rng);
}

/* ---- life ---- */

static void allocate(rig *r)
{
    const nn_node *n = r->n;
    nn_args *a = &r->a;
    for (int k = 0; k < n->n_in; k++) {
        r->nx[k] = (size_t)r->batch * (size_t)nn_count(n->in[k]->shape);
        r->x[k] = calloc(r->nx[k] + 1, sizeof *r->x[k]);
        a->x[k] = r->ax[k] = reals(r->nx[k]);
        a->dx[k] = reals(r->nx[k]);
    }
    for (int k = 0; k < n->n_params; k++) {
        r->nw[k] = (size_t)nn_count(n->param[k].shape);
        r->w[k] = calloc(r->nw[k] + 1, sizeof *r->w[k]);
        a->w[k] = r->aw[k] = reals(r->nw[k]);
        a->dw[k] = reals(r->nw[k]);
    }
    r->ny = (size_t)r->batch * (size_t)nn_count(n->shape);
    r->dy = calloc(r->ny + 1, sizeof *r->dy);
    a->y = reals(r->ny);
    a->dy = r->ady = reals(r->ny);
    r->n_saved = r->a.training && n->op->saved ? n->op->saved(n, r->batch) : 0;
    r->n_scratch = n->op->scratch ? n->op->scratch(n, r->batch) : 0;
    a->saved = r->a.training ? reals(r->n_saved) : NULL; /* nothing to keep: no backward */
    a->scratch = reals(r->n_scratch);
}

bool rig_open(rig *r, const battery_case *c, int batch, bool training, base_str *why)
{
    base_err err = {0};
    *r = (rig){.batch = batch};
    if (nn_parse(c->text, "case", &r->g, &err) != BASE_OK) {
        base_str_add(why, "does not parse: %s\n", err.message);
        return false;
    }
    r->n = nn_graph_output(r->g);
    if (c->op) r->n->op = c->op;
    r->a = (nn_args){.batch = batch, .training = training, .seed = SEED, .step = STEP};
    allocate(r);
    fill_data(r);
    rig_zero_grads(r);
    return true;
}

void rig_close(rig *r)
{
    for (int k = 0; k < r->n->n_in; k++) free(r->x[k]), free(r->ax[k]), free(r->a.dx[k]);
    for (int k = 0; k < r->n->n_params; k++) free(r->w[k]), free(r->aw[k]), free(r->a.dw[k]);
    free(r->dy);
    free(r->a.y);
    free(r->ady);
    free(r->a.saved);
    free(r->a.scratch);
    nn_graph_free(r->g);
    *r = (rig){0};
}

bool rig_slice(rig *r, const battery_case *c, const rig *from, int b, base_str *why)
{
    if (!rig_open(r, c, 1, from->a.training, why)) return false;
    r->a.first = from->a.first + b;
    for (int k = 0; k < r->n->n_in; k++)
        memcpy(r->x[k], from->x[k] + (size_t)b * r->nx[k], r->nx[k] * sizeof *r->x[k]);
    for (int k = 0; k < r->n->n_params; k++)
        memcpy(r->w[k], from->w[k], r->nw[k] * sizeof *r->w[k]);
    memcpy(r->dy, from->dy + (size_t)b * r->ny, r->ny * sizeof *r->dy);
    return true;
}

/* ---- running ---- */

void rig_zero_grads(rig *r)
{
    for (int k = 0; k < r->n->n_in; k++) fill(r->a.dx[k], r->nx[k], 0);
    for (int k = 0; k < r->n->n_params; k++) fill(r->a.dw[k], r->nw[k], 0);
}

static void load_data(rig *r)
{
    for (int k = 0; k < r->n->n_in; k++) copy(r->ax[k], r->x[k], r->nx[k]);
    for (int k = 0; k < r->n->n_params; k++) {
        copy(r->aw[k], r->w[k], r->nw[k]);
        if (r->n->param[k].role == NN_STATISTIC) fill(r->a.dw[k], r->nw[k], 0);
    }
    fill(r->a.saved, r->n_saved, (double)NAN);
    fill(r->a.scratch, r->n_scratch, (double)NAN);
}

void rig_forward(rig *r)
{
    load_data(r);
    fill(r->a.y, r->ny, (double)NAN);
    r->n->op->forward(r->n, &r->a);
}

void rig_forward_in_place(rig *r)
{
    load_data(r);
    nn_args a = r->a;
    a.y = r->ax[0];
    r->n->op->forward(r->n, &a);
    memcpy(r->a.y, r->ax[0], r->ny * sizeof(nn_real));
}

void rig_backward(rig *r)
{
    unsigned flags = r->n->op->flags;
    for (int k = 0; k < r->n->n_in; k++)
        if (!(flags & NN_KEEP_X)) fill(r->ax[k], r->nx[k], (double)NAN);
    if (!(flags & NN_KEEP_Y) && !r->a.clamp) fill(r->a.y, r->ny, (double)NAN);
    fill(r->a.scratch, r->n_scratch, (double)NAN);
    copy(r->ady, r->dy, r->ny);
    r->n->op->backward(r->n, &r->a);
}

double *rig_oracle(rig *r, double *const observed[NN_MAX_PARAMS], int64_t *macs)
{
    const oracle *o = oracle_find(nn_graph_output(r->g)->op->name);
    oracle_call c = {.node = r->n, .batch = r->batch, .training = r->a.training};
    for (int k = 0; k < r->n->n_in; k++) c.x[k] = r->x[k];
    for (int k = 0; k < r->n->n_params; k++) {
        c.w[k] = r->w[k];
        if (observed) c.observed[k] = observed[k];
    }
    c.y = calloc(r->ny + 1, sizeof *c.y);
    o->forward(&c);
    if (macs) *macs = c.macs;
    return c.y;
}

bool rig_gradient(rig *r, int k, rig_tensor *t)
{
    if (k < r->n->n_in) {
        *t = (rig_tensor){.n = r->nx[k], .data = r->x[k], .grad = r->a.dx[k]};
        snprintf(t->name, sizeof t->name, "x[%d]", k);
        return true;
    }
    int p = 0;
    for (int left = k - r->n->n_in; p < r->n->n_params; p++)
        if (nn_role_trained(r->n->param[p].role) && left-- == 0) break;
    if (p == r->n->n_params) return false;
    *t = (rig_tensor){.n = r->nw[p], .data = r->w[p], .grad = r->a.dw[p]};
    snprintf(t->name, sizeof t->name, "%s", r->n->param[p].name);
    return true;
}

/* ---- comparing ---- */

bool battery_has_statistics(const nn_node *n)
{
    for (int k = 0; k < n->n_params; k++)
        if (n->param[k].role == NN_STATISTIC) return true;
    return false;
}

double battery_error(const nn_real *a, const double *b, size_t n, size_t *at)
{
    double squares = 0, worst = 0;
    size_t numbers = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(b[i])) squares += b[i] * b[i], numbers++;
    double scale = numbers ? sqrt(squares / (double)numbers) : 0;
    for (size_t i = 0; i < n; i++) {
        double v = (double)a[i], e = fabs(v - b[i]);
        if (isnan(v) && isnan(b[i])) continue;
        if (isnan(v) || isnan(b[i])) e = (double)INFINITY;
        if (e > 0) e /= fabs(b[i]) + scale + 1e-30;
        if (e <= worst) continue;
        worst = e;
        if (at) *at = i;
    }
    return worst;
}

void battery_compare(const char *what, const nn_real *a, const double *b, size_t n,
                     double tolerance, base_str *why)
{
    size_t at = 0;
    double e = battery_error(a, b, n, &at);
    if (e > tolerance)
        base_str_add(why, "%s[%zu of %zu] is %.9g, expected %.9g: error %.3g, allowed %.3g\n", what,
                     at, n, (double)a[at], b[at], e, tolerance);
}

void battery_same(const char *what, const nn_real *a, const nn_real *b, size_t n, base_str *why)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0) {
            base_str_add(why, "%s[%zu of %zu]: %.9g and %.9g differ\n", what, i, n, (double)a[i],
                         (double)b[i]);
            return;
        }
}
