/* 16-bit activations in models: what lowerings make of single operators against the double oracles,
 * nets with all layers or some of them in 16 bits against the definitions of their kernels, at
 * every level of the host, in files; that they come nearer to float; and how layers are chosen.
 */
#include "quantize/host.h"
#include "quantize/internal.h"
#include "tests/check.h"
#include "tests/i16_oracle.h"
#include "tests/oracle.h"
#include "tests/q8_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int between(base_rng *r, int lo, int hi)
{
    return lo + (int)base_rng_below(r, (uint32_t)(hi - lo + 1));
}

/* ---- one operator ---- */

typedef struct rig {
    nn_graph *g;
    const nn_node *n;
    nn_q8_context c;
    nn_q8_layer layer;
    int16_t *x[NN_MAX_IN], *y;
    double *real; /* of y */
    base_rng r;
} rig;

/* Weights that 8 bits hold exactly: whole numbers up to 127, which every channel has, times a power
 * of two. Other parameters are any. */
static void exact_weights(rig *t)
{
    for (int k = 0; k < t->n->n_params; k++) {
        const nn_param *p = &t->n->param[k];
        const int channels = p->shape.d[p->shape.n - 1];
        nn_real *w = base_arena_alloc(t->c.arena, p->count, sizeof *w);
        assert_non_null(w);
        t->c.w[k] = w;
        for (size_t i = 0; i < p->count; i++) {
            const int q = i < (size_t)channels ? 127 : between(&t->r, -127, 127);
            w[i] = (nn_real)ldexp(q, -6 - (int)(i % (size_t)channels) % 5);
            if (p->role != NN_WEIGHT) w[i] = (nn_real)(0.3 + base_rng_uniform(&t->r));
        }
    }
}

static void random_inputs(rig *t)
{
    for (int k = 0; k < t->n->n_in; k++) {
        const size_t n = (size_t)nn_count(t->n->in[k]->shape);
        const int kind = between(&t->r, 0, 3);
        t->x[k] = malloc(n * sizeof *t->x[k]);
        assert_non_null(t->x[k]);
        for (size_t i = 0; i < n; i++)
            t->x[k][i] = (int16_t)(kind == 0 ? 32767 * (2 * between(&t->r, 0, 1) - 1)
                                             : between(&t->r, -32767, 32767));
        if (t->n->in[k] == t->n->in[0]) memcpy(t->x[k], t->x[0], n * sizeof *t->x[k]);
        t->c.in[k].scale = exp((base_rng_uniform(&t->r) - 0.7) * 6) / 256.0;
        if (t->n->in[k] == t->n->in[0]) t->c.in[k] = t->c.in[0];
    }
}

static void real_outputs(rig *t)
{
    oracle_call call = {.node = t->n, .batch = 1};
    double *x[NN_MAX_IN] = {0}, *w[NN_MAX_PARAMS] = {0};
    for (int k = 0; k < t->n->n_in; k++) {
        const size_t n = (size_t)nn_count(t->n->in[k]->shape);
        call.x[k] = x[k] = malloc(n * sizeof(double));
        assert_non_null(x[k]);
        for (size_t i = 0; i < n; i++) x[k][i] = t->c.in[k].scale * t->x[k][i];
    }
    for (int k = 0; k < t->n->n_params; k++) {
        call.w[k] = w[k] = malloc(t->n->param[k].count * sizeof(double));
        assert_non_null(w[k]);
        for (size_t i = 0; i < t->n->param[k].count; i++) w[k][i] = (double)t->c.w[k][i];
    }
    call.y = t->real = calloc((size_t)nn_count(t->n->shape), sizeof(double)); /* oracles add */
    assert_non_null(t->real);
    oracle_find(t->n->op->name)->forward(&call);
    for (int k = 0; k < NN_MAX_IN; k++) free(x[k]);
    for (int k = 0; k < NN_MAX_PARAMS; k++) free(w[k]);
}

static void check_case(const char *text, uint64_t seed)
{
    base_err err = {0};
    rig t = {.r = base_rng_at(seed, BASE_RNG_TEST, 1, 0)};
    if (nn_parse(text, NULL, &t.g, &err) != BASE_OK) fail_msg("%s", err.message);
    t.n = nn_graph_output(t.g);
    const int64_t count = nn_count(t.n->shape);
    t.c = (nn_q8_context){.wide = true, .arena = base_arena_new()};
    t.y = malloc((size_t)count * sizeof *t.y);
    assert_true(t.c.arena && t.y);
    exact_weights(&t);
    random_inputs(&t);
    real_outputs(&t);
    double largest = t.c.in[0].scale;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(t.real[i]));
    t.c.out.scale = largest / 32767 * exp((base_rng_uniform(&t.r) - 0.3) * 2);
    if (t.n->op->flags & NN_SAME_QUANT) t.c.out = t.c.in[0];
    t.c.lo = between(&t.r, 0, 1) ? -32767 : between(&t.r, -32767, 32767);
    t.c.hi = between(&t.r, 0, 1) ? 32767 : between(&t.r, t.c.lo, 32767);
    if (t.n->op->lower(t.n, &t.c, &t.layer, &err) != BASE_OK) fail_msg("%s", err.message);
    const int8_t *x[NN_MAX_IN] = {0};
    for (int k = 0; k < t.n->n_in; k++) x[k] = (const int8_t *)t.x[k];
    t.layer.kernel->run(t.layer.p, x, (int8_t *)t.y);
    for (int64_t i = 0; i < count; i++) {
        const double v = fmax(t.c.lo, fmin(t.c.hi, t.real[i] / t.c.out.scale));
        if (!(fabs(t.y[i] - v) <= 0.52)) /* the bias is rounded, too */
            fail_msg("%s, seed %d, [%d]: %d, real %.4f", text, (int)seed, (int)i, t.y[i], v);
    }
    for (int k = 0; k < NN_MAX_IN; k++) free(t.x[k]);
    free(t.y);
    free(t.real);
    base_arena_free(t.c.arena);
    nn_graph_free(t.g);
}

static void operators_are_within_half_a_step(void **state)
{
    (void)state;
    int operators = 0;
    for (int o = 0; o < nn_n_ops; o++) {
        if (!(nn_ops[o]->flags & NN_WIDE) || strcmp(nn_ops[o]->name, "batchnorm") == 0) continue;
        operators++;
        for (int k = 0; k < nn_ops[o]->n_cases; k++)
            for (uint64_t seed = 0; seed < 8; seed++) check_case(nn_ops[o]->cases[k], seed);
    }
    assert_int_equal(operators, 9);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *net, *part;
    } cases[] = {
        {"x = input 300000; y = dense(x) out=1", "300000 inputs to one output"},
        {"x = input 600x1x1; y = dwconv2d(x) kernel=513x1", "513 16-bit values"},
        {"x = input 65537x1x1; y = globalpool(x)", "65536"},
        {"x = input 300x300x1; y = avgpool(x) kernel=257x257", "65536"},
    };
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        base_err err = {0};
        nn_graph *g = NULL;
        nn_q8_layer layer;
        assert_int_equal(nn_parse(cases[i].net, NULL, &g, &err), BASE_OK);
        nn_q8_context c = {.wide = true, .in = {{1e-4, 0}}, .out = {1e-4, 0}};
        c.arena = base_arena_new();
        nn_real *w = calloc(300000, sizeof *w);
        assert_true(c.arena && w);
        c.w[0] = c.w[1] = w;
        const nn_node *n = nn_graph_output(g);
        assert_int_equal(n->op->lower(n, &c, &layer, &err), BASE_USAGE);
        if (!strstr(err.message, cases[i].part)) fail_msg("%s", err.message);
        free(w);
        base_arena_free(c.arena);
        nn_graph_free(g);
    }
}

/* ---- nets ---- */

/* "c1=16,..." of some nodes that have such a form, or "16". */
static const char *random_choice(const nn_graph *g, base_rng *r, base_str *text)
{
    text->len = 0;
    base_str_add(text, "%s", between(r, 0, 1) ? "16" : "8");
    const bool all = text->s[0] == '1';
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        if (!(n->op->flags & NN_WIDE) || strcmp(n->op->name, "batchnorm") == 0) continue;
        if (between(r, 0, 1)) base_str_add(text, ",%s=%d", n->name, all ? 8 : 16);
    }
    assert_false(text->failed);
    return text->s;
}

typedef struct watch {
    const q8_model *m;
    int8_t **value; /* copies of all, as kernels may work in place */
    int wide, converted;
} watch;

static void check_layer(void *ctx, int layer, const int8_t *y)
{
    watch *w = ctx;
    const q8_layer *l = &w->m->layers[layer];
    const q8_value *v = &w->m->values[layer + 1];
    const void *x[NN_MAX_IN] = {0};
    assert_int_equal(v->size, (v->wide ? 2 : 1) * nn_count(v->shape));
    w->value[layer + 1] = malloc(v->size);
    memcpy(w->value[layer + 1], y, v->size);
    for (int k = 0; k < l->n_in; k++) {
        x[k] = w->value[l->in[k]];
        if (!l->converts) assert_int_equal(w->m->values[l->in[k]].wide, v->wide);
    }
    if (!v->wide && !l->converts) return;
    w->wide += v->wide && !l->converts;
    w->converted += l->converts;
    int8_t *wanted = malloc(v->size);
    if (!i16_oracle(l->l.kernel->name, l->l.p, x, wanted))
        fail_msg("no oracle of %s", l->l.kernel->name);
    if (memcmp(wanted, y, v->size) != 0) fail_msg("layer '%s' differs", l->name);
    free(wanted);
}

/* Every golden input: layer by layer against the oracle, and at all levels of the host. */
static void check_model(const q8_model *q, int *wide)
{
    const size_t in = q8_input_size(q), out = q8_output_size(q), n = (size_t)q->n_layers + 1;
    int8_t *work = malloc(q->work + 1), *y = malloc(out), *got = malloc(out);
    assert_true(work && y && got);
    assert_false(q->values[0].wide || q->values[q->n_layers].wide);
    for (size_t i = 0; i < q->n_golden; i++) {
        watch w = {.m = q, .value = calloc(n, sizeof(int8_t *))};
        assert_non_null(w.value);
        w.value[0] = q->golden + i * in;
        q8_observe(q, q->golden + i * in, y, work, check_layer, &w);
        for (size_t v = 1; v < n; v++) free(w.value[v]);
        free(w.value);
        *wide = w.wide;
        assert_true((w.wide > 0) == (w.converted > 0));
        for (int level = 0; level <= (int)q8_level_best(); level++) {
            base_err err = {0};
            q8_host *plan = NULL;
            assert_int_equal(q8_host_new(q, (q8_level)level, &plan, &err), BASE_OK);
            int8_t *own = malloc(q8_host_work(plan));
            assert_non_null(own);
            q8_host_run(plan, q->golden + i * in, got, own);
            assert_memory_equal(got, y, out);
            free(own);
            q8_host_free(plan);
        }
    }
    free(work);
    free(y);
    free(got);
}

static void check_file(const q8_model *q)
{
    char path[] = "/tmp/sotto_wide_XXXXXX", a[65], b[65];
    base_err err = {0};
    q8_model *back = NULL;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    if (q8_save(q, path, &err) != BASE_OK || q8_load(path, &back, &err) != BASE_OK)
        fail_msg("%s", err.message);
    unlink(path);
    assert_int_equal(q8_hash(q, a, &err), BASE_OK);
    assert_int_equal(q8_hash(back, b, &err), BASE_OK);
    assert_string_equal(a, b);
    assert_int_equal(q->n_layers, back->n_layers);
    assert_int_equal(q->work, back->work);
    for (int k = 0; k < q->n_layers; k++) {
        assert_string_equal(q->layers[k].name, back->layers[k].name);
        assert_ptr_equal(q->layers[k].l.kernel, back->layers[k].l.kernel);
        assert_int_equal(q->values[k + 1].wide, back->values[k + 1].wide);
        assert_int_equal(q->values[k + 1].offset, back->values[k + 1].offset);
    }
    q8_model_free(back);
}

static void nets_are_their_kernels(void **state)
{
    (void)state;
    base_str text = {0};
    for (size_t k = 0; k < Q8_NETS; k++)
        for (uint64_t seed = 0; seed < 5; seed++) {
            base_rng r = base_rng_at(seed, BASE_RNG_TEST, 2, k);
            nn_model *m = q8_random_model(q8_nets[k], seed);
            nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, seed);
            const char *choice = seed ? random_choice(m->graph, &r, &text) : "16";
            q8_model *q = q8_quantized_wide(m, x, choice);
            int wide = 0;
            check_model(q, &wide);
            if (seed == 0 && k != 11) assert_true(wide > 0); /* all but a bare lstm */
            check_file(q);
            q8_model_free(q);
            base_free(x);
            nn_model_free(m);
        }
    base_str_free(&text);
}

/* A damaged file must not make a layer of a scale that is none, nor one that there is not. */
static void scales_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *node;
        double scale;
    } cases[] = {{"c", (double)NAN}, {"c", -1e-4}, {"c", HUGE_VAL}, {"s", 1e-4}, {"e", 1e-4}};
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        char path[] = "/tmp/sotto_wide_XXXXXX";
        base_err err = {0};
        nn_model *m = q8_random_model(q8_nets[7], 1);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
        q8_model *q = q8_quantized_wide(m, x, "c=16"), *back = NULL;
        q->wide[nn_graph_find(q->folded.graph, cases[i].node)->index] = cases[i].scale;
        const int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(q8_save(q, path, &err), BASE_OK);
        assert_int_equal(q8_load(path, &back, &err), BASE_DATA);
        assert_null(back);
        unlink(path);
        q8_model_free(q);
        base_free(x);
        nn_model_free(m);
    }
}

/* An int8 model is what it was: nothing of 16 bits is in it, and its hash is the same. */
static void eight_bits_are_as_before(void **state)
{
    (void)state;
    nn_model *m = q8_random_model(q8_nets[0], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *a = q8_quantized_wide(m, x, NULL), *b = q8_quantized_wide(m, x, "16,8");
    char ha[65], hb[65];
    base_err err = {0};
    assert_null(b->wide);
    assert_int_equal(q8_hash(a, ha, &err), BASE_OK);
    assert_int_equal(q8_hash(b, hb, &err), BASE_OK);
    assert_string_equal(ha, hb);
    q8_model_free(a);
    q8_model_free(b);
    base_free(x);
    nn_model_free(m);
}

/* ---- how near to float ---- */

/* What is left in nets 0 to 6 (of the operators that have 16-bit forms) is the rounding of input,
 * output and weights: they gain 1 to 11 dB, 4.4 in the mean. The others gain little or nothing. */
static void nets_come_nearer_to_float(void **state)
{
    (void)state;
    double gain = 0, most = 0;
    for (size_t k = 0; k < Q8_NETS; k++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            nn_model *m = q8_random_model(q8_nets[k], seed);
            nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, seed);
            nn_real *y = q8_evaluate(m->graph, m->weights, x, Q8_SAMPLES);
            q8_model *narrow = q8_quantized_wide(m, x, NULL), *wide = q8_quantized_wide(m, x, "16");
            const double by = q8_sqnr(wide, x, y, Q8_SAMPLES) - q8_sqnr(narrow, x, y, Q8_SAMPLES);
            if (!(by > (k < 7 ? 0.0 : -1.0))) fail_msg("net %zu: %+.1f dB", k, by);
            gain += k < 7 ? by / 21 : 0;
            most = fmax(most, by);
            q8_model_free(narrow);
            q8_model_free(wide);
            base_free(x);
            base_free(y);
            nn_model_free(m);
        }
    assert_true(gain > 3 && most > 8);
}

/* The 16-bit values of the last layer, before they are narrowed. */
typedef struct last {
    const q8_model *m;
    const nn_real *y; /* in float */
    double signal, noise;
    int layer;
} last;

static void see_last(void *ctx, int layer, const int8_t *y)
{
    last *l = ctx;
    const q8_value *v = &l->m->values[layer + 1];
    if (layer != l->layer) return;
    for (size_t i = 0; i < (size_t)nn_count(v->shape); i++) {
        const double a = (double)l->y[i], e = v->quant.scale * q8_integer(v, y, i) - a;
        l->signal += a * a;
        l->noise += e * e;
    }
}

/* Against float on the inputs that int8 has, up to the output's own rounding. */
static double inner_sqnr(const q8_model *q, const nn_model *m, const nn_real *x)
{
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    const nn_quant quant = q->values[0].quant;
    last l = {.m = q, .layer = q->n_layers - (q->layers[q->n_layers - 1].converts ? 2 : 1)};
    int8_t *work = malloc(q->work + 1), *y = malloc(out), *qx = malloc(in);
    float *fx = malloc(in * sizeof *fx);
    nn_real *back = malloc(in * sizeof *back);
    assert_true(work && y && qx && fx && back);
    for (int s = 0; s < Q8_SAMPLES; s++) {
        for (size_t i = 0; i < in; i++) fx[i] = (float)x[(size_t)s * in + i];
        q8_quantize_input(q, fx, qx);
        for (size_t i = 0; i < in; i++) back[i] = (nn_real)(quant.scale * (qx[i] - quant.zero));
        nn_real *real = q8_evaluate(m->graph, m->weights, back, 1);
        l.y = real;
        q8_observe(q, qx, y, work, see_last, &l);
        base_free(real);
    }
    free(work);
    free(y);
    free(qx);
    free(fx);
    free(back);
    return 10 * log10(l.signal / l.noise);
}

/* Weights that 8 bits hold exactly leave only the activations to lose something. */
static void exact_weights_show_sixteen_bits(void **state)
{
    (void)state;
    static const char net[] =
        "x = input 12x8x2; c = conv2d(x) out=8 kernel=3x3; r = relu(c); d = dwconv2d(r) kernel=3x3;"
        "s = add(d, r); m = maxpool(s) kernel=2x2 stride=2x2; n = mean(m) axes=1; t = mul(m, n);"
        "v = avgpool(t) kernel=2x2 pad=same; b = add(v, n); e = conv2d(b) out=6 kernel=1x1; g = "
        "globalpool(e);"
        "y = dense(g) out=5";
    for (uint64_t seed = 0; seed < 3; seed++) {
        nn_model *m = q8_random_model(net, seed);
        for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
            const nn_node *n = nn_graph_node(m->graph, i);
            if (n->n_params == 0) continue;
            nn_real *w = m->weights + n->param[0].offset;
            const size_t channels = (size_t)n->param[0].shape.d[n->param[0].shape.n - 1];
            for (size_t k = 0; k < n->param[0].count; k++)
                w[k] = (nn_real)ldexp(k < channels ? 127 : round((double)w[k] * 127), -7);
        }
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, seed);
        q8_model *narrow = q8_quantized_wide(m, x, NULL), *wide = q8_quantized_wide(m, x, "16");
        const double a = inner_sqnr(narrow, m, x), b = inner_sqnr(wide, m, x);
        if (!(a < 50 && b > 70)) fail_msg("8 bits %.1f dB, 16 bits %.1f dB", a, b);
        q8_model_free(narrow);
        q8_model_free(wide);
        base_free(x);
        nn_model_free(m);
    }
}

/* The mean errors of rounded weights are taken out of 16-bit layers as well. */
static void biases_are_corrected(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        base_err err = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        q8_model *plain = q8_quantized_wide(m, x, "16"), *q = NULL;
        const q8_options o = {.range = Q8_RANGE_MSE, .activations = "16", .correct_bias = true};
        assert_int_equal(q8_quantize(m, x, Q8_SAMPLES, o, NULL, &q, &err), BASE_OK);
        const double by = inner_sqnr(q, m, x) - inner_sqnr(plain, m, x);
        if (!(by > 0)) fail_msg("net %zu: %+.2f dB", k, by);
        q8_model_free(plain);
        q8_model_free(q);
        base_free(x);
        nn_model_free(m);
    }
}

/* A model that was trained with simulated int8 keeps its ranges; 16-bit ones are found all the
 * same.
 */
static void trained_ranges_stay(void **state)
{
    (void)state;
    base_err err = {0};
    nn_model *m = q8_random_model(q8_nets[0], 3), *start = NULL;
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 3);
    const q8_options o = {.range = Q8_RANGE_MSE};
    assert_int_equal(q8_simulated(m, x, Q8_SAMPLES, o, &start, &err), BASE_OK);
    q8_model *narrow = q8_quantized_wide(start, x, NULL), *wide = q8_quantized_wide(start, x, "16");
    for (int i = 0; i < nn_graph_nodes(narrow->folded.graph); i++)
        assert_memory_equal(&narrow->quant[i].scale, &wide->quant[i].scale, sizeof(double));
    assert_true(inner_sqnr(wide, start, x) > inner_sqnr(narrow, start, x) + 3);
    q8_model_free(narrow);
    q8_model_free(wide);
    base_free(x);
    nn_model_free(start);
    nn_model_free(m);
}

/* ---- choosing ---- */

static void refused(const char *net, const char *activations, const char *message, const char *hint)
{
    base_err err = {0};
    nn_model *m = q8_random_model(net, 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = NULL;
    const q8_options o = {.range = Q8_RANGE_MSE, .activations = activations};
    assert_int_equal(q8_quantize(m, x, Q8_SAMPLES, o, NULL, &q, &err), BASE_USAGE);
    assert_null(q);
    if (!strstr(err.message, message)) fail_msg("'%s' lacks '%s'", err.message, message);
    if (!strstr(err.hint, hint)) fail_msg("'%s' lacks '%s'", err.hint, hint);
    base_free(x);
    nn_model_free(m);
}

static void bad_choices_are_refused(void **state)
{
    (void)state;
    const char *const gates = q8_nets[7];
    refused(gates, "c=16,sgmoid=16", "there is no layer 'sgmoid'", "--explain");
    refused(q8_nets[0], "dd1=16", "there is no layer 'dd1'", "did you mean 'd1'?");
    refused(gates, "s=16", "sigmoid 's': sigmoid has no 16-bit form", "8 bits");
    refused(gates, "c=12", "12 bits of 'c'", "8 or 16");
    refused(gates, "4", "4 bits of 'all'", "8 or 16");
    refused(gates, "c=", "'' is no number of bits", "--activations 16");
    refused(gates, "c", "'c' is no number of bits", "--activations 16");
    refused(gates, "", "'' is no number of bits", "--activations 16");
}

/* Names are those of any node of a layer; conversions are where widths meet, one for all readers.
 */
static void layers_are_converted_where_widths_meet(void **state)
{
    (void)state;
    static const struct {
        const char *activations, *layers;
    } cases[] = {
        {"r1=16", "x:widen c1 c1:narrow c2 s c3 y "},
        {"c1=16,s=16", "x:widen c1 c1:narrow c2 c2:widen s s:narrow c3 y "},
        {"16,y=8", "x:widen c1 c2 s c3 c3:narrow y "},
        {"16", "x:widen c1 c2 s c3 y y:narrow "},
        {"c2=16,c3=16", "c1 c1:widen c2 c2:narrow s s:widen c3 c3:narrow y "},
    };
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        nn_model *m = q8_random_model(q8_nets[1], 1);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
        q8_model *q = q8_quantized_wide(m, x, cases[i].activations);
        base_str names = {0};
        for (int k = 0; k < q->n_layers; k++) base_str_add(&names, "%s ", q->layers[k].name);
        assert_string_equal(names.s, cases[i].layers);
        base_str_free(&names);
        q8_model_free(q);
        base_free(x);
        nn_model_free(m);
    }
}

/* Pooling in 16 bits is narrowed to the range of its own values, not that of its input. */
static void a_wide_pool_has_a_range_of_its_own(void **state)
{
    (void)state;
    nn_model *m = q8_random_model(q8_nets[0], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *narrow = q8_quantized_wide(m, x, NULL), *wide = q8_quantized_wide(m, x, "g=16");
    const int g = nn_graph_find(narrow->folded.graph, "g")->index;
    assert_true(wide->quant[g].scale < 0.7 * narrow->quant[g].scale);
    q8_model_free(narrow);
    q8_model_free(wide);
    base_free(x);
    nn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_are_within_half_a_step),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(nets_are_their_kernels),
        cmocka_unit_test(scales_that_are_none_are_refused),
        cmocka_unit_test(eight_bits_are_as_before),
        cmocka_unit_test(nets_come_nearer_to_float),
        cmocka_unit_test(exact_weights_show_sixteen_bits),
        cmocka_unit_test(biases_are_corrected),
        cmocka_unit_test(trained_ranges_stay),
        cmocka_unit_test(bad_choices_are_refused),
        cmocka_unit_test(layers_are_converted_where_widths_meet),
        cmocka_unit_test(a_wide_pool_has_a_range_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
