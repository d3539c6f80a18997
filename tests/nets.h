/* nets: small networks with data for the tests of whole nets, in float and in double. */
#ifndef TESTS_NETS_H
#define TESTS_NETS_H

#include "nn/op.h"

/* A DS-CNN in small: every operator that a real one has, and a residual branch; x 12x8x1, t 4. */
extern const char nets_ds_cnn[];

/* The DS-CNN of MLPerf Tiny with folded batchnorms, up to its logits; x 49x10x1, 12 classes. */
extern const char nets_kws[];

nn_graph *nets_parse(const char *text); /* fails the test when it does not parse */
nn_net *nets_new(const nn_graph *g, nn_net_options o);

/* n samples for every input of g: normal numbers, one-hot targets for a loss's second input. */
typedef struct nets_data {
    nn_real *x[NN_MAX_IN];
    int n;
} nets_data;
nets_data nets_data_new(const nn_graph *g, int n);
void nets_data_free(nets_data *d);
const nn_real *const *nets_in(const nets_data *d);

/* Initial weights, then gains, biases and statistics moved away from 0 and 1. */
void nets_weights(const nn_graph *g, nn_real *weights);

#endif
