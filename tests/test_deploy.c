/* The kernels of exported C (quantize/deploy.c) against the plain ones of the model: random shapes,
 * strides, dilations, paddings and bounds, weights and inputs at the ends of int8, results over
 * their inputs and not, in both rounding profiles; on the host, and in the emulator as every core
 * has them.
 */
#include "quantize/internal.h"
#include "tests/q8_nets.h"
#include "tests/shell.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIALS = 400, INPUTS = 6, EMULATED = 24 };

static int below(base_rng *r, int n)
{
    return (int)base_rng_below(r, (uint32_t)n);
}

static int one_of(base_rng *r, int n, const int *of)
{
    return of[below(r, n)];
}

/* Channels: multiples of 4 as often as others. */
static int channels(base_rng *r)
{
    static const int some[] = {1, 3, 4, 4, 8, 8, 12, 7, 16, 20, 24, 36};
    return one_of(r, BASE_COUNT(some), some);
}

static void add_pad(base_rng *r, base_str *text)
{
    switch (below(r, 3)) {
    case 0: base_str_add(text, " pad=same"); break;
    case 1: base_str_add(text, " pad=valid"); break;
    default:
        base_str_add(text, " pad=%d,%d,%d,%d", below(r, 4), below(r, 3), below(r, 3), below(r, 4));
    }
}

static void add_window(base_rng *r, base_str *text)
{
    base_str_add(text, " kernel=%dx%d", 1 + below(r, 5), 1 + below(r, 6));
    if (below(r, 2)) base_str_add(text, " stride=%dx%d", 1 + below(r, 3), 1 + below(r, 3));
    if (below(r, 3) == 0) base_str_add(text, " dilation=%dx%d", 1 + below(r, 3), 1 + below(r, 2));
    add_pad(r, text);
}

/* An activation behind node `from`, or none; returns the name that is read from then on. */
static const char *add_bounds(base_rng *r, base_str *text, const char *from, const char *name)
{
    static const char *const of[] = {"relu(%s)", "relu6(%s)", "clip(%s) lo=-0.4 hi=0.7"};
    const int k = below(r, 5);
    if (k >= 3) return from;
    base_str_add(text, "; %s = ", name);
    base_str_add(text, of[k], from);
    return name;
}

/* One to three layers. */
static char *random_net(base_rng *r)
{
    base_str t = {0};
    const int c = channels(r), kind = below(r, 5);
    const char *x = "x";
    base_str_add(&t, "x = input %dx%dx%d", 1 + below(r, 11), 1 + below(r, 9), c);
    if (below(r, 2)) { /* a value of the work buffer, which may be written over */
        base_str_add(&t, "; e = conv2d(x) out=%d kernel=1x1", c);
        x = add_bounds(r, &t, "e", "ea");
    }
    if (kind == 0) {
        base_str_add(&t, "; f = flatten(%s); y = dense(f) out=%d", x, 1 + below(r, 9));
        return t.s;
    }
    if (kind == 1) {
        base_str_add(&t, "; c = conv2d(%s) out=%d", x, channels(r));
        add_window(r, &t);
        add_bounds(r, &t, "c", "ca");
        return t.s;
    }
    base_str_add(&t, "; d = dwconv2d(%s)", x);
    if (kind == 4)
        base_str_add(&t, " kernel=%dx%d", 1 + below(r, 5), 1 + below(r, 5));
    else
        add_window(r, &t);
    if (kind == 2 && below(r, 2)) {
        base_str_add(&t, "; n = batchnorm(d) bands=%d", 1 + below(r, 4));
        x = add_bounds(r, &t, "n", "na");
        return t.s;
    }
    x = add_bounds(r, &t, "d", "da");
    if (kind > 2) {
        base_str_add(&t, "; p = conv2d(%s) out=%d kernel=1x1", x, kind == 4 ? c : channels(r));
        x = add_bounds(r, &t, "p", "pa");
    }
    if (kind == 4) base_str_add(&t, "; z = conv2d(%s) out=3 kernel=1x1", x);
    return t.s;
}

/* Weights of all layers: the ends of their range, in some models one that is not symmetric.
 * Multipliers of 1/2 and small shifts, so that many results lie half way between two integers. */
static void make_extreme(q8_model *q, base_rng *r)
{
    const bool most = below(r, 4) == 0;
    for (int i = 0; i < q->n_layers; i++) {
        const nn_q8_layer *l = &q->layers[i].l;
        for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
            const nn_q8_field *field = &l->kernel->fields[f];
            if (field->type == NN_Q8_INT) continue;
            const size_t n = l->count[array++];
            void *v = NULL;
            memcpy(&v, (const char *)l->p + field->offset, sizeof v);
            for (size_t j = 0; j < n && field->type == NN_Q8_I8S; j++)
                ((int8_t *)v)[j] = (int8_t)(below(r, 3) ? -127 - most : 127);
            for (size_t j = 0; j < n && strcmp(field->name, "multiplier") == 0; j++)
                ((int32_t *)v)[j] = (int32_t)1 << 30;
            for (size_t j = 0; j < n && strcmp(field->name, "shift") == 0; j++)
                ((int32_t *)v)[j] = -4 - below(r, 6);
        }
    }
}

/* What was seen: kernels by name, those that write over their input beside. */
typedef struct seen {
    int conv, over, taps, bands, separable, separable_over, dense, plain;
} seen;

static void count_kernels(const q8_model *m, seen *s)
{
    for (int i = 0; i < m->n_layers; i++) {
        const nn_q8_kernel *k = m->layers[i].l.kernel;
        const bool separable = strcmp(k->name, "sotto_separable") == 0;
        s->conv += strcmp(k->name, "sotto_conv2d_gemm") == 0;
        s->over += strcmp(k->name, "sotto_conv2d_gemm") == 0 && k->in_place;
        const bool taps = strcmp(k->name, "sotto_dwconv2d_taps") == 0;
        s->taps += taps;
        s->bands += taps && q8_layer_int(&m->layers[i].l, "bands") > 1;
        s->separable += separable;
        s->separable_over += separable && k->in_place;
        s->dense += strcmp(k->name, "sotto_dense_pairs") == 0;
        s->plain += strcmp(k->name, "sotto_conv2d") == 0 || strcmp(k->name, "sotto_dwconv2d") == 0;
    }
}

/* Blocks of exact size, so that what is read or written beside them is seen. */
static void same_results(const q8_model *q, const q8_model *m, base_rng *r, const char *net)
{
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *x = base_alloc(in, 1), *a = base_alloc(out, 1), *b = base_alloc(out, 1);
    int8_t *plain = base_alloc(q->work + 1, 1), *deployed = base_alloc(m->work + 1, 1);
    assert_true(x && a && b && plain && deployed);
    for (int k = 0; k < INPUTS; k++) {
        for (size_t i = 0; i < in; i++)
            x[i] = (int8_t)(k == 0   ? -128
                            : k == 1 ? (below(r, 4) ? -128 : 127)
                                     : below(r, 256) - 128);
        memset(deployed, below(r, 256), m->work);
        q8_run(q, x, a, plain);
        q8_run(m, x, b, deployed);
        for (size_t i = 0; i < out; i++)
            if (a[i] != b[i]) fail_msg("%s: output %zu is %d, not %d", net, i, b[i], a[i]);
    }
    base_free(x);
    base_free(a);
    base_free(b);
    base_free(plain);
    base_free(deployed);
}

static bool is_net(const char *text)
{
    nn_graph *g = NULL;
    const bool is = nn_parse(text, NULL, &g, NULL) == BASE_OK;
    if (is) nn_graph_free(g);
    return is;
}

/* The int8 model of trial k; NULL where its net is none. r: of all trials, in order. */
static q8_model *random_q8(base_rng *r, uint64_t k, char **net)
{
    *net = random_net(r);
    assert_non_null(*net);
    if (!is_net(*net)) return NULL;
    nn_model *f = q8_random_model(*net, k);
    nn_real *x = q8_random_inputs(f->graph, Q8_SAMPLES, k);
    q8_model *q = q8_quantized_as(f, x, (q8_options){.rounding = k % 2});
    if (k % 3 == 0) make_extreme(q, r);
    base_free(x);
    nn_model_free(f);
    return q;
}

static void deployed_kernels_equal_the_plain_ones(void **state)
{
    (void)state;
    seen s = {0};
    base_rng r = base_rng_at(5, BASE_RNG_TEST, 0, 0);
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        char *net;
        q8_model *q = random_q8(&r, trial, &net), m;
        if (q) {
            base_err err = {0};
            base_arena *arena = base_arena_new();
            assert_non_null(arena);
            assert_int_equal(q8_deploy(q, arena, &m, &err), BASE_OK);
            count_kernels(&m, &s);
            same_results(q, &m, &r, net);
            base_arena_free(arena);
            q8_model_free(q);
        }
        free(net);
    }
    printf("conv2d %d (%d in place), dwconv2d %d (%d of bands), separable %d (%d in place), "
           "dense %d, plain %d\n",
           s.conv, s.over, s.taps, s.bands, s.separable, s.separable_over, s.dense, s.plain);
    assert_true(s.conv > 100 && s.over > 20 && s.taps > 10 && s.bands > 3 && s.separable > 20);
    assert_true(s.separable_over > 5 && s.dense > 20 && s.plain > 10);
}

/* ---- in the emulator ---- */

/* All self-tests; the exit code is the number of the first model that fails, from 1 on. */
static const char bare[] =
    "void reset(void);\n"
    "void reset(void)\n{\n"
    "#ifdef __ARM_FEATURE_MVE\n"
    "    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;\n"
    "    __asm__ volatile(\"dsb\\n\\tisb\");\n"
    "#endif\n"
    "    static uint32_t block[2];\n"
    "    block[0] = 0x20026u;\n"
    "    block[1] = all();\n"
    "    register uint32_t r0 __asm__(\"r0\") = 0x20u; /* SYS_EXIT_EXTENDED */\n"
    "    register uint32_t *r1 __asm__(\"r1\") = block;\n"
    "    __asm__ volatile(\"bkpt 0xab\" : : \"r\"(r0), \"r\"(r1) : \"memory\");\n"
    "    for (;;) {\n    }\n}\n";
static const char script[] =
    "ENTRY(reset)\nMEMORY { F : ORIGIN = 0, LENGTH = 512K R : ORIGIN = 0x20000000, LENGTH = 512K "
    "}\n"
    "SECTIONS { .text : { LONG(0x20080000) LONG(reset | 1) KEEP(*(.text*)) *(.rodata*) } > F\n"
    ".bss : { *(.data*) *(.bss*) *(COMMON) } > R /DISCARD/ : { *(.ARM*) } }\n";

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(base_write_file(path, text, strlen(text), NULL), BASE_OK);
}

/* EMULATED models of as many nets in one program, main.c in dir, with bare.ld. */
static void write_program(const char *dir, base_str *nets)
{
    base_rng r = base_rng_at(6, BASE_RNG_TEST, 0, 0);
    base_str program = {0}, all = {0};
    base_str_add(&all, "static uint32_t all(void)\n{\n");
    for (uint64_t k = 0, n = 1; n <= EMULATED; k++) {
        char *net;
        q8_model *q = random_q8(&r, k, &net);
        if (q) {
            base_str text = {0};
            base_err err = {0};
            char prefix[16], name[20];
            snprintf(prefix, sizeof prefix, "m%d", (int)n);
            snprintf(name, sizeof name, "m%d.h", (int)n);
            assert_int_equal(q8_emit(q, &(q8_export){.prefix = prefix}, &text, &err), BASE_OK);
            write_text(dir, name, text.s);
            base_str_add(&program, "#include \"%s\"\n", name);
            base_str_add(&all, "    if (%s_selftest() != 0) return %d;\n", prefix, (int)n);
            base_str_add(nets, "%d: %s\n", (int)n++, net);
            base_str_free(&text);
            q8_model_free(q);
        }
        free(net);
    }
    base_str_add(&program, "%s    return 0;\n}\n%s", all.s, bare);
    write_text(dir, "main.c", program.s);
    write_text(dir, "bare.ld", script);
    base_str_free(&program);
    base_str_free(&all);
}

static void every_core_computes_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *cpu, *machine;
    } core[] = {{"cortex-m0 -O2", "mps2-an385"},
                {"cortex-m0 -Os", "mps2-an385"},
                {"cortex-m3 -O2", "mps2-an385"},
                {"cortex-m4 -O2", "mps2-an386"},
                {"cortex-m55 -mfloat-abi=hard -O2", "mps3-an547"},
                {"cortex-m55 -mfloat-abi=hard -Os", "mps3-an547"}};
    if (sh("command -v arm-none-eabi-gcc >/dev/null") != 0 ||
        sh("command -v qemu-system-arm >/dev/null") != 0) {
        printf("arm-none-eabi-gcc or qemu-system-arm absent\n");
        skip();
    }
    char dir[] = "/tmp/sotto_deploy_XXXXXX";
    assert_non_null(mkdtemp(dir));
    base_str nets = {0};
    write_program(dir, &nets);
    for (size_t i = 0; i < BASE_COUNT(core); i++) {
        assert_int_equal(sh("cd %s && arm-none-eabi-gcc -mcpu=%s -mthumb -std=c99 -Wall -Wextra "
                            "-Werror -nostartfiles -T bare.ld main.c -o main.elf",
                            dir, core[i].cpu),
                         0);
        const int bad = sh("cd %s && timeout 60 qemu-system-arm -M %s -nographic -semihosting "
                           "-kernel main.elf",
                           dir, core[i].machine);
        if (bad) fail_msg("%s: model %d of\n%s", core[i].cpu, bad, nets.s);
    }
    base_str_free(&nets);
    sh("rm -rf %s", dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deployed_kernels_equal_the_plain_ones),
        cmocka_unit_test(every_core_computes_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
