/* The impulse responses of [augment]: recordings that a user names, or rooms made from the seed. */
#include "data/augment.h"
#include "data/import.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROOMS = 64, FILES_MAX = 500, SECONDS_MAX = 60 };

/* ---- simulated ---- */

static base_status simulate(const data_augment *set, int rate, size_t samples, uint64_t seed,
                            dsp_rirs **rirs, base_err *err)
{
    size_t longest = (size_t)ceil(set->rir_rt60_hi * rate);
    if (longest > samples) longest = samples;
    dsp_rir list[ROOMS];
    float *h = base_alloc(ROOMS * longest, sizeof *h);
    base_status status = h ? BASE_OK : base_nomem(err, ROOMS * longest * sizeof *h);
    for (size_t i = 0; i < ROOMS && status == BASE_OK; i++) {
        base_rng rng = base_rng_at(seed, BASE_RNG_ROOM, 0, i);
        dsp_room room = dsp_room_draw(set->rir_rt60_lo, set->rir_rt60_hi, &rng);
        size_t n = (size_t)ceil(room.rt60 * rate);
        list[i] = (dsp_rir){h + i * longest, n < longest ? n : longest, 0};
        status = dsp_room_response(&room, rate, h + i * longest, list[i].n, err);
    }
    if (status == BASE_OK) status = dsp_rirs_new(list, ROOMS, samples, rirs, err);
    base_free(h);
    return status;
}

/* ---- recorded ---- */

static int take(const struct dirent *e)
{
    return e->d_name[0] != '.' && data_is_recording(e->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static base_status read_one(const char *path, int rate, dsp_audio *audio, dsp_rir *rir,
                            base_err *err)
{
    BASE_TRY(dsp_audio_read(path, rate, SECONDS_MAX, audio, err));
    *rir = (dsp_rir){audio->pcm, audio->n, dsp_rir_direct(audio->pcm, audio->n)};
    if (dsp_energy(rir->h, rir->n) > 0) return BASE_OK;
    return base_fail(err, BASE_DATA, "%s: an impulse response that is silent", path);
}

static base_status read_folder(const char *dir, int rate, dsp_audio *audio, dsp_rir *list,
                               size_t *count, base_err *err)
{
    struct dirent **names;
    int n = scandir(dir, &names, take, by_name);
    if (n < 0) return base_fail(err, BASE_DATA, "cannot read '%s': %s", dir, strerror(errno));
    base_status status = BASE_OK;
    if (n == 0 || n > FILES_MAX)
        status = base_fail(err, BASE_DATA, "'%s' has %d .wav and .flac files: expected 1 .. %d",
                           dir, n, FILES_MAX);
    for (int i = 0; i < n && status == BASE_OK; i++) {
        char *path = base_path(dir, names[i]->d_name);
        status = path ? read_one(path, rate, &audio[i], &list[i], err) : base_nomem(err, 1);
        free(path);
    }
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
    *count = (size_t)n;
    return status;
}

static base_status record(const data_augment *set, int rate, size_t samples, dsp_rirs **rirs,
                          base_err *err)
{
    const char *path = set->rir_file;
    size_t count = 1;
    dsp_audio *audio = calloc(FILES_MAX, sizeof *audio);
    dsp_rir *list = calloc(FILES_MAX, sizeof *list);
    base_status status = audio && list ? BASE_OK : base_nomem(err, FILES_MAX * sizeof *audio);
    if (status == BASE_OK)
        status = base_is_dir(path) ? read_folder(path, rate, audio, list, &count, err)
                                   : read_one(path, rate, audio, list, err);
    if (status == BASE_OK)
        status = dsp_rirs_new(list, count, samples, rirs, err);
    else if (status == BASE_DATA)
        base_hint(err, "augment.rir_file names an impulse response or a folder of them");
    for (size_t i = 0; audio && i < FILES_MAX; i++) dsp_audio_free(&audio[i]);
    free(audio);
    free(list);
    return status;
}

base_status data_rirs_new(const data_augment *settings, int rate, size_t samples, uint64_t seed,
                          dsp_rirs **rirs, base_err *err)
{
    if (settings->rir_file[0]) return record(settings, rate, samples, rirs, err);
    return simulate(settings, rate, samples, seed, rirs, err);
}
