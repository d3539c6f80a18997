/* sotto stream: what a model detects in recordings that go on, and how often it is wrong. */
#include "quantize/explain.h"
#include "quantize/posterior_options.h"
#include "quantize/stream.h"
#include "train/cli.h"

#include <stdlib.h>
#include <string.h>

enum { HOURS_MAX = 6 };

static const cli_spec spec = {
    .usage = "RUN|MODEL FILE...",
    .about =
        "Runs the model on the last second (what its features take) of a recording, every hop, "
        "and\n"
        "averages its scores: a word is detected when its average is the largest and reaches the\n"
        "threshold. This is the code that runs on the device (quantize/runtime/posterior.h). "
        "Files\n"
        "are of at most 6 hours; other rates are resampled. With --labels: words missed (false\n"
        "rejection rate), false alarms an hour, and what thresholds at given rates of false "
        "alarms\n"
        "would miss. An int8 model gets its features in integers, sample by sample, as on the\n"
        "device, or with --float-features those of `sotto eval`, window by window; where integers\n"
        "cannot compute them there are only these. --hop: step by step, as `sotto export --hop`.",
    .min_args = 2,
    .max_args = -1,
    .takes = CLI_THREADS,
};

typedef struct settings {
    quant_posterior posterior;
    const char *labels, *plot, *stream;
    double tolerance_ms;
    int roc, detections, float_features, hop;
} settings;

/* What is known once the model is. */
typedef struct stream {
    cli *c;
    const settings *set;
    quant_subject subject;
    dsp_config cfg;
    int hop; /* samples */
    q8_stream *steps;
    quant_pipeline device;
    bool fixed; /* features in integers: device */
    uint8_t *mute;
    sotto_posterior_t runtime; /* with mute */
    cli_table *table;          /* of detections; NULL: not wanted */
    double audio, seconds;
    int64_t inferences, found;
} stream;

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

/* ---- tables ---- */

static cli_table *detections_table(cli *c)
{
    static const cli_column columns[] = {{"file", NULL, CLI_TEXT, 0},
                                         {"seconds", NULL, CLI_REAL, 2},
                                         {"word", NULL, CLI_TEXT, 0},
                                         {"score", NULL, CLI_REAL, 3}};
    return cli_table_new(c, "detections", columns, BASE_COUNT(columns));
}

static void put_detections(const stream *s, const char *file, const quant_detections *found)
{
    for (size_t i = 0; i < found->n; i++) {
        const quant_detection *d = &found->list[i];
        cli_cell_text(s->table, file);
        cli_cell_real(s->table, d->seconds);
        cli_cell_text(s->table, s->subject.model->labels[d->word]);
        cli_cell_real(s->table, d->score);
    }
}

/* Rows are what was said, columns what was detected then. */
static base_status put_confusion(const stream *s, const int64_t *confusion, base_err *err)
{
    const nn_model *m = s->subject.model;
    const size_t n = m->n_labels, side = n + 1;
    cli_column *columns = base_alloc(n + 2, sizeof *columns);
    if (!columns) return base_nomem(err, n * sizeof *columns);
    columns[0] = (cli_column){.name = "said", .type = CLI_TEXT};
    for (size_t k = 0; k < n; k++) columns[k + 1] = (cli_column){m->labels[k], NULL, CLI_INT, 0};
    columns[side] = (cli_column){"nothing", NULL, CLI_INT, 0};
    cli_table *t = cli_table_new(s->c, "confusion", columns, (int)n + 2);
    for (size_t i = 0; i < side; i++) {
        cli_cell_text(t, i < n ? m->labels[i] : "nothing");
        for (size_t k = 0; k < side; k++) cli_cell_int(t, confusion[i * side + k]);
    }
    base_free(columns);
    return BASE_OK;
}

static void put_point(cli_table *t, const quant_operation *o)
{
    cli_cell_real(t, o->threshold);
    cli_cell_real(t, o->score.false_rejection_rate);
    cli_cell_real(t, o->score.false_alarms_per_hour);
}

static void put_curve(const stream *s, const quant_operation *curve)
{
    static const double wanted[] = {0.5, 1, 5, 10};
    static const cli_column columns[] = {
        {"false_alarms_per_hour_most", "alarms/h <=", CLI_REAL, 1},
        {"threshold", NULL, CLI_REAL, 4},
        {"false_rejection_rate", "missed", CLI_PERCENT, 2},
        {"false_alarms_per_hour", "alarms/h", CLI_REAL, 2},
    };
    cli_table *t = cli_table_new(s->c, "operating_points", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < BASE_COUNT(wanted); i++) {
        const quant_operation *o = quant_curve_at(curve, wanted[i]);
        cli_cell_real(t, wanted[i]);
        if (o) put_point(t, o);
        for (int k = 0; !o && k < 3; k++) cli_cell_text(t, NULL);
    }
    if (!s->set->roc) return;
    t = cli_table_new(s->c, "roc", columns + 1, BASE_COUNT(columns) - 1);
    for (int i = 0; i < QUANT_CURVE; i++) put_point(t, &curve[i]);
}

/* ---- one recording ---- */

static base_status score(const stream *s, const quant_heard *h, const quant_labels *said,
                         const quant_detections *found, base_err *err)
{
    const size_t side = s->subject.model->n_labels + 1;
    const double tolerance = s->set->tolerance_ms / 1000;
    const sotto_posterior_t *t = &s->runtime;
    int64_t *confusion = base_alloc(side * side, sizeof *confusion);
    quant_operation *curve = base_alloc(QUANT_CURVE, sizeof *curve);
    quant_score r;
    base_status status = confusion && curve ? BASE_OK : base_nomem(err, side * side);
    if (status == BASE_OK)
        status = quant_score_detections(h, t, said, found, tolerance, confusion, &r, err);
    if (status == BASE_OK) status = quant_curve(h, t, said, tolerance, curve, err);
    if (status == BASE_OK) {
        cli_put_int(s->c, "words", r.words);
        cli_put_int(s->c, "hits", r.hits);
        cli_put_percent(s->c, "false_rejection_rate", r.false_rejection_rate, 2);
        cli_put_int(s->c, "false_alarms", r.false_alarms);
        cli_put_real(s->c, "false_alarms_per_hour", r.false_alarms_per_hour, 2);
        put_curve(s, curve);
        status = put_confusion(s, confusion, err);
    }
    if (status == BASE_OK && s->set->plot) status = quant_plot_curve(curve, s->set->plot, err);
    base_free(confusion);
    base_free(curve);
    return status;
}

static base_status detect(stream *s, const char *file, const quant_heard *h,
                          const quant_labels *said, base_err *err)
{
    quant_detections found = {0};
    base_status status = quant_detect(h, &s->runtime, &found, err);
    if (status == BASE_OK) {
        s->found += (int64_t)found.n;
        if (s->table) put_detections(s, file, &found);
        if (said) status = score(s, h, said, &found, err);
    }
    free(found.list);
    return status;
}

static base_status hear_file(stream *s, const char *file, const quant_labels *said, base_err *err)
{
    dsp_audio audio;
    quant_heard h;
    const quant_listener l = {.subject = &s->subject,
                              .pipeline = s->fixed ? &s->device : NULL,
                              .hop = s->hop,
                              .threads = s->c->threads,
                              .progress = show,
                              .ctx = s->c};
    BASE_TRY(dsp_audio_read(file, s->cfg.rate, HOURS_MAX * 3600, &audio, err));
    const double begin = base_seconds();
    cli_progress_begin(s->c, "listening", "inferences",
                       1 + ((int64_t)audio.n - s->cfg.samples) / s->hop);
    base_status status = quant_hear(&l, audio.pcm, audio.n, &h, err);
    cli_progress_end(s->c);
    if (status == BASE_OK) {
        s->seconds += base_seconds() - begin;
        s->audio += (double)audio.n / audio.rate;
        s->inferences += h.n;
        status = detect(s, file, &h, said, err);
        quant_heard_free(&h);
    } else if (err->status == BASE_DATA) {
        const base_err why = *err;
        base_fail(err, BASE_DATA, "%s: %.400s", file, why.message);
    }
    dsp_audio_free(&audio);
    return status;
}

/* ---- all of them ---- */

static base_status hear_files(stream *s, base_err *err)
{
    cli *c = s->c;
    quant_labels said = {0};
    base_status status = BASE_OK;
    if (s->set->labels) status = quant_labels_read(s->set->labels, s->subject.model, &said, err);
    if (!s->set->labels || s->set->detections) s->table = detections_table(c);
    for (int i = 1; i < c->nargs && status == BASE_OK; i++)
        status = hear_file(s, c->args[i], s->set->labels ? &said : NULL, err);
    free(said.list);
    return status;
}

static base_status plan_steps(stream *s, base_err *err)
{
    static const char *const modes[] = QUANT_STREAM_MODES;
    int mode;
    if (!s->fixed) {
        base_fail(err, BASE_USAGE,
                  "--hop %d: steps are those of an int8 model with features in integers",
                  s->set->hop);
        return base_hint(err, "leave --hop out: the model then takes whole windows");
    }
    BASE_TRY(cli_check_choice("--stream", s->set->stream, modes, &mode, err));
    return q8_stream_new(s->subject.q8, (q8_stream_mode)mode, s->set->hop, &s->steps, err);
}

/* Everything that can be wrong with the model and the settings. */
static base_status open_stream(stream *s, base_err *err)
{
    const quant_posterior *p = &s->set->posterior;
    BASE_TRY(quant_subject_load(s->c->args[0], &s->subject, err));
    const nn_model *m = s->subject.model;
    BASE_TRY(quant_features(m, &s->cfg, err));
    BASE_TRY(quant_posterior_hop(p, &s->cfg, &s->hop, err));
    s->fixed =
        s->subject.q8 && !s->set->float_features && quant_pipeline_possible(s->subject.q8, NULL);
    if (s->set->hop) BASE_TRY(plan_steps(s, err));
    if (s->fixed) BASE_TRY(quant_pipeline_new(s->subject.q8, p, s->steps, &s->device, err));
    if (s->steps) s->hop = s->device.hop;
    s->mute = base_alloc(m->n_labels + 1, sizeof *s->mute);
    if (!s->mute) return base_nomem(err, m->n_labels);
    return quant_posterior_runtime(p, 1000.0 * s->hop / s->cfg.rate, m,
                                   quant_heard_quant(&s->subject), s->mute, &s->runtime, err);
}

static void put_summary(const stream *s)
{
    cli *c = s->c;
    cli_put_text(c, "model", c->args[0]);
    cli_put_text(c, "kind", s->subject.q8 ? "int8" : "float");
    cli_put_text(c, "features", s->fixed ? "fixed" : "float");
    if (s->steps) cli_put_text(c, "stream", q8_stream_mode_name(s->steps->mode));
    cli_put_real(c, "hop_ms", 1000.0 * s->hop / s->cfg.rate, 0);
    cli_put_int(c, "averaged", s->runtime.window);
    cli_put_real(c, "threshold", s->set->posterior.threshold, 3);
    cli_put_int(c, "min_count", s->runtime.min_count);
    cli_put_int(c, "suppressed", s->runtime.suppress);
    cli_put_real(c, "audio_seconds", s->audio, 1);
    cli_put_int(c, "inferences", s->inferences);
    cli_put_int(c, "detected", s->found);
    cli_put_real(c, "times_real_time", s->audio / s->seconds, 0);
}

static base_status check(const cli *c, const settings *set, base_err *err)
{
    BASE_TRY(cli_check_range("--tolerance-ms", set->tolerance_ms, 0, 10000, err));
    if (set->labels && c->nargs > 2)
        return base_fail(err, BASE_USAGE, "--labels are of one recording, not of %d", c->nargs - 1);
    if (!set->labels && (set->roc || set->plot)) {
        base_fail(err, BASE_USAGE, "%s needs --labels", set->roc ? "--roc" : "--plot");
        return base_hint(err, "`sotto data stream` makes a recording with labels");
    }
    return set->plot ? quant_plot_check(set->plot, err) : BASE_OK;
}

base_status cmd_stream(cli *c, int argc, char **argv, base_err *err)
{
    settings set = {.posterior = quant_posterior_default(), .tolerance_ms = 750, .stream = "auto"};
    quant_posterior *p = &set.posterior;
    const struct poptOption options[] = {
        QUANT_POSTERIOR_OPTIONS(p),
        QUANT_STREAM_OPTIONS(&set.hop, &set.stream),
        {"labels", 0, POPT_ARG_STRING, &set.labels, 0,
         "what was said: lines 'start end word', seconds", "FILE"},
        {"tolerance-ms", 0, POPT_ARG_DOUBLE, &set.tolerance_ms, 0,
         "a word may be detected so long after its end", "MS"},
        {"float-features", 0, POPT_ARG_NONE, &set.float_features, 0,
         "of an int8 model, by window, instead of in integers", NULL},
        {"detections", 0, POPT_ARG_NONE, &set.detections, 0, "list them with --labels too", NULL},
        {"roc", 0, POPT_ARG_NONE, &set.roc, 0, "the operating curve: 255 thresholds", NULL},
        {"plot", 0, POPT_ARG_STRING, &set.plot, 0, "the operating curve as a picture (gnuplot)",
         "X.png|X.svg"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(check(c, &set, err));
    stream s = {.c = c, .set = &set};
    base_status status = open_stream(&s, err);
    if (status == BASE_OK) status = hear_files(&s, err);
    if (status == BASE_OK) put_summary(&s);
    base_free(s.mute);
    quant_pipeline_free(&s.device);
    q8_stream_free(s.steps);
    quant_subject_free(&s.subject);
    return status;
}
