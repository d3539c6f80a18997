/* See data/take.h. */
#include "data/take.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TAKES = 100000 };

static const struct {
    const char *name, *advice;
} faults[DATA_FAULTS] = {
    [DATA_TAKE_GOOD] = {"good", ""},
    [DATA_TAKE_SILENT] = {"silent", "is the microphone on, and the right one?"},
    [DATA_TAKE_NO_WORD] = {"no_word", "speak louder or nearer, or find a quieter room"},
    [DATA_TAKE_CLIPPED] = {"clipped", "turn the gain down, or speak softer or from further away"},
    [DATA_TAKE_QUIET] = {"quiet", "turn the gain up, or speak louder or nearer"},
    [DATA_TAKE_NOISY] = {"noisy", "find a quieter room, or speak louder or nearer"},
    [DATA_TAKE_CUT] = {"cut", "wait a moment before the word, and be quiet after it"},
    [DATA_TAKE_LONG] = {"long", "say it faster: a clip is one second"},
};

const char *data_fault_name(data_fault f)
{
    return faults[f].name;
}
const char *data_fault_advice(data_fault f)
{
    return faults[f].advice;
}

data_fault data_fault_of(const data_level *l, double seconds, double snr)
{
    const double edge = 0.02, silent = -50, quiet = 0.05, clipped = 0.001;
    if (l->loud_db < silent) return DATA_TAKE_SILENT;
    if (l->end <= l->start) return DATA_TAKE_NO_WORD;
    if (l->clipped >= clipped) return DATA_TAKE_CLIPPED;
    if (l->peak < quiet) return DATA_TAKE_QUIET;
    if (l->snr_db < snr) return DATA_TAKE_NOISY;
    if (l->start < edge || l->end > seconds - edge) return DATA_TAKE_CUT;
    return l->end - l->start > 1 ? DATA_TAKE_LONG : DATA_TAKE_GOOD;
}

size_t data_take_start(const data_level *l, size_t n)
{
    if (n <= DATA_RATE) return 0;
    const double start = (l->start + l->end) / 2 * DATA_RATE - DATA_RATE / 2;
    const size_t last = n - DATA_RATE;
    return start <= 0 ? 0 : start >= (double)last ? last : (size_t)start;
}

base_status data_take_speaker(const char *speaker, base_err *err)
{
    if (*speaker && *speaker != '.' && !strchr(speaker, '/') && !strstr(speaker, "_nohash_"))
        return BASE_OK;
    base_fail(err, BASE_USAGE, "'%s' cannot be a speaker in the name of a file", speaker);
    return base_hint(err, "a number or a nickname will do: --speaker s01");
}

/* temp becomes dir/<name> with the first free number; names that are taken stay as they are. */
static base_status settle(const char *temp, const char *dir, const char *word, const char *speaker,
                          char **name, base_err *err)
{
    for (int i = 0; i < MOST_TAKES; i++) {
        base_str s = {0};
        base_str_add(&s, "%s/%s_nohash_%d.wav", word, speaker, i);
        char *path = s.failed ? NULL : base_path(dir, s.s);
        const bool done = path && link(temp, path) == 0;
        const int why = errno;
        *name = done ? s.s : NULL;
        free(path);
        if (done) return BASE_OK;
        base_str_free(&s);
        if (!path) return base_nomem(err, strlen(dir));
        if (why != EEXIST)
            return base_fail(err, BASE_FAILED, "cannot write %s/%s/%s_nohash_%d.wav: %s", dir, word,
                             speaker, i, strerror(why));
    }
    return base_fail(err, BASE_FAILED, "%s/%s has %d takes of '%s' already", dir, word, MOST_TAKES,
                     speaker);
}

base_status data_take_save(const char *dir, const char *word, const char *speaker,
                           const int16_t *pcm, size_t n, char **name, base_err *err)
{
    char *folder = base_path(dir, word), *path = folder ? base_path(folder, speaker) : NULL;
    char *temp = NULL;
    float *sound = base_alloc(n, sizeof *sound);
    base_status status = path && sound ? base_mkdirs(folder, err) : base_nomem(err, n * 4);
    *name = NULL;
    if (status == BASE_OK) status = base_temp_name(path, &temp, err);
    if (status == BASE_OK) {
        dsp_from_pcm16(sound, pcm, n);
        status = dsp_audio_write(temp, DATA_RATE, sound, n, err);
        if (status == BASE_OK) status = settle(temp, dir, word, speaker, name, err);
        unlink(temp);
    }
    free(temp);
    free(path);
    free(folder);
    base_free(sound);
    return status;
}
