/* Folding, calibration, lowering, files and execution of int8 models: the folded float net gives
 * the values of the original, the int8 model follows the float one on random nets of every
 * operator, a file brings back every integer, and what cannot be quantized is refused by name.
 */
#include "nn/h5.h"
#include "tests/q8_nets.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- folding ---- */

static void folded_net_gives_the_same_values(void **state)
{
    (void)state;
    for (size_t k = 0; k < Q8_NETS; k++) {
        base_err err = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_graph *g = NULL;
        nn_real *w = NULL, *x = q8_random_inputs(m->graph, 8, k);
        assert_int_equal(q8_fold(m->graph, m->weights, &g, &w, &err), BASE_OK);
        int norms = 0;
        for (int i = 0; i < nn_graph_nodes(g); i++) {
            norms += strcmp(nn_graph_node(g, i)->op->name, "batchnorm") == 0;
            assert_string_not_equal(nn_graph_node(g, i)->op->name, "dropout");
        }
        assert_int_equal(norms, k == 6 ? 4 : 0); /* by bands, or behind no convolution */
        nn_real *a = q8_evaluate(m->graph, m->weights, x, 8), *b = q8_evaluate(g, w, x, 8);
        const size_t n = 8 * (size_t)nn_count(nn_graph_output(g)->shape);
        double largest = 0;
        for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)a[i]));
        for (size_t i = 0; i < n; i++) assert_true(fabs((double)(a[i] - b[i])) <= 1e-5 * largest);
        base_free(a);
        base_free(b);
        base_free(x);
        base_free(w);
        nn_graph_free(g);
        nn_model_free(m);
    }
}

static void refused(const char *text, base_status status, const char *part)
{
    base_err err = {0};
    nn_model *m = q8_random_model(text, 1);
    nn_real *x = q8_random_inputs(m->graph, 4, 1);
    q8_model *q = NULL;
    assert_int_equal(q8_quantize(m, x, 4, (q8_options){.range = Q8_RANGE_MSE}, NULL, &q, &err),
                     status);
    assert_null(q);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    base_free(x);
    nn_model_free(m);
}

static void what_cannot_be_quantized_is_named(void **state)
{
    (void)state;
    refused("x = input 8; z = input 8; y = add(x, z)", BASE_USAGE, "one input");
    refused("x = input 8; f = flatten(x)", BASE_USAGE, "computes nothing");
    refused("x = input 5000; s = softmax(x); y = dense(s) out=2", BASE_USAGE,
            "softmax 's': rows of");
}

static void weights_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    base_err err = {0};
    nn_model *m = q8_random_model(q8_nets[0], 1);
    nn_real *x = q8_random_inputs(m->graph, 4, 1);
    m->weights[nn_graph_find(m->graph, "p1")->param[0].offset] = (nn_real)NAN;
    q8_model *q = NULL;
    assert_int_equal(q8_quantize(m, x, 4, (q8_options){.range = Q8_RANGE_MSE}, NULL, &q, &err),
                     BASE_MISMATCH);
    assert_non_null(strstr(err.message, "'p1'"));
    assert_int_equal(q8_quantize(m, x, 0, (q8_options){.range = Q8_RANGE_MSE}, NULL, &q, &err),
                     BASE_DATA);
    base_free(x);
    nn_model_free(m);
}

/* ---- lowering ---- */

static void multipliers_are_what_they_stand_for(void **state)
{
    (void)state;
    base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 10000; i++) {
        const double real = ldexp(0.5 + base_rng_uniform(&r) / 2, (int)base_rng_below(&r, 60) - 30);
        int32_t multiplier, shift;
        assert_true(nn_q8_multiplier(real, &multiplier, &shift));
        assert_true(multiplier >= 1 << 30);
        assert_true(fabs(ldexp(multiplier, shift - 31) / real - 1) <= ldexp(1, -31));
    }
    int32_t m, s;
    assert_true(nn_q8_multiplier(1 - ldexp(1, -40), &m, &s)); /* rounds up to the next power */
    assert_int_equal(m, 1 << 30);
    assert_int_equal(s, 1);
    assert_true(nn_q8_multiplier(0, &m, &s));
    assert_int_equal(m, 0);
    assert_true(nn_q8_multiplier(1e-30, &m, &s));
    assert_int_equal(m, 0);
    assert_false(nn_q8_multiplier(-1, &m, &s));
    assert_false(nn_q8_multiplier((double)NAN, &m, &s));
    assert_false(nn_q8_multiplier(ldexp(1, 30), &m, &s));
}

/* 8 bits of a Gaussian signal are about 40 dB at best; these nets measure 31 to 46 dB, the two of
 * twelve layers and more in a row (a block of BC-ResNet, attention) 27 to 31 and 22 to 27. A wrong
 * zero point, padding value or channel order is below 10 dB. */
static void int8_follows_float(void **state)
{
    static const double least[Q8_NETS] = {28, 28, 28, 28, 28, 28, 25, 28, 20, 28, 28, 28, 28};
    (void)state;
    for (size_t k = 0; k < Q8_NETS; k++)
        for (uint64_t seed = 0; seed < 3; seed++)
            for (int range = Q8_RANGE_MINMAX; range <= Q8_RANGE_MSE; range++) {
                nn_model *m = q8_random_model(q8_nets[k], seed);
                nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, seed);
                nn_real *y = q8_evaluate(m->graph, m->weights, x, Q8_SAMPLES);
                const q8_options how = {.range = (q8_range)range,
                                        .rounding = seed % 2 ? Q8_SINGLE : Q8_TFLM};
                q8_model *q = q8_quantized_as(m, x, how);
                const double db = q8_sqnr(q, x, y, Q8_SAMPLES);
                if (!(db > least[k])) fail_msg("net %zu, range %d: %.1f dB", k, range, db);
                q8_model_free(q);
                base_free(x);
                base_free(y);
                nn_model_free(m);
            }
}

/* Channels whose weights are all 0, tiny, or dwarfed by their bias still give their bias. */
static void odd_channels_keep_their_bias(void **state)
{
    (void)state;
    nn_model *m = q8_random_model("x = input 6; y = dense(x) out=4", 5);
    nn_real *w = m->weights + nn_graph_find(m->graph, "y")->param[0].offset;
    nn_real *b = m->weights + nn_graph_find(m->graph, "y")->param[1].offset;
    const double scale[] = {0, 1e-12, 1e-5, 1}, bias[] = {-0.7, 0.9, 1.9, 0.1};
    for (int i = 0; i < 6; i++)
        for (int o = 0; o < 4; o++) w[i * 4 + o] *= (nn_real)scale[o];
    for (int o = 0; o < 4; o++) b[o] = (nn_real)bias[o];
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 5);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MINMAX);
    const nn_quant out = q->values[q->n_layers].quant;
    int8_t in[6] = {127, -128, 3, -90, 55, 0}, y[4];
    q8_run(q, in, y, in);
    for (int o = 0; o < 3; o++)
        assert_true(fabs(out.scale * (y[o] - out.zero) - bias[o]) <= 0.51 * out.scale);
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* The whole work buffer is needed and enough, and values that live together do not overlap. */
static void values_have_places_of_their_own(void **state)
{
    (void)state;
    for (size_t k = 0; k < Q8_NETS; k++) {
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
        size_t most = 0;
        for (int a = 1; a < q->n_layers; a++) {
            const q8_value *va = &q->values[a];
            assert_int_equal(va->first, a - 1);
            assert_true(va->last > va->first);
            if (va->offset + va->size > most) most = va->offset + va->size;
            for (int b = 1; b < a; b++) {
                const q8_value *vb = &q->values[b];
                if (vb->last < va->first) continue;
                const bool in_place = vb->last == va->first && q->layers[va->first].in[0] == b &&
                                      q->layers[va->first].l.kernel->in_place;
                if (in_place) continue;
                assert_true(va->offset >= vb->offset + vb->size ||
                            vb->offset >= va->offset + va->size);
            }
        }
        for (int k2 = 0; k2 < q->n_layers; k2++) {
            const size_t from = q->layers[k2].scratch, size = q->layers[k2].l.scratch;
            if (size == 0) continue;
            assert_int_equal(from % 4, 0);
            if (from + size > most) most = from + size;
            for (int a = 1; a < q->n_layers; a++) {
                const q8_value *va = &q->values[a];
                if (va->last < k2 || va->first > k2) continue;
                assert_true(va->offset >= from + size || from >= va->offset + va->size);
            }
        }
        assert_true(q->work >= most && q->work < most + 4);
        q8_model_free(q);
        base_free(x);
        nn_model_free(m);
    }
}

static void relu_is_fused_and_adds_run_in_place(void **state)
{
    (void)state;
    nn_model *m = q8_random_model(q8_nets[1], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
    static const char *const names[] = {"c1", "c2", "s", "c3", "y"};
    assert_int_equal(q->n_layers, BASE_COUNT(names));
    for (size_t i = 0; i < BASE_COUNT(names); i++) assert_string_equal(q->layers[i].name, names[i]);
    assert_int_equal(q->values[3].offset, q->values[2].offset);
    assert_int_equal(q->values[1].quant.zero, -128); /* the range of the relu */
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* A reshape is gone: the same layers give the same integers with and without. */
static void reshapes_cost_nothing(void **state)
{
    (void)state;
    static const char *const nets[] = {
        "x = input 9x8x1; c = conv2d(x) out=4 kernel=3x3; r = relu(c); f = flatten(r);"
        "y = dense(f) out=3",
        "x = input 72; a = reshape(x) shape=9x8x1; c = conv2d(a) out=4 kernel=3x3;"
        "b = reshape(c) shape=72x4; r = relu(b); d = reshape(r) shape=288; y = dense(d) out=3"};
    int8_t in[72], out[2][3], work[1024];
    for (int i = 0; i < 72; i++) in[i] = (int8_t)(i * 37 % 256 - 128);
    nn_model *first = q8_random_model(nets[0], 1); /* its weights are used for both */
    for (int k = 0; k < 2; k++) {
        nn_model *m = q8_random_model(nets[k], 1);
        assert_int_equal(nn_graph_params(m->graph), nn_graph_params(first->graph));
        memcpy(m->weights, first->weights, nn_graph_params(m->graph) * sizeof *m->weights);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
        q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
        assert_int_equal(q->n_layers, 2);
        assert_true(q->work <= sizeof work);
        q8_run(q, in, out[k], work);
        q8_model_free(q);
        base_free(x);
        nn_model_free(m);
    }
    nn_model_free(first);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
}

/* Sigmoid, tanh and softmax have TFLite's; concat's inputs have its own where only it reads them,
 * and what moves values passes on what it gets. */
static void quantizations_that_are_not_chosen(void **state)
{
    (void)state;
    nn_model *m = q8_random_model(q8_nets[7], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
    const nn_graph *g = q->folded.graph;
    const nn_quant tanh = q->quant[nn_graph_find(g, "t")->index];
    const nn_quant sigmoid = q->quant[nn_graph_find(g, "s")->index];
    assert_true(tanh.scale * 128 == 1 && tanh.zero == 0);
    assert_true(sigmoid.scale * 256 == 1 && sigmoid.zero == -128);
    static const char *const alike[][2] = {{"k", "t"}, {"p", "u"}, {"q", "p"}, {"v", "q"},
                                           {"w", "q"}, {"d", "j"}, {"l", "j"}, {"o", "j"}};
    for (size_t i = 0; i < BASE_COUNT(alike); i++) {
        const nn_quant a = q->quant[nn_graph_find(g, alike[i][0])->index];
        const nn_quant b = q->quant[nn_graph_find(g, alike[i][1])->index];
        assert_true(a.scale == b.scale && a.zero == b.zero);
    }
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* A batchnorm by bands and the relu behind it are part of the depthwise convolution. */
static void bands_are_fused(void **state)
{
    (void)state;
    nn_model *m = q8_random_model(q8_nets[6], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
    static const char *const names[] = {"c", "m",  "t", "s",  "o", "a",
                                        "b", "n2", "h", "n3", "d", "y"};
    assert_int_equal(q->n_layers, BASE_COUNT(names));
    for (size_t i = 0; i < BASE_COUNT(names); i++) assert_string_equal(q->layers[i].name, names[i]);
    assert_string_equal(q->layers[0].l.kernel->name, "sotto_dwconv2d_bands");
    assert_string_equal(q->layers[7].l.kernel->name, "sotto_dwconv2d");
    assert_int_equal(q->values[11].quant.zero, -128); /* the range of the relu behind the bands */
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* ---- input ---- */

static void input_rounds_halves_away_and_saturates(void **state)
{
    (void)state;
    nn_model *m = q8_random_model("x = input 6; y = dense(x) out=1", 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
    q->values[0].quant = (nn_quant){0.5, 10};
    const float in[6] = {0.25F, -0.25F, 0.75F, 0, 1e9F, -1e9F};
    const int8_t wanted[6] = {11, 9, 12, 10, 127, -128};
    int8_t got[6];
    q8_quantize_input(q, in, got);
    assert_memory_equal(got, wanted, 6);
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* ---- files ---- */

static void same_models(const q8_model *a, const q8_model *b)
{
    char ha[65], hb[65];
    base_err err = {0};
    assert_int_equal(q8_hash(a, ha, &err), BASE_OK);
    assert_int_equal(q8_hash(b, hb, &err), BASE_OK);
    assert_string_equal(ha, hb);
    assert_int_equal(a->n_layers, b->n_layers);
    assert_int_equal(a->work, b->work);
    for (int i = 0; i < a->n_layers; i++) {
        const nn_q8_layer *la = &a->layers[i].l, *lb = &b->layers[i].l;
        assert_ptr_equal(la->kernel, lb->kernel);
        for (int f = 0, array = 0; f < la->kernel->n_fields; f++) {
            const nn_q8_field *field = &la->kernel->fields[f];
            const char *pa = (const char *)la->p + field->offset;
            const char *pb = (const char *)lb->p + field->offset;
            if (field->type == NN_Q8_INT) {
                assert_memory_equal(pa, pb, 4);
                continue;
            }
            const size_t size =
                nn_q8_stored(field->type, la->count[array]) * (field->type == NN_Q8_I32S ? 4 : 1);
            assert_int_equal(la->count[array], lb->count[array]);
            assert_memory_equal(*(const void *const *)pa, *(const void *const *)pb, size);
            array++;
        }
    }
    for (int v = 0; v <= a->n_layers; v++) {
        assert_true(a->values[v].quant.scale == b->values[v].quant.scale);
        assert_int_equal(a->values[v].quant.zero, b->values[v].quant.zero);
        assert_int_equal(a->values[v].offset, b->values[v].offset);
    }
    assert_int_equal(a->n_golden, b->n_golden);
    assert_memory_equal(a->golden, b->golden, a->n_golden * q8_input_size(a));
}

static void temp_path(char path[64])
{
    snprintf(path, 64, "/tmp/sotto_q8_XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void a_file_brings_back_every_integer(void **state)
{
    (void)state;
    char path[64];
    temp_path(path);
    for (size_t k = 0; k < Q8_NETS; k++) {
        base_err err = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        const q8_options how = {.range = Q8_RANGE_MSE, .rounding = k % 2 ? Q8_TFLM : Q8_SINGLE};
        q8_model *q = q8_quantized_as(m, x, how), *back = NULL;
        /* integers that no lowering makes, to see that they come from the file */
        int8_t *weight = NULL;
        for (int f = 0; f < q->layers[0].l.kernel->n_fields && !weight; f++)
            if (q->layers[0].l.kernel->fields[f].type == NN_Q8_I8S)
                memcpy(&weight, (char *)q->layers[0].l.p + q->layers[0].l.kernel->fields[f].offset,
                       sizeof weight);
        if (weight) weight[0] = weight[0] > 0 ? -99 : 99;
        if (q8_save(q, path, &err) != BASE_OK) fail_msg("%s", err.message);
        if (q8_load(path, &back, &err) != BASE_OK) fail_msg("%s", err.message);
        same_models(q, back);
        assert_int_equal(back->rounding, how.rounding);
        assert_string_equal(back->folded.provenance, "calibration.clips = 64\n");
        bool is = false;
        assert_int_equal(q8_is_model(path, &is, &err), BASE_OK);
        assert_true(is);
        q8_model_free(q);
        q8_model_free(back);
        base_free(x);
        nn_model_free(m);
    }
    unlink(path);
}

static void float_models_and_other_results_are_refused(void **state)
{
    (void)state;
    char path[64];
    temp_path(path);
    base_err err = {0};
    nn_model *m = q8_random_model(q8_nets[4], 1);
    q8_model *q = NULL;
    assert_int_equal(nn_model_save(m, path, &err), BASE_OK);
    assert_int_equal(q8_load(path, &q, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "float model"));
    assert_non_null(strstr(err.hint, "sotto quantize"));

    /* a layer that does not fit its graph: other weights' file with another clamp */
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q = q8_quantized(m, x, Q8_RANGE_MSE);
    for (int f = 0; f < q->layers[0].l.kernel->n_fields; f++)
        if (strcmp(q->layers[0].l.kernel->fields[f].name, "in_n") == 0) {
            const int32_t wrong = 29;
            memcpy((char *)q->layers[0].l.p + q->layers[0].l.kernel->fields[f].offset, &wrong, 4);
        }
    assert_int_equal(q8_save(q, path, &err), BASE_OK);
    q8_model *back = NULL;
    assert_int_equal(q8_load(path, &back, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "in_n is 29, not 30"));
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
    unlink(path);
}

/* What a model of either profile gives for random bytes. */
static int8_t *outputs_of(const q8_model *q, size_t n)
{
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *x = base_alloc(in, 1), *y = base_alloc(n * out, 1), *work = base_alloc(q->work + 1, 1);
    assert_true(x && y && work);
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, 0);
    for (size_t s = 0; s < n; s++) {
        for (size_t i = 0; i < in; i++) x[i] = (int8_t)((int)base_rng_below(&r, 256) - 128);
        q8_run(q, x, y + s * out, work);
    }
    base_free(x);
    base_free(work);
    return y;
}

/* A profile is in every layer that requantizes, in the hash, and in what is computed. */
static void profiles_are_told_apart(void **state)
{
    (void)state;
    enum { INPUTS = 300 };
    for (size_t k = 0; k < Q8_NETS; k++) {
        base_err err = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        q8_model *q[Q8_ROUNDINGS];
        int8_t *y[Q8_ROUNDINGS];
        char hash[Q8_ROUNDINGS][65];
        int changed = 0;
        for (int p = 0; p < Q8_ROUNDINGS; p++) {
            q[p] = q8_quantized_as(m, x, (q8_options){.rounding = (q8_rounding)p});
            y[p] = outputs_of(q[p], INPUTS);
            assert_int_equal(q8_hash(q[p], hash[p], &err), BASE_OK);
        }
        const size_t n = INPUTS * q8_output_size(q[0]);
        for (size_t i = 0; i < n; i++) changed += y[0][i] != y[1][i];
        assert_true(changed > 0);
        assert_string_not_equal(hash[0], hash[1]);
        for (int p = 0; p < Q8_ROUNDINGS; p++) {
            q8_model_free(q[p]);
            base_free(y[p]);
        }
        base_free(x);
        nn_model_free(m);
    }
}

static void profiles_in_files_are_checked(void **state)
{
    (void)state;
    char path[64];
    temp_path(path);
    base_err err = {0};
    nn_model *m = q8_random_model(q8_nets[4], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE), *back = NULL;
    q->rounding = Q8_SINGLE; /* but the layers still round twice */
    assert_int_equal(q8_save(q, path, &err), BASE_OK);
    assert_int_equal(q8_load(path, &back, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "single is 0, not 1"));
    assert_non_null(strstr(err.hint, "quantize again"));
    q->rounding = Q8_TFLM;
    assert_int_equal(q8_save(q, path, &err), BASE_OK);
    char *bytes = NULL, *at = NULL;
    size_t n = 0;
    assert_int_equal(base_read_file(path, 1 << 20, &bytes, &n, &err), BASE_OK);
    at = memmem(bytes, n, "tflm", 4);
    assert_non_null(at);
    memcpy(at, "even", 4);
    assert_int_equal(base_write_file(path, bytes, n, &err), BASE_OK);
    free(bytes);
    assert_int_equal(q8_load(path, &back, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "rounding 'even' is not known here (tflm and single are)"));
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folded_net_gives_the_same_values),
        cmocka_unit_test(what_cannot_be_quantized_is_named),
        cmocka_unit_test(weights_that_are_not_finite_are_refused),
        cmocka_unit_test(multipliers_are_what_they_stand_for),
        cmocka_unit_test(int8_follows_float),
        cmocka_unit_test(odd_channels_keep_their_bias),
        cmocka_unit_test(values_have_places_of_their_own),
        cmocka_unit_test(relu_is_fused_and_adds_run_in_place),
        cmocka_unit_test(reshapes_cost_nothing),
        cmocka_unit_test(quantizations_that_are_not_chosen),
        cmocka_unit_test(bands_are_fused),
        cmocka_unit_test(input_rounds_halves_away_and_saturates),
        cmocka_unit_test(a_file_brings_back_every_integer),
        cmocka_unit_test(profiles_are_told_apart),
        cmocka_unit_test(profiles_in_files_are_checked),
        cmocka_unit_test(float_models_and_other_results_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
