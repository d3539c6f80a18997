/* Weights of 4 bits: which layers get them, that a file brings them back and is refused where they
 * are damaged, and that training simulates what is stored. Kernels: tests/test_runtime.c and
 * tests/test_lower.c; whole nets: tests/test_host.c and tests/test_export.c.
 */
#include "tests/q8_nets.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void temp_path(char path[64])
{
    snprintf(path, 64, "/tmp/sotto_packed_XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

/* Every integer, and the kernels. */
static void same_models(const q8_model *a, const q8_model *b)
{
    char ha[65], hb[65];
    base_err err = {0};
    assert_int_equal(q8_hash(a, ha, &err), BASE_OK);
    assert_int_equal(q8_hash(b, hb, &err), BASE_OK);
    assert_string_equal(ha, hb);
    assert_int_equal(a->n_layers, b->n_layers);
    assert_int_equal(a->work, b->work);
    for (int i = 0; i < a->n_layers; i++)
        assert_ptr_equal(a->layers[i].l.kernel, b->layers[i].l.kernel);
}

/* The layer of a node, and its array of this name. */
static const nn_q8_layer *layer_named(const q8_model *q, const char *name)
{
    for (int i = 0; i < q->n_layers; i++)
        if (strcmp(q->layers[i].name, name) == 0) return &q->layers[i].l;
    fail_msg("no layer '%s'", name);
    return NULL;
}

static void *array_named(const nn_q8_layer *l, const char *name)
{
    void *array = NULL;
    for (int f = 0; f < l->kernel->n_fields; f++)
        if (strcmp(l->kernel->fields[f].name, name) == 0)
            memcpy(&array, (const char *)l->p + l->kernel->fields[f].offset, sizeof array);
    assert_non_null(array);
    return array;
}

static bool is_packed(const nn_q8_layer *l)
{
    const char *name = l->kernel->name;
    return strcmp(name + strlen(name) - 3, "_w4") == 0;
}

static void packed_models_come_back_from_files(void **state)
{
    (void)state;
    char path[64];
    temp_path(path);
    for (size_t k = 0; k < Q8_NETS; k++) {
        base_err err = {0};
        nn_model *m = q8_random_model(q8_nets[k], k);
        nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
        q8_model *q = q8_packed(m, x), *whole = q8_quantized(m, x, Q8_RANGE_MSE), *back = NULL;
        if (q) {
            size_t weights, tables, all, same, packed = 0;
            if (q8_save(q, path, &err) != BASE_OK) fail_msg("%s", err.message);
            if (q8_load(path, &back, &err) != BASE_OK) fail_msg("%s", err.message);
            same_models(q, back);
            for (int i = 0; i < q->n_layers; i++)
                if (is_packed(&q->layers[i].l)) packed += q->layers[i].l.count[0] / 2;
            q8_table_bytes(q, &weights, &tables);
            q8_table_bytes(whole, &all, &same);
            assert_int_equal(tables, same);
            assert_true(packed > 0);
            assert_int_equal(weights + packed, all);
        }
        q8_model_free(q);
        q8_model_free(whole);
        q8_model_free(back);
        base_free(x);
        nn_model_free(m);
    }
    unlink(path);
}

/* Saved with a byte, an array or a kernel that is not what it should be. */
static void packed_damaged(const q8_model *q, const char *part)
{
    char path[64];
    temp_path(path);
    base_err err = {0};
    q8_model *back = NULL;
    assert_int_equal(q8_save(q, path, &err), BASE_OK);
    assert_int_equal(q8_load(path, &back, &err), BASE_DATA);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    unlink(path);
}

static void damaged_packed_weights_are_refused(void **state)
{
    (void)state;
    nn_model *m = q8_random_model("x = input 5; d = dense(x) out=7; y = dense(d) out=3", 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = q8_packed(m, x);
    int8_t *w = array_named(layer_named(q, "d"), "weight"), kept = w[3];
    w[3] = (int8_t)((kept & 15) | 0x80);
    packed_damaged(q, "layer 'd' does not fit its graph: a weight of 4 bits is -8, not -7");
    w[3] = (int8_t)((kept & 0xf0) | 8);
    packed_damaged(q, "a weight of 4 bits is -8, not -7");
    w[3] = kept;
    kept = w[17]; /* 35 weights */
    w[17] = (int8_t)(kept | 0x30);
    packed_damaged(q, "what follows the last weight is 3, not 0");
    w[17] = kept;
    nn_q8_layer *l = &q->layers[0].l;
    l->count[0] = 33;
    packed_damaged(q, "weight");
    l->count[0] = 35;
    int *bits = q->folded.weight_bits;
    bits[1] = 8;
    packed_damaged(q, "layer 'd' uses kernel 'sotto_dense_w4', its graph 'sotto_dense'");
    bits[1] = 5;
    packed_damaged(q, "weights of node 'd' (dense) in 5 bits");
    bits[1] = bits[0] = 4;
    packed_damaged(q, "weights of node 'x' (input) in 4 bits");
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* Which layers of net 0 are packed, as their first letters and digits; NULL: refused. */
static void bits_give(const char *list, const char *wanted, const char *message, const char *hint)
{
    base_err err = {0};
    nn_model *m = q8_random_model(q8_nets[0], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = NULL;
    char got[64] = "";
    const q8_options o = {.range = Q8_RANGE_MINMAX, .weight_bits = list};
    const base_status status = q8_quantize(m, x, Q8_SAMPLES, o, NULL, &q, &err);
    for (int i = 0; q && i < q->n_layers; i++)
        if (is_packed(&q->layers[i].l)) strcat(strcat(got, " "), q->layers[i].name);
    if (wanted) {
        if (status != BASE_OK) fail_msg("%s: %s", list, err.message);
        assert_string_equal(got, wanted);
    } else {
        assert_int_equal(status, BASE_USAGE);
        if (!strstr(err.message, message)) fail_msg("'%s' lacks '%s'", err.message, message);
        if (!strstr(err.hint, hint)) fail_msg("'%s' lacks '%s'", err.hint, hint);
    }
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

static void bits_are_chosen_by_name(void **state)
{
    (void)state;
    bits_give("4", " c1 d1 p1 y", NULL, NULL);
    bits_give("8", "", NULL, NULL);
    bits_give("c1=8,*=4", " d1 p1 y", NULL, NULL);
    bits_give("?1=4", " c1 d1 p1", NULL, NULL);
    bits_give("d1=4 p1=8, y=4", " d1 y", NULL, NULL);
    bits_give("c1=3", NULL, "'c1=3' is neither node=bits nor bits, 8 or 4", "c1=8,*=4");
    bits_give("=4", NULL, "'=4' is neither", "");
    bits_give("p2=4", NULL, "no node 'p2'", "did you mean 'p1'?");
    bits_give("b1=4", NULL, "no node 'b1'", "did you mean"); /* folded */
    bits_give("g=4", NULL, "globalpool 'g': it has no weights", "");
    bits_give("q*=4", NULL, "'q*' matches no layer", "");
    bits_give("*=4,c1=8", NULL, "'c1=8' decides nothing", "put it before");
}

static void operators_without_such_a_form_are_named(void **state)
{
    (void)state;
    base_err err = {0};
    nn_model *m = q8_random_model(q8_nets[9], 1);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 1);
    q8_model *q = NULL;
    q8_options o = {.range = Q8_RANGE_MINMAX, .weight_bits = "g1=4"};
    assert_int_equal(q8_quantize(m, x, Q8_SAMPLES, o, NULL, &q, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "gru 'g1'"));
    assert_non_null(strstr(err.hint, "conv2d, dwconv2d and dense"));
    o.weight_bits = "g1=8,*=4";
    assert_int_equal(q8_quantize(m, x, Q8_SAMPLES, o, NULL, &q, &err), BASE_OK);
    assert_false(is_packed(layer_named(q, "g1")));
    assert_true(is_packed(layer_named(q, "y")));
    q8_model_free(q);
    base_free(x);
    nn_model_free(m);
}

/* What training simulates is what lowering stores: each weight is its integer times one number of
 * single precision a channel. And a trained model's bits are taken, through a file too. */
static void simulated_weights_are_the_stored_ones(void **state)
{
    (void)state;
    char path[64];
    temp_path(path);
    base_err err = {0};
    nn_model *m = q8_random_model(q8_nets[0], 3), *start = NULL, *back = NULL;
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 3);
    q8_model *q = NULL;
    const q8_options o = {.range = Q8_RANGE_MSE, .weight_bits = "d1=8,*=4"};
    assert_int_equal(q8_simulated(m, x, Q8_SAMPLES, o, &start, &err), BASE_OK);
    assert_int_equal(nn_model_save(start, path, &err), BASE_OK);
    assert_int_equal(nn_model_load(path, &back, &err), BASE_OK);
    assert_int_equal(q8_quantize(back, x, Q8_SAMPLES, (q8_options){0}, NULL, &q, &err), BASE_OK);
    nn_real *w = base_alloc(nn_graph_params(back->graph), sizeof *w);
    assert_non_null(w);
    nn_simulate_weights(back->graph, back->weight_bits, back->weights, w);
    static const char *const names[] = {"c1", "p1", "y"};
    assert_false(is_packed(layer_named(q, "d1")));
    for (size_t k = 0; k < BASE_COUNT(names); k++) {
        const nn_node *n = nn_graph_find(back->graph, names[k]);
        const int8_t *packed = array_named(layer_named(q, names[k]), "weight");
        const size_t channels = (size_t)n->shape.d[n->shape.n - 1];
        const size_t fan = n->param[0].count / channels;
        assert_true(is_packed(layer_named(q, names[k])));
        for (size_t o2 = 0; o2 < channels; o2++) {
            double scale = 0, largest = 0;
            for (int pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < fan; i++) {
                    const size_t at = o2 * fan + i; /* stored by channel */
                    const int u = (uint8_t)packed[at / 2] >> (at % 2 * 4) & 15;
                    const int v = u > 7 ? u - 16 : u;
                    const double to = (double)w[n->param[0].offset + i * channels + o2];
                    if (pass == 0 && abs(v) > largest) largest = abs(v), scale = to / v;
                    if (pass == 1) assert_true(fabs(to - v * scale) <= 1e-6 * fabs(scale));
                }
            assert_true(largest > 3);
        }
    }
    base_free(w);
    base_free(x);
    q8_model_free(q);
    nn_model_free(m);
    nn_model_free(start);
    nn_model_free(back);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_models_come_back_from_files),
        cmocka_unit_test(damaged_packed_weights_are_refused),
        cmocka_unit_test(bits_are_chosen_by_name),
        cmocka_unit_test(operators_without_such_a_form_are_named),
        cmocka_unit_test(simulated_weights_are_the_stored_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
