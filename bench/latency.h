/* latency: published times of CMSIS-NN against counted instructions, and the coefficients of a core
 * that follow:
 *
 *   cycles = instructions x CPI of the core + bytes of weights x w of the board's flash
 *
 * w      cycles a byte: a library's time with weights in flash less that with weights in RAM, where
 *        a board was timed both ways (fully connected autoencoder); else the mean of those boards.
 * CPI    of a row: (cycles - w bytes) / instructions; of a board: the geometric mean of its rows.
 *        Of a core: the geometric mean of its boards; where there is none, its family's prior: the
 *        geometric mean of the other cores' means.
 *
 * All in this header, because every .c file of the folder is a program.
 */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include "bench/fit.h"
#include "quantize/costs.h"
#include "quantize/estimate.h"

enum { LATENCY_ROWS = 256 };

typedef struct latency_row {
    const char *board, *core, *framework, *model, *why; /* in the tables */
    double ms, khz, cycles, instructions, weights;
    bool used, extra; /* extra: not of the reference's table */
} latency_row;

typedef struct latency {
    bench_csv truth, extra, rules, counts;
    latency_row row[LATENCY_ROWS];
    int n;
} latency;

static inline double latency_ratio(double a, double b)
{
    return 100 * (a / b - 1);
}

/* ---- rows ---- */

/* pattern: the start of s, or *. */
static inline bool latency_matches(const char *s, const char *pattern)
{
    if (strcmp(pattern, "*") == 0) return true;
    while (*pattern && *s == *pattern) s++, pattern++;
    return !*pattern;
}

/* The rule (latency_rows.csv, first match) of row r of a table; 0: none. */
static inline size_t latency_rule(const bench_csv *rules, const bench_csv *t, size_t r)
{
    for (size_t k = 1; k < rules->rows; k++)
        if (latency_matches(bench_csv_get(t, r, "framework"),
                            bench_csv_get(rules, k, "framework")) &&
            latency_matches(bench_csv_get(t, r, "board"), bench_csv_get(rules, k, "board")) &&
            latency_matches(bench_csv_get(t, r, "model"), bench_csv_get(rules, k, "model")))
            return k;
    return 0;
}

/* The network of a row: named by the rule, or MLPerf Tiny's four by what the model's name holds. */
static inline const char *latency_net(const char *rule, const char *model)
{
    static const char *const names[][2] = {
        {" KWS", "kws"}, {" AD", "ad"}, {" VWW", "vww"}, {" IC", "ic"}};
    for (size_t i = 0; i < BASE_COUNT(names) && strcmp(rule, "mlperf") == 0; i++)
        if (strstr(model, names[i][0])) return names[i][1];
    return rule;
}

/* Instructions and bytes of weights of bench/nets/<net>.net by the rules of one build. */
static inline base_status latency_work(const char *folder, const char *net, const quant_table *t,
                                       latency_row *row, base_err *err)
{
    char *text = NULL, path[256];
    nn_graph *g = NULL;
    quant_costs costs;
    snprintf(path, sizeof path, "%s/%s.net", folder, net);
    BASE_TRY(base_read_file(path, 1 << 20, &text, NULL, err));
    base_status status = nn_parse(text, path, &g, err);
    free(text);
    if (status == BASE_OK) status = quant_costs_of_graph(g, &costs, err);
    for (int i = 0; status == BASE_OK && i < costs.n; i++) {
        row->instructions += quant_layer_instructions(&costs.layer[i], t, QUANT_CMSIS_NN);
        row->weights += (double)costs.layer[i].weights;
    }
    if (status == BASE_OK) quant_costs_free(&costs);
    nn_graph_free(g);
    if (status != BASE_OK || isfinite(row->instructions)) return status;
    return base_fail(err, BASE_DATA, "%s: a kernel that was not counted", path);
}

static inline base_status latency_use(latency *l, const char *nets, size_t k, latency_row *row,
                                      base_err *err)
{
    fit_samples s;
    quant_table table = {0};
    const char *core = bench_csv_get(&l->rules, k, "core");
    BASE_TRY(fit_cmsis_samples(&l->counts, core, bench_csv_get(&l->rules, k, "library"),
                               bench_csv_get(&l->rules, k, "opt"), &s, err));
    const bool good = fit_table(&s, &table);
    free(s.sample);
    if (!good) return base_fail(err, BASE_DATA, "%s: no rules fit the counts", core);
    row->used = true;
    return latency_work(nets, latency_net(bench_csv_get(&l->rules, k, "net"), row->model), &table,
                        row, err);
}

static inline base_status latency_add(latency *l, const bench_csv *t, size_t r, const char *nets,
                                      base_err *err)
{
    const char *framework = bench_csv_get(t, r, "framework"), *note = bench_csv_get(t, r, "note");
    if (!strstr(framework, "CMSIS-NN") && !strstr(framework, "microTVM")) return BASE_OK;
    if (l->n == LATENCY_ROWS) return base_fail(err, BASE_FAILED, "more than %d rows", LATENCY_ROWS);
    latency_row *row = &l->row[l->n++];
    *row = (latency_row){.framework = framework,
                         .board = bench_csv_get(t, r, "board"),
                         .core = bench_csv_get(t, r, "core"),
                         .model = bench_csv_get(t, r, "model"),
                         .ms = fit_number(bench_csv_get(t, r, "latency_ms")),
                         .khz = 1e3 * fit_number(bench_csv_get(t, r, "clock_mhz")),
                         .extra = t == &l->extra};
    row->cycles = row->ms * row->khz;
    const size_t k = latency_rule(&l->rules, t, r);
    row->why = k ? bench_csv_get(&l->rules, k, "why") : "no rule for it in latency_rows.csv";
    if (!k || !*bench_csv_get(&l->rules, k, "net")) return BASE_OK;
    if (strstr(note, "reproduction")) {
        row->why = "the same program measured again on the same board";
        return BASE_OK;
    }
    if (strstr(note, "with profiling")) {
        row->why = "with the profiler running";
        return BASE_OK;
    }
    return latency_use(l, nets, k, row, err);
}

static inline void latency_free(latency *l)
{
    bench_csv_free(&l->truth);
    bench_csv_free(&l->extra);
    bench_csv_free(&l->rules);
    bench_csv_free(&l->counts);
}

/* extra: with the boards of latency_extra.csv. */
static inline base_status latency_read(const char *reference, const char *bench, bool extra,
                                       latency *l, base_err *err)
{
    struct {
        const char *folder, *name;
        bench_csv *csv;
    } files[] = {{reference, "mcu_latency_truth.csv", &l->truth},
                 {reference, "mcu_qemu_instr.csv", &l->counts},
                 {bench, "latency_extra.csv", &l->extra},
                 {bench, "latency_rows.csv", &l->rules}};
    char path[512];
    for (size_t i = 0; i < BASE_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", files[i].folder, files[i].name);
        BASE_TRY(bench_csv_read(path, files[i].csv, err));
    }
    snprintf(path, sizeof path, "%s/nets", bench);
    for (size_t r = 1; r < l->truth.rows; r++) BASE_TRY(latency_add(l, &l->truth, r, path, err));
    for (size_t r = 1; extra && r < l->extra.rows; r++)
        BASE_TRY(latency_add(l, &l->extra, r, path, err));
    return BASE_OK;
}

/* ---- coefficients ---- */

/* Cycles that a byte of weights takes in flash, timed on this board (name's start); else NAN. */
static inline double latency_flash_timed(const latency *l, const char *board)
{
    const bench_csv *t = &l->truth;
    double slow = 0, fast = 0, bytes = 0;
    for (size_t r = 1; r < t->rows; r++) {
        if (!latency_matches(bench_csv_get(t, r, "framework"), "Bosch HALE 1.0.175") ||
            strstr(bench_csv_get(t, r, "framework"), "float") ||
            strcmp(bench_csv_get(t, r, "board"), board) != 0 ||
            !strstr(bench_csv_get(t, r, "model"), " AD "))
            continue;
        const double cycles = 1e3 * fit_number(bench_csv_get(t, r, "latency_ms")) *
                              fit_number(bench_csv_get(t, r, "clock_mhz"));
        bytes = fit_number(bench_csv_get(t, r, "macs"));
        *(strstr(bench_csv_get(t, r, "note"), "copied to RAM") ? &fast : &slow) = cycles;
    }
    return slow > 0 && fast > 0 ? (slow - fast) / bytes : (double)NAN;
}

/* Of a board: what was timed there, else the mean of the boards that were. held: the board whose
 * rows must not be used, or NULL. */
static inline double latency_flash(const latency *l, const char *board, const char *held)
{
    double sum = 0, own = latency_flash_timed(l, board);
    int n = 0;
    if (isfinite(own) && !(held && strcmp(board, held) == 0)) return own;
    for (size_t r = 1; r < l->truth.rows; r++) {
        const char *name = bench_csv_get(&l->truth, r, "board");
        const double w = latency_flash_timed(l, name);
        bool first = latency_matches(bench_csv_get(&l->truth, r, "core"), "Cortex");
        for (size_t k = 1; k < r && first; k++)
            first = strcmp(bench_csv_get(&l->truth, k, "board"), name) != 0;
        if (!first || !isfinite(w) || (held && strcmp(name, held) == 0)) continue;
        sum += w;
        n++;
    }
    return n ? sum / n : 0;
}

/* The logarithm of a board's CPI: mean over its rows; NAN without rows. */
static inline double latency_board_log(const latency *l, const char *board, const char *held)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < l->n; i++) {
        const latency_row *r = &l->row[i];
        if (!r->used || strcmp(r->board, board) != 0 || (held && strcmp(board, held) == 0))
            continue;
        sum += log((r->cycles - latency_flash(l, board, held) * r->weights) / r->instructions);
        n++;
    }
    return n ? sum / n : (double)NAN;
}

/* Whether row i is the first that is used of its board, or of its core. */
static inline bool latency_first(const latency *l, int i, bool of_core)
{
    for (int k = 0; k < i; k++)
        if (l->row[k].used && (of_core ? strcmp(l->row[k].core, l->row[i].core) == 0
                                       : strcmp(l->row[k].board, l->row[i].board) == 0))
            return false;
    return l->row[i].used;
}

/* Sum of the logarithms over a core's boards; *n of them. */
static inline double latency_core_log(const latency *l, const char *core, const char *held, int *n)
{
    double sum = 0;
    *n = 0;
    for (int i = 0; i < l->n; i++) {
        if (!latency_first(l, i, false) || strcmp(l->row[i].core, core) != 0) continue;
        const double one = latency_board_log(l, l->row[i].board, held);
        if (!isfinite(one)) continue;
        sum += one;
        (*n)++;
    }
    return sum;
}

/* CPI of a core, or the prior of its family; *boards: how many of the core it rests on. */
static inline double latency_cpi(const latency *l, const char *core, const char *held, int *boards)
{
    double prior = 0;
    int cores = 0, n;
    for (int i = 0; i < l->n; i++) {
        if (!latency_first(l, i, true) || strcmp(l->row[i].core, core) == 0) continue;
        const double sum = latency_core_log(l, l->row[i].core, held, &n);
        if (n == 0) continue;
        prior += sum / n;
        cores++;
    }
    const double sum = latency_core_log(l, core, held, boards);
    if (*boards) return exp(sum / *boards);
    return cores ? exp(prior / cores) : (double)NAN;
}

#endif
