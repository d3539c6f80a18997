/* The operator registry and what operator files share: see nn/op.h. */
#include "nn/op.h"

#include "nn/graph.h"

#include <stdarg.h>
#include <string.h>

#define NN_OP(name) extern const nn_op nn_op_##name;
#include "nn/ops.def"
#undef NN_OP

#define NN_OP(name) &nn_op_##name,
const nn_op *const nn_ops[] = {
#include "nn/ops.def"
};
#undef NN_OP
const int nn_n_ops = BASE_COUNT(nn_ops);

const nn_op *nn_op_find(const char *name)
{
    for (int i = 0; i < nn_n_ops; i++)
        if (strcmp(nn_ops[i]->name, name) == 0) return nn_ops[i];
    return NULL;
}

const char *nn_op_nearest(const char *name)
{
    const char *names[BASE_COUNT(nn_ops)];
    for (int i = 0; i < nn_n_ops; i++) names[i] = nn_ops[i]->name;
    return base_nearest(name, names, BASE_COUNT(names));
}

base_status nn_op_fail(const nn_node *n, base_err *err, const char *fmt, ...)
{
    char message[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return base_fail(err, BASE_USAGE, "%s '%s': %s", n->op->name, n->name, message);
}

base_status nn_need_dims(const nn_node *n, int k, int dims, base_err *err)
{
    char buf[64];
    if (n->in[k]->shape.n == dims) return BASE_OK;
    return nn_op_fail(n, err, "input '%s' has shape %s, %d dimensions are needed", n->in[k]->name,
                      nn_shape_text(n->in[k]->shape, buf), dims);
}

void nn_begin(const nn_node *n, nn_args *a, int k)
{
    if (!nn_is_fresh(a, k) || !a->dx[k]) return;
    memset(a->dx[k], 0, (size_t)(a->batch * nn_count(n->in[k]->shape)) * sizeof(nn_real));
    a->fresh &= ~(1U << k);
}

base_status nn_same_as_input(nn_node *n, base_err *err)
{
    (void)err;
    n->shape = n->in[0]->shape;
    return BASE_OK;
}

base_status nn_reduced(const nn_node *n, nn_list axes, bool keep, nn_shape *out, base_err *err)
{
    char buf[64];
    nn_shape in = n->in[0]->shape;
    bool reduced[NN_MAX_DIMS] = {false};
    for (int i = 0; i < axes.n; i++) {
        int axis = axes.d[i];
        if (axis >= in.n || reduced[axis])
            return nn_op_fail(n, err, "axis %d %s of input '%s', which is %s", axis,
                              axis >= in.n ? "is none" : "is named twice", n->in[0]->name,
                              nn_shape_text(in, buf));
        reduced[axis] = true;
    }
    *out = (nn_shape){0};
    for (int i = 0; i < in.n; i++)
        if (keep || !reduced[i]) out->d[out->n++] = reduced[i] ? 1 : in.d[i];
    if (out->n == 0) *out = (nn_shape){1, {1}};
    return BASE_OK;
}

static base_status one_window(const nn_node *n, const char *axis, nn_window *w, nn_pad pad,
                              int before, int after, base_err *err)
{
    int64_t span = (int64_t)(w->kernel - 1) * w->dilation + 1;
    if (pad.kind == NN_SAME) {
        if (w->kernel > w->in)
            return nn_op_fail(n, err, "kernel %d is larger than the input's %d in %s", w->kernel,
                              w->in, axis);
        w->out = (w->in + w->stride - 1) / w->stride;
        int64_t need = (int64_t)(w->out - 1) * w->stride + span - w->in;
        w->before = need > 0 ? (int)(need / 2) : 0;
        return BASE_OK;
    }
    if (pad.kind == NN_VALID) before = after = 0;
    if (before >= span || after >= span)
        return nn_op_fail(n, err, "padding %d,%d in %s is not smaller than the kernel's %lld",
                          before, after, axis, (long long)span);
    int64_t room = (int64_t)w->in + before + after - span;
    if (room < 0)
        return nn_op_fail(n, err, "kernel %d (spans %lld) is larger than the input's %d in %s%s",
                          w->kernel, (long long)span, w->in, axis,
                          before + after ? " with padding" : "");
    w->out = (int)(room / w->stride) + 1;
    w->before = before;
    return BASE_OK;
}

/* `same` is TensorFlow's: out = ceil(in / stride), the odd padding element after. */
base_status nn_windows(const nn_node *n, const int kernel[2], const int stride[2],
                       const int dilation[2], nn_pad pad, nn_window win[2], base_err *err)
{
    BASE_TRY(nn_need_dims(n, 0, 3, err));
    for (int i = 0; i < 2; i++) {
        win[i] = (nn_window){.in = n->in[0]->shape.d[i],
                             .kernel = kernel[i],
                             .stride = stride[i],
                             .dilation = dilation[i]};
        BASE_TRY(one_window(n, i ? "frequency" : "time", &win[i], pad, pad.p[2 * i],
                            pad.p[2 * i + 1], err));
    }
    return BASE_OK;
}

static void under_axis(const nn_window *w, int out, int *lo, int *hi)
{
    *lo = out * w->stride - w->before;
    *hi = *lo + w->kernel < w->in ? *lo + w->kernel : w->in;
    if (*lo < 0) *lo = 0;
}

nn_box nn_under(const nn_window win[2], int h, int w)
{
    nn_box u;
    under_axis(&win[0], h, &u.h0, &u.h1);
    under_axis(&win[1], w, &u.w0, &u.w1);
    return u;
}
