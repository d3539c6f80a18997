/* sotto runs compare: whether one run is better than another on the same clips, or only luckier. */
#include "data/interval.h"
#include "data/metrics.h"
#include "data/paired.h"
#include "quantize/evaluate.h"
#include "train/cli.h"
#include "train/runlist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one model says, or several of one folder: right[r * clips + i] is whether run r has clip i
 * right. */
typedef struct entrant {
    const char *name;
    char **paths; /* of its models */
    size_t runs;
    bool int8, *right;
    int64_t correct; /* of runs x clips */
} entrant;

/* The clips that all of them hear. */
typedef struct contest {
    cli *c;
    const data_pack *pack;
    data_split split;
    char **labels; /* of the first model */
    size_t n_labels, clips;
    entrant *list;
    size_t n;
} contest;

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

/* ---- models ---- */

static base_status add_path(entrant *e, char *path, base_err *err)
{
    char **more = path ? realloc(e->paths, (e->runs + 1) * sizeof *more) : NULL;
    if (!more) {
        free(path);
        return base_nomem(err, (e->runs + 1) * sizeof *more);
    }
    e->paths = more;
    e->paths[e->runs++] = path;
    return BASE_OK;
}

/* A file, or a folder that is of one model: a run, a version of a registry. */
static bool is_one(const char *name)
{
    base_err none = {0};
    char *file = NULL;
    const bool has_model = nn_model_path(name, &file, &none) == BASE_OK;
    free(file);
    return has_model || !base_is_dir(name) || rundir_is_run(name);
}

/* The models of a name: one, or the runs in a folder, as of `sotto train --seeds`. */
static base_status find_models(entrant *e, base_err *err)
{
    runlist list = {0};
    if (is_one(e->name)) return add_path(e, base_strdup(e->name), err);
    base_status status = runlist_read(e->name, &list, err);
    for (size_t i = 0; status == BASE_OK && i < list.n; i++) {
        const run_row *row = &list.rows[i];
        if (row->state != RUN_DONE) {
            base_fail(err, BASE_DATA, "run '%s' in '%s' is %s", row->name, e->name,
                      rundir_state_name(row->state));
            status = base_hint(err, "only finished runs are compared: finish it or remove it");
        } else {
            status = add_path(e, base_path(e->name, row->name), err);
        }
    }
    runlist_free(&list);
    if (status != BASE_OK || e->runs > 0) return status;
    base_fail(err, BASE_DATA, "'%s' is no run, and has none in it", e->name);
    return base_hint(err, "name a run, a folder of runs or a model file");
}

/* Clips can be paired when the classes are the same. */
static base_status check_labels(contest *k, const char *path, const nn_model *m, base_err *err)
{
    if (!k->labels) {
        k->labels = base_alloc(m->n_labels, sizeof *k->labels);
        if (!k->labels) return base_nomem(err, m->n_labels);
        for (; k->n_labels < m->n_labels; k->n_labels++) {
            k->labels[k->n_labels] = base_strdup(m->labels[k->n_labels]);
            if (!k->labels[k->n_labels]) return base_nomem(err, 1);
        }
    }
    if (nn_model_has_labels(m, (const char *const *)k->labels, k->n_labels)) return BASE_OK;
    base_fail(err, BASE_DATA, "'%s' has other classes than '%s'", path, k->list[0].paths[0]);
    return base_hint(err, "only models of the same words, in the same order, can be compared");
}

static base_status hear(contest *k, const char *path, const quant_subject *s, const data_task *task,
                        bool *right, base_err *err)
{
    const quant_source source = {.model = s->model,
                                 .task = task,
                                 .split = k->split,
                                 .threads = k->c->threads,
                                 .progress = show,
                                 .ctx = k->c};
    cli_progress_begin(k->c, path, "clips", (int64_t)k->clips);
    const base_status status = quant_predict_right(&source, s, right, k->clips, err);
    cli_progress_end(k->c);
    return status;
}

static base_status enter_run(contest *k, entrant *e, size_t run, base_err *err)
{
    quant_subject s;
    data_task *task = NULL;
    BASE_TRY(quant_subject_load(e->paths[run], &s, err));
    base_status status = check_labels(k, e->paths[run], s.model, err);
    if (status == BASE_OK) status = quant_task(s.model, k->pack, &task, err);
    if (status == BASE_OK && !e->right) {
        k->clips = data_task_count(task, k->split, -1);
        e->int8 = s.q8 != NULL;
        e->right = base_alloc(e->runs * k->clips, sizeof *e->right);
        if (!e->right) status = base_nomem(err, e->runs * k->clips);
    }
    if (status == BASE_OK)
        status = hear(k, e->paths[run], &s, task, e->right + run * k->clips, err);
    data_task_free(task);
    quant_subject_free(&s);
    return status;
}

static base_status enter(contest *k, entrant *e, base_err *err)
{
    BASE_TRY(find_models(e, err));
    for (size_t r = 0; r < e->runs; r++) BASE_TRY(enter_run(k, e, r, err));
    for (size_t i = 0; i < e->runs * k->clips; i++) e->correct += e->right[i];
    return BASE_OK;
}

static void leave(entrant *e)
{
    for (size_t r = 0; r < e->runs; r++) free(e->paths[r]);
    free(e->paths);
    base_free(e->right);
}

/* ---- the result ---- */

static double accuracy_of(const contest *k, const entrant *e)
{
    return (double)e->correct / (double)(e->runs * k->clips);
}

/* Over the runs, of one; NAN of a single one. */
static double deviation_of(const contest *k, const entrant *e)
{
    double *v = base_alloc(e->runs, sizeof *v), sd = (double)NAN;
    for (size_t r = 0; v && r < e->runs; r++) {
        for (size_t i = 0; i < k->clips; i++) v[r] += e->right[r * k->clips + i];
        v[r] /= (double)k->clips;
    }
    if (v) sd = data_mean_interval(v, e->runs).sd;
    base_free(v);
    return sd;
}

static void put_models(const contest *k)
{
    static const cli_column columns[] = {
        {"model", NULL, CLI_TEXT, 0},
        {"kind", NULL, CLI_TEXT, 0},
        {"runs", NULL, CLI_INT, 0},
        {"correct", NULL, CLI_INT, 0},
        {"accuracy", NULL, CLI_PERCENT, 2},
        {"accuracy_sd", "+-", CLI_PERCENT, 2},
        {"accuracy_lo", "from", CLI_PERCENT, 2},
        {"accuracy_hi", "to", CLI_PERCENT, 2},
    };
    cli_table *t = cli_table_new(k->c, "models", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < k->n; i++) {
        const entrant *e = &k->list[i];
        double lo, hi;
        data_wilson(llround(accuracy_of(k, e) * (double)k->clips), (int64_t)k->clips, &lo, &hi);
        cli_cell_text(t, e->name);
        cli_cell_text(t, e->int8 ? "int8" : "float");
        cli_cell_int(t, (int64_t)e->runs);
        cli_cell_int(t, e->correct);
        cli_cell_real(t, accuracy_of(k, e));
        cli_cell_real(t, deviation_of(k, e));
        cli_cell_real(t, lo);
        cli_cell_real(t, hi);
    }
}

/* a is at least as often right as b. */
typedef struct pair {
    const entrant *a, *b;
    data_difference test;
} pair;

static pair pair_of(const contest *k, const entrant *a, const entrant *b)
{
    pair p = {.a = accuracy_of(k, a) >= accuracy_of(k, b) ? a : b};
    p.b = p.a == a ? b : a;
    p.test = data_paired_groups(p.a->right, p.a->runs, p.b->right, p.b->runs, k->clips);
    return p;
}

/* Clips that one alone has right, which only single models have. */
static void put_alone(cli_table *t, int64_t clips)
{
    if (clips < 0)
        cli_cell_text(t, NULL);
    else
        cli_cell_int(t, clips);
}

static void put_pairs(const contest *k, const pair *pairs, const double *holm, size_t n)
{
    static const cli_column columns[] = {
        {"model", NULL, CLI_TEXT, 0},
        {"against", NULL, CLI_TEXT, 0},
        {"only_model", "right alone", CLI_INT, 0},
        {"only_against", "against it", CLI_INT, 0},
        {"difference", NULL, CLI_PERCENT, 2},
        {"difference_lo", "from", CLI_PERCENT, 2},
        {"difference_hi", "to", CLI_PERCENT, 2},
        {"p", NULL, CLI_REAL, 4},
        {"p_holm", "p (Holm)", CLI_REAL, 4},
        {"verdict", NULL, CLI_TEXT, 0},
    };
    cli_table *t = cli_table_new(k->c, "pairs", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < n; i++) {
        const data_difference *d = &pairs[i].test;
        cli_cell_text(t, pairs[i].a->name);
        cli_cell_text(t, pairs[i].b->name);
        put_alone(t, d->only_a);
        put_alone(t, d->only_b);
        cli_cell_real(t, d->value);
        cli_cell_real(t, d->lo);
        cli_cell_real(t, d->hi);
        cli_cell_real(t, d->p);
        cli_cell_real(t, holm[i]);
        cli_cell_text(t, holm[i] < DATA_PAIRED_LEVEL ? "better" : "noise");
    }
}

static base_status put_result(const contest *k, base_err *err)
{
    const size_t most = k->n * (k->n - 1) / 2;
    pair *pairs = base_alloc(most, sizeof *pairs);
    double *holm = base_alloc(most, sizeof *holm);
    bool groups = false;
    for (size_t i = 0; i < k->n; i++) groups = groups || k->list[i].runs > 1;
    if (pairs && holm) {
        size_t n = 0;
        for (size_t i = 0; i < k->n; i++)
            for (size_t j = i + 1; j < k->n; j++) pairs[n++] = pair_of(k, &k->list[i], &k->list[j]);
        for (size_t i = 0; i < n; i++) holm[i] = pairs[i].test.p;
        data_holm(holm, n);
        cli_put_text(k->c, "split", data_split_name(k->split));
        cli_put_int(k->c, "n", (int64_t)k->clips);
        cli_put_text(k->c, "test",
                     groups ? "clips and runs, Welch; single runs: McNemar, mid-p"
                            : "McNemar, mid-p");
        put_models(k);
        put_pairs(k, pairs, holm, n);
    }
    const base_status status = pairs && holm ? BASE_OK : base_nomem(err, most * sizeof *pairs);
    base_free(pairs);
    base_free(holm);
    return status;
}

static base_status compare(contest *k, base_err *err)
{
    k->list = base_alloc(k->n, sizeof *k->list);
    base_status status = k->list ? BASE_OK : base_nomem(err, k->n * sizeof *k->list);
    for (size_t i = 0; status == BASE_OK && i < k->n; i++) {
        k->list[i].name = k->c->args[i];
        status = enter(k, &k->list[i], err);
    }
    if (status == BASE_OK) status = put_result(k, err);
    for (size_t i = 0; k->list && i < k->n; i++) leave(&k->list[i]);
    for (size_t i = 0; i < k->n_labels; i++) free(k->labels[i]);
    base_free(k->labels);
    base_free(k->list);
    return status;
}

base_status cmd_runs_compare(cli *c, int argc, char **argv, base_err *err)
{
    const char *split_name = "test", *pack_name = NULL;
    const struct poptOption options[] = {
        {"pack", 'p', POPT_ARG_STRING, &pack_name, 0, "whose clips all of them hear", "PACK"},
        {"split", 's', POPT_ARG_STRING, &split_name, 0, "train, validation or test", "SPLIT"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "RUN|MODEL|FOLDER RUN|MODEL|FOLDER ... --pack PACK",
        .about =
            "Every pair is tested on the clips that one of the two has right and the other wrong\n"
            "(McNemar, mid-p). \"better\" means that such a difference comes of chance in less "
            "than\n"
            "5 % of all comparisons (several are corrected by Holm's method), \"noise\" that it "
            "may.\n"
            "Accuracies have Wilson's 95 % intervals, differences Bonett and Price's. The runs of "
            "a\n"
            "FOLDER (sotto train --seeds) count as one model that was made several times: its\n"
            "accuracy is their mean, +- their standard deviation, and a difference must be more "
            "than\n"
            "the luck of clips and seeds together (Welch).",
        .min_args = 2,
        .max_args = -1,
        .takes = CLI_THREADS};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    if (!pack_name) {
        base_fail(err, BASE_USAGE, "--pack is missing: whose clips the models hear");
        return base_hint(err, "for example --pack sc.h5");
    }
    contest k = {.c = c, .n = (size_t)c->nargs};
    data_pack *pack = NULL;
    BASE_TRY(data_split_parse(split_name, &k.split, err));
    BASE_TRY(data_pack_open(pack_name, &pack, err));
    k.pack = pack;
    const base_status status = compare(&k, err);
    data_pack_close(pack);
    return status;
}
