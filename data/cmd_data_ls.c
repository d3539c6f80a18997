/* sotto data ls: what a pack holds. */
#include "data/data.h"
#include "train/cli.h"

static base_status put_words(cli *c, const data_pack *pack, base_err *err)
{
    const cli_column columns[] = {
        {"word", "word", CLI_TEXT, 0},        {"train", "train", CLI_INT, 0},
        {"validation", "valid.", CLI_INT, 0}, {"test", "test", CLI_INT, 0},
        {"speakers", "speakers", CLI_INT, 0}, {"seconds", "seconds", CLI_REAL, 1}};
    size_t words, speakers;
    const char *const *word = data_pack_words(pack, &words);
    data_pack_speakers(pack, &speakers);
    int64_t(*count)[DATA_SPLITS] = base_alloc(words, sizeof *count);
    int64_t *samples = base_alloc(words, sizeof *samples), *voices = base_alloc(words, 8);
    char *seen = base_alloc(words, speakers);
    base_status status = BASE_OK;
    if (!count || !samples || !voices || !seen) {
        status = base_nomem(err, words * speakers);
    } else {
        for (size_t i = 0; i < data_pack_clips(pack); i++) {
            data_clip clip = data_pack_clip(pack, i);
            char *spoke = &seen[(size_t)clip.word * speakers + (size_t)clip.speaker];
            count[clip.word][clip.split]++;
            samples[clip.word] += clip.samples;
            voices[clip.word] += !*spoke;
            *spoke = 1;
        }
        cli_table *t = cli_table_new(c, "words", columns, BASE_COUNT(columns));
        for (size_t i = 0; i < words; i++) {
            cli_cell_text(t, word[i]);
            for (int k = 0; k < DATA_SPLITS; k++) cli_cell_int(t, count[i][k]);
            cli_cell_int(t, voices[i]);
            cli_cell_real(t, (double)samples[i] / DATA_RATE);
        }
    }
    base_free(count);
    base_free(samples);
    base_free(voices);
    base_free(seen);
    return status;
}

static void put_noise(cli *c, const data_pack *pack)
{
    const cli_column columns[] = {{"noise", "noise", CLI_TEXT, 0},
                                  {"seconds", "seconds", CLI_REAL, 1}};
    if (data_pack_noises(pack) == 0) return;
    cli_table *t = cli_table_new(c, "noise", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < data_pack_noises(pack); i++) {
        data_noise noise = data_pack_noise(pack, i);
        cli_cell_text(t, noise.name);
        cli_cell_real(t, (double)noise.samples / DATA_RATE);
    }
}

static void put_skipped(cli *c, const data_pack *pack)
{
    const cli_column columns[] = {{"skipped", "skipped", CLI_TEXT, 0}};
    size_t n;
    const char *const *why = data_pack_skipped(pack, &n);
    cli_table *t = cli_table_new(c, "skipped", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < n; i++) cli_cell_text(t, why[i]);
}

base_status cmd_data_ls(cli *c, int argc, char **argv, base_err *err)
{
    int skipped = 0;
    const struct poptOption options[] = {
        {"skipped", 0, POPT_ARG_NONE, &skipped, 0, "only the files that import did not take", NULL},
        POPT_TABLEEND};
    const cli_spec spec = {.usage = "PACK",
                           .about = "Clips of each word by split, noise recordings; -v adds where "
                                    "they came from.",
                           .min_args = 1,
                           .max_args = 1};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    data_pack *pack;
    BASE_TRY(data_pack_open(c->args[0], &pack, err));
    base_status status = BASE_OK;
    if (skipped) {
        put_skipped(c, pack);
    } else {
        cli_verbose(c, "%s", data_pack_provenance(pack));
        status = put_words(c, pack, err);
        put_noise(c, pack);
    }
    data_pack_close(pack);
    return status;
}
