/* sotto data stream: clips of a pack as one long recording with labels. */
#include "data/stream.h"
#include "train/cli.h"

#include <string.h>

static base_status write_all(cli *c, const data_stream_result *r, const char *labels, base_err *err)
{
    base_str text = {0};
    data_stream_labels(r, &text);
    base_status status = text.failed ? base_nomem(err, text.len) : BASE_OK;
    if (status == BASE_OK) status = base_write_file(labels, text.s ? text.s : "", text.len, err);
    if (status == BASE_OK) status = dsp_audio_write(c->output, DATA_RATE, r->pcm, r->n, err);
    base_str_free(&text);
    return status;
}

static void put(cli *c, const data_stream_result *r, const char *labels)
{
    size_t unknown = 0;
    for (size_t i = 0; i < r->n_words; i++) unknown += strcmp(r->words[i].word, DATA_UNKNOWN) == 0;
    cli_put_text(c, "recording", c->output);
    cli_put_text(c, "labels", labels);
    cli_put_real(c, "seconds", (double)r->n / DATA_RATE, 1);
    cli_put_int(c, "keywords", (int64_t)(r->n_words - unknown));
    cli_put_int(c, "other_words", (int64_t)unknown);
}

static base_status check(const data_stream *what, base_err *err)
{
    BASE_TRY(cli_check_range("--minutes", what->minutes, 0.1, 240, err));
    BASE_TRY(cli_check_range("--gap", what->gap, 0, 3600, err));
    BASE_TRY(cli_check_range("--snr", what->snr, -20, 100, err));
    return cli_check_range("--unknown-share", what->unknown_share, 0, 1, err);
}

base_status cmd_data_stream(cli *c, int argc, char **argv, base_err *err)
{
    static const cli_spec spec = {
        .usage = "PACK --labels FILE -o FILE.wav",
        .about = "Lays clips at random times over background noise. A label is a line 'start end\n"
                 "word' in seconds, as Audacity reads them; start and end are those of the clip.\n"
                 "All words are equally loud. `sotto stream` listens to it.",
        .min_args = 1,
        .max_args = 1,
        .output = "the recording to write",
        .takes = CLI_SEED | CLI_OUTPUT_NEEDED,
    };
    data_stream what = data_stream_default();
    const char *split = data_split_name(what.split), *labels = NULL;
    const struct poptOption options[] = {
        {"labels", 0, POPT_ARG_STRING, &labels, 0, "the labels to write", "FILE"},
        {"minutes", 0, POPT_ARG_DOUBLE, &what.minutes, 0, "length", "M"},
        {"gap", 0, POPT_ARG_DOUBLE, &what.gap, 0,
         "mean pause between words, seconds; they vary by half of it", "S"},
        {"snr", 0, POPT_ARG_DOUBLE, &what.snr, 0, "words over noise, dB", "DB"},
        {"unknown-share", 0, POPT_ARG_DOUBLE, &what.unknown_share, 0,
         "of the words, those that are no keyword", "X"},
        {"keywords", 0, POPT_ARG_STRING, &what.keywords, 0, "others are labelled " DATA_UNKNOWN,
         "A,B,..."},
        {"split", 's', POPT_ARG_STRING, &split, 0, "train, validation or test", "SPLIT"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(check(&what, err));
    BASE_TRY(data_split_parse(split, &what.split, err));
    if (!labels) return base_fail(err, BASE_USAGE, "sotto data stream needs --labels FILE");
    what.seed = c->seed;
    data_pack *pack = NULL;
    data_stream_result r = {0};
    BASE_TRY(data_pack_open(c->args[0], &pack, err));
    base_status status = data_stream_make(&what, pack, &r, err);
    if (status == BASE_OK) status = write_all(c, &r, labels, err);
    if (status == BASE_OK) put(c, &r, labels);
    data_stream_free(&r);
    data_pack_close(pack);
    return status;
}
