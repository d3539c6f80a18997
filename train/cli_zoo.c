/* The zoo for commands of other folders: see cli_graph in train/cli.h. */
#include "train/cli.h"
#include "train/setup.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NET = 1 << 20 };

bool cli_is_net(const char *what)
{
    size_t n = strlen(what);
    return n >= 4 && strcmp(what + n - 4, ".net") == 0;
}

static base_status graph_of_file(cli *c, const char *path, int classes, nn_graph **g, base_err *err)
{
    if (c->noverrides > 0) {
        base_fail(err, BASE_USAGE, "'%s' has no effect on '%s'", c->overrides[0], path);
        return base_hint(err, "settings go with an architecture's name: sotto %s ds_cnn %s",
                         c->command, c->overrides[0]);
    }
    if (classes > 0)
        return base_fail(err, BASE_USAGE, "--classes %d has no effect on '%s'", classes, path);
    char *text;
    BASE_TRY(base_read_file(path, MAX_NET, &text, NULL, err));
    base_status status = nn_parse(text, path, g, err);
    free(text);
    return status;
}

/* The settings of an architecture of the zoo, checked. */
static base_status settings_of(cli *c, const char *what, train_setup *s, base_err *err)
{
    config *cfg;
    *s = train_setup_default();
    BASE_TRY(train_config_new(s, &cfg, err));
    base_status status = train_config_named(cfg, s, what, c->overrides, c->noverrides, err);
    if (status == BASE_OK) status = config_check(cfg, err);
    config_free(cfg);
    return status;
}

base_status cli_features(cli *c, const char *what, dsp_config *features, base_err *err)
{
    train_setup s;
    BASE_TRY(settings_of(c, what, &s, err));
    *features = s.features;
    return BASE_OK;
}

base_status cli_graph(cli *c, const char *what, int classes, nn_graph **g, base_err *err)
{
    train_setup s;
    *g = NULL;
    if (cli_is_net(what)) return graph_of_file(c, what, classes, g, err);
    BASE_TRY(settings_of(c, what, &s, err));
    if (classes <= 0) BASE_TRY(train_setup_classes(&s, &classes, err));
    return train_graph_new(&s, classes, g, err);
}
