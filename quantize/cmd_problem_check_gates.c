/* See quantize/cmd_problem_check.h. */
#include "quantize/cmd_problem_check.h"

#include "train/rundir.h"

#include <math.h>
#include <stdlib.h>

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

gate_check gate_check_default(cli *c)
{
    return (gate_check){.setup = train_setup_default(),
                        .threshold = (double)NAN,
                        .gauge = {.posterior = quant_posterior_default(),
                                  .tolerance_ms = 750,
                                  .threads = c->threads,
                                  .progress = show,
                                  .ctx = c}};
}

base_status gate_check_file(const char *path, const char *model, char **file, base_err *err)
{
    *file = NULL;
    if (!path && !rundir_is_run(model)) return BASE_OK;
    *file = path ? base_strdup(path) : base_path(model, "config.ini");
    return *file ? BASE_OK : base_nomem(err, 1);
}

base_status gate_check_config(gate_check *k, const cli *c, const char *path, base_err *err)
{
    config *cfg;
    BASE_TRY(train_config_new(&k->setup, &cfg, err));
    base_status status = config_read(cfg, path, err);
    for (int i = 0; i < c->noverrides && status == BASE_OK; i++)
        status = config_override(cfg, c->overrides[i], err);
    if (status == BASE_OK) status = config_check(cfg, err);
    config_free(cfg);
    return status;
}

base_status gate_check_measure(gate_check *k, cli *c, double threshold, base_err *err)
{
    quant_gauge *g = &k->gauge;
    const gate_settings *gates = &k->setup.gates;
    const gate *alarms = gates_find(gates, "fa_per_hour");
    const char *names[GATES_MAX];
    for (int i = 0; i < gates->n; i++) names[i] = gates->list[i].name;
    if (!g->pack && k->setup.data.pack[0]) g->pack = k->setup.data.pack;
    if (k->setup.target.board[0]) g->board = k->setup.target.board;
    g->per_second = k->setup.target.inferences_per_second;
    g->volts = k->setup.target.volts;
    if (threshold >= 0) g->posterior.threshold = threshold;
    g->most_alarms = alarms && threshold < 0 ? alarms->limit : (double)NAN;
    cli_progress_begin(c, "measuring", "inferences", 0);
    const base_status status =
        quant_gauge_read(g, names, (size_t)gates->n, k->readings, &k->threshold, err);
    cli_progress_end(c);
    return status;
}

gate_verdict gate_check_verdict(const gate_check *k, int i)
{
    const quant_reading *r = &k->readings[i];
    return gate_judge(&k->setup.gates.list[i], r->value, r->lo, r->hi);
}

int gate_check_met(const gate_check *k, int i)
{
    const gate_verdict v = gate_check_verdict(k, i);
    if (v == GATE_NOT_MEASURED) return k->strict ? 0 : -1;
    return v == GATE_UNSURE && k->strict
               ? 0
               : gate_holds(&k->setup.gates.list[i], k->readings[i].value);
}

void gate_check_text(const gate_check *k, int i, char text[96])
{
    const gate *g = &k->setup.gates.list[i];
    snprintf(text, 96, "%s %s %g", g->name, g->most ? "<=" : ">=", g->limit);
}
