/* fit_latency: derive the latency coefficients of quantize/targets/ from counted instructions and
 * published times, and say how far off they are. The cycles of a layer are
 *   S (b MACs + r kernel rows + a outputs)    by kind of layer: model A with a term for rows,
 * one shape per kernel library and instruction set, one scale S per core, then one per board.
 *
 * Shape: instructions by layer, counted under QEMU, least squares in relative error. [cycles] are
 *   the kernels of quantize/runtime/ (bench/kernel_instructions.csv); [cmsis-nn] are those of
 *   CMSIS-NN (mcu_qemu_instr.csv of the reference).
 * Scale: cycles an instruction takes. Where CMSIS-NN was counted and timed (microTVM on MLPerf
 *   Tiny), their quotient; else that of the Cortex-M4 times the quotient of the cycles that one
 *   library needs on both boards. mcu_latency_truth.csv has the published times.
 * Held out: published times that enter no coefficient.
 *
 *   build/release/bench/fit_latency [REFERENCE_DIR [COUNTS.csv]]    report, then the keys
 *   build/release/bench/fit_latency --tsv [...]    "profile section key value" as the profiles
 *                                                  must have them (bench/update_targets.sh)
 */
#include "bench/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64 /* layers of one kind, pairs of measurements */

typedef struct shape {
    double conv_mac, conv_row, conv_out, dw_mac, dw_row, dw_out, fc_mac, fc_out, pool_in, add_out;
    double worst; /* largest relative error over the layers fitted */
} shape;

/* A quotient of cycles, with how far single measurements lie from the mean of the others. */
typedef struct scale {
    double value, left_out;
    int n;
} scale;

typedef struct fit {
    bench_csv own, layers, truth;
    shape own_v7, own_v6, dsp, plain, v6, mve;
    scale m4, nrf5340, m55, f746, h7a3, u575, u385, g0b1, rx;
    double transfer;
    FILE *talk;
} fit;

static const char *const NETS[] = {"kws", "ad", "vww", "ic"};
static const char *const MODELS[] = {
    "MLPerfTiny KWS DS-CNN int8", "MLPerfTiny AD FC-autoencoder int8",
    "MLPerfTiny VWW MobileNetV1-0.25 96x96 int8", "MLPerfTiny IC ResNet-8 int8"};
static const char M4_BOARD[] = "NUCLEO-L4R5ZI";
static const char PLAIN_M3[] = "Cortex-M3";
static const char PLAIN_M0[] = "Cortex-M0+ (armv6-m code run on qemu M3)";
static const char TIMED[] = "arm_convolve_s8 V2.0.4"; /* the CMSIS-NN that microTVM took */

static double number(const char *s)
{
    double v = 0;
    return base_parse_double(s, &v) ? v : (double)NAN;
}

/* "25x5x64" to the product of its numbers. */
static double volume(const char *s)
{
    double v = 1;
    for (const char *p = s; *p;) {
        v *= strtod(p, NULL);
        p += strcspn(p, "x");
        p += *p == 'x';
    }
    return v;
}

/* ---- shape ---- */

/* Work of a layer by term, and its instructions. */
typedef struct sample {
    double term[3], cost; /* MACs, kernel rows, outputs (pooling: inputs) */
} sample;

/* Solve a 3x3 symmetric system by elimination; terms that no sample has (zero diagonal) get 0. */
static void solve3(double a[3][4], double x[3])
{
    for (int i = 0; i < 3; i++) {
        if (a[i][i] <= 1e-12) a[i][i] = 1, a[i][3] = 0;
        for (int k = 0; k < 3; k++) {
            double f = k == i ? 0 : a[k][i] / a[i][i];
            for (int j = i; j < 4 && k != i; j++) a[k][j] -= f * a[i][j];
        }
    }
    for (int i = 0; i < 3; i++) x[i] = a[i][3] / a[i][i];
}

/* Least squares of cost = sum x[i] term[i] in relative error over the terms that `with` asks for;
 * returns the largest residual. */
static double least_squares(const sample *s, int n, const bool with[3], double x[3])
{
    double a[3][4] = {{0}}, worst = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 3; j++) {
            if (!with[j]) continue;
            double p = s[i].term[j] / s[i].cost;
            for (int k = 0; k < 3; k++) a[j][k] += with[k] ? p * s[i].term[k] / s[i].cost : 0;
            a[j][3] += p;
        }
    solve3(a, x);
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < 3; j++) sum += x[j] * s[i].term[j];
        worst = fmax(worst, fabs(sum / s[i].cost - 1));
    }
    return worst;
}

/* The layers of one kind on one core and library. At least 10,000 MACs where it has any: smaller
 * ones are call overhead. CMSIS-NN takes depthwise kernels other than 3x3 by a slow generic path:
 * left out. */
static int collect(const bench_csv *t, const char *core, const char *library, const char *op,
                   sample *s)
{
    int n = 0;
    bool own = *bench_csv_get(t, 1, "rows") != 0;
    for (size_t r = 1; r < t->rows && n < ROWS_MAX; r++) {
        const char *kernel = bench_csv_get(t, r, "kernel");
        if (strcmp(bench_csv_get(t, r, "core"), core) || strcmp(bench_csv_get(t, r, "op"), op) ||
            !strstr(bench_csv_get(t, r, "kernel_library"), library) ||
            (!own && strcmp(bench_csv_get(t, r, "opt"), "-O3")))
            continue;
        double mac = number(bench_csv_get(t, r, "macs"));
        if (mac > 0 && mac < 10000) continue;
        if (!strcmp(op, "DEPTHWIS") && strcmp(kernel, "3x3")) continue;
        double out = volume(bench_csv_get(t, r, !strcmp(op, "AVGPOOL") ? "in" : "out"));
        s[n++] = (sample){{mac, out * strtod(kernel, NULL), out},
                          number(bench_csv_get(t, r, "instructions"))};
    }
    return n;
}

static const bool MAC_ROW_OUT[3] = {true, true, true}, MAC_OUT[3] = {true, false, true},
                  OUT[3] = {false, false, true};

static void say_shape(const fit *f, const char *what, const shape *h, const double worst[5])
{
    fprintf(f->talk,
            "shape of %s, instructions:\n"
            "  conv  %6.3f per MAC + %6.2f per row + %7.2f per output   worst layer %4.1f %%\n"
            "  dw    %6.3f per MAC + %6.2f per row + %7.2f per output   worst layer %4.1f %%\n"
            "  fc    %6.3f per MAC                  + %7.2f per output   worst layer %4.1f %%\n"
            "  pool  %6.2f per input   worst layer %4.1f %%\n"
            "  add   %6.2f per output  worst layer %4.1f %%\n",
            what, h->conv_mac, h->conv_row, h->conv_out, 100 * worst[0], h->dw_mac, h->dw_row,
            h->dw_out, 100 * worst[1], h->fc_mac, h->fc_out, 100 * worst[2], h->pool_in,
            100 * worst[3], h->add_out, 100 * worst[4]);
}

static shape fit_shape(const fit *f, const bench_csv *t, const char *core, const char *library)
{
    bool own = t == &f->own;
    sample s[ROWS_MAX];
    shape h = {0};
    double x[3], worst[5] = {0};
    int n = collect(t, core, library, own ? "conv" : "CONV_2D", s);
    worst[0] = least_squares(s, n, MAC_ROW_OUT, x);
    h.conv_mac = x[0], h.conv_row = x[1], h.conv_out = x[2];
    n = collect(t, core, library, own ? "dense" : "FC", s);
    worst[2] = least_squares(s, n, MAC_OUT, x);
    h.fc_mac = x[0], h.fc_out = x[2];
    n = collect(t, core, library, own ? "depthwise" : "DEPTHWIS", s);
    worst[1] = least_squares(s, n, own ? MAC_ROW_OUT : OUT, x);
    h.dw_mac = x[0], h.dw_row = x[1], h.dw_out = x[2];
    if (!own) {
        /* all layers are 3x3, so MACs and outputs cannot be told apart; an output does what a
         * dense layer's does (bias, requantize, clamp, store), the rest is MACs */
        h.dw_out = h.fc_out;
        h.dw_mac = (x[2] - h.dw_out) / 9;
    }
    n = collect(t, core, library, own ? "pool" : "AVGPOOL", s);
    worst[3] = least_squares(s, n, OUT, x);
    h.pool_in = x[2];
    n = collect(t, core, library, own ? "add" : "ADD", s);
    worst[4] = least_squares(s, n, OUT, x);
    h.add_out = x[2];
    for (int i = 0; i < 5; i++) h.worst = fmax(h.worst, worst[i]);
    char what[120];
    snprintf(what, sizeof what, "%s, %s", own ? "quantize/runtime" : "CMSIS-NN", core);
    say_shape(f, what, &h, worst);
    return h;
}

/* Instructions of a whole network by a shape; its layers are those of the counted rows. */
static double predict(const bench_csv *t, const shape *h, const char *net)
{
    double sum = 0;
    for (size_t r = 1; r < t->rows; r++) {
        const char *op = bench_csv_get(t, r, "op");
        if (strcmp(bench_csv_get(t, r, "core"), PLAIN_M3) ||
            strcmp(bench_csv_get(t, r, "net"), net) || !strcmp(op, "TOTAL"))
            continue;
        double mac = number(bench_csv_get(t, r, "macs")), out = volume(bench_csv_get(t, r, "out"));
        double row = out * strtod(bench_csv_get(t, r, "kernel"), NULL);
        if (!strcmp(op, "CONV_2D"))
            sum += h->conv_mac * mac + h->conv_row * row + h->conv_out * out;
        if (!strcmp(op, "DEPTHWIS")) sum += h->dw_mac * mac + h->dw_row * row + h->dw_out * out;
        if (!strcmp(op, "FC")) sum += h->fc_mac * mac + h->fc_out * out;
        if (!strcmp(op, "AVGPOOL")) sum += h->pool_in * volume(bench_csv_get(t, r, "in"));
        if (!strcmp(op, "ADD")) sum += h->add_out * out;
    }
    return sum;
}

/* ---- scale ---- */

/* Cycles of a network under a framework (prefix of its name) on a board, NAN when not published.
 * Rows that change the task (weights in RAM, float, other clock, channels dropped) do not count. */
static double cycles(const bench_csv *t, const char *framework, const char *board,
                     const char *model)
{
    static const char *const other[] = {"copied to RAM",  "RAM-optimised",        "energy-mode",
                                        "float32",        "ACCELERATED",          "reproduction",
                                        "with profiling", "removes dead channels"};
    for (size_t r = 1; r < t->rows; r++) {
        const char *note = bench_csv_get(t, r, "note");
        bool skip = strncmp(bench_csv_get(t, r, "framework"), framework, strlen(framework)) ||
                    strcmp(bench_csv_get(t, r, "board"), board) ||
                    strcmp(bench_csv_get(t, r, "model"), model);
        for (size_t i = 0; i < BASE_COUNT(other); i++) skip = skip || strstr(note, other[i]);
        double ms = number(bench_csv_get(t, r, "latency_ms"));
        if (!skip && ms > 0) return ms * 1e3 * number(bench_csv_get(t, r, "clock_mhz"));
    }
    return (double)NAN;
}

static double counted(const bench_csv *t, const char *core, const char *library, const char *net)
{
    for (size_t r = 1; r < t->rows; r++)
        if (!strcmp(bench_csv_get(t, r, "core"), core) &&
            strstr(bench_csv_get(t, r, "kernel_library"), library) &&
            !strcmp(bench_csv_get(t, r, "opt"), "-O3") &&
            !strcmp(bench_csv_get(t, r, "net"), net) && !strcmp(bench_csv_get(t, r, "op"), "TOTAL"))
            return number(bench_csv_get(t, r, "instructions"));
    return (double)NAN;
}

/* Geometric mean; left_out is the largest deviation of one from the mean of the others. */
static scale summarize(const double *v, int n)
{
    scale s = {.n = n};
    double sum = 0;
    for (int i = 0; i < n; i++) sum += log(v[i]);
    s.value = exp(sum / n);
    for (int i = 0; i < n; i++) {
        double rest = n > 1 ? exp((sum - log(v[i])) / (n - 1)) : s.value;
        s.left_out = fmax(s.left_out, fabs(rest / v[i] - 1));
    }
    return s;
}

/* Cycles per instruction of a core: the same kernels timed on silicon and counted. */
static scale per_instruction(const fit *f, const char *framework, const char *board,
                             const char *core, const char *library)
{
    double v[4];
    int n = 0;
    for (int i = 0; i < 4; i++) {
        double c = cycles(&f->truth, framework, board, MODELS[i]);
        double k = counted(&f->layers, core, library, NETS[i]);
        if (isfinite(c) && isfinite(k)) v[n++] = c / k;
    }
    scale s = summarize(v, n);
    fprintf(f->talk, "cycles per instruction, %s (%s): %.3f, n %d, left out %.1f %%\n", board,
            framework, s.value, n, 100 * s.left_out);
    return s;
}

/* Quotient of the cycles of a board and of another, over every library and network that both
 * have, times the other's scale. */
static scale quotient(const fit *f, const char *board, const char *other, scale base)
{
    static const char *const libraries[] = {
        "Bosch HALE 1.0",  "Bosch HALE 1.0.175", "X-CUBE-AI 7.1.0",
        "X-CUBE-AI 7.3.0", "X-CUBE-AI 8.1.0",    "X-CUBE-AI 9.0.0",
        "X-CUBE-AI 10.2",  "Plumerai (2022.10)", "Plumerai 2023.05"};
    double v[ROWS_MAX];
    int n = 0;
    for (size_t l = 0; l < BASE_COUNT(libraries); l++)
        for (int i = 0; i < 4; i++) {
            double a = cycles(&f->truth, libraries[l], board, MODELS[i]);
            double b = cycles(&f->truth, libraries[l], other, MODELS[i]);
            if (isfinite(a) && isfinite(b)) v[n++] = a / b;
        }
    scale s = summarize(v, n);
    fprintf(f->talk, "cycles, %s / %s: %.3f, n %d, left out %.1f %%\n", board, other, s.value, n,
            100 * s.left_out);
    s.value *= base.value;
    s.left_out = hypot(s.left_out, base.left_out);
    return s;
}

/* ---- held out ---- */

/* Estimates of a framework's networks against its published cycles; the largest factor less 1. */
static double compare(const fit *f, const char *framework, const char *board, const shape *h,
                      double per)
{
    double worst = 0;
    for (int i = 0; i < 4; i++) {
        double c = cycles(&f->truth, framework, board, MODELS[i]);
        double p = per * predict(&f->layers, h, NETS[i]);
        if (!isfinite(c)) continue;
        fprintf(f->talk, "  %-26s %-14s %-4s %8.0f k published %8.0f k estimated %+6.1f %%\n",
                framework, board, NETS[i], c / 1e3, p / 1e3, 100 * (p / c - 1));
        worst = fmax(worst, fmax(p / c, c / p) - 1);
    }
    return worst;
}

/* The factor between a core and the Cortex-M4 in TinyMaix (portable C), VWW. */
static double portable_c(const fit *f, const char *board)
{
    static const char *const m4[] = {"AT32F403A", "STM32G474RE", "STM32F411CE", "STM32L496"};
    static const char model[] = "VWW96 MobileNetV1-0.25 96x96x3 int8";
    double sum = 0;
    for (size_t i = 0; i < BASE_COUNT(m4); i++)
        sum += log(cycles(&f->truth, "TinyMaix", m4[i], model));
    double factor = cycles(&f->truth, "TinyMaix", board, model) / exp(sum / BASE_COUNT(m4));
    fprintf(f->talk, "portable C (TinyMaix, VWW), %s / Cortex-M4: %.2f\n", board, factor);
    return factor;
}

/* ---- results ---- */

static void put_shape(const char *profile, const char *section, const shape *h, double s)
{
    const struct {
        const char *key;
        double v;
    } k[] = {{"conv_mac", h->conv_mac}, {"conv_row", h->conv_row}, {"conv_out", h->conv_out},
             {"dw_mac", h->dw_mac},     {"dw_row", h->dw_row},     {"dw_out", h->dw_out},
             {"fc_mac", h->fc_mac},     {"fc_out", h->fc_out},     {"pool_in", h->pool_in},
             {"add_out", h->add_out}};
    for (size_t i = 0; i < BASE_COUNT(k); i++)
        printf("%s\t%s\t%s\t%.4g\n", profile, section, k[i].key, s * k[i].v);
}

/* cmsis NULL: CMSIS-NN does not exist for it or nobody timed it. */
static void put_core(const char *name, const shape *own, const shape *cmsis, double s, double error)
{
    char profile[64];
    snprintf(profile, sizeof profile, "core-%s", name);
    put_shape(profile, "cycles", own, s);
    if (!cmsis) return;
    put_shape(profile, "cmsis-nn", cmsis, s);
    printf("%s\tcmsis-nn\terror_percent\t%.0f\n", profile, 5 * ceil(20 * error));
}

/* Error: the scale on other code than it was measured with, and the scale's own. */
static void put_board(const fit *f, const char *name, double relative, double own)
{
    printf("%s\tlatency\tscale\t%.3g\n", name, relative);
    printf("%s\tlatency\terror_percent\t%.0f\n", name, 5 * ceil(20 * hypot(f->transfer, own)));
}

/* Boards that nobody timed take the core's scale. A board with the same core and the same code took
 * 1.14 times the cycles (PSoC 62 and STM32L4R5; note of mcu_boards.csv): so far boards differ. */
static void put_untimed(const fit *f)
{
    static const char *const m4[] = {"arduino-nano-33-ble", "nucleo-f446re", "sparkfun-edge",
                                     "apollo4-plus-evb",    "max78000evkit", "numaker-m467hj"};
    static const char *const m33[] = {"nrf54l15-dk", "xg24-dk2601b", "ek-ra6m4"};
    const double boards = 1.14;
    for (size_t i = 0; i < BASE_COUNT(m4); i++)
        put_board(f, m4[i], 1, hypot(f->m4.left_out, boards - 1));
    for (size_t i = 0; i < BASE_COUNT(m33); i++)
        put_board(f, m33[i], 1, hypot(f->u575.left_out, boards - 1));
    put_board(f, "nucleo-h743zi", 1, hypot(f->h7a3.left_out, boards - 1));
    put_board(f, "cy8cproto-062-4343w", boards, f->m4.left_out);
}

static void results(const fit *f)
{
    double m33 = sqrt(f->nrf5340.value * f->u575.value);
    double m7 = sqrt(f->f746.value * f->h7a3.value);
    double lx6 = portable_c(f, "ESP32"), lx7 = portable_c(f, "ESP32-S3"),
           rv32 = portable_c(f, "ESP32-C3");
    double e4 = hypot(f->transfer, f->m4.left_out), e7 = hypot(e4, f->h7a3.left_out);
    put_core("cortex-m4", &f->own_v7, &f->dsp, f->m4.value, e4);
    put_core("cortex-m33", &f->own_v7, &f->dsp, m33, hypot(e4, f->nrf5340.left_out));
    put_core("cortex-m7", &f->own_v7, &f->dsp, m7, e7);
    put_core("cortex-m3", &f->own_v7, &f->plain, f->m4.value, 1);
    put_core("cortex-m0plus", &f->own_v6, &f->v6, f->m4.value, 1);
    put_core("cortex-m55", &f->own_v7, &f->mve, f->m55.value, 1);
    put_core("cortex-m85", &f->own_v7, NULL, m7, 0);
    put_core("xtensa-lx6", &f->own_v7, NULL, f->m4.value * lx6, 0);
    put_core("xtensa-lx7", &f->own_v7, NULL, f->m4.value * lx7, 0);
    put_core("rv32imc", &f->own_v7, NULL, f->m4.value * rv32, 0);
    put_core("rxv2", &f->own_v7, NULL, f->rx.value, 0);
    put_board(f, "nucleo-l4r5zi", 1, f->m4.left_out);
    put_board(f, "nrf5340-dk", f->nrf5340.value / m33, f->nrf5340.left_out);
    put_board(f, "nucleo-u575zi-q", f->u575.value / m33, f->u575.left_out);
    put_board(f, "b-u585i-iot02a", f->u575.value / m33, f->u575.left_out);
    put_board(f, "nucleo-u385rg-q", f->u385.value / m33, f->u385.left_out);
    put_board(f, "stm32f746g-disco", f->f746.value / m7, f->f746.left_out);
    put_board(f, "nucleo-h7a3zi-q", f->h7a3.value / m7, f->h7a3.left_out);
    put_untimed(f);
}

static void run(fit *f)
{
    f->own_v7 = fit_shape(f, &f->own, "cortex-m4", "");
    f->own_v6 = fit_shape(f, &f->own, "cortex-m0plus", "");
    f->dsp = fit_shape(f, &f->layers, "Cortex-M4", TIMED);
    f->plain = fit_shape(f, &f->layers, PLAIN_M3, "2026");
    f->v6 = fit_shape(f, &f->layers, PLAIN_M0, "2026");
    f->mve = fit_shape(f, &f->layers, "Cortex-M55", "V3.5.0");
    f->m4 = per_instruction(f, "microTVM + CMSIS-NN", M4_BOARD, "Cortex-M4", TIMED);
    f->nrf5340 = per_instruction(f, "microTVM + CMSIS-NN", "nRF5340-DK", "Cortex-M33", "V2.0.4");
    f->m55 = per_instruction(f, "TFLM + CMSIS-NN (MVE)", "Apollo510 EVB", "Cortex-M55", "V3.5.0");
    f->rx = per_instruction(f, "TFLM + CMSIS-NN port to RX", "RX65N-Cloud-Kit", "Cortex-M4", TIMED);
    f->f746 = quotient(f, "DISCO-F746NG", M4_BOARD, f->m4);
    f->h7a3 = quotient(f, "NUCLEO-H7A3ZI-Q", M4_BOARD, f->m4);
    f->u575 = quotient(f, "NUCLEO-U575ZI-Q", M4_BOARD, f->m4);
    f->u385 = quotient(f, "NUCLEO-U385RG-Q", "NUCLEO-U575ZI-Q", f->u575);
    f->g0b1 = quotient(f, "NUCLEO-G0B1RE", M4_BOARD, f->m4);
    fprintf(f->talk, "in the fit: CMSIS-NN shape and scale against the times that set the scale\n");
    compare(f, "microTVM + CMSIS-NN", M4_BOARD, &f->dsp, f->m4.value);
    compare(f, "microTVM + CMSIS-NN", "nRF5340-DK", &f->dsp, f->nrf5340.value);
    fprintf(f->talk, "held out: CMSIS-NN in other runtimes, other builds\n");
    f->transfer = fmax(compare(f, "TFLM + CMSIS-NN (2023)", M4_BOARD, &f->dsp, f->m4.value),
                       compare(f, "ONNC + CMSIS-NN (Zephyr)", M4_BOARD, &f->dsp, f->m4.value));
    fprintf(f->talk, "  largest factor: %.2f\n", 1 + f->transfer);
    fprintf(f->talk, "for comparison: compiled C of others, and Armv6-M by another library\n");
    compare(f, "microTVM native schedules", M4_BOARD, &f->plain, f->m4.value);
    compare(f, "TFLM 2.3.1", M4_BOARD, &f->plain, f->m4.value);
    compare(f, "Bosch HALE 1.0", "NUCLEO-G0B1RE", &f->v6, f->m4.value);
    fprintf(f->talk, "the kernels of quantize/runtime on the same networks\n");
    compare(f, "microTVM + CMSIS-NN", M4_BOARD, &f->own_v7, f->m4.value);
}

int main(int argc, char **argv)
{
    bool tsv = argc > 1 && !strcmp(argv[1], "--tsv");
    const char *dir = argc > 1 + tsv ? argv[1 + tsv] : getenv("SOTTO_REFERENCE");
    const char *own = argc > 2 + tsv ? argv[2 + tsv] : "bench/kernel_instructions.csv";
    base_err err = {0};
    fit f = {.talk = tsv ? fopen("/dev/null", "w") : stdout};
    if (!dir) {
        dir = "../shared/reference";
        if (!base_is_dir(dir)) {
            printf("the published figures are not here: give their folder or SOTTO_REFERENCE\n");
            return 0;
        }
    }
    char *layers = base_path(dir, "mcu_qemu_instr.csv");
    char *truth = base_path(dir, "mcu_latency_truth.csv");
    base_status status = layers && truth && f.talk ? BASE_OK : base_nomem(&err, strlen(dir));
    if (status == BASE_OK) status = bench_csv_read(own, &f.own, &err);
    if (status == BASE_OK) status = bench_csv_read(layers, &f.layers, &err);
    if (status == BASE_OK) status = bench_csv_read(truth, &f.truth, &err);
    if (status == BASE_OK) {
        run(&f);
        results(&f);
    } else {
        fprintf(stderr, "fit_latency: %s\n", err.message);
    }
    bench_csv_free(&f.own);
    bench_csv_free(&f.layers);
    bench_csv_free(&f.truth);
    free(layers);
    free(truth);
    if (tsv && f.talk) fclose(f.talk);
    return status == BASE_OK ? 0 : 1;
}
