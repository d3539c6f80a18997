/* sotto data import: a folder of recorded words becomes a pack. */
#include "data/data.h"
#include "data/exclude.h"
#include "train/cli.h"

enum { NAMED_MOST = 8 }; /* so many skipped files are named without -v */

typedef struct shower {
    cli *c;
    bool begun;
} shower;

static void show(void *ctx, int64_t done, int64_t total)
{
    shower *s = ctx;
    if (!s->begun) cli_progress_begin(s->c, "import", "files", total);
    s->begun = true;
    cli_progress_at(s->c, done);
}

/* What was left out, by name when that is few or was asked for. */
static base_status tell_skipped(cli *c, const data_import_result *r, const char *path,
                                base_err *err)
{
    data_pack *pack;
    size_t n;
    int64_t files = 0;
    for (int i = 0; i < DATA_SKIPS; i++)
        if (i != DATA_SKIP_HELD_OUT) files += r->skipped[i];
    if (files == 0) return BASE_OK;
    cli_say(c,
            "skipped %lld files: %lld unreadable, %lld empty, %lld overlong, %lld silent, %lld "
            "excluded",
            (long long)files, (long long)r->skipped[DATA_SKIP_UNREADABLE],
            (long long)r->skipped[DATA_SKIP_EMPTY], (long long)r->skipped[DATA_SKIP_LONG],
            (long long)r->skipped[DATA_SKIP_SILENT], (long long)r->skipped[DATA_SKIP_EXCLUDED]);
    BASE_TRY(data_pack_open(path, &pack, err));
    const char *const *why = data_pack_skipped(pack, &n);
    size_t shown = n <= NAMED_MOST || c->verbosity > 0 ? n : NAMED_MOST - 1;
    for (size_t i = 0; i < shown; i++) cli_say(c, "  %s", why[i]);
    if (shown < n) cli_say(c, "  ... and %zu more; sotto data ls --skipped names all", n - shown);
    data_pack_close(pack);
    return BASE_OK;
}

static void tell_unused(cli *c, const char *path, const data_exclude *list)
{
    const char *name;
    size_t n = 0;
    while ((name = data_exclude_unused(list, n)))
        if (n++ < NAMED_MOST) cli_warn(c, "%s: '%s' names nothing here", path, name);
    if (n > NAMED_MOST) cli_warn(c, "%s: and %zu more names", path, n - NAMED_MOST);
}

static void tell(cli *c, const data_import *what, const data_import_result *r, double seconds)
{
    if (r->skipped[DATA_SKIP_HELD_OUT])
        cli_say(c, "left out %lld clips of test speakers in %s: --test replaces them",
                (long long)r->skipped[DATA_SKIP_HELD_OUT], what->dir);
    if (r->crossing)
        cli_warn(c, "%lld clips have an equal twin in another split", (long long)r->crossing);
    if (r->noises == 0)
        cli_warn(c, "no recordings in " DATA_NOISE "/: training will mix in synthetic noise");
    int64_t files = r->clips + r->noises;
    for (int i = 0; i < DATA_SKIPS; i++)
        if (i != DATA_SKIP_HELD_OUT) files += r->skipped[i];
    cli_say(c, "%lld files in %.1f s, %.0f a second", (long long)files, seconds,
            (double)files / (seconds > 1e-3 ? seconds : 1e-3));
}

static void put(cli *c, const char *path, const data_import_result *r)
{
    cli_put_text(c, "pack", path);
    cli_put_int(c, "clips", r->clips);
    for (int i = 0; i < DATA_SPLITS; i++)
        cli_put_int(c, data_split_name((data_split)i), r->split[i]);
    cli_put_int(c, "words", r->words);
    cli_put_int(c, "speakers", r->speakers);
    cli_put_int(c, "noise_recordings", r->noises);
    cli_put_real(c, "seconds", (double)r->samples / DATA_RATE, 1);
    for (int i = 0; i < DATA_SKIPS; i++)
        cli_put_int(c, data_skip_name((data_skip)i), r->skipped[i]);
    cli_put_int(c, "twins_across_splits", r->crossing);
}

base_status cmd_data_import(cli *c, int argc, char **argv, base_err *err)
{
    const char *test = NULL, *exclude = NULL, *splits = "train,validation,test";
    double max_seconds = 3;
    const struct poptOption options[] = {
        {"test", 0, POPT_ARG_STRING, &test, 0,
         "folder whose clips are the test split, instead of DIR's test speakers", "DIR"},
        {"splits", 0, POPT_ARG_STRING, &splits, 0, "take the clips of these alone", "LIST"},
        {"max-seconds", 0, POPT_ARG_DOUBLE, &max_seconds, 0, "skip recordings longer than this",
         "S"},
        {"exclude", 0, POPT_ARG_STRING, &exclude, 0,
         "skip the clips that this list names, as sotto data lint writes one", "FILE"},
        POPT_TABLEEND};
    const cli_spec spec = {
        .usage = "DIR",
        .about = "DIR holds a folder of .wav or .flac recordings for each word, and optionally\n"
                 "_background_noise_/ (long recordings), validation_list.txt, testing_list.txt.\n"
                 "Clips are divided 80:10:10 by speaker: what stands before _nohash_ in a name.\n"
                 "Any sample rate and channel count; a truncated file counts as unreadable. Of a\n"
                 "clip longer than a model's input, its loudest part is used.",
        .min_args = 1,
        .max_args = 1,
        .output = "the pack to write",
        .takes = CLI_THREADS | CLI_OUTPUT_NEEDED};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--max-seconds", max_seconds, 0.05, 3600, err));
    shower s = {.c = c};
    data_import_result result;
    data_import what = {.dir = c->args[0],
                        .test = test,
                        .max_seconds = max_seconds,
                        .threads = c->threads,
                        .stop = cli_interrupt(c),
                        .progress = show,
                        .ctx = &s};
    BASE_TRY(data_splits_parse(splits, &what.splits, err));
    double start = base_seconds();
    base_status status = exclude ? data_exclude_read(exclude, &what.exclude, err) : BASE_OK;
    if (status == BASE_OK) status = data_import_run(&what, c->output, &result, err);
    cli_progress_end(c);
    if (status == BASE_OK && exclude) tell_unused(c, exclude, what.exclude);
    data_exclude_free(what.exclude);
    BASE_TRY(status);
    BASE_TRY(tell_skipped(c, &result, c->output, err));
    tell(c, &what, &result, base_seconds() - start);
    put(c, c->output, &result);
    return BASE_OK;
}
