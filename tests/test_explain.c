/* The explanation of an int8 model: what a layer alone adds to the error of the output against the
 * same worked out by hand on a linear net, the whole against the sum of its parts, and each fault
 * that is named on a net made to have it.
 */
#include "quantize/explain.h"
#include "tests/check.h"
#include "tests/q8_nets.h"

#include <math.h>
#include <string.h>

static void check_ok(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s", err->message);
}

static void near(double a, double b, double share)
{
    if (!(fabs(a - b) <= share * fabs(b))) fail_msg("%.9g is not %.9g", a, b);
}

static quant_explanation explained(const q8_model *q, const nn_real *x, int threads)
{
    base_err err = {0};
    quant_explanation e;
    check_ok(quant_explain(q, x, Q8_SAMPLES, false, threads, &e, &err), &err);
    int rows = q->n_layers + 1;
    for (int k = 0; k < q->n_layers; k++) /* exact */
        rows -= strcmp(q->layers[k].l.kernel->name, "sotto_widen") == 0;
    assert_int_equal(e.n, rows);
    return e;
}

static const quant_row *row_of(const quant_explanation *e, const char *name)
{
    for (int i = 0; i < e->n; i++)
        if (strcmp(e->row[i].name, name) == 0) return &e->row[i];
    fail_msg("there is no row '%s'", name);
    return NULL;
}

/* ---- by hand ---- */

enum { IN = 10, HIDDEN = 6, OUT = 3 };

/* y = x W + b */
static void dense(const nn_model *m, const char *name, const double *x, double *y)
{
    const nn_node *n = nn_graph_find(m->graph, name);
    const nn_real *w = m->weights + n->param[0].offset, *b = m->weights + n->param[1].offset;
    const int in = n->param[0].shape.d[0], out = n->param[0].shape.d[1];
    for (int o = 0; o < out; o++) {
        y[o] = (double)b[o];
        for (int i = 0; i < in; i++) y[o] += x[i] * (double)w[i * out + o];
    }
}

/* What x is in int8, and the number that stands for. */
static void rounded(nn_quant q, const double *x, int n, int8_t *code, double *number)
{
    for (int i = 0; i < n; i++) {
        const double v = fmax(-128, fmin(127, round(x[i] / q.scale) + q.zero));
        code[i] = (int8_t)v;
        number[i] = q.scale * (v - q.zero);
    }
}

static double distance(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static void a_layer_alone_by_hand(void **state)
{
    (void)state;
    nn_model *m = q8_random_model("x = input 10; d = dense(x) out=6; y = dense(d) out=3", 4);
    nn_real *inputs = q8_random_inputs(m->graph, Q8_SAMPLES, 4);
    q8_model *q = q8_quantized(m, inputs, Q8_RANGE_MSE);
    double error[3] = {0}, own[3] = {0}, signal[3] = {0}; /* of x, d, y */
    for (int s = 0; s < Q8_SAMPLES; s++) {
        double x[IN], xr[IN], h[HIDDEN], hr[HIDDEN], y[OUT], a[HIDDEN], b[HIDDEN], out[OUT];
        const double zero[HIDDEN] = {0};
        int8_t xq[IN], hq[HIDDEN], code[HIDDEN];
        for (int i = 0; i < IN; i++) x[i] = (double)inputs[s * IN + i];
        dense(m, "d", x, h);
        dense(m, "y", h, y);
        rounded(q->values[0].quant, x, IN, xq, xr);
        rounded(q->values[1].quant, h, HIDDEN, hq, hr);
        signal[0] += distance(x, zero, HIDDEN) + distance(x + HIDDEN, zero, IN - HIDDEN);
        signal[1] += distance(h, zero, HIDDEN);
        signal[2] += distance(y, zero, OUT);
        /* the input: through everything */
        own[0] += distance(xr, x, IN);
        dense(m, "d", xr, a);
        dense(m, "y", a, out);
        error[0] += distance(out, y, OUT);
        /* d: its kernel and its formula on the rounded input; the difference through y */
        q->layers[0].l.kernel->run(q->layers[0].l.p, &(const int8_t *){xq}, code);
        for (int i = 0; i < HIDDEN; i++) {
            const nn_quant k = q->values[1].quant;
            b[i] = h[i] + k.scale * (code[i] - k.zero) - a[i];
        }
        own[1] += distance(b, h, HIDDEN);
        dense(m, "y", b, out);
        error[1] += distance(out, y, OUT);
        /* y */
        q->layers[1].l.kernel->run(q->layers[1].l.p, &(const int8_t *){hq}, code);
        dense(m, "y", hr, a);
        for (int i = 0; i < OUT; i++) {
            const nn_quant k = q->values[2].quant;
            b[i] = k.scale * (code[i] - k.zero);
        }
        own[2] += distance(b, a, OUT);
        error[2] += distance(b, a, OUT);
    }
    quant_explanation e = explained(q, inputs, 1);
    static const char *const names[] = {"x", "d", "y"};
    double sum = 0;
    for (int k = 0; k < 3; k++) sum += error[k] / signal[2];
    for (int k = 0; k < 3; k++) {
        const quant_row *r = row_of(&e, names[k]);
        assert_int_equal(r->place, k);
        near(r->error, error[k] / signal[2], 1e-3);
        near(r->share, error[k] / signal[2] / sum, 1e-3);
        near(r->own_sqnr, 10 * log10(signal[k] / own[k]), 1e-4);
    }
    near(e.sum, sum, 1e-3);
    for (int k = 1; k < e.n; k++) assert_true(e.row[k - 1].error >= e.row[k].error);
    quant_explanation_free(&e);
    q8_model_free(q);
    base_free(inputs);
    nn_model_free(m);
}

/* ---- on every net ---- */

/* Errors of layers are nearly independent: their sum is the whole within a factor of 2 (measured:
 * 0.89 to 1.13), and the ratio of the last value is what the model's outputs show. */
static void parts_make_the_whole(void **state)
{
    (void)state;
    for (size_t k = 0; k < Q8_NETS; k++) {
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        nn_real *y = q8_evaluate(m->graph, m->weights, x, Q8_SAMPLES);
        q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
        quant_explanation e = explained(q, x, 1), three = explained(q, x, 3);
        const double ratio = e.sum / e.error, db = q8_sqnr(q, x, y, Q8_SAMPLES);
        if (!(ratio > 0.5 && ratio < 2)) fail_msg("net %zu: %g", k, ratio);
        near(row_of(&e, q->layers[q->n_layers - 1].name)->sqnr, db, 1e-4);
        near(-10 * log10(e.error), db, 1e-4);
        double shares = 0;
        for (int i = 0; i < e.n; i++) {
            assert_string_equal(e.row[i].name, three.row[i].name);
            assert_memory_equal(&e.row[i].error, &three.row[i].error, sizeof e.row[i].error);
            assert_memory_equal(&e.row[i].sqnr, &three.row[i].sqnr, sizeof e.row[i].sqnr);
            assert_true(e.row[i].saturated >= 0 && e.row[i].saturated < 0.02);
            shares += e.row[i].share;
        }
        near(shares, 1, 1e-9);
        quant_explanation_free(&e);
        quant_explanation_free(&three);
        q8_model_free(q);
        base_free(x);
        base_free(y);
        nn_model_free(m);
    }
}

/* So they do when biases make up for the layers before, but only without the means (measured: 0.89
 * to 1.13). */
static void parts_of_a_corrected_model(void **state)
{
    (void)state;
    for (size_t k = 0; k < Q8_NETS; k++) {
        base_err err = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        const q8_options o = {.range = Q8_RANGE_MSE, .correct_bias = true};
        q8_model *q = NULL;
        quant_explanation e;
        check_ok(q8_quantize(m, x, Q8_SAMPLES, o, NULL, &q, &err), &err);
        check_ok(quant_explain(q, x, Q8_SAMPLES, true, 2, &e, &err), &err);
        if (!(e.sum / e.error > 0.5 && e.sum / e.error < 2))
            fail_msg("net %zu: %g", k, e.sum / e.error);
        for (int i = 0; i < e.n; i++) assert_true(e.row[i].fault != QUANT_SHIFTED);
        quant_explanation_free(&e);
        q8_model_free(q);
        base_free(x);
        nn_model_free(m);
    }
}

/* And with 16-bit layers: they are worth less than the 8-bit ones were, conversions to 16 bits are
 * nothing, and conversions to 8 have rows of their own. */
static void sixteen_bits_are_worth_less(void **state)
{
    (void)state;
    for (size_t k = 0; k < Q8_NETS; k++) {
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        nn_real *y = q8_evaluate(m->graph, m->weights, x, Q8_SAMPLES);
        q8_model *narrow = q8_quantized(m, x, Q8_RANGE_MSE), *q = q8_quantized_wide(m, x, "16");
        quant_explanation e = explained(q, x, 2), before = explained(narrow, x, 2);
        const double ratio = e.sum / e.error;
        uint64_t places = 0;
        for (int i = 0; i < e.n; i++) places |= UINT64_C(1) << e.row[i].place;
        assert_true(places == (UINT64_C(1) << e.n) - 1); /* each once, without gaps */
        if (!(ratio > 0.4 && ratio < 2)) fail_msg("net %zu: %g", k, ratio); /* 0.46 to 1.43 */
        near(-10 * log10(e.error), q8_sqnr(q, x, y, Q8_SAMPLES), 1e-4);
        for (int i = 0; i < e.n; i++) {
            const quant_row *r = &e.row[i];
            assert_null(strstr(r->name, ":widen"));
            assert_true(strstr(r->name, ":narrow") == NULL || strcmp(r->op, "narrow") == 0);
            if (!r->wide) continue;
            const quant_row *was = row_of(&before, r->name);
            if (!(r->error < 1.2 * was->error))
                fail_msg("net %zu, '%s': %g, was %g", k, r->name, r->error, was->error);
        }
        quant_explanation_free(&e);
        quant_explanation_free(&before);
        q8_model_free(q);
        q8_model_free(narrow);
        base_free(x);
        base_free(y);
        nn_model_free(m);
    }
}

/* ---- faults ---- */

static void says(const quant_row *r, quant_fault fault, const char *part)
{
    base_str text = {0};
    quant_advice(r, (q8_options){.range = Q8_RANGE_KL}, &text);
    if (r->fault != fault || !strstr(text.s, part))
        fail_msg("'%s' has fault %d (%g): %s", r->name, (int)r->fault, r->measure, text.s);
    base_str_free(&text);
}

static void clipping_is_named(void **state)
{
    (void)state;
    nn_model *m = q8_random_model(q8_nets[4], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MINMAX);
    quant_explanation e = explained(q, x, 1);
    assert_true(row_of(&e, "d1")->saturated == 0);
    says(row_of(&e, "d1"), QUANT_ROUNDING, "--activations d1=16");
    says(row_of(&e, "x"), QUANT_ROUNDING, "no option");
    quant_explanation_free(&e);
    q->values[1].quant.scale /= 4; /* the same integers stand for a quarter */
    for (int i = 0; i < nn_graph_nodes(m->graph); i++)
        if (strcmp(nn_graph_node(q->folded.graph, i)->name, "r1") == 0) q->quant[i].scale /= 4;
    e = explained(q, x, 1);
    assert_true(row_of(&e, "d1")->saturated > 0.1);
    assert_true(row_of(&e, "d1")->own_sqnr < 10);
    says(row_of(&e, "d1"), QUANT_CLIPPED, "--range minmax");
    quant_explanation_free(&e);
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* Weights that round to 0 beside one large one: with inputs of one sign that is a shift, which bias
 * correction takes out; with inputs of mean 0 it is noise. */
static void lost_weights_are_named(void **state)
{
    (void)state;
    for (int one_sign = 0; one_sign < 2; one_sign++)
        for (int corrected = 0; corrected < 2; corrected++) {
            base_err err = {0};
            nn_model *m = q8_random_model("x = input 64; y = dense(x) out=2", 1);
            nn_real *w = m->weights + nn_graph_find(m->graph, "y")->param[0].offset;
            for (int i = 0; i < 64; i++)
                for (int o = 0; o < 2; o++) w[i * 2 + o] = (nn_real)(i == 0 ? 127 : o ? 0.4 : 0.3);
            nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
            for (int i = 0; i < 64 * Q8_SAMPLES; i++) {
                if (one_sign) x[i] = (nn_real)(1 + 0.2 * (double)x[i]);
                if (i % 64 == 0) x[i] *= (nn_real)(one_sign ? 0.01 : 0.001);
            }
            const q8_options o = {.range = Q8_RANGE_MINMAX, .correct_bias = corrected};
            q8_model *q = NULL;
            check_ok(q8_quantize(m, x, Q8_SAMPLES, o, NULL, &q, &err), &err);
            quant_explanation e = explained(q, x, 1);
            const quant_row *r = row_of(&e, "y");
            if (!one_sign) says(r, QUANT_COARSE, "weight decay");
            if (one_sign && !corrected) says(r, QUANT_SHIFTED, "--no-bias-correction");
            if (one_sign && corrected) assert_true(r->fault != QUANT_SHIFTED);
            quant_explanation_free(&e);
            q8_model_free(q);
            base_free(x);
            nn_model_free(m);
        }
}

static void unused_range_is_named(void **state)
{
    (void)state;
    /* one channel of eight reaches a hundred times as far */
    nn_model *m = q8_random_model("x = input 12x1x3; c = conv2d(x) out=8 kernel=3x1; r = relu(c);"
                                  "g = globalpool(r); y = dense(g) out=4",
                                  2);
    const nn_node *c = nn_graph_find(m->graph, "c");
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < c->param[k].count; i += 8) m->weights[c->param[k].offset + i] *= 100;
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 2);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MINMAX);
    quant_explanation e = explained(q, x, 1);
    says(row_of(&e, "c"), QUANT_UNEVEN, "--no-equalize");
    quant_explanation_free(&e);
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);

    /* calibrated with one clip that is ten times as loud */
    m = q8_random_model("x = input 40x1x2; c = conv2d(x) out=3 kernel=3x1; r = relu(c);"
                        "g = globalpool(r); y = dense(g) out=4",
                        2);
    x = q8_random_inputs(m->graph, Q8_SAMPLES, 2);
    for (int i = 0; i < 80; i++) x[i] *= 10;
    q = q8_quantized(m, x, Q8_RANGE_MINMAX);
    for (int i = 0; i < 80; i++) x[i] /= 10;
    e = explained(q, x, 1);
    says(row_of(&e, "x"), QUANT_WIDE, "--range mse");
    says(row_of(&e, "g"), QUANT_SHARED, "range of its input");
    quant_explanation_free(&e);
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* ---- pictures ---- */

static void pictures_have_a_format(void **state)
{
    (void)state;
    base_err err = {0};
    assert_int_equal(quant_plot_check("layers.jpg", &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "layers.jpg"));
    assert_int_equal(quant_plot_check("png", &err), BASE_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_alone_by_hand),      cmocka_unit_test(parts_make_the_whole),
        cmocka_unit_test(parts_of_a_corrected_model), cmocka_unit_test(sixteen_bits_are_worth_less),
        cmocka_unit_test(clipping_is_named),          cmocka_unit_test(lost_weights_are_named),
        cmocka_unit_test(unused_range_is_named),      cmocka_unit_test(pictures_have_a_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
