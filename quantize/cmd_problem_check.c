/* sotto problem check: a model against the gates of its config. */
#include "quantize/cmd_problem_check.h"
#include "quantize/cmd_quantize.h"
#include "train/filehash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

base_status cmd_problem_check(cli *c, int argc, char **argv, base_err *err);

static const cli_spec spec = {
    .usage = "RUN|MODEL [kws.ini]",
    .about =
        "Measures what [gates] of kws.ini (of the run's own config without it) ask for. An "
        "interval\n"
        "is 95 % (Wilson; exact Poisson of false alarms; bootstrap of macro_f1), or the error of "
        "an\n"
        "estimate. pass: all of it is within the limit; fail: none of it; unsure: the limit lies "
        "in\n"
        "it. An unsure gate counts as its value does, one that was not measured does not count;\n"
        "--strict takes both for not met. Exit 4 when a gate is not met. fa_per_hour and frr are\n"
        "those at --threshold, or at the threshold that misses fewest words of the recording "
        "within\n"
        "the limit of fa_per_hour, which is printed. Flash, RAM and time are those of `sotto\n"
        "estimate`, on target.board; recording and estimates are of the int8 model where given.",
    .min_args = 1,
    .max_args = 2,
    .takes = CLI_THREADS | CLI_OVERRIDES,
};

static cli_table *gate_table(cli *c)
{
    static const cli_column wide[] = {
        {"gate", NULL, CLI_TEXT, 0},    {"op", NULL, CLI_TEXT, 0},  {"limit", NULL, CLI_REAL, 0},
        {"value", NULL, CLI_REAL, 0},   {"lo", NULL, CLI_REAL, 0},  {"hi", NULL, CLI_REAL, 0},
        {"verdict", NULL, CLI_TEXT, 0}, {"met", NULL, CLI_BOOL, 0}, {"note", NULL, CLI_TEXT, 0}};
    static const cli_column narrow[] = {
        {"gate", NULL, CLI_TEXT, 0},      {"value", NULL, CLI_TEXT, 0},
        {"lo", "from", CLI_TEXT, 0},      {"hi", "to", CLI_TEXT, 0},
        {"verdict", NULL, CLI_TEXT, 0},   {"met", NULL, CLI_BOOL, 0},
        {"note", "measured", CLI_TEXT, 0}};
    return c->format == CLI_FORMAT_TABLE ? cli_table_new(c, "gates", narrow, BASE_COUNT(narrow))
                                         : cli_table_new(c, "gates", wide, BASE_COUNT(wide));
}

/* Values of different sizes and units are read best with four digits. */
static void put_short(cli_table *t, double v)
{
    char text[32] = "";
    if (isfinite(v)) snprintf(text, sizeof text, "%.4g", v);
    cli_cell_text(t, text);
}

static void put_gate(const gate_check *k, const cli *c, cli_table *t, int i)
{
    const gate *g = &k->setup.gates.list[i];
    const quant_reading *r = &k->readings[i];
    const int met = gate_check_met(k, i);
    const double values[] = {r->value, r->lo, r->hi};
    char text[96];
    if (c->format == CLI_FORMAT_TABLE) {
        gate_check_text(k, i, text);
        cli_cell_text(t, text);
        for (int v = 0; v < 3; v++) put_short(t, values[v]);
    } else {
        cli_cell_text(t, g->name);
        cli_cell_text(t, g->most ? "<=" : ">=");
        cli_cell_real(t, g->limit);
        for (int v = 0; v < 3; v++) cli_cell_real(t, values[v]);
    }
    cli_cell_text(t, gate_verdict_name(gate_check_verdict(k, i)));
    if (met < 0)
        cli_cell_text(t, NULL);
    else
        cli_cell_int(t, met);
    cli_cell_text(t, r->note);
}

static base_status put_hash(cli *c, const char *name, const char *path, base_err *err)
{
    char *file, hex[65];
    BASE_TRY(nn_model_path(path, &file, err));
    const base_status status = filehash(file, hex, err);
    if (status == BASE_OK) cli_put_text(c, name, hex);
    free(file);
    return status;
}

static base_status put_result(const gate_check *k, cli *c, const char *path, base_err *err)
{
    const gate_settings *gates = &k->setup.gates;
    int verdicts[4] = {0}, missed = 0;
    base_str names = {0};
    for (int i = 0; i < gates->n; i++) {
        verdicts[gate_check_verdict(k, i)]++;
        if (gate_check_met(k, i) != 0) continue;
        base_str_add(&names, "%s%s", missed++ ? ", " : "", gates->list[i].name);
    }
    cli_put_text(c, "model", k->gauge.model);
    if (k->gauge.int8) cli_put_text(c, "int8", k->gauge.int8);
    cli_put_text(c, "config", path);
    cli_put_text(c, "split", data_split_name(k->gauge.split));
    if (k->gauge.board) cli_put_text(c, "board", k->gauge.board);
    if (isfinite(k->threshold)) cli_put_real(c, "threshold", k->threshold, 4);
    BASE_TRY(put_hash(c, "model_sha256", k->gauge.model, err));
    if (k->gauge.int8) BASE_TRY(put_hash(c, "int8_sha256", k->gauge.int8, err));
    for (int v = 0; v < 4; v++) {
        char name[24];
        snprintf(name, sizeof name, "%s", gate_verdict_name((gate_verdict)v));
        if (strchr(name, ' ')) *strchr(name, ' ') = '_';
        cli_put_int(c, name, verdicts[v]);
    }
    cli_put_bool(c, "met", missed == 0);
    cli_table *t = gate_table(c);
    for (int i = 0; i < gates->n; i++) put_gate(k, c, t, i);
    if (missed == 0) return BASE_OK;
    base_fail(err, BASE_GATE, "%d of %d gates %s not met: %.300s", missed, gates->n,
              missed == 1 ? "is" : "are", names.failed ? "?" : names.s);
    base_str_free(&names);
    return err->status;
}

/* ---- settings ---- */

static base_status read_config(gate_check *k, const cli *c, char **path, base_err *err)
{
    BASE_TRY(gate_check_file(c->nargs == 2 ? c->args[1] : NULL, c->args[0], path, err));
    if (!*path) {
        base_fail(err, BASE_USAGE, "which gates: '%s' is no run with a config of its own",
                  c->args[0]);
        return base_hint(err, "sotto problem check %s kws.ini", c->args[0]);
    }
    BASE_TRY(gate_check_config(k, c, *path, err));
    if (k->setup.gates.n > 0) return BASE_OK;
    base_fail(err, BASE_USAGE, "%s has no [gates]", *path);
    return base_hint(err, "add lines such as accuracy >= 0.93, or begin with sotto init");
}

static base_status check_options(const quant_gauge *g, const char *split, data_split *s,
                                 base_err *err)
{
    if (!g->recording != !g->labels)
        return base_fail(err, BASE_USAGE, "--recording and --labels go together");
    BASE_TRY(cli_check_range("--tolerance-ms", g->tolerance_ms, 0, 10000, err));
    return data_split_parse(split, s, err);
}

base_status cmd_problem_check(cli *c, int argc, char **argv, base_err *err)
{
    gate_check k = gate_check_default(c);
    quant_gauge *g = &k.gauge;
    int strict = 0;
    const char *split = "test";
    double threshold = -1;
    const struct poptOption options[] = {
        {"pack", 0, POPT_ARG_STRING, &g->pack, 0, "clips to measure on (data.pack)", "FILE"},
        {"split", 's', POPT_ARG_STRING, &split, 0, "train, validation or test", "SPLIT"},
        {"int8", 0, POPT_ARG_STRING, &g->int8, 0, "the int8 model made of it", "FILE"},
        {"recording", 0, POPT_ARG_STRING, &g->recording, 0, "a long one, for fa_per_hour and frr",
         "FILE"},
        {"labels", 0, POPT_ARG_STRING, &g->labels, 0, "what is said in it, as sotto stream",
         "FILE"},
        {"threshold", 0, POPT_ARG_DOUBLE, &threshold, 0,
         "of detections, 0 to 1; negative: what the gate fa_per_hour allows", "X"},
        {"tolerance-ms", 0, POPT_ARG_DOUBLE, &g->tolerance_ms, 0,
         "a word may be detected so long after its end", "MS"},
        {"strict", 0, POPT_ARG_NONE, &strict, 0, "unsure and not measured are not met", NULL},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(check_options(g, split, &g->split, err));
    g->model = c->args[0];
    k.strict = strict;
    char *path = NULL;
    base_status status = read_config(&k, c, &path, err);
    if (status == BASE_OK && g->int8) status = quantize_lineage_check(g->model, g->int8, err);
    if (status == BASE_OK) status = gate_check_measure(&k, c, threshold, err);
    if (status == BASE_OK) status = put_result(&k, c, path, err);
    free(path);
    return status;
}
