/* .onnx files: every operator in every case of its descriptor, nets, and the architectures of the
 * zoo with random weights are exported, float and int8; tests/onnx_check.py lets onnx.checker look
 * at them and computes them once more by ONNX's specification, int8 in every layer. What has no
 * form is refused by name.
 */
#include "quantize/internal.h"
#include "quantize/onnx.h"
#include "tests/q8_nets.h"
#include "train/zoo.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3"
enum { SAMPLES = 2, CALIBRATION = 4 };

/* ---- what is checked: NAME.onnx, NAME.x and results in a folder ---- */

static void put(const char *dir, const char *name, const char *end, const void *bytes, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.%s", dir, name, end);
    assert_int_equal(base_write_file(path, bytes, n, NULL), BASE_OK);
}

static void put_float(const char *dir, const char *name, const nn_model *m, const nn_real *x)
{
    base_err err = {0};
    base_str bytes = {0};
    char end[96];
    const nn_node *in = nn_graph_input(m->graph, 0), *out = nn_graph_output(m->graph);
    if (onnx_export_float(m, "1", &bytes, &err) != BASE_OK) fail_msg("%s: %s", name, err.message);
    nn_real *y = q8_evaluate(m->graph, m->weights, x, SAMPLES);
    snprintf(end, sizeof end, "%s.f32", out->name);
    put(dir, name, "onnx", bytes.s, bytes.len);
    put(dir, name, "x", x, SAMPLES * (size_t)nn_count(in->shape) * sizeof *x);
    put(dir, name, end, y, SAMPLES * (size_t)nn_count(out->shape) * sizeof *y);
    base_free(y);
    base_str_free(&bytes);
}

typedef struct layers {
    const q8_model *q;
    base_str *values; /* of each layer */
} layers;

static void keep(void *ctx, int layer, const int8_t *y)
{
    layers *l = ctx;
    base_str_add_n(&l->values[layer], (const char *)y, l->q->values[layer + 1].size);
}

static void put_layers(const char *dir, const char *name, const q8_model *q, const nn_real *x)
{
    const size_t in = q8_input_size(q);
    layers l = {q, calloc((size_t)q->n_layers, sizeof *l.values)};
    int8_t *qx = base_alloc(in, 1), *qy = base_alloc(q8_output_size(q), 1);
    int8_t *work = base_alloc(q->work + 1, 1);
    assert_true(l.values && qx && qy && work);
    for (size_t s = 0; s < SAMPLES; s++) {
        q8_quantize_input(q, x + s * in, qx);
        q8_observe(q, qx, qy, work, keep, &l);
    }
    for (int k = 0; k < q->n_layers; k++) {
        char end[96];
        snprintf(end, sizeof end, "%s.i8", nn_graph_node(q->folded.graph, q->layers[k].end)->name);
        put(dir, name, end, l.values[k].s, l.values[k].len);
        base_str_free(&l.values[k]);
    }
    free(l.values);
    base_free(qx);
    base_free(qy);
    base_free(work);
}

static void put_int8(const char *dir, const char *name, const q8_model *q, const nn_real *x)
{
    base_err err = {0};
    base_str bytes = {0};
    if (onnx_export_q8(q, "1", &bytes, &err) != BASE_OK) fail_msg("%s: %s", name, err.message);
    put(dir, name, "onnx", bytes.s, bytes.len);
    put(dir, name, "x", x, SAMPLES * q8_input_size(q) * sizeof *x);
    put_layers(dir, name, q, x);
    base_str_free(&bytes);
}

/* Whether there is a layer in it, not only values that get other shapes. */
static bool computes(const nn_graph *g)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        if (n->n_in && !(n->op->flags & NN_IDENTITY)) return true;
    }
    return false;
}

/* bits: of the weights of an int8 model. */
static void put_quantized(const char *dir, const char *name, const nn_model *m, const nn_real *x,
                          const char *bits)
{
    base_err err = {0};
    q8_model *q = NULL;
    const q8_options o = {.range = Q8_RANGE_MINMAX, .weight_bits = bits};
    if (q8_quantize(m, x, CALIBRATION, o, NULL, &q, &err) != BASE_OK)
        fail_msg("%s: %s", name, err.message);
    put_int8(dir, name, q, x);
    q8_model_free(q);
}

/* Trees and templates have no ONNX form: they are refused by name. */
static bool refused(const nn_model *m)
{
    bool none = false;
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const char *op = nn_graph_node(m->graph, i)->op->name;
        none |= strcmp(op, "trees") == 0 || strcmp(op, "dtw") == 0;
    }
    if (!none) return false;
    base_err err = {0};
    base_str bytes = {0};
    assert_int_equal(onnx_export_float(m, "1", &bytes, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "no ONNX form"));
    base_str_free(&bytes);
    return true;
}

static void put_model(const char *dir, const char *name, const char *text)
{
    char of[128];
    nn_model *m = q8_random_model(text, 1);
    if (refused(m)) {
        nn_model_free(m);
        return;
    }
    nn_real *x = q8_random_inputs(m->graph, CALIBRATION, 2);
    snprintf(of, sizeof of, "%s-float", name);
    put_float(dir, of, m, x);
    snprintf(of, sizeof of, "%s-int8", name);
    if (computes(m->graph)) put_quantized(dir, of, m, x, NULL);
    base_free(x);
    nn_model_free(m);
}

/* ---- the other side ---- */

static bool has_onnx(void)
{
    return system(PYTHON " -c 'import onnx' 2>/dev/null") == 0;
}

/* The folder for the files of one test; NULL, with the test skipped: there is nobody to check. */
static char *folder(char dir[64])
{
    if (!has_onnx()) {
        printf("onnx.checker is absent (python3-onnx)\n");
        skip();
    }
    snprintf(dir, 64, "/tmp/sotto_onnx_XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void check_all(const char *dir)
{
    char command[256];
    snprintf(command, sizeof command, PYTHON " tests/onnx_check.py %s >&2", dir);
    const int status = system(command);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, 0);
}

static void nets_are_what_they_were(void **state)
{
    char dir[64], name[16];
    (void)state;
    folder(dir);
    for (int i = 0; i < Q8_NETS; i++) {
        snprintf(name, sizeof name, "net%d", i);
        put_model(dir, name, q8_nets[i]);
    }
    check_all(dir);
}

static bool packs(const nn_graph *g)
{
    bool any = false;
    for (int i = 0; i < nn_graph_nodes(g); i++) any |= nn_graph_node(g, i)->op->flags & NN_PACKS;
    return any;
}

/* Weights of 4 bits, packed in the kernels, are int8 there. */
static void packed_weights_are_what_they_were(void **state)
{
    char dir[64], name[32];
    (void)state;
    folder(dir);
    for (int i = 0; i < Q8_NETS; i++) {
        nn_model *m = q8_random_model(q8_nets[i], 1);
        nn_real *x = q8_random_inputs(m->graph, CALIBRATION, 2);
        snprintf(name, sizeof name, "net%d-int4", i);
        if (packs(m->graph)) put_quantized(dir, name, m, x, "4");
        base_free(x);
        nn_model_free(m);
    }
    check_all(dir);
}

static void architectures_are_what_they_were(void **state)
{
    char dir[64];
    (void)state;
    folder(dir);
    for (int i = 0; i < zoo_n_models; i++) {
        nn_graph *g = NULL;
        base_err err = {0};
        base_str text = {0};
        assert_int_equal(zoo_build_default(zoo_models[i], ZOO_S, 10, &g, &err), BASE_OK);
        nn_print(g, &text);
        put_model(dir, zoo_models[i]->name, text.s);
        base_str_free(&text);
        nn_graph_free(g);
    }
    check_all(dir);
}

/* Whether the graph becomes a file: one input, no loss, something that is computed. */
static bool deployed(const nn_graph *g)
{
    bool any = false;
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        if (n->op->flags & NN_LOSS) return false;
        const bool same = n->n_in && nn_same_shape(n->shape, n->in[0]->shape);
        any |= n->n_in && !(n->op->flags & NN_IDENTITY && same);
    }
    return any && !nn_graph_input(g, 1);
}

static void operators_are_what_they_were(void **state)
{
    char dir[64], name[64];
    (void)state;
    folder(dir);
    for (int i = 0; i < nn_n_ops; i++)
        for (int k = 0; k < nn_ops[i]->n_cases; k++) {
            nn_model *m = q8_random_model(nn_ops[i]->cases[k], 1);
            if (deployed(m->graph)) {
                snprintf(name, sizeof name, "%s%d", nn_ops[i]->name, k);
                put_model(dir, name, nn_ops[i]->cases[k]);
            }
            nn_model_free(m);
        }
    check_all(dir);
}

static void wide_activations_are_refused(void **state)
{
    base_err err = {0};
    base_str bytes = {0};
    q8_model *q = NULL;
    const q8_options o = {.activations = "c1=16"};
    (void)state;
    nn_model *m =
        q8_random_model("x = input 9x5x2; c1 = conv2d(x) out=4 kernel=3x3; f = flatten(c1);"
                        "y = dense(f) out=3",
                        1);
    nn_real *x = q8_random_inputs(m->graph, CALIBRATION, 2);
    assert_int_equal(q8_quantize(m, x, CALIBRATION, o, NULL, &q, &err), BASE_OK);
    assert_int_equal(onnx_export_q8(q, "1", &bytes, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "conv2d 'c1': 16-bit activations have no ONNX form"));
    assert_null(bytes.s);
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nets_are_what_they_were),
        cmocka_unit_test(packed_weights_are_what_they_were),
        cmocka_unit_test(operators_are_what_they_were),
        cmocka_unit_test(architectures_are_what_they_were),
        cmocka_unit_test(wide_activations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
