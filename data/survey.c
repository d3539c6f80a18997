/* See data/survey.h. */
#include "data/survey.h"

#include "data/import.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, SECONDS_MAX = 3600 };

struct data_recordings {
    data_pack *pack; /* or */
    char *dir;       /* a folder: */
    data_scan scan;
    size_t clips;    /* of scan.files; the rest is noise */
    char **speakers; /* sorted, borrowed from scan */
    size_t nspeakers;
};

/* ---- opening ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static base_status list_speakers(data_recordings *r, base_err *err)
{
    while (r->clips < r->scan.n && r->scan.files[r->clips].word >= 0) r->clips++;
    char **v = r->speakers = calloc(r->clips + 1, sizeof *v);
    if (!v) return base_nomem(err, r->clips);
    for (size_t i = 0; i < r->clips; i++) v[i] = r->scan.files[i].speaker;
    qsort(v, r->clips, sizeof *v, by_text);
    for (size_t i = 0; i < r->clips; i++)
        if (i == 0 || strcmp(v[i], v[r->nspeakers - 1]) != 0) v[r->nspeakers++] = v[i];
    return BASE_OK;
}

static base_status open_folder(data_recordings *r, const char *path, base_err *err)
{
    r->dir = base_strdup(path);
    if (!r->dir) return base_nomem(err, strlen(path));
    const data_import what = {.dir = path};
    BASE_TRY(data_scan_run(&what, &r->scan, err));
    return list_speakers(r, err);
}

base_status data_recordings_open(const char *path, data_recordings **out, base_err *err)
{
    data_recordings *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r) return base_nomem(err, sizeof *r);
    base_status status =
        base_is_dir(path) ? open_folder(r, path, err) : data_pack_open(path, &r->pack, err);
    if (status == BASE_OK)
        *out = r;
    else
        data_recordings_close(r);
    return status;
}

void data_recordings_close(data_recordings *r)
{
    if (!r) return;
    data_pack_close(r->pack);
    data_scan_free(&r->scan);
    free(r->speakers);
    free(r->dir);
    free(r);
}

/* ---- asking ---- */

size_t data_recordings_count(const data_recordings *r)
{
    return r->pack ? data_pack_clips(r->pack) : r->clips;
}

data_recording data_recordings_at(const data_recordings *r, size_t i)
{
    if (r->pack) {
        const data_clip c = data_pack_clip(r->pack, i);
        return (data_recording){c.name, c.word, c.speaker, c.split};
    }
    const data_found *f = &r->scan.files[i];
    char **at = bsearch(&f->speaker, r->speakers, r->nspeakers, sizeof *at, by_text);
    return (data_recording){f->name, f->word, (int)(at - r->speakers), f->split};
}

const char *const *data_recordings_words(const data_recordings *r, size_t *n)
{
    if (r->pack) return data_pack_words(r->pack, n);
    *n = r->scan.nwords;
    return (const char *const *)r->scan.words;
}

const char *const *data_recordings_speakers(const data_recordings *r, size_t *n)
{
    if (r->pack) return data_pack_speakers(r->pack, n);
    *n = r->nspeakers;
    return (const char *const *)r->speakers;
}

/* ---- reading ---- */

static base_status read_file(const char *dir, const char *name, data_sound *s, base_err *err)
{
    dsp_audio audio;
    char *path = base_path(dir, name);
    if (!path) return base_nomem(err, strlen(name));
    base_status status = dsp_audio_read(path, DATA_RATE, SECONDS_MAX, &audio, err);
    free(path);
    BASE_TRY(status);
    *s = (data_sound){.n = audio.n, .rate = audio.source_rate, .channels = audio.source_channels};
    s->pcm = base_alloc(audio.n, sizeof *s->pcm);
    if (s->pcm) dsp_to_pcm16(s->pcm, audio.pcm, audio.n);
    dsp_audio_free(&audio);
    return s->pcm ? BASE_OK : base_nomem(err, s->n * sizeof *s->pcm);
}

base_status data_recordings_read(const data_recordings *r, size_t i, data_sound *s, base_err *err)
{
    *s = (data_sound){0};
    if (!r->pack) return read_file(r->dir, r->scan.files[i].name, s, err);
    const data_clip c = data_pack_clip(r->pack, i);
    *s = (data_sound){.n = (size_t)c.samples, .rate = DATA_RATE, .channels = 1};
    s->pcm = base_alloc(s->n, sizeof *s->pcm);
    if (!s->pcm) return base_nomem(err, s->n * sizeof *s->pcm);
    base_status status = data_pack_read(r->pack, i, 0, s->n, s->pcm, err);
    if (status != BASE_OK) base_free(s->pcm);
    return status;
}

base_status data_recordings_read_clip(const data_recordings *r, size_t i, size_t samples,
                                      int16_t *pcm, base_err *err)
{
    data_sound s;
    if (r->pack) return data_pack_read_clip(r->pack, i, samples, pcm, err);
    BASE_TRY(data_recordings_read(r, i, &s, err));
    const size_t at = s.n > samples ? data_loudest(s.pcm, s.n, samples) : 0;
    const size_t n = s.n > samples ? samples : s.n;
    memcpy(pcm, s.pcm + at, n * sizeof *pcm);
    memset(pcm + n, 0, (samples - n) * sizeof *pcm);
    base_free(s.pcm);
    return BASE_OK;
}

/* ---- surveying ---- */

typedef struct surveyor {
    const data_recordings *r;
    const data_survey_options *o;
    data_facts *facts;
    size_t n, first;
    int jobs;
    dsp_fingerprint **printers; /* of each job */
    base_err *errs;
} surveyor;

static base_status take_prints(dsp_fingerprint *printer, const data_sound *s, data_facts *f,
                               base_err *err)
{
    const size_t n = dsp_fingerprint_frames(s->n);
    if (n == 0) return BASE_OK;
    float *scratch = base_alloc(n, sizeof *scratch);
    f->prints = base_alloc(n, sizeof *f->prints);
    f->nprints = f->prints ? n : 0;
    if (scratch && f->prints) dsp_fingerprint_run(printer, s->pcm, s->n, scratch, f->prints);
    base_free(scratch);
    return scratch && f->prints ? BASE_OK : base_nomem(err, n * sizeof *f->prints);
}

static base_status learn(const surveyor *v, int job, size_t i, base_err *err)
{
    data_facts *f = &v->facts[i];
    data_sound s;
    base_err why = {0};
    base_status status = data_recordings_read(v->r, i, &s, &why);
    if (status != BASE_OK) {
        f->unreadable = base_strdup(why.message);
        return status != BASE_DATA ? base_fail(err, status, "%s", why.message)
               : f->unreadable     ? BASE_OK
                                   : base_nomem(err, sizeof why);
    }
    f->samples = s.n;
    f->rate = s.rate;
    f->channels = s.channels;
    double *powers = base_alloc(3 * (s.n / DATA_BLOCK) + 1, sizeof *powers);
    if (powers) {
        f->level = data_level_of(s.pcm, s.n, powers);
        data_hash_samples(s.pcm, s.n, f->hash);
        if (v->o->prints) status = take_prints(v->printers[job], &s, f, err);
    } else {
        status = base_nomem(err, s.n);
    }
    base_free(powers);
    base_free(s.pcm);
    return status;
}

/* Every job takes the clips of its number modulo the jobs. */
static void survey_job(void *ctx, int job)
{
    const surveyor *v = ctx;
    const size_t left = v->n - v->first, n = left < BLOCK ? left : BLOCK;
    for (size_t i = (size_t)job; i < n && v->errs[job].status == BASE_OK; i += (size_t)v->jobs)
        learn(v, job, v->first + i, &v->errs[job]);
}

static base_status run_blocks(surveyor *v, base_pool *pool, base_err *err)
{
    for (; v->first < v->n; v->first += BLOCK) {
        base_pool_run(pool, v->jobs, survey_job, v);
        for (int j = 0; j < v->jobs; j++)
            if (v->errs[j].status != BASE_OK)
                return base_fail(err, v->errs[j].status, "%s", v->errs[j].message);
        if (v->o->stop && *v->o->stop) return base_fail(err, BASE_INTERRUPTED, "interrupted");
        if (v->o->progress)
            v->o->progress(v->o->ctx, (int64_t)(v->first + BLOCK < v->n ? v->first + BLOCK : v->n),
                           (int64_t)v->n);
    }
    return BASE_OK;
}

static base_status survey(surveyor *v, base_err *err)
{
    base_pool *pool;
    if (!v->facts || !v->printers || !v->errs) return base_nomem(err, v->n * sizeof *v->facts);
    for (int j = 0; j < v->jobs && v->o->prints; j++)
        BASE_TRY(dsp_fingerprint_new(&v->printers[j], err));
    BASE_TRY(base_pool_new(v->jobs, &pool, err));
    base_status status = run_blocks(v, pool, err);
    base_pool_free(pool);
    return status;
}

base_status data_survey_run(const data_recordings *r, const data_survey_options *o,
                            data_facts **facts, base_err *err)
{
    surveyor v = {.r = r, .o = o, .n = data_recordings_count(r)};
    v.jobs = o->threads > 0 ? o->threads : 1;
    v.facts = base_alloc(v.n + 1, sizeof *v.facts);
    v.printers = base_alloc((size_t)v.jobs, sizeof *v.printers);
    v.errs = base_alloc((size_t)v.jobs, sizeof *v.errs);
    base_status status = survey(&v, err);
    for (int j = 0; v.printers && j < v.jobs; j++) dsp_fingerprint_free(v.printers[j]);
    base_free(v.printers);
    base_free(v.errs);
    if (status != BASE_OK) {
        data_survey_free(v.facts, v.n);
        v.facts = NULL;
    }
    *facts = v.facts;
    return status;
}

void data_survey_free(data_facts *facts, size_t n)
{
    for (size_t i = 0; facts && i < n; i++) {
        free(facts[i].unreadable);
        base_free(facts[i].prints);
    }
    base_free(facts);
}
