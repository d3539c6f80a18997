/* Long recordings: what a model hears in one against its windows taken one by one, detections
 * against what was said by a plain search over all pairs, label files, and the recordings that are
 * made of a pack: where words lie and how loud they are.
 */
#include "data/stream.h"
#include "quantize/stream.h"
#include "tests/check.h"
#include "tests/corpus.h"
#include "tests/q8_nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 4, SAMPLES = 5 * 16000 + 123 };
static char *const labels[CLASSES] = {"yes", "no", "_unknown_", "_silence_"};

static void check_ok(base_status status, const base_err *err)
{
    if (status != BASE_OK) fail_msg("%s (%s)", err->message, err->hint);
}

/* ---- hearing ---- */

typedef struct fixture {
    quant_subject of_float, of_q8;
    float *pcm;
} fixture;

static nn_model *model_of(const char *net)
{
    base_str text = {0};
    dsp_config cfg;
    nn_model *m = q8_random_model(net, 3);
    check_ok(dsp_preset("mfcc_49x10", &cfg, NULL), &(base_err){0});
    dsp_config_print(&cfg, &text);
    m->features = text.s;
    m->n_stats = 10;
    m->mean = base_alloc(10, sizeof *m->mean);
    m->std = base_alloc(10, sizeof *m->std);
    m->labels = calloc(CLASSES, sizeof(char *));
    for (int i = 0; i < 10; i++) m->std[i] = 8;
    for (int k = 0; k < CLASSES; k++) m->labels[k] = labels[k];
    m->n_labels = CLASSES;
    return m;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    f->of_float.float_model =
        model_of("x = input 49x10x1; c = conv2d(x) out=8 kernel=10x4 stride=2x2; r = relu(c);"
                 "g = globalpool(r); y = dense(g) out=4");
    f->of_float.model = f->of_float.float_model;
    nn_real *x = q8_random_inputs(f->of_float.model->graph, Q8_SAMPLES, 1);
    f->of_q8.q8 = q8_quantized(f->of_float.model, x, Q8_RANGE_MINMAX);
    f->of_q8.model = &f->of_q8.q8->folded;
    base_free(x);
    f->pcm = base_alloc(SAMPLES, sizeof *f->pcm);
    for (int i = 0; i < SAMPLES; i++)
        f->pcm[i] = (float)(0.3 * sin(i * (0.02 + 1e-6 * i)) + 0.1 * base_rng_normal(&r));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    quant_subject_free(&f->of_float);
    quant_subject_free(&f->of_q8);
    base_free(f->pcm);
    free(f);
    return 0;
}

static quant_heard heard(const quant_subject *s, const float *pcm, int threads)
{
    base_err err = {0};
    quant_heard h;
    const quant_listener l = {.subject = s, .hop = 640, .threads = threads};
    check_ok(quant_hear(&l, pcm, SAMPLES, &h, &err), &err);
    assert_int_equal(h.n, 1 + (SAMPLES - 16000) / 640);
    assert_int_equal(h.classes, CLASSES);
    return h;
}

/* Scores in double of one window of the float model. */
static void float_scores(nn_net *net, const float *features, double *score)
{
    nn_real x[490], y[CLASSES];
    double sum = 0;
    for (int i = 0; i < 490; i++) x[i] = (nn_real)features[i];
    nn_net_forward(net, &(const nn_real *){x}, 1, y);
    for (int k = 0; k < CLASSES; k++) sum += score[k] = exp((double)y[k]);
    for (int k = 0; k < CLASSES; k++) score[k] /= sum;
}

static void windows_one_by_one(void **state)
{
    const fixture *f = *state;
    base_err err = {0};
    const nn_model *m = f->of_float.model;
    const q8_model *q = f->of_q8.q8;
    quant_heard q8 = heard(&f->of_q8, f->pcm, 1), more = heard(&f->of_q8, f->pcm, 3);
    quant_heard real = heard(&f->of_float, f->pcm, 2);
    assert_memory_equal(q8.out, more.out, (size_t)q8.n * CLASSES);
    dsp_config cfg;
    dsp_frontend *fe;
    nn_net *net;
    check_ok(dsp_preset("mfcc_49x10", &cfg, &err), &err);
    check_ok(dsp_frontend_new(&cfg, NULL, NULL, &fe, &err), &err);
    check_ok(nn_net_new(m->graph, (nn_net_options){.batch = 1, .shards = 1}, &net, &err), &err);
    memcpy(nn_net_weights(net), m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
    float features[490];
    int8_t in[490], out[CLASSES], *work = base_alloc(q->work, 1);
    double score[CLASSES];
    int distinct = 0;
    for (int i = 0; i < q8.n; i++) {
        dsp_frontend_run(fe, f->pcm + 640 * i, features);
        q8_quantize_input(q, features, in);
        q8_run(q, in, out, work);
        assert_memory_equal(q8.out + i * CLASSES, out, CLASSES);
        distinct += i > 0 && memcmp(q8.out + (i - 1) * CLASSES, out, CLASSES) != 0;
        float_scores(net, features, score);
        for (int k = 0; k < CLASSES; k++)
            if (fabs(fmin(256 * score[k], 255) - (real.out[i * CLASSES + k] + 128)) > 0.51)
                fail_msg("window %d: %g became %d", i, score[k], real.out[i * CLASSES + k] + 128);
    }
    assert_true(distinct > q8.n / 2);
    base_free(work);
    nn_net_free(net);
    dsp_frontend_free(fe);
    quant_heard_free(&q8);
    quant_heard_free(&more);
    quant_heard_free(&real);
}

static void too_short(void **state)
{
    const fixture *f = *state;
    base_err err = {0};
    quant_heard h;
    const quant_listener l = {.subject = &f->of_q8, .hop = 1600, .threads = 1};
    assert_int_equal(quant_hear(&l, f->pcm, 15999, &h, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "less than the 1.00 s"));
    check_ok(quant_hear(&l, f->pcm, 16000, &h, &err), &err);
    assert_int_equal(h.n, 1);
    quant_heard_free(&h);
}

/* Seconds are those of the end of the window, to the sample. */
static void detections_in_time(void **state)
{
    (void)state;
    base_err err = {0};
    static int8_t out[100 * CLASSES];
    const uint8_t mute[CLASSES] = {0, 0, 1, 1};
    const sotto_posterior_t t = {.softmax = {.n = CLASSES},
                                 .window = 2,
                                 .reciprocal = 1 << 23,
                                 .threshold = 300,
                                 .suppress = 10,
                                 .mute = mute};
    const quant_heard h = {.classes = CLASSES,
                           .rate = 16000,
                           .hop = 1600,
                           .window = 16000,
                           .samples = 16000 + 99 * 1600,
                           .n = 100,
                           .out = out};
    memset(out, -128, sizeof out);
    for (int i = 20; i < 24; i++) out[i * CLASSES + 1] = 100; /* 228 */
    for (int i = 60; i < 64; i++) out[i * CLASSES + 2] = 127;
    for (int i = 80; i < 95; i++) out[i * CLASSES] = 127;
    quant_detections d = {0};
    check_ok(quant_detect(&h, &t, &d, &err), &err);
    assert_int_equal(d.n, 2 + 1);
    assert_int_equal(d.list[0].word, 1);
    assert_true(fabs(d.list[0].seconds - 3.1) < 1e-12); /* inference 21 */
    assert_true(fabs(d.list[0].score - 228 / 256.0) < 1e-12);
    assert_int_equal(d.list[1].word, 0);
    assert_true(fabs(d.list[1].seconds - 9.1) < 1e-12);
    assert_true(fabs(d.list[2].seconds - 10.2) < 1e-12);
    free(d.list);
}

/* ---- scoring ---- */

static const uint8_t mute[CLASSES] = {0, 0, 1, 1};
static const sotto_posterior_t some = {.softmax = {.n = CLASSES}, .mute = mute};

/* Every detection looks at every label. */
static void naive(const quant_labels *said, const quant_detections *found, double tolerance,
                  int64_t *confusion, quant_score *r)
{
    bool *hit = calloc(said->n + 1, sizeof *hit), *any = calloc(said->n + 1, sizeof *any);
    for (size_t d = 0; d < found->n; d++) {
        const double at = found->list[d].seconds;
        size_t best = said->n, last = said->n;
        for (size_t i = said->n; i-- > 0;) {
            const quant_label *l = &said->list[i];
            const bool within = at >= l->start && at <= l->end + tolerance;
            if (within && last == said->n) last = i;
            if (within && l->word == found->list[d].word && !hit[i]) best = i;
        }
        const size_t counts = best < said->n ? best : last;
        if (best < said->n) {
            hit[best] = true;
            r->hits++;
        } else {
            r->false_alarms++;
        }
        if (counts < said->n) any[counts] = true;
        const int row = counts < said->n ? said->list[counts].word : CLASSES;
        confusion[row * (CLASSES + 1) + found->list[d].word]++;
    }
    for (size_t i = 0; i < said->n; i++) {
        r->words += said->list[i].word < 2;
        if (!any[i]) confusion[said->list[i].word * (CLASSES + 1) + CLASSES]++;
    }
    free(hit);
    free(any);
}

static void scores_by_search(void **state)
{
    (void)state;
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, 0);
    enum { SIDE = CLASSES + 1 };
    int64_t hits = 0, alarms = 0;
    for (int round = 0; round < 300; round++) {
        base_err err = {0};
        quant_label label[40];
        quant_detection d[60];
        const quant_labels said = {label, base_rng_below(&r, 40)};
        const quant_detections found = {d, base_rng_below(&r, 60), 0};
        const quant_heard h = {.classes = CLASSES, .rate = 16000, .samples = 16000 * 1800};
        double at = 0; /* times on a grid, so that ends meet exactly; labels overlap */
        for (size_t i = 0; i < said.n; i++) {
            at += base_rng_below(&r, 4) / 2.0;
            label[i] = (quant_label){at, at + base_rng_below(&r, 4) / 2.0,
                                     (int)base_rng_below(&r, CLASSES)};
        }
        at = 0;
        for (size_t i = 0; i < found.n; i++) {
            at += base_rng_below(&r, 4) / 2.0;
            d[i] = (quant_detection){at, (int)base_rng_below(&r, 2), 0.5};
        }
        const double tolerance = base_rng_below(&r, 3) / 2.0;
        int64_t got[SIDE * SIDE] = {0}, want[SIDE * SIDE] = {0};
        quant_score score, wanted = {0};
        check_ok(quant_score_detections(&h, &some, &said, &found, tolerance, got, &score, &err),
                 &err);
        naive(&said, &found, tolerance, want, &wanted);
        assert_int_equal(score.hits, wanted.hits);
        assert_int_equal(score.words, wanted.words);
        assert_int_equal(score.false_alarms, wanted.false_alarms);
        assert_true(score.false_alarms_per_hour == 2.0 * (double)wanted.false_alarms);
        assert_memory_equal(got, want, sizeof got);
        if (wanted.words)
            assert_true(fabs(score.false_rejection_rate -
                             (double)(wanted.words - wanted.hits) / (double)wanted.words) < 1e-12);
        else
            assert_true(isnan(score.false_rejection_rate));
        hits += wanted.hits;
        alarms += wanted.false_alarms;
    }
    assert_true(hits > 300 && alarms > 300);
}

/* Each point of the curve is what that threshold gives; the points that are picked are the best. */
static void curve_is_thresholds(void **state)
{
    const fixture *f = *state;
    base_err err = {0};
    quant_heard h = heard(&f->of_q8, f->pcm, 1);
    base_rng r = base_rng_at(5, BASE_RNG_TEST, 0, 0);
    for (int64_t i = 0; i < h.n * CLASSES; i++) h.out[i] = (int8_t)(base_rng_u32(&r) >> 24);
    uint8_t silent[CLASSES];
    quant_posterior p = {.average_ms = 80, .suppress_ms = 120};
    quant_label label[] = {{1, 2, 0}, {2.2, 3, 1}, {3.2, 4, 0}, {4.1, 5, 2}};
    const quant_labels said = {label, 4};
    sotto_posterior_t t;
    static quant_operation curve[QUANT_CURVE];
    check_ok(quant_posterior_runtime(&p, 40, f->of_q8.model, h.quant, silent, &t, &err), &err);
    assert_int_equal(t.softmax.rows, 1);
    check_ok(quant_curve(&h, &t, &said, 0.2, curve, &err), &err);
    for (int i = 0; i < QUANT_CURVE; i += 6) {
        quant_detections d = {0};
        quant_score score;
        p.threshold = (i + 1) / 256.0;
        check_ok(quant_posterior_runtime(&p, 40, f->of_q8.model, h.quant, silent, &t, &err), &err);
        check_ok(quant_detect(&h, &t, &d, &err), &err);
        check_ok(quant_score_detections(&h, &t, &said, &d, 0.2, NULL, &score, &err), &err);
        assert_true(curve[i].threshold == p.threshold);
        assert_int_equal(curve[i].score.hits, score.hits);
        assert_int_equal(curve[i].score.false_alarms, score.false_alarms);
        free(d.list);
    }
    assert_true(curve[0].score.hits > 0 &&
                curve[0].score.false_alarms > curve[254].score.false_alarms);
    const double alarms[] = {0, 100, 1000, 5000, 1e9};
    for (size_t k = 0; k < BASE_COUNT(alarms); k++) {
        const quant_operation *o = quant_curve_at(curve, alarms[k]);
        for (int i = 0; i < QUANT_CURVE; i++) {
            if (curve[i].score.false_alarms_per_hour > alarms[k]) continue;
            assert_non_null(o);
            assert_true(o->score.false_alarms_per_hour <= alarms[k]);
            assert_true(o->score.hits >= curve[i].score.hits);
        }
    }
    assert_null(quant_curve_at(curve, -1));
    quant_heard_free(&h);
}

/* ---- label files ---- */

static void label_files(void **state)
{
    const fixture *f = *state;
    char path[] = "/tmp/sotto_labels_XXXXXX";
    assert_true(mkstemp(path) >= 0);
    static const struct {
        const char *text, *says; /* NULL: fine */
    } cases[] = {
        {"", NULL},
        {"# words\n\n3.5\t4.5\tno\r\n1 2 yes\n", NULL},
        {"1\t2\tyess\n", ":1: 'yess' is no label"},
        {"1\t2\tyes\n1\t2\tgrmblfx\n", ":2: 'grmblfx' is no label"},
        {"1\t2\n", ":1: not 'start end word'"},
        {"1\t2\tyes\tno\n", ":1: not 'start end word'"},
        {"\n1\tb\tyes\n", ":2: not 'start end word'"},
        {"1\tinf\tyes\n", ":1: not 'start end word'"},
        {"2\t1\tyes\n", ":1: from 2 to 1 s"},
        {"-1\t1\tyes\n", ":1: from -1 to 1 s"},
    };
    for (size_t i = 0; i < BASE_COUNT(cases); i++) {
        base_err err = {0};
        quant_labels said;
        check_ok(base_write_file(path, cases[i].text, strlen(cases[i].text), &err), &err);
        const base_status status = quant_labels_read(path, f->of_q8.model, &said, &err);
        assert_int_equal(status, cases[i].says ? BASE_DATA : BASE_OK);
        if (cases[i].says && (!strstr(err.message, cases[i].says) || !strstr(err.message, path)))
            fail_msg("%s", err.message);
        if (i == 1) { /* by start */
            assert_int_equal(said.n, 2);
            assert_true(said.list[0].start == 1 && said.list[0].word == 0);
            assert_true(said.list[1].end == 4.5 && said.list[1].word == 1);
        }
        free(said.list);
    }
    base_err err = {0};
    quant_labels said;
    check_ok(base_write_file(path, "1 2 yes\0x", 9, &err), &err);
    assert_int_equal(quant_labels_read(path, f->of_q8.model, &said, &err), BASE_DATA);
    unlink(path);
    assert_int_equal(quant_labels_read(path, f->of_q8.model, &said, &err), BASE_DATA);
}

/* ---- recordings of a pack ---- */

static double power(const float *pcm, double from, double to)
{
    const size_t lo = (size_t)(from * DATA_RATE), hi = (size_t)(to * DATA_RATE);
    double sum = 0;
    for (size_t i = lo; i < hi; i++) sum += (double)pcm[i] * (double)pcm[i];
    return hi > lo ? sum / (double)(hi - lo) : 0;
}

/* How alike (-1 .. 1) the word at `start` and the most alike test clip of its name are. */
static double likeness(const data_pack *pack, const float *pcm, double start, const char *word)
{
    static int16_t raw[DATA_RATE];
    static float clip[DATA_RATE];
    const float *at = pcm + (size_t)round(start * DATA_RATE);
    const char *const *names = data_pack_words(pack, &(size_t){0});
    double best = -1;
    for (size_t i = 0; i < data_pack_clips(pack); i++) {
        const data_clip c = data_pack_clip(pack, i);
        if (c.split != DATA_TEST || strcmp(names[c.word], word) != 0) continue;
        check_ok(data_pack_read_clip(pack, i, DATA_RATE, raw, NULL), &(base_err){0});
        dsp_from_pcm16(clip, raw, DATA_RATE);
        double ab = 0;
        for (int k = 0; k < DATA_RATE; k++) ab += (double)at[k] * (double)clip[k];
        best = fmax(best, ab / sqrt(dsp_energy(at, DATA_RATE) * dsp_energy(clip, DATA_RATE)));
    }
    return best;
}

static data_stream_result made(const data_stream *what, const data_pack *pack)
{
    base_err err = {0};
    data_stream_result r;
    check_ok(data_stream_make(what, pack, &r, &err), &err);
    return r;
}

static void recordings(void **state)
{
    (void)state;
    char dir[64];
    corpus_folder(dir);
    corpus_make(dir, "yes,no,other", 2, 6, 9);
    data_pack *pack = corpus_pack(dir, NULL, NULL);
    data_stream what = data_stream_default();
    what.keywords = "yes,no";
    what.minutes = 4;
    what.gap = 2;
    what.snr = 15;
    what.unknown_share = 0.3;
    data_stream_result r = made(&what, pack), again = made(&what, pack);
    assert_int_equal(r.n, 4 * 60 * 16000);
    assert_int_equal(r.n_words, again.n_words);
    assert_memory_equal(r.pcm, again.pcm, r.n * sizeof *r.pcm);
    size_t unknown = 0;
    double between = 0, during = 0, end = 0;
    for (size_t i = 0; i < r.n_words; i++) {
        const data_stream_word *w = &r.words[i];
        assert_true(w->start - end >= 0.999 && w->start - end < 3.001);
        assert_true(fabs(w->end - w->start - 1) < 1e-9);
        assert_true(!strcmp(w->word, "yes") || !strcmp(w->word, "no") ||
                    !strcmp(w->word, DATA_UNKNOWN));
        unknown += !strcmp(w->word, DATA_UNKNOWN);
        between += power(r.pcm, end, w->start) / (double)r.n_words;
        during += power(r.pcm, w->start + 0.02, w->start + 0.78) / (double)r.n_words;
        end = w->end;
    }
    /* tones have one power, 0.08, the noise is 15 dB below it */
    assert_true(r.n_words > 65 && r.n_words < 95 && unknown > 8 && unknown < 45);
    assert_true(fabs(10 * log10(during / (0.08 * (1 + pow(10, -1.5))))) < 0.1);
    assert_true(fabs(10 * log10(between / (0.08 * pow(10, -1.5)))) < 0.3);
    what.seed = 1;
    data_stream_result other = made(&what, pack);
    assert_true(memcmp(r.pcm, other.pcm, r.n * sizeof *r.pcm) != 0);
    data_stream_free(&other);
    what.snr = 100; /* the words alone: they are what the labels say */
    what.minutes = 1;
    other = made(&what, pack);
    for (size_t i = 0; i < other.n_words; i++) {
        const char *word = other.words[i].word;
        const char *clip = strcmp(word, DATA_UNKNOWN) == 0 ? "other" : word;
        assert_true(likeness(pack, other.pcm, other.words[i].start, clip) > 0.99);
    }
    base_str text = {0};
    data_stream_labels(&other, &text);
    double start, stop;
    char word[32];
    assert_int_equal(sscanf(text.s, "%lf\t%lf\t%31s", &start, &stop, word), 3);
    assert_true(fabs(start - other.words[0].start) < 1e-6 && !strcmp(word, other.words[0].word));
    base_str_free(&text);
    data_stream_free(&other);
    data_stream_free(&again);
    data_stream_free(&r);
    what.keywords = "yes,no,other";
    what.unknown_share = 0.5;
    base_err err = {0};
    assert_int_equal(data_stream_make(&what, pack, &other, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "no test clip of a word that is no keyword"));
    what.keywords = "yess";
    assert_int_equal(data_stream_make(&what, pack, &other, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "no test clip of yess"));
    data_pack_close(pack);
    corpus_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_one_by_one),  cmocka_unit_test(too_short),
        cmocka_unit_test(detections_in_time),  cmocka_unit_test(scores_by_search),
        cmocka_unit_test(curve_is_thresholds), cmocka_unit_test(label_files),
        cmocka_unit_test(recordings),
    };
    return cmocka_run_group_tests_name("stream", tests, set_up, tear_down);
}
