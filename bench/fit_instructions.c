/* fit_instructions: the table of quantize/targets/instructions.ini from counted instructions.
 *
 *   fit_instructions [--ini] [--opt -O2] QEMU.csv COUNTS.csv...
 *
 * QEMU.csv: CMSIS-NN by layer, mcu_qemu_instr.csv of the reference. COUNTS.csv: layers of
 * quantize/runtime/ as exported code runs them, in columns of any order
 *   isa,opt,op,variant,out,macs,pixels,rows,weights,instructions  and, if told, net
 * with op a kernel and variant its size or nothing; op `frame` is a frame of features and variant
 * their settings (bench/features.h), taken from the first core of the instruction set. A kernel
 * that a later file has is not taken from an earlier one. Without --ini a report: how far the rules
 * are off by layer and by network.
 */
#include "bench/features.h"
#include "bench/fit.h"

#include <string.h>

typedef struct section {
    const char *library, *isa, *core, *version, *opt, *source;
} section;

/* What of CMSIS-NN was counted. TFLM builds its kernels with -O2. */
static const section cmsis[] = {
    {"cmsis-nn", "armv6-m", "Cortex-M0+", "2026", "-O3", "CMSIS-NN 99f736a6, GCC 12 -O3"},
    {"cmsis-nn", "armv7-m", "Cortex-M3", "2026", "-O3", "CMSIS-NN 99f736a6, GCC 12 -O3"},
    {"cmsis-nn", "armv7e-m", "Cortex-M4", "2026", "-O2", "CMSIS-NN 99f736a6, GCC 12 -O2"},
    {"cmsis-nn", "armv8.1-m.mve", "Cortex-M55", "2026", "-O3", "CMSIS-NN 99f736a6, GCC 12 -O3"},
};

static void print_rules(const char *library, const char *isa, const quant_table *t)
{
    printf("\n[%s %s]\nsource = %s\nerror_percent = %.1f\n", library, isa, t->source, t->error);
    for (int i = 0; i < t->n; i++) {
        const quant_rule *r = &t->rule[i];
        printf("%s =", r->kernel);
        for (int k = 0; k < QUANT_TERMS; k++) printf(" %.5g", r->per[k]);
        printf(" %d %.1f %.1f\n", r->samples, r->median, r->worst);
    }
}

/* Fit and print a section. */
static base_status put(const char *library, const char *isa, const char *source,
                       const fit_samples *s, bool ini, base_err *err)
{
    quant_table t = {0};
    if (!fit_table(s, &t))
        return base_fail(err, BASE_FAILED, "%s %s: no rules fit the counts", library, isa);
    snprintf(t.source, sizeof t.source, "%s", source);
    if (!ini) printf("%s %s\n", library, isa);
    const fit_summary nets = fit_nets(s, &t, ini ? NULL : stdout);
    t.error = fmax(nets.worst, nets.n_held ? nets.held_median : 0);
    if (ini) {
        print_rules(library, isa, &t);
        return BASE_OK;
    }
    for (int i = 0; i < t.n; i++)
        printf("  %-24s %2d layers, median %4.1f %%, worst %4.1f %%\n", t.rule[i].kernel,
               t.rule[i].samples, t.rule[i].median, t.rule[i].worst);
    if (nets.n)
        printf("  networks %d, median %.1f %%, worst %.1f %%; held out %d, median %.1f %%, worst "
               "%.1f %%\n",
               nets.n, nets.median, nets.worst, nets.n_held, nets.held_median, nets.held_worst);
    return BASE_OK;
}

static base_status put_cmsis(const char *path, bool ini, base_err *err)
{
    bench_csv counts;
    BASE_TRY(bench_csv_read(path, &counts, err));
    base_status status = BASE_OK;
    for (size_t i = 0; i < BASE_COUNT(cmsis) && status == BASE_OK; i++) {
        const section *c = &cmsis[i];
        fit_samples s;
        status = fit_cmsis_samples(&counts, c->core, c->version, c->opt, &s, err);
        if (status == BASE_OK) status = put(c->library, c->isa, c->source, &s, ini, err);
        free(s.sample);
    }
    bench_csv_free(&counts);
    return status;
}

/* ---- our own ---- */

static base_status frame_sample(const char *features, fit_sample *s, base_err *err)
{
    dsp_config cfg;
    BASE_TRY(bench_features(features, &cfg, err));
    quant_frame_work(&cfg, s->work);
    snprintf(s->kernel, sizeof s->kernel, "frame");
    snprintf(s->net, sizeof s->net, "%s", features);
    return BASE_OK;
}

static base_status own_sample(const bench_csv *t, size_t r, fit_sample *s, base_err *err)
{
    const char *op = bench_csv_get(t, r, "op"), *variant = bench_csv_get(t, r, "variant");
    snprintf(s->net, sizeof s->net, "%s", bench_csv_get(t, r, "net"));
    s->instructions = fit_number(bench_csv_get(t, r, "instructions"));
    if (strcmp(op, "frame") == 0) {
        BASE_TRY(frame_sample(variant, s, err));
    } else {
        snprintf(s->kernel, sizeof s->kernel, "%s%s%s", op, *variant ? "." : "", variant);
        s->work[QUANT_MAC] = fit_number(bench_csv_get(t, r, "macs"));
        s->work[QUANT_OUT] = fit_number(bench_csv_get(t, r, "out"));
        s->work[QUANT_LAYER] = 1;
        quant_recurrent_work(op, fit_number(bench_csv_get(t, r, "pixels")),
                             fit_number(bench_csv_get(t, r, "weights")), s->work);
        const bool gathers = strncmp(op, "conv2d", 6) == 0 || strcmp(op, "separable") == 0;
        if (gathers || strncmp(op, "dwconv2d", 8) == 0) {
            s->work[QUANT_ROW] = fit_number(bench_csv_get(t, r, "rows"));
            s->work[QUANT_PIXEL] = fit_number(bench_csv_get(t, r, "pixels"));
        }
        if (strcmp(op, "trees") == 0) s->work[QUANT_ROW] = fit_number(bench_csv_get(t, r, "rows"));
        if (gathers)
            s->work[QUANT_PATCH] = s->work[QUANT_MAC] * s->work[QUANT_PIXEL] / s->work[QUANT_OUT];
    }
    bool good = s->instructions > 0;
    for (int i = 0; i < QUANT_TERMS; i++) good = good && isfinite(s->work[i]) && s->work[i] >= 0;
    return good ? BASE_OK : base_fail(err, BASE_DATA, "row %zu: %s: a number is missing", r, op);
}

/* Whether a later file counts this kernel for this instruction set: then it is taken from there. */
static bool is_counted_later(const bench_csv *csv, int files, int f, size_t r)
{
    for (int g = f + 1; g < files; g++)
        for (size_t k = 1; k < csv[g].rows; k++)
            if (strcmp(bench_csv_get(&csv[g], k, "isa"), bench_csv_get(&csv[f], r, "isa")) == 0 &&
                strcmp(bench_csv_get(&csv[g], k, "op"), bench_csv_get(&csv[f], r, "op")) == 0)
                return true;
    return false;
}

/* Whether these features were counted on an earlier core of the instruction set. */
static bool is_counted_before(const bench_csv *csv, size_t r)
{
    for (size_t k = 1; k < r; k++)
        if (strcmp(bench_csv_get(csv, k, "isa"), bench_csv_get(csv, r, "isa")) == 0 &&
            strcmp(bench_csv_get(csv, k, "variant"), bench_csv_get(csv, r, "variant")) == 0)
            return true;
    return false;
}

/* The layers of an instruction set; frames of features or kernels. */
static base_status own_samples(const bench_csv *csv, int files, const char *isa, const char *opt,
                               bool frames, fit_samples *out, base_err *err)
{
    size_t rows = 0;
    for (int f = 0; f < files; f++) rows += csv[f].rows;
    *out = (fit_samples){calloc(rows, sizeof(fit_sample)), 0};
    if (!out->sample) return base_nomem(err, rows * sizeof(fit_sample));
    for (int f = 0; f < files; f++)
        for (size_t r = 1; r < csv[f].rows; r++) {
            const bool frame = strcmp(bench_csv_get(&csv[f], r, "op"), "frame") == 0;
            if (strcmp(bench_csv_get(&csv[f], r, "isa"), isa) != 0 ||
                strcmp(bench_csv_get(&csv[f], r, "opt"), opt) != 0 || frame != frames ||
                is_counted_later(csv, files, f, r) || (frame && is_counted_before(&csv[f], r)))
                continue;
            BASE_TRY(own_sample(&csv[f], r, &out->sample[out->n++], err));
        }
    return BASE_OK;
}

static bool isa_is_new(const bench_csv *csv, int f, size_t r)
{
    const char *isa = bench_csv_get(&csv[f], r, "isa");
    for (int g = 0; g <= f; g++)
        for (size_t k = 1; k < (g == f ? r : csv[g].rows); k++)
            if (strcmp(bench_csv_get(&csv[g], k, "isa"), isa) == 0) return false;
    return true;
}

static base_status put_own(const bench_csv *csv, int files, const char *opt, bool ini,
                           base_err *err)
{
    char source[QUANT_TEXT];
    snprintf(source, sizeof source, "counted here under QEMU, GCC 12 %s", opt);
    for (int f = 0; f < files; f++)
        for (size_t r = 1; r < csv[f].rows; r++) {
            if (!isa_is_new(csv, f, r)) continue;
            const char *isa = bench_csv_get(&csv[f], r, "isa");
            for (int frames = 0; frames < 2; frames++) {
                fit_samples s;
                BASE_TRY(own_samples(csv, files, isa, opt, frames, &s, err));
                base_status status =
                    s.n ? put(frames ? "frontend" : "sotto", isa, source, &s, ini, err) : BASE_OK;
                free(s.sample);
                if (status != BASE_OK) return status;
            }
        }
    return BASE_OK;
}

int main(int argc, char **argv)
{
    base_err err = {0};
    const char *opt = "-O2";
    bool ini = false;
    int first = 1, files = 0;
    bench_csv csv[16];
    for (; first < argc && !strncmp(argv[first], "--", 2); first++) {
        ini = ini || !strcmp(argv[first], "--ini");
        if (!strcmp(argv[first], "--opt") && first + 1 < argc) opt = argv[++first];
    }
    if (argc - first < 2 || argc - first > 16) {
        fprintf(stderr, "fit_instructions [--ini] [--opt -O2] QEMU.csv COUNTS.csv...\n");
        return 2;
    }
    if (ini)
        printf("; Instructions of a layer by kernel: MACs, kernel rows, outputs, pixels, patches, "
               "a layer;\n"
               "; then layers counted, median and largest residual in percent. Made by "
               "bench/fit_instructions.c\n");
    base_status status = BASE_OK;
    for (int i = first + 1; i < argc && status == BASE_OK; i++) {
        status = bench_csv_read(argv[i], &csv[files], &err);
        files += status == BASE_OK;
    }
    if (status == BASE_OK) status = put_own(csv, files, opt, ini, &err);
    if (status == BASE_OK) status = put_cmsis(argv[first], ini, &err);
    if (status != BASE_OK) fprintf(stderr, "fit_instructions: %s\n", err.message);
    for (int i = 0; i < files; i++) bench_csv_free(&csv[i]);
    return status == BASE_OK ? 0 : 1;
}
