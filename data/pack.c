/* Reading packs. The tables are loaded and checked when a pack is opened, so that whatever uses
 * them may index without asking; samples stay in the file and are read with pread, which needs
 * neither HDF5 nor its lock, so any number of threads reads at once.
 *
 *   /pcm             int16[]   all clips, one after another
 *   /clips/offset    int64[n]  first sample of each, /clips/samples int32[n] how many
 *   /clips/word      int32[n]  index into /words, /clips/speaker int32[n] into /speakers
 *   /clips/split     uint8[n]  data_split
 *   /clips/name      text[n]   /clips/hash uint8[n][32]
 *   /noise/pcm       int16[]   /noise/offset int64[m], /noise/samples int64[m], /noise/name text[m]
 *   /words /speakers /skipped  text[]
 *   /provenance      text
 */
#include "data/import.h"
#include "nn/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct data_pack {
    char *path;
    int fd;
    size_t clips, words, speakers, noises, skipped;
    int64_t pcm, pcm_samples, noise, noise_samples; /* place in the file, length */
    int64_t *offset, *noise_offset, *noise_length;
    int32_t *samples, *word, *speaker;
    uint8_t *split, *hash;
    char **names, **word_list, **speaker_list, **noise_names, **skipped_list;
    char *provenance;
};

/* ---- opening ---- */

/* A column of n values of `size` bytes each. */
static base_status column(h5_file *f, const char *name, h5_type type, size_t n, size_t size,
                          void *out, base_err *err)
{
    void *values = base_alloc(n + 1, size);
    if (!values) return base_nomem(err, n * size);
    *(void **)out = values;
    return h5_read(f, name, type, values, n, err);
}

static base_status list(h5_file *f, const char *name, char ***out, size_t *n, size_t wanted,
                        base_err *err)
{
    BASE_TRY(h5_read_list(f, name, out, n, err));
    if (wanted == SIZE_MAX || *n == wanted) return BASE_OK;
    return base_fail(err, BASE_DATA, "%s: damaged: '%s' has %zu entries, not %zu", h5_path(f), name,
                     *n, wanted);
}

/* Where a one-dimensional dataset of samples lies, and how long it is. */
static base_status samples_of(h5_file *f, const char *name, int64_t *offset, int64_t *n,
                              base_err *err)
{
    int rank;
    int64_t dims[4];
    BASE_TRY(h5_shape(f, name, &rank, dims, err));
    *n = rank == 1 ? dims[0] : 0;
    return h5_offset(f, name, offset, err);
}

static base_status read_clips(data_pack *p, h5_file *f, base_err *err)
{
    int rank;
    int64_t dims[4];
    BASE_TRY(h5_shape(f, "clips/offset", &rank, dims, err));
    size_t n = p->clips = rank == 1 ? (size_t)dims[0] : 0;
    BASE_TRY(samples_of(f, "pcm", &p->pcm, &p->pcm_samples, err));
    BASE_TRY(column(f, "clips/offset", H5_I64, n, sizeof *p->offset, &p->offset, err));
    BASE_TRY(column(f, "clips/samples", H5_I32, n, sizeof *p->samples, &p->samples, err));
    BASE_TRY(column(f, "clips/word", H5_I32, n, sizeof *p->word, &p->word, err));
    BASE_TRY(column(f, "clips/speaker", H5_I32, n, sizeof *p->speaker, &p->speaker, err));
    BASE_TRY(column(f, "clips/split", H5_U8, n, sizeof *p->split, &p->split, err));
    BASE_TRY(column(f, "clips/hash", H5_U8, n * DATA_HASH_BYTES, 1, &p->hash, err));
    BASE_TRY(list(f, "words", &p->word_list, &p->words, SIZE_MAX, err));
    BASE_TRY(list(f, "speakers", &p->speaker_list, &p->speakers, SIZE_MAX, err));
    return list(f, "clips/name", &p->names, &n, n, err);
}

static base_status read_noises(data_pack *p, h5_file *f, base_err *err)
{
    BASE_TRY(list(f, "noise/name", &p->noise_names, &p->noises, SIZE_MAX, err));
    size_t n = p->noises;
    BASE_TRY(samples_of(f, "noise/pcm", &p->noise, &p->noise_samples, err));
    BASE_TRY(column(f, "noise/offset", H5_I64, n, sizeof(int64_t), &p->noise_offset, err));
    return column(f, "noise/samples", H5_I64, n, sizeof(int64_t), &p->noise_length, err);
}

static bool inside(int64_t first, int64_t n, int64_t total)
{
    return first >= 0 && n > 0 && n <= total && first <= total - n;
}

static base_status check(const data_pack *p, base_err *err)
{
    for (size_t i = 0; i < p->clips; i++) {
        bool good = inside(p->offset[i], p->samples[i], p->pcm_samples) && p->word[i] >= 0 &&
                    (size_t)p->word[i] < p->words && p->speaker[i] >= 0 &&
                    (size_t)p->speaker[i] < p->speakers && p->split[i] < DATA_SPLITS;
        if (!good)
            return base_fail(err, BASE_DATA, "%s: damaged: what it says of clip %zu cannot be",
                             p->path, i);
    }
    for (size_t i = 0; i < p->noises; i++)
        if (!inside(p->noise_offset[i], p->noise_length[i], p->noise_samples))
            return base_fail(err, BASE_DATA, "%s: damaged: what it says of noise %zu cannot be",
                             p->path, i);
    return BASE_OK;
}

static base_status load(data_pack *p, base_err *err)
{
    h5_file *f;
    BASE_TRY(h5_open(p->path, &f, err));
    base_status status = h5_check(f, "pack", DATA_PACK_VERSION, err);
    if (status == BASE_OK) status = read_clips(p, f, err);
    if (status == BASE_OK) status = read_noises(p, f, err);
    if (status == BASE_OK)
        status = list(f, "skipped", &p->skipped_list, &p->skipped, SIZE_MAX, err);
    if (status == BASE_OK) status = h5_read_text(f, "provenance", &p->provenance, err);
    h5_close(f);
    if (status == BASE_OK) status = check(p, err);
    return status;
}

base_status data_pack_open(const char *path, data_pack **pack, base_err *err)
{
    *pack = NULL;
    if (!*path) {
        base_fail(err, BASE_USAGE, "no pack is given");
        return base_hint(err, "data.pack=FILE; sotto data import DIR -o FILE makes one");
    }
    data_pack *p = calloc(1, sizeof *p);
    if (!p) return base_nomem(err, sizeof *p);
    p->fd = -1;
    p->path = base_strdup(path);
    base_status status = p->path ? load(p, err) : base_nomem(err, strlen(path));
    if (status == BASE_OK) {
        p->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (p->fd < 0)
            status = base_fail(err, BASE_DATA, "cannot open '%s': %s", path, strerror(errno));
    } else if (status == BASE_DATA && !base_exists(path)) {
        base_hint(err, "sotto data import DIR -o %.120s makes a pack", path);
    }
    if (status == BASE_OK)
        *pack = p;
    else
        data_pack_close(p);
    return status;
}

void data_pack_close(data_pack *p)
{
    if (!p) return;
    if (p->fd >= 0) close(p->fd);
    void *const blocks[] = {p->offset, p->noise_offset, p->noise_length, p->samples,
                            p->word,   p->speaker,      p->split,        p->hash};
    void *const texts[] = {p->names,        p->word_list,  p->speaker_list, p->noise_names,
                           p->skipped_list, p->provenance, p->path};
    for (size_t i = 0; i < BASE_COUNT(blocks); i++) base_free(blocks[i]);
    for (size_t i = 0; i < BASE_COUNT(texts); i++) free(texts[i]);
    free(p);
}

/* ---- asking ---- */

const char *data_pack_path(const data_pack *p)
{
    return p->path;
}

size_t data_pack_clips(const data_pack *p)
{
    return p->clips;
}

data_clip data_pack_clip(const data_pack *p, size_t i)
{
    return (data_clip){.offset = p->offset[i],
                       .samples = p->samples[i],
                       .word = p->word[i],
                       .speaker = p->speaker[i],
                       .split = (data_split)p->split[i],
                       .name = p->names[i],
                       .hash = p->hash + i * DATA_HASH_BYTES};
}

static void hash_text(struct sha256_ctx *sha, const char *s)
{
    sha256_update(sha, strlen(s) + 1, (const uint8_t *)s);
}

static void hash_number(struct sha256_ctx *sha, int64_t v)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)v >> (8 * i));
    sha256_update(sha, sizeof bytes, bytes);
}

void data_pack_hash(const data_pack *p, char hex[65])
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    for (size_t i = 0; i < p->clips; i++) {
        hash_text(&sha, p->word_list[p->word[i]]);
        hash_text(&sha, p->speaker_list[p->speaker[i]]);
        hash_number(&sha, p->split[i]);
        sha256_update(&sha, DATA_HASH_BYTES, p->hash + i * DATA_HASH_BYTES);
    }
    for (size_t i = 0; i < p->noises; i++) {
        hash_text(&sha, p->noise_names[i]);
        hash_number(&sha, p->noise_length[i]);
    }
    sha256_digest(&sha, sizeof digest, digest);
    base_hex(digest, sizeof digest, hex);
}

static const char *const *constant(char **texts, size_t have, size_t *n)
{
    *n = have;
    return (const char *const *)texts;
}

const char *const *data_pack_words(const data_pack *p, size_t *n)
{
    return constant(p->word_list, p->words, n);
}

const char *const *data_pack_speakers(const data_pack *p, size_t *n)
{
    return constant(p->speaker_list, p->speakers, n);
}

const char *const *data_pack_skipped(const data_pack *p, size_t *n)
{
    return constant(p->skipped_list, p->skipped, n);
}

size_t data_pack_noises(const data_pack *p)
{
    return p->noises;
}

data_noise data_pack_noise(const data_pack *p, size_t i)
{
    return (data_noise){p->noise_offset[i], p->noise_length[i], p->noise_names[i]};
}

const char *data_pack_provenance(const data_pack *p)
{
    return p->provenance;
}

/* ---- samples ---- */

static base_status read_samples(const data_pack *p, int64_t place, int64_t first, size_t n,
                                int16_t *pcm, base_err *err)
{
    size_t bytes = n * sizeof *pcm, done = 0;
    off_t at = (off_t)(place + first * (int64_t)sizeof *pcm);
    while (done < bytes) {
        ssize_t got = pread(p->fd, (char *)pcm + done, bytes - done, at + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return base_fail(err, BASE_DATA, "cannot read '%s': %s", p->path, strerror(errno));
        if (got == 0)
            return base_fail(err, BASE_DATA, "'%s' is truncated: its samples end early", p->path);
        done += (size_t)got;
    }
    return BASE_OK;
}

base_status data_pack_read(const data_pack *p, size_t i, int64_t first, size_t n, int16_t *pcm,
                           base_err *err)
{
    if (n == 0) return BASE_OK;
    if (!inside(first, (int64_t)n, p->samples[i]))
        return base_fail(err, BASE_DATA, "%s: clip %zu has no %zu samples from %lld on", p->path, i,
                         n, (long long)first);
    return read_samples(p, p->pcm, p->offset[i] + first, n, pcm, err);
}

base_status data_pack_read_noise(const data_pack *p, size_t i, int64_t first, size_t n,
                                 int16_t *pcm, base_err *err)
{
    if (n == 0) return BASE_OK;
    if (!inside(first, (int64_t)n, p->noise_length[i]))
        return base_fail(err, BASE_DATA, "%s: noise %zu has no %zu samples from %lld on", p->path,
                         i, n, (long long)first);
    return read_samples(p, p->noise, p->noise_offset[i] + first, n, pcm, err);
}

static int64_t energy(const int16_t *pcm, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (int64_t)pcm[i] * pcm[i];
    return sum;
}

size_t data_loudest(const int16_t *pcm, size_t total, size_t n)
{
    const size_t step = DATA_RATE / 100;
    size_t best = 0;
    int64_t now = energy(pcm, n), most = now;
    for (size_t at = step; at + n <= total; at += step) {
        now += energy(pcm + at + n - step, step) - energy(pcm + at - step, step);
        if (now <= most) continue;
        most = now;
        best = at;
    }
    return best;
}

base_status data_pack_read_clip(const data_pack *p, size_t i, size_t samples, int16_t *pcm,
                                base_err *err)
{
    size_t have = (size_t)p->samples[i];
    if (have <= samples) {
        memset(pcm + have, 0, (samples - have) * sizeof *pcm);
        return data_pack_read(p, i, 0, have, pcm, err);
    }
    int16_t *all = base_alloc(have, sizeof *all);
    if (!all) return base_nomem(err, have * sizeof *all);
    base_status status = data_pack_read(p, i, 0, have, all, err);
    if (status == BASE_OK)
        memcpy(pcm, all + data_loudest(all, have, samples), samples * sizeof *pcm);
    base_free(all);
    return status;
}
