/* problem: what a keyword product is for and where it will run: the sections [problem] and [target]
 * of a config. A struct member is the value of the key of the same name. What must hold before the
 * product ships is in [gates] (gates.h).
 */
#ifndef TRAIN_PROBLEM_H
#define TRAIN_PROBLEM_H

#include "train/config.h"

/* [problem]: in words, for people; "" where nobody has said. */
typedef struct problem_settings {
    char task[512], business[512], proxy[512];
    char before_deployment[512], after_deployment[512]; /* metrics, by when they can be measured */
    char retraining[256];
} problem_settings;

/* [target] */
typedef struct target_settings {
    char board[1024];             /* a profile of quantize/targets/ or a file; "": not decided */
    double inferences_per_second; /* that the product runs */
    double volts;                 /* of its supply; 0: that of the board's profile */
} target_settings;

problem_settings problem_settings_default(void);
target_settings target_settings_default(void);

/* The sections over these structs, which must outlive the config. */
config_section problem_section(problem_settings *s);
config_section target_section(target_settings *s);

#endif
