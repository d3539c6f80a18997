/* fit_latency: how far `sotto estimate --runtime cmsis-nn` is off the times that others published,
 * one board held out after another, and the coefficients of cores and boards for quantize/targets/.
 *
 *   build/release/bench/fit_latency [options] [REFERENCE_DIR]
 *     --plot FILE     also the picture (.svg or .png, gnuplot)
 *     --tsv           "profile section key value" as the profiles must have them
 *                     (bench/update_targets.sh)
 *     --only-reference  without the boards of latency_extra.csv, which others published too
 *     --bench DIR     where latency_rows.csv, latency_extra.csv and nets/ are (bench)
 *
 * Every row of CMSIS-NN and microTVM in mcu_latency_truth.csv is listed; latency_rows.csv says
 * which build of CMSIS-NN it ran or why it is left out. A held-out board's rows enter no
 * coefficient (bench/latency.h); instructions are counted and know no board.
 */
#include "bench/latency.h"

#include "data/process.h"

#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *reference, *bench, *plot;
    bool tsv, only;
} options;

typedef struct summary {
    double error[LATENCY_ROWS], worst;
    int n;
} summary;

static double held_out(const latency *l, const latency_row *r, double *cpi, int *boards)
{
    *cpi = latency_cpi(l, r->core, r->board, boards);
    return *cpi * r->instructions + latency_flash(l, r->board, r->board) * r->weights;
}

static void add_error(summary *s, double error)
{
    s->error[s->n++] = fabs(error);
    s->worst = fmax(s->worst, fabs(error));
}

/* ---- the report ---- */

static void report_used(const latency *l, bool extra, summary *s)
{
    for (int i = 0; i < l->n; i++) {
        const latency_row *r = &l->row[i];
        double cpi;
        int boards;
        if (!r->used || r->extra != extra) continue;
        const double error = latency_ratio(held_out(l, r, &cpi, &boards), r->cycles);
        printf("  %-20s %-8.8s %-26.26s %-36.36s %9.3f ms %+6.1f %%  CPI %.2f of %d boards\n",
               r->board, r->core, r->framework, r->model, r->ms, error, cpi, boards);
        add_error(s, error);
    }
}

static void report_left_out(const latency *l)
{
    for (int i = 0; i < l->n; i++) {
        const latency_row *r = &l->row[i];
        if (r->used) continue;
        printf("  %-26.26s %-26.26s %-40.40s %s\n", r->framework, r->board, r->model, r->why);
    }
}

static void report(const latency *l)
{
    summary own = {.n = 0}, all = {.n = 0};
    printf("one board held out after another, rows of mcu_latency_truth.csv:\n");
    report_used(l, false, &own);
    printf("  rows %d, median error %.1f %% (goal 10), worst %.1f %% (goal 25)\n", own.n,
           fit_median(own.error, own.n), own.worst);
    if (l->n && l->row[l->n - 1].extra) printf("the same, boards of latency_extra.csv:\n");
    report_used(l, true, &all);
    if (all.n)
        printf("  rows %d, median error %.1f %%, worst %.1f %%\n", all.n,
               fit_median(all.error, all.n), all.worst);
    printf("rows left out:\n");
    report_left_out(l);
}

/* ---- the picture ---- */

/* Published and estimated times of board `index`, as two arrays of gnuplot. */
static void add_board(const latency *l, const char *board, int index, base_str *out)
{
    for (int estimated = 0; estimated < 2; estimated++) {
        int n = 0, boards, i = 0;
        double cpi;
        for (int k = 0; k < l->n; k++) n += l->row[k].used && !strcmp(l->row[k].board, board);
        base_str_add(out, "array %c%d[%d] = [", estimated ? 'y' : 'x', index, n);
        for (int k = 0; k < l->n; k++) {
            const latency_row *r = &l->row[k];
            if (!r->used || strcmp(r->board, board) != 0) continue;
            const double ms = estimated ? held_out(l, r, &cpi, &boards) / r->khz : r->ms;
            base_str_add(out, "%s%.6g", i++ ? ", " : "", ms);
        }
        base_str_add(out, "];");
    }
}

static void add_script(const latency *l, bool png, base_str *out)
{
    int n = 0;
    base_str_add(out,
                 "set terminal %s size 760,620; set logscale xy; set xlabel 'published, ms'; "
                 "set ylabel 'estimated, the board held out, ms'; set key top left; set grid; "
                 "set xrange [0.3:1000]; set yrange [0.3:1000]; set size square;",
                 png ? "pngcairo" : "svg");
    for (int i = 0; i < l->n; i++)
        if (latency_first(l, i, false)) add_board(l, l->row[i].board, n++, out);
    base_str_add(out, "plot x*1.25 lc 'grey' dt 2 title '25 %%', x/1.25 lc 'grey' dt 2 notitle, "
                      "x*1.1 lc 'grey' title '10 %%', x/1.1 lc 'grey' notitle");
    for (int i = 0, k = 0; i < l->n; i++) {
        if (!latency_first(l, i, false)) continue;
        base_str_add(out, ", x%d using (x%d[$1]):(y%d[$1]) with points pt %d ps 1.1 title '%s'", k,
                     k, k, 4 + k, l->row[i].board);
        k++;
    }
}

static base_status plot(const latency *l, const char *path, base_err *err)
{
    const char *end = strrchr(path, '.');
    base_str script = {0}, image = {0}, errors = {0};
    int code = 0;
    add_script(l, end && strcmp(end, ".png") == 0, &script);
    const char *const argv[] = {"gnuplot", "-d", "-e", script.s, NULL};
    const data_process gnuplot = {.argv = argv, .out = &image, .errors = &errors};
    base_status status =
        script.failed ? base_nomem(err, 1) : data_process_run(&gnuplot, &code, err);
    if (status == BASE_OK && code)
        status = base_fail(err, BASE_FAILED, "gnuplot: %s", data_process_last_line(&errors));
    FILE *f = status == BASE_OK ? fopen(path, "wb") : NULL;
    if (status == BASE_OK && (!f || fwrite(image.s, 1, image.len, f) != image.len))
        status = base_fail(err, BASE_FAILED, "%s: cannot be written", path);
    if (f) fclose(f);
    base_str_free(&script);
    base_str_free(&image);
    base_str_free(&errors);
    return status;
}

/* ---- what profiles must have ---- */

/* Cycles of a board over those of another, over every library and network that both were timed
 * with; the factor by which single ones lie off it at most, less 1, in percent. */
static double quotient(const bench_csv *t, const char *board, const char *other, double *spread)
{
    static const char *const unlike[] = {"copied to RAM", "RAM-optimised", "energy-mode",
                                         "reproduction",  "float32",       "dead channels"};
    double v[LATENCY_ROWS], sum = 0;
    int n = 0;
    for (size_t a = 1; a < t->rows; a++)
        for (size_t b = 1; b < t->rows && n < LATENCY_ROWS; b++) {
            const char *library = bench_csv_get(t, a, "framework");
            bool pair = strcmp(bench_csv_get(t, a, "board"), board) == 0 &&
                        strcmp(bench_csv_get(t, b, "board"), other) == 0 &&
                        strcmp(library, bench_csv_get(t, b, "framework")) == 0 &&
                        strcmp(bench_csv_get(t, a, "model"), bench_csv_get(t, b, "model")) == 0 &&
                        (latency_matches(library, "Bosch") || latency_matches(library, "X-CUBE") ||
                         latency_matches(library, "Plumerai") ||
                         (latency_matches(library, "TinyMaix") &&
                          latency_matches(bench_csv_get(t, a, "model"), "VWW96")));
            for (size_t i = 0; pair && i < BASE_COUNT(unlike); i++)
                pair = !strstr(bench_csv_get(t, a, "note"), unlike[i]) &&
                       !strstr(bench_csv_get(t, b, "note"), unlike[i]);
            if (!pair) continue;
            v[n] = fit_number(bench_csv_get(t, a, "latency_ms")) *
                   fit_number(bench_csv_get(t, a, "clock_mhz")) /
                   fit_number(bench_csv_get(t, b, "latency_ms")) /
                   fit_number(bench_csv_get(t, b, "clock_mhz"));
            sum += log(v[n++]);
        }
    *spread = 0;
    for (int i = 0; i < n; i++) *spread = fmax(*spread, 100 * (exp(fabs(log(v[i]) - sum / n)) - 1));
    return n ? exp(sum / n) : (double)NAN;
}

/* The largest factor, less 1, in percent, by which a CPI misses the rows of a board. */
static double miss(const latency *l, const char *board, double cpi)
{
    double worst = 0;
    for (int i = 0; i < l->n; i++) {
        const latency_row *r = &l->row[i];
        if (!r->used || strcmp(r->board, board) != 0) continue;
        const double cycles = cpi * r->instructions + latency_flash(l, board, NULL) * r->weights;
        worst = fmax(worst, 100 * (exp(fabs(log(cycles / r->cycles))) - 1));
    }
    return worst;
}

static double up_to_five(double percent)
{
    return 5 * ceil(percent / 5);
}

static void put_cpi(const char *profile, const char *section, const char *key, double cpi,
                    double error)
{
    printf("%s\t%s\t%s\t%.3g\n", profile, section, key, cpi);
    printf("%s\t%s\terror_percent\t%.0f\n", profile, section, up_to_five(error));
}

/* The largest error of a board of the reference that was held out, a core that it shares or not. */
static double held_out_worst(const latency *l)
{
    double worst = 0, cpi;
    int boards;
    for (int i = 0; i < l->n; i++) {
        const latency_row *r = &l->row[i];
        if (!r->used || r->extra) continue;
        const double cycles = held_out(l, r, &cpi, &boards);
        worst = fmax(worst, 100 * (exp(fabs(log(cycles / r->cycles))) - 1));
    }
    return worst;
}

/* Boards timed with other libraries than CMSIS-NN: their CPI is that of another board times the
 * quotient of cycles. */
static const struct {
    const char *profile, *board, *other;
} by_quotient[] = {{"stm32f746g-disco", "DISCO-F746NG", "NUCLEO-L4R5ZI"},
                   {"nucleo-h7a3zi-q", "NUCLEO-H7A3ZI-Q", "NUCLEO-L4R5ZI"},
                   {"nucleo-u575zi-q", "NUCLEO-U575ZI-Q", "NUCLEO-L4R5ZI"},
                   {"b-u585i-iot02a", "NUCLEO-U575ZI-Q", "NUCLEO-L4R5ZI"},
                   {"nucleo-u385rg-q", "NUCLEO-U385RG-Q", "NUCLEO-U575ZI-Q"}};

static const char *board_by_quotient(const char *profile)
{
    for (size_t i = 0; i < BASE_COUNT(by_quotient); i++)
        if (strcmp(by_quotient[i].profile, profile) == 0) return by_quotient[i].board;
    return NULL;
}

/* Cores without counted kernels: the Cortex-M4's CPI times the quotient of cycles in portable C
 * (TinyMaix, VWW). */
static void put_by_portable_c(const bench_csv *t, double m4)
{
    static const struct {
        const char *profile, *board;
    } cores[] = {{"core-xtensa-lx6", "ESP32"}, {"core-xtensa-lx7", "ESP32-S3"}};
    static const char *const others[] = {"AT32F403A", "STM32G474RE", "STM32F411CE", "STM32L496"};
    for (size_t i = 0; i < BASE_COUNT(cores); i++) {
        double sum = 0, spread;
        for (size_t k = 0; k < BASE_COUNT(others); k++)
            sum += log(quotient(t, cores[i].board, others[k], &spread));
        put_cpi(cores[i].profile, "cpi", "value", m4 * exp(sum / BASE_COUNT(others)), 100);
    }
}

/* The board of the tables that a profile is of: its title begins so; NULL: not timed. */
static const char *timed_board(const latency *l, const char *title)
{
    for (int i = 0; i < l->n; i++)
        if (l->row[i].used && latency_matches(title, l->row[i].board)) return l->row[i].board;
    return NULL;
}

/* least: what programs of other builds differ by on the board with most rows; a board with one row
 * tells nothing of it. */
static void put_board(const latency *l, const quant_target *t, double worst, double least)
{
    const char *board = timed_board(l, t->title);
    if (board) {
        const double cpi = exp(latency_board_log(l, board, NULL));
        put_cpi(t->name, "latency", "cpi", cpi, fmax(least, miss(l, board, cpi)));
    } else if (!board_by_quotient(t->name)) {
        printf("%s\tlatency\terror_percent\t%.0f\n", t->name, up_to_five(worst));
    }
    if (!board) board = board_by_quotient(t->name);
    printf("%s\tmemory\tweight_cycles\t%.2g\n", t->name,
           latency_flash(l, board ? board : t->title, NULL));
}

static base_status put_boards(const latency *l, double worst, double least, base_err *err)
{
    const char **names = NULL;
    size_t n = 0;
    quant_target t;
    BASE_TRY(quant_target_names(&names, &n, err));
    base_status status = BASE_OK;
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        status = quant_target_load(names[i], &t, err);
        if (status == BASE_OK && !t.rough) put_board(l, &t, worst, least);
    }
    free(names);
    return status;
}

static base_status put_profiles(const latency *l, base_err *err)
{
    static const struct {
        const char *profile, *core;
    } timed[] = {{"core-cortex-m4", "Cortex-M4F"},
                 {"core-cortex-m33", "Cortex-M33"},
                 {"core-cortex-m55", "Cortex-M55 (Helium)"},
                 {"core-cortex-m85", "Cortex-M85"}};
    static const char M4[] = "NUCLEO-L4R5ZI";
    const double worst = held_out_worst(l), m4 = exp(latency_board_log(l, M4, NULL));
    int boards;
    double spread;
    for (size_t i = 0; i < BASE_COUNT(timed); i++)
        put_cpi(timed[i].profile, "cpi", "value", latency_cpi(l, timed[i].core, NULL, &boards),
                worst);
    const double u575 = quotient(&l->truth, "NUCLEO-U575ZI-Q", M4, &spread),
                 f746 = quotient(&l->truth, "DISCO-F746NG", M4, &spread),
                 h7a3 = quotient(&l->truth, "NUCLEO-H7A3ZI-Q", M4, &spread);
    put_cpi("core-cortex-m7", "cpi", "value", m4 * sqrt(f746 * h7a3), hypot(worst, spread));
    for (size_t i = 0; i < BASE_COUNT(by_quotient); i++) {
        const double base = strcmp(by_quotient[i].other, M4) == 0 ? m4 : m4 * u575;
        const double q = quotient(&l->truth, by_quotient[i].board, by_quotient[i].other, &spread);
        put_cpi(by_quotient[i].profile, "latency", "cpi", base * q, hypot(worst, spread));
    }
    put_by_portable_c(&l->truth, m4);
    return put_boards(l, worst, miss(l, M4, m4), err);
}

int main(int argc, char **argv)
{
    options o = {.bench = "bench", .reference = getenv("SOTTO_REFERENCE")};
    base_err err = {0};
    latency *l = calloc(1, sizeof *l);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--tsv"))
            o.tsv = true;
        else if (!strcmp(argv[i], "--only-reference"))
            o.only = true;
        else if (!strcmp(argv[i], "--plot") && i + 1 < argc)
            o.plot = argv[++i];
        else if (!strcmp(argv[i], "--bench") && i + 1 < argc)
            o.bench = argv[++i];
        else
            o.reference = argv[i];
    }
    if (!o.reference) o.reference = "../shared/reference";
    base_status status =
        l ? latency_read(o.reference, o.bench, !o.only, l, &err) : base_nomem(&err, 1);
    if (status == BASE_OK && !o.tsv) report(l);
    if (status == BASE_OK && o.tsv) status = put_profiles(l, &err);
    if (status == BASE_OK && o.plot) status = plot(l, o.plot, &err);
    if (status != BASE_OK) fprintf(stderr, "fit_latency: %s\n", err.message);
    if (l) latency_free(l);
    free(l);
    return status == BASE_OK ? 0 : 1;
}
