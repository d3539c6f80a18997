/* See train/probe.h. */
#include "train/probe.h"

#include <stdlib.h>
#include <string.h>

/* Nothing is chosen by the validation clips, so that they can judge; nothing depends on the shape
 * of the features. */
const probe probes[] = {
    {.name = "lda",
     .about = "linear discriminant analysis of the means of five segments of time",
     .arch = "linear",
     .overrides = {"train.fit=lda", "train.keep=last"}},
    {.name = "logistic",
     .about = "logistic regression on the same",
     .arch = "linear",
     .overrides = {"train.fit=logistic", "train.l2=0.01", "train.keep=last"}},
    {.name = "cnn",
     .about = "tcn, four convolutions over time",
     .arch = "tcn",
     .overrides = {"train.keep=last"}},
    {0}};

base_status probe_find(const char *name, const probe **found, base_err *err)
{
    base_str all = {0};
    for (const probe *p = probes; p->name; p++) {
        *found = p;
        if (strcmp(p->name, name) == 0) {
            base_str_free(&all);
            return BASE_OK;
        }
        base_str_add(&all, "%s%s", all.len ? ", " : "", p->name);
    }
    base_fail(err, BASE_USAGE, "no probe is called '%s'", name);
    base_hint(err, "probes: %s", all.failed ? "?" : all.s);
    base_str_free(&all);
    return BASE_USAGE;
}

/* ---- settings ---- */

static base_status configure(config *cfg, const probe *p, const dsp_config *features,
                             char *const *overrides, int n, train_setup *s, base_err *err)
{
    char preset[] = "features.preset=mfcc_49x10"; /* any: it keeps the recipe from choosing one */
    char *own[BASE_COUNT(p->overrides) + 1] = {preset};
    int k = 1;
    for (const char *const *o = p->overrides; *o; o++) own[k++] = (char *)(uintptr_t)*o;
    BASE_TRY(train_config_named(cfg, s, p->arch, own, k, err));
    for (int i = 0; i < n; i++) {
        if (strncmp(overrides[i], "features.", 9) == 0) {
            base_fail(err, BASE_USAGE, "'%s': the features are what is tried", overrides[i]);
            return base_hint(err, "a candidate has keys of its own: mfcc_49x10:%s",
                             overrides[i] + 9);
        }
        BASE_TRY(config_override(cfg, overrides[i], err));
    }
    s->features = *features;
    BASE_TRY(config_check(cfg, err));
    train_config_absolute(cfg, s);
    return BASE_OK;
}

base_status probe_config(const probe *p, const dsp_config *features, char *const *overrides, int n,
                         train_setup *s, config **cfg, base_err *err)
{
    *s = train_setup_default();
    *cfg = NULL;
    BASE_TRY(train_config_new(s, cfg, err));
    const base_status status = configure(*cfg, p, features, overrides, n, s, err);
    if (status == BASE_OK) return BASE_OK;
    config_free(*cfg);
    *cfg = NULL;
    return status;
}

/* ---- training ---- */

base_status probe_train(const train_setup *s, const config *cfg, const char *dir,
                        const train_hooks *hooks, base_err *err)
{
    char note[128];
    base_str text = {0};
    config_print(cfg, &text);
    base_status status = text.failed ? base_nomem(err, text.len) : BASE_OK;
    const bool there = rundir_resumes(dir);
    if (status == BASE_OK && there) status = rundir_check_config(dir, text.s, err);
    if (status == BASE_OK && (!there || rundir_look(dir, note) != RUN_DONE)) {
        const train_output out = {.dir = dir, .config_text = text.s, .resume = there};
        train_result result;
        status = train_run(s, &out, hooks, &result, err);
    }
    base_str_free(&text);
    return status;
}

/* ---- without some features ---- */

static void add_slice(base_str *text, const char *name, int axis, int begin, int size)
{
    base_str_add(text, "%s = slice(features) axis=%d begin=%d size=%d\n", name, axis, begin, size);
}

base_status probe_without(const train_setup *s, int classes, int axis, int first, int count,
                          base_str *text, base_err *err)
{
    int shape[2];
    char whole[64];
    dsp_config_shape(&s->features, &shape[0], &shape[1]);
    const int after = shape[axis] - first - count;
    shape[axis] -= count;
    if (shape[axis] <= 0) return base_fail(err, BASE_USAGE, "without all features nothing is left");
    nn_graph *g;
    BASE_TRY(train_graph_zoo(s, shape[0], shape[1], classes, &g, err));
    nn_shape in = nn_graph_input(g, 0)->shape;
    if (axis == 1 && in.d[1] == 1) axis = 2; /* bins are channels there */
    in.d[axis] += count;
    base_str_add(text, "features = input %s\n", nn_shape_text(in, whole));
    if (first > 0 && after > 0) {
        add_slice(text, "features_before", axis, 0, first);
        add_slice(text, "features_after", axis, first + count, after);
        base_str_add(text, "x = concat(features_before, features_after) axis=%d\n", axis);
    } else {
        add_slice(text, "x", axis, first > 0 ? 0 : count, first + after);
    }
    base_str net = {0};
    nn_print(g, &net);
    const char *rest = net.failed ? NULL : strchr(net.s, '\n'); /* what follows "x = input ..." */
    if (rest) base_str_add(text, "%s", rest + 1);
    base_str_free(&net);
    nn_graph_free(g);
    return rest && !text->failed ? BASE_OK : base_nomem(err, text->len);
}
