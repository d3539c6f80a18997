/* check: that the numbers of a layer do no harm, whatever its inputs are. Kernels add and shift
 * without looking: a sum of products with its bias, shifted to the left where its factor is 1 or
 * more, has to fit 32 bits. Which arrays form sums is data of the kernel (nn_q8_products).
 */
#include "quantize/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct array {
    const void *v;
    size_t n;
} array;

static array array_of(const nn_q8_layer *l, const char *name)
{
    for (int i = 0, k = 0; name && i < l->kernel->n_fields; i++) {
        const nn_q8_field *f = &l->kernel->fields[i];
        if (f->type == NN_Q8_INT) continue;
        if (strcmp(f->name, name) == 0) return (array){*q8_field_array(l, f), l->count[k]};
        k++;
    }
    return (array){0};
}

static size_t int_of(const nn_q8_layer *l, const char *name)
{
    for (int i = 0; i < l->kernel->n_fields; i++)
        if (strcmp(l->kernel->fields[i].name, name) == 0)
            return (size_t)*q8_field_int(l, &l->kernel->fields[i]);
    return 1;
}

static base_status wrong(const q8_layer *layer, const char *where, const char *field, size_t i,
                         int32_t value, const char *what, base_err *err)
{
    return base_fail(err, BASE_DATA, "%s: layer '%s': %s %zu is %d: %s", where, layer->name, field,
                     i, (int)value, what);
}

/* The largest sum of products of output o. */
static double products_of(const q8_layer *layer, const nn_q8_products *s, size_t o, size_t outputs)
{
    const array w = array_of(&layer->l, s->weight);
    const size_t channels = s->channels ? int_of(&layer->l, s->channels) : 0;
    const size_t fan = w.n / (channels ? channels : outputs), step = channels ? channels : 1;
    const int8_t *at = (const int8_t *)w.v + (channels ? o % channels : o * fan);
    double sum = 0;
    for (size_t i = 0; i < fan; i++) sum += abs(at[i * step]);
    return sum * s->most;
}

static base_status check_sum(const q8_layer *layer, const nn_q8_products *s, const char *where,
                             base_err *err)
{
    const array m = array_of(&layer->l, s->multiplier), b = array_of(&layer->l, s->bias);
    const int32_t *multiplier = m.v, *shift = array_of(&layer->l, s->shift).v, *bias = b.v;
    for (size_t o = 0; o < m.n; o++) {
        const int64_t size = llabs((long long)multiplier[o]);
        const bool biased = b.n > 0 && o >= m.n - b.n; /* fewer biases are those of the last */
        const size_t k = biased ? o - (m.n - b.n) : 0;
        const double most = products_of(layer, s, o, m.n) + (biased ? fabs((double)bias[k]) : 0.0);
        const double result = ldexp(most * (double)size, shift[o] - 31);
        if (ldexp(most, shift[o] > 0 ? shift[o] : 0) <= NN_Q8_BOUND_I8 && result <= s->bound)
            continue;
        return biased
                   ? wrong(layer, where, s->bias, k, bias[k], "its sum may overflow 32 bits", err)
                   : wrong(layer, where, s->shift, o, shift[o], "its sum may overflow 32 bits",
                           err);
    }
    return BASE_OK;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(name), n = strlen(end);
    return length >= n && strcmp(name + length - n, end) == 0;
}

static base_status check_field(const q8_layer *layer, const nn_q8_field *f, const char *where,
                               base_err *err)
{
    const array a = array_of(&layer->l, f->name);
    const int32_t *v = a.v;
    if (f->type != NN_Q8_I32S) return BASE_OK;
    const bool shift = ends_in(f->name, "shift"), multiplier = ends_in(f->name, "multiplier");
    for (size_t i = 0; i < a.n; i++) {
        const int64_t size = llabs((long long)v[i]);
        if (shift && (v[i] < -31 || v[i] > 30))
            return wrong(layer, where, f->name, i, v[i], "it must be within -31 .. 30", err);
        if (multiplier && size != 0 && (size < INT64_C(1) << 30 || size >= INT64_C(1) << 31))
            return wrong(layer, where, f->name, i, v[i], "neither 0 nor of 31 bits", err);
    }
    for (size_t i = 0; f->most && i < a.n; i++)
        if (v[i] < -f->most || v[i] > f->most)
            return wrong(layer, where, f->name, i, v[i], "it is too large", err);
    return BASE_OK;
}

static base_status check_places(const q8_model *m, const q8_layer *layer, const char *where,
                                base_err *err)
{
    int64_t inputs[NN_MAX_IN];
    if (!layer->l.kernel->harm) return BASE_OK;
    for (int k = 0; k < layer->n_in; k++) inputs[k] = nn_count(m->values[layer->in[k]].shape);
    const char *what = layer->l.kernel->harm(layer->l.p, inputs);
    return what ? base_fail(err, BASE_DATA, "%s: layer '%s': %s", where, layer->name, what)
                : BASE_OK;
}

static base_status check_layer(const q8_model *m, const q8_layer *layer, const char *where,
                               base_err *err)
{
    const nn_q8_kernel *kernel = layer->l.kernel;
    for (int i = 0; i < kernel->n_fields; i++)
        BASE_TRY(check_field(layer, &kernel->fields[i], where, err));
    for (int i = 0; i < kernel->n_sums; i++)
        BASE_TRY(check_sum(layer, &kernel->sums[i], where, err));
    return check_places(m, layer, where, err);
}

base_status q8_check(const q8_model *m, const char *where, base_err *err)
{
    base_arena *arena = base_arena_new();
    base_status status = arena ? BASE_OK : base_nomem(err, 1);
    for (int i = 0; i < m->n_layers && status == BASE_OK; i++) {
        q8_layer plain = m->layers[i]; /* packed weights as int8 */
        status = q8_unpack(&m->layers[i].l, arena, &plain.l, err);
        if (status == BASE_OK) status = check_layer(m, &plain, where, err);
    }
    base_arena_free(arena);
    return status;
}
