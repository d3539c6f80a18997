/* .tflite files: recorded results of TensorFlow Lite's own library (tests/vectors/tflite.h5, made
 * by bench/peers/tflite.sh) come out bit for bit, models survive export and import, what cannot be
 * imported is named, and damaged files of every kind are refused or read, never more.
 */
#include "nn/h5.h"
#include "quantize/runtime/softmax.h"
#include "tests/check.h"
#include "tests/q8_nets.h"
#include "tests/tflite_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void run_float(const nn_model *m, const nn_real *x, size_t n, nn_real *y)
{
    base_err err = {0};
    nn_net *net = NULL;
    const nn_net_options o = {.batch = 1, .shards = 1};
    assert_int_equal(nn_net_new(m->graph, o, &net, &err), BASE_OK);
    memcpy(nn_net_weights(net), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    nn_net_forward(net, &x, (int)n, y);
    nn_net_free(net);
}

/* ---- what TensorFlow Lite computes ---- */

typedef struct recorded {
    void *file, *x, *y;
    size_t bytes, n, in, out;
} recorded;

static void *dataset(h5_file *f, const char *group, const char *name, h5_type type, int64_t dims[4])
{
    char path[64];
    int rank;
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", group, name);
    assert_int_equal(h5_shape(f, path, &rank, dims, &err), BASE_OK);
    const size_t n = (size_t)(dims[0] * (rank > 1 ? dims[1] : 1));
    void *v = base_alloc(n, type == H5_F32 ? 4 : 1);
    assert_non_null(v);
    assert_int_equal(h5_read(f, path, type, v, n, &err), BASE_OK);
    return v;
}

static recorded read_case(h5_file *f, const char *group, h5_type type)
{
    int64_t d[4];
    recorded r = {.file = dataset(f, group, "file", H5_I8, d)};
    r.bytes = (size_t)d[0];
    r.x = dataset(f, group, "x", type, d);
    r.n = (size_t)d[0];
    r.in = (size_t)d[1];
    r.y = dataset(f, group, "y", type, d);
    r.out = (size_t)d[1];
    return r;
}

static void recorded_free(recorded *r)
{
    base_free(r->file);
    base_free(r->x);
    base_free(r->y);
}

static h5_file *vectors(int64_t *nets)
{
    base_err err = {0};
    h5_file *f = NULL;
    assert_int_equal(h5_open("tests/vectors/tflite.h5", &f, &err), BASE_OK);
    assert_int_equal(h5_check(f, "tflite vectors", 1, &err), BASE_OK);
    assert_int_equal(h5_get_int(f, "/", "nets", nets, &err), BASE_OK);
    assert_true(*nets > 5);
    return f;
}

static void check_int8(h5_file *f, const char *group)
{
    recorded r = read_case(f, group, H5_I8);
    tfl_subject s = tfl_imported(r.file, r.bytes);
    assert_non_null(s.q);
    assert_int_equal(q8_output_size(s.q), r.out);
    int8_t *y = base_alloc(r.n * r.out, 1);
    tfl_run_int8(s.q, r.x, r.n, y);
    assert_memory_equal(y, r.y, r.n * r.out);
    base_free(y);
    tfl_subject_free(&s);
    recorded_free(&r);
}

static void int8_gives_the_recorded_bytes(void **state)
{
    (void)state;
    static const char *const kinds[] = {"int8", "softmax"};
    int64_t nets;
    int cases = 0;
    h5_file *f = vectors(&nets);
    for (int64_t k = 0; k < nets; k++)
        for (int kind = 0; kind < 2; kind++) {
            char group[32];
            snprintf(group, sizeof group, "%d_%s", (int)k, kinds[kind]);
            if (!h5_has(f, group)) continue;
            check_int8(f, group);
            cases++;
        }
    assert_true(cases >= 11);
    check_int8(f, "product"); /* scales multiplied in single precision */
    h5_close(f);
}

static void float_gives_the_recorded_numbers(void **state)
{
    (void)state;
    int64_t nets;
    h5_file *f = vectors(&nets);
    for (int64_t k = 0; k < nets; k++) {
        char group[32];
        snprintf(group, sizeof group, "%d_float", (int)k);
        recorded r = read_case(f, group, H5_F32);
        tfl_subject s = tfl_imported(r.file, r.bytes);
        assert_non_null(s.m);
        nn_real *y = base_alloc(r.n * r.out, sizeof *y);
        run_float(s.m, r.x, r.n, y);
        for (size_t i = 0; i < r.n * r.out; i++) {
            const double wanted = (double)((float *)r.y)[i];
            assert_true(fabs((double)y[i] - wanted) <= 1e-5 * fmax(1, fabs(wanted)));
        }
        base_free(y);
        tfl_subject_free(&s);
        recorded_free(&r);
    }
    h5_close(f);
}

/* MLPerf Tiny's reference model is not part of this repository: SOTTO_MLPERF_KWS names it, or it
 * lies beside the project. */
static void mlperf_gives_the_recorded_bytes(void **state)
{
    (void)state;
    const char *path = getenv("SOTTO_MLPERF_KWS");
    if (!path) path = "../shared/reference/mlperf_tiny/kws_ref_model.tflite";
    if (!base_exists(path)) {
        print_message(
            "MLPerf Tiny's kws_ref_model.tflite is not there: SOTTO_MLPERF_KWS names it\n");
        skip();
    }
    base_err err = {0};
    int64_t nets, d[4];
    char *file = NULL;
    size_t bytes;
    assert_int_equal(base_read_file(path, 1 << 20, &file, &bytes, &err), BASE_OK);
    h5_file *f = vectors(&nets);
    int8_t *wanted = dataset(f, "mlperf", "y", H5_I8, d);
    tfl_subject s = tfl_imported(file, bytes);
    const size_t n = (size_t)d[0], in = q8_input_size(s.q), out = q8_output_size(s.q);
    assert_int_equal(in, 490);
    assert_int_equal(out, d[1]);
    int8_t *x = base_alloc(n * in, 1), *y = base_alloc(n * out, 1);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n * in; i++) /* as the recorder makes them */
        x[i] = (int8_t)((int)(base_rng_u32(&r) >> 24) / (1 << i / in % 5) - 40);
    tfl_run_int8(s.q, x, n, y);
    assert_memory_equal(y, wanted, n * out);
    base_free(x);
    base_free(y);
    base_free(wanted);
    free(file);
    tfl_subject_free(&s);
    h5_close(f);
}

/* ---- there and back ---- */

static void int8_models_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * TFL_INT8_NETS; i++) { /* then with weights of 4 bits */
        base_err err = {0};
        base_str bytes = {0}, again = {0};
        const size_t k = i % TFL_INT8_NETS;
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        q8_model *q = i == k ? q8_quantized(m, x, Q8_RANGE_MSE) : q8_packed(m, x);
        if (tflite_export_q8(q, &bytes, &err) != BASE_OK) fail_msg("%s", err.message);
        tfl_subject s = tfl_imported(bytes.s, bytes.len);
        const size_t in = q8_input_size(q), out = q8_output_size(q);
        int8_t *a = base_alloc(Q8_SAMPLES * out, 1), *b = base_alloc(Q8_SAMPLES * out, 1);
        int8_t *xq = base_alloc(Q8_SAMPLES * in, 1);
        for (size_t n = 0; n < Q8_SAMPLES; n++) q8_quantize_input(q, x + n * in, xq + n * in);
        tfl_run_int8(q, xq, Q8_SAMPLES, a);
        tfl_run_int8(s.q, xq, Q8_SAMPLES, b);
        assert_memory_equal(a, b, Q8_SAMPLES * out);
        assert_string_equal(s.q->folded.provenance, q->folded.provenance);
        assert_int_equal(tflite_export_q8(s.q, &again, &err), BASE_OK);
        assert_int_equal(bytes.len, again.len);
        assert_memory_equal(bytes.s, again.s, bytes.len);
        base_str_free(&bytes);
        base_str_free(&again);
        base_free(a);
        base_free(b);
        base_free(xq);
        base_free(x);
        tfl_subject_free(&s);
        q8_model_free(q);
        nn_model_free(m);
    }
}

/* Every integer and the graph, not only what comes out. */
static void ds_cnn_is_the_same_model_again(void **state)
{
    (void)state;
    base_err err = {0};
    base_str bytes = {0};
    char a[65], b[65];
    nn_model *m = q8_random_model(q8_nets[0], 5);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 5);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
    assert_int_equal(tflite_export_q8(q, &bytes, &err), BASE_OK);
    tfl_subject s = tfl_imported(bytes.s, bytes.len);
    assert_int_equal(q8_hash(q, a, &err), BASE_OK);
    assert_int_equal(q8_hash(s.q, b, &err), BASE_OK);
    assert_string_equal(a, b);
    base_str_free(&bytes);
    base_free(x);
    tfl_subject_free(&s);
    q8_model_free(q);
    nn_model_free(m);
}

/* The file with QUANTIZE before it and DEQUANTIZE or QUANTIZE behind it, as converters make them
 * for callers that hold `type`: uint8 is int8 with zero points 128 higher. */
static void add_ends(tfl_model *t, int type)
{
    tfl_tensor *tensor = base_arena_alloc(t->arena, (size_t)t->n_tensors + 2, sizeof *tensor);
    tfl_op *op = base_arena_alloc(t->arena, (size_t)t->n_ops + 2, sizeof *op);
    const int ends[] = {t->input, t->output};
    memcpy(tensor, t->tensor, (size_t)t->n_tensors * sizeof *tensor);
    memcpy(op + 1, t->op, (size_t)t->n_ops * sizeof *op);
    for (int k = 0; k < 2; k++) {
        tfl_tensor *end = &tensor[t->n_tensors + k];
        *end = t->tensor[ends[k]];
        end->name = k ? "given" : "taken";
        end->type = type;
        int32_t *zero = base_arena_alloc(t->arena, 1, sizeof *zero);
        *zero = end->zero[0] + 128;
        if (type == TFL_UINT8) end->zero = zero;
        if (type == TFL_FLOAT32) end->n_scales = 0;
    }
    op[0] = (tfl_op){.code = TFL_QUANTIZE, .version = 1, .n_in = 1, .in = {t->n_tensors}};
    op[0].out = t->input;
    op[t->n_ops + 1] = (tfl_op){.code = type == TFL_UINT8 ? TFL_QUANTIZE : TFL_DEQUANTIZE,
                                .version = 1,
                                .n_in = 1,
                                .in = {t->output}};
    op[t->n_ops + 1].out = t->n_tensors + 1;
    t->input = t->n_tensors;
    t->output = t->n_tensors + 1;
    t->tensor = tensor;
    t->op = op;
    t->n_tensors += 2;
    t->n_ops += 2;
}

static void ends_that_convert_are_left_out(void **state)
{
    (void)state;
    static const int types[] = {TFL_FLOAT32, TFL_UINT8};
    nn_model *m = q8_random_model(q8_nets[0], 5);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 5);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *xq = base_alloc(in, 1), *a = base_alloc(out, 1), *b = base_alloc(out, 1);
    q8_quantize_input(q, x, xq);
    tfl_run_int8(q, xq, 1, a);
    for (int k = 0; k < 2; k++) {
        base_err err = {0};
        base_str bytes = {0}, ends = {0};
        tfl_model *t = NULL;
        assert_int_equal(tflite_export_q8(q, &bytes, &err), BASE_OK);
        assert_int_equal(tflite_parse("a.tflite", bytes.s, bytes.len, &t, &err), BASE_OK);
        add_ends(t, types[k]);
        assert_int_equal(tflite_print(t, &ends, &err), BASE_OK);
        tfl_subject s = tfl_imported(ends.s, ends.len);
        assert_int_equal(s.q->n_layers, q->n_layers);
        assert_int_equal(s.q->values[0].quant.zero, q->values[0].quant.zero);
        tfl_run_int8(s.q, xq, 1, b);
        assert_memory_equal(a, b, out);
        tfl_subject_free(&s);
        tflite_free(t);
        base_str_free(&bytes);
        base_str_free(&ends);
    }
    base_free(xq);
    base_free(a);
    base_free(b);
    base_free(x);
    q8_model_free(q);
    nn_model_free(m);
}

static void float_models_come_back(void **state)
{
    (void)state;
    enum { N = 4 };
    for (size_t k = 0; k < TFL_INT8_NETS + TFL_FLOAT_NETS; k++) {
        base_err err = {0};
        base_str bytes = {0}, again = {0};
        nn_model *m =
            q8_random_model(k < TFL_INT8_NETS ? q8_nets[k] : tfl_float_nets[k - TFL_INT8_NETS], k);
        nn_real *x = q8_random_inputs(m->graph, N, k);
        m->provenance = base_strdup("train.seed = 1\n");
        if (tflite_export_float(m, &bytes, &err) != BASE_OK) fail_msg("%s", err.message);
        tfl_subject s = tfl_imported(bytes.s, bytes.len);
        const size_t out = (size_t)nn_count(nn_graph_output(m->graph)->shape);
        nn_real *a = base_alloc(N * out, sizeof *a), *b = base_alloc(N * out, sizeof *b);
        run_float(m, x, N, a);
        run_float(s.m, x, N, b);
        for (size_t i = 0; i < N * out; i++)
            assert_true(fabs((double)(a[i] - b[i])) <= 1e-5 * fmax(1, fabs((double)a[i])));
        assert_int_equal(tflite_export_float(s.m, &again, &err), BASE_OK);
        assert_int_equal(bytes.len, again.len);
        assert_memory_equal(bytes.s, again.s, bytes.len);
        base_str_free(&bytes);
        base_str_free(&again);
        base_free(a);
        base_free(b);
        base_free(x);
        tfl_subject_free(&s);
        nn_model_free(m);
    }
}

static void labels_and_features_come_back(void **state)
{
    (void)state;
    base_err err = {0};
    base_str bytes = {0};
    nn_model *m = q8_random_model(q8_nets[4], 3);
    char *labels[] = {"yes", "no", "_silence_"};
    m->labels = calloc(3, sizeof *m->labels);
    memcpy(m->labels, labels, sizeof labels);
    m->n_labels = 3;
    m->features = base_strdup("mels = 40\n");
    m->n_stats = 2;
    m->mean = base_alloc(2, sizeof *m->mean);
    m->std = base_alloc(2, sizeof *m->std);
    m->mean[1] = -3.25F;
    m->std[1] = 0.1F;
    assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_OK);
    tfl_subject s = tfl_imported(bytes.s, bytes.len);
    assert_int_equal(s.m->n_labels, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(s.m->labels[i], labels[i]);
    assert_string_equal(s.m->features, "mels = 40\n");
    assert_int_equal(s.m->n_stats, 2);
    assert_memory_equal(s.m->mean, m->mean, 2 * sizeof *m->mean);
    assert_memory_equal(s.m->std, m->std, 2 * sizeof *m->std);
    base_str_free(&bytes);
    tfl_subject_free(&s);
    nn_model_free(m);
}

/* ---- softmax ---- */

static void softmax_is_near_the_real_one(void **state)
{
    (void)state;
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, 0);
    for (int round = 0; round < 2000; round++) {
        enum { MOST = 1000 };
        const int n = 1 + (int)base_rng_below(&r, round % 10 ? 40 : MOST);
        const double scale = ldexp(1 + base_rng_uniform(&r), -(int)base_rng_below(&r, 8));
        sotto_softmax_t p = {.rows = 1, .n = n, .lo = -128, .hi = 127};
        int8_t x[MOST], y[MOST];
        double sum = 0, e[MOST];
        assert_true(
            nn_q8_multiplier(fmin(scale * (1 << 26), 2147483647.0), &p.multiplier, &p.shift));
        p.least = (int32_t)-floor(ldexp(31, 26 - p.shift));
        for (int i = 0; i < n; i++) x[i] = (int8_t)((int)base_rng_below(&r, 256) - 128);
        for (int i = 0; i < n; i++) sum += e[i] = exp(scale * (x[i] - 127));
        sotto_softmax(&p, x, y);
        for (int i = 0; i < n; i++)
            assert_true(fabs(fmin(256 * e[i] / sum, 255) - (y[i] + 128)) < 0.6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int8_gives_the_recorded_bytes),
        cmocka_unit_test(float_gives_the_recorded_numbers),
        cmocka_unit_test(mlperf_gives_the_recorded_bytes),
        cmocka_unit_test(int8_models_come_back),
        cmocka_unit_test(ds_cnn_is_the_same_model_again),
        cmocka_unit_test(ends_that_convert_are_left_out),
        cmocka_unit_test(float_models_come_back),
        cmocka_unit_test(labels_and_features_come_back),
        cmocka_unit_test(softmax_is_near_the_real_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
