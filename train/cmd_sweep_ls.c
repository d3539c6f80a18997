/* sotto sweep ls: the trials, the best, the Pareto front. */
#include "train/cli.h"
#include "train/sweep.h"

#include <math.h>

static void put_trial(cli_table *t, const sweep *s, size_t i)
{
    const sweep_trial *trial = &s->trials[i];
    cli_cell_int(t, (int64_t)i + 1);
    cli_cell_text(t, sweep_state_name(trial->state));
    if (s->n_rungs > 1) cli_cell_int(t, sweep_epochs(s, trial));
    char name[64];
    int sign;
    for (int k = 0; sweep_objective(&s->space, k, name, &sign); k++)
        cli_cell_real(t, sweep_result(trial, name));
    cli_cell_int(t, sweep_on_front(s, i));
    base_str values = {0};
    const char *key;
    json_t *v;
    json_object_foreach(json_object_get(trial->asked, "values"), key, v)
        base_str_add(&values, "%s%s=%s", values.len ? " " : "", key, json_string_value(v));
    cli_cell_text(t, values.s);
    cli_cell_text(t, json_string_value(json_object_get(trial->ended, "reason")));
    base_str_free(&values);
}

static void put_best(cli *c, const sweep *s)
{
    char name[64];
    int sign;
    if (!sweep_objective(&s->space, 0, name, &sign)) return;
    size_t best = s->n;
    double high = -HUGE_VAL;
    for (size_t i = 0; i < s->n; i++) {
        if (s->trials[i].state != SWEEP_TOLD) continue;
        double v = sign * sweep_result(&s->trials[i], name);
        if (v > high) high = v, best = i;
    }
    if (best == s->n) return;
    cli_put_int(c, "best", (int64_t)best + 1);
    cli_put_real(c, name, sign * high, 4);
}

/* How many trials came to what; with asha also their epochs, and those without any stopping. */
static void put_counts(cli *c, const sweep *s)
{
    int64_t epochs = 0, trained = 0;
    for (int k = 0; k < SWEEP_STATES; k++)
        cli_put_int(c, sweep_state_name((sweep_state)k), (int64_t)sweep_count(s, (sweep_state)k));
    for (size_t i = 0; i < s->n; i++) {
        epochs += sweep_epochs(s, &s->trials[i]);
        trained += s->trials[i].state != SWEEP_REJECTED;
    }
    if (s->n_rungs == 1) return;
    cli_put_int(c, "epochs", epochs);
    cli_put_int(c, "epochs_unstopped", trained * s->rungs[s->n_rungs - 1]);
}

base_status cmd_sweep_ls(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "SWEEP",
        .about =
            "The best is by the first that [sweep] maximizes, or else minimizes. The front\n"
            "(Pareto): no other trial is as good in all of them and better in one. Both are of\n"
            "trials that were trained to the end: told.",
        .min_args = 1,
        .max_args = 1};
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    sweep s;
    BASE_TRY(sweep_open(c->args[0], &s, err));
    if (s.damaged) cli_warn(c, "%s/journal.jsonl:%d: damaged, skipped", s.dir, s.damaged);
    enum { MOST = SWEEP_TEXT / 2 + 1 }; /* names that two texts hold at most, each */
    cli_column columns[2 * MOST + 6] = {{"trial", NULL, CLI_INT, 0}, {"state", NULL, CLI_TEXT, 0}};
    char names[2 * MOST][64];
    int n = 2, sign;
    if (s.n_rungs > 1) columns[n++] = (cli_column){"epochs", NULL, CLI_INT, 0};
    for (int k = 0; sweep_objective(&s.space, k, names[k], &sign); k++)
        columns[n++] = (cli_column){names[k], NULL, CLI_REAL, 4};
    columns[n++] = (cli_column){"front", NULL, CLI_BOOL, 0};
    columns[n++] = (cli_column){"values", NULL, CLI_TEXT, 0};
    columns[n++] = (cli_column){"note", NULL, CLI_TEXT, 0};
    put_counts(c, &s);
    put_best(c, &s);
    cli_table *t = cli_table_new(c, "trials", columns, n);
    for (size_t i = 0; i < s.n; i++) put_trial(t, &s, i);
    sweep_close(&s);
    return BASE_OK;
}
