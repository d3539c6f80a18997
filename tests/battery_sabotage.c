/* Is the battery awake? Operators are copied, broken on purpose in one slot, and run through the
 * check that guards that slot: silence is a failure. */
#include "tests/battery.h"

#include "tests/check.h"
#include "tests/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- broken backwards: the true one, then its contribution to the first gradient is spoilt ----
 */

/* The operator's first gradient tensor: its first parameter but structure, or its first input. */
static nn_real *first_gradient(const nn_node *n, const nn_args *a, size_t *size)
{
    int k = 0;
    while (k < n->n_params && n->param[k].role == NN_STRUCTURE) k++;
    const bool param = k < n->n_params;
    *size = param ? n->param[k].count : (size_t)a->batch * (size_t)nn_count(n->in[0]->shape);
    return param ? a->dw[k] : a->dx[0];
}

/* What backward added becomes scale times that, in [from, to) of the tensor. */
static void spoil(const nn_node *n, const nn_args *a, double scale, double from, double to)
{
    size_t size;
    nn_real *g = first_gradient(n, a, &size);
    nn_real *before = malloc((size + 1) * sizeof *before);
    if (g) memcpy(before, g, size * sizeof *g);
    nn_op_find(n->op->name)->backward(n, a);
    for (size_t i = 0; g && i < size; i++) {
        double at = (double)i / (double)size;
        if (at >= from && at < to)
            g[i] = (nn_real)((double)before[i] + scale * ((double)g[i] - (double)before[i]));
    }
    free(before);
}

static void scaled_backward(const nn_node *n, const nn_args *a)
{
    spoil(n, a, 1.001, 0, 1);
}

static void flipped_backward(const nn_node *n, const nn_args *a)
{
    spoil(n, a, -1, 0, 1);
}

static void half_backward(const nn_node *n, const nn_args *a)
{
    spoil(n, a, 0, 0.5, 1);
}

/* Only one element of many is wrong. */
static void corner_backward(const nn_node *n, const nn_args *a)
{
    size_t size, i = 0;
    nn_real *g = first_gradient(n, a, &size);
    nn_op_find(n->op->name)->backward(n, a);
    while (g && i < size && g[i] == 0) i++;
    if (g && i < size) g[i] *= 2;
}

/* Overwrites instead of adding. */
static void writing_backward(const nn_node *n, const nn_args *a)
{
    size_t size;
    nn_real *g = first_gradient(n, a, &size);
    for (size_t i = 0; g && i < size; i++) g[i] = 0;
    nn_op_find(n->op->name)->backward(n, a);
}

/* ---- broken forwards ---- */

static void last_forward(const nn_node *n, const nn_args *a)
{
    nn_op_find(n->op->name)->forward(n, a);
    size_t last = (size_t)a->batch * (size_t)nn_count(n->shape) - 1;
    a->y[last] += (nn_real)(1e-3 * (1 + fabs((double)a->y[last])));
}

static void nan_to_zero_forward(const nn_node *n, const nn_args *a)
{
    nn_op_find(n->op->name)->forward(n, a);
    size_t many = (size_t)a->batch * (size_t)nn_count(n->shape);
    for (size_t i = 0; i < many; i++)
        if (isnan((double)a->y[i])) a->y[i] = 0;
}

/* Leaves its input changed from the first element on, as a bad in-place loop would. */
static void out_of_order_forward(const nn_node *n, const nn_args *a)
{
    size_t many = (size_t)a->batch * (size_t)nn_count(n->shape);
    if (a->y == a->x[0])
        for (size_t i = 1; i < many; i++) a->y[i] = a->y[i - 1];
    nn_op_find(n->op->name)->forward(n, a);
}

/* The second sample sees the first. */
static void leaking_forward(const nn_node *n, const nn_args *a)
{
    nn_op_find(n->op->name)->forward(n, a);
    size_t one = (size_t)nn_count(n->shape);
    for (size_t i = 0; a->batch > 1 && i < one; i++) a->y[one + i] += (nn_real)0.01 * a->y[i] + 1;
}

/* Observes the biased variance, as a hasty batchnorm would. */
static void biased_forward(const nn_node *n, const nn_args *a)
{
    nn_op_find(n->op->name)->forward(n, a);
    for (int k = 0; k < n->n_params; k++)
        for (size_t i = 0; n->param[k].role == NN_STATISTIC && i < n->param[k].count; i++)
            a->dw[k][i] *= (nn_real)0.99;
}

/* Draws nothing. */
static void sleeping_forward(const nn_node *n, const nn_args *a)
{
    nn_args evaluation = *a;
    evaluation.training = false;
    nn_op_find(n->op->name)->forward(n, &evaluation);
}

/* Draws the same in every step. */
static void stuck_forward(const nn_node *n, const nn_args *a)
{
    nn_args first = *a;
    first.step = 0;
    nn_op_find(n->op->name)->forward(n, &first);
}

/* ---- broken streams ---- */

/* Starts anew with every frame. */
static void forgetful_stream(const nn_node *n, const nn_args *a, nn_real *state)
{
    const nn_op *op = nn_op_find(n->op->name);
    for (size_t i = 0; i < op->state(n); i++) state[i] = 0;
    op->stream(n, a, state);
}

/* Leaves the end of the state as it was. */
static void stale_stream(const nn_node *n, const nn_args *a, nn_real *state)
{
    const nn_op *op = nn_op_find(n->op->name);
    size_t last = op->state(n) - 1;
    nn_real before = state[last];
    op->stream(n, a, state);
    state[last] = before;
}

/* The last number of a frame is a little off. */
static void inexact_stream(const nn_node *n, const nn_args *a, nn_real *state)
{
    nn_op_find(n->op->name)->stream(n, a, state);
    nn_real *y = a->y + nn_count(n->shape) / n->shape.d[0] - 1;
    *y += (nn_real)(1e-3 * (1 + fabs((double)*y)));
}

static size_t no_state(const nn_node *n)
{
    (void)n;
    return 0;
}

static void generous_cost(const nn_node *n, nn_cost *c)
{
    nn_op_find(n->op->name)->cost(n, c);
    c->macs--;
}

/* ---- running them ---- */

/* True when the check complains about any case of the operator in this form. */
static bool noticed(const nn_op *broken, battery_fn *check)
{
    bool heard = false;
    for (int i = 0; i < broken->n_cases && !heard; i++) {
        base_str why = {0};
        check(&(battery_case){.op = broken, .text = broken->cases[i]}, &why);
        heard = why.len > 0;
        base_str_free(&why);
    }
    return heard;
}

static void must_notice(const char *how, const nn_op *broken, battery_fn *check)
{
    if (!noticed(broken, check)) fail_msg("%s %s: the battery does not notice", broken->name, how);
}

static void broken_backwards(const nn_op *op)
{
    nn_op broken = *op;
    broken.backward = flipped_backward;
    must_notice("with its gradient negated", &broken, battery_gradient);
    broken.backward = scaled_backward;
    must_notice("with its gradient 0.1 % too large", &broken, battery_gradient);
    broken.backward = half_backward;
    must_notice("with half of its gradient", &broken, battery_gradient);
    broken.backward = corner_backward;
    must_notice("with one wrong element of its gradient", &broken, battery_gradient);
    broken.backward = writing_backward;
    must_notice("overwriting its gradient", &broken, battery_accumulates);
}

/* Flags that promise less memory than is read: what is read then is NaN. */
static void broken_flags(const nn_op *op)
{
    nn_op broken = *op;
    broken.flags &= ~(unsigned)(NN_KEEP_X | NN_KEEP_Y);
    if (broken.flags != op->flags) must_notice("without KEEP", &broken, battery_gradient);
}

static void broken_forwards(const nn_op *op)
{
    nn_op broken = *op;
    broken.forward = last_forward;
    must_notice("with its last output wrong", &broken, battery_forward);
    broken.forward = nan_to_zero_forward;
    must_notice("dropping NaN", &broken, battery_nan);
    broken.forward = leaking_forward;
    must_notice("leaking between samples", &broken, battery_singles);
    broken.forward = out_of_order_forward;
    if (op->flags & NN_INPLACE) must_notice("wrong in place", &broken, battery_in_place);
    broken.forward = biased_forward;
    if (strcmp(op->name, "batchnorm") == 0)
        must_notice("with a biased variance", &broken, battery_observed);
    broken = *op;
    broken.cost = generous_cost;
    if (op->cost) must_notice("with one MAC less", &broken, battery_cost);
}

static void broken_random(const nn_op *op)
{
    nn_op broken = *op;
    broken.forward = sleeping_forward;
    must_notice("drawing nothing", &broken, battery_random);
    broken.forward = stuck_forward;
    must_notice("without its step", &broken, battery_random);
}

static void broken_streams(const nn_op *op)
{
    nn_op broken = *op;
    if (!op->stream) return;
    broken.stream = forgetful_stream;
    must_notice("forgetting its state", &broken, battery_streaming);
    broken.stream = stale_stream;
    must_notice("with an old number in its state", &broken, battery_streaming);
    broken.stream = inexact_stream;
    must_notice("with an inexact stream", &broken, battery_streaming);
}

static void broken_descriptor(nn_op broken)
{
    base_str why = {0};
    battery_descriptor(&broken, &why);
    bool heard = why.len > 0;
    base_str_free(&why);
    assert_true(heard);
}

static void broken_descriptors(const nn_op *op)
{
    nn_op broken = *op;
    broken.n_cases = 0;
    broken_descriptor(broken);
    broken = *op;
    broken.name = "no_such_operator";
    broken_descriptor(broken);
    broken = *op;
    broken.lower = nn_op_find("add")->lower, broken.clamp = nn_op_find("relu")->clamp;
    broken_descriptor(broken);
    broken = *op;
    broken.cost = NULL;
    if (strcmp(op->name, "conv2d") == 0) broken_descriptor(broken);
    broken = *op;
    broken.stream = op->stream ? NULL : forgetful_stream;
    broken_descriptor(broken);
    broken = *op;
    broken.state = no_state;
    broken_descriptor(broken);
}

void battery_sabotage(void **state)
{
    (void)state;
    for (int i = 0; i < nn_n_ops; i++) {
        broken_descriptors(nn_ops[i]);
        if (nn_ops[i]->n_in == 0) continue;
        broken_forwards(nn_ops[i]);
        broken_flags(nn_ops[i]);
        if (oracle_find(nn_ops[i]->name)->random) broken_random(nn_ops[i]);
        broken_streams(nn_ops[i]);
        if (!oracle_find(nn_ops[i]->name)->random || sizeof(nn_real) == sizeof(double))
            broken_backwards(nn_ops[i]);
    }
}
