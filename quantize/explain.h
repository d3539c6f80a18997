/* explain: where an int8 model loses what its float model knew, layer by layer. */
#ifndef QUANTIZE_EXPLAIN_H
#define QUANTIZE_EXPLAIN_H

#include "quantize/q8.h"

/* What most of a layer's own error is, from what was measured on it. */
typedef enum quant_fault {
    QUANT_ROUNDING, /* of its outputs to 8 bits; nothing is at fault */
    QUANT_CLIPPED,  /* half of its error and more is of values beyond the range */
    QUANT_SHIFTED,  /* a quarter and more is the mean error of channels */
    QUANT_COARSE,   /* it is over four times what rounding the outputs gives: the weights */
    QUANT_WEIGHTS,  /* its values have 16 bits: the weights */
    QUANT_SHARED,   /* rounding, in the range of its input, of whose 256 steps 99.9 % of the values
                     * use less than 64 (pooling) */
    QUANT_UNEVEN,   /* rounding, with one channel reaching over eight times as far as the median */
    QUANT_WIDE,     /* rounding, with 99.9 % of the values in less than 64 of the 256 steps */
} quant_fault;

/* The quantized input, what one layer computes, or its 16-bit values as int8 ones ("c1:narrow"). */
typedef struct quant_row {
    const char *name, *op; /* borrowed from the model and its graph */
    int place;             /* in the order they are computed, 0 is the input */
    int weight_bits;       /* 8 or 4; 0 without weights */
    nn_quant quant;
    bool wide, can_widen; /* it has 16 bits, or could have */
    double lo, hi;        /* the ends of its range */
    double saturated;     /* share of values that are over half a step beyond it in float */
    double sqnr;          /* dB: the whole int8 model's values against the float ones */
    double own_sqnr;      /* dB: with only this layer quantized, at its own output */
    double error; /* the same at the model's output: mean square, relative to the output's */
    double share; /* of the sum of all errors */
    quant_fault fault;
    double measure; /* of the fault: share, times, channel ratio or steps */
} quant_row;

typedef struct quant_explanation {
    quant_row *row; /* largest error first */
    int n;
    double error; /* of the whole int8 model's output, as quant_row.error */
    double sum;   /* of the rows' errors: what it would be were they independent */
    base_arena *arena;
} quant_explanation;

/* m against its own folded float graph on n samples of the input.
 *
 * "Only this layer quantized" is: its kernel computes from float inputs that were quantized; what
 * its float nodes give from the same (dequantized) inputs is subtracted. That difference, which is
 * the layer's own (weights, bias, range and rounding of its output), is added to its float output,
 * and everything behind computes in float. The input's own error is its quantization. corrected:
 * biases take out what the layers before shift (q8_options.correct_bias), so that the mean error of
 * each channel is no loss and is left out. Does not depend on threads. Free with
 * quant_explanation_free. */
base_status quant_explain(const q8_model *m, const nn_real *inputs, size_t n, bool corrected,
                          int threads, quant_explanation *e, base_err *err);
void quant_explanation_free(quant_explanation *e);

/* The explanation as a picture, drawn by gnuplot. BASE_USAGE when path ends neither in .png nor in
 * .svg, BASE_FAILED when gnuplot is not there; _check tells so beforehand. */
base_status quant_plot_check(const char *path, base_err *err);
base_status quant_plot(const quant_explanation *e, const char *path, base_err *err);

/* What a row suffers from and what to do about it, in one line; done: how the model was made. */
void quant_advice(const quant_row *r, q8_options done, base_str *text);

#endif
