/* sotto data record: one's own words: how to collect them, recording them, checking them. */
#include "data/process.h"
#include "data/survey.h"
#include "data/take.h"
#include "train/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 5 }; /* bad takes of a word one after the other that end the session */

typedef struct record_options {
    const char *words, *speaker, *from, *check;
    int n, guide;
    double seconds, snr;
} record_options;

/* ---- guide ---- */

static void put_guide(cli *c)
{
    static const char *const lines[][2] = {
        {"words",
         "several syllables and sounds that are rare together; not a part of common speech"},
        {"other words",
         "far more of them than of the keywords, the more alike the better: Hey Snips "
         "has 11,000 clips of its keyword and 86,500 others (Coucke et al., 2019)"},
        {"speakers", "as many as there are: men, women, children, accents; many speakers with few "
                     "clips teach more than few with many (Speech Commands: 2,618 speakers of "
                     "105,829 clips; Warden, arXiv 1804.03209)"},
        {"how many", "to begin: 20 speakers, 20 clips of each word by each; for a model that "
                     "was trained on other words five may do (Mazumder et al., arXiv 2104.01454)"},
        {"devices", "the microphone of the product, in its housing; phones and laptops beside it"},
        {"rooms", "those where it will stand, with their noises on and off; 0.3, 1 and 3 m away, "
                  "facing it and not; augment.rir_prob and augment.snr_lo add more of both"},
        {"noise", "minutes of each room without speech, for _background_noise_/ (any length)"},
        {"manner",
         "normal, fast, soft, loud, tired, asking; one word a clip, half a second of quiet "
         "before and after"},
        {"speaker names", "one for each person, always the same, no real names (s01): the name "
                          "alone decides the split, so that nobody is in two of them"},
        {"consent", "ask what the recordings may be used for and whether they may be passed on, "
                    "and keep the answer"},
        {"levels", "peaks between -20 and -3 dBFS; no automatic gain, no noise suppression unless "
                   "the product has them"},
        {"test set", "speakers and rooms that training never heard; once made, never changed"},
        {"after", "sotto data import DIR -o words.h5, sotto data lint, sotto data explore; listen"},
    };
    const cli_column columns[] = {{"topic", NULL, CLI_TEXT, 0}, {"advice", NULL, CLI_TEXT, 0}};
    cli_table *t = cli_table_new(c, "guide", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < BASE_COUNT(lines); i++) {
        cli_cell_text(t, lines[i][0]);
        cli_cell_text(t, lines[i][1]);
    }
}

/* ---- where sound comes from ---- */

/* Samples of stdin; fewer than n where it ends. */
static size_t read_stdin(int16_t *pcm, size_t n)
{
    uint8_t two[2];
    size_t k = 0;
    for (; k < n && fread(two, 1, 2, stdin) == 2; k++)
        pcm[k] = (int16_t)(uint16_t)(two[0] | two[1] << 8);
    return k;
}

static base_status run(const char *const *argv, cli *c, base_str *out, base_err *err)
{
    base_str errors = {0};
    int code = 0;
    const data_process p = {.argv = argv, .out = out, .errors = &errors, .stop = cli_interrupt(c)};
    base_status status = data_process_run(&p, &code, err);
    if (status == BASE_OK && code != 0)
        status = base_fail(err, BASE_FAILED, "%s ended with %d: %s", argv[0], code,
                           data_process_last_line(&errors));
    if (status == BASE_OK && out->failed) status = base_nomem(err, out->len);
    base_str_free(&errors);
    return status;
}

/* One run of arecord, or of a command of the shell. */
static base_status read_program(const record_options *o, cli *c, int16_t *pcm, size_t n,
                                size_t *got, base_err *err)
{
    base_str out = {0};
    char samples[32];
    snprintf(samples, sizeof samples, "--samples=%zu", n);
    const char *const microphone[] = {"arecord", "-q",    "-t", "raw", "-f",    "S16_LE",
                                      "-r",      "16000", "-c", "1",   samples, NULL};
    const char *const command[] = {"/bin/sh", "-c", o->from, NULL};
    BASE_TRY(run(o->from ? command : microphone, c, &out, err));
    *got = out.len / 2 < n ? out.len / 2 : n;
    for (size_t i = 0; i < *got; i++)
        pcm[i] = (int16_t)(uint16_t)((uint8_t)out.s[2 * i] | (uint8_t)out.s[2 * i + 1] << 8);
    base_str_free(&out);
    return BASE_OK;
}

/* ---- recording ---- */

typedef struct session {
    cli *c;
    const record_options *o;
    size_t n; /* samples of a take */
    int16_t *pcm;
    double *powers;
    cli_table *table;
    int saved;
} session;

/* One take of a word; *fault: what is wrong with it. */
static base_status take(session *s, const char *word, data_fault *fault, base_err *err)
{
    size_t got = 0;
    char *name = NULL;
    if (s->o->from && strcmp(s->o->from, "-") == 0)
        got = read_stdin(s->pcm, s->n);
    else
        BASE_TRY(read_program(s->o, s->c, s->pcm, s->n, &got, err));
    if (*cli_interrupt(s->c)) return base_fail(err, BASE_INTERRUPTED, "interrupted");
    if (got < DATA_RATE)
        return base_fail(err, BASE_DATA,
                         "the sound ended after %d clips: %zu samples are no second", s->saved,
                         got);
    data_level l = data_level_of(s->pcm, got, s->powers);
    *fault = data_fault_of(&l, (double)got / DATA_RATE, s->o->snr);
    if (*fault != DATA_TAKE_GOOD) return BASE_OK;
    const int16_t *second = s->pcm + data_take_start(&l, got);
    l = data_level_of(second, DATA_RATE, s->powers);
    BASE_TRY(data_take_save(s->c->output, word, s->o->speaker, second, DATA_RATE, &name, err));
    s->saved++;
    cli_cell_text(s->table, name);
    cli_cell_real(s->table, l.rms_db);
    cli_cell_real(s->table, l.peak);
    cli_cell_real(s->table, l.snr_db);
    free(name);
    return BASE_OK;
}

/* Takes of a word until one is good. */
static base_status record_word(session *s, const char *word, int number, int of, base_err *err)
{
    data_fault fault = DATA_TAKE_GOOD;
    for (int i = 0; i < TRIES; i++) {
        cli_say(s->c, "%d of %d: say '%s'", number, of, word);
        BASE_TRY(take(s, word, &fault, err));
        if (fault == DATA_TAKE_GOOD) return BASE_OK;
        cli_say(s->c, "  again, please: %s; %s", data_fault_name(fault), data_fault_advice(fault));
    }
    base_fail(err, BASE_DATA, "'%s' was not good %d times, the last time %s", word, TRIES,
              data_fault_name(fault));
    return base_hint(err, "%s", data_fault_advice(fault));
}

static base_status record_all(session *s, char **words, size_t n, base_err *err)
{
    static const cli_column columns[] = {{"clip", NULL, CLI_TEXT, 0},
                                         {"level", NULL, CLI_REAL, 1},
                                         {"peak", NULL, CLI_REAL, 3},
                                         {"snr", "SNR", CLI_REAL, 1}};
    const size_t all = n * (size_t)s->o->n;
    base_rng rng = base_rng_at(s->c->seed, BASE_RNG_SELECT, 2, 0);
    uint32_t *order = base_alloc(all, sizeof *order);
    s->pcm = base_alloc(s->n, sizeof *s->pcm);
    s->powers = base_alloc(3 * (s->n / DATA_BLOCK) + 1, sizeof *s->powers);
    s->table = cli_table_new(s->c, "clips", columns, BASE_COUNT(columns));
    base_status status = order && s->pcm && s->powers ? BASE_OK : base_nomem(err, s->n * 8);
    for (size_t i = 0; order && i < all; i++) order[i] = (uint32_t)i;
    if (status == BASE_OK) base_shuffle(&rng, order, all);
    for (size_t i = 0; i < all && status == BASE_OK; i++)
        status = record_word(s, words[order[i] % n], (int)i + 1, (int)all, err);
    if (s->saved) cli_say(s->c, "%d clips are in %s", s->saved, s->c->output);
    base_free(order);
    base_free(s->pcm);
    base_free(s->powers);
    return status;
}

static base_status record(cli *c, const record_options *o, base_err *err)
{
    char **words;
    size_t n;
    session s = {.c = c, .o = o, .n = (size_t)(o->seconds * DATA_RATE)};
    if (!o->words || !o->speaker || !c->output) {
        base_fail(err, BASE_USAGE, "%s is missing",
                  !o->words     ? "--words"
                  : !o->speaker ? "--speaker"
                                : "-o");
        return base_hint(err, "sotto data record --words yes,no --speaker s01 -o words");
    }
    BASE_TRY(data_take_speaker(o->speaker, err));
    if (!o->from && !data_process_found("arecord")) {
        base_fail(err, BASE_FAILED, "arecord is not there to record with");
        return base_hint(err, "apt-get install alsa-utils, or name another program: --from "
                              "'rec -q -t raw -r 16k -e signed -b 16 -c 1 - trim 0 2'");
    }
    BASE_TRY(data_words_parse(o->words, &words, &n, err));
    base_status status = record_all(&s, words, n, err);
    free(words);
    return status;
}

/* ---- checking ---- */

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

static base_status put_faults(cli *c, const record_options *o, const data_recordings *r,
                              const data_facts *facts, base_err *err)
{
    static const cli_column columns[] = {
        {"clip", NULL, CLI_TEXT, 0}, {"fault", NULL, CLI_TEXT, 0}, {"level", NULL, CLI_REAL, 1},
        {"peak", NULL, CLI_REAL, 3}, {"snr", "SNR", CLI_REAL, 1},  {"advice", NULL, CLI_TEXT, 0},
    };
    int64_t count[DATA_FAULTS] = {0}, unreadable = 0;
    const size_t all = data_recordings_count(r);
    size_t n = 0;
    cli_table *t = cli_table_new(c, "faults", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < all; i++) {
        const data_level *l = &facts[i].level;
        const char *name = data_recordings_at(r, i).name;
        const data_fault f = data_fault_of(l, (double)facts[i].samples / DATA_RATE, o->snr);
        const bool broken = facts[i].unreadable != NULL;
        if (strncmp(name, DATA_SILENCE "/", sizeof DATA_SILENCE) == 0) continue; /* has no word */
        n++;
        unreadable += broken;
        count[f] += !broken;
        if (!broken && f == DATA_TAKE_GOOD) continue;
        cli_cell_text(t, name);
        cli_cell_text(t, broken ? "unreadable" : data_fault_name(f));
        cli_cell_real(t, broken ? (double)NAN : l->rms_db);
        cli_cell_real(t, broken ? (double)NAN : l->peak);
        cli_cell_real(t, broken ? (double)NAN : l->snr_db);
        cli_cell_text(t, broken ? facts[i].unreadable : data_fault_advice(f));
    }
    cli_put_int(c, "clips", (int64_t)n);
    if (unreadable) cli_put_int(c, "unreadable", unreadable);
    for (int f = 0; f < DATA_FAULTS; f++) cli_put_int(c, data_fault_name((data_fault)f), count[f]);
    if (count[DATA_TAKE_GOOD] == (int64_t)n) return BASE_OK;
    return base_fail(err, BASE_GATE, "%lld of %zu clips are not as they should be",
                     (long long)((int64_t)n - count[DATA_TAKE_GOOD]), n);
}

static base_status check(cli *c, const record_options *o, base_err *err)
{
    data_recordings *r;
    data_facts *facts = NULL;
    const data_survey_options how = {
        .threads = c->threads, .stop = cli_interrupt(c), .progress = show, .ctx = c};
    BASE_TRY(data_recordings_open(o->check, &r, err));
    const size_t n = data_recordings_count(r);
    cli_progress_begin(c, "reading", "clips", (int64_t)n);
    base_status status = data_survey_run(r, &how, &facts, err);
    cli_progress_end(c);
    if (status == BASE_OK) status = put_faults(c, o, r, facts, err);
    data_survey_free(facts, n);
    data_recordings_close(r);
    return status;
}

base_status cmd_data_record(cli *c, int argc, char **argv, base_err *err)
{
    record_options o = {.n = 20, .seconds = 2, .snr = 20};
    const struct poptOption options[] = {
        {"words", 'w', POPT_ARG_STRING, &o.words, 0, "what to say, in random order", "A,B,..."},
        {"speaker", 0, POPT_ARG_STRING, &o.speaker, 0, "who says it; the name decides the split",
         "NAME"},
        {"count", 'n', POPT_ARG_INT, &o.n, 0, "good takes of each word", "N"},
        {"from", 0, POPT_ARG_STRING, &o.from, 0,
         "a command run for each take, which writes 16-bit little-endian samples at 16 kHz; -: "
         "stdin (default: arecord)",
         "COMMAND"},
        {"seconds", 0, POPT_ARG_DOUBLE, &o.seconds, 0, "length of a take", "S"},
        {"snr", 0, POPT_ARG_DOUBLE, &o.snr, 0, "least SNR, as sotto data stats has it", "DB"},
        {"check", 0, POPT_ARG_STRING, &o.check, 0,
         "only look at the clips of this folder or pack; exit 4 when some are not good", "FOLDER"},
        {"guide", 0, POPT_ARG_NONE, &o.guide, 0, "how to collect words: speakers, rooms, numbers",
         NULL},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "--words A,B,... --speaker NAME -o DIR",
        .about =
            "A take is asked for again when it is silent, has no word, is clipped (0.1 % of it),\n"
            "quiet (peak below 0.05), noisy (--snr), cut at an end or longer than a second. The\n"
            "second around the word becomes DIR/<word>/<speaker>_nohash_<n>.wav with the next "
            "free\n"
            "n, for sotto data import; nothing is written over.",
        .max_args = 0,
        .output = "the folder of words, new or not",
        .takes = CLI_THREADS | CLI_SEED};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("-n", o.n, 1, 10000, err));
    BASE_TRY(cli_check_range("--seconds", o.seconds, 1, 60, err));
    BASE_TRY(cli_check_range("--snr", o.snr, 0, 100, err));
    if (o.guide) {
        put_guide(c);
        return BASE_OK;
    }
    return o.check ? check(c, &o, err) : record(c, &o, err);
}
