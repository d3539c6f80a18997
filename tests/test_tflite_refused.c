/* What cannot be imported or exported is named with its place, and damaged .tflite files of every
 * kind are refused or read, never more: the sanitizers watch.
 */
#include "quantize/flatbuffer.h"
#include "tests/check.h"
#include "tests/q8_nets.h"
#include "tests/tflite_nets.h"

#include <stdlib.h>
#include <string.h>

/* ---- refusals ---- */

typedef void (*change)(tfl_model *t);

/* The export of a net, changed, is refused at `part`. */
static void refused(const char *net, change how, const char *part)
{
    base_err err = {0};
    base_str bytes = {0}, changed = {0};
    tfl_model *t = NULL;
    tfl_subject s = {0};
    nn_model *m = q8_random_model(net, 1);
    assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_OK);
    assert_int_equal(tflite_parse("a.tflite", bytes.s, bytes.len, &t, &err), BASE_OK);
    how(t);
    base_status status = tflite_print(t, &changed, &err);
    tflite_free(t);
    if (status == BASE_OK) status = tflite_parse("a.tflite", changed.s, changed.len, &t, &err);
    if (status == BASE_OK) {
        status = tflite_import(t, &(tflite_given){0}, &s.m, &s.q, &err);
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
    assert_int_equal(tflite_import(t, &(tflite_given){0}, &f, &again, &err), BASE_DATA);
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

static void a_model_that_rounds_once_is_not_exported(void **state)
{
    (void)state;
    base_err err = {0};
    base_str bytes = {0};
    nn_model *m = q8_random_model(q8_nets[0], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized_as(m, x, (q8_options){.rounding = Q8_SINGLE});
    assert_int_equal(tflite_export_q8(q, &bytes, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "'single'"));
    assert_non_null(strstr(err.hint, "--rounding tflm"));
    assert_int_equal(bytes.len, 0);
    base_free(x);
    q8_model_free(q);
    nn_model_free(m);
}

/* ---- damage ---- */

/* Whatever the bytes, there is a model or a message; the sanitizers watch. */
static bool try_bytes(const char *bytes, size_t n)
{
    base_err err = {0};
    tfl_model *t = NULL;
    tfl_subject s = {0};
    base_status status = tflite_parse("a.tflite", bytes, n, &t, &err);
    if (status == BASE_OK) status = tflite_import(t, &(tflite_given){0}, &s.m, &s.q, &err);
    if (status != BASE_OK) {
        assert_int_equal(status, BASE_DATA);
        assert_non_null(strstr(err.message, "'a.tflite'"));
    } else if (s.q) {
        int8_t *x = base_alloc(q8_input_size(s.q), 1), *y = base_alloc(q8_output_size(s.q), 1);
        if (x && y) tfl_run_int8(s.q, x, 1, y);
        base_free(x);
        base_free(y);
    }
    tflite_free(t);
    tfl_subject_free(&s);
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
    for (size_t k = 0; k < TFL_INT8_NETS; k++) {
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
    for (size_t k = 0; k < TFL_FLOAT_NETS; k++) {
        base_err err = {0};
        base_str bytes = {0};
        nn_model *m = q8_random_model(tfl_float_nets[k], k);
        assert_int_equal(tflite_export_float(m, &bytes, &err), BASE_OK);
        damage(&bytes, &r, 500, &read, &refusals);
        base_str_free(&bytes);
        nn_model_free(m);
    }
    assert_int_equal(read + refusals, 13500);
    assert_true(read > 1000 && refusals > 3000); /* both are met */
}

static void sixteen_bits_are_refused(void **state)
{
    (void)state;
    base_err err = {0};
    base_str bytes = {0};
    nn_model *m = q8_random_model(q8_nets[0], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_quantized_wide(m, x, "p1=16,y=16");
    assert_int_equal(tflite_export_q8(q, &bytes, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "conv2d 'p1': 16-bit"));
    assert_non_null(strstr(err.hint, "--activations"));
    assert_null(bytes.s);
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_imported_is_named),
        cmocka_unit_test(a_bias_beyond_32_bits_is_refused),
        cmocka_unit_test(an_unknown_operator_is_named),
        cmocka_unit_test(what_cannot_be_exported_is_named),
        cmocka_unit_test(sixteen_bits_are_refused),
        cmocka_unit_test(a_model_that_rounds_once_is_not_exported),
        cmocka_unit_test(damaged_files_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
