/* run: an int8 model on the host, with the kernels that a device runs. */
#include "nn/lower.h"
#include "quantize/internal.h"

#include <math.h>

size_t q8_input_size(const q8_model *m)
{
    return m->values[0].size;
}

size_t q8_output_size(const q8_model *m)
{
    return m->values[m->n_layers].size;
}

int q8_integer(const q8_value *v, const int8_t *y, size_t i)
{
    return v->wide ? nn_q8_x16(y)[i] : y[i];
}

void q8_quantize_input(const q8_model *m, const float *x, int8_t *q)
{
    const float scale = (float)m->values[0].quant.scale, zero = (float)m->values[0].quant.zero;
    for (size_t i = 0; i < m->values[0].size; i++) {
        const float v = roundf(x[i] / scale) + zero; /* halves away from zero */
        q[i] = (int8_t)(v < -128.0F ? -128.0F : v > 127.0F ? 127.0F : v);
    }
}

void q8_run(const q8_model *m, const int8_t *in, int8_t *out, int8_t *work)
{
    q8_observe(m, in, out, work, NULL, NULL);
}

void q8_observe(const q8_model *m, const int8_t *in, int8_t *out, int8_t *work, q8_observer observe,
                void *ctx)
{
    for (int k = 0; k < m->n_layers; k++) {
        const q8_layer *l = &m->layers[k];
        const int8_t *x[NN_MAX_IN] = {0};
        for (int j = 0; j < l->n_in; j++)
            x[j] = l->in[j] == 0 ? in : work + m->values[l->in[j]].offset;
        int8_t *y = k + 1 == m->n_layers ? out : work + m->values[k + 1].offset;
        q8_layer_run(&l->l, x, y, work + l->scratch);
        if (observe) observe(ctx, k, y);
    }
}

base_status q8_golden_outputs(const q8_model *m, int8_t **out, base_err *err)
{
    const size_t n = q8_output_size(m);
    int8_t *work = base_alloc(m->work + 1, 1);
    *out = base_alloc(m->n_golden * n + 1, 1);
    if (!work || !*out) {
        base_free(work);
        base_free(*out);
        return base_nomem(err, m->work);
    }
    for (size_t i = 0; i < m->n_golden; i++)
        q8_run(m, m->golden + i * q8_input_size(m), *out + i * n, work);
    base_free(work);
    return BASE_OK;
}
