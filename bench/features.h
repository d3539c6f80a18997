/* features: settings of features by a preset and what differs from it, "mfcc_49x10 fft=1024".
 * All in this header, because every .c file of the folder is a program.
 */
#ifndef BENCH_FEATURES_H
#define BENCH_FEATURES_H

#include "dsp/dsp.h"

#include <string.h>

static inline base_status bench_features(const char *text, dsp_config *cfg, base_err *err)
{
    char copy[200], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    BASE_TRY(dsp_preset(strtok_r(copy, " ", &rest), cfg, err));
    for (char *key; (key = strtok_r(NULL, " ", &rest)) != NULL;) {
        char *value = strchr(key, '=');
        if (!value) return base_fail(err, BASE_USAGE, "'%s' is no key=value", key);
        *value++ = 0;
        BASE_TRY(dsp_config_set(cfg, key, value, err));
    }
    return dsp_config_check(cfg, err);
}

#endif
