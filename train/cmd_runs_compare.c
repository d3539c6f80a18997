/* sotto runs compare: whether one run is better than another on the same clips, or only luckier. */
#include "data/metrics.h"
#include "data/paired.h"
#include "quantize/evaluate.h"
#include "train/cli.h"

#include <stdlib.h>
#include <string.h>

/* What one model says; right[i]: whether it has clip i right. */
typedef struct entrant {
    const char *name;
    bool int8, *right;
    int64_t correct;
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

static const double LEVEL = 0.05;

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

/* Clips can be paired when the classes are the same. */
static base_status check_labels(contest *k, const entrant *e, const nn_model *m, base_err *err)
{
    if (!k->labels) {
        k->labels = base_alloc(m->n_labels, sizeof *k->labels);
        if (!k->labels) return base_nomem(err, m->n_labels);
        for (; k->n_labels < m->n_labels; k->n_labels++) {
            k->labels[k->n_labels] = base_strdup(m->labels[k->n_labels]);
            if (!k->labels[k->n_labels]) return base_nomem(err, 1);
        }
    }
    bool same = m->n_labels == k->n_labels;
    for (size_t i = 0; same && i < k->n_labels; i++) same = strcmp(m->labels[i], k->labels[i]) == 0;
    if (same) return BASE_OK;
    base_fail(err, BASE_DATA, "'%s' has other classes than '%s'", e->name, k->list[0].name);
    return base_hint(err, "only models of the same words, in the same order, can be compared");
}

static base_status hear(contest *k, entrant *e, const quant_subject *s, const data_task *task,
                        base_err *err)
{
    const quant_source source = {.model = s->model,
                                 .task = task,
                                 .split = k->split,
                                 .threads = k->c->threads,
                                 .progress = show,
                                 .ctx = k->c};
    k->clips = data_task_count(task, k->split, -1);
    e->int8 = s->q8 != NULL;
    e->right = base_alloc(k->clips, sizeof *e->right);
    int *said = base_alloc(k->clips, sizeof *said);
    data_sample *truth = base_alloc(k->clips, sizeof *truth);
    base_status status =
        e->right && said && truth ? BASE_OK : base_nomem(err, k->clips * sizeof *truth);
    if (status == BASE_OK) {
        cli_progress_begin(k->c, e->name, "clips", (int64_t)k->clips);
        data_task_evaluation(task, k->split, truth);
        status = quant_predict(&source, s, said, err);
        cli_progress_end(k->c);
    }
    for (size_t i = 0; status == BASE_OK && i < k->clips; i++)
        e->correct += e->right[i] = said[i] == truth[i].label;
    base_free(said);
    base_free(truth);
    return status;
}

static base_status enter(contest *k, entrant *e, base_err *err)
{
    quant_subject s;
    data_task *task = NULL;
    BASE_TRY(quant_subject_load(e->name, &s, err));
    base_status status = check_labels(k, e, s.model, err);
    if (status == BASE_OK) status = quant_task(s.model, k->pack, &task, err);
    if (status == BASE_OK) status = hear(k, e, &s, task, err);
    data_task_free(task);
    quant_subject_free(&s);
    return status;
}

static void put_models(const contest *k)
{
    static const cli_column columns[] = {
        {"model", NULL, CLI_TEXT, 0},
        {"kind", NULL, CLI_TEXT, 0},
        {"correct", NULL, CLI_INT, 0},
        {"accuracy", NULL, CLI_PERCENT, 2},
        {"accuracy_lo", "from", CLI_PERCENT, 2},
        {"accuracy_hi", "to", CLI_PERCENT, 2},
    };
    cli_table *t = cli_table_new(k->c, "models", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < k->n; i++) {
        const entrant *e = &k->list[i];
        double lo, hi;
        data_wilson(e->correct, (int64_t)k->clips, &lo, &hi);
        cli_cell_text(t, e->name);
        cli_cell_text(t, e->int8 ? "int8" : "float");
        cli_cell_int(t, e->correct);
        cli_cell_real(t, (double)e->correct / (double)k->clips);
        cli_cell_real(t, lo);
        cli_cell_real(t, hi);
    }
}

/* a has at least as many clips right as b. */
typedef struct pair {
    const entrant *a, *b;
    int64_t only_a, only_b;
} pair;

static pair pair_of(const contest *k, const entrant *a, const entrant *b)
{
    pair p = {.a = a->correct >= b->correct ? a : b};
    p.b = p.a == a ? b : a;
    for (size_t i = 0; i < k->clips; i++) {
        p.only_a += p.a->right[i] && !p.b->right[i];
        p.only_b += p.b->right[i] && !p.a->right[i];
    }
    return p;
}

static void put_pairs(const contest *k, const pair *pairs, const double *p, const double *holm,
                      size_t n)
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
        double lo, hi;
        data_paired_interval(pairs[i].only_a, pairs[i].only_b, (int64_t)k->clips, &lo, &hi);
        cli_cell_text(t, pairs[i].a->name);
        cli_cell_text(t, pairs[i].b->name);
        cli_cell_int(t, pairs[i].only_a);
        cli_cell_int(t, pairs[i].only_b);
        cli_cell_real(t, (double)(pairs[i].only_a - pairs[i].only_b) / (double)k->clips);
        cli_cell_real(t, lo);
        cli_cell_real(t, hi);
        cli_cell_real(t, p[i]);
        cli_cell_real(t, holm[i]);
        cli_cell_text(t, holm[i] < LEVEL ? "better" : "noise");
    }
}

static base_status put_result(const contest *k, base_err *err)
{
    const size_t most = k->n * (k->n - 1) / 2;
    pair *pairs = base_alloc(most, sizeof *pairs);
    double *p = base_alloc(2 * most, sizeof *p);
    if (pairs && p) {
        size_t n = 0;
        for (size_t i = 0; i < k->n; i++)
            for (size_t j = i + 1; j < k->n; j++) pairs[n++] = pair_of(k, &k->list[i], &k->list[j]);
        for (size_t i = 0; i < n; i++)
            p[i] = p[most + i] = data_mcnemar(pairs[i].only_a, pairs[i].only_b);
        data_holm(p + most, n);
        cli_put_text(k->c, "split", data_split_name(k->split));
        cli_put_int(k->c, "n", (int64_t)k->clips);
        cli_put_text(k->c, "test", "McNemar, mid-p");
        put_models(k);
        put_pairs(k, pairs, p, p + most, n);
    }
    const base_status status = pairs && p ? BASE_OK : base_nomem(err, most * sizeof *pairs);
    base_free(pairs);
    base_free(p);
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
    for (size_t i = 0; k->list && i < k->n; i++) base_free(k->list[i].right);
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
        .usage = "RUN|MODEL RUN|MODEL ... --pack PACK",
        .about =
            "Every pair is tested on the clips that one of the two has right and the other wrong\n"
            "(McNemar, mid-p). \"better\" means that such a difference comes of chance in less "
            "than\n"
            "5 % of all comparisons (several are corrected by Holm's method), \"noise\" that it "
            "may.\n"
            "Accuracies have Wilson's 95 % intervals, differences Bonett and Price's.",
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
