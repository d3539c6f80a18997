/* sotto data explore: a page about a data set: how much there is of what, what it sounds like,
 * which clips lie apart. */
#include "data/explore.h"
#include "train/cli.h"
#include "train/suspects.h"

#include <string.h>

enum { MOST_WIDTH = 512 }; /* of an embedding: its principal components take width cubed */

typedef struct talk {
    cli *c;
    const char *what; /* what is being done */
} talk;

static void show(void *ctx, const char *what, int64_t done, int64_t total)
{
    talk *t = ctx;
    if (!t->what || strcmp(t->what, what) != 0) {
        cli_progress_end(t->c);
        cli_progress_begin(t->c, what, strcmp(what, "mapping") == 0 ? "steps" : "clips", total);
        t->what = what;
    }
    cli_progress_at(t->c, done);
}

static void put(cli *c, const data_exploration *e, size_t bytes, double seconds)
{
    static const cli_column columns[] = {{"outlier", NULL, CLI_TEXT, 0},
                                         {"class", NULL, CLI_TEXT, 0},
                                         {"factor", NULL, CLI_REAL, 2}};
    const data_heard *h = &e->heard;
    cli_put_text(c, "page", c->output);
    cli_put_bytes(c, "bytes", (int64_t)bytes);
    cli_put_int(c, "clips", (int64_t)e->groups.start[e->groups.n]);
    cli_put_int(c, "heard", (int64_t)h->n);
    cli_put_int(c, "mapped", (int64_t)e->map.n);
    cli_put_real(c, "trustworthiness_tsne", e->map.trust_tsne, 3);
    cli_put_real(c, "trustworthiness_pca", e->map.trust_pca, 3);
    cli_put_real(c, "seconds", seconds, 1);
    cli_table *t = cli_table_new(c, "outliers", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < h->n_worst; i++) {
        cli_cell_text(t, data_recordings_at(e->r, h->clip[h->worst[i]]).name);
        cli_cell_text(t, e->classes.names[h->of[h->worst[i]]]);
        cli_cell_real(t, h->apart[h->worst[i]]);
    }
}

/* The clips as a trained model sees them: where they are, and what it takes them for. */
typedef struct listener {
    parent run;
    verdict *verdicts;
    embedding embedding;
    const char **heard;
} listener;

static void show_judging(void *ctx, int64_t done, int64_t total)
{
    show(ctx, "judging", done, total);
}

static base_status listen(const char *path, const data_recordings *r, data_explore_options *o,
                          listener *l, base_err *err)
{
    const size_t n = data_recordings_count(r);
    const data_survey_options how = {
        .threads = o->threads, .stop = o->stop, .progress = show_judging, .ctx = o->ctx};
    BASE_TRY(parent_open(&l->run, path, err));
    BASE_TRY(suspects_judge(&l->run, r, &how, &l->verdicts, &l->embedding, err));
    if (l->embedding.width > MOST_WIDTH) {
        base_fail(err, BASE_USAGE,
                  "%s has %zu numbers before its last layer, at most %d can be mapped", path,
                  l->embedding.width, MOST_WIDTH);
        return base_hint(err, "without --run the sound of the words decides");
    }
    l->heard = base_alloc(n + 1, sizeof *l->heard);
    if (!l->heard) return base_nomem(err, n * sizeof *l->heard);
    for (size_t i = 0; i < n; i++)
        if (l->verdicts[i].label >= 0) l->heard[i] = l->run.model->labels[l->verdicts[i].said];
    o->points = l->embedding.values;
    o->width = l->embedding.width;
    return BASE_OK;
}

static void stop_listening(listener *l)
{
    base_free(l->verdicts);
    base_free(l->embedding.values);
    base_free(l->heard);
    parent_close(&l->run);
}

static base_status explore(cli *c, const char *run, data_explore_options *o,
                           const data_recordings *r, base_err *err)
{
    const double start = base_seconds();
    data_exploration e = {0};
    listener l = {0};
    base_str page = {0};
    base_status status = run ? listen(run, r, o, &l, err) : BASE_OK;
    if (status == BASE_OK) status = data_explore(r, o, &e, err);
    cli_progress_end(c);
    if (status == BASE_OK)
        status = data_explore_page(&e, c->args[0], &(data_explore_model){run, l.heard}, &page, err);
    if (status == BASE_OK) status = base_write_file(c->output, page.s, page.len, err);
    if (status == BASE_OK) put(c, &e, page.len, base_seconds() - start);
    base_str_free(&page);
    data_exploration_free(&e);
    stop_listening(&l);
    return status;
}

base_status cmd_data_explore(cli *c, int argc, char **argv, base_err *err)
{
    int clips = 20000, points = 1500, outliers = 12;
    const char *split = NULL, *run = NULL;
    talk t = {.c = c};
    data_explore_options o = {.split = DATA_SPLITS, .progress = show, .ctx = &t};
    const struct poptOption options[] = {
        {"words", 'w', POPT_ARG_STRING, &o.keywords, 0,
         "words that are classes, others being _unknown_ together; every word without it", "LIST"},
        {"split", 's', POPT_ARG_STRING, &split, 0, "clips of train, validation or test alone",
         "SPLIT"},
        {"run", 0, POPT_ARG_STRING, &run, 0,
         "a trained run or model: map what it has before its last layer, say what it hears", "RUN"},
        {"clips", 0, POPT_ARG_INT, &clips, 0, "most clips to listen to", "N"},
        {"points", 0, POPT_ARG_INT, &points, 0, "most clips on the map", "N"},
        {"outliers", 0, POPT_ARG_INT, &outliers, 0, "most clips that lie apart to show", "N"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "PACK|FOLDER -o PAGE.html",
        .about =
            "One HTML page that needs no other file and no network: clips by class, split and\n"
            "speaker, distributions of level, SNR and length, mean spectrograms, a map of the\n"
            "clips, clips that lie apart from their class and examples, to hear and to see.",
        .min_args = 1,
        .max_args = 1,
        .output = "the page to write",
        .takes = CLI_THREADS | CLI_SEED | CLI_OUTPUT_NEEDED};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--clips", clips, 1, 1e6, err));
    BASE_TRY(cli_check_range("--points", points, 1, 5000, err));
    BASE_TRY(cli_check_range("--outliers", outliers, 0, 100, err));
    if (split) BASE_TRY(data_split_parse(split, &o.split, err));
    o.most = (size_t)clips;
    o.mapped = (size_t)points;
    o.outliers = (size_t)outliers;
    o.threads = c->threads;
    o.seed = c->seed;
    o.stop = cli_interrupt(c);
    data_recordings *r;
    BASE_TRY(data_recordings_open(c->args[0], &r, err));
    base_status status = explore(c, run, &o, r, err);
    data_recordings_close(r);
    return status;
}
