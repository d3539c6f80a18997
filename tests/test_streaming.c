/* Streaming: random frames, hop by hop. What every step gives equals q8_run, which knows nothing of
 * hops, on the whole window or on all frames since the reset; exported C gives the same.
 */
#include "quantize/estimate.h"
#include "tests/q8_nets.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 20 };

/* Nets whose layers keep a state. %d: frames */
static const char *const states[] = {
    ("x = input %dx5x2; g1 = gru(x) units=9; g2 = gru(g1) units=7 reset_after=no sequence=no;"
     "y = dense(g2) out=4"),
    ("x = input %dx6; l1 = lstm(x) units=18 peephole=yes projection=7; r = relu(l1);"
     "l2 = lstm(r) units=6 peephole=yes sequence=no; y = dense(l2) out=3"),
    ("x = input %dx1x6; s1 = svdf(x) units=10 memory=4; c = conv2d(s1) out=8 kernel=1x1;"
     "r = relu(c); s2 = svdf(r) units=7 memory=6; t = tanh(s2); a = add(t, s2);"
     "l = slice(a) axis=0 begin=%d size=1; f = flatten(l); y = dense(f) out=3"),
    /* rows of several frames come out */
    "x = input %dx1x6; s1 = svdf(x) units=10 memory=3; y = gru(s1) units=5",
};

/* Windows of more kinds than q8_nets has. */
static const char *const windows[] = {
    ("x = input 40x10x1; c1 = conv2d(x) out=8 kernel=10x4 stride=2x2; r1 = relu(c1);"
     "d1 = dwconv2d(r1) kernel=3x3; q1 = relu(d1); p1 = conv2d(q1) out=8 kernel=1x1; e1 = relu(p1);"
     "d2 = dwconv2d(e1) kernel=3x3; q2 = relu(d2); p2 = conv2d(q2) out=8 kernel=1x1; e2 = relu(p2);"
     "g = globalpool(e2); y = dense(g) out=4"),
    ("x = input 41x1x8; c = conv2d(x) out=8 kernel=3x1; r = relu(c);"
     "a = conv2d(r) out=12 kernel=5x1 stride=2x1; s = conv2d(r) out=12 kernel=1x1 stride=2x1;"
     "j = add(a, s); k = relu(j); b = conv2d(k) out=12 kernel=3x1 stride=2x1 dilation=1x1;"
     "m = maxpool(b) kernel=3x1 stride=1x1 pad=same; g = globalpool(m); y = dense(g) out=3"),
    ("x = input 30x12x4; c = dwconv2d(x) kernel=1x3; n = batchnorm(c) bands=4; m = mean(n) axes=1;"
     "t = dwconv2d(m) kernel=3x1 dilation=2x1; s = silu(t); o = conv2d(s) out=4 kernel=1x1;"
     "a = add(n, o); u = mul(a, o); l = layernorm(u); w = max(l) axes=1; p = avgpool(w) kernel=3x1"
     " stride=1x1 pad=same; h = softmax(p); g = globalpool(h); y = dense(g) out=3"),
    ("x = input 24x6; s1 = svdf(x) units=9 memory=4; r = relu(s1); s2 = svdf(r) units=6 memory=5 "
     "causal=no; f = flatten(s2); y = dense(f) out=4"),
    /* depthwise alone, with and without bands */
    ("x = input 24x6x8; c = dwconv2d(x) kernel=3x3; n = batchnorm(c) bands=3; r = relu(n);"
     "d = dwconv2d(r) kernel=3x2 pad=valid; s = relu(d); e = dwconv2d(s) kernel=4x1 dilation=2x1;"
     "g = globalpool(e); y = dense(g) out=4"),
};

static q8_model *random_q8(const char *text, uint64_t seed, const char *activations)
{
    nn_model *m = q8_random_model(text, seed);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, seed);
    q8_model *q = q8_quantized_as(
        m, x, (q8_options){.activations = activations, .rounding = seed % 2 ? Q8_TFLM : Q8_SINGLE});
    base_free(x);
    nn_model_free(m);
    return q;
}

static int8_t *get(size_t n)
{
    int8_t *p = base_alloc(n + 1, 1);
    assert_non_null(p);
    return p;
}

static int8_t *random_bytes(size_t n, uint64_t seed)
{
    int8_t *x = get(n);
    base_rng r = base_rng_at(seed, BASE_RNG_TEST, 3, 0);
    for (size_t i = 0; i < n; i++) x[i] = (int8_t)((int)base_rng_below(&r, 256) - 128);
    return x;
}

static q8_stream *stream_of(const q8_model *m, q8_stream_mode mode, int hop)
{
    base_err err = {0};
    q8_stream *s = NULL;
    if (q8_stream_new(m, mode, hop, &s, &err) != BASE_OK) fail_msg("%s", err.message);
    return s;
}

/* ---- windows ---- */

/* What q8_run gives for every window of STEPS hops: frames of zeros, then frames. */
static int8_t *batch_outputs(const q8_model *m, size_t hop, const int8_t *frames)
{
    const size_t in = q8_input_size(m), out = q8_output_size(m);
    int8_t *all = get(in + STEPS * hop), *y = get(STEPS * out), *work = get(m->work);
    memset(all, m->values[0].quant.zero, in);
    memcpy(all + in, frames, STEPS * hop);
    for (size_t i = 0; i < STEPS; i++) q8_run(m, all + (i + 1) * hop, y + i * out, work);
    base_free(all);
    base_free(work);
    return y;
}

static void windows_equal(const q8_model *m, int hop)
{
    q8_stream *s = stream_of(m, Q8_STREAM_WINDOW, hop);
    const size_t out = q8_output_size(m);
    int8_t *frames = random_bytes(STEPS * s->hop_bytes, (uint64_t)hop), *y = get(out);
    int8_t *wanted = batch_outputs(m, s->hop_bytes, frames), *work = get(s->net.work);
    for (int again = 0; again < 2; again++) { /* a reset forgets everything */
        q8_stream_reset(s, work);
        for (size_t i = 0; i < STEPS; i++) {
            q8_stream_step(s, frames + i * s->hop_bytes, y, work);
            if (memcmp(y, wanted + i * out, out) != 0)
                fail_msg("%s: hop of %d frames: step %zu differs", m->layers[0].name, hop, i);
        }
    }
    assert_true(s->macs <= s->window_macs);
    base_free(frames);
    base_free(wanted);
    base_free(y);
    base_free(work);
    q8_stream_free(s);
}

static void hops(const q8_model *m)
{
    static const int some[] = {1, 2, 3, 4, 8};
    for (size_t i = 0; i < BASE_COUNT(some); i++)
        if (some[i] <= m->values[0].shape.d[0]) windows_equal(m, some[i]);
    windows_equal(m, m->values[0].shape.d[0]);
}

static void a_window_moves_on_with_the_results_of_the_whole(void **state)
{
    (void)state;
    for (int k = 0; k < Q8_NETS; k++) {
        q8_model *m = random_q8(q8_nets[k], (uint64_t)k, NULL);
        hops(m);
        q8_model_free(m);
    }
    for (size_t k = 0; k < 2 * BASE_COUNT(windows); k++) {
        q8_model *m = random_q8(windows[k / 2], k, k % 2 && k < 5 ? "16" : NULL);
        hops(m);
        q8_model_free(m);
    }
}

/* Convolutions one behind the other, by chance. */
static void chance_net(base_rng *r, char *text, size_t size)
{
    static const char *const pads[] = {"same", "valid", "2,0,1,1", "0,3,0,2", "4,4,1,0"};
    int at = snprintf(text, size, "x = input %dx%dx4;", 24 + (int)base_rng_below(r, 20),
                      4 + (int)base_rng_below(r, 4));
    const char *from = "x";
    char name[16];
    for (int k = 0; k < 4; k++) {
        static const char *const ops[] = {"conv2d", "dwconv2d", "avgpool", "maxpool"};
        const int op = (int)base_rng_below(r, 4);
        const int kernel = 1 + (int)base_rng_below(r, 4);
        const char *pad = pads[op < 2 ? base_rng_below(r, BASE_COUNT(pads)) : base_rng_below(r, 2)];
        at += snprintf(text + at, size - (size_t)at, "l%d = %s(%s) kernel=%dx%d stride=%dx1 pad=%s",
                       k, ops[op], from, kernel, 1 + (int)base_rng_below(r, 2),
                       1 + (int)base_rng_below(r, 2), pad);
        if (op == 0) at += snprintf(text + at, size - (size_t)at, " out=8");
        if (op < 2)
            at += snprintf(text + at, size - (size_t)at, " dilation=%dx1",
                           kernel > 1 ? 1 + (int)base_rng_below(r, 2) : 1);
        at += snprintf(text + at, size - (size_t)at, "; ");
        snprintf(name, sizeof name, "l%d", k);
        from = name;
    }
    snprintf(text + at, size - (size_t)at, "g = globalpool(l3); y = dense(g) out=3");
}

static void so_do_windows_of_random_nets(void **state)
{
    (void)state;
    int made = 0;
    for (uint64_t seed = 0; seed < 120; seed++) {
        char text[1024];
        base_rng r = base_rng_at(seed, BASE_RNG_TEST, 4, 0);
        nn_graph *g = NULL;
        chance_net(&r, text, sizeof text);
        if (nn_parse(text, NULL, &g, NULL) != BASE_OK) continue; /* too little is left */
        nn_graph_free(g);
        q8_model *m = random_q8(text, seed, seed % 4 == 0 ? "16" : NULL);
        hops(m);
        q8_model_free(m);
        made++;
    }
    assert_in_range(made, 30, 120);
}

/* Rows that do not change are not computed: a convolution without padding computes a hop of them.
 */
static void only_new_rows_are_computed(void **state)
{
    (void)state;
    q8_model *m = random_q8("x = input 40x1x4; c = conv2d(x) out=8 kernel=5x1 pad=valid;"
                            "d = conv2d(c) out=8 kernel=3x1 stride=2x1 pad=same;"
                            "g = globalpool(d); y = dense(g) out=3",
                            1, NULL);
    q8_stream *s = stream_of(m, Q8_STREAM_WINDOW, 2);
    assert_int_equal(s->n_shifts, 3);
    assert_int_equal(s->n_pieces, 4);
    assert_int_equal(s->pieces[0].macs, 2 * 5 * 4 * 8);
    /* of 36 rows by 3 taps: 0 above, 1 below; 18 rows, of which the last two are computed */
    assert_true(s->pieces[1].rows == 2 && s->pieces[1].of == 18);
    assert_int_equal(s->pieces[1].macs, 2 * 3 * 8 * 8);
    assert_int_equal(s->macs, s->pieces[0].macs + s->pieces[1].macs + 24);
    assert_int_equal(s->window_macs, 36 * 160 + 18 * 192 + 24);
    q8_stream_free(s);
    q8_model_free(m);
}

/* The same net as a machine sees a step of it; gemm.h computes four columns where there are two. */
static void a_step_costs_its_rows(void **state)
{
    (void)state;
    base_err err = {0};
    q8_model *m = random_q8("x = input 40x1x4; c = conv2d(x) out=8 kernel=5x1 pad=valid;"
                            "d = conv2d(c) out=8 kernel=3x1 stride=2x1 pad=same;"
                            "g = globalpool(d); y = dense(g) out=3",
                            1, NULL);
    q8_stream *s = stream_of(m, Q8_STREAM_WINDOW, 4);
    quant_costs costs;
    quant_step step;
    assert_int_equal(quant_costs_of_q8(m, &costs, &err), BASE_OK);
    assert_int_equal(quant_step_of(s, &costs, &step, &err), BASE_OK);
    const quant_layer_cost *c = step.costs.layer;
    assert_int_equal(step.costs.n, 1 + 4);
    assert_int_equal(c[0].outputs, 36 * 4 + 4 * 4 + 32 * 8 + 15 * 8);
    assert_true(c[1].macs == 4 * 160 && c[1].outputs == 4 * 8 && c[1].pixels == 4);
    assert_true(c[1].part == 4 / 36.0 && c[1].padded == 1);
    assert_true(c[2].macs == 3 * 192 && c[2].outputs == 3 * 8 && c[2].pixels == 3);
    assert_true(c[2].part == 3 / 18.0 && c[2].padded == (4 / 3.0) / (20 / 18.0));
    assert_true(c[3].part == 0 && c[3].outputs == 8);
    assert_int_equal(step.ram, s->net.work + 4 * 4 + 3);
    quant_step_free(&step);
    quant_costs_free(&costs);
    q8_stream_free(s);
    q8_model_free(m);
}

/* ---- states ---- */

/* The model of n frames with the integers of one of fewer: all but the frames is the same. */
static q8_model *of_frames(const char *text, int n, uint64_t seed, const q8_model *like)
{
    char net[512];
    snprintf(net, sizeof net, text, n, n - 1);
    nn_model *m = q8_random_model(net, seed);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, seed);
    q8_model *q = q8_quantized_as(m, x, (q8_options){.like = like});
    base_free(x);
    nn_model_free(m);
    return q;
}

static void states_equal(const char *text, uint64_t seed, int hop)
{
    enum { FRAMES = 12, HOPS = 6 };
    q8_model *m = of_frames(text, FRAMES, seed, NULL);
    q8_stream *s = stream_of(m, Q8_STREAM_AUTO, hop);
    assert_int_equal(s->mode, Q8_STREAM_STATE);
    const size_t out = s->net.values[s->net.n_layers].size;
    int8_t *frames = random_bytes(HOPS * s->hop_bytes, seed), *y = get(out);
    int8_t *work = get(s->net.work);
    q8_stream_reset(s, work);
    for (int i = 0; i < HOPS; i++) {
        q8_stream_step(s, frames + (size_t)i * s->hop_bytes, y, work);
        q8_model *whole = of_frames(text, (i + 1) * hop, seed, m);
        int8_t *all = get(q8_output_size(whole)), *whole_work = get(whole->work);
        q8_run(whole, frames, all, whole_work);
        if (memcmp(y, all + q8_output_size(whole) - out, out) != 0)
            fail_msg("%s: hop of %d frames: step %d differs", text, hop, i);
        base_free(all);
        base_free(whole_work);
        q8_model_free(whole);
    }
    base_free(frames);
    base_free(y);
    base_free(work);
    q8_stream_free(s);
    q8_model_free(m);
}

static void a_state_goes_on_as_in_one_long_run(void **state)
{
    (void)state;
    for (size_t k = 0; k < BASE_COUNT(states); k++)
        for (int hop = 1; hop < 5; hop++) states_equal(states[k], k, hop);
}

static void what_keeps_no_state_is_named(void **state)
{
    (void)state;
    base_err err = {0};
    q8_stream *s = NULL;
    q8_model *m = random_q8(windows[0], 1, NULL);
    assert_int_equal(q8_stream_new(m, Q8_STREAM_STATE, 1, &s, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "layer 'c1' cannot go on from frame to frame"));
    assert_int_equal(q8_stream_new(m, Q8_STREAM_AUTO, 0, &s, &err), BASE_USAGE);
    assert_int_equal(q8_stream_new(m, Q8_STREAM_AUTO, 41, &s, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "a hop of 41 frames: the model's input has 40"));
    assert_int_equal(q8_stream_new(m, Q8_STREAM_AUTO, 40, &s, &err), BASE_OK);
    assert_int_equal(s->mode, Q8_STREAM_WINDOW);
    q8_stream_free(s);
    q8_model_free(m);
}

/* ---- exported C ---- */

#define FLAGS "-std=c99 -O2 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"

/* Frames in, outputs out. With vectors, of which both are arrays: 0 when all are as wanted. */
static const char driver[] =
    "#include \"model.h\"\n#include <stdio.h>\n"
    "int main(void)\n{\n"
    "    static kws_stream s;\n"
    "    int8_t frames[KWS_STREAM_INPUT_SIZE], out[KWS_STREAM_OUTPUT_SIZE];\n"
    "    kws_stream_reset(&s);\n"
    "    while (fread(frames, 1, sizeof frames, stdin) == sizeof frames) {\n"
    "        kws_stream_step(&s, frames, out);\n"
    "        fwrite(out, 1, sizeof out, stdout);\n    }\n"
    "    return kws_selftest() & 255;\n}\n";
static const char bare[] =
    "#include \"model.h\"\n#include \"vectors.h\"\n"
    "static uint32_t differs(void)\n{\n"
    "    static kws_stream s;\n"
    "    int8_t out[KWS_STREAM_OUTPUT_SIZE];\n"
    "    kws_stream_reset(&s);\n"
    "    for (unsigned i = 0; i < sizeof wanted / sizeof out; i++) {\n"
    "        kws_stream_step(&s, frames + i * KWS_STREAM_INPUT_SIZE, out);\n"
    "        if (memcmp(out, wanted + i * sizeof out, sizeof out) != 0) return i + 1;\n    }\n"
    "    return 0;\n}\n"
    "void reset(void);\n"
    "void reset(void)\n{\n"
    "#ifdef __ARM_FEATURE_MVE\n" /* registers of Helium are switched on first */
    "    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;\n"
    "    __asm__ volatile(\"dsb\\n\\tisb\");\n"
    "#endif\n"
    "    static uint32_t block[2];\n"
    "    block[0] = 0x20026u;\n    block[1] = differs();\n"
    "    register uint32_t r0 __asm__(\"r0\") = 0x20u; /* SYS_EXIT_EXTENDED */\n"
    "    register uint32_t *r1 __asm__(\"r1\") = block;\n"
    "    __asm__ volatile(\"bkpt 0xab\" : : \"r\"(r0), \"r\"(r1) : \"memory\");\n"
    "    for (;;) {\n    }\n}\n";
static const char script[] =
    "ENTRY(reset)\nMEMORY { F : ORIGIN = 0, LENGTH = 512K R : ORIGIN = 0x20000000, LENGTH = 512K "
    "}\n"
    "SECTIONS { .text : { LONG(0x20080000) LONG(reset | 1) KEEP(*(.text*)) *(.rodata*) } > F\n"
    ".bss : { *(.data*) *(.bss*) *(COMMON) } > R /DISCARD/ : { *(.ARM*) } }\n";

/* Kernels have forms of their own on each. */
static const struct core {
    const char *cpu, *machine;
} cores[] = {{"cortex-m0", "mps2-an385"},
             {"cortex-m3", "mps2-an385"},
             {"cortex-m4", "mps2-an386"},
             {"cortex-m55 -mfloat-abi=hard", "mps3-an547"}};

static int sh(const char *dir, const char *command)
{
    char text[1024];
    snprintf(text, sizeof text, "cd %s && %s", dir, command);
    const int status = system(text);
    return status == -1 ? -1 : status / 256;
}

static void write_text(const char *dir, const char *name, const char *text, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(base_write_file(path, text, n, NULL), BASE_OK);
}

static void add_array(base_str *to, const char *name, const int8_t *x, size_t n)
{
    base_str_add(to, "static const int8_t %s[] = {", name);
    for (size_t i = 0; i < n; i++) base_str_add(to, "%d,", x[i]);
    base_str_add(to, "};\n");
}

/* Header, frames and what the host gives, in dir. */
static void write_stream(const char *dir, const q8_model *m, int hop)
{
    base_err err = {0};
    base_str text = {0}, vectors = {0};
    q8_stream *s = stream_of(m, Q8_STREAM_AUTO, hop);
    const size_t out = s->net.values[s->net.n_layers].size;
    if (q8_emit(m, &(q8_export){.prefix = "kws", .stream = s}, &text, &err) != BASE_OK)
        fail_msg("%s", err.message);
    int8_t *frames = random_bytes(STEPS * s->hop_bytes, 7), *y = get(STEPS * out);
    int8_t *work = get(s->net.work);
    q8_stream_reset(s, work);
    for (size_t i = 0; i < STEPS; i++)
        q8_stream_step(s, frames + i * s->hop_bytes, y + i * out, work);
    add_array(&vectors, "frames", frames, STEPS * s->hop_bytes);
    add_array(&vectors, "wanted", y, STEPS * out);
    write_text(dir, "model.h", text.s, text.len);
    write_text(dir, "vectors.h", vectors.s, vectors.len);
    write_text(dir, "in", (const char *)frames, STEPS * s->hop_bytes);
    write_text(dir, "wanted", (const char *)y, STEPS * out);
    base_free(frames);
    base_free(y);
    base_free(work);
    base_str_free(&text);
    base_str_free(&vectors);
    q8_stream_free(s);
}

/* One of the nets above, or of q8_nets. */
static q8_model *some_model(size_t k)
{
    if (k < BASE_COUNT(states)) return of_frames(states[k], 12, k, NULL);
    k -= BASE_COUNT(states);
    if (k < BASE_COUNT(windows)) return random_q8(windows[k], k, k == 2 ? "16" : NULL);
    return random_q8(q8_nets[k - BASE_COUNT(windows)], k, NULL);
}

/* Header and vectors of dir on a core: 0, or the step that differs. */
static int emulated(const char *dir, struct core c)
{
    char command[512];
    snprintf(command, sizeof command,
             "arm-none-eabi-gcc -mcpu=%s -mthumb -std=c99 -O2 -nostartfiles -T bare.ld bare.c "
             "-o bare.elf 2>&1 && timeout 60 qemu-system-arm -M %s -nographic -semihosting "
             "-kernel bare.elf",
             c.cpu, c.machine);
    return sh(dir, command);
}

static void exported_c_gives_the_same(void **state)
{
    const char *dir = *state;
    const bool qemu = sh("/", "command -v arm-none-eabi-gcc qemu-system-arm >/dev/null") == 0;
    if (!qemu) printf("arm-none-eabi-gcc or qemu-system-arm is absent\n");
    write_text(dir, "driver.c", driver, strlen(driver));
    write_text(dir, "bare.c", bare, strlen(bare));
    write_text(dir, "bare.ld", script, strlen(script));
    for (size_t k = 0; k < BASE_COUNT(states) + BASE_COUNT(windows) + Q8_NETS; k++) {
        q8_model *m = some_model(k);
        write_stream(dir, m, k < BASE_COUNT(states) ? 2 + (int)(k % 3) : 4);
        assert_int_equal(sh(dir, "cc " FLAGS " driver.c -o run && ./run < in > out"), 0);
        assert_int_equal(sh(dir, "cmp -s out wanted"), 0);
        for (size_t c = 0; qemu && c < BASE_COUNT(cores); c++)
            if (emulated(dir, cores[c]) != 0)
                fail_msg("%s: net %zu differs on %s", m->layers[0].name, k, cores[c].cpu);
        q8_model_free(m);
    }
}

static int make_dir(void **state)
{
    *state = strdup("/tmp/sotto_streaming_XXXXXX");
    assert_non_null(*state);
    assert_non_null(mkdtemp(*state));
    return 0;
}

static int remove_dir(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    const int status = system(command);
    free(*state);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_moves_on_with_the_results_of_the_whole),
        cmocka_unit_test(so_do_windows_of_random_nets),
        cmocka_unit_test(only_new_rows_are_computed),
        cmocka_unit_test(a_step_costs_its_rows),
        cmocka_unit_test(a_state_goes_on_as_in_one_long_run),
        cmocka_unit_test(what_keeps_no_state_is_named),
        cmocka_unit_test(exported_c_gives_the_same),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
