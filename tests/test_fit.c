/* Classifiers found at once: each is held to what its own definition demands, computed here once
 * more in the plainest way: closed forms on small data, gradients and duality gaps at the minimum,
 * densities and a fixed point for mixtures.
 */
#include "tests/check.h"
#include "train/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 240, D = 5, K = 3, ROW = D + 1 };

/* Correlated Gaussian classes that overlap, standard normal numbers mixed by a fixed matrix. */
typedef struct world {
    nn_real x[N * D];
    int label[N];
    fit_samples s;
} world;

static void make(world *w, double apart)
{
    for (int i = 0; i < N; i++) {
        base_rng r = base_rng_at(7, BASE_RNG_TEST, 0, (uint64_t)i);
        double z[D];
        w->label[i] = i % 7 < 3 ? 0 : i % 7 < 5 ? 1 : 2;
        for (int j = 0; j < D; j++) z[j] = base_rng_normal(&r);
        for (int j = 0; j < D; j++) {
            double v = z[j] + (j > 0 ? 0.8 * z[j - 1] : 0) + 0.3 * j;
            if (j == w->label[i]) v += apart;
            w->x[i * D + j] = (nn_real)v;
        }
    }
    w->s = (fit_samples){.x = w->x, .label = w->label, .n = N, .dims = D, .classes = K};
}

static double score(const world *w, const double *rows, int i, int k)
{
    double sum = rows[k * ROW + D];
    for (int j = 0; j < D; j++) sum += rows[k * ROW + j] * (double)w->x[i * D + j];
    return sum;
}

static void class_means(const world *w, double mean[K][D], int count[K])
{
    memset(mean, 0, K * sizeof *mean);
    memset(count, 0, K * sizeof *count);
    for (int i = 0; i < N; i++) {
        count[w->label[i]]++;
        for (int j = 0; j < D; j++) mean[w->label[i]][j] += (double)w->x[i * D + j];
    }
    for (int k = 0; k < K; k++)
        for (int j = 0; j < D; j++) mean[k][j] /= count[k];
}

static void near(double got, double want, double within)
{
    if (!(fabs(got - want) <= within)) fail_msg("%.12g, expected %.12g", got, want);
}

/* ---- means ---- */

static void test_centroid_is_the_nearest_mean(void **state)
{
    (void)state;
    world w;
    double rows[K * ROW], mean[K][D];
    int count[K];
    make(&w, 1.5);
    fit_centroid(&w.s, rows);
    class_means(&w, mean, count);
    for (int i = 0; i < N; i++) {
        double square = 0;
        for (int j = 0; j < D; j++) square += (double)w.x[i * D + j] * (double)w.x[i * D + j];
        for (int k = 0; k < K; k++) {
            double distance = 0;
            for (int j = 0; j < D; j++) distance += pow((double)w.x[i * D + j] - mean[k][j], 2);
            near(score(&w, rows, i, k) - square / 2, -distance / 2, 1e-9);
        }
    }
}

static void test_scores(void **state)
{
    (void)state;
    const nn_real x[] = {1, 2, -3, 4};
    const double w[] = {1, 10, 100, 2, 0, -1, 0, -1, 5};
    double y[6];
    fit_scores(&(fit_samples){.x = x, .n = 2, .dims = 2}, w, 3, y);
    const double want[] = {121, 1, 3, 137, -7, 1};
    for (int i = 0; i < 6; i++) near(y[i], want[i], 0);
}

/* ---- LDA ---- */

/* The estimator as the paper defines it, sum by sum (its lemma 3.2 to 3.4). */
static double ledoit_wolf(const world *w, double mean[K][D], double s[D][D])
{
    double m = 0, spread = 0, error = 0;
    memset(s, 0, D * sizeof *s);
    for (int i = 0; i < N; i++)
        for (int a = 0; a < D; a++)
            for (int b = 0; b < D; b++)
                s[a][b] += ((double)w->x[i * D + a] - mean[w->label[i]][a]) *
                           ((double)w->x[i * D + b] - mean[w->label[i]][b]) / N;
    for (int a = 0; a < D; a++) m += s[a][a] / D;
    for (int a = 0; a < D; a++)
        for (int b = 0; b < D; b++) spread += pow(s[a][b] - (a == b ? m : 0), 2) / D;
    for (int i = 0; i < N; i++)
        for (int a = 0; a < D; a++)
            for (int b = 0; b < D; b++)
                error += pow(((double)w->x[i * D + a] - mean[w->label[i]][a]) *
                                     ((double)w->x[i * D + b] - mean[w->label[i]][b]) -
                                 s[a][b],
                             2) /
                         D / N / N;
    const double r = fmin(error, spread) / spread;
    for (int a = 0; a < D; a++)
        for (int b = 0; b < D; b++) s[a][b] = (1 - r) * s[a][b] + (a == b ? r * m : 0);
    return r;
}

static void test_lda_solves_its_equations(void **state)
{
    (void)state;
    world w;
    double rows[K * ROW], mean[K][D], s[D][D], r;
    int count[K];
    make(&w, 1.5);
    class_means(&w, mean, count);
    const double want = ledoit_wolf(&w, mean, s);
    assert_int_equal(fit_lda(&w.s, rows, &r, NULL), BASE_OK);
    assert_true(want > 0.001 && want < 0.5);
    near(r, want, 1e-6);
    for (int k = 0; k < K; k++) {
        double half = 0;
        for (int a = 0; a < D; a++) {
            double product = 0;
            for (int b = 0; b < D; b++) product += s[a][b] * rows[k * ROW + b];
            near(product, mean[k][a], 1e-5);
            half += mean[k][a] * rows[k * ROW + a] / 2;
        }
        near(rows[k * ROW + D], log((double)count[k] / N) - half, 1e-9);
    }
}

/* More numbers than samples: S alone has no inverse. What does not vary at all is refused. */
static void test_lda_of_few_samples(void **state)
{
    (void)state;
    enum { FEW = 6, WIDE = 40 };
    static nn_real x[FEW * WIDE];
    static double rows[2 * (WIDE + 1)];
    const int label[FEW] = {0, 1, 0, 1, 0, 1};
    fit_samples s = {.x = x, .label = label, .n = FEW, .dims = WIDE, .classes = 2};
    double r, scores[2 * FEW];
    base_err err = {0};
    assert_int_equal(fit_lda(&s, rows, &r, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "6 samples do not vary"));
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < FEW * WIDE; i++)
        x[i] = (nn_real)(base_rng_normal(&rng) + (label[i / WIDE] ? 1 : -1));
    assert_int_equal(fit_lda(&s, rows, &r, &err), BASE_OK);
    assert_true(r > 0 && r <= 1);
    fit_scores(&s, rows, 2, scores);
    for (int i = 0; i < FEW; i++) assert_int_equal(scores[2 * i + 1] > scores[2 * i], label[i]);
}

/* ---- logistic regression ---- */

/* Largest part of the gradient, by its definition. */
static double logistic_gradient(const world *w, const double *rows, double l2)
{
    double most = 0;
    for (int k = 0; k < K; k++) {
        for (int j = 0; j <= D; j++) {
            double g = j < D ? l2 * rows[k * ROW + j] : 0;
            for (int i = 0; i < N; i++) {
                double sum = 0;
                for (int c = 0; c < K; c++) sum += exp(score(w, rows, i, c));
                const double p = exp(score(w, rows, i, k)) / sum;
                g += (p - (w->label[i] == k)) * (j < D ? (double)w->x[i * D + j] : 1) / N;
            }
            most = fmax(most, fabs(g));
        }
    }
    return most;
}

/* The objective is convex: where its gradient is nothing lies its minimum, wherever one starts. */
static void test_logistic_has_no_gradient_left(void **state)
{
    (void)state;
    world w;
    double rows[K * ROW] = {0}, other[K * ROW];
    bool converged;
    make(&w, 1.5);
    for (double l2 = 1; l2 > 1e-4; l2 /= 10) {
        assert_int_equal(fit_logistic(&w.s, l2, 1e-7, NULL, rows, &converged, NULL), BASE_OK);
        assert_true(converged);
        assert_true(logistic_gradient(&w, rows, l2) < 1.1e-7);
    }
    assert_true(logistic_gradient(&w, rows, 1) > 1e-3);
    base_pool *pool;
    assert_int_equal(base_pool_new(3, &pool, NULL), BASE_OK);
    for (int i = 0; i < K * ROW; i++) other[i] = sin(i);
    double inline_[K * ROW];
    memcpy(inline_, other, sizeof other);
    assert_int_equal(fit_logistic(&w.s, 0.1, 1e-8, pool, other, &converged, NULL), BASE_OK);
    assert_int_equal(fit_logistic(&w.s, 0.1, 1e-8, NULL, inline_, &converged, NULL), BASE_OK);
    assert_memory_equal(other, inline_, sizeof other);
    memset(rows, 0, sizeof rows);
    assert_int_equal(fit_logistic(&w.s, 0.1, 1e-8, NULL, rows, &converged, NULL), BASE_OK);
    for (int k = 0; k < K; k++)
        for (int j = 0; j < D; j++) near(other[k * ROW + j], rows[k * ROW + j], 1e-5);
    base_pool_free(pool);
}

/* ---- SVM ---- */

static void test_svm_closes_the_duality_gap(void **state)
{
    (void)state;
    world w;
    static double alpha[K * N], rows[K * ROW], again[K * N], rows3[K * ROW];
    bool converged;
    make(&w, 1.5);
    for (double l2 = 1; l2 > 1e-3; l2 /= 10) {
        const double c = 1 / (l2 * N);
        assert_int_equal(fit_svm(&w.s, l2, 1e-6, 3, NULL, alpha, rows, &converged, NULL), BASE_OK);
        assert_true(converged);
        for (int k = 0; k < K; k++) {
            double primal = 0, dual = 0, made[ROW] = {0};
            for (int i = 0; i < N; i++) {
                const double t = w.label[i] == k ? 1 : -1, a = alpha[k * N + i];
                assert_true(a >= 0);
                primal += c * pow(fmax(0, 1 - t * score(&w, rows, i, k)), 2);
                dual += a - a * a / (4 * c);
                for (int j = 0; j <= D; j++)
                    made[j] += a * t * (j < D ? (double)w.x[i * D + j] : 1);
            }
            for (int j = 0; j <= D; j++) {
                near(rows[k * ROW + j], made[j], 1e-7);
                primal += made[j] * made[j] / 2;
                dual -= made[j] * made[j] / 2;
            }
            assert_true(primal >= dual - 1e-9);
            near(primal, dual, 1e-5 * primal);
        }
    }
    base_pool *pool;
    assert_int_equal(base_pool_new(3, &pool, NULL), BASE_OK);
    memset(alpha, 0, sizeof alpha);
    memset(rows, 0, sizeof rows);
    fit_svm(&w.s, 0.1, 0.1, 3, NULL, alpha, rows, &converged, NULL);
    fit_svm(&w.s, 0.1, 0.1, 3, pool, again, rows3, &converged, NULL);
    assert_memory_equal(rows, rows3, sizeof rows);
    base_pool_free(pool);
}

/* Points at -1 and 1 with C = 1/2: w (or -w) is where w^2 / 2 + (1 - w)^2 is least, 2/3, and b = 0.
 */
static void test_svm_of_two_points(void **state)
{
    (void)state;
    const nn_real x[] = {-1, 1};
    const int label[] = {0, 1};
    double alpha[4] = {0}, rows[4] = {0};
    bool converged;
    const fit_samples s = {.x = x, .label = label, .n = 2, .dims = 1, .classes = 2};
    fit_svm(&s, 1, 1e-9, 0, NULL, alpha, rows, &converged, NULL);
    const double want[] = {-2.0 / 3, 0, 2.0 / 3, 0};
    for (int i = 0; i < 4; i++) near(rows[i], want[i], 1e-8);
}

/* ---- mixtures ---- */

enum { G = 2, GROW = 2 * D + 1 };

/* [x, x^2] of the samples of a world, whose class 1 falls into two heaps. */
static void make_squares(world *w, nn_real *x)
{
    make(w, 0.5);
    for (int i = 0; i < N; i++) {
        if (w->label[i] == 1) w->x[i * D + 3] += i % 2 ? 9 : -9;
        for (int j = 0; j < D; j++) {
            const nn_real v = w->x[i * D + j];
            x[i * 2 * D + j] = v;
            x[i * 2 * D + D + j] = v * v;
        }
    }
    w->s.x = x;
    w->s.dims = 2 * D;
}

/* weight, means and variances of a component from its row. */
static void unpack(const double *row, double *weight, double *mean, double *variance)
{
    double constant = row[2 * D];
    for (int j = 0; j < D; j++) {
        variance[j] = -0.5 / row[D + j];
        mean[j] = row[j] * variance[j];
        constant += log(2 * acos(-1) * variance[j]) / 2 + mean[j] * mean[j] / variance[j] / 2;
    }
    *weight = exp(constant);
}

static double density(const world *w, int i, const double *mean, const double *variance)
{
    double p = 1;
    for (int j = 0; j < D; j++)
        p *= exp(-pow((double)w->x[i * D + j] - mean[j], 2) / 2 / variance[j]) /
             sqrt(2 * acos(-1) * variance[j]);
    return p;
}

static void test_one_gaussian_has_mean_and_variance_of_its_class(void **state)
{
    (void)state;
    static world w;
    static nn_real x[N * 2 * D];
    double rows[K * GROW] = {0}, means[K][D];
    int count[K];
    make_squares(&w, x);
    assert_int_equal(fit_gmm(&w.s, 1, 0, NULL, rows, NULL), BASE_OK);
    class_means(&w, means, count);
    for (int k = 0; k < K; k++) {
        double weight, mean[D], variance[D];
        unpack(rows + k * GROW, &weight, mean, variance);
        near(weight, (double)count[k] / N, 1e-6);
        for (int j = 0; j < D; j++) {
            double v = 0;
            for (int i = 0; i < N; i++)
                if (w.label[i] == k) v += pow((double)w.x[i * D + j] - means[k][j], 2) / count[k];
            near(mean[j], means[k][j], 1e-5);
            near(variance[j], v, 1e-4);
        }
    }
}

/* Two heaps are found, and one more round of EM, here in weights, means and variances, changes
 * nothing: the mixture is where the likelihood stands still. */
static void test_mixtures_stand_still(void **state)
{
    (void)state;
    static world w;
    static nn_real x[N * 2 * D];
    static double rows[K * G * GROW], again[K * G * GROW];
    make_squares(&w, x);
    assert_int_equal(fit_gmm(&w.s, G, 5, NULL, rows, NULL), BASE_OK);
    base_pool *pool;
    assert_int_equal(base_pool_new(2, &pool, NULL), BASE_OK);
    assert_int_equal(fit_gmm(&w.s, G, 5, pool, again, NULL), BASE_OK);
    assert_memory_equal(rows, again, sizeof rows);
    base_pool_free(pool);
    double weight[G], mean[G][D], variance[G][D];
    for (int g = 0; g < G; g++) unpack(rows + (G + g) * GROW, &weight[g], mean[g], variance[g]);
    near(fabs(mean[0][3] - mean[1][3]), 18, 0.7);
    for (int g = 0; g < G; g++) {
        double sum = 0, first[D] = {0}, second[D] = {0};
        for (int i = 0; i < N; i++) {
            if (w.label[i] != 1) continue;
            double p[G];
            for (int c = 0; c < G; c++) p[c] = weight[c] * density(&w, i, mean[c], variance[c]);
            const double part = p[g] / (p[0] + p[1]);
            sum += part;
            for (int j = 0; j < D; j++) {
                first[j] += part * (double)w.x[i * D + j];
                second[j] += part * pow((double)w.x[i * D + j] - mean[g][j], 2);
            }
        }
        near(weight[g], sum / N, 1e-4);
        for (int j = 0; j < D; j++) {
            near(first[j] / sum, mean[g][j], 1e-3);
            near(second[j] / sum, variance[g][j], 1e-3 * fmax(1, variance[g][j]));
        }
    }
}

/* ---- templates ---- */

/* Samples of their class, none twice while there are others; each as likely as any other. */
static void test_templates_are_samples(void **state)
{
    (void)state;
    enum { SAMPLES = 12, EACH = 4 };
    nn_real x[SAMPLES], value[2 * EACH];
    int label[SAMPLES], drawn[SAMPLES] = {0};
    for (int i = 0; i < SAMPLES; i++) {
        x[i] = (nn_real)i;
        label[i] = i < 2; /* two of class 1, ten of class 0 */
    }
    const fit_samples s = {x, label, SAMPLES, 1, 2};
    for (uint64_t seed = 0; seed < 1000; seed++) {
        fit_templates(&s, EACH, seed, value);
        for (int t = 0; t < EACH; t++) {
            drawn[(int)value[t]]++;
            for (int u = 0; u < t; u++) assert_true(value[t] != value[u]);
        }
        for (int t = 0; t < EACH; t++) assert_true(value[EACH + t] == (nn_real)(t % 2));
    }
    for (int i = 2; i < SAMPLES; i++) assert_true(abs(drawn[i] - 400) < 80); /* 5 sigma */
    assert_int_equal(drawn[0] + drawn[1], 0);
}

/* ---- temperature ---- */

static double cross_entropy(const double *scores, const int *label, double factor)
{
    double loss = 0;
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int k = 0; k < K; k++) sum += exp(factor * scores[i * K + k]);
        for (int k = 0; k < K; k++) {
            const double target = (label[i] == k) * (1 - 1.0 / (N + 2)) + 1.0 / (N + 2) / K;
            loss -= target * (factor * scores[i * K + k] - log(sum));
        }
    }
    return loss / N;
}

static void test_temperature_is_where_cross_entropy_is_least(void **state)
{
    (void)state;
    world w;
    double rows[K * ROW];
    static double scores[N * K];
    make(&w, 1.5);
    fit_centroid(&w.s, rows);
    fit_scores(&w.s, rows, K, scores);
    const double factor = fit_temperature(scores, w.label, N, K);
    const double least = cross_entropy(scores, w.label, factor);
    assert_true(least < cross_entropy(scores, w.label, factor * 1.001));
    assert_true(least < cross_entropy(scores, w.label, factor / 1.001));
    for (int i = 0; i < N * K; i++) scores[i] *= 8;
    near(fit_temperature(scores, w.label, N, K), factor / 8, 1e-6);
    for (int i = 0; i < N * K; i++) scores[i] = w.label[i / K] == i % K; /* no error */
    const double finite = fit_temperature(scores, w.label, N, K);
    near(exp(finite) / (exp(finite) + K - 1), 1 - (K - 1.0) / K / (N + 2), 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_centroid_is_the_nearest_mean),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_lda_solves_its_equations),
        cmocka_unit_test(test_lda_of_few_samples),
        cmocka_unit_test(test_logistic_has_no_gradient_left),
        cmocka_unit_test(test_svm_closes_the_duality_gap),
        cmocka_unit_test(test_svm_of_two_points),
        cmocka_unit_test(test_one_gaussian_has_mean_and_variance_of_its_class),
        cmocka_unit_test(test_mixtures_stand_still),
        cmocka_unit_test(test_templates_are_samples),
        cmocka_unit_test(test_temperature_is_where_cross_entropy_is_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
