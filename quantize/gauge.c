/* See quantize/gauge.h. */
#include "quantize/gauge.h"

#include "data/interval.h"
#include "data/metrics.h"
#include "quantize/gauge_stream.h"
#include "quantize/workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one call of quant_gauge_read holds. */
typedef struct gauge {
    const quant_gauge *g;
    quant_subject model, int8;            /* int8: opened only when it is another file */
    const quant_subject *device;          /* what a device would run */
    int64_t *confusion, *of_int8, *fixed; /* NULL: not measured */
    char no_clips[160], no_fixed[160];    /* why */
    quant_target target;
    quant_workload work; /* on it */
    quant_estimate estimate;
    bool estimated;
    char no_board[160];
    quant_gauge_stream stream;
    bool listened;
} gauge;

static quant_reading none(const char *why)
{
    quant_reading r = {.value = (double)NAN, .lo = (double)NAN, .hi = (double)NAN};
    snprintf(r.note, sizeof r.note, "%s", why);
    return r;
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static bool is_of_clips(const char *name)
{
    return begins(name, "accuracy") || begins(name, "recall.") || begins(name, "precision.") ||
           strcmp(name, "macro_f1") == 0;
}

static bool is_of_stream(const char *name)
{
    return strcmp(name, "fa_per_hour") == 0 || strcmp(name, "frr") == 0;
}

bool quant_gauge_is_of_board(const char *name)
{
    return !is_of_clips(name) && !is_of_stream(name);
}

/* ---- clips ---- */

static base_status count(const gauge *s, const quant_subject *subject, const data_pack *pack,
                         int64_t *confusion, int64_t *fixed, base_err *err)
{
    quant_source source = {.model = subject->model,
                           .split = s->g->split,
                           .threads = s->g->threads,
                           .progress = s->g->progress,
                           .ctx = s->g->ctx};
    data_task *task = NULL;
    BASE_TRY(quant_task(subject->model, pack, &task, err));
    source.task = task;
    base_status status =
        quant_evaluate(&source, subject->float_model, subject->q8, subject->q8 ? NULL : confusion,
                       subject->q8 ? confusion : NULL, fixed, err);
    data_task_free(task);
    return status;
}

static base_status new_confusion(const quant_subject *s, int64_t **confusion, base_err *err)
{
    const size_t cells = s->model->n_labels * s->model->n_labels;
    *confusion = base_alloc(cells, sizeof **confusion);
    return *confusion ? BASE_OK : base_nomem(err, cells * sizeof **confusion);
}

static base_status count_clips(gauge *s, bool wants_int8, base_err *err)
{
    data_pack *pack = NULL;
    base_err why = {0};
    if (!s->g->pack) {
        snprintf(s->no_clips, sizeof s->no_clips, "no pack was given");
        return BASE_OK;
    }
    BASE_TRY(data_pack_open(s->g->pack, &pack, err));
    base_status status = new_confusion(&s->model, &s->confusion, err);
    const bool fixed = wants_int8 && s->device->q8 && quant_pipeline_possible(s->device->q8, &why);
    snprintf(s->no_fixed, sizeof s->no_fixed, "%.150s", why.message);
    if (status == BASE_OK && fixed) status = new_confusion(s->device, &s->fixed, err);
    if (status == BASE_OK)
        status = count(s, &s->model, pack, s->confusion, s->model.q8 ? s->fixed : NULL, err);
    if (status == BASE_OK && wants_int8 && s->int8.q8) {
        status = new_confusion(&s->int8, &s->of_int8, err);
        if (status == BASE_OK) status = count(s, &s->int8, pack, s->of_int8, s->fixed, err);
    }
    data_pack_close(pack);
    return status;
}

static quant_reading proportion(int64_t part, int64_t of, const char *what)
{
    quant_reading r = none("no such clip");
    if (of == 0) return r;
    r.value = (double)part / (double)of;
    data_wilson(part, of, &r.lo, &r.hi);
    snprintf(r.note, sizeof r.note, "%lld of %lld %s", (long long)part, (long long)of, what);
    return r;
}

static quant_reading accuracy_of(const int64_t *confusion, const quant_subject *s)
{
    const data_score score = data_score_all(confusion, (int)s->model->n_labels);
    return proportion(score.correct, score.n, "clips");
}

static base_status read_class(const gauge *s, const char *name, quant_reading *r, base_err *err)
{
    const nn_model *m = s->model.model;
    const char *word = strchr(name, '.') + 1;
    for (size_t k = 0; k < m->n_labels; k++) {
        if (strcmp(m->labels[k], word) != 0) continue;
        if (!s->confusion) {
            *r = none(s->no_clips);
            return BASE_OK;
        }
        const data_class_score c = data_score_class(s->confusion, (int)m->n_labels, (int)k);
        *r = begins(name, "recall.") ? proportion(c.correct, c.n, "clips")
                                     : proportion(c.correct, c.predicted, "heard");
        return BASE_OK;
    }
    base_fail(err, BASE_USAGE, "%s: '%s' is no label of %s", name, word, s->g->model);
    const char *near = base_nearest(word, (const char *const *)m->labels, m->n_labels);
    return near ? base_hint(err, "did you mean '%s'?", near) : err->status;
}

static base_status read_clips(const gauge *s, const char *name, quant_reading *r, base_err *err)
{
    const bool is_int8 = s->model.q8 != NULL;
    const int64_t *int8 = is_int8 ? s->confusion : s->of_int8;
    if (strchr(name, '.')) return read_class(s, name, r, err);
    *r = none(s->no_clips);
    if (!s->confusion) return BASE_OK;
    if (strcmp(name, "accuracy") == 0) {
        *r = accuracy_of(s->confusion, &s->model);
    } else if (strcmp(name, "macro_f1") == 0) {
        const int n = (int)s->model.model->n_labels;
        r->value = data_score_all(s->confusion, n).macro_f1;
        snprintf(r->note, sizeof r->note, "bootstrap");
        return data_macro_f1_interval(s->confusion, n, &r->lo, &r->hi, err);
    } else if (!s->device->q8) {
        *r = none("no int8 model was given");
    } else if (strcmp(name, "accuracy_int8") == 0) {
        *r = accuracy_of(int8, s->device);
    } else {
        *r = s->fixed ? accuracy_of(s->fixed, s->device) : none(s->no_fixed);
    }
    return BASE_OK;
}

/* ---- the board ---- */

/* The board; *known: whether one is given. */
static base_status load_board(gauge *s, bool *known, base_err *err)
{
    *known = s->g->board && s->g->board[0];
    if (*known) return quant_target_load(s->g->board, &s->target, err);
    snprintf(s->no_board, sizeof s->no_board, "target.board is not given");
    return BASE_OK;
}

/* As `sotto estimate` has s->work without options. */
static base_status estimate_work(gauge *s, base_err *err)
{
    BASE_TRY(quant_workload_listen(&s->work, 0, err));
    const quant_use use = {.runtime = QUANT_SOTTO,
                           .features = s->work.knows_features ? &s->work.features : NULL,
                           .frames = s->work.frames,
                           .front = s->work.front.kept ? &s->work.front : NULL};
    base_status status = quant_estimate_run(&s->work.deployed, &s->target, use, &s->estimate, err);
    s->estimated = status == BASE_OK;
    return status;
}

static base_status estimate(gauge *s, base_err *err)
{
    char *file = NULL;
    bool known;
    BASE_TRY(load_board(s, &known, err));
    if (!known) return BASE_OK;
    BASE_TRY(nn_model_path(s->g->int8 ? s->g->int8 : s->g->model, &file, err));
    base_status status = quant_workload_of_model(file, &s->work, err);
    free(file);
    return status == BASE_OK ? estimate_work(s, err) : status;
}

/* A figure times a factor, with the interval of its error. */
static quant_reading figure(const gauge *s, quant_figure f, double factor)
{
    quant_reading r = none("");
    if (!isfinite(f.value)) {
        snprintf(r.note, sizeof r.note, "not known of %.100s", s->target.name);
        return r;
    }
    const double e = isfinite(f.error) ? 1 + f.error / 100 : 1;
    r.value = f.value * factor;
    r.lo = r.value / e;
    r.hi = r.value * e;
    snprintf(r.note, sizeof r.note, "%s, +-%.0f %%", quant_basis_name(f.basis), f.error);
    return r;
}

/* The share of a second that the board computes, in percent. */
static quant_reading duty(const gauge *s)
{
    const quant_estimate *e = &s->estimate;
    quant_reading r = figure(s, e->latency, s->g->per_second / 10);
    if (!isfinite(r.value)) return r;
    const bool known = isfinite(e->frontend.value) && s->work.knows_features;
    if (known) {
        const dsp_config *f = &s->work.features;
        const quant_reading front = figure(s, e->frontend, f->rate / 10.0 / dsp_config_hop(f));
        r.value += front.value;
        r.lo += front.lo;
        r.hi += front.hi;
    }
    snprintf(r.note, sizeof r.note, "%g inferences a second%s", s->g->per_second,
             known ? " and the front-end" : "; the front-end is not known");
    return r;
}

static quant_reading current(const gauge *s)
{
    const quant_target *t = &s->target;
    const double mw = quant_target_power(t) * t->mhz, e = 1 + t->power_error / 100;
    const double volts = s->g->volts > 0 ? s->g->volts : t->volts;
    quant_reading r = duty(s);
    if (!isfinite(r.value)) return r;
    if (mw <= 0) return none("the power of the board is not known");
    if (volts <= 0) return none("the voltage of the board is not known: target.volts");
    const double ma = mw / volts;
    r.value *= ma / 100;
    r.lo *= ma / 100 / e;
    r.hi *= ma / 100 * e;
    snprintf(r.note, sizeof r.note, "%.3g mA at %g V while it computes", ma, volts);
    return r;
}

/* With front-end and post-processing, where these are known. */
static quant_reading memory(const gauge *s, quant_figure whole, quant_figure net)
{
    const bool known = isfinite(whole.value);
    quant_reading r = figure(s, known ? whole : net, 1.0 / 1024);
    const size_t n = strlen(r.note);
    snprintf(r.note + n, sizeof r.note - n, "%s%s%.100s", known ? "" : "; of the net alone",
             s->estimate.fits ? "" : "; does not fit: ", s->estimate.why);
    return r;
}

static quant_reading read_board(const gauge *s, const char *name)
{
    const quant_estimate *e = &s->estimate;
    if (!s->estimated) return none(s->no_board);
    if (strcmp(name, "flash_kb") == 0) return memory(s, e->whole_flash, e->flash);
    if (strcmp(name, "ram_kb") == 0) return memory(s, e->whole_ram, e->ram);
    if (strcmp(name, "latency_ms") == 0) return figure(s, e->latency, 1);
    if (strcmp(name, "energy_uj") == 0) return figure(s, e->energy, 1);
    if (strcmp(name, "duty_percent") == 0) return duty(s);
    return current(s);
}

/* ---- the recording ---- */

static quant_reading read_stream(const gauge *s, const char *name)
{
    const quant_score *score = &s->stream.score;
    if (!s->listened) return none("no recording with labels was given");
    if (strcmp(name, "frr") == 0) {
        quant_reading r = proportion(score->words - score->hits, score->words, "words missed");
        return r;
    }
    quant_reading r = none("");
    data_poisson(score->false_alarms, &r.lo, &r.hi);
    r.value = (double)score->false_alarms / s->stream.hours;
    r.lo /= s->stream.hours;
    r.hi /= s->stream.hours;
    snprintf(r.note, sizeof r.note, "%lld in %.2f hours", (long long)score->false_alarms,
             s->stream.hours);
    return r;
}

/* ---- all ---- */

static base_status open_models(gauge *s, base_err *err)
{
    BASE_TRY(quant_subject_load(s->g->model, &s->model, err));
    s->device = &s->model;
    if (!s->g->int8) return BASE_OK;
    if (s->model.q8)
        return base_fail(err, BASE_USAGE, "'%s' is an int8 model: it needs no --int8 %s",
                         s->g->model, s->g->int8);
    BASE_TRY(quant_subject_load(s->g->int8, &s->int8, err));
    if (!s->int8.q8) return base_fail(err, BASE_DATA, "'%s' is no int8 model", s->g->int8);
    s->device = &s->int8;
    return BASE_OK;
}

static base_status measure(gauge *s, const char *const *names, size_t n, base_err *err)
{
    bool clips = false, int8 = false, stream = false, board = false;
    for (size_t i = 0; i < n; i++) {
        const bool of_clips = is_of_clips(names[i]), of_stream = is_of_stream(names[i]);
        clips |= of_clips;
        int8 |= begins(names[i], "accuracy_");
        stream |= of_stream;
        board |= quant_gauge_is_of_board(names[i]);
    }
    if (board) BASE_TRY(estimate(s, err));
    if (clips) BASE_TRY(count_clips(s, int8, err));
    if (!stream || !s->g->recording || !s->g->labels) return BASE_OK;
    s->listened = true;
    return quant_gauge_listen(s->g, s->device, &s->stream, err);
}

base_status quant_gauge_read(const quant_gauge *g, const char *const *names, size_t n,
                             quant_reading *readings, double *threshold, base_err *err)
{
    gauge s = {.g = g};
    base_status status = open_models(&s, err);
    if (status == BASE_OK) status = measure(&s, names, n, err);
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        if (is_of_clips(names[i]))
            status = read_clips(&s, names[i], &readings[i], err);
        else
            readings[i] =
                is_of_stream(names[i]) ? read_stream(&s, names[i]) : read_board(&s, names[i]);
    }
    *threshold = s.listened ? s.stream.threshold : (double)NAN;
    if (s.estimated) quant_estimate_free(&s.estimate);
    quant_workload_free(&s.work);
    base_free(s.confusion);
    base_free(s.of_int8);
    base_free(s.fixed);
    quant_subject_free(&s.model);
    quant_subject_free(&s.int8);
    return status;
}

base_status quant_gauge_graph(const quant_gauge *g, nn_graph *graph, const dsp_config *features,
                              const char *const *names, size_t n, quant_reading *readings,
                              base_err *err)
{
    gauge s = {.g = g};
    bool known;
    base_status status = quant_workload_of_graph(graph, &s.work, err);
    if (status == BASE_OK) status = load_board(&s, &known, err);
    s.work.features = *features;
    s.work.knows_features = true;
    if (status == BASE_OK && known) status = estimate_work(&s, err);
    for (size_t i = 0; i < n && status == BASE_OK; i++) readings[i] = read_board(&s, names[i]);
    if (s.estimated) quant_estimate_free(&s.estimate);
    quant_workload_free(&s.work);
    return status;
}
