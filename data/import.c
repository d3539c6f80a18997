/* Folders of recordings into a pack. Files are decoded by all threads in blocks and taken in order,
 * so a pack is the same whatever the number of threads. How many samples there will be is known
 * only at the end, and /pcm lies in one piece: samples of clips are written where it will lie,
 * before HDF5 knows of it. Noise goes to a nameless file beside the pack and is copied when all has
 * been read.
 */
#include "data/import.h"
#include "nn/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 128, NOISE_BLOCK = 4, NOISE_SECONDS_MAX = 3600, COPY_SAMPLES = 1 << 20 };
enum { SILENT_RANGE = 4 }; /* a clip whose samples all lie in so narrow a band says nothing */

static const char *const skip_names[DATA_SKIPS] = {"unreadable", "empty",    "overlong",
                                                   "silent",     "held_out", "excluded"};

const char *data_skip_name(data_skip why)
{
    return skip_names[why];
}

/* ---- one file ---- */

typedef struct decoded {
    int16_t *pcm; /* NULL: skipped */
    size_t n;
    uint8_t hash[DATA_HASH_BYTES];
    bool converted; /* had another rate or more channels */
    data_skip skip;
    base_status status; /* not BASE_OK and not BASE_DATA: the import ends */
    char why[400];
} decoded;

/* Samples on their way to the pack. */
typedef struct spool {
    int fd;
    int64_t start, samples; /* bytes before the first sample; how many there are */
} spool;

typedef struct importer {
    const data_import *what;
    data_import_result *result;
    data_scan scan;
    spool clips, noise;
    decoded *block, *last;           /* being decoded; decoded before it and not yet taken */
    size_t first, last_first, nlast; /* file of block[0], of last[0]; how many last has */
    base_status status;              /* of taking */
    base_err *err;
    const char *out;
    /* columns of the clips taken so far */
    int64_t *offset, *noise_offset, *noise_length;
    int32_t *samples, *word, *speaker;
    uint8_t *split, *hash;
    size_t *file; /* index into scan.files */
    size_t n, noises, converted;
    char **skipped;
    size_t nskipped, skipped_cap;
    char **speakers; /* sorted, borrowed from scan */
    size_t nspeakers;
} importer;

static bool is_silent(const int16_t *pcm, size_t n)
{
    int lo = pcm[0], hi = pcm[0];
    for (size_t i = 1; i < n; i++) {
        lo = pcm[i] < lo ? pcm[i] : lo;
        hi = pcm[i] > hi ? pcm[i] : hi;
    }
    return hi - lo <= SILENT_RANGE;
}

void data_hash_samples(const int16_t *pcm, size_t n, uint8_t *hash)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are hashed as they lie");
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, n * sizeof *pcm, (const uint8_t *)pcm);
    sha256_digest(&ctx, DATA_HASH_BYTES, hash);
}

static data_skip why_not(const char *path, const dsp_audio *audio, double max_seconds)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool empty = fd >= 0 && lseek(fd, 0, SEEK_END) == 0;
    if (fd >= 0) close(fd);
    if (empty || (audio->source_rate > 0 && audio->source_frames == 0)) return DATA_SKIP_EMPTY;
    bool is_long = (double)audio->source_frames > max_seconds * audio->source_rate;
    return audio->source_rate > 0 && is_long ? DATA_SKIP_LONG : DATA_SKIP_UNREADABLE;
}

static void decode(const char *path, double max_seconds, bool may_be_silent, decoded *d)
{
    dsp_audio audio;
    base_err err = {0};
    d->status = dsp_audio_read(path, DATA_RATE, max_seconds, &audio, &err);
    if (d->status != BASE_OK) {
        d->skip = why_not(path, &audio, max_seconds);
        snprintf(d->why, sizeof d->why, "%.399s", err.message);
        return;
    }
    int16_t *pcm = base_alloc(audio.n, sizeof *pcm);
    if (!pcm) {
        d->status = BASE_FAILED;
        snprintf(d->why, sizeof d->why, "no memory for %zu samples", audio.n);
    } else {
        dsp_to_pcm16(pcm, audio.pcm, audio.n);
        d->converted = audio.source_rate != DATA_RATE || audio.source_channels != 1;
        if (!may_be_silent && is_silent(pcm, audio.n)) {
            d->status = BASE_DATA;
            d->skip = DATA_SKIP_SILENT;
            snprintf(d->why, sizeof d->why, "%.380s: silent", path);
            base_free(pcm);
        } else {
            data_hash_samples(pcm, audio.n, d->hash);
            d->pcm = pcm;
            d->n = audio.n;
        }
    }
    dsp_audio_free(&audio);
}

static void decode_file(importer *im, int job)
{
    decoded *d = &im->block[job];
    const data_found *f = &im->scan.files[im->first + (size_t)job];
    *d = (decoded){0};
    char *path = base_path(f->source ? im->what->test : im->what->dir, f->name);
    if (!path) {
        d->status = BASE_FAILED;
        snprintf(d->why, sizeof d->why, "no memory for a file name");
        return;
    }
    if (f->excluded) {
        *d = (decoded){.status = BASE_DATA, .skip = DATA_SKIP_EXCLUDED};
        snprintf(d->why, sizeof d->why, "%.380s: excluded", path);
        free(path);
        return;
    }
    bool noise = f->word < 0;
    bool may_be_silent = noise || strcmp(im->scan.words[f->word], DATA_SILENCE) == 0;
    decode(path, noise ? NOISE_SECONDS_MAX : im->what->max_seconds, may_be_silent, d);
    free(path);
}

/* ---- the spool ---- */

static base_status disk_fail(const char *out, base_err *err)
{
    int why = errno;
    base_fail(err, BASE_FAILED, "cannot write '%s': %s", out, strerror(why));
    return why == ENOSPC ? base_hint(err, "free some space, or write elsewhere with -o")
                         : BASE_FAILED;
}

/* A file without a name: beside out, where there is room for the pack, or where that is no folder,
 * in the temporary one. */
static base_status spool_open(spool *s, const char *out, base_err *err)
{
    char *dir = base_strdup(out);
    if (!dir) return base_nomem(err, strlen(out));
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = '\0';
    s->fd = open(slash ? dir : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    free(dir);
    if (s->fd >= 0) return BASE_OK;
    const char *tmp = getenv("TMPDIR");
    char name[512];
    snprintf(name, sizeof name, "%.400s/sotto-spool-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    s->fd = mkostemp(name, O_CLOEXEC);
    if (s->fd < 0) return disk_fail(name, err);
    unlink(name);
    return BASE_OK;
}

static base_status spool_add(spool *s, const int16_t *pcm, size_t n, const char *out, base_err *err)
{
    const char *bytes = (const char *)pcm;
    size_t size = n * sizeof *pcm, done = 0;
    off_t at = (off_t)(s->start + s->samples * (int64_t)sizeof *pcm);
    while (done < size) {
        ssize_t put = pwrite(s->fd, bytes + done, size - done, at + (off_t)done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return disk_fail(out, err);
        done += (size_t)put;
    }
    s->samples += (int64_t)n;
    return BASE_OK;
}

/* Samples at .. at + n - 1. */
static base_status spool_read(const spool *s, int64_t at, int64_t n, int16_t *pcm, const char *out,
                              base_err *err)
{
    char *bytes = (char *)pcm;
    size_t size = (size_t)n * sizeof *pcm, done = 0;
    off_t from = (off_t)(s->start + at * (int64_t)sizeof *pcm);
    while (done < size) {
        ssize_t got = pread(s->fd, bytes + done, size - done, from + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return disk_fail(out, err);
        done += (size_t)got;
    }
    return BASE_OK;
}

static base_status spool_copy(const spool *s, h5_file *f, const char *name, int16_t *buffer,
                              base_err *err)
{
    BASE_TRY(h5_reserve(f, name, H5_I16, s->samples, err));
    for (int64_t at = 0; at < s->samples; at += COPY_SAMPLES) {
        int64_t n = s->samples - at < COPY_SAMPLES ? s->samples - at : COPY_SAMPLES;
        BASE_TRY(spool_read(s, at, n, buffer, h5_path(f), err));
        BASE_TRY(h5_write_at(f, name, H5_I16, at, n, buffer, err));
    }
    return BASE_OK;
}

/* Makes what was written ahead a dataset, the first of the file. */
static base_status spool_keep(const spool *s, h5_file *f, const char *name, base_err *err)
{
    int16_t few[H5_AHEAD / sizeof(int16_t)];
    int64_t n = s->samples, at = 0;
    if (n < (int64_t)BASE_COUNT(few)) {
        BASE_TRY(spool_read(s, 0, n, few, h5_path(f), err));
        return h5_write(f, name, H5_I16, 1, &n, few, err);
    }
    BASE_TRY(h5_reserve(f, name, H5_I16, n, err));
    BASE_TRY(h5_offset(f, name, &at, err));
    return at == s->start ? BASE_OK
                          : base_fail(err, BASE_FAILED, "%s: HDF5 put '%s' at byte %lld, not %lld",
                                      h5_path(f), name, (long long)at, (long long)s->start);
}

/* ---- taking what was decoded ---- */

static base_status skip(importer *im, const decoded *d, base_err *err)
{
    void *items = im->skipped;
    if (!base_grow(&items, &im->skipped_cap, im->nskipped + 1, sizeof *im->skipped))
        return base_nomem(err, im->nskipped);
    im->skipped = items;
    im->skipped[im->nskipped] = base_strdup(d->why);
    if (!im->skipped[im->nskipped]) return base_nomem(err, sizeof d->why);
    im->nskipped++;
    im->result->skipped[d->skip]++;
    return BASE_OK;
}

static base_status take(importer *im, const decoded *d, size_t file, const char *out, base_err *err)
{
    const data_found *f = &im->scan.files[file];
    if (d->status == BASE_DATA) return skip(im, d, err);
    if (d->status != BASE_OK) return base_fail(err, d->status, "%s", d->why);
    im->converted += d->converted;
    if (f->word < 0) {
        im->noise_offset[im->noises] = im->noise.samples;
        im->noise_length[im->noises] = (int64_t)d->n;
        im->file[im->n + im->noises++] = file;
        return spool_add(&im->noise, d->pcm, d->n, out, err);
    }
    size_t i = im->n++;
    im->offset[i] = im->clips.samples;
    im->samples[i] = (int32_t)d->n;
    im->word[i] = f->word;
    im->split[i] = (uint8_t)f->split;
    im->file[i] = file;
    memcpy(im->hash + i * DATA_HASH_BYTES, d->hash, DATA_HASH_BYTES);
    return spool_add(&im->clips, d->pcm, d->n, out, err);
}

/* Job 0 takes the block before, in order, while the others decode. */
static void read_job(void *ctx, int job)
{
    importer *im = ctx;
    if (job > 0) {
        decode_file(im, job - 1);
        return;
    }
    for (size_t i = 0; i < im->nlast; i++) {
        if (im->status == BASE_OK)
            im->status = take(im, &im->last[i], im->last_first + i, im->out, im->err);
        base_free(im->last[i].pcm);
    }
}

/* How many files from `at` on are a block: all clips or all noise. */
static size_t block_at(const importer *im, size_t at)
{
    const data_found *f = im->scan.files;
    size_t most = at < im->scan.n && f[at].word < 0 ? NOISE_BLOCK : BLOCK, n = 0;
    while (n < most && at + n < im->scan.n && (f[at + n].word < 0) == (f[at].word < 0)) n++;
    return n;
}

/* All files, then a round that only takes. */
static base_status read_files(importer *im, base_pool *pool)
{
    const data_import *what = im->what;
    for (size_t at = 0; at < im->scan.n || im->nlast > 0;) {
        bool stop = what->stop && *what->stop;
        size_t n = stop || im->status != BASE_OK ? 0 : block_at(im, at);
        im->first = at;
        base_pool_run(pool, (int)n + 1, read_job, im);
        if (what->progress && im->nlast > 0)
            what->progress(what->ctx, (int64_t)(im->last_first + im->nlast), (int64_t)im->scan.n);
        decoded *taken = im->last;
        im->last = im->block;
        im->block = taken;
        im->last_first = at;
        im->nlast = n;
        at += n;
        if (stop && im->status == BASE_OK)
            im->status = base_fail(im->err, BASE_INTERRUPTED, "interrupted");
        if (im->status != BASE_OK && n == 0) break;
    }
    return im->status;
}

/* ---- after all are read ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Number the speakers of the clips in the order of their names. */
static base_status number_speakers(importer *im, base_err *err)
{
    im->speakers = calloc(im->n + 1, sizeof *im->speakers);
    if (!im->speakers) return base_nomem(err, im->n);
    char **v = im->speakers;
    for (size_t i = 0; i < im->n; i++) v[i] = im->scan.files[im->file[i]].speaker;
    qsort(v, im->n, sizeof *v, by_text);
    for (size_t i = 0; i < im->n; i++)
        if (i == 0 || strcmp(v[i], v[im->nspeakers - 1]) != 0) v[im->nspeakers++] = v[i];
    for (size_t i = 0; i < im->n; i++) {
        char **at =
            bsearch(&im->scan.files[im->file[i]].speaker, v, im->nspeakers, sizeof *v, by_text);
        im->speaker[i] = (int32_t)(at - v);
    }
    return BASE_OK;
}

/* Leave out words of which no clip was usable. */
static base_status number_words(importer *im, base_err *err)
{
    data_scan *s = &im->scan;
    int32_t *place = calloc(s->nwords + 1, sizeof *place), used = 0;
    if (!place) return base_nomem(err, s->nwords);
    for (size_t i = 0; i < im->n; i++) place[im->word[i]] = 1;
    for (size_t i = 0; i < s->nwords; i++) {
        if (!place[i]) {
            free(s->words[i]);
            continue;
        }
        s->words[used] = s->words[i];
        place[i] = used++;
    }
    s->nwords = (size_t)used;
    for (size_t i = 0; i < im->n; i++) im->word[i] = place[im->word[i]];
    free(place);
    if (used > 0) return BASE_OK;
    base_fail(err, BASE_DATA,
              "folder '%s' holds no usable word: none of %zu recordings could be "
              "taken",
              im->what->dir, s->n);
    return im->nskipped ? base_hint(err, "the first: %.200s", im->skipped[0]) : BASE_DATA;
}

typedef struct hashed {
    const uint8_t *hash;
    int split;
} hashed;

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const hashed *)a)->hash, ((const hashed *)b)->hash, DATA_HASH_BYTES);
}

/* How many clips have a twin, equal sample by sample, in another split. */
static base_status count_crossing(const importer *im, base_err *err)
{
    hashed *v = calloc(im->n + 1, sizeof *v);
    if (!v) return base_nomem(err, im->n * sizeof *v);
    for (size_t i = 0; i < im->n; i++)
        v[i] = (hashed){im->hash + i * DATA_HASH_BYTES, im->split[i]};
    qsort(v, im->n, sizeof *v, by_hash);
    for (size_t i = 0, end; i < im->n; i = end) {
        bool crosses = false;
        for (end = i + 1; end < im->n && by_hash(&v[i], &v[end]) == 0; end++)
            crosses |= v[end].split != v[i].split;
        if (crosses) im->result->crossing += (int64_t)(end - i);
    }
    free(v);
    return BASE_OK;
}

static void summarize(importer *im)
{
    data_import_result *r = im->result;
    r->clips = (int64_t)im->n;
    r->words = (int64_t)im->scan.nwords;
    r->speakers = (int64_t)im->nspeakers;
    r->noises = (int64_t)im->noises;
    r->samples = im->clips.samples;
    r->skipped[DATA_SKIP_HELD_OUT] = im->scan.held_out;
    for (size_t i = 0; i < im->n; i++) r->split[im->split[i]]++;
}

/* ---- writing ---- */

static base_status write_provenance(const importer *im, h5_file *f, base_err *err)
{
    base_str s = {0};
    char date[40];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    base_str_add(&s, "made_by: sotto data import\ndate: %s\nfolder: %s\n", date, im->what->dir);
    if (im->what->test) base_str_add(&s, "test_folder: %s\n", im->what->test);
    base_str_add(&s, "max_seconds: %g\nfiles: %zu\nclips: %zu\nnoise_recordings: %zu\n",
                 im->what->max_seconds, im->scan.n, im->n, im->noises);
    base_str_add(&s, "converted_to_16_khz_mono: %zu\nother_files_ignored: %lld\n", im->converted,
                 (long long)im->scan.ignored);
    for (int i = 0; i < DATA_SKIPS; i++)
        base_str_add(&s, "skipped_%s: %lld\n", skip_names[i], (long long)im->result->skipped[i]);
    base_status status =
        s.failed ? base_nomem(err, s.len) : h5_write_text(f, "provenance", s.s, err);
    base_str_free(&s);
    return status;
}

static base_status write_names(const importer *im, h5_file *f, size_t first, size_t n,
                               const char *name, base_err *err)
{
    const char **v = calloc(n + 1, sizeof *v);
    if (!v) return base_nomem(err, n * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = im->scan.files[im->file[first + i]].name;
    base_status status = h5_write_list(f, name, v, n, err);
    free(v);
    return status;
}

static base_status write_columns(const importer *im, h5_file *f, base_err *err)
{
    int64_t n = (int64_t)im->n, m = (int64_t)im->noises, hashes[2] = {n, DATA_HASH_BYTES};
    BASE_TRY(h5_write(f, "clips/offset", H5_I64, 1, &n, im->offset, err));
    BASE_TRY(h5_write(f, "clips/samples", H5_I32, 1, &n, im->samples, err));
    BASE_TRY(h5_write(f, "clips/word", H5_I32, 1, &n, im->word, err));
    BASE_TRY(h5_write(f, "clips/speaker", H5_I32, 1, &n, im->speaker, err));
    BASE_TRY(h5_write(f, "clips/split", H5_U8, 1, &n, im->split, err));
    BASE_TRY(h5_write(f, "clips/hash", H5_U8, 2, hashes, im->hash, err));
    BASE_TRY(write_names(im, f, 0, im->n, "clips/name", err));
    BASE_TRY(h5_write(f, "noise/offset", H5_I64, 1, &m, im->noise_offset, err));
    BASE_TRY(h5_write(f, "noise/samples", H5_I64, 1, &m, im->noise_length, err));
    return write_names(im, f, im->n, im->noises, "noise/name", err);
}

static base_status write_pack(const importer *im, h5_file *f, base_err *err)
{
    BASE_TRY(spool_keep(&im->clips, f, "pcm", err));
    int16_t *buffer = base_alloc(COPY_SAMPLES, sizeof *buffer);
    if (!buffer) return base_nomem(err, COPY_SAMPLES * sizeof *buffer);
    base_status status = spool_copy(&im->noise, f, "noise/pcm", buffer, err);
    base_free(buffer);
    BASE_TRY(status);
    BASE_TRY(h5_stamp(f, "pack", DATA_PACK_VERSION, err));
    BASE_TRY(h5_set_int(f, "/", "rate", DATA_RATE, err));
    BASE_TRY(write_columns(im, f, err));
    const data_scan *s = &im->scan;
    BASE_TRY(h5_write_list(f, "words", (const char *const *)s->words, s->nwords, err));
    BASE_TRY(h5_write_list(f, "speakers", (const char *const *)im->speakers, im->nspeakers, err));
    BASE_TRY(h5_write_list(f, "skipped", (const char *const *)im->skipped, im->nskipped, err));
    return write_provenance(im, f, err);
}

/* ---- the whole ---- */

static base_status allocate(importer *im, base_err *err)
{
    size_t n = im->scan.n + 1;
    im->block = base_alloc(BLOCK, sizeof *im->block);
    im->last = base_alloc(BLOCK, sizeof *im->last);
    im->offset = base_alloc(n, sizeof *im->offset);
    im->noise_offset = base_alloc(n, sizeof *im->noise_offset);
    im->noise_length = base_alloc(n, sizeof *im->noise_length);
    im->samples = base_alloc(n, sizeof *im->samples);
    im->word = base_alloc(n, sizeof *im->word);
    im->speaker = base_alloc(n, sizeof *im->speaker);
    im->split = base_alloc(n, sizeof *im->split);
    im->hash = base_alloc(n, DATA_HASH_BYTES);
    im->file = base_alloc(n, sizeof *im->file);
    bool ok = im->block && im->last && im->offset && im->noise_offset && im->noise_length &&
              im->samples && im->word && im->speaker && im->split && im->hash && im->file;
    return ok ? BASE_OK : base_nomem(err, n * 64);
}

static void release(importer *im)
{
    void *const blocks[] = {im->block,        im->last,  im->offset,  im->noise_offset,
                            im->noise_length, im->file,  im->samples, im->word,
                            im->speaker,      im->split, im->hash};
    for (size_t i = 0; i < BASE_COUNT(blocks); i++) base_free(blocks[i]);
    for (size_t i = 0; i < im->nskipped; i++) free(im->skipped[i]);
    free(im->skipped);
    free(im->speakers);
    if (im->clips.fd >= 0) close(im->clips.fd);
    if (im->noise.fd >= 0) close(im->noise.fd);
    data_scan_free(&im->scan);
}

static base_status gather(importer *im, const char *out, base_err *err)
{
    base_pool *pool;
    BASE_TRY(allocate(im, err));
    BASE_TRY(spool_open(&im->noise, out, err));
    BASE_TRY(base_pool_new(im->what->threads, &pool, err));
    base_status status = read_files(im, pool);
    base_pool_free(pool);
    BASE_TRY(status);
    BASE_TRY(number_words(im, err));
    BASE_TRY(number_speakers(im, err));
    BASE_TRY(count_crossing(im, err));
    summarize(im);
    return BASE_OK;
}

base_status data_import_run(const data_import *what, const char *out, data_import_result *result,
                            base_err *err)
{
    importer im = {.what = what, .result = result, .out = out, .err = err};
    im.clips.fd = im.noise.fd = -1;
    h5_file *f;
    *result = (data_import_result){0};
    BASE_TRY(data_scan_run(what, &im.scan, err));
    base_status status = h5_create(out, &f, err); /* first of all: can it be written? */
    if (status == BASE_OK) {
        im.clips.start = H5_AHEAD;
        status = h5_ahead(f, &im.clips.fd, err);
        if (status == BASE_OK) status = gather(&im, out, err);
        if (status == BASE_OK) status = write_pack(&im, f, err);
        if (status == BASE_OK)
            status = h5_commit(f, err);
        else
            h5_close(f);
    }
    release(&im);
    return status;
}
