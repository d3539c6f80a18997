/* task (private to data/): what the loader needs of a task beyond data.h. */
#ifndef DATA_TASK_H
#define DATA_TASK_H

#include "data/data.h"

/* `samples` samples of background noise for a split, drawn by rng: from the first 80 % of a
 * recording for training, the next 10 % for validation, the last for test, so that no split hears
 * another's noise; from all of it when such a part is too short, and repeated when all is. */
base_status data_task_noise(const data_task *task, data_split split, base_rng *rng, size_t samples,
                            int16_t *pcm, base_err *err);

#endif
