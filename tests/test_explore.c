/* Statistics, principal components, neighbours, t-SNE, and what is found in a data set: against
 * closed forms, against slow plain sums of the definitions, and against what was planted. */
#include "data/explore.h"
#include "data/neighbours.h"
#include "data/pca.h"
#include "data/tsne.h"
#include "tests/check.h"
#include "tests/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- principal components ---- */

/* The second difference: 2 - 2 cos(k pi / (d + 1)), eigenvectors are sines. */
static void test_eigen_of_second_difference(void **state)
{
    (void)state;
    enum { D = 40 };
    double a[D * D] = {0}, values[D], v[D * D];
    for (int i = 0; i < D; i++) {
        a[i * D + i] = 2;
        if (i > 0) a[i * D + i - 1] = a[(i - 1) * D + i] = -1;
    }
    data_eigen(a, D, values, v);
    for (int k = 0; k < D; k++) {
        const double angle = (D - k) * 3.14159265358979 / (D + 1);
        const double *row = v + k * D, sign = row[0] < 0 ? -1 : 1;
        assert_true(fabs(values[k] - (2 - 2 * cos(angle))) < 1e-12);
        for (int i = 0; i < D; i++)
            assert_true(fabs(sign * row[i] - sqrt(2.0 / (D + 1)) * sin((i + 1) * angle)) < 1e-10);
    }
}

/* Points at +-a_k along each of three known axes have a known covariance. */
static void test_pca_of_known_axes(void **state)
{
    (void)state;
    static const double length[3] = {3, 2, 1};
    static const double axis[3][3] = {{0.6, 0.8, 0}, {-0.8, 0.6, 0}, {0, 0, 1}};
    float x[6 * 3], y[6 * 3];
    double share[3];
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 3; k++)
            x[i * 3 + k] = (float)(7 + (i % 2 ? -1 : 1) * length[i / 2] * axis[i / 2][k]);
    assert_int_equal(data_pca(x, 6, 3, 3, y, share, NULL), BASE_OK);
    for (int k = 0; k < 3; k++) {
        assert_true(fabs(share[k] - length[k] * length[k] / 14) < 1e-6);
        for (int i = 0; i < 6; i++) {
            const double along = i / 2 == k ? length[k] : 0;
            assert_true(fabs(fabs((double)y[i * 3 + k]) - along) < 1e-5);
        }
    }
    memset(x, 0, sizeof x);
    assert_int_equal(data_pca(x, 6, 3, 2, y, share, NULL), BASE_OK);
    assert_true(share[0] <= 0 && y[0] <= 0 && y[0] >= 0);
}

/* ---- neighbours ---- */

enum { POINTS = 90, DIM = 6, NEAR = 7 };

static void scatter(uint64_t seed, float *x, size_t n)
{
    base_rng r = base_rng_at(seed, BASE_RNG_TEST, 7, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)base_rng_normal(&r);
}

static double away(const float *x, size_t d, size_t i, size_t j)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++) sum += pow((double)x[i * d + k] - (double)x[j * d + k], 2);
    return sqrt(sum);
}

/* The k-th nearest distance by counting, and whether j is within it. */
static double kth(const float *x, size_t d, size_t n, size_t i, size_t k)
{
    for (size_t j = 0; j < n; j++) {
        size_t nearer = 0;
        for (size_t o = 0; o < n; o++) nearer += o != i && away(x, d, i, o) < away(x, d, i, j);
        if (j != i && nearer == k - 1) return away(x, d, i, j);
    }
    return 0;
}

/* Local reachability density and factor as the paper's definitions 5 to 7 have them. */
static double density(const float *x, size_t i)
{
    double sum = 0;
    const double radius = kth(x, DIM, POINTS, i, NEAR);
    for (size_t o = 0; o < POINTS; o++)
        if (o != i && away(x, DIM, i, o) <= radius)
            sum += fmax(kth(x, DIM, POINTS, o, NEAR), away(x, DIM, i, o));
    return NEAR / sum;
}

static void test_outlier_factor_by_definition(void **state)
{
    (void)state;
    float x[POINTS * DIM];
    double factor[POINTS], dense[POINTS];
    scatter(1, x, POINTS * DIM);
    for (int k = 0; k < DIM; k++) x[k] *= 6; /* one that lies apart */
    assert_int_equal(data_outlier_factors(x, POINTS, DIM, NEAR, 2, factor, NULL), BASE_OK);
    for (size_t i = 0; i < POINTS; i++) dense[i] = density(x, i);
    for (size_t i = 0; i < POINTS; i++) {
        double sum = 0;
        const double radius = kth(x, DIM, POINTS, i, NEAR);
        for (size_t o = 0; o < POINTS; o++)
            if (o != i && away(x, DIM, i, o) <= radius) sum += dense[o];
        assert_true(fabs(factor[i] - sum / NEAR / dense[i]) < 1e-4);
        assert_true(i == 0 || factor[i] < factor[0]);
    }
    for (size_t i = 2 * NEAR; i < 4 * NEAR; i++) /* a heap of equal points is nobody's measure */
        memcpy(x + i * DIM, x + 2 * NEAR * DIM, DIM * sizeof *x);
    assert_int_equal(data_outlier_factors(x, POINTS, DIM, NEAR, 1, factor, NULL), BASE_OK);
    for (size_t i = 1; i < POINTS; i++) assert_true(factor[i] < 20);
    memset(x, 0, sizeof x); /* all equal: none lies apart */
    assert_int_equal(data_outlier_factors(x, POINTS, DIM, NEAR, 1, factor, NULL), BASE_OK);
    for (size_t i = 0; i < POINTS; i++) assert_true(fabs(factor[i] - 1) < 1e-9);
}

static size_t rank_of(const float *x, size_t d, size_t n, size_t i, size_t j)
{
    size_t rank = 1;
    for (size_t o = 0; o < n; o++) rank += o != i && away(x, d, i, o) < away(x, d, i, j);
    return rank;
}

static void test_trustworthiness_by_definition(void **state)
{
    (void)state;
    float x[POINTS * DIM], y[POINTS * 2];
    double trust, lost = 0;
    scatter(2, x, POINTS * DIM);
    scatter(3, y, POINTS * 2);
    assert_int_equal(data_trustworthiness(x, POINTS, DIM, y, NEAR, &trust, NULL), BASE_OK);
    for (size_t i = 0; i < POINTS; i++)
        for (size_t j = 0; j < POINTS; j++) {
            if (j == i || rank_of(y, 2, POINTS, i, j) > NEAR) continue;
            const size_t rank = rank_of(x, DIM, POINTS, i, j);
            if (rank > NEAR) lost += (double)(rank - NEAR);
        }
    assert_true(fabs(trust - (1 - 2 * lost / (POINTS * NEAR * (2.0 * POINTS - 3 * NEAR - 1)))) <
                1e-9);
    assert_true(trust < 0.7); /* by chance */
    assert_int_equal(data_trustworthiness(y, POINTS, 2, y, NEAR, &trust, NULL), BASE_OK);
    assert_true(trust >= 1 && trust <= 1);
}

/* ---- t-SNE ---- */

static void test_perplexity_is_exact(void **state)
{
    (void)state;
    double d2[200], p[200];
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 200; i++) d2[i] = 1000 + 50 * pow(base_rng_normal(&r), 2);
    for (double want = 2; want < 150; want *= 3) {
        double sum = 0, bits = 0;
        data_perplexity(d2, 200, want, p);
        for (int i = 0; i < 200; i++) {
            sum += p[i];
            if (p[i] > 0) bits -= p[i] * log2(p[i]);
        }
        assert_true(fabs(sum - 1) < 1e-12);
        assert_true(fabs(exp2(bits) / want - 1) < 1e-9);
        for (int i = 1; i < 200; i++) /* a normal distribution: ln p is a line over d2 */
            assert_true(p[i] < 1e-200 || (d2[i] > d2[0]) == (p[i] < p[0]));
    }
}

enum { CLOUDS = 3, EACH = 40, ALL = CLOUDS * EACH, WIDE = 10 };

/* The divergence as the paper's (2) to (5) have it. */
static double divergence(const float *x, const float *y, double perplexity)
{
    static double p[ALL][ALL];
    double z = 0, sum = 0;
    for (size_t i = 0; i < ALL; i++) {
        double d2[ALL], row[ALL];
        size_t k = 0;
        for (size_t j = 0; j < ALL; j++)
            if (j != i) d2[k++] = pow(away(x, WIDE, i, j), 2);
        data_perplexity(d2, ALL - 1, perplexity, row);
        for (size_t j = 0, at = 0; j < ALL; j++) p[i][j] = j == i ? 0 : row[at++];
    }
    for (size_t i = 0; i < ALL; i++)
        for (size_t j = 0; j < ALL; j++)
            if (i != j) z += 1 / (1 + pow(away(y, 2, i, j), 2));
    for (size_t i = 0; i < ALL; i++)
        for (size_t j = 0; j < ALL; j++) {
            const double both = (p[i][j] + p[j][i]) / (2 * ALL);
            const double q = 1 / (1 + pow(away(y, 2, i, j), 2)) / z;
            if (both > 0) sum += both * log(both / q);
        }
    return sum;
}

static void test_tsne_keeps_clouds_apart(void **state)
{
    (void)state;
    float x[ALL * WIDE], pca[ALL * 2], y[ALL * 2], again[ALL * 2];
    double share[2], start, end, trust, flat;
    data_tsne_options o = {.perplexity = 15, .iterations = 500, .threads = 1};
    scatter(5, x, ALL * WIDE);
    for (int i = 0; i < ALL; i++) x[i * WIDE + i % CLOUDS] += 9;
    assert_int_equal(data_pca(x, ALL, WIDE, 2, pca, share, NULL), BASE_OK);
    memcpy(y, pca, sizeof y);
    memcpy(again, pca, sizeof y);
    assert_int_equal(data_tsne(x, ALL, WIDE, &o, y, &start, &end, NULL), BASE_OK);
    assert_true(end < start / 3);
    assert_true(fabs(end - divergence(x, y, 15)) < 1e-4);
    for (size_t i = 0; i < ALL; i++) /* any two of a cloud are nearer than the next cloud */
        for (size_t j = 0; j < ALL; j++)
            for (size_t k = 0; k < ALL; k += 7)
                if (i % CLOUDS == j % CLOUDS && i % CLOUDS != k % CLOUDS)
                    assert_true(away(y, 2, i, j) < away(y, 2, i, k));
    assert_int_equal(data_trustworthiness(x, ALL, WIDE, y, NEAR, &trust, NULL), BASE_OK);
    assert_int_equal(data_trustworthiness(x, ALL, WIDE, pca, NEAR, &flat, NULL), BASE_OK);
    print_message("trustworthiness: t-SNE %.3f, PCA %.3f; divergence %.3f, %.3f\n", trust, flat,
                  start, end);
    assert_true(trust > flat && trust > 0.9);
    o.threads = 3;
    assert_int_equal(data_tsne(x, ALL, WIDE, &o, again, &start, &end, NULL), BASE_OK);
    assert_memory_equal(y, again, sizeof y);
    base_err err = {0};
    o.perplexity = 40;
    assert_int_equal(data_tsne(x, ALL, WIDE, &o, y, &start, &end, &err), BASE_USAGE);
}

/* ---- numbers of clips ---- */

static data_recordings *open_folder(const char *dir)
{
    data_recordings *r;
    base_err err = {0};
    assert_int_equal(data_recordings_open(dir, &r, &err), BASE_OK);
    return r;
}

static void test_quantiles(void **state)
{
    (void)state;
    double v[] = {4, 1, 3, 2, 5}; /* R: quantile(1:5, c(.1, .5, .9)) is 1.4 3.0 4.6 */
    const data_quantiles q = data_quantiles_of(v, 5), none = data_quantiles_of(v, 0);
    assert_true(fabs(q.low - 1.4) < 1e-12 && fabs(q.median - 3) < 1e-12);
    assert_true(fabs(q.high - 4.6) < 1e-12 && isnan(none.median));
}

/* Three clips by one speaker, one by another: Gini's mean difference is 2 * 2 / 4 = 1, of a mean
 * of 2, halved: 0.25. */
static void test_summary_counts(void **state)
{
    (void)state;
    char dir[64], name[16];
    corpus_folder(dir);
    corpus_make(dir, "yes,no,go", 4, 2, 1);
    for (int take = 0; take < 3; take++)
        corpus_clip(dir, "twice", corpus_speaker(DATA_TRAIN, 0, name), take, DATA_RATE, 8000);
    corpus_clip(dir, "twice", corpus_speaker(DATA_TEST, 0, name), 0, DATA_RATE, 16000);
    data_recordings *r = open_folder(dir);
    data_facts *facts;
    data_classes classes;
    data_groups g;
    data_summary s;
    base_err err = {0};
    const data_survey_options how = {.threads = 2};
    assert_int_equal(data_survey_run(r, &how, &facts, &err), BASE_OK);
    assert_int_equal(data_classes_new(r, "twice,yes", &classes, &err), BASE_OK);
    assert_int_equal(classes.n, 3);
    assert_string_equal(classes.names[2], DATA_UNKNOWN);
    int of[100];
    const size_t n = data_recordings_count(r);
    assert_int_equal(n, 3 * 7 + 4);
    for (size_t i = 0; i < n; i++) of[i] = classes.of_word[data_recordings_at(r, i).word];
    assert_int_equal(data_groups_new(r, facts, DATA_SPLITS, of, 3, &g, &err), BASE_OK);
    assert_int_equal(g.start[1], 4);
    assert_int_equal(g.start[2], 4 + 7);
    assert_int_equal(g.start[3], n);
    assert_int_equal(data_summarize(r, facts, g.clip, 4, &s, &err), BASE_OK);
    assert_int_equal(s.split[DATA_TRAIN], 3);
    assert_int_equal(s.split[DATA_TEST], 1);
    assert_int_equal(s.speakers, 2);
    assert_int_equal(s.words, 1);
    assert_true(fabs(s.seconds - 2.5) < 1e-9);
    assert_true(fabs(s.most - 0.75) < 1e-9 && fabs(s.gini - 0.25) < 1e-9);
    assert_true(fabs(s.duration.median - 0.5) < 1e-9);
    assert_int_equal(data_summarize(r, facts, g.clip + g.start[2], 14, &s, &err), BASE_OK);
    assert_int_equal(s.words, 2);
    assert_int_equal(s.speakers, 7);
    assert_true(s.gini >= 0 && s.gini < 1e-12);
    data_groups_free(&g);
    assert_int_equal(data_groups_new(r, facts, DATA_VALIDATION, of, 3, &g, &err), BASE_OK);
    assert_int_equal(g.start[1], 0);
    assert_int_equal(g.start[3], 6);
    data_groups_free(&g);
    data_classes_free(&classes);
    assert_int_equal(data_classes_new(r, "yess", &classes, &err), BASE_USAGE);
    assert_non_null(strstr(err.hint, "yes"));
    data_survey_free(facts, n);
    data_recordings_close(r);
    corpus_remove(dir);
}

/* ---- SNR of known mixtures ---- */

/* A word of 24 harmonics, 3 dB an octave, whose loudness rises and falls, 0.4 s in the middle of
 * white noise that is snr dB below its mean power. */
static double measured_snr(double snr, double waves, uint64_t seed)
{
    static int16_t pcm[DATA_RATE];
    double powers[3 * DATA_RATE / DATA_BLOCK], word[DATA_RATE] = {0}, power = 0;
    const int from = 4800, to = 11200;
    base_rng r = base_rng_at(seed, BASE_RNG_TEST, 9, 0);
    for (int i = from; i < to; i++) {
        const double t = (double)i / DATA_RATE;
        for (int k = 1; k <= 24; k++) word[i] += sin(6.283185307 * 140 * k * t + k * k) / sqrt(k);
        word[i] *= 1 + waves * sin(6.283185307 * 5 * t);
        power += word[i] * word[i] / (to - from);
    }
    const double scale = 4000 / sqrt(power), hiss = 4000 * pow(10, -snr / 20);
    for (int i = 0; i < DATA_RATE; i++)
        pcm[i] =
            (int16_t)lrint(fmax(-32768, fmin(32767, scale * word[i] + hiss * base_rng_normal(&r))));
    const data_level l = data_level_of(pcm, DATA_RATE, powers);
    return l.end > l.start ? l.snr_db : (double)NAN;
}

/* Mean error over 20 words, and how many were found. */
static double snr_error(double snr, double waves, int *found)
{
    double sum = 0;
    *found = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const double error = measured_snr(snr, waves, seed) - snr;
        if (isnan(error)) continue;
        assert_true(*found == 0 || fabs(error - sum / *found) < 1);
        sum += error;
        ++*found;
    }
    return sum / *found;
}

/* What a tenth of the 100 blocks are below, a sixth of the 60 with noise alone are: that is
 * 0.97 sqrt(2 / 160) below the mean of white noise, 0.47 dB. Where the word's loudness is not even
 * and the noise is near, its quiet blocks do not stand out and are not counted. */
static void test_snr_of_known_mixtures(void **state)
{
    (void)state;
    for (double snr = 8; snr <= 60; snr += snr < 20 ? 2 : 10) {
        int even, uneven;
        const double flat = snr_error(snr, 0, &even), wavy = snr_error(snr, 0.67, &uneven);
        print_message("planted SNR %2.0f dB: even words %+.2f dB (%d of 20 found), uneven ones "
                      "%+.2f dB (%d)\n",
                      snr, flat, even, wavy, uneven);
        if (snr >= 20) {
            assert_true(even == 20 && flat > 0.2 && flat < 0.6);
            assert_true(uneven == 20 && wavy > 0.2 && wavy < 2.6);
        }
    }
}

/* ---- exploring ---- */

static void save(const char *dir, const char *word, int speaker, const float *pcm, size_t n)
{
    char path[200], name[16];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, word);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/%s/%s_nohash_0.wav", dir, word,
             corpus_speaker(DATA_TRAIN, speaker, name));
    assert_int_equal(dsp_audio_write(path, DATA_RATE, pcm, n, &err), BASE_OK);
}

/* A sweep between two pitches in the middle of a little noise. */
static void sweep(double from, double to, uint64_t seed, float *pcm)
{
    base_rng r = base_rng_at(seed, BASE_RNG_TEST, 11, 0);
    const double high = 0.9 + 0.2 * base_rng_uniform(&r);
    double phase = 0;
    for (int i = 0; i < DATA_RATE; i++) {
        const double at = (i - 4000) / 8000.0;
        phase += 6.283185307 * high * (from + (to - from) * at) / DATA_RATE;
        pcm[i] = (float)(1e-3 * base_rng_normal(&r));
        if (at >= 0 && at < 1) pcm[i] += (float)(0.2 * sin(phase));
    }
}

static void test_wrong_words_lie_apart(void **state)
{
    (void)state;
    char dir[64], wrong[16];
    float *pcm = base_alloc(DATA_RATE, sizeof *pcm);
    corpus_folder(dir);
    for (int i = 0; i < 30; i++) {
        sweep(300, 2500, (uint64_t)i, pcm);
        save(dir, "up", i, pcm, DATA_RATE);
        sweep(2500, 300, 100 + (uint64_t)i, pcm);
        save(dir, i == 17 ? "up" : "down", i == 17 ? 40 : i, pcm, DATA_RATE);
    }
    corpus_speaker(DATA_TRAIN, 40, wrong);
    data_recordings *r = open_folder(dir);
    data_exploration e, again;
    base_err err = {0};
    data_explore_options o = {
        .split = DATA_SPLITS, .most = 1000, .mapped = 50, .outliers = 4, .threads = 1};
    assert_int_equal(data_explore(r, &o, &e, &err), BASE_OK);
    assert_true(e.heard.n == 60 && e.heard.n_worst >= 1 && e.map.n == 50);
    assert_non_null(strstr(data_recordings_at(r, e.heard.clip[e.heard.worst[0]]).name, wrong));
    bool mapped = false; /* what lies apart is on the map, whatever the choice */
    for (size_t i = 0; i < e.map.n; i++) mapped |= e.map.at[i] == e.heard.worst[0];
    assert_true(mapped && e.map.end < e.map.start);
    for (int i = 0; i < e.heard.frames * e.heard.bins; i++) { /* means are those of the classes */
        const int cells = e.heard.frames * e.heard.bins;
        const float both = (31 * e.heard.mean[cells + i] + 29 * e.heard.mean[i]) / 60;
        assert_true(fabsf(both - e.heard.mean[2 * cells + i]) < 1e-4f);
    }
    o.threads = 3;
    assert_int_equal(data_explore(r, &o, &again, &err), BASE_OK);
    assert_memory_equal(e.map.tsne, again.map.tsne, 2 * e.map.n * sizeof(float));
    assert_memory_equal(e.heard.mean, again.heard.mean,
                        3 * (size_t)(e.heard.frames * e.heard.bins) * sizeof(float));
    data_exploration_free(&again);
    o.most = 20; /* alike of each class */
    assert_int_equal(data_explore(r, &o, &again, &err), BASE_OK);
    size_t ups = 0;
    for (size_t i = 0; i < again.heard.n; i++) ups += again.heard.of[i] == 1;
    assert_true(again.heard.n == 20 && ups == 10);
    data_exploration_free(&again);
    data_exploration_free(&e);
    data_recordings_close(r);
    base_free(pcm);
    corpus_remove(dir);
}

/* A page of n clips of a word, each of `samples`. */
static void explore_few(int n, size_t samples, bool silent)
{
    char dir[64];
    float *pcm = base_alloc(DATA_RATE, sizeof *pcm);
    base_str page = {0};
    data_exploration e;
    base_err err = {0};
    corpus_folder(dir);
    for (int i = 0; i < n; i++) {
        if (!silent) sweep(300, 2500, (uint64_t)i, pcm);
        save(dir, "only", i, pcm, samples);
    }
    data_recordings *r = open_folder(dir);
    data_explore_options o = {
        .split = DATA_SPLITS, .most = 1000, .mapped = 50, .outliers = 4, .threads = 1};
    assert_int_equal(data_explore(r, &o, &e, &err), BASE_OK);
    assert_int_equal(data_explore_page(&e, dir, &(data_explore_model){0}, &page, &err), BASE_OK);
    assert_non_null(strstr(page.s, "</html>"));
    assert_null(strstr(page.s, "nan"));
    base_str_free(&page);
    data_exploration_free(&e);
    o.split = DATA_TEST;
    assert_int_equal(data_explore(r, &o, &e, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "split test"));
    data_exploration_free(&e);
    data_recordings_close(r);
    base_free(pcm);
    corpus_remove(dir);
}

static void test_small_data(void **state)
{
    (void)state;
    explore_few(1, DATA_RATE, false);
    explore_few(1, 1, false); /* one sample */
    explore_few(2, DATA_RATE, false);
    explore_few(9, DATA_RATE, false);
    explore_few(30, 4000, true); /* all equal, and silent */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eigen_of_second_difference),
        cmocka_unit_test(test_pca_of_known_axes),
        cmocka_unit_test(test_outlier_factor_by_definition),
        cmocka_unit_test(test_trustworthiness_by_definition),
        cmocka_unit_test(test_perplexity_is_exact),
        cmocka_unit_test(test_tsne_keeps_clouds_apart),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_summary_counts),
        cmocka_unit_test(test_snr_of_known_mixtures),
        cmocka_unit_test(test_wrong_words_lie_apart),
        cmocka_unit_test(test_small_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
