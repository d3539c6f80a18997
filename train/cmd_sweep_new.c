/* sotto sweep new: the folder of a sweep. */
#include "quantize/gauge.h"
#include "train/cli.h"
#include "train/sweep.h"

#include <string.h>

/* Whether a config would take the first value of every parameter that has a section. */
static base_status check_params(const train_setup *s, base_err *err)
{
    config *cfg;
    train_setup trial = *s;
    BASE_TRY(train_config_new(&trial, &cfg, err));
    base_status status = BASE_OK;
    for (int i = 0; i < s->sweep.n && status == BASE_OK; i++) {
        const sweep_param *p = &s->sweep.params[i];
        base_str assignment = {0};
        base_str_add(&assignment, "%s=", p->key);
        sweep_value(p, 0, &assignment);
        if (assignment.failed)
            status = base_nomem(err, assignment.len);
        else if (strchr(p->key, '.'))
            status = config_override(cfg, assignment.s, err);
        base_str_free(&assignment);
    }
    config_free(cfg);
    return status;
}

/* Asha stops by an objective, at epochs before the last, which no trial may change. */
static base_status check_asha(const train_setup *s, base_err *err)
{
    static const char *const fixed[] = {"train.epochs", "train.qat", "train.init",
                                        "quantize.epochs"};
    char name[64];
    int sign;
    const long long epochs = train_setup_epochs(s);
    if (s->sweep.stopping != SWEEP_STOP_ASHA) return BASE_OK;
    if (!sweep_objective(&s->sweep, 0, name, &sign)) {
        base_fail(err, BASE_USAGE, "[sweep] stopping = asha without maximize or minimize");
        return base_hint(err, "for example sweep.maximize=val_accuracy");
    }
    if (s->sweep.min_epochs >= epochs)
        return base_fail(err, BASE_USAGE,
                         "[sweep] min_epochs = %lld leaves nothing to stop of %lld epochs",
                         (long long)s->sweep.min_epochs, epochs);
    for (int i = 0; i < s->sweep.n; i++)
        for (size_t k = 0; k < BASE_COUNT(fixed); k++)
            if (strcmp(s->sweep.params[i].key, fixed[k]) == 0)
                return base_fail(err, BASE_USAGE, "[sweep] stopping = asha cannot vary %s",
                                 fixed[k]);
    return BASE_OK;
}

static base_status check(cli *c, const train_setup *s, base_err *err)
{
    if (s->sweep.n == 0) {
        base_fail(err, BASE_USAGE, "%s: [sweep] varies nothing", c->args[0]);
        return base_hint(err, "for example sweep.train.lr=\"log 1e-4 1e-1\"");
    }
    BASE_TRY(check_params(s, err));
    BASE_TRY(check_asha(s, err));
    for (int i = 0; i < s->gates.n && !s->target.board[0]; i++)
        if (quant_gauge_is_of_board(s->gates.list[i].name))
            cli_warn(c, "%s rejects nothing before training: target.board is not given",
                     s->gates.list[i].name);
    return BASE_OK;
}

base_status cmd_sweep_new(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "CONFIG.ini",
        .about =
            "Lines of [sweep]: train.lr = log 1e-4 1e-1, model.width = int 4 64,\n"
            "x = uniform 0 1, model.arch = ds_cnn gru, features = mfcc_49x10 logmel_40x101;\n"
            "method = random, grid or tpe; trials = 20; maximize and minimize name results.\n"
            "stopping = asha, reduction = 3, min_epochs = 1: the best of each rung go on.\n"
            "With target.board, limits of [gates] on flash_kb, ram_kb, latency_ms, energy_uj,\n"
            "duty_percent and current_ma reject a trial before it is trained.",
        .min_args = 1,
        .max_args = 1,
        .output = "the folder of the sweep",
        .takes = CLI_OVERRIDES | CLI_OUTPUT_NEEDED};
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    train_setup s = train_setup_default();
    config *cfg;
    BASE_TRY(train_config_new(&s, &cfg, err));
    base_status status = config_read(cfg, c->args[0], err);
    for (int i = 0; i < c->noverrides && status == BASE_OK; i++)
        status = config_override(cfg, c->overrides[i], err);
    if (status == BASE_OK) status = config_check(cfg, err);
    if (status == BASE_OK) status = check(c, &s, err);
    base_str text = {0};
    if (status == BASE_OK) {
        train_config_absolute(cfg, &s);
        config_print(cfg, &text);
        status = text.failed ? base_nomem(err, text.len) : sweep_create(c->output, text.s, err);
    }
    if (status == BASE_OK) cli_put_text(c, "sweep", c->output);
    base_str_free(&text);
    config_free(cfg);
    return status;
}
