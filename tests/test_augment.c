/* Augmentation of training samples: each step does what its keys say, and what is off changes
 * nothing.
 */
#include "tests/check.h"
#include "tests/corpus.h"

#include "data/augment.h"
#include "train/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN = 10, BATCH = 8, N = DATA_RATE, SIZE = 490, SEED = 5 };

typedef struct world {
    char dir[64];
    data_pack *pack;
    data_task *task;
    data_augment off; /* every step off */
    dsp_config features, other;
} world;

static int make_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    base_err err = {0};
    data_config cfg = data_config_default();
    corpus_folder(w->dir);
    corpus_make(w->dir, "yes,no,bed", TRAIN, 2, 2);
    w->pack = corpus_pack(w->dir, NULL, NULL);
    snprintf(cfg.keywords, sizeof cfg.keywords, "no,yes");
    cfg.unknown_share = 0.5;
    cfg.silence_share = 0.25;
    assert_int_equal(data_task_new(w->pack, &cfg, &w->task, &err), BASE_OK);
    w->off = data_augment_default();
    w->off.shift_ms = w->off.noise_prob = 0;
    *state = w;
    return dsp_preset("mfcc_49x10", &w->features, &err) ||
           dsp_preset("logmel_40x101", &w->other, &err);
}

static int free_world(void **state)
{
    world *w = *state;
    data_task_free(w->task);
    data_pack_close(w->pack);
    corpus_remove(w->dir);
    free(w);
    return 0;
}

/* ---- clips ---- */

typedef struct studio {
    data_augmenter *a;
    data_augment_work *w;
} studio;

static studio open_studio(const world *w, const data_augment *aug)
{
    studio s;
    base_err err = {0};
    base_status status = data_augmenter_new(aug, w->task, DATA_RATE, N, SEED, &s.a, &err);
    if (status == BASE_OK) status = data_augment_work_new(s.a, &s.w, &err);
    if (status != BASE_OK) fail_msg("%s", err.message);
    return s;
}

static void close_studio(studio *s)
{
    data_augment_work_free(s->w);
    data_augmenter_free(s->a);
}

/* The clip `index` of epoch 3; clip < 0: silence. Returns the generator as it is then. */
static base_rng play(const studio *s, int32_t clip, uint64_t index, float *out)
{
    base_err err = {0};
    base_rng rng = base_rng_at(SEED, BASE_RNG_AUGMENT, 3, index);
    base_status status = data_augment_clip(s->w, &(data_sample){clip, 0}, &rng, out, &err);
    if (status != BASE_OK) fail_msg("%s", err.message);
    return rng;
}

static void read_clip(const world *w, int32_t clip, float *out)
{
    int16_t pcm[N];
    base_err err = {0};
    assert_int_equal(data_pack_read_clip(w->pack, (size_t)clip, N, pcm, &err), BASE_OK);
    dsp_from_pcm16(out, pcm, N);
}

/* With rooms, gain, SNR and mixup off, the draws are those of the recipes that have been run so
 * far: speed, shift, whether there is noise, its gain, which noise; then masks. */
static void test_known_draws(void **state)
{
    const world *w = *state;
    data_augment aug = data_augment_default();
    aug.speed_lo = 88, aug.speed_hi = 115, aug.noise_prob = 0.7;
    studio s = open_studio(w, &aug);
    dsp_speed *speed;
    base_err err = {0};
    assert_int_equal(dsp_speed_new(88, 115, &speed, &err), BASE_OK);
    float got[N], clip[N], changed[N], want[N], other[N];
    int16_t pcm[N];
    for (uint64_t i = 0; i < 20; i++) {
        bool silence = i % 5 == 4;
        base_rng after = play(&s, silence ? -1 : (int32_t)i, i, got);
        base_rng rng = base_rng_at(SEED, BASE_RNG_AUGMENT, 3, i);
        int percent = 88 + (int)base_rng_below(&rng, 28), shift = (int)base_rng_below(&rng, 3201);
        bool noise = base_rng_uniform(&rng) < 0.7 || silence;
        float gain = (float)(base_rng_uniform(&rng) * (silence ? 1 : 0.1));
        read_clip(w, (int32_t)i, clip);
        dsp_speed_run(speed, percent, changed, clip, N);
        dsp_shift(want, changed, N, shift - 1600);
        if (silence) memset(want, 0, sizeof want);
        if (noise) {
            assert_int_equal(data_task_noise(w->task, DATA_TRAIN, &rng, N, pcm, &err), BASE_OK);
            dsp_from_pcm16(other, pcm, N);
            dsp_mix(want, other, gain, N);
            dsp_clamp(want, N);
        }
        assert_memory_equal(got, want, sizeof want);
        assert_int_equal(base_rng_u32(&rng), base_rng_u32(&after));
    }
    dsp_speed_free(speed);
    close_studio(&s);
}

static void test_noise_at_snr(void **state)
{
    const world *w = *state;
    data_augment aug = w->off;
    aug.noise_prob = 1;
    aug.noise_gain = 0.1;
    aug.gain_lo_db = aug.gain_hi_db = -6; /* the noise is below the clip as it is mixed */
    studio gain = open_studio(w, &aug);
    aug.noise_level = DATA_LEVEL_SNR;
    aug.snr_lo = 8, aug.snr_hi = 20;
    studio snr = open_studio(w, &aug);
    float clip[N], noisy[N], quiet[N];
    double least = 99, most = -99;
    for (uint64_t i = 0; i < 60; i++) {
        int32_t index = (int32_t)(i % (3 * TRAIN));
        play(&snr, index, i, noisy);
        read_clip(w, index, clip);
        dsp_gain(clip, powf(10, -0.3f), N);
        for (int k = 0; k < N; k++) noisy[k] -= clip[k];
        double db = 10 * log10(dsp_active_power(clip, N, 160) / (dsp_energy(noisy, N) / N));
        /* The draw itself: after speed, shift and the choice to have noise. */
        base_rng rng = base_rng_at(SEED, BASE_RNG_AUGMENT, 3, i);
        base_rng_below(&rng, 1), base_rng_below(&rng, 1), base_rng_uniform(&rng);
        assert_true(fabs(db - (8 + 12 * base_rng_uniform(&rng))) < 0.02);
        least = fmin(least, db), most = fmax(most, db);
    }
    assert_true(least < 9 && most > 19);
    play(&snr, -1, 7, noisy);
    play(&gain, -1, 7, quiet);
    assert_memory_equal(noisy, quiet, sizeof quiet);
    assert_true(dsp_energy(quiet, N) > 0);
    close_studio(&gain);
    close_studio(&snr);
}

static void test_gain(void **state)
{
    const world *w = *state;
    data_augment aug = w->off;
    aug.gain_lo_db = -12, aug.gain_hi_db = -2;
    studio s = open_studio(w, &aug);
    float clip[N], out[N];
    double sum = 0, least = 99, most = -99;
    for (uint64_t i = 0; i < 200; i++) {
        read_clip(w, 1, clip);
        play(&s, 1, i, out);
        double db = 10 * log10(dsp_energy(out, N) / dsp_energy(clip, N));
        float factor = (float)pow(10, db / 20);
        for (int k = 0; k < N; k++) assert_true(fabsf(out[k] - factor * clip[k]) < 1e-5f);
        sum += db, least = fmin(least, db), most = fmax(most, db);
    }
    /* Uniform over 10 dB: a standard deviation of 2.9, of the mean of 200 0.2. */
    assert_true(fabs(sum / 200 + 7) < 0.8);
    assert_true(least >= -12.001 && least < -11.5 && most <= -1.999 && most > -2.5);
    close_studio(&s);
    aug.gain_lo_db = aug.gain_hi_db = 30;
    s = open_studio(w, &aug);
    play(&s, 1, 0, out);
    int cut = 0;
    for (int k = 0; k < N; k++) {
        assert_true(fabsf(out[k]) <= 1);
        cut += fabsf(out[k]) >= 1;
    }
    assert_true(cut > 1000);
    close_studio(&s);
}

/* ---- rooms ---- */

static void test_simulated_rooms(void **state)
{
    const world *w = *state;
    data_augment aug = w->off;
    aug.rir_prob = 0.5;
    aug.rir_rt60_lo = 0.1, aug.rir_rt60_hi = 0.2;
    aug.gain_lo_db = aug.gain_hi_db = -20; /* a room may be loud for a moment: nothing is clamped */
    studio s = open_studio(w, &aug), twin = open_studio(w, &aug);
    float clip[N], out[N], again[N];
    int changed = 0;
    read_clip(w, 2, clip);
    dsp_gain(clip, 0.1f, N);
    for (uint64_t i = 0; i < 100; i++) {
        play(&s, 2, i, out);
        play(&twin, 2, i, again);
        assert_memory_equal(out, again, sizeof out);
        changed += memcmp(out, clip, sizeof clip) != 0;
        assert_true(fabs(dsp_energy(out, N) / dsp_energy(clip, N) - 1) < 1e-3);
    }
    assert_in_range(changed, 35, 65); /* of 100 at one half: a standard deviation of 5 */
    play(&s, -1, 0, out);
    play(&twin, -1, 0, again);
    assert_memory_equal(out, again, sizeof out);
    close_studio(&s);
    close_studio(&twin);
}

/* A response of one sample late in a file changes nothing; an echo is heard where it is. */
static void test_recorded_rooms(void **state)
{
    const world *w = *state;
    data_augment aug = w->off;
    base_err err = {0};
    char path[128];
    float h[900] = {0}, clip[N], out[N];
    snprintf(aug.rir_file, sizeof aug.rir_file, "%s/rooms", w->dir);
    assert_int_equal(base_mkdirs(aug.rir_file, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/rooms/a.wav", w->dir);
    h[300] = 0.75f;
    assert_int_equal(dsp_audio_write(path, DATA_RATE, h, 900, &err), BASE_OK);
    aug.rir_prob = 1;
    read_clip(w, 2, clip);
    studio s = open_studio(w, &aug);
    play(&s, 2, 0, out);
    for (int k = 0; k < N; k++) assert_true(fabsf(out[k] - clip[k]) < 1e-5f);
    close_studio(&s);

    snprintf(aug.rir_file, sizeof aug.rir_file, "%s/rooms/b.flac.wav", w->dir);
    h[800] = -0.5f;
    assert_int_equal(dsp_audio_write(aug.rir_file, DATA_RATE, h, 900, &err), BASE_OK);
    s = open_studio(w, &aug);
    play(&s, 2, 0, out);
    double at = 0, size = 0;
    for (int k = 500; k < N; k++) {
        double want = (double)clip[k] - (double)clip[k - 500] / 1.5;
        at += want * (double)out[k], size += want * want;
    }
    for (int k = 500; k < N; k++)
        assert_true(fabs((double)out[k] -
                         at / size * ((double)clip[k] - (double)clip[k - 500] / 1.5)) < 1e-4);
    close_studio(&s);

    /* Of a folder with both each is drawn. */
    snprintf(aug.rir_file, sizeof aug.rir_file, "%s/rooms", w->dir);
    s = open_studio(w, &aug);
    int plain = 0;
    for (uint64_t i = 0; i < 40; i++) {
        play(&s, 2, i, out);
        double error = 0;
        for (int k = 0; k < N; k++) error = fmax(error, fabs((double)(out[k] - clip[k])));
        plain += error < 1e-5;
    }
    assert_in_range(plain, 8, 32);
    close_studio(&s);
}

static void test_bad_rooms(void **state)
{
    const world *w = *state;
    data_augment aug = w->off;
    base_err err = {0};
    data_augmenter *a;
    float h[100] = {0};
    const char *const names[] = {"none.wav", "empty", "silent.wav", "text.wav"};
    char path[128];
    aug.rir_prob = 0.1;
    snprintf(path, sizeof path, "%s/empty", w->dir);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/silent.wav", w->dir);
    assert_int_equal(dsp_audio_write(path, DATA_RATE, h, 100, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/text.wav", w->dir);
    assert_int_equal(base_write_file(path, "no sound", 8, &err), BASE_OK);
    for (size_t i = 0; i < BASE_COUNT(names); i++) {
        err = (base_err){0};
        snprintf(aug.rir_file, sizeof aug.rir_file, "%s/%s", w->dir, names[i]);
        assert_int_equal(data_augmenter_new(&aug, w->task, DATA_RATE, N, SEED, &a, &err),
                         BASE_DATA);
        assert_null(a);
        assert_non_null(strstr(err.message, names[i]));
        assert_non_null(strstr(err.hint, "augment.rir_file"));
    }
    aug.rir_prob = 0; /* then it is not read */
    studio s = open_studio(w, &aug);
    close_studio(&s);
}

/* ---- masks ---- */

static void test_mask_value(void **state)
{
    const world *w = *state;
    data_augment aug = w->off;
    aug.time_masks = 1, aug.time_width = 20;
    studio zero = open_studio(w, &aug);
    aug.mask_value = DATA_MASK_MEAN;
    studio mean = open_studio(w, &aug);
    float clean[SIZE], a[SIZE], b[SIZE];
    double sum = 0;
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int k = 0; k < SIZE; k++) sum += (double)(clean[k] = (float)(5 + base_rng_normal(&rng)));
    int masked = 0;
    for (uint64_t i = 0; i < 10; i++) {
        memcpy(a, clean, sizeof a);
        memcpy(b, clean, sizeof b);
        rng = base_rng_at(1, BASE_RNG_TEST, 1, i);
        data_augment_mask(zero.a, a, 49, 10, &rng);
        rng = base_rng_at(1, BASE_RNG_TEST, 1, i);
        data_augment_mask(mean.a, b, 49, 10, &rng);
        for (int k = 0; k < SIZE; k++) {
            bool hit = a[k] == 0;
            masked += hit;
            assert_true(hit || (a[k] == clean[k] && b[k] == clean[k]));
            assert_true(!hit || fabs((double)b[k] - sum / SIZE) < 1e-5);
        }
    }
    assert_true(masked > 100);
    close_studio(&zero);
    close_studio(&mean);
}

/* ---- mixup ---- */

/* Mean, variance and symmetry of Beta(a, a); for a = 1, which is uniform, its whole distribution
 * (Kolmogorov-Smirnov at 0.1 %). */
static void test_beta(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    static const double alphas[] = {0.01, 0.2, 1, 3, 50};
    for (size_t i = 0; i < BASE_COUNT(alphas); i++) {
        double a = alphas[i], sum = 0, square = 0, variance = 1 / (4 * (2 * a + 1));
        int below[100] = {0};
        base_rng rng = base_rng_at(2, BASE_RNG_TEST, 0, i);
        for (int d = 0; d < DRAWS; d++) {
            double x = data_beta_draw(a, &rng);
            assert_true(x >= 0 && x <= 1);
            sum += x, square += (x - 0.5) * (x - 0.5);
            for (int k = 99; k >= 0 && x * 100 < k + 1; k--) below[k]++;
        }
        assert_true(fabs(sum / DRAWS - 0.5) < 4 * sqrt(variance / DRAWS));
        assert_true(fabs(square / DRAWS / variance - 1) < 0.06);
        for (int k = 0; k < 100; k++)
            if (i == 2)
                assert_true(fabs((double)below[k] / DRAWS - (k + 1) / 100.0) < 1.95 / sqrt(DRAWS));
    }
}

static void test_mix_draw(void **state)
{
    (void)state;
    int seen[5] = {0};
    for (uint64_t d = 0; d < 4000; d++) {
        base_rng rng = base_rng_at(2, BASE_RNG_TEST, 1, d);
        data_mix m = data_mix_draw(0.3, 3, 5, &rng);
        assert_in_range(m.partner, 0, 4);
        assert_true(m.weight >= 0 && m.weight <= 1);
        seen[m.partner]++;
    }
    for (int k = 0; k < 5; k++) /* 1000 each, a standard deviation of 27 */
        assert_in_range(seen[k], k == 3 ? 0 : 880, k == 3 ? 0 : 1120);
    base_rng rng = base_rng_at(2, BASE_RNG_TEST, 2, 0);
    assert_int_equal(data_mix_draw(0.3, 0, 1, &rng).partner, 0);
}

/* ---- batches ---- */

static data_loader *new_loader(const world *w, const data_augment *aug, const dsp_config *one,
                               const dsp_config *two, int threads)
{
    data_loader *l;
    base_err err = {0};
    const data_loader_spec spec = {.task = w->task,
                                   .features = one,
                                   .features2 = two,
                                   .split = DATA_TRAIN,
                                   .augment = aug,
                                   .batch = BATCH,
                                   .threads = threads,
                                   .seed = SEED};
    base_status status = data_loader_new(&spec, &l, &err);
    if (status != BASE_OK) fail_msg("%s", err.message);
    return l;
}

static data_batch next(data_loader *l)
{
    data_batch b;
    base_err err = {0};
    base_status status = data_loader_next(l, &b, &err);
    if (status != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(b.n, BATCH);
    return b;
}

static data_augment everything(void)
{
    data_augment aug = data_augment_default();
    aug.speed_lo = 85, aug.speed_hi = 115;
    aug.rir_prob = 0.5, aug.rir_rt60_hi = 0.2;
    aug.gain_lo_db = -6, aug.gain_hi_db = 6;
    aug.noise_level = DATA_LEVEL_SNR;
    aug.time_masks = aug.freq_masks = 2;
    aug.time_width = 10, aug.freq_width = 3;
    aug.mask_value = DATA_MASK_MEAN;
    aug.mixup_alpha = 0.4;
    return aug;
}

/* Rows are the weighted sums of rows of the loader without mixup, and labels2 of the same row. */
static void test_mixed_batches(void **state)
{
    const world *w = *state;
    data_augment aug = everything();
    data_loader *mixed = new_loader(w, &aug, &w->features, &w->other, 1);
    aug.mixup_alpha = 0;
    data_loader *pure = new_loader(w, &aug, &w->features, &w->other, 1);
    int size2 = 101 * 40;
    for (int step = 0; step < 6; step++) {
        data_batch a = next(pure), b = next(mixed);
        assert_null(a.labels2);
        assert_null(a.mix);
        assert_memory_equal(a.labels, b.labels, BATCH * sizeof *a.labels);
        for (int i = 0; i < BATCH; i++) {
            int found = 0;
            for (int j = 0; j < BATCH; j++) {
                double error = 0, error2 = 0, m = (double)b.mix[i];
                for (int k = 0; k < SIZE; k++)
                    error = fmax(error, fabs(m * (double)a.features[i * SIZE + k] +
                                             (1 - m) * (double)a.features[j * SIZE + k] -
                                             (double)b.features[i * SIZE + k]));
                for (int k = 0; k < size2; k++)
                    error2 = fmax(error2, fabs(m * (double)a.features2[i * size2 + k] +
                                               (1 - m) * (double)a.features2[j * size2 + k] -
                                               (double)b.features2[i * size2 + k]));
                if (error > 1e-3) continue;
                assert_true(error2 < 1e-3);
                found += j != i && b.labels2[i] == a.labels[j];
            }
            assert_true(found > 0);
        }
    }
    data_loader_free(mixed);
    data_loader_free(pure);
}

static void test_threads_do_not_matter(void **state)
{
    const world *w = *state;
    data_augment aug = everything();
    data_loader *l[3];
    static const int threads[3] = {0, 1, 3};
    for (int k = 0; k < 3; k++) l[k] = new_loader(w, &aug, &w->features, &w->other, threads[k]);
    int64_t steps = data_loader_steps(l[0]);
    for (int64_t i = 0; i < 2 * steps + 1; i++) {
        data_batch a = next(l[0]);
        for (int k = 1; k < 3; k++) {
            data_batch b = next(l[k]);
            assert_memory_equal(a.features, b.features, BATCH * SIZE * sizeof *a.features);
            assert_memory_equal(a.features2, b.features2, BATCH * 101 * 40 * sizeof *a.features);
            assert_memory_equal(a.labels2, b.labels2, BATCH * sizeof *a.labels2);
            assert_memory_equal(a.mix, b.mix, BATCH * sizeof *a.mix);
        }
    }
    data_batch a = next(l[0]);
    data_loader_seek(l[2], a.epoch, a.step);
    data_batch b = next(l[2]);
    assert_memory_equal(a.features, b.features, BATCH * SIZE * sizeof *a.features);
    assert_memory_equal(a.mix, b.mix, BATCH * sizeof *a.mix);
    for (int k = 0; k < 3; k++) data_loader_free(l[k]);
}

/* A second front-end hears the same clips, unmasked: what a loader with it alone and without masks
 * gives. Also in an evaluation. */
static void test_second_features(void **state)
{
    const world *w = *state;
    data_augment aug = everything();
    data_loader *both = new_loader(w, &aug, &w->features, &w->other, 2);
    aug.time_masks = aug.freq_masks = 0;
    data_loader *alone = new_loader(w, &aug, &w->other, NULL, 1);
    data_loader *eval = new_loader(w, NULL, &w->features, &w->other, 0);
    data_loader *eval_alone = new_loader(w, NULL, &w->other, NULL, 1);
    const size_t bytes = BATCH * 101 * 40 * sizeof(float);
    for (int step = 0; step < 4; step++) {
        data_batch a = next(both), b = next(alone);
        assert_memory_equal(a.features2, b.features, bytes);
        assert_null(b.features2);
    }
    assert_memory_equal(next(eval).features2, next(eval_alone).features, bytes);
    data_loader_free(both);
    data_loader_free(alone);
    data_loader_free(eval);
    data_loader_free(eval_alone);

    data_loader *l;
    base_err err = {0};
    dsp_config other = w->other;
    other.samples = 8000;
    const data_loader_spec spec = {
        .task = w->task, .features = &w->features, .features2 = &other, .batch = BATCH};
    assert_int_equal(data_loader_new(&spec, &l, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "8000 samples"));
}

/* ---- targets ---- */

static void test_targets(void **state)
{
    (void)state;
    const int labels[] = {2, 0, 1}, labels2[] = {0, 2, 1};
    const float mix[] = {0.75f, 0.25f, 0.25f};
    nn_real target[9];
    data_batch b = {.n = 3, .labels = labels, .labels2 = labels2, .mix = mix};
    session_targets(&b, 3, target);
    const double mixed[] = {0.25, 0, 0.75, 0.25, 0, 0.75, 0, 1, 0};
    for (int i = 0; i < 9; i++) assert_true(fabs((double)target[i] - mixed[i]) < 1e-7);
    assert_int_equal(session_label(&b, 0), 2);
    assert_int_equal(session_label(&b, 1), 2);
    assert_int_equal(session_label(&b, 2), 1);
    b.labels2 = NULL, b.mix = NULL;
    session_targets(&b, 3, target);
    const double plain[] = {0, 0, 1, 1, 0, 0, 0, 1, 0};
    for (int i = 0; i < 9; i++) assert_true(fabs((double)target[i] - plain[i]) < 1e-7);
    assert_int_equal(session_label(&b, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_draws),
        cmocka_unit_test(test_noise_at_snr),
        cmocka_unit_test(test_gain),
        cmocka_unit_test(test_simulated_rooms),
        cmocka_unit_test(test_recorded_rooms),
        cmocka_unit_test(test_bad_rooms),
        cmocka_unit_test(test_mask_value),
        cmocka_unit_test(test_beta),
        cmocka_unit_test(test_mix_draw),
        cmocka_unit_test(test_mixed_batches),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_second_features),
        cmocka_unit_test(test_targets),
    };
    return cmocka_run_group_tests(tests, make_world, free_world);
}
