/* The zoo for commands of other folders: see cli_architecture in train/cli.h. */
#include "train/cli.h"
#include "train/setup.h"

#include <string.h>

/* Keywords and the two classes that come with them. */
static int count_classes(const data_config *d)
{
    int n = d->keywords[0] != '\0';
    for (const char *s = d->keywords; *s; s++) n += *s == ',';
    return n + (d->unknown_share > 0) + (d->silence_share > 0);
}

base_status cli_architecture(cli *c, const char *name, base_str *net, base_err *err)
{
    train_setup s = train_setup_default();
    config *cfg;
    nn_graph *g = NULL;
    BASE_TRY(train_config_new(&s, &cfg, err));
    char arch[128];
    snprintf(arch, sizeof arch, "model.arch=%s", name);
    base_status status = config_override(cfg, arch, err);
    for (int i = 0; i < c->noverrides && status == BASE_OK; i++)
        status = config_override(cfg, c->overrides[i], err);
    if (status == BASE_OK) status = config_check(cfg, err);
    if (status == BASE_OK) status = train_graph_new(&s, count_classes(&s.data), &g, err);
    if (status == BASE_OK) nn_print(g, net);
    if (status == BASE_OK && net->failed) status = base_nomem(err, net->len);
    nn_graph_free(g);
    config_free(cfg);
    return status;
}
