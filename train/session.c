/* See train/session.h. */
#include "train/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STATS_CLIPS = 2000, EVAL_BATCH = 64 };

/* The model's graph with a target and the loss on top. */
static base_status add_loss(session *s, base_err *err)
{
    base_str text = {0};
    nn_print(s->graph, &text);
    const char *logits = nn_graph_output(s->graph)->name;
    base_str_add(&text, "target. = input %d\n", s->classes);
    base_str_add(&text, "loss. = cross_entropy(%s, target.) smoothing=%.17g\n", logits,
                 s->setup->train.label_smoothing);
    base_status status =
        text.failed ? base_nomem(err, text.len) : nn_parse(text.s, "model", &s->losses, err);
    base_str_free(&text);
    return status;
}

static base_status open_data(session *s, base_err *err)
{
    const train_setup *setup = s->setup;
    if (!setup->data.pack[0]) {
        base_fail(err, BASE_USAGE, "data.pack is not given");
        return base_hint(err, "make one with `sotto data import DIR -o words.h5`, then add "
                              "data.pack=words.h5");
    }
    BASE_TRY(data_pack_open(setup->data.pack, &s->pack, err));
    BASE_TRY(data_task_new(s->pack, &setup->data, &s->task, err));
    s->labels = data_task_classes(s->task, &s->classes);
    dsp_config_shape(&setup->features, &s->frames, &s->bins);
    if (setup->features.normalize != DSP_NORMALIZE_FEATURE) return BASE_OK;
    s->mean = base_alloc((size_t)s->bins, sizeof *s->mean);
    s->std = base_alloc((size_t)s->bins, sizeof *s->std);
    if (!s->mean || !s->std) return base_nomem(err, (size_t)s->bins * sizeof *s->mean);
    return data_features_stats(s->task, &setup->features, STATS_CLIPS, s->mean, s->std, err);
}

static base_status open_nets(session *s, int threads, base_err *err)
{
    const train_settings *t = &s->setup->train;
    nn_optim_options o = nn_optim_defaults((nn_optim_kind)t->optimizer);
    o.momentum = t->momentum;
    o.weight_decay = t->weight_decay;
    BASE_TRY(train_graph_new(s->setup, s->classes, &s->graph, err));
    BASE_TRY(add_loss(s, err));
    BASE_TRY(base_pool_new(threads, &s->pool, err));
    nn_net_options train = {.batch = (int)t->batch,
                            .shards = (int)t->shards,
                            .training = true,
                            .watch = nn_graph_node(s->losses, nn_graph_nodes(s->graph) - 1),
                            .pool = s->pool};
    BASE_TRY(nn_net_new(s->losses, train, &s->net, err));
    nn_net_options eval = {.batch = EVAL_BATCH, .shards = 1, .pool = s->pool};
    BASE_TRY(nn_net_new(s->graph, eval, &s->eval, err));
    BASE_TRY(nn_optim_new(s->losses, o, &s->optim, err));
    size_t batch = (size_t)t->batch, inputs = (size_t)(s->frames * s->bins);
    s->x = base_alloc(batch * inputs, sizeof *s->x);
    s->target = base_alloc(batch * (size_t)s->classes, sizeof *s->target);
    return s->x && s->target ? BASE_OK : base_nomem(err, batch * inputs * sizeof *s->x);
}

static base_status open_loader(session *s, int threads, base_err *err)
{
    data_loader_spec spec = {.task = s->task,
                             .features = &s->setup->features,
                             .mean = s->mean,
                             .std = s->std,
                             .split = DATA_TRAIN,
                             .augment = &s->setup->augment,
                             .batch = (int)s->setup->train.batch,
                             .threads = threads,
                             .seed = (uint64_t)s->setup->train.seed};
    return data_loader_new(&spec, &s->loader, err);
}

/* Features of the validation split, computed once. */
static base_status load_validation(session *s, int threads, base_err *err)
{
    size_t inputs = (size_t)(s->frames * s->bins);
    size_t n = data_task_count(s->task, DATA_VALIDATION, -1);
    data_loader_spec spec = {.task = s->task,
                             .features = &s->setup->features,
                             .mean = s->mean,
                             .std = s->std,
                             .split = DATA_VALIDATION,
                             .batch = EVAL_BATCH,
                             .threads = threads};
    s->val_x = base_alloc(n * inputs, sizeof *s->val_x);
    s->val_label = base_alloc(n, sizeof *s->val_label);
    if (!s->val_x || !s->val_label) return base_nomem(err, n * inputs * sizeof *s->val_x);
    if (n == 0) return BASE_OK;
    data_loader *loader;
    data_batch b = {0};
    BASE_TRY(data_loader_new(&spec, &loader, err));
    base_status status;
    while ((status = data_loader_next(loader, &b, err)) == BASE_OK && b.n > 0) {
        nn_real *x = s->val_x + (size_t)s->n_val * inputs;
        for (size_t i = 0; i < (size_t)b.n * inputs; i++) x[i] = (nn_real)b.features[i];
        memcpy(s->val_label + s->n_val, b.labels, (size_t)b.n * sizeof *s->val_label);
        s->n_val += b.n;
    }
    data_loader_free(loader);
    return status;
}

base_status session_open(session *s, const train_setup *setup, int threads, base_err *err)
{
    *s = (session){.setup = setup};
    base_status status = open_data(s, err);
    if (status == BASE_OK) status = open_nets(s, threads, err);
    if (status == BASE_OK) status = load_validation(s, threads, err);
    if (status == BASE_OK) status = open_loader(s, threads, err);
    if (status != BASE_OK) session_close(s);
    return status;
}

void session_close(session *s)
{
    data_loader_free(s->loader);
    nn_optim_free(s->optim);
    nn_net_free(s->net);
    nn_net_free(s->eval);
    nn_graph_free(s->losses);
    nn_graph_free(s->graph);
    base_pool_free(s->pool);
    data_task_free(s->task);
    data_pack_close(s->pack);
    base_free(s->mean);
    base_free(s->std);
    base_free(s->x);
    base_free(s->target);
    base_free(s->val_x);
    base_free(s->val_label);
    *s = (session){0};
}

void session_targets(const data_batch *b, int classes, nn_real *target)
{
    memset(target, 0, (size_t)b->n * (size_t)classes * sizeof *target);
    for (int i = 0; i < b->n; i++, target += classes) {
        target[b->labels[i]] = b->mix ? (nn_real)b->mix[i] : 1;
        if (b->mix) target[b->labels2[i]] += 1 - (nn_real)b->mix[i];
    }
}

int session_label(const data_batch *b, int i)
{
    return b->mix && b->mix[i] < 0.5f ? b->labels2[i] : b->labels[i];
}

int session_argmax(const nn_real *logits, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

/* -log softmax(logits)[label] */
static double log_loss(const nn_real *logits, int classes, int label)
{
    double top = (double)logits[0], sum = 0;
    for (int i = 1; i < classes; i++) top = fmax(top, (double)logits[i]);
    for (int i = 0; i < classes; i++) sum += exp((double)logits[i] - top);
    return log(sum) + top - (double)logits[label];
}

base_status session_validate(session *s, const nn_real *weights, double *loss, double *accuracy,
                             base_err *err)
{
    size_t k = (size_t)s->classes;
    nn_real *y = base_alloc((size_t)s->n_val * k, sizeof *y);
    if (!y) return base_nomem(err, (size_t)s->n_val * k * sizeof *y);
    memcpy(nn_net_weights(s->eval), weights, nn_graph_params(s->graph) * sizeof *weights);
    nn_net_forward(s->eval, (const nn_real *const[]){s->val_x}, s->n_val, y);
    int correct = 0;
    double sum = 0;
    for (int i = 0; i < s->n_val; i++) {
        const nn_real *logits = y + (size_t)i * k;
        correct += session_argmax(logits, s->classes) == s->val_label[i];
        sum += log_loss(logits, s->classes, s->val_label[i]);
    }
    *loss = sum / s->n_val;
    *accuracy = (double)correct / s->n_val;
    base_free(y);
    return BASE_OK;
}

base_status session_save(const session *s, const nn_real *weights, const char *path,
                         const char *provenance, base_err *err)
{
    base_str features = {0};
    dsp_config_print(&s->setup->features, &features);
    if (features.failed) return base_nomem(err, features.len);
    nn_model m = {.graph = s->graph,
                  .weights = (nn_real *)(uintptr_t)weights,
                  .labels = (char **)(uintptr_t)s->labels,
                  .n_labels = (size_t)s->classes,
                  .features = features.s,
                  .mean = s->mean,
                  .std = s->std,
                  .n_stats = s->mean ? (size_t)s->bins : 0,
                  .provenance = (char *)(uintptr_t)provenance};
    base_status status = nn_model_save(&m, path, err);
    base_str_free(&features);
    return status;
}
