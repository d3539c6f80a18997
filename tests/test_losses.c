/* Losses at their edges, which the battery's tame data does not reach: logits of +-1000, exact
 * answers that can be worked out by hand, what equals what, and refusals. */
#include "tests/check.h"
#include "tests/nets.h"

#include <math.h>
#include <string.h>

enum { K = 3 };

/* The loss of one sample whose inputs are x, t and z; its gradients in dx[0..2]. */
typedef struct result {
    double loss, dx[3][K];
} result;

static result run(const char *loss, const nn_real *x, const nn_real *t, const nn_real *z)
{
    char text[160];
    snprintf(text, sizeof text, "x = input %d; t = input %d; %sy = %s", K, K,
             z ? "z = input 3; " : "", loss);
    nn_graph *g = nets_parse(text);
    nn_net *net = nets_new(
        g, (nn_net_options){.batch = 1, .shards = 1, .training = true, .input_grads = true});
    result r = {.loss = nn_net_step(net, (const nn_real *const[]){x, t, z}, 1, 0, 0)};
    for (int k = 0; k < (z ? 3 : 2); k++)
        for (int i = 0; i < K; i++) r.dx[k][i] = (double)nn_net_input_grad(net, k)[i];
    nn_net_free(net);
    nn_graph_free(g);
    return r;
}

static void near(double is, double expected)
{
    if (!(fabs(is - expected) <= 1e-5 * (1 + fabs(expected))))
        fail_msg("%.9g, expected %.9g", is, expected);
}

static void near_all(const double is[K], double a, double b, double c)
{
    near(is[0], a), near(is[1], b), near(is[2], c);
}

static const nn_real far_apart[K] = {1000, -1000, 0}, right[K] = {1, 0, 0}, wrong[K] = {0, 1, 0};

static void huge_logits_have_their_exact_loss(void **state)
{
    (void)state;
    result r = run("cross_entropy(x, t)", far_apart, right, NULL);
    near(r.loss, 0);
    near_all(r.dx[0], 0, 0, 0);
    r = run("cross_entropy(x, t)", far_apart, wrong, NULL);
    near(r.loss, 2000);
    near_all(r.dx[0], 1, -1, 0);
    near_all(r.dx[1], 0, 2000, 1000);
    r = run("hinge(x, t)", far_apart, wrong, NULL); /* 1 + 1000, 1 + 1000, 1 */
    near(r.loss, 2003);
    near_all(r.dx[0], 1, -1, 1);
    r = run("hinge(x, t) squared=yes", far_apart, wrong, NULL);
    near(r.loss, 2 * 1001.0 * 1001.0 + 1);
    r = run("binary_cross_entropy(x, t)", far_apart, right, NULL);
    near(r.loss, log(2) / 3);
    near_all(r.dx[0], 0, 0, 0.5 / 3);
    r = run("binary_cross_entropy(x, t)", far_apart, wrong, NULL);
    near(r.loss, (2000 + log(2)) / 3);
    near_all(r.dx[0], 1 / 3.0, -1 / 3.0, 0.5 / 3);
    r = run("mean_squared_error(x, t)", far_apart, right, NULL);
    near(r.loss, (999.0 * 999.0 + 1e6) / 3);
}

static void huge_logits_of_student_and_teacher(void **state)
{
    (void)state;
    const nn_real turned[K] = {-1000, 1000, 0}, even[K] = {0};
    result r = run("distillation(x, t, z) alpha=1 temperature=2", far_apart, right, turned);
    near(r.loss, 4 * 1000); /* log p - log r = 0 - (-2000 / 2) where p = 1; T^2 = 4 */
    near_all(r.dx[0], 2, -2, 0);
    near_all(r.dx[2], 0, 0, 0); /* a teacher so sure is flat */
    r = run("distillation(x, t, z) alpha=1 temperature=1", even, right, far_apart);
    near(r.loss, log(3));
    near_all(r.dx[0], 1 / 3.0 - 1, 1 / 3.0, 1 / 3.0);
    r = run("distillation(x, t, z) alpha=1 temperature=0.01", far_apart, right, far_apart);
    near(r.loss, 0);
    near_all(r.dx[0], 0, 0, 0);
}

/* Weights scale the loss of their class, and without a teacher distillation is cross-entropy. */
static void special_cases_agree(void **state)
{
    (void)state;
    const nn_real x[K] = {0.3f, -1.2f, 2}, t[K] = {0.2f, 0.5f, 0.3f}, threes[K] = {3, 3, 3};
    const nn_real second[K] = {5, 3, 7}, z[K] = {1, 2, -1};
    result plain = run("cross_entropy(x, t) smoothing=0.2", x, t, NULL);
    result three = run("cross_entropy(x, t, z) smoothing=0.2", x, t, threes);
    near(three.loss, 3 * plain.loss);
    for (int i = 0; i < K; i++) near(three.dx[0][i], 3 * plain.dx[0][i]);
    result one = run("cross_entropy(x, t, z)", x, wrong, second);
    near(one.loss, 3 * run("cross_entropy(x, t)", x, wrong, NULL).loss);
    result untaught = run("distillation(x, t, z) alpha=0 smoothing=0.2", x, t, z);
    near(untaught.loss, plain.loss);
    for (int i = 0; i < K; i++) near(untaught.dx[0][i], plain.dx[0][i]);
}

static void triplets_that_are_apart_cost_nothing(void **state)
{
    (void)state;
    const nn_real a[K] = {0, 0, 0}, p[K] = {1, 0, 0}, n[K] = {0, 2, 0};
    result r = run("triplet(x, t, z) margin=1", a, p, n); /* 1 - 4 + 1 */
    near(r.loss, 0);
    for (int k = 0; k < 3; k++) near_all(r.dx[k], 0, 0, 0);
    r = run("triplet(x, t, z) margin=5", a, p, n);
    near(r.loss, 2);
    near_all(r.dx[0], -2, 4, 0);
    near_all(r.dx[1], 2, 0, 0);
    near_all(r.dx[2], 0, -4, 0);
}

/* ---- building ---- */

static void constructors_make_what_the_text_says(void **state)
{
    (void)state;
    static const char *const text =
        "x = input 4\nt = input 4\nz = input 4\n"
        "a = cross_entropy(x, t, z) smoothing=0.1\nb = hinge(x, t) squared=yes\n"
        "c = binary_cross_entropy(x, t)\nd = mean_squared_error(x, t)\n"
        "e = distillation(x, t, z) alpha=0.9\n"
        "f = triplet(x, t, z) margin=0.5\n";
    base_err err = {0};
    nn_graph *g = nn_graph_new();
    nn_node *x = nn_input(g, "4");
    nn_node *t = nn_append(g, "input", "t", NULL, 0, "4");
    nn_node *z = nn_append(g, "input", "z", NULL, 0, "4");
    nn_weighted_cross_entropy(x, t, z, "a", "smoothing=%g", 0.1);
    nn_hinge(x, t, "b", "squared=yes");
    nn_binary_cross_entropy(x, t, "c");
    nn_mean_squared_error(x, t, "d");
    nn_distillation(x, t, z, "e", "alpha=0.9");
    nn_triplet(x, t, z, "f", "margin=0.5");
    if (nn_graph_check(g, &err) != BASE_OK) fail_msg("%s", err.message);
    base_str is = {0};
    nn_print(g, &is);
    assert_string_equal(is.s, text);
    base_str_free(&is);
    nn_graph_free(g);
}

static void refused(const char *text, const char *why)
{
    base_err err = {0};
    nn_graph *g = NULL;
    assert_int_equal(nn_parse(text, NULL, &g, &err), BASE_USAGE);
    if (!strstr(err.message, why)) fail_msg("'%s' does not say '%s'", err.message, why);
}

static void inputs_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    refused("x = input 4; t = input 5; y = cross_entropy(x, t)", "'x' is 4, 't' is 5");
    refused("x = input 4; t = input 4; w = input 1; y = cross_entropy(x, t, w)", "'w' is 1");
    refused("x = input 4x1x1; t = input 4x1x1; y = cross_entropy(x, t)", "1 dimensions are needed");
    refused("x = input 4; y = cross_entropy(x)", "takes 2 to 3 inputs, got 1");
    refused("x = input 4; y = cross_entropy(x, x, x, x)", "got 4");
    refused("x = input 4; t = input 2x2; y = hinge(x, t)", "'t' is 2x2");
    refused("x = input 4; t = input 3; y = binary_cross_entropy(x, t)", "'t' is 3");
    refused("x = input 4; t = input 3; y = mean_squared_error(x, t)", "'t' is 3");
    refused("x = input 4; t = input 4; y = distillation(x, t)", "takes 3 inputs, got 2");
    refused("x = input 4; t = input 4; z = input 3; y = distillation(x, t, z)", "'z' is 3");
    refused("x = input 4; y = distillation(x, x, x) temperature=0", "temperature");
    refused("x = input 4; y = distillation(x, x, x) alpha=1.5", "alpha");
    refused("x = input 4; n = input 2x2; y = triplet(x, x, n)", "'n' is 2x2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(huge_logits_have_their_exact_loss),
        cmocka_unit_test(huge_logits_of_student_and_teacher),
        cmocka_unit_test(special_cases_agree),
        cmocka_unit_test(triplets_that_are_apart_cost_nothing),
        cmocka_unit_test(constructors_make_what_the_text_says),
        cmocka_unit_test(inputs_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
