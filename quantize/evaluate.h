/* evaluate: models on the clips of a pack, with the features a model asks for: the float net, the
 * int8 kernels, or both on the same features; and the inputs that calibration looks at.
 */
#ifndef QUANTIZE_EVALUATE_H
#define QUANTIZE_EVALUATE_H

#include "data/data.h"
#include "quantize/q8.h"

/* What a model says about one clip, and its loss (cross-entropy). */
typedef struct quant_outcome {
    int said;
    float loss;
} quant_outcome;

/* Called from one thread at a time, not always the same. */
typedef void (*quant_progress)(void *ctx, int64_t done, int64_t total);

typedef struct quant_source {
    const nn_model *model; /* whose features (an int8 model's `folded`) */
    const data_task *task; /* classes in the order of the model's labels */
    data_split split;
    int threads;
    quant_outcome *outcomes; /* what quant_evaluate finds for every clip of the split, in the order
                              * of data_task_evaluation, by the float model where there is one, else
                              * by the int8 model; NULL: not wanted */
    quant_progress progress; /* may be NULL */
    void *ctx;
} quant_source;

/* The feature settings of a model. BASE_DATA when it has none, or when what they give is not what
 * its graph takes. */
base_status quant_features(const nn_model *m, dsp_config *cfg, base_err *err);
/* The classes of a model found in a pack. BASE_DATA when the model has no labels for its outputs.
 */
base_status quant_task(const nn_model *m, const data_pack *pack, data_task **task, base_err *err);

/* Count what a float model, an int8 model or both (NULL: not wanted) say about every clip of the
 * split: classes x classes each, rows the truth; added to what is there. fixed_confusion (NULL: not
 * wanted) is that of the int8 model with features in integers, the device's own path from samples
 * on; BASE_USAGE when it has none (dsp_fixed_new). BASE_DATA when the split has no clips. The
 * counts do not depend on the number of threads. */
base_status quant_evaluate(const quant_source *s, const nn_model *float_model, const q8_model *q8,
                           int64_t *float_confusion, int64_t *q8_confusion,
                           int64_t *fixed_confusion, base_err *err);

/* Features of at most *n clips of the split, a choice that depends on the seed only; *n becomes how
 * many. *inputs is freed with base_free. */
base_status quant_inputs(const quant_source *s, uint64_t seed, size_t *n, nn_real **inputs,
                         base_err *err);
/* SHA-256, in hexadecimal, of which clips these are: of the pack's hashes of their samples, in
 * order; silence that is made from noise counts by its number. */
base_status quant_inputs_hash(const quant_source *s, uint64_t seed, size_t n, char hex[65],
                              base_err *err);

/* A model of either kind. */
typedef struct quant_subject {
    nn_model *float_model; /* or */
    q8_model *q8;
    const nn_model *model; /* labels and features of either */
} quant_subject;
/* From a model file, or that of a run. */
base_status quant_subject_load(const char *path, quant_subject *s, base_err *err);
void quant_subject_free(quant_subject *s);

/* The class that a model says of every clip of the split: said[i] of clip i of
 * data_task_evaluation. As quant_evaluate has it, features in float. */
base_status quant_predict(const quant_source *s, const quant_subject *subject, int *said,
                          base_err *err);

/* The same as whether it has each of these n clips right. */
base_status quant_predict_right(const quant_source *source, const quant_subject *s, bool *right,
                                size_t n, base_err *err);

/* Whether a model, loaded from a file or a run, has each clip of the pack's split right; *n clips,
 * *right is freed with base_free. */
base_status quant_right(const char *path, const data_pack *pack, data_split split, int threads,
                        bool **right, size_t *n, base_err *err);

/* A float model file, or that of a run. BASE_DATA with a hint when it is an int8 model. */
base_status quant_float_model(const char *path, nn_model **m, base_err *err);

/* What training with simulated int8 works with. */
typedef struct quant_training {
    nn_model *start; /* a float model folded, with quantization (q8_simulated) */
    q8_twin *twin;
    q8_options options;
    nn_real *inputs; /* n training clips' features, for the ranges */
    size_t n;
} quant_training;

/* From a float model (or run) and so many training clips of the pack. A model that was trained so
 * already starts with its own ranges, and its own bits unless there are others in o. */
base_status quant_training_open(quant_training *t, const char *path, const char *pack, q8_options o,
                                size_t clips, int threads, base_err *err);
void quant_training_close(quant_training *t); /* a zeroed one is fine */
/* Whether the bits that o wants fit a graph, before it is trained. */
base_status quant_training_check(const nn_graph *g, q8_options o, base_err *err);

#endif
