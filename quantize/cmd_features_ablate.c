/* sotto features ablate: what groups of features contribute. */
#include "quantize/ablate.h"
#include "quantize/cmd_features_explore.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_spec spec = {
    .usage = "RUN|MODEL|FEATURES PACK",
    .about =
        "What groups of a model's features contribute: mel bands, coefficients of MFCC, segments\n"
        "of time. Each group is replaced in the clips of a split by that of another clip (--how\n"
        "permute, --repeats times) or by its mean over the training clips (--how mean); `without`\n"
        "is the accuracy then. Bands of MFCC are replaced before the DCT. --retrain trains a "
        "probe\n"
        "with and without each group instead, on the model's features or those named as for\n"
        "`sotto features explore`.\n"
        "\"matters\": the drop is not luck (paired over clips and repeats or seeds, p of Holm "
        "below\n"
        "0.05). A model that was trained with a group relies on it, whether or not others hold "
        "the\n"
        "same; where they do, each may also matter little though all of them do. --retrain tells\n"
        "what others cannot make up for.",
    .min_args = 2,
    .max_args = 2,
    .takes = CLI_SEED | CLI_THREADS | CLI_OVERRIDES,
};

enum { MOST_GROUPS = 256 };

typedef struct ablate_options {
    const char *by, *how, *split, *probe, *keep;
    int groups, repeats, seeds, retrain, classes;
} ablate_options;

/* A group, or with all set everything of one cut. */
typedef struct row {
    quant_group group;
    int of; /* groups of its cut */
    bool all;
    bool *right; /* [times, n] */
    double without;
    data_difference drop;
    double p; /* of Holm */
} row;

typedef struct ablater {
    cli *c;
    ablate_options o;
    bool cuts[QUANT_CUTS];
    nn_model *model; /* of RUN or MODEL; NULL: FEATURES */
    dsp_config features;
    data_pack *pack;
    data_split split;
    char **labels; /* of the model that is asked, borrowed */
    int classes;
    size_t times, n; /* repeats or seeds, clips */
    int *truth;
    bool *whole; /* [times, n]: right with all features */
    row rows[QUANT_CUTS * (MOST_GROUPS + 1)];
    int n_rows;
} ablater;

/* ---- what is asked ---- */

/* "bands,time"; NULL: all that the features have. */
static base_status parse_cuts(ablater *x, base_err *err)
{
    for (int i = 0; i < QUANT_CUTS; i++) x->cuts[i] = !x->o.by;
    char *list = x->o.by ? base_strdup(x->o.by) : NULL, *rest = list;
    base_status status = x->o.by && !list ? base_nomem(err, 1) : BASE_OK;
    while (status == BASE_OK && rest) {
        int cut = 0;
        char *end = strchr(rest, ',');
        if (end) *end = '\0';
        status = cli_check_choice("--by", rest, quant_cut_names, &cut, err);
        if (status == BASE_OK) x->cuts[cut] = true;
        rest = end ? end + 1 : NULL;
    }
    free(list);
    return status;
}

/* Whether a group can be cut out of what a model is trained with: bands are not there in MFCC. */
static bool can_retrain(const ablater *x, quant_cut cut)
{
    return cut != QUANT_CUT_BANDS || x->features.mfcc == 0;
}

static base_status make_rows(ablater *x, base_err *err)
{
    for (int cut = 0; cut < QUANT_CUTS; cut++) {
        if (!x->cuts[cut]) continue;
        const int n = quant_groups(&x->features, (quant_cut)cut, x->o.groups);
        const bool possible = !x->o.retrain || can_retrain(x, (quant_cut)cut);
        if (x->o.by && (n == 0 || !possible)) {
            base_fail(err, BASE_USAGE, "--by %s: the features have none%s", quant_cut_names[cut],
                      n > 0 ? " that could be left out of training" : "");
            return base_hint(err, cut == QUANT_CUT_BANDS
                                      ? "bands of MFCC can be replaced without --retrain"
                                      : "they are no MFCC");
        }
        for (int i = 0; possible && i < n; i++)
            x->rows[x->n_rows++] =
                (row){.group = quant_group_of(&x->features, (quant_cut)cut, i, n), .of = n};
    }
    if (!x->o.retrain) x->rows[x->n_rows++] = (row){.all = true};
    return BASE_OK;
}

static base_status open_subject(ablater *x, base_err *err)
{
    const char *what = x->c->args[0];
    BASE_TRY(data_pack_open(x->c->args[1], &x->pack, err));
    if (x->o.retrain && !base_exists(what)) {
        x->features.normalize = DSP_NORMALIZE_FEATURE;
        return dsp_variant(what, &x->features, err);
    }
    BASE_TRY(quant_float_model(what, &x->model, err));
    return quant_features(x->model, &x->features, err);
}

static base_status make_room(ablater *x, size_t n, base_err *err)
{
    const size_t all = x->times * n + 1;
    x->n = n;
    x->truth = base_alloc(n + 1, sizeof *x->truth);
    x->whole = base_alloc(all, sizeof *x->whole);
    bool enough = x->truth && x->whole;
    for (int i = 0; i < x->n_rows && !x->o.retrain; i++) {
        x->rows[i].right = base_alloc(all, sizeof *x->rows[i].right);
        enough = enough && x->rows[i].right;
    }
    return enough ? BASE_OK : base_nomem(err, all);
}

/* ---- replacing in a trained model ---- */

static void mark(const ablater *x, const int *said, bool *right)
{
    for (size_t i = 0; i < x->n; i++) right[i] = said[i] == x->truth[i];
}

static base_status replace_all(ablater *x, quant_ablation *a, base_err *err)
{
    int *said = base_alloc(x->n, sizeof *said);
    uint32_t *other = base_alloc(x->n, sizeof *other);
    base_status status = said && other ? BASE_OK : base_nomem(err, x->n * sizeof *said);
    const volatile sig_atomic_t *stop = cli_interrupt(x->c);
    const bool mean = strcmp(x->o.how, "mean") == 0;
    cli_progress_begin(x->c, "replacing", "groups", (int64_t)x->times * x->n_rows);
    for (size_t t = 0; status == BASE_OK && t < x->times; t++) {
        const size_t at = t * x->n;
        quant_derangement(x->c->seed, (uint32_t)t, other, x->n);
        quant_ablation_whole(a, said);
        mark(x, said, x->whole + at);
        for (int i = 0; i < x->n_rows && status == BASE_OK; i++) {
            row *r = &x->rows[i];
            quant_ablation_run(a, r->all ? NULL : &r->group, mean ? NULL : other, said);
            mark(x, said, r->right + at);
            cli_progress_at(x->c, (int64_t)t * x->n_rows + i + 1);
            if (*stop) status = BASE_INTERRUPTED;
        }
    }
    cli_progress_end(x->c);
    base_free(said);
    base_free(other);
    return status;
}

static base_status ask_model(ablater *x, base_err *err)
{
    data_task *task = NULL;
    quant_ablation *a = NULL;
    const bool mean = strcmp(x->o.how, "mean") == 0;
    BASE_TRY(quant_task(x->model, x->pack, &task, err));
    base_status status = quant_ablation_new(x->model, task, x->split, mean, x->c->threads, &a, err);
    if (status == BASE_OK) status = make_room(x, quant_ablation_clips(a), err);
    if (status == BASE_OK) {
        x->labels = x->model->labels;
        x->classes = (int)x->model->n_labels;
        memcpy(x->truth, quant_ablation_truth(a), x->n * sizeof *x->truth);
        status = replace_all(x, a, err);
    }
    quant_ablation_free(a);
    data_task_free(task);
    return status;
}

/* ---- training without ---- */

/* The words of a model as settings of [data]. */
static void add_words(const ablater *x, base_str *words, bool *unknown, bool *silence)
{
    for (size_t i = 0; i < x->model->n_labels; i++) {
        const char *label = x->model->labels[i];
        if (strcmp(label, DATA_UNKNOWN) == 0)
            *unknown = true;
        else if (strcmp(label, DATA_SILENCE) == 0)
            *silence = true;
        else
            base_str_add(words, "%s%s", words->len ? "," : "data.keywords=", label);
    }
}

/* Of the whole probe: what the clips are, and whether it has them right. */
static base_status take_whole(ablater *x, const probe_trial *t, base_err *err)
{
    data_task *task = NULL;
    const nn_model *m = t->work.model;
    BASE_TRY(make_room(x, t->n, err));
    BASE_TRY(quant_task(m, x->pack, &task, err));
    data_sample *list = base_alloc(t->n, sizeof *list);
    if (list) data_task_evaluation(task, x->split, list);
    for (size_t i = 0; list && i < t->n; i++) x->truth[i] = list[i].label;
    memcpy(x->whole, t->right, x->times * x->n * sizeof *x->whole);
    x->labels = m->labels;
    x->classes = (int)m->n_labels;
    data_task_free(task);
    const base_status status = list ? BASE_OK : base_nomem(err, t->n * sizeof *list);
    base_free(list);
    return status;
}

static base_status train_without(ablater *x, probe_bench *b, const probe *p, row *r, base_err *err)
{
    char name[80];
    train_setup setup;
    config *cfg = NULL;
    base_str net = {0};
    const quant_group *g = &r->group;
    snprintf(name, sizeof name, "without-%s-%d-%d", quant_cut_names[g->cut], g->first,
             g->first + g->count - 1);
    BASE_TRY(probe_config(p, &x->features, b->overrides, b->noverrides, &setup, &cfg, err));
    base_status status = probe_without(&setup, x->classes, g->cut == QUANT_CUT_TIME ? 0 : 1,
                                       g->first, g->count, &net, err);
    config_free(cfg);
    probe_trial t = {.probe = p, .name = name, .features = &x->features, .net = net.s};
    if (status == BASE_OK) status = probe_trial_run(b, &t, err);
    if (status == BASE_OK) {
        r->right = t.right;
        t.right = NULL;
    }
    probe_trial_free(&t);
    base_str_free(&net);
    return status;
}

static base_status retrain_in(ablater *x, probe_bench *b, probe_trial *whole, base_err *err)
{
    BASE_TRY(probe_bench_open(b, x->n_rows + 1, err));
    BASE_TRY(probe_trial_run(b, whole, err));
    BASE_TRY(take_whole(x, whole, err));
    for (int i = 0; i < x->n_rows; i++)
        BASE_TRY(train_without(x, b, whole->probe, &x->rows[i], err));
    return BASE_OK;
}

static base_status retrain(ablater *x, probe_trial *whole, base_err *err)
{
    cli *c = x->c;
    base_str pack = {0}, words = {0};
    bool unknown = false, silence = false;
    char *list[PROBE_OVERRIDES], no_unknown[] = "data.unknown_share=0",
                                 no_silence[] = "data.silence_share=0";
    probe_bench b = {
        .c = c, .split = x->split, .keep = x->o.keep, .seeds = x->o.seeds, .overrides = list};
    if (c->noverrides + 4 > PROBE_OVERRIDES)
        return base_fail(err, BASE_USAGE, "%d settings are too many", c->noverrides);
    base_str_add(&pack, "data.pack=%s", c->args[1]);
    list[b.noverrides++] = pack.s;
    if (x->model) {
        add_words(x, &words, &unknown, &silence);
        list[b.noverrides++] = words.s;
        if (!unknown) list[b.noverrides++] = no_unknown;
        if (!silence) list[b.noverrides++] = no_silence;
    }
    for (int i = 0; i < c->noverrides; i++) list[b.noverrides++] = c->overrides[i];
    base_status status = pack.failed || words.failed ? base_nomem(err, pack.len) : BASE_OK;
    *whole = (probe_trial){.name = "whole", .features = &x->features};
    if (status == BASE_OK) status = probe_find(x->o.probe, &whole->probe, err);
    if (status == BASE_OK) status = retrain_in(x, &b, whole, err);
    probe_bench_close(&b);
    base_str_free(&pack);
    base_str_free(&words);
    return status;
}

/* ---- judging ---- */

static double share(const bool *right, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += right[i];
    return (double)sum / (double)n;
}

static base_status judge(ablater *x, base_err *err)
{
    double *p = base_alloc((size_t)x->n_rows + 1, sizeof *p);
    size_t tests = 0;
    if (!p) return base_nomem(err, (size_t)x->n_rows * sizeof *p);
    for (int i = 0; i < x->n_rows; i++) {
        row *r = &x->rows[i];
        r->without = share(r->right, x->times * x->n);
        r->drop = data_paired_repeats(x->whole, r->right, x->n, x->times);
        if (!r->all) p[tests++] = r->drop.p;
    }
    data_holm(p, tests);
    tests = 0;
    for (int i = 0; i < x->n_rows; i++) x->rows[i].p = x->rows[i].all ? (double)NAN : p[tests++];
    base_free(p);
    return BASE_OK;
}

static const char *verdict_of(const row *r)
{
    if (r->all) return NULL;
    return r->p >= DATA_PAIRED_LEVEL ? "noise" : r->drop.value > 0 ? "matters" : "hurts";
}

/* ---- the result ---- */

static void put_group(cli_table *t, const row *r)
{
    char name[40] = "all";
    if (!r->all)
        snprintf(name, sizeof name, r->group.count > 1 ? "%d-%d" : "%d", r->group.first,
                 r->group.first + r->group.count - 1);
    cli_cell_text(t, r->all ? "all" : quant_cut_names[r->group.cut]);
    cli_cell_text(t, name);
}

static void put_rows(const ablater *x)
{
    static const cli_column columns[] = {
        {"by", NULL, CLI_TEXT, 0},         {"group", NULL, CLI_TEXT, 0},
        {"lo", "from", CLI_REAL, 2},       {"hi", "to", CLI_REAL, 2},
        {"unit", "", CLI_TEXT, 0},         {"without", NULL, CLI_PERCENT, 2},
        {"drop", NULL, CLI_PERCENT, 2},    {"drop_lo", "from", CLI_PERCENT, 2},
        {"drop_hi", "to", CLI_PERCENT, 2}, {"p_holm", "p (Holm)", CLI_REAL, 4},
        {"verdict", NULL, CLI_TEXT, 0}};
    static const char *const units[] = {"Hz", NULL, "s"};
    cli_table *t = cli_table_new(x->c, "groups", columns, BASE_COUNT(columns));
    for (int i = 0; i < x->n_rows; i++) {
        const row *r = &x->rows[i];
        put_group(t, r);
        cli_cell_real(t, r->all ? (double)NAN : r->group.lo);
        cli_cell_real(t, r->all ? (double)NAN : r->group.hi);
        cli_cell_text(t, r->all ? NULL : units[r->group.cut]);
        cli_cell_real(t, r->without);
        cli_cell_real(t, r->drop.value);
        cli_cell_real(t, r->drop.lo);
        cli_cell_real(t, r->drop.hi);
        cli_cell_real(t, r->p);
        cli_cell_text(t, verdict_of(r));
    }
}

/* Share of the clips of a class that are right. */
static double recall(const ablater *x, const bool *right, int class, int64_t *n)
{
    size_t hits = 0;
    *n = 0;
    for (size_t t = 0; t < x->times; t++)
        for (size_t i = 0; i < x->n; i++) {
            if (x->truth[i] != class) continue;
            *n += t == 0;
            hits += right[t * x->n + i];
        }
    return (double)hits / ((double)*n * (double)x->times);
}

static void put_classes(const ablater *x)
{
    static const cli_column columns[] = {
        {"class", NULL, CLI_TEXT, 0},     {"by", NULL, CLI_TEXT, 0},
        {"group", NULL, CLI_TEXT, 0},     {"n", NULL, CLI_INT, 0},
        {"recall", NULL, CLI_PERCENT, 2}, {"without", NULL, CLI_PERCENT, 2},
        {"drop", NULL, CLI_PERCENT, 2}};
    cli_table *t = cli_table_new(x->c, "classes", columns, BASE_COUNT(columns));
    for (int k = 0; k < x->classes; k++)
        for (int i = 0; i < x->n_rows; i++) {
            int64_t n;
            const double with = recall(x, x->whole, k, &n);
            const double without = recall(x, x->rows[i].right, k, &n);
            cli_cell_text(t, x->labels[k]);
            put_group(t, &x->rows[i]);
            cli_cell_int(t, n);
            cli_cell_real(t, with);
            cli_cell_real(t, without);
            cli_cell_real(t, with - without);
        }
}

static void put_result(const ablater *x)
{
    cli *c = x->c;
    cli_put_text(c, "split", x->o.split);
    cli_put_int(c, "n", (int64_t)x->n);
    cli_put_text(c, "how", x->o.retrain ? "retrain" : x->o.how);
    cli_put_int(c, x->o.retrain ? "seeds" : "repeats", (int64_t)x->times);
    cli_put_percent(c, "accuracy", share(x->whole, x->times * x->n), 2);
    put_rows(x);
    if (x->o.classes) put_classes(x);
}

/* ---- the command ---- */

static base_status check_options(ablater *x, base_err *err)
{
    static const char *const ways[] = {"permute", "mean", NULL};
    int how = 0;
    BASE_TRY(cli_check_choice("--how", x->o.how, ways, &how, err));
    BASE_TRY(cli_check_range("--groups", x->o.groups, 1, MOST_GROUPS, err));
    BASE_TRY(cli_check_range("--repeats", x->o.repeats, 1, 1000, err));
    BASE_TRY(cli_check_range("--seeds", x->o.seeds, 1, 1000, err));
    BASE_TRY(data_split_parse(x->o.split, &x->split, err));
    x->times = x->o.retrain ? (size_t)x->o.seeds : how ? 1 : (size_t)x->o.repeats;
    if (!x->o.retrain && x->c->noverrides > 0) {
        base_fail(err, BASE_USAGE, "'%s' has no effect on a model that is trained",
                  x->c->overrides[0]);
        return base_hint(err, "settings are for the probe of --retrain");
    }
    return parse_cuts(x, err);
}

static base_status ablate(ablater *x, probe_trial *whole, base_err *err)
{
    BASE_TRY(check_options(x, err));
    BASE_TRY(open_subject(x, err));
    BASE_TRY(make_rows(x, err));
    BASE_TRY(x->o.retrain ? retrain(x, whole, err) : ask_model(x, err));
    BASE_TRY(judge(x, err));
    put_result(x);
    return BASE_OK;
}

base_status cmd_features_ablate(cli *c, int argc, char **argv, base_err *err)
{
    ablate_options o = {.how = "permute",
                        .split = "validation",
                        .probe = "cnn",
                        .groups = 8,
                        .repeats = 5,
                        .seeds = 3};
    const struct poptOption table[] = {
        {"by", 0, POPT_ARG_STRING, &o.by, 0, "bands, coefficients, time, or some (all there are)",
         "CUT,..."},
        {"groups", 0, POPT_ARG_INT, &o.groups, 0, "most groups of each kind", "N"},
        {"how", 0, POPT_ARG_STRING, &o.how, 0, "permute or mean", "WAY"},
        {"repeats", 0, POPT_ARG_INT, &o.repeats, 0, "permutations", "N"},
        {"split", 0, POPT_ARG_STRING, &o.split, 0, "clips that judge: validation, test, train",
         "NAME"},
        {"classes", 0, POPT_ARG_NONE, &o.classes, 0, "also a table by class", NULL},
        {"retrain", 0, POPT_ARG_NONE, &o.retrain, 0, "train a probe without each group", NULL},
        {"probe", 'p', POPT_ARG_STRING, &o.probe, 0, "of --retrain: cnn, lda or logistic", "NAME"},
        {"seeds", 0, POPT_ARG_INT, &o.seeds, 0, "of --retrain: how often it is trained", "N"},
        {"keep", 0, POPT_ARG_STRING, &o.keep, 0, "of --retrain: folder for the probes' runs",
         "DIR"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, table, err)) return err->status;
    ablater *x = base_alloc(1, sizeof *x);
    probe_trial whole = {0};
    if (!x) return base_nomem(err, sizeof *x);
    x->c = c;
    x->o = o;
    const base_status status = ablate(x, &whole, err);
    for (int i = 0; i < x->n_rows; i++) {
        base_free(x->rows[i].right);
    }
    base_free(x->truth);
    base_free(x->whole);
    probe_trial_free(&whole);
    nn_model_free(x->model);
    data_pack_close(x->pack);
    base_free(x);
    return status;
}
