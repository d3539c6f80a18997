/* bias: what quantization moves on average is given back (Nagel et al., arXiv 1906.04721, measured
 * on data rather than derived). Rounded weights and clipped inputs shift the mean of each output
 * channel; for the layers in their order, with inputs that the integer layers before (corrected
 * already) compute from real clips, the mean of W x + b of each channel is brought back to that of
 * the float graph through the int32 bias.
 *
 * Driven by the kernels' field tables: what has fields bias, multiplier, shift, lo, hi and out_zero
 * is y = (W x + b) multiplier, by channel. A copy of such a layer without its clamp, and with a
 * multiplier for each channel that makes the most of 8 or 16 bits, shows W x + b of the integers.
 * The kernels are slow beside the float net, so at most MOST_CLIPS are looked at.
 */
#include "nn/lower.h"
#include "quantize/internal.h"

#include <math.h>
#include <string.h>

enum { BATCH = 32, MOST_CLIPS = 128 };

/* The fields of one layer. */
typedef struct layer_fields {
    size_t channels;
    int32_t *lo, *hi, *out_zero, *bias, *multiplier, *shift;
    size_t fan; /* weights of a channel */
} layer_fields;

/* The float mean and largest magnitude of each channel of one layer, before activations. */
typedef struct channels {
    size_t n; /* 0: the layer has no bias to correct */
    double *mean, *largest;
} channels;

typedef struct correcting {
    q8_model *m;
    channels *of;    /* each layer */
    int8_t *in, *at; /* quantized inputs and work buffers of all samples */
    size_t n, work;
    base_arena *arena;
} correcting;

static bool fields_of(const nn_q8_layer *l, layer_fields *f)
{
    *f = (layer_fields){0};
    const struct {
        const char *name;
        int32_t **at;
    } wanted[] = {{"lo", &f->lo},       {"hi", &f->hi},
                  {"bias", &f->bias},   {"multiplier", &f->multiplier},
                  {"shift", &f->shift}, {"out_zero", &f->out_zero}};
    size_t found = 0, weights = 0;
    for (int i = 0, array = 0; i < l->kernel->n_fields; i++) {
        const nn_q8_field *field = &l->kernel->fields[i];
        const size_t count = field->type == NN_Q8_INT ? 1 : l->count[array++];
        const bool is_weight = field->type == NN_Q8_I8S || field->type == NN_Q8_I4S;
        if (is_weight) weights += count;
        for (size_t k = 0; k < BASE_COUNT(wanted); k++) {
            if (is_weight || strcmp(field->name, wanted[k].name) != 0) continue;
            /* the arena's memory, made by the lowering */
            *wanted[k].at = field->type == NN_Q8_INT
                                ? q8_field_int(l, field)
                                : (int32_t *)(uintptr_t)*q8_field_array(l, field);
            found++;
            if (wanted[k].at == &f->multiplier) f->channels = count;
        }
    }
    if (found < BASE_COUNT(wanted) || f->channels == 0) return false;
    f->fan = weights / f->channels;
    return true;
}

static void see(void *ctx, const nn_node *node, const nn_real *y, int samples)
{
    const correcting *c = ctx;
    const size_t count = (size_t)samples * (size_t)nn_count(node->shape);
    for (int k = 0; k < c->m->n_layers; k++) {
        const channels *s = &c->of[k];
        if (c->m->layers[k].node != node->index || s->n == 0) continue;
        for (size_t i = 0; i < count; i++) {
            const double v = (double)y[i];
            s->mean[i % s->n] += v * (double)s->n / (double)nn_count(node->shape) / (double)c->n;
            s->largest[i % s->n] = fmax(s->largest[i % s->n], fabs(v));
        }
    }
}

static base_status see_floats(correcting *c, const nn_real *inputs, base_err *err)
{
    const nn_model *f = &c->m->folded;
    const size_t in = q8_input_size(c->m);
    nn_net *net = NULL;
    BASE_TRY(nn_net_new(f->graph, (nn_net_options){.batch = BATCH, .shards = 1}, &net, err));
    memcpy(nn_net_weights(net), f->weights, nn_graph_params(f->graph) * sizeof *f->weights);
    for (size_t i = 0; i < c->n; i += BATCH) {
        const nn_real *x = inputs + i * in;
        nn_net_observe(net, &x, c->n - i < BATCH ? (int)(c->n - i) : BATCH, NULL, see, c);
    }
    nn_net_free(net);
    return BASE_OK;
}

static void run_layer(const correcting *c, size_t sample, int k, const nn_q8_layer *l, int8_t *y)
{
    const q8_model *m = c->m;
    int8_t *work = c->at + sample * c->work;
    const int8_t *x[NN_MAX_IN] = {0};
    for (int j = 0; j < m->layers[k].n_in; j++) {
        const int v = m->layers[k].in[j];
        x[j] = v == 0 ? c->in + sample * q8_input_size(m) : work + m->values[v].offset;
    }
    q8_layer_run(l, x, y ? y : work + m->values[k + 1].offset, work + m->layers[k].scratch);
}

/* A copy of the layer that shows W x + b: channel o in steps of step[o]. */
static base_status bare_layer(correcting *c, int k, nn_q8_layer *bare, double *step, double *unit,
                              base_err *err)
{
    const nn_q8_layer *l = &c->m->layers[k].l;
    const double scale = c->m->values[k + 1].quant.scale;
    layer_fields own, f;
    *bare = *l;
    bare->p = base_arena_alloc(c->arena, 1, l->kernel->size);
    if (!bare->p) return base_nomem(err, l->kernel->size);
    memcpy(bare->p, l->p, l->kernel->size);
    fields_of(l, &own);
    for (int i = 0; i < l->kernel->n_fields; i++) { /* multiplier and shift of its own */
        const nn_q8_field *field = &l->kernel->fields[i];
        if (strcmp(field->name, "multiplier") != 0 && strcmp(field->name, "shift") != 0) continue;
        *q8_field_array(bare, field) = base_arena_alloc(c->arena, own.channels, sizeof *f.shift);
        if (!*q8_field_array(bare, field)) return base_nomem(err, own.channels);
    }
    fields_of(bare, &f);
    const int most = c->m->values[k + 1].wide ? 32767 : 127;
    *f.lo = c->m->values[k + 1].wide ? -most : -128;
    *f.hi = most;
    *f.out_zero = 0;
    for (size_t o = 0; o < f.channels; o++) {
        unit[o] = ldexp(own.multiplier[o], own.shift[o] - 31) * scale;
        step[o] = 1.25 * c->of[k].largest[o] / most;
        if (!(unit[o] > 0.0 && step[o] > 0.0) ||
            !nn_q8_multiplier(unit[o] / step[o], &f.multiplier[o], &f.shift[o]))
            step[o] = 0.0; /* says nothing */
    }
    return BASE_OK;
}

static base_status correct_layer(correcting *c, int k, base_err *err)
{
    const q8_value *v = &c->m->values[k + 1];
    const size_t size = (size_t)nn_count(v->shape);
    nn_q8_layer bare;
    layer_fields f;
    fields_of(&c->m->layers[k].l, &f);
    double *step = base_arena_alloc(c->arena, f.channels, sizeof *step);
    double *unit = base_arena_alloc(c->arena, f.channels, sizeof *unit);
    int64_t *sum = base_arena_alloc(c->arena, f.channels, sizeof *sum);
    int8_t *y = base_arena_alloc(c->arena, v->size, 1);
    if (!step || !unit || !sum || !y) return base_nomem(err, size);
    BASE_TRY(bare_layer(c, k, &bare, step, unit, err));
    for (size_t s = 0; s < c->n; s++) {
        run_layer(c, s, k, &bare, y);
        for (size_t i = 0; i < size; i++) sum[i % f.channels] += q8_integer(v, y, i);
    }
    const double count = (double)(c->n * (size / f.channels));
    const double room = nn_q8_room(&(nn_q8_context){.wide = v->wide}, f.fan);
    for (size_t o = 0; o < f.channels; o++) {
        if (!(step[o] > 0.0)) continue;
        const double error = (double)sum[o] / count * step[o] - c->of[k].mean[o];
        const double bias = round(f.bias[o] - error / unit[o]);
        f.bias[o] = (int32_t)fmax(-room, fmin(room, bias));
    }
    return BASE_OK;
}

static base_status find_layers(correcting *c, base_err *err)
{
    for (int k = 0; k < c->m->n_layers; k++) {
        layer_fields f;
        channels *of = &c->of[k];
        const nn_shape y = c->m->values[k + 1].shape;
        if (!fields_of(&c->m->layers[k].l, &f)) continue;
        if (f.channels != (size_t)y.d[y.n - 1]) continue; /* gates, or channels by bands */
        of->n = f.channels;
        of->mean = base_arena_alloc(c->arena, of->n, sizeof *of->mean);
        of->largest = base_arena_alloc(c->arena, of->n, sizeof *of->largest);
        if (!of->mean || !of->largest) return base_nomem(err, of->n);
    }
    return BASE_OK;
}

static base_status correct(correcting *c, const nn_real *inputs, base_err *err)
{
    const q8_model *m = c->m;
    const size_t in = q8_input_size(m);
    c->arena = base_arena_new();
    if (!c->arena) return base_nomem(err, 1);
    c->work = (m->work + 4) / 4 * 4;
    c->of = base_arena_alloc(c->arena, (size_t)m->n_layers, sizeof *c->of);
    c->in = base_arena_alloc(c->arena, c->n * in, 1);
    c->at = base_arena_alloc(c->arena, c->n, c->work);
    float *x = base_arena_alloc(c->arena, in, sizeof *x);
    if (!c->of || !c->in || !c->at || !x) return base_nomem(err, c->n * (in + c->work));
    for (size_t s = 0; s < c->n; s++) {
        for (size_t i = 0; i < in; i++) x[i] = (float)inputs[s * in + i];
        q8_quantize_input(m, x, c->in + s * in);
    }
    BASE_TRY(find_layers(c, err));
    BASE_TRY(see_floats(c, inputs, err));
    for (int k = 0; k < m->n_layers; k++) {
        if (c->of[k].n) BASE_TRY(correct_layer(c, k, err));
        for (size_t s = 0; s < c->n && k + 1 < m->n_layers; s++)
            run_layer(c, s, k, &m->layers[k].l, NULL);
    }
    return BASE_OK;
}

base_status q8_correct_bias(q8_model *m, const nn_real *inputs, size_t n, base_err *err)
{
    correcting c = {.m = m, .n = n < MOST_CLIPS ? n : MOST_CLIPS};
    const base_status status = correct(&c, inputs, err);
    base_arena_free(c.arena);
    return status;
}
