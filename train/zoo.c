/* See train/zoo.h. */
#include "train/zoo.h"

#include "dsp/dsp.h"

#include <math.h>
#include <stdarg.h>
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

const char *const zoo_sizes[] = {[ZOO_S] = "s", [ZOO_M] = "m", [ZOO_L] = "l", NULL};

bool zoo_has_size(const zoo_model *model, zoo_size size)
{
    return model->width[size] > 0;
}

const char *zoo_features(const zoo_model *model, zoo_size size)
{
    return model->features_of[size] ? model->features_of[size] : model->features;
}

static base_status no_such_size(const zoo_model *m, zoo_size size, base_err *err)
{
    base_str have = {0};
    for (int i = 0; i < ZOO_SIZES; i++)
        if (zoo_has_size(m, (zoo_size)i))
            base_str_add(&have, "%s%s", have.len ? ", " : "", zoo_sizes[i]);
    base_fail(err, BASE_USAGE, "model.size = %s: %s comes in %s", zoo_sizes[size], m->name,
              have.failed ? "others" : have.s);
    base_str_free(&have);
    return base_hint(err, "model.width scales it (%s)", m->scales);
}

/* The architecture's own where the options say nothing; refuses what it does not take. */
static base_status resolve(const zoo_model *m, zoo_options *o, base_err *err)
{
    if (!zoo_has_size(m, o->size)) return no_such_size(m, o->size, err);
    if (o->blocks > 0 && m->blocks == 0)
        return base_fail(err, BASE_USAGE, "model.blocks = %d: %s does not take it", o->blocks,
                         m->name);
    if (o->repeats > 0 && m->repeats == 0)
        return base_fail(err, BASE_USAGE, "model.repeats = %d: %s does not take it", o->repeats,
                         m->name);
    if (o->leaves > 0 && m->leaves == 0)
        return base_fail(err, BASE_USAGE, "model.leaves = %d: %s has no trees", o->leaves, m->name);
    if (o->nearest > 0 && m->nearest == 0)
        return base_fail(err, BASE_USAGE, "model.nearest = %d: %s has no templates", o->nearest,
                         m->name);
    if (o->width > floor(o->width) && strcmp(m->scales, "channels") == 0)
        return base_fail(err, BASE_USAGE, "model.width = %g: %s counts channels, a whole number",
                         o->width, m->name);
    if (o->width <= 0) o->width = m->width[o->size];
    if (o->blocks == 0) o->blocks = m->blocks;
    if (o->repeats == 0) o->repeats = m->repeats;
    if (o->leaves == 0) o->leaves = m->leaves;
    if (o->nearest == 0) o->nearest = m->nearest;
    if (o->dropout < 0) o->dropout = m->dropout;
    if (o->nearest > o->blocks) {
        base_fail(err, BASE_USAGE, "model.nearest = %d: a class has %d templates", o->nearest,
                  o->blocks);
        return base_hint(err, "model.blocks is how many it has");
    }
    return BASE_OK;
}

base_status zoo_build(const zoo_model *model, zoo_options o, nn_graph **g, base_err *err)
{
    *g = NULL;
    const bool own = o.width <= 0;
    BASE_TRY(resolve(model, &o, err));
    nn_graph *graph = nn_graph_new();
    if (!graph) return base_nomem(err, sizeof(void *));
    nn_node *x = model->temporal ? nn_input(graph, "%dx1x%d", o.frames, o.bins)
                                 : nn_input(graph, "%dx%dx1", o.frames, o.bins);
    model->build(x, &o);
    base_err e = {0};
    if (nn_graph_check(graph, &e) == BASE_OK) {
        *g = graph;
        return BASE_OK;
    }
    nn_graph_free(graph);
    base_fail(err, e.status, "%s on %d x %d features: %.380s", model->name, o.frames, o.bins,
              e.message);
    if (!own)
        return base_hint(err, "model.width is %g (%s); its own is %g", o.width, model->scales,
                         model->width[o.size]);
    return e.hint[0] ? base_hint(err, "%s", e.hint) : e.status;
}

base_status zoo_build_default(const zoo_model *model, zoo_size size, int classes, nn_graph **g,
                              base_err *err)
{
    dsp_config features;
    zoo_options o = {.classes = classes, .size = size, .dropout = -1};
    BASE_TRY(dsp_preset(zoo_features(model, size), &features, err));
    dsp_config_shape(&features, &o.frames, &o.bins);
    return zoo_build(model, o, g, err);
}

/* ---- for the architectures' files ---- */

zoo_name zoo_named(const char *fmt, ...)
{
    zoo_name name;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name.s, sizeof name.s, fmt, ap);
    va_end(ap);
    return name;
}

nn_node *zoo_norm_relu(nn_node *x, const char *stem)
{
    x = nn_batchnorm(x, zoo_named("%s.bn", stem).s);
    return nn_relu(x, zoo_named("%s.relu", stem).s);
}
