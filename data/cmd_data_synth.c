/* sotto data synth: a data set of spoken words, where there are no recordings. */
#include "data/data.h"
#include "data/synth.h"
#include "train/cli.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 500 };

/* Cut a list at its commas, in place. */
static base_status split_list(const char *option, char *list, const char **words, size_t *n,
                              base_err *err)
{
    *n = 0;
    for (char *at = list; *list;) {
        size_t len = strcspn(at, ",");
        bool last = at[len] == '\0';
        at[len] = '\0';
        if (*n == WORDS_MAX)
            return base_fail(err, BASE_USAGE, "%s: more than %d words", option, WORDS_MAX);
        words[(*n)++] = at;
        if (last) break;
        at += len + 1;
    }
    return BASE_OK;
}

/* The words that are spoken for _unknown_ when none are named: those of the list that are no
 * keywords. */
static void default_unknown(const data_synth *what, const char **words, size_t *n)
{
    size_t all;
    const char *const *list = data_synth_unknown(&all);
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        bool keyword = false;
        for (size_t k = 0; k < what->n_words; k++)
            keyword = keyword || strcmp(list[i], what->words[k]) == 0;
        if (!keyword) words[(*n)++] = list[i];
    }
}

static void progress(void *ctx, int64_t done, int64_t total)
{
    if (done == 0) cli_progress_begin(ctx, "speaking", "clips", total);
    cli_progress_at(ctx, done);
}

static void put(cli *c, const data_synth_result *r, double seconds)
{
    cli_put_text(c, "folder", c->output);
    cli_put_int(c, "clips", r->clips);
    cli_put_int(c, "speakers", r->speakers);
    cli_put_int(c, "speakers_espeak_ng", r->espeak);
    cli_put_int(c, "speakers_flite", r->flite);
    cli_put_int(c, "speakers_train", r->split[DATA_TRAIN]);
    cli_put_int(c, "speakers_validation", r->split[DATA_VALIDATION]);
    cli_put_int(c, "speakers_test", r->split[DATA_TEST]);
    cli_put_int(c, "noises", r->noises);
    cli_put_real(c, "seconds", seconds, 1);
    if (r->espeak == 0)
        cli_warn(c, "espeak-ng speaks nothing here: only flite's few voices were used "
                    "(apt-get install espeak-ng)");
    else if (r->flite == 0 && r->speakers >= 100)
        cli_warn(c, "flite speaks nothing here: only espeak-ng's voices were used "
                    "(apt-get install flite)");
    cli_say(c, "next: sotto data import %s -o words.h5", c->output);
}

static base_status synth(cli *c, data_synth *what, char *words, char *unknown, base_err *err)
{
    const char *list[WORDS_MAX], *others[WORDS_MAX];
    what->words = list;
    what->unknown = others;
    BASE_TRY(split_list("--words", words, list, &what->n_words, err));
    if (unknown)
        BASE_TRY(split_list("--unknown-words", unknown, others, &what->n_unknown, err));
    else
        default_unknown(what, others, &what->n_unknown);
    double start = base_seconds();
    data_synth_result result;
    base_status st = data_synth_run(what, c->output, &result, err);
    cli_progress_end(c);
    if (st == BASE_OK) put(c, &result, base_seconds() - start);
    return st;
}

static base_status default_words(char **words, base_err *err)
{
    size_t n;
    const char *const *list = data_synth_words(&n);
    base_str s = {0};
    for (size_t i = 0; i < n; i++) base_str_add(&s, "%s%s", i ? "," : "", list[i]);
    *words = s.s;
    return s.failed ? base_nomem(err, s.len) : BASE_OK;
}

base_status cmd_data_synth(cli *c, int argc, char **argv, base_err *err)
{
    static const cli_spec spec = {
        .usage = "-o DIR",
        .about =
            "Speaks words with the English voices of espeak-ng and flite, laid out as Speech\n"
            "Commands is. A voice is heard in one split only. DIR appears when it is complete.",
        .output = "the folder to make",
        .takes = CLI_SEED | CLI_THREADS | CLI_OUTPUT_NEEDED,
    };
    data_synth what = {.speakers = 300, .clips = 1};
    char *preset = NULL;
    BASE_TRY(default_words(&preset, err));
    const char *words = preset, *unknown = NULL;
    const struct poptOption options[] = {
        {"words", 0, POPT_ARG_STRING, &words, 0, "what everybody says", "A,B,..."},
        {"unknown-words", 0, POPT_ARG_STRING, &unknown, 0,
         "other words, of which everybody says some; \"\" for none (default: twenty)", "A,B,..."},
        {"speakers", 0, POPT_ARG_INT, &what.speakers, 0, "voices", "N"},
        {"clips", 0, POPT_ARG_INT, &what.clips, 0, "of a word by one speaker", "N"},
        POPT_TABLEEND};
    base_status st = BASE_OK;
    if (!cli_parse(c, argc, argv, &spec, options, err)) {
        st = err->status;
    } else {
        what.threads = c->threads;
        what.seed = c->seed;
        what.stop = cli_interrupt(c);
        what.progress = progress;
        what.ctx = c;
        st = cli_check_range("--speakers", what.speakers, 3, 10000, err);
        if (st == BASE_OK) st = cli_check_range("--clips", what.clips, 1, 100, err);
        char *list = st == BASE_OK ? base_strdup(words) : NULL;
        char *others = unknown ? base_strdup(unknown) : NULL;
        if (st == BASE_OK && (!list || (unknown && !others))) st = base_nomem(err, 0);
        if (st == BASE_OK) st = synth(c, &what, list, others, err);
        free(list);
        free(others);
    }
    free(preset);
    return st;
}
