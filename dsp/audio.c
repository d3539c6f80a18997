/* Audio files in and out through libsndfile.
 *
 * A file is opened here and handed over as a descriptor, so that a missing or unreadable file is
 * told apart from one that is no audio. libsndfile reads a truncated wav silently as a shorter one;
 * the length that its header promises is therefore checked against the file first.
 */
#include "dsp/dsp.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 4096, CHANNELS_MAX = 64 };

/* ---- truncated wav ---- */

static uint32_t le32(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* BASE_DATA for a folder, an empty file, and a RIFF wav whose data chunk is longer than the file.
 * Programs that write to a pipe put a length near 2 or 4 GiB: that promises nothing. The file
 * position is left alone. */
static base_status check_length(int fd, const char *path, base_err *err)
{
    struct stat info;
    unsigned char head[12], chunk[8];
    if (fstat(fd, &info) != 0) return BASE_OK;
    if (S_ISDIR(info.st_mode)) return base_fail(err, BASE_DATA, "%s: is a folder", path);
    if (!S_ISREG(info.st_mode)) return BASE_OK;
    if (info.st_size == 0) return base_fail(err, BASE_DATA, "%s: is empty", path);
    if (pread(fd, head, sizeof head, 0) != sizeof head) return BASE_OK;
    if (memcmp(head, "RIFF", 4) != 0 || memcmp(head + 8, "WAVE", 4) != 0) return BASE_OK;
    off_t at = sizeof head;
    while (pread(fd, chunk, sizeof chunk, at) == sizeof chunk) {
        uint32_t size = le32(chunk + 4);
        at += (off_t)sizeof chunk;
        if (memcmp(chunk, "data", 4) == 0) {
            if (size >= 0x7fff0000u || (off_t)size <= info.st_size - at) return BASE_OK;
            return base_fail(err, BASE_DATA,
                             "%s: truncated: its header promises %lu bytes of samples, "
                             "the file holds %lld",
                             path, (unsigned long)size, (long long)(info.st_size - at));
        }
        at += (off_t)size + (size & 1);
    }
    return BASE_OK;
}

/* ---- reading ---- */

/* Everything that one read needs. */
typedef struct reader {
    const char *path;
    SNDFILE *file;
    SF_INFO info;
    float *pcm;
    size_t n, cap, limit; /* samples per channel; more than limit is an error */
    double max_seconds;
} reader;

static base_status too_long(const reader *r, base_err *err)
{
    return base_fail(err, BASE_DATA, "%s: longer than %g s", r->path, r->max_seconds);
}

/* Mean of the channels; false: some are not finite. One channel in vectors. */
static bool mix_down(const float *frames, size_t n, int channels, float *out)
{
    int bad = 0;
    if (channels == 1) {
        for (size_t i = 0; i < n; i++) bad |= !(fabsf(frames[i]) <= FLT_MAX);
        memcpy(out, frames, n * sizeof *out);
        return !bad;
    }
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int c = 0; c < channels; c++) sum += frames[i * (size_t)channels + (size_t)c];
        out[i] = sum / (float)channels;
        bad |= !(fabsf(out[i]) <= FLT_MAX);
    }
    return !bad;
}

static base_status append_mono(reader *r, const float *frames, size_t n, base_err *err)
{
    void *items = r->pcm;
    if (r->n + n > r->limit) return too_long(r, err);
    if (!base_grow(&items, &r->cap, r->n + n, sizeof *r->pcm))
        return base_nomem(err, (r->n + n) * sizeof *r->pcm);
    r->pcm = items;
    const float *added = r->pcm + r->n;
    if (!mix_down(frames, n, r->info.channels, r->pcm + r->n)) {
        size_t i = 0;
        while (isfinite(added[i])) i++;
        return base_fail(err, BASE_DATA, "%s: sample %zu is not a finite number", r->path,
                         r->n + i);
    }
    r->n += n;
    return BASE_OK;
}

static base_status read_frames(reader *r, base_err *err)
{
    float *block = base_alloc((size_t)r->info.channels, BLOCK * sizeof *block);
    if (!block) return base_nomem(err, (size_t)r->info.channels * BLOCK * sizeof *block);
    base_status st = BASE_OK;
    sf_count_t got;
    while (st == BASE_OK && (got = sf_readf_float(r->file, block, BLOCK)) > 0)
        st = append_mono(r, block, (size_t)got, err);
    base_free(block);
    BASE_TRY(st);
    if (sf_error(r->file) != SF_ERR_NO_ERROR)
        return base_fail(err, BASE_DATA, "%s: damaged after %zu samples: %s", r->path, r->n,
                         sf_strerror(r->file));
    if (r->info.frames < SF_COUNT_MAX && (sf_count_t)r->n < r->info.frames)
        return base_fail(err, BASE_DATA,
                         "%s: damaged or truncated: %zu of %lld samples can be read", r->path, r->n,
                         (long long)r->info.frames);
    if (r->n == 0) return base_fail(err, BASE_DATA, "%s: has no samples", r->path);
    return BASE_OK;
}

static base_status read_open(reader *r, base_err *err)
{
    if (r->info.channels > CHANNELS_MAX)
        return base_fail(err, BASE_DATA, "%s: %d channels, at most %d are read", r->path,
                         r->info.channels, CHANNELS_MAX);
    double limit = r->max_seconds * r->info.samplerate;
    r->limit = limit < 1e9 ? (size_t)limit : (size_t)1000000000;
    if (r->info.frames < SF_COUNT_MAX && (double)r->info.frames > (double)r->limit)
        return base_fail(err, BASE_DATA, "%s: %.1f s long, at most %g s are read", r->path,
                         (double)r->info.frames / r->info.samplerate, r->max_seconds);
    return read_frames(r, err);
}

/* Hand the samples over, at the wanted rate. */
static base_status deliver(const reader *r, int rate, dsp_audio *audio, base_err *err)
{
    int from = r->info.samplerate, to = rate > 0 ? rate : from;
    *audio = (dsp_audio){.rate = to,
                         .source_rate = from,
                         .source_channels = r->info.channels,
                         .source_frames = (int64_t)r->n};
    base_err inner = {0};
    base_status st = dsp_resample(r->pcm, r->n, from, to, &audio->pcm, &audio->n, &inner);
    if (st != BASE_OK) return base_fail(err, st, "%s: %.400s", r->path, inner.message);
    if (audio->n > 0) return BASE_OK;
    dsp_audio_free(audio);
    return base_fail(err, BASE_DATA, "%s: %zu samples at %d Hz are none at %d Hz", r->path, r->n,
                     from, to);
}

static base_status cannot_open(const char *path, base_err *err)
{
    bool ours = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    return base_fail(err, ours ? BASE_FAILED : BASE_DATA, "%s: %s", path, strerror(errno));
}

base_status dsp_audio_read(const char *path, int rate, double max_seconds, dsp_audio *audio,
                           base_err *err)
{
    *audio = (dsp_audio){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cannot_open(path, err);
    base_status st = check_length(fd, path, err);
    if (st != BASE_OK) {
        close(fd);
        return st;
    }
    reader r = {.path = path, .max_seconds = max_seconds};
    r.file = sf_open_fd(fd, SFM_READ, &r.info, 1); /* closes fd, also when it fails */
    if (!r.file)
        return base_fail(err, BASE_DATA, "%s: no audio that can be read: %s", path,
                         sf_strerror(NULL));
    audio->source_rate = r.info.samplerate;
    audio->source_channels = r.info.channels;
    audio->source_frames = r.info.frames < SF_COUNT_MAX ? r.info.frames : -1;
    st = read_open(&r, err);
    if (st == BASE_OK) st = deliver(&r, rate, audio, err);
    sf_close(r.file);
    free(r.pcm);
    return st;
}

void dsp_audio_free(dsp_audio *audio)
{
    base_free(audio->pcm);
    *audio = (dsp_audio){0};
}

/* ---- writing ---- */

void dsp_from_pcm16(float *out, const int16_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = (float)in[i] * (1.0f / 32768);
}

void dsp_to_pcm16(int16_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = in[i] * 32768;
        x = x < 32767 ? x : 32767;
        x = x > -32768 ? x : -32768;
        out[i] = (int16_t)(int)rintf(x);
    }
}

static base_status write_wav(const char *temp, const char *path, int rate, const int16_t *pcm,
                             size_t n, base_err *err)
{
    SF_INFO info = {.samplerate = rate, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    SNDFILE *file = sf_open(temp, SFM_WRITE, &info);
    if (!file) return base_fail(err, BASE_FAILED, "%s: %s", path, sf_strerror(NULL));
    sf_count_t wrote = sf_writef_short(file, pcm, (sf_count_t)n);
    int code = sf_close(file);
    if (wrote == (sf_count_t)n && code == 0) return BASE_OK;
    return base_fail(err, BASE_FAILED, "%s: only %lld of %zu samples could be written", path,
                     (long long)wrote, n);
}

base_status dsp_audio_write(const char *path, int rate, const float *pcm, size_t n, base_err *err)
{
    char *temp;
    int16_t *words = base_alloc(n, sizeof *words);
    if (!words) return base_nomem(err, n * sizeof *words);
    dsp_to_pcm16(words, pcm, n);
    base_status st = base_temp_name(path, &temp, err);
    if (st == BASE_OK) {
        st = write_wav(temp, path, rate, words, n, err);
        if (st == BASE_OK)
            st = base_replace(temp, path, err);
        else
            unlink(temp);
        free(temp);
    }
    base_free(words);
    return st;
}
