/* The integer front-end as exported (q8_emit_frontend) in the emulator, on small and large cores
 * and at several levels of optimization, pushed in pieces: the int8 inputs of the host, bit for
 * bit. The clips are made here; real ones where SOTTO_SPEECH_COMMANDS is a folder of them.
 */
#include "tests/check.h"

#include "quantize/frontend.h"
#include "quantize/machine.h"
#include "tests/q8_nets.h"
#include "tests/shell.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIP = 16000, CLIPS = 3, BINS_MAX = 64 };

static const char *const presets[] = {"mfcc_49x10", "logmel_40x101", "mfcc_30x49", "mfcc_40x101"};

/* ---- clips ---- */

static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* A gliding tone with harmonics that comes and goes, over faint noise; the last one is loud and cut
 * off, and ends in silence. */
static void speech(int16_t *x, int clip)
{
    uint32_t state = (uint32_t)clip + 11;
    const double pitch = 90 + draw(&state) % 120,
                 size = clip == CLIPS - 1 ? 40000 : 600 << 2 * clip;
    double phase = 0;
    for (int i = 0; i < CLIP; i++) {
        const double at = (double)i / CLIP, swell = exp(-30 * (at - 0.45) * (at - 0.45));
        phase += 2 * acos(-1) * pitch * (1 + 0.3 * at) / 16000;
        double v = (double)(draw(&state) % 2001) / 1000 * 20 - 20;
        for (int h = 1; h < 40; h++) v += size * swell * sin(h * phase) / (1 + 0.15 * h * h);
        x[i] = (int16_t)lround(fmax(-32768, fmin(32767, v)));
        if (clip == CLIPS - 1 && at > 0.8) x[i] = 0;
    }
}

static void read_clips(int16_t pcm[CLIPS][CLIP])
{
    const char *root = getenv("SOTTO_SPEECH_COMMANDS");
    char pattern[1024];
    glob_t files;
    base_err err = {0};
    snprintf(pattern, sizeof pattern, "%s/[a-z]*/*_nohash_*", root ? root : "");
    if (!root || glob(pattern, 0, NULL, &files) != 0) {
        for (int i = 0; i < CLIPS; i++) speech(pcm[i], i);
        return;
    }
    for (size_t i = 0; i < CLIPS; i++) {
        dsp_audio audio;
        const char *path = files.gl_pathv[i * files.gl_pathc / CLIPS];
        if (dsp_audio_read(path, 16000, 10, &audio, &err) != BASE_OK) fail_msg("%s", err.message);
        dsp_to_pcm16(pcm[i], audio.pcm, audio.n < CLIP ? audio.n : CLIP);
        dsp_audio_free(&audio);
    }
    globfree(&files);
}

/* ---- a model with features ---- */

typedef struct subject {
    base_str features;
    float mean[BINS_MAX], std[BINS_MAX];
    q8_model *q8;
} subject;

/* Means and deviations of the features of a clip. */
static void measure(const dsp_config *cfg, const int16_t *pcm, subject *s)
{
    int frames, bins;
    dsp_fixed *f = NULL;
    base_err err = {0};
    dsp_config_shape(cfg, &frames, &bins);
    float *x = malloc((size_t)frames * (size_t)bins * sizeof *x);
    if (dsp_fixed_new(cfg, &f, &err) != BASE_OK) fail_msg("%s", err.message);
    dsp_fixed_features(f, pcm, x);
    for (int k = 0; k < bins; k++) {
        double sum = 0, squares = 0;
        for (int t = 0; t < frames; t++) {
            sum += (double)x[t * bins + k];
            squares += (double)x[t * bins + k] * (double)x[t * bins + k];
        }
        s->mean[k] = (float)(sum / frames);
        s->std[k] = (float)sqrt(squares / frames - sum / frames * (sum / frames) + 0.01);
    }
    dsp_fixed_free(f);
    free(x);
}

static void make_model(const char *preset, const int16_t *pcm, subject *s)
{
    dsp_config cfg;
    int frames, bins;
    char net[100];
    base_err err = {0};
    if (dsp_preset(preset, &cfg, &err) != BASE_OK) fail_msg("%s", err.message);
    dsp_config_shape(&cfg, &frames, &bins);
    measure(&cfg, pcm, s);
    cfg.normalize = DSP_NORMALIZE_FEATURE;
    dsp_config_print(&cfg, &s->features);
    snprintf(net, sizeof net, "x = input %dx%dx1; f = flatten(x); y = dense(f) out=2", frames,
             bins);
    nn_model *m = q8_random_model(net, 3);
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, 3);
    s->q8 = q8_quantized(m, x, Q8_RANGE_MINMAX);
    base_free(s->q8->folded.features);
    s->q8->folded.features = base_strdup(s->features.s);
    s->q8->folded.mean = s->mean;
    s->q8->folded.std = s->std;
    s->q8->folded.n_stats = (size_t)bins;
    base_free(x);
    nn_model_free(m);
}

static void free_model(subject *s)
{
    s->q8->folded.mean = s->q8->folded.std = NULL;
    q8_model_free(s->q8);
    base_str_free(&s->features);
}

/* ---- the program ---- */

/* Every preset over every clip, in pieces of 100 samples; the exit code is 10 times the first
 * preset that differs plus the clip, both from 1 on. */
static const char runner[] =
    "static int same_%s(int clip)\n{\n"
    "    static int32_t memory[%s_FRONTEND_MEMORY], scratch[%s_FRONTEND_SCRATCH];\n"
    "    static int8_t window[%s_FRAMES * %s_BINS];\n"
    "    sotto_frontend_state_t s;\n"
    "    sotto_frontend_init(&%s_frontend, &s, memory, scratch);\n"
    "    for (int32_t at = 0; at < %s_CLIP_SAMPLES;) {\n"
    "        const int32_t left = %s_CLIP_SAMPLES - at;\n"
    "        at += sotto_frontend_push(&%s_frontend, &s, clips[clip] + at, left < 100 ? left : "
    "100);\n"
    "    }\n"
    "    sotto_frontend_finish(&%s_frontend, &s);\n"
    "    sotto_frontend_window(&%s_frontend, &s, window);\n"
    "    for (uint32_t i = 0; i < sizeof window; i++)\n"
    "        if (window[i] != wanted_%s[clip][i]) return 0;\n"
    "    return 1;\n}\n";

static void put_runner(base_str *out, const char *lower, const char *upper)
{
    base_str_add(out, runner, lower, upper, upper, upper, upper, lower, upper, upper, lower, lower,
                 lower, lower);
}

static void put_wanted(base_str *out, const char *prefix, const q8_model *m,
                       int16_t pcm[CLIPS][CLIP])
{
    dsp_fixed *f = NULL;
    base_err err = {0};
    const size_t n = q8_input_size(m);
    int8_t *x = malloc(n);
    int inside = 0;
    if (q8_frontend_new(m, &f, &err) != BASE_OK) fail_msg("%s", err.message);
    base_str_add(out, "static const int8_t wanted_%s[%d][%d] = {\n", prefix, CLIPS, (int)n);
    for (int i = 0; i < CLIPS; i++) {
        dsp_fixed_run(f, pcm[i], x);
        base_str_add(out, "{");
        for (size_t k = 0; k < n; k++) {
            base_str_add(out, "%d,%s", x[k], k % 32 == 31 ? "\n" : "");
            inside += x[k] > -128 && x[k] < 127;
        }
        base_str_add(out, "},\n");
    }
    base_str_add(out, "};\n");
    assert_true(inside > (int)n); /* features are not all clamped */
    dsp_fixed_free(f);
    free(x);
}

static void write_program(const char *dir)
{
    static int16_t pcm[CLIPS][CLIP];
    base_str text = {0}, all = {0};
    char path[128];
    base_err err = {0};
    read_clips(pcm);
    base_str_add(&text,
                 "#include \"quantize/runtime/frontend.h\"\n"
                 "int main(void);\nstatic const int16_t clips[%d][%d] = {\n",
                 CLIPS, CLIP);
    for (int i = 0; i < CLIPS; i++) {
        base_str_add(&text, "{");
        for (int k = 0; k < CLIP; k++)
            base_str_add(&text, "%d,%s", pcm[i][k], k % 16 == 15 ? "\n" : "");
        base_str_add(&text, "},\n");
    }
    base_str_add(&text, "};\n");
    for (int i = 0; i < (int)BASE_COUNT(presets); i++) {
        subject s = {0};
        char lower[16], upper[16];
        snprintf(lower, sizeof lower, "f%d", i);
        snprintf(upper, sizeof upper, "F%d", i);
        make_model(presets[i], pcm[1], &s);
        if (q8_emit_frontend(s.q8, lower, &text, &err) != BASE_OK) fail_msg("%s", err.message);
        put_wanted(&text, lower, s.q8, pcm);
        put_runner(&text, lower, upper);
        base_str_add(&all, "        if (!same_%s(i)) return 10 * %d + i + 1;\n", lower, i + 1);
        free_model(&s);
    }
    base_str_add(&text,
                 "int main(void)\n{\n    for (int i = 0; i < %d; i++) {\n%s    }\n"
                 "    return 0;\n}\n",
                 CLIPS, all.s);
    snprintf(path, sizeof path, "%s/main.c", dir);
    assert_int_equal(base_write_file(path, text.s, text.len, NULL), BASE_OK);
    base_str_free(&text);
    base_str_free(&all);
}

/* ---- in the emulator ---- */

static bool is_there(const char *command)
{
    return sh("command -v %.*s >/dev/null", (int)strcspn(command, " "), command) == 0;
}

/* The program compiled for `code` and run on m, its exit code; -1 when it does not compile. */
static int emulate(const char *dir, const quant_machine *code, const quant_machine *m,
                   const char *opt)
{
    const char *port = strcmp(code->name, "virt") == 0 ? "riscv" : "arm";
    if (sh("sed -e 's/@TITLE@/%s/;s/@VECTORS@/%s/;s/@ROM@/%s/;s/@ROM_KB@/%s/;s/@RAM@/%s/;"
           "s/@RAM_KB@/%s/' quantize/firmware/machine.ld > %s/machine.ld",
           m->name, m->vectors, m->rom, m->rom_kb, m->ram, m->ram_kb, dir) != 0 ||
        sh("%s %s %s -std=c11 -Wall -Wextra -Werror -ffreestanding -nostdlib -DTICK_HZ=%s -I. "
           "-Iquantize/firmware -Wl,--no-warn-rwx-segments -T %s/machine.ld %s/main.c "
           "quantize/firmware/machine.c quantize/firmware/%s.c quantize/firmware/string.c -lgcc "
           "-o %s/main.elf",
           code->compiler, code->flags, opt, m->tick_hz, dir, dir, port, dir) != 0)
        return -1;
    return sh("timeout 120 %s -display none -monitor none -serial null -semihosting-config "
              "enable=on,target=native -kernel %s/main.elf </dev/null",
              m->emulator, dir);
}

static void every_core_computes_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *code, *machine, *opt;
    } core[] = {
        {"microbit", "mps2-an385", "-O2"},   {"microbit", "mps2-an385", "-Os"},
        {"mps2-an385", "mps2-an385", "-O3"}, {"mps2-an386", "mps2-an386", "-O0"},
        {"mps2-an386", "mps2-an386", "-O2"}, {"mps2-an500", "mps2-an500", "-O3"},
        {"mps2-an505", "mps2-an505", "-Os"}, {"mps3-an547", "mps3-an547", "-O2"},
        {"mps3-an547", "mps3-an547", "-Os"}, {"virt", "virt", "-O2"},
    };
    char dir[] = "/tmp/sotto_frontend_XXXXXX";
    int ran = 0;
    assert_non_null(mkdtemp(dir));
    write_program(dir);
    for (size_t i = 0; i < BASE_COUNT(core); i++) {
        quant_machine code, m;
        base_err err = {0};
        assert_int_equal(quant_machine_load(core[i].code, &code, &err), BASE_OK);
        assert_int_equal(quant_machine_load(core[i].machine, &m, &err), BASE_OK);
        if (!is_there(code.compiler) || !is_there(m.emulator)) {
            print_message("%s: no %s or no %s\n", core[i].code, code.compiler, m.emulator);
            continue;
        }
        const int bad = emulate(dir, &code, &m, core[i].opt);
        if (bad)
            fail_msg("%s %s: %s of clip %d (%d)", code.title, core[i].opt,
                     bad > 10 && bad < 50 ? presets[bad / 10 - 1] : "?", bad % 10, bad);
        ran++;
    }
    sh("rm -rf %s", dir);
    if (ran == 0) skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_core_computes_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
