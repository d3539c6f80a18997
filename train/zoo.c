/* See train/zoo.h. */
#include "train/zoo.h"

#include "dsp/dsp.h"

#include <string.h>

#define ZOO_MODEL(name) extern const zoo_model zoo_##name;
#include "train/models.def"
#undef ZOO_MODEL

#define ZOO_MODEL(name) &zoo_##name,
const zoo_model *const zoo_models[] = {
#include "train/models.def"
};
#undef ZOO_MODEL
const int zoo_n_models = BASE_COUNT(zoo_models);

base_status zoo_find(const char *name, const zoo_model **model, base_err *err)
{
    const char *names[BASE_COUNT(zoo_models)];
    for (int i = 0; i < zoo_n_models; i++) {
        *model = zoo_models[i];
        names[i] = zoo_models[i]->name;
        if (strcmp(name, names[i]) == 0) return BASE_OK;
    }
    base_fail(err, BASE_USAGE, "unknown architecture '%s'", name);
    const char *near = base_nearest(name, names, BASE_COUNT(names));
    if (near) return base_hint(err, "did you mean '%s'? `sotto model list` shows all", near);
    return base_hint(err, "`sotto model list` shows all; model.file=my.net takes one of your own");
}

base_status zoo_build(const zoo_model *model, zoo_options o, nn_graph **g, base_err *err)
{
    *g = nn_graph_new();
    if (!*g) return base_nomem(err, sizeof(void *));
    if (o.width <= 0) o.width = model->width;
    if (o.dropout < 0) o.dropout = model->dropout;
    model->build(nn_input(*g, "%dx%dx1", o.frames, o.bins), &o);
    base_err e = {0};
    if (nn_graph_check(*g, &e) == BASE_OK) return BASE_OK;
    nn_graph_free(*g);
    *g = NULL;
    base_fail(err, e.status, "%s on %d x %d features: %.380s", model->name, o.frames, o.bins,
              e.message);
    return e.hint[0] ? base_hint(err, "%s", e.hint) : e.status;
}

base_status zoo_build_default(const zoo_model *model, int classes, nn_graph **g, base_err *err)
{
    dsp_config features;
    zoo_options o = {.classes = classes, .dropout = -1};
    BASE_TRY(dsp_preset(model->features, &features, err));
    dsp_config_shape(&features, &o.frames, &o.bins);
    return zoo_build(model, o, g, err);
}
