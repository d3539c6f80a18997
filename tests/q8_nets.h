/* q8_nets: nets and models that the int8 tests share. Failures end the cmocka test. */
#ifndef TESTS_Q8_NETS_H
#define TESTS_Q8_NETS_H

#include "quantize/q8.h"

enum { Q8_SAMPLES = 64, Q8_NETS = 13 };

/* Graphs that together use every operator of the deployed world but trees and templates
 * (tests/test_trees.c), and every way a value is shared,
 * fused, passed on and pooled. */
extern const char *const q8_nets[Q8_NETS];

/* n samples of the graph's input, standard normal; freed with base_free. */
nn_real *q8_random_inputs(const nn_graph *g, int n, uint64_t seed);
/* Weights of a trained kind: as drawn for training, none 0, batchnorm statistics and biases away
 * from 0 and 1. */
nn_model *q8_random_model(const char *text, uint64_t seed);
/* m calibrated on the Q8_SAMPLES samples x. */
q8_model *q8_quantized(const nn_model *m, const nn_real *x, q8_range range);
/* The same in 16 bits where q8_options.activations says so. */
q8_model *q8_quantized_wide(const nn_model *m, const nn_real *x, const char *activations);
q8_model *q8_quantized_as(const nn_model *m, const nn_real *x, q8_options how);
/* The same, all weights of 4 bits that have such a form; NULL where the net has none. */
q8_model *q8_packed(const nn_model *m, const nn_real *x);
/* What the graph gives for n samples; freed with base_free. */
nn_real *q8_evaluate(const nn_graph *g, const nn_real *weights, const nn_real *x, int n);
/* Signal to quantization noise in dB of the int8 outputs against y, on n samples. */
double q8_sqnr(const q8_model *q, const nn_real *x, const nn_real *y, int n);

#endif
