/* .tflite files: recorded results of TensorFlow Lite's own library (tests/vectors/tflite.h5, made
 * by bench/peers/tflite.sh) come out bit for bit, models survive export and import, what cannot be
 * imported is named, and damaged files of every kind are refused or read, never more.
 */
#include "nn/h5.h"
#include "tests/check.h"
#include "tests/q8_nets.h"

#include "quantize/flatbuffer.h"
#include "quantize/runtime/softmax.h"
#include "quantize/tflite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const tflite_given nothing = {0};

/* A model of either kind and its outputs. */
typedef struct subject {
    nn_model *m;
    q8_model *q;
} subject;

static void subject_free(subject *s)
{
    nn_model_free(s->m);
    q8_model_free(s->q);
    *s = (subject){0};
}

static subject import_bytes(const void *bytes, size_t n)
{
    base_err err = {0};
    tfl_model *t = NULL;
    subject s = {0};
    if (tflite_parse("test.tflite", bytes, n, &t, &err) != BASE_OK ||
        tflite_import(t, &nothing, &s.m, &s.q, &err) != BASE_OK)
        fail_msg("%s", err.message);
    tflite_free(t);
    return s;
}

static void run_int8(const q8_model *q, const int8_t *x, size_t n, int8_t *y)
{
    int8_t *work = base_alloc(q->work + 1, 1);
    assert_non_null(work);
    for (size_t i = 0; i < n; i++)
        q8_run(q, x + i * q8_input_size(q), y + i * q8_output_size(q), work);
    base_free(work);
}

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
    subject s = import_bytes(r.file, r.bytes);
    assert_non_null(s.q);
    assert_int_equal(q8_output_size(s.q), r.out);
    int8_t *y = base_alloc(r.n * r.out, 1);
    run_int8(s.q, r.x, r.n, y);
    assert_memory_equal(y, r.y, r.n * r.out);
    base_free(y);
    subject_free(&s);
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
        subject s = import_bytes(r.file, r.bytes);
        assert_non_null(s.m);
        nn_real *y = base_alloc(r.n * r.out, sizeof *y);
        run_float(s.m, r.x, r.n, y);
        for (size_t i = 0; i < r.n * r.out; i++) {
            const double wanted = (double)((float *)r.y)[i];
            assert_true(fabs((double)y[i] - wanted) <= 1e-5 * fmax(1, fabs(wanted)));
        }
        base_free(y);
        subject_free(&s);
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
    subject s = import_bytes(file, bytes);
    const size_t n = (size_t)d[0], in = q8_input_size(s.q), out = q8_output_size(s.q);
    assert_int_equal(in, 490);
    assert_int_equal(out, d[1]);
    int8_t *x = base_alloc(n * in, 1), *y = base_alloc(n * out, 1);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n * in; i++) /* as the recorder makes them */
        x[i] = (int8_t)((int)(base_rng_u32(&r) >> 24) / (1 << i / in % 5) - 40);
    run_int8(s.q, x, n, y);
    assert_memory_equal(y, wanted, n * out);
    base_free(x);
    base_free(y);
    base_free(wanted);
    free(file);
    subject_free(&s);
    h5_close(f);
}

/* ---- there and back ---- */

/* The first of q8_nets are made of operators that files in both directions can hold. */
enum { TFLITE_NETS = 6 };

static void int8_models_come_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < TFLITE_NETS; k++) {
        base_err err = {0};
        base_str bytes = {0}, again = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
        if (tflite_export_q8(q, &bytes, &err) != BASE_OK) fail_msg("%s", err.message);
        subject s = import_bytes(bytes.s, bytes.len);
        const size_t in = q8_input_size(q), out = q8_output_size(q);
        int8_t *a = base_alloc(Q8_SAMPLES * out, 1), *b = base_alloc(Q8_SAMPLES * out, 1);
        int8_t *xq = base_alloc(Q8_SAMPLES * in, 1);
        for (size_t i = 0; i < Q8_SAMPLES; i++) q8_quantize_input(q, x + i * in, xq + i * in);
        run_int8(q, xq, Q8_SAMPLES, a);
        run_int8(s.q, xq, Q8_SAMPLES, b);
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
        subject_free(&s);
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
    subject s = import_bytes(bytes.s, bytes.len);
    assert_int_equal(q8_hash(q, a, &err), BASE_OK);
    assert_int_equal(q8_hash(s.q, b, &err), BASE_OK);
    assert_string_equal(a, b);
    base_str_free(&bytes);
    base_free(x);
    subject_free(&s);
    q8_model_free(q);
    nn_model_free(m);
}

/* Operators that have no int8 form too. */
static const char *const float_nets[] = {
    "x = input 10x6x4; a = conv2d(x) out=4 kernel=3x3; s = silu(a); t = tanh(s); h = hardswish(t);"
    "c = concat(h, a, x) axis=2; u = slice(c) axis=1 begin=2 size=3; g = mean(u) axes=0,1;"
    "k = sigmoid(g); y = mul(u, k)",
    "x = input 8x4; t = transpose(x) order=1,0; r = reshape(t) shape=4x8x1; p = pad(r) pad=1,0,2,1;"
    "m = max(p) axes=1 keep=no; f = flatten(m); d = dense(f) out=6; y = softmax(d)",
    "x = input 7x10x3; c = conv2d(x) out=4 kernel=3x3; n = batchnorm(c) bands=5; r = relu(n);"
    "d = dwconv2d(r) kernel=3x3; m = batchnorm(d) bands=2 gamma=no; u = mean(m) axes=1;"
    "y = add(m, u)",
};

static void float_models_come_back(void **state)
{
    (void)state;
    enum { N = 4 };
    for (size_t k = 0; k < TFLITE_NETS + BASE_COUNT(float_nets); k++) {
        base_err err = {0};
        base_str bytes = {0}, again = {0};
        nn_model *m = q8_random_model(k < TFLITE_NETS ? q8_nets[k] : float_nets[k - TFLITE_NETS], k);
        nn_real *x = q8_random_inputs(m->graph, N, k);
        m->provenance = base_strdup("train.seed = 1\n");
        if (tflite_export_float(m, &bytes, &err) != BASE_OK) fail_msg("%s", err.message);
        subject s = import_bytes(bytes.s, bytes.len);
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
        subject_free(&s);
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
    subject s = import_bytes(bytes.s, bytes.len);
    assert_int_equal(s.m->n_labels, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(s.m->labels[i], labels[i]);
    assert_string_equal(s.m->features, "mels = 40\n");
    assert_int_equal(s.m->n_stats, 2);
    assert_memory_equal(s.m->mean, m->mean, 2 * sizeof *m->mean);
    assert_memory_equal(s.m->std, m->std, 2 * sizeof *m->std);
    base_str_free(&bytes);
    subject_free(&s);
    nn_model_free(m);
}

/* ---- softmax ---- */

static void softmax_is_near_the_real_one(void **state)
{
    (void)state;
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, 0);
    for (int round = 0; round < 2000; round++) {
        enum { MOST = 40 };
        const int n = 1 + (int)base_rng_below(&r, MOST);
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

/* ---- refusals ---- */

typedef void (*change)(tfl_model *t);

/* The export of a net, changed, is refused at `part`. */
static void refused(const char *net, change how, const char *part)
{
    base_err err = {0};
    base_str bytes = {0}, changed = {0};
    tfl_model *t = NULL;
    subject s = {0};
    nn_model *m = q8_random_model(net, 1);
    assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_OK);
    assert_int_equal(tflite_parse("a.tflite", bytes.s, bytes.len, &t, &err), BASE_OK);
    how(t);
    base_status status = tflite_print(t, &changed, &err);
    tflite_free(t);
    if (status == BASE_OK) status = tflite_parse("a.tflite", changed.s, changed.len, &t, &err);
    if (status == BASE_OK) {
        status = tflite_import(t, &nothing, &s.m, &s.q, &err);
        tflite_free(t);
    }
    assert_int_equal(status, BASE_DATA);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    base_str_free(&bytes);
    base_str_free(&changed);
    nn_model_free(m);
}

static tfl_op *op_of(tfl_model *t, int code)
{
    for (int k = 0; k < t->n_ops; k++)
        if (t->op[k].code == code) return &t->op[k];
    fail_msg("no operator %d", code);
    return NULL;
}

static void batch_of_two(tfl_model *t)
{
    t->tensor[t->input].dim[0] = 2;
}
static void read_ahead(tfl_model *t)
{
    t->op[0].in[0] = t->output;
}
static void output_early(tfl_model *t)
{
    t->output = t->op[0].out;
}
static void unknown_activation(tfl_model *t)
{
    t->op[0].o.activation = 4;
}
static void unknown_padding(tfl_model *t)
{
    op_of(t, TFL_CONV_2D)->o.padding = 7;
}
static void no_stride(tfl_model *t)
{
    op_of(t, TFL_CONV_2D)->o.stride_h = 0;
}
static void other_shape(tfl_model *t)
{
    t->tensor[op_of(t, TFL_CONV_2D)->out].dim[3]++;
}
static void short_constant(tfl_model *t)
{
    t->tensor[op_of(t, TFL_CONV_2D)->in[1]].bytes -= 4;
}
static void hot(tfl_model *t)
{
    op_of(t, TFL_SOFTMAX)->o.beta = 2;
}
static void weights_computed(tfl_model *t)
{
    op_of(t, TFL_CONV_2D)->in[1] = t->input;
}
static void two_scales(tfl_model *t)
{
    static const float scale[] = {1, 2};
    static const int32_t zero[] = {0, 0};
    tfl_tensor *x = &t->tensor[t->input];
    x->scale = scale;
    x->zero = zero;
    x->n_scales = 2;
}

static void what_cannot_be_imported_is_named(void **state)
{
    (void)state;
    const char *net = "x = input 9x7x2; c = conv2d(x) out=4 kernel=3x3; r = relu(c);"
                      "g = globalpool(r); d = dense(g) out=5; y = softmax(d)";
    refused(net, batch_of_two, "tensor 'x' has 4 dimensions, the first is 2");
    refused(net, read_ahead, "operator 0 (CONV_2D) reads tensor");
    refused(net, output_early, "output 'r' is not what is computed last");
    refused(net, unknown_activation, "operator 0 (CONV_2D to 'r'): activation 4");
    refused(net, unknown_padding, "padding 7");
    refused(net, no_stride, "stride=0x1");
    refused(net, other_shape, "operator 0 (CONV_2D to 'r'): gives 9x7x4, the file says 9x7x5");
    refused(net, short_constant, "tensor 'c.weight' has 284 bytes, its shape wants 288");
    refused(net, hot, "operator 4 (SOFTMAX to 'y'): beta is 2");
    refused(net, weights_computed, "input 1 ('x') must be a constant");
    refused(net, two_scales, "tensor 'x' has 2 scales");
}

/* Found by damaging files: the kernels add without looking. */
static void a_bias_beyond_32_bits_is_refused(void **state)
{
    (void)state;
    base_err err = {0};
    base_str bytes = {0};
    tfl_model *t = NULL;
    nn_model *m = q8_random_model(q8_nets[0], 1), *f = NULL;
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE), *again = NULL;
    assert_int_equal(tflite_export_q8(q, &bytes, &err), BASE_OK);
    assert_int_equal(tflite_parse("a.tflite", bytes.s, bytes.len, &t, &err), BASE_OK);
    tfl_tensor *bias = &t->tensor[op_of(t, TFL_DEPTHWISE_CONV_2D)->in[2]];
    memcpy((void *)(uintptr_t)(bias->data + 8), (const int32_t[]){INT32_MIN}, 4);
    assert_int_equal(tflite_import(t, &nothing, &f, &again, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "output 2 of weights 'd1.weight' may overflow"));
    tflite_free(t);
    base_str_free(&bytes);
    base_free(x);
    q8_model_free(q);
    nn_model_free(m);
}

static void an_unknown_operator_is_named(void **state)
{
    (void)state;
    base_err err = {0};
    base_str bytes = {0};
    tfl_model *t = NULL;
    nn_model *m = q8_random_model(q8_nets[4], 1);
    assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_OK);
    /* the only kind of operator there is, in its two fields: 9 becomes 49 (SPLIT) */
    fb_reader r = {.bytes = (const uint8_t *)bytes.s, .n = bytes.len};
    const fb_table code = fb_item(fb_vector_of(fb_root(&r), 1, 4), 0);
    assert_int_equal(fb_i32(code, 3, 0), TFL_FULLY_CONNECTED);
    for (size_t i = code.at; i < code.at + 16; i++)
        if (bytes.s[i] == TFL_FULLY_CONNECTED) bytes.s[i] = 49;
    assert_int_equal(tflite_parse("a.tflite", bytes.s, bytes.len, &t, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "'a.tflite': operator 0 is SPLIT"));
    assert_non_null(strstr(err.message, "tensor 'r1'"));
    base_str_free(&bytes);
    nn_model_free(m);
}

static void what_cannot_be_exported_is_named(void **state)
{
    (void)state;
    static const char *const nets[][2] = {
        {"x = input 9x4; g = gru(x) units=3; f = flatten(g); y = dense(f) out=2", "gru 'g'"},
        {"x = input 9x4x1; p = maxpool(x) kernel=3x3 pad=1,1,1,1", "maxpool 'p'"},
        {"x = input 9x4x1; p = pad(x) pad=1,1,1,1 value=2", "pad 'p'"},
        {"x = input 9; z = input 9; y = add(x, z)", "one input"},
    };
    for (size_t k = 0; k < BASE_COUNT(nets); k++) {
        base_err err = {0};
        base_str bytes = {0};
        nn_model *m = q8_random_model(nets[k][0], 1);
        assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_USAGE);
        if (!strstr(err.message, nets[k][1])) fail_msg("'%s' lacks '%s'", err.message, nets[k][1]);
        nn_model_free(m);
    }
}

/* ---- damage ---- */

/* Whatever the bytes, there is a model or a message; the sanitizers watch. */
static bool try_bytes(const char *bytes, size_t n)
{
    base_err err = {0};
    tfl_model *t = NULL;
    subject s = {0};
    base_status status = tflite_parse("a.tflite", bytes, n, &t, &err);
    if (status == BASE_OK) status = tflite_import(t, &nothing, &s.m, &s.q, &err);
    if (status != BASE_OK) {
        assert_int_equal(status, BASE_DATA);
        assert_non_null(strstr(err.message, "'a.tflite'"));
    } else if (s.q) {
        int8_t *x = base_alloc(q8_input_size(s.q), 1), *y = base_alloc(q8_output_size(s.q), 1);
        if (x && y) run_int8(s.q, x, 1, y);
        base_free(x);
        base_free(y);
    }
    tflite_free(t);
    subject_free(&s);
    return status == BASE_OK;
}

static void damage(const base_str *bytes, base_rng *r, int rounds, int *read, int *refusals)
{
    for (int i = 0; i < rounds; i++) {
        char *copy = malloc(bytes->len); /* exactly as long, so that reading on is seen */
        assert_non_null(copy);
        memcpy(copy, bytes->s, bytes->len);
        size_t n = bytes->len;
        if (i % 8 == 0) n = base_rng_below(r, (uint32_t)n);
        for (uint32_t k = base_rng_below(r, 4) + (i % 8 != 0); k > 0 && n > 0; k--) {
            /* the head is tables, which is where it matters most */
            const uint32_t at = base_rng_below(r, (uint32_t)(i % 2 ? n : (n + 3) / 4));
            copy[at] = (char)(i % 3 ? (int)base_rng_below(r, 256) : copy[at] ^ (1 << i % 8));
        }
        char *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, copy, n);
        *(try_bytes(cut, n) ? read : refusals) += 1;
        free(cut);
        free(copy);
    }
}

static void damaged_files_are_refused_or_read(void **state)
{
    (void)state;
    int read = 0, refusals = 0;
    base_rng r = base_rng_at(6, BASE_RNG_TEST, 0, 0);
    for (size_t k = 0; k < TFLITE_NETS; k++) {
        base_err err = {0};
        base_str bytes = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        q8_model *q = q8_quantized(m, x, Q8_RANGE_MSE);
        assert_int_equal(tflite_export_q8(q, &bytes, &err), BASE_OK);
        assert_true(try_bytes(bytes.s, bytes.len));
        damage(&bytes, &r, 1500, &read, &refusals);
        base_str_free(&bytes);
        assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_OK);
        damage(&bytes, &r, 500, &read, &refusals);
        base_str_free(&bytes);
        base_free(x);
        q8_model_free(q);
        nn_model_free(m);
    }
    for (size_t k = 0; k < BASE_COUNT(float_nets); k++) {
        base_err err = {0};
        base_str bytes = {0};
        nn_model *m = q8_random_model(float_nets[k], k);
        assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_OK);
        damage(&bytes, &r, 500, &read, &refusals);
        base_str_free(&bytes);
        nn_model_free(m);
    }
    assert_int_equal(read + refusals, 13500);
    assert_true(read > 1000 && refusals > 3000); /* both are met */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int8_gives_the_recorded_bytes),
        cmocka_unit_test(float_gives_the_recorded_numbers),
        cmocka_unit_test(mlperf_gives_the_recorded_bytes),
        cmocka_unit_test(int8_models_come_back),
        cmocka_unit_test(ds_cnn_is_the_same_model_again),
        cmocka_unit_test(float_models_come_back),
        cmocka_unit_test(labels_and_features_come_back),
        cmocka_unit_test(softmax_is_near_the_real_one),
        cmocka_unit_test(what_cannot_be_imported_is_named),
        cmocka_unit_test(a_bias_beyond_32_bits_is_refused),
        cmocka_unit_test(an_unknown_operator_is_named),
        cmocka_unit_test(what_cannot_be_exported_is_named),
        cmocka_unit_test(damaged_files_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
