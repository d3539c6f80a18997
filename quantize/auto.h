/* auto: how many bits each layer needs. */
#ifndef QUANTIZE_AUTO_H
#define QUANTIZE_AUTO_H

#include "quantize/evaluate.h"

/* One model that was tried: those kept before it, and this layer with other bits. */
typedef struct quant_trial {
    const char *layer; /* NULL: the model with 8 bits everywhere */
    bool activations;  /* of the layer: 16 bits; else its weights: 4 */
    double accuracy;   /* on the validation clips */
    size_t bytes;      /* of weights and tables */
    bool kept;
} quant_trial;

typedef struct quant_search {
    const nn_model *model;
    const quant_source *validation;
    const nn_real *inputs; /* n calibration samples */
    size_t n;
    q8_options how;                                 /* without bits */
    double most_drop;                               /* of the float model's accuracy, a fraction */
    void (*tried)(void *ctx, const quant_trial *t); /* may be NULL */
    void *ctx;
} quant_search;

typedef struct quant_found {
    char *weights, *activations; /* for q8_options, freed with free(); NULL: 8 bits */
    double float_accuracy, accuracy;
    size_t bytes;
} quant_found;

/* The smallest model whose accuracy on the validation clips is at most most_drop below the float
 * model's. Where 8 bits alone fall below, the layers whose rounding adds most to the error of the
 * output (quant_explain) get 16-bit activations, worst first, until they no longer do. Then layers
 * get 4-bit weights, those first that add least error a byte saved, each kept if the model is still
 * within the drop. BASE_GATE with the best accuracy when no such model was found; BASE_DATA when
 * there are no validation clips. */
base_status quant_find_bits(const quant_search *s, quant_found *found, base_err *err);
void quant_found_clear(quant_found *f);

#endif
