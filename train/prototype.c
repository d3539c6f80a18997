/* See train/prototype.h. */
#include "train/prototype.h"

#include "nn/op.h"
#include "train/fit_trees.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* What logistic regression and SVM choose from, strong first: each starts where the one before has
 * ended. */
static const double strengths[] = {1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4};
static const double GRADIENT = 1e-4; /* where logistic regression ends, */
static const double PROJECTED = 0.1; /* and an SVM: LIBLINEAR's default */

typedef struct layer {
    const nn_node *node;
    int rows; /* outputs: classes, of a mixture times its components */
} layer;

typedef struct fitting {
    session *s;
    const train_hooks *hooks;
    const train_settings *set;
    layer layer;
    fit_samples train, val;
    nn_real *x, *val_x; /* [n, dims]: what train and val show */
    int *label;
    size_t size;        /* of w: rows * (dims + 1) */
    double *mean, *std; /* dims: x is (x - mean) / std; of a layer that sees
                         * its inputs as they are 0 and 1 */
    double *w, *best, *alpha, *scores;
    nn_real *y; /* classes: of a layer that scores itself, of one sample; then its scratch */
} fitting;

static bool is(const nn_node *n, const char *op)
{
    return n && strcmp(n->op->name, op) == 0;
}

static bool fits_trees(int fit)
{
    return fit == FIT_FOREST || fit == FIT_BOOSTING;
}

/* Whether the layer is no dense one: it sees its inputs as they are, and gives its own scores. */
static bool scores_itself(int fit)
{
    return fits_trees(fit) || fit == FIT_DTW;
}

/* Parameters of the operators trees and dtw. */
enum { FEATURE, THRESHOLD, LEFT, LEAF, BIAS };
enum { VALUE, SCALE };

static fit_trees trees_of(const nn_node *n, nn_real *weights)
{
    const nn_param *p = n->param;
    return (fit_trees){.trees = p[LEAF].shape.d[0],
                       .leaves = p[LEAF].shape.d[1],
                       .classes = p[LEAF].shape.d[2],
                       .shared = p[FEATURE].shape.d[1] == 1,
                       .feature = weights + p[FEATURE].offset,
                       .threshold = weights + p[THRESHOLD].offset,
                       .left = weights + p[LEFT].offset,
                       .leaf = weights + p[LEAF].offset,
                       .bias = weights + p[BIAS].offset};
}

/* The layer, with node NULL unless the graph ends in what is fitted: a dense layer, a mixture as
 * train/models/gmm.c has it, trees of one kind. */
static layer find_layer(const session *s, int fit)
{
    const nn_node *y = nn_graph_output(s->graph);
    if (fits_trees(fit)) {
        const bool shared = is(y, "trees") && y->param[FEATURE].shape.d[1] == 1;
        return is(y, "trees") && shared == (fit == FIT_FOREST) ? (layer){y, s->classes}
                                                               : (layer){0};
    }
    if (fit == FIT_DTW) return is(y, "dtw") ? (layer){y, s->classes} : (layer){0};
    if (fit == FIT_GMM) {
        const nn_node *classes = is(y, "max") ? y->in[0] : NULL;
        const nn_node *relu = is(classes, "reshape") ? classes->in[0] : NULL;
        const nn_node *dense = is(relu, "relu") ? relu->in[0] : NULL;
        const nn_node *both = is(dense, "dense") ? dense->in[0] : NULL;
        const nn_node *squares = is(both, "concat") && both->n_in == 2 ? both->in[1] : NULL;
        if (!is(squares, "mul") || squares->in[0] != both->in[0] || squares->in[1] != both->in[0] ||
            classes->shape.d[0] != s->classes)
            return (layer){0};
        y = dense;
    }
    if (!is(y, "dense") || y->n_params != 2) return (layer){0};
    return (layer){y, y->shape.d[0]};
}

static base_status check_output(const session *s, int fit, const layer *l, base_err *err)
{
    static const struct {
        const char *what, *arch;
    } ends[] = {[FIT_GMM] = {"mixture of Gaussians", "gmm"},
                [FIT_FOREST] = {"trees with shared=yes", "forest"},
                [FIT_BOOSTING] = {"trees with shared=no", "boosting"},
                [FIT_DTW] = {"layer of templates (dtw)", "dtw"}};
    const bool other = fit == FIT_GMM || scores_itself(fit);
    if (!l->node) {
        base_fail(err, BASE_USAGE, "train.fit: the model's output '%s' is no %s",
                  nn_graph_output(s->graph)->name,
                  other ? ends[fit].what : "dense layer with a bias");
        return base_hint(err, "model.arch=%s ends in one", other ? ends[fit].arch : "linear");
    }
    if (fit != FIT_BOOSTING || fit_can_boost()) return BASE_OK;
    base_fail(err, BASE_FAILED, "train.fit = boosting needs XGBoost, which is not there");
    return base_hint(err, "apt install libxgboost-dev; train.fit=forest needs nothing");
}

base_status prototype_check(const session *s, base_err *err)
{
    const train_settings *set = &s->setup->train;
    const layer l = find_layer(s, set->fit);
    BASE_TRY(check_output(s, set->fit, &l, err));
    if (set->fit == FIT_GMM && l.rows > s->classes * FIT_MOST_COMPONENTS)
        return base_fail(err, BASE_USAGE, "train.fit = gmm: %d components a class, at most %d",
                         l.rows / s->classes, FIT_MOST_COMPONENTS);
    if (s->setup->augment.mixup_alpha > 0) {
        base_fail(err, BASE_USAGE,
                  "train.fit: a mixture of clips (augment.mixup_alpha = %g) has "
                  "no class",
                  s->setup->augment.mixup_alpha);
        return base_hint(err, "augment.mixup_alpha=0");
    }
    if ((set->fit == FIT_LOGISTIC || set->fit == FIT_SVM) && set->l2 <= 0 && s->n_val == 0) {
        base_fail(err, BASE_USAGE, "train.l2 is chosen on validation clips, and there are none");
        return base_hint(err, "train.l2=0.01 needs none");
    }
    return BASE_OK;
}

/* ---- samples ---- */

typedef struct gathering {
    const nn_node *node;
    size_t dims;
    nn_real *to;
} gathering;

static void gather(void *ctx, const nn_node *n, const nn_real *values, int batch)
{
    gathering *g = ctx;
    if (n != g->node) return;
    memcpy(g->to, values, (size_t)batch * g->dims * sizeof *values);
    g->to += (size_t)batch * g->dims;
}

/* What the layer takes, of n inputs of the model. */
static void gather_inputs(const fitting *f, const nn_real *x, int n, nn_real *to)
{
    gathering g = {f->layer.node->in[0], (size_t)f->train.dims, to};
    nn_net_observe(f->s->eval, (const nn_real *const[]){x}, n, NULL, gather, &g);
}

static bool must_stop(const fitting *f)
{
    return f->hooks->stop && *f->hooks->stop;
}

/* Of each class the first train.per_class samples. */
static void keep_few(fitting *f)
{
    const size_t dims = (size_t)f->train.dims;
    double *seen = f->scores; /* there are none yet */
    int kept = 0;
    for (int k = 0; k < f->s->classes; k++) seen[k] = 0;
    for (int i = 0; i < f->train.n; i++) {
        if (seen[f->label[i]]++ >= (double)f->set->per_class) continue;
        f->label[kept] = f->label[i];
        memmove(f->x + (size_t)kept++ * dims, f->x + (size_t)i * dims, dims * sizeof *f->x);
    }
    f->train.n = kept;
}

static base_status load_training(fitting *f, base_err *err)
{
    session *s = f->s;
    const int64_t steps = f->set->epochs * data_loader_steps(s->loader);
    for (int64_t step = 0; step < steps; step++) {
        data_batch b;
        if (must_stop(f)) return BASE_INTERRUPTED;
        BASE_TRY(data_loader_next(s->loader, &b, err));
        session_convert(s, &b);
        gather_inputs(f, s->x, b.n, f->x + (size_t)f->train.n * (size_t)f->train.dims);
        memcpy(f->label + f->train.n, b.labels, (size_t)b.n * sizeof *b.labels);
        f->train.n += b.n;
    }
    if (f->set->per_class > 0) keep_few(f);
    return BASE_OK;
}

/* Every class needs a sample, of a mixture one for each component. */
static base_status check_classes(const fitting *f, base_err *err)
{
    const int least = f->layer.rows / f->s->classes;
    for (int k = 0; k < f->s->classes; k++) {
        int n = 0;
        for (int i = 0; i < f->train.n; i++) n += f->label[i] == k;
        if (n >= least) continue;
        base_fail(err, BASE_DATA, "class '%s' has %d training clips, train.fit wants %d",
                  f->s->labels[k], n, least);
        return base_hint(err, least > 1 ? "model.blocks, the components of a class, may be fewer"
                                        : "raise train.epochs or bring more clips");
    }
    return BASE_OK;
}

/* Every number gets mean 0 and standard deviation 1 over the training clips. */
static void standardize(fitting *f)
{
    const size_t d = (size_t)f->train.dims, n = (size_t)f->train.n;
    for (size_t j = 0; j < d; j++) f->std[j] = 1;
    if (f->set->fit == FIT_GMM || scores_itself(f->set->fit)) return;
    for (size_t j = 0; j < d; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < n; i++) mean += (double)f->x[i * d + j];
        mean /= (double)n;
        for (size_t i = 0; i < n; i++) {
            const double v = (double)f->x[i * d + j] - mean;
            square += v * v;
        }
        f->mean[j] = mean;
        if (square > 0) f->std[j] = sqrt(square / (double)n);
    }
    for (size_t i = 0; i < n * d; i++)
        f->x[i] = (nn_real)(((double)f->x[i] - f->mean[i % d]) / f->std[i % d]);
    for (size_t i = 0; i < (size_t)f->val.n * d; i++)
        f->val_x[i] = (nn_real)(((double)f->val_x[i] - f->mean[i % d]) / f->std[i % d]);
}

/* ---- fitting ---- */

static void score_by_layer(const fitting *f, const fit_samples *s, double *scores)
{
    const nn_node *n = f->layer.node;
    nn_args a = {.batch = 1, .y = f->y, .scratch = f->y + s->classes};
    for (int k = 0; k < n->n_params; k++) a.w[k] = session_trained(f->s) + n->param[k].offset;
    for (int i = 0; i < s->n; i++) {
        a.x[0] = s->x + (size_t)i * (size_t)s->dims;
        n->op->forward(n, &a);
        for (int k = 0; k < s->classes; k++) *scores++ = (double)f->y[k];
    }
}

/* Scores [n, classes] of samples; of a class that has several rows, the largest. */
static void score(const fitting *f, const fit_samples *s, double *scores)
{
    const int classes = f->s->classes, each = f->layer.rows / classes;
    if (scores_itself(f->set->fit)) {
        score_by_layer(f, s, scores);
        return;
    }
    fit_scores(s, f->w, f->layer.rows, scores);
    for (int i = 0; each > 1 && i < s->n * classes; i++) {
        double most = scores[i * each];
        for (int m = 1; m < each; m++) most = fmax(most, scores[i * each + m]);
        scores[i] = most;
    }
}

static int count_correct(const double *scores, const int *label, int n, int classes)
{
    int correct = 0;
    for (int i = 0; i < n; i++, scores += classes) {
        int best = 0;
        for (int k = 1; k < classes; k++)
            if (scores[k] > scores[best]) best = k;
        correct += best == label[i];
    }
    return correct;
}

static void note(const fitting *f, const char *fmt, ...)
{
    char text[200];
    va_list args;
    if (!f->hooks->note) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    f->hooks->note(f->hooks->ctx, text);
}

static base_status fit_with(fitting *f, double l2, base_err *err)
{
    bool converged;
    if (f->set->fit == FIT_SVM)
        BASE_TRY(fit_svm(&f->train, l2, PROJECTED, (uint64_t)f->set->seed, f->s->pool, f->alpha,
                         f->w, &converged, err));
    else
        BASE_TRY(fit_logistic(&f->train, l2, GRADIENT, f->s->pool, f->w, &converged, err));
    if (!converged) note(f, "l2 %g: stopped before it has converged", l2);
    return BASE_OK;
}

/* The l2 that gets most validation clips right, the strongest of equals. */
static base_status choose_l2(fitting *f, double *l2, base_err *err)
{
    const int classes = f->s->classes;
    int most = -1;
    for (size_t i = 0; i < BASE_COUNT(strengths); i++) {
        if (must_stop(f)) return BASE_INTERRUPTED;
        BASE_TRY(fit_with(f, strengths[i], err));
        score(f, &f->val, f->scores);
        const int correct = count_correct(f->scores, f->val.label, f->val.n, classes);
        note(f, "l2 %g: validation %.2f %%", strengths[i], 100.0 * correct / f->val.n);
        if (correct <= most) continue;
        most = correct;
        *l2 = strengths[i];
        memcpy(f->best, f->w, f->size * sizeof *f->w);
    }
    memcpy(f->w, f->best, f->size * sizeof *f->w);
    return BASE_OK;
}

static base_status grow(fitting *f, base_err *err)
{
    const train_settings *set = f->set;
    const fit_trees to = trees_of(f->layer.node, session_trained(f->s));
    if (set->fit == FIT_FOREST)
        return fit_forest(&f->train, (uint64_t)set->seed, f->s->pool, &to, err);
    return fit_boosting(&f->train, set->lr, (uint64_t)set->seed, f->hooks->stop, &to, err);
}

static void keep_templates(fitting *f)
{
    const nn_param *p = f->layer.node->param;
    nn_real *weights = session_trained(f->s);
    fit_templates(&f->train, p[VALUE].shape.d[1], (uint64_t)f->set->seed,
                  weights + p[VALUE].offset);
    weights[p[SCALE].offset] = 1;
}

static base_status fit(fitting *f, double *l2, base_err *err)
{
    double shrinkage;
    switch ((fit_kind)f->set->fit) {
    case FIT_NO: break;
    case FIT_CENTROID: fit_centroid(&f->train, f->w); break;
    case FIT_LDA:
        BASE_TRY(fit_lda(&f->train, f->w, &shrinkage, err));
        note(f, "covariance shrunk by %.4f", shrinkage);
        break;
    case FIT_LOGISTIC:
    case FIT_SVM: *l2 = f->set->l2; return *l2 > 0 ? fit_with(f, *l2, err) : choose_l2(f, l2, err);
    case FIT_GMM:
        return fit_gmm(&f->train, f->layer.rows / f->s->classes, (uint64_t)f->set->seed, f->s->pool,
                       f->w, err);
    case FIT_FOREST:
    case FIT_BOOSTING: return grow(f, err);
    case FIT_DTW: keep_templates(f); break;
    }
    return BASE_OK;
}

/* What all rows of w share changes neither decision nor softmax, but takes room in int8. */
static void center(fitting *f)
{
    const size_t row = (size_t)f->train.dims + 1, rows = (size_t)f->layer.rows;
    for (size_t j = 0; j < row; j++) {
        double mean = 0;
        for (size_t k = 0; k < rows; k++) mean += f->w[k * row + j];
        for (size_t k = 0; k < rows; k++) f->w[k * row + j] -= mean / (double)rows;
    }
}

/* Results over the training clips, and the factor for scores. */
static double measure(fitting *f, prototype_result *r)
{
    const int classes = f->s->classes;
    double factor = 0;
    if (f->val.n > 0) {
        score(f, &f->val, f->scores);
        factor = fit_temperature(f->scores, f->val.label, f->val.n, classes);
    }
    const double *score_of = f->scores;
    score(f, &f->train, f->scores);
    if (f->val.n == 0) factor = fit_temperature(f->scores, f->label, f->train.n, classes);
    r->seen = f->train.n;
    r->correct = count_correct(f->scores, f->label, f->train.n, classes);
    for (int i = 0; i < f->train.n; i++, score_of += classes) {
        double most = score_of[0], sum = 0;
        for (int k = 1; k < classes; k++) most = fmax(most, score_of[k]);
        for (int k = 0; k < classes; k++) sum += exp(factor * (score_of[k] - most));
        r->loss += (log(sum) + factor * (most - score_of[f->label[i]])) / f->train.n;
    }
    return factor;
}

/* Of a mixture: the best score of every training clip (scores are theirs) is above 0 then. */
static void lift(fitting *f)
{
    const size_t row = (size_t)f->train.dims + 1, n = (size_t)f->train.n;
    const size_t classes = (size_t)f->s->classes;
    double least = (double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        double best = f->scores[i * classes];
        for (size_t k = 1; k < classes; k++) best = fmax(best, f->scores[i * classes + k]);
        least = fmin(least, best);
    }
    for (size_t k = 1; k <= (size_t)f->layer.rows; k++) f->w[k * row - 1] -= least;
}

/* w, undoing the standardization, as the weights and biases of the layer; where it has its own,
 * they get the factor. */
static void store(const fitting *f, double factor)
{
    const nn_node *n = f->layer.node;
    const size_t d = (size_t)f->train.dims, rows = (size_t)f->layer.rows;
    if (scores_itself(f->set->fit)) {
        const nn_param *p = &n->param[fits_trees(f->set->fit) ? LEAF : SCALE];
        nn_real *v = session_trained(f->s) + p->offset;
        for (size_t i = 0; i < p->count; i++) v[i] *= (nn_real)factor;
        return;
    }
    nn_real *weight = session_trained(f->s) + n->param[0].offset,
            *bias = session_trained(f->s) + n->param[1].offset;
    for (size_t k = 0; k < rows; k++) {
        const double *w = f->w + k * (d + 1);
        double b = w[d];
        for (size_t j = 0; j < d; j++) {
            weight[j * rows + k] = (nn_real)(factor * w[j] / f->std[j]);
            b -= w[j] * f->mean[j] / f->std[j];
        }
        bias[k] = (nn_real)(factor * b);
    }
}

/* ---- all of it ---- */

static base_status open_fitting(fitting *f, base_err *err)
{
    session *s = f->s;
    const size_t d = (size_t)nn_count(f->layer.node->in[0]->shape), k = (size_t)s->classes;
    const size_t n = (size_t)(f->set->epochs * data_loader_steps(s->loader) * f->set->batch);
    const size_t rows = (size_t)f->layer.rows, val = (size_t)s->n_val;
    if (n > INT32_MAX / k)
        return base_fail(err, BASE_USAGE, "train.epochs = %lld: %zu clips are too many for a fit",
                         (long long)f->set->epochs, n);
    f->size = rows * (d + 1);
    f->x = base_alloc(n * d, sizeof *f->x);
    f->val_x = base_alloc(val * d, sizeof *f->val_x);
    f->label = base_alloc(n, sizeof *f->label);
    f->mean = base_alloc(2 * d, sizeof *f->mean);
    f->w = base_alloc(2 * f->size, sizeof *f->w);
    f->alpha = base_alloc(f->set->fit == FIT_SVM ? n * k : 1, sizeof *f->alpha);
    f->scores = base_alloc((n > val ? n : val) * rows, sizeof *f->scores);
    const nn_node *l = f->layer.node;
    f->y = base_alloc(k + (l->op->scratch ? l->op->scratch(l, 1) : 0), sizeof *f->y);
    if (!f->x || !f->val_x || !f->label || !f->mean || !f->w || !f->alpha || !f->scores || !f->y)
        return base_nomem(err, n * d * sizeof *f->x);
    f->std = f->mean + d;
    f->best = f->w + f->size;
    f->train = (fit_samples){f->x, f->label, 0, (int)d, s->classes};
    f->val = (fit_samples){f->val_x, s->val_label, s->n_val, (int)d, s->classes};
    return BASE_OK;
}

static void close_fitting(fitting *f)
{
    base_free(f->x);
    base_free(f->val_x);
    base_free(f->label);
    base_free(f->mean);
    base_free(f->w);
    base_free(f->alpha);
    base_free(f->scores);
    base_free(f->y);
}

static base_status run(fitting *f, prototype_result *r, base_err *err)
{
    session *s = f->s;
    BASE_TRY(open_fitting(f, err));
    memcpy(nn_net_weights(s->eval), session_trained(s),
           nn_graph_params(s->graph) * sizeof(nn_real));
    BASE_TRY(load_training(f, err));
    BASE_TRY(check_classes(f, err));
    gather_inputs(f, s->val_x, s->n_val, f->val_x);
    standardize(f);
    BASE_TRY(fit(f, &r->l2, err));
    if (!scores_itself(f->set->fit)) center(f);
    const double factor = measure(f, r);
    if (f->set->fit == FIT_GMM) lift(f);
    store(f, factor);
    return BASE_OK;
}

base_status prototype_fit(session *s, const train_hooks *hooks, prototype_result *r, base_err *err)
{
    fitting f = {.s = s,
                 .hooks = hooks,
                 .set = &s->setup->train,
                 .layer = find_layer(s, s->setup->train.fit)};
    *r = (prototype_result){0};
    const base_status status = run(&f, r, err);
    close_fitting(&f);
    return status;
}
