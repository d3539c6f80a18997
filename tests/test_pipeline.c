/* From samples to words: exported C, fed in pieces of random sizes, says of a recording what the
 * host does, inference by inference and word by word; its self-test finds what is wrong around the
 * net; on cores in the emulator it computes the same.
 */
#include "quantize/runtime/listener.h"
#include "quantize/stream.h"
#include "tests/q8_nets.h"
#include "tests/shell.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAGS "-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
enum { RATE = 16000, SECONDS = 5, SAMPLES = SECONDS * RATE, LABELS = 4 };

typedef struct way {
    const char *preset, *net;
    nn_real spread; /* of its features */
    double hop_ms;
    uint64_t seed; /* of weights that hear several words */
    int steps;     /* frames of one; 0: whole windows */
    q8_stream_mode mode;
} way;
static const way ways[] = {
    {"mfcc_49x10",
     "x = input 49x10x1\nc = conv2d(x) out=8 kernel=5x4 stride=3x2\nr = relu(c)\n"
     "d = dwconv2d(r) kernel=3x3\np = conv2d(d) out=8 kernel=1x1\nq = globalpool(p)\ny = dense(q) "
     "out=4\n",
     .spread = 20, .seed = 3},
    {"logmel_40x101",
     "x = input 101x40x1\nc = conv2d(x) out=4 kernel=7x5 stride=4x3\nr = relu(c)\n"
     "q = globalpool(r)\ny = dense(q) out=4\ns = softmax(y)\n",
     .spread = 6, .hop_ms = 50, .seed = 3},
    {"mfcc_40x98", "x = input 98x40\na = gru(x) units=12 sequence=no\ny = dense(a) out=4\n",
     .spread = 20, .hop_ms = 250, .seed = 5},
    {"mfcc_40x98",
     "x = input 98x40x1\nc = conv2d(x) out=6 kernel=5x8 stride=2x5\nr = relu(c)\n"
     "d = dwconv2d(r) kernel=3x3\np = conv2d(d) out=8 kernel=1x1\nq = globalpool(p)\n"
     "y = dense(q) out=4\n",
     .spread = 20, .seed = 3, .steps = 10, .mode = Q8_STREAM_WINDOW},
    {"logmel_40x101", "x = input 101x40\na = gru(x) units=9 sequence=no\ny = dense(a) out=4\n",
     .spread = 6, .seed = 3, .steps = 3, .mode = Q8_STREAM_STATE},
};
enum { WAYS = BASE_COUNT(ways) };

typedef struct made {
    nn_model *m;
    q8_model *q;
    quant_subject subject;
    q8_stream *steps;
    quant_pipeline pipeline;
    quant_heard heard;
    quant_detections words;
} made;

typedef struct fixture {
    char dir[64];
    bool gcc, clang, arm;
    float *pcm;
    int16_t *pcm16;
    int skip; /* samples of it that the host leaves out */
} fixture;

static void put_file(const fixture *f, const char *name, const void *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    assert_int_equal(base_write_file(path, bytes, n, NULL), BASE_OK);
}

/* ---- a recording: tones and noise, loud, quiet and absent in turn ---- */

static int16_t *recording(void)
{
    int16_t *pcm = base_alloc(SAMPLES, sizeof *pcm);
    base_rng r = base_rng_at(4, BASE_RNG_TEST, 0, 0);
    assert_non_null(pcm);
    for (int i = 0; i < SAMPLES; i++) {
        const int piece = i / 2400, tone = (i * (piece % 7 + 1) / 16) % 32 - 16;
        const int noise = (int)base_rng_below(&r, 2048) - 1024;
        const int loud[] = {0, 1, 24, 600, 32};
        const int v = piece % 5 == 0 ? 0 : (tone * loud[piece % 5] + noise * (piece % 3) / 4);
        pcm[i] = (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
    }
    return pcm;
}

/* Feeds the file `pcm` in pieces; writes outputs and detections after every inference. */
static const char driver[] =
    "#include \"model.h\"\n#include <stdio.h>\n"
    "static kws_t s;\nstatic int16_t x[3 * KWS_HOP];\n"
    "int main(int argc, char **argv)\n{\n"
    "    uint32_t seed = argc > 2 ? 7 : 1;\n"
    "    if (argc == 1) return kws_selftest(&s) & 255;\n"
    "    FILE *f = fopen(argv[1], \"rb\");\n"
    "    if (!f) return 2;\n"
    "    kws_push(&s, x, (kws_init(&s), 700)); /* and again, from the start: */\n"
    "    kws_init(&s);\n"
    "    for (;;) {\n"
    "        seed = seed * 1664525u + 1013904223u;\n"
    "        const size_t some = argc > 2 ? KWS_HOP : (seed >> 8) % KWS_HOP;\n"
    "        const size_t n = fread(x, sizeof *x, some, f);\n"
    "        if (n == 0 && some > 0) break;\n"
    "        if (!kws_push(&s, x, (int32_t)n)) continue;\n"
    "        const sotto_detection d = kws_result(&s);\n"
    "        fwrite(s.out, 1, sizeof s.out, stdout);\n"
    "        fwrite(&d.word, 4, 1, stdout);\n"
    "        fwrite(&d.score, 4, 1, stdout);\n"
    "    }\n    fclose(f);\n    return 0;\n}\n";

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/sotto_pipeline_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->pcm16 = recording();
    f->pcm = base_alloc(SAMPLES, sizeof *f->pcm);
    assert_non_null(f->pcm);
    dsp_from_pcm16(f->pcm, f->pcm16, SAMPLES);
    put_file(f, "driver.c", driver, sizeof driver - 1);
    put_file(f, "pcm", (const char *)f->pcm16, SAMPLES * sizeof *f->pcm16);
    f->gcc = sh("command -v gcc >/dev/null") == 0;
    f->clang = sh("command -v clang >/dev/null") == 0;
    f->arm = sh("command -v arm-none-eabi-gcc >/dev/null") == 0;
    assert_true(f->gcc || f->clang);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sh("rm -rf %s", f->dir);
    base_free(f->pcm);
    base_free(f->pcm16);
    free(f);
    return 0;
}

/* ---- a model, and what the host hears with it ---- */

static quant_posterior settings(const way *w)
{
    return (quant_posterior){.hop_ms = w->hop_ms,
                             .average_ms = 500,
                             .threshold = 0.3,
                             .suppress_ms = 500,
                             .min_count = 1};
}

static void make(const fixture *f, const way *w, made *x)
{
    static const char *const names[LABELS] = {"_silence_", "yes", "no", "go"};
    base_err err = {0};
    base_str features = {0};
    dsp_config cfg;
    *x = (made){.m = q8_random_model(w->net, w->seed)};
    assert_int_equal(dsp_preset(w->preset, &cfg, NULL), BASE_OK);
    dsp_config_print(&cfg, &features);
    x->m->features = features.s;
    x->m->labels = calloc(LABELS, sizeof *x->m->labels + 16); /* freed in one piece */
    x->m->n_labels = LABELS;
    for (int k = 0; k < LABELS; k++)
        x->m->labels[k] = strcpy((char *)(x->m->labels + LABELS) + 16 * k, names[k]);
    nn_real *in = q8_random_inputs(x->m->graph, Q8_SAMPLES, 1);
    const size_t n = Q8_SAMPLES * (size_t)nn_count(nn_graph_input(x->m->graph, 0)->shape);
    for (size_t i = 0; i < n; i++) in[i] *= w->spread;
    x->q = q8_quantized(x->m, in, Q8_RANGE_MINMAX);
    base_free(in);
    x->subject = (quant_subject){.q8 = x->q, .model = &x->q->folded};
    const quant_posterior p = settings(w);
    if (w->steps > 0 && q8_stream_new(x->q, w->mode, w->steps, &x->steps, &err) != BASE_OK)
        fail_msg("%s", err.message);
    if (quant_pipeline_new(x->q, &p, x->steps, &x->pipeline, &err) != BASE_OK)
        fail_msg("%s", err.message);
    const quant_listener l = {
        .subject = &x->subject, .pipeline = &x->pipeline, .hop = x->pipeline.hop, .threads = 2};
    if (quant_hear(&l, f->pcm + f->skip, (size_t)(SAMPLES - f->skip), &x->heard, &err) != BASE_OK)
        fail_msg("%s", err.message);
    if (quant_detect(&x->heard, &x->pipeline.posterior, &x->words, &err) != BASE_OK)
        fail_msg("%s", err.message);
}

static void drop(made *x)
{
    free(x->words.list);
    quant_heard_free(&x->heard);
    quant_pipeline_free(&x->pipeline);
    q8_stream_free(x->steps);
    q8_model_free(x->q);
    nn_model_free(x->m);
}

static char *emitted(const made *x)
{
    base_err err = {0};
    base_str text = {0};
    if (q8_emit(x->q, &(q8_export){"kws", &x->pipeline, x->steps}, &text, &err) != BASE_OK)
        fail_msg("%s", err.message);
    return text.s;
}

/* ---- exported C ---- */

/* Lines of outputs, word and score against what the host has. */
static void same_as_heard(const fixture *f, const made *x, const char *name)
{
    char path[128], *got = NULL;
    size_t size = 0, word = 0;
    enum { ROW = LABELS + 8 };
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    assert_int_equal(base_read_file(path, 1 << 20, &got, &size, NULL), BASE_OK);
    assert_int_equal(size, (size_t)x->heard.n * ROW);
    for (int64_t i = 0; i < x->heard.n; i++) {
        sotto_detection d;
        memcpy(&d.word, got + i * ROW + LABELS, 4);
        memcpy(&d.score, got + i * ROW + LABELS + 4, 4);
        assert_memory_equal(got + i * ROW, x->heard.out + i * LABELS, LABELS);
        if (d.word < 0) continue;
        assert_true(word < x->words.n);
        assert_int_equal(d.word, x->words.list[word].word);
        assert_true((double)d.score / 256 == x->words.list[word].score);
        assert_true(x->words.list[word].seconds ==
                    (double)(i * x->heard.hop + x->heard.window) / RATE);
        word++;
    }
    assert_int_equal(word, x->words.n);
    free(got);
}

static void compiled_equals_host(const fixture *f, const made *x, const char *compiler)
{
    assert_int_equal(sh("cd %s && %s %s -O2 driver.c -o run", f->dir, compiler, FLAGS), 0);
    assert_int_equal(sh("cd %s && ./run", f->dir), 0); /* the self-test */
    assert_int_equal(sh("cd %s && ./run pcm > out", f->dir), 0);
    same_as_heard(f, x, "out");
    assert_int_equal(sh("cd %s && ./run pcm whole > out", f->dir), 0);
    same_as_heard(f, x, "out");
}

static void exported_c_hears_what_the_host_does(void **state)
{
    const fixture *f = *state;
    for (size_t k = 0; k < WAYS; k++) {
        made x;
        make(f, &ways[k], &x);
        assert_true(x.heard.n > 10);
        printf("%s: %zu words\n", ways[k].preset, x.words.n);
        assert_true(x.words.n > 0);
        char *text = emitted(&x);
        put_file(f, "model.h", text, strlen(text));
        if (f->gcc) compiled_equals_host(f, &x, "gcc");
        if (f->clang) compiled_equals_host(f, &x, "clang");
        free(text);
        drop(&x);
    }
}

/* The first inference of a stream is that of the clip (without mirrored samples). */
static void a_stream_begins_as_a_clip(void **state)
{
    const fixture *f = *state;
    made x;
    make(f, &ways[0], &x);
    int8_t *in = base_alloc(q8_input_size(x.q), 1), *work = base_alloc(x.q->work + 1, 1);
    int8_t out[LABELS];
    const int16_t *pcm = f->pcm16;
    for (int i = 0; i < 2; i++, pcm += RATE) { /* hops of 100 ms: inference 10 is a second later */
        dsp_fixed_run(x.pipeline.frontend, pcm, in);
        q8_run(x.q, in, out, work);
        assert_memory_equal(out, x.heard.out + (ptrdiff_t)(10 * i) * LABELS, LABELS);
    }
    base_free(in);
    base_free(work);
    drop(&x);
}

/* Steps that move a window on say what the net says of the window, once it is full. */
static void steps_equal_windows(void **state)
{
    fixture f = *(const fixture *)*state;
    way whole = ways[WAYS - 2];
    made x, y;
    make(&f, &whole, &x);
    whole.steps = 0;
    whole.hop_ms = 100; /* 10 frames; the tenth step has 100, and a window 98 */
    f.skip = 2 * 160;
    make(&f, &whole, &y);
    assert_true(y.heard.n > 20);
    assert_int_equal(x.heard.n, y.heard.n + 9);
    assert_memory_equal(x.heard.out + 9 * LABELS, y.heard.out, (size_t)y.heard.n * LABELS);
    drop(&x);
    drop(&y);
}

/* How many bytes a user keeps is known without a compiler. */
static void state_is_as_large_as_told(void **state)
{
    const fixture *f = *state;
    if (!f->arm) {
        print_message("arm-none-eabi-gcc is not there\n");
        skip();
    }
    for (size_t k = 0; k < WAYS; k++) {
        made x;
        make(f, &ways[k], &x);
        char *text = emitted(&x);
        put_file(f, "model.h", text, strlen(text));
        base_str c = {0};
        base_str_add(&c,
                     "#include \"model.h\"\ntypedef char state[sizeof(kws_t) == %zu ? 1 : -1];\n",
                     quant_pipeline_state(&x.pipeline, x.q));
        put_file(f, "state.c", c.s, c.len);
        for (const char *const *core = (const char *const[]){"cortex-m0", "cortex-m4", NULL}; *core;
             core++)
            assert_int_equal(sh("cd %s && arm-none-eabi-gcc -mcpu=%s -mthumb %s -O2 -c state.c",
                                f->dir, *core, FLAGS),
                             0);
        base_str_free(&c);
        free(text);
        drop(&x);
    }
}

/* The header with the first digit behind `where`, the first one behind `after`, changed. */
static void change(const fixture *f, const char *text, const char *after, const char *where)
{
    char *wrong = base_strdup(text), *at = strstr(wrong, after);
    assert_non_null(at);
    at = strstr(at, where);
    assert_non_null(at);
    at += strlen(where);
    at += strcspn(at, "0123456789");
    *at = (char)(*at == '9' ? '8' : *at + 1);
    put_file(f, "model.h", wrong, strlen(wrong));
    free(wrong);
}

static void selftest_names_what_is_around_the_net(void **state)
{
    const fixture *f = *state;
    made x;
    make(f, &ways[0], &x);
    char *text = emitted(&x);
    const char *const cc = f->gcc ? "gcc" : "clang";
    const int stages = atoi(strstr(text, "#define KWS_STAGES ") + 19);
    const struct {
        const char *at;
        int result;
    } wrong[] = {{"kws_frontend_bands_rise[] = {", 255}, /* -1: a table */
                 {"kws_frontend_dct[] = {", 255},
                 {"    .hop = ", stages + 2},
                 {"    .suppress = ", stages + 3}};
    for (size_t i = 0; i < BASE_COUNT(wrong); i++) {
        change(f, text, "", wrong[i].at);
        assert_int_equal(sh("cd %s && %s -std=c99 driver.c -o run", f->dir, cc), 0);
        assert_int_equal(sh("cd %s && ./run", f->dir), wrong[i].result);
    }
    free(text);
    drop(&x);
}

static void selftest_sees_steps(void **state)
{
    const fixture *f = *state;
    made x;
    make(f, &ways[WAYS - 2], &x);
    char *text = emitted(&x);
    const int stages = atoi(strstr(text, "#define KWS_STAGES ") + 19);
    change(f, text, "_hop_0 = {", "pad_top = ");
    assert_int_equal(sh("cd %s && %s -std=c99 driver.c -o run", f->dir, f->gcc ? "gcc" : "clang"),
                     0);
    assert_int_equal(sh("cd %s && ./run", f->dir), stages + 1);
    free(text);
    drop(&x);
}

/* ---- what cannot be ---- */

static void settings_that_do_not_fit(void **state)
{
    const fixture *f = *state;
    made x;
    base_err err = {0};
    quant_pipeline pl;
    make(f, &ways[0], &x);
    quant_posterior p = settings(&ways[0]);
    p.hop_ms = 30;
    assert_int_equal(quant_pipeline_new(x.q, &p, NULL, &pl, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "--hop-ms 30"));
    p = settings(&ways[0]);
    p.threshold = 2;
    assert_int_equal(quant_pipeline_new(x.q, &p, NULL, &pl, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "--threshold 2"));
    p = settings(&ways[0]);
    assert_true(quant_pipeline_possible(x.q, &err));
    assert_int_equal(q8_stream_new(x.q, Q8_STREAM_WINDOW, 5, &x.steps, &err), BASE_OK);
    assert_int_equal(quant_pipeline_new(x.q, &p, x.steps, &pl, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "level"));
    x.q->folded.n_labels--;
    assert_int_equal(quant_pipeline_new(x.q, &p, NULL, &pl, &err), BASE_DATA);
    assert_non_null(strstr(err.message, "4 outputs but 3 labels"));
    x.q->folded.n_labels++;
    char *features = x.q->folded.features;
    x.q->folded.features = NULL;
    assert_int_equal(quant_pipeline_new(x.q, &p, NULL, &pl, &err), BASE_DATA);
    assert_false(quant_pipeline_possible(x.q, &err));
    x.q->folded.features = features;
    drop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exported_c_hears_what_the_host_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_begins_as_a_clip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(steps_equal_windows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(state_is_as_large_as_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(selftest_names_what_is_around_the_net, set_up, tear_down),
        cmocka_unit_test_setup_teardown(selftest_sees_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_that_do_not_fit, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
