/* suspects: what a trained model hears in every clip of a data set, and how much that surprises it.
 * A label that is wrong has a high loss (as in "small-loss" selection: Han et al., "Co-teaching",
 * NeurIPS 2018); a clip that the model was trained on may have been learnt by heart, wrong label
 * and all, so that the ranking is sharpest for clips that it never saw.
 */
#ifndef TRAIN_SUSPECTS_H
#define TRAIN_SUSPECTS_H

#include "data/survey.h"
#include "train/parent.h"

/* Labels are indices into the model's; -1: the clip's word is none, and loss is not a number. */
typedef struct verdict {
    int label, said;
    double loss;        /* cross entropy of label, nats */
    double probability; /* of what was said */
} verdict;

/* What goes into the last layer with weights, as a model sees the clips. */
typedef struct embedding {
    float *values; /* clips x width; zeros for what cannot be read; freed with base_free */
    size_t width;
} embedding;

/* *verdicts: one for each clip, from base_alloc; e: embeddings too, NULL: none. Words that the
 * model does not know count as _unknown_ where it has that. BASE_DATA when its graph, features and
 * labels do not fit, or it knows no word of r. Results do not depend on the number of threads. */
base_status suspects_judge(const parent *run, const data_recordings *r,
                           const data_survey_options *o, verdict **verdicts, embedding *e,
                           base_err *err);

#endif
