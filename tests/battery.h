/* battery: what every operator must satisfy, checked for every graph in its `cases`, driven by the
 * registry nn_ops[]. A check is a function that appends to `why` what is wrong and says nothing
 * when all is well; tests/test_battery.c (float) and tests/double_battery.c run all of them for all
 * operators, and battery_sabotage.c runs them on operators broken on purpose.
 *
 * The rig runs the last node of a case alone, with hand-made nn_args. Every buffer is a heap block
 * of exactly its size (the sanitizer sees one element too many), what must not be read holds NaN.
 */
#ifndef TESTS_BATTERY_H
#define TESTS_BATTERY_H

#include "nn/op.h"

/* Largest errors that are let pass, relative as in battery_error. In float: ten times the largest
 * measured over all cases (values 1.3e-6, gradients 2.6e-6). In double the measured ones are 3e-15
 * and 1e-9, the latter of the differences. */
#ifdef NN_DOUBLE
#define BATTERY_FORWARD_TOL  1e-10
#define BATTERY_GRADIENT_TOL 1e-7
#define BATTERY_PROGRAM      "build/double/tests/double_battery"
#else
#define BATTERY_FORWARD_TOL  1.3e-5
#define BATTERY_GRADIENT_TOL 2.6e-5
#define BATTERY_PROGRAM      "build/san/tests/test_battery"
#endif

typedef struct battery_case {
    const nn_op *op;  /* runs in place of the node's own when not NULL */
    const char *text; /* a graph */
} battery_case;

typedef void battery_fn(const battery_case *c, base_str *why);
typedef struct battery_check {
    const char *name;
    battery_fn *run;
} battery_check;

/* ---- rig ---- */

typedef struct rig {
    nn_graph *g;
    nn_node *n;
    int batch;
    nn_args a;
    size_t nx[NN_MAX_IN], nw[NN_MAX_PARAMS], ny, n_saved, n_scratch;
    double *x[NN_MAX_IN], *w[NN_MAX_PARAMS], *dy; /* the data, values that nn_real holds exactly */
    /* the same memory as in `a`, without const */
    nn_real *ax[NN_MAX_IN], *aw[NN_MAX_PARAMS], *ady;
} rig;

/* Parses, allocates, fills with reproducible data. False: said in why, nothing to close. */
bool rig_open(rig *r, const battery_case *c, int batch, bool training, base_str *why);
void rig_close(rig *r);
/* Sample b of `from` alone in a rig of its own. */
bool rig_slice(rig *r, const battery_case *c, const rig *from, int b, base_str *why);
/* Operator and data to operator: y, saved and scratch hold NaN before, statistics are zeroed. */
void rig_forward(rig *r);
/* As rig_forward, with y in the memory of x[0]; the result is in a.y. */
void rig_forward_in_place(rig *r);
/* After rig_forward. x and y hold NaN unless the operator keeps them. dx and dw are added to. */
void rig_backward(rig *r);
void rig_zero_grads(rig *r);
/* The oracle's y (ny doubles, freed with free()) and count of MACs (of all samples). */
double *rig_oracle(rig *r, double *const observed[NN_MAX_PARAMS], int64_t *macs);

/* NULL, or "x[0]", "weight" ... of gradient tensor k with its size, data and gradient:
 * inputs first, then parameters that are no statistics. */
typedef struct rig_tensor {
    char name[32];
    size_t n;
    double *data;
    nn_real *grad;
} rig_tensor;
bool rig_gradient(rig *r, int k, rig_tensor *t);

bool battery_has_statistics(const nn_node *n);
/* The largest |a - b| / (|b| + root mean square of b); at says where. NaN equals NaN, a NaN on one
 * side is infinitely wrong. */
double battery_error(const nn_real *a, const double *b, size_t n, size_t *at);
/* Appends to why when a and b differ by more than tolerance. */
void battery_compare(const char *what, const nn_real *a, const double *b, size_t n,
                     double tolerance, base_str *why);
/* Appends when the bits differ. */
void battery_same(const char *what, const nn_real *a, const nn_real *b, size_t n, base_str *why);

/* ---- checks ---- */

battery_fn battery_forward, battery_observed, battery_nan, battery_in_place,
    battery_singles;          /* battery_forward.c */
battery_fn battery_random;    /* battery_random.c */
battery_fn battery_streaming; /* battery_stream.c */
battery_fn battery_gradient, battery_accumulates, battery_fresh, battery_clamped,
    battery_clamped_evaluation;                                        /* battery_gradient.c */
battery_fn battery_text, battery_shapes, battery_params, battery_cost; /* battery_graph.c */
battery_fn battery_saved_model, battery_threads;                       /* battery_net.c */

/* All of them that make sense in this build. */
extern const battery_check battery_checks[];
extern const int battery_n_checks;

/* What the descriptor lacks: cases, an oracle, cost, lowering, help of attributes ... */
void battery_descriptor(const nn_op *op, base_str *why);

/* Runs all checks on all operators as cmocka tests named "operator/check"; only names that contain
 * the first argument or $BATTERY, if there is one. Returns the exit code. */
int battery_main(const char *suite, int argc, char **argv);

/* One test of battery_main that breaks operators on purpose and wants to hear of it. */
void battery_sabotage(void **state);

#endif
