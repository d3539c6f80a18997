/* See train/session.h. */
#include "train/session.h"

#include "train/objective.h"

#include <stdlib.h>
#include <string.h>

enum { STATS_CLIPS = 2000, EVAL_BATCH = 64 };

/* Mean and standard deviation of the features: those that the weights to start from were trained
 * with, if their features are the same. */
static base_status open_stats(session *s, base_err *err)
{
    const nn_model *m = s->init.model;
    dsp_config theirs;
    size_t n = (size_t)s->bins;
    s->mean = base_alloc(n, sizeof *s->mean);
    s->std = base_alloc(n, sizeof *s->std);
    if (!s->mean || !s->std) return base_nomem(err, n * sizeof *s->mean);
    if (!m || !m->mean || m->n_stats != n ||
        dsp_config_parse(m->features, &theirs, NULL) != BASE_OK ||
        !dsp_config_equal(&theirs, &s->setup->features))
        return data_features_stats(s->task, &s->setup->features, STATS_CLIPS, s->mean, s->std, err);
    memcpy(s->mean, m->mean, n * sizeof *s->mean);
    memcpy(s->std, m->std, n * sizeof *s->std);
    return BASE_OK;
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
    if (setup->train.init[0]) BASE_TRY(parent_open(&s->init, setup->train.init, err));
    if (setup->features.normalize != DSP_NORMALIZE_FEATURE) return BASE_OK;
    return open_stats(s, err);
}

static base_status open_optim(session *s, base_err *err)
{
    const train_settings *t = &s->setup->train;
    nn_optim_options o = nn_optim_defaults((nn_optim_kind)t->optimizer);
    o.momentum = t->momentum;
    o.nesterov = t->nesterov;
    if (t->beta1 > 0) o.beta1 = t->beta1;
    if (t->beta2 > 0) o.beta2 = t->beta2;
    if (t->epsilon > 0) o.epsilon = t->epsilon;
    o.rho = t->rho;
    o.weight_decay = t->weight_decay;
    o.decay_groups = t->decay_groups;
    base_err inner = {0};
    if (nn_optim_new(s->losses, o, &s->optim, &inner) != BASE_OK) {
        base_fail(err, inner.status, "[train] %.400s", inner.message);
        return base_hint(err, "%s", inner.hint);
    }
    if (t->ema <= 0) return BASE_OK;
    size_t n = nn_graph_params(s->losses);
    s->ema = base_alloc(n, sizeof *s->ema);
    return s->ema ? BASE_OK : base_nomem(err, n * sizeof *s->ema);
}

/* The graph to simulate int8 in, of the model that the run starts from. */
static base_status open_simulation(session *s, base_err *err)
{
    const nn_model *m = s->setup->int8->start;
    const bool same = nn_model_has_labels(m, s->labels, (size_t)s->classes);
    dsp_config theirs;
    BASE_TRY(dsp_config_parse(m->features, &theirs, err));
    if (!same || !dsp_config_equal(&theirs, &s->setup->features)) {
        base_fail(err, BASE_USAGE, "train.qat: '%s' has other %s than this run", s->init.path,
                  same ? "features" : "classes");
        return base_hint(err, "give the settings that it was trained with, as in its config.ini");
    }
    base_str text = {0};
    nn_print(m->graph, &text);
    base_status status =
        text.failed ? base_nomem(err, text.len) : nn_parse(text.s, s->init.path, &s->graph, err);
    base_str_free(&text);
    return status;
}

static base_status open_master(session *s, base_err *err)
{
    const nn_model *m = s->setup->int8->start;
    const size_t n = nn_graph_params(s->losses);
    s->master = base_alloc(n, sizeof *s->master);
    const size_t nodes = (size_t)nn_graph_nodes(s->graph);
    s->quant = base_alloc(nodes, sizeof *s->quant);
    if (!s->master || !s->quant) return base_nomem(err, n * sizeof *s->master);
    memcpy(s->quant, m->quant, nodes * sizeof *s->quant);
    if (!m->weight_bits) return BASE_OK;
    s->weight_bits = base_alloc((size_t)nn_graph_nodes(s->losses), sizeof *s->weight_bits);
    if (!s->weight_bits) return base_nomem(err, n);
    memcpy(s->weight_bits, m->weight_bits, (size_t)nn_graph_nodes(m->graph) * sizeof(int));
    return BASE_OK;
}

static base_status open_graphs(session *s, base_err *err)
{
    if (s->setup->int8)
        BASE_TRY(open_simulation(s, err));
    else
        BASE_TRY(train_graph_new(s->setup, s->classes, &s->graph, err));
    BASE_TRY(objective_graph(s->graph, &s->setup->train, s->classes, &s->losses, err));
    return s->setup->int8 ? open_master(s, err) : BASE_OK;
}

static base_status open_nets(session *s, int threads, base_err *err)
{
    const train_settings *t = &s->setup->train;
    BASE_TRY(open_graphs(s, err));
    const nn_twin *twin = s->setup->int8 ? s->setup->int8->twin : NULL;
    BASE_TRY(base_pool_new(threads, &s->pool, err));
    nn_net_options train = {.batch = (int)t->batch,
                            .shards = (int)t->shards,
                            .training = true,
                            .watch = nn_graph_node(s->losses, nn_graph_nodes(s->graph) - 1),
                            .twin = twin,
                            .pool = s->pool};
    BASE_TRY(nn_net_new(s->losses, train, &s->net, err));
    nn_net_options eval = {.batch = EVAL_BATCH, .shards = 1, .twin = twin, .pool = s->pool};
    BASE_TRY(nn_net_new(s->graph, eval, &s->eval, err));
    BASE_TRY(open_optim(s, err));
    size_t batch = (size_t)t->batch, inputs = (size_t)(s->frames * s->bins);
    s->x = base_alloc(batch * inputs, sizeof *s->x);
    s->target = base_alloc(batch * (size_t)s->classes, sizeof *s->target);
    return s->x && s->target ? BASE_OK : base_nomem(err, batch * inputs * sizeof *s->x);
}

static base_status check_init(session *s, base_err *err)
{
    int all, found = parent_weights(&s->init, s->losses, nn_net_weights(s->net), &all);
    if (2 * found >= all) return BASE_OK;
    base_fail(err, BASE_USAGE,
              "train.init: %d of this model's %d tensors have the name and shape of one of '%s'",
              found, all, s->init.path);
    return base_hint(err, "start from a model of the same model.arch and sizes, or model.file");
}

static base_status open_teacher(session *s, base_err *err)
{
    const train_settings *t = &s->setup->train;
    const teacher_pupil pupil = {.labels = s->labels,
                                 .classes = s->classes,
                                 .features = &s->setup->features,
                                 .mean = s->mean,
                                 .std = s->std,
                                 .batch = (int)t->batch,
                                 .pool = s->pool};
    return teacher_open(&s->teacher, t->teacher, &pupil, err);
}

/* What the loss needs besides logits and targets, and the loss of validation. */
static base_status open_objective(session *s, base_err *err)
{
    const train_settings *t = &s->setup->train;
    size_t batch = (size_t)t->batch, k = (size_t)s->classes;
    BASE_TRY(objective_measure(t, s->classes, &s->measure, err));
    nn_net_options o = {.batch = EVAL_BATCH, .pool = s->pool};
    BASE_TRY(nn_net_new(s->measure, o, &s->measure_net, err));
    if (t->teacher[0]) BASE_TRY(open_teacher(s, err));
    if (!objective_has_third(t)) return BASE_OK;
    s->third = base_alloc(batch * k, sizeof *s->third);
    if (!s->third) return base_nomem(err, batch * k * sizeof *s->third);
    if (t->class_weights != TRAIN_WEIGHTS_BALANCED) return BASE_OK;
    objective_balance(s->task, s->classes, s->third);
    for (size_t i = k; i < batch * k; i++) s->third[i] = s->third[i - k];
    return BASE_OK;
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
    if (s->teacher.own_features) {
        spec.features2 = &s->teacher.features;
        spec.mean2 = s->teacher.from.model->mean;
        spec.std2 = s->teacher.from.model->std;
    }
    return data_loader_new(&spec, &s->loader, err);
}

/* n samples of the model's input as int8 has them. */
static void simulate_input(const session *s, nn_real *x, size_t n)
{
    const nn_node *in = nn_graph_input(s->graph, 0);
    if (s->quant) nn_simulate(s->quant[in->index], x, n * (size_t)nn_count(in->shape));
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
    s->confusion = base_alloc((size_t)s->classes * (size_t)s->classes, sizeof *s->confusion);
    if (!s->val_x || !s->val_label || !s->confusion)
        return base_nomem(err, n * inputs * sizeof *s->val_x);
    if (n == 0 && s->setup->train.schedule == NN_PLATEAU) {
        base_fail(err, BASE_USAGE,
                  "[train] schedule = plateau follows the validation loss, but "
                  "there are no validation clips");
        return base_hint(err, "train.schedule=cosine needs none");
    }
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
    if (status == BASE_OK && s->init.model && !s->master) status = check_init(s, err);
    if (status == BASE_OK) status = open_objective(s, err);
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
    nn_net_free(s->measure_net);
    teacher_close(&s->teacher);
    parent_close(&s->init);
    nn_graph_free(s->measure);
    nn_graph_free(s->losses);
    nn_graph_free(s->graph);
    base_pool_free(s->pool);
    data_task_free(s->task);
    data_pack_close(s->pack);
    base_free(s->ema);
    base_free(s->master);
    base_free(s->quant);
    base_free(s->weight_bits);
    base_free(s->mean);
    base_free(s->std);
    base_free(s->x);
    base_free(s->target);
    base_free(s->third);
    base_free(s->val_x);
    base_free(s->val_label);
    base_free(s->confusion);
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

void session_convert(session *s, const data_batch *b)
{
    size_t inputs = (size_t)(s->frames * s->bins);
    for (size_t i = 0; i < (size_t)b->n * inputs; i++) s->x[i] = (nn_real)b->features[i];
    session_targets(b, s->classes, s->target);
    if (s->teacher.net) teacher_logits(&s->teacher, b, s->x, s->third);
    simulate_input(s, s->x, (size_t)b->n);
}

nn_real *session_trained(const session *s)
{
    return s->master ? s->master : nn_net_weights(s->net);
}

base_status session_refresh(session *s, base_err *err)
{
    if (!s->master) return BASE_OK;
    nn_simulate_weights(s->losses, s->weight_bits, s->master, nn_net_weights(s->net));
    const train_int8 *q = s->setup->int8;
    if (q->set(q->ctx, s->master, s->quant, err) == BASE_OK) return BASE_OK;
    return base_hint(err, "if the weights have diverged, lower quantize.lr (now %g)",
                     s->setup->quantize.lr);
}

base_status session_move_ranges(session *s, base_err *err)
{
    if (!s->master) return BASE_OK;
    const train_int8 *q = s->setup->int8;
    BASE_TRY(q->move(q->ctx, s->master, s->setup->quantize.range_share, s->quant, err));
    return session_refresh(s, err);
}

const nn_real *session_weights(const session *s)
{
    return s->ema ? s->ema : session_trained(s);
}

int session_argmax(const nn_real *logits, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

/* train.qat: with the int8 model of these weights, inputs as its first range rounds them. */
static base_status forward_validation(session *s, const nn_real *weights, nn_real *y, base_err *err)
{
    const size_t inputs = (size_t)s->n_val * (size_t)(s->frames * s->bins);
    const nn_real *x = s->val_x;
    nn_real *rounded = NULL;
    base_status status = BASE_OK;
    if (s->master) {
        rounded = base_alloc(inputs, sizeof *rounded);
        if (!rounded) return base_nomem(err, inputs * sizeof *rounded);
        memcpy(rounded, s->val_x, inputs * sizeof *rounded);
        simulate_input(s, rounded, (size_t)s->n_val);
        x = rounded;
        status = s->setup->int8->set(s->setup->int8->ctx, weights, s->quant, err);
    }
    if (status == BASE_OK) nn_net_forward(s->eval, (const nn_real *const[]){x}, s->n_val, y);
    base_free(rounded);
    return status == BASE_OK ? session_refresh(s, err) : status;
}

base_status session_validate(session *s, const nn_real *weights, double *loss, double *accuracy,
                             base_err *err)
{
    size_t n = (size_t)s->n_val, k = (size_t)s->classes;
    nn_real *y = base_alloc(n * (2 * k + 1), sizeof *y);
    if (!y) return base_nomem(err, n * (2 * k + 1) * sizeof *y);
    nn_real *target = y + n * k, *losses = target + n * k;
    memcpy(nn_net_weights(s->eval), weights, nn_graph_params(s->graph) * sizeof *weights);
    const base_status status = forward_validation(s, weights, y, err);
    if (status != BASE_OK) {
        base_free(y);
        return status;
    }
    for (size_t i = 0; i < n; i++) target[i * k + (size_t)s->val_label[i]] = 1;
    nn_net_forward(s->measure_net, (const nn_real *const[]){y, target}, s->n_val, losses);
    int correct = 0;
    double sum = 0;
    memset(s->confusion, 0, k * k * sizeof *s->confusion);
    for (size_t i = 0; i < n; i++) {
        const int said = session_argmax(y + i * k, s->classes);
        correct += said == s->val_label[i];
        s->confusion[(size_t)s->val_label[i] * k + (size_t)said]++;
        sum += (double)losses[i];
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
                  .provenance = (char *)(uintptr_t)provenance,
                  .quant = s->quant,
                  .weight_bits = s->weight_bits,
                  .rounds_once = s->setup->int8 && s->setup->int8->start->rounds_once};
    base_status status = nn_model_save(&m, path, err);
    base_str_free(&features);
    return status;
}
