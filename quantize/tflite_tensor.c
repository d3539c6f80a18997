/* tflite_tensor: tensors of a .tflite file as nodes, with everything that can be wrong. */
#include "quantize/tflite_import.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

base_status tfl_refuse(const tfl_importer *in, const tfl_op *op, const char *fmt, ...)
{
    char what[320], buf[32];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return base_fail(in->err, BASE_DATA, "'%.120s': operator %d (%s to '%.60s'): %s", in->t->file,
                     (int)(op - in->t->op), tflite_op_name(op->code, buf),
                     in->t->tensor[op->out].name, what);
}

/* ---- tensors ---- */

const tfl_tensor *tfl_tensor_of(const tfl_importer *in, const tfl_op *op, int i)
{
    return i < op->n_in && op->in[i] >= 0 ? &in->t->tensor[op->in[i]] : NULL;
}

/* The shape of one sample. */
base_status tfl_shape_of(const tfl_importer *in, const tfl_op *op, const tfl_tensor *t, nn_shape *s)
{
    if (t->rank < 2 || t->rank > NN_MAX_DIMS + 1 || t->dim[0] != 1)
        return tfl_refuse(in, op,
                          "tensor '%s' has %d dimensions, the first is %d; what is computed has "
                          "2 to %d and a batch of 1",
                          t->name, t->rank, t->rank ? t->dim[0] : 0, NN_MAX_DIMS + 1);
    s->n = t->rank - 1;
    for (int d = 0; d < s->n; d++) s->d[d] = t->dim[d + 1];
    return BASE_OK;
}

base_status tfl_quant_of(const tfl_importer *in, const tfl_op *op, const tfl_tensor *t, nn_quant *q)
{
    *q = (nn_quant){0};
    if (!in->int8) return BASE_OK;
    if (t->n_scales != 1 || !(t->scale[0] > 0.0F) || t->zero[0] < -128 || t->zero[0] > 127)
        return tfl_refuse(in, op, "tensor '%s' has no quantization of its own", t->name);
    *q = (nn_quant){(double)t->scale[0], t->zero[0]};
    return BASE_OK;
}

/* The node of input i, and that it is of the kind of the model. */
base_status tfl_source(const tfl_importer *in, const tfl_op *op, int i, nn_node **x)
{
    const tfl_tensor *t = tfl_tensor_of(in, op, i);
    if (!t || !in->node[op->in[i]])
        return tfl_refuse(in, op, "input %d ('%s') is a constant; there is no form of that here", i,
                          t ? t->name : "");
    if (t->type != (in->int8 ? TFL_INT8 : TFL_FLOAT32))
        return tfl_refuse(in, op, "tensor '%s' is of type %d, not %s as the others", t->name,
                          t->type, in->int8 ? "int8" : "float32");
    *x = in->node[op->in[i]];
    return BASE_OK;
}

base_status tfl_constant(const tfl_importer *in, const tfl_op *op, int i, int type,
                         const tfl_tensor **c)
{
    *c = tfl_tensor_of(in, op, i);
    if (!*c || (*c)->bytes == 0)
        return tfl_refuse(in, op, "input %d ('%s') must be a constant", i, *c ? (*c)->name : "");
    if ((*c)->type != type)
        return tfl_refuse(in, op,
                          "constant '%s' is of type %d, not %d (float32 0, int32 2, int8 9)",
                          (*c)->name, (*c)->type, type);
    return BASE_OK;
}

/* Up to `most` int32 constants. */
base_status tfl_integers(const tfl_importer *in, const tfl_op *op, int i, int most, int *n,
                         int v[TFL_MAX_DIMS * 2])
{
    const tfl_tensor *c;
    BASE_TRY(tfl_constant(in, op, i, TFL_INT32, &c));
    if (tflite_count(c) > most)
        return tfl_refuse(in, op, "constant '%s' has %lld numbers (at most %d)", c->name,
                          (long long)tflite_count(c), most);
    *n = (int)tflite_count(c);
    for (int k = 0; k < *n; k++) v[k] = tflite_i32(c, (size_t)k);
    return BASE_OK;
}

/* ---- nodes ---- */

/* A tensor's name when it can be that of a node, else "": one is made up. */
const char *tfl_name_for(const tfl_importer *in, const char *name)
{
    size_t n = 0;
    while (isalnum((unsigned char)name[n]) || name[n] == '_' || (n > 0 && name[n] == '.')) n++;
    return n > 0 && n < NN_MAX_NAME && !name[n] && !nn_graph_find(in->g, name) ? name : "";
}

/* Appends a node with the quantization of tensor t. */
base_status tfl_append(tfl_importer *in, const tfl_op *op, const char *name, const char *kind,
                       nn_node *const *x, int n_x, const tfl_tensor *t, nn_node **y,
                       const char *attrs)
{
    base_err err = {0};
    nn_quant q;
    BASE_TRY(tfl_quant_of(in, op, t, &q));
    *y = nn_append(in->g, kind, tfl_name_for(in, name), x, n_x, "%s", attrs);
    if (!*y) {
        nn_graph_check(in->g, &err);
        return tfl_refuse(in, op, "%s", err.message);
    }
    in->quant[(*y)->index] = q;
    return BASE_OK;
}

/* The result of an operator is node y. */
base_status tfl_result(tfl_importer *in, const tfl_op *op, nn_node *y)
{
    char is[64], wanted[64];
    nn_shape s;
    BASE_TRY(tfl_shape_of(in, op, &in->t->tensor[op->out], &s));
    if (!nn_same_shape(s, y->shape))
        return tfl_refuse(in, op, "gives %s, the file says %s", nn_shape_text(y->shape, is),
                          nn_shape_text(s, wanted));
    in->node[op->out] = y;
    return BASE_OK;
}

/* One node, a fused activation behind it, and that is the result of op. own: the name of the first
 * one when there are two. */
base_status tfl_compute(tfl_importer *in, const tfl_op *op, int act, const char *own,
                        const char *kind, nn_node *const *x, int n_x, nn_node **head,
                        const char *fmt, ...)
{
    static const char *const kinds[] = {NULL, "relu", "clip", "relu6"};
    char attrs[256];
    const tfl_tensor *out = &in->t->tensor[op->out];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(attrs, sizeof attrs, fmt, ap);
    va_end(ap);
    if (act < TFL_NONE || act > TFL_ACT_RELU6)
        return tfl_refuse(in, op, "activation %d is not known here", act);
    nn_node *y;
    BASE_TRY(tfl_append(in, op, act ? own : out->name, kind, x, n_x, out, &y, attrs));
    *head = y;
    if (act)
        BASE_TRY(tfl_append(in, op, out->name, kinds[act], head, 1, out, &y,
                            act == TFL_ACT_RELU_N1_TO_1 ? "lo=-1 hi=1" : ""));
    return tfl_result(in, op, y);
}

/* That what an operator passes on, or clamps, keeps its quantization. */
base_status tfl_same_quant(const tfl_importer *in, const tfl_op *op)
{
    nn_quant a, b;
    BASE_TRY(tfl_quant_of(in, op, &in->t->tensor[op->in[0]], &a));
    BASE_TRY(tfl_quant_of(in, op, &in->t->tensor[op->out], &b));
    if (a.scale >= b.scale && a.scale <= b.scale && a.zero == b.zero) return BASE_OK;
    return tfl_refuse(in, op, "changes scale %g to %g and zero point %d to %d", a.scale, b.scale,
                      a.zero, b.zero);
}

/* The only operator that reads the tensor op computes, when it is the next one. */
const tfl_op *tfl_only_reader(const tfl_importer *in, const tfl_op *op)
{
    const tfl_op *next = op + 1;
    const bool is = next < in->t->op + in->t->n_ops && next->in[0] == op->out;
    return is && in->readers[op->out] == 1 ? next : NULL;
}
