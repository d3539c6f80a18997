/* ablate: what groups of features contribute to a model that was trained with all of them. A group
 * is replaced by that of another clip, so that what it holds is real but says nothing of this clip
 * (permutation importance; Breiman, "Random forests", Machine Learning 45, 2001), or by its mean
 * over the training clips, frame by frame.
 *
 * Bands can be replaced below cepstral coefficients too: coefficients are linear in the logarithms
 * of the bands, so theirs change by the DCT of what the bands change by.
 */
#ifndef QUANTIZE_ABLATE_H
#define QUANTIZE_ABLATE_H

#include "quantize/evaluate.h"

typedef enum quant_cut {
    QUANT_CUT_BANDS,
    QUANT_CUT_COEFFICIENTS, /* of MFCC */
    QUANT_CUT_TIME,
    QUANT_CUTS
} quant_cut;
extern const char *const quant_cut_names[]; /* "bands", "coefficients", "time", NULL */

/* Positions first .. first + count - 1 of the mel bands, coefficients or frames. */
typedef struct quant_group {
    quant_cut cut;
    int first, count;
    double lo, hi; /* Hz of bands, seconds of time; NAN of coefficients */
} quant_group;

/* How many groups there are when features are cut into at most `most`; 0: not this way. */
int quant_groups(const dsp_config *features, quant_cut cut, int most);
/* Group i of n, all of nearly one size. */
quant_group quant_group_of(const dsp_config *features, quant_cut cut, int i, int n);

typedef struct quant_ablation quant_ablation;
/* Features of all clips of a split, and with `mean` those of an average training clip. model and
 * task must outlive it. BASE_DATA when a split that is needed has no clips. Freed with
 * quant_ablation_free. */
base_status quant_ablation_new(const nn_model *model, const data_task *task, data_split split,
                               bool mean, int threads, quant_ablation **a, base_err *err);
void quant_ablation_free(quant_ablation *a); /* NULL is fine */
size_t quant_ablation_clips(const quant_ablation *a);
/* Class of every clip. */
const int *quant_ablation_truth(const quant_ablation *a);

/* Features of clip i when group g (NULL: everything) is that of clip other[i] instead, or with
 * other NULL that of the mean: x [frames, bins], as the model takes them. */
void quant_ablation_clip(const quant_ablation *a, const quant_group *g, const uint32_t *other,
                         size_t i, nn_real *x);
/* What the model says of every clip then. */
void quant_ablation_run(quant_ablation *a, const quant_group *g, const uint32_t *other, int *said);
/* Of every clip as it is. */
void quant_ablation_whole(quant_ablation *a, int *said);

/* A permutation of n that leaves nothing in its place (n > 1), always the same for a seed and a
 * number: one cycle (Sattolo, 1986). */
void quant_derangement(uint64_t seed, uint32_t number, uint32_t *other, size_t n);

#endif
