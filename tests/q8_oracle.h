/* q8_oracle: int8 operators once more, from their definitions, with int64 and wider and no kernel,
 * walk or rounding of the library: every output element is computed by itself from its index.
 */
#ifndef TESTS_Q8_ORACLE_H
#define TESTS_Q8_ORACLE_H

#include "nn/op.h"

/* One call on one sample. Attributes are read from their text, shapes are those of the nodes. */
typedef struct q8_call {
    const nn_node *node;
    const nn_q8_context *c; /* quantizations, weights, clamp */
    const int8_t *x[NN_MAX_IN];
    int8_t *y;
} q8_call;

/* NULL when the operator has none. */
typedef void q8_oracle(const q8_call *q);
q8_oracle *q8_oracle_find(const char *op);
q8_oracle q8_oracle_trees, q8_oracle_dtw;

/* A multiplier and a shift of a real number, and x by them, rounded once (halves up) or twice (the
 * product to 31 bits after the point, halves up; then what is shifted out, halves away from zero).
 */
typedef struct q8_factor {
    int64_t multiplier;
    int shift;
} q8_factor;
q8_factor q8_factor_of(double real);
int64_t q8_times(int64_t x, q8_factor f, bool single);
/* round(v / scale) + zero, halves away from zero. */
int64_t q8_steps(double v, double scale, int zero);
/* What the weights w[0], w[step] .. (n of them) are rounded to multiples of, and the multiple. */
double q8_scale_of(const nn_real *w, int n, int step, int bits);
int64_t q8_weight_of(double w, double scale, int bits);
int8_t q8_clamped(const nn_q8_context *c, int64_t v);

#endif
