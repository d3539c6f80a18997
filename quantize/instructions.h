/* instructions: how many instructions a layer takes. By kernel and instruction set,
 *
 *   instructions = mac MACs + row rows + out outputs + pixel pixels + patch patches + layer
 *
 * with coefficients that bench/fit_instructions.c fits to instructions counted in an emulator and
 * writes to quantize/targets/instructions.ini, a section for each library and instruction set:
 *
 *   [sotto armv7e-m]           kernels of quantize/runtime/
 *   [cmsis-nn armv7e-m]        CMSIS-NN, int8
 *   [frontend armv7e-m]        `frame`: a frame of features (quant_frame_work)
 *   conv2d.1x1 = six coefficients, layers counted, median and largest residual in percent
 *
 * A kernel may have variants, named by the kernel's size, or "flat" where windows need not be
 * gathered. Of `separable`, rows are the products of the depthwise part and MACs those of the
 * pointwise one; of `trees`, rows are comparisons down trees that are balanced and MACs the values
 * of leaves that are added.
 */
#ifndef QUANTIZE_INSTRUCTIONS_H
#define QUANTIZE_INSTRUCTIONS_H

#include "dsp/dsp.h"
#include "nn/nn.h"

typedef enum quant_term {
    QUANT_MAC,   /* multiply-accumulates; elements read by a layer that has none and reduces */
    QUANT_ROW,   /* convolutions: kernel rows over all outputs, the inner loops entered */
    QUANT_OUT,   /* output elements */
    QUANT_PIXEL, /* convolutions: output elements of one channel */
    QUANT_PATCH, /* convolutions over channels: input elements gathered for all pixels */
    QUANT_LAYER, /* 1 */
    QUANT_TERMS
} quant_term;

enum { QUANT_RULES = 64, QUANT_TEXT = 200 };

typedef struct quant_rule {
    char kernel[NN_MAX_NAME]; /* "conv2d.1x1" */
    double per[QUANT_TERMS];
    int samples;          /* layers counted */
    double median, worst; /* residuals in percent */
} quant_rule;

typedef struct quant_table {
    quant_rule rule[QUANT_RULES];
    int n;
    double error; /* percent: largest of a whole network (a frame) that the rules saw, or median of
                   * those held out, whichever is more */
    char source[QUANT_TEXT];
} quant_table;

/* The section [library isa] of the table that the program carries. A section that is not there is
 * an empty table; BASE_FAILED for one that is malformed. */
base_status quant_table_load(const char *library, const char *isa, quant_table *table,
                             base_err *err);
/* The same of a text; file names it in errors. */
base_status quant_table_parse(const char *text, const char *file, const char *library,
                              const char *isa, quant_table *table, base_err *err);

/* The rule of a kernel's variant, else of the kernel, else of the kernel for 8 bits (conv2d for
 * conv2d_w4 and conv2d_i16); NULL: it was never counted. */
const quant_rule *quant_rule_of(const quant_table *table, const char *kernel, const char *variant);

double quant_instructions(const quant_rule *rule, const double work[QUANT_TERMS]);

/* Makes the work of gru and lstm what their rules are of, others are left alone: there are as many
 * steps as MACs by bytes of weights, all of which have outputs though the last alone may be
 * returned; of gru, rows are the products with the state, MACs the others. */
void quant_recurrent_work(const char *kernel, double pixels, double weights,
                          double work[QUANT_TERMS]);

/* Work of one frame of features: MACs are the real additions and multiplications of the FFT (NAN
 * where integers have none), rows the bands, pixels the samples of the window, outputs the lines of
 * the spectrum in the bands, layers those of them whose root is taken (magnitudes), patches bands x
 * coefficients of the DCT. */
void quant_frame_work(const dsp_config *features, double work[QUANT_TERMS]);

#endif
