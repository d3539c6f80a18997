/* See nn/loss.h. */
#include "nn/loss.h"

base_status nn_loss_shape(nn_node *n, base_err *err)
{
    char a[64], b[64];
    for (int k = 1; k < n->n_in; k++)
        if (!nn_same_shape(n->in[0]->shape, n->in[k]->shape))
            return nn_op_fail(n, err, "shapes differ: '%s' is %s, '%s' is %s", n->in[0]->name,
                              nn_shape_text(n->in[0]->shape, a), n->in[k]->name,
                              nn_shape_text(n->in[k]->shape, b));
    n->shape = (nn_shape){1, {1}};
    return BASE_OK;
}

base_status nn_logits_shape(nn_node *n, base_err *err)
{
    BASE_TRY(nn_need_dims(n, 0, 1, err));
    return nn_loss_shape(n, err);
}

nn_softmax nn_softmax_of(const nn_real *x, int k, double temperature)
{
    nn_softmax s = {.top = (double)x[0], .temperature = temperature};
    double sum = 0;
    for (int i = 1; i < k; i++)
        if (!((double)x[i] <= s.top)) s.top = (double)x[i]; /* a NaN too: it must reach the loss */
    for (int i = 0; i < k; i++) sum += exp(((double)x[i] - s.top) / temperature);
    s.log_sum = log(sum);
    return s;
}
