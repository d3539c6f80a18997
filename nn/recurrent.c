/* See nn/recurrent.h. */
#include "nn/recurrent.h"

#include "nn/blas.h"
#include "nn/vmath.h"

#include <string.h>

nn_history nn_history_every(const nn_recurrent *r, int width, nn_real **memory)
{
    nn_history rows = {*memory, r->frames * width, width};
    *memory += (ptrdiff_t)r->batch * r->frames * width;
    return rows;
}

nn_history nn_history_last(const nn_recurrent *r, int width, nn_real **memory)
{
    nn_history rows = {*memory, width, 0};
    *memory += (ptrdiff_t)r->batch * width;
    return rows;
}

nn_real *nn_history_row(nn_history rows, int sample, int frame)
{
    return rows.v + (ptrdiff_t)sample * rows.sample + (ptrdiff_t)frame * rows.frame;
}

base_status nn_recurrent_shape(nn_node *n, int out, bool sequence, int *in, base_err *err)
{
    char buf[64];
    nn_shape x = n->in[0]->shape;
    if (x.n < 2) {
        base_status s = nn_op_fail(n, err, "input '%s' has shape %s, time and values are needed",
                                   n->in[0]->name, nn_shape_text(x, buf));
        base_hint(err, "the first axis is time: give it a tensor [T, ...]");
        return s;
    }
    *in = (int)(nn_count(x) / x.d[0]);
    n->shape = sequence ? (nn_shape){3, {x.d[0], 1, out}} : (nn_shape){1, {out}};
    return BASE_OK;
}

int nn_recurrent_frame(const nn_recurrent *r, int s)
{
    return r->reverse ? r->frames - 1 - s : s;
}

void nn_recurrent_input(const nn_recurrent *r, const nn_real *x, const nn_real *w,
                        const nn_real *bias, nn_real *gates)
{
    int rows = r->batch * r->frames;
    for (int i = 0; i < rows; i++)
        memcpy(gates + (ptrdiff_t)i * r->gates, bias, (size_t)r->gates * sizeof *gates);
    nn_gemm(false, false, rows, r->gates, r->in, x, r->in, w, r->gates, 1, gates, r->gates);
}

void nn_recurrent_sums(int rows, int width, const nn_real *v, int ld, nn_real *sum)
{
    for (int i = 0; i < rows; i++, v += ld)
        for (int j = 0; j < width; j++) sum[j] += v[j];
}

void nn_recurrent_input_backward(const nn_recurrent *r, const nn_real *x, const nn_real *w,
                                 const nn_real *dgates, nn_real *dx, nn_real *dw, nn_real *dbias)
{
    int rows = r->batch * r->frames;
    nn_gemm(true, false, r->in, r->gates, rows, x, r->in, dgates, r->gates, 1, dw, r->gates);
    nn_recurrent_sums(rows, r->gates, dgates, r->gates, dbias);
    if (dx)
        nn_gemm(false, true, rows, r->in, r->gates, dgates, r->gates, w, r->gates, 1, dx, r->in);
}

nn_real *nn_recurrent_next(const nn_recurrent *r, nn_history rows, int sample, int s)
{
    if (rows.frame == 0) return nn_history_row(rows, sample, 0);
    return s + 1 < r->frames ? nn_history_row(rows, sample, nn_recurrent_frame(r, s + 1)) : NULL;
}

/* Where in y or dy the value of step s lies, or NULL. */
static ptrdiff_t output_at(const nn_recurrent *r, int sample, int s)
{
    if (r->sequence) return ((ptrdiff_t)sample * r->frames + nn_recurrent_frame(r, s)) * r->out;
    return s + 1 == r->frames ? (ptrdiff_t)sample * r->out : -1;
}

void nn_recurrent_emit(const nn_recurrent *r, int s, const nn_real *value, nn_real *y,
                       nn_history before)
{
    size_t bytes = (size_t)r->out * sizeof *value;
    for (int b = 0; b < r->batch; b++, value += r->out) {
        nn_real *next = nn_recurrent_next(r, before, b, s);
        ptrdiff_t at = output_at(r, b, s);
        if (next) memcpy(next, value, bytes);
        if (at >= 0) memcpy(y + at, value, bytes);
    }
}

void nn_recurrent_collect(const nn_recurrent *r, int s, const nn_real *dy, nn_real *dvalue)
{
    for (int b = 0; b < r->batch; b++, dvalue += r->out) {
        ptrdiff_t at = output_at(r, b, s);
        for (int j = 0; at >= 0 && j < r->out; j++) dvalue[j] += dy[at + j];
    }
}

void nn_recurrent_logistic(nn_real *v, int n)
{
    for (int i = 0; i < n; i++) v[i] = nn_vlogistic(v[i]);
}

void nn_recurrent_tanh(nn_real *v, int n)
{
    for (int i = 0; i < n; i++) v[i] = nn_vtanh(v[i]);
}
