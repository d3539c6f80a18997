/* Operators and whole models against PyTorch: values, and gradients of all inputs and parameters,
 * recorded in tests/vectors/ (README.md there). A group of a file is a case and a test of its own;
 * `test_vectors conv2d` runs those with that in their name. Every operator must have a case in
 * training, and each of its attributes must take two values. Compiled in float, and in double by
 * double_vectors.c.
 */
#include "nn/h5.h"
#include "tests/battery.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, NAME = 160 };
/* Relative. What is recorded was computed in double and is rounded to float. */
#ifdef NN_DOUBLE
static const double tolerance = 2e-7;
#else
static const double tolerance = 1e-5;
#endif

/* A file, open, and the names of its groups. */
typedef struct vectors {
    h5_file *f;
    char **cases;
    size_t n;
} vectors;

static bool vectors_open(vectors *v, const char *path, const char *kind)
{
    base_err err = {0};
    if (h5_open(path, &v->f, &err) != BASE_OK || h5_check(v->f, kind, VERSION, &err) != BASE_OK ||
        h5_read_list(v->f, "cases", &v->cases, &v->n, &err) != BASE_OK) {
        print_error("%s\n", err.message);
        return false;
    }
    return true;
}

static void vectors_close(vectors *v)
{
    h5_close(v->f);
    free(v->cases);
}

/* One test: a group. What is wrong is added to why. */
typedef struct job {
    h5_file *f;
    const char *name;
    double gradient; /* Euclidean norm of all gradients of a model together */
    double allowed;  /* for its tensors */
    base_str why;
} job;

/* ---- reading ---- */

static char *text_of(h5_file *f, const char *group, const char *key)
{
    char *text = NULL;
    base_err err = {0};
    if (h5_get_text(f, group, key, &text, &err) != BASE_OK) fail_msg("%s", err.message);
    return text;
}

static bool is_training(h5_file *f, const char *group)
{
    char *mode = text_of(f, group, "mode");
    bool training = strcmp(mode, "training") == 0;
    free(mode);
    return training;
}

static int batch_of(const job *j)
{
    int64_t batch = 0;
    base_err err = {0};
    if (h5_get_int(j->f, j->name, "batch", &batch, &err) != BASE_OK) fail_msg("%s", err.message);
    return (int)batch;
}

static bool read_doubles(job *j, const char *tensor, double *to, size_t n)
{
    char path[NAME];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", j->name, tensor);
    if (h5_read(j->f, path, H5_F64, to, n, &err) == BASE_OK) return true;
    base_str_add(&j->why, "%s\n", err.message);
    return false;
}

static void read_reals(job *j, const char *tensor, nn_real *to, size_t n)
{
    double *v = calloc(n + 1, sizeof *v);
    if (read_doubles(j, tensor, v, n))
        for (size_t i = 0; i < n; i++) to[i] = (nn_real)v[i];
    free(v);
}

/* A parameter must have the recorded shape, not only as many numbers. */
static void check_shape(job *j, const char *tensor, nn_shape shape)
{
    char path[NAME], a[64], b[64];
    int64_t dims[4];
    nn_shape recorded = {0};
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", j->name, tensor);
    if (h5_shape(j->f, path, &recorded.n, dims, &err) != BASE_OK) return; /* reading says so */
    for (int i = 0; i < recorded.n; i++) recorded.d[i] = (int)dims[i];
    if (!nn_same_shape(recorded, shape))
        base_str_add(&j->why, "%s is %s, recorded is %s\n", tensor, nn_shape_text(shape, a),
                     nn_shape_text(recorded, b));
}

static void compare(job *j, const char *tensor, const nn_real *got, size_t n)
{
    double *expected = calloc(n + 1, sizeof *expected);
    if (read_doubles(j, tensor, expected, n))
        battery_compare(tensor, got, expected, n, tolerance, &j->why);
    free(expected);
}

/* A whole model rounds in hundreds of places: its tensors are compared by the Euclidean norm of the
 * difference, to their own norm or a thousandth of the whole gradient's, since some are nothing but
 * rounding (a bias before batchnorm). In float it may differ by four times what PyTorch's own float
 * does where that is more: BC-ResNet's 30 batchnorms amplify it. */
static void compare_whole(job *j, const char *tensor, const nn_real *got, size_t n)
{
    double *expected = calloc(n + 1, sizeof *expected), norm = 0, difference = 0;
    bool read = read_doubles(j, tensor, expected, n);
    for (size_t i = 0; read && i < n; i++) {
        difference = hypot(difference, (double)got[i] - expected[i]);
        norm = hypot(norm, expected[i]);
    }
    double error = difference / fmax(norm, 1e-3 * j->gradient);
    if (read && !(error <= j->allowed)) {
        size_t at = 0;
        battery_error(got, expected, n, &at);
        base_str_add(&j->why, "%s: error %.3g, allowed %.3g; [%zu of %zu] is %.9g, expected %.9g\n",
                     tensor, error, j->allowed, at, n, (double)got[at], expected[at]);
    }
    free(expected);
}

/* Fails the test when anything was found. cmocka prints no more than the beginning of it. */
static void finish(job *j)
{
    bool bad = j->why.len > 0;
    if (bad) print_error("%s:\n%s", j->name, j->why.s);
    base_str_free(&j->why);
    if (bad) fail_msg("%s differs from PyTorch", j->name);
}

/* "dx1", "dw.bias" */
typedef struct tensor_name {
    char s[NAME];
} tensor_name;

static tensor_name numbered(const char *prefix, int k)
{
    tensor_name t;
    snprintf(t.s, sizeof t.s, "%s%d", prefix, k);
    return t;
}

static tensor_name named(const char *prefix, const char *node, const char *parameter)
{
    tensor_name t;
    snprintf(t.s, sizeof t.s, "%s.%s%s%s", prefix, node, *node ? "." : "", parameter);
    return t;
}

/* ---- operators ---- */

static void forward_agrees(job *j, rig *r)
{
    for (int k = 0; k < r->n->n_in; k++) read_doubles(j, numbered("x", k).s, r->x[k], r->nx[k]);
    for (int k = 0; k < r->n->n_params; k++) {
        tensor_name t = named("w", "", r->n->param[k].name);
        check_shape(j, t.s, r->n->param[k].shape);
        read_doubles(j, t.s, r->w[k], r->nw[k]);
    }
    rig_forward(r);
    compare(j, "y", r->a.y, r->ny);
}

/* Statistics were observed by the forward pass. */
static void backward_agrees(job *j, rig *r)
{
    read_doubles(j, "dy", r->dy, r->ny);
    rig_backward(r);
    for (int k = 0; k < r->n->n_in; k++) compare(j, numbered("dx", k).s, r->a.dx[k], r->nx[k]);
    for (int k = 0; k < r->n->n_params; k++)
        compare(j, named("dw", "", r->n->param[k].name).s, r->a.dw[k], r->nw[k]);
}

static void operator_agrees(void **state)
{
    rig r;
    job *j = *state;
    char *text = text_of(j->f, j->name, "graph");
    battery_case c = {.text = text};
    if (rig_open(&r, &c, batch_of(j), is_training(j->f, j->name), &j->why)) {
        forward_agrees(j, &r);
        if (r.a.training) backward_agrees(j, &r);
        rig_close(&r);
    }
    if (j->why.len > 0) base_str_add(&j->why, "in \"%s\"\n", text);
    free(text);
    finish(j);
}

/* ---- whole models: a training step of a net ---- */

typedef struct step {
    nn_graph *g;
    nn_net *net;
    int batch;
    size_t n[NN_MAX_IN]; /* of a whole batch */
    nn_real *x[NN_MAX_IN];
    double loss;
} step;

static const nn_node *logits_of(const step *s)
{
    return nn_graph_output(s->g)->in[0];
}

static bool step_open(job *j, step *s, const char *text)
{
    base_err err = {0};
    *s = (step){.batch = batch_of(j)};
    if (nn_parse(text, j->name, &s->g, &err) != BASE_OK) {
        base_str_add(&j->why, "%s\n", err.message);
        return false;
    }
    nn_net_options o = {.batch = s->batch,
                        .shards = 1,
                        .training = true,
                        .input_grads = true,
                        .watch = logits_of(s)};
    if (nn_net_new(s->g, o, &s->net, &err) != BASE_OK) fail_msg("%s", err.message);
    for (int k = 0; k < NN_MAX_IN && nn_graph_input(s->g, k); k++) {
        s->n[k] = (size_t)s->batch * (size_t)nn_count(nn_graph_input(s->g, k)->shape);
        s->x[k] = calloc(s->n[k], sizeof *s->x[k]);
        read_reals(j, numbered("x", k).s, s->x[k], s->n[k]);
    }
    return true;
}

static void step_close(step *s)
{
    for (int k = 0; k < NN_MAX_IN; k++) free(s->x[k]);
    nn_net_free(s->net);
    nn_graph_free(s->g);
}

/* Calls visit for each parameter with its name in a group and its place in the block. */
static void each_parameter(job *j, const step *s, const char *prefix, nn_real *block,
                           void (*visit)(job *j, const char *tensor, const nn_param *p, nn_real *v))
{
    for (int i = 0; i < nn_graph_nodes(s->g); i++) {
        const nn_node *n = nn_graph_node(s->g, i);
        for (int k = 0; k < n->n_params; k++)
            visit(j, named(prefix, n->name, n->param[k].name).s, &n->param[k],
                  block + n->param[k].offset);
    }
}

static void load_parameter(job *j, const char *tensor, const nn_param *p, nn_real *v)
{
    check_shape(j, tensor, p->shape);
    read_reals(j, tensor, v, p->count);
}

static void compare_gradient(job *j, const char *tensor, const nn_param *p, nn_real *v)
{
    compare_whole(j, tensor, v, p->count);
}

static double number_of(const job *j, const char *key)
{
    double v = 0;
    base_err err = {0};
    if (h5_get_real(j->f, j->name, key, &v, &err) != BASE_OK) fail_msg("%s", err.message);
    return v;
}

static void model_agrees(void **state)
{
    step s;
    job *j = *state;
    char *text = text_of(j->f, j->name, "graph");
    j->gradient = number_of(j, "gradient");
    j->allowed = tolerance;
#ifndef NN_DOUBLE
    j->allowed = fmax(tolerance, 4 * number_of(j, "float_error"));
#endif
    if (step_open(j, &s, text)) {
        each_parameter(j, &s, "w", nn_net_weights(s.net), load_parameter);
        nn_real loss = (nn_real)nn_net_step(s.net, (const nn_real *const *)s.x, s.batch, 1, 0);
        size_t logits = (size_t)s.batch * (size_t)nn_count(logits_of(&s)->shape);
        compare(j, "loss", &loss, 1);
        compare(j, "logits", nn_net_watched(s.net), logits);
        compare_whole(j, "dx0", nn_net_input_grad(s.net, 0), s.n[0]);
        each_parameter(j, &s, "dw", nn_net_grads(s.net), compare_gradient);
        step_close(&s);
    }
    free(text);
    finish(j);
}

/* ---- is there a case for everything? ---- */

/* The attribute's value in the first case of the operator, and whether another has another. */
static bool takes_two_values(const nn_op *op, const char *key, nn_graph *const *graphs, size_t n)
{
    base_str first = {0}, value = {0};
    bool two = false;
    for (size_t i = 0; i < n && !two; i++) {
        const nn_node *last = nn_graph_output(graphs[i]);
        if (last->op != op) continue;
        base_str *to = first.len ? &value : &first;
        base_str_free(&value);
        nn_attr_get(last, key, to);
        two = value.len > 0 && strcmp(first.s, value.s) != 0;
    }
    base_str_free(&first);
    base_str_free(&value);
    return two;
}

static void covered(const nn_op *op, const vectors *v, nn_graph *const *graphs, base_str *why)
{
    bool trained = false;
    for (size_t i = 0; i < v->n; i++)
        trained |= nn_graph_output(graphs[i])->op == op && is_training(v->f, v->cases[i]);
    if (!trained) base_str_add(why, "%s has no case with gradients\n", op->name);
    for (int k = 0; trained && k < op->n_attrs; k++)
        if (!takes_two_values(op, op->attrs[k].key, graphs, v->n))
            base_str_add(why, "%s has no two cases of different %s=\n", op->name, op->attrs[k].key);
}

/* PyTorch has no such operator: tests/oracle_*.c and tests/test_trees.c check them. */
static bool peerless(const nn_op *op)
{
    return strcmp(op->name, "trees") == 0 || strcmp(op->name, "dtw") == 0;
}

static void every_operator_has_cases(void **state)
{
    const vectors *v = *state;
    base_str why = {0};
    nn_graph **graphs = calloc(v->n, sizeof *graphs);
    for (size_t i = 0; i < v->n; i++) {
        base_err err = {0};
        char *text = text_of(v->f, v->cases[i], "graph");
        if (nn_parse(text, v->cases[i], &graphs[i], &err) != BASE_OK) fail_msg("%s", err.message);
        free(text);
    }
    for (int i = 0; i < nn_n_ops; i++)
        if (nn_ops[i]->n_in > 0 && !peerless(nn_ops[i])) covered(nn_ops[i], v, graphs, &why);
    for (size_t i = 0; i < v->n; i++) nn_graph_free(graphs[i]);
    free(graphs);
    bool bad = why.len > 0;
    if (bad) print_error("add cases in tests/vectors/operators.py:\n%s", why.s);
    base_str_free(&why);
    if (bad) fail_msg("operators without reference");
}

/* ---- running ---- */

static void add_tests(struct CMUnitTest *tests, int *n, const vectors *v, CMUnitTestFunction run,
                      job *jobs, const char *filter)
{
    for (size_t i = 0; i < v->n; i++) {
        jobs[i] = (job){.f = v->f, .name = v->cases[i]};
        if (filter && !strstr(v->cases[i], filter)) continue;
        tests[(*n)++] =
            (struct CMUnitTest){.name = v->cases[i], .test_func = run, .initial_state = &jobs[i]};
    }
}

int main(int argc, char **argv)
{
    const char *filter = argc > 1 ? argv[1] : NULL;
    vectors ops = {0}, models = {0};
    int n = 0, failed = 1;
    if (vectors_open(&ops, "tests/vectors/operators.h5", "operator vectors") &&
        vectors_open(&models, "tests/vectors/models.h5", "model vectors")) {
        struct CMUnitTest *tests = calloc(ops.n + models.n + 1, sizeof *tests);
        job *jobs = calloc(ops.n + models.n, sizeof *jobs);
        add_tests(tests, &n, &ops, operator_agrees, jobs, filter);
        add_tests(tests, &n, &models, model_agrees, jobs + ops.n, filter);
        if (!filter)
            tests[n++] = (struct CMUnitTest){.name = "every_operator_has_cases",
                                             .test_func = every_operator_has_cases,
                                             .initial_state = &ops};
        if (n > 0) failed = _cmocka_run_group_tests("vectors", tests, (size_t)n, NULL, NULL);
        free(tests);
        free(jobs);
    }
    vectors_close(&ops);
    vectors_close(&models);
    return failed;
}
