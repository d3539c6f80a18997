/* Gradient boosting by XGBoost's C interface, and its trees out of the JSON that it saves. See
 * train/fit_trees.h.
 *
 * The library is opened when something is to be boosted: linked, it and what it brings along (C++,
 * OpenMP) would take 9 ms at every start of the program, and could not be left out.
 */
#include "train/fit_trees.h"

#include <dlfcn.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* Functions of xgboost/c_api.h (1.4 and later) by the names they have there; handles are pointers,
 * a result of 0 is success. */
typedef struct library {
    void *handle;
    const char *(*XGBGetLastError)(void);
    int (*XGDMatrixCreateFromMat)(const float *x, uint64_t rows, uint64_t columns, float missing,
                                  void **matrix);
    int (*XGDMatrixSetFloatInfo)(void *matrix, const char *field, const float *v, uint64_t n);
    int (*XGDMatrixFree)(void *matrix);
    int (*XGBoosterCreate)(void *const matrices[], uint64_t n, void **booster);
    int (*XGBoosterSetParam)(void *booster, const char *name, const char *value);
    int (*XGBoosterUpdateOneIter)(void *booster, int round, void *matrix);
    int (*XGBoosterSaveModelToBuffer)(void *booster, const char *how, uint64_t *n,
                                      const char **text);
    int (*XGBoosterFree)(void *booster);
} library;

static void close_library(library *x)
{
    if (x->handle) dlclose(x->handle);
}

/* False, with nothing to close, where the library or a function of it is not there. */
static bool open_library(library *x)
{
    *x = (library){.handle = dlopen("libxgboost.so.0", RTLD_NOW | RTLD_LOCAL)};
    if (!x->handle) x->handle = dlopen("libxgboost.so", RTLD_NOW | RTLD_LOCAL);
    if (!x->handle) return false;
    const struct {
        const char *name;
        void *at;
    } all[] = {{"XGBGetLastError", &x->XGBGetLastError},
               {"XGDMatrixCreateFromMat", &x->XGDMatrixCreateFromMat},
               {"XGDMatrixSetFloatInfo", &x->XGDMatrixSetFloatInfo},
               {"XGDMatrixFree", &x->XGDMatrixFree},
               {"XGBoosterCreate", &x->XGBoosterCreate},
               {"XGBoosterSetParam", &x->XGBoosterSetParam},
               {"XGBoosterUpdateOneIter", &x->XGBoosterUpdateOneIter},
               {"XGBoosterSaveModelToBuffer", &x->XGBoosterSaveModelToBuffer},
               {"XGBoosterFree", &x->XGBoosterFree}};
    bool good = true;
    for (size_t i = 0; i < BASE_COUNT(all); i++) {
        void *found = dlsym(x->handle, all[i].name);
        memcpy(all[i].at, &found, sizeof found);
        good = good && found;
    }
    if (!good) close_library(x);
    return good;
}

bool fit_can_boost(void)
{
    library x;
    const bool can = open_library(&x);
    if (can) close_library(&x);
    return can;
}

static base_status said(const library *x, int result, const char *what, base_err *err)
{
    if (result == 0) return BASE_OK;
    return base_fail(err, BASE_FAILED, "XGBoost, %s: %.300s", what, x->XGBGetLastError());
}

/* ---- training ---- */

static base_status set_matrix(const library *x, void *m, const fit_samples *s, base_err *err)
{
    float *label = base_alloc((size_t)s->n, sizeof *label);
    if (!label) return base_nomem(err, (size_t)s->n * sizeof *label);
    for (int i = 0; i < s->n; i++) label[i] = (float)s->label[i];
    const int result = x->XGDMatrixSetFloatInfo(m, "label", label, (uint64_t)s->n);
    base_free(label);
    return said(x, result, "labels", err);
}

static base_status make_matrix(const library *x, const fit_samples *s, void **m, base_err *err)
{
    const size_t count = (size_t)s->n * (size_t)s->dims;
    float *v = base_alloc(count, sizeof *v);
    if (!v) return base_nomem(err, count * sizeof *v);
    for (size_t i = 0; i < count; i++) v[i] = (float)s->x[i];
    const int result = x->XGDMatrixCreateFromMat(v, (uint64_t)s->n, (uint64_t)s->dims, NAN, m);
    base_free(v);
    return said(x, result, "samples", err);
}

static base_status set_parameters(const library *x, void *b, const fit_samples *s, double rate,
                                  uint64_t seed, const fit_trees *to, base_err *err)
{
    char classes[16], leaves[16], eta[32], start[32];
    snprintf(classes, sizeof classes, "%d", s->classes);
    snprintf(leaves, sizeof leaves, "%d", to->leaves);
    snprintf(eta, sizeof eta, "%.9g", rate);
    snprintf(start, sizeof start, "%u", (unsigned)(seed & 0x7fffffff));
    const char *const parameters[][2] = {{"verbosity", "0"},
                                         {"nthread", "1"},
                                         {"objective", "multi:softprob"},
                                         {"num_class", classes},
                                         {"tree_method", "hist"},
                                         {"grow_policy", "lossguide"},
                                         {"max_depth", "0"},
                                         {"max_leaves", leaves},
                                         {"eta", eta},
                                         {"subsample", "0.8"},
                                         {"colsample_bynode", "0.3"},
                                         {"seed", start}};
    for (size_t i = 0; i < BASE_COUNT(parameters); i++)
        BASE_TRY(said(x, x->XGBoosterSetParam(b, parameters[i][0], parameters[i][1]),
                      parameters[i][0], err));
    return BASE_OK;
}

/* ---- trees ---- */

static json_t *array_of(const json_t *tree, const char *name, size_t n)
{
    json_t *a = json_object_get(tree, name);
    return json_is_array(a) && json_array_size(a) == n ? a : NULL;
}

/* Tree k of `to` for its class; false when it is none that fits. */
static bool put_tree(const json_t *tree, int round, int class, const fit_trees *to, fit_node *node,
                     int *at)
{
    const size_t n = json_array_size(json_object_get(tree, "left_children"));
    const json_t *left = array_of(tree, "left_children", n),
                 *right = array_of(tree, "right_children", n),
                 *feature = array_of(tree, "split_indices", n),
                 *value = array_of(tree, "split_conditions", n);
    if (n < 1 || n > 2 * (size_t)to->leaves - 1 || !left || !right || !feature || !value)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_int_t l = json_integer_value(json_array_get(left, i)),
                         r = json_integer_value(json_array_get(right, i));
        node[i] = (fit_node){.left = l < 0 ? 0 : (int)l,
                             .right = l < 0 ? 0 : (int)r,
                             .feature = (int)json_integer_value(json_array_get(feature, i)),
                             .threshold = json_number_value(json_array_get(value, i))};
        if (l >= 0 &&
            (l <= (json_int_t)i || r <= (json_int_t)i || l >= (json_int_t)n || r >= (json_int_t)n))
            return false;
    }
    fit_trees_put(to, round * to->classes + class, node, at);
    for (size_t i = 0; i < n; i++)
        if (node[i].left == 0)
            to->leaf[((size_t)round * (size_t)to->leaves + (size_t)at[i]) * (size_t)to->classes +
                     (size_t) class] = (nn_real)node[i].threshold;
    return true;
}

static base_status put_trees(const json_t *model, const fit_trees *to, base_err *err)
{
    const json_t *learner = json_object_get(model, "learner");
    const json_t *booster = json_object_get(json_object_get(learner, "gradient_booster"), "model");
    const json_t *trees = json_object_get(booster, "trees");
    const json_t *info = json_object_get(booster, "tree_info");
    const size_t all = (size_t)to->trees * (size_t)to->classes, leaves = (size_t)to->leaves;
    fit_node *node = base_alloc(2 * leaves, sizeof *node);
    int *at = base_alloc(2 * leaves, sizeof *at);
    bool good = node && at;
    base_status status = good ? BASE_OK : base_nomem(err, 2 * leaves * sizeof *node);
    good = good && json_array_size(trees) == all && json_array_size(info) == all;
    for (size_t i = 0; good && i < all; i++) {
        const size_t class = i % (size_t)to->classes, round = i / (size_t)to->classes;
        good = json_integer_value(json_array_get(info, i)) == (json_int_t) class &&
               put_tree(json_array_get(trees, i), (int)round, (int)class, to, node, at);
    }
    if (status == BASE_OK && !good)
        status = base_fail(err, BASE_FAILED, "XGBoost: its model has another form than expected");
    base_free(node);
    base_free(at);
    return status;
}

static base_status read_trees(const library *x, void *b, const fit_trees *to, base_err *err)
{
    const char *text;
    uint64_t length;
    BASE_TRY(said(x, x->XGBoosterSaveModelToBuffer(b, "{\"format\": \"json\"}", &length, &text),
                  "saving", err));
    json_error_t at;
    json_t *model = json_loadb(text, length, 0, &at);
    if (!model) return base_fail(err, BASE_FAILED, "XGBoost's model is no JSON: %s", at.text);
    const base_status status = put_trees(model, to, err);
    json_decref(model);
    return status;
}

static base_status boost(const library *x, void *m, void *b, int rounds,
                         const volatile sig_atomic_t *stop, base_err *err)
{
    for (int i = 0; i < rounds; i++) {
        if (stop && *stop) return BASE_INTERRUPTED;
        BASE_TRY(said(x, x->XGBoosterUpdateOneIter(b, i, m), "training", err));
    }
    return BASE_OK;
}

base_status fit_boosting(const fit_samples *s, double rate, uint64_t seed,
                         const volatile sig_atomic_t *stop, const fit_trees *to, base_err *err)
{
    library x;
    void *m = NULL, *b = NULL;
    if (!open_library(&x)) {
        base_fail(err, BASE_FAILED, "boosting needs XGBoost, which is not there");
        return base_hint(err, "apt install libxgboost-dev; a random forest (fit = forest) needs "
                              "nothing");
    }
    memset(to->bias, 0, (size_t)to->classes * sizeof *to->bias);
    memset(to->leaf, 0,
           (size_t)to->trees * (size_t)to->leaves * (size_t)to->classes * sizeof *to->leaf);
    base_status status = make_matrix(&x, s, &m, err);
    if (status == BASE_OK) status = set_matrix(&x, m, s, err);
    if (status == BASE_OK) status = said(&x, x.XGBoosterCreate(&m, 1, &b), "starting", err);
    if (status == BASE_OK) status = set_parameters(&x, b, s, rate, seed, to, err);
    if (status == BASE_OK) status = boost(&x, m, b, to->trees, stop, err);
    if (status == BASE_OK) status = read_trees(&x, b, to, err);
    if (b) x.XGBoosterFree(b);
    if (m) x.XGDMatrixFree(m);
    close_library(&x);
    return status;
}
