/* tflite_nets: what the tests of .tflite files share. */
#include "tests/tflite_nets.h"

#include "tests/check.h"

const char *const tfl_float_nets[TFL_FLOAT_NETS] = {
    "x = input 10x6x4; a = conv2d(x) out=4 kernel=3x3; s = silu(a); t = tanh(s); h = hardswish(t);"
    "c = concat(h, a, x) axis=2; u = slice(c) axis=1 begin=2 size=3; g = mean(u) axes=0,1;"
    "k = sigmoid(g); y = mul(u, k)",
    "x = input 8x4; t = transpose(x) order=1,0; r = reshape(t) shape=4x8x1; p = pad(r) pad=1,0,2,1;"
    "m = max(p) axes=1 keep=no; f = flatten(m); d = dense(f) out=6; y = softmax(d)",
    "x = input 7x10x3; c = conv2d(x) out=4 kernel=3x3; n = batchnorm(c) bands=5; r = relu(n);"
    "d = dwconv2d(r) kernel=3x3; m = batchnorm(d) bands=2 gamma=no; u = mean(m) axes=1;"
    "y = add(m, u)",
};

void tfl_subject_free(tfl_subject *s)
{
    nn_model_free(s->m);
    q8_model_free(s->q);
    *s = (tfl_subject){0};
}

tfl_subject tfl_imported(const void *bytes, size_t n)
{
    base_err err = {0};
    tfl_model *t = NULL;
    tfl_subject s = {0};
    if (tflite_parse("test.tflite", bytes, n, &t, &err) != BASE_OK ||
        tflite_import(t, &(tflite_given){0}, &s.m, &s.q, &err) != BASE_OK)
        fail_msg("%s", err.message);
    tflite_free(t);
    return s;
}

void tfl_run_int8(const q8_model *q, const int8_t *x, size_t n, int8_t *y)
{
    int8_t *work = base_alloc(q->work + 1, 1);
    assert_non_null(work);
    for (size_t i = 0; i < n; i++)
        q8_run(q, x + i * q8_input_size(q), y + i * q8_output_size(q), work);
    base_free(work);
}
