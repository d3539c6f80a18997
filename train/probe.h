/* probe: a small model, the same for all features, whose accuracy tells what these are worth.
 */
#ifndef TRAIN_PROBE_H
#define TRAIN_PROBE_H

#include "train/train.h"

typedef struct probe {
    const char *name, *about;
    const char *arch;         /* of the zoo, by its recipe */
    const char *overrides[8]; /* NULL-terminated */
} probe;
extern const probe probes[]; /* ends with a name that is NULL */

/* BASE_USAGE naming all of them when there is none of that name. */
base_status probe_find(const char *name, const probe **found, base_err *err);

/* Settings of a probe on these features, over the sections of *s, which must outlive *cfg: its
 * recipe, then n overrides "section.key=value". BASE_USAGE for one in [features]. */
base_status probe_config(const probe *p, const dsp_config *features, char *const *overrides, int n,
                         train_setup *s, config **cfg, base_err *err);

/* Train it into a run directory. One that holds a finished run of the same settings stays as it is,
 * one that was interrupted is gone on with; BASE_USAGE when the settings are others. */
base_status probe_train(const train_setup *s, const config *cfg, const char *dir,
                        const train_hooks *hooks, base_err *err);

/* The graph that s asks for without a range of its features, as text for model.file: positions
 * first .. first + count - 1 of axis 0 (frames) or 1 (bins) are cut out of the input before
 * anything else sees it, so that the model has none of them in training either. BASE_USAGE when
 * nothing is left, or the architecture cannot do with what is. */
base_status probe_without(const train_setup *s, int classes, int axis, int first, int count,
                          base_str *text, base_err *err);

#endif
