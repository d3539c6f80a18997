/* augment (private to data/): what the loader does to training samples, as data_augment says. Every
 * function is one of its arguments alone; draws come from the generators given. */
#ifndef DATA_AUGMENT_H
#define DATA_AUGMENT_H

#include "data/task.h"

/* What all threads share: settings, filters, rooms. */
typedef struct data_augmenter data_augmenter;
/* For clips of `samples` samples at rate. seed: of the simulated rooms. BASE_USAGE: settings that
 * do not fit together; BASE_DATA: rir_file is missing, no audio, silent. task must outlive it. */
base_status data_augmenter_new(const data_augment *settings, const data_task *task, int rate,
                               size_t samples, uint64_t seed, data_augmenter **augmenter,
                               base_err *err);
void data_augmenter_free(data_augmenter *a); /* NULL is fine */

/* What one thread works with. */
typedef struct data_augment_work data_augment_work;
base_status data_augment_work_new(const data_augmenter *a, data_augment_work **work, base_err *err);
void data_augment_work_free(data_augment_work *w); /* NULL is fine */

/* The samples of one training sample, all that happens to them included; rng goes on to be used
 * for data_augment_mask. */
base_status data_augment_clip(data_augment_work *w, const data_sample *sample, base_rng *rng,
                              float *clip, base_err *err);
/* SpecAugment. */
void data_augment_mask(const data_augmenter *a, float *features, int frames, int bins,
                       base_rng *rng);

/* With what sample i of a batch of n is mixed (itself only when it is alone), and the weight of its
 * own part. */
typedef struct data_mix {
    int partner;
    float weight;
} data_mix;
data_mix data_mix_draw(double alpha, int i, int n, base_rng *rng);
/* Beta(alpha, alpha), alpha > 0, as a quotient of gamma variables (Marsaglia & Tsang, ACM TOMS
 * 26(3), 2000). */
double data_beta_draw(double alpha, base_rng *rng);

/* The impulse responses that settings ask for (rir_prob > 0). */
base_status data_rirs_new(const data_augment *settings, int rate, size_t samples, uint64_t seed,
                          dsp_rirs **rirs, base_err *err);

#endif
