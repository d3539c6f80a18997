/* What the parts of `sotto pipeline` share, for cmd_pipeline*.c: its folder, its log, its stages.
 */
#ifndef TRAIN_CMD_PIPELINE_H
#define TRAIN_CMD_PIPELINE_H

#include "train/cli.h"
#include "train/listing.h"
#include "train/registry.h"
#include "train/setup.h"
#include "train/stages.h"

#include <limits.h>

enum {
    PIPELINE_STAGES = 12, /* with register and promote */
    PIPELINE_WHY = 300,
    PIPELINE_WORDS_MOST = 320 /* an option text of 511 bytes has 256 words at most */
};

/* Files of the folder. */
#define PIPELINE_WORDS   "words.h5"      /* clips of training and validation */
#define PIPELINE_CLIPS   "clips.sha256"  /* the recordings that these were imported from */
#define PIPELINE_TEST    "test.h5"       /* test clips, frozen */
#define PIPELINE_LINT    "lint.txt"      /* what is wrong with words.h5 */
#define PIPELINE_EXCLUDE "exclude.txt"   /* what is not trained on */
#define PIPELINE_CONFIG  "config.ini"    /* as the pipeline was started with */
#define PIPELINE_INT8    "model.int8.h5" /* made of the last run, as the next two */
#define PIPELINE_HEADER  "kws_model.h"
#define PIPELINE_CHECK   "check.json"
#define PIPELINE_VERDICT "verdict.json"
#define PIPELINE_LOG     "log.txt"
#define PIPELINE_LOCK    "lock"

/* What became of a stage. */
typedef struct pipeline_row {
    const char *stage, *action; /* "ran", "skipped", "would run" */
    char why[PIPELINE_WHY], result[PIPELINE_WHY];
    double seconds;
} pipeline_row;

typedef struct pipeline {
    cli *c;
    train_setup setup;
    config *cfg;
    const char *dir; /* everything is below it, but for the registry */
    const char *registry;
    char program[PATH_MAX], threads[16];
    bool dry, refreeze;
    bool stale; /* dry: a stage would run, so what follows it may have to */
    int log;    /* descriptor, -1: none (dry) */
    bool log_failed;
    base_arena *arena;
    char *printed; /* the config, without data.pack and data.exclude; freed with free() */
    listing words;
    char *exclude;                      /* data.exclude as it was given; in arena */
    char words_hash[65], test_hash[65]; /* of what the packs hold */
    char model_hash[65], int8_hash[65]; /* of the files */
    const char *run;                    /* "runs/3fa9c21b07de", in arena */
    struct json_t *check, *compare;     /* results of these stages, or NULL */
    pipeline_row rows[PIPELINE_STAGES];
    int n_rows;
} pipeline;

/* What it all came to. */
typedef struct pipeline_verdict {
    const char *word; /* "promoted", "unchanged", "refused" */
    char why[PIPELINE_WHY];
    char version[REGISTRY_NAME], before[REGISTRY_NAME]; /* "": none */
} pipeline_verdict;

/* ---- cmd_pipeline_run.c ---- */

/* "dir/name", in the arena. "" when there is no memory, which no file is called. */
const char *pipeline_at(pipeline *l, const char *name);
/* A dated line of the log. */
void pipeline_log(pipeline *l, const char *fmt, ...) BASE_PRINTF(2, 3);
/* Run one of this program's commands, logged: words of argv up to NULL. *out: the JSON object that
 * it prints, NULL when it prints none. met: NULL, or whether it ended with 0; exit code 4 is an
 * error only without it. Other codes are errors of the same kind, with the command's own words. */
base_status pipeline_command(pipeline *l, const char *name, const char *const *argv, bool *met,
                             struct json_t **out, base_err *err);
/* A new row, "ran". */
pipeline_row *pipeline_row_new(pipeline *l, const char *name);

/* A stage that is one command. */
typedef struct pipeline_step {
    stage stage;
    const char *const *argv;
    const char *save; /* file (of stage.files) that the command's JSON is written to; NULL: none */
    bool gate;        /* exit code 4 is a result */
    const char *why;  /* says more than the stamp why it has to run; NULL: nothing */
    /* What is to be done after the command before it is stamped; may add to the result, or be
     * NULL. */
    base_status (*after)(pipeline *l, struct json_t *result, base_err *err);
} pipeline_step;
/* Skipped, or run and stamped; takes over step->stage.inputs. *result: the command's, a new
 * reference; NULL in a dry run of what is not done. *row may be NULL. */
base_status pipeline_do(pipeline *l, const pipeline_step *step, struct json_t **result,
                        pipeline_row **row, base_err *err);

/* ---- cmd_pipeline_inputs.c ---- */

/* What goes into a stage: the version of the program, and what is put. */
struct json_t *pipeline_inputs(void);
void pipeline_put(struct json_t *inputs, const char *name, const char *value);
/* A file that a setting names, by its bytes; a folder by its name, but a run by its model; "" not
 * at all. */
base_status pipeline_put_file(const pipeline *l, struct json_t *inputs, const char *name,
                              const char *path, base_err *err);
/* One section of the config, by its text. */
void pipeline_put_section(const pipeline *l, struct json_t *inputs, const char *section);
/* In a dry run what is not there yet has the hash "". */
base_status pipeline_hash_file(const pipeline *l, const char *path, char hex[65], base_err *err);
/* Of what a pack holds, samples of its noise too, not of its file. */
base_status pipeline_hash_pack(const pipeline *l, const char *path, char hex[65], base_err *err);

/* A command line of this program; strings are not copied. */
typedef struct pipeline_words {
    const char *v[PIPELINE_WORDS_MOST + 1];
    int n;
} pipeline_words;
/* Of a command of one word or (b not NULL) two, that prints JSON. */
pipeline_words pipeline_begin(const pipeline *l, const char *a, const char *b);
void pipeline_add(pipeline_words *w, const char *word);
void pipeline_add_option(pipeline_words *w, const char *name, const char *value); /* "": not */
/* The words of a text, between blanks. */
void pipeline_add_text(const pipeline *l, pipeline_words *w, const char *text);

/* A number of a result goes into a row, with what it is. */
void pipeline_put_number(pipeline_row *row, const struct json_t *o, const char *key,
                         const char *what);

/* ---- cmd_pipeline_data.c ---- */

base_status pipeline_import(pipeline *l, base_err *err);
base_status pipeline_freeze(pipeline *l, base_err *err);
base_status pipeline_lint(pipeline *l, base_err *err);

/* ---- cmd_pipeline_stages.c ---- */

/* All stages up to the comparison, in order. */
base_status pipeline_stages(pipeline *l, base_err *err);

/* ---- cmd_pipeline_verdict.c ---- */

/* The version that the comparison was with ("": none is in production), its model into path ("":
 * none), in the arena, and that file's hash. */
base_status pipeline_production(pipeline *l, char version[REGISTRY_NAME], const char **path,
                                char hex[65], base_err *err);
/* Register and promote, or refuse: BASE_GATE. */
base_status pipeline_decide(pipeline *l, pipeline_verdict *v, base_err *err);

#endif
