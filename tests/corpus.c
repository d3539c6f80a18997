/* Tones as recordings: what tests/corpus.h promises. */
#include "tests/corpus.h"
#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void corpus_folder(char *dir)
{
    snprintf(dir, 64, "/tmp/sotto-corpus-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

void corpus_remove(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* A number that is the same for the same text. */
static uint32_t number_of(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

static void write_wav(const char *path, int rate, int n, double hz, double noise, uint32_t sample)
{
    base_err err = {0};
    base_rng rng = base_rng_at(7, BASE_RNG_TEST, 0, sample);
    float *pcm = base_alloc((size_t)n + 1, sizeof *pcm);
    for (int i = 0; i < n; i++)
        pcm[i] = (float)(0.4 * sin(6.283185307 * hz * i / rate) * (noise < 0.1) +
                         noise * (base_rng_uniform(&rng) - 0.5));
    base_status status = dsp_audio_write(path, rate, pcm, (size_t)n, &err);
    if (status != BASE_OK) print_error("%s\n", err.message);
    assert_int_equal(status, BASE_OK);
    base_free(pcm);
}

void corpus_clip(const char *dir, const char *word, const char *speaker, int take, int rate,
                 int samples)
{
    char path[256];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, word);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    snprintf(path, sizeof path, "%s/%s/%s_nohash_%d.wav", dir, word, speaker, take);
    double hz = 200 + number_of(word) % 3000;
    write_wav(path, rate, samples, hz, 0.02, number_of(path + strlen(dir)));
}

const char *corpus_speaker(data_split split, int i, char name[16])
{
    for (uint32_t k = 0;; k++) {
        snprintf(name, 16, "%08x", k * 2654435761u);
        if (data_which_set(name) == split && i-- == 0) return name;
    }
}

void corpus_make(const char *dir, const char *words, int train, int validation, int test)
{
    const int speakers[DATA_SPLITS] = {train, validation, test};
    char **word, name[16], path[256];
    size_t n;
    base_err err = {0};
    assert_int_equal(data_words_parse(words, &word, &n, &err), BASE_OK);
    for (size_t w = 0; w < n; w++)
        for (int s = 0; s < DATA_SPLITS; s++)
            for (int i = 0; i < speakers[s]; i++)
                corpus_clip(dir, word[w], corpus_speaker((data_split)s, i, name), 0, DATA_RATE,
                            DATA_RATE * (8 + i % 3) / 10);
    free(word);
    snprintf(path, sizeof path, "%s/" DATA_NOISE, dir);
    assert_int_equal(base_mkdirs(path, &err), BASE_OK);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/" DATA_NOISE "/noise%d.wav", dir, i);
        write_wav(path, DATA_RATE, 3 * DATA_RATE, 0, 0.3 + 0.2 * i, (uint32_t)i);
    }
}

data_pack *corpus_pack(const char *dir, const char *test, data_import_result *result)
{
    char out[128];
    base_err err = {0};
    data_pack *pack = NULL;
    data_import_result unused;
    const data_import what = {.dir = dir, .test = test, .max_seconds = 3, .threads = 2};
    snprintf(out, sizeof out, "%s/pack.h5", dir);
    base_status status = data_import_run(&what, out, result ? result : &unused, &err);
    if (status == BASE_OK) status = data_pack_open(out, &pack, &err);
    if (status != BASE_OK) print_error("%s\n", err.message);
    assert_int_equal(status, BASE_OK);
    return pack;
}
