/* oracle: every operator of nn/ops.def once more, in double, from the formulas in nn/nn.h and the
 * papers, by another route than a kernel would take: windows are walked from the padded input
 * outwards (scatter), variances by Welford's update, softmax without its shift, attributes from
 * their text. Nothing of nn/ is used but shapes of inputs and nn_attr_get, so that a mistake in
 * shape inference, in attribute parsing or in a kernel has nothing to agree with.
 */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include "nn/nn.h"

typedef struct oracle_param {
    const char *name;
    nn_shape shape;
    nn_role role;
} oracle_param;

/* One forward pass of `batch` samples. */
typedef struct oracle_call {
    const nn_node *node;
    int batch;
    bool training;
    const double *x[NN_MAX_IN];
    const double *w[NN_MAX_PARAMS];
    double *y;
    double *observed[NN_MAX_PARAMS]; /* statistics of the batch, training only; NULL: not wanted */
    int64_t macs;                    /* counted while computing, taps on padding included */
} oracle_call;

typedef struct oracle {
    const char *op;
    nn_shape (*shape)(const nn_node *n);
    int (*params)(const nn_node *n, oracle_param out[NN_MAX_PARAMS]); /* NULL: none */
    void (*forward)(oracle_call *c);                                  /* NULL: input */
    bool random; /* forward knows evaluation only, training draws numbers */
} oracle;

const oracle *oracle_find(const char *op); /* NULL when the operator has no oracle */

/* ---- for the oracle's own files ---- */

/* One `const oracle oracle_<op>` for every line of nn/ops.def. */
#define NN_OP(name) extern const oracle oracle_##name;
#include "nn/ops.def"
#undef NN_OP

/* Attributes from their text; a key that the operator does not have fails the test. */
int oracle_int(const nn_node *n, const char *key);
double oracle_real(const nn_node *n, const char *key);
bool oracle_yes(const nn_node *n, const char *key);
void oracle_pair(const nn_node *n, const char *key, int out[2]);

/* One axis of a sliding window. before, after: padding. */
typedef struct oracle_axis {
    int in, kernel, stride, dilation, before, after, out;
} oracle_axis;
typedef struct oracle_window {
    oracle_axis h, w;
} oracle_window;

/* From the attributes kernel, stride, pad and dilation (1 where the operator has none). */
oracle_window oracle_window_of(const nn_node *n);
/* One sample [H, W, C] with its padding, filled with `fill`. Freed with free(). */
double *oracle_padded(const oracle_window *win, const double *x, int channels, double fill);
/* Calls visit for every padded pixel, tap and output pixel that belong together; the three are
 * flat indices. */
void oracle_scatter(const oracle_window *win,
                    void (*visit)(void *ctx, size_t pixel, size_t tap, size_t out), void *ctx);

nn_shape oracle_shape3(int h, int w, int c);
nn_shape oracle_shape1(int n);

#endif
