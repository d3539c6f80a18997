/* sotto data stats: how many clips there are of what, by whom, how loud and how clean. */
#include "data/summary.h"
#include "train/cli.h"

#include <stdlib.h>

typedef enum grouping { BY_CLASS, BY_SPEAKER, BY_SPLIT } grouping;

typedef struct stats_choices {
    const char *by_name, *split_name, *words;
    int by;
    data_split split;
} stats_choices;

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

static void put_quantiles(cli_table *t, data_quantiles q)
{
    cli_cell_real(t, q.low);
    cli_cell_real(t, q.median);
    cli_cell_real(t, q.high);
}

static cli_table *new_table(cli *c, int by)
{
    static const char *const names[] = {"class", "speaker", "split"};
    const cli_column columns[] = {
        {names[by], NULL, CLI_TEXT, 0},
        {"clips", NULL, CLI_INT, 0},
        {"train", NULL, CLI_INT, 0},
        {"validation", "valid.", CLI_INT, 0},
        {"test", NULL, CLI_INT, 0},
        {by == BY_SPEAKER ? "words" : "speakers", NULL, CLI_INT, 0},
        {"seconds", NULL, CLI_REAL, 0},
        {"level_p10", "level 10%", CLI_REAL, 1},
        {"level_p50", "50%", CLI_REAL, 1},
        {"level_p90", "90%", CLI_REAL, 1},
        {"peak_p10", "peak 10%", CLI_REAL, 1},
        {"peak_p50", "50%", CLI_REAL, 1},
        {"peak_p90", "90%", CLI_REAL, 1},
        {"snr_p10", "SNR 10%", CLI_REAL, 1},
        {"snr_p50", "50%", CLI_REAL, 1},
        {"snr_p90", "90%", CLI_REAL, 1},
        {"no_word", "no word", CLI_INT, 0},
        {"most", NULL, CLI_PERCENT, 1},
        {"gini", NULL, CLI_REAL, 2},
    };
    return cli_table_new(c, "groups", columns, BASE_COUNT(columns));
}

static void put_row(cli_table *t, const char *name, const data_summary *s, int by)
{
    cli_cell_text(t, name);
    cli_cell_int(t, s->clips);
    for (int k = 0; k < DATA_SPLITS; k++) cli_cell_int(t, s->split[k]);
    cli_cell_int(t, by == BY_SPEAKER ? s->words : s->speakers);
    cli_cell_real(t, s->seconds);
    put_quantiles(t, s->level);
    put_quantiles(t, s->peak);
    put_quantiles(t, s->snr);
    cli_cell_int(t, s->no_word);
    cli_cell_real(t, s->most);
    cli_cell_real(t, s->gini);
}

/* Rows of the groups that have clips, and of all. */
static base_status put(cli *c, const stats_choices *o, const data_recordings *r,
                       const data_facts *facts, const data_groups *g, const char *const *names,
                       base_err *err)
{
    data_summary s;
    const size_t all = g->start[g->n];
    if (all == 0)
        return base_fail(err, BASE_DATA, "%s: no readable clip%s%s", c->args[0],
                         o->split_name ? " in split " : "", o->split_name ? o->split_name : "");
    cli_table *t = new_table(c, o->by);
    for (size_t k = 0; k < g->n; k++) {
        const size_t first = g->start[k], n = g->start[k + 1] - first;
        if (n == 0) continue;
        BASE_TRY(data_summarize(r, facts, g->clip + first, n, &s, err));
        put_row(t, names[k], &s, o->by);
    }
    BASE_TRY(data_summarize(r, facts, g->clip, all, &s, err));
    put_row(t, "all", &s, o->by);
    return BASE_OK;
}

static base_status group(cli *c, const stats_choices *o, const data_recordings *r,
                         const data_facts *facts, base_err *err)
{
    static const char *const splits[] = {"train", "validation", "test"};
    data_classes classes = {0};
    data_groups g = {0};
    size_t n = DATA_SPLITS, clips = data_recordings_count(r);
    const char *const *names = splits;
    int *of = base_alloc(clips + 1, sizeof *of);
    base_status status = of ? BASE_OK : base_nomem(err, clips * sizeof *of);
    if (status == BASE_OK && o->by == BY_CLASS) {
        status = data_classes_new(r, o->words, &classes, err);
        names = classes.names;
        n = classes.n;
    } else if (o->by == BY_SPEAKER) {
        names = data_recordings_speakers(r, &n);
    }
    for (size_t i = 0; i < clips && status == BASE_OK; i++) {
        const data_recording x = data_recordings_at(r, i);
        of[i] = o->by == BY_CLASS     ? classes.of_word[x.word]
                : o->by == BY_SPEAKER ? x.speaker
                                      : (int)x.split;
    }
    if (status == BASE_OK) status = data_groups_new(r, facts, o->split, of, n, &g, err);
    if (status == BASE_OK) status = put(c, o, r, facts, &g, names, err);
    data_groups_free(&g);
    data_classes_free(&classes);
    base_free(of);
    return status;
}

static base_status stats(cli *c, const stats_choices *o, const data_recordings *r, base_err *err)
{
    const size_t n = data_recordings_count(r);
    size_t unreadable = 0;
    data_facts *facts = NULL;
    const data_survey_options how = {
        .threads = c->threads, .stop = cli_interrupt(c), .progress = show, .ctx = c};
    cli_progress_begin(c, "reading", "clips", (int64_t)n);
    base_status status = data_survey_run(r, &how, &facts, err);
    cli_progress_end(c);
    for (size_t i = 0; i < n && status == BASE_OK; i++) unreadable += facts[i].unreadable != NULL;
    if (unreadable)
        cli_warn(c, "%zu clips cannot be read and are not counted: sotto data lint names them",
                 unreadable);
    if (status == BASE_OK) status = group(c, o, r, facts, err);
    data_survey_free(facts, n);
    return status;
}

base_status cmd_data_stats(cli *c, int argc, char **argv, base_err *err)
{
    static const char *const groupings[] = {"class", "speaker", "split", NULL};
    stats_choices o = {.by_name = "class", .split = DATA_SPLITS};
    const struct poptOption options[] = {
        {"by", 'b', POPT_ARG_STRING, &o.by_name, 0, "a row for each class, speaker or split",
         "WHAT"},
        {"split", 's', POPT_ARG_STRING, &o.split_name, 0,
         "clips of train, validation or test alone", "SPLIT"},
        {"words", 'w', POPT_ARG_STRING, &o.words, 0,
         "words that are classes, others being _unknown_ together; every word without it", "LIST"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "PACK|FOLDER",
        .about =
            "10 %, 50 % and 90 % of the clips of a group are below the levels shown. level: mean\n"
            "power of the clip, peak: its largest sample, both in dB of full scale (a sine: -3).\n"
            "SNR: mean power of the 10 ms blocks of the word, less the noise, over the noise, "
            "which\n"
            "is the power that 10 % of the clip's blocks are below; the word is where blocks "
            "stand\n"
            "9 dB out of it. no word: clips where none do, which have no SNR. most: share of the\n"
            "clips by the speaker with most; gini: 0 when all speakers have as many, towards 1\n"
            "when few have most.",
        .min_args = 1,
        .max_args = 1,
        .takes = CLI_THREADS};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_choice("--by", o.by_name, groupings, &o.by, err));
    if (o.split_name) BASE_TRY(data_split_parse(o.split_name, &o.split, err));
    if (o.words && o.by != BY_CLASS)
        return base_fail(err, BASE_USAGE, "--words says what classes are: --by class");
    data_recordings *r;
    BASE_TRY(data_recordings_open(c->args[0], &r, err));
    base_status status = stats(c, &o, r, err);
    data_recordings_close(r);
    return status;
}
