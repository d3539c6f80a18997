/* settings: the tables of [model], [train] and [quantize]; [features] as a section. */
#include "train/settings.h"

#include "train/zoo.h"

#include <string.h>

static const char *const optimizers[] = {
    [NN_SGD] = "sgd",         [NN_ADAM] = "adam",         [NN_ADAMW] = "adamw",
    [NN_RMSPROP] = "rmsprop", [NN_NOVOGRAD] = "novograd", NULL};
static const char *const schedules[] = {[NN_CONSTANT] = "constant",
                                        [NN_STEPS] = "step",
                                        [NN_EXPONENTIAL] = "exp",
                                        [NN_COSINE] = "cosine",
                                        [NN_PLATEAU] = "plateau",
                                        [NN_POLYNOMIAL] = "poly",
                                        NULL};
static const char *const roundings[] = {"tflm", "single", NULL};
static const char *const ranges[] = {"minmax", "percentile", "mse", "kl", NULL};
static const char *const keeps[] = {[TRAIN_KEEP_BEST] = "best", [TRAIN_KEEP_LAST] = "last", NULL};
static const char *const losses[] = {[TRAIN_CROSS_ENTROPY] = "cross_entropy",
                                     [TRAIN_HINGE] = "hinge",
                                     [TRAIN_SQUARED_HINGE] = "squared_hinge",
                                     [TRAIN_BINARY_CROSS_ENTROPY] = "binary_cross_entropy",
                                     [TRAIN_MEAN_SQUARED_ERROR] = "mean_squared_error",
                                     NULL};
static const char *const class_weights[] = {
    [TRAIN_WEIGHTS_NONE] = "none", [TRAIN_WEIGHTS_BALANCED] = "balanced", NULL};

#define MEMBER(type, name) .offset = offsetof(type, name), .size = sizeof(((type *)0)->name)

#define INT(S, key, low, high, text)                                                               \
    {                                                                                              \
        .name = #key, .help = text, .type = CONFIG_INT, MEMBER(S, key), .lo = low, .hi = high      \
    }
#define REAL(S, key, low, high, text)                                                              \
    {                                                                                              \
        .name = #key, .help = text, .type = CONFIG_REAL, MEMBER(S, key), .lo = low, .hi = high     \
    }
#define BOOL(S, key, text)                                                                         \
    {                                                                                              \
        .name = #key, .help = text, .type = CONFIG_BOOL, MEMBER(S, key)                            \
    }
#define TEXT(S, key, text)                                                                         \
    {                                                                                              \
        .name = #key, .help = text, .type = CONFIG_TEXT, MEMBER(S, key)                            \
    }
#define CHOICE(S, key, list, text)                                                                 \
    {                                                                                              \
        .name = #key, .help = text, .type = CONFIG_CHOICE, MEMBER(S, key), .choices = list         \
    }

#define M model_settings
static const config_key model_keys[] = {
    TEXT(M, arch, "architecture of the zoo"),
    TEXT(M, file, "graph text to train instead of an architecture"),
    CHOICE(M, size, zoo_sizes, "of the paper's sizes, where it has several"),
    REAL(M, width, 0, 4096, "channels of the body, or factor; 0: the architecture's own"),
    INT(M, blocks, 0, 1000, "blocks, where they can be chosen; 0: the architecture's own"),
    INT(M, repeats, 0, 64, "layers of a block, likewise"),
    INT(M, leaves, 0, 256, "leaves of a tree, likewise"),
    INT(M, nearest, 0, 1000, "templates of a class whose mean is its score, likewise"),
    REAL(M, dropout, -1, 0.95, "share dropped; negative: the architecture's own"),
};

#define T train_settings
static const config_key train_keys[] = {
    INT(T, epochs, 1, 100000, "times through the training clips"),
    INT(T, batch, 1, 65536, "clips a step"),
    INT(T, shards, 1, 256, "parts of a batch, summed in order"),
    REAL(T, lr, 1e-8, 10, "learning rate after warm-up; of fit = boosting"),
    CHOICE(T, optimizer, optimizers, "how weights follow gradients"),
    REAL(T, momentum, 0, 0.9999, "sgd, rmsprop: share of the step before"),
    BOOL(T, nesterov, "sgd: look one momentum step ahead"),
    REAL(T, beta1, 0, 0.99999, "adam, adamw, novograd: kept of mean gradients; 0: its own"),
    REAL(T, beta2, 0, 0.9999999, "adam, adamw, novograd: kept of mean squares; 0: its own"),
    REAL(T, rho, 0, 0.9999999, "rmsprop: kept of mean squares"),
    REAL(T, epsilon, 0, 1, "added to roots of mean squares; 0: the optimizer's own"),
    REAL(T, weight_decay, 0, 1, "pull of weights to zero"),
    TEXT(T, decay_groups, "whose pull is multiplied by what: *.gamma=1 pos.*=0"),
    REAL(T, clip_norm, 0, 1e6, "most that the norm of all gradients may be; 0: any"),
    REAL(T, ema, 0, 0.9999999, "kept by averaged weights in a step; 0: no averaging"),
    CHOICE(T, schedule, schedules, "how the learning rate falls"),
    REAL(T, warmup_epochs, 0, 100000, "epochs of linear rise"),
    REAL(T, hold_epochs, 0, 100000, "exp, cosine, poly: epochs at lr before it falls"),
    REAL(T, final_lr, 0, 10, "exp, cosine, poly: learning rate at the end; plateau: least"),
    REAL(T, poly_power, 0.01, 100, "poly: power of the time that is left"),
    REAL(T, step_epochs, 0.001, 100000, "step: epochs between steps"),
    REAL(T, step_factor, 1e-6, 1, "step, plateau: what a step multiplies the rate by"),
    INT(T, plateau_patience, 1, 100000, "plateau: validations without a lower val_loss"),
    REAL(T, plateau_delta, 0, 100, "plateau: how much lower counts"),
    CHOICE(T, loss, losses, "what is made small"),
    REAL(T, label_smoothing, 0, 0.9, "cross_entropy: share of the target spread over all classes"),
    CHOICE(T, class_weights, class_weights, "cross_entropy: rare classes weigh more"),
    TEXT(T, teacher, "cross_entropy: run or model whose outputs are learnt too"),
    REAL(T, distill_alpha, 0, 1, "share of the teacher in the loss"),
    REAL(T, distill_temperature, 0.01, 1000, "how soft student and teacher are made"),
    TEXT(T, init, "run or model whose weights training starts from"),
    BOOL(T, qat, "int8 is simulated (quantize.epochs), from init on or after epochs"),
    CHOICE(T, fit, fit_kinds, "last layer found at once, without descent; see README"),
    INT(T, per_class, 0, 1000000, "fit: training clips of each class that it sees; 0: all"),
    REAL(T, l2, 0, 1e6, "logistic, svm: pull of its weights to zero; 0: chosen on validation"),
    INT(T, seed, 0, 1LL << 52, "start of all random numbers"),
    INT(T, val_every, 1, 100000, "epochs between validations"),
    CHOICE(T, keep, keeps, "which epoch's weights become the model"),
};

#define Q quantize_settings
static const config_key quantize_keys[] = {
    CHOICE(Q, range, ranges, "qat: how the range of an activation is chosen"),
    REAL(Q, percentile, 50, 100, "percentile: share of the values within it, in %"),
    BOOL(Q, equalize, "channels of consecutive layers scaled to like ranges before"),
    CHOICE(Q, rounding, roundings, "of requantizations: twice, as TFLite Micro does, or once"),
    TEXT(Q, weights, "bits, 4 or 8: of all layers or by name, as sotto quantize --weights"),
    INT(Q, clips, 1, 1000000, "training clips that ranges are measured on"),
    REAL(Q, range_share, 0, 1, "how far an epoch moves ranges to what its weights want"),
    INT(Q, epochs, 1, 100000, "times through the training clips with simulated int8"),
    REAL(Q, lr, 1e-8, 1, "learning rate that they begin with, of Adam"),
};

model_settings model_settings_default(void)
{
    return (model_settings){.arch = "ds_cnn", .width = 0, .dropout = -1};
}

train_settings train_settings_default(void)
{
    return (train_settings){
        .epochs = 30,
        .batch = 100,
        .shards = 4,
        .lr = 1e-3,
        .optimizer = NN_ADAM,
        .momentum = 0.9,
        .rho = 0.9,
        .schedule = NN_COSINE,
        .final_lr = 1e-5,
        .poly_power = 2,
        .step_epochs = 10,
        .step_factor = 0.5,
        .plateau_patience = 3,
        .plateau_delta = 1e-4,
        .distill_alpha = 0.5,
        .distill_temperature = 4,
        .val_every = 1,
        .keep = TRAIN_KEEP_BEST,
    };
}

quantize_settings quantize_settings_default(void)
{
    return (quantize_settings){.range = 2,
                               .percentile = 99.99,
                               .equalize = true,
                               .clips = 512,
                               .range_share = 0.5,
                               .epochs = 15,
                               .lr = 1e-4};
}

static base_status model_check(const void *settings, base_err *err)
{
    const model_settings *s = settings;
    if (s->arch[0] || s->file[0]) return BASE_OK;
    base_fail(err, BASE_USAGE, "neither model.arch nor model.file is given");
    return base_hint(err, "model.arch=ds_cnn is a good first choice");
}

config_section model_section(model_settings *s)
{
    return (config_section){.name = "model",
                            .settings = s,
                            .check = model_check,
                            .keys = model_keys,
                            .nkeys = BASE_COUNT(model_keys)};
}

/* Other losses than cross_entropy have none of what is made for it. */
static base_status check_loss(const train_settings *s, base_err *err)
{
    bool weights = s->class_weights != TRAIN_WEIGHTS_NONE;
    if (s->teacher[0] && weights) {
        base_fail(err, BASE_USAGE, "class_weights = %s does not go with a teacher",
                  class_weights[s->class_weights]);
        return base_hint(err, "train.class_weights=none");
    }
    if (s->loss == TRAIN_CROSS_ENTROPY) return BASE_OK;
    const char *key = s->teacher[0]            ? "teacher"
                      : weights                ? "class_weights"
                      : s->label_smoothing > 0 ? "label_smoothing"
                                               : NULL;
    if (!key) return BASE_OK;
    base_fail(err, BASE_USAGE, "%s works with loss = cross_entropy, not with %s", key,
              losses[s->loss]);
    return base_hint(err, "train.%s=%s", key, s->teacher[0] ? "" : weights ? "none" : "0");
}

static base_status check_optimizer(const train_settings *s, base_err *err)
{
    if (s->nesterov && (s->optimizer != NN_SGD || s->momentum <= 0)) {
        base_fail(err, BASE_USAGE, "nesterov = yes does not fit optimizer = %s, momentum = %g",
                  optimizers[s->optimizer], s->momentum);
        return base_hint(err, "it is for train.optimizer=sgd with train.momentum above 0");
    }
    return nn_decay_factors(NULL, s->decay_groups, NULL, err);
}

static base_status check_schedule(const train_settings *s, base_err *err)
{
    if (s->warmup_epochs >= (double)s->epochs) {
        base_fail(err, BASE_USAGE, "warmup_epochs = %g leaves nothing of epochs = %lld",
                  s->warmup_epochs, (long long)s->epochs);
        return base_hint(err, "train.warmup_epochs=0 starts at the full learning rate");
    }
    bool ends =
        s->schedule == NN_EXPONENTIAL || s->schedule == NN_COSINE || s->schedule == NN_POLYNOMIAL;
    if (ends && s->warmup_epochs + s->hold_epochs >= (double)s->epochs)
        return base_fail(err, BASE_USAGE,
                         "warmup_epochs = %g and hold_epochs = %g leave nothing of epochs = %lld",
                         s->warmup_epochs, s->hold_epochs, (long long)s->epochs);
    bool above = (ends || s->schedule == NN_PLATEAU) && s->final_lr > s->lr;
    if (above || (s->schedule == NN_EXPONENTIAL && s->final_lr <= 0))
        return base_fail(err, BASE_USAGE, "final_lr = %g does not fit lr = %g", s->final_lr, s->lr);
    return BASE_OK;
}

/* A fit takes the place of descent and of what belongs to that. */
static base_status check_fit(const train_settings *s, base_err *err)
{
    const char *other = s->loss != TRAIN_CROSS_ENTROPY           ? "loss"
                        : s->class_weights != TRAIN_WEIGHTS_NONE ? "class_weights"
                        : s->teacher[0]                          ? "teacher"
                        : s->ema > 0                             ? "ema"
                        : s->qat && s->init[0]                   ? "qat"
                                                                 : NULL;
    if (s->fit == FIT_NO || !other) return BASE_OK;
    base_fail(err, BASE_USAGE, "fit = %s goes without %s", fit_kinds[s->fit], other);
    return base_hint(err, "leave train.%s as it is by default, or train.fit=no", other);
}

static base_status train_check(const void *settings, base_err *err)
{
    const train_settings *s = settings;
    if (s->shards > s->batch)
        return base_fail(err, BASE_USAGE, "shards = %lld is more than batch = %lld",
                         (long long)s->shards, (long long)s->batch);
    BASE_TRY(check_optimizer(s, err));
    BASE_TRY(check_loss(s, err));
    BASE_TRY(check_fit(s, err));
    return s->fit == FIT_NO ? check_schedule(s, err) : BASE_OK;
}

config_section quantize_section(quantize_settings *s)
{
    return (config_section){.name = "quantize",
                            .settings = s,
                            .keys = quantize_keys,
                            .nkeys = BASE_COUNT(quantize_keys)};
}

config_section train_section(train_settings *s)
{
    return (config_section){.name = "train",
                            .settings = s,
                            .check = train_check,
                            .keys = train_keys,
                            .nkeys = BASE_COUNT(train_keys)};
}

/* ---- [features] ---- */

/* No preset has a normalize of its own: what was set of that stays. */
static base_status features_set(void *settings, const char *key, const char *value, base_err *err)
{
    dsp_config *s = settings;
    const int normalize = s->normalize;
    if (strcmp(key, "preset") != 0) return dsp_config_set(s, key, value, err);
    base_err inner = {0};
    if (dsp_preset(value, s, &inner) == BASE_OK) {
        s->normalize = normalize;
        return BASE_OK;
    }
    base_fail(err, inner.status, "preset = '%.60s': %.300s", value, inner.message);
    return inner.hint[0] ? base_hint(err, "%s", inner.hint) : err->status;
}

static void features_print(const void *s, base_str *out)
{
    const char *preset = dsp_preset_of(s);
    if (preset) base_str_add(out, "preset = %s\n", preset);
    dsp_config_print(s, out);
}

static const char *features_key(size_t i)
{
    return i == 0 ? "preset" : dsp_config_key(i - 1);
}

static const char *features_help(size_t i)
{
    return i == 0 ? "all of [features] at once but normalize, by name" : dsp_config_help(i - 1);
}

static void features_takes(size_t i, base_str *out)
{
    if (i > 0) {
        dsp_config_takes(i - 1, out);
        return;
    }
    size_t n;
    const char *const *names = dsp_preset_names(&n);
    for (size_t k = 0; k < n; k++) base_str_add(out, "%s%s", k ? "|" : "", names[k]);
}

static base_status features_check(const void *s, base_err *err)
{
    return dsp_config_check(s, err);
}

config_section features_section(dsp_config *s)
{
    return (config_section){.name = "features",
                            .settings = s,
                            .check = features_check,
                            .set = features_set,
                            .print = features_print,
                            .key = features_key,
                            .help = features_help,
                            .takes = features_takes};
}
