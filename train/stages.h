/* stages: which steps of a pipeline are still as they were done. A stage that is done leaves a
 * stamp, stamps/<name>.json in the pipeline's folder: what went in, by name and hash; which files
 * came out, with their hashes; its result; when. It has to run again when one of these is not as
 * stamped. A stamp is written last and replaced whole: who is killed before does the stage again.
 */
#ifndef TRAIN_STAGES_H
#define TRAIN_STAGES_H

#include "nn/base.h"

struct json_t;

typedef struct stage {
    const char *name;         /* "train" */
    struct json_t *inputs;    /* object of texts: names and hashes */
    const char *const *files; /* what comes out, below the folder; NULL-terminated */
} stage;

/* What a stamp says of a stage now. */
typedef struct stage_look {
    bool done;            /* all is as stamped */
    char why[200];        /* why it is not: "words", "new", "model.h5 is not as it was" */
    struct json_t *stamp; /* an object, NULL: none that can be read */
} stage_look;

/* Never fails: what cannot be read is not done. Release with stage_look_free. */
stage_look stage_check(const char *dir, const stage *s);
void stage_look_free(stage_look *look);
/* It is done: result, an object (NULL: none), is kept. BASE_DATA when a file did not come out. */
base_status stage_stamp(const char *dir, const stage *s, struct json_t *result, base_err *err);

/* The stamp of a stage, NULL when there is none that can be read. A new reference. */
struct json_t *stage_read(const char *dir, const char *name);
/* SHA-256 of a stage's inputs, in hexadecimal: equal when all of them are. */
void stage_key(const struct json_t *inputs, char hex[65]);
/* SHA-256 of a text, in hexadecimal. */
void stage_text_hash(const char *text, char hex[65]);

#endif
