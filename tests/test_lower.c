/* The int8 forms of operators, each by itself: on every case of its descriptor, with random and
 * extreme scales, zero points, clamps, weights and inputs, the layer that its lowering makes gives
 * the integers of tests/q8_oracle.c bit for bit, and values within its error of what the oracle of
 * tests/oracle.h computes in double from the same inputs. Every other seed rounds once.
 */
#include "tests/check.h"
#include "tests/oracle.h"
#include "tests/q8_oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 32 };

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

/* ---- one node with random material ---- */

typedef struct rig {
    nn_graph *g;
    const nn_node *n;
    nn_q8_context c;
    nn_q8_layer layer;
    int8_t *x[NN_MAX_IN], *y, *wanted;
    double *real; /* of y, in double */
    base_rng r;
} rig;

static int random_zero(base_rng *r)
{
    const int kind = between(r, 0, 3);
    return kind == 0 ? -128 : kind == 1 ? 127 : between(r, -128, 127);
}

static void random_weights(rig *t)
{
    for (int k = 0; k < t->n->n_params; k++) {
        const nn_param *p = &t->n->param[k];
        nn_real *w = base_arena_alloc(t->c.arena, p->count, sizeof *w);
        assert_non_null(w);
        const double size = ldexp(1, between(&t->r, -3, 2));
        for (size_t i = 0; i < p->count; i++) {
            w[i] = (nn_real)(size * base_rng_normal(&t->r));
            if (strcmp(p->name, "var") == 0) w[i] = (nn_real)(0.1 + base_rng_uniform(&t->r));
            if (strcmp(p->name, "scale") == 0) w[i] = (nn_real)(0.1 + base_rng_uniform(&t->r));
            if (p->role == NN_STRUCTURE) w[i] *= 16; /* many places, thresholds beyond int8 */
        }
        t->c.w[k] = w;
    }
}

/* Mostly any, with runs of extremes and rows of equal values. */
static void random_inputs(rig *t)
{
    for (int k = 0; k < t->n->n_in; k++) {
        const size_t n = (size_t)nn_count(t->n->in[k]->shape);
        const int kind = between(&t->r, 0, 6), spread = between(&t->r, 0, 3) ? 128 : 3;
        t->x[k] = malloc(n);
        assert_non_null(t->x[k]);
        for (size_t i = 0; i < n; i++)
            t->x[k][i] = (int8_t)(kind == 0   ? -128
                                  : kind == 1 ? 127
                                  : kind == 2 ? (between(&t->r, 0, 1) ? 127 : -128)
                                              : between(&t->r, -spread, spread - 1));
        const bool again = k > 0 && t->n->in[k] == t->n->in[0];
        if (again) memcpy(t->x[k], t->x[0], n);
    }
}

/* The same in double, from the values that the integers stand for. */
static void real_outputs(rig *t)
{
    oracle_call call = {.node = t->n, .batch = 1};
    double *x[NN_MAX_IN] = {0}, *w[NN_MAX_PARAMS] = {0};
    for (int k = 0; k < t->n->n_in; k++) {
        const size_t n = (size_t)nn_count(t->n->in[k]->shape);
        call.x[k] = x[k] = malloc(n * sizeof(double));
        assert_non_null(x[k]);
        for (size_t i = 0; i < n; i++) x[k][i] = t->c.in[k].scale * (t->x[k][i] - t->c.in[k].zero);
    }
    for (int k = 0; k < t->n->n_params; k++) {
        call.w[k] = w[k] = malloc(t->n->param[k].count * sizeof(double));
        assert_non_null(w[k]);
        const bool bounded = strcmp(t->n->param[k].name, "threshold") == 0; /* nn/ops/trees.c */
        const double most = bounded ? t->c.in[0].scale * (127 - t->c.in[0].zero) : (double)INFINITY;
        for (size_t i = 0; i < t->n->param[k].count; i++)
            w[k][i] = fmin((double)t->c.w[k][i], most);
    }
    call.y = t->real = calloc((size_t)nn_count(t->n->shape), sizeof(double)); /* oracles add */
    assert_non_null(t->real);
    oracle_find(t->n->op->name)->forward(&call);
    for (int k = 0; k < NN_MAX_IN; k++) free(x[k]);
    for (int k = 0; k < NN_MAX_PARAMS; k++) free(w[k]);
}

/* Quantizations: any for the inputs (one where they are one node), for the output one by which the
 * real values fill int8 somewhat, or go beyond. */
static void random_quants(rig *t)
{
    nn_q8_context *c = &t->c;
    for (int k = 0; k < t->n->n_in; k++) {
        c->in[k] = (nn_quant){exp((base_rng_uniform(&t->r) - 0.7) * 6), random_zero(&t->r)};
        if (t->n->in[k] == t->n->in[0]) c->in[k] = c->in[0];
    }
    random_inputs(t);
    real_outputs(t);
    double largest = c->in[0].scale * fmax(1, c->in[1].scale); /* where all are 0 */
    for (int64_t i = 0; i < nn_count(t->n->shape); i++) largest = fmax(largest, fabs(t->real[i]));
    c->out =
        (nn_quant){largest / 128 * exp((base_rng_uniform(&t->r) - 0.3) * 2), random_zero(&t->r)};
    if (t->n->op->fixed.scale > 0) c->out = t->n->op->fixed;
    if (t->n->op->flags & NN_SAME_QUANT) c->out = c->in[0];
    if ((t->n->op->flags & NN_SHARES_QUANT) && between(&t->r, 0, 1)) c->out = c->in[0];
    c->lo = between(&t->r, 0, 1) ? -128 : between(&t->r, -128, 127);
    c->hi = between(&t->r, 0, 1) ? 127 : between(&t->r, c->lo, 127);
}

static void open_rig(rig *t, const char *text, uint64_t seed)
{
    base_err err = {0};
    *t = (rig){.r = base_rng_at(seed, BASE_RNG_TEST, 0, 0)};
    if (nn_parse(text, NULL, &t->g, &err) != BASE_OK) fail_msg("%s", err.message);
    t->n = nn_graph_output(t->g);
    t->c.arena = base_arena_new();
    t->c.single = seed % 2;
    t->y = malloc((size_t)nn_count(t->n->shape));
    t->wanted = malloc((size_t)nn_count(t->n->shape));
    assert_true(t->c.arena && t->y && t->wanted);
    random_weights(t);
    random_quants(t);
}

static void run_kernel(const rig *t, int8_t *y)
{
    void *scratch = malloc(t->layer.scratch + 1); /* of exactly that size, any content */
    assert_non_null(scratch);
    memset(scratch, 85, t->layer.scratch);
    if (t->layer.kernel->run_in)
        t->layer.kernel->run_in(t->layer.p, (const int8_t *const *)t->x, y, scratch);
    else
        t->layer.kernel->run(t->layer.p, (const int8_t *const *)t->x, y);
    free(scratch);
}

static void run_rig(rig *t)
{
    base_err err = {0};
    if (t->n->op->lower(t->n, &t->c, &t->layer, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_true((t->layer.kernel->unpacked != NULL) == (t->c.weight_bits == 4));
    run_kernel(t, t->y);
    if (!t->layer.kernel->in_place) return;
    /* in the place of the first input, unless that is the second too */
    int8_t *x0 = t->x[0], *copy = malloc((size_t)nn_count(t->n->in[0]->shape));
    assert_non_null(copy);
    memcpy(copy, x0, (size_t)nn_count(t->n->in[0]->shape));
    t->x[0] = copy;
    run_kernel(t, copy);
    assert_memory_equal(copy, t->y, (size_t)nn_count(t->n->shape));
    t->x[0] = x0;
    free(copy);
}

static void close_rig(rig *t)
{
    for (int k = 0; k < NN_MAX_IN; k++) free(t->x[k]);
    free(t->y);
    free(t->wanted);
    free(t->real);
    base_arena_free(t->c.arena);
    nn_graph_free(t->g);
}

/* ---- comparisons ---- */

/* What the first of two roundings of the last requantization may add: half a step of 2^shift. */
static double rounding_of(const rig *t)
{
    double most = 0;
    if (t->c.single) return 0;
    for (int f = 0; f < t->layer.kernel->n_fields; f++) {
        const nn_q8_field *field = &t->layer.kernel->fields[f];
        const char *dot = strrchr(field->name, '.');
        int32_t shift;
        if (field->type != NN_Q8_INT || strcmp(dot ? dot + 1 : field->name, "shift") != 0) continue;
        memcpy(&shift, (const char *)t->layer.p + field->offset, sizeof shift);
        if (shift < 0) most = fmax(most, ldexp(0.5, shift));
    }
    return most;
}

/* A path's mean difference moves by no more than a template's values do. */
static double templates_off(const rig *t)
{
    const nn_quant in = t->c.in[0];
    double most = 0;
    for (size_t i = 0; i < t->n->param[0].count; i++) {
        const double v = (double)t->c.w[0][i];
        const double q = fmin(127, fmax(-128, (double)q8_steps(v, in.scale, in.zero)));
        most = fmax(most, fabs(in.scale * (q - in.zero) - v));
    }
    return most * (double)t->c.w[1][0] / t->c.out.scale;
}

/* How many steps off y may be besides the half that rounding takes. */
static double error_of(const rig *t)
{
    const char *op = t->n->op->name;
    const int last = t->n->in[0]->shape.d[t->n->in[0]->shape.n - 1];
    if (strcmp(op, "softmax") == 0) return 0.1;
    if (strcmp(op, "hardswish") == 0 || (strcmp(op, "mean") == 0 && oracle_yes(t->n, "tflite")))
        return 1.6;  /* TensorFlow Lite's truncate, add a half too much, or round twice */
    double most = 0; /* of parameter 0 */
    for (size_t i = 0; t->n->n_params && i < t->n->param[0].count; i++)
        most = fmax(most, fabs((double)t->c.w[0][i]));
    /* each tree has a leaf of 8 bits, and a bias is a multiple of their steps */
    if (strcmp(op, "trees") == 0) {
        double largest = 0;
        for (size_t i = 0; i < t->n->param[3].count; i++)
            largest = fmax(largest, fabs((double)t->c.w[3][i]));
        const double steps = (oracle_int(t->n, "trees") + 1) * largest / 127 / 2;
        return steps / t->c.out.scale + rounding_of(t) + 0.001;
    }
    if (strcmp(op, "dtw") == 0) return templates_off(t) + rounding_of(t) + 0.001;
    /* 8 bits of the embedding; 14 of gamma, 12 after the point of h, rows without variance */
    if (strcmp(op, "position") == 0) return most / 127 / 2 / t->c.out.scale + 0.01;
    if (strcmp(op, "layernorm") == 0)
        return most * (sqrt(last) / 8191 + ldexp(1, -12)) / t->c.out.scale + 0.01;
    return rounding_of(t) + 0.001;
}

static void compare_real(const rig *t, double error, const char *text, uint64_t seed)
{
    for (int64_t i = 0; i < nn_count(t->n->shape); i++) {
        double v = t->real[i] / t->c.out.scale + t->c.out.zero;
        v = fmax(t->c.lo, fmin(t->c.hi, v));
        if (!(fabs(t->y[i] - v) <= 0.5 + error))
            fail_msg("%s, seed %d, [%d]: %d, real %.4f", text, (int)seed, (int)i, t->y[i], v);
    }
}

static void compare_integers(const rig *t, const char *text, uint64_t seed)
{
    for (int64_t i = 0; i < nn_count(t->n->shape); i++)
        if (t->y[i] != t->wanted[i])
            fail_msg("%s, seed %d, [%d]: %d, not %d", text, (int)seed, (int)i, t->y[i],
                     t->wanted[i]);
}

/* Tables: the double oracle rounded, but for results that float may round to the other side. */
static void table_integers(rig *t)
{
    for (int64_t i = 0; i < nn_count(t->n->shape); i++) {
        const double v = t->real[i] / t->c.out.scale;
        const bool tie = fabs(fabs(v - floor(v)) - 0.5) < 1e-4;
        const int8_t wanted =
            q8_clamped(&t->c, q8_steps(t->real[i], t->c.out.scale, t->c.out.zero));
        t->wanted[i] = tie && abs(t->y[i] - wanted) <= 1 ? t->y[i] : wanted;
    }
}

static bool is_table(const nn_op *op)
{
    static const char *const names[] = {"sigmoid", "tanh", "silu", "gelu", "hardsigmoid"};
    for (size_t i = 0; i < BASE_COUNT(names); i++)
        if (strcmp(op->name, names[i]) == 0) return true;
    return false;
}

static void one_case(const char *text, uint64_t seed, int bits, q8_oracle *run)
{
    rig t;
    open_rig(&t, text, seed);
    t.c.weight_bits = bits;
    run_rig(&t);
    if (run)
        run(&(q8_call){
            t.n, &t.c, {t.x[0], t.x[1], t.x[2], t.x[3], t.x[4], t.x[5], t.x[6], t.x[7]}, t.wanted});
    else
        table_integers(&t);
    compare_integers(&t, text, seed);
    /* what rounding weights does is as large as they and the inputs are */
    if (!(t.n->op->flags & NN_PACKS)) compare_real(&t, error_of(&t), text, seed);
    close_rig(&t);
}

static void operators_are_their_definitions(void **state)
{
    (void)state;
    int operators = 0;
    for (int o = 0; o < nn_n_ops; o++) {
        q8_oracle *run = q8_oracle_find(nn_ops[o]->name);
        if (!run && !is_table(nn_ops[o])) continue;
        operators++;
        assert_non_null(nn_ops[o]->lower);
        for (int k = 0; k < nn_ops[o]->n_cases; k++)
            for (uint64_t seed = 0; seed < ROUNDS; seed++) {
                one_case(nn_ops[o]->cases[k], seed, 8, run);
                if (nn_ops[o]->flags & NN_PACKS) one_case(nn_ops[o]->cases[k], seed, 4, run);
            }
    }
    assert_int_equal(operators, 25);
}

/* ---- batchnorm and depthwise convolution with bands ---- */

/* The weight of a tap in float, without bands that of a batchnorm too. */
static double tap(const rig *t, int k, int ch)
{
    if (strcmp(t->n->op->name, "dwconv2d") == 0)
        return (double)t->c.w[0][k * t->n->shape.d[2] + ch];
    return t->c.bands > 1 ? 1 : (double)(float)t->c.mul[ch];
}

typedef struct channel {
    double scale;  /* of the weights */
    int64_t bias;  /* of the sum */
    q8_factor out; /* what the sum is multiplied by */
} channel;

/* Weights are those of the channel, bias and factor those of its band. */
static channel channel_of(const rig *t, int taps, int band, int ch)
{
    const nn_q8_context *c = &t->c;
    const int at = band * t->n->shape.d[2] + ch;
    const bool conv = strcmp(t->n->op->name, "dwconv2d") == 0, banded = conv || c->bands > 1;
    const double b = conv && t->n->n_params > 1 ? (double)c->w[1][ch] : 0;
    const double mul = banded ? c->mul[at] : 1;
    const double real = banded ? b * mul + c->add[at] : (double)(float)c->add[at];
    const double in = c->in[0].scale, room = 2147483391.0 - 127.0 * 255 * taps;
    double largest = 0;
    for (int k = 0; k < taps; k++) largest = fmax(largest, fabs(tap(t, k, ch)));
    if (c->weight_bits == 4) largest = 127 * q8_scale_of(c->w[0] + ch, taps, t->n->shape.d[2], 4);
    channel o = {.scale = largest > 0 ? largest / 127 : c->out.scale / in / 1024};
    if (!banded) o.scale = fmax(o.scale, fabs(real) / (in * room));
    const double scale = fmax(o.scale * fabs(mul), fabs(real) / (in * room));
    o.bias = scale > 0 ? q8_steps(real / (in * scale), 1, 0) : 0;
    o.out = q8_factor_of(in * scale / c->out.scale);
    if (mul < 0) o.bias = -o.bias, o.out.multiplier = -o.out.multiplier;
    return o;
}

static int8_t depthwise_at(const rig *t, const oracle_window *win, int h, int w, int ch)
{
    const nn_q8_context *c = &t->c;
    const int channels = t->n->shape.d[2], taps = win->h.kernel * win->w.kernel;
    const channel o = channel_of(t, taps, w / (win->w.out / c->bands), ch);
    int64_t sum = o.bias;
    for (int ky = 0; ky < win->h.kernel; ky++)
        for (int kx = 0; kx < win->w.kernel; kx++) {
            const int y = h * win->h.stride + ky * win->h.dilation - win->h.before;
            const int x = w * win->w.stride + kx * win->w.dilation - win->w.before;
            if (y < 0 || y >= win->h.in || x < 0 || x >= win->w.in) continue;
            const int q = t->x[0][(y * win->w.in + x) * channels + ch] - c->in[0].zero;
            sum += q8_weight_of(tap(t, ky * win->w.kernel + kx, ch), o.scale, c->weight_bits) * q;
        }
    return q8_clamped(c, q8_times(sum, o.out, c->single) + c->out.zero);
}

static void depthwise_wanted(rig *t, const oracle_window *win)
{
    int8_t *y = t->wanted;
    for (int h = 0; h < win->h.out; h++)
        for (int w = 0; w < win->w.out; w++)
            for (int ch = 0; ch < t->n->shape.d[2]; ch++) *y++ = depthwise_at(t, win, h, w, ch);
}

static void depthwise_with_bands_is_its_definition(void **state)
{
    (void)state;
    const nn_op *op = nn_op_find("dwconv2d");
    int banded = 0;
    for (int k = 0; k < op->n_cases; k++)
        for (uint64_t seed = 0; seed < ROUNDS; seed++) {
            rig t;
            double mul[8 * 128], add[8 * 128];
            open_rig(&t, op->cases[k], seed);
            const int width = t.n->shape.d[1], channels = t.n->shape.d[2];
            t.c.bands = between(&t.r, 1, 8);
            while (width % t.c.bands) t.c.bands--;
            banded += t.c.bands > 1;
            for (int i = 0; i < t.c.bands * channels; i++) {
                mul[i] = between(&t.r, 0, 9) ? base_rng_normal(&t.r) : 0;
                add[i] = base_rng_normal(&t.r);
            }
            t.c.mul = mul;
            t.c.add = add;
            t.c.weight_bits = seed % 2 ? 4 : 8;
            run_rig(&t);
            const oracle_window win = oracle_window_of(t.n);
            depthwise_wanted(&t, &win);
            compare_integers(&t, op->cases[k], seed);
            close_rig(&t);
        }
    assert_true(banded > 50);
}

/* The factors of a batchnorm from its formula. */
static void batchnorm_factors(const rig *t, double *mul, double *add)
{
    const bool gamma = oracle_yes(t->n, "gamma"), beta = oracle_yes(t->n, "beta");
    const nn_real *const *stat = t->c.w + gamma + beta;
    for (size_t i = 0; i < t->n->param[t->n->n_params - 1].count; i++) {
        mul[i] = (gamma ? (double)t->c.w[0][i] : 1) /
                 sqrt((double)stat[1][i] + oracle_real(t->n, "eps"));
        add[i] = (beta ? (double)t->c.w[gamma][i] : 0) - (double)stat[0][i] * mul[i];
    }
}

static void batchnorm_is_its_definition(void **state)
{
    (void)state;
    const nn_op *op = nn_op_find("batchnorm");
    for (int k = 0; k < op->n_cases; k++)
        for (uint64_t seed = 0; seed < ROUNDS; seed++) {
            rig t;
            double mul[1024], add[1024];
            open_rig(&t, op->cases[k], seed);
            run_rig(&t);
            batchnorm_factors(&t, mul, add);
            t.c.bands = oracle_int(t.n, "bands");
            t.c.mul = mul;
            t.c.add = add;
            nn_node node = *t.n; /* as a map of three axes */
            const nn_shape s = t.n->shape;
            const int channels = s.d[s.n - 1], width = s.n == 3 ? s.d[1] : 1;
            const int height = (int)(nn_count(s) / width / channels);
            node.shape = (nn_shape){3, {height, width, channels}};
            t.n = &node;
            const oracle_window win = {{height, 1, 1, 1, 0, 0, height},
                                       {width, 1, 1, 1, 0, 0, width}};
            depthwise_wanted(&t, &win);
            compare_integers(&t, op->cases[k], seed);
            double most = 0; /* biases are rounded to steps of the products */
            for (int i = 0; i < t.c.bands * channels; i++) most = fmax(most, fabs(mul[i]));
            const double error = most * t.c.in[0].scale / 127 / 2 / t.c.out.scale + 0.01;
            compare_real(&t, error, op->cases[k], seed);
            close_rig(&t);
        }
}

/* ---- ties ---- */

/* The last element is -1/2: rounded twice it is -1, rounded once 0. */
static void half(const char *text, int x, double out, const nn_real w[2])
{
    for (int single = 0; single <= 1; single++) {
        rig t;
        open_rig(&t, text, 1);
        t.c.in[0] = t.c.in[1] = (nn_quant){1, 0};
        t.c.out = (nn_quant){out, 0};
        t.c.w[0] = &w[0];
        t.c.w[1] = t.n->n_params > 1 ? &w[1] : NULL;
        t.c.lo = -128;
        t.c.hi = 127;
        t.c.single = single;
        memset(t.x[0], x, (size_t)nn_count(t.n->in[0]->shape));
        if (t.n->n_in > 1) memset(t.x[1], t.n->in[1] == t.n->in[0] ? x : 1, 1);
        run_rig(&t);
        const int y = t.y[nn_count(t.n->shape) - 1];
        if (y != single - 1) fail_msg("%s: %d, rounding %s", text, y, single ? "once" : "twice");
        close_rig(&t);
    }
}

static void profiles_differ_where_halves_are_negative(void **state)
{
    (void)state;
    static const nn_real w[2] = {127, 1}, gain[2] = {8191, (nn_real)-0.5};
    half("x = input 1; z = input 1; y = add(x, z)", -2, 2, NULL);
    half("x = input 2x1; z = input 1x1; y = add(x, z)", -2, 2, NULL);
    half("x = input 1; z = input 1; y = mul(x, z)", -2, 4, NULL);
    half("x = input 1x1; z = input 1x1; y = matmul(x, z)", -2, 4, NULL);
    half("x = input 1; y = mean(x) axes=0", -2, 4, NULL);
    half("x = input 1; y = concat(x, x) axis=0", -2, 4, NULL);
    half("x = input 1x1x1; y = class_token(x)", -2, 4, w);
    half("x = input 1; y = position(x)", -128, 2, w);
    half("x = input 1; y = layernorm(x)", 0, 1, gain);
    half("x = input 2; y = dense(x) out=1 bias=no", -1, 256, w);
    half("x = input 1x1x2; y = conv2d(x) out=1 kernel=1x1 bias=no", -1, 256, w);
    half("x = input 1x2x1; y = dwconv2d(x) kernel=1x2 pad=valid bias=no", -1, 256, w);
}

/* ---- what has no int8 form ---- */

static void refused(const char *text, nn_quant in, nn_quant out, const char *part)
{
    base_err err = {0};
    rig t;
    open_rig(&t, text, 1);
    t.c.in[0] = t.c.in[1] = in;
    t.c.out = out;
    assert_int_equal(t.n->op->lower(t.n, &t.c, &t.layer, &err), BASE_USAGE);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    close_rig(&t);
}

static void what_does_not_fit_32_bits_is_refused(void **state)
{
    (void)state;
    const nn_quant one = {1, 0}, tiny = {1e-9, 0}, half = {1.0 / 256, -128};
    refused("x = input 5; y = mul(x, x)", one, tiny, "mul 'y': cannot be requantized");
    refused("x = input 5x5; y = matmul(x, x)", one, tiny, "matmul 'y': cannot be requantized");
    refused("x = input 5; z = input 5; y = add(x, z)", one, tiny, "add 'y': cannot be requantized");
    refused("x = input 5; z = input 1; y = add(x, z)", one, tiny, "add 'y': cannot be requantized");
    refused("x = input 5; y = mean(x) axes=0", one, tiny, "mean 'y': cannot be requantized");
    refused("x = input 5; y = concat(x, x) axis=0", one, tiny, "concat 'y': cannot be requantized");
    refused("x = input 5; y = position(x)", one, tiny, "position 'y': cannot be requantized");
    refused("x = input 5; y = layernorm(x)", one, tiny, "layernorm 'y': no int8 form");
    refused("x = input 5; y = layernorm(x) eps=1", tiny, one, "layernorm 'y': no int8 form");
    refused("x = input 1025; y = layernorm(x)", one, one, "rows of 1025");
    refused("x = input 4096; y = softmax(x)", one, half, "rows of 4096");
    refused("x = input 5; y = softmax(x)", one, one, "gives scale 1/256");
    refused("x = input 5x2; y = transpose(x) order=1,0", one, half, "must be quantized alike");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_are_their_definitions),
        cmocka_unit_test(depthwise_with_bands_is_its_definition),
        cmocka_unit_test(batchnorm_is_its_definition),
        cmocka_unit_test(profiles_differ_where_halves_are_negative),
        cmocka_unit_test(what_does_not_fit_32_bits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
