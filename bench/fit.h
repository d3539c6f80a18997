/* fit: coefficients of quantize/instructions.h from layers whose instructions were counted. Least
 * squares in relative error; coefficients are not negative. Which terms a kernel needs is decided
 * by Akaike's information criterion over all subsets of the six.
 * All in this header, because every .c file of the folder is a program.
 */
#ifndef BENCH_FIT_H
#define BENCH_FIT_H

#include "bench/csv.h"
#include "quantize/instructions.h"

#include <math.h>

typedef struct fit_sample {
    char kernel[NN_MAX_NAME], net[NN_MAX_NAME]; /* "conv2d.3x3"; the network it was counted in,
                                                 * of a frame its preset */
    double work[QUANT_TERMS], instructions;
} fit_sample;

typedef struct fit_samples {
    fit_sample *sample; /* freed with free() */
    int n;
} fit_samples;

static inline double fit_number(const char *s)
{
    double v = 0;
    return base_parse_double(s, &v) ? v : (double)NAN;
}

/* "25x5x64" to 25, 5, 64, missing ones 1; returns their product. */
static inline double fit_shape(const char *s, double d[3])
{
    d[0] = d[1] = d[2] = 1;
    for (int i = 0; *s && i < 3; i++) {
        char *end;
        d[i] = strtod(s, &end);
        s = end + (*end == 'x');
    }
    return d[0] * d[1] * d[2];
}

/* Solve the n x n system a x = a[.][n] by elimination; false when it is singular. */
static inline bool fit_solve(double a[QUANT_TERMS][QUANT_TERMS + 1], int n, double *x)
{
    for (int i = 0; i < n; i++) {
        int p = i;
        for (int k = i + 1; k < n; k++)
            if (fabs(a[k][i]) > fabs(a[p][i])) p = k;
        if (fabs(a[p][i]) < 1e-12) return false;
        for (int j = 0; j <= n; j++) {
            double t = a[i][j];
            a[i][j] = a[p][j];
            a[p][j] = t;
        }
        for (int k = 0; k < n; k++) {
            double f = k == i ? 0 : a[k][i] / a[i][i];
            for (int j = i; j <= n && k != i; j++) a[k][j] -= f * a[i][j];
        }
    }
    for (int i = 0; i < n; i++) x[i] = a[i][n] / a[i][i];
    return true;
}

/* Least squares over the terms given; the sum of squared relative errors, or HUGE_VAL. */
static inline double fit_terms(fit_sample *const *s, int n, const int *term, int terms, double *per)
{
    double a[QUANT_TERMS][QUANT_TERMS + 1] = {{0}}, scale[QUANT_TERMS] = {0}, x[QUANT_TERMS];
    double error = 0;
    for (int j = 0; j < terms; j++)
        for (int i = 0; i < n; i++)
            scale[j] = fmax(scale[j], s[i]->work[term[j]] / s[i]->instructions);
    for (int j = 0; j < terms; j++)
        if (scale[j] <= 0) return HUGE_VAL;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < terms; j++) {
            double p = s[i]->work[term[j]] / s[i]->instructions / scale[j];
            for (int k = 0; k < terms; k++)
                a[j][k] += p * s[i]->work[term[k]] / s[i]->instructions / scale[k];
            a[j][terms] += p;
        }
    if (!fit_solve(a, terms, x)) return HUGE_VAL;
    memset(per, 0, QUANT_TERMS * sizeof *per);
    for (int j = 0; j < terms; j++) {
        if (x[j] < 0) return HUGE_VAL;
        per[term[j]] = x[j] / scale[j];
    }
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < QUANT_TERMS; j++) sum += per[j] * s[i]->work[j];
        error += (sum / s[i]->instructions - 1) * (sum / s[i]->instructions - 1);
    }
    return error;
}

static inline int fit_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double fit_median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, fit_compare);
    return n ? (v[(n - 1) / 2] + v[n / 2]) / 2 : (double)NAN;
}

/* The rule of one kernel from n >= 1 different layers. */
static inline bool fit_rule(fit_sample *const *s, int n, quant_rule *rule)
{
    static const int order[] = {QUANT_MAC,   QUANT_OUT,   QUANT_ROW,
                                QUANT_PIXEL, QUANT_PATCH, QUANT_LAYER};
    double best = HUGE_VAL, *error = calloc((size_t)n, sizeof *error);
    const int most = (n + 1) / 2; /* at least two layers a coefficient but one */
    for (int set = 1; error && set < 1 << QUANT_TERMS; set++) {
        int term[QUANT_TERMS], terms = 0;
        double per[QUANT_TERMS];
        for (int i = 0; i < QUANT_TERMS; i++)
            if (set >> i & 1) term[terms++] = order[i];
        if (terms > most) continue;
        const double squares = fit_terms(s, n, term, terms, per);
        if (!isfinite(squares)) continue;
        const double criterion = n * log(squares / n + 2.5e-5) + 2.0 * terms; /* 0.5 % */
        if (criterion >= best - 1e-9) continue;
        best = criterion;
        memcpy(rule->per, per, sizeof per);
    }
    rule->samples = n;
    for (int i = 0; error && i < n; i++) {
        error[i] = 100 * fabs(quant_instructions(rule, s[i]->work) / s[i]->instructions - 1);
        rule->worst = fmax(rule->worst, error[i]);
    }
    if (error) rule->median = fit_median(error, n);
    free(error);
    return isfinite(best);
}

/* Rules of all kernels; a layer that was counted in several places counts once. False: no memory,
 * more kernels than a table holds, or a kernel that no coefficients fit. */
static inline bool fit_table(const fit_samples *all, quant_table *t)
{
    fit_sample **group = calloc((size_t)all->n, sizeof(fit_sample *));
    bool *done = calloc((size_t)all->n, sizeof *done), good = group && done;
    for (int i = 0; good && i < all->n; i++) {
        int n = 0;
        for (int k = i; k < all->n && !done[i]; k++) {
            fit_sample *s = &all->sample[k];
            if (strcmp(s->kernel, all->sample[i].kernel) != 0) continue;
            bool seen = false;
            for (int j = 0; j < n; j++)
                seen = seen || memcmp(group[j]->work, s->work, sizeof s->work) == 0;
            if (!seen) group[n++] = s;
            if (k > i) done[k] = true;
        }
        if (!n) continue;
        good = t->n < QUANT_RULES;
        if (!good) break;
        quant_rule *rule = &t->rule[t->n++];
        *rule = (quant_rule){0};
        snprintf(rule->kernel, sizeof rule->kernel, "%s", all->sample[i].kernel);
        good = fit_rule(group, n, rule);
    }
    free(group);
    free(done);
    return good;
}

/* ---- CMSIS-NN as counted by others: mcu_qemu_instr.csv of the reference ---- */

static inline void fit_cmsis_sample(const bench_csv *t, size_t r, fit_sample *s)
{
    static const char *const names[][2] = {
        {"CONV_2D", "conv2d"},     {"CONV", "conv2d"}, {"DEPTHWIS", "dwconv2d"}, {"FC", "dense"},
        {"AVGPOOL", "globalpool"}, {"ADD", "add"},     {"SOFTMAX", "softmax"}};
    const char *op = bench_csv_get(t, r, "op"), *name = op, *variant = "";
    double in[3], out[3], kernel[3];
    const double inputs = fit_shape(bench_csv_get(t, r, "in"), in);
    s->work[QUANT_OUT] = fit_shape(bench_csv_get(t, r, "out"), out);
    fit_shape(bench_csv_get(t, r, "kernel"), kernel);
    for (size_t i = 0; i < BASE_COUNT(names); i++)
        if (strcmp(op, names[i][0]) == 0) name = names[i][1];
    s->work[QUANT_MAC] = fit_number(bench_csv_get(t, r, "macs"));
    if (strcmp(op, "AVGPOOL") == 0) s->work[QUANT_MAC] = inputs;
    s->work[QUANT_LAYER] = 1;
    if (strncmp(op, "CONV", 4) == 0 || strcmp(op, "DEPTHWIS") == 0) {
        s->work[QUANT_ROW] = s->work[QUANT_OUT] * kernel[0];
        s->work[QUANT_PIXEL] = s->work[QUANT_OUT] / out[2];
    }
    if (strncmp(op, "CONV", 4) == 0) {
        s->work[QUANT_PATCH] = s->work[QUANT_MAC] / out[2];
        variant = kernel[0] * kernel[1] > 1 ? "" : ".1x1";
    }
    if (strcmp(op, "DEPTHWIS") == 0 && kernel[0] * kernel[1] == 9 && kernel[0] == 3)
        variant = ".3x3";
    snprintf(s->kernel, sizeof s->kernel, "%s%s", name, variant);
    snprintf(s->net, sizeof s->net, "%s", bench_csv_get(t, r, "net"));
    s->instructions = fit_number(bench_csv_get(t, r, "instructions"));
}

/* Layers of one core (its name up to a blank), library (part of its name) and optimization. */
static inline base_status fit_cmsis_samples(const bench_csv *t, const char *core,
                                            const char *library, const char *opt, fit_samples *out,
                                            base_err *err)
{
    *out = (fit_samples){calloc(t->rows, sizeof(fit_sample)), 0};
    if (!out->sample) return base_nomem(err, t->rows * sizeof(fit_sample));
    for (size_t r = 1; r < t->rows; r++) {
        const char *name = bench_csv_get(t, r, "core");
        if (strncmp(name, core, strlen(core)) != 0 || !strchr(" ", name[strlen(core)]) ||
            !strstr(bench_csv_get(t, r, "kernel_library"), library) ||
            strcmp(bench_csv_get(t, r, "opt"), opt) != 0 ||
            strcmp(bench_csv_get(t, r, "op"), "TOTAL") == 0)
            continue;
        fit_cmsis_sample(t, r, &out->sample[out->n++]);
    }
    if (out->n > 0) return BASE_OK;
    free(out->sample);
    *out = (fit_samples){0};
    return base_fail(err, BASE_DATA, "no layers of %s, %s, %s", core, library, opt);
}

/* ---- whole networks ---- */

/* Instructions of a network, counted and by the rules; false when a kernel has no rule. */
static inline bool fit_net(const fit_samples *s, const char *net, const quant_table *t,
                           double *counted, double *fitted)
{
    *counted = *fitted = 0;
    for (int k = 0; k < s->n; k++) {
        const fit_sample *l = &s->sample[k];
        if (strcmp(l->net, net) != 0) continue;
        const quant_rule *rule = quant_rule_of(t, l->kernel, "");
        if (!rule) return false;
        *counted += l->instructions;
        *fitted += quant_instructions(rule, l->work);
    }
    return *counted > 0;
}

/* The rules without a network's layers; false where none can be fitted. */
static inline bool fit_without(const fit_samples *all, const char *net, quant_table *t)
{
    fit_samples rest = {calloc((size_t)all->n, sizeof(fit_sample)), 0};
    *t = (quant_table){0};
    for (int k = 0; rest.sample && k < all->n; k++)
        if (strcmp(all->sample[k].net, net) != 0) rest.sample[rest.n++] = all->sample[k];
    const bool good = rest.n > 0 && fit_table(&rest, t);
    free(rest.sample);
    return good;
}

/* Errors of whole networks in percent. */
typedef struct fit_summary {
    int n, n_held;
    double median, worst; /* by rules that saw them */
    double held_median,
        held_worst; /* by rules of the other networks, where these have all kernels */
} fit_summary;

/* talk, if not NULL, gets a line of each network. */
static inline fit_summary fit_nets(const fit_samples *s, const quant_table *t, FILE *talk)
{
    double *error = calloc(2 * (size_t)s->n + 2, sizeof *error), *held = error + s->n + 1;
    quant_table other;
    fit_summary all = {0};
    for (int i = 0; error && i < s->n; i++) {
        const char *net = s->sample[i].net;
        double counted, fitted;
        bool first = *net != 0;
        for (int k = 0; k < i && first; k++) first = strcmp(s->sample[k].net, net) != 0;
        if (!first || !fit_net(s, net, t, &counted, &fitted)) continue;
        error[all.n] = 100 * fabs(fitted / counted - 1);
        all.worst = fmax(all.worst, error[all.n++]);
        if (talk)
            fprintf(talk, "  %-20s %10.0f counted %+6.1f %%", net, counted,
                    100 * (fitted / counted - 1));
        if (fit_without(s, net, &other) && fit_net(s, net, &other, &counted, &fitted)) {
            held[all.n_held] = 100 * fabs(fitted / counted - 1);
            all.held_worst = fmax(all.held_worst, held[all.n_held++]);
            if (talk) fprintf(talk, "  held out %+6.1f %%", 100 * (fitted / counted - 1));
        }
        if (talk) fprintf(talk, "\n");
    }
    all.median = fit_median(error, all.n);
    all.held_median = fit_median(held, all.n_held);
    free(error);
    return all;
}

#endif
