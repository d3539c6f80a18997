/* See train/teacher.h. */
#include "train/teacher.h"

#include <string.h>

/* "a, b, c" */
static void add_labels(base_str *text, const char *const *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) base_str_add(text, "%s%s", i ? ", " : "", labels[i]);
}

static base_status check_labels(const teacher *t, const teacher_pupil *pupil, base_err *err)
{
    const nn_model *m = t->from.model;
    if (nn_model_has_labels(m, pupil->labels, t->classes)) return BASE_OK;
    base_str theirs = {0}, ours = {0};
    add_labels(&theirs, (const char *const *)m->labels, m->n_labels);
    add_labels(&ours, pupil->labels, t->classes);
    if (theirs.failed || ours.failed)
        base_nomem(err, theirs.len + ours.len);
    else
        base_fail(err, BASE_USAGE, "the teacher knows %.220s; the classes here are %.220s",
                  theirs.len ? theirs.s : "no labels", ours.s);
    base_str_free(&theirs);
    base_str_free(&ours);
    return base_hint(err, "set data.keywords, data.unknown_share and data.silence_share as the "
                          "teacher's run did");
}

/* Does it take the very numbers that the student takes? */
static bool same_features(const teacher *t, const teacher_pupil *pupil)
{
    const nn_model *m = t->from.model;
    if (!dsp_config_equal(&t->features, pupil->features)) return false;
    if (t->features.normalize != DSP_NORMALIZE_FEATURE) return true;
    size_t bytes = m->n_stats * sizeof *m->mean;
    return memcmp(m->mean, pupil->mean, bytes) == 0 && memcmp(m->std, pupil->std, bytes) == 0;
}

static base_status check_features(teacher *t, const teacher_pupil *pupil, base_err *err)
{
    const nn_model *m = t->from.model;
    int frames, bins;
    BASE_TRY(dsp_config_parse(m->features, &t->features, err));
    dsp_config_shape(&t->features, &frames, &bins);
    t->inputs = (size_t)frames * (size_t)bins;
    const nn_node *in = nn_graph_input(m->graph, 0);
    bool fits = in && !nn_graph_input(m->graph, 1) && nn_count(in->shape) == (int64_t)t->inputs &&
                nn_count(nn_graph_output(m->graph)->shape) == (int64_t)m->n_labels;
    if (t->features.normalize == DSP_NORMALIZE_FEATURE && m->n_stats != (size_t)bins) fits = false;
    if (!fits)
        return base_fail(err, BASE_DATA,
                         "the graph of '%s' does not fit its %dx%d features and %zu labels",
                         t->from.path, frames, bins, m->n_labels);
    const dsp_config *ours = pupil->features;
    if (t->features.samples != ours->samples || t->features.rate != ours->rate)
        return base_fail(err, BASE_USAGE,
                         "the teacher '%s' hears %d samples at %d Hz, [features] has %d at %d Hz",
                         t->from.path, t->features.samples, t->features.rate, ours->samples,
                         ours->rate);
    t->own_features = !same_features(t, pupil);
    return BASE_OK;
}

static base_status open_net(teacher *t, const teacher_pupil *pupil, base_err *err)
{
    size_t batch = (size_t)pupil->batch;
    nn_net_options o = {.batch = pupil->batch, .pool = pupil->pool};
    BASE_TRY(nn_net_new(t->from.model->graph, o, &t->net, err));
    memcpy(nn_net_weights(t->net), t->from.model->weights,
           nn_graph_params(t->from.model->graph) * sizeof *t->from.model->weights);
    if (!t->own_features) return BASE_OK;
    t->x = base_alloc(batch * t->inputs, sizeof *t->x);
    return t->x ? BASE_OK : base_nomem(err, batch * t->inputs * sizeof *t->x);
}

base_status teacher_open(teacher *t, const char *path, const teacher_pupil *pupil, base_err *err)
{
    *t = (teacher){.classes = (size_t)pupil->classes};
    base_status status = parent_open(&t->from, path, err);
    if (status == BASE_OK) status = check_labels(t, pupil, err);
    if (status == BASE_OK) status = check_features(t, pupil, err);
    if (status == BASE_OK) status = open_net(t, pupil, err);
    if (status != BASE_OK) teacher_close(t);
    return status;
}

void teacher_close(teacher *t)
{
    nn_net_free(t->net);
    parent_close(&t->from);
    base_free(t->x);
    *t = (teacher){0};
}

void teacher_logits(teacher *t, const data_batch *b, const nn_real *x, nn_real *logits)
{
    for (size_t i = 0; t->own_features && i < (size_t)b->n * t->inputs; i++)
        t->x[i] = (nn_real)b->features2[i];
    nn_net_forward(t->net, (const nn_real *const[]){t->own_features ? t->x : x}, b->n, logits);
}
