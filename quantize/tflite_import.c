/* tflite_import: a .tflite file as a model. The weights of an int8 file are kept as they are, with
 * multipliers from its scales as TensorFlow Lite computes them; the float weights of the model are
 * what those stand for.
 */
#include "quantize/tflite_import.h"
#include "quantize/flatbuffer.h"
#include "quantize/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- weights ---- */

/* Where weight (o, tap, i) lies in the file. */
static size_t place(const tfl_weights *w, size_t o, size_t tap, size_t i)
{
    return w->depthwise ? tap * w->channels + o : (o * w->taps + tap) * w->inner + i;
}

static double scale_of(const tfl_tensor *t, size_t o)
{
    return (double)t->scale[t->n_scales > 1 ? o : 0];
}

/* The real number that weight `at` of output o stands for. */
static double weight_of(const tfl_weights *w, size_t o, size_t at)
{
    const bool int8 = w->w->type == TFL_INT8;
    return int8 ? scale_of(w->w, o) * (int8_t)w->w->data[at] : (double)tflite_f32(w->w, at);
}

static double bias_of(const tfl_importer *in, const tfl_weights *w, size_t o)
{
    return in->int8 ? w->in.scale * scale_of(w->w, o) * tflite_i32(w->b, o)
                    : (double)tflite_f32(w->b, o);
}

/* Ours are [taps][inner][channels]. */
static void fill_weights(const tfl_importer *in, nn_real *block)
{
    for (int k = 0; k < in->n_weights; k++) {
        const tfl_weights *w = &in->weights[k];
        nn_real *to = block + w->node->param[0].offset;
        for (size_t tap = 0; tap < w->taps; tap++)
            for (size_t i = 0; i < w->inner; i++)
                for (size_t o = 0; o < w->channels; o++)
                    *to++ = (nn_real)weight_of(w, o, place(w, o, tap, i));
        for (size_t o = 0; w->b && o < w->channels; o++)
            block[w->node->param[1].offset + o] = (nn_real)bias_of(in, w, o);
    }
}

/* gamma and beta; what is left of a batchnorm, mean 0 and variance 1, does nothing. */
static void fill_affine(const tfl_importer *in, nn_real *block)
{
    for (int k = 0; k < in->n_affine; k++) {
        const tfl_affine *a = &in->affine[k];
        for (int p = 0; p < a->node->n_params; p++) {
            const nn_param *to = &a->node->param[p];
            const tfl_tensor *from = strcmp(to->name, "gamma") == 0  ? a->mul
                                     : strcmp(to->name, "beta") == 0 ? a->add
                                                                     : NULL;
            const size_t n = from ? (size_t)tflite_count(from) : 1;
            const nn_real all = strcmp(to->name, "var") == 0;
            for (size_t i = 0; i < to->count; i++)
                block[to->offset + i] = from ? (nn_real)tflite_f32(from, i % n) : all;
        }
    }
}

/* ---- int8 ---- */

/* An array of a layer that the lowering has made, to be filled. */
static void *array_of(const q8_layer *l, const char *name)
{
    for (int f = 0; f < l->l.kernel->n_fields; f++)
        if (strcmp(l->l.kernel->fields[f].name, name) == 0)
            return (void *)(uintptr_t)*q8_field_array(&l->l, &l->l.kernel->fields[f]);
    return NULL;
}

/* What one unit of output o's accumulator stands for. TensorFlow Lite multiplies the scales of a
 * FULLY_CONNECTED with one scale in single precision, others in double. */
static double product_of(const tfl_weights *w, size_t o)
{
    const float scale = w->w->scale[w->w->n_scales > 1 ? o : 0], in = (float)w->in.scale;
    const bool single = w->w->rank == 2 && w->w->n_scales == 1;
    return single ? (double)(in * scale) : (double)in * (double)scale;
}

/* Whether output o's sum stays within 32 bits whatever the input is, also when requantized. */
static bool sum_fits(const tfl_weights *w, size_t o, int32_t bias, int32_t shift)
{
    double most = fabs((double)bias);
    for (size_t tap = 0; tap < w->taps; tap++)
        for (size_t i = 0; i < w->inner; i++)
            most += 255.0 * abs((int8_t)w->w->data[place(w, o, tap, i)]);
    return ldexp(most, shift > 0 ? shift : 0) < 2147483647.0 - 256.0;
}

/* Replaces what the lowering made of the float weights by what the file says. */
static base_status fill_layer(const tfl_importer *in, const tfl_weights *w, const q8_layer *l)
{
    int8_t *weight = array_of(l, "weight");
    int32_t *bias = array_of(l, "bias"), *multiplier = array_of(l, "multiplier");
    int32_t *shift = array_of(l, "shift");
    const bool by_tap = strcmp(w->node->op->name, "dwconv2d") == 0;
    for (size_t o = 0; o < w->channels; o++) {
        for (size_t tap = 0; tap < w->taps; tap++)
            for (size_t i = 0; i < w->inner; i++)
                weight[by_tap ? tap * w->channels + o : (o * w->taps + tap) * w->inner + i] =
                    (int8_t)w->w->data[place(w, o, tap, i)];
        bias[o] = w->b ? tflite_i32(w->b, o) : 0;
        if (!nn_q8_multiplier(product_of(w, o) / w->out.scale, &multiplier[o], &shift[o]))
            return base_fail(in->err, BASE_DATA,
                             "'%s': output %zu of weights '%s' cannot be requantized: scales %g * "
                             "%g / %g",
                             in->t->file, o, w->w->name, w->in.scale, scale_of(w->w, o),
                             w->out.scale);
        if (!sum_fits(w, o, bias[o], shift[o]))
            return base_fail(in->err, BASE_DATA,
                             "'%s': output %zu of weights '%s' may overflow 32 bits: bias %d",
                             in->t->file, o, w->w->name, (int)bias[o]);
    }
    return BASE_OK;
}

static base_status finish_int8(tfl_importer *in, q8_model *q)
{
    const size_t n = (size_t)nn_graph_nodes(q->folded.graph);
    q->arena = base_arena_new();
    q->quant = q->arena ? base_arena_alloc(q->arena, n, sizeof *q->quant) : NULL;
    if (!q->quant) return base_nomem(in->err, n * sizeof *q->quant);
    memcpy(q->quant, in->quant, n * sizeof *q->quant);
    base_err err = {0};
    if (q8_lower(q, &err) != BASE_OK) {
        base_fail(in->err, BASE_DATA, "'%.120s': %.360s", in->t->file, err.message);
        return base_hint(in->err, "%s", err.hint);
    }
    for (int k = 0; k < in->n_weights; k++)
        for (int i = 0; i < q->n_layers; i++)
            if (q->layers[i].node == in->weights[k].node->index)
                BASE_TRY(fill_layer(in, &in->weights[k], &q->layers[i]));
    return q8_pick_golden(q, NULL, 0, in->err);
}

/* ---- what lies beside the graph ---- */

static const tfl_metadata *metadata_of(const tfl_model *t, const char *name)
{
    for (int i = 0; i < t->n_metadata; i++)
        if (strcmp(t->metadata[i].name, name) == 0) return &t->metadata[i];
    return NULL;
}

/* A text of the metadata, "" when there is none; freed with free(). */
static char *text_of(const tfl_model *t, const char *name)
{
    base_str s = {0};
    const tfl_metadata *d = metadata_of(t, name);
    base_str_add(&s, "%.*s", d ? (int)d->bytes : 0, d ? (const char *)d->data : "");
    if (!s.failed) return s.s;
    base_str_free(&s);
    return NULL;
}

/* Numbers of the metadata, NULL when there are none; freed with base_free. */
static base_status numbers_of(const tfl_model *t, const char *name, float **v, size_t *n,
                              base_err *err)
{
    const tfl_metadata *d = metadata_of(t, name);
    *v = NULL;
    *n = d ? d->bytes / 4 : 0;
    if (*n == 0) return BASE_OK;
    *v = base_alloc(*n, sizeof **v);
    if (!*v) return base_nomem(err, *n * sizeof **v);
    for (size_t i = 0; i < *n; i++) (*v)[i] = fb_load_f32(d->data + 4 * i);
    return BASE_OK;
}

/* The lines of a text as nn_model keeps labels. */
static char **lines_of(const char *text, size_t *n)
{
    *n = 0;
    for (const char *s = text; *s; s++) *n += *s == '\n';
    char **list = calloc(1, (*n + 1) * sizeof(char *) + strlen(text) + 1);
    if (!list) return NULL;
    char *at = strcpy((char *)(list + *n + 1), text);
    for (size_t i = 0; i < *n; i++) {
        list[i] = at;
        at = strchr(at, '\n');
        *at++ = '\0';
    }
    return list;
}

static base_status read_stats(const tfl_model *t, nn_model *m, base_err *err)
{
    size_t n;
    BASE_TRY(numbers_of(t, "sotto.mean", &m->mean, &m->n_stats, err));
    BASE_TRY(numbers_of(t, "sotto.std", &m->std, &n, err));
    if (n == m->n_stats) return BASE_OK;
    return base_fail(err, BASE_DATA, "'%s': there are %zu means, but %zu deviations", t->file,
                     m->n_stats, n);
}

static base_status describe(const tfl_model *t, const tflite_given *given, nn_model *m,
                            base_err *err)
{
    base_str labels = {0}, provenance = {0};
    char *own = text_of(t, "sotto.labels"), *before = text_of(t, "sotto.provenance");
    const char *slash = strrchr(t->file, '/');
    for (size_t i = 0; i < given->n_labels; i++) base_str_add(&labels, "%s\n", given->labels[i]);
    base_str_add(&labels, "%s", given->n_labels ? "" : own ? own : "");
    base_str_add(&provenance, "%s", before ? before : "");
    if (provenance.len == 0)
        base_str_add(&provenance, "imported.file = %s\n", slash ? slash + 1 : t->file);
    m->features = given->features ? base_strdup(given->features) : text_of(t, "sotto.features");
    m->labels = labels.failed ? NULL : lines_of(labels.s, &m->n_labels);
    m->provenance = provenance.s;
    const bool failed = !own || !before || provenance.failed || !m->features || !m->labels;
    base_str_free(&labels);
    free(own);
    free(before);
    return failed ? base_nomem(err, 1) : read_stats(t, m, err);
}

/* ---- all of it ---- */

static base_status prepare(tfl_importer *in)
{
    const size_t tensors = (size_t)in->t->n_tensors, ops = (size_t)in->t->n_ops;
    const size_t nodes = (TFL_MAX_DIMS + 2) * ops + 1; /* a slice is one for each axis */
    in->arena = base_arena_new();
    in->g = nn_graph_new();
    if (!in->arena || !in->g) return base_nomem(in->err, 1);
    in->node = base_arena_alloc(in->arena, tensors, sizeof *in->node);
    in->pad = base_arena_alloc(in->arena, tensors, sizeof *in->pad);
    in->readers = base_arena_alloc(in->arena, tensors, sizeof *in->readers);
    in->done = base_arena_alloc(in->arena, ops, sizeof *in->done);
    in->quant = base_arena_alloc(in->arena, nodes, sizeof *in->quant);
    in->weights = base_arena_alloc(in->arena, ops, sizeof *in->weights);
    in->affine = base_arena_alloc(in->arena, ops, sizeof *in->affine);
    if (!in->affine || !in->node || !in->pad || !in->readers || !in->done || !in->quant ||
        !in->weights)
        return base_nomem(in->err, nodes);
    for (size_t k = 0; k < ops; k++) in->int8 |= in->t->tensor[in->t->op[k].out].type == TFL_INT8;
    return BASE_OK;
}

/* Graph, weights and what lies beside them; int8 models have these too. */
static base_status read_float(tfl_importer *in, const tflite_given *given, nn_model *m)
{
    base_status status = prepare(in);
    if (status == BASE_OK) status = tfl_graph(in);
    m->graph = in->g;
    BASE_TRY(status);
    const size_t count = nn_graph_params(in->g);
    m->weights = base_alloc(count + 1, sizeof *m->weights);
    if (!m->weights) return base_nomem(in->err, count * sizeof *m->weights);
    fill_weights(in, m->weights);
    fill_affine(in, m->weights);
    return describe(in->t, given, m, in->err);
}

base_status tflite_import(const tfl_model *t, const tflite_given *given, nn_model **m,
                          q8_model **q8, base_err *err)
{
    tfl_importer in = {.t = t, .err = err};
    *m = NULL;
    *q8 = NULL;
    q8_model *q = calloc(1, sizeof *q);
    nn_model *f = calloc(1, sizeof *f);
    base_status status = q && f ? read_float(&in, given, f) : base_nomem(err, sizeof *q);
    if (status == BASE_OK && in.int8) {
        q->folded = *f;
        *f = (nn_model){0};
        status = finish_int8(&in, q);
    }
    base_arena_free(in.arena);
    if (status == BASE_OK && in.int8) {
        *q8 = q;
        q = NULL;
    } else if (status == BASE_OK) {
        *m = f;
        f = NULL;
    }
    q8_model_free(q);
    nn_model_free(f);
    return status;
}
