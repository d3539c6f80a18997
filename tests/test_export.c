/* Exported headers, compiled and run: every compiler at hand takes them without a warning, what
 * they compute equals the host's int8 model bit for bit on random inputs, and their self-test sees
 * a table or a result that is not what it was.
 */
#include "tests/q8_nets.h"
#include "tests/shell.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAGS "-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
enum { INPUTS = 200, WIDE_NETS = 8 /* with most layers in 16 bits */ };

typedef struct fixture {
    char dir[64];
    bool gcc, clang, arm, qemu;
} fixture;

static int set_up(void **state)
{
    static const char driver[] = "#include \"model.h\"\n#include <stdio.h>\n"
                                 "int main(int argc, char **argv)\n{\n"
                                 "    int8_t in[KWS_INPUT_SIZE], out[KWS_OUTPUT_SIZE];\n"
                                 "    if (argc == 1) return kws_selftest() & 255;\n"
                                 "    FILE *f = fopen(argv[1], \"rb\");\n"
                                 "    if (!f) return 2;\n"
                                 "    while (fread(in, 1, sizeof in, f) == sizeof in) {\n"
                                 "        kws_run(in, out);\n"
                                 "        fwrite(out, 1, sizeof out, stdout);\n"
                                 "    }\n    fclose(f);\n    return 0;\n}\n";
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/sotto_export_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    char path[128];
    snprintf(path, sizeof path, "%s/driver.c", f->dir);
    assert_int_equal(base_write_file(path, driver, strlen(driver), NULL), BASE_OK);
    f->gcc = sh("command -v gcc >/dev/null") == 0;
    f->clang = sh("command -v clang >/dev/null") == 0;
    f->arm = sh("command -v arm-none-eabi-gcc >/dev/null") == 0;
    f->qemu = f->arm && sh("command -v qemu-system-arm >/dev/null") == 0;
    printf("gcc %s, clang %s, arm-none-eabi-gcc %s, qemu-system-arm %s\n",
           f->gcc ? "yes" : "absent", f->clang ? "yes" : "absent", f->arm ? "yes" : "absent",
           f->qemu ? "yes" : "absent");
    assert_true(f->gcc || f->clang);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sh("rm -rf %s", f->dir);
    free(f);
    return 0;
}

/* Net k in this form; NULL where it has none. */
static q8_model *some_model(size_t k, q8_options how)
{
    nn_model *m = q8_random_model(q8_nets[k], k);
    /* names that a careless emitter would trip over */
    m->features = base_strdup("rate = 16000\nwindow = hann\nfloor = 1e-06\n");
    m->provenance = base_strdup("note = a \\ */ /* // \"quoted\" ?\?/ end\n");
    static const char *const labels[] = {"yes", "\"no\"\\", "gr\xc3\xbcn?\?/"};
    char *block = calloc(1, 4 * sizeof(char *) + 64);
    assert_non_null(block);
    m->labels = (char **)(void *)block;
    m->n_labels = BASE_COUNT(labels);
    char *at = block + 4 * sizeof(char *);
    for (size_t i = 0; i < m->n_labels; i++) {
        m->labels[i] = strcpy(at, labels[i]);
        at += strlen(labels[i]) + 1;
    }
    nn_real *x = q8_random_inputs(m->graph, Q8_SAMPLES, k);
    how.range = Q8_RANGE_MSE;
    const bool none =
        how.weight_bits && !strstr(q8_nets[k], "conv") && !strstr(q8_nets[k], "dense");
    q8_model *q = none ? NULL : q8_quantized_as(m, x, how);
    base_free(x);
    nn_model_free(m);
    return q;
}

static char *emitted(const q8_model *q, const char *prefix)
{
    base_err err = {0};
    base_str text = {0};
    if (q8_emit(q, &(q8_export){.prefix = prefix}, &text, &err) != BASE_OK)
        fail_msg("%s", err.message);
    return text.s;
}

static void write_header(const fixture *f, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    assert_int_equal(base_write_file(path, text, strlen(text), NULL), BASE_OK);
}

/* Random inputs in a file, and what the host gives for them. */
static int8_t *host_outputs(const fixture *f, const q8_model *q)
{
    const size_t in = q8_input_size(q), out = q8_output_size(q);
    int8_t *x = base_alloc(INPUTS * in, 1), *y = base_alloc(INPUTS * out, 1);
    int8_t *work = base_alloc(q->work + 1, 1);
    assert_true(x && y && work);
    base_rng r = base_rng_at(9, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; i < INPUTS * in; i++) x[i] = (int8_t)((int)base_rng_below(&r, 256) - 128);
    for (size_t i = 0; i < INPUTS; i++) q8_run(q, x + i * in, y + i * out, work);
    char path[128];
    snprintf(path, sizeof path, "%s/in", f->dir);
    assert_int_equal(base_write_file(path, (const char *)x, INPUTS * in, NULL), BASE_OK);
    base_free(x);
    base_free(work);
    return y;
}

static void same_outputs(const fixture *f, const char *compiler, const int8_t *wanted, size_t n)
{
    char path[128], *got = NULL;
    size_t size = 0;
    assert_int_equal(sh("cd %s && %s %s -O2 driver.c -o run", f->dir, compiler, FLAGS), 0);
    assert_int_equal(sh("cd %s && ./run", f->dir), 0); /* the self-test */
    assert_int_equal(sh("cd %s && ./run in > out", f->dir), 0);
    snprintf(path, sizeof path, "%s/out", f->dir);
    assert_int_equal(base_read_file(path, 1 << 20, &got, &size, NULL), BASE_OK);
    assert_int_equal(size, n);
    assert_memory_equal(got, wanted, n);
    free(got);
}

static void headers_equal_host(const fixture *f, q8_options how)
{
    for (size_t k = 0; k < 2 * Q8_NETS; k++) {
        how.rounding = k < Q8_NETS ? Q8_TFLM : Q8_SINGLE;
        q8_model *q = some_model(k % Q8_NETS, how);
        if (!q) continue;
        char *text = emitted(q, "kws"), line[64];
        snprintf(line, sizeof line, "Rounding profile %s.", q8_rounding_name(how.rounding));
        assert_non_null(strstr(text, line));
        write_header(f, "model.h", text);
        int8_t *y = host_outputs(f, q);
        const size_t n = INPUTS * q8_output_size(q);
        if (f->gcc) same_outputs(f, "gcc", y, n);
        if (f->clang) same_outputs(f, "clang", y, n);
        if (f->arm)
            assert_int_equal(sh("cd %s && arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb %s -O2 -c "
                                "driver.c -o arm.o",
                                f->dir, FLAGS),
                             0);
        base_free(y);
        free(text);
        q8_model_free(q);
    }
}

static void header_equals_host_bit_for_bit(void **state)
{
    headers_equal_host(*state, (q8_options){.weight_bits = NULL});
}

static void so_it_does_in_16_bits(void **state)
{
    headers_equal_host(*state, (q8_options){.activations = "16"});
}

static void and_with_packed_weights(void **state)
{
    headers_equal_host(*state, (q8_options){.weight_bits = "4"});
}

/* The text with one place changed; the result is freed with free(). */
static char *changed(const char *text, const char *from, size_t skip, const char *to, size_t cut)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    at += skip;
    char *result = malloc(strlen(text) + strlen(to) + 1);
    assert_non_null(result);
    sprintf(result, "%.*s%s%s", (int)(at - text), text, to, at + cut);
    return result;
}

/* The last layer's lower bound raised: the largest outputs at least are different. */
static char *with_another_bound(const char *text, bool wide)
{
    static const char lo[] = "lo = ";
    const char *last = strstr(text, lo);
    for (const char *at = last; at; at = strstr(at + 1, lo)) last = at;
    assert_non_null(last);
    return changed(text, last, strlen(lo), wide ? "40000 + " : "90 + ", 0);
}

static int stages_of(const char *text)
{
    const char *at = strstr(text, "#define KWS_STAGES ");
    assert_non_null(at);
    return atoi(at + strlen("#define KWS_STAGES "));
}

/* A bare core: vectors, self-test, its result as the exit code of the emulator. */
static const char bare[] =
    "#include \"model.h\"\n"
    "void reset(void);\n"
    "void reset(void)\n{\n"
    "#ifdef __ARM_FEATURE_MVE\n" /* registers of Helium are switched on first */
    "    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;\n"
    "    __asm__ volatile(\"dsb\\n\\tisb\");\n"
    "#endif\n"
    "    static uint32_t block[2];\n"
    "    block[0] = 0x20026u;\n"
    "    block[1] = (uint32_t)kws_selftest();\n"
    "    register uint32_t r0 __asm__(\"r0\") = 0x20u; /* SYS_EXIT_EXTENDED */\n"
    "    register uint32_t *r1 __asm__(\"r1\") = block;\n"
    "    __asm__ volatile(\"bkpt 0xab\" : : \"r\"(r0), \"r\"(r1) : \"memory\");\n"
    "    for (;;) {\n    }\n}\n";
static const char script[] =
    "ENTRY(reset)\nMEMORY { F : ORIGIN = 0, LENGTH = 512K R : ORIGIN = 0x20000000, LENGTH = 512K "
    "}\n"
    "SECTIONS { .text : { LONG(0x20080000) LONG(reset | 1) KEEP(*(.text*)) *(.rodata*) } > F\n"
    ".bss : { *(.data*) *(.bss*) *(COMMON) } > R /DISCARD/ : { *(.ARM*) } }\n";

typedef struct core {
    const char *cpu, *machine;
} core;
static const core m0 = {"cortex-m0", "mps2-an385"}, m4 = {"cortex-m4", "mps2-an386"},
                  m55 = {"cortex-m55 -mfloat-abi=hard", "mps3-an547"};

/* The exit code of the self-test in the emulator. */
static int emulated(const fixture *f, core c, const char *header)
{
    write_header(f, "model.h", header);
    assert_int_equal(sh("cd %s && arm-none-eabi-gcc -mcpu=%s -mthumb -std=c99 -O2 "
                        "-nostartfiles -T bare.ld bare.c -o bare.elf 2>&1",
                        f->dir, c.cpu),
                     0);
    return sh("cd %s && timeout 60 qemu-system-arm -M %s -nographic -semihosting -kernel bare.elf",
              f->dir, c.machine);
}

static void a_cortex_m4_computes_the_same(void **state)
{
    const fixture *f = *state;
    if (!f->qemu) skip();
    write_header(f, "bare.c", bare);
    write_header(f, "bare.ld", script);
    for (size_t i = 0; i < Q8_NETS + WIDE_NETS; i++) {
        const bool wide = i >= Q8_NETS;
        const size_t k = wide ? i - Q8_NETS : i;
        const bool packs = !wide && i % 3 == 0 && strstr(q8_nets[k], "conv");
        q8_model *q = some_model(k, (q8_options){.rounding = i % 2 ? Q8_TFLM : Q8_SINGLE,
                                                 .activations = wide ? "16" : NULL,
                                                 .weight_bits = packs ? "4" : NULL});
        char *text = emitted(q, "kws");
        assert_int_equal(emulated(f, m4, text), 0);
        char *bad = with_another_bound(text, wide);
        assert_in_range(emulated(f, m4, bad), 1, stages_of(text));
        free(bad);
        free(text);
        q8_model_free(q);
    }
}

/* Their own forms of kernels: convolutions, bands, attention, recurrent layers. */
static void so_do_cortex_m0_and_m55(void **state)
{
    const fixture *f = *state;
    if (!f->qemu) skip();
    write_header(f, "bare.c", bare);
    write_header(f, "bare.ld", script);
    static const size_t net[] = {0, 1, 6, 8, 9, 10, 12};
    for (size_t i = 0; i < BASE_COUNT(net); i++) {
        q8_model *q = some_model(net[i], (q8_options){.rounding = i % 2 ? Q8_SINGLE : Q8_TFLM});
        char *text = emitted(q, "kws");
        assert_int_equal(emulated(f, m0, text), 0);
        assert_int_equal(emulated(f, m55, text), 0);
        free(text);
        q8_model_free(q);
    }
}

static void two_models_share_a_translation_unit(void **state)
{
    const fixture *f = *state;
    static const char both[] = "#include \"a.h\"\n#include \"b.h\"\n#include \"a.h\"\n"
                               "int main(void)\n{\n"
                               "    return a_selftest() != 0 || two_selftest() != 0;\n}\n";
    q8_model *a = some_model(0, (q8_options){.activations = "16"}),
             *b = some_model(2, (q8_options){.weight_bits = NULL});
    char *ta = emitted(a, "a"), *tb = emitted(b, "two");
    write_header(f, "a.h", ta);
    write_header(f, "b.h", tb);
    write_header(f, "both.c", both);
    assert_int_equal(
        sh("cd %s && %s %s both.c -o both && ./both", f->dir, f->gcc ? "gcc" : "clang", FLAGS), 0);
    free(ta);
    free(tb);
    q8_model_free(a);
    q8_model_free(b);
}

static int selftest_of(const fixture *f, const char *text)
{
    write_header(f, "model.h", text);
    assert_int_equal(sh("cd %s && %s -std=c99 driver.c -o run", f->dir, f->gcc ? "gcc" : "clang"),
                     0);
    return sh("cd %s && ./run", f->dir);
}

static void selftest_sees_what_is_wrong(void **state)
{
    const fixture *f = *state;
    q8_model *q = some_model(4, (q8_options){.weight_bits = NULL});
    char *text = emitted(q, "kws");
    assert_int_equal(selftest_of(f, text), 0);

    /* one more digit in the first weight of the last layer: the checksum sees it */
    const char weight[] = "kws_1_y_gemm_weight[] SOTTO_ALIGNED = {\n    ";
    char *bad = changed(text, weight, strlen(weight), "1 + ", 0);
    assert_int_equal(selftest_of(f, bad), 255);
    free(bad);

    /* the tables are whole, but what is computed is not: the first stage is named */
    const char zero[] = "gemm.scale.zero = "; /* of the last layer */
    bad = changed(text, zero, strlen(zero), "7 + ", 0);
    assert_int_equal(selftest_of(f, bad), stages_of(text));
    free(bad);

    /* a table that lacks an element does not compile */
    bad = changed(text, weight, strlen(weight), "",
                  strcspn(strstr(text, weight) + strlen(weight), ",") + 1);
    write_header(f, "model.h", bad);
    assert_int_not_equal(
        sh("cd %s && %s -std=c99 driver.c -o run 2>/dev/null", f->dir, f->gcc ? "gcc" : "clang"),
        0);
    free(bad);
    free(text);
    q8_model_free(q);
}

/* Compiled without floating-point registers, what it takes from outside is memcmp at most. */
static void check_needs(const fixture *f, const char *activations)
{
    static const char unit[] = "#include \"model.h\"\n"
                               "int all(const int8_t *in, int8_t *out);\n"
                               "int all(const int8_t *in, int8_t *out)\n{\n"
                               "    kws_run(in, out);\n    return kws_selftest();\n}\n";
    q8_model *q = some_model(1, (q8_options){.activations = activations});
    char *text = emitted(q, "kws");
    assert_null(strstr(text, "#include \""));
    write_header(f, "model.h", text);
    write_header(f, "unit.c", unit);
    const char *compiler = f->gcc ? "gcc" : "clang";
    assert_int_equal(
        sh("cd %s && %s -mgeneral-regs-only %s -O2 -c unit.c -o unit.o", f->dir, compiler, FLAGS),
        0);
    assert_int_equal(sh("cd %s && ! nm -u unit.o | grep -v 'memcmp\\|memcpy\\|memset'", f->dir), 0);
    if (f->arm) { /* no FPU: any float would call __aeabi_f..., __aeabi_d... */
        assert_int_equal(sh("cd %s && arm-none-eabi-gcc -mcpu=cortex-m0 %s -Os -c unit.c -o m0.o",
                            f->dir, FLAGS),
                         0);
        assert_int_equal(
            sh("cd %s && ! arm-none-eabi-nm -u m0.o | grep '__aeabi_[fd]\\|alloc'", f->dir), 0);
    }
    free(text);
    q8_model_free(q);
}

static void inference_needs_no_float_and_no_heap(void **state)
{
    check_needs(*state, NULL);
    check_needs(*state, "16");
}

static void prefixes_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "KWS",   "1a",
                                      "a-b", "sotto", "a_name_that_is_far_too_long"};
    q8_model *q = some_model(4, (q8_options){.weight_bits = NULL});
    for (size_t i = 0; i < BASE_COUNT(bad); i++) {
        base_err err = {0};
        base_str text = {0};
        assert_int_equal(q8_emit(q, &(q8_export){.prefix = bad[i]}, &text, &err), BASE_USAGE);
        assert_int_not_equal(err.hint[0], 0);
        base_str_free(&text);
    }
    q8_model_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_equals_host_bit_for_bit),
        cmocka_unit_test(so_it_does_in_16_bits),
        cmocka_unit_test(and_with_packed_weights),
        cmocka_unit_test(a_cortex_m4_computes_the_same),
        cmocka_unit_test(so_do_cortex_m0_and_m55),
        cmocka_unit_test(two_models_share_a_translation_unit),
        cmocka_unit_test(selftest_sees_what_is_wrong),
        cmocka_unit_test(inference_needs_no_float_and_no_heap),
        cmocka_unit_test(prefixes_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
