/* pipeline: the section [pipeline] of a config: what `sotto pipeline` makes a model of, again and
 * again, and when it may go into production. A struct member is the value of the key of its name.
 */
#ifndef TRAIN_PIPELINE_H
#define TRAIN_PIPELINE_H

#include "train/config.h"

/* Against the model in production, on the clips of the frozen test set. */
typedef enum pipeline_rule {
    PIPELINE_NOT_LOWER, /* at least as many of them right */
    PIPELINE_NOT_WORSE, /* not significantly fewer: p >= 0.05 of McNemar's test */
    PIPELINE_BETTER,    /* significantly more */
    PIPELINE_ALWAYS,    /* gates alone count */
} pipeline_rule;

typedef struct pipeline_settings {
    char words[1024];                   /* folder of recordings that grows; "": no pipeline */
    char test[1024];                    /* folder of test clips; "": the test speakers of words */
    char dir[1024];                     /* all that the pipeline writes */
    char registry[1024];                /* "": dir/registry */
    char recording[1024], labels[1024]; /* for fa_per_hour and frr; "": none */
    char lint_fail[256];                /* kinds of problems that stop it */
    char quantize[512], check[512], export[512]; /* more options of these commands */
    int promote;                                 /* pipeline_rule */
    double every_days;                           /* due after so long, 0: never of itself, */
    int64_t new_clips;                           /* or after so many new clips, 0: as well */
} pipeline_settings;

pipeline_settings pipeline_settings_default(void);
/* The section over this struct, which must outlive the config. */
config_section pipeline_section(pipeline_settings *s);

/* Whether a model that has `only` clips right that production has wrong, and `against` the other
 * way round, may take its place. why (160 bytes): in words. */
bool pipeline_allows(pipeline_rule rule, int64_t only, int64_t against, char why[160]);

#endif
