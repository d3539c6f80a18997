/* sotto data lint: what is wrong with the clips of a pack or a folder. */
#include "data/lint.h"
#include "train/cli.h"
#include "train/suspects.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 }; /* so many findings of a kind are shown on a terminal without -v */

typedef struct lint_choices {
    const char *kinds, *fail, *run, *words;
    int suspects;
    double seconds_lo, seconds_hi;
    unsigned wanted, named, gates; /* sets of data_problem */
} lint_choices;

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

/* ---- suspects ---- */

typedef struct ranked {
    double loss; /* less the median loss of the clip's word: some words are hard for a model */
    size_t clip;
} ranked;

static int by_loss(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->loss > y->loss || x->loss < y->loss) return x->loss > y->loss ? -1 : 1;
    return (x->clip > y->clip) - (x->clip < y->clip);
}

/* The median loss of each word; of words without clips 0. */
static base_status median_losses(const data_recordings *r, const verdict *v, double *median,
                                 base_err *err)
{
    const size_t n = data_recordings_count(r);
    size_t words;
    data_recordings_words(r, &words);
    ranked *list = base_alloc(n + 1, sizeof *list);
    if (!list) return base_nomem(err, n * sizeof *list);
    for (size_t w = 0; w < words; w++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (v[i].label >= 0 && data_recordings_at(r, i).word == (int)w)
                list[k++] = (ranked){v[i].loss, i};
        if (k) qsort(list, k, sizeof *list, by_loss);
        median[w] = k ? list[k / 2].loss : 0;
    }
    base_free(list);
    return BASE_OK;
}

static base_status rank(const data_recordings *r, const nn_model *m, const verdict *v,
                        const double *median, size_t most, data_findings *found, base_err *err)
{
    const size_t n = data_recordings_count(r);
    size_t k = 0;
    ranked *list = base_alloc(n + 1, sizeof *list);
    if (!list) return base_nomem(err, n * sizeof *list);
    for (size_t i = 0; i < n; i++)
        if (v[i].label >= 0 && v[i].said != v[i].label)
            list[k++] = (ranked){v[i].loss - median[data_recordings_at(r, i).word], i};
    qsort(list, k, sizeof *list, by_loss);
    for (size_t i = 0; i < k && i < most; i++) {
        const size_t clip = list[i].clip;
        const data_recording c = data_recordings_at(r, clip);
        data_finding f = {
            .problem = DATA_SUSPECT, .clip = (int64_t)clip, .other = -1, .value = v[clip].loss};
        snprintf(f.detail, sizeof f.detail, "heard as %.40s, %.1f %% sure; %s clip",
                 m->labels[v[clip].said], 100 * v[clip].probability, data_split_name(c.split));
        data_findings_add(found, &f);
    }
    base_free(list);
    return found->failed ? base_nomem(err, found->n * sizeof *found->list) : BASE_OK;
}

static base_status find_suspects(cli *c, const lint_choices *o, const data_recordings *r,
                                 data_findings *found, base_err *err)
{
    parent run;
    verdict *v = NULL;
    const data_survey_options how = {
        .threads = c->threads, .stop = cli_interrupt(c), .progress = show, .ctx = c};
    size_t words;
    data_recordings_words(r, &words);
    BASE_TRY(parent_open(&run, o->run, err));
    double *median = base_alloc(words + 1, sizeof *median);
    cli_progress_begin(c, "listening", "clips", (int64_t)data_recordings_count(r));
    base_status status =
        median ? suspects_judge(&run, r, &how, &v, NULL, err) : base_nomem(err, words);
    cli_progress_end(c);
    if (status == BASE_OK) status = median_losses(r, v, median, err);
    if (status == BASE_OK) status = rank(r, run.model, v, median, (size_t)o->suspects, found, err);
    base_free(v);
    base_free(median);
    parent_close(&run);
    return status;
}

/* ---- the result ---- */

static void put_counts(cli *c, const data_findings *found, unsigned wanted)
{
    static const cli_column columns[] = {{"problem", NULL, CLI_TEXT, 0},
                                         {"count", NULL, CLI_INT, 0},
                                         {"meaning", NULL, CLI_TEXT, 0}};
    cli_table *t = cli_table_new(c, "problems", columns, BASE_COUNT(columns));
    for (int p = 0; p < DATA_PROBLEMS; p++) {
        int64_t n = 0;
        if (!(wanted >> p & 1)) continue;
        for (size_t i = 0; i < found->n; i++) n += found->list[i].problem == (data_problem)p;
        cli_cell_text(t, data_problem_name((data_problem)p));
        cli_cell_int(t, n);
        cli_cell_text(t, data_problem_help((data_problem)p));
    }
}

static void put_findings(cli *c, const data_recordings *r, const data_findings *found)
{
    static const cli_column columns[] = {
        {"problem", NULL, CLI_TEXT, 0}, {"clip", NULL, CLI_TEXT, 0},   {"split", NULL, CLI_TEXT, 0},
        {"value", NULL, CLI_REAL, 3},   {"detail", NULL, CLI_TEXT, 0}, {"other", NULL, CLI_TEXT, 0},
    };
    const bool all = c->format != CLI_FORMAT_TABLE || c->verbosity > 0;
    size_t shown = 0, hidden = 0;
    cli_table *t = cli_table_new(c, "findings", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < found->n; i++) {
        const data_finding *f = &found->list[i];
        const data_recording clip =
            f->clip >= 0 ? data_recordings_at(r, (size_t)f->clip) : (data_recording){0};
        shown = i > 0 && f->problem == f[-1].problem ? shown + 1 : 0;
        if (!all && shown >= SHOWN) {
            hidden++;
            continue;
        }
        cli_cell_text(t, data_problem_name(f->problem));
        cli_cell_text(t, clip.name);
        cli_cell_text(t, clip.name ? data_split_name(clip.split) : NULL);
        cli_cell_real(t, f->value);
        cli_cell_text(t, f->detail);
        cli_cell_text(t, f->other >= 0 ? data_recordings_at(r, (size_t)f->other).name : NULL);
    }
    if (hidden) cli_say(c, "%zu more findings are not shown; -v shows all", hidden);
}

static base_status check_gates(const data_findings *found, unsigned gates, base_err *err)
{
    for (size_t i = 0; i < found->n; i++)
        if (gates >> found->list[i].problem & 1)
            return base_fail(err, BASE_GATE, "there is a finding of --fail %s: %s",
                             data_problem_name(found->list[i].problem), found->list[i].detail);
    return BASE_OK;
}

/* ---- the command ---- */

/* Which words --words names; *counted is NULL when it names none. */
static base_status choose_words(const data_recordings *r, const char *list, bool **counted,
                                base_err *err)
{
    char **names;
    size_t n, words;
    const char *const *word = data_recordings_words(r, &words);
    *counted = NULL;
    if (!list) return BASE_OK;
    BASE_TRY(data_words_parse(list, &names, &n, err));
    bool *chosen = base_alloc(words + 1, sizeof *chosen);
    base_status status = chosen ? BASE_OK : base_nomem(err, words);
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        size_t k = 0;
        while (k < words && strcmp(word[k], names[i]) != 0) k++;
        if (k < words)
            chosen[k] = true;
        else
            status = base_fail(err, BASE_USAGE, "--words: there is no word '%s'", names[i]);
    }
    free(names);
    *counted = chosen;
    return status;
}

static base_status look(cli *c, const lint_choices *o, const data_recordings *r,
                        const data_facts *facts, data_findings *found, base_err *err)
{
    bool *counted;
    base_status status = choose_words(r, o->words, &counted, err);
    const data_lint_options options = {.problems = o->wanted,
                                       .seconds_lo = o->seconds_lo,
                                       .seconds_hi = o->seconds_hi,
                                       .counted = counted,
                                       .threads = c->threads};
    if (status == BASE_OK) status = data_lint_run(r, facts, &options, found, err);
    base_free(counted);
    if (status == BASE_OK && o->run) status = find_suspects(c, o, r, found, err);
    if (status == BASE_OK && c->output)
        status = data_lint_write(r, found, o->named, c->output, err);
    return status;
}

static base_status lint(cli *c, const lint_choices *o, const data_recordings *r, base_err *err)
{
    const size_t n = data_recordings_count(r);
    const double start = base_seconds();
    data_facts *facts = NULL;
    data_findings found = {0};
    const data_survey_options how = {.threads = c->threads,
                                     .prints = o->wanted >> DATA_NEAR & 1,
                                     .stop = cli_interrupt(c),
                                     .progress = show,
                                     .ctx = c};
    cli_progress_begin(c, "reading", "clips", (int64_t)n);
    base_status status = data_survey_run(r, &how, &facts, err);
    cli_progress_end(c);
    if (status == BASE_OK) status = look(c, o, r, facts, &found, err);
    if (status == BASE_OK) {
        cli_say(c, "%zu clips in %.1f s", n, base_seconds() - start);
        cli_put_int(c, "clips", (int64_t)n);
        put_counts(c, &found, o->wanted);
        put_findings(c, r, &found);
        status = check_gates(&found, o->gates, err);
    }
    data_survey_free(facts, n);
    free(found.list);
    return status;
}

static base_status choose(lint_choices *o, base_err *err)
{
    o->wanted = (1u << DATA_PROBLEMS) - 1;
    if (o->kinds) {
        BASE_TRY(data_problems_parse(o->kinds, &o->named, err));
        o->wanted = o->named;
    }
    if (o->fail) BASE_TRY(data_problems_parse(o->fail, &o->gates, err));
    if (o->gates & ~o->wanted)
        return base_fail(err, BASE_USAGE, "--fail names what --kinds does not look for");
    if (!o->run && (o->named | o->gates) >> DATA_SUSPECT & 1)
        return base_fail(err, BASE_USAGE, "suspects are found by a model: --run RUN");
    if (!(o->wanted >> DATA_SUSPECT & 1)) o->run = NULL;
    if (!o->run) o->wanted &= ~(1u << DATA_SUSPECT);
    BASE_TRY(cli_check_range("--suspects", o->suspects, 1, 1e6, err));
    BASE_TRY(cli_check_range("--min-seconds", o->seconds_lo, 0, 3600, err));
    return cli_check_range("--max-seconds", o->seconds_hi, o->seconds_lo, 3600, err);
}

base_status cmd_data_lint(cli *c, int argc, char **argv, base_err *err)
{
    lint_choices o = {.suspects = 50, .seconds_lo = 0.4, .seconds_hi = 1.5};
    const struct poptOption options[] = {
        {"kinds", 0, POPT_ARG_STRING, &o.kinds, 0, "look for these problems alone", "LIST"},
        {"run", 0, POPT_ARG_STRING, &o.run, 0,
         "a trained run or model: clips in which it hears another word, by its loss", "RUN"},
        {"suspects", 0, POPT_ARG_INT, &o.suspects, 0, "at most so many of them", "N"},
        {"words", 0, POPT_ARG_STRING, &o.words, 0,
         "words whose numbers of clips should be alike; all without it", "LIST"},
        {"min-seconds", 0, POPT_ARG_DOUBLE, &o.seconds_lo, 0, "shortest length that is right", "S"},
        {"max-seconds", 0, POPT_ARG_DOUBLE, &o.seconds_hi, 0, "longest", "S"},
        {"fail", 0, POPT_ARG_STRING, &o.fail, 0, "exit 4 when there is one of these problems",
         "LIST"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "PACK|FOLDER",
        .about =
            "Problems: unreadable silent no_word clipped dc_offset cut_start cut_end format\n"
            "length duplicate near_duplicate speaker imbalance suspect. The list of -o is for\n"
            "sotto data import --exclude and data.exclude=. It leaves out what is unreadable\n"
            "or silent and all but one of equal clips, and what --kinds names; the rest, and\n"
            "clips of the test split, are in it as comments.",
        .min_args = 1,
        .max_args = 1,
        .output = "the list of clips to leave out",
        .takes = CLI_THREADS};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(choose(&o, err));
    data_recordings *r;
    BASE_TRY(data_recordings_open(c->args[0], &r, err));
    base_status status = lint(c, &o, r, err);
    data_recordings_close(r);
    return status;
}
