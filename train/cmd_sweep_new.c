/* sotto sweep new: the folder of a sweep. */
#include "train/cli.h"
#include "train/sweep.h"

base_status cmd_sweep_new(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "CONFIG.ini",
        .about = "Lines of [sweep]: train.lr = log 1e-4 1e-1, model.width = int 4 64,\n"
                 "x = uniform 0 1, model.arch = ds_cnn gru, features = mfcc_49x10 logmel_40x101;\n"
                 "method = random, grid or tpe; trials = 20; maximize and minimize name results.",
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
    if (status == BASE_OK && s.sweep.n == 0) {
        status = base_fail(err, BASE_USAGE, "%s: [sweep] varies nothing", c->args[0]);
        base_hint(err, "for example sweep.train.lr=\"log 1e-4 1e-1\"");
    }
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
