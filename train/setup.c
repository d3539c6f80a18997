/* See train/setup.h. */
#include "train/setup.h"

#include "nn/embedded.h"
#include "train/zoo.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

train_setup train_setup_default(void)
{
    train_setup s = {.problem = problem_settings_default(),
                     .data = data_config_default(),
                     .augment = data_augment_default(),
                     .model = model_settings_default(),
                     .train = train_settings_default(),
                     .quantize = quantize_settings_default(),
                     .target = target_settings_default(),
                     .pipeline = pipeline_settings_default(),
                     .sweep = sweep_space_default()};
    dsp_preset("mfcc_49x10", &s.features, NULL);
    return s;
}

/* ---- sections of data ---- */

static base_status data_set(void *s, const char *key, const char *value, base_err *err)
{
    return data_config_set(s, key, value, err);
}

static void data_print(const void *s, base_str *out)
{
    data_config_print(s, out);
}

static base_status data_check(const void *s, base_err *err)
{
    return data_config_check(s, err);
}

static base_status augment_set(void *s, const char *key, const char *value, base_err *err)
{
    return data_augment_set(s, key, value, err);
}

static void augment_print(const void *s, base_str *out)
{
    data_augment_print(s, out);
}

static base_status augment_check(const void *s, base_err *err)
{
    return data_augment_check(s, err);
}

base_status train_config_new(train_setup *s, config **cfg, base_err *err)
{
    const config_section sections[] = {
        problem_section(&s->problem),
        {.name = "data",
         .settings = &s->data,
         .set = data_set,
         .print = data_print,
         .check = data_check,
         .key = data_config_key,
         .help = data_config_help,
         .takes = data_config_takes},
        features_section(&s->features),
        {.name = "augment",
         .settings = &s->augment,
         .set = augment_set,
         .print = augment_print,
         .check = augment_check,
         .key = data_augment_key,
         .help = data_augment_help,
         .takes = data_augment_takes},
        model_section(&s->model),
        train_section(&s->train),
        quantize_section(&s->quantize),
        target_section(&s->target),
        gates_section(&s->gates),
        pipeline_section(&s->pipeline),
        sweep_section(&s->sweep),
    };
    return config_new(sections, BASE_COUNT(sections), cfg, err);
}

/* ---- by name ---- */

static base_status override(config *cfg, char *const *overrides, int n, base_err *err)
{
    for (int i = 0; i < n; i++) BASE_TRY(config_override(cfg, overrides[i], err));
    return BASE_OK;
}

static base_status set(config *cfg, const char *key, const char *value, base_err *err)
{
    char assignment[128];
    snprintf(assignment, sizeof assignment, "%s=%.90s", key, value);
    return config_override(cfg, assignment, err);
}

base_status train_config_named(config *cfg, train_setup *s, const char *name,
                               char *const *overrides, int n, base_err *err)
{
    const zoo_model *model;
    BASE_TRY(zoo_find(name, &model, err));
    const nn_embedded *recipe = config_recipe(name);
    if (recipe) {
        BASE_TRY(config_read_text(cfg, recipe->path, recipe->text, err));
    } else {
        BASE_TRY(set(cfg, "model.arch", name, err));
        BASE_TRY(set(cfg, "features.preset", model->features, err));
        BASE_TRY(set(cfg, "features.normalize", "feature", err));
    }
    zoo_size before = (zoo_size)s->model.size;
    BASE_TRY(override(cfg, overrides, n, err));
    const char *features = zoo_features(model, (zoo_size)s->model.size);
    if (strcmp(features, zoo_features(model, before)) == 0) return BASE_OK;
    for (int i = 0; i < n; i++)
        if (strncmp(overrides[i], "features.preset=", 16) == 0) return BASE_OK;
    BASE_TRY(set(cfg, "features.preset", features, err));
    return override(cfg, overrides, n, err);
}

void train_config_absolute(config *cfg, const train_setup *s)
{
    const struct {
        const char *key, *path;
    } files[] = {{"data.pack", s->data.pack},
                 {"augment.rir_file", s->augment.rir_file},
                 {"model.file", s->model.file},
                 {"train.teacher", s->train.teacher},
                 {"train.init", s->train.init}};
    for (size_t i = 0; i < BASE_COUNT(files); i++) {
        char full[PATH_MAX], assignment[PATH_MAX + 32];
        if (!files[i].path[0] || !realpath(files[i].path, full)) continue;
        snprintf(assignment, sizeof assignment, "%s=%s", files[i].key, full);
        base_err refused = {0};
        config_override(cfg, assignment, &refused);
    }
}

/* ---- what follows from the settings ---- */

base_status train_setup_classes(const train_setup *s, int *classes, base_err *err)
{
    char **words;
    size_t n;
    BASE_TRY(data_words_parse(s->data.keywords, &words, &n, err));
    free(words);
    *classes = (int)n + (s->data.unknown_share > 0) + (s->data.silence_share > 0);
    return BASE_OK;
}

int64_t train_setup_epochs(const train_setup *s)
{
    const int64_t in_float = s->train.qat && s->train.init[0] ? 0 : s->train.epochs;
    return in_float + (s->train.qat ? s->quantize.epochs : 0);
}

/* ---- the graph ---- */

enum { MAX_GRAPH = 1 << 20 };

static base_status graph_of_file(const char *path, nn_graph **g, base_err *err)
{
    char *text;
    BASE_TRY(base_read_file(path, MAX_GRAPH, &text, NULL, err));
    base_status s = nn_parse(text, path, g, err);
    free(text);
    return s;
}

static base_status check_fit(const nn_graph *g, int frames, int bins, int classes, base_err *err)
{
    char a[64];
    const nn_node *in = nn_graph_input(g, 0), *out = nn_graph_output(g);
    if (!in || nn_graph_input(g, 1))
        return base_fail(err, BASE_USAGE, "the model must have exactly one input");
    if (nn_count(in->shape) != (int64_t)frames * bins) {
        base_fail(err, BASE_USAGE, "the model's input '%s' is %s, the features are %dx%d", in->name,
                  nn_shape_text(in->shape, a), frames, bins);
        return base_hint(err, "change [features], or the input to %dx%dx1", frames, bins);
    }
    if (out->shape.n != 1 || out->shape.d[0] != classes) {
        base_fail(err, BASE_USAGE, "the model's output '%s' is %s, there are %d classes", out->name,
                  nn_shape_text(out->shape, a), classes);
        return base_hint(err, "end it with: y = dense(...) out=%d", classes);
    }
    return BASE_OK;
}

base_status train_graph_zoo(const train_setup *s, int frames, int bins, int classes, nn_graph **g,
                            base_err *err)
{
    const zoo_model *model;
    const zoo_options o = {.frames = frames,
                           .bins = bins,
                           .classes = classes,
                           .size = (zoo_size)s->model.size,
                           .width = s->model.width,
                           .blocks = (int)s->model.blocks,
                           .repeats = (int)s->model.repeats,
                           .leaves = (int)s->model.leaves,
                           .nearest = (int)s->model.nearest,
                           .dropout = s->model.dropout};
    BASE_TRY(zoo_find(s->model.arch, &model, err));
    return zoo_build(model, o, g, err);
}

base_status train_graph_new(const train_setup *s, int classes, nn_graph **g, base_err *err)
{
    int frames, bins;
    dsp_config_shape(&s->features, &frames, &bins);
    *g = NULL;
    if (s->model.file[0])
        BASE_TRY(graph_of_file(s->model.file, g, err));
    else
        BASE_TRY(train_graph_zoo(s, frames, bins, classes, g, err));
    base_status status = check_fit(*g, frames, bins, classes, err);
    if (status == BASE_OK) return BASE_OK;
    nn_graph_free(*g);
    *g = NULL;
    return status;
}
